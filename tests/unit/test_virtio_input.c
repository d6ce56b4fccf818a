/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/virtio_input.h>

#include "devices/virtio/input.h"
#include "tests/vrig.h"

#define EVENTQ 0
#define STATUSQ 1
#define BUF 0x80000ull
#define BUF_STRIDE 16
#define FEEDBACK_MAX 256

struct event {
	unsigned type, code;
	int32_t value;
};

struct t {
	struct vrig r;
	struct virtio_device *v;
	struct input_sink sink;
	struct event feedback[FEEDBACK_MAX];
	unsigned n_feedback;
	unsigned given;		/* buffers, ever */
	atomic_bool seen_last;
};

/* --- a machine with an input device ---------------------------------------------- */

static void note_feedback(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct t *t = ctx;

	if (t->n_feedback < FEEDBACK_MAX)
		t->feedback[t->n_feedback++] = (struct event){ type, code, value };
}

static void plug(struct t *t, const struct input_params *params)
{
	struct input_params p = *params;

	p.feedback = (struct input_sink){ .event = note_feedback, .ctx = t };
	assert_int_equal(input_create(&t->v, t->r.fake.loop, &t->r.fake.mem, &p), 0);
	t->sink = input_device_sink(t->v);
	vrig_plug(&t->r, t->v);
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	if (t->v) {
		vrig_unplug(&t->r);
		input_destroy(t->v);
	}
	vrig_finish(&t->r);
	free(t);
	return 0;
}

/* Plugs one of @kind and starts its driver, without a buffer yet. */
static void start(struct t *t, enum input_kind kind)
{
	plug(t, &(struct input_params){ .kind = kind });
	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	fake_settle(&t->r.fake);
}

static void give(struct t *t, unsigned n)
{
	struct vdrv_ring *ring = &t->r.d.rings[EVENTQ];

	while (n--) {
		uint64_t gpa = BUF + BUF_STRIDE * (t->given++ % (2 * INPUT_QUEUE_SIZE));

		assert_true(vdrv_add(ring, &(struct vdrv_buf)VDRV_IN(gpa, 8), 1) >= 0);
	}
	if (vdrv_wants_kick(ring))
		vdrv_kick(&t->r.d, EVENTQ);
	fake_settle(&t->r.fake);
}

/* The next event that the guest got; false: there is none. */
static bool got(struct t *t, struct event *e)
{
	struct vdrv_ring *ring = &t->r.d.rings[EVENTQ];
	const struct virtio_input_event *in;
	uint32_t len;
	int head = vdrv_used(ring, &len);

	if (head < 0)
		return false;
	assert_int_equal(len, sizeof(*in));
	in = vdrv_ptr(&t->r.d, ring->desc[head].addr, sizeof(*in));
	*e = (struct event){ in->type, in->code, in->value };
	return true;
}

static void expect(struct t *t, unsigned type, unsigned code, int32_t value)
{
	struct event e;

	assert_true(got(t, &e));
	assert_int_equal(e.type, type);
	assert_int_equal(e.code, code);
	assert_int_equal(e.value, value);
}

static void expect_sync(struct t *t)
{
	expect(t, EV_SYN, SYN_REPORT, 0);
}

static void expect_nothing(struct t *t)
{
	struct event e;

	assert_false(got(t, &e));
}

static void key(struct t *t, unsigned code, bool down)
{
	input_send(&t->sink, EV_KEY, code, down);
	input_sync(&t->sink);
}

static void move(struct t *t, int x, int y)
{
	input_send(&t->sink, EV_REL, REL_X, x);
	input_send(&t->sink, EV_REL, REL_Y, y);
	input_sync(&t->sink);
}

/* --- configuration ----------------------------------------------------------------- */

static unsigned query(struct t *t, unsigned select, unsigned subsel,
		      struct virtio_input_config *config)
{
	vdrv_config_write(&t->r.d, 0, 1, select);
	vdrv_config_write(&t->r.d, 1, 1, subsel);
	for (unsigned i = 0; i < sizeof(*config); i++)
		((uint8_t *)config)[i] = vdrv_config_read(&t->r.d, i, 1);
	assert_int_equal(config->select, select);
	assert_int_equal(config->subsel, subsel);
	return config->size;
}

static bool says(struct t *t, unsigned type, unsigned code)
{
	struct virtio_input_config config;
	unsigned size = query(t, VIRTIO_INPUT_CFG_EV_BITS, type, &config);

	return code / 8 < size && config.u.bitmap[code / 8] >> code % 8 & 1;
}

static bool says_type(struct t *t, unsigned type)
{
	struct virtio_input_config config;

	return query(t, VIRTIO_INPUT_CFG_EV_BITS, type, &config);
}

static void expect_abs(struct t *t, unsigned code, int32_t min, int32_t max)
{
	struct virtio_input_config config;

	assert_int_equal(query(t, VIRTIO_INPUT_CFG_ABS_INFO, code, &config),
			 sizeof(config.u.abs));
	assert_int_equal((int32_t)config.u.abs.min, min);
	assert_int_equal((int32_t)config.u.abs.max, max);
}

