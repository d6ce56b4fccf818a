/* SPDX-License-Identifier: MIT */
/*
 * Keys by their place on the keyboard, whatever a layout makes of them: numbers
 * of USB's keyboard page, which SDL counts in too, and the kernel's. Pure.
 */
#ifndef MICROVM_KEYMAP_H
#define MICROVM_KEYMAP_H

#include <stdint.h>

/*
 * Up to 0xff: usages of page 7 (HID Usage Tables 1.12, section 10); above, what
 * SDL_scancode.h adds for keys of other pages, such as those that play music.
 */
#define KEYMAP_SCANCODES 287
#define KEYMAP_USAGE_MAX 0xff

/* KEY_... of <linux/input-event-codes.h>; 0, KEY_RESERVED: none. */
uint16_t keymap_key(unsigned scancode);
/* The first usage of page 7 that is @key; 0: none. */
unsigned keymap_usage(uint16_t key);

#endif
