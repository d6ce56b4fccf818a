/* SPDX-License-Identifier: MIT */
/* Graphics modes, VGA's and VBE's, against what the guest drew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <libdrm/drm_fourcc.h>

#include "tests/vga_rig.h"
#include "vmm/util.h"

#define WINDOW 0xa0000

/* A picture as the guest wants it. */
struct drawing {
	struct vga_rig rig;
	unsigned width, height;
	uint32_t *pixels;		/* XRGB */
	uint32_t colours[256];
};

static int setup(void **state)
{
	struct drawing *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	srand(3);
	vga_rig_init(&d->rig, 4 * MiB);
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	struct drawing *d = *state;

	vga_rig_finish(&d->rig);
	free(d->pixels);
	free(d);
	return 0;
}

static void size(struct drawing *d, unsigned width, unsigned height)
{
	d->width = width;
	d->height = height;
	free(d->pixels);
	d->pixels = calloc(width * height, 4);
	assert_non_null(d->pixels);
}

/* Each pixel of the drawing is @across x @down dots of the screen. */
static void check(struct drawing *d, unsigned across, unsigned down)
{
	vga_rig_paint(&d->rig);
	assert_int_equal(d->rig.width, d->width * across);
	assert_int_equal(d->rig.height, d->height * down);
	for (unsigned y = 0; y < d->rig.height; y++)
		for (unsigned x = 0; x < d->rig.width; x++) {
			uint32_t want = d->pixels[y / down * d->width + x / across];

			if (vga_rig_pixel(&d->rig, x, y) != want)
				fail_msg("%u,%u is %06x, not %06x", x, y,
					 vga_rig_pixel(&d->rig, x, y), want);
		}
}

static void random_colours(struct drawing *d)
{
	for (unsigned i = 0; i < 256; i++) {
		uint8_t c[3] = { rand() & 63, rand() & 63, rand() & 63 };

		rig_dac(&d->rig, i, c[0], c[1], c[2]);
		d->colours[i] = 0;
		for (unsigned k = 0; k < 3; k++)
			d->colours[i] = d->colours[i] << 8 | (c[k] * 4 + c[k] / 16);
	}
}

/* --- VGA ----------------------------------------------------------------------- */

static void mode_12h_by_write_modes(void **state)
{
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;

	rig_set_mode(r, &vga_mode_12h);
	memset(r->vram, 0, 4 * 80 * 480);
	size(d, 640, 480);
	for (unsigned i = 0; i < 4000; i++) {
		unsigned x = rand() % 640, y = rand() % 480, colour = rand() & 15;
		uint64_t at = WINDOW + y * 80 + x / 8;

		d->pixels[y * 640 + x] = vga_text_colours[colour];
		if (i % 3 == 0) {	/* by set/reset */
			rig_reg(r, 0x3ce, 5, 0);
			rig_reg(r, 0x3ce, 0, colour);
			rig_reg(r, 0x3ce, 1, 0x0f);
			rig_reg(r, 0x3ce, 8, 0x80 >> x % 8);
			rig_peek(r, at, 1);
			rig_poke(r, at, 1, 0xff);
		} else if (i % 3 == 1) {
			rig_reg(r, 0x3ce, 5, 2);
			rig_reg(r, 0x3ce, 8, 0x80 >> x % 8);
			rig_peek(r, at, 1);
			rig_poke(r, at, 1, colour);
		} else {
			rig_reg(r, 0x3ce, 5, 3);
			rig_reg(r, 0x3ce, 0, colour);
			rig_reg(r, 0x3ce, 8, 0xff);
			rig_peek(r, at, 1);
			rig_poke(r, at, 1, 0x80 >> x % 8);
		}
		if (i % 1000 == 999)
			check(d, 1, 1);
	}
}