static void keyboard_is_one_to_udev(void **state)
{
	struct t *t = *state;

	plug(t, &(struct input_params){ .kind = INPUT_KEYBOARD });
	for (unsigned code = KEY_ESC; code < 32; code++)
		assert_true(says(t, EV_KEY, code));
	assert_true(says(t, EV_KEY, KEY_RIGHTMETA));
	assert_true(says(t, EV_KEY, KEY_VOLUMEUP));
	assert_false(says(t, EV_KEY, BTN_LEFT));
	assert_true(says(t, EV_LED, LED_CAPSL));
	assert_true(says(t, EV_REP, REP_PERIOD));
	assert_false(says_type(t, EV_REL));
	assert_false(says_type(t, EV_ABS));
}

static void mouse_is_one_to_udev(void **state)
{
	struct t *t = *state;

	plug(t, &(struct input_params){ .kind = INPUT_MOUSE });
	for (unsigned code = BTN_LEFT; code <= BTN_TASK; code++)
		assert_true(says(t, EV_KEY, code));
	assert_true(says(t, EV_REL, REL_X) && says(t, EV_REL, REL_Y));
	assert_true(says(t, EV_REL, REL_WHEEL) && says(t, EV_REL, REL_WHEEL_HI_RES));
	assert_true(says(t, EV_REL, REL_HWHEEL) && says(t, EV_REL, REL_HWHEEL_HI_RES));
	assert_false(says(t, EV_KEY, KEY_ESC));
	assert_false(says_type(t, EV_ABS));
	assert_false(says_type(t, EV_REP));
}

static void tablet_is_an_absolute_mouse_to_udev(void **state)
{
	struct t *t = *state;

	plug(t, &(struct input_params){ .kind = INPUT_TABLET });
	assert_true(says(t, EV_KEY, BTN_LEFT));
	/* Any of these would make it something else. */
	assert_false(says(t, EV_KEY, BTN_TOUCH));
	assert_false(says(t, EV_KEY, BTN_TOOL_PEN));
	assert_false(says(t, EV_KEY, BTN_TOOL_FINGER));
	assert_false(says(t, EV_REL, REL_X));
	assert_true(says(t, EV_REL, REL_WHEEL_HI_RES));
	expect_abs(t, ABS_X, 0, INPUT_ABS_MAX);
	expect_abs(t, ABS_Y, 0, INPUT_ABS_MAX);
}

static void multitouch_is_a_touch_screen_to_udev(void **state)
{
	struct t *t = *state;
	struct virtio_input_config config;

	plug(t, &(struct input_params){ .kind = INPUT_MULTITOUCH });
	assert_int_equal(query(t, VIRTIO_INPUT_CFG_PROP_BITS, 0, &config), 1);
	assert_int_equal(config.u.bitmap[0], 1 << INPUT_PROP_DIRECT);
	assert_true(says(t, EV_KEY, BTN_TOUCH));
	assert_false(says(t, EV_KEY, BTN_LEFT));
	expect_abs(t, ABS_X, 0, INPUT_ABS_MAX);
	expect_abs(t, ABS_MT_SLOT, 0, INPUT_TOUCH_SLOTS - 1);
	expect_abs(t, ABS_MT_POSITION_Y, 0, INPUT_ABS_MAX);
	expect_abs(t, ABS_MT_TRACKING_ID, 0, 65535);
}

static void device_names_itself(void **state)
{
	struct t *t = *state;
	struct virtio_input_config config;

	plug(t, &(struct input_params){ .kind = INPUT_TABLET, .serial = "window-1" });
	assert_int_equal(t->v->ops->id, VIRTIO_ID_INPUT);
	assert_int_equal(t->r.d.n_queues, 2);
	assert_int_equal(query(t, VIRTIO_INPUT_CFG_ID_NAME, 0, &config), 14);
	assert_memory_equal(config.u.string, "microvm tablet", 14);
	assert_int_equal(query(t, VIRTIO_INPUT_CFG_ID_SERIAL, 0, &config), 8);
	assert_memory_equal(config.u.string, "window-1", 8);
	assert_int_equal(query(t, VIRTIO_INPUT_CFG_ID_DEVIDS, 0, &config), 8);
	assert_int_equal(config.u.ids.bustype, BUS_VIRTUAL);
	assert_int_equal(config.u.ids.product, INPUT_TABLET + 1);
}

static void long_names_are_cut_to_what_linux_can_take(void **state)
{
	struct t *t = *state;
	struct virtio_input_config config;
	char name[300];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	plug(t, &(struct input_params){ .kind = INPUT_MOUSE, .name = name, .serial = name,
		.ids = &(struct input_id){ BUS_USB, 0x1234, 0x5678, 0x9abc } });
	assert_int_equal(query(t, VIRTIO_INPUT_CFG_ID_NAME, 0, &config), 63);
	assert_int_equal(query(t, VIRTIO_INPUT_CFG_ID_SERIAL, 0, &config), 63);
	query(t, VIRTIO_INPUT_CFG_ID_DEVIDS, 0, &config);
	assert_int_equal(config.u.ids.bustype, BUS_USB);
	assert_int_equal(config.u.ids.version, 0x9abc);
}

