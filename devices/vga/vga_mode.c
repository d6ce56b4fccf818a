/* SPDX-License-Identifier: MIT */
/* From registers to a picture's layout and colours. Whatever they hold, the layout is sound. */
#include <libdrm/drm_fourcc.h>

#include "devices/vga/vga_impl.h"
#include "vmm/util.h"

/* --- colours ---------------------------------------------------------------------- */

static uint32_t mode_colour(const struct vga_regs *r, uint8_t index)
{
	const uint8_t *dac = r->dac[index & r->dac_mask];
	bool eight = r->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC;
	uint32_t rgb = 0;

	/* Six bits: the full range is 0 ... 63. */
	for (unsigned i = 0; i < 3; i++)
		rgb = rgb << 8 | dac[i] | (eight ? 0 : dac[i] >> 6);
	return rgb;
}

/* "Attribute Controller Registers": four bits to the eight of an index of the DAC. */
static uint8_t mode_palette(const struct vga_regs *r, uint8_t index)
{
	uint8_t entry = r->attr[index & r->attr[ATTR_PLANES] & 0x0f], select = r->attr[ATTR_SELECT];

	if (r->attr[ATTR_MODE] & ATTR_MODE_P54S)
		entry = (entry & 0x0f) | (select & 3) << 4;
	return (entry & 0x3f) | (select & 0x0c) << 4;
}

static void mode_colours(const struct vga_regs *r, struct vga_mode *m)
{
	bool direct = m->kind == VGA_LINEAR ? m->bpp == 8 : m->kind == VGA_256;

	if (m->kind == VGA_LINEAR && m->bpp > 8)
		return;
	for (unsigned i = 0; i < (direct ? 256 : 16); i++)
		m->colours[i] = mode_colour(r, direct ? i : mode_palette(r, i));
}

/* --- VBE -------------------------------------------------------------------------- */

/* The registers were cut to what vram holds when they were written. */
static void mode_linear(const struct vga_regs *r, struct vga_mode *m, struct vga_place *p)
{
	const uint16_t *d = r->dispi;

	m->kind = VGA_LINEAR;
	m->bpp = d[DISPI_BPP];
	m->big_endian = r->big_endian;
	m->width = d[DISPI_XRES];
	m->height = d[DISPI_YRES];
	m->stride = vga_row_bytes(m->bpp, d[DISPI_VIRT_WIDTH]);
	p->start = m->stride * d[DISPI_Y_OFFSET];
	/* Whole bytes of planes. */
	p->start += vga_row_bytes(m->bpp, m->bpp == 4 ? d[DISPI_X_OFFSET] & ~7 : d[DISPI_X_OFFSET]);
	p->cursor_first = 1;
}

/* --- VGA ------------------------------------------------------------------------- */

static uint16_t mode_font(unsigned select)
{
	return (select & 3) * 0x4000 + (select >> 2) * 0x2000;
}

static void mode_text(const struct vga_regs *r, struct vga_mode *m)
{
	uint8_t fonts = r->seq[SEQ_FONT], mode = r->attr[ATTR_MODE];

	m->fonts[0] = mode_font((fonts & 3) | (fonts >> 4 & 1) << 2);
	m->fonts[1] = mode_font((fonts >> 2 & 3) | (fonts >> 5 & 1) << 2);
	m->underline = mode & ATTR_MODE_MONO ? r->crtc[CRTC_UNDERLINE] & 0x1f : 0xff;
	m->line_9 = mode & ATTR_MODE_LINE_9;
	m->blink = mode & ATTR_MODE_BLINK;
}

static enum vga_kind mode_legacy_kind(const struct vga_regs *r)
{
	if (!(r->gc[GC_MISC] & GC_MISC_GRAPHICS))
		return VGA_TEXT;
	if (r->gc[GC_MODE] & GC_MODE_256)
		return VGA_256;
	return r->gc[GC_MODE] & GC_MODE_CGA ? VGA_CGA : VGA_PLANES;
}

/* "Horizontal Pixel Shift Count": with nine dots it begins at 8. */
static void mode_pan(const struct vga_regs *r, struct vga_mode *m)
{
	uint8_t count = r->attr[ATTR_PAN] & 0x0f;

	if (m->dots == 9)
		m->pan = count >= 8 ? 0 : count + 1;
	else
		m->pan = count & 7;
	m->pan_below = r->attr[ATTR_MODE] & ATTR_MODE_PAN_TOP ? 0 : m->pan;
}

