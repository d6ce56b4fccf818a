/* SPDX-License-Identifier: MIT */
/*
 * The control queue: takes a command, finds who handles it, answers or parks
 * it; and capability sets, which are no more than a question and an answer.
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/virtio/gpu_impl.h"

/* --- capability sets (5.7.6.8) -------------------------------------------- */

unsigned gpu_n_capsets(struct gpu *g)
{
	const struct gpu_renderer_ops *ops = g->renderer->ops;

	return ops->n_capsets ? ops->n_capsets(g->renderer) : 0;
}

static GPU_HANDLER(gpu_capset_info)
{
	uint32_t index = req->cmd.capset_info.capset_index;
	struct gpu_capset_info info;
	int ret;

	if (index >= gpu_n_capsets(g))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	ret = g->renderer->ops->capset_info(g->renderer, index, &info);
	if (ret < 0)
		return gpu_answer_type(ret);
	req->answer.capset_info.capset_id = info.id;
	req->answer.capset_info.capset_max_version = info.max_version;
	req->answer.capset_info.capset_max_size = info.max_size;
	req->answer_len = sizeof(req->answer.capset_info);
	return VIRTIO_GPU_RESP_OK_CAPSET_INFO;
}

/* False: no set by this id and version. */
static bool gpu_capset_find(struct gpu *g, const struct virtio_gpu_get_capset *c,
			    struct gpu_capset_info *info)
{
	for (unsigned i = 0; i < gpu_n_capsets(g); i++)
		if (g->renderer->ops->capset_info(g->renderer, i, info) == 0 &&
		    info->id == c->capset_id && c->capset_version <= info->max_version)
			return info->max_size && info->max_size <= GPU_MAX_CAPSET;
	return false;
}

/* The answer's data follow its header, which is written last. */
static GPU_HANDLER(gpu_capset)
{
	const struct virtio_gpu_get_capset *c = &req->cmd.capset;
	struct gpu_capset_info info;
	void *data;
	int ret;

	if (!gpu_capset_find(g, c, &info))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	data = calloc(1, info.max_size);
	if (!data)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	ret = g->renderer->ops->capset(g->renderer, c->capset_id, c->capset_version, data,
				       info.max_size);
	if (ret == 0)
		req->data_len = chain_write(req->chain, sizeof(req->answer.hdr), data,
					    info.max_size);
	free(data);
	return ret < 0 ? gpu_answer_type(ret) : VIRTIO_GPU_RESP_OK_CAPSET;
}

/* --- the control queue ---------------------------------------------------- */

#define ALWAYS UINT32_MAX

static const struct gpu_dispatch {
	uint32_t type;
	uint32_t feature;	/* VIRTIO_GPU_F_... that must be negotiated */
	uint32_t (*handle)(struct gpu *g, struct gpu_request *req);
} gpu_control[] = {
	{ VIRTIO_GPU_CMD_SUBMIT_3D, VIRTIO_GPU_F_VIRGL, gpu_submit },
	{ VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, VIRTIO_GPU_F_VIRGL, gpu_transfer_to_host_3d },
	{ VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, VIRTIO_GPU_F_VIRGL, gpu_transfer_from_host_3d },
	{ VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, ALWAYS, gpu_transfer_2d },
	{ VIRTIO_GPU_CMD_RESOURCE_FLUSH, ALWAYS, gpu_flush },
	{ VIRTIO_GPU_CMD_SET_SCANOUT, ALWAYS, gpu_set_scanout },
	{ VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, VIRTIO_GPU_F_RESOURCE_BLOB, gpu_set_scanout_blob },
	{ VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, ALWAYS, gpu_resource_create_2d },
	{ VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, VIRTIO_GPU_F_VIRGL, gpu_resource_create_3d },
	{ VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, VIRTIO_GPU_F_RESOURCE_BLOB,
	  gpu_resource_create_blob },
	{ VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, VIRTIO_GPU_F_RESOURCE_BLOB, gpu_map_blob },
	{ VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, VIRTIO_GPU_F_RESOURCE_BLOB, gpu_unmap_blob },
	{ VIRTIO_GPU_CMD_CTX_CREATE, VIRTIO_GPU_F_VIRGL, gpu_ctx_create },
	{ VIRTIO_GPU_CMD_CTX_DESTROY, VIRTIO_GPU_F_VIRGL, gpu_ctx_destroy },
	{ VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VIRTIO_GPU_F_VIRGL, gpu_ctx_attach },
	{ VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, VIRTIO_GPU_F_VIRGL, gpu_ctx_detach },
	{ VIRTIO_GPU_CMD_RESOURCE_UNREF, ALWAYS, gpu_resource_unref },
	{ VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, ALWAYS, gpu_resource_attach },
	{ VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, ALWAYS, gpu_resource_detach },
	{ VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, VIRTIO_GPU_F_RESOURCE_UUID, gpu_resource_uuid },
	{ VIRTIO_GPU_CMD_GET_DISPLAY_INFO, ALWAYS, gpu_display_info },
	{ VIRTIO_GPU_CMD_GET_EDID, VIRTIO_GPU_F_EDID, gpu_get_edid },
	{ VIRTIO_GPU_CMD_GET_CAPSET_INFO, VIRTIO_GPU_F_VIRGL, gpu_capset_info },
	{ VIRTIO_GPU_CMD_GET_CAPSET, VIRTIO_GPU_F_VIRGL, gpu_capset },
};

