/* SPDX-License-Identifier: MIT */
/*
 * One display for two who have pictures: the graphics card of a seat, and a
 * framebuffer of the VMM's, such as a VGA card's. The framebuffer is on output 0 as
 * long as the card's driver shows nothing there; as soon as it does, the framebuffer
 * is told by its sink that its monitor is gone, plug(0, false), and that it is back when
 * the driver has switched its picture off, was reset or has gone with its guest.
 *
 * A guest may crash, or start another kernel, without a word to its driver, and say why in
 * VGA's text mode: a framebuffer that insists gets the output from a driver that has
 * not drawn for a second, until that draws again.
 *
 * Loop thread. Each side calls and is called as display.h says.
 */
#ifndef MICROVM_MUX_H
#define MICROVM_MUX_H

#include "devices/ui/display.h"
#include "vmm/loop.h"

#define MUX_SILENCE_NS 1000000000ull

enum mux_who { MUX_CARD, MUX_FRAMEBUFFER };

struct mux {
	struct display out;		/* ops NULL: nobody looks */
	struct display_sink sinks[2];	/* ops NULL: that one is not there */
	enum mux_who shown;		/* on output 0 */
	bool due;			/* a frame_done() for what is shown there */
	uint32_t width, height;		/* the last mode() there */
	bool has_framebuffer;		/* what is shown there is a picture of its */
	bool has_card;			/* the card has a picture for output 0: */
	struct display_surface card;
	struct loop *loop;
	struct loop_timer silence;	/* while the framebuffer insists */
	uint64_t drawn_ns;		/* when the card last drew there */
};

/* The framebuffer has output 0. */
void mux_init(struct mux *m, struct loop *loop);
void mux_finish(struct mux *m);

/* Where each draws. */
struct display mux_display(struct mux *m, enum mux_who who);
/* Who draws, or no longer. The framebuffer is told at once if it has no monitor. */
void mux_set_sink(struct mux *m, enum mux_who who, const struct display_sink *sink);

/* The framebuffer has something that ought to be seen. */
void mux_insist(struct mux *m);

/* What shows it, while the card draws nothing; the framebuffer begins anew. NULL: nobody. */
void mux_set_display(struct mux *m, const struct display *display);
/* For that. */
struct display_sink mux_sink(struct mux *m);

#endif
