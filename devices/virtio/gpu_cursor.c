/* SPDX-License-Identifier: MIT */
/*
 * The cursor queue (virtio 1.3, 5.7.6.10). What a turn finds there is applied
 * in order, but only what is left at its end is shown: a guest that moves its
 * pointer a million times a second does not move the host's that often (case
 * 51). Commands that make no sense are dropped: nobody waits for an answer.
 */
#include <stdlib.h>

#include "devices/virtio/gpu_impl.h"

#define CURSOR_PIXELS (GPU_CURSOR_SIZE * GPU_CURSOR_SIZE)

static void gpu_cursor_command(struct gpu *g, const struct virtio_gpu_update_cursor *c)
{
	struct gpu_cursor *cursor;

	if (c->pos.scanout_id >= g->n_outputs)
		return;
	cursor = &g->outputs[c->pos.scanout_id].cursor;
	/* Left of or above the picture is a negative position. */
	cursor->x = (int32_t)c->pos.x;
	cursor->y = (int32_t)c->pos.y;
	cursor->move_due = true;
	if (c->hdr.type != VIRTIO_GPU_CMD_UPDATE_CURSOR)
		return;
	cursor->resource_id = c->resource_id;
	cursor->hot_x = MIN(c->hot_x, GPU_CURSOR_SIZE - 1u);
	cursor->hot_y = MIN(c->hot_y, GPU_CURSOR_SIZE - 1u);
	cursor->image_due = true;
}

/* Copies the image, so that the resource may go (case 49). */
static bool gpu_cursor_load(struct gpu *g, struct gpu_cursor *cursor)
{
	struct gpu_resource *res = gpu_resource_find(g, cursor->resource_id);

	if (!res)
		return false;
	if (!cursor->pixels)
		cursor->pixels = calloc(CURSOR_PIXELS, sizeof(*cursor->pixels));
	return cursor->pixels &&
	       g->renderer->ops->read_cursor(g->renderer, res, cursor->pixels) == 0;
}

static void gpu_cursor_tell_image(struct gpu *g, unsigned n)
{
	const struct gpu_cursor *cursor = &g->outputs[n].cursor;
	const struct display_cursor image = {
		.width = GPU_CURSOR_SIZE,
		.height = GPU_CURSOR_SIZE,
		.hot_x = cursor->hot_x,
		.hot_y = cursor->hot_y,
		.pixels = cursor->pixels,
	};

	if (g->display.ops)
		g->display.ops->cursor(g->display.ctx, n, cursor->visible ? &image : NULL);
}

static void gpu_cursor_tell_position(struct gpu *g, unsigned n)
{
	const struct gpu_cursor *cursor = &g->outputs[n].cursor;

	if (g->display.ops)
		g->display.ops->cursor_move(g->display.ctx, n, cursor->x, cursor->y);
}

void gpu_cursor_tell(struct gpu *g, unsigned n)
{
	gpu_cursor_tell_position(g, n);
	gpu_cursor_tell_image(g, n);
}

void gpu_cursor_hide(struct gpu *g, unsigned n)
{
	struct gpu_cursor *cursor = &g->outputs[n].cursor;
	bool was_visible = cursor->visible;

	free(cursor->pixels);
	*cursor = (struct gpu_cursor){ 0 };
	if (was_visible)
		gpu_cursor_tell_image(g, n);
}

/* An image that cannot be had leaves the one before (case 51). */
static void gpu_cursor_apply(struct gpu *g, unsigned n)
{
	struct gpu_cursor *cursor = &g->outputs[n].cursor;
	bool new_image = cursor->image_due &&
			 (!cursor->resource_id || gpu_cursor_load(g, cursor));

	if (cursor->move_due)
		gpu_cursor_tell_position(g, n);
	if (new_image) {
		cursor->visible = cursor->resource_id;
		gpu_cursor_tell_image(g, n);
	}
	cursor->image_due = cursor->move_due = false;
}

static void gpu_cursor_chain(struct gpu *g, struct virtq_chain *chain)
{
	struct virtio_gpu_update_cursor c = { 0 };
	size_t size = sizeof(c.hdr), got = chain_read(chain, 0, &c, sizeof(c));
	uint32_t type = VIRTIO_GPU_RESP_ERR_UNSPEC;
	struct virtio_gpu_ctrl_hdr answer;

	if (got < size)
		c = (struct virtio_gpu_update_cursor){ 0 };
	size = gpu_command_size(GPU_CURSORQ, c.hdr.type);
	if (size && got >= size) {
		gpu_tap_cursor(g, &c);
		gpu_cursor_command(g, &c);
		type = VIRTIO_GPU_RESP_OK_NODATA;
	}
	answer = gpu_answer_header(&c.hdr, type);
	virtq_push(virtio_queue(&g->v, GPU_CURSORQ), chain,
		   chain_write(chain, 0, &answer, sizeof(answer)));
}

void gpu_cursor_notify(struct gpu *g)
{
	unsigned left = GPU_TURN_CURSORS;
	struct virtq_chain *chain;

	while (left && (chain = virtio_pop(&g->v, GPU_CURSORQ))) {
		gpu_cursor_chain(g, chain);
		left--;
	}
	for (unsigned i = 0; i < g->n_outputs; i++)
		gpu_cursor_apply(g, i);
	virtio_signal(&g->v, GPU_CURSORQ);
	if (!left)
		virtio_kick(&g->v, GPU_CURSORQ);
}
