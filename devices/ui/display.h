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

/* Row y of the picture begins at byte @offset + y * @stride of the pieces, one after the other. */
struct display_pixels {
	const struct iovec *pieces;	/* none of them empty */
	unsigned n_pieces;
	uint64_t offset;
	uint32_t stride;		/* bytes, at least width * 4 */
	/* Brings the pieces up to date before they are read; NULL: they are. Takes no lock. */
	void (*refresh)(void *ctx);
	void *refresh_ctx;
	/*
	 * Can be shown to another process as it is: there is one piece, which begins at
	 * byte @fd_offset of the memfd @fd, the card's, sealed against shrinking.
	 */
	bool shared;
	int fd;
	uint64_t fd_offset;
};

/* A whole image as file descriptors. Row y of plane p begins at offsets[p] + y * strides[p]. */
struct display_dmabuf {
	unsigned n_planes;		/* 1 ... DISPLAY_MAX_PLANES */
	int fds[DISPLAY_MAX_PLANES];	/* the card's, each may be there more than once */
	uint32_t offsets[DISPLAY_MAX_PLANES], strides[DISPLAY_MAX_PLANES];	/* bytes */
	uint32_t fourcc;		/* of <libdrm/drm_fourcc.h>; not always the surface's */
	uint64_t modifier;		/* DRM_FORMAT_MOD_..., _INVALID: the driver knows */
};

/*
 * Where a card draws on the GPU: the same picture there, as part of an image. It lasts
 * as long as the pixels do, and has by the time of a flush() what was drawn before it.
 */
struct display_image {
	uint32_t width, height;		/* of all of it; 0: there is none, the pixels are all */
	uint32_t x, y;			/* of the picture's top left corner, as the guest counts */
	bool flipped;			/* the image's first row in memory is the lowest one */
	uint32_t texture;		/* GL name in contexts of ui/gl.h; 0: none of those */
	/*
	 * The image as dma-bufs: exported at the first call, the same at every later one,
	 * and closed by the card. 0; -ENOTSUP, of this image for good, or another negative
	 * errno. Takes no lock. NULL: it has no dma-bufs.
	 */
	int (*dmabuf)(void *ctx, struct display_dmabuf *out);
	void *ctx;
};

/* Pixels can always be had; who has a use for the image should not look at them. */
struct display_surface {
	uint32_t fourcc;		/* of <libdrm/drm_fourcc.h>, 32 bits a pixel */
	uint32_t width, height;		/* of the picture, 1 ... DISPLAY_MAX_SIZE */
	struct display_pixels pixels;	/* all in range: checked by the card */
	struct display_image image;
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
