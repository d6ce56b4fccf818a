/* SPDX-License-Identifier: MIT */
/*
 * Commands that are done but not answered yet: flushes wait for the display's
 * frame, which paces a guest that has no other clock, fences for the renderer, and
 * blobs for who maps them. Each holds a chain of the control queue, so there are never more
 * than the queue has (case 55).
 */
#include <assert.h>

#include "devices/virtio/gpu_impl.h"

static bool gpu_parked_waits(const struct gpu_parked *p)
{
	return p->frames || p->fence.seq || p->shm_seq;
}

/* Pushes what waits no longer; the others keep their order. */
static void gpu_park_sweep(struct gpu *g)
{
	unsigned kept = 0;
	uint32_t frames = 0;

	for (unsigned i = 0; i < g->usage.parked; i++) {
		struct gpu_parked *p = &g->parked[i];

		if (gpu_parked_waits(p)) {
			frames |= p->frames;
			g->parked[kept++] = *p;
		} else {
			virtq_push(virtio_queue(&g->v, GPU_CONTROLQ), p->chain, p->len);
		}
	}
	if (!frames)
		loop_timer_disarm(g->v.loop, &g->frame_timer);
	else if (kept < g->usage.parked)	/* the display is alive */
		loop_timer_arm(g->v.loop, &g->frame_timer, GPU_FRAME_TIMEOUT_NS);
	g->usage.parked = kept;
}

void gpu_park_or_push(struct gpu *g, const struct gpu_parked *p)
{
	if (!gpu_parked_waits(p)) {
		virtq_push(virtio_queue(&g->v, GPU_CONTROLQ), p->chain, p->len);
		return;
	}
	/* Chains in flight are distinct heads of the queue. */
	assert(g->usage.parked < ARRAY_SIZE(g->parked));
	g->parked[g->usage.parked++] = *p;
	if (p->frames && !g->frame_timer.armed)
		loop_timer_arm(g->v.loop, &g->frame_timer, GPU_FRAME_TIMEOUT_NS);
}

void gpu_park_frames(struct gpu *g, uint32_t outputs)
{
	for (unsigned i = 0; i < g->usage.parked; i++)
		g->parked[i].frames &= ~outputs;
	gpu_park_sweep(g);
}

/* What was taken to go well did not: no more than the header is left of the answer. */
static void gpu_parked_fail(struct gpu_parked *p)
{
	const uint32_t type = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;

	chain_write(p->chain, 0, &type, sizeof(type));
	p->len = MIN(p->len, sizeof(struct virtio_gpu_ctrl_hdr));
}

void gpu_park_shm(struct gpu *g, uint64_t seq, bool ok)
{
	for (unsigned i = 0; i < g->usage.parked; i++) {
		struct gpu_parked *p = &g->parked[i];

		if (p->shm_seq != seq)
			continue;
		if (!ok)
			gpu_parked_fail(p);
		p->shm_seq = 0;
	}
	gpu_park_sweep(g);
}

static bool gpu_fence_covers(const struct gpu_fence *done, const struct gpu_fence *fence)
{
	return done->ctx_id == fence->ctx_id && done->ring_idx == fence->ring_idx &&
	       done->seq >= fence->seq;
}

void gpu_park_fence(struct gpu *g, const struct gpu_fence *fence)
{
	for (unsigned i = 0; i < g->usage.parked; i++)
		if (gpu_fence_covers(fence, &g->parked[i].fence))
			g->parked[i].fence.seq = 0;
	gpu_park_sweep(g);
}

void gpu_park_context(struct gpu *g, uint32_t ctx_id)
{
	for (unsigned i = 0; i < g->usage.parked; i++)
		if (g->parked[i].fence.ctx_id == ctx_id)
			g->parked[i].fence.seq = 0;
	gpu_park_sweep(g);
}

uint64_t gpu_park_last(const struct gpu *g, const struct gpu_fence *fence)
{
	uint64_t seq = 0;

	for (unsigned i = 0; i < g->usage.parked; i++) {
		const struct gpu_fence *p = &g->parked[i].fence;

		if (p->ctx_id == fence->ctx_id && p->ring_idx == fence->ring_idx)
			seq = MAX(seq, p->seq);
	}
	return seq;
}

void gpu_park_flush(struct gpu *g)
{
	for (unsigned i = 0; i < g->usage.parked; i++)
		g->parked[i] = (struct gpu_parked){ .chain = g->parked[i].chain,
						    .len = g->parked[i].len };
	gpu_park_sweep(g);
}

void gpu_park_forget(struct gpu *g)
{
	g->usage.parked = 0;
	loop_timer_disarm(g->v.loop, &g->frame_timer);
}

void gpu_park_timeout(void *arg)
{
	struct gpu *g = arg;

	pthread_mutex_lock(&g->v.lock);
	gpu_park_frames(g, UINT32_MAX);
	virtio_signal(&g->v, GPU_CONTROLQ);
	pthread_mutex_unlock(&g->v.lock);
}