/* Whether there is anything behind these two. */
static bool exists(unsigned select, unsigned subsel)
{
	static const uint8_t types[] = { EV_KEY, EV_REL, EV_ABS };

	switch (select) {
	case VIRTIO_INPUT_CFG_ID_NAME:
	case VIRTIO_INPUT_CFG_ID_DEVIDS:
		return subsel == 0;
	case VIRTIO_INPUT_CFG_EV_BITS:
		return memchr(types, subsel, sizeof(types));
	case VIRTIO_INPUT_CFG_ABS_INFO:
		return subsel == ABS_X || subsel == ABS_Y;
	default:
		return false;
	}
}

static void case_78_every_select_and_subsel(void **state)
{
	struct t *t = *state;
	struct virtio_input_config config = { 0 };

	plug(t, &(struct input_params){ .kind = INPUT_TABLET });
	for (unsigned i = 0; i < 0x10000; i++) {
		/* Both at once, and with what is not the driver's to write behind them. */
		vdrv_config_write(&t->r.d, 0, i & 1 ? 2 : 4, 0xffff0000 | i);
		config.size = vdrv_config_read(&t->r.d, 2, 1);
		assert_int_equal(!!config.size, exists(i & 0xff, i >> 8));
		assert_true(config.size <= sizeof(config.u));
	}
	for (unsigned select = 0; select < 0x20; select++) {
		for (unsigned subsel = 0; subsel < 0x100; subsel += 3) {
			query(t, select, subsel, &config);
			for (unsigned i = config.size; i < sizeof(config.u); i++)
				assert_int_equal(config.u.bitmap[i], 0);
		}
	}
}

static void case_78_select_changes_between_reads(void **state)
{
	struct t *t = *state;

	plug(t, &(struct input_params){ .kind = INPUT_KEYBOARD });
	vdrv_config_write(&t->r.d, 0, 2, VIRTIO_INPUT_CFG_EV_BITS | EV_KEY << 8);
	assert_int_equal(vdrv_config_read(&t->r.d, 2, 1), KEY_MICMUTE / 8 + 1);
	vdrv_config_write(&t->r.d, 0, 1, VIRTIO_INPUT_CFG_ABS_INFO);
	/* What was there before does not shine through. */
	for (unsigned off = 8; off < sizeof(struct virtio_input_config); off += 4)
		assert_int_equal(vdrv_config_read(&t->r.d, off, 4), 0);
	assert_int_equal(vdrv_config_read(&t->r.d, 134, 4) & 0xffff, 0);
	vdrv_config_write(&t->r.d, 8, 4, 0x12345678);
	assert_int_equal(vdrv_config_read(&t->r.d, 8, 4), 0);
}

static void case_82_absurd_host_devices_are_made_sane(void **state)
{
	struct t *t = *state;
	struct input_caps caps;
	struct virtio_input_config config;

	memset(&caps, 0xff, sizeof(caps));
	caps.codes[EV_ABS][(ABS_MT_SLOT - 1) / 8] &= ~(1u << (ABS_MT_SLOT - 1) % 8);
	caps.abs[ABS_X] = (struct input_absinfo){
		.minimum = INT32_MAX, .maximum = INT32_MIN, .fuzz = -1, .flat = INT32_MAX,
		.resolution = -5,
	};
	caps.abs[ABS_MT_SLOT] = (struct input_absinfo){ .minimum = 7, .maximum = INT32_MAX };
	plug(t, &(struct input_params){ .kind = INPUT_HOST, .caps = &caps });
	expect_abs(t, ABS_X, -(1 << 30), (1 << 30) - 1);
	query(t, VIRTIO_INPUT_CFG_ABS_INFO, ABS_X, &config);
	assert_int_equal(config.u.abs.fuzz, 0);
	assert_int_equal(config.u.abs.flat, INT32_MAX);
	assert_int_equal(config.u.abs.res, 0);
	expect_abs(t, ABS_MT_SLOT, 0, INPUT_MAX_SLOTS - 1);
	/* Neither force feedback nor power nor what evdev does not have. */
	for (unsigned type = 0; type < 256; type++)
		assert_int_equal(says_type(t, type),
				 (type >= EV_KEY && type <= EV_SW) || type == EV_LED ||
				 type == EV_SND || type == EV_REP);
	assert_int_equal(query(t, VIRTIO_INPUT_CFG_EV_BITS, EV_SW, &config), SW_CNT / 8 + 1);
}

static void slots_without_tracking_ids_are_no_touches(void **state)
{
	struct t *t = *state;
	struct input_caps caps = { 0 };

	for (unsigned code = ABS_X; code < ABS_CNT; code++)
		input_caps_add(&caps, EV_ABS, code);
	plug(t, &(struct input_params){ .kind = INPUT_HOST, .caps = &caps });
	assert_false(says(t, EV_ABS, ABS_MT_SLOT));
	assert_true(says(t, EV_ABS, ABS_MT_SLOT - 1));
}

