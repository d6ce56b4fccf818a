/* SPDX-License-Identifier: MIT */
/* What the files of ui_sdl share: windows, and the input that comes from them. */
#ifndef MICROVM_UI_SDL_IMPL_H
#define MICROVM_UI_SDL_IMPL_H

#include "devices/ui/ui_sdl.h"
#include "devices/ui/ui_sdl_lib.h"
#include "vmm/log.h"

struct ui_window {
	struct ui_sdl *ui;
	unsigned output;
	bool plugged;
	SDL_Window *window;
	SDL_Renderer *renderer;
	uint32_t id;

	struct picture picture;
	SDL_Texture *texture;		/* NULL: nothing to show */
	uint32_t fourcc, width, height;	/* of the texture */
	struct log_rate rate;
	SDL_Rect place;			/* of the picture, in pixels of the window */
	bool integer;			/* scaled by whole numbers only */

	bool cursor_known;		/* the guest has said something about its pointer */
	bool cursor_changed;		/* since the last frame */
	SDL_Cursor *cursor;
	SDL_Texture *cursor_texture;	/* for when the host's pointer is not to be seen */

	struct loop_timer frame;	/* armed while the window is to be drawn anew */
	uint64_t last_ns;		/* of the last frame */
	uint64_t period_ns;
	bool due;			/* a frame_done() */

	bool mode_changed;		/* the window may follow mode_... at the next frame */
	uint32_t mode_width, mode_height;
	int own_width, own_height;	/* the size that we gave the window */
	uint32_t asked_width, asked_height;	/* pixels that the guest was asked for */
	uint64_t asked_ns;		/* when the user changed that; 0: not yet */
	struct loop_timer resized;	/* armed while the user may be dragging */
};

/* A device of the guest that we send to. */
struct ui_source {
	bool there;
	struct input_sink sink;
	struct input_state state;
	struct input_wheel wheel;
};

/* A finger on the host's touch screen. */
struct ui_finger {
	bool down;
	SDL_TouchID screen;
	SDL_FingerID id;
	int32_t touch;			/* ABS_MT_TRACKING_ID */
	int32_t x, y;			/* 0 ... INPUT_ABS_MAX */
};

enum ui_lock { UI_NUM, UI_CAPS, UI_SCROLL, UI_LOCKS };

struct ui_input {
	struct ui_source keyboard, mouse, tablet, touch;
	struct ui_finger fingers[INPUT_TOUCH_SLOTS];	/* by slot of the touch screen */
	int32_t next_touch;		/* ABS_MT_TRACKING_ID */
	struct ui_window *focus;	/* of the keyboard; NULL: none */
	struct ui_window *over;		/* where the pointer is; NULL: in none */
	bool grabbed;
	unsigned swallowed;		/* scancode of a key that was ours, until it is up */
	bool moved;			/* not told yet, see input_flush() */
	int32_t dx, dy;			/* the mouse's */
	int32_t x, y;			/* the tablet's */
	bool lock_known[UI_LOCKS], lock_on[UI_LOCKS];	/* as the guest's lights say */
	bool lock_done[UI_LOCKS];	/* since the focus came */
	bool has_scroll;		/* the desktop knows a scroll lock */
	struct loop_work locks;
};

struct ui_sdl {
	struct ui_sdl_lib sdl;
	bool inited;
	struct loop *loop;
	char *name;
	void (*closed)(void *ctx, unsigned output);
	void *ctx;
	struct display_sink sink;
	struct loop_timer closing;	/* armed while closing again means more */
	int fd;				/* of the connection to the desktop; -1: not known */
	SDL_Cursor *arrow;
	struct ui_input input;
	unsigned n;
	struct ui_window windows[DISPLAY_MAX_OUTPUTS];
};

/* --- ui_sdl_window.c ----------------------------------------------------------------- */

/* 0 or negative errno; SDL_GetError() has the reason. */
int ui_window_init(struct ui_window *w, struct ui_sdl *ui, unsigned output,
		   const struct ui_sdl_params *params);
void ui_window_finish(struct ui_window *w);	/* zeroed is legal */
/* To be drawn at the next frame. */
void ui_window_touch(struct ui_window *w);
void ui_window_event(struct ui_window *w, const SDL_WindowEvent *e);
void ui_window_title(struct ui_window *w);
void ui_window_fullscreen(struct ui_window *w);
void ui_window_integer(struct ui_window *w);
/* Where in the picture the place (@x, @y) of the window is, in 1/65536 of its sides. */
void ui_window_locate(struct ui_window *w, int x, int y, int64_t *fx, int64_t *fy);
/* All of its textures are gone. */
void ui_window_reset(struct ui_window *w);
extern const struct display_ops ui_window_display_ops;

/* --- ui_sdl_cursor.c -------------------------------------------------------------------- */

/* Makes the images again when the guest's has changed. */
void ui_cursor_update(struct ui_window *w);
/* The host's pointer is what the window below it wants. */
void ui_cursor_show(struct ui_sdl *ui);
/* Draws it where the guest says, when the host's pointer is hidden. */
void ui_cursor_draw(struct ui_window *w);
void ui_cursor_finish(struct ui_window *w);

/* --- ui_sdl_input.c --------------------------------------------------------------------- */

void ui_input_init(struct ui_sdl *ui, const struct ui_sdl_params *params);
void ui_input_finish(struct ui_sdl *ui);
void ui_input_event(struct ui_sdl *ui, const SDL_Event *e);
/* Motion that was gathered so far. */
void ui_input_flush(struct ui_sdl *ui);
void ui_input_focus(struct ui_window *w, bool on);
/* Whether the host's pointer is hidden and only its motion counts. */
bool ui_input_relative(const struct ui_sdl *ui);
/* NULL: none of ours. */
struct ui_window *ui_input_window(struct ui_sdl *ui, uint32_t id);
/*
 * Of the pixel (@x, @y) of a window, on a device that spans all monitors: 0 ...
 * INPUT_ABS_MAX. False: there is nothing to point at.
 */
bool ui_input_place(struct ui_window *w, int x, int y, int32_t *ax, int32_t *ay);

/* --- ui_sdl_touch.c ---------------------------------------------------------------------- */

void ui_touch_init(struct ui_sdl *ui, const struct input_sink *sink);
void ui_touch_event(struct ui_sdl *ui, const SDL_TouchFingerEvent *e);
/* Every finger is lifted. */
void ui_touch_release(struct ui_sdl *ui);

#endif
