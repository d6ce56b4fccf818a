/* SPDX-License-Identifier: MIT */
/*
 * Bochs' VBE registers, by ports and, flat, in memory beside VGA's, the EDID and
 * the framebuffer's byte order. A mode that is set is always one that vram holds:
 * what does not fit is cut when it is written.
 */
#include "devices/byte_regs.h"
#include "devices/vga/vga_impl.h"
#include "vmm/util.h"

#define MMIO_VGA 0x400			/* 0x3c0-0x3df */
#define MMIO_VGA_LEN 0x20
#define MMIO_DISPI 0x500
#define MMIO_EXT 0x600
#define MMIO_EXT_SIZE 8
#define MMIO_ORDER 0x604
#define ORDER_BIG 0xbebebebe
#define ORDER_LITTLE 0x1e1e1e1e

static bool dispi_bpp_valid(uint16_t bpp)
{
	return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

/*
 * Case 88. A row always fits: 16384 pixels, or 65535 of a virtual width, of 4
 * bytes are less than the smallest vram.
 */
static void dispi_clamp(struct vga_card *c)
{
	uint16_t *d = c->regs.dispi;
	uint32_t lines, most;

	if (!d[DISPI_BPP])
		d[DISPI_BPP] = 8;
	d[DISPI_XRES] = MIN(MAX(d[DISPI_XRES], 1), DISPLAY_MAX_SIZE);
	d[DISPI_VIRT_WIDTH] = MAX(d[DISPI_VIRT_WIDTH], d[DISPI_XRES]);
	lines = (c->vram_mask + 1ull) / vga_row_bytes(d[DISPI_BPP], d[DISPI_VIRT_WIDTH]);
	lines = MIN(lines, (uint32_t)UINT16_MAX);
	most = MIN(lines, (uint32_t)DISPLAY_MAX_SIZE);
	d[DISPI_VIRT_HEIGHT] = lines;
	d[DISPI_YRES] = MIN(MAX(d[DISPI_YRES], 1u), most);
	d[DISPI_X_OFFSET] = MIN(d[DISPI_X_OFFSET], d[DISPI_VIRT_WIDTH] - d[DISPI_XRES]);
	d[DISPI_Y_OFFSET] = MIN(d[DISPI_Y_OFFSET], lines - d[DISPI_YRES]);
}

static void dispi_clear(struct vga_card *c)
{
	const uint16_t *d = c->regs.dispi;
	uint64_t len = (uint64_t)vga_row_bytes(d[DISPI_BPP], d[DISPI_VIRT_WIDTH]) * d[DISPI_YRES];

	memset(c->vram, 0, len);
	for (uint64_t page = 0; page * VGA_PAGE < len; page++)
		c->dirty[page / 64] |= BIT(page % 64);
}

static void dispi_enable(struct vga_card *c, uint16_t value)
{
	uint16_t *d = c->regs.dispi;
	bool was_on = vga_dispi_on(&c->regs);

	d[DISPI_ENABLE] = value & (DISPI_ENABLED | DISPI_GETCAPS | DISPI_8BIT_DAC | DISPI_LFB |
				   DISPI_NOCLEAR);
	if (was_on || !(value & DISPI_ENABLED))
		return;
	d[DISPI_VIRT_WIDTH] = d[DISPI_X_OFFSET] = d[DISPI_Y_OFFSET] = d[DISPI_BANK] = 0;
	dispi_clamp(c);
	if (!(value & DISPI_NOCLEAR))
		dispi_clear(c);
}

void vga_dispi_set(struct vga_card *c, unsigned index, uint16_t value)
{
	uint16_t *d = c->regs.dispi;

	switch (index) {
	case DISPI_ID:
		if ((value & 0xfff0) == (DISPI_VERSION & 0xfff0) && value <= DISPI_VERSION)
			d[index] = value;
		return;
	case DISPI_ENABLE:
		dispi_enable(c, value);
		break;
	case DISPI_BPP:
		if (value && !dispi_bpp_valid(value))
			return;
		d[index] = value;
		break;
	case DISPI_XRES: case DISPI_YRES: case DISPI_BANK: case DISPI_VIRT_WIDTH:
	case DISPI_X_OFFSET: case DISPI_Y_OFFSET:
		d[index] = value;
		break;
	default:
		return;
	}
	if (vga_dispi_on(&c->regs))
		dispi_clamp(c);
	vga_changed(c);
}

uint16_t vga_dispi_get(const struct vga_card *c, unsigned index)
{
	bool caps = c->regs.dispi[DISPI_ENABLE] & DISPI_GETCAPS;

	if (index == DISPI_VRAM_64K)
		return (c->vram_mask + 1ull) >> 16;
	if (caps && (index == DISPI_XRES || index == DISPI_YRES))
		return DISPLAY_MAX_SIZE;
	if (caps && index == DISPI_BPP)
		return 32;
	return index < DISPI_COUNT ? c->regs.dispi[index] : 0;
}

/* --- ports: the index at 0x1ce; data at 0x1cf, and where an even address is needed at 0x1d0 -- */

static uint64_t dispi_read(void *dev, uint64_t off, unsigned size)
{
	struct vga_card *c = dev;

	if (size != 2 || off > 2)
		return all_ones(size);
	return off ? vga_dispi_get(c, c->regs.dispi_index) : c->regs.dispi_index;
}

static void dispi_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct vga_card *c = dev;

	if (size != 2 || off > 2)
		return;
	if (off)
		vga_dispi_set(c, c->regs.dispi_index, value);
	else
		c->regs.dispi_index = value;
}