/* --- events ---------------------------------------------------------------------------- */

static void key_goes_down_and_up(void **state)
{
	struct t *t = *state;

	start(t, INPUT_KEYBOARD);
	give(t, 8);
	key(t, KEY_A, true);
	assert_true(vrig_take_queue_irq(&t->r, EVENTQ));
	key(t, KEY_A, false);
	expect(t, EV_KEY, KEY_A, 1);
	expect_sync(t);
	expect(t, EV_KEY, KEY_A, 0);
	expect_sync(t);
	expect_nothing(t);
}

static void motion_buttons_and_wheels_of_one_update_are_one_packet(void **state)
{
	struct t *t = *state;
	struct input_wheel wheel = { { 0 } };

	start(t, INPUT_MOUSE);
	give(t, 16);
	input_send(&t->sink, EV_REL, REL_X, -3);
	input_send(&t->sink, EV_REL, REL_Y, 4);
	input_send(&t->sink, EV_KEY, BTN_SIDE, 1);
	input_wheel_turn(&wheel, false, -240, &t->sink);
	expect_nothing(t);
	input_sync(&t->sink);
	expect(t, EV_REL, REL_X, -3);
	expect(t, EV_REL, REL_Y, 4);
	expect(t, EV_KEY, BTN_SIDE, 1);
	expect(t, EV_REL, REL_WHEEL, -2);
	expect(t, EV_REL, REL_WHEEL_HI_RES, -240);
	expect_sync(t);
	expect_nothing(t);
}

static void what_is_not_declared_or_says_nothing_is_dropped(void **state)
{
	struct t *t = *state;

	start(t, INPUT_KEYBOARD);
	give(t, 32);
	input_send(&t->sink, EV_KEY, BTN_LEFT, 1);
	input_send(&t->sink, EV_REL, REL_X, 1);
	input_send(&t->sink, EV_LED, LED_CAPSL, 1);
	input_send(&t->sink, EV_REP, REP_DELAY, 1);
	input_send(&t->sink, EV_FF, FF_RUMBLE, 1);
	input_send(&t->sink, EV_SYN, SYN_DROPPED, 0);
	input_send(&t->sink, EV_SYN, SYN_MT_REPORT, 0);
	input_send(&t->sink, 0xffff, 0xffff, 1);
	input_send(&t->sink, EV_KEY, 0xffff, 1);
	/* Not a change, and repetition. */
	input_send(&t->sink, EV_KEY, KEY_A, 0);
	input_send(&t->sink, EV_KEY, KEY_A, 2);
	input_sync(&t->sink);
	expect_nothing(t);
	key(t, KEY_A, true);
	key(t, KEY_A, true);
	expect(t, EV_KEY, KEY_A, 1);
	expect_sync(t);
	expect_nothing(t);
}

static void packet_waits_for_all_its_buffers(void **state)
{
	struct t *t = *state;
	struct event e;

	start(t, INPUT_MOUSE);
	give(t, 7);
	move(t, 1, 2);
	for (unsigned i = 0; i < 3; i++)
		assert_true(got(t, &e));
	move(t, 3, 4);
	for (unsigned i = 0; i < 3; i++)
		assert_true(got(t, &e));
	move(t, 5, 6);
	expect_nothing(t);
	give(t, 1);
	expect_nothing(t);
	give(t, 1);
	expect(t, EV_REL, REL_X, 5);
	expect(t, EV_REL, REL_Y, 6);
	expect_sync(t);
	expect_nothing(t);
}

static void packet_longer_than_the_queue_comes_as_buffers_do(void **state)
{
	struct t *t = *state;
	struct event e;
	unsigned n = 0, code;

	start(t, INPUT_KEYBOARD);
	give(t, INPUT_QUEUE_SIZE);
	for (code = 1; code <= 83; code++)
		input_send(&t->sink, EV_KEY, code, 1);
	input_sync(&t->sink);
	while (got(t, &e)) {
		n++;
		assert_int_equal(e.type, n == 84 ? EV_SYN : EV_KEY);
		assert_int_equal(e.code, n == 84 ? SYN_REPORT : n);
		if (n % 16 == 0)
			give(t, 16);
	}
	assert_int_equal(n, 84);
}

static void driver_with_a_single_buffer_gets_everything(void **state)
{
	struct t *t = *state;

	start(t, INPUT_KEYBOARD);
	give(t, 1);
	key(t, KEY_A, true);
	key(t, KEY_B, true);
	expect(t, EV_KEY, KEY_A, 1);
	give(t, 1);
	expect_sync(t);
	give(t, 1);
	expect(t, EV_KEY, KEY_B, 1);
	give(t, 1);
	expect_sync(t);
}

