/* SPDX-License-Identifier: MIT */
/* From packets of events to reports that wait for the host, and what happens when it is slow. */
#include "devices/usb/hid_impl.h"
#include "vmm/util.h"

_Static_assert(!(HID_QUEUE & (HID_QUEUE - 1)), "indexes wrap around");

/* More than any screen is wide; sums cannot overflow. */
#define MOTION_LIMIT 32767

static bool has_motion(const struct hid_state *s)
{
	for (unsigned i = 0; i < HID_AXES; i++)
		if (s->motion[i])
			return true;
	return false;
}

/* The next report of the state there is, unless it says nothing that the last one did not. */
static bool make_news(struct hid_queue *q, struct hid_report *r)
{
	bool moved = has_motion(&q->now);

	memset(q->touched, 0, sizeof(q->touched));
	hid_report_make(r, &q->now, q->kind, q->boot);
	if (!moved && !memcmp(r, &q->last, sizeof(*r)))
		return false;
	q->last = *r;
	return true;
}

/* The state becomes a report, or several if it has moved far. */
static void commit(struct hid_queue *q)
{
	struct hid_report r;

	if (!q->running || q->behind)
		return;
	do {
		if (q->tail - q->head == HID_QUEUE) {
			q->behind = true;
			return;
		}
		if (make_news(q, &r))
			q->ring[q->tail++ % HID_QUEUE] = r;
	} while (has_motion(&q->now));
}

/* --- events ---------------------------------------------------------------------------- */

static void take_motion(struct hid_queue *q, uint16_t code, int32_t value)
{
	static const uint8_t axes[REL_CNT] = {
		[REL_X] = 1 + HID_X, [REL_Y] = 1 + HID_Y, [REL_WHEEL] = 1 + HID_WHEEL,
		[REL_HWHEEL] = 1 + HID_PAN,
	};
	int64_t sum;

	if (code >= REL_CNT || !axes[code])
		return;
	sum = (int64_t)q->now.motion[axes[code] - 1] + value;
	q->now.motion[axes[code] - 1] = MIN(MAX(sum, -MOTION_LIMIT), MOTION_LIMIT);
}

/* A key that goes down and up within a packet makes two reports. */
static void take_key(struct hid_queue *q, uint16_t code)
{
	uint8_t *touched = &q->touched[code / 8], bit = 1u << code % 8;

	if (*touched & bit)
		commit(q);
}

static void take_one(struct hid_queue *q, uint16_t type, uint16_t code, int32_t value)
{
	struct input_state *in = &q->now.in;

	if (type == EV_KEY && code < KEY_CNT && input_state_key(in, code) != value)
		take_key(q, code);
	if (!input_state_apply(in, type, code, value))
		return;
	q->open = true;
	if (type == EV_REL)
		take_motion(q, code, value);
	else if (type == EV_KEY)
		q->touched[code / 8] |= 1u << code % 8;
}

bool hid_queue_take(struct hid_queue *q, uint16_t type, uint16_t code, int32_t value)
{
	if (type != EV_SYN) {
		take_one(q, type, code, value);
		return false;
	}
	if (!q->open)
		return false;
	q->open = false;
	commit(q);
	return true;
}

/* --- the host ---------------------------------------------------------------------------- */

static void start_over(struct hid_queue *q, bool boot)
{
	q->boot = boot;
	q->running = false;
	q->behind = true;
	q->head = q->tail = 0;
}

void hid_queue_reset(struct hid_queue *q)
{
	struct hid_state none = { 0 };

	start_over(q, false);
	/* What a host takes for granted that has not heard anything yet. */
	hid_report_make(&q->last, &none, q->kind, false);
}

void hid_queue_set_protocol(struct hid_queue *q, bool boot)
{
	if (boot == q->boot)
		return;
	start_over(q, boot);
	/* Whatever the host has heard before: a report follows. */
	q->last.len = 0;
}

bool hid_queue_fetch(struct hid_queue *q, struct hid_report *r)
{
	if (!q->running)
		memset(q->now.motion, 0, sizeof(q->now.motion));
	q->running = true;
	if (q->head != q->tail) {
		*r = q->ring[q->head++ % HID_QUEUE];
		return true;
	}
	/* In the middle of a packet the state is not what the source meant. */
	if (!q->behind || q->open || !make_news(q, r)) {
		q->behind &= q->open;
		return false;
	}
	q->behind = has_motion(&q->now);
	return true;
}

void hid_queue_peek(const struct hid_queue *q, struct hid_report *r)
{
	struct hid_state s = { .in = q->now.in };

	hid_report_make(r, &s, q->kind, q->boot);
}
