/* SPDX-License-Identifier: MIT */
/* What the files of ui_sdl share: windows, and the input that comes from them. */
#ifndef MICROVM_UI_SDL_IMPL_H
#define MICROVM_UI_SDL_IMPL_H

#include "devices/ui/gl_egl.h"
#include "devices/ui/ui_sdl.h"
#include "devices/ui/ui_sdl_lib.h"
#include "vmm/log.h"

struct ui_window {
	struct ui_sdl *ui;
	unsigned output;
	bool plugged;
	SDL_Window *window;
	uint32_t id;

	struct picture picture;
	bool showing;			/* the painter has the picture */
	uint32_t fourcc, width, height;	/* of what it has */
	struct log_rate rate;
	struct {
		SDL_Renderer *renderer;
		SDL_Texture *texture, *cursor;
	} soft;				/* ui_sdl_soft.c's */
	struct {
		unsigned texture, cursor;	/* GL names; 0: none */
		bool imported;			/* the texture is a dma-buf */
	} gl;				/* ui_sdl_gl.c's */
	SDL_Rect place;			/* of the picture, in pixels of the window */
	bool integer;			/* scaled by whole numbers only */

	bool cursor_known;		/* the guest has said something about its pointer */
	bool cursor_changed;		/* since the last frame */
	SDL_Cursor *cursor;

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

/* OpenGL that windows are drawn by, and that others draw with for them. */
struct ui_gl {
	struct gl_lib lib;
	struct gl_egl egl;
	SDL_GLContext context;		/* of all windows; NULL: there is none */
	unsigned framebuffer, vertices, program;
	int at;				/* the program's uniform */
	bool importable;		/* dma-bufs */
	bool apart;			/* the card is better off with its own */
};

struct ui_sdl {
	struct ui_sdl_lib sdl;
	bool inited;
	bool wants_gl;			/* OpenGL on this thread is the card's too */
	bool gl_failed;			/* and that was said */
	const struct ui_paint_ops *paint;
	struct ui_gl gl;
	struct ui_sdl_counts counts;
	struct loop *loop;
	char *name;
	void (*closed)(void *ctx, unsigned output);
	void (*no_dmabuf)(void *ctx);
	void *ctx;
	struct display_sink sink;
	struct loop_timer closing;	/* armed while closing again means more */
	int fd;				/* of the connection to the desktop; -1: not known */
	uint64_t settled_ns;		/* from when on SDL has said all that it knows */
	SDL_Cursor *arrow;
	struct ui_input input;
	unsigned n;
	struct ui_window windows[DISPLAY_MAX_OUTPUTS];
};

/*
 * How pictures get into windows: by SDL's renderer, which is given pixels, or by OpenGL,
 * which may have them already.
 */
struct ui_paint_ops {
	uint32_t flags;			/* SDL_WINDOW_... of its windows */
	/* 0, or negative errno; SDL_GetError() has the reason. */
	int (*begin)(struct ui_window *w);
	void (*finish)(struct ui_window *w);
	/* Pixels that the window has; 0: none at the moment. */
	void (*size)(struct ui_window *w, int *width, int *height);
	/*
	 * w->picture is to be shown; @same: in size and format as the one before, of
	 * which the coming upload()s change parts. False: there is no room for it.
	 */
	bool (*set)(struct ui_window *w, bool same);
	void (*upload)(struct ui_window *w, const struct display_rect *r);
	void (*drop)(struct ui_window *w);	/* there is no picture any more */
	/* The picture's pointer is to be ready to be drawn, or is none any more. */
	void (*cursor)(struct ui_window *w);
	/* The picture at w->place, and the pointer at @cursor if not NULL; 0, or -EIO for good. */
	int (*draw)(struct ui_window *w, const SDL_Rect *cursor);
};

extern const struct ui_paint_ops ui_soft_ops, ui_gl_ops;

/* --- ui_sdl.c ----------------------------------------------------------------------- */

/* OpenGL is no more: one line in the log, and windows are given pixels from now on. */
void ui_sdl_without_gl(struct ui_sdl *ui);

/* --- ui_sdl_gl.c -------------------------------------------------------------------- */

/* Before windows of ui_gl_ops are made. */
void ui_gl_prepare(const struct ui_sdl_lib *sdl);
/* Once there is one. 0, or negative errno and one line in @why. */
int ui_gl_open(struct ui_sdl *ui, char *why, size_t len);
void ui_gl_close(struct ui_sdl *ui);	/* after the windows; zeroed is legal */

/* --- ui_sdl_window.c ----------------------------------------------------------------- */

/* Not to be seen yet: it may be made again. 0 or negative errno; SDL_GetError() has the reason. */
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
/* Whether @bytes more of windows' textures are not too many. */
bool ui_window_fits(const struct ui_window *w, uint64_t bytes);
extern const struct display_ops ui_window_display_ops;

/* --- ui_sdl_cursor.c -------------------------------------------------------------------- */

/* Makes the images again when the guest's has changed. */
void ui_cursor_update(struct ui_window *w);
/* The guest's, not multiplied by alpha, DISPLAY_MAX_CURSOR squared at most; rows without gaps. */
void ui_cursor_straight(const struct picture *p, uint32_t *pixels);
/* The host's pointer is what the window below it wants. */
void ui_cursor_show(struct ui_sdl *ui);
/* Where it is to be drawn, when the host's pointer is hidden. False: nowhere. */
bool ui_cursor_place(struct ui_window *w, SDL_Rect *at);
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
