/* SPDX-License-Identifier: MIT */
/*
 * One display for two who have pictures: the graphics card of a seat, and a
 * framebuffer of the VMM's, such as a VGA card's. The framebuffer is on output 0 as
 * long as the card's driver shows nothing there; as soon as it does, the framebuffer
 * is told by its sink that its monitor is gone, plug(0, false), and that it is back when
 * the driver has switched its picture off, was reset or has gone with its guest.
 *
 * Loop thread. Each side calls and is called as display.h says.
 */
#ifndef MICROVM_MUX_H
#define MICROVM_MUX_H

#include "devices/ui/display.h"

enum mux_who { MUX_CARD, MUX_FRAMEBUFFER };

struct mux {
	struct display out;		/* ops NULL: nobody looks */
	struct display_sink sinks[2];	/* ops NULL: that one is not there */
	enum mux_who shown;		/* on output 0 */
	bool due;			/* a frame_done() for what is shown there */
};

/* The framebuffer has output 0. */
void mux_init(struct mux *m);

/* Where each draws. */
struct display mux_display(struct mux *m, enum mux_who who);
/* Who draws, or no longer. The framebuffer is told at once if it has no monitor. */
void mux_set_sink(struct mux *m, enum mux_who who, const struct display_sink *sink);

/* What shows it, while the card draws nothing; the framebuffer begins anew. NULL: nobody. */
void mux_set_display(struct mux *m, const struct display *display);
/* For that. */
struct display_sink mux_sink(struct mux *m);

#endif
