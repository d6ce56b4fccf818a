/* SPDX-License-Identifier: MIT */
/*
 * An input device of the host given to the guest: capabilities and events one
 * way, LEDs, sounds and repeat the other, without a word of virtio. Force
 * feedback stays with the host (devices/ui/input.h).
 *
 * Who has it: with EVDEV_GRAB_ON the guest alone, with _TOGGLE the host at
 * first, and on either a chord of keys changes that; with _OFF both, always.
 * The chord is looked for before anything goes to the guest, which does not see
 * it; it works whatever the guest does, on any device of the set that has its
 * keys, and for all devices of the set that have the same chord. If the guest
 * has any of them, it loses them all.
 *
 * A device changes hands with no key down, so that neither side sees half a
 * keystroke. When the guest loses it, keys and touches are let go of towards
 * the guest at once, and the host gets it when the chord's keys are up, or
 * after EVDEV_RELEASE_NS if one does not come up.
 *
 * The grab is the kernel's and ends with the open file: with this process,
 * however it ends.
 *
 * Unplugged, the device stays with the guest, all keys up, and comes back when
 * the same one (bus, vendor, product, name, serial) is at its path again.
 *
 * Loop thread, or before the loop runs.
 */
#ifndef MICROVM_EVDEV_H
#define MICROVM_EVDEV_H

#include "devices/backend/evdev_node.h"
#include "devices/backend/keychord.h"
#include "vmm/loop.h"

#define EVDEV_CHORD "ctrl-alt-g"
#define EVDEV_RELEASE_NS 1000000000ull

enum evdev_grab { EVDEV_GRAB_ON, EVDEV_GRAB_OFF, EVDEV_GRAB_TOGGLE };

struct evdev;

/* Devices that share chords; zeroed is empty. Outlives them. */
struct evdev_set {
	struct evdev *first;
};

struct evdev_params {
	const char *path;
	enum evdev_grab grab;
	struct keychord chord;	/* unless EVDEV_GRAB_OFF */
	struct evdev_set *set;
	/* evdev_node_open(), or a test's. */
	int (*open)(struct evdev_node **out, const char *path, void *ctx);
	void *open_ctx;
};

/* Reads nothing yet. 0, or negative errno after one line in the log. */
int evdev_open(struct evdev **out, struct loop *loop, const struct evdev_params *params);
/* Lets go of everything and gives the device back. NULL is legal. */
void evdev_close(struct evdev *e);

/* What it is, also while it is unplugged. */
const struct input_caps *evdev_caps(const struct evdev *e);
const struct input_id *evdev_ids(const struct evdev *e);
const char *evdev_name(const struct evdev *e);
const char *evdev_uniq(const struct evdev *e);

/* Events go to @sink from now on. */
void evdev_start(struct evdev *e, const struct input_sink *sink);
/* Takes EV_LED, EV_SND and EV_REP for the device. */
struct input_sink evdev_feedback(struct evdev *e);

/* Whether it goes to the guest now; it may be on its way there, or be unplugged. */
bool evdev_is_guests(const struct evdev *e);

#endif
