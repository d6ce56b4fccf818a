/* SPDX-License-Identifier: MIT */
/*
 * 3D (virtio 1.3, 5.7.6.9): contexts, which are programs of the guest that draw,
 * their commands, and the resources that they draw with. What commands and
 * transfers mean is the renderer's matter.
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/virtio/gpu_impl.h"

/* --- contexts ------------------------------------------------------------- */

static struct gpu_context **gpu_context_find(struct gpu *g, uint32_t id)
{
	struct gpu_context **p = &g->contexts[id % GPU_CONTEXT_BUCKETS];

	while (*p && (*p)->id != id)
		p = &(*p)->next;
	return p;
}

bool gpu_context_exists(const struct gpu *g, uint32_t id)
{
	return *gpu_context_find((struct gpu *)g, id);
}

static bool gpu_has_capset(struct gpu *g, uint32_t id)
{
	const struct gpu_renderer_ops *ops = g->renderer->ops;
	struct gpu_capset_info info;

	for (unsigned i = 0; i < gpu_n_capsets(g); i++)
		if (ops->capset_info(g->renderer, i, &info) == 0 && info.id == id)
			return true;
	return false;
}

/* Of what capability set a context is, *@capset; false: of one that is not there. */
static bool gpu_context_capset(struct gpu *g, uint32_t init, uint32_t *capset)
{
	*capset = 0;
	if (!virtio_has_feature(&g->v, VIRTIO_GPU_F_CONTEXT_INIT))
		return true;
	*capset = init & VIRTIO_GPU_CONTEXT_INIT_CAPSET_ID_MASK;
	return init == *capset && (!*capset || gpu_has_capset(g, *capset));
}

/* There are not GPU_MAX_CONTEXTS yet. */
static unsigned gpu_context_slot(const struct gpu *g)
{
	unsigned i = 0;

	while (!~g->context_slots[i])
		i++;
	return 64 * i + __builtin_ctzll(~g->context_slots[i]);
}

static int gpu_context_make(struct gpu *g, uint32_t id, uint32_t capset, const char *name)
{
	struct gpu_context **p = gpu_context_find(g, id), *ctx = calloc(1, sizeof(*ctx));
	int ret = -ENOMEM;

	if (ctx)
		ret = g->renderer->ops->ctx_create(g->renderer, id, capset, name);
	if (ret < 0) {
		free(ctx);
		return ret;
	}
	ctx->id = id;
	ctx->slot = gpu_context_slot(g);
	g->context_slots[ctx->slot / 64] |= BIT(ctx->slot % 64);
	*p = ctx;
	g->usage.contexts++;
	return 0;
}

GPU_HANDLER(gpu_ctx_create)
{
	const struct virtio_gpu_ctx_create *c = &req->cmd.ctx_create;
	char name[sizeof(c->debug_name) + 1] = "";
	uint32_t capset;

	if (!c->hdr.ctx_id || gpu_context_exists(g, c->hdr.ctx_id))
		return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
	if (c->nlen > sizeof(c->debug_name) ||
	    !gpu_context_capset(g, c->context_init, &capset))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	if (!g->renderer->ops->ctx_create)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	if (g->usage.contexts >= GPU_MAX_CONTEXTS)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	memcpy(name, c->debug_name, c->nlen);
	gpu_spend(g, GPU_CONTEXT_WORK);
	return gpu_answer_type(gpu_context_make(g, c->hdr.ctx_id, capset, name));
}

static void gpu_context_destroy(struct gpu *g, struct gpu_context **p)
{
	struct gpu_context *ctx = *p;

	*p = ctx->next;
	g->context_slots[ctx->slot / 64] &= ~BIT(ctx->slot % 64);
	gpu_resource_forget_context(g, ctx->slot);
	g->usage.contexts--;
	gpu_park_context(g, ctx->id);
	g->renderer->ops->ctx_destroy(g->renderer, ctx->id);
	free(ctx);
}