static void check_registers(struct vga_rig *r, const struct vga_rig_mode *mode)
{
	assert_int_equal(rig_in(r, 0x3cc), mode->misc);
	for (unsigned i = 0; i < sizeof(mode->seq); i++)
		assert_int_equal(rig_reg_get(r, 0x3c4, i), mode->seq[i]);
	for (unsigned i = 0; i < sizeof(mode->crtc); i++)
		assert_int_equal(rig_reg_get(r, 0x3d4, i), mode->crtc[i]);
	for (unsigned i = 0; i < sizeof(mode->gc); i++)
		assert_int_equal(rig_reg_get(r, 0x3ce, i), mode->gc[i]);
	for (unsigned i = 0; i < sizeof(mode->attr); i++) {
		rig_in(r, 0x3da);
		rig_out(r, 0x3c0, i | 0x20);
		assert_int_equal(rig_in(r, 0x3c1), mode->attr[i]);
	}
}

/* What was there before, text and font among it, is not to be seen. */
static void planar_is_mode_12h_and_black(void **state)
{
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;

	rig_vbe(r, 320, 200, 32);
	memset(r->vram, 0xa5, 256 << 10);
	rig_dac(r, 0, 63, 0, 0);
	vga_rig_paint(r);
	vga_set_planar(&r->vga);
	check_registers(r, &vga_mode_12h);
	size(d, 640, 480);
	check(d, 1, 1);
	rig_poke(r, WINDOW + 479 * 80 + 79, 1, 0x81);
	d->pixels[479 * 640 + 632] = d->pixels[479 * 640 + 639] = 0xffffff;
	check(d, 1, 1);
	vga_reset(&r->vga);
	assert_int_equal(rig_peek(r, 0xb8000, 2), 0x0720);
	size(d, 720, 400);
	rig_reg(r, 0x3d4, 0x0a, 0x20);
	check(d, 1, 1);
}

static void mode_13h_and_its_palette(void **state)
{
	struct drawing *d = *state;

	rig_set_mode(&d->rig, &vga_mode_13h);
	size(d, 320, 200);
	for (unsigned round = 0; round < 3; round++) {
		uint8_t *bytes = malloc(64000);

		random_colours(d);
		for (unsigned i = 0; i < 64000; i++) {
			bytes[i] = rand();
			d->pixels[i] = d->colours[bytes[i]];
			rig_poke(&d->rig, WINDOW + i, 1, bytes[i]);
		}
		check(d, 2, 2);
		free(bytes);
	}
}

/* The same without chain-4: four pages, each pixel in its plane. */
static void mode_x_flips_pages(void **state)
{
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;

	rig_set_mode(r, &vga_mode_13h);
	rig_reg(r, 0x3c4, 4, 0x06);
	rig_reg(r, 0x3d4, 0x14, 0x00);
	rig_reg(r, 0x3d4, 0x17, 0xe3);
	random_colours(d);
	size(d, 320, 200);
	for (unsigned page = 0; page < 4; page++) {
		for (unsigned i = 0; i < 64000; i++) {
			uint8_t byte = rand();

			rig_reg(r, 0x3c4, 2, 1 << i % 4);
			rig_poke(r, WINDOW + page * 16000 + i / 4, 1, byte);
			d->pixels[i] = d->colours[byte];
		}
		rig_reg(r, 0x3d4, 0x0c, page * 16000 >> 8);
		rig_reg(r, 0x3d4, 0x0d, page * 16000 & 0xff);
		check(d, 2, 2);
	}
}

/* Two bits a pixel, lines by turns in banks of 8 KiB: what the guest stores, and what it means. */
static void draw_in_banks(struct drawing *d, unsigned n_banks)
{
	static const uint32_t cga[4] = { 0, 0x55ffff, 0xff55ff, 0xffffff };

	rig_dac(&d->rig, 0x13, 0x15, 0x3f, 0x3f);
	rig_dac(&d->rig, 0x15, 0x3f, 0x15, 0x3f);
	rig_dac(&d->rig, 0x17, 0x3f, 0x3f, 0x3f);
	for (unsigned y = 0; y < d->height; y++)
		for (unsigned x = 0; x < d->width; x += 4) {
			unsigned at = y % n_banks * 0x2000 + y / n_banks * 80 + x / 4;
			uint8_t byte = rand();

			rig_poke(&d->rig, 0xb8000 + at, 1, byte);
			for (unsigned i = 0; i < 4; i++)
				d->pixels[y * d->width + x + i] = cga[byte >> (6 - 2 * i) & 3];
		}
}

