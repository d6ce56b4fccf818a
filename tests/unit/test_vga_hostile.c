/* SPDX-License-Identifier: MIT */
/*
 * What a guest may do to a VGA card. Vram and canvas lie between pages that
 * nobody may touch; the screen aborts when it is told what is no picture.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/vga_rig.h"
#include "vmm/util.h"

#define WINDOW 0xa0000

static int setup(void **state)
{
	struct vga_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	srand(4);
	vga_rig_init(r, VGA_MIN_VRAM);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	vga_rig_finish(*state);
	free(*state);
	return 0;
}

static void unprotect(struct vga_rig *r)
{
	rig_reg(r, 0x3d4, 0x11, 0);
}

static void scribble(struct vga_rig *r)
{
	for (uint64_t i = 0; i < r->vram_len; i += 4)
		store_le(r->vram + i, 4, rand());
	memset(r->touched, 0xff, r->vram_len / VGA_PAGE / 8);
}

/* Paints, and sees that nothing of an older picture is left. */
static void paint(struct vga_rig *r)
{
	r->now += 100 * RIG_MS;
	vga_rig_paint(r);
	assert_true(vga_rig_fresh(r));
}

static void case_84_a_colourful_crash_is_a_wrong_picture_only(void **state)
{
	struct vga_rig *r = *state;

	for (unsigned i = 0; i < 30; i++) {
		scribble(r);
		rig_reg(r, 0x3c4, 3, rand());
		rig_attr(r, 0x10, rand() & ~1);
		rig_reg(r, 0x3d4, 0x0a, rand() & 0x1f);
		rig_reg(r, 0x3d4, 0x0b, rand());
		paint(r);
		for (unsigned k = 0; k < 500; k++)
			rig_poke(r, 0xb8000 + rand() % 0x8000, 1, rand());
		paint(r);
		assert_int_equal(r->height, 400);
	}
}

static void case_84_every_register_at_random(void **state)
{
	static const struct { uint16_t port; uint8_t n; } banks[] = {
		{ 0x3c4, 5 }, { 0x3ce, 9 }, { 0x3d4, 25 },
	};
	struct vga_rig *r = *state;

	scribble(r);
	for (unsigned i = 0; i < 40; i++) {
		for (unsigned k = 0; k < 6; k++) {
			unsigned bank = rand() % 3;

			unprotect(r);
			rig_reg(r, banks[bank].port, rand() % banks[bank].n, rand());
			rig_attr(r, rand() % 0x15, rand());
		}
		rig_reg(r, 0x3d4, 0x01, rand() % 132);
		paint(r);
	}
}

static void case_85_addresses_beyond_memory_wrap(void **state)
{
	static const struct vga_rig_mode *const modes[] = {
		NULL, &vga_mode_04h, &vga_mode_12h, &vga_mode_13h,
	};
	struct vga_rig *r = *state;

	scribble(r);
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		if (modes[i])
			rig_set_mode(r, modes[i]);
		for (unsigned k = 0; k < 4; k++) {
			rig_reg(r, 0x3d4, 0x0c, 0xff);
			rig_reg(r, 0x3d4, 0x0d, 0xff - k);
			rig_reg(r, 0x3d4, 0x0e, 0xff);
			rig_reg(r, 0x3d4, 0x0f, 0xff);
			rig_reg(r, 0x3d4, 0x13, 0xff >> k);
			rig_reg(r, 0x3d4, 0x08, 0x7f);
			paint(r);
		}
	}
	/* The last byte of all is followed by the first. */
	rig_set_mode(r, &vga_mode_12h);
	rig_reg(r, 0x3d4, 0x0c, 0xff);
	rig_reg(r, 0x3d4, 0x0d, 0xff);
	memset(r->vram, 0, VGA_MIN_VRAM);
	r->vram[4 * 65535] = r->vram[1] = 0xff;
	paint(r);
	assert_int_equal(vga_rig_pixel(r, 7, 0), 0x0000aa);
	assert_int_equal(vga_rig_pixel(r, 8, 0), 0x00aa00);
	assert_int_equal(vga_rig_pixel(r, 16, 0), 0);
}