static void mode_columns(const struct vga_regs *r, struct vga_mode *m)
{
	bool eight = m->kind != VGA_TEXT || (r->seq[SEQ_CLOCKING] & SEQ_CLOCKING_8_DOTS);

	m->columns = r->crtc[CRTC_H_DISPLAY] + 1;
	m->dots = eight ? 8 : 9;
	m->wide = r->seq[SEQ_CLOCKING] & SEQ_CLOCKING_HALF ? 2 : 1;
	m->width = m->columns * m->dots * m->wide;
	mode_pan(r, m);
}

static void mode_lines(const struct vga_regs *r, struct vga_mode *m)
{
	uint8_t over = r->crtc[CRTC_OVERFLOW], scan = r->crtc[CRTC_MAX_SCAN];

	m->height = (r->crtc[CRTC_V_DISPLAY] | (over & 2) << 7 | (over & 0x40) << 3) + 1;
	m->split = r->crtc[CRTC_LINE_COMPARE] | (over & 0x10) << 4 | (scan & 0x40) << 3;
	m->scans = (scan & 0x1f) + 1;
	m->preset = MIN(r->crtc[CRTC_PRESET_ROW] & 0x1f, m->scans - 1);
	m->twice = scan & 0x80;
	m->pitch = r->crtc[CRTC_OFFSET] * 2;
}

/* "CRTC Mode Control", "Underline Location": how the counter addresses memory. */
static void mode_addressing(const struct vga_regs *r, struct vga_mode *m)
{
	uint8_t mode = r->crtc[CRTC_MODE];

	if (r->crtc[CRTC_UNDERLINE] & 0x40)
		m->step = VGA_DWORDS;
	else
		m->step = mode & 0x40 ? VGA_BYTES : VGA_WORDS;
	m->wrap_bit = mode & 0x20 ? 15 : 13;
	m->scan_13 = !(mode & 1);
	m->scan_14 = !(mode & 2);
}

static void mode_place(const struct vga_regs *r, struct vga_place *p)
{
	const uint8_t *crtc = r->crtc;

	p->start = crtc[CRTC_START_HIGH] << 8 | crtc[CRTC_START_LOW];
	p->start += crtc[CRTC_PRESET_ROW] >> 5 & 3;
	p->cursor = crtc[CRTC_CURSOR_HIGH] << 8 | crtc[CRTC_CURSOR_LOW];
	p->cursor_first = crtc[CRTC_CURSOR_FIRST] & 0x1f;
	p->cursor_last = crtc[CRTC_CURSOR_LAST] & 0x1f;
	if (crtc[CRTC_CURSOR_FIRST] & 0x20) {
		p->cursor_first = 1;
		p->cursor_last = 0;
	}
}

static void mode_legacy(const struct vga_regs *r, struct vga_mode *m, struct vga_place *p)
{
	m->kind = mode_legacy_kind(r);
	mode_columns(r, m);
	mode_lines(r, m);
	mode_addressing(r, m);
	mode_place(r, p);
	if (m->kind == VGA_TEXT)
		mode_text(r, m);
}

/* --- both ------------------------------------------------------------------------- */

static bool mode_blank(const struct vga_regs *r)
{
	if (!(r->attr_index & ATTR_INDEX_ON) || (r->seq[SEQ_CLOCKING] & SEQ_CLOCKING_OFF))
		return true;
	return !vga_dispi_on(r) && !(r->crtc[CRTC_MODE] & CRTC_MODE_RUN);
}

bool vga_mode_direct(const struct vga_mode *m, uint32_t *fourcc)
{
	*fourcc = DRM_FORMAT_XRGB8888;
	if (m->kind != VGA_LINEAR || m->bpp != 32)
		return false;
	if (m->big_endian)
		*fourcc = DRM_FORMAT_BGRX8888;
	return true;
}

void vga_mode_of(const struct vga_regs *r, uint64_t canvas_len, struct vga_mode *m,
		 struct vga_place *p)
{
	uint32_t fourcc;

	memset(m, 0, sizeof(*m));
	memset(p, 0, sizeof(*p));
	if (mode_blank(r))
		return;
	if (vga_dispi_on(r))
		mode_linear(r, m, p);
	else
		mode_legacy(r, m, p);
	mode_colours(r, m);
	if (!vga_mode_direct(m, &fourcc))
		m->height = MIN(m->height, canvas_len / (4ull * m->width));
}
