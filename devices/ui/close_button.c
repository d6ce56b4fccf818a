/* SPDX-License-Identifier: MIT */
#include "devices/ui/close_button.h"

enum close_wish close_button_press(struct close_button *b, uint64_t now_ns)
{
	uint64_t since = now_ns - b->pressed_ns;

	if (b->pressed_ns && since < CLOSE_BOUNCE_NS)
		return CLOSE_NOTHING;
	if (b->pressed_ns && since < CLOSE_AGAIN_NS)
		return CLOSE_STOP;
	b->pressed_ns = now_ns;
	return CLOSE_POWER;
}
