/* SPDX-License-Identifier: MIT */
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "devices/ui/input.h"
#include "devices/ui/keymap.h"

static unsigned count(uint16_t key)
{
	unsigned n = 0;

	for (unsigned i = 0; i < KEYMAP_SCANCODES; i++)
		n += keymap_key(i) == key;
	return n;
}

/* All that a keyboard of a PC has; numbers between these blocks belong to no key of one. */
static void every_key_of_a_pc_keyboard_has_a_scancode(void **state)
{
	static const uint16_t more[] = {
		KEY_ZENKAKUHANKAKU, KEY_102ND, KEY_F11, KEY_F12, KEY_RO, KEY_KATAKANA,
		KEY_HIRAGANA, KEY_HENKAN, KEY_KATAKANAHIRAGANA, KEY_MUHENKAN, KEY_KPENTER,
		KEY_RIGHTCTRL, KEY_KPSLASH, KEY_SYSRQ, KEY_RIGHTALT, KEY_HOME, KEY_UP,
		KEY_PAGEUP, KEY_LEFT, KEY_RIGHT, KEY_END, KEY_DOWN, KEY_PAGEDOWN, KEY_INSERT,
		KEY_DELETE, KEY_MUTE, KEY_VOLUMEDOWN, KEY_VOLUMEUP, KEY_POWER, KEY_KPEQUAL,
		KEY_PAUSE, KEY_KPCOMMA, KEY_HANGEUL, KEY_HANJA, KEY_YEN, KEY_LEFTMETA,
		KEY_RIGHTMETA, KEY_COMPOSE, KEY_NEXTSONG, KEY_PLAYPAUSE, KEY_PREVIOUSSONG,
		KEY_STOPCD, KEY_SLEEP, KEY_CALC, KEY_MAIL, KEY_WWW,
	};

	for (uint16_t key = KEY_ESC; key <= KEY_KPDOT; key++)
		if (!count(key))
			fail_msg("no scancode for key %u", key);
	for (uint16_t key = KEY_F13; key <= KEY_F24; key++)
		assert_int_equal(count(key), 1);
	for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		if (!count(more[i]))
			fail_msg("no scancode for key %u", more[i]);
}

static void keys_are_where_the_usb_page_has_them(void **state)
{
	assert_int_equal(keymap_key(0x04), KEY_A);
	assert_int_equal(keymap_key(0x1d), KEY_Z);
	assert_int_equal(keymap_key(0x27), KEY_0);
	assert_int_equal(keymap_key(0x31), KEY_BACKSLASH);
	assert_int_equal(keymap_key(0x39), KEY_CAPSLOCK);
	assert_int_equal(keymap_key(0x45), KEY_F12);
	assert_int_equal(keymap_key(0x52), KEY_UP);
	assert_int_equal(keymap_key(0x63), KEY_KPDOT);
	assert_int_equal(keymap_key(0x67), KEY_KPEQUAL);
	assert_int_equal(keymap_key(0x73), KEY_F24);
	assert_int_equal(keymap_key(0x81), KEY_VOLUMEDOWN);
	assert_int_equal(keymap_key(0x8c), KEY_KPJPCOMMA);
	assert_int_equal(keymap_key(0x94), KEY_ZENKAKUHANKAKU);
	assert_int_equal(keymap_key(0xe7), KEY_RIGHTMETA);
}

static void our_keyboard_has_every_key_that_is_made(void **state)
{
	struct input_caps caps = { 0 };

	input_caps_init(&caps, INPUT_KEYBOARD);
	for (unsigned i = 0; i < KEYMAP_SCANCODES; i++)
		if (keymap_key(i) && !input_caps_have(&caps, EV_KEY, keymap_key(i)))
			fail_msg("scancode %u: key %u", i, keymap_key(i));
}

static void what_is_no_key_makes_none(void **state)
{
	static const unsigned none[] = { 0, 1, 2, 3, 0xe8, 0xff, KEYMAP_SCANCODES, 511, -1u };

	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(keymap_key(none[i]), KEY_RESERVED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_a_pc_keyboard_has_a_scancode),
		cmocka_unit_test(keys_are_where_the_usb_page_has_them),
		cmocka_unit_test(our_keyboard_has_every_key_that_is_made),
		cmocka_unit_test(what_is_no_key_makes_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
