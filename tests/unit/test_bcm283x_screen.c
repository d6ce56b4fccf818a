/* SPDX-License-Identifier: MIT */
/* A Raspberry Pi's frame buffer, from the guest's memory to a display. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/bcm283x_screen.h"
#include "tests/fake.h"
#include "tests/fake_display.h"
#include "tests/until.h"
#include "vmm/util.h"

#define GPA 0x3c000000u

struct fixture {
	struct fake f;
	struct fake_display seen;
	struct bcm283x_screen screen;
	struct bcm283x_fb_sink sink;
};

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));
	struct bcm283x_screen_params params;

	fake_init(&t->f);
	params = (struct bcm283x_screen_params){
		.loop = t->f.loop, .bus = &t->f.mmio, .display = fake_display(&t->seen),
	};
	assert_true(bcm283x_screen_fit(&params.first, GPA, 64, 32, 32));
	assert_int_equal(bcm283x_screen_init(&t->screen, &params), 0);
	t->sink = bcm283x_screen_sink(&t->screen);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	bcm283x_screen_finish(&t->screen);
	fake_finish(&t->f);
	free(t);
	return 0;
}

static uint32_t pixel(struct fixture *t, uint32_t x, uint32_t y)
{
	return fake_display_pixel(&t->seen, 0, x, y) & 0xffffff;
}

static void want(struct fixture *t, const struct bcm283x_fb *fb)
{
	unsigned n = t->seen.outputs[0].n_flush;

	t->sink.set(t->sink.ctx, fb);
	UNTIL_IN(t->f.loop, t->seen.outputs[0].n_flush > n);
}

static void first_picture(struct fixture *t)
{
	UNTIL_IN(t->f.loop, t->seen.outputs[0].n_flush);
}

static void the_firmwares_picture_is_shown_first(void **state)
{
	struct fixture *t = *state;

	first_picture(t);
	assert_int_equal(t->seen.outputs[0].mode_width, 64);
	assert_int_equal(t->seen.outputs[0].mode_height, 32);
	assert_int_equal(pixel(t, 0, 0), 0);
}

static void what_the_guest_writes_is_seen(void **state)
{
	struct fixture *t = *state;

	first_picture(t);
	assert_true(bus_write(&t->f.mmio, GPA + (3 * 64 + 2) * 4, 4, 0xff112233));
	UNTIL_IN(t->f.loop, pixel(t, 2, 3) == 0x112233);
	assert_true(bus_write(&t->f.mmio, GPA, 1, 0x44));
	UNTIL_IN(t->f.loop, pixel(t, 0, 0) == 0x44);
}

static void each_depth_has_its_colours(void **state)
{
	static const struct {
		uint32_t depth;
		bool rgb;
		uint8_t bytes[4];
		uint32_t colour;
	} cases[] = {
		{ 32, false, { 0x33, 0x22, 0x11, 0xff }, 0x112233 },
		{ 32, true, { 0x33, 0x22, 0x11, 0xff }, 0x332211 },
		{ 24, false, { 1, 2, 3 }, 0x030201 },
		{ 24, true, { 1, 2, 3 }, 0x010203 },
		{ 16, true, { 0x00, 0xf8 }, 0xff0000 },
		{ 16, false, { 0xe0, 0x07 }, 0x00ff00 },
		{ 16, false, { 0x10, 0x04 }, 0x008284 },
		{ 8, false, { 7 }, 0xabcdef },
	};
	struct fixture *t = *state;

	first_picture(t);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bcm283x_fb fb = {
			.gpa = GPA, .width = 40, .height = 10, .virtual_width = 50,
			.virtual_height = 20, .x = 5, .y = 3, .depth = cases[i].depth,
			.rgb = cases[i].rgb, .pitch = 50 * 4 + 4,
		};
		uint64_t at = GPA + (3 + 4) * fb.pitch + (5 + 6) * (fb.depth / 8);

		fb.palette[7] = 0xefcdab;
		for (unsigned n = 0; n < fb.depth / 8; n++)
			assert_true(bus_write(&t->f.mmio, at + n, 1, cases[i].bytes[n]));
		want(t, &fb);
		UNTIL_IN(t->f.loop, pixel(t, 6, 4) == cases[i].colour);
		assert_int_equal(t->seen.outputs[0].mode_width, 40);
	}
}

static void a_blank_screen_is_black_and_comes_back(void **state)
{
	struct fixture *t = *state;
	struct bcm283x_fb fb = t->screen.params.first;

	assert_true(bus_write(&t->f.mmio, GPA, 4, 0x123456));
	UNTIL_IN(t->f.loop, t->seen.outputs[0].n_flush && pixel(t, 0, 0) == 0x123456);
	fb.blank = true;
	want(t, &fb);
	UNTIL_IN(t->f.loop, pixel(t, 0, 0) == 0);
	fb.blank = false;
	want(t, &fb);
	UNTIL_IN(t->f.loop, pixel(t, 0, 0) == 0x123456);
}

static void who_gives_its_picture_back_sees_the_firmwares(void **state)
{
	struct fixture *t = *state;
	struct bcm283x_fb fb;

	assert_true(bcm283x_screen_fit(&fb, GPA, 100, 50, 16));
	want(t, &fb);
	UNTIL_IN(t->f.loop, t->seen.outputs[0].mode_width == 100);
	want(t, NULL);
	UNTIL_IN(t->f.loop, t->seen.outputs[0].mode_width == 64);
}

static void somebody_elses_screen_is_left_alone(void **state)
{
	struct fixture *t = *state;
	unsigned n;

	first_picture(t);
	bcm283x_screen_show(&t->screen, false);
	n = t->seen.outputs[0].n_flush;
	assert_true(bus_write(&t->f.mmio, GPA, 4, 0x123456));
	for (unsigned i = 0; i < 3; i++)
		loop_run_once(t->f.loop, 1);
	assert_int_equal(t->seen.outputs[0].n_flush, n);
	bcm283x_screen_show(&t->screen, true);
	UNTIL_IN(t->f.loop, pixel(t, 0, 0) == 0x123456);
}

static void a_reset_gives_zeros(void **state)
{
	struct fixture *t = *state;

	assert_true(bus_write(&t->f.mmio, GPA, 4, 0x123456));
	UNTIL_IN(t->f.loop, t->seen.outputs[0].n_flush && pixel(t, 0, 0) == 0x123456);
	bcm283x_screen_reset(&t->screen);
	UNTIL_IN(t->f.loop, pixel(t, 0, 0) == 0);
}

/* One that says so lies; nothing is shown of it. */
static void case_94_pictures_that_do_not_fit_are_not_shown(void **state)
{
	struct fixture *t = *state;
	const struct bcm283x_fb good = t->screen.params.first;
	struct bcm283x_fb lies[14];
	uint64_t before;

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++)
		lies[i] = good;
	lies[0].width = 0;
	lies[1].x = 1;
	lies[2].y = 0xffffffff;
	lies[3].pitch = 8;
	lies[4].depth = 0;
	lies[5].depth = 64;
	lies[6].gpa += 4096;
	lies[7].height = lies[7].virtual_height = 0x7fffffff;
	lies[8].width = lies[8].virtual_width = 100000;
	lies[9].height = 0;
	lies[10].y = 1;
	lies[11].x = 65;		/* less than nothing is left of it */
	lies[12].pitch = BCM283X_SCREEN_LEN / 32 + 4;
	/* A byte a pixel is enough for the memory, and none for what is drawn. */
	lies[13].depth = 8;
	lies[13].width = lies[13].virtual_width = lies[13].pitch = 4096;
	lies[13].height = lies[13].virtual_height = 4096;
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		want(t, &good);
		UNTIL_IN(t->f.loop, t->screen.set);
		before = t->screen.painted_ns;
		t->sink.set(t->sink.ctx, &lies[i]);
		UNTIL_IN(t->f.loop, t->screen.painted_ns != before);
		if (t->screen.set)
			fail_msg("lie %u is shown", i);
	}
}

