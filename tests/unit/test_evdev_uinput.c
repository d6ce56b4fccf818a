/* SPDX-License-Identifier: MIT */
/*
 * Devices of the host that the kernel makes for us (uinput), under libevdev and
 * evdev.c. Skipped where there is no /dev/uinput, unless MICROVM_UINPUT is set;
 * the lab has it: lab --modules uinput,evdev -- build/.../test_evdev_uinput
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/uinput.h>
#include <linux/virtio_input.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/evdev.h"
#include "devices/virtio/input.h"
#include "tests/fake_evdev.h"
#include "tests/vrig.h"

struct t {
	struct fake fake;
	struct evdev_set set;
	struct evdev *e;
	struct fake_events out;
	int uinput;		/* the device's other end */
	char dir[64], path[96], node[64];
};

/* --- a device of the kernel's ----------------------------------------------------- */

static const uint8_t set_bit_of[EV_CNT] = {
	[EV_KEY] = _IOC_NR(UI_SET_KEYBIT), [EV_REL] = _IOC_NR(UI_SET_RELBIT),
	[EV_ABS] = _IOC_NR(UI_SET_ABSBIT), [EV_MSC] = _IOC_NR(UI_SET_MSCBIT),
	[EV_SW] = _IOC_NR(UI_SET_SWBIT), [EV_LED] = _IOC_NR(UI_SET_LEDBIT),
	[EV_SND] = _IOC_NR(UI_SET_SNDBIT),
};

static void uinput_codes(int fd, unsigned type, const struct input_caps *caps)
{
	for (unsigned code = 0; code < KEY_CNT; code++) {
		struct uinput_abs_setup abs = { .code = code };

		if (!input_caps_have(caps, type, code))
			continue;
		assert_int_equal(ioctl(fd, UI_SET_EVBIT, type), 0);
		if (set_bit_of[type])
			assert_int_equal(ioctl(fd, _IOW(UINPUT_IOCTL_BASE, set_bit_of[type], int),
					       code), 0);
		if (type != EV_ABS)
			continue;
		abs.absinfo = caps->abs[code];
		assert_int_equal(ioctl(fd, UI_ABS_SETUP, &abs), 0);
	}
}

static void find_node(struct t *t)
{
	char name[32] = "", pattern[96];
	glob_t g;

	assert_true(ioctl(t->uinput, UI_GET_SYSNAME(sizeof(name)), name) >= 0);
	snprintf(pattern, sizeof(pattern), "/sys/class/input/%s/event*", name);
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	snprintf(t->node, sizeof(t->node), "/dev/input/%s", strrchr(g.gl_pathv[0], '/') + 1);
	globfree(&g);
}

