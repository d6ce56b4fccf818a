/* SPDX-License-Identifier: MIT */
/*
 * The host's end of a character stream: what a serial port or a console port
 * is connected to. Kinds: "stdio" (the terminal, with its escape keys, see
 * term.h), "null", "file:PATH" (output only, truncated at start).
 *
 * Loop thread only, without the front end's lock held. Nothing blocks: a peer
 * that does not read makes chardev_write() accept less, and drained() says
 * when there is room again; a front end without room is not given input, which
 * stays in the host's pipe or terminal (case 97).
 */
#ifndef MICROVM_CHARDEV_H
#define MICROVM_CHARDEV_H

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
};

/*
 * @spec as above; @term is what "stdio" stands for and outlives the chardev; it
 * can be opened once (-EBUSY). 0, or negative errno after one line in the log.
 */
int chardev_open(struct chardev **out, const char *spec, struct loop *loop, struct term *term);
/* Writes out what it can without waiting, then closes. NULL is legal. */
void chardev_close(struct chardev *chr);
void chardev_attach(struct chardev *chr, const struct chardev_front_ops *ops, void *ctx);

/* Bytes taken, 0..@len. A peer that is gone takes everything. */
size_t chardev_write(struct chardev *chr, const void *data, size_t len);
/* The front end has room again after it had none. */
void chardev_kick_input(struct chardev *chr);

#endif