static void mode_04h_in_two_banks(void **state)
{
	struct drawing *d = *state;

	rig_set_mode(&d->rig, &vga_mode_04h);
	size(d, 320, 200);
	draw_in_banks(d, 2);
	check(d, 2, 2);
}

/* As Hercules has them. */
static void four_banks(void **state)
{
	struct drawing *d = *state;

	rig_set_mode(&d->rig, &vga_mode_04h);
	rig_reg(&d->rig, 0x3d4, 0x09, 0x43);
	rig_reg(&d->rig, 0x3d4, 0x17, 0xa0);
	size(d, 320, 400);
	draw_in_banks(d, 4);
	check(d, 2, 1);
}

static void graphics_pan_and_split(void **state)
{
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;
	static uint8_t wide[480][672];

	rig_set_mode(r, &vga_mode_12h);
	rig_reg(r, 0x3d4, 0x11, 0);
	rig_reg(r, 0x3d4, 0x13, 42);
	rig_reg(r, 0x3ce, 5, 2);
	for (unsigned y = 0; y < 480; y++)
		for (unsigned x = 0; x < 672; x++) {
			wide[y][x] = rand() & 15;
			rig_reg(r, 0x3ce, 8, 0x80 >> x % 8);
			rig_peek(r, WINDOW + y * 84 + x / 8, 1);
			rig_poke(r, WINDOW + y * 84 + x / 8, 1, wide[y][x]);
		}
	size(d, 640, 480);
	/* 100 lines down and 13 dots to the right, but for what is below line 299. */
	rig_reg(r, 0x3d4, 0x0c, (100 * 84 + 1) >> 8);
	rig_reg(r, 0x3d4, 0x0d, (100 * 84 + 1) & 0xff);
	rig_attr(r, 0x13, 5);
	rig_attr(r, 0x10, 0x21);
	rig_reg(r, 0x3d4, 0x18, 299 & 0xff);
	rig_reg(r, 0x3d4, 0x07, 0x3e);
	rig_reg(r, 0x3d4, 0x09, 0x00);
	for (unsigned y = 0; y < 480; y++)
		for (unsigned x = 0; x < 640; x++)
			d->pixels[y * 640 + x] = vga_text_colours[
				y <= 299 ? wide[y + 100][x + 13] : wide[y - 300][x]];
	check(d, 1, 1);
}

/* --- VBE ------------------------------------------------------------------------- */

/* A pixel of @bpp bits, and the colour that it stands for. */
static unsigned pixel_bytes(unsigned bpp)
{
	return bpp == 15 ? 2 : bpp / 8;
}

static uint32_t pixel(struct drawing *d, unsigned bpp, uint32_t *raw)
{
	unsigned r = rand() & 255, g = rand() & 255, b = rand() & 255;

	switch (bpp) {
	case 8:
		*raw = r;
		return d->colours[r];
	case 15:
		*raw = r / 8 * 1024 + g / 8 * 32 + b / 8;
		g = g / 8 * 8 + g / 32;
		return (r / 8 * 8 + r / 32) << 16 | g << 8 | (b / 8 * 8 + b / 32);
	case 16:
		*raw = r / 8 * 2048 + g / 4 * 32 + b / 8;
		g = g / 4 * 4 + g / 64;
		return (r / 8 * 8 + r / 32) << 16 | g << 8 | (b / 8 * 8 + b / 32);
	}
	*raw = r << 16 | g << 8 | b;
	return *raw;
}

static void put(struct drawing *d, unsigned bpp, uint64_t off, uint32_t raw, bool big)
{
	unsigned n = pixel_bytes(bpp);
	uint8_t bytes[4];

	for (unsigned i = 0; i < n; i++)
		bytes[big ? n - 1 - i : i] = raw >> 8 * i;
	rig_store(&d->rig, off, bytes, n);
}

