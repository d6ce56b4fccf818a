/* SPDX-License-Identifier: MIT */
/*
 * An open input device of the host: what evdev.c makes use of, and what a test
 * plays. Loop thread.
 */
#ifndef MICROVM_EVDEV_NODE_H
#define MICROVM_EVDEV_NODE_H

#include "devices/ui/input.h"

#define EVDEV_NAME_LEN 128

struct evdev_node;

struct evdev_event {
	uint16_t type, code;
	int32_t value;
};

struct evdev_node_ops {
	/*
	 * The next event: 1; 0 when there is none for now; -ENODEV when the device
	 * was pulled out, or another negative errno. After the kernel has dropped
	 * events, those that make the state good come instead, as packets.
	 */
	int (*next)(struct evdev_node *node, struct evdev_event *event);
	/* The state, after what next() has given: of keys, switches, axes, LEDs, repeat. */
	int32_t (*value)(struct evdev_node *node, uint16_t type, uint16_t code);
	int32_t (*slot_value)(struct evdev_node *node, unsigned slot, uint16_t code);
	/* The device is ours alone, until close() or the end of the process. 0 or negative errno. */
	int (*grab)(struct evdev_node *node, bool on);
	/* LEDs, sounds and repeat. */
	int (*write)(struct evdev_node *node, const struct evdev_event *event);
	void (*close)(struct evdev_node *node);
};

struct evdev_node {
	const struct evdev_node_ops *ops;
	int fd;			/* readable: next() */
	struct input_caps caps;
	struct input_id ids;
	char name[EVDEV_NAME_LEN], uniq[EVDEV_NAME_LEN];
};

/*
 * By libevdev. 0, or negative errno: -ENOTTY for what is no input device; -ENOPKG
 * after one line in the log when libevdev is not there.
 */
int evdev_node_open(struct evdev_node **out, const char *path, void *ctx);

#endif