/* Plugs it in, and leads a link of ours to it, whatever its number. */
static void plug(struct t *t, const struct input_caps *caps, const char *name)
{
	struct uinput_setup setup = { .id = { BUS_USB, 0x1234, 0x5678, 1 } };

	t->uinput = open("/dev/uinput", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(t->uinput >= 0);
	for (unsigned type = EV_KEY; type < EV_CNT; type++)
		uinput_codes(t->uinput, type, caps);
	for (unsigned prop = 0; prop < INPUT_PROP_CNT; prop++)
		if (caps->props[prop / 8] >> prop % 8 & 1)
			assert_int_equal(ioctl(t->uinput, UI_SET_PROPBIT, prop), 0);
	snprintf(setup.name, sizeof(setup.name), "%s", name);
	assert_int_equal(ioctl(t->uinput, UI_DEV_SETUP, &setup), 0);
	assert_int_equal(ioctl(t->uinput, UI_DEV_CREATE), 0);
	find_node(t);
	unlink(t->path);
	assert_int_equal(symlink(t->node, t->path), 0);
}

static void unplug(struct t *t)
{
	close(t->uinput);
	t->uinput = -1;
}

static void type(struct t *t, unsigned type, unsigned code, int32_t value)
{
	struct input_event e = { .type = type, .code = code, .value = value };

	assert_int_equal(write(t->uinput, &e, sizeof(e)), sizeof(e));
}

static void sync_type(struct t *t)
{
	type(t, EV_SYN, SYN_REPORT, 0);
}

static void key(struct t *t, unsigned code, bool down)
{
	type(t, EV_KEY, code, down);
	sync_type(t);
}

/* What was written to the device: the next of type @type; -1: there is none. */
static int written(struct t *t, unsigned type, unsigned *code)
{
	struct input_event e;

	while (read(t->uinput, &e, sizeof(e)) == sizeof(e))
		if (e.type == type) {
			*code = e.code;
			return e.value;
		}
	return -1;
}

/* --- our end ------------------------------------------------------------------------- */

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	if (access("/dev/uinput", W_OK) < 0 && !getenv("MICROVM_UINPUT")) {
		free(t);
		*state = NULL;
		return 0;
	}
	fake_init(&t->fake);
	t->uinput = -1;
	strcpy(t->dir, "/tmp/test_uinput.XXXXXX");
	if (!mkdtemp(t->dir))
		return -1;
	snprintf(t->path, sizeof(t->path), "%s/event", t->dir);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	if (!t)
		return 0;
	evdev_close(t->e);
	if (t->uinput >= 0)
		close(t->uinput);
	fake_finish(&t->fake);
	unlink(t->path);
	rmdir(t->dir);
	free(t);
	return 0;
}

static struct t *need(void **state)
{
	if (!*state)
		skip();
	return *state;
}

static void open_device(struct t *t, enum evdev_grab grab)
{
	struct evdev_params params = {
		.path = t->path, .grab = grab, .set = &t->set, .open = evdev_node_open,
	};
	char why[KEYCHORD_WHY];

	assert_int_equal(keychord_parse(&params.chord, EVDEV_CHORD, why), 0);
	assert_int_equal(evdev_open(&t->e, t->fake.loop, &params), 0);
}

static void start(struct t *t, enum evdev_grab grab)
{
	struct input_sink sink = fake_events_sink(&t->out);

	open_device(t, grab);
	evdev_start(t->e, &sink);
	fake_settle(&t->fake);
}

static void expect(struct t *t, unsigned type, unsigned code, int32_t value)
{
	fake_settle(&t->fake);
	fake_events_expect(&t->out, type, code, value);
}

static void keyboard_caps(struct input_caps *caps)
{
	input_caps_init(caps, INPUT_KEYBOARD);
	input_caps_add(caps, EV_SND, SND_TONE);
	input_caps_add(caps, EV_MSC, MSC_SCAN);
	input_caps_add(caps, EV_MSC, MSC_TIMESTAMP);
}

static void touch_caps(struct input_caps *caps)
{
	input_caps_init(caps, INPUT_MULTITOUCH);
	caps->abs[ABS_MT_SLOT].maximum = 19;
	caps->abs[ABS_X] = caps->abs[ABS_MT_POSITION_X] = (struct input_absinfo){
		.minimum = -100, .maximum = 4000, .resolution = 12,
	};
}

/* --- tests ------------------------------------------------------------------------------ */

static void keyboard_is_mirrored(void **state)
{
	struct t *t = need(state);
	struct input_caps caps;

	keyboard_caps(&caps);
	plug(t, &caps, "A keyboard");
	start(t, EVDEV_GRAB_ON);
	assert_string_equal(evdev_name(t->e), "A keyboard");
	assert_int_equal(evdev_ids(t->e)->product, 0x5678);
	assert_memory_equal(evdev_caps(t->e), &caps, sizeof(caps));
	type(t, EV_MSC, MSC_SCAN, 30);
	key(t, KEY_A, true);
	expect(t, EV_MSC, MSC_SCAN, 30);
	expect(t, EV_KEY, KEY_A, 1);
	expect(t, EV_SYN, SYN_REPORT, 0);
}