static void case_86_heights_and_widths_of_nothing(void **state)
{
	static const uint8_t heights[] = { 0x00, 0x1f, 0x80, 0x9f, 0xff };
	struct vga_rig *r = *state;

	scribble(r);
	for (unsigned i = 0; i < ARRAY_SIZE(heights); i++) {
		unprotect(r);
		/* Totals and ends of 0, one column of one line. */
		for (unsigned k = 0; k < 0x19; k++)
			if (k != 0x11 && k != 0x17)
				rig_reg(r, 0x3d4, k, 0);
		rig_reg(r, 0x3d4, 0x09, heights[i]);
		paint(r);
		assert_int_equal(r->width, 9);
		assert_int_equal(r->height, 1);
	}
	/* The largest. */
	for (unsigned k = 0; k < 0x19; k++)
		if (k != 0x11)
			rig_reg(r, 0x3d4, k, 0xff);
	rig_reg(r, 0x3c4, 1, 0x08);
	rig_attr(r, 0x13, 7);
	paint(r);
	assert_int_equal(r->width, 256 * 9 * 2);
	assert_int_equal(r->height, 1024);
}

static void case_86_line_compare_anywhere(void **state)
{
	struct vga_rig *r = *state;

	scribble(r);
	unprotect(r);
	for (unsigned line = 0; line < 1024; line += 31) {
		rig_reg(r, 0x3d4, 0x18, line);
		rig_reg(r, 0x3d4, 0x07, 0x0f | (line >> 8 & 1) << 4);
		rig_reg(r, 0x3d4, 0x09, 0x0f | (line >> 9 & 1) << 6);
		paint(r);
	}
}

/* All sizes around the ends of all windows, in one mode of access. */
static void poke_at_edges(struct vga_rig *r)
{
	static const uint64_t edges[] = { 0xa0000, 0xb0000, 0xb8000, 0xc0000 };

	for (unsigned i = 0; i < ARRAY_SIZE(edges); i++)
		for (int off = -8; off < 8; off++)
			for (unsigned size = 1; size <= 8; size *= 2) {
				rig_poke(r, edges[i] + off, size, 0x0123456789abcdef);
				rig_peek(r, edges[i] + off, size);
			}
}

static void case_87_all_access_modes_at_the_ends_of_all_windows(void **state)
{
	struct vga_rig *r = *state;

	for (unsigned mode = 0; mode < 1024; mode++) {
		rig_reg(r, 0x3ce, 5, mode & 0x1f);
		rig_reg(r, 0x3ce, 6, (mode >> 5 & 3) << 2 | (mode & 2));
		rig_reg(r, 0x3c4, 4, (mode >> 7 & 3) << 2 | 2);
		rig_reg(r, 0x3c4, 2, 0x0f);
		rig_reg(r, 0x3ce, 4, 3);
		poke_at_edges(r);
	}
	paint(r);
}

static void case_87_a_bank_and_then_another_access_mode(void **state)
{
	static const uint16_t banks[] = { 0, 1, 3, 4, 0x100, 0x7fff, 0xffff };
	static const uint8_t depths[] = { 4, 8, 16, 24, 32 };
	struct vga_rig *r = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(banks) * ARRAY_SIZE(depths); i++) {
		rig_vbe(r, 64, 64, depths[i % ARRAY_SIZE(depths)]);
		rig_dispi(r, RIG_BANK, banks[i / ARRAY_SIZE(depths)]);
		poke_at_edges(r);
		rig_dispi(r, RIG_BPP, 4);
		poke_at_edges(r);
		rig_set_mode(r, &vga_mode_12h);
		poke_at_edges(r);
		rig_dispi(r, RIG_ENABLE, 0);
		poke_at_edges(r);
		paint(r);
	}
}

/* A bank beyond vram is one within it. */
static void case_87_banks_wrap(void **state)
{
	struct vga_rig *r = *state;

	rig_vbe(r, 64, 64, 8);
	rig_dispi(r, RIG_BANK, 3);
	rig_poke(r, WINDOW + 0xffff, 1, 0x77);
	assert_int_equal(r->vram[VGA_MIN_VRAM - 1], 0x77);
	rig_dispi(r, RIG_BANK, 7);
	assert_int_equal(rig_peek(r, WINDOW + 0xffff, 1), 0x77);
	assert_int_equal(rig_peek(r, WINDOW + 0x10000, 1), 0xff);
}

/* What registers say afterwards is a picture that vram holds. */
static void assert_fits(struct vga_rig *r, unsigned bpp)
{
	uint64_t bytes = bpp == 15 ? 2 : bpp / 8, pitch = rig_dispi_get(r, RIG_VIRT_WIDTH) * bytes;
	uint64_t x = rig_dispi_get(r, RIG_X_OFFSET), y = rig_dispi_get(r, RIG_Y_OFFSET);
	uint64_t width = rig_dispi_get(r, RIG_XRES), height = rig_dispi_get(r, RIG_YRES);

	assert_true(width >= 1 && height >= 1);
	assert_true((x + width) * bytes <= pitch);
	assert_true((y + height) * pitch <= r->vram_len);
}

