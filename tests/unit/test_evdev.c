/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/evdev.h"
#include "devices/virtio/input.h"
#include "tests/fake_evdev.h"
#include "tests/vrig.h"

/* Two devices of the host, and where their events go. */
struct t {
	struct fake fake;
	struct evdev_set set;
	struct fake_evdev kbd, mouse;
	struct evdev *e, *e2;
	struct fake_events out, out2;
	char dir[64], path[96];
};

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	fake_init(&t->fake);
	fake_evdev_init(&t->kbd, "A keyboard");
	input_caps_init(&t->kbd.caps, INPUT_KEYBOARD);
	t->kbd.ids = (struct input_id){ BUS_USB, 1, 2, 3 };
	t->kbd.open_ret = 0;
	fake_evdev_init(&t->mouse, "A mouse");
	input_caps_init(&t->mouse.caps, INPUT_MOUSE);
	t->mouse.open_ret = 0;
	strcpy(t->dir, "/tmp/test_evdev.XXXXXX");
	if (!mkdtemp(t->dir))
		return -1;
	snprintf(t->path, sizeof(t->path), "%s/event", t->dir);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	evdev_close(t->e);
	evdev_close(t->e2);
	assert_null(t->set.first);
	assert_int_equal(t->kbd.opened, t->kbd.closed);
	assert_false(t->kbd.grabbed || t->mouse.grabbed);
	fake_evdev_finish(&t->kbd);
	fake_evdev_finish(&t->mouse);
	fake_finish(&t->fake);
	unlink(t->path);
	rmdir(t->dir);
	free(t);
	return 0;
}

static struct keychord chord(const char *text)
{
	struct keychord c;
	char why[KEYCHORD_WHY];

	assert_int_equal(keychord_parse(&c, text, why), 0);
	return c;
}

static int open_with(struct t *t, struct evdev **out, struct fake_evdev *f, enum evdev_grab grab,
		     const char *keys)
{
	const struct evdev_params params = {
		.path = t->path,
		.grab = grab,
		.chord = chord(keys),
		.set = &t->set,
		.open = fake_evdev_open,
		.open_ctx = f,
	};

	return evdev_open(out, t->fake.loop, &params);
}

static void settle(struct t *t)
{
	fake_settle(&t->fake);
}

/* The keyboard, started. */
static void start(struct t *t, enum evdev_grab grab)
{
	struct input_sink sink = fake_events_sink(&t->out);

	assert_int_equal(open_with(t, &t->e, &t->kbd, grab, EVDEV_CHORD), 0);
	evdev_start(t->e, &sink);
	settle(t);
}

static void start_mouse(struct t *t, enum evdev_grab grab, const char *keys)
{
	struct input_sink sink = fake_events_sink(&t->out2);

	assert_int_equal(open_with(t, &t->e2, &t->mouse, grab, keys), 0);
	evdev_start(t->e2, &sink);
	settle(t);
}

static void key(struct t *t, unsigned code, bool down)
{
	fake_evdev_key(&t->kbd, code, down);
	settle(t);
}

static void expect_key(struct t *t, unsigned code, bool down)
{
	fake_events_expect(&t->out, EV_KEY, code, down);
	fake_events_expect_sync(&t->out);
}

static void expect_none(struct t *t)
{
	fake_events_expect_none(&t->out);
}

/* Held, not let go of. */
static void press_chord(struct t *t)
{
	key(t, KEY_LEFTCTRL, true);
	key(t, KEY_RIGHTALT, true);
	key(t, KEY_G, true);
}

static void release_chord(struct t *t)
{
	key(t, KEY_G, false);
	key(t, KEY_RIGHTALT, false);
	key(t, KEY_LEFTCTRL, false);
}

static void toggle(struct t *t)
{
	press_chord(t);
	release_chord(t);
	t->out.n = t->out2.n = 0;
}

/* --- opening ------------------------------------------------------------------------- */