GPU_HANDLER(gpu_ctx_destroy)
{
	struct gpu_context **p = gpu_context_find(g, req->cmd.hdr.ctx_id);

	if (!*p)
		return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
	gpu_spend(g, GPU_CONTEXT_WORK);
	gpu_context_destroy(g, p);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

void gpu_context_destroy_all(struct gpu *g)
{
	for (unsigned i = 0; i < GPU_CONTEXT_BUCKETS; i++)
		while (g->contexts[i])
			gpu_context_destroy(g, &g->contexts[i]);
}

/* A resource that a command of a context names: *@res, or the answer that there is none. */
static uint32_t gpu_context_resource(struct gpu *g, uint32_t ctx_id, uint32_t resource_id,
				     struct gpu_resource **res)
{
	*res = gpu_resource_find(g, resource_id);
	if (!gpu_context_exists(g, ctx_id))
		return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
	return *res ? VIRTIO_GPU_RESP_OK_NODATA : VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
}

/* Once, however often the guest says it: virglrenderer 0.10 keeps a list. */
static uint32_t gpu_ctx_resource(struct gpu *g, const struct virtio_gpu_ctx_resource *c, bool on)
{
	const struct gpu_renderer_ops *ops = g->renderer->ops;
	struct gpu_resource *res;
	uint32_t type = gpu_context_resource(g, c->hdr.ctx_id, c->resource_id, &res);
	unsigned slot;
	int ret;

	if (type != VIRTIO_GPU_RESP_OK_NODATA)
		return type;
	slot = (*gpu_context_find(g, c->hdr.ctx_id))->slot;
	if (on == (res->contexts[slot / 64] >> slot % 64 & 1))
		return VIRTIO_GPU_RESP_OK_NODATA;
	ret = (on ? ops->ctx_attach : ops->ctx_detach)(g->renderer, c->hdr.ctx_id, res);
	if (ret == 0)
		res->contexts[slot / 64] ^= BIT(slot % 64);
	return gpu_answer_type(ret);
}

GPU_HANDLER(gpu_ctx_attach)
{
	return gpu_ctx_resource(g, &req->cmd.ctx_resource, true);
}

GPU_HANDLER(gpu_ctx_detach)
{
	return gpu_ctx_resource(g, &req->cmd.ctx_resource, false);
}

/* --- resources ------------------------------------------------------------ */

GPU_HANDLER(gpu_resource_create_3d)
{
	const struct virtio_gpu_resource_create_3d *c = &req->cmd.create_3d;
	const struct gpu_create_3d args = {
		.target = c->target, .format = c->format, .bind = c->bind, .width = c->width,
		.height = c->height, .depth = c->depth, .array_size = c->array_size,
		.last_level = c->last_level, .nr_samples = c->nr_samples, .flags = c->flags,
	};
	bool valid = gpu_create_3d_valid(c);
	uint64_t bytes = valid ? gpu_create_3d_bytes(c) : 0;
	uint32_t type = gpu_resource_admit(g, c->resource_id, bytes, GPU_MAX_3D_RESOURCE_BYTES);
	struct gpu_resource *res;

	if (type != VIRTIO_GPU_RESP_OK_NODATA)
		return type;
	if (!valid)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	if (!g->renderer->ops->create_3d)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	res = gpu_resource_new(c->resource_id, GPU_RESOURCE_3D, bytes);
	if (!res)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	res->width = c->width;
	res->height = c->height;
	res->format = c->format;
	gpu_spend(g, bytes / 10);
	return gpu_resource_settle(g, res, g->renderer->ops->create_3d(g->renderer, res, &args));
}

static uint32_t gpu_transfer_3d(struct gpu *g, const struct virtio_gpu_transfer_host_3d *c,
				bool to_host)
{
	const struct gpu_transfer t = {
		.to_host = to_host,
		.ctx_id = c->hdr.ctx_id,
		.box = { c->box.x, c->box.y, c->box.z, c->box.w, c->box.h, c->box.d },
		.offset = c->offset,
		.level = c->level,
		.stride = c->stride,
		.layer_stride = c->layer_stride,
	};
	struct gpu_resource *res;
	uint32_t type = gpu_context_resource(g, c->hdr.ctx_id, c->resource_id, &res);
	uint64_t copied = 0;
	int ret;

	if (type != VIRTIO_GPU_RESP_OK_NODATA)
		return type;
	/* Between what and what (case 69). */
	if (!res->n_iov || t.offset > res->backing_bytes)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	ret = g->renderer->ops->transfer(g->renderer, res, &t, &copied);
	g->stats.bytes_copied += copied;
	gpu_spend(g, copied);
	return gpu_answer_type(ret);
}

GPU_HANDLER(gpu_transfer_to_host_3d)
{
	return gpu_transfer_3d(g, &req->cmd.transfer_3d, true);
}

GPU_HANDLER(gpu_transfer_from_host_3d)
{
	return gpu_transfer_3d(g, &req->cmd.transfer_3d, false);
}

/* --- commands ------------------------------------------------------------- */

/* They are copied: what is decoded is what was checked (case 18). */
GPU_HANDLER(gpu_submit)
{
	const struct virtio_gpu_cmd_submit *c = &req->cmd.submit;
	uint32_t *commands;
	int ret;

	if (!gpu_context_exists(g, c->hdr.ctx_id))
		return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
	if (!c->size || c->size % sizeof(*commands) || c->size > GPU_MAX_SUBMIT ||
	    c->size > req->chain->readable - sizeof(*c))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	commands = malloc(c->size);
	if (!commands)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	chain_read(req->chain, sizeof(*c), commands, c->size);
	g->stats.submits++;
	gpu_spend(g, (uint64_t)c->size * GPU_SUBMIT_WORK);
	ret = g->renderer->ops->submit(g->renderer, c->hdr.ctx_id, commands, c->size);
	free(commands);
	return gpu_answer_type(ret);
}
