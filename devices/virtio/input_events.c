/* SPDX-License-Identifier: MIT */
/* From sources to the guest: packets, the ring that they wait in, what happens when it is full. */
#include <assert.h>

#include "devices/virtio/input_impl.h"

_Static_assert(!(INPUT_RING & (INPUT_RING - 1)) && !(INPUT_QUEUE_SIZE & (INPUT_QUEUE_SIZE - 1)),
	       "indexes wrap around");

static struct virtio_input_event *ring_at(struct input_events *ev, unsigned i)
{
	return &ev->ring[i % INPUT_RING];
}

static void ring_put(struct input_events *ev, uint16_t type, uint16_t code, int32_t value)
{
	*ring_at(ev, ev->tail++) = (struct virtio_input_event){
		.type = type, .code = code, .value = value,
	};
}

static bool is_end(const struct virtio_input_event *e)
{
	return e->type == EV_SYN && e->code == SYN_REPORT;
}

/* Of the packet at head, what is left of it; 0: there is none. */
static unsigned packet_len(struct input_events *ev)
{
	unsigned i = ev->head;

	if (i == ev->committed)
		return 0;
	while (!is_end(ring_at(ev, i)))
		i++;
	return i + 1 - ev->head;
}

/* --- to the guest ----------------------------------------------------------------- */

/* All buffers that the driver offers, in our hands. */
static void take_buffers(struct input *in)
{
	struct input_events *ev = &in->ev;
	struct virtq_chain *chain;

	/* Until there is none, which asks for the next kick; more than the queue holds cannot be. */
	while ((chain = virtio_pop(&in->v, INPUT_EVENTQ))) {
		assert(ev->n_buffers < INPUT_QUEUE_SIZE);
		if (chain->writable < sizeof(struct virtio_input_event)) {
			virtio_fail(&in->v, "a buffer of %zu bytes for an event", chain->writable);
			return;
		}
		ev->buffers[(ev->first + ev->n_buffers++) % INPUT_QUEUE_SIZE] = chain;
	}
	ev->most_buffers = MAX(ev->most_buffers, ev->n_buffers);
}

/* The event at head into the next buffer. */
static void give_event(struct input *in)
{
	struct input_events *ev = &in->ev;
	struct virtio_input_event *e = ring_at(ev, ev->head++);
	struct virtq_chain *chain = ev->buffers[ev->first++ % INPUT_QUEUE_SIZE];

	ev->n_buffers--;
	input_state_apply(&ev->told, e->type, e->code, e->value);
	virtq_push(virtio_queue(&in->v, INPUT_EVENTQ), chain,
		   chain_write(chain, 0, e, sizeof(*e)));
}

/*
 * The packet at head, @len events of it, or as much as there is room for when
 * it is longer than what the driver ever had room for. Whether it is gone.
 */
static bool give_packet(struct input *in, unsigned len)
{
	struct input_events *ev = &in->ev;

	if (ev->n_buffers < len && !ev->begun && len <= ev->most_buffers)
		return false;
	while (len && ev->n_buffers) {
		give_event(in);
		len--;
		ev->begun = len;
	}
	return !len;
}

/* --- when the guest is behind ----------------------------------------------------- */

static void step_event(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct input_events *ev = ctx;

	ring_put(ev, type, code, value);
}

/* The ring is empty: the next packet that brings the guest nearer, or it is no longer behind. */
static void step_nearer(struct input_events *ev)
{
	const struct input_sink sink = { .event = step_event, .ctx = ev };
	/* What the guest is told changes as it is given events, and but once for each. */
	struct input_state ahead = ev->told;

	if (ev->dropped) {
		ring_put(ev, EV_SYN, SYN_DROPPED, 0);
		ring_put(ev, EV_SYN, SYN_REPORT, 0);
		ev->dropped = false;
	} else if (!input_state_step(&ahead, &ev->now, INPUT_STEP, &sink)) {
		ev->behind = false;
	}
	ev->committed = ev->tail;
}

/* There is no room: all that waits is dropped, but not half a packet. */
static void fall_behind(struct input_events *ev)
{
	ev->tail = ev->head + (ev->begun ? packet_len(ev) : 0);
	ev->committed = ev->tail;
	ev->behind = ev->dropped = true;
}

static void pump(struct input *in)
{
	struct input_events *ev = &in->ev;
	unsigned len, given = ev->head;

	for (;;) {
		len = packet_len(ev);
		if (len && !give_packet(in, len))
			break;
		if (len)
			continue;
		/* In the middle of a packet @now is not what the source meant. */
		if (!ev->behind || ev->open)
			break;
		step_nearer(ev);
	}
	if (ev->head != given)
		virtio_signal(&in->v, INPUT_EVENTQ);
}

void input_events_buffers(struct input *in)
{
	take_buffers(in);
	if (virtio_running(&in->v))
		pump(in);
}

/* --- from sources ------------------------------------------------------------------ */

/* SYN_DROPPED is on its way, and will do for what else is dropped. */
static bool drop_is_told(struct input_events *ev)
{
	const struct virtio_input_event *e = ring_at(ev, ev->head);

	return ev->head != ev->committed && e->type == EV_SYN && e->code == SYN_DROPPED;
}

static void packet_put(struct input_events *ev, uint16_t type, uint16_t code, int32_t value)
{
	/* One is left for its SYN_REPORT. */
	if (!ev->behind && ev->tail - ev->head >= INPUT_RING - 1)
		fall_behind(ev);
	ev->skipped |= ev->behind;
	if (!ev->skipped)
		ring_put(ev, type, code, value);
}

static void packet_end(struct input *in)
{
	struct input_events *ev = &in->ev;

	if (!ev->open)
		return;
	ev->open = false;
	if (!virtio_running(&in->v))
		return;
	if (ev->skipped)
		ev->dropped |= !drop_is_told(ev);
	else
		ring_put(ev, EV_SYN, SYN_REPORT, 0);
	ev->skipped = false;
	ev->committed = ev->tail;
	pump(in);
}

void input_events_take(struct input *in, uint16_t type, uint16_t code, int32_t value)
{
	struct input_events *ev = &in->ev;

	if (type == EV_SYN && code == SYN_REPORT) {
		packet_end(in);
	} else if (input_state_apply(&ev->now, type, code, value)) {
		ev->open = true;
		if (virtio_running(&in->v))
			packet_put(ev, type, code, value);
	}
}

/* --- life -------------------------------------------------------------------------- */

void input_events_init(struct input *in)
{
	unsigned slots = input_caps_slots(&in->caps);

	input_state_init(&in->ev.now, slots);
	input_state_init(&in->ev.told, slots);
}

void input_events_start(struct input *in)
{
	/* A packet that is open began before. */
	in->ev.skipped = in->ev.open;
	in->ev.behind = true;
	pump(in);
}

void input_events_reset(struct input *in)
{
	struct input_events *ev = &in->ev;

	ev->head = ev->tail = ev->committed = 0;
	ev->first = ev->n_buffers = ev->most_buffers = 0;
	ev->skipped = ev->begun = ev->behind = ev->dropped = false;
	input_state_init(&ev->told, ev->now.n_slots);
}
