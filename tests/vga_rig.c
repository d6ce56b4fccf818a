/* SPDX-License-Identifier: MIT */
#include "tests/vga_rig.h"

#include <libdrm/drm_fourcc.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "devices/ui/surface.h"
#include "vmm/util.h"

/* --- modes --------------------------------------------------------------------- */

const struct vga_rig_mode vga_mode_04h = {
	.misc = 0x63,
	.seq = { 0x03, 0x09, 0x03, 0x00, 0x02 },
	.crtc = { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0x00, 0x00, 0x00,
		  0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff },
	.gc = { 0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x0f, 0x00, 0xff },
	.attr = { 0x00, 0x13, 0x15, 0x17, 0x02, 0x04, 0x06, 0x07, 0x10, 0x11, 0x12, 0x13, 0x14,
		  0x15, 0x16, 0x17, 0x01, 0x00, 0x03, 0x00, 0x00 },
};

const struct vga_rig_mode vga_mode_12h = {
	.misc = 0xe3,
	.seq = { 0x03, 0x01, 0x0f, 0x00, 0x06 },
	.crtc = { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00,
		  0x00, 0x00, 0x00, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff },
	.gc = { 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0f, 0xff },
	.attr = { 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c,
		  0x3d, 0x3e, 0x3f, 0x01, 0x00, 0x0f, 0x00, 0x00 },
};

const struct vga_rig_mode vga_mode_13h = {
	.misc = 0x63,
	.seq = { 0x03, 0x01, 0x0f, 0x00, 0x0e },
	.crtc = { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0x00, 0x00, 0x00,
		  0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff },
	.gc = { 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0f, 0xff },
	.attr = { 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c,
		  0x0d, 0x0e, 0x0f, 0x41, 0x00, 0x0f, 0x00, 0x00 },
};

const uint32_t vga_text_colours[16] = {
	0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000, 0xaa00aa, 0xaa5500, 0xaaaaaa,
	0x555555, 0x5555ff, 0x55ff55, 0x55ffff, 0xff5555, 0xff55ff, 0xffff55, 0xffffff,
};

/* --- the screen ------------------------------------------------------------------- */

static void must(bool cond)
{
	if (!cond)
		abort();
}

static void screen_mode(void *ctx, unsigned n, uint32_t width, uint32_t height)
{
	struct vga_rig *r = ctx;

	must(n == 0 && (width != r->width || height != r->height));
	must(width >= 1 && width <= DISPLAY_MAX_SIZE && height >= 1 && height <= DISPLAY_MAX_SIZE);
	r->width = width;
	r->height = height;
	r->n_mode++;
}

static void screen_take(struct vga_rig *r, const struct display_rect *part)
{
	uint32_t *at = r->screen + (size_t)part->y * r->width + part->x;

	if (r->blind)
		return;
	surface_read(&r->surface, part, at, 4ull * r->width);
	/* Where a word is a colour already, pixels are looked at without their first byte. */
	if (r->surface.fourcc == DRM_FORMAT_XRGB8888)
		return;
	for (uint32_t y = 0; y < part->height; y++, at += r->width)
		surface_to_argb(r->surface.fourcc, at, at, part->width);
}

static void screen_check(const struct vga_rig *r, const struct display_surface *s)
{
	const struct display_pixels *px = &s->pixels;

	must(surface_format_valid(s->fourcc));
	must(s->width == r->width && s->height == r->height);
	must(px->n_pieces == 1 && px->stride >= 4 * s->width);
	must(px->pieces->iov_base == r->vram || px->pieces->iov_base == r->canvas);
	must(px->pieces->iov_len ==
	     (px->pieces->iov_base == r->vram ? r->vram_len : r->canvas_len));
	must(range_fits(px->offset, px->stride * (s->height - 1ull) + 4ull * s->width,
			px->pieces->iov_len));
}

static void screen_set(void *ctx, unsigned n, const struct display_surface *s)
{
	struct vga_rig *r = ctx;
	const struct display_rect all = { 0, 0, s->width, s->height };

	must(n == 0);
	screen_check(r, s);
	r->surface = *s;
	free(r->screen);
	r->screen = calloc(s->height, 4ull * s->width);
	must(r->screen);
	screen_take(r, &all);
	r->n_set++;
}

static bool screen_flush(void *ctx, unsigned n, const struct display_rect *d)
{
	struct vga_rig *r = ctx;

	must(n == 0 && r->screen && d->width && d->height);
	must(range_fits(d->x, d->width, r->width) && range_fits(d->y, d->height, r->height));
	screen_take(r, d);
	r->n_flush++;
	r->n_pixels += (uint64_t)d->width * d->height;
	return false;
}

