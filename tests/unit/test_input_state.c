/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake_evdev.h"
#include "vmm/util.h"

#define SLOTS 4

struct t {
	struct input_state a, b;
	struct fake_events out;
	struct input_sink sink;
};

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	input_state_init(&t->a, SLOTS);
	input_state_init(&t->b, SLOTS);
	t->sink = fake_events_sink(&t->out);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void only_changes_say_anything(void **state)
{
	struct input_state *s = &((struct t *)*state)->a;

	assert_true(input_state_apply(s, EV_KEY, KEY_A, 1));
	assert_false(input_state_apply(s, EV_KEY, KEY_A, 1));
	assert_false(input_state_apply(s, EV_KEY, KEY_A, 2));
	assert_false(input_state_apply(s, EV_KEY, KEY_A, -1));
	assert_true(input_state_apply(s, EV_KEY, KEY_A, 0));
	assert_false(input_state_apply(s, EV_KEY, KEY_CNT, 1));
	/* An axis that was never heard of is not at 0. */
	assert_true(input_state_apply(s, EV_ABS, ABS_X, 0));
	assert_false(input_state_apply(s, EV_ABS, ABS_X, 0));
	assert_false(input_state_apply(s, EV_ABS, ABS_CNT, 1));
	assert_true(input_state_apply(s, EV_SW, SW_MAX, 1));
	assert_false(input_state_apply(s, EV_SW, SW_MAX, 1));
	assert_false(input_state_apply(s, EV_SW, SW_CNT, 1));
	assert_true(input_state_apply(s, EV_REL, REL_X, 1));
	assert_true(input_state_apply(s, EV_REL, REL_X, 1));
	assert_false(input_state_apply(s, EV_REL, REL_X, 0));
	assert_true(input_state_apply(s, EV_MSC, MSC_SCAN, 0));
}

static void touches_belong_to_slots(void **state)
{
	struct input_state *s = &((struct t *)*state)->a;

	assert_true(input_state_apply(s, EV_ABS, ABS_MT_TRACKING_ID, 5));
	assert_true(input_state_apply(s, EV_ABS, ABS_MT_SLOT, 3));
	assert_true(input_state_apply(s, EV_ABS, ABS_MT_TRACKING_ID, 5));
	assert_false(input_state_apply(s, EV_ABS, ABS_MT_TRACKING_ID, 5));
	assert_true(input_state_apply(s, EV_ABS, ABS_MT_TRACKING_ID, -7));
	assert_int_equal(s->slots[3].id, -1);
	assert_int_equal(s->slots[0].id, 5);
	/* In a slot that there is not they are nowhere. */
	assert_false(input_state_apply(s, EV_ABS, ABS_MT_SLOT, SLOTS));
	assert_false(input_state_apply(s, EV_ABS, ABS_MT_TRACKING_ID, 8));
	assert_false(input_state_apply(s, EV_ABS, ABS_MT_SLOT, -1));
	assert_false(input_state_apply(s, EV_ABS, ABS_MT_POSITION_X, 8));
	assert_int_equal(s->slots[3].id, -1);
	assert_true(input_state_apply(s, EV_ABS, ABS_MT_SLOT, 3));
}

static void touches_without_slots_are_no_state(void **state)
{
	struct input_state *s = &((struct t *)*state)->a;

	input_state_init(s, 0);
	assert_true(input_state_apply(s, EV_ABS, ABS_MT_POSITION_X, 5));
	assert_true(input_state_apply(s, EV_ABS, ABS_MT_POSITION_X, 5));
	/* This is then an axis like any other. */
	assert_true(input_state_apply(s, EV_ABS, ABS_MT_SLOT, 5));
	assert_false(input_state_apply(s, EV_ABS, ABS_MT_SLOT, 5));
}

static void what_is_held_is_let_go_of_when_the_focus_leaves(void **state)
{
	struct t *t = *state;

	input_state_release(&t->a, &t->sink);
	fake_events_expect_none(&t->out);
	input_state_apply(&t->a, EV_KEY, KEY_LEFTALT, 1);
	input_state_apply(&t->a, EV_KEY, BTN_TOUCH, 1);
	input_state_apply(&t->a, EV_ABS, ABS_X, 7);
	input_state_apply(&t->a, EV_ABS, ABS_MT_SLOT, 2);
	input_state_apply(&t->a, EV_ABS, ABS_MT_TRACKING_ID, 9);
	assert_true(input_state_any_key(&t->a));
	input_state_release(&t->a, &t->sink);
	fake_events_expect(&t->out, EV_ABS, ABS_MT_TRACKING_ID, -1);
	fake_events_expect(&t->out, EV_KEY, KEY_LEFTALT, 0);
	fake_events_expect(&t->out, EV_KEY, BTN_TOUCH, 0);
	fake_events_expect_sync(&t->out);
	fake_events_expect_none(&t->out);
	assert_false(input_state_any_key(&t->a));
	assert_int_equal(t->a.abs[ABS_X], 7);
	input_state_release(&t->a, &t->sink);
	fake_events_expect_none(&t->out);
}

