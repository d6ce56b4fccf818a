/* SPDX-License-Identifier: MIT */
/*
 * Keys that are held together, by their names: "ctrl-alt-g", "leftmeta-f12",
 * "scrolllock". A name is the kernel's (linux/input-event-codes.h) without KEY_
 * and in any case; a button has its whole name, BTN_SIDE. ctrl, alt, shift and
 * meta (or super) are either of the two keys.
 */
#ifndef MICROVM_KEYCHORD_H
#define MICROVM_KEYCHORD_H

#include "devices/ui/input.h"

#define KEYCHORD_MAX 5
#define KEYCHORD_WHY 160

struct keychord {
	unsigned n;
	uint16_t keys[KEYCHORD_MAX][2];	/* either one does; the same twice for a single one */
};

/*
 * 0; -EINVAL and the reason in @why, with the nearest name for one that there
 * is not; -ENOENT after one line in the log when libevdev is not there.
 */
int keychord_parse(struct keychord *c, const char *text, char why[KEYCHORD_WHY]);
/* Whether @code going down, already in @s, makes it complete. */
bool keychord_completed(const struct keychord *c, const struct input_state *s, unsigned code);
/* Whether one of its keys is down. */
bool keychord_any_down(const struct keychord *c, const struct input_state *s);

#endif
