/* SPDX-License-Identifier: MIT */
/*
 * 0xa0000-0xbffff: four planes behind a window of one byte, or vram in banks.
 * Accesses are of bytes; each one's final address is masked before it is used.
 */
#include "devices/byte_regs.h"
#include "devices/vga/vga_impl.h"
#include "vmm/util.h"

/* Where a byte of the window leads to. */
struct vga_target {
	uint8_t *byte;		/* in linear modes; else NULL */
	uint32_t *planes;	/* one byte of each */
	uint32_t at;		/* of either, in vram */
	uint8_t write;		/* mask of planes */
	uint8_t read;		/* number of the plane */
};

/* "Memory Map Select": false where the window does not answer. */
static bool window_map(const struct vga_regs *r, uint32_t *off)
{
	static const struct { uint32_t base, len; } maps[] = {
		{ 0, 0x20000 }, { 0, 0x10000 }, { 0x10000, 0x8000 }, { 0x18000, 0x8000 },
	};
	unsigned n = r->gc[GC_MISC] >> 2 & 3;

	if (!(r->misc & MISC_RAM) || !range_fits(*off, 1, VGA_WINDOW_LEN) ||
	    *off < maps[n].base || *off - maps[n].base >= maps[n].len)
		return false;
	*off -= maps[n].base;
	return true;
}

/* A0 chooses the plane, and A16 takes its place where the window has one. */
static uint32_t window_odd_even(uint32_t off)
{
	return (off & 0xfffe) | (off >> 16 & 1);
}

/*
 * "Chain 4" has A14 and A15 in the place of A0 and A1, which choose the plane: as
 * the CRTC has it with double words.
 */
static void window_planes(const struct vga_regs *r, uint32_t off, bool write,
			  struct vga_target *t)
{
	bool odd_even = write ? !(r->seq[SEQ_MEMORY] & SEQ_MEMORY_SEQUENTIAL) :
				r->gc[GC_MODE] & GC_MODE_ODD_EVEN;

	t->write = r->seq[SEQ_MAP_MASK];
	t->read = r->gc[GC_READ_MAP];
	t->at = off & 0xffff;
	if (r->seq[SEQ_MEMORY] & SEQ_MEMORY_CHAIN_4) {
		t->read = off & 3;
		t->write &= 1u << t->read;
		t->at = (t->at & 0xfffc) | t->at >> 14;
	} else if (odd_even) {
		t->read = (t->read & 2) | (off & 1);
		t->write &= off & 1 ? 0x0a : 0x05;
		t->at = window_odd_even(off);
	}
}

static bool window_find(struct vga_card *c, uint32_t off, bool write, struct vga_target *t)
{
	const struct vga_regs *r = &c->regs;
	bool vbe = vga_dispi_on(r);
	uint32_t bank = vbe ? (uint32_t)r->dispi[DISPI_BANK] << 16 : 0;

	memset(t, 0, sizeof(*t));
	if (vbe && r->dispi[DISPI_BPP] >= 8) {
		if (off >= 0x10000)
			return false;
		t->at = (bank + off) & c->vram_mask;
		t->byte = c->vram + t->at;
		return true;
	}
	if (!window_map(r, &off))
		return false;
	window_planes(r, off, write, t);
	t->at = (bank + t->at) * 4 & c->vram_mask;
	t->planes = (uint32_t *)(void *)(c->vram + t->at);
	return true;
}

/* --- "The Read Modes" ---------------------------------------------------------------- */

/* Bit p of @bits to all of byte p. */
static uint32_t spread(uint8_t bits)
{
	return (bits & 1 ? 0xffu : 0) | (bits & 2 ? 0xff00u : 0) | (bits & 4 ? 0xff0000u : 0) |
	       (bits & 8 ? 0xff000000u : 0);
}

static uint32_t replicate(uint8_t byte)
{
	return byte * 0x01010101u;
}

static uint8_t window_compare(const struct vga_regs *r)
{
	uint32_t differ = (r->latch ^ spread(r->gc[GC_COMPARE])) & spread(r->gc[GC_DONT_CARE]);

	differ |= differ >> 16;
	return ~(differ | differ >> 8);
}

static uint8_t window_read_byte(void *dev, unsigned off)
{
	struct vga_card *c = dev;
	struct vga_target t;

	if (!window_find(c, off, false, &t))
		return 0xff;
	if (t.byte)
		return *t.byte;
	c->regs.latch = *t.planes;
	if (c->regs.gc[GC_MODE] & GC_MODE_READ_1)
		return window_compare(&c->regs);
	return c->regs.latch >> (8 * t.read);
}

/* --- "The Write Modes" --------------------------------------------------------------- */

static uint32_t window_logic(const struct vga_regs *r, uint32_t value)
{
	switch (r->gc[GC_ROTATE] >> 3) {
	case 1:
		return value & r->latch;
	case 2:
		return value | r->latch;
	case 3:
		return value ^ r->latch;
	}
	return value;
}

static uint32_t window_masked(const struct vga_regs *r, uint32_t value, uint8_t bits)
{
	uint32_t mask = replicate(bits);

	return (window_logic(r, value) & mask) | (r->latch & ~mask);
}

/* What a write of @byte brings to the planes that are enabled. */
static uint32_t window_value(const struct vga_regs *r, uint8_t byte)
{
	uint8_t turn = r->gc[GC_ROTATE] & 7, mask = r->gc[GC_BIT_MASK];
	uint8_t turned = byte >> turn | byte << (8 - turn);
	uint32_t set = spread(r->gc[GC_SET_RESET]), enabled = spread(r->gc[GC_ENABLE_SET_RESET]);

	switch (r->gc[GC_MODE] & 3) {
	case 0:
		return window_masked(r, (replicate(turned) & ~enabled) | (set & enabled), mask);
	case 1:
		return r->latch;
	case 2:
		return window_masked(r, spread(byte), mask);
	}
	return window_masked(r, set, mask & turned);
}

static void window_write_byte(void *dev, unsigned off, uint8_t value)
{
	struct vga_card *c = dev;
	struct vga_target t;
	uint32_t mask;

	if (!window_find(c, off, true, &t))
		return;
	if (t.byte) {
		*t.byte = value;
	} else {
		mask = spread(t.write);
		*t.planes = (*t.planes & ~mask) | (window_value(&c->regs, value) & mask);
	}
	vga_touch(c, t.at);
}

static uint64_t window_read(void *dev, uint64_t off, unsigned size)
{
	return byte_regs_read(window_read_byte, dev, off, size);
}

static void window_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	byte_regs_write(window_write_byte, dev, off, size, value);
}

const struct io_ops vga_window_ops = { .read = window_read, .write = window_write };