static void state_is_told_when_a_driver_starts(void **state)
{
	struct t *t = *state;

	plug(t, &(struct input_params){ .kind = INPUT_TABLET });
	input_send(&t->sink, EV_ABS, ABS_X, 0);
	input_send(&t->sink, EV_ABS, ABS_Y, 1000);
	input_send(&t->sink, EV_KEY, BTN_LEFT, 1);
	input_sync(&t->sink);
	key(t, BTN_RIGHT, true);
	key(t, BTN_RIGHT, false);
	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	give(t, 16);
	expect(t, EV_KEY, BTN_LEFT, 1);
	expect(t, EV_ABS, ABS_X, 0);
	expect(t, EV_ABS, ABS_Y, 1000);
	expect_sync(t);
	expect_nothing(t);
}

static void packet_open_while_the_driver_starts_is_told_when_it_ends(void **state)
{
	struct t *t = *state;

	plug(t, &(struct input_params){ .kind = INPUT_TABLET });
	input_send(&t->sink, EV_ABS, ABS_X, 10);
	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	give(t, 16);
	input_send(&t->sink, EV_ABS, ABS_Y, 20);
	expect_nothing(t);
	input_sync(&t->sink);
	expect(t, EV_SYN, SYN_DROPPED, 0);
	expect_sync(t);
	expect(t, EV_ABS, ABS_X, 10);
	expect(t, EV_ABS, ABS_Y, 20);
	expect_sync(t);
	expect_nothing(t);
}

static void reset_forgets_what_was_on_its_way(void **state)
{
	struct t *t = *state;

	start(t, INPUT_MOUSE);
	give(t, 2);
	move(t, 1, 1);
	key(t, BTN_LEFT, true);
	t->given = 0;
	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	give(t, 8);
	/* What was held is told anew, motion is not. */
	expect(t, EV_KEY, BTN_LEFT, 1);
	expect_sync(t);
	expect_nothing(t);
}

static void case_22_resets_with_events_waiting(void **state)
{
	struct t *t = *state;

	start(t, INPUT_MOUSE);
	for (unsigned i = 0; i < 1000; i++) {
		give(t, i % 5);
		move(t, 1, 1);
		key(t, BTN_LEFT, i & 1);
		vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	}
	input_sync(&t->sink);
	give(t, 8);
	key(t, BTN_LEFT, false);
	expect(t, EV_KEY, BTN_LEFT, 1);
	expect_sync(t);
	expect(t, EV_KEY, BTN_LEFT, 0);
	expect_sync(t);
}

/* --- when the guest does not keep up ------------------------------------------------------ */

static void case_80_a_million_events_without_a_buffer(void **state)
{
	struct t *t = *state;
	struct event e;
	unsigned n = 0;

	start(t, INPUT_MOUSE);
	give(t, 3);
	key(t, BTN_LEFT, true);
	expect(t, EV_KEY, BTN_LEFT, 1);
	expect_sync(t);
	for (unsigned i = 0; i < 250000; i++)
		move(t, 1, i & 1);
	key(t, BTN_LEFT, false);
	key(t, BTN_RIGHT, true);
	for (unsigned i = 0; i < 250000; i++)
		move(t, 1, i & 1);
	expect_nothing(t);
	give(t, 32);
	expect(t, EV_SYN, SYN_DROPPED, 0);
	expect_sync(t);
	expect(t, EV_KEY, BTN_LEFT, 0);
	expect(t, EV_KEY, BTN_RIGHT, 1);
	expect_sync(t);
	/* No old motion comes after that, and the next packet does. */
	while (got(t, &e))
		n++;
	assert_int_equal(n, 0);
	move(t, 7, 7);
	expect(t, EV_REL, REL_X, 7);
	expect(t, EV_REL, REL_Y, 7);
	expect_sync(t);
}

static void case_80_no_half_packet_is_left_when_the_ring_overruns(void **state)
{
	struct t *t = *state;

	start(t, INPUT_KEYBOARD);
	give(t, 2);
	/* Longer than there ever was room for: it has begun when the ring overruns. */
	for (unsigned code = KEY_1; code <= KEY_4; code++)
		input_send(&t->sink, EV_KEY, code, 1);
	input_sync(&t->sink);
	for (unsigned i = 0; i < INPUT_RING; i++)
		key(t, KEY_A, i & 1);
	expect(t, EV_KEY, KEY_1, 1);
	expect(t, EV_KEY, KEY_2, 1);
	expect_nothing(t);
	give(t, 32);
	expect(t, EV_KEY, KEY_3, 1);
	expect(t, EV_KEY, KEY_4, 1);
	expect_sync(t);
	expect(t, EV_SYN, SYN_DROPPED, 0);
	expect_sync(t);
	expect(t, EV_KEY, KEY_A, 1);
	expect_sync(t);
	expect_nothing(t);
}

static void case_80_a_packet_without_end_is_dropped_whole(void **state)
{
	struct t *t = *state;

	start(t, INPUT_MOUSE);
	give(t, 32);
	key(t, BTN_LEFT, true);
	for (unsigned i = 0; i < 3 * INPUT_RING; i++)
		input_send(&t->sink, EV_REL, REL_X, 1);
	input_send(&t->sink, EV_KEY, BTN_RIGHT, 1);
	give(t, 1);
	expect(t, EV_KEY, BTN_LEFT, 1);
	expect_sync(t);
	/* Nor is its half told as the state. */
	expect_nothing(t);
	input_sync(&t->sink);
	expect(t, EV_SYN, SYN_DROPPED, 0);
	expect_sync(t);
	expect(t, EV_KEY, BTN_RIGHT, 1);
	expect_sync(t);
	expect_nothing(t);
}

