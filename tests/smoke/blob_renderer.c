/* SPDX-License-Identifier: MIT */
/*
 * microvm-gpu's renderer when a guest's driver maps the host's memory: software, and blobs of
 * memory that is known by its blob_id. It starts as zeros and lasts until the card is reset,
 * whatever of it is mapped where. A command is one word, such an id: all bits of that memory
 * are inverted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/gpu/gpu_2d.h"
#include "devices/gpu/make_renderer.h"
#include "vmm/util.h"

#define SIZE 0x100000u	/* blob_guest.c's */
#define MAX_ID 8

/* The program has one renderer. */
static struct {
	struct gpu_renderer_ops ops;	/* gpu_2d's, and those below */
	int fds[MAX_ID];		/* 0: none */
} blobs;

static int *find(uint64_t id)
{
	return id < MAX_ID ? &blobs.fds[id] : NULL;
}

static uint64_t features(struct gpu_renderer *r)
{
	return BIT(VIRTIO_GPU_F_VIRGL);
}

static int create_blob(struct gpu_renderer *r, struct gpu_resource *res, uint32_t ctx_id)
{
	int *fd = find(res->blob_id);

	if (res->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST)
		return 0;
	if (!fd || res->blob_mem != VIRTIO_GPU_BLOB_MEM_HOST3D || res->blob_size != SIZE)
		return -EINVAL;
	if (*fd)
		return 0;
	*fd = memfd_create("blob", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd >= 0 && ftruncate(*fd, SIZE) == 0 && fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
		return 0;
	if (*fd >= 0)
		close(*fd);
	*fd = 0;
	return -ENOMEM;
}

static int map(struct gpu_renderer *r, struct gpu_resource *res, struct gpu_map *out)
{
	*out = (struct gpu_map){
		.fd = fcntl(*find(res->blob_id), F_DUPFD_CLOEXEC, 3), .size = SIZE,
		.info = VIRTIO_GPU_MAP_CACHE_CACHED,
	};
	return out->fd < 0 ? -ENOMEM : 0;
}

static void unmap(struct gpu_renderer *r, struct gpu_resource *res)
{
}

static int ctx_create(struct gpu_renderer *r, uint32_t ctx_id, uint32_t capset, const char *name)
{
	return 0;
}

static void ctx_destroy(struct gpu_renderer *r, uint32_t ctx_id)
{
}

static int ctx_resource(struct gpu_renderer *r, uint32_t ctx_id, struct gpu_resource *res)
{
	return 0;
}

static int submit(struct gpu_renderer *r, uint32_t ctx_id, void *commands, size_t len)
{
	uint32_t id = len == sizeof(id) ? *(uint32_t *)commands : MAX_ID;
	int *fd = find(id);
	uint32_t *p;

	if (!fd || !*fd)
		return -EINVAL;
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	for (unsigned i = 0; i < SIZE / sizeof(*p); i++)
		p[i] = ~p[i];
	munmap(p, SIZE);
	return 0;
}

static void reset(struct gpu_renderer *r)
{
	for (unsigned i = 0; i < MAX_ID; i++)
		if (blobs.fds[i])
			close(blobs.fds[i]);
	memset(blobs.fds, 0, sizeof(blobs.fds));
}

int make_renderer(struct gpu_renderer **out, const struct gpu_option_device *d,
		  const struct gl_provider *gl)
{
	int ret = gpu_2d_create(out);

	if (ret < 0)
		return ret;
	blobs.ops = *(*out)->ops;
	blobs.ops.features = features;
	blobs.ops.create_blob = create_blob;
	blobs.ops.map = map;
	blobs.ops.unmap = unmap;
	blobs.ops.ctx_create = ctx_create;
	blobs.ops.ctx_destroy = ctx_destroy;
	blobs.ops.ctx_attach = blobs.ops.ctx_detach = ctx_resource;
	blobs.ops.submit = submit;
	blobs.ops.reset = reset;
	(*out)->ops = &blobs.ops;
	return 0;
}
