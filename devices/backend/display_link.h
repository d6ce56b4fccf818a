/* SPDX-License-Identifier: MIT */
/*
 * A screen for a device of this process, a VGA card or a framebuffer: what it draws
 * is shown by microvm-gpu, in whose memory it is mapped, not copied. The other end
 * is devices/gpu/framebuffer.h. Or, for an input device of this process, what
 * microvm-gpu's windows and control socket have for it: its other end is
 * devices/gpu/input_link.h.
 *
 *     gpu_process_add(process, GPU_PROCESS_FRAMEBUFFER, "")  before any dial
 *     display_link_create(&link, &params)
 *     display = display_link_display(link): set(), flush(), off() of output 0
 *     display_link_destroy(link)
 *
 * The surfaces' pixels are shared ones, of a memfd that is sealed against
 * shrinking. It is started when there is something to show, and once more when it
 * has died, and shows then what it ought to. When its graphics card's driver
 * has a picture of its own, the sink hears plug(0, false): nothing is shown
 * that is told in the meantime; plug(0, true), and the device begins with a set().
 * flush() is never answered by frame_done().
 *
 *     gpu_process_add(process, GPU_PROCESS_EVENTS, "keyboard")
 *     display_link_create(&link, &params) with its input
 *     lights: display_link_feedback(link)
 *
 * That one is started at once. What is held when it dies is let go.
 *
 * Main thread, which is the loop's.
 */
#ifndef MICROVM_DISPLAY_LINK_H
#define MICROVM_DISPLAY_LINK_H

#include "devices/ui/display.h"
#include "devices/ui/input.h"
#include "vmm/loop.h"

struct display_link;
struct gpu_process;

/* Where its connections come from, when that is not a gpu_process. */
struct display_link_source {
	int (*dial)(void *ctx);		/* a connected SOCK_SEQPACKET socket, or negative errno */
	void (*hung_up)(void *ctx);	/* one was lost */
	void *ctx;
};

/* A device that takes events. */
struct display_link_input {
	enum input_kind kind;
	struct input_sink sink;	/* called from the loop */
};

struct display_link_params {
	struct loop *loop;
	struct gpu_process *process;
	const struct display_link_source *source;	/* in its place, or NULL; kept */
	struct display_sink sink;	/* the device's; called from the loop. Its ops may be NULL */
	const struct display_link_input *input;	/* NULL: it has pictures; copied */
};

/* 0, or negative errno after one line in the log. */
int display_link_create(struct display_link **out, const struct display_link_params *params);
void display_link_destroy(struct display_link *link);	/* NULL is legal */

/*
 * What the device has to show ought to be seen, though its monitor is gone: if the
 * graphics card's driver has not drawn for a second, plug(0, true) follows.
 */
void display_link_insist(struct display_link *link);

/* Where the device of @input says what its lights are. Loop thread. */
struct input_sink display_link_feedback(struct display_link *link);

/* The pointer's image and place are ignored. */
struct display display_link_display(struct display_link *link);

#endif