static const struct gpu_dispatch *gpu_find_handler(const struct gpu *g, uint32_t type)
{
	for (unsigned i = 0; i < ARRAY_SIZE(gpu_control); i++) {
		const struct gpu_dispatch *d = &gpu_control[i];

		if (d->type == type)
			return d->feature == ALWAYS || virtio_has_feature(&g->v, d->feature) ?
			       d : NULL;
	}
	return NULL;
}

static bool gpu_is_error(uint32_t type)
{
	return type >= VIRTIO_GPU_RESP_ERR_UNSPEC;
}

/* Copies the command once (case 18) and does it. */
static uint32_t gpu_execute(struct gpu *g, struct gpu_request *req)
{
	struct virtio_gpu_ctrl_hdr *hdr = &req->cmd.hdr;
	const struct gpu_dispatch *d;
	uint32_t type;
	size_t size;

	if (chain_read(req->chain, 0, hdr, sizeof(*hdr)) < sizeof(*hdr)) {
		*hdr = (struct virtio_gpu_ctrl_hdr){ 0 };
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	}
	size = gpu_command_size(GPU_CONTROLQ, hdr->type);
	d = gpu_find_handler(g, hdr->type);
	/* Case 54. */
	if (!size || !d || req->chain->readable < size || req->chain->readable > GPU_MAX_COMMAND)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	chain_read(req->chain, sizeof(*hdr), hdr + 1, size - sizeof(*hdr));
	gpu_tap_control(g, req, size);
	type = d->handle(g, req);
	if (gpu_is_error(type))
		gpu_tap_refused(g, type);
	return type;
}

/*
 * The timeline that a command's fence is on: a context's ring if there is such a
 * context, else that of the whole card, on which nothing is done too soon.
 */
static struct gpu_fence gpu_timeline(const struct gpu *g, const struct virtio_gpu_ctrl_hdr *hdr)
{
	const struct gpu_fence card = { 0 };
	const struct gpu_fence ring = { .ctx_id = hdr->ctx_id, .ring_idx = hdr->ring_idx };

	return hdr->flags & VIRTIO_GPU_FLAG_INFO_RING_IDX &&
	       virtio_has_feature(&g->v, VIRTIO_GPU_F_CONTEXT_INIT) &&
	       ring.ring_idx < GPU_MAX_RINGS && gpu_context_exists(g, ring.ctx_id) ? ring : card;
}

/* As gpu_renderer_ops.fence; the card's timeline in place of one that the renderer has not. */
static int gpu_fence_ask(struct gpu *g, struct gpu_fence *fence)
{
	int ret;

	fence->seq = g->fence_seq + 1;
	ret = g->renderer->ops->fence(g->renderer, fence);
	if (ret < 0 && fence->ctx_id) {
		fence->ctx_id = fence->ring_idx = 0;
		ret = g->renderer->ops->fence(g->renderer, fence);
	}
	return ret;
}

/*
 * The fence that this command has to wait for; seq 0: none. One that failed, or
 * whose fence cannot be made, has nothing to wait for but its turn: drivers take
 * an answer to be one for all that was asked for before on its timeline.
 */
static struct gpu_fence gpu_fence_begin(struct gpu *g, const struct virtio_gpu_ctrl_hdr *hdr,
					bool failed)
{
	struct gpu_fence fence = gpu_timeline(g, hdr);
	int ret = -EINVAL;

	if (!(hdr->flags & VIRTIO_GPU_FLAG_FENCE) || !g->renderer->ops->fence)
		return fence;
	if (!failed)
		ret = gpu_fence_ask(g, &fence);
	if (ret > 0)
		gpu_park_fence(g, &fence);
	if (ret == 0)
		g->fence_seq++;
	else
		fence.seq = gpu_park_last(g, &fence);
	if (fence.seq && g->poll.fd < 0)
		loop_timer_arm(g->v.loop, &g->poll_timer, GPU_POLL_NS);
	return fence;
}

static void gpu_answer(struct gpu *g, struct gpu_request *req, uint32_t type)
{
	const struct virtio_gpu_ctrl_hdr *hdr = &req->cmd.hdr;
	struct gpu_fence fence;
	size_t len;

	if (gpu_is_error(type)) {
		g->stats.errors++;
		log_guest(&g->v.rate, "virtio-gpu: %s refused (%#x)", gpu_command_name(hdr->type),
			  type);
		req->answer_len = sizeof(req->answer.hdr);
	}
	fence = gpu_fence_begin(g, hdr, gpu_is_error(type));
	req->answer.hdr = gpu_answer_header(hdr, type);
	len = chain_write(req->chain, 0, &req->answer, req->answer_len) + req->data_len;
	gpu_park_or_push(g, &(struct gpu_parked){ req->chain, len, req->frames, fence,
						  req->shm_seq });
}

void gpu_control_notify(struct gpu *g)
{
	struct virtq_chain *chain = NULL;

	g->work = GPU_TURN_WORK;
	/* shm_done() kicks. */
	while (g->work && !gpu_shm_is_full(g) && (chain = virtio_pop(&g->v, GPU_CONTROLQ))) {
		struct gpu_request req = { .chain = chain };

		req.answer_len = sizeof(req.answer.hdr);
		gpu_spend(g, GPU_COMMAND_WORK);
		g->stats.commands++;
		gpu_answer(g, &req, gpu_execute(g, &req));
	}
	virtio_signal(&g->v, GPU_CONTROLQ);
	if (chain)
		virtio_kick(&g->v, GPU_CONTROLQ);
}
