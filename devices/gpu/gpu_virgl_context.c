/* SPDX-License-Identifier: MIT */
/* Contexts: programs of the guest that draw, and the fences that say how far they are. */
#include "devices/gpu/gpu_virgl_impl.h"

#if GPU_VIRGL_BUILT

#include <linux/virtio_gpu.h>
#include <string.h>

#include "devices/gpu/virgl_stream.h"

int gpu_virgl_ctx_create(struct gpu_renderer *r, uint32_t ctx_id, uint32_t capset, const char *name)
{
	struct gpu_virgl *v = virgl_of(r);

	if (!capset)
		capset = v->default_capset;
	if (capset == VIRTIO_GPU_CAPSET_VENUS)
		return gpu_virgl_venus_create(v, ctx_id, name);
	return virgl_error(v->lib.context_create_with_flags(ctx_id, capset, strlen(name), name));
}

void gpu_virgl_ctx_destroy(struct gpu_renderer *r, uint32_t ctx_id)
{
	struct gpu_virgl *v = virgl_of(r);

	gpu_virgl_venus_forget(v, ctx_id);
	timelines_forget(&v->timelines, v->dog, ctx_id);
	virgl_begin(v);
	v->lib.context_destroy(ctx_id);
	virgl_end(v, 0);
}

int gpu_virgl_ctx_attach(struct gpu_renderer *r, uint32_t ctx_id, struct gpu_resource *res)
{
	virgl_of(r)->lib.ctx_attach_resource(ctx_id, res->id);
	return 0;
}

int gpu_virgl_ctx_detach(struct gpu_renderer *r, uint32_t ctx_id, struct gpu_resource *res)
{
	virgl_of(r)->lib.ctx_detach_resource(ctx_id, res->id);
	return 0;
}

/* Drivers make resources by the stream to map them, which only venus' can be. */
static bool stream_valid(struct gpu_virgl *v, uint32_t ctx_id, const uint32_t *words, size_t n)
{
	return virgl_stream_valid(words, n) &&
	       (v->venus || !virgl_stream_makes_resources(words, n)) &&
	       virgl_shaders_valid(&v->shaders, ctx_id, words, n);
}

int gpu_virgl_submit(struct gpu_renderer *r, uint32_t ctx_id, void *commands, size_t len)
{
	struct gpu_virgl *v = virgl_of(r);

	if (!gpu_virgl_venus_has(v, ctx_id) && !stream_valid(v, ctx_id, commands, len / 4))
		return -EINVAL;
	virgl_begin(v);
	return virgl_end(v, v->lib.submit_cmd(commands, ctx_id, len / 4));
}

/*
 * Venus' first ring is the processor's, on which everything is done at once; its
 * descriptor says nothing of that.
 */
static int virgl_context_fence(struct gpu_virgl *v, const struct gpu_fence *fence)
{
	int ret;

	if (!v->lib.context_create_fence)
		return -ENOTSUP;
	v->asking = fence;
	v->asking_done = false;
	ret = virgl_error(v->lib.context_create_fence(fence->ctx_id,
						      VIRGL_RENDERER_FENCE_FLAG_MERGEABLE,
						      fence->ring_idx, fence->seq));
	if (ret == 0 && gpu_virgl_venus_has(v, fence->ctx_id))
		v->lib.context_poll(fence->ctx_id);
	v->asking = NULL;
	if (ret == 0 && !v->asking_done)
		timelines_asked(&v->timelines, v->dog, fence);
	return ret < 0 ? ret : v->asking_done;
}

int gpu_virgl_fence(struct gpu_renderer *r, const struct gpu_fence *fence)
{
	struct gpu_virgl *v = virgl_of(r);
	int ret;

	if (fence->ctx_id)
		return virgl_context_fence(v, fence);
	ret = virgl_error(v->lib.create_fence((int)(uint32_t)fence->seq, 0));
	if (ret < 0)
		return ret;
	if (!v->open_fence)
		watchdog_begin(v->dog, WATCHDOG_FENCE);
	v->last_fence = fence->seq;
	v->open_fence = true;
	return 0;
}

/* Of a number's lower half, which is all that the library keeps, the last that it may be. */
void gpu_virgl_write_fence(void *cookie, uint32_t low)
{
	struct gpu_virgl *v = cookie;
	const struct gpu_fence fence = {
		.seq = v->last_fence - (uint32_t)((uint32_t)v->last_fence - low),
	};

	v->open_fence = fence.seq != v->last_fence;
	if (v->open_fence)
		watchdog_begin(v->dog, WATCHDOG_FENCE);
	else
		watchdog_end(v->dog, WATCHDOG_FENCE);
	v->base.host.fence_done(v->base.host.ctx, &fence);
}

void gpu_virgl_write_context_fence(void *cookie, uint32_t ctx_id, uint32_t ring_idx, uint64_t seq)
{
	struct gpu_virgl *v = cookie;
	const struct gpu_fence fence = { .ctx_id = ctx_id, .ring_idx = ring_idx, .seq = seq };

	if (v->asking && v->asking->ctx_id == ctx_id && v->asking->ring_idx == ring_idx &&
	    v->asking->seq == seq) {
		v->asking_done = true;
		return;
	}
	timelines_done(&v->timelines, v->dog, &fence);
	v->base.host.fence_done(v->base.host.ctx, &fence);
}

int gpu_virgl_poll_fd(struct gpu_renderer *r)
{
	const struct gpu_virgl *v = virgl_of(r);

	return v->poll >= 0 ? v->poll : v->lib.get_poll_fd();
}

void gpu_virgl_poll(struct gpu_renderer *r)
{
	virgl_of(r)->lib.poll();
	gpu_virgl_venus_poll(virgl_of(r));
}

#endif
