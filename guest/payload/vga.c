/* SPDX-License-Identifier: MIT */
/*
 * Pictures by a VGA card, one after the other: tests/smoke/vga runs it, compares each with
 * what tests/smoke/vga_golden.c draws, and sends a byte to the serial port for the next.
 * Its name comes out when a picture is there.
 *
 * Registers are those of FreeVGA's documentation, with IBM's values for the modes;
 * VBE's are Bochs's.
 */
#include "arch/x86/layout.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/pci.h"
#include "lib/report.h"

#define TEXT 0xb8000ull
#define WINDOW 0xa0000ull
#define LFB_WIDTH 1024
#define LFB_HEIGHT 768

struct mode {
	uint8_t misc, seq[5], crtc[25], gc[9], attr[21];
};

static const struct mode text = {
	0x67, { 3, 0x00, 3, 0, 2 },
	{ 0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x20, 0x0e, 0, 0, 0, 0,
	  0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff },
	{ 0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff },
	{ 0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
	  0x04, 0, 0x0f, 0x08, 0 },
};

static const struct mode mode_12h = {
	0xe3, { 3, 0x01, 0x0f, 0, 6 },
	{ 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0, 0, 0, 0, 0, 0,
	  0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff },
	{ 0, 0, 0, 0, 0, 0, 0x05, 0x0f, 0xff },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x01, 0, 0x0f, 0, 0 },
};

static const struct mode mode_13h = {
	0x63, { 3, 0x01, 0x0f, 0, 0x0e },
	{ 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0, 0, 0, 0, 0, 0,
	  0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff },
	{ 0, 0, 0, 0, 0, 0x40, 0x05, 0x0f, 0xff },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0, 0x0f, 0, 0 },
};

static void reg(uint16_t port, uint8_t index, uint8_t value)
{
	outb(port, index);
	outb(port + 1, value);
}

static void vbe(uint16_t index, uint16_t value)
{
	outw(0x1ce, index);
	outw(0x1cf, value);
}

static void set_mode(const struct mode *m)
{
	vbe(4, 0);
	outb(0x3c2, m->misc);
	for (unsigned i = 0; i < 5; i++)
		reg(0x3c4, i, m->seq[i]);
	reg(0x3d4, 0x11, 0);
	for (unsigned i = 0; i < 25; i++)
		reg(0x3d4, i, m->crtc[i]);
	for (unsigned i = 0; i < 9; i++)
		reg(0x3ce, i, m->gc[i]);
	inb(0x3da);
	for (unsigned i = 0; i < 21; i++) {
		outb(0x3c0, i);
		outb(0x3c0, m->attr[i]);
	}
	outb(0x3c0, 0x20);
}

static void colour(unsigned red, unsigned green, unsigned blue)
{
	outb(0x3c9, red);
	outb(0x3c9, green);
	outb(0x3c9, blue);
}

/* EGA's 64: two thirds by the lower three bits, one by the upper. */
static void set_ega_colours(void)
{
	outb(0x3c8, 0);
	for (unsigned i = 0; i < 64; i++)
		colour((i >> 2 & 1) * 42 + (i >> 5 & 1) * 21, (i >> 1 & 1) * 42 + (i >> 4 & 1) * 21,
		       (i & 1) * 42 + (i >> 3 & 1) * 21);
}

/* Colour @i of 256: three bits of red and green, two of blue. */
static void set_colours(void)
{
	outb(0x3c8, 0);
	for (unsigned i = 0; i < 256; i++)
		colour((i >> 5) * 9, (i >> 2 & 7) * 9, (i & 3) * 21);
}

/* --- the pictures ------------------------------------------------------------------- */

/* What the card shows by itself: its own font and colours, the cursor off. */
static void put(unsigned x, unsigned y, uint8_t attr, const char *s)
{
	for (; *s; s++, x++)
		write16(TEXT + (y * 80 + x) * 2, attr << 8 | (uint8_t)*s);
}

static void boot_text(void)
{
	reg(0x3d4, 0x0a, 0x20);
	put(0, 0, 0x07, "The quick brown fox jumps over the lazy dog. 0123456789 ()[]{}<>+-*/=.,:;!?");
	put(0, 1, 0x07, "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG  @#$%&'\"`~^_|\\");
	for (unsigned i = 0; i < 256; i++)
		put(i % 16 * 5, 3 + i / 16, i & 0x7f, "\xc9" "A\xba ");
	for (unsigned i = 0; i < 256; i++)
		write16(TEXT + (20 * 80 + i) * 2, 0x0f00 | i);
}

