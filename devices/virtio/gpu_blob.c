/* SPDX-License-Identifier: MIT */
/*
 * Blobs of the host's memory in the guest's (virtio 1.3, 5.7.6.8): mapped by who
 * shows the card to the guest, into the card's shared-memory region. What is asked
 * for is done in its order, and a command waits for that, parked, while others go on.
 */
#include <errno.h>
#include <unistd.h>

#include "devices/virtio/gpu_impl.h"

/* --- what is under way ---------------------------------------------------- */

/* The number by which a request is known: to map @resource_id, 0: to unmap. */
static uint64_t gpu_shm_begin(struct gpu *g, uint32_t resource_id)
{
	uint64_t seq = ++g->shm_asked;

	g->shm_ids[seq % ARRAY_SIZE(g->shm_ids)] = resource_id;
	return seq;
}

bool gpu_shm_is_full(struct gpu *g)
{
	return g->shm_len && !virtio_shm_room(&g->v);
}

/* The piece has a place, or none after all. */
static void gpu_map_settle(struct gpu *g, uint32_t resource_id, bool ok)
{
	struct gpu_resource *res = resource_id ? gpu_resource_find(g, resource_id) : NULL;

	if (!res || res->map_seq != g->shm_done)
		return;
	res->map_seq = 0;
	if (ok)
		return;
	res->mapped = false;
	g->renderer->ops->unmap(g->renderer, res);
}

void gpu_shm_done(struct virtio_device *v, bool ok)
{
	struct gpu *g = gpu_of(v);
	uint64_t seq = ++g->shm_done;
	uint32_t resource_id = g->shm_ids[seq % ARRAY_SIZE(g->shm_ids)];

	gpu_map_settle(g, resource_id, ok);
	/* What could not be unmapped was not mapped, which is as good. */
	gpu_park_shm(g, seq, ok || !resource_id);
	virtio_signal(v, GPU_CONTROLQ);
	/* Commands may have waited for room. */
	virtio_kick(v, GPU_CONTROLQ);
}

void gpu_shm_forget(struct gpu *g)
{
	for (unsigned i = 0; i < GPU_BUCKETS; i++) {
		for (struct gpu_resource *res = g->table[i]; res; res = res->next) {
			if (res->mapped)
				g->renderer->ops->unmap(g->renderer, res);
			res->mapped = false;
		}
	}
	g->shm_asked = g->shm_done = 0;
}

/* --- commands ------------------------------------------------------------- */

/* Negative errno: the renderer, or who maps, does not want to. */
static int gpu_blob_map(struct gpu *g, struct gpu_resource *res, uint64_t off, uint32_t *info)
{
	struct gpu_map map = { .fd = -1 };
	int ret = g->renderer->ops->map(g->renderer, res, &map);

	if (ret < 0)
		return ret;
	ret = -EINVAL;
	if (map.size >= res->blob_size)
		ret = virtio_shm_map(&g->v, &(struct shm_map){
			.fd = map.fd, .fd_off = map.offset, .off = off, .len = res->blob_size,
			.writable = true,
		});
	close(map.fd);
	*info = map.info;
	if (ret < 0)
		g->renderer->ops->unmap(g->renderer, res);
	return ret;
}

/* Case 75: over other pieces it is refused by who maps. */
GPU_HANDLER(gpu_map_blob)
{
	const struct virtio_gpu_resource_map_blob *c = &req->cmd.map_blob;
	struct gpu_resource *res = gpu_resource_find(g, c->resource_id);
	int ret;

	if (!g->renderer->ops->map)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	if (!res)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	if (res->kind != GPU_RESOURCE_BLOB || res->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST ||
	    !(res->blob_flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE) || res->mapped ||
	    c->offset % SHM_PAGE || !range_fits(c->offset, res->blob_size, g->shm_len))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	gpu_spend(g, GPU_MAP_WORK);
	ret = gpu_blob_map(g, res, c->offset, &req->answer.map_info.map_info);
	if (ret < 0)
		return gpu_answer_type(ret);
	res->mapped = true;
	res->map_off = c->offset;
	res->map_seq = req->shm_seq = gpu_shm_begin(g, res->id);
	req->answer_len = sizeof(req->answer.map_info);
	return VIRTIO_GPU_RESP_OK_MAP_INFO;
}

uint64_t gpu_blob_unmap(struct gpu *g, struct gpu_resource *res)
{
	int ret = virtio_shm_unmap(&g->v, res->map_off, res->blob_size);

	res->mapped = false;
	res->map_seq = 0;
	g->renderer->ops->unmap(g->renderer, res);
	/* Who maps has gone, and all pieces with it. */
	return ret < 0 ? 0 : gpu_shm_begin(g, 0);
}

/* Before it is known whether it was mapped there is nothing to unmap (case 76). */
GPU_HANDLER(gpu_unmap_blob)
{
	struct gpu_resource *res = gpu_resource_find(g, req->cmd.unmap_blob.resource_id);

	if (!g->renderer->ops->map)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	if (!res)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	if (!res->mapped || res->map_seq)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	gpu_spend(g, GPU_MAP_WORK);
	req->shm_seq = gpu_blob_unmap(g, res);
	return VIRTIO_GPU_RESP_OK_NODATA;
}
