/* SPDX-License-Identifier: MIT */
/*
 * The viewer's end of the display protocol (display_proto.h): what comes over a
 * socket is shown on a struct display, and what that display's sink is told
 * goes back. Knows nothing of windows or OpenGL.
 *
 *     display_receiver_create(&r, loop, fd, &params)
 *     params.hello(): make the display, display_receiver_set_display()
 *     ...
 *     params.gone(): display_receiver_destroy(), here or later
 *
 * The source is not trusted: what it says is checked, its memory cannot shrink,
 * and nothing waits for it. Descriptors that come along are closed when the next picture
 * comes, or at the end. Loop thread; all callbacks come from the loop.
 */
#ifndef MICROVM_DISPLAY_RECEIVER_H
#define MICROVM_DISPLAY_RECEIVER_H

#include "devices/ui/display_proto.h"
#include "devices/ui/input.h"
#include "vmm/loop.h"

struct display_receiver;

struct display_receiver_params {
	/*
	 * Who the source is, before anything else. What we answer: DISPLAY_HELLO_..., or
	 * a negative errno to end it, which gone() is then called with.
	 */
	int (*hello)(void *ctx, const struct display_msg_hello *hello);
	/* A monitor is plugged in, or out; all are in at first. May be NULL, as the rest. */
	void (*plug)(void *ctx, unsigned output, bool on);
	void (*control)(void *ctx, bool on);	/* we control from now on, or not */
	void (*closing)(void *ctx);		/* our CLOSE was heard */
	struct input_sink feedback;		/* lights of the keyboard */
	/*
	 * It has ended, every output is off: -ECONNRESET, the source has gone; -EPROTO, it
	 * sent nonsense; another negative errno.
	 */
	void (*gone)(void *ctx, int error);
	void *ctx;
};

struct display_receiver_stats {
	uint64_t frames;		/* FLUSH */
	uint64_t dmabufs, memories;	/* SCANOUT of either kind */
};

/* Takes @fd, a connected SOCK_SEQPACKET socket, even when that fails. 0 or negative errno. */
int display_receiver_create(struct display_receiver **out, struct loop *loop, int fd,
			    const struct display_receiver_params *params);
/* Switches off what it shows, if it shows anything. NULL is legal. */
void display_receiver_destroy(struct display_receiver *r);

/*
 * In hello(), or later: nothing is shown before. Surfaces of dma-bufs have an image and
 * black pixels. @display keeps to n_outputs of the hello.
 */
void display_receiver_set_display(struct display_receiver *r, const struct display *display);

/* For that display. */
struct display_sink display_receiver_sink(struct display_receiver *r);
/* For what the user does; when the source does not read, motion is lost and keys are not. */
struct input_sink display_receiver_input(struct display_receiver *r, enum input_kind kind);
/* A window's close button. */
void display_receiver_close(struct display_receiver *r, unsigned output);
void display_receiver_want_control(struct display_receiver *r, bool on);
/* Dma-bufs turned out not to be of use. */
void display_receiver_no_dmabuf(struct display_receiver *r);

const struct display_receiver_stats *display_receiver_stats(const struct display_receiver *r);

#endif