/* Every character in every colour, by a font that is a sum; 16 backgrounds. */
static void font_text(void)
{
	set_mode(&text);
	set_ega_colours();
	reg(0x3d4, 0x0a, 0x20);
	reg(0x3c4, 2, 4);
	reg(0x3c4, 4, 6);
	reg(0x3ce, 5, 0);
	reg(0x3ce, 6, 4);
	for (unsigned c = 0; c < 256; c++)
		for (unsigned y = 0; y < 16; y++)
			write8(WINDOW + c * 32 + y, c * 7 + y * 29);
	reg(0x3c4, 2, 3);
	reg(0x3c4, 4, 2);
	reg(0x3ce, 5, 0x10);
	reg(0x3ce, 6, 0x0e);
	for (unsigned i = 0; i < 80 * 25; i++)
		write16(TEXT + i * 2, (uint8_t)(i * 3 + i / 80) << 8 | (uint8_t)i);
}

/* Squares of 16 colours, by planes; a frame by write mode 2 and the bit mask. */
static void planes(void)
{
	set_mode(&mode_12h);
	for (unsigned plane = 0; plane < 4; plane++) {
		reg(0x3c4, 2, 1 << plane);
		for (unsigned y = 0; y < 480; y++)
			for (unsigned x = 0; x < 80; x += 4) {
				uint32_t bits = 0;

				for (unsigned i = 0; i < 4; i++)
					if ((((x + i) ^ y >> 3) & 15) >> plane & 1)
						bits |= 0xffu << 8 * i;
				write32(WINDOW + y * 80 + x, bits);
			}
	}
	reg(0x3c4, 2, 15);
	reg(0x3ce, 5, 2);
	reg(0x3ce, 8, 0x18);
	for (unsigned y = 0; y < 480; y++) {
		read8(WINDOW + y * 80 + 40);
		write8(WINDOW + y * 80 + 40, 15);
	}
}

static void colours_256(void)
{
	set_mode(&mode_13h);
	set_colours();
	for (unsigned y = 0; y < 200; y++)
		for (unsigned x = 0; x < 320; x += 4) {
			uint32_t four = 0;

			for (unsigned i = 0; i < 4; i++)
				four |= (uint32_t)(uint8_t)(x + i + y) << 8 * i;
			write32(WINDOW + y * 320 + x, four);
		}
}

static uint64_t find_vram(void)
{
	for (unsigned slot = pci_next(0); slot < PCI_SLOTS; slot = pci_next(slot + 1))
		if (pci_read32(slot, PCI_CLASS_REVISION) >> 8 == 0x030000)
			return pci_read32(slot, PCI_BASE_ADDRESS_0) & ~15u;
	FAIL("no VGA card on the bus");
}

static void linear(void)
{
	uint64_t vram = find_vram(), from, to, n;

	vbe(1, LFB_WIDTH);
	vbe(2, LFB_HEIGHT);
	vbe(3, 32);
	vbe(4, 0x41);
	for (uint64_t y = 0; y < 256; y++)
		for (uint64_t x = 0; x < LFB_WIDTH; x += 2) {
			uint64_t pixel = (x >> 2) << 16 | (y & 0xff) << 8 | ((x ^ y) & 0xfe);

			write64(vram + (y * LFB_WIDTH + x) * 4, pixel | (pixel + 0x1) << 32);
		}
	/* And twice more. */
	from = vram;
	to = vram + 256 * LFB_WIDTH * 4;
	n = 512 * LFB_WIDTH / 2;
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

/* One pixel of a picture that has been still. */
static void dot(void)
{
	write32(find_vram() + (300 * LFB_WIDTH + 500) * 4, 0xffffff);
}

/* From line 100 on: what is below the picture is black. */
static void panned(void)
{
	vbe(9, 100);
}

/* --- one after the other ------------------------------------------------------------------ */

static void wait_for_byte(void)
{
	while (!(inb(X86_COM1_PORT + 5) & 1))
		cpu_pause();
	inb(X86_COM1_PORT);
}

int payload(void)
{
	static const struct {
		const char *name;
		void (*draw)(void);
	} pictures[] = {
		{ "boot", boot_text }, { "font", font_text }, { "planes", planes },
		{ "colours", colours_256 }, { "linear", linear }, { "dot", dot },
		{ "panned", panned }, { "again", font_text },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(pictures); i++) {
		pictures[i].draw();
		print("picture %s\n", pictures[i].name);
		wait_for_byte();
	}
	return PAYLOAD_GOOD;
}
