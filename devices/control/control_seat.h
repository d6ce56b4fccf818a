/* SPDX-License-Identifier: MIT */
/*
 * The commands of a control socket that are about pictures and input: what
 * microvm-gpu serves. Knows displays and input sinks, nothing of virtio.
 *
 *     control_seat_create(), with what there is
 *     control_create(&c, loop, control_seat_ops(), seat)
 *     ...
 *     control_destroy(), then control_seat_destroy()
 *
 * Loop thread, but for a thread a screenshot: pictures are encoded and written
 * there, from a copy, so that a file that takes its time holds up nobody.
 */
#ifndef MICROVM_CONTROL_SEAT_H
#define MICROVM_CONTROL_SEAT_H

#include "devices/control/control.h"
#include "devices/ui/display.h"
#include "devices/ui/input.h"
#include "devices/ui/picture.h"

/* Screenshots that are being written; the next one is refused. */
#define CONTROL_MAX_SHOTS 4

struct control_seat_params {
	unsigned n_outputs;	/* 0: no graphics card */
	struct display_sink sink;	/* the card's, for sizes and plugs */
	/* What an output below n_outputs shows. */
	const struct picture *(*picture)(void *ctx, unsigned output);
	void *ctx;
	struct input_sink keyboard, tablet, mouse;	/* without event(): there is none */
};

struct control_seat;

/* 0 or -ENOMEM. */
int control_seat_create(struct control_seat **out, struct loop *loop,
			const struct control_seat_params *params);
void control_seat_destroy(struct control_seat *s);	/* NULL is legal */
const struct control_ops *control_seat_ops(void);

#endif
