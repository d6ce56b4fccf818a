/* SPDX-License-Identifier: MIT */
/*
 * Input events between those who make them (windows, a control socket, a device
 * of the host) and those who take them (virtio-input): what both need to know,
 * without a word of virtio or SDL. All in terms of the kernel's evdev
 * (linux/input.h, Documentation/input/event-codes.rst).
 *
 *     source --- sink of the device: keys, motion, touches ---> device --> guest
 *     source <-- sink of the source: LEDs, sounds, repeat ----- device
 *
 * Packets: a source sends the events of one update and ends them with
 * input_sync(). A device drops or delivers packets whole, so what belongs
 * together is in one, and none is left open. Two sources of one device take
 * turns by packets, not by events. A device passes on what its capabilities
 * name and drops the rest, and a key that is already down does not go down
 * again: a source need not ask.
 *
 * Keys are sent as 1 and 0. Repetition (2) is made by the guest for devices
 * with EV_REP, and is dropped.
 *
 * Motion that is lost with a dropped packet is lost; keys, axes and touches are
 * made good by the device, which keeps the state that they end in.
 *
 * There is no force feedback: the virtio-input protocol cannot upload effects
 * (EV_FF needs ioctls of the guest's driver, which has none), so no device has
 * EV_FF in its capabilities, and those of a host device that has it lack it.
 *
 * Threads: a device's sink may be called on any thread, without locks that the
 * source's own sink takes. A source's sink is called on the loop's thread with
 * the device's lock held, and does not call the device's sink from within.
 */
#ifndef MICROVM_UI_INPUT_H
#define MICROVM_UI_INPUT_H

#include <linux/input.h>
#include <stdbool.h>
#include <stdint.h>

/* --- sinks ------------------------------------------------------------------- */

/* A value, like irq_line; all zero is one that takes everything and does nothing. */
struct input_sink {
	void (*event)(void *ctx, uint16_t type, uint16_t code, int32_t value);
	void *ctx;
};

static inline void input_send(const struct input_sink *sink, uint16_t type, uint16_t code,
			      int32_t value)
{
	if (sink->event)
		sink->event(sink->ctx, type, code, value);
}

/* Ends a packet. */
static inline void input_sync(const struct input_sink *sink)
{
	input_send(sink, EV_SYN, SYN_REPORT, 0);
}

/* --- what a device can do ------------------------------------------------------ */

enum input_kind {
	INPUT_KEYBOARD,	/* all keys of a PC's, media keys, three LEDs, repeat */
	INPUT_MOUSE,	/* relative; 8 buttons, two wheels in whole and in 120th steps */
	INPUT_TABLET,	/* absolute, INPUT_ABS_MAX each way; buttons and wheels of the mouse */
	INPUT_MULTITOUCH,	/* a touch screen of INPUT_TOUCH_SLOTS fingers, protocol B */
	INPUT_HOST,	/* what input_params.caps says */
	INPUT_KINDS
};

/* Of ABS_X, ABS_Y, ABS_MT_POSITION_X and _Y: 0 to this, whatever the window's size. */
#define INPUT_ABS_MAX 32767
#define INPUT_TOUCH_SLOTS 10
/* The most that a device of the host may have. */
#define INPUT_MAX_SLOTS 64

/* Bytes of the longest bitmap, that of keys. */
#define INPUT_CODES_LEN (KEY_CNT / 8)

struct input_caps {
	uint8_t props[INPUT_PROP_CNT / 8];
	uint8_t codes[EV_CNT][INPUT_CODES_LEN];	/* by type; a type without codes is not there */
	struct input_absinfo abs[ABS_CNT];	/* of those in codes[EV_ABS] */
};

static inline bool input_caps_have(const struct input_caps *caps, unsigned type, unsigned code)
{
	return type < EV_CNT && code < KEY_CNT && caps->codes[type][code / 8] >> code % 8 & 1;
}

static inline void input_caps_add(struct input_caps *caps, unsigned type, unsigned code)
{
	caps->codes[type][code / 8] |= 1u << code % 8;
}

/* Those of @kind, not INPUT_HOST. */
void input_caps_init(struct input_caps *caps, enum input_kind kind);
/*
 * Makes anything that calls itself an input device one that a guest can live
 * with: types that go to or come from a guest only, ranges the right way round,
 * INPUT_MAX_SLOTS at most.
 */
void input_caps_sanitize(struct input_caps *caps);
/* ABS_MT_SLOT's, up to INPUT_MAX_SLOTS; 0: no touches by slots. */
unsigned input_caps_slots(const struct input_caps *caps);

/* --- the state of a device --------------------------------------------------------- */

#define INPUT_MT_FIRST ABS_MT_TOUCH_MAJOR
#define INPUT_MT_CNT (ABS_MT_TOOL_Y - ABS_MT_TOUCH_MAJOR + 1)

struct input_slot {
	int32_t id;		/* ABS_MT_TRACKING_ID; -1: no touch */
	int32_t value[INPUT_MT_CNT];	/* by code - INPUT_MT_FIRST */
};

/*
 * Keys, switches, axes and touches as a row of events leaves them. For a
 * window, which releases what is held when the focus leaves, for a device of
 * the host that is pulled out, and for a device that makes good what it dropped.
 */
struct input_state {
	uint8_t keys[INPUT_CODES_LEN];
	uint8_t switches[(SW_CNT + 7) / 8];
	uint8_t abs_known[ABS_CNT / 8];	/* axes that ever had a value */
	int32_t abs[ABS_CNT];
	unsigned n_slots;	/* 0: touches are not kept */
	unsigned slot;		/* the one that touch events are about */
	struct input_slot slots[INPUT_MAX_SLOTS];
};

/* Nothing held, no axis known, no touch. @n_slots: up to INPUT_MAX_SLOTS. */
void input_state_init(struct input_state *s, unsigned n_slots);
/*
 * Whether the event says anything: false for a key down that was down, an axis
 * where it was, no motion, a slot that is not there.
 */
bool input_state_apply(struct input_state *s, uint16_t type, uint16_t code, int32_t value);
bool input_state_key(const struct input_state *s, unsigned code);
/* Whether any key or button is down. */
bool input_state_any_key(const struct input_state *s);
/*
 * Lets go of every key and touch of @s towards @sink, in one packet, none when
 * nothing is held. @s says so afterwards.
 */
void input_state_release(struct input_state *s, const struct input_sink *sink);
/*
 * Tells @sink, in one packet of at most @max events (input_sync() included, 4 or
 * more), what brings @from nearer to @to, and does so to @from. The number of
 * events; 0: they are equal. Both have as many slots.
 */
unsigned input_state_step(struct input_state *from, const struct input_state *to, unsigned max,
			  const struct input_sink *sink);

/* --- wheels ------------------------------------------------------------------------ */

/* What is left of a turn, in 120ths of a notch; zeroed at first. */
struct input_wheel {
	int32_t rest[2];
};

/*
 * A wheel turned by @v120 120ths of a notch, away from the user or to the
 * right: tells of that, and of whole notches when they are full. The caller
 * ends the packet.
 */
void input_wheel_turn(struct input_wheel *w, bool horizontal, int32_t v120,
		      const struct input_sink *sink);

#endif
