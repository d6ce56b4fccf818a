/* SPDX-License-Identifier: MIT */
/*
 * The software renderer. A classic resource has a host's copy of its pixels, to
 * which a transfer copies from guest memory, once; that copy is what displays
 * show. A blob has none: displays read the guest's pages.
 */
#include <errno.h>
#include <linux/virtio_gpu.h>
#include <stdlib.h>

#include "devices/gpu/gpu_2d.h"
#include "devices/iov.h"
#include "devices/ui/display_memory.h"
#include "devices/ui/surface.h"
#include "devices/virtio/gpu_proto.h"
#include "vmm/util.h"

#define CURSOR_BYTES (GPU_CURSOR_SIZE * GPU_CURSOR_SIZE * 4)
/* What may be a whole picture, and how many of them have a descriptor each. */
#define SHARED_BYTES (128 * KiB)
#define MAX_SHARED 64

struct gpu_2d {
	struct gpu_renderer base;
	bool shared;
	unsigned n_shared;		/* res->priv of so many is a display_memory */
};

static struct gpu_2d *gpu_2d_of(struct gpu_renderer *r)
{
	return container_of(r, struct gpu_2d, base);
}

/* False: it is to be memory like any other. */
static bool share(struct gpu_2d *g, struct gpu_resource *res, uint64_t bytes)
{
	struct display_memory *m;

	if (!g->shared || bytes < SHARED_BYTES || g->n_shared == MAX_SHARED)
		return false;
	m = malloc(sizeof(*m));
	if (!m || display_memory_create(m, bytes) < 0) {
		free(m);
		return false;
	}
	g->n_shared++;
	res->priv = m;
	res->shadow = (struct iovec){ m->map, bytes };
	return true;
}

static int gpu_2d_create_2d(struct gpu_renderer *r, struct gpu_resource *res)
{
	uint64_t bytes = gpu_image_bytes(res->width, res->height);

	if (share(gpu_2d_of(r), res, bytes))
		return 0;
	res->shadow.iov_len = bytes;
	/* Zeroed, and of large ones the host gives the pages when they are first written. */
	res->shadow.iov_base = calloc(1, res->shadow.iov_len);
	return res->shadow.iov_base ? 0 : -ENOMEM;
}

static void gpu_2d_destroy_resource(struct gpu_renderer *r, struct gpu_resource *res)
{
	struct gpu_2d *g = gpu_2d_of(r);

	/* Without that, it is another renderer's to say what it is. */
	if (g->shared && res->priv) {
		display_memory_close(res->priv);
		free(res->priv);
		res->priv = NULL;
		g->n_shared--;
	} else {
		free(res->shadow.iov_base);
	}
	res->shadow = (struct iovec){ 0 };
}

/* Rows lie in the backing as in the picture, the rectangle's first at the offset (5.7.6.8). */
static int gpu_2d_transfer(struct gpu_renderer *r, struct gpu_resource *res,
			   const struct gpu_transfer *t, uint64_t *copied)
{
	const size_t stride = 4ull * res->width;
	const struct iov_rows from = {
		.off = t->offset, .stride = stride, .len = 4ull * t->box.w, .rows = t->box.h,
	};
	char *to = (char *)res->shadow.iov_base + t->box.y * stride + 4ull * t->box.x;

	if (res->kind != GPU_RESOURCE_2D || !t->to_host || t->offset > res->backing_bytes)
		return -EINVAL;
	*copied = iov_read_rows(res->iov, res->n_iov, &from, to, stride);
	return 0;
}

static int gpu_2d_surface(struct gpu_renderer *r, struct gpu_resource *res,
			  const struct gpu_scanout_view *view, struct display_surface *out)
{
	bool blob = res->kind == GPU_RESOURCE_BLOB;

	if (blob && !res->n_iov)	/* its memory was taken away */
		return -EINVAL;
	*out = (struct display_surface){
		.fourcc = view->fourcc,
		.width = view->rect.width,
		.height = view->rect.height,
		.pixels = {
			.pieces = blob ? res->iov : &res->shadow,
			.n_pieces = blob ? res->n_iov : 1,
			.offset = view->offset + (uint64_t)view->rect.y * view->stride +
				  4ull * view->rect.x,
			.stride = view->stride,
		},
	};
	if (gpu_2d_of(r)->shared && res->priv) {
		const struct display_memory *m = res->priv;

		out->pixels.shared = true;
		out->pixels.fd = m->fd;
	}
	return 0;
}

/* A blob says nothing of its format or its size in pixels. */
static int gpu_2d_read_blob_cursor(const struct gpu_resource *res, uint32_t *out)
{
	const struct iov_rows from = { .stride = CURSOR_BYTES, .len = CURSOR_BYTES, .rows = 1 };
	uint64_t there = MIN(res->blob_size, res->n_iov ? res->backing_bytes : 0);

	if (there < CURSOR_BYTES)
		return -EINVAL;
	iov_read_rows(res->iov, res->n_iov, &from, out, CURSOR_BYTES);
	return 0;
}

static int gpu_2d_read_cursor(struct gpu_renderer *r, struct gpu_resource *res, uint32_t *out)
{
	if (res->kind == GPU_RESOURCE_BLOB)
		return gpu_2d_read_blob_cursor(res, out);
	if (res->width != GPU_CURSOR_SIZE || res->height != GPU_CURSOR_SIZE)
		return -EINVAL;
	surface_to_argb(gpu_fourcc(res->format), res->shadow.iov_base, out,
			GPU_CURSOR_SIZE * GPU_CURSOR_SIZE);
	return 0;
}

static void gpu_2d_reset(struct gpu_renderer *r)
{
}

static void gpu_2d_destroy(struct gpu_renderer *r)
{
	free(gpu_2d_of(r));
}

static const struct gpu_renderer_ops gpu_2d_ops = {
	.name = "2d",
	.create_2d = gpu_2d_create_2d,
	.destroy_resource = gpu_2d_destroy_resource,
	.transfer = gpu_2d_transfer,
	.surface = gpu_2d_surface,
	.read_cursor = gpu_2d_read_cursor,
	.reset = gpu_2d_reset,
	.destroy = gpu_2d_destroy,
};

static int create(struct gpu_renderer **out, bool shared)
{
	struct gpu_2d *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->base.ops = &gpu_2d_ops;
	g->shared = shared;
	*out = &g->base;
	return 0;
}

int gpu_2d_create(struct gpu_renderer **out)
{
	return create(out, false);
}

int gpu_2d_create_shared(struct gpu_renderer **out)
{
	return create(out, true);
}
