/* SPDX-License-Identifier: MIT */
/*
 * What our own devices can do. udev (its input_id builtin) and libinput tell
 * kinds apart by these bits alone: a keyboard has the first 31 keys; a mouse
 * REL_X, REL_Y and BTN_LEFT; an absolute mouse ABS_X, ABS_Y and BTN_LEFT
 * without BTN_TOUCH or a pen; a touch screen INPUT_PROP_DIRECT.
 */
#include <string.h>

#include "devices/ui/input.h"
#include "vmm/util.h"

#define TRACKING_ID_MAX 65535
/* Units in a millimetre, as if the longer side were a screen of 13 inches. */
#define ABS_RESOLUTION 100

static void add_range(struct input_caps *caps, unsigned type, unsigned first, unsigned last)
{
	for (unsigned code = first; code <= last; code++)
		input_caps_add(caps, type, code);
}

static void add_abs(struct input_caps *caps, unsigned code, int32_t max, int32_t resolution)
{
	input_caps_add(caps, EV_ABS, code);
	caps->abs[code] = (struct input_absinfo){ .maximum = max, .resolution = resolution };
}

static void add_position(struct input_caps *caps, unsigned x, unsigned y)
{
	add_abs(caps, x, INPUT_ABS_MAX, ABS_RESOLUTION);
	add_abs(caps, y, INPUT_ABS_MAX, ABS_RESOLUTION);
}

static void keyboard_caps(struct input_caps *caps)
{
	/* Between them are numbers that no key has. */
	add_range(caps, EV_KEY, KEY_ESC, KEY_KPDOT);
	add_range(caps, EV_KEY, KEY_ZENKAKUHANKAKU, KEY_F24);
	add_range(caps, EV_KEY, KEY_PLAYCD, KEY_MICMUTE);
	add_range(caps, EV_LED, LED_NUML, LED_SCROLLL);
	add_range(caps, EV_REP, REP_DELAY, REP_PERIOD);
}

static void buttons_and_wheels(struct input_caps *caps)
{
	add_range(caps, EV_KEY, BTN_LEFT, BTN_TASK);
	input_caps_add(caps, EV_REL, REL_WHEEL);
	input_caps_add(caps, EV_REL, REL_HWHEEL);
	input_caps_add(caps, EV_REL, REL_WHEEL_HI_RES);
	input_caps_add(caps, EV_REL, REL_HWHEEL_HI_RES);
}

static void mouse_caps(struct input_caps *caps)
{
	buttons_and_wheels(caps);
	input_caps_add(caps, EV_REL, REL_X);
	input_caps_add(caps, EV_REL, REL_Y);
}

static void tablet_caps(struct input_caps *caps)
{
	buttons_and_wheels(caps);
	add_position(caps, ABS_X, ABS_Y);
}

static void multitouch_caps(struct input_caps *caps)
{
	caps->props[INPUT_PROP_DIRECT / 8] |= 1u << INPUT_PROP_DIRECT % 8;
	input_caps_add(caps, EV_KEY, BTN_TOUCH);
	/* The first finger, for those who know of one only. */
	add_position(caps, ABS_X, ABS_Y);
	add_position(caps, ABS_MT_POSITION_X, ABS_MT_POSITION_Y);
	add_abs(caps, ABS_MT_SLOT, INPUT_TOUCH_SLOTS - 1, 0);
	add_abs(caps, ABS_MT_TRACKING_ID, TRACKING_ID_MAX, 0);
}

void input_caps_init(struct input_caps *caps, enum input_kind kind)
{
	static void (*const fill[INPUT_KINDS])(struct input_caps *caps) = {
		[INPUT_KEYBOARD] = keyboard_caps,
		[INPUT_MOUSE] = mouse_caps,
		[INPUT_TABLET] = tablet_caps,
		[INPUT_MULTITOUCH] = multitouch_caps,
	};

	memset(caps, 0, sizeof(*caps));
	if (fill[kind])
		fill[kind](caps);
}

/* --- those of a device of the host -------------------------------------------- */

/* So that nobody's difference of two values overflows. */
#define ABS_LIMIT (1 << 30)

static int32_t clamp(int32_t v, int32_t min, int32_t max)
{
	return v < min ? min : v > max ? max : v;
}

static void sane_abs(struct input_absinfo *abs)
{
	int32_t min = clamp(abs->minimum, -ABS_LIMIT, ABS_LIMIT - 1);
	int32_t max = clamp(abs->maximum, -ABS_LIMIT, ABS_LIMIT - 1);
	int32_t range;

	abs->minimum = MIN(min, max);
	abs->maximum = MAX(min, max);
	range = abs->maximum - abs->minimum;
	abs->fuzz = clamp(abs->fuzz, 0, range);
	abs->flat = clamp(abs->flat, 0, range);
	abs->resolution = MAX(abs->resolution, 0);
}

static void remove_code(struct input_caps *caps, unsigned type, unsigned code)
{
	caps->codes[type][code / 8] &= ~(1u << code % 8);
}

static void sane_slots(struct input_caps *caps)
{
	struct input_absinfo *slot = &caps->abs[ABS_MT_SLOT];

	/* Axes that only happen to have these numbers, as some game pads have. */
	if (!input_caps_have(caps, EV_ABS, ABS_MT_TRACKING_ID) ||
	    input_caps_have(caps, EV_ABS, ABS_MT_SLOT - 1))
		remove_code(caps, EV_ABS, ABS_MT_SLOT);
	*slot = (struct input_absinfo){ .maximum = clamp(slot->maximum, 0, INPUT_MAX_SLOTS - 1) };
}

void input_caps_sanitize(struct input_caps *caps)
{
	static const uint16_t counts[EV_CNT] = {
		[EV_KEY] = KEY_CNT, [EV_REL] = REL_CNT, [EV_ABS] = ABS_CNT, [EV_MSC] = MSC_CNT,
		[EV_SW] = SW_CNT, [EV_LED] = LED_CNT, [EV_SND] = SND_CNT, [EV_REP] = REP_CNT,
	};

	for (unsigned type = 0; type < EV_CNT; type++)
		for (unsigned code = counts[type]; code < KEY_CNT; code++)
			remove_code(caps, type, code);
	for (unsigned code = 0; code < ABS_CNT; code++)
		sane_abs(&caps->abs[code]);
	sane_slots(caps);
}

unsigned input_caps_slots(const struct input_caps *caps)
{
	if (!input_caps_have(caps, EV_ABS, ABS_MT_SLOT))
		return 0;
	return clamp(caps->abs[ABS_MT_SLOT].maximum, 0, INPUT_MAX_SLOTS - 1) + 1;
}
