/* SPDX-License-Identifier: MIT */
/* Graphics: dots of four planes' bytes; rows of pixels of VBE's modes. */
#include "devices/vga/vga_impl.h"
#include "vmm/util.h"

/* --- legacy modes: eight dots a column ------------------------------------------------ */

void vga_planes_dots(const uint32_t *colours, uint32_t cell, uint32_t dots[8])
{
	for (unsigned i = 0; i < 8; i++) {
		uint32_t bits = cell >> (7 - i) & 0x01010101;

		dots[i] = colours[(bits | bits >> 7 | bits >> 14 | bits >> 21) & 0x0f];
	}
}

/* "Shift Register Interleave": two bits a pixel of planes 0 and 1, two more of 2 and 3. */
static void graphics_cga(const uint32_t *colours, uint32_t cell, uint32_t dots[8])
{
	for (unsigned i = 0; i < 8; i++) {
		uint32_t pair = cell >> (i < 4 ? 0 : 8) >> (6 - 2 * (i & 3));

		dots[i] = colours[(pair & 3) | (pair >> 16 & 3) << 2];
	}
}

void vga_graphics_dots(const struct vga_mode *m, uint32_t cell, uint32_t dots[8])
{
	if (m->kind == VGA_PLANES)
		vga_planes_dots(m->colours, cell, dots);
	else if (m->kind == VGA_CGA)
		graphics_cga(m->colours, cell, dots);
	else
		for (unsigned i = 0; i < 8; i++)
			dots[i] = m->colours[cell >> (8 * (i / 2)) & 0xff];
}

/* --- VBE: a row of pixels to XRGB ------------------------------------------------------- */

static void row_planes(const struct vga_mode *m, const uint8_t *src, uint32_t *dst)
{
	uint32_t dots[8];

	for (uint32_t x = 0; x < m->width; x += 8) {
		vga_planes_dots(m->colours, load_le(src + x / 2, 4), dots);
		memcpy(dst + x, dots, 4 * MIN(m->width - x, 8u));
	}
}

static void row_8(const struct vga_mode *m, const uint8_t *src, uint32_t *dst)
{
	for (uint32_t x = 0; x < m->width; x++)
		dst[x] = m->colours[src[x]];
}

/* @n bits at @shift of @v, to eight: the highest of them again below the lowest. */
static inline uint32_t widen(uint32_t v, unsigned shift, unsigned n)
{
	uint32_t part = v >> shift & ((1u << n) - 1);

	return part << (8 - n) | part >> (2 * n - 8);
}

/* Once for each layout, whose shifts are constants then. */
static inline void row_of_words(const struct vga_mode *m, const uint8_t *src, uint32_t *dst,
				unsigned green, bool big)
{
	for (uint32_t x = 0; x < m->width; x++) {
		uint16_t v = load_le(src + 2 * x, 2);

		v = big ? __builtin_bswap16(v) : v;
		dst[x] = widen(v, 5 + green, 5) << 16 | widen(v, 5, green) << 8 | widen(v, 0, 5);
	}
}

static void row_15(const struct vga_mode *m, const uint8_t *src, uint32_t *dst)
{
	if (m->big_endian)
		row_of_words(m, src, dst, 5, true);
	else
		row_of_words(m, src, dst, 5, false);
}

static void row_16(const struct vga_mode *m, const uint8_t *src, uint32_t *dst)
{
	if (m->big_endian)
		row_of_words(m, src, dst, 6, true);
	else
		row_of_words(m, src, dst, 6, false);
}

static void row_24(const struct vga_mode *m, const uint8_t *src, uint32_t *dst)
{
	unsigned red = m->big_endian ? 0 : 2, blue = 2 - red;

	for (uint32_t x = 0; x < m->width; x++, src += 3)
		dst[x] = src[red] << 16 | src[1] << 8 | src[blue];
}

static void paint_row(const struct vga_card *c, uint32_t y)
{
	const struct vga_mode *m = &c->painter.mode;
	const uint8_t *src = c->vram + c->painter.place.start + (size_t)y * m->stride;
	uint32_t *dst = vga_canvas_line(c, y);

	switch (m->bpp) {
	case 4:
		row_planes(m, src, dst);
		break;
	case 8:
		row_8(m, src, dst);
		break;
	case 15:
		row_15(m, src, dst);
		break;
	case 16:
		row_16(m, src, dst);
		break;
	case 24:
		row_24(m, src, dst);
		break;
	}
}

/* --- which rows -------------------------------------------------------------------------- */

static bool pages_any(const uint64_t *pages, uint64_t first, uint64_t last)
{
	for (uint64_t n = first; n <= last; n++)
		if (pages[n / 64] >> (n % 64) & 1)
			return true;
	return false;
}

static bool row_dirty(const struct vga_painter *p, uint32_t y)
{
	uint64_t at = p->place.start + (uint64_t)y * p->mode.stride;
	uint64_t last = at + vga_row_bytes(p->mode.bpp, p->mode.width) - 1;

	return pages_any(p->pages, at / VGA_PAGE, last / VGA_PAGE);
}

/* Vram may be written meanwhile: then its pages are dirty again, for the next picture. */
void vga_paint_linear(struct vga_card *c, bool moved)
{
	struct vga_painter *p = &c->painter;
	uint32_t fourcc;
	bool direct = vga_mode_direct(&p->mode, &fourcc);

	for (uint32_t y = 0; y < p->mode.height; y++) {
		if (!p->fresh && !moved && !row_dirty(p, y))
			continue;
		if (!direct) {
			/* Against those who write through the window; others take no lock. */
			pthread_mutex_lock(&c->lock);
			paint_row(c, y);
			pthread_mutex_unlock(&c->lock);
		}
		vga_damage(c, 0, y, p->mode.width);
	}
}
