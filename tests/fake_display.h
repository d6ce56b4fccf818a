/* SPDX-License-Identifier: MIT */
/* A display for tests: remembers what it was told, and gives frames when a test says so. */
#ifndef MICROVM_TESTS_FAKE_DISPLAY_H
#define MICROVM_TESTS_FAKE_DISPLAY_H

#include "devices/ui/display.h"
#include "devices/ui/picture.h"

struct fake_output {
	struct picture picture;
	uint32_t mode_width, mode_height;
	unsigned n_mode, n_set, n_flush, n_off, n_cursor, n_move;
	struct display_rect damage;	/* of the last flush */
	uint32_t seen;			/* sum of the pixels at the last set() */
};

struct fake_display {
	bool paced;			/* flushes wait for fake_display_frame() */
	uint32_t due;			/* outputs that owe a frame */
	struct fake_output outputs[DISPLAY_MAX_OUTPUTS];
};

/* @f is zeroed. Aborts at calls that break display.h's rules. */
struct display fake_display(struct fake_display *f);
/* Calls frame_done() for output @n, owed or not. */
void fake_display_frame(struct fake_display *f, unsigned n, struct display_sink sink);
/* Pixel of what output @n shows, as XRGB with the pointer in it. */
uint32_t fake_display_pixel(const struct fake_display *f, unsigned n, uint32_t x, uint32_t y);

#endif
