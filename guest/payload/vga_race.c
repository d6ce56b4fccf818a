/* SPDX-License-Identifier: MIT */
/*
 * Two processors change a VGA card's mode and memory, each as it likes, while it is
 * painted: whatever comes out, the VM goes on, and afterwards the card does as it is
 * told (case 89).
 *
 * RUN: --cpus 2 --gpu 2d,vga=on,vram=1M,display=none
 */
#include "arch/x86/layout.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/pci.h"
#include "lib/report.h"
#include "lib/smp.h"

#define ROUNDS 2000
#define PORTS 0x3b0
#define WINDOW 0xa0000ull

static uint64_t vram, registers;
static volatile bool go, done;

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Any register of any part, any value. */
static void change_register(uint32_t r)
{
	static const uint16_t indexed[] = { 0x3c4, 0x3ce, 0x3d4 };
	uint16_t port = indexed[r % 3];

	switch (r >> 4 & 3) {
	case 0:
		outb(port, r >> 8);
		outb(port + 1, r >> 12);
		break;
	case 1:
		outb(PORTS + (r >> 8) % 0x30, r >> 12);
		break;
	case 2:
		outw(0x1ce, (r >> 8) % 11);
		outw(0x1cf, (r >> 8) % 11 == 3 ? (r >> 12 & 3) * 8 + 8 : r >> 12 & 0x3ff);
		break;
	case 3:
		outw(0x1ce, 4);
		outw(0x1cf, r >> 8 & 0xe1);
		break;
	}
}

static void change_memory(uint32_t r)
{
	if (r & 1)
		write32(WINDOW + (r >> 4) % 0x1fffc, r);
	else
		write32(vram + (r >> 1) % (1 << 20) / 4 * 4, r);
	read32(WINDOW + (r >> 3) % 0x1fffc);
	read32(registers + 0x400 + r % 0x300 / 4 * 4);
}

/* As a driver would, that takes BAR 0 elsewhere in between. */
static void change_place(unsigned slot, uint32_t r)
{
	pci_set_command(slot, 0, PCI_COMMAND_MEMORY);
	if (!(r & 3))
		pci_bar_set(slot, 0, vram);
	pci_set_command(slot, PCI_COMMAND_MEMORY, 0);
}

static void storm(unsigned slot, uint32_t seed)
{
	while (!go)
		cpu_pause();
	for (unsigned n = 0; n < ROUNDS; n++) {
		for (unsigned i = 0; i < 10; i++) {
			change_register(next(&seed));
			change_memory(next(&seed));
		}
		if (n % 16 == 0)
			change_place(slot, next(&seed));
	}
}

static void other(void *arg)
{
	storm(gpa_of(arg), 4711);
	done = true;
}

static unsigned find(void)
{
	for (unsigned slot = pci_next(0); slot < PCI_SLOTS; slot = pci_next(slot + 1))
		if (pci_read32(slot, PCI_CLASS_REVISION) >> 8 == 0x030000)
			return slot;
	FAIL("no VGA card on the bus");
}

int payload(void)
{
	unsigned slot = find();

	vram = pci_read32(slot, PCI_BASE_ADDRESS_0) & ~15u;
	registers = pci_bar_get(slot, 2).addr;
	mem_map(registers, 0x1000);
	CHECK(smp_start(1, other, ptr(slot)));
	go = true;
	storm(slot, 815);
	WAIT_FOR(done);
	/* It still does as it is told. */
	outw(0x1ce, 4);
	outw(0x1cf, 0);
	outw(0x1ce, 1);
	outw(0x1cf, 320);
	outw(0x1ce, 2);
	outw(0x1cf, 200);
	outw(0x1ce, 3);
	outw(0x1cf, 32);
	outw(0x1ce, 4);
	outw(0x1cf, 0x41);
	CHECK_EQ(inw(0x1cf), 0x41);
	write32(vram + 64, 0x12345678);
	CHECK_EQ(read32(vram + 64), 0x12345678);
	return PAYLOAD_GOOD;
}