static void random_event(struct input_state *s)
{
	static const uint8_t codes[] = {
		ABS_X, ABS_Y, ABS_MT_SLOT, ABS_MT_TRACKING_ID, ABS_MT_POSITION_X, ABS_MT_TOOL_Y,
	};
	unsigned code = codes[random() % ARRAY_SIZE(codes)];

	switch (random() % 8) {
	case 0:
		input_state_apply(s, EV_KEY, random() % KEY_CNT, random() & 1);
		break;
	case 1:
		input_state_apply(s, EV_SW, random() % SW_CNT, random() & 1);
		break;
	default:
		input_state_apply(s, EV_ABS, code, random() % 7 - 1);
	}
}

static bool same_slots(const struct input_state *a, const struct input_state *b)
{
	return !memcmp(a->slots, b->slots, sizeof(a->slots));
}

/* A third party that hears only what was said comes to the same end. */
static void steps_lead_from_any_state_to_any_other(void **state)
{
	struct t *t = *state;
	struct input_state heard;

	srandom(1);
	for (unsigned round = 0; round < 2000; round++) {
		unsigned n, max = 4 + random() % 60;

		for (unsigned i = random() % 100; i; i--)
			random_event(&t->b);
		heard = t->a;
		while ((n = input_state_step(&t->a, &t->b, max, &t->sink))) {
			assert_int_equal(t->out.n, n);
			assert_true(n <= max);
			for (unsigned i = 0; i < n; i++) {
				const struct evdev_event *e = &t->out.list[i];

				assert_int_equal(e->type == EV_SYN, i == n - 1);
				input_state_apply(&heard, e->type, e->code, e->value);
			}
			t->out.n = 0;
		}
		assert_memory_equal(heard.keys, t->b.keys, sizeof(heard.keys));
		assert_memory_equal(heard.switches, t->b.switches, sizeof(heard.switches));
		assert_memory_equal(heard.abs, t->b.abs, sizeof(heard.abs));
		assert_true(same_slots(&heard, &t->b) && same_slots(&t->a, &t->b));
		if (t->b.slot < SLOTS)
			assert_int_equal(heard.slot, t->b.slot);
	}
}

static void touch_that_took_the_place_of_another_begins_after_its_end(void **state)
{
	struct t *t = *state;

	input_state_apply(&t->a, EV_ABS, ABS_MT_TRACKING_ID, 1);
	input_state_apply(&t->b, EV_ABS, ABS_MT_TRACKING_ID, 2);
	assert_int_equal(input_state_step(&t->a, &t->b, 16, &t->sink), 2);
	assert_int_equal(input_state_step(&t->a, &t->b, 16, &t->sink), 2);
	assert_int_equal(input_state_step(&t->a, &t->b, 16, &t->sink), 0);
	fake_events_expect(&t->out, EV_ABS, ABS_MT_TRACKING_ID, -1);
	fake_events_expect_sync(&t->out);
	fake_events_expect(&t->out, EV_ABS, ABS_MT_TRACKING_ID, 2);
	fake_events_expect_sync(&t->out);
}

static void wheel_tells_of_notches_when_they_are_full(void **state)
{
	struct t *t = *state;
	struct input_wheel w = { { 0 } };

	input_wheel_turn(&w, false, 60, &t->sink);
	fake_events_expect(&t->out, EV_REL, REL_WHEEL_HI_RES, 60);
	input_wheel_turn(&w, true, -30, &t->sink);
	fake_events_expect(&t->out, EV_REL, REL_HWHEEL_HI_RES, -30);
	input_wheel_turn(&w, false, 60, &t->sink);
	fake_events_expect(&t->out, EV_REL, REL_WHEEL, 1);
	fake_events_expect(&t->out, EV_REL, REL_WHEEL_HI_RES, 60);
	/* Half a notch on, then a whole one back. */
	input_wheel_turn(&w, false, 60, &t->sink);
	input_wheel_turn(&w, false, -120, &t->sink);
	fake_events_expect(&t->out, EV_REL, REL_WHEEL_HI_RES, 60);
	fake_events_expect(&t->out, EV_REL, REL_WHEEL, -1);
	fake_events_expect(&t->out, EV_REL, REL_WHEEL_HI_RES, -120);
	input_wheel_turn(&w, false, 0, &t->sink);
	fake_events_expect_none(&t->out);
	input_wheel_turn(&w, false, INT32_MAX, &t->sink);
	input_wheel_turn(&w, false, INT32_MIN, &t->sink);
	assert_true(t->out.list[1].value > 0 && t->out.list[3].value < 0);
}

static void kinds_have_what_sanitizing_leaves(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < INPUT_KINDS; kind++) {
		struct input_caps caps, clean;

		input_caps_init(&caps, kind);
		clean = caps;
		input_caps_sanitize(&clean);
		assert_memory_equal(&caps, &clean, sizeof(caps));
		assert_int_equal(input_caps_slots(&caps),
				 kind == INPUT_MULTITOUCH ? INPUT_TOUCH_SLOTS : 0);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(only_changes_say_anything),
		T(touches_belong_to_slots),
		T(touches_without_slots_are_no_state),
		T(what_is_held_is_let_go_of_when_the_focus_leaves),
		T(steps_lead_from_any_state_to_any_other),
		T(touch_that_took_the_place_of_another_begins_after_its_end),
		T(wheel_tells_of_notches_when_they_are_full),
		T(kinds_have_what_sanitizing_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