/* Draws the whole of a screen that begins at @x, @y of rows of @pitch pixels. */
static void draw(struct drawing *d, unsigned bpp, unsigned pitch, unsigned x, unsigned y, bool big)
{
	for (unsigned i = 0; i < d->width * d->height; i++) {
		uint64_t at = (uint64_t)(y + i / d->width) * pitch + x + i % d->width;
		uint32_t raw;

		d->pixels[i] = pixel(d, bpp, &raw);
		put(d, bpp, at * pixel_bytes(bpp), raw, big);
	}
}

static const uint8_t depths[] = { 8, 15, 16, 24, 32 };

static void vbe_depths_in_both_byte_orders(void **state)
{
	struct drawing *d = *state;

	random_colours(d);
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(depths); i++) {
		bool big = i & 1;

		size(d, 333, 100 + i);
		rig_poke(&d->rig, RIG_MMIO + 0x604, 4, big ? 0xbebebebe : 0x1e1e1e1e);
		rig_vbe(&d->rig, 333, 100 + i, depths[i / 2]);
		vga_rig_paint(&d->rig);
		draw(d, depths[i / 2], 333, 0, 0, big);
		check(d, 1, 1);
		assert_true(vga_linear(&d->rig.vga));
		assert_int_equal(d->rig.surface.pixels.pieces->iov_base ==
				 (depths[i / 2] == 32 ? d->rig.vram : d->rig.canvas), 1);
	}
	assert_int_equal(d->rig.surface.fourcc, DRM_FORMAT_BGRX8888);
	/* The same bytes in the other order. */
	rig_poke(&d->rig, RIG_MMIO + 0x604, 4, 0x1e1e1e1e);
	for (unsigned i = 0; i < d->width * d->height; i++)
		d->pixels[i] = __builtin_bswap32(d->pixels[i]) & 0xffffff;
	check(d, 1, 1);
}

static void vbe_virtual_screens(void **state)
{
	struct drawing *d = *state;

	random_colours(d);
	for (unsigned i = 0; i < ARRAY_SIZE(depths); i++) {
		size(d, 200, 120);
		rig_vbe(&d->rig, 200, 120, depths[i]);
		vga_rig_paint(&d->rig);
		rig_dispi(&d->rig, RIG_VIRT_WIDTH, 256);
		assert_int_equal(rig_dispi_get(&d->rig, RIG_VIRT_HEIGHT),
				 4 * MiB / 256 / pixel_bytes(depths[i]));
		draw(d, depths[i], 256, 0, 0, false);
		check(d, 1, 1);
		rig_dispi(&d->rig, RIG_X_OFFSET, 56);
		rig_dispi(&d->rig, RIG_Y_OFFSET, 333);
		draw(d, depths[i], 256, 56, 333, false);
		check(d, 1, 1);
	}
}

static void vbe_sixteen_colours_of_planes(void **state)
{
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;

	rig_set_mode(r, &vga_mode_12h);
	rig_vbe(r, 804, 600, 4);
	rig_reg(r, 0x3ce, 5, 2);
	size(d, 804, 600);
	for (unsigned i = 0; i < 804 * 600; i++) {
		unsigned x = i % 804, at = i / 804 * 101 + x / 8;
		uint8_t colour = rand();

		d->pixels[i] = vga_text_colours[colour & 15];
		if (!x)
			rig_dispi(r, RIG_BANK, 0);
		rig_reg(r, 0x3ce, 8, 0x80 >> x % 8);
		rig_peek(r, WINDOW + at, 1);
		rig_poke(r, WINDOW + at, 1, colour);
	}
	check(d, 1, 1);
}

