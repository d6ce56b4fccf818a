/* SPDX-License-Identifier: MIT */
/*
 * What the library can do beyond OpenGL: Vulkan, by contexts of Mesa's venus, whose
 * memory can be handed over. Of OpenGL's, buffers are memory of this process alone
 * in 0.10, and textures are no memory at all: those are not mapped.
 */
#include "devices/gpu/gpu_virgl_impl.h"

#if GPU_VIRGL_BUILT

#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define TRIAL_CONTEXT 0x7fffffff	/* no guest is there yet */

int gpu_virgl_venus_flags(struct gpu_virgl *v)
{
	if (!v->venus || !v->lib.resource_export_blob || !v->lib.context_create_fence)
		return 0;
	/* The second: nothing is to be offered that only a VMM in this process could map. */
	return VIRGL_RENDERER_VENUS | VIRGL_RENDERER_USE_EXTERNAL_BLOB;
}

/* The size of its capability set says nothing: there is one without it too. */
bool gpu_virgl_venus_works(struct gpu_virgl *v)
{
	static const char name[] = "trial";
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = v->lib.get_poll_fd();

	if (v->lib.context_create_with_flags(TRIAL_CONTEXT, VIRTIO_GPU_CAPSET_VENUS,
					     strlen(name), name) != 0)
		return false;
	v->lib.context_destroy(TRIAL_CONTEXT);
	v->poll = fd < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
	if (v->poll >= 0 && epoll_ctl(v->poll, EPOLL_CTL_ADD, fd, &ev) == 0)
		return true;
	gpu_virgl_venus_finish(v);
	return false;
}

void gpu_virgl_venus_finish(struct gpu_virgl *v)
{
	if (v->poll >= 0)
		close(v->poll);
	v->poll = -1;
}

/* --- contexts ------------------------------------------------------------------- */

static struct virgl_venus *venus_find(struct gpu_virgl *v, uint32_t ctx_id)
{
	for (unsigned i = 0; i < VIRGL_MAX_VENUS; i++)
		if (v->contexts[i].ctx_id == ctx_id)
			return &v->contexts[i];
	return NULL;
}

bool gpu_virgl_venus_has(const struct gpu_virgl *v, uint32_t ctx_id)
{
	return ctx_id && v->venus && venus_find((struct gpu_virgl *)v, ctx_id);
}

int gpu_virgl_venus_create(struct gpu_virgl *v, uint32_t ctx_id, const char *name)
{
	struct virgl_venus *c = venus_find(v, 0);
	struct epoll_event ev = { .events = EPOLLIN };
	int ret;

	if (!c)
		return -ENOMEM;
	ret = virgl_error(v->lib.context_create_with_flags(ctx_id, VIRTIO_GPU_CAPSET_VENUS,
							   strlen(name), name));
	if (ret < 0)
		return ret;
	c->fd = v->lib.context_get_poll_fd(ctx_id);
	if (c->fd >= 0 && epoll_ctl(v->poll, EPOLL_CTL_ADD, c->fd, &ev) < 0) {
		v->lib.context_destroy(ctx_id);
		return -ENOMEM;
	}
	c->ctx_id = ctx_id;
	return 0;
}

void gpu_virgl_venus_forget(struct gpu_virgl *v, uint32_t ctx_id)
{
	struct virgl_venus *c = gpu_virgl_venus_has(v, ctx_id) ? venus_find(v, ctx_id) : NULL;

	if (!c)
		return;
	if (c->fd >= 0)
		epoll_ctl(v->poll, EPOLL_CTL_DEL, c->fd, NULL);
	*c = (struct virgl_venus){ 0 };
}

void gpu_virgl_venus_poll(struct gpu_virgl *v)
{
	for (unsigned i = 0; i < VIRGL_MAX_VENUS; i++)
		if (v->contexts[i].ctx_id)
			v->lib.context_poll(v->contexts[i].ctx_id);
}

/* --- memory --------------------------------------------------------------------- */

bool gpu_virgl_can_map(struct gpu_renderer *r)
{
	return virgl_of(r)->venus;
}

/* Opaque ones mean something to the driver that made them, and to nobody else. */
static bool is_memory(uint32_t type, int fd)
{
	switch (type) {
	case VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF:
		return true;
	case VIRGL_RENDERER_BLOB_FD_TYPE_SHM:
		/* Nobody shrinks it; who maps it wants to be sure. */
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
		return true;
	default:
		return false;
	}
}

int gpu_virgl_map(struct gpu_renderer *r, struct gpu_resource *res, struct gpu_map *out)
{
	struct gpu_virgl *v = virgl_of(r);
	uint32_t type = 0, info = 0;
	int fd = -1, ret;

	if (!v->venus)
		return -ENOTSUP;
	ret = virgl_error(v->lib.resource_get_map_info(res->id, &info));
	if (ret == 0)
		ret = virgl_error(v->lib.resource_export_blob(res->id, &type, &fd));
	if (ret < 0)
		return ret;
	if (!is_memory(type, fd)) {
		close(fd);
		return -ENOTSUP;
	}
	*out = (struct gpu_map){
		.fd = fd, .size = res->blob_size, .info = info & VIRTIO_GPU_MAP_CACHE_MASK,
	};
	return 0;
}

void gpu_virgl_unmap(struct gpu_renderer *r, struct gpu_resource *res)
{
}

#endif
