/* SPDX-License-Identifier: MIT */
/*
 * Resources (virtio 1.3, 5.7.6.8): a table by the guest's ids, the guest memory
 * behind them, and an account of what they cost, which is back at zero when the
 * guest has given all of them up.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "devices/virtio/gpu_impl.h"

#define BLOB_FLAGS \
	(VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE | VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE | \
	 VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE)
#define BLOB_ALIGN 4096u	/* of its size */

/* --- the table ------------------------------------------------------------ */

static unsigned gpu_bucket(uint32_t id)
{
	return id * 0x9e3779b1u >> 22;
}
_Static_assert(GPU_BUCKETS == 1 << (32 - 22), "the hash has as many values");

struct gpu_resource *gpu_resource_find(const struct gpu *g, uint32_t id)
{
	struct gpu_resource *res = g->table[gpu_bucket(id)];

	while (res && res->id != id)
		res = res->next;
	return res;
}

static void gpu_resource_link(struct gpu *g, struct gpu_resource *res)
{
	struct gpu_resource **bucket = &g->table[gpu_bucket(res->id)];

	res->next = *bucket;
	*bucket = res;
	g->usage.resources++;
	g->usage.bytes += res->host_bytes;
}

static void gpu_resource_unlink(struct gpu *g, struct gpu_resource *res)
{
	struct gpu_resource **p = &g->table[gpu_bucket(res->id)];

	while (*p != res)
		p = &(*p)->next;
	*p = res->next;
	g->usage.resources--;
	g->usage.bytes -= res->host_bytes;
}

