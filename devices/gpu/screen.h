/* SPDX-License-Identifier: MIT */
/*
 * What a seat's card is looked at by: windows in which its keyboard and
 * pointers are used, other processes that have such windows, or nobody. Main
 * thread, which is the loop's. In this order:
 *
 *     the seat's keyboard and pointers are made
 *     screen_create()		windows, with OpenGL for the card
 *     the seat's card is made
 *     screen_connect()		what it shows is seen
 *     ...
 *     screen_disconnect()	before the seat goes
 *     screen_destroy()		after that
 */
#ifndef MICROVM_SCREEN_H
#define MICROVM_SCREEN_H

#include "devices/gpu/seat.h"
#include "devices/ui/gl.h"
#include "devices/ui/picture.h"

/* --display none|sdl|egl; without it, windows where there is a desktop for them. */
enum screen_mode { SCREEN_AUTO, SCREEN_NONE, SCREEN_SDL, SCREEN_EGL };

/* What windows are like at first. */
struct screen_look {
	bool fullscreen;	/* those that have a monitor to themselves */
	bool integer;		/* pictures are scaled by whole numbers only */
};

struct screen;

struct screen_params {
	enum screen_mode mode;
	/* SCREEN_EGL: where viewers find us, by the path or an inherited socket that listens;
	 * NULL: nobody looks */
	const struct seat_socket *viewers;
	const char *name;	/* of the guest; NULL: microvm */
	struct screen_look look;
	bool virgl;		/* the card draws by OpenGL */
	const struct gpu_params *gpu;	/* what a card is made with, or would be; not kept */
};

/* For a seat with a card or a framebuffer. 0, or negative errno after one line in the log. */
int screen_create(struct screen **out, struct loop *loop, struct seat *seat,
		  const struct screen_params *params);
/* Where the card's contexts are to come from; zeros: from where it likes. */
struct gl_provider screen_gl(struct screen *screen);
void screen_connect(struct screen *screen);
/* NULL is legal, here and below. */
void screen_disconnect(struct screen *screen);
void screen_destroy(struct screen *screen);

/* The card's sink, where a window comes and goes with its monitor. */
struct display_sink screen_sink(struct screen *screen);
/* Of output 0 ... DISPLAY_MAX_OUTPUTS - 1. */
const struct picture *screen_picture(const struct screen *screen, unsigned output);

#endif