static void device_is_what_it_is_on_the_host(void **state)
{
	struct t *t = *state;

	t->kbd.uniq = "serial";
	start(t, EVDEV_GRAB_ON);
	assert_string_equal(evdev_name(t->e), "A keyboard");
	assert_string_equal(evdev_uniq(t->e), "serial");
	assert_memory_equal(evdev_ids(t->e), &t->kbd.ids, sizeof(t->kbd.ids));
	assert_memory_equal(evdev_caps(t->e), &t->kbd.caps, sizeof(t->kbd.caps));
}

static void what_cannot_be_opened_or_grabbed_is_refused(void **state)
{
	struct t *t = *state;

	t->kbd.open_ret = -ENOTTY;
	assert_int_equal(open_with(t, &t->e, &t->kbd, EVDEV_GRAB_ON, "g"), -ENOTTY);
	t->kbd.open_ret = 0;
	t->kbd.grab_ret = -EBUSY;
	assert_int_equal(open_with(t, &t->e, &t->kbd, EVDEV_GRAB_TOGGLE, "g"), -EBUSY);
	assert_null(t->set.first);
	/* Who does not want it alone does not ask. */
	assert_int_equal(open_with(t, &t->e, &t->kbd, EVDEV_GRAB_OFF, "g"), 0);
	assert_int_equal(t->kbd.grabs, 0);
}

static void real_files_that_are_no_devices_are_refused(void **state)
{
	struct evdev_node *node;

	(void)state;
	assert_int_equal(evdev_node_open(&node, "/dev/null", NULL), -ENOTTY);
	assert_int_equal(evdev_node_open(&node, "/etc/passwd", NULL), -ENOTTY);
	assert_int_equal(evdev_node_open(&node, "/nonexistent", NULL), -ENOENT);
}

/* --- passing on ----------------------------------------------------------------------- */

static void grabbed_device_passes_everything_on(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	assert_true(t->kbd.grabbed);
	fake_evdev_send(&t->kbd, EV_MSC, MSC_SCAN, 30);
	key(t, KEY_A, true);
	fake_events_expect(&t->out, EV_MSC, MSC_SCAN, 30);
	expect_key(t, KEY_A, true);
	key(t, KEY_A, false);
	expect_key(t, KEY_A, false);
	expect_none(t);
}

static void grab_waits_until_no_key_is_down(void **state)
{
	struct t *t = *state;

	/* The command line has just been entered. */
	input_state_apply(&t->kbd.state, EV_KEY, KEY_ENTER, 1);
	start(t, EVDEV_GRAB_ON);
	assert_false(t->kbd.grabbed);
	key(t, KEY_A, true);
	key(t, KEY_ENTER, false);
	assert_false(t->kbd.grabbed);
	key(t, KEY_A, false);
	assert_true(t->kbd.grabbed);
	t->out.n = 0;
	key(t, KEY_B, true);
	expect_key(t, KEY_B, true);
}

static void shared_device_is_never_grabbed(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_OFF);
	key(t, KEY_A, true);
	expect_key(t, KEY_A, true);
	t->out.n = 0;
	press_chord(t);
	/* To it the chord is three keys. */
	assert_int_equal(t->out.n, 6);
	assert_true(evdev_is_guests(t->e));
	assert_int_equal(t->kbd.grabs, 0);
}

static void more_events_than_a_batch_are_all_read(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	for (unsigned i = 0; i < 400; i++)
		fake_evdev_key(&t->kbd, KEY_A, !(i & 1));
	settle(t);
	assert_int_equal(t->out.n, 800);
}

