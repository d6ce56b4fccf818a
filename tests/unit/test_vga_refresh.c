/* SPDX-License-Identifier: MIT */
/* When a VGA card is painted: soon after a change, and then no more. */
#include <stdlib.h>

#include "tests/until.h"
#include "tests/vga_rig.h"

struct watched {
	struct vga_rig rig;
	struct loop *loop;
	struct vga_refresh refresh;
	unsigned n_watch, n_text;
	bool late;			/* a pixel is written just before watch() */
};

static void watch(void *ctx)
{
	const uint32_t green = 0x00ff00;
	struct watched *w = ctx;

	w->n_watch++;
	if (w->late)
		rig_store(&w->rig, 4, &green, 4);
	w->late = false;
}

static void text(void *ctx)
{
	struct watched *w = ctx;

	w->n_text++;
}

static struct watched *begin(bool can_watch)
{
	struct watched *w = calloc(1, sizeof(*w));
	struct vga_watch by = { watch, text, w };

	assert_non_null(w);
	assert_int_equal(loop_create(&w->loop), 0);
	vga_rig_init(&w->rig, VGA_MIN_VRAM);
	vga_refresh_init(&w->refresh, &w->rig.vga, w->loop, can_watch ? &by : NULL);
	w->rig.refresh = &w->refresh;
	vga_refresh_kick(&w->refresh);
	return w;
}

static void end(struct watched *w)
{
	vga_refresh_finish(&w->refresh);
	loop_destroy(w->loop);
	vga_rig_finish(&w->rig);
	free(w);
}

static void text_is_painted_when_it_changes_and_then_rests(void **state)
{
	struct watched *w = begin(true);
	unsigned flushes;

	rig_reg(&w->rig, 0x3d4, 0x0a, 0x20);
	UNTIL_IN(w->loop, w->rig.screen && !w->refresh.timer.armed && !w->refresh.work.queued);
	for (unsigned i = 0; i < 3; i++) {
		flushes = w->rig.n_flush;
		rig_poke(&w->rig, 0xb8000, 2, 0x1f00 + i);
		UNTIL_IN(w->loop, w->rig.n_flush > flushes);
		assert_false(w->refresh.timer.armed);
	}
	assert_int_equal(w->n_watch, 0);
	end(w);
}

static void a_cursor_blinks(void **state)
{
	struct watched *w = begin(true);

	UNTIL_IN(w->loop, w->rig.n_flush > 3);
	assert_true(w->refresh.timer.armed);
	end(w);
}

static void a_still_picture_is_watched_and_costs_nothing(void **state)
{
	struct watched *w = begin(true);
	const uint32_t red = 0xff0000;

	rig_vbe(&w->rig, 64, 64, 32);
	UNTIL_IN(w->loop, w->n_watch == 1);
	assert_false(w->refresh.timer.armed);
	/* A write that is noticed by who watches. */
	rig_store(&w->rig, 0, &red, 4);
	vga_refresh_kick(&w->refresh);
	UNTIL_IN(w->loop, vga_rig_pixel(&w->rig, 0, 0) == red);
	assert_true(w->refresh.timer.armed);
	/* And one more that is found by looking. */
	rig_store(&w->rig, 8, &red, 4);
	UNTIL_IN(w->loop, vga_rig_pixel(&w->rig, 2, 0) == red);
	UNTIL_IN(w->loop, w->n_watch == 2);
	assert_false(w->refresh.timer.armed);
	end(w);
}

static void what_is_written_just_before_the_watch_is_not_lost(void **state)
{
	struct watched *w = begin(true);

	w->late = true;
	rig_vbe(&w->rig, 64, 64, 32);
	UNTIL_IN(w->loop, w->n_watch == 1);
	assert_int_equal(vga_rig_pixel(&w->rig, 1, 0), 0x00ff00);
	assert_true(w->refresh.timer.armed);
	UNTIL_IN(w->loop, w->n_watch == 2);
	assert_false(w->refresh.timer.armed);
	end(w);
}

static void without_a_watch_pages_are_looked_at(void **state)
{
	struct watched *w = begin(false);
	const uint32_t red = 0xff0000;

	rig_vbe(&w->rig, 64, 64, 32);
	UNTIL_IN(w->loop, w->rig.width == 64 &&
		 vga_quiet_ns(&w->rig.vga, w->refresh.painted_ns) > 600 * RIG_MS);
	rig_store(&w->rig, 0, &red, 4);
	UNTIL_IN(w->loop, vga_rig_pixel(&w->rig, 0, 0) == red);
	end(w);
}

static void a_driver_or_a_blank_screen_costs_nothing(void **state)
{
	struct watched *w = begin(true);

	rig_vbe(&w->rig, 64, 64, 32);
	UNTIL_IN(w->loop, w->rig.width == 64);
	vga_refresh_show(&w->refresh, false);
	assert_null(w->rig.screen);
	UNTIL_IN(w->loop, !w->refresh.work.queued && !w->refresh.timer.armed);
	/* The first change is told, and nothing comes of it; the others are not. */
	rig_dac(&w->rig, 1, 2, 3, 4);
	rig_dac(&w->rig, 1, 2, 3, 5);
	UNTIL_IN(w->loop, !w->refresh.work.queued && !w->refresh.timer.armed);
	assert_null(w->rig.screen);
	vga_refresh_show(&w->refresh, true);
	UNTIL_IN(w->loop, w->rig.screen);
	rig_reg(&w->rig, 0x3c4, 1, 0x20);
	UNTIL_IN(w->loop, !w->rig.screen);
	assert_false(w->refresh.timer.armed);
	end(w);
}

static void text_that_is_written_while_nobody_sees_it_is_told(void **state)
{
	struct watched *w = begin(true);

	rig_poke(&w->rig, 0xb8000, 2, 0x1f41);
	vga_refresh_show(&w->refresh, false);
	UNTIL_IN(w->loop, !w->refresh.work.queued && !w->refresh.timer.armed);
	assert_int_equal(w->n_text, 0);
	/* Not registers, nor what graphics write. */
	rig_dac(&w->rig, 1, 2, 3, 4);
	UNTIL_IN(w->loop, !w->refresh.work.queued && !w->refresh.timer.armed);
	assert_int_equal(w->n_text, 0);
	rig_poke(&w->rig, 0xb8002, 2, 0x1f42);
	UNTIL_IN(w->loop, w->n_text == 1);
	rig_set_mode(&w->rig, &vga_mode_13h);
	rig_poke(&w->rig, 0xa0000, 1, 3);
	UNTIL_IN(w->loop, !w->refresh.work.queued && !w->refresh.timer.armed);
	assert_int_equal(w->n_text, 1);
	end(w);
}

static void the_end_comes_with_work_to_do(void **state)
{
	struct watched *w = begin(true);

	rig_poke(&w->rig, 0xb8000, 2, 0x1f41);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_painted_when_it_changes_and_then_rests),
		cmocka_unit_test(a_cursor_blinks),
		cmocka_unit_test(a_still_picture_is_watched_and_costs_nothing),
		cmocka_unit_test(what_is_written_just_before_the_watch_is_not_lost),
		cmocka_unit_test(without_a_watch_pages_are_looked_at),
		cmocka_unit_test(a_driver_or_a_blank_screen_costs_nothing),
		cmocka_unit_test(text_that_is_written_while_nobody_sees_it_is_told),
		cmocka_unit_test(the_end_comes_with_work_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
