/* SPDX-License-Identifier: MIT */
/* VGA's own registers, 0x3b0-0x3df, by the names that FreeVGA has for them. */
#include "devices/byte_regs.h"
#include "devices/vga/vga_impl.h"
#include "vmm/util.h"

/* Offsets in 0x3b0-0x3df; of the CRTC as in colour, 0x3dX. */
#define PORT_ATTR 0x10
#define PORT_ATTR_READ 0x11
#define PORT_MISC 0x12
#define PORT_SEQ_INDEX 0x14
#define PORT_SEQ 0x15
#define PORT_DAC_MASK 0x16
#define PORT_DAC_READ 0x17
#define PORT_DAC_INDEX 0x18
#define PORT_DAC 0x19
#define PORT_FEATURE_READ 0x1a
#define PORT_MISC_READ 0x1c
#define PORT_GC_INDEX 0x1e
#define PORT_GC 0x1f
#define PORT_CRTC_INDEX 0x24
#define PORT_CRTC 0x25
#define PORT_STATUS 0x2a
#define PORT_MONO 0x20			/* so much lower in monochrome */

#define STATUS_RETRACE 0x09		/* and not displaying */
#define OVERFLOW_LINE_COMPARE 0x10	/* not protected */

/* Bits that a register has. */
static const uint8_t seq_bits[SEQ_COUNT] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e };
static const uint8_t gc_bits[GC_COUNT] = {
	0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff,
};

/* --- modes as a BIOS would leave them ------------------------------------------- */

struct bios_mode {
	uint8_t misc;
	uint8_t seq[SEQ_COUNT], gc[GC_COUNT], crtc[CRTC_COUNT], attr[ATTR_COUNT];
};

#define EGA_PALETTE                                                                                \
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f

static const struct bios_mode mode_3 = {
	.misc = 0x67,
	.seq = { 0x03, 0x00, 0x03, 0x00, 0x02 },
	.gc = { [GC_MODE] = 0x10, [GC_MISC] = 0x0e, [GC_BIT_MASK] = 0xff },
	.crtc = { 0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
		  0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff },
	.attr = { EGA_PALETTE, 0x0c, 0x00, 0x0f, 0x08, 0x00 },
};

static const struct bios_mode mode_12h = {
	.misc = 0xe3,
	.seq = { 0x03, 0x01, 0x0f, 0x00, 0x06 },
	.gc = { [GC_MISC] = 0x05, [GC_DONT_CARE] = 0x0f, [GC_BIT_MASK] = 0xff },
	.crtc = { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00,
		  0x00, 0x00, 0x00, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff },
	.attr = { EGA_PALETTE, 0x01, 0x00, 0x0f, 0x00, 0x00 },
};

/* EGA's 64 colours, bits rgbRGB; the other three quarters repeat them. */
static void vga_dac_reset(struct vga_regs *r)
{
	for (unsigned i = 0; i < 256; i++)
		for (unsigned part = 0; part < 3; part++) {
			bool high = i & 4 >> part, low = i & 0x20 >> part;

			r->dac[i][part] = (high ? 0x2a << 2 : 0) + (low ? 0x15 << 2 : 0);
		}
	r->dac_mask = 0xff;
}

static void vga_regs_set(struct vga_regs *r, const struct bios_mode *mode)
{
	memset(r, 0, sizeof(*r));
	r->misc = mode->misc;
	r->attr_index = ATTR_INDEX_ON;
	memcpy(r->seq, mode->seq, sizeof(r->seq));
	memcpy(r->gc, mode->gc, sizeof(r->gc));
	memcpy(r->crtc, mode->crtc, sizeof(r->crtc));
	memcpy(r->attr, mode->attr, sizeof(r->attr));
	vga_dac_reset(r);
	r->dispi[DISPI_ID] = DISPI_VERSION;
}

void vga_regs_reset(struct vga_regs *r)
{
	vga_regs_set(r, &mode_3);
}

void vga_regs_planar(struct vga_regs *r)
{
	vga_regs_set(r, &mode_12h);
}

/* --- parts ------------------------------------------------------------------------ */

/* The first write is an index, the next one data, and so on ("Attribute Address Register"). */
static void vga_attr_write(struct vga_regs *r, uint8_t value)
{
	unsigned index = r->attr_index & 0x1f;

	r->attr_data = !r->attr_data;
	if (r->attr_data)
		r->attr_index = value & 0x3f;
	else if (index < ATTR_MODE)
		r->attr[index] = value & 0x3f;
	else if (index < ATTR_COUNT)
		r->attr[index] = value;
}

static void vga_crtc_write(struct vga_regs *r, uint8_t value)
{
	unsigned index = r->crtc_index;
	uint8_t bits = 0xff;

	if (index >= CRTC_COUNT)
		return;
	if ((r->crtc[CRTC_SYNC_END] & CRTC_PROTECT) && index <= CRTC_OVERFLOW)
		bits = index == CRTC_OVERFLOW ? OVERFLOW_LINE_COMPARE : 0;
	r->crtc[index] = (r->crtc[index] & ~bits) | (value & bits);
}