static void vbe_banks_of_the_window(void **state)
{
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;

	random_colours(d);
	rig_vbe(r, 640, 400, 8);
	size(d, 640, 400);
	for (unsigned i = 0; i < 640 * 400; i += 4) {
		uint32_t four = rand();

		if (i % 65536 == 0)
			rig_dispi(r, RIG_BANK, i / 65536);
		rig_poke(r, WINDOW + i % 65536, 4, four);
		assert_int_equal(rig_peek(r, WINDOW + i % 65536, 4), four);
		for (unsigned k = 0; k < 4; k++)
			d->pixels[i + k] = d->colours[four >> 8 * k & 255];
	}
	check(d, 1, 1);
}

static void vbe_colours_of_eight_bits(void **state)
{
	struct drawing *d = *state;

	rig_vbe(&d->rig, 16, 16, 8);
	rig_dispi(&d->rig, RIG_ENABLE, 0x61);
	rig_dac(&d->rig, 0, 0x12, 0x34, 0xfe);
	vga_rig_paint(&d->rig);
	assert_int_equal(vga_rig_pixel(&d->rig, 0, 0), 0x1234fe);
	rig_out(&d->rig, 0x3c7, 0);
	assert_int_equal(rig_in(&d->rig, 0x3c9), 0x12);
}

static void vbe_clears_unless_told_not_to(void **state)
{
	struct drawing *d = *state;
	const uint32_t red = 0xff0000;

	rig_store(&d->rig, 0, &red, 4);
	rig_store(&d->rig, 64 * 64 * 4, &red, 4);
	rig_vbe(&d->rig, 64, 64, 32);
	vga_rig_paint(&d->rig);
	assert_int_equal(vga_rig_pixel(&d->rig, 0, 0), 0);
	assert_int_equal(load_le(d->rig.vram + 64 * 64 * 4, 4), red);
	rig_store(&d->rig, 0, &red, 4);
	rig_dispi(&d->rig, RIG_ENABLE, 0);
	rig_dispi(&d->rig, RIG_ENABLE, 0xc1);
	vga_rig_paint(&d->rig);
	assert_int_equal(vga_rig_pixel(&d->rig, 0, 0), red);
	/* On again is no change. */
	rig_dispi(&d->rig, RIG_Y_OFFSET, 5);
	rig_dispi(&d->rig, RIG_ENABLE, 0x41);
	assert_int_equal(rig_dispi_get(&d->rig, RIG_Y_OFFSET), 5);
	assert_int_equal(load_le(d->rig.vram, 4), red);
	/* Off and on between two pictures of the same mode. */
	rig_dispi(&d->rig, RIG_Y_OFFSET, 0);
	vga_rig_paint(&d->rig);
	rig_dispi(&d->rig, RIG_ENABLE, 0);
	rig_dispi(&d->rig, RIG_ENABLE, 0x41);
	vga_rig_paint(&d->rig);
	assert_int_equal(vga_rig_pixel(&d->rig, 0, 0), 0);
}

static void vbe_pictures_that_the_canvas_does_not_hold(void **state)
{
	struct vga_rig r;

	vga_rig_init(&r, 16 * MiB);
	rig_vbe(&r, 16384, 1000, 8);
	vga_rig_paint(&r);
	assert_int_equal(r.width, 16384);
	assert_int_equal(r.height, VGA_MIN_CANVAS / 4 / 16384);
	/* Of what is shown from vram nothing is cut. */
	rig_vbe(&r, 4096, 1024, 32);
	vga_rig_paint(&r);
	assert_int_equal(r.height, 1024);
	vga_rig_finish(&r);
}