static void axes_switches_and_touches_are_told_at_the_start(void **state)
{
	struct t *t = *state;

	input_caps_init(&t->kbd.caps, INPUT_MULTITOUCH);
	input_caps_add(&t->kbd.caps, EV_SW, SW_LID);
	t->kbd.state.n_slots = 2;
	input_state_apply(&t->kbd.state, EV_SW, SW_LID, 1);
	input_state_apply(&t->kbd.state, EV_ABS, ABS_X, 5);
	input_state_apply(&t->kbd.state, EV_ABS, ABS_MT_SLOT, 1);
	input_state_apply(&t->kbd.state, EV_ABS, ABS_MT_TRACKING_ID, 7);
	input_state_apply(&t->kbd.state, EV_ABS, ABS_MT_POSITION_X, 5);
	start(t, EVDEV_GRAB_ON);
	fake_events_expect(&t->out, EV_SW, SW_LID, 1);
	fake_events_expect(&t->out, EV_ABS, ABS_X, 5);
	fake_events_expect(&t->out, EV_ABS, ABS_Y, 0);
	fake_events_expect(&t->out, EV_ABS, ABS_MT_SLOT, 1);
	fake_events_expect(&t->out, EV_ABS, ABS_MT_TRACKING_ID, 7);
	fake_events_expect(&t->out, EV_ABS, ABS_MT_POSITION_X, 5);
	fake_events_expect_sync(&t->out);
	expect_none(t);
}

static void packet_that_is_cut_short_is_ended(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	fake_evdev_send(&t->kbd, EV_MSC, MSC_SCAN, 30);
	fake_evdev_send(&t->kbd, EV_KEY, KEY_A, 1);
	fake_evdev_unplug(&t->kbd);
	settle(t);
	fake_events_expect(&t->out, EV_MSC, MSC_SCAN, 30);
	expect_key(t, KEY_A, true);
	expect_key(t, KEY_A, false);
	expect_none(t);
}

/* --- changing hands ---------------------------------------------------------------------- */

static void case_83_chord_takes_it_back_before_the_guest_sees_it(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	key(t, KEY_S, true);
	press_chord(t);
	expect_key(t, KEY_S, true);
	expect_key(t, KEY_LEFTCTRL, true);
	expect_key(t, KEY_RIGHTALT, true);
	/* Not the g, and all keys up at once. */
	fake_events_expect(&t->out, EV_KEY, KEY_LEFTCTRL, 0);
	fake_events_expect(&t->out, EV_KEY, KEY_S, 0);
	fake_events_expect(&t->out, EV_KEY, KEY_RIGHTALT, 0);
	fake_events_expect_sync(&t->out);
	expect_none(t);
	/* The host gets it with the chord's keys up. */
	assert_true(t->kbd.grabbed);
	release_chord(t);
	assert_false(t->kbd.grabbed);
	key(t, KEY_S, false);
	key(t, KEY_A, true);
	expect_none(t);
}

static void chord_gives_it_to_the_guest(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_TOGGLE);
	key(t, KEY_A, true);
	key(t, KEY_A, false);
	assert_false(evdev_is_guests(t->e) || t->kbd.grabbed);
	press_chord(t);
	/* The host has seen the keys go down. */
	assert_false(evdev_is_guests(t->e) || t->kbd.grabbed);
	release_chord(t);
	assert_true(evdev_is_guests(t->e) && t->kbd.grabbed);
	expect_none(t);
	key(t, KEY_A, true);
	expect_key(t, KEY_A, true);
}

static void chord_is_its_keys_and_no_others(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	key(t, KEY_LEFTCTRL, true);
	key(t, KEY_G, true);
	key(t, KEY_G, false);
	assert_true(evdev_is_guests(t->e));
	key(t, KEY_G, true);
	/* In any order. */
	key(t, KEY_LEFTALT, true);
	assert_false(evdev_is_guests(t->e));
	key(t, KEY_H, true);
	key(t, KEY_RIGHTCTRL, true);
	/* That completes it again. */
	assert_false(evdev_is_guests(t->e));
	key(t, KEY_H, false);
	key(t, KEY_RIGHTCTRL, false);
	key(t, KEY_LEFTCTRL, false);
	key(t, KEY_LEFTALT, false);
	key(t, KEY_G, false);
	assert_true(evdev_is_guests(t->e));
}

