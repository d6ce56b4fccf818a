/* SPDX-License-Identifier: MIT */
/*
 * Between a graphics card and what shows its pictures: windows (SDL), nothing
 * (ui_null), a viewer, later a VGA card's pictures. Neither side knows what the
 * other is made of.
 *
 *     card (virtio/gpu.c) --- struct display: mode, set, flush, cursor ---> shows them
 *     card                <-- struct display_sink: size, plug, frames --- display
 *
 * An *output* is a connector of the card, numbered from 0, with a monitor (a
 * window) or without. A *surface* is the picture that an output scans out.
 *
 * Threads: both sides live on one loop thread, and every call is made on it. A
 * card calls with its own lock held: a display never calls its sink from inside
 * a display_op, but later, from the loop. Order for one output: mode() when the
 * size changes, set(), any number of flush(), set() again or off().
 *
 * Ownership: a surface belongs to the card. What it points to stays valid and
 * readable from set() until the next set() or off() of that output returns; a
 * display that wants to keep the picture beyond copies it. The guest may
 * rewrite pixels at any time: they are looked at, never trusted.
 */
#ifndef MICROVM_DISPLAY_H
#define MICROVM_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define DISPLAY_MAX_OUTPUTS 16	/* VIRTIO_GPU_MAX_SCANOUTS */
/* Width and height of a surface; what SDL, GL and PNG writers can be given unasked. */
#define DISPLAY_MAX_SIZE 16384
#define DISPLAY_MAX_CURSOR 64	/* width and height of the pointer's image */
#define DISPLAY_MAX_PLANES 4

struct display_rect {
	uint32_t x, y, width, height;
};

enum display_kind {
	DISPLAY_PIXELS,		/* memory of this process or of the guest */
	DISPLAY_TEXTURE,	/* a GL texture of the process's shared contexts */
	DISPLAY_DMABUF,		/* for who has no GL context of ours */
};

/* Row y of the picture begins at byte @offset + y * @stride of the pieces, one after the other. */
struct display_pixels {
	const struct iovec *pieces;	/* none of them empty */
	unsigned n_pieces;
	uint64_t offset;
	uint32_t stride;		/* bytes, at least width * 4 */
	/* Brings the pieces up to date before they are read; NULL: they are. Takes no lock. */
	void (*refresh)(void *ctx);
	void *refresh_ctx;
};

struct display_texture {
	uint32_t id;			/* GL name */
	uint32_t width, height;		/* of the whole texture */
	uint32_t x, y;			/* of the picture in it */
	bool y_0_top;			/* row 0 is the top one */
};

struct display_dmabuf {
	int fds[DISPLAY_MAX_PLANES];	/* the card's */
	uint32_t offsets[DISPLAY_MAX_PLANES], strides[DISPLAY_MAX_PLANES];
	unsigned n_planes;
	uint64_t modifier;		/* DRM_FORMAT_MOD_... */
	uint32_t width, height;		/* of the whole buffer */
	uint32_t x, y;			/* of the picture in it */
	bool y_0_top;
};

struct display_surface {
	enum display_kind kind;
	uint32_t fourcc;		/* of <libdrm/drm_fourcc.h>, 32 bits a pixel */
	uint32_t width, height;		/* of the picture, 1 ... DISPLAY_MAX_SIZE */
	union {
		struct display_pixels pixels;	/* all in range: checked by the card */
		struct display_texture texture;
		struct display_dmabuf dmabuf;
	};
};

/*
 * The pointer's image: DRM_FORMAT_ARGB8888, alpha premultiplied, rows without
 * gaps. The hot spot lies within it. Copied by the display during the call.
 */
struct display_cursor {
	uint32_t width, height;		/* 1 ... DISPLAY_MAX_CURSOR */
	uint32_t hot_x, hot_y;
	const uint32_t *pixels;
};

struct display_ops {
	/*
	 * The guest's mode on @output is now @width x @height: a window may want to
	 * follow. Before the set() that brings the picture. May be NULL.
	 */
	void (*mode)(void *ctx, unsigned output, uint32_t width, uint32_t height);
	/*
	 * @surface, of which the struct itself is copied, is the picture from now on.
	 * When it has the size and format of the one before, a guest that flips between
	 * buffers, what the following flushes leave out looks as it did; else all of
	 * it is new.
	 */
	void (*set)(void *ctx, unsigned output, const struct display_surface *surface);
	/*
	 * @damage, not empty and within the surface, has changed. True: the display
	 * will call the sink's frame_done() once this is on the screen, and the
	 * guest's flush is answered then, which paces it; several flushes may be
	 * answered by one frame_done(). False: answered at once.
	 */
	bool (*flush)(void *ctx, unsigned output, const struct display_rect *damage);
	/* No picture any more, nor a frame_done() due for it. */
	void (*off)(void *ctx, unsigned output);
	/* A new image, shown where the pointer is; NULL hides it. */
	void (*cursor)(void *ctx, unsigned output, const struct display_cursor *cursor);
	/* The image's top left corner; partly or wholly outside is legal. */
	void (*cursor_move)(void *ctx, unsigned output, int32_t x, int32_t y);
};

struct display {
	const struct display_ops *ops;
	void *ctx;
};

/* What a monitor is like. A 0 leaves a field as it is. */
struct display_output {
	uint32_t width, height;		/* pixels that it would like to show */
	uint32_t width_mm, height_mm;	/* 0 when the size changes: as of 96 dots an inch */
	uint32_t refresh_mhz;		/* thousandths of a hertz; 60000 until told */
};

struct display_sink_ops {
	/* The monitor changed, a window was resized: the guest is asked for such a mode. */
	void (*configure)(void *ctx, unsigned output, const struct display_output *what);
	/* A monitor was connected to, or taken from, @output. */
	void (*plug)(void *ctx, unsigned output, bool on);
	/* All that was flushed so far is on the screen: see flush(). */
	void (*frame_done)(void *ctx, unsigned output);
};

/* All calls without any lock held; an @output that the card has not is ignored. */
struct display_sink {
	const struct display_sink_ops *ops;
	void *ctx;
};

#endif
