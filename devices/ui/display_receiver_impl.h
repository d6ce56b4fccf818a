/* SPDX-License-Identifier: MIT */
/* What the two directions of display_receiver share. */
#ifndef MICROVM_DISPLAY_RECEIVER_IMPL_H
#define MICROVM_DISPLAY_RECEIVER_IMPL_H

#include "devices/ui/display_memory.h"
#include "devices/ui/display_receiver.h"

/* What a surface points to. */
struct receiver_buffer {
	struct display_memory memory;	/* its pixels */
	struct iovec piece;
	struct display_dmabuf dmabuf;	/* n_planes 0: none */
};

struct receiver_output {
	bool unplugged;
	uint32_t mode_width, mode_height;

	bool shown;
	uint32_t width, height;		/* of the picture */
	struct receiver_buffer buffers[2];	/* the one that is shown, and the one to come */
	unsigned current;

	bool drawing;			/* the display owes a frame_done() */
	uint32_t serial;		/* of that FLUSH */

	/* To be sent, the latest of each. */
	bool send_done, send_configure, send_plug, send_close;
	struct display_output configure;
	bool plug;
};

/* The guest's device of a kind. */
struct receiver_input {
	struct display_receiver *r;
	struct input_state wanted;	/* as the user left it */
	struct input_state told;	/* as it will be when the packet has arrived */
	bool stuck;			/* the packet is full and does not go out */
	union display_msg packet;
};

struct display_receiver {
	struct loop *loop;
	struct loop_fd sock;
	struct display_receiver_params params;
	struct display display;
	struct display_receiver_stats stats;
	uint32_t flags;			/* our hello's */
	unsigned n_outputs;		/* 0: no hello yet */
	bool blocked;			/* the source does not read: wait for EPOLLOUT */
	bool broken;			/* nothing can be sent any more */
	bool send_control, control, send_no_dmabuf;
	struct display_packet packet;
	struct receiver_output outputs[DISPLAY_MAX_OUTPUTS];
	struct receiver_input inputs[INPUT_HOST];
};

/* --- display_receiver_send.c ---------------------------------------------------- */

void receiver_send_init(struct display_receiver *r);
void receiver_send_hello(struct display_receiver *r);
/* Whatever is to be sent, as far as the source reads. */
void receiver_send_all(struct display_receiver *r);
/* What FLUSH with the serial of @output asked for is to be seen. */
void receiver_done(struct display_receiver *r, unsigned output);

#endif