static void touch_screen_is_mirrored(void **state)
{
	struct t *t = need(state);
	struct input_caps caps;

	touch_caps(&caps);
	plug(t, &caps, "A touch screen");
	/* A finger is down before we look. */
	type(t, EV_ABS, ABS_MT_SLOT, 1);
	type(t, EV_ABS, ABS_MT_TRACKING_ID, 7);
	type(t, EV_ABS, ABS_MT_POSITION_X, -50);
	sync_type(t);
	start(t, EVDEV_GRAB_ON);
	assert_memory_equal(evdev_caps(t->e), &caps, sizeof(caps));
	assert_int_equal(input_caps_slots(evdev_caps(t->e)), 20);
	expect(t, EV_ABS, ABS_X, 0);
	expect(t, EV_ABS, ABS_Y, 0);
	expect(t, EV_ABS, ABS_MT_SLOT, 1);
	expect(t, EV_ABS, ABS_MT_TRACKING_ID, 7);
	expect(t, EV_ABS, ABS_MT_POSITION_X, -50);
	expect(t, EV_SYN, SYN_REPORT, 0);
	type(t, EV_ABS, ABS_MT_SLOT, 19);
	type(t, EV_ABS, ABS_MT_TRACKING_ID, 8);
	sync_type(t);
	expect(t, EV_ABS, ABS_MT_SLOT, 19);
	expect(t, EV_ABS, ABS_MT_TRACKING_ID, 8);
	expect(t, EV_SYN, SYN_REPORT, 0);
	unplug(t);
	expect(t, EV_ABS, ABS_MT_SLOT, 1);
	expect(t, EV_ABS, ABS_MT_TRACKING_ID, -1);
	expect(t, EV_ABS, ABS_MT_SLOT, 19);
	expect(t, EV_ABS, ABS_MT_TRACKING_ID, -1);
	expect(t, EV_SYN, SYN_REPORT, 0);
}

static void mouse_is_mirrored(void **state)
{
	struct t *t = need(state);
	struct input_caps caps;

	input_caps_init(&caps, INPUT_MOUSE);
	plug(t, &caps, "A mouse");
	start(t, EVDEV_GRAB_ON);
	assert_memory_equal(evdev_caps(t->e), &caps, sizeof(caps));
	type(t, EV_REL, REL_X, -3);
	type(t, EV_REL, REL_WHEEL_HI_RES, 15);
	type(t, EV_KEY, BTN_TASK, 1);
	sync_type(t);
	expect(t, EV_REL, REL_X, -3);
	expect(t, EV_REL, REL_WHEEL_HI_RES, 15);
	expect(t, EV_KEY, BTN_TASK, 1);
	expect(t, EV_SYN, SYN_REPORT, 0);
}

static void lights_sounds_and_repeat_reach_the_device(void **state)
{
	struct t *t = need(state);
	struct input_caps caps;
	struct input_sink back;
	unsigned code;

	keyboard_caps(&caps);
	plug(t, &caps, "A keyboard");
	start(t, EVDEV_GRAB_ON);
	while (written(t, EV_SYN, &code) >= 0)
		;
	back = evdev_feedback(t->e);
	input_send(&back, EV_LED, LED_CAPSL, 1);
	assert_int_equal(written(t, EV_LED, &code), 1);
	assert_int_equal(code, LED_CAPSL);
	input_send(&back, EV_SND, SND_TONE, 440);
	assert_int_equal(written(t, EV_SND, &code), 440);
	input_send(&back, EV_REP, REP_DELAY, 333);
	assert_int_equal(written(t, EV_REP, &code), 333);
	/* Nothing of that comes back as input, and what is not theirs does not go out. */
	input_send(&back, EV_MSC, MSC_TIMESTAMP, 1);
	input_send(&back, EV_KEY, KEY_A, 1);
	fake_settle(&t->fake);
	for (unsigned i = 0; i < t->out.n; i++)
		assert_true(t->out.list[i].type == EV_LED || t->out.list[i].type == EV_SND ||
			    t->out.list[i].type == EV_REP || t->out.list[i].type == EV_SYN);
	assert_int_equal(written(t, EV_MSC, &code), -1);
	evdev_close(t->e);
	t->e = NULL;
	assert_int_equal(written(t, EV_SND, &code), 0);
	assert_int_equal(written(t, EV_LED, &code), 0);
	assert_int_equal(written(t, EV_REP, &code), 250);
}

