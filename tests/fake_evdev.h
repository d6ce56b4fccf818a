/* SPDX-License-Identifier: MIT */
/*
 * An input device of the host, played by a test: plugged in and pulled out,
 * typed on, looked at. And a sink that keeps what it is told. One thread.
 */
#ifndef MICROVM_TESTS_FAKE_EVDEV_H
#define MICROVM_TESTS_FAKE_EVDEV_H

#include "devices/backend/evdev_node.h"

#define FAKE_EVENTS 2048

/* What was said, to be taken from the front. */
struct fake_events {
	struct evdev_event list[FAKE_EVENTS];
	unsigned n;
};

struct input_sink fake_events_sink(struct fake_events *f);
/* The next one is this one, or the test has failed. */
void fake_events_expect(struct fake_events *f, uint16_t type, uint16_t code, int32_t value);
void fake_events_expect_sync(struct fake_events *f);
void fake_events_expect_none(const struct fake_events *f);

struct fake_evdev {
	/* what is at the path */
	int open_ret, grab_ret;
	struct input_caps caps;
	struct input_id ids;
	const char *name, *uniq;
	/* its state, which next() keeps up */
	struct input_state state;
	uint32_t leds;
	int32_t rep[REP_CNT];

	struct fake_events written;
	bool grabbed;
	unsigned opened, closed, grabs;
	int type_fd;		/* what is written to it is read by next(); -1: not open */
};

/* Nothing at the path: open_ret is -ENOENT. */
void fake_evdev_init(struct fake_evdev *f, const char *name);
void fake_evdev_finish(struct fake_evdev *f);
/* evdev_params.open; @ctx: the fake_evdev. */
int fake_evdev_open(struct evdev_node **out, const char *path, void *ctx);
void fake_evdev_send(struct fake_evdev *f, uint16_t type, uint16_t code, int32_t value);
/* A key with its packet. */
void fake_evdev_key(struct fake_evdev *f, uint16_t code, bool down);
void fake_evdev_unplug(struct fake_evdev *f);

#endif
