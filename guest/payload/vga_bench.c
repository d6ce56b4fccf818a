/* SPDX-License-Identifier: MIT */
/*
 * What drawing on a VGA card costs: tests/bench/vga runs it in several VMMs, each with a
 * PC's serial port. A byte there begins a round: f fills a linear framebuffer of
 * 1024x768x32, t scrolls text; a line says when it is done.
 */
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/pci.h"
#include "lib/report.h"

#define COM1 0x3f8
#define TEXT 0xb8000ull
#define WIDTH 1024
#define HEIGHT 768
#define FILLS 20
#define LINES 200

static void say(const char *s)
{
	for (; *s; s++) {
		while (!(inb(COM1 + 5) & 0x20))
			cpu_pause();
		outb(COM1, *s);
	}
}

static uint8_t hear(void)
{
	while (!(inb(COM1 + 5) & 1))
		cpu_pause();
	return inb(COM1);
}

static void vbe(uint16_t index, uint16_t value)
{
	outw(0x1ce, index);
	outw(0x1cf, value);
}

/* BAR 0 of the first VGA card, mapped; by ports, which every PC has. */
static uint64_t find_vram(void)
{
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		if (pci_port_read(slot, 0, PCI_CLASS_REVISION, 4) >> 8 != 0x030000)
			continue;
		if (!(pci_port_read(slot, 0, PCI_BASE_ADDRESS_0, 4) & ~15u))
			pci_port_write(slot, PCI_BASE_ADDRESS_0, 4, 0xd0000000);
		pci_port_write(slot, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
		return pci_port_read(slot, 0, PCI_BASE_ADDRESS_0, 4) & ~15u;
	}
	return 0;
}

static void fill(uint64_t vram)
{
	vbe(4, 0);
	vbe(1, WIDTH);
	vbe(2, HEIGHT);
	vbe(3, 32);
	vbe(4, 0x41);
	for (uint64_t i = 0; i < FILLS; i++) {
		uint64_t n = WIDTH * HEIGHT / 2, to = vram, value = i * 0x0010203000102030ull;

		__asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(value) : "memory");
	}
}

/* As a kernel's console does it: lines move up, by words; the last one is new. */
static void scroll(void)
{
	vbe(4, 0);
	for (unsigned line = 0; line < LINES; line++) {
		uint64_t to = TEXT, from = TEXT + 160, n = 24 * 80 / 2;

		__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
		for (unsigned i = 0; i < 80; i++)
			write16(TEXT + 24 * 160 + 2 * i, 0x0700 | (' ' + (line + i) % 95));
	}
}

int payload(void)
{
	uint64_t vram = find_vram();

	say(vram ? "ready\n" : "no card\n");
	for (;;) {
		switch (hear()) {
		case 'f':
			fill(vram);
			break;
		case 't':
			scroll();
			break;
		case 'q':
			return PAYLOAD_GOOD;
		}
		say("done\n");
	}
}
