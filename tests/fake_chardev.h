/* SPDX-License-Identifier: MIT */
/*
 * The host's end of a character stream, played by a test: what the front end
 * wrote is kept, and how much is taken is set. One thread.
 */
#ifndef MICROVM_TESTS_FAKE_CHARDEV_H
#define MICROVM_TESTS_FAKE_CHARDEV_H

#include "devices/backend/chardev.h"

#define FAKE_CHARDEV_MAX 65536

struct fake_chardev {
	struct chardev chr;
	char out[FAKE_CHARDEV_MAX];
	size_t out_len;
	size_t appetite;	/* bytes that write() takes until this is set anew */
	unsigned writes, kicks, waits;
	size_t wait_gives;	/* appetite after wait() */
	bool was_short;		/* a write was; fake_chardev_drain() is due */
	bool away;		/* nobody is at its other end */
	void (*on_write)(void *arg);	/* what happens meanwhile; may be NULL */
	void *on_write_arg;
};

/* Takes everything. */
void fake_chardev_init(struct fake_chardev *f);
/* Types @len bytes, as many as there is room for; how many that were. */
size_t fake_chardev_type(struct fake_chardev *f, const void *data, size_t len);
/* Takes @n more bytes and says so if somebody waits for it. */
void fake_chardev_drain(struct fake_chardev *f, size_t n);
/* Somebody comes or leaves, and the front end is told. */
void fake_chardev_connect(struct fake_chardev *f, bool here);

#endif