static void screen_off(void *ctx, unsigned n)
{
	struct vga_rig *r = ctx;

	must(n == 0 && r->screen);
	free(r->screen);
	r->screen = NULL;
	r->width = r->height = 0;
	r->n_off++;
}

static const struct display_ops screen_ops = {
	.mode = screen_mode, .set = screen_set, .flush = screen_flush, .off = screen_off,
};

/* --- the card ------------------------------------------------------------------------ */

static void rig_changed(void *ctx)
{
	struct vga_rig *r = ctx;

	r->n_changed++;
	if (r->refresh)
		vga_refresh_kick(r->refresh);
}

static void rig_collect(void *ctx, uint64_t *pages)
{
	struct vga_rig *r = ctx;

	for (uint64_t i = 0; i < r->vram_len / VGA_PAGE / 64; i++) {
		pages[i] |= r->touched[i];
		r->touched[i] = 0;
	}
}

/* Between pages that nobody may touch. */
static void *rig_map(uint64_t len)
{
	uint8_t *p = mmap(NULL, len + 2 * VGA_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	must(mprotect(p + VGA_PAGE, len, PROT_READ | PROT_WRITE) == 0);
	return p + VGA_PAGE;
}

static void rig_unmap(uint8_t *p, uint64_t len)
{
	munmap(p - VGA_PAGE, len + 2 * VGA_PAGE);
}

void vga_rig_init(struct vga_rig *r, uint64_t vram_len)
{
	struct vga_config config = {
		.vram_len = vram_len, .canvas_len = VGA_MIN_CANVAS,
		.dirty = { rig_collect, r },
		.display = { &screen_ops, r },
		.changed = rig_changed, .ctx = r,
	};

	memset(r, 0, sizeof(*r));
	r->vram_len = vram_len;
	r->canvas_len = config.canvas_len;
	config.vram = r->vram = rig_map(vram_len);
	config.canvas = r->canvas = rig_map(config.canvas_len);
	r->touched = calloc(vram_len / VGA_PAGE / 64, 8);
	bus_init(&r->pio, 1 << 16);
	bus_init(&r->mmio, 0);
	must(r->touched && vga_init(&r->vga, &config) == 0);
	must(bus_add(&r->pio, &r->vga.ports, VGA_PORTS) == 0);
	must(bus_add(&r->pio, &r->vga.dispi, VGA_DISPI_PORTS) == 0);
	must(bus_add(&r->mmio, &r->vga.window, VGA_WINDOW_GPA) == 0);
	must(bus_add(&r->mmio, &r->vga.mmio, RIG_MMIO) == 0);
	must(bus_add(&r->mmio, &r->vga.fb, RIG_FB) == 0);
}

void vga_rig_finish(struct vga_rig *r)
{
	vga_finish(&r->vga);
	bus_finish(&r->pio);
	bus_finish(&r->mmio);
	rig_unmap(r->vram, r->vram_len);
	rig_unmap(r->canvas, r->canvas_len);
	free(r->touched);
	free(r->screen);
}

uint64_t vga_rig_paint(struct vga_rig *r)
{
	return vga_paint(&r->vga, r->now);
}

uint32_t vga_rig_pixel(const struct vga_rig *r, uint32_t x, uint32_t y)
{
	must(r->screen && x < r->width && y < r->height);
	return r->screen[(size_t)y * r->width + x] & 0xffffff;
}

bool vga_rig_fresh(struct vga_rig *r)
{
	size_t len = 4ull * r->width * r->height;
	uint32_t *seen;
	bool same;

	if (!r->screen)
		return true;
	seen = malloc(len);
	must(seen);
	memcpy(seen, r->screen, len);
	vga_show(&r->vga, false);
	must(!r->screen);
	vga_show(&r->vga, true);
	vga_rig_paint(r);
	must(r->screen && len == 4ull * r->width * r->height);
	same = memcmp(seen, r->screen, len) == 0;
	free(seen);
	return same;
}

/* --- the guest ------------------------------------------------------------------------- */

void rig_out(struct vga_rig *r, uint16_t port, uint8_t value)
{
	must(bus_write(&r->pio, port, 1, value));
}

uint8_t rig_in(struct vga_rig *r, uint16_t port)
{
	uint64_t value;

	must(bus_read(&r->pio, port, 1, &value));
	return value;
}

void rig_reg(struct vga_rig *r, uint16_t port, uint8_t index, uint8_t value)
{
	must(bus_write(&r->pio, port, 2, index | value << 8));
}

uint8_t rig_reg_get(struct vga_rig *r, uint16_t port, uint8_t index)
{
	rig_out(r, port, index);
	return rig_in(r, port + 1);
}

void rig_attr(struct vga_rig *r, uint8_t index, uint8_t value)
{
	rig_in(r, 0x3da);
	rig_out(r, 0x3c0, index);
	rig_out(r, 0x3c0, value);
	rig_out(r, 0x3c0, 0x20);
}

void rig_dac(struct vga_rig *r, uint8_t index, uint8_t red, uint8_t green, uint8_t blue)
{
	rig_out(r, 0x3c8, index);
	rig_out(r, 0x3c9, red);
	rig_out(r, 0x3c9, green);
	rig_out(r, 0x3c9, blue);
}

void rig_set_mode(struct vga_rig *r, const struct vga_rig_mode *mode)
{
	rig_out(r, 0x3c2, mode->misc);
	for (unsigned i = 0; i < sizeof(mode->seq); i++)
		rig_reg(r, 0x3c4, i, mode->seq[i]);
	rig_reg(r, 0x3d4, 0x11, 0);
	for (unsigned i = 0; i < sizeof(mode->crtc); i++)
		rig_reg(r, 0x3d4, i, mode->crtc[i]);
	for (unsigned i = 0; i < sizeof(mode->gc); i++)
		rig_reg(r, 0x3ce, i, mode->gc[i]);
	for (unsigned i = 0; i < sizeof(mode->attr); i++)
		rig_attr(r, i, mode->attr[i]);
}

void rig_dispi(struct vga_rig *r, uint16_t index, uint16_t value)
{
	must(bus_write(&r->pio, 0x1ce, 2, index));
	must(bus_write(&r->pio, 0x1cf, 2, value));
}

uint16_t rig_dispi_get(struct vga_rig *r, uint16_t index)
{
	uint64_t value;

	must(bus_write(&r->pio, 0x1ce, 2, index));
	must(bus_read(&r->pio, 0x1d0, 2, &value));
	return value;
}

void rig_vbe(struct vga_rig *r, uint16_t width, uint16_t height, uint16_t bpp)
{
	rig_dispi(r, RIG_ENABLE, 0);
	rig_dispi(r, RIG_XRES, width);
	rig_dispi(r, RIG_YRES, height);
	rig_dispi(r, RIG_BPP, bpp);
	rig_dispi(r, RIG_ENABLE, 0x41);
}

void rig_poke(struct vga_rig *r, uint64_t gpa, unsigned size, uint64_t value)
{
	bus_write(&r->mmio, gpa, size, value);
}

uint64_t rig_peek(struct vga_rig *r, uint64_t gpa, unsigned size)
{
	uint64_t value;

	bus_read(&r->mmio, gpa, size, &value);
	return value;
}

void rig_store(struct vga_rig *r, uint64_t off, const void *data, uint64_t len)
{
	must(len && range_fits(off, len, r->vram_len));
	memcpy(r->vram + off, data, len);
	for (uint64_t n = off / VGA_PAGE; n <= (off + len - 1) / VGA_PAGE; n++)
		r->touched[n / 64] |= BIT(n % 64);
}

void rig_font(struct vga_rig *r, uint16_t base, const uint8_t (*glyphs)[32], unsigned n)
{
	static const uint8_t seq[] = { 2, 0x04, 4, 0x06 }, gc[] = { 4, 2, 5, 0, 6, 0x04 };
	uint8_t old_seq[2], old_gc[3];

	for (unsigned i = 0; i < 2; i++) {
		old_seq[i] = rig_reg_get(r, 0x3c4, seq[2 * i]);
		rig_reg(r, 0x3c4, seq[2 * i], seq[2 * i + 1]);
	}
	for (unsigned i = 0; i < 3; i++) {
		old_gc[i] = rig_reg_get(r, 0x3ce, gc[2 * i]);
		rig_reg(r, 0x3ce, gc[2 * i], gc[2 * i + 1]);
	}
	for (unsigned i = 0; i < n * 32; i += 8)
		rig_poke(r, 0xa0000 + base + i, 8, load_le(glyphs[i / 32] + i % 32, 8));
	for (unsigned i = 0; i < 2; i++)
		rig_reg(r, 0x3c4, seq[2 * i], old_seq[i]);
	for (unsigned i = 0; i < 3; i++)
		rig_reg(r, 0x3ce, gc[2 * i], old_gc[i]);
}