static void toggled_twice_with_the_keys_held_it_stays_grabbed(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	press_chord(t);
	t->out.n = 0;
	key(t, KEY_G, false);
	key(t, KEY_G, true);
	assert_true(t->kbd.grabbed);
	assert_false(evdev_is_guests(t->e));
	release_chord(t);
	assert_true(t->kbd.grabbed && evdev_is_guests(t->e));
	expect_none(t);
}

static void case_83_key_that_does_not_come_up_does_not_keep_the_grab(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	press_chord(t);
	assert_true(t->kbd.grabbed);
	while (t->kbd.grabbed)
		loop_run_once(t->fake.loop, 10000);
	assert_false(evdev_is_guests(t->e));
}

static void chord_of_the_keyboard_is_for_the_mouse_too(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	start_mouse(t, EVDEV_GRAB_ON, EVDEV_CHORD);
	fake_evdev_key(&t->mouse, BTN_LEFT, true);
	settle(t);
	fake_events_expect(&t->out2, EV_KEY, BTN_LEFT, 1);
	fake_events_expect_sync(&t->out2);
	press_chord(t);
	assert_false(t->mouse.grabbed);
	fake_events_expect(&t->out2, EV_KEY, BTN_LEFT, 0);
	fake_events_expect_sync(&t->out2);
	release_chord(t);
	assert_false(t->kbd.grabbed);
	/* Its button is still down. */
	toggle(t);
	assert_true(t->kbd.grabbed);
	assert_false(t->mouse.grabbed);
	fake_evdev_key(&t->mouse, BTN_LEFT, false);
	settle(t);
	assert_true(t->mouse.grabbed && evdev_is_guests(t->e2));
}

static void guest_that_has_any_of_them_loses_them_all(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_TOGGLE);
	start_mouse(t, EVDEV_GRAB_ON, EVDEV_CHORD);
	toggle(t);
	assert_false(t->mouse.grabbed || t->kbd.grabbed);
	toggle(t);
	assert_true(t->mouse.grabbed && t->kbd.grabbed);
}

static void other_chords_are_for_other_devices(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	start_mouse(t, EVDEV_GRAB_ON, "scrolllock");
	key(t, KEY_SCROLLLOCK, true);
	key(t, KEY_SCROLLLOCK, false);
	assert_false(t->mouse.grabbed);
	assert_true(t->kbd.grabbed);
	toggle(t);
	assert_false(t->mouse.grabbed || t->kbd.grabbed);
}

static void case_83_frozen_guest_cannot_keep_it(void **state)
{
	struct t *t = *state;
	struct virtio_device *v;
	struct input_sink sink;
	struct vrig *r = calloc(1, sizeof(*r));

	vrig_init(r, VRIG_MMIO);
	assert_int_equal(open_with(t, &t->e, &t->kbd, EVDEV_GRAB_ON, EVDEV_CHORD), 0);
	assert_int_equal(input_create(&v, t->fake.loop, &r->fake.mem, &(struct input_params){
		.kind = INPUT_HOST, .caps = evdev_caps(t->e),
		.feedback = evdev_feedback(t->e) }), 0);
	sink = input_device_sink(v);
	vrig_plug(r, v);
	vdrv_start(&r->d, VIRTIO_COMMON_FEATURES);
	evdev_start(t->e, &sink);
	/* It never gives a buffer. */
	for (unsigned i = 0; i < 3000; i++)
		key(t, KEY_A, !(i & 1));
	toggle(t);
	assert_false(t->kbd.grabbed);
	evdev_close(t->e);
	t->e = NULL;
	vrig_unplug(r);
	input_destroy(v);
	vrig_finish(r);
	free(r);
}

