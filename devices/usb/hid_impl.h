/* SPDX-License-Identifier: MIT */
/* What hid.c (the device), hid_queue.c (its reports) and hid_report.c (their bytes) share. */
#ifndef MICROVM_HID_IMPL_H
#define MICROVM_HID_IMPL_H

#include <pthread.h>

#include "devices/usb/hid.h"

#define HID_REPORT_MAX 40
#define HID_DESCRIPTOR_MAX 256
#define HID_LEDS 3		/* num, caps and scroll lock, as LED_NUML and so on count */

enum hid_axis { HID_X, HID_Y, HID_WHEEL, HID_PAN, HID_AXES };

struct hid_report {
	uint8_t len;
	uint8_t bytes[HID_REPORT_MAX];
};

/* What a report is made of. */
struct hid_state {
	struct input_state in;
	int32_t motion[HID_AXES];	/* that no report has told yet */
};

struct hid_queue {
	enum input_kind kind;
	bool boot;		/* the protocol */
	bool running;		/* the host has asked */
	bool open;		/* a packet has begun */
	bool behind;		/* the host is to hear of the state when @ring is empty */
	struct hid_state now;
	uint8_t touched[INPUT_CODES_LEN];	/* keys that moved since @last */
	struct hid_report last;		/* that was put into @ring */
	struct hid_report ring[HID_QUEUE];
	unsigned head, tail;		/* run freely */
};

/* --- hid_report.c: pure --------------------------------------------------------------- */

/* The report descriptor (6.2.2) in @to; its length. */
unsigned hid_report_descriptor(uint8_t to[HID_DESCRIPTOR_MAX], enum input_kind kind);
/* The report of @s, which keeps the motion that is too much for one. */
void hid_report_make(struct hid_report *r, struct hid_state *s, enum input_kind kind, bool boot);

/* --- hid_queue.c: from packets to reports; the device's lock held ------------------------- */

/* Nothing was told, and the report protocol is what counts (7.2.6). */
void hid_queue_reset(struct hid_queue *q);
/* Where that is news, the next report tells the state by it. */
void hid_queue_set_protocol(struct hid_queue *q, bool boot);
/* An event of a source. Whether the host may have something to fetch now. */
bool hid_queue_take(struct hid_queue *q, uint16_t type, uint16_t code, int32_t value);
/* False: there is nothing new. */
bool hid_queue_fetch(struct hid_queue *q, struct hid_report *r);
/* The state, without motion. */
void hid_queue_peek(const struct hid_queue *q, struct hid_report *r);

#endif