/* Of six bits unless VBE has set it to eight; kept as eight. */
static unsigned vga_dac_shift(const struct vga_regs *r)
{
	return r->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC ? 0 : 2;
}

static void vga_dac_write(struct vga_regs *r, uint8_t value)
{
	r->dac_latch[r->dac_part++] = value << vga_dac_shift(r);
	if (r->dac_part < 3)
		return;
	memcpy(r->dac[r->dac_index++], r->dac_latch, 3);
	r->dac_part = 0;
}

static uint8_t vga_dac_read(struct vga_regs *r)
{
	uint8_t value = r->dac[r->dac_index][r->dac_part++] >> vga_dac_shift(r);

	if (r->dac_part == 3) {
		r->dac_part = 0;
		r->dac_index++;
	}
	return value;
}

static void vga_dac_seek(struct vga_regs *r, uint8_t index, bool reading)
{
	r->dac_index = index;
	r->dac_part = 0;
	r->dac_reading = reading;
}

/* Each look finds the beam elsewhere: a guest that waits for a retrace never waits long. */
static uint8_t vga_status_read(struct vga_regs *r)
{
	r->attr_data = false;
	r->retrace = !r->retrace;
	return r->retrace ? STATUS_RETRACE : 0;
}

/* --- ports ------------------------------------------------------------------------- */

/* CRTC and status answer at one of two places; 0: not at this one. */
static unsigned vga_port_of(const struct vga_regs *r, unsigned off)
{
	bool colour = r->misc & MISC_COLOUR;

	if (off < PORT_ATTR)
		return colour ? 0 : off + PORT_MONO;
	return off < PORT_MONO || colour ? off : 0;
}

uint8_t vga_port_read(void *dev, unsigned off)
{
	struct vga_regs *r = &((struct vga_card *)dev)->regs;

	switch (vga_port_of(r, off)) {
	case PORT_ATTR:
		return r->attr_index;
	case PORT_ATTR_READ:
		off = r->attr_index & 0x1f;
		return off < ATTR_COUNT ? r->attr[off] : 0;
	case PORT_MISC:
		return 0;
	case PORT_SEQ_INDEX:
		return r->seq_index;
	case PORT_SEQ:
		return r->seq_index < SEQ_COUNT ? r->seq[r->seq_index] : 0;
	case PORT_DAC_MASK:
		return r->dac_mask;
	case PORT_DAC_READ:
		return r->dac_reading ? 3 : 0;
	case PORT_DAC_INDEX:
		return r->dac_index;
	case PORT_DAC:
		return vga_dac_read(r);
	case PORT_FEATURE_READ:
		return r->feature;
	case PORT_MISC_READ:
		return r->misc;
	case PORT_GC_INDEX:
		return r->gc_index;
	case PORT_GC:
		return r->gc_index < GC_COUNT ? r->gc[r->gc_index] : 0;
	case PORT_CRTC_INDEX:
		return r->crtc_index;
	case PORT_CRTC:
		return r->crtc_index < CRTC_COUNT ? r->crtc[r->crtc_index] : 0;
	case PORT_STATUS:
		return vga_status_read(r);
	}
	return 0xff;
}

/* False: no register that the picture depends on. */
static bool vga_reg_write(struct vga_regs *r, unsigned port, uint8_t value)
{
	switch (port) {
	case PORT_ATTR:
		vga_attr_write(r, value);
		return true;
	case PORT_MISC:
		r->misc = value;
		return true;
	case PORT_SEQ:
		if (r->seq_index < SEQ_COUNT)
			r->seq[r->seq_index] = value & seq_bits[r->seq_index];
		return true;
	case PORT_DAC_MASK:
		r->dac_mask = value;
		return true;
	case PORT_DAC:
		vga_dac_write(r, value);
		return true;
	case PORT_GC:
		if (r->gc_index < GC_COUNT)
			r->gc[r->gc_index] = value & gc_bits[r->gc_index];
		return true;
	case PORT_CRTC:
		vga_crtc_write(r, value);
		return true;
	}
	return false;
}

void vga_port_write(void *dev, unsigned off, uint8_t value)
{
	struct vga_card *c = dev;
	struct vga_regs *r = &c->regs;
	unsigned port = vga_port_of(r, off);

	switch (port) {
	case PORT_SEQ_INDEX:
		r->seq_index = value;
		break;
	case PORT_DAC_READ:
		vga_dac_seek(r, value, true);
		break;
	case PORT_DAC_INDEX:
		vga_dac_seek(r, value, false);
		break;
	case PORT_GC_INDEX:
		r->gc_index = value;
		break;
	case PORT_CRTC_INDEX:
		r->crtc_index = value;
		break;
	case PORT_STATUS:
		r->feature = value;
		break;
	default:
		if (vga_reg_write(r, port, value))
			vga_changed(c);
	}
}

static uint64_t vga_ports_read(void *dev, uint64_t off, unsigned size)
{
	return byte_regs_read(vga_port_read, dev, off, size);
}

static void vga_ports_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	byte_regs_write(vga_port_write, dev, off, size, value);
}

const struct io_ops vga_port_ops = { .read = vga_ports_read, .write = vga_ports_write };