static void case_88_vbe_modes_that_vram_does_not_hold(void **state)
{
	static const uint16_t sizes[] = { 0, 1, 641, 16385, 65535 };
	static const uint16_t depths[] = { 8, 15, 16, 24, 32 };
	struct vga_rig *r = *state;
	unsigned n = ARRAY_SIZE(sizes);

	for (unsigned i = 0; i < n * n * ARRAY_SIZE(depths); i++) {
		uint16_t bpp = depths[i / n / n];

		rig_vbe(r, sizes[i % n], sizes[i / n % n], bpp);
		assert_fits(r, bpp);
		paint(r);
		/* While it is on. */
		for (unsigned reg = RIG_VIRT_WIDTH; reg <= RIG_Y_OFFSET; reg++) {
			rig_dispi(r, reg, sizes[rand() % n]);
			assert_fits(r, bpp);
			rig_dispi(r, RIG_XRES + rand() % 2, sizes[rand() % n]);
			assert_fits(r, bpp);
		}
		paint(r);
	}
}

static void case_88_depths_that_do_not_exist(void **state)
{
	static const uint16_t none[] = { 1, 3, 5, 12, 31, 33, 64, 255, 0xffff };
	struct vga_rig *r = *state;

	rig_vbe(r, 64, 64, 24);
	for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
		rig_dispi(r, RIG_BPP, none[i]);
		assert_int_equal(rig_dispi_get(r, RIG_BPP), 24);
		paint(r);
	}
	/* 0 is 8, as Bochs has it. */
	rig_dispi(r, RIG_BPP, 0);
	assert_int_equal(rig_dispi_get(r, RIG_BPP), 8);
	paint(r);
	rig_vbe(r, 64, 64, 0);
	assert_int_equal(rig_dispi_get(r, RIG_BPP), 8);
	paint(r);
}

static void case_88_depth_changes_while_on(void **state)
{
	static const uint16_t depths[] = { 8, 32, 4, 24, 15, 32, 16, 8, 4 };
	struct vga_rig *r = *state;

	rig_vbe(r, 512, 512, 8);
	rig_dispi(r, RIG_Y_OFFSET, 0xffff);
	for (unsigned i = 0; i < ARRAY_SIZE(depths); i++) {
		scribble(r);
		rig_dispi(r, RIG_BPP, depths[i]);
		rig_dispi(r, RIG_YRES, 0xffff);
		paint(r);
	}
}

/* --- case 89 ------------------------------------------------------------------------- */

struct flipper {
	struct vga_rig *rig;
	unsigned seed;
	atomic_bool *stop;
};

static void flip(struct vga_rig *r, unsigned *seed)
{
	switch (rand_r(seed) % 8) {
	case 0:
		rig_set_mode(r, &vga_mode_13h);
		break;
	case 1:
		rig_set_mode(r, &vga_mode_12h);
		break;
	case 2:
		rig_reg(r, 0x3ce, 6, 0x0e);
		rig_dispi(r, RIG_ENABLE, 0);
		break;
	case 3:
		rig_vbe(r, 100 + rand_r(seed) % 100, 100, 8 + rand_r(seed) % 4 * 8);
		break;
	case 4:
		rig_dispi(r, RIG_Y_OFFSET, rand_r(seed));
		break;
	default:
		for (unsigned i = 0; i < 50; i++)
			rig_poke(r, WINDOW + rand_r(seed) % 0x1fff8, 8, rand_r(seed));
	}
}

static void *flipper_run(void *arg)
{
	struct flipper *f = arg;

	while (!atomic_load(f->stop))
		flip(f->rig, &f->seed);
	return NULL;
}

static void case_89_two_vcpus_flip_modes_while_it_is_repainted(void **state)
{
	struct vga_rig *r = *state;
	atomic_bool stop = false;
	struct flipper f[2] = { { r, 1, &stop }, { r, 2, &stop } };
	pthread_t threads[2];

	r->blind = true;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, flipper_run, &f[i]), 0);
	for (unsigned i = 0; i < 300; i++) {
		r->now += 16 * RIG_MS;
		vga_rig_paint(r);
		vga_show(&r->vga, i % 10 < 7);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	r->blind = false;
	vga_show(&r->vga, false);
	vga_show(&r->vga, true);
	paint(r);
	paint(r);
}