const struct io_ops vga_dispi_ops = { .read = dispi_read, .write = dispi_write };

/* --- memory -------------------------------------------------------------------------- */

/* Whether the access is one of VGA's ports; its first one, as an offset from 0x3b0. */
static bool mmio_port(uint64_t off, unsigned size, unsigned *port)
{
	if (off < MMIO_VGA || !range_fits(off - MMIO_VGA, size, MMIO_VGA_LEN))
		return false;
	*port = off - MMIO_VGA + 0x3c0 - VGA_PORTS;
	return true;
}

static bool mmio_dispi(uint64_t off, unsigned size, unsigned *index)
{
	if (size != 2 || off % 2 || off < MMIO_DISPI || off >= MMIO_DISPI + 2 * DISPI_COUNT)
		return false;
	*index = (off - MMIO_DISPI) / 2;
	return true;
}

static uint64_t mmio_read(void *dev, uint64_t off, unsigned size)
{
	struct vga_card *c = dev;
	unsigned n;

	if (range_fits(off, size, sizeof(c->edid)))
		return load_le(c->edid + off, size);
	if (off < MMIO_VGA)
		return 0;
	if (mmio_port(off, size, &n))
		return byte_regs_read(vga_port_read, c, n, size);
	if (mmio_dispi(off, size, &n))
		return vga_dispi_get(c, n);
	if (size == 4 && off == MMIO_EXT)
		return MMIO_EXT_SIZE;
	if (size == 4 && off == MMIO_ORDER)
		return c->regs.big_endian ? ORDER_BIG : ORDER_LITTLE;
	return all_ones(size);
}

static void mmio_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct vga_card *c = dev;
	unsigned n;

	if (mmio_port(off, size, &n)) {
		byte_regs_write(vga_port_write, c, n, size, value);
	} else if (mmio_dispi(off, size, &n)) {
		vga_dispi_set(c, n, value);
	} else if (size == 4 && off == MMIO_ORDER &&
		   (value == ORDER_BIG || value == ORDER_LITTLE)) {
		c->regs.big_endian = value == ORDER_BIG;
		vga_changed(c);
	}
}

const struct io_ops vga_mmio_ops = { .read = mmio_read, .write = mmio_write };