static void sizes_that_the_memory_has_no_room_for_are_refused(void **state)
{
	struct bcm283x_fb fb;

	assert_true(bcm283x_screen_fit(&fb, GPA, 4096, 1024, 32));
	assert_false(bcm283x_screen_fit(&fb, GPA, 4096, 1025, 32));
	assert_true(bcm283x_screen_fit(&fb, GPA, 1, 4096, 16));
	assert_false(bcm283x_screen_fit(&fb, GPA, 1, 4097, 16));
	assert_false(bcm283x_screen_fit(&fb, GPA, 1, 0, 16));
	assert_true(bcm283x_screen_fit(&fb, GPA, 1920, 1080, 32));
	assert_int_equal(fb.pitch, 1920 * 4);
	assert_false(bcm283x_screen_fit(&fb, GPA, 4096, 4096, 32));
	assert_false(bcm283x_screen_fit(&fb, GPA, 4097, 1, 16));
	assert_false(bcm283x_screen_fit(&fb, GPA, 0, 1, 16));
	assert_false(bcm283x_screen_fit(&fb, GPA, 64, 64, 24));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_firmwares_picture_is_shown_first),
		T(what_the_guest_writes_is_seen),
		T(each_depth_has_its_colours),
		T(a_blank_screen_is_black_and_comes_back),
		T(who_gives_its_picture_back_sees_the_firmwares),
		T(somebody_elses_screen_is_left_alone),
		T(a_reset_gives_zeros),
		T(case_94_pictures_that_do_not_fit_are_not_shown),
		T(sizes_that_the_memory_has_no_room_for_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