static void case_83_nothing_is_left_behind_at_the_end(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	key(t, KEY_A, true);
	t->out.n = 0;
	evdev_close(t->e);
	t->e = NULL;
	assert_false(t->kbd.grabbed);
	expect_key(t, KEY_A, false);
	expect_none(t);
}

/* --- plugs ------------------------------------------------------------------------------------ */

static void touch_file(const char *path)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fclose(f);
}

static void until_opened(struct t *t, unsigned n)
{
	while (t->kbd.opened < n)
		loop_run_once(t->fake.loop, 10000);
}

static void unplug(struct t *t)
{
	t->kbd.open_ret = -ENOENT;
	fake_evdev_unplug(&t->kbd);
	settle(t);
}

static void case_82_unplugged_device_lets_go_and_comes_back(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	key(t, KEY_A, true);
	t->out.n = 0;
	unplug(t);
	expect_key(t, KEY_A, false);
	expect_none(t);
	assert_int_equal(t->kbd.closed, 1);
	assert_false(t->kbd.grabbed);
	assert_string_equal(evdev_name(t->e), "A keyboard");

	input_state_init(&t->kbd.state, 0);
	t->kbd.open_ret = 0;
	touch_file(t->path);
	until_opened(t, 2);
	assert_true(t->kbd.grabbed && evdev_is_guests(t->e));
	key(t, KEY_B, true);
	expect_key(t, KEY_B, true);
}

static void another_device_at_the_path_is_not_taken(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	unplug(t);
	t->kbd.open_ret = 0;
	t->kbd.ids.product++;
	touch_file(t->path);
	until_opened(t, 2);
	assert_int_equal(t->kbd.closed, 2);
	assert_false(t->kbd.grabbed);
	t->kbd.ids.product--;
	unlink(t->path);
	touch_file(t->path);
	until_opened(t, 3);
	assert_true(t->kbd.grabbed);
}

static void device_comes_back_with_its_folder(void **state)
{
	struct t *t = *state;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/by-id", t->dir);
	snprintf(t->path, sizeof(t->path), "%s/by-id/event", t->dir);
	start(t, EVDEV_GRAB_ON);
	unplug(t);
	/* It has seen that there is nothing. */
	assert_int_equal(mkdir(dir, 0700), 0);
	settle(t);
	t->kbd.open_ret = 0;
	touch_file(t->path);
	until_opened(t, 2);
	assert_true(t->kbd.grabbed);
	unlink(t->path);
	rmdir(dir);
}

static void chord_pressed_meanwhile_counts_when_it_is_back(void **state)
{
	struct t *t = *state;

	start(t, EVDEV_GRAB_ON);
	start_mouse(t, EVDEV_GRAB_ON, EVDEV_CHORD);
	fake_evdev_unplug(&t->mouse);
	settle(t);
	toggle(t);
	while (t->mouse.opened < 2)
		loop_run_once(t->fake.loop, 10000);
	assert_false(t->mouse.grabbed);
	toggle(t);
	assert_true(t->mouse.grabbed && t->kbd.grabbed);
}

static void device_that_fails_is_not_read_again_and_again(void **state)
{
	struct t *t = *state;
	unsigned opened;

	start(t, EVDEV_GRAB_ON);
	/* It is there, and gone as soon as it is read. */
	fake_evdev_unplug(&t->kbd);
	settle(t);
	opened = t->kbd.opened;
	for (unsigned i = 0; i < 1000; i++)
		loop_run_once(t->fake.loop, 0);
	assert_true(t->kbd.opened - opened <= 1);
}

/* --- lights ----------------------------------------------------------------------------------- */

static void feed(struct t *t, uint16_t type, uint16_t code, int32_t value)
{
	struct input_sink sink = evdev_feedback(t->e);

	input_send(&sink, type, code, value);
}

