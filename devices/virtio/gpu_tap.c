/* SPDX-License-Identifier: MIT */
/*
 * What a recording (gpu/gpu_record.h) learns of the card: commands before they are
 * done, and the guest memory that they are about to read.
 */
#include <stdlib.h>

#include "devices/gpu/gpu_record.h"
#include "devices/gpu/virgl_stream.h"
#include "devices/virtio/gpu_impl.h"

/* --- memory that a command reads ------------------------------------------- */

/* Of the backing of @res, from byte @off on. */
static void gpu_tap_backing(struct gpu *g, const struct gpu_resource *res, uint64_t off,
			    uint64_t len)
{
	for (unsigned i = 0; i < res->n_backing && len; i++) {
		const struct gpu_backing *b = &res->backing[i];
		uint64_t piece = off < b->len ? MIN(len, b->len - off) : 0;

		if (piece)
			gpu_record_memory(g->record, g->v.mem, b->gpa + off, piece);
		off -= MIN(off, b->len);
		len -= piece;
	}
}

static void gpu_tap_all(struct gpu *g, uint32_t id)
{
	const struct gpu_resource *res = gpu_resource_find(g, id);

	if (res)
		gpu_tap_backing(g, res, 0, UINT64_MAX);
}

/* What is shown from where it is. */
static void gpu_tap_blob(struct gpu *g, uint32_t id)
{
	const struct gpu_resource *res = gpu_resource_find(g, id);

	if (res && res->kind == GPU_RESOURCE_BLOB)
		gpu_tap_backing(g, res, 0, UINT64_MAX);
}

static void gpu_tap_transfer_2d(struct gpu *g, const struct virtio_gpu_transfer_to_host_2d *c)
{
	const struct gpu_resource *res = gpu_resource_find(g, c->resource_id);

	/* The last row is shorter; all of it costs a page. */
	if (res && gpu_rect_fits(&c->r, res->width, res->height))
		gpu_tap_backing(g, res, c->offset, 4ull * res->width * c->r.height);
}

static void gpu_tap_transfer_3d(struct gpu *g, const struct virtio_gpu_transfer_host_3d *c)
{
	const struct gpu_resource *res = gpu_resource_find(g, c->resource_id);

	if (res)
		gpu_tap_backing(g, res, c->offset, UINT64_MAX);
}

struct stream_tap {
	struct gpu *g;
	uint32_t last;	/* resource */
};

/* Of many transfers in a row most are from one staging buffer. */
static void gpu_tap_stream_reads(void *ctx, uint32_t resource_id)
{
	struct stream_tap *t = ctx;

	if (resource_id != t->last)
		gpu_tap_all(t->g, resource_id);
	t->last = resource_id;
}

static void gpu_tap_submit(struct gpu *g, const void *bytes, size_t len)
{
	const struct virtio_gpu_cmd_submit *c = bytes;
	struct stream_tap t = { .g = g };

	virgl_stream_transfers((const uint32_t *)(c + 1), (len - sizeof(*c)) / 4,
			       gpu_tap_stream_reads, &t);
}

/* @bytes: all of the command, aligned as malloc() does. */
static void gpu_tap_reads(struct gpu *g, const void *bytes, size_t len)
{
	const union gpu_command *c = bytes;

	switch (c->hdr.type) {
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		gpu_tap_transfer_2d(g, &c->transfer_2d);
		break;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D:
		gpu_tap_transfer_3d(g, &c->transfer_3d);
		break;
	case VIRTIO_GPU_CMD_SUBMIT_3D:
		gpu_tap_submit(g, bytes, len);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
		gpu_tap_all(g, c->detach.resource_id);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		gpu_tap_blob(g, c->flush.resource_id);
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		gpu_tap_blob(g, c->set_scanout_blob.resource_id);
		break;
	case VIRTIO_GPU_CMD_UPDATE_CURSOR:
		gpu_tap_blob(g, c->cursor.resource_id);
		break;
	}
}

/* --- commands --------------------------------------------------------------- */

static void gpu_tap(struct gpu *g, enum gpu_queue q, const void *bytes, size_t len)
{
	const struct gpu_record_card card = {
		.renderer = g->renderer->ops->name,
		.n_outputs = g->n_outputs,
		.features = g->v.features,
		.mem = g->v.mem,
	};

	gpu_record_begin(g->record, &card);
	gpu_tap_reads(g, bytes, len);
	gpu_record_command(g->record, q, bytes, len);
}

void gpu_tap_control(struct gpu *g, const struct gpu_request *req, size_t size)
{
	size_t len = req->chain->readable;
	char *bytes;

	if (!gpu_record_active(g->record))
		return;
	bytes = malloc(len);
	if (!bytes)
		return;
	memcpy(bytes, &req->cmd, size);
	chain_read(req->chain, size, bytes + size, len - size);
	gpu_tap(g, GPU_CONTROLQ, bytes, len);
	free(bytes);
}

void gpu_tap_refused(struct gpu *g, uint32_t type)
{
	gpu_record_refused(g->record, type);
}

void gpu_tap_cursor(struct gpu *g, const struct virtio_gpu_update_cursor *c)
{
	if (gpu_record_active(g->record))
		gpu_tap(g, GPU_CURSORQ, c, sizeof(*c));
}