static void touch(struct t *t, unsigned slot, int32_t id, int32_t x)
{
	input_send(&t->sink, EV_ABS, ABS_MT_SLOT, slot);
	input_send(&t->sink, EV_ABS, ABS_MT_TRACKING_ID, id);
	if (id >= 0)
		input_send(&t->sink, EV_ABS, ABS_MT_POSITION_X, x);
	input_sync(&t->sink);
}

static void touches_are_made_good_slot_by_slot(void **state)
{
	struct t *t = *state;

	start(t, INPUT_MULTITOUCH);
	give(t, 7);
	touch(t, 0, 1, 100);
	touch(t, 1, 2, 200);
	expect(t, EV_ABS, ABS_MT_TRACKING_ID, 1);
	expect(t, EV_ABS, ABS_MT_POSITION_X, 100);
	expect_sync(t);
	expect(t, EV_ABS, ABS_MT_SLOT, 1);
	expect(t, EV_ABS, ABS_MT_TRACKING_ID, 2);
	expect(t, EV_ABS, ABS_MT_POSITION_X, 200);
	expect_sync(t);
	/* One goes, one goes and another comes in its place, a third comes; then too many. */
	touch(t, 0, -1, 0);
	touch(t, 1, -1, 0);
	touch(t, 1, 3, 300);
	touch(t, 2, 4, 400);
	for (unsigned i = 0; i < INPUT_RING; i++) {
		input_send(&t->sink, EV_ABS, ABS_X, i & 1);
		input_sync(&t->sink);
	}
	give(t, 32);
	expect(t, EV_SYN, SYN_DROPPED, 0);
	expect_sync(t);
	expect(t, EV_ABS, ABS_MT_SLOT, 0);
	expect(t, EV_ABS, ABS_MT_TRACKING_ID, -1);
	expect(t, EV_ABS, ABS_MT_SLOT, 1);
	expect(t, EV_ABS, ABS_MT_TRACKING_ID, -1);
	expect_sync(t);
	expect(t, EV_ABS, ABS_X, 1);
	expect(t, EV_ABS, ABS_MT_TRACKING_ID, 3);
	expect(t, EV_ABS, ABS_MT_POSITION_X, 300);
	expect(t, EV_ABS, ABS_MT_SLOT, 2);
	expect(t, EV_ABS, ABS_MT_TRACKING_ID, 4);
	expect(t, EV_ABS, ABS_MT_POSITION_X, 400);
	expect_sync(t);
	expect_nothing(t);
}

static void change_while_the_guest_is_told_is_told_too(void **state)
{
	struct t *t = *state;

	start(t, INPUT_KEYBOARD);
	give(t, 3);
	for (unsigned i = 0; i < INPUT_RING; i++)
		key(t, KEY_A, !(i & 1));
	/* The first was given: down. */
	expect(t, EV_KEY, KEY_A, 1);
	expect_sync(t);
	expect_nothing(t);
	give(t, 1);
	expect(t, EV_SYN, SYN_DROPPED, 0);
	expect_sync(t);
	key(t, KEY_B, true);
	give(t, 16);
	/* The state is on its way already, and then a packet was dropped again. */
	expect(t, EV_KEY, KEY_A, 0);
	expect_sync(t);
	expect(t, EV_SYN, SYN_DROPPED, 0);
	expect_sync(t);
	expect(t, EV_KEY, KEY_B, 1);
	expect_sync(t);
	expect_nothing(t);
}

/* --- bad buffers ------------------------------------------------------------------------------ */