static void vbe_says_what_it_can(void **state)
{
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;

	assert_int_equal(rig_dispi_get(r, RIG_DISPI_ID), 0xb0c5);
	rig_dispi(r, RIG_DISPI_ID, 0xb0c2);
	assert_int_equal(rig_dispi_get(r, RIG_DISPI_ID), 0xb0c2);
	rig_dispi(r, RIG_DISPI_ID, 0xb0c6);
	rig_dispi(r, RIG_DISPI_ID, 0x1234);
	assert_int_equal(rig_dispi_get(r, RIG_DISPI_ID), 0xb0c2);
	assert_int_equal(rig_dispi_get(r, RIG_VRAM_64K), 64);
	rig_dispi(r, RIG_XRES, 800);
	rig_dispi(r, RIG_ENABLE, 2);
	assert_int_equal(rig_dispi_get(r, RIG_XRES), DISPLAY_MAX_SIZE);
	assert_int_equal(rig_dispi_get(r, RIG_BPP), 32);
	rig_dispi(r, RIG_ENABLE, 0);
	assert_int_equal(rig_dispi_get(r, RIG_XRES), 800);
	/* Of other sizes than 16 bits, nothing. */
	bus_write(&r->pio, 0x1cf, 1, 7);
	assert_int_equal(rig_in(r, 0x1ce), 0xff);
}

static void vbe_registers_in_memory_are_the_same(void **state)
{
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;

	rig_poke(r, RIG_MMIO + 0x500 + 2 * RIG_XRES, 2, 640);
	rig_poke(r, RIG_MMIO + 0x500 + 2 * RIG_YRES, 2, 480);
	rig_poke(r, RIG_MMIO + 0x500 + 2 * RIG_BPP, 2, 32);
	rig_poke(r, RIG_MMIO + 0x500 + 2 * RIG_ENABLE, 2, 0x41);
	assert_int_equal(rig_dispi_get(r, RIG_XRES), 640);
	assert_int_equal(rig_peek(r, RIG_MMIO + 0x500 + 2 * RIG_VRAM_64K, 2), 64);
	vga_rig_paint(r);
	assert_int_equal(r->width, 640);
	/* VGA's, an index and its data at once. */
	rig_poke(r, RIG_MMIO + 0x404, 2, 0x0b02);
	assert_int_equal(rig_reg_get(r, 0x3c4, 2), 0x0b);
	assert_int_equal(rig_peek(r, RIG_MMIO + 0x405, 1), 0x0b);
	/* The size of what follows, byte order, and nothing behind. */
	assert_int_equal(rig_peek(r, RIG_MMIO + 0x600, 4), 8);
	assert_int_equal(rig_peek(r, RIG_MMIO + 0x604, 4), 0x1e1e1e1e);
	rig_poke(r, RIG_MMIO + 0x604, 4, 0x12345678);
	assert_int_equal(rig_peek(r, RIG_MMIO + 0x604, 4), 0x1e1e1e1e);
	assert_int_equal(rig_peek(r, RIG_MMIO + 0x516, 2), 0xffff);
	assert_int_equal(rig_peek(r, RIG_MMIO + 0x501, 2), 0xffff);
	assert_int_equal(rig_peek(r, RIG_MMIO + 0xff8, 8), UINT64_MAX);
	rig_poke(r, RIG_MMIO + 0x41f, 4, 0);
	assert_int_equal(rig_peek(r, RIG_MMIO + 0x41f, 2), 0xffff);
}

static void edid_is_that_of_the_monitor(void **state)
{
	struct drawing *d = *state;
	struct edid_monitor m = {
		.width = 1920, .height = 1080, .width_mm = 508, .height_mm = 286,
		.refresh_mhz = 60000, .name = "microvm", .number = 1,
	};
	uint8_t edid[EDID_MAX_BYTES] = { 0 };

	assert_int_equal(rig_peek(&d->rig, RIG_MMIO, 8), 0);
	vga_set_monitor(&d->rig.vga, &m);
	edid_make(&m, edid);
	for (unsigned i = 0; i < sizeof(edid); i += 8)
		assert_int_equal(rig_peek(&d->rig, RIG_MMIO + i, 8), load_le(edid + i, 8));
	assert_int_equal(rig_peek(&d->rig, RIG_MMIO + 0x3fc, 4), 0);
	rig_poke(&d->rig, RIG_MMIO, 1, 0xff);
	assert_int_equal(rig_peek(&d->rig, RIG_MMIO, 1), 0);
}

/* --- what is told ------------------------------------------------------------------ */

