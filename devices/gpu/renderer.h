/* SPDX-License-Identifier: MIT */
/*
 * Between virtio-gpu's protocol (virtio/gpu.c) and what makes pictures: software
 * that copies pixels (gpu_2d.c), or virglrenderer.
 *
 * The card decodes and checks commands, owns the table of resources with its
 * limits, backing memory and scanouts, and keeps every chain of the queue; a
 * renderer sees typed arguments that were copied out of guest memory, and no
 * descriptor. What the card has checked before a call: ids name live resources
 * and contexts of the right kind, counts and lengths are within their limits,
 * 2D rectangles lie within their resource, backing lies in RAM. What only the
 * renderer can judge (formats of 3D, command streams, boxes of mipmaps) it
 * refuses.
 *
 * Calls return 0 or a negative errno that becomes the answer to the guest:
 * -ENOMEM OUT_OF_MEMORY, -EINVAL INVALID_PARAMETER, -ENXIO
 * INVALID_CONTEXT_ID, -ENOENT INVALID_RESOURCE_ID, any other UNSPEC. A call
 * that failed has changed nothing. A NULL function: the renderer cannot do it,
 * the answer is UNSPEC; those without "may be NULL" are required.
 *
 * Threads: all on the card's loop thread, with the card's lock held. A renderer
 * calls fence_done() on that thread, from inside poll(), or for earlier ones from inside
 * fence(), and nowhere else.
 *
 * Fences: a guest's fence is a chain that the card has parked; it is known to
 * the renderer by the timeline (context and ring) and a number of the card's
 * own that grows by one a fence, whatever ids the guest uses (case 55). The
 * card answers each parked chain exactly once.
 */
#ifndef MICROVM_RENDERER_H
#define MICROVM_RENDERER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devices/ui/display.h"

#define GPU_CURSOR_SIZE 64	/* width and height (5.7.1) */

struct gpu_renderer;

enum gpu_resource_kind { GPU_RESOURCE_2D, GPU_RESOURCE_3D, GPU_RESOURCE_BLOB };

/* A piece of backing as the guest named it; where it is in this process is in gpu_resource.iov. */
struct gpu_backing {
	uint64_t gpa;
	uint32_t len;
};

/*
 * A resource: the card's entry, into which a renderer looks, and whose last
 * part is the renderer's own.
 */
struct gpu_resource {
	uint32_t id;			/* the guest's, not 0 */
	enum gpu_resource_kind kind;
	/* 2D and 3D; 0: a blob */
	uint32_t width, height;
	uint32_t format;		/* VIRTIO_GPU_FORMAT_..., or one of virgl's */
	/* a blob */
	uint32_t blob_mem, blob_flags;	/* VIRTIO_GPU_BLOB_... */
	uint64_t blob_id, blob_size;
	/* backing: guest memory, valid from attach() to detach() */
	struct gpu_backing *backing;
	unsigned n_backing;
	struct iovec *iov;		/* may have more pieces than backing: RAM has holes */
	unsigned n_iov;			/* 0: none attached */
	uint64_t backing_bytes;
	uint64_t host_bytes;		/* what it is charged for */

	/* the renderer's own */
	void *priv;
	struct iovec shadow;		/* gpu_2d: its pixels */

	/* the card's own */
	struct gpu_resource *next;	/* in its bucket of the table */
	bool mapped;			/* or about to be, by request map_seq, 0: it is */
	uint64_t map_seq, map_off;
	unsigned scanouts;		/* bit n: shown on output n */
	uint64_t contexts[4];		/* by bit: to which it is attached, by their slots */
	bool has_uuid;
	uint8_t uuid[16];
};

/* RESOURCE_CREATE_3D, with the names of virtio 1.3, 5.7.6.8. */
struct gpu_create_3d {
	uint32_t target, format, bind, width, height, depth;
	uint32_t array_size, last_level, nr_samples, flags;
};

struct gpu_box {
	uint32_t x, y, z, w, h, d;
};

/* Between backing and the host's copy. 2D: to the host, z 0, d 1, and the rest 0. */
struct gpu_transfer {
	bool to_host;
	uint32_t ctx_id;
	struct gpu_box box;
	uint64_t offset;		/* in the backing */
	uint32_t level, stride, layer_stride;
};

struct gpu_capset_info {
	uint32_t id, max_version, max_size;	/* at most GPU_MAX_CAPSET bytes */
};

/* What a scanout shows of a resource; all of it lies in the resource or the blob. */
struct gpu_scanout_view {
	struct display_rect rect;	/* within the picture */
	uint32_t width, height;		/* of the picture */
	uint32_t fourcc, stride;	/* 3D: 0, the renderer knows */
	uint64_t offset;		/* of the picture in the blob; 0 otherwise */
};

struct gpu_fence {
	uint32_t ctx_id;	/* 0: the timeline of the whole card */
	uint32_t ring_idx;	/* of a context; 0 ... 63 */
	uint64_t seq;		/* 1, 2, ... for the whole card */
};

/* A blob of host memory, for the guest to map. */
struct gpu_map {
	int fd;			/* the caller's to close */
	uint64_t offset, size;	/* bytes, whole pages */
	uint32_t info;		/* VIRTIO_GPU_MAP_CACHE_... */
};

struct gpu_renderer_ops {
	const char *name;
	/* VIRTIO_GPU_F_... bits that this renderer adds to those of 2D. */
	uint64_t (*features)(struct gpu_renderer *r);