static bool other_sees(struct t *t, int other)
{
	struct input_event e;
	bool any = false;

	while (read(other, &e, sizeof(e)) == sizeof(e))
		;
	key(t, KEY_Z, true);
	key(t, KEY_Z, false);
	fake_settle(&t->fake);
	while (read(other, &e, sizeof(e)) == sizeof(e))
		any = true;
	return any;
}

static void case_83_grab_is_exclusive_until_the_chord(void **state)
{
	static const uint16_t chord[] = { KEY_RIGHTCTRL, KEY_LEFTALT, KEY_G };
	struct t *t = need(state);
	struct input_caps caps;
	int other;

	keyboard_caps(&caps);
	plug(t, &caps, "A keyboard");
	other = open(t->node, O_RDONLY | O_NONBLOCK);
	assert_true(other_sees(t, other));
	start(t, EVDEV_GRAB_ON);
	assert_false(other_sees(t, other));
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 3; i++)
			key(t, chord[i], true);
		for (unsigned i = 0; i < 3; i++)
			key(t, chord[i], false);
		fake_settle(&t->fake);
		assert_int_equal(other_sees(t, other), round == 0);
		assert_int_equal(evdev_is_guests(t->e), round == 1);
	}
	close(other);
}

static void case_83_grab_is_gone_with_the_process(void **state)
{
	struct t *t = need(state);
	struct input_caps caps;
	int other, fds[2], code;
	char byte;
	pid_t pid;

	keyboard_caps(&caps);
	plug(t, &caps, "A keyboard");
	other = open(t->node, O_RDONLY | O_NONBLOCK);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		/* An epoll would be shared. */
		if (loop_create(&t->fake.loop) == 0)
			start(t, EVDEV_GRAB_ON);
		_exit(write(fds[1], "x", 1) == 1 ? pause() : 1);
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_false(other_sees(t, other));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &code, 0), pid);
	assert_true(other_sees(t, other));
	close(other);
	close(fds[0]);
	close(fds[1]);
}

static void another_programs_grab_is_told(void **state)
{
	struct t *t = need(state);
	struct input_caps caps;
	struct evdev_params params = {
		.path = t->path, .grab = EVDEV_GRAB_ON, .set = &t->set, .open = evdev_node_open,
	};
	int other;

	keyboard_caps(&caps);
	plug(t, &caps, "A keyboard");
	other = open(t->node, O_RDONLY | O_NONBLOCK);
	assert_int_equal(ioctl(other, EVIOCGRAB, 1), 0);
	assert_int_equal(evdev_open(&t->e, t->fake.loop, &params), -EBUSY);
	t->e = NULL;
	close(other);
}

static void what_the_kernel_dropped_is_made_good(void **state)
{
	struct t *t = need(state);
	struct input_caps caps;
	struct input_state heard;

	touch_caps(&caps);
	plug(t, &caps, "A touch screen");
	start(t, EVDEV_GRAB_ON);
	/* More than the kernel keeps for a reader that does not read. */
	for (int i = 0; i < 5000; i++) {
		type(t, EV_ABS, ABS_MT_SLOT, i % 3);
		type(t, EV_ABS, ABS_MT_TRACKING_ID, i % 7 ? i : -1);
		type(t, EV_ABS, ABS_MT_POSITION_X, i % 4000);
		type(t, EV_KEY, BTN_TOUCH, i & 1);
		sync_type(t);
	}
	t->out.n = 0;
	fake_settle(&t->fake);
	input_state_init(&heard, 20);
	for (unsigned i = 0; i < t->out.n; i++)
		input_state_apply(&heard, t->out.list[i].type, t->out.list[i].code,
				  t->out.list[i].value);
	for (int i = 4997; i < 5000; i++) {
		assert_int_equal(heard.slots[i % 3].id, i % 7 ? i : -1);
		assert_int_equal(heard.slots[i % 3].value[ABS_MT_POSITION_X - INPUT_MT_FIRST],
				 i % 4000);
	}
	assert_true(input_state_key(&heard, BTN_TOUCH));
}