static void linear_modes_tell_rows_that_changed(void **state)
{
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;

	for (unsigned i = 0; i < ARRAY_SIZE(depths); i++) {
		unsigned row = 512 * pixel_bytes(depths[i]), flushes;
		const uint8_t byte = 0x55;

		rig_vbe(r, 512, 400, depths[i]);
		vga_rig_paint(r);
		flushes = r->n_flush;
		r->n_pixels = 0;
		vga_rig_paint(r);
		assert_int_equal(r->n_flush, flushes);
		/* Two rows far from each other: two parts of a page's rows each. */
		rig_store(r, 20 * row, &byte, 1);
		rig_store(r, 300 * row, &byte, 1);
		rig_store(r, 3 * MiB, &byte, 1);
		vga_rig_paint(r);
		assert_int_equal(r->n_flush, flushes + 2);
		assert_in_range(r->n_pixels, 2 * 512, 2 * 512 * (2 + VGA_PAGE / row));
	}
}

/* Rows of which a page has the beginning and another the end. */
static void rows_that_cross_pages(void **state)
{
	struct drawing *d = *state;
	const uint32_t red = 0xff0000;

	rig_vbe(&d->rig, 1000, 100, 32);
	vga_rig_paint(&d->rig);
	rig_store(&d->rig, 5000, &red, 4);
	vga_rig_paint(&d->rig);
	assert_int_equal(vga_rig_pixel(&d->rig, 250, 1), red);
	rig_store(&d->rig, 8000, &red, 4);
	vga_rig_paint(&d->rig);
	assert_int_equal(vga_rig_pixel(&d->rig, 0, 2), red);
}

static void palette_repaints_eight_bits(void **state)
{
	struct drawing *d = *state;

	rig_vbe(&d->rig, 64, 64, 8);
	vga_rig_paint(&d->rig);
	rig_dac(&d->rig, 0, 63, 0, 0);
	vga_rig_paint(&d->rig);
	assert_int_equal(vga_rig_pixel(&d->rig, 63, 63), 0xff0000);
	assert_int_equal(d->rig.n_set, 1);
}

/* What a machine has that cannot map vram. */
static void vram_by_the_bus(void **state)
{
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;

	rig_vbe(r, 1024, 768, 32);
	vga_rig_paint(r);
	size(d, 1024, 768);
	for (unsigned i = 0; i < 1000; i++) {
		unsigned at = rand() % (1024 * 768 - 1);

		rig_poke(r, RIG_FB + 4 * at, 8, 0x00aabbcc00112233);
		d->pixels[at] = 0x112233;
		d->pixels[at + 1] = 0xaabbcc;
		assert_int_equal(rig_peek(r, RIG_FB + 4 * at + 3, 2), 0xcc00);
	}
	check(d, 1, 1);
	/* Across a page's end, both pages are told. */
	rig_poke(r, RIG_FB + VGA_PAGE * 7 - 4, 8, 0x0044556600ddeeff);
	d->pixels[1024 * 7 - 1] = 0xddeeff;
	d->pixels[1024 * 7] = 0x445566;
	check(d, 1, 1);
	rig_poke(r, RIG_FB + 4 * MiB - 4, 8, 0);
	assert_int_equal(rig_peek(r, RIG_FB + 4 * MiB - 4, 8), UINT64_MAX);
}

static void flipping_between_two_pages(void **state)
{
	struct drawing *d = *state;
	unsigned modes;

	for (unsigned depth = 16; depth <= 32; depth += 16) {
		size(d, 320, 240);
		rig_vbe(&d->rig, 320, 240, depth);
		vga_rig_paint(&d->rig);
		modes = d->rig.n_mode;
		for (unsigned i = 0; i < 4; i++) {
			draw(d, depth, 320, 0, i % 2 * 240, false);
			rig_dispi(&d->rig, RIG_Y_OFFSET, i % 2 * 240);
			check(d, 1, 1);
		}
		/* Without a new picture, to the other one and back. */
		rig_dispi(&d->rig, RIG_Y_OFFSET, 0);
		vga_rig_paint(&d->rig);
		assert_true(vga_rig_pixel(&d->rig, 0, 0) != d->pixels[0]);
		rig_dispi(&d->rig, RIG_Y_OFFSET, 240);
		check(d, 1, 1);
		assert_int_equal(d->rig.n_mode, modes);
	}
}