	/* --- capability sets; NULL: none */
	unsigned (*n_capsets)(struct gpu_renderer *r);
	int (*capset_info)(struct gpu_renderer *r, unsigned index, struct gpu_capset_info *info);
	/* Fills @len bytes, the set's max_size; they are zeros before. */
	int (*capset)(struct gpu_renderer *r, uint32_t id, uint32_t version, void *buf, size_t len);

	/* --- resources: @res is filled in but for its backing */
	int (*create_2d)(struct gpu_renderer *r, struct gpu_resource *res);
	int (*create_3d)(struct gpu_renderer *r, struct gpu_resource *res,
			 const struct gpu_create_3d *args);	/* may be NULL */
	/*
	 * With res->iov when blob_mem is GUEST or HOST3D_GUEST, as if attached.
	 * @ctx_id: whose blob_id it is. NULL: blobs of guest memory only.
	 */
	int (*create_blob)(struct gpu_renderer *r, struct gpu_resource *res, uint32_t ctx_id);
	/* Detached, unmapped and shown nowhere any more. */
	void (*destroy_resource)(struct gpu_renderer *r, struct gpu_resource *res);
	/* res->iov came to be, or is about to go. May be NULL. */
	int (*attach)(struct gpu_renderer *r, struct gpu_resource *res);
	void (*detach)(struct gpu_renderer *r, struct gpu_resource *res);
	/*
	 * Pixels that the backing is too short for stay as they are (case 46).
	 * *@copied: bytes that a CPU moved, for statistics.
	 */
	int (*transfer)(struct gpu_renderer *r, struct gpu_resource *res,
			const struct gpu_transfer *t, uint64_t *copied);
	/*
	 * Memory of a blob that the guest is to see, HOST3D as a rule, as something that
	 * cannot shrink: a dma-buf, or a memfd with F_SEAL_SHRINK. unmap(): it is seen no
	 * more, soon; in between, destroy_resource() is not called. NULL: both. can_map():
	 * whether there are such blobs at all; NULL: there are.
	 */
	bool (*can_map)(struct gpu_renderer *r);
	int (*map)(struct gpu_renderer *r, struct gpu_resource *res, struct gpu_map *out);
	void (*unmap)(struct gpu_renderer *r, struct gpu_resource *res);

	/* --- contexts; NULL: none. @name: a C string. */
	/* @capset: one of those above; 0: what the renderer takes when it is not told. */
	int (*ctx_create)(struct gpu_renderer *r, uint32_t ctx_id, uint32_t capset,
			  const char *name);
	/* Its fences are answered already: what comes of them is of no interest. */
	void (*ctx_destroy)(struct gpu_renderer *r, uint32_t ctx_id);
	/* What is not attached to it yet; what is. */
	int (*ctx_attach)(struct gpu_renderer *r, uint32_t ctx_id, struct gpu_resource *res);
	int (*ctx_detach)(struct gpu_renderer *r, uint32_t ctx_id, struct gpu_resource *res);
	/* @commands: host memory, 4-byte aligned, @len a multiple of 4; may be changed in place. */
	int (*submit)(struct gpu_renderer *r, uint32_t ctx_id, void *commands, size_t len);

	/* --- fences */
	/*
	 * After all that was asked for on its timeline. 1: done already. 0: later,
	 * by gpu_renderer_host.fence_done(). NULL: everything is done when a
	 * function returns.
	 */
	int (*fence)(struct gpu_renderer *r, const struct gpu_fence *fence);
	/*
	 * Descriptor that becomes readable when poll() has something to do, -1: ask
	 * by a timer while a fence is open. poll() calls fence_done(). NULL when
	 * fence is.
	 */
	int (*poll_fd)(struct gpu_renderer *r);
	void (*poll)(struct gpu_renderer *r);

	/* --- scanouts */
	/*
	 * The surface of @view of @res for a display; what it points to lasts until
	 * the resource is destroyed or loses its backing, its pieces too. -ENOMEM,
	 * -EINVAL.
	 */
	int (*surface)(struct gpu_renderer *r, struct gpu_resource *res,
		       const struct gpu_scanout_view *view, struct display_surface *out);
	/* @rect of @res is about to be shown. May be NULL. */
	void (*flush)(struct gpu_renderer *r, struct gpu_resource *res,
		      const struct display_rect *rect);
	/*
	 * The pointer's image, GPU_CURSOR_SIZE squared pixels of ARGB8888, to @out.
	 * -EINVAL when the resource is of another size (case 51).
	 */
	int (*read_cursor)(struct gpu_renderer *r, struct gpu_resource *res, uint32_t *out);

	/* --- life */
	/* Contexts and resources are gone already; so are fences then, no fence_done() comes. */
	void (*reset)(struct gpu_renderer *r);
	void (*destroy)(struct gpu_renderer *r);
};

/* What a renderer calls. */
struct gpu_renderer_host {
	/* All fences of this timeline up to @fence->seq are done. */
	void (*fence_done)(void *ctx, const struct gpu_fence *fence);
	void *ctx;
};

/* The beginning of a renderer of any kind. */
struct gpu_renderer {
	const struct gpu_renderer_ops *ops;
	struct gpu_renderer_host host;	/* set by gpu_create() */
	uint64_t read_backs;		/* pictures or parts of them that were read from the GPU */
};

/* Whether a guest has a use for a region to map blobs into; false for NULL. */
static inline bool gpu_renderer_can_map(struct gpu_renderer *r)
{
	return r && r->ops->map && (!r->ops->can_map || r->ops->can_map(r));
}

/* The software renderer (gpu_2d.c). 0, or -ENOMEM. */
int gpu_2d_create(struct gpu_renderer **out);

#endif
