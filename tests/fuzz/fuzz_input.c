/* SPDX-License-Identifier: MIT */
/*
 * A guest and a source against an input device: the input is a sequence of
 * configuration accesses, status messages, buffers, resets and events. At the
 * end the guest, given buffers, knows the state that the source has left, and
 * has been told nothing but whole packets.
 */
#include <linux/virtio_input.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/input.h"
#include "tests/fuzz/input.h"
#include "tests/vrig.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)
#define EVENTQ 0
#define STATUSQ 1
#define OUT FAKE_RAM2_GPA
#define IN 0x80000ull
#define STEPS 400
#define FLOOD 700

struct guest {
	struct vrig r;
	struct virtio_device *v;
	struct input_caps caps;
	struct input_sink sink;
	struct input_state want;	/* what the source has said */
	struct input_state heard;	/* what the guest was told */
	bool odd;			/* something came that breaks no rule but proves nothing */
	unsigned slot;			/* of guest memory, for the next buffer */
};

static bool broken(struct guest *g)
{
	return vdrv_get(&g->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* --- the source ------------------------------------------------------------------- */

/* Only what a guest may send comes back, and only if it was declared. */
static void feedback(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	const struct guest *g = ctx;

	CHECK(type == EV_LED || type == EV_SND || type == EV_REP);
	CHECK(input_caps_have(&g->caps, type, code));
	CHECK(value >= 0);
}

static void say(struct guest *g, uint16_t type, uint16_t code, int32_t value)
{
	bool state = type == EV_KEY || type == EV_SW || type == EV_ABS;

	if (state && input_caps_have(&g->caps, type, code))
		input_state_apply(&g->want, type, code, value);
	input_send(&g->sink, type, code, value);
}

static void one_event(struct guest *g, struct input *in)
{
	static const uint16_t types[] = { EV_SYN, EV_KEY, EV_REL, EV_ABS, EV_MSC, EV_SW, EV_LED };
	unsigned how = take(in, 1);
	uint16_t type = types[how % ARRAY_SIZE(types)], code = take(in, how & 0x80 ? 2 : 1);
	int32_t value = how & 0x40 ? (int32_t)take(in, 4) : (int8_t)take(in, 1);

	say(g, type, type == EV_SYN ? code % 4 : code, value);
}

static void flood(struct guest *g, struct input *in)
{
	unsigned code = take(in, 1);

	for (unsigned i = 0; i < FLOOD; i++) {
		say(g, EV_KEY, code, !(i & 1));
		say(g, EV_REL, REL_X, 1);
		say(g, EV_ABS, ABS_X, i);
		say(g, EV_SYN, SYN_REPORT, 0);
	}
}

/* --- the guest --------------------------------------------------------------------- */

/* Takes what was used back; how many events that were. */
static unsigned collect(struct guest *g)
{
	struct vdrv_ring *ring = &g->r.d.rings[EVENTQ];
	struct virtio_input_event e;
	unsigned n = 0;
	uint32_t len;
	int head;

	loop_run_once(g->r.fake.loop, 0);
	if (broken(g))
		return 0;
	while ((head = vdrv_used(ring, &len)) >= 0) {
		CHECK(len == sizeof(e));
		memcpy(&e, vdrv_ptr(&g->r.d, ring->desc[head].addr, len), len);
		CHECK(e.type == EV_SYN || input_caps_have(&g->caps, e.type, e.code));
		CHECK(e.type != EV_LED && e.type != EV_REP && e.type != EV_SND);
		input_state_apply(&g->heard, e.type, e.code, e.value);
		n++;
	}
	while (vdrv_used(&g->r.d.rings[STATUSQ], NULL) >= 0)
		;
	return n;
}

static unsigned give(struct guest *g, unsigned n, uint32_t len)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t gpa = IN + 64 * (g->slot % (4 * INPUT_QUEUE_SIZE));

		/* A place that a full ring did not take is the next one's: no two lie in one. */
		if (vdrv_add(&g->r.d.rings[EVENTQ], &(struct vdrv_buf)VDRV_IN(gpa, len), 1) < 0)
			break;
		g->slot++;
	}
	vdrv_kick(&g->r.d, EVENTQ);
	return collect(g);
}

static void status(struct guest *g, struct input *in)
{
	struct virtio_input_event e = { 0 };
	unsigned how = take(in, 1);
	uint32_t len = how & 1 ? sizeof(e) : how >> 4;

	e.type = take(in, 2);
	e.code = take(in, 2);
	e.value = take(in, 4);
	if (how & 2)
		e.type = how & 4 ? EV_LED : EV_SND;
	memcpy(vdrv_ptr(&g->r.d, OUT, sizeof(e)), &e, sizeof(e));
	vdrv_add(&g->r.d.rings[STATUSQ], &(struct vdrv_buf)VDRV_OUT(OUT, len), 1);
	vdrv_kick(&g->r.d, STATUSQ);
	collect(g);
}

