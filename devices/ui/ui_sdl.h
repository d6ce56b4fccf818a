/* SPDX-License-Identifier: MIT */
/*
 * Windows on the host's desktop, one for each output, and the keyboard and
 * pointer that are used in them. By SDL 2, for X11 and Wayland.
 *
 *     ui_sdl_create(&ui, loop, &params)	the loop now sleeps in us
 *     ui_sdl_set_sink(ui, gpu_sink(gpu)); gpu_set_display(gpu, ui_sdl_display(ui))
 *     ...
 *     ui_sdl_destroy(ui), after the card let go of it
 *
 * Keys while ctrl and alt are held: g takes and gives back keyboard and pointer,
 * f is full screen and back, i is whole multiples of the guest's pixels and back.
 *
 * All of it on the loop's thread, without any lock but where display.h says so.
 */
#ifndef MICROVM_UI_SDL_H
#define MICROVM_UI_SDL_H

#include "devices/ui/display.h"
#include "devices/ui/gl.h"
#include "devices/ui/input.h"
#include "devices/ui/picture.h"
#include "vmm/loop.h"

struct ui_sdl;

struct ui_sdl_params {
	const char *name;	/* the guest's, for titles; copied */
	unsigned n_outputs;	/* 1 ... DISPLAY_MAX_OUTPUTS, all of them with a window */
	uint32_t width, height;	/* of each at first */
	bool fullscreen;	/* at first; of as many as there are monitors */
	bool integer;		/* pictures are scaled by whole numbers only, at first */
	/*
	 * Pictures are on a GPU: windows are to be drawn by OpenGL, and share with
	 * ui_sdl_gl(). Where that is not to be had, a line in the log says so.
	 */
	bool gl;
	/*
	 * Where events go, by kind; a kind without event() is not there. Places go
	 * to the tablet; motion, once the pointer is taken, to the mouse; fingers
	 * to the touch screen, and without one they are a pointer.
	 */
	struct input_sink sinks[INPUT_HOST];
	void (*closed)(void *ctx, unsigned output);	/* the close button; or NULL */
	/* From a display_op: dma-bufs turned out not to be of use, pixels are shown; or NULL. */
	void (*no_dmabuf)(void *ctx);
	void *ctx;
};

/* Whether there seems to be a desktop, by the environment. */
bool ui_sdl_desktop(void);
/* 0; or negative errno and the reason, one line, in @why: no display, say, or no SDL. */
int ui_sdl_create(struct ui_sdl **out, struct loop *loop, const struct ui_sdl_params *params,
		  char *why, size_t len);
/* Every key is let go of, and no sink hears anything more. */
void ui_sdl_release(struct ui_sdl *ui);
/* The same, and windows and contexts go. NULL is legal. */
void ui_sdl_destroy(struct ui_sdl *ui);

struct display ui_sdl_display(struct ui_sdl *ui);
/* Before the first flush. */
void ui_sdl_set_sink(struct ui_sdl *ui, struct display_sink sink);
/* For the keyboard's lights: lock keys of the host and of the guest are kept in step. */
struct input_sink ui_sdl_feedback(struct ui_sdl *ui);

/* The close button was heard: titles say for a while what to do if that was not enough. */
void ui_sdl_closing(struct ui_sdl *ui);

/* Where contexts for the card come from, until the windows go; zeros: nowhere. */
struct gl_provider ui_sdl_gl(struct ui_sdl *ui);

/* Whether images that have dma-bufs, and no texture, can be drawn as they are. */
bool ui_sdl_takes_dmabufs(const struct ui_sdl *ui);

/* What windows were drawn with since the beginning. */
struct ui_sdl_counts {
	uint64_t textures;	/* frames that were drawn from the card's own texture or dma-buf */
	uint64_t uploads;	/* that rows of pixels were brought into a texture */
};
struct ui_sdl_counts ui_sdl_counts(const struct ui_sdl *ui);

/* Shows or hides the window of an output; the sink is not told. */
void ui_sdl_plug(struct ui_sdl *ui, unsigned output, bool on);
/* What output 0 ... DISPLAY_MAX_OUTPUTS - 1 shows. */
const struct picture *ui_sdl_picture(const struct ui_sdl *ui, unsigned output);

#endif