static void a_blanked_screen_is_off(void **state)
{
	static const struct { uint16_t port; uint8_t index, off, on; } ways[] = {
		{ 0x3c4, 1, 0x20, 0x00 }, { 0x3d4, 0x17, 0x23, 0xa3 },
	};
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;
	unsigned changes;

	vga_rig_paint(r);
	for (unsigned i = 0; i < 2; i++) {
		rig_reg(r, ways[i].port, ways[i].index, ways[i].off);
		assert_int_equal(vga_rig_paint(r), VGA_NEVER);
		assert_null(r->screen);
		assert_int_equal(vga_rig_paint(r), VGA_NEVER);
		assert_int_equal(r->n_off, i + 1);
		rig_reg(r, ways[i].port, ways[i].index, ways[i].on);
		vga_rig_paint(r);
		assert_non_null(r->screen);
	}
	/* As Linux blanks VBE's modes, which do not ask the CRTC. */
	rig_vbe(r, 64, 64, 32);
	rig_reg(r, 0x3d4, 0x17, 0x23);
	vga_rig_paint(r);
	assert_non_null(r->screen);
	rig_in(r, 0x3da);
	rig_out(r, 0x3c0, 0);
	vga_rig_paint(r);
	assert_null(r->screen);
	changes = r->n_changed;
	rig_out(r, 0x3da, 0);
	rig_in(r, 0x3da);
	assert_int_equal(r->n_changed, changes);
	rig_out(r, 0x3c0, 0x20);
	assert_int_equal(r->n_changed, changes + 1);
	vga_rig_paint(r);
	assert_int_equal(r->width, 64);
}

static void a_driver_takes_the_display_and_gives_it_back(void **state)
{
	struct drawing *d = *state;
	struct vga_rig *r = &d->rig;

	vga_rig_paint(r);
	vga_show(&r->vga, false);
	assert_null(r->screen);
	rig_vbe(r, 64, 64, 32);
	assert_int_equal(vga_rig_paint(r), VGA_NEVER);
	assert_null(r->screen);
	/* A panic's text, over the driver. */
	rig_dispi(r, RIG_ENABLE, 0);
	rig_poke(r, 0xb8000 + 4000 - 2, 2, 0x4f20);
	vga_show(&r->vga, true);
	vga_show(&r->vga, true);
	vga_rig_paint(r);
	assert_int_equal(r->width, 720);
	assert_int_equal(vga_rig_pixel(r, 719, 399), 0xaa0000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mode_12h_by_write_modes),
		TEST(planar_is_mode_12h_and_black),
		TEST(mode_13h_and_its_palette),
		TEST(mode_x_flips_pages),
		TEST(mode_04h_in_two_banks),
		TEST(four_banks),
		TEST(graphics_pan_and_split),
		TEST(vbe_depths_in_both_byte_orders),
		TEST(vbe_virtual_screens),
		TEST(vbe_sixteen_colours_of_planes),
		TEST(vbe_banks_of_the_window),
		TEST(vbe_colours_of_eight_bits),
		TEST(vbe_clears_unless_told_not_to),
		TEST(vbe_pictures_that_the_canvas_does_not_hold),
		TEST(vbe_says_what_it_can),
		TEST(vbe_registers_in_memory_are_the_same),
		TEST(edid_is_that_of_the_monitor),
		TEST(linear_modes_tell_rows_that_changed),
		TEST(rows_that_cross_pages),
		TEST(palette_repaints_eight_bits),
		TEST(vram_by_the_bus),
		TEST(flipping_between_two_pages),
		TEST(a_blanked_screen_is_off),
		TEST(a_driver_takes_the_display_and_gives_it_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
