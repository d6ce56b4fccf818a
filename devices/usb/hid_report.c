/* SPDX-License-Identifier: MIT */
/* What reports look like, and what the host is told of that. */
#include <assert.h>

#include "devices/ui/keymap.h"
#include "devices/usb/hid_impl.h"
#include "vmm/util.h"

#define BUTTONS 8
#define MOTION_MAX 32767
#define BOOT_MOTION_MAX 127

/* --- keyboards ---------------------------------------------------------------------- */

/* Usages of the keyboard page (HID Usage Tables 1.12, 10). */
#define USAGE_ROLL_OVER 0x01
#define USAGE_LEFTCTRL 0xe0	/* and the seven that follow, in the report's first byte */
#define KEY_USAGES 0xa8		/* those before have a bit each */
#define BOOT_LEN 8
#define BOOT_KEYS 6
#define MEDIA_AT (BOOT_LEN + KEY_USAGES / 8)

/* Keys of the consumer page (15): a bit each, in this order. */
static const struct {
	uint16_t usage, key;
} media[] = {
	{ 0x032, KEY_SLEEP }, { 0x040, KEY_MENU }, { 0x065, KEY_CAMERA },
	{ 0x06f, KEY_BRIGHTNESSUP }, { 0x070, KEY_BRIGHTNESSDOWN }, { 0x079, KEY_KBDILLUMUP },
	{ 0x07a, KEY_KBDILLUMDOWN }, { 0x07c, KEY_KBDILLUMTOGGLE }, { 0x08c, KEY_PHONE },
	{ 0x0b0, KEY_PLAY }, { 0x0b2, KEY_RECORD }, { 0x0b3, KEY_FASTFORWARD },
	{ 0x0b4, KEY_REWIND }, { 0x0b5, KEY_NEXTSONG }, { 0x0b6, KEY_PREVIOUSSONG },
	{ 0x0b7, KEY_STOPCD }, { 0x0b8, KEY_EJECTCD }, { 0x0cd, KEY_PLAYPAUSE },
	{ 0x0e5, KEY_BASSBOOST }, { 0x183, KEY_CONFIG }, { 0x18a, KEY_MAIL },
	{ 0x191, KEY_FINANCE }, { 0x192, KEY_CALC }, { 0x194, KEY_FILE }, { 0x196, KEY_WWW },
	{ 0x199, KEY_CHAT }, { 0x201, KEY_NEW }, { 0x203, KEY_CLOSE }, { 0x204, KEY_EXIT },
	{ 0x207, KEY_SAVE }, { 0x208, KEY_PRINT }, { 0x221, KEY_SEARCH },
	{ 0x223, KEY_HOMEPAGE }, { 0x224, KEY_BACK }, { 0x225, KEY_FORWARD },
	{ 0x227, KEY_REFRESH }, { 0x22a, KEY_BOOKMARKS }, { 0x233, KEY_SCROLLUP },
	{ 0x234, KEY_SCROLLDOWN }, { 0x279, KEY_REDO }, { 0x289, KEY_REPLY },
	{ 0x28b, KEY_FORWARDMAIL }, { 0x28c, KEY_SEND },
};

#define MEDIA_BYTES ((ARRAY_SIZE(media) + 7) / 8)
_Static_assert(MEDIA_AT + MEDIA_BYTES <= HID_REPORT_MAX, "a report holds all keys");

static void set_bit(uint8_t *bits, unsigned n)
{
	bits[n / 8] |= 1u << n % 8;
}

/* More than there is room for cannot be told (appendix C). */
static void make_boot_keys(struct hid_report *r, unsigned *n, unsigned usage)
{
	if (*n < BOOT_KEYS)
		r->bytes[2 + *n] = usage;
	else
		memset(r->bytes + 2, USAGE_ROLL_OVER, BOOT_KEYS);
	++*n;
}

static void make_media(struct hid_report *r, const struct input_state *in)
{
	for (unsigned i = 0; i < ARRAY_SIZE(media); i++)
		if (input_state_key(in, media[i].key))
			set_bit(r->bytes + MEDIA_AT, i);
}

/* A key that several usages stand for is told by the first of them. */
static bool is_first(unsigned usage)
{
	return keymap_usage(keymap_key(usage)) == usage;
}

static void make_keyboard(struct hid_report *r, const struct input_state *in, bool boot)
{
	unsigned n = 0;

	r->len = boot ? BOOT_LEN : MEDIA_AT + MEDIA_BYTES;
	for (unsigned i = 0; i < 8; i++)
		if (input_state_key(in, keymap_key(USAGE_LEFTCTRL + i)))
			set_bit(r->bytes, i);
	for (unsigned usage = 0; usage < KEY_USAGES; usage++) {
		uint16_t key = keymap_key(usage);

		if (!key || !input_state_key(in, key) || !is_first(usage))
			continue;
		make_boot_keys(r, &n, usage);
		if (!boot)
			set_bit(r->bytes + BOOT_LEN, usage);
	}
	if (!boot)
		make_media(r, in);
}