static void case_89_legacy_writes_do_not_disturb_a_driver(void **state)
{
	struct vga_rig *r = *state;
	unsigned seed = 3, told;

	vga_rig_paint(r);
	vga_show(&r->vga, false);
	told = r->n_mode + r->n_set + r->n_flush + r->n_off;
	for (unsigned i = 0; i < 500; i++) {
		flip(r, &seed);
		assert_int_equal(vga_rig_paint(r), VGA_NEVER);
	}
	assert_int_equal(r->n_mode + r->n_set + r->n_flush + r->n_off, told);
}

/* --- case 90 ------------------------------------------------------------------------- */

static void case_90_indices_that_no_register_has(void **state)
{
	static const uint16_t ports[] = { 0x3c4, 0x3ce, 0x3d4 };
	struct vga_rig *r = *state, fresh;

	vga_rig_init(&fresh, VGA_MIN_VRAM);
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		for (unsigned index = 0x19; index < 256; index++) {
			rig_reg(r, ports[i], index, 0xff);
			assert_int_equal(rig_reg_get(r, ports[i], index), 0);
			assert_int_equal(rig_in(r, ports[i]), index);
		}
	for (unsigned index = 0x15; index < 0x20; index++) {
		rig_attr(r, index, 0xff);
		rig_in(r, 0x3da);
		rig_out(r, 0x3c0, 0x20 | index);
		assert_int_equal(rig_in(r, 0x3c1), 0);
	}
	for (unsigned index = 11; index < 0x10000; index += 101) {
		rig_dispi(r, index, 0xffff);
		assert_int_equal(rig_dispi_get(r, index), 0);
	}
	/* Nothing has come of it. */
	vga_rig_paint(r);
	vga_rig_paint(&fresh);
	assert_memory_equal(r->screen, fresh.screen, 4 * 720 * 400);
	assert_memory_equal(r->vram, fresh.vram, VGA_MIN_VRAM);
	vga_rig_finish(&fresh);
}

static void case_90_the_dac_wraps(void **state)
{
	struct vga_rig *r = *state;

	rig_out(r, 0x3c8, 0xff);
	for (unsigned i = 0; i < 3 * 256 + 3; i++)
		rig_out(r, 0x3c9, i / 3);
	assert_int_equal(rig_in(r, 0x3c8), 0);
	rig_out(r, 0x3c7, 0xff);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rig_in(r, 0x3c9), 256 & 0x3f);
	for (unsigned i = 0; i < 3 * 256; i++)
		assert_int_equal(rig_in(r, 0x3c9), i / 3 == 255 ? 0 : (i / 3 + 1) & 0x3f);
	/* An index between parts of a colour begins a new one. */
	rig_out(r, 0x3c9, 1);
	rig_out(r, 0x3c8, 5);
	rig_dac(r, 5, 1, 2, 3);
	rig_out(r, 0x3c7, 5);
	assert_int_equal(rig_in(r, 0x3c9), 1);
	paint(r);
}

/* As `rep movs` over all of the window; what it costs does not depend on what it hits. */
static void case_90_a_sweep_over_the_window(void **state)
{
	struct vga_rig *r = *state;

	for (unsigned maps = 0; maps < 4; maps++) {
		rig_reg(r, 0x3ce, 6, maps << 2);
		for (uint32_t i = 0; i < 0x20000; i += 4)
			rig_poke(r, WINDOW + (i + 4) % 0x20000, 4, rig_peek(r, WINDOW + i, 4));
		paint(r);
	}
	/* Every port, of every size. */
	for (unsigned port = 0x3b0; port < 0x3e0; port++)
		for (unsigned size = 1; size <= 4; size *= 2) {
			uint64_t value;

			bus_read(&r->pio, port, size, &value);
			bus_write(&r->pio, port, size, value);
		}
	paint(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(case_84_a_colourful_crash_is_a_wrong_picture_only),
		TEST(case_84_every_register_at_random),
		TEST(case_85_addresses_beyond_memory_wrap),
		TEST(case_86_heights_and_widths_of_nothing),
		TEST(case_86_line_compare_anywhere),
		TEST(case_87_all_access_modes_at_the_ends_of_all_windows),
		TEST(case_87_a_bank_and_then_another_access_mode),
		TEST(case_87_banks_wrap),
		TEST(case_88_vbe_modes_that_vram_does_not_hold),
		TEST(case_88_depths_that_do_not_exist),
		TEST(case_88_depth_changes_while_on),
		TEST(case_89_two_vcpus_flip_modes_while_it_is_repainted),
		TEST(case_89_legacy_writes_do_not_disturb_a_driver),
		TEST(case_90_indices_that_no_register_has),
		TEST(case_90_the_dac_wraps),
		TEST(case_90_a_sweep_over_the_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