static bool needs_reset(struct t *t)
{
	return vdrv_get(&t->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void offer(struct t *t, struct vdrv_buf buf)
{
	vdrv_add(&t->r.d.rings[EVENTQ], &buf, 1);
	vdrv_kick(&t->r.d, EVENTQ);
	fake_settle(&t->r.fake);
}

static void case_81_buffers_that_hold_no_event(void **state)
{
	struct t *t = *state;
	const struct vdrv_buf bad[] = {
		VDRV_IN(BUF, 7),
		VDRV_IN(BUF, 0),
		VDRV_OUT(BUF, 8),
		VDRV_IN(FAKE_RAM_LEN - 4, 8),
		VDRV_IN(UINT64_MAX - 4, 8),
	};

	start(t, INPUT_KEYBOARD);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		offer(t, bad[i]);
		assert_true(needs_reset(t));
		key(t, KEY_A, true);
		key(t, KEY_A, false);
		assert_int_equal(t->r.d.rings[EVENTQ].used->idx, 0);
		vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
		assert_false(needs_reset(t));
	}
	give(t, 2);
	key(t, KEY_A, true);
	expect(t, EV_KEY, KEY_A, 1);
}

static void buffers_longer_than_an_event_are_fine(void **state)
{
	struct t *t = *state;
	uint32_t len;

	start(t, INPUT_KEYBOARD);
	memset(vdrv_ptr(&t->r.d, BUF, 64), 0xee, 64);
	offer(t, (struct vdrv_buf)VDRV_IN(BUF, 64));
	offer(t, (struct vdrv_buf)VDRV_IN(BUF + 64, 64));
	key(t, KEY_A, true);
	assert_true(vdrv_used(&t->r.d.rings[EVENTQ], &len) >= 0);
	assert_int_equal(len, 8);
	assert_int_equal(*(uint8_t *)vdrv_ptr(&t->r.d, BUF + 8, 1), 0xee);
}

/* --- back to the source ------------------------------------------------------------------------ */

static void tell(struct t *t, unsigned type, unsigned code, int32_t value)
{
	struct virtio_input_event e = { .type = type, .code = code, .value = value };

	assert_int_equal(vrig_request(&t->r, STATUSQ, &e, sizeof(e), NULL, 0), 0);
}

static void expect_feedback(struct t *t, unsigned type, unsigned code, int32_t value)
{
	assert_true(t->n_feedback >= 1);
	assert_int_equal(t->feedback[0].type, type);
	assert_int_equal(t->feedback[0].code, code);
	assert_int_equal(t->feedback[0].value, value);
	memmove(t->feedback, t->feedback + 1, --t->n_feedback * sizeof(t->feedback[0]));
}

static void lights_and_repeat_reach_the_source(void **state)
{
	struct t *t = *state;

	start(t, INPUT_KEYBOARD);
	tell(t, EV_LED, LED_CAPSL, 1);
	tell(t, EV_LED, LED_CAPSL, 1);
	tell(t, EV_REP, REP_DELAY, 250);
	tell(t, EV_REP, REP_PERIOD, -1);
	tell(t, EV_LED, LED_CAPSL, 0);
	expect_feedback(t, EV_LED, LED_CAPSL, 1);
	expect_feedback(t, EV_REP, REP_DELAY, 250);
	expect_feedback(t, EV_LED, LED_CAPSL, 0);
	assert_int_equal(t->n_feedback, 0);
}

static void lights_and_sounds_go_out_with_the_driver(void **state)
{
	struct t *t = *state;
	struct input_caps caps = { 0 };

	input_caps_add(&caps, EV_LED, LED_NUML);
	input_caps_add(&caps, EV_SND, SND_TONE);
	plug(t, &(struct input_params){ .kind = INPUT_HOST, .caps = &caps });
	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	tell(t, EV_LED, LED_NUML, 1);
	tell(t, EV_SND, SND_TONE, 440);
	tell(t, EV_SND, SND_TONE, 880);
	expect_feedback(t, EV_LED, LED_NUML, 1);
	expect_feedback(t, EV_SND, SND_TONE, 440);
	expect_feedback(t, EV_SND, SND_TONE, 880);
	vdrv_reset(&t->r.d);
	fake_settle(&t->r.fake);
	expect_feedback(t, EV_LED, LED_NUML, 0);
	expect_feedback(t, EV_SND, SND_TONE, 0);
	assert_int_equal(t->n_feedback, 0);
}

static void case_79_only_declared_codes_reach_the_source(void **state)
{
	struct t *t = *state;

	start(t, INPUT_KEYBOARD);
	for (unsigned type = 0; type < 0x40; type++)
		for (unsigned code = 0; code < 0x40; code++)
			if (type != EV_LED && type != EV_REP)
				tell(t, type, code, 1);
	tell(t, EV_MSC, MSC_TIMESTAMP, 1);
	tell(t, EV_LED, LED_SCROLLL + 1, 1);
	tell(t, EV_LED, LED_MAX + 1, 1);
	tell(t, EV_LED, 0xffff, 1);
	tell(t, EV_REP, REP_MAX + 1, 1);
	tell(t, 0xffff, 0xffff, -1);
	assert_int_equal(t->n_feedback, 0);
	tell(t, EV_LED, LED_SCROLLL, INT32_MIN);
	expect_feedback(t, EV_LED, LED_SCROLLL, 1);
}

static void case_79_status_buffers_of_any_length(void **state)
{
	struct t *t = *state;
	const struct virtio_input_event e = { EV_LED, LED_NUML, 1 };
	struct vdrv_ring *ring;

	start(t, INPUT_KEYBOARD);
	ring = &t->r.d.rings[STATUSQ];
	assert_int_equal(vrig_request(&t->r, STATUSQ, &e, 1, NULL, 0), 0);
	assert_int_equal(vrig_request(&t->r, STATUSQ, &e, 7, NULL, 0), 0);
	assert_int_equal(t->n_feedback, 0);
	memcpy(vdrv_ptr(&t->r.d, FAKE_RAM2_GPA, sizeof(e)), &e, sizeof(e));
	vdrv_add(ring, &(struct vdrv_buf)VDRV_OUT(FAKE_RAM2_GPA, FAKE_RAM2_LEN), 1);
	vdrv_kick(&t->r.d, STATUSQ);
	fake_settle(&t->r.fake);
	assert_true(vdrv_used(ring, NULL) >= 0);
	assert_false(needs_reset(t));
	expect_feedback(t, EV_LED, LED_NUML, 1);
}

static void full_status_queue_is_answered_over_several_turns(void **state)
{
	struct t *t = *state;
	struct vdrv_ring *ring;
	unsigned n = 0;

	start(t, INPUT_KEYBOARD);
	ring = &t->r.d.rings[STATUSQ];
	for (unsigned i = 0; i < INPUT_QUEUE_SIZE; i++) {
		struct virtio_input_event e = { EV_LED, LED_NUML, !(i & 1) };
		uint64_t gpa = BUF + 8 * i;

		memcpy(vdrv_ptr(&t->r.d, gpa, sizeof(e)), &e, sizeof(e));
		vdrv_add(ring, &(struct vdrv_buf)VDRV_OUT(gpa, sizeof(e)), 1);
	}
	vdrv_kick(&t->r.d, STATUSQ);
	fake_settle(&t->r.fake);
	while (vdrv_used(ring, NULL) >= 0)
		n++;
	assert_int_equal(n, INPUT_QUEUE_SIZE);
	assert_int_equal(t->n_feedback, INPUT_QUEUE_SIZE);
}

/* --- threads ---------------------------------------------------------------------------------- */

#define RACE_PACKETS 20000

static void *race_source(void *arg)
{
	struct t *t = arg;

	for (int i = 1; i < RACE_PACKETS; i++)
		move(t, i, -i);
	/* The last one has to arrive: until somebody has seen it. */
	while (!atomic_load(&t->seen_last)) {
		move(t, RACE_PACKETS, -RACE_PACKETS);
		sched_yield();
	}
	return NULL;
}

/* Waits for it: the device's thread may be in the middle of a packet. */
static struct event must_get(struct t *t)
{
	struct event e;

	while (!got(t, &e))
		fake_settle(&t->r.fake);
	return e;
}

static void packets_of_another_thread_stay_whole(void **state)
{
	struct t *t = *state;
	pthread_t thread;
	int last = 0;

	start(t, INPUT_MOUSE);
	t->r.racing = true;
	give(t, 32);
	pthread_create(&thread, NULL, race_source, t);
	while (last < RACE_PACKETS) {
		struct event e = must_get(t), y;

		if (e.type == EV_SYN) {
			assert_int_equal(e.code, SYN_DROPPED);
			assert_int_equal(must_get(t).code, SYN_REPORT);
			give(t, 2);
			continue;
		}
		y = must_get(t);
		assert_int_equal(e.code, REL_X);
		assert_int_equal(y.code, REL_Y);
		assert_int_equal(e.value, -y.value);
		assert_true(e.value > last);
		assert_int_equal(must_get(t).type, EV_SYN);
		last = e.value;
		give(t, 3);
	}
	atomic_store(&t->seen_last, true);
	pthread_join(thread, NULL);
}

static enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_MSIX };