static void config(struct guest *g, struct input *in)
{
	static const uint8_t sizes[] = { 1, 2, 4, 4 };
	unsigned how = take(in, 1), off = take(in, 1), size;

	vdrv_config_write(&g->r.d, 0, 2, take(in, 2));
	vdrv_config_write(&g->r.d, off, sizes[how & 3], take(in, 4));
	size = vdrv_config_read(&g->r.d, 2, 1);
	CHECK(size <= 128);
	for (unsigned i = 8 + size; i < sizeof(struct virtio_input_config); i++)
		CHECK(vdrv_config_read(&g->r.d, i, 1) == 0);
	vdrv_config_read(&g->r.d, off, sizes[how >> 2 & 3]);
}

/* A word of ring memory changed behind the device's back. */
static void scribble(struct guest *g, struct input *in)
{
	struct vdrv_ring *ring = &g->r.d.rings[take(in, 1) & 1];
	uint64_t off = take(in, 2) % vdrv_ring_bytes(ring->size);

	memset(vdrv_ptr(&g->r.d, ring->desc_gpa + off, 1), take(in, 1), 1);
	g->odd = true;
	vdrv_kick(&g->r.d, EVENTQ);
	vdrv_kick(&g->r.d, STATUSQ);
	fake_settle(&g->r.fake);
}

static void restart(struct guest *g)
{
	vdrv_start(&g->r.d, VIRTIO_COMMON_FEATURES);
	fake_settle(&g->r.fake);
	input_state_init(&g->heard, input_caps_slots(&g->caps));
	g->odd = false;
}

static void step(struct guest *g, struct input *in)
{
	unsigned what = take(in, 1);

	/* After a scribble nothing in the rings is what the test thinks. */
	if (g->odd || broken(g))
		restart(g);
	switch (what & 7) {
	case 0:
		give(g, what >> 3, sizeof(struct virtio_input_event));
		break;
	case 1:
		give(g, 1, what >> 3);
		break;
	case 2:
		status(g, in);
		break;
	case 3:
		config(g, in);
		break;
	case 4:
		scribble(g, in);
		break;
	case 5:
		flood(g, in);
		break;
	case 6:
		if (what & 0x80)
			restart(g);
		else
			say(g, EV_SYN, SYN_REPORT, 0);
		break;
	default:
		one_event(g, in);
	}
}

/* --- a run --------------------------------------------------------------------------- */

static void check_end(struct guest *g)
{
	struct input_state *want = &g->want, *heard = &g->heard;

	if (g->odd || broken(g))
		restart(g);
	say(g, EV_SYN, SYN_REPORT, 0);
	/* A packet waits until the guest offers as many buffers as it takes, all if need be. */
	while (give(g, INPUT_QUEUE_SIZE, sizeof(struct virtio_input_event)))
		;
	CHECK(!broken(g));
	CHECK(!memcmp(want->keys, heard->keys, sizeof(want->keys)));
	CHECK(!memcmp(want->switches, heard->switches, sizeof(want->switches)));
	CHECK(!memcmp(want->abs, heard->abs, sizeof(want->abs)));
	CHECK(!memcmp(want->slots, heard->slots, sizeof(want->slots)));
}

/* The capabilities of a device that nobody ever built. */
static void random_caps(struct input_caps *caps, struct input *in)
{
	memset(caps, 0, sizeof(*caps));
	for (unsigned i = 0; i < 16; i++)
		input_caps_add(caps, take(in, 1) % EV_CNT, take(in, 2) % KEY_CNT);
	if (take(in, 1) & 1) {
		input_caps_add(caps, EV_ABS, ABS_MT_SLOT);
		input_caps_add(caps, EV_ABS, ABS_MT_TRACKING_ID);
		input_caps_add(caps, EV_ABS, ABS_MT_POSITION_X);
	}
	caps->abs[ABS_MT_SLOT].maximum = take(in, 4);
	caps->abs[ABS_MT_SLOT].minimum = take(in, 4);
}

static bool plug(struct guest *g, struct input *in)
{
	struct input_params params = {
		.kind = take(in, 1) % INPUT_KINDS,
		.feedback = { .event = feedback, .ctx = g },
	};

	input_caps_init(&g->caps, params.kind);
	if (params.kind == INPUT_HOST)
		random_caps(&g->caps, in);
	params.caps = &g->caps;
	if (input_create(&g->v, g->r.fake.loop, &g->r.fake.mem, &params) < 0)
		return false;
	input_caps_sanitize(&g->caps);
	input_state_init(&g->want, input_caps_slots(&g->caps));
	g->sink = input_device_sink(g->v);
	vrig_plug(&g->r, g->v);
	restart(g);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct input in = { data, size };

	CHECK(g);
	log_set_level(LOG_ERROR);
	vrig_init(&g->r, VRIG_MMIO);
	if (plug(g, &in)) {
		for (unsigned i = 0; i < STEPS && in.left; i++)
			step(g, &in);
		check_end(g);
		vrig_unplug(&g->r);
		input_destroy(g->v);
	}
	vrig_finish(&g->r);
	free(g);
	return 0;
}