uint32_t gpu_resource_admit(const struct gpu *g, uint32_t id, uint64_t bytes, uint64_t limit)
{
	if (!id || gpu_resource_find(g, id))
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	if (g->usage.resources >= g->max_resources || bytes > limit ||
	    bytes > g->max_bytes - g->usage.bytes)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

struct gpu_resource *gpu_resource_new(uint32_t id, enum gpu_resource_kind kind, uint64_t bytes)
{
	struct gpu_resource *res = calloc(1, sizeof(*res));

	if (!res)
		return NULL;
	res->id = id;
	res->kind = kind;
	res->host_bytes = bytes;
	return res;
}

uint32_t gpu_resource_settle(struct gpu *g, struct gpu_resource *res, int ret)
{
	if (ret < 0)
		free(res);
	else
		gpu_resource_link(g, res);
	return gpu_answer_type(ret);
}

/* --- backing -------------------------------------------------------------- */

/*
 * Host pieces of all entries to @iov, neighbours joined; NULL @iov: only counts
 * them. 0 when any of it is not RAM.
 */
static unsigned gpu_backing_walk(const struct gmem *mem, const struct gpu_resource *res,
				 struct iovec *iov)
{
	char *end = NULL;	/* of the piece before */
	unsigned n = 0;

	for (unsigned i = 0; i < res->n_backing; i++) {
		uint64_t gpa = res->backing[i].gpa, len = res->backing[i].len;

		while (len) {
			void *host;
			uint64_t piece = gmem_piece(mem, gpa, len, &host);

			if (!piece)
				return 0;
			if (host != end && iov)
				iov[n] = (struct iovec){ host, 0 };
			n += host != end;
			if (iov)
				iov[n - 1].iov_len += piece;
			end = (char *)host + piece;
			gpa += piece;
			len -= piece;
		}
	}
	return n;
}

/* Host addresses for res->backing: 0, -EINVAL when it is not all in RAM, -ENOMEM. */
static int gpu_backing_map(const struct gmem *mem, struct gpu_resource *res)
{
	unsigned n = gpu_backing_walk(mem, res, NULL);

	if (!n)
		return -EINVAL;
	res->iov = calloc(n, sizeof(*res->iov));
	if (!res->iov)
		return -ENOMEM;
	res->n_iov = gpu_backing_walk(mem, res, res->iov);
	return 0;
}

static void gpu_backing_unmap(struct gpu_resource *res)
{
	free(res->iov);
	res->iov = NULL;
	res->n_iov = 0;
}

static void gpu_backing_drop(struct gpu *g, struct gpu_resource *res)
{
	gpu_backing_unmap(res);
	g->usage.backing -= res->n_backing;
	free(res->backing);
	res->backing = NULL;
	res->n_backing = 0;
	res->backing_bytes = 0;
}

/* Copies @n entries from @off of the command; false for one that is empty. */
static bool gpu_backing_read(const struct virtq_chain *chain, size_t off, uint32_t n,
			     struct gpu_resource *res)
{
	for (uint32_t i = 0; i < n; i++) {
		struct virtio_gpu_mem_entry entry = { 0 };

		chain_read(chain, off + i * sizeof(entry), &entry, sizeof(entry));
		if (!entry.length)
			return false;
		res->backing[i] = (struct gpu_backing){ entry.addr, entry.length };
		res->backing_bytes += entry.length;
	}
	return true;
}

/*
 * The @n entries that follow the fixed part of @size bytes (cases 42, 43). 0 or
 * -EINVAL, -ENOMEM and there is no backing.
 */
static int gpu_backing_take(struct gpu *g, struct gpu_request *req, size_t size, uint32_t n,
			    struct gpu_resource *res)
{
	int ret = -EINVAL;

	if (!n || n > GPU_MAX_BACKING ||
	    req->chain->readable - size < n * sizeof(struct virtio_gpu_mem_entry))
		return -EINVAL;
	if (n > GPU_MAX_BACKING_TOTAL - g->usage.backing)
		return -ENOMEM;
	gpu_spend(g, (uint64_t)n * GPU_BACKING_WORK);
	res->backing = calloc(n, sizeof(*res->backing));
	if (!res->backing)
		return -ENOMEM;
	res->n_backing = n;
	g->usage.backing += n;
	if (gpu_backing_read(req->chain, size, n, res))
		ret = gpu_backing_map(g->v.mem, res);
	if (ret < 0)
		gpu_backing_drop(g, res);
	return ret;
}

static void gpu_backing_detach(struct gpu *g, struct gpu_resource *res)
{
	if (res->n_iov && g->renderer->ops->detach)
		g->renderer->ops->detach(g->renderer, res);
	gpu_backing_drop(g, res);
}

GPU_HANDLER(gpu_resource_attach)
{
	const struct virtio_gpu_resource_attach_backing *c = &req->cmd.attach;
	struct gpu_resource *res = gpu_resource_find(g, c->resource_id);
	int ret;

	if (!res)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	/* Twice, or to a blob, which was made with its own (case 41). */
	if (res->n_backing || res->kind == GPU_RESOURCE_BLOB)
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	ret = gpu_backing_take(g, req, sizeof(*c), c->nr_entries, res);
	if (ret == 0 && g->renderer->ops->attach) {
		ret = g->renderer->ops->attach(g->renderer, res);
		if (ret < 0)
			gpu_backing_drop(g, res);
	}
	return gpu_answer_type(ret);
}

GPU_HANDLER(gpu_resource_detach)
{
	struct gpu_resource *res = gpu_resource_find(g, req->cmd.detach.resource_id);

	if (!res || !res->n_backing || res->kind == GPU_RESOURCE_BLOB)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	gpu_backing_detach(g, res);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* --- life ----------------------------------------------------------------- */

GPU_HANDLER(gpu_resource_create_2d)
{
	const struct virtio_gpu_resource_create_2d *c = &req->cmd.create_2d;
	uint64_t bytes = gpu_image_bytes(c->width, c->height);
	uint32_t type = gpu_resource_admit(g, c->resource_id, bytes, GPU_MAX_RESOURCE_BYTES);
	struct gpu_resource *res;

	if (type != VIRTIO_GPU_RESP_OK_NODATA)
		return type;
	if (!bytes || !gpu_fourcc(c->format) || c->width > DISPLAY_MAX_SIZE ||
	    c->height > DISPLAY_MAX_SIZE)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	res = gpu_resource_new(c->resource_id, GPU_RESOURCE_2D, bytes);
	if (!res)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	res->width = c->width;
	res->height = c->height;
	res->format = c->format;
	return gpu_resource_settle(g, res, g->renderer->ops->create_2d(g->renderer, res));
}

/* Whether what is asked for is a blob of guest memory; others are the renderer's matter. */
static bool gpu_blob_valid(const struct gpu *g, const struct virtio_gpu_resource_create_blob *c)
{
	bool guest_only = !g->renderer->ops->create_blob;

	if (!c->size || c->size % BLOB_ALIGN || c->size > INT64_MAX || c->blob_flags & ~BLOB_FLAGS)
		return false;
	switch (c->blob_mem) {
	case VIRTIO_GPU_BLOB_MEM_GUEST:
		return c->nr_entries;
	case VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST:
		return c->nr_entries && !guest_only;
	case VIRTIO_GPU_BLOB_MEM_HOST3D:
		return !c->nr_entries && !guest_only;
	default:
		return false;
	}
}

static int gpu_blob_make(struct gpu *g, struct gpu_request *req, struct gpu_resource *res)
{
	const struct virtio_gpu_resource_create_blob *c = &req->cmd.create_blob;
	int ret = 0;

	res->blob_mem = c->blob_mem;
	res->blob_flags = c->blob_flags;
	res->blob_id = c->blob_id;
	res->blob_size = c->size;
	if (c->nr_entries)
		ret = gpu_backing_take(g, req, sizeof(*c), c->nr_entries, res);
	if (ret == 0 && c->nr_entries && res->backing_bytes < res->blob_size)
		ret = -EINVAL;
	if (ret == 0 && g->renderer->ops->create_blob)
		ret = g->renderer->ops->create_blob(g->renderer, res, c->hdr.ctx_id);
	if (ret < 0)
		gpu_backing_drop(g, res);
	return ret;
}

GPU_HANDLER(gpu_resource_create_blob)
{
	const struct virtio_gpu_resource_create_blob *c = &req->cmd.create_blob;
	bool valid = gpu_blob_valid(g, c);
	/* The host's memory, whose only measure is what the guest says. */
	uint64_t bytes = valid && c->blob_mem != VIRTIO_GPU_BLOB_MEM_GUEST ? c->size : 0;
	uint32_t type = gpu_resource_admit(g, c->resource_id, bytes, GPU_MAX_3D_RESOURCE_BYTES);
	struct gpu_resource *res;

	if (type != VIRTIO_GPU_RESP_OK_NODATA)
		return type;
	if (!valid)
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	res = gpu_resource_new(c->resource_id, GPU_RESOURCE_BLOB, bytes);
	if (!res)
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	return gpu_resource_settle(g, res, gpu_blob_make(g, req, res));
}

static void gpu_resource_destroy(struct gpu *g, struct gpu_resource *res)
{
	gpu_scanout_drop(g, res);
	gpu_resource_unlink(g, res);
	gpu_backing_detach(g, res);
	g->renderer->ops->destroy_resource(g->renderer, res);
	free(res);
}

GPU_HANDLER(gpu_resource_unref)
{
	struct gpu_resource *res = gpu_resource_find(g, req->cmd.unref.resource_id);

	if (!res)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	/* Giving memory back costs the host about as much as filling a tenth of it. */
	gpu_spend(g, res->host_bytes / 10 + (uint64_t)res->n_backing * GPU_BACKING_WORK);
	/* Once it is answered, nothing of it is to be seen. */
	if (res->mapped)
		req->shm_seq = gpu_blob_unmap(g, res);
	gpu_resource_destroy(g, res);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

void gpu_resource_destroy_all(struct gpu *g)
{
	for (unsigned i = 0; i < GPU_BUCKETS; i++)
		while (g->table[i])
			gpu_resource_destroy(g, g->table[i]);
}

_Static_assert(sizeof(((struct gpu_resource *)0)->contexts) * 8 == GPU_MAX_CONTEXTS, "a bit each");

void gpu_resource_forget_context(struct gpu *g, unsigned slot)
{
	for (unsigned i = 0; i < GPU_BUCKETS; i++)
		for (struct gpu_resource *res = g->table[i]; res; res = res->next)
			res->contexts[slot / 64] &= ~BIT(slot % 64);
}

/* --- guest memory that moves ---------------------------------------------- */

void gpu_resource_unmap_all(struct gpu *g)
{
	for (unsigned i = 0; i < GPU_BUCKETS; i++) {
		for (struct gpu_resource *res = g->table[i]; res; res = res->next) {
			if (!res->n_iov)
				continue;
			if (g->renderer->ops->detach)
				g->renderer->ops->detach(g->renderer, res);
			gpu_backing_unmap(res);
		}
	}
}

/* What shows a blob shows it again; what is not RAM any more is gone, and its picture with it. */
static void gpu_resource_remap(struct gpu *g, struct gpu_resource *res)
{
	int ret = gpu_backing_map(g->v.mem, res);

	if (ret == 0 && g->renderer->ops->attach)
		ret = g->renderer->ops->attach(g->renderer, res);
	if (ret < 0) {
		gpu_backing_drop(g, res);
		if (res->kind == GPU_RESOURCE_BLOB)
			gpu_scanout_drop(g, res);
	}
}

void gpu_resource_map_all(struct gpu *g)
{
	for (unsigned i = 0; i < GPU_BUCKETS; i++)
		for (struct gpu_resource *res = g->table[i]; res; res = res->next)
			if (res->n_backing)
				gpu_resource_remap(g, res);
}

/* --- the rest ------------------------------------------------------------- */

GPU_HANDLER(gpu_resource_uuid)
{
	struct gpu_resource *res = gpu_resource_find(g, req->cmd.uuid.resource_id);

	if (!res)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	if (!res->has_uuid) {
		if (getrandom(res->uuid, sizeof(res->uuid), GRND_NONBLOCK) != sizeof(res->uuid))
			return VIRTIO_GPU_RESP_ERR_UNSPEC;
		/* RFC 9562, 5.4: version 4, variant 10. */
		res->uuid[6] = (res->uuid[6] & 0x0f) | 0x40;
		res->uuid[8] = (res->uuid[8] & 0x3f) | 0x80;
		res->has_uuid = true;
	}
	memcpy(req->answer.uuid.uuid, res->uuid, sizeof(res->uuid));
	req->answer_len = sizeof(req->answer.uuid);
	return VIRTIO_GPU_RESP_OK_RESOURCE_UUID;
}

GPU_HANDLER(gpu_transfer_2d)
{
	const struct virtio_gpu_transfer_to_host_2d *c = &req->cmd.transfer_2d;
	struct gpu_resource *res = gpu_resource_find(g, c->resource_id);
	const struct gpu_transfer t = {
		.to_host = true,
		.box = { .x = c->r.x, .y = c->r.y, .w = c->r.width, .h = c->r.height, .d = 1 },
		.offset = c->offset,
	};
	uint64_t copied = 0;
	int ret;

	if (!res)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	/* Guest memory is what is shown: Linux asks for it all the same, for its console. */
	if (res->kind == GPU_RESOURCE_BLOB)
		return VIRTIO_GPU_RESP_OK_NODATA;
	if (!res->n_iov || !gpu_rect_fits(&c->r, res->width, res->height))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	ret = g->renderer->ops->transfer(g->renderer, res, &t, &copied);
	g->stats.bytes_copied += copied;
	gpu_spend(g, copied);
	return gpu_answer_type(ret);
}