static void lights_are_the_guests_while_it_has_the_device(void **state)
{
	struct t *t = *state;
	struct fake_events *w = &t->kbd.written;

	t->kbd.leds = 1 << LED_NUML | 1 << LED_CAPSL;
	t->kbd.rep[REP_DELAY] = 250;
	start(t, EVDEV_GRAB_ON);
	fake_events_expect_none(w);
	feed(t, EV_LED, LED_CAPSL, 0);
	feed(t, EV_LED, LED_SCROLLL, 1);
	feed(t, EV_REP, REP_DELAY, 600);
	fake_events_expect(w, EV_LED, LED_CAPSL, 0);
	fake_events_expect(w, EV_LED, LED_SCROLLL, 1);
	fake_events_expect(w, EV_REP, REP_DELAY, 600);
	/* Back to the host, as it was; what the guest says then waits. */
	toggle(t);
	fake_events_expect(w, EV_LED, LED_CAPSL, 1);
	fake_events_expect(w, EV_LED, LED_SCROLLL, 0);
	fake_events_expect(w, EV_REP, REP_DELAY, 250);
	feed(t, EV_LED, LED_SCROLLL, 0);
	fake_events_expect_none(w);
	toggle(t);
	fake_events_expect(w, EV_LED, LED_CAPSL, 0);
	fake_events_expect(w, EV_LED, LED_SCROLLL, 0);
	fake_events_expect(w, EV_REP, REP_DELAY, 600);
	fake_events_expect_none(w);
	assert_int_equal(t->kbd.leds, 1 << LED_NUML);
}

static void lights_come_on_again_when_it_is_plugged_in(void **state)
{
	struct t *t = *state;
	struct fake_events *w = &t->kbd.written;

	start(t, EVDEV_GRAB_ON);
	unplug(t);
	feed(t, EV_LED, LED_NUML, 1);
	fake_events_expect_none(w);
	t->kbd.open_ret = 0;
	touch_file(t->path);
	until_opened(t, 2);
	fake_events_expect(w, EV_LED, LED_NUML, 1);
	fake_events_expect_none(w);
}

static void sounds_end_when_the_host_gets_it(void **state)
{
	struct t *t = *state;
	struct fake_events *w = &t->kbd.written;

	input_caps_add(&t->kbd.caps, EV_SND, SND_TONE);
	start(t, EVDEV_GRAB_ON);
	feed(t, EV_SND, SND_TONE, INT32_MAX);
	feed(t, EV_SND, SND_BELL, 1);
	fake_events_expect(w, EV_SND, SND_TONE, 20000);
	toggle(t);
	fake_events_expect(w, EV_SND, SND_TONE, 0);
	fake_events_expect_none(w);
	feed(t, EV_SND, SND_TONE, 440);
	toggle(t);
	fake_events_expect_none(w);
}

static void case_79_nothing_else_is_written_to_the_device(void **state)
{
	struct t *t = *state;
	struct fake_events *w = &t->kbd.written;

	input_caps_add(&t->kbd.caps, EV_MSC, MSC_TIMESTAMP);
	start(t, EVDEV_GRAB_ON);
	for (unsigned type = 0; type < 0x40; type++)
		if (type != EV_LED && type != EV_REP)
			for (unsigned code = 0; code < 0x300; code++)
				feed(t, type, code, 1);
	feed(t, EV_LED, LED_SUSPEND, 1);
	feed(t, EV_LED, LED_CNT, 1);
	feed(t, EV_LED, 0xffff, 1);
	feed(t, EV_REP, REP_DELAY, -1);
	feed(t, EV_REP, REP_CNT, 1);
	feed(t, EV_SND, SND_TONE, -1);
	fake_events_expect_none(w);
	/* Not faster than anybody could read. */
	feed(t, EV_REP, REP_PERIOD, 1);
	feed(t, EV_REP, REP_PERIOD, INT32_MAX);
	feed(t, EV_REP, REP_PERIOD, 0);
	fake_events_expect(w, EV_REP, REP_PERIOD, 10);
	fake_events_expect(w, EV_REP, REP_PERIOD, 10000);
	fake_events_expect(w, EV_REP, REP_PERIOD, 0);
}

