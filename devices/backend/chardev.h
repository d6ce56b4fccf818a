/* SPDX-License-Identifier: MIT */
/*
 * The host's end of a character stream: what a serial port or a console port
 * is connected to. Kinds:
 *
 *     stdio           the terminal, with its escape keys, see term.h
 *     null            nothing
 *     file:PATH       output only; truncated at start
 *     pty, pty:LINK   a terminal for another program to open, whose name the log
 *                     tells; LINK becomes a symbolic link to it
 *     unix:PATH       a socket at which one client at a time is served
 *
 * At the last two somebody comes and goes: without them output is dropped. LINK
 * and PATH are removed at the end.
 *
 * Loop thread only, without the front end's lock held. Nothing blocks: a peer
 * that does not read makes chardev_write() accept less, and drained() says
 * when there is room again; a front end without room is not given input, which
 * stays in the host's pipe or terminal (case 97). Of a terminal a bounded
 * amount is read ahead, so that the escape keys work with a guest that hangs.
 */
#ifndef MICROVM_CHARDEV_H
#define MICROVM_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/loop.h"

struct term;
struct chardev;

/* The device's end. Called on the loop thread. */
struct chardev_front_ops {
	size_t (*room)(void *ctx);	/* bytes input() would take now */
	void (*input)(void *ctx, const uint8_t *data, size_t len);	/* len <= room() */
	void (*drained)(void *ctx);	/* after a short chardev_write(): try again */
	void (*brk)(void *ctx);		/* a line break from the terminal; may be NULL */
	void (*resized)(void *ctx);	/* chardev_size() may have changed; may be NULL */
	void (*connected)(void *ctx);	/* chardev_connected() may have; may be NULL */
};

/* The host's end; what chardev_open() makes, and tests/fake_chardev.h. */
struct chardev_ops {
	void (*attached)(struct chardev *chr);
	size_t (*write)(struct chardev *chr, const void *data, size_t len);
	void (*kick_input)(struct chardev *chr);
	/* Waits until write() takes more, @timeout_ms at most; NULL: it always does. */
	void (*wait)(struct chardev *chr, int timeout_ms);
	int (*size)(struct chardev *chr, unsigned *cols, unsigned *rows);	/* may be NULL */
	bool (*connected)(struct chardev *chr);	/* NULL: always */
	void (*close)(struct chardev *chr);
};

struct chardev {
	const struct chardev_ops *ops;
	const struct chardev_front_ops *front;	/* NULL: nobody is attached */
	void *front_ctx;
};

/* What is right instead, in a few words, when @spec is none of the kinds above; NULL: it is one. */
const char *chardev_check(const char *spec);
/* Where the path in @spec begins; NULL when there is none in it. */
const char *chardev_path(const char *spec);

/*
 * @spec as above; @term is what "stdio" stands for and outlives the chardev; it
 * can be opened once (-EBUSY). 0, or negative errno after one line in the log.
 */
int chardev_open(struct chardev **out, const char *spec, struct loop *loop, struct term *term);
void chardev_close(struct chardev *chr);	/* NULL is legal */
/* NULL as @ops detaches. Input begins here, and a terminal turns raw. */
void chardev_attach(struct chardev *chr, const struct chardev_front_ops *ops, void *ctx);

/* Bytes taken, 0..@len. A peer that is gone takes everything. */
size_t chardev_write(struct chardev *chr, const void *data, size_t len);
/*
 * For what a front end still holds when the guest has ended: writes it out even
 * if that means to wait for the peer, two seconds at most.
 */
void chardev_write_last(struct chardev *chr, const void *data, size_t len);
/* The front end has room again after it had none. */
void chardev_kick_input(struct chardev *chr);
/* Whether somebody is at the other end. */
bool chardev_connected(struct chardev *chr);
/* Of a terminal's window. 0, or -ENOTTY when there is none. */
int chardev_size(struct chardev *chr, unsigned *cols, unsigned *rows);

#endif