/* --- mice and tablets ----------------------------------------------------------------- */

static int take_motion(int32_t *motion, int max)
{
	int part = MIN(MAX(*motion, -max), max);

	*motion -= part;
	return part;
}

static uint8_t buttons(const struct input_state *in)
{
	uint8_t bits = 0;

	for (unsigned i = 0; i < BUTTONS; i++)
		bits |= input_state_key(in, BTN_LEFT + i) << i;
	return bits;
}

static void put16(struct hid_report *r, int value)
{
	store_le(r->bytes + r->len, 2, value);
	r->len += 2;
}

/* Three buttons and no wheels (appendix B.2). */
static void make_boot_mouse(struct hid_report *r, struct hid_state *s)
{
	r->len = 3;
	r->bytes[0] = buttons(&s->in) & 7;
	r->bytes[1] = take_motion(&s->motion[HID_X], BOOT_MOTION_MAX);
	r->bytes[2] = take_motion(&s->motion[HID_Y], BOOT_MOTION_MAX);
	s->motion[HID_WHEEL] = s->motion[HID_PAN] = 0;
}

static int place(const struct input_state *in, unsigned code)
{
	return MIN(MAX(in->abs[code], 0), INPUT_ABS_MAX);
}

static void make_pointer(struct hid_report *r, struct hid_state *s, enum input_kind kind)
{
	r->bytes[0] = buttons(&s->in);
	r->len = 1;
	if (kind == INPUT_MOUSE) {
		put16(r, take_motion(&s->motion[HID_X], MOTION_MAX));
		put16(r, take_motion(&s->motion[HID_Y], MOTION_MAX));
	} else {
		put16(r, place(&s->in, ABS_X));
		put16(r, place(&s->in, ABS_Y));
	}
	put16(r, take_motion(&s->motion[HID_WHEEL], MOTION_MAX));
	put16(r, take_motion(&s->motion[HID_PAN], MOTION_MAX));
}

void hid_report_make(struct hid_report *r, struct hid_state *s, enum input_kind kind, bool boot)
{
	*r = (struct hid_report){ 0 };
	if (kind == INPUT_KEYBOARD)
		make_keyboard(r, &s->in, boot);
	else if (kind == INPUT_MOUSE && boot)
		make_boot_mouse(r, s);
	else
		make_pointer(r, s, kind);
}

/* --- descriptors (6.2.2) ------------------------------------------------------------------ */

/* Items' prefixes with one byte of data, and the same with two. */
#define USAGE_PAGE 0x05
#define USAGE 0x09
#define USAGE_16 0x0a
#define USAGE_MIN 0x19
#define USAGE_MAX 0x29
#define LOGICAL_MIN 0x15
#define LOGICAL_MIN_16 0x16
#define LOGICAL_MAX 0x25
#define LOGICAL_MAX_16 0x26
#define PHYSICAL_MIN 0x35
#define PHYSICAL_MAX 0x45
#define PHYSICAL_MAX_16 0x46
#define UNIT_EXPONENT 0x55
#define UNIT 0x65
#define REPORT_SIZE 0x75
#define REPORT_COUNT 0x95
#define INPUT 0x81
#define OUTPUT 0x91
#define COLLECTION 0xa1
#define END_COLLECTION 0xc0

#define DATA_ARE_FLAGS 0x02	/* data, variable, absolute */
#define DATA_RELATIVE 0x06
#define CONSTANT 0x03
#define PHYSICAL 0x00
#define APPLICATION 0x01
#define PAGE_DESKTOP 0x01
#define PAGE_KEYBOARD 0x07
#define PAGE_LEDS 0x08
#define PAGE_BUTTONS 0x09
#define PAGE_CONSUMER 0x0c