#define T(f)                                                                                       \
	{ #f " (mmio)", f, setup, teardown, &kinds[0] },                                           \
	{ #f " (pci)", f, setup, teardown, &kinds[1] }

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(keyboard_is_one_to_udev),
		T(mouse_is_one_to_udev),
		T(tablet_is_an_absolute_mouse_to_udev),
		T(multitouch_is_a_touch_screen_to_udev),
		T(device_names_itself),
		T(long_names_are_cut_to_what_linux_can_take),
		T(case_78_every_select_and_subsel),
		T(case_78_select_changes_between_reads),
		T(case_82_absurd_host_devices_are_made_sane),
		T(slots_without_tracking_ids_are_no_touches),
		T(key_goes_down_and_up),
		T(motion_buttons_and_wheels_of_one_update_are_one_packet),
		T(what_is_not_declared_or_says_nothing_is_dropped),
		T(packet_waits_for_all_its_buffers),
		T(packet_longer_than_the_queue_comes_as_buffers_do),
		T(driver_with_a_single_buffer_gets_everything),
		T(state_is_told_when_a_driver_starts),
		T(packet_open_while_the_driver_starts_is_told_when_it_ends),
		T(reset_forgets_what_was_on_its_way),
		T(case_22_resets_with_events_waiting),
		T(case_80_a_million_events_without_a_buffer),
		T(case_80_no_half_packet_is_left_when_the_ring_overruns),
		T(case_80_a_packet_without_end_is_dropped_whole),
		T(touches_are_made_good_slot_by_slot),
		T(change_while_the_guest_is_told_is_told_too),
		T(case_81_buffers_that_hold_no_event),
		T(buffers_longer_than_an_event_are_fine),
		T(lights_and_repeat_reach_the_source),
		T(lights_and_sounds_go_out_with_the_driver),
		T(case_79_only_declared_codes_reach_the_source),
		T(case_79_status_buffers_of_any_length),
		T(full_status_queue_is_answered_over_several_turns),
		T(packets_of_another_thread_stay_whole),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
