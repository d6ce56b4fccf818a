/* SPDX-License-Identifier: MIT */
/*
 * What it means that somebody closes a window of the guest: the power button is
 * pressed, which a guest may answer with a question, with a minute's work or not
 * at all; once more soon afterwards means that this was not enough. Pure.
 */
#ifndef MICROVM_CLOSE_BUTTON_H
#define MICROVM_CLOSE_BUTTON_H

#include <stdint.h>

/* Two clicks within are one of a nervous finger. */
#define CLOSE_BOUNCE_NS 1000000000ull
/* Until then a second one stops the guest; later it is a first one again. */
#define CLOSE_AGAIN_NS 10000000000ull

enum close_wish { CLOSE_NOTHING, CLOSE_POWER, CLOSE_STOP };

/* Zeroed at first. */
struct close_button {
	uint64_t pressed_ns;	/* 0: never */
};

/* Closed at @now_ns, not 0, of a clock that does not go back. */
enum close_wish close_button_press(struct close_button *b, uint64_t now_ns);

#endif