/* --- names of keys -------------------------------------------------------------------------- */

static void expect_refusal(const char *text, const char *says)
{
	struct keychord c;
	char why[KEYCHORD_WHY] = "";

	assert_int_equal(keychord_parse(&c, text, why), -EINVAL);
	if (!strstr(why, says))
		fail_msg("'%s': '%s' does not say '%s'", text, why, says);
}

static void keys_have_names(void **state)
{
	struct keychord c = chord("Ctrl-alt-F2");

	(void)state;
	assert_int_equal(c.n, 3);
	assert_int_equal(c.keys[0][0], KEY_LEFTCTRL);
	assert_int_equal(c.keys[0][1], KEY_RIGHTCTRL);
	assert_int_equal(c.keys[2][0], KEY_F2);
	assert_int_equal(c.keys[2][1], KEY_F2);
	assert_int_equal(c.keys[1][0], KEY_LEFTALT);
	assert_int_equal(c.keys[1][1], KEY_RIGHTALT);
	c = chord("leftmeta-BTN_SIDE-1");
	assert_int_equal(c.keys[0][1], KEY_LEFTMETA);
	assert_int_equal(c.keys[1][0], BTN_SIDE);
	assert_int_equal(c.keys[2][0], KEY_1);
	c = chord("super-shift");
	assert_int_equal(c.keys[0][1], KEY_RIGHTMETA);
}

static void wrong_names_are_told_with_the_nearest(void **state)
{
	char name[1000];

	(void)state;
	expect_refusal("ctrl-alt-gg", "'gg'");
	expect_refusal("ctlr-g", "did you mean 'ctrl'?");
	expect_refusal("ctrl-scrollock", "did you mean 'scrolllock'?");
	expect_refusal("btn_sid", "did you mean 'btn_side'?");
	expect_refusal("", "'-' between them");
	expect_refusal("ctrl-", "'-' between them");
	expect_refusal("-", "'-' between them");
	expect_refusal("max", "'max'");
	expect_refusal("reserved", "'reserved'");
	expect_refusal("a-b-c-d-e-f", "5 keys at most");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	expect_refusal(name, "no key is called");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(device_is_what_it_is_on_the_host),
		T(what_cannot_be_opened_or_grabbed_is_refused),
		T(real_files_that_are_no_devices_are_refused),
		T(grabbed_device_passes_everything_on),
		T(grab_waits_until_no_key_is_down),
		T(shared_device_is_never_grabbed),
		T(more_events_than_a_batch_are_all_read),
		T(axes_switches_and_touches_are_told_at_the_start),
		T(packet_that_is_cut_short_is_ended),
		T(case_83_chord_takes_it_back_before_the_guest_sees_it),
		T(chord_gives_it_to_the_guest),
		T(chord_is_its_keys_and_no_others),
		T(toggled_twice_with_the_keys_held_it_stays_grabbed),
		T(case_83_key_that_does_not_come_up_does_not_keep_the_grab),
		T(chord_of_the_keyboard_is_for_the_mouse_too),
		T(guest_that_has_any_of_them_loses_them_all),
		T(other_chords_are_for_other_devices),
		T(case_83_frozen_guest_cannot_keep_it),
		T(case_83_nothing_is_left_behind_at_the_end),
		T(case_82_unplugged_device_lets_go_and_comes_back),
		T(another_device_at_the_path_is_not_taken),
		T(device_comes_back_with_its_folder),
		T(chord_pressed_meanwhile_counts_when_it_is_back),
		T(device_that_fails_is_not_read_again_and_again),
		T(lights_are_the_guests_while_it_has_the_device),
		T(lights_come_on_again_when_it_is_plugged_in),
		T(sounds_end_when_the_host_gets_it),
		T(case_79_nothing_else_is_written_to_the_device),
		T(keys_have_names),
		T(wrong_names_are_told_with_the_nearest),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