static void case_82_unplugged_and_plugged_in_again(void **state)
{
	struct t *t = need(state);
	struct input_caps caps;

	keyboard_caps(&caps);
	plug(t, &caps, "A keyboard");
	start(t, EVDEV_GRAB_ON);
	key(t, KEY_A, true);
	expect(t, EV_KEY, KEY_A, 1);
	expect(t, EV_SYN, SYN_REPORT, 0);
	unplug(t);
	expect(t, EV_KEY, KEY_A, 0);
	expect(t, EV_SYN, SYN_REPORT, 0);
	assert_false(evdev_is_guests(t->e));
	t->out.n = 0;
	plug(t, &caps, "Another keyboard");
	for (unsigned i = 0; i < 3; i++)
		loop_run_once(t->fake.loop, 300);
	assert_false(evdev_is_guests(t->e));
	unplug(t);
	plug(t, &caps, "A keyboard");
	while (!evdev_is_guests(t->e))
		loop_run_once(t->fake.loop, 10000);
	key(t, KEY_B, true);
	expect(t, EV_KEY, KEY_B, 1);
}

static void key_goes_all_the_way_to_the_guest(void **state)
{
	struct t *t = need(state);
	struct vrig *r = calloc(1, sizeof(*r));
	const struct virtio_input_event *got;
	struct input_caps caps;
	struct virtio_device *v;
	struct input_sink sink;

	keyboard_caps(&caps);
	plug(t, &caps, "A keyboard");
	open_device(t, EVDEV_GRAB_ON);
	vrig_init(r, VRIG_PCI_MSIX);
	assert_int_equal(input_create(&v, r->fake.loop, &r->fake.mem, &(struct input_params){
		.kind = INPUT_HOST, .name = evdev_name(t->e), .caps = evdev_caps(t->e),
		.feedback = evdev_feedback(t->e) }), 0);
	vrig_plug(r, v);
	vdrv_start(&r->d, VIRTIO_COMMON_FEATURES);
	sink = input_device_sink(v);
	evdev_start(t->e, &sink);
	for (unsigned i = 0; i < 2; i++)
		vdrv_add(&r->d.rings[0], &(struct vdrv_buf)VDRV_IN(0x80000 + 8 * i, 8), 1);
	vdrv_kick(&r->d, 0);
	fake_settle(&r->fake);
	key(t, KEY_Q, true);
	fake_settle(&t->fake);
	assert_int_equal(vdrv_used(&r->d.rings[0], NULL), 0);
	got = vdrv_ptr(&r->d, 0x80000, 16);
	assert_int_equal(got[0].type, EV_KEY);
	assert_int_equal(got[0].code, KEY_Q);
	assert_int_equal(got[0].value, 1);
	assert_int_equal(got[1].type, EV_SYN);
	evdev_close(t->e);
	t->e = NULL;
	vrig_unplug(r);
	input_destroy(v);
	vrig_finish(r);
	free(r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(keyboard_is_mirrored),
		T(touch_screen_is_mirrored),
		T(mouse_is_mirrored),
		T(lights_sounds_and_repeat_reach_the_device),
		T(case_83_grab_is_exclusive_until_the_chord),
		T(case_83_grab_is_gone_with_the_process),
		T(another_programs_grab_is_told),
		T(what_the_kernel_dropped_is_made_good),
		T(case_82_unplugged_and_plugged_in_again),
		T(key_goes_all_the_way_to_the_guest),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