static const uint8_t keyboard_descriptor[] = {
	USAGE_PAGE, PAGE_DESKTOP, USAGE, 6 /* keyboard */, COLLECTION, APPLICATION,
	LOGICAL_MIN, 0, LOGICAL_MAX, 1, REPORT_SIZE, 1,
	USAGE_PAGE, PAGE_KEYBOARD, USAGE_MIN, USAGE_LEFTCTRL, USAGE_MAX, USAGE_LEFTCTRL + 7,
	REPORT_COUNT, 8, INPUT, DATA_ARE_FLAGS,
	/* What else the boot protocol has. */
	REPORT_COUNT, 8 * (BOOT_LEN - 1), INPUT, CONSTANT,
	USAGE_MIN, 0, USAGE_MAX, KEY_USAGES - 1,
	REPORT_COUNT, KEY_USAGES, INPUT, DATA_ARE_FLAGS,
	USAGE_PAGE, PAGE_LEDS, USAGE_MIN, 1, USAGE_MAX, HID_LEDS,
	REPORT_COUNT, HID_LEDS, OUTPUT, DATA_ARE_FLAGS,
	REPORT_COUNT, 8 - HID_LEDS, OUTPUT, CONSTANT,
	USAGE_PAGE, PAGE_CONSUMER,	/* the rest is added: media[] */
};

static const uint8_t media_descriptor[] = {
	REPORT_COUNT, ARRAY_SIZE(media), INPUT, DATA_ARE_FLAGS,
	REPORT_COUNT, 8 * MEDIA_BYTES - ARRAY_SIZE(media), INPUT, CONSTANT,
	END_COLLECTION,
};
_Static_assert(ARRAY_SIZE(media) % 8, "there are bits to be filled");

static const uint8_t pointer_descriptor[] = {
	USAGE_PAGE, PAGE_DESKTOP, USAGE, 2 /* mouse */, COLLECTION, APPLICATION,
	USAGE, 1 /* pointer */, COLLECTION, PHYSICAL,
	USAGE_PAGE, PAGE_BUTTONS, USAGE_MIN, 1, USAGE_MAX, BUTTONS,
	LOGICAL_MIN, 0, LOGICAL_MAX, 1, REPORT_SIZE, 1, REPORT_COUNT, BUTTONS,
	INPUT, DATA_ARE_FLAGS,
	USAGE_PAGE, PAGE_DESKTOP, REPORT_SIZE, 16, USAGE, 0x30 /* X */, USAGE, 0x31 /* Y */,
};

static const uint8_t mouse_descriptor[] = {
	LOGICAL_MIN_16, 0x01, 0x80, LOGICAL_MAX_16, 0xff, 0x7f,
	REPORT_COUNT, 2, INPUT, DATA_RELATIVE,
};

/* A hundred units in a millimetre, as input_caps.c has them: 3277 hundredths of a centimetre. */
static const uint8_t tablet_descriptor[] = {
	LOGICAL_MIN, 0, LOGICAL_MAX_16, INPUT_ABS_MAX & 0xff, INPUT_ABS_MAX >> 8,
	PHYSICAL_MIN, 0, PHYSICAL_MAX_16, 3277 & 0xff, 3277 >> 8, UNIT_EXPONENT, 0xe /* -2 */,
	UNIT, 0x11, REPORT_COUNT, 2, INPUT, DATA_ARE_FLAGS,
	PHYSICAL_MAX, 0, UNIT_EXPONENT, 0, UNIT, 0,
	LOGICAL_MIN_16, 0x01, 0x80, LOGICAL_MAX_16, 0xff, 0x7f,
};

static const uint8_t wheels_descriptor[] = {
	REPORT_COUNT, 1, USAGE, 0x38 /* wheel */, INPUT, DATA_RELATIVE,
	USAGE_PAGE, PAGE_CONSUMER, USAGE_16, 0x38, 0x02 /* AC pan */, INPUT, DATA_RELATIVE,
	END_COLLECTION, END_COLLECTION,
};

static uint8_t *add(uint8_t *to, const uint8_t *items, size_t len)
{
	memcpy(to, items, len);
	return to + len;
}

static uint8_t *add_keyboard(uint8_t *at)
{
	at = add(at, keyboard_descriptor, sizeof(keyboard_descriptor));
	for (unsigned i = 0; i < ARRAY_SIZE(media); i++) {
		uint16_t usage = media[i].usage;

		at = add(at, (uint8_t[]){ USAGE_16, usage & 0xff, usage >> 8 }, 3);
	}
	return add(at, media_descriptor, sizeof(media_descriptor));
}

unsigned hid_report_descriptor(uint8_t to[HID_DESCRIPTOR_MAX], enum input_kind kind)
{
	uint8_t *at = to;

	if (kind == INPUT_KEYBOARD) {
		at = add_keyboard(at);
	} else {
		at = add(at, pointer_descriptor, sizeof(pointer_descriptor));
		if (kind == INPUT_MOUSE)
			at = add(at, mouse_descriptor, sizeof(mouse_descriptor));
		else
			at = add(at, tablet_descriptor, sizeof(tablet_descriptor));
		at = add(at, wheels_descriptor, sizeof(wheels_descriptor));
	}
	assert(at - to <= HID_DESCRIPTOR_MAX);
	return at - to;
}
