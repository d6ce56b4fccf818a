/* SPDX-License-Identifier: MIT */
/* virglrenderer behind gpu_renderer_ops: what there is in one place, and life. */
#include "devices/gpu/gpu_virgl_impl.h"

#include <stdio.h>
#include <string.h>

#if GPU_VIRGL_BUILT

#include <linux/virtio_gpu.h>

/* --- capability sets ------------------------------------------------------ */

static uint64_t virgl_features(struct gpu_renderer *r)
{
	return BIT(VIRTIO_GPU_F_VIRGL) | BIT(VIRTIO_GPU_F_CONTEXT_INIT);
}

static unsigned virgl_n_capsets(struct gpu_renderer *r)
{
	return virgl_of(r)->n_capsets;
}

static int virgl_capset_info(struct gpu_renderer *r, unsigned index, struct gpu_capset_info *info)
{
	struct gpu_virgl *v = virgl_of(r);

	info->id = v->capsets[index];
	v->lib.get_cap_set(info->id, &info->max_version, &info->max_size);
	return 0;
}

static int virgl_capset(struct gpu_renderer *r, uint32_t id, uint32_t version, void *buf,
			size_t len)
{
	virgl_of(r)->lib.fill_caps(id, version, buf);
	return 0;
}

static void virgl_find_capsets(struct gpu_virgl *v)
{
	static const uint32_t ids[] = { VIRTIO_GPU_CAPSET_VIRGL, VIRTIO_GPU_CAPSET_VIRGL2 };

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		uint32_t version = 0, size = 0;

		v->lib.get_cap_set(ids[i], &version, &size);
		if (size)
			v->default_capset = v->capsets[v->n_capsets++] = ids[i];
	}
	if (v->venus)
		v->capsets[v->n_capsets++] = VIRTIO_GPU_CAPSET_VENUS;
}

/* --- life ----------------------------------------------------------------- */

static void virgl_reset(struct gpu_renderer *r)
{
	/* Nothing is left but the context of the library's own. */
	virgl_of(r)->lib.force_ctx_0();
}

static void virgl_free(struct gpu_virgl *v)
{
	if (v->software)
		v->software->ops->destroy(v->software);
	watchdog_destroy(v->dog);
	free(v);
}

static void virgl_destroy(struct gpu_renderer *r)
{
	struct gpu_virgl *v = virgl_of(r);

	gpu_virgl_venus_finish(v);
	v->lib.cleanup(v);
	virgl_free(v);
}

static const struct gpu_renderer_ops virgl_ops = {
	.name = "virgl",
	.features = virgl_features,
	.n_capsets = virgl_n_capsets,
	.capset_info = virgl_capset_info,
	.capset = virgl_capset,
	.create_2d = gpu_virgl_create_2d,
	.create_3d = gpu_virgl_create_3d,
	.create_blob = gpu_virgl_create_blob,
	.destroy_resource = gpu_virgl_destroy_resource,
	.attach = gpu_virgl_attach,
	.detach = gpu_virgl_detach,
	.transfer = gpu_virgl_transfer,
	.can_map = gpu_virgl_can_map,
	.map = gpu_virgl_map,
	.unmap = gpu_virgl_unmap,
	.ctx_create = gpu_virgl_ctx_create,
	.ctx_destroy = gpu_virgl_ctx_destroy,
	.ctx_attach = gpu_virgl_ctx_attach,
	.ctx_detach = gpu_virgl_ctx_detach,
	.submit = gpu_virgl_submit,
	.fence = gpu_virgl_fence,
	.poll_fd = gpu_virgl_poll_fd,
	.poll = gpu_virgl_poll,
	.surface = gpu_virgl_surface,
	.flush = gpu_virgl_flush,
	.read_cursor = gpu_virgl_read_cursor,
	.reset = virgl_reset,
	.destroy = virgl_destroy,
};

int gpu_virgl_create(struct gpu_renderer **out, const struct gpu_virgl_params *params, char *why,
		     size_t len)
{
	struct gpu_virgl *v = calloc(1, sizeof(*v));
	int ret = v ? gpu_2d_create(&v->software) : -ENOMEM;

	if (ret < 0) {
		snprintf(why, len, "%s", strerror(-ret));
		free(v);
		return ret;
	}
	v->base.ops = &virgl_ops;
	v->venus = params->venus;
	v->poll = -1;
	if (params->patience_ns) {
		ret = watchdog_create(&v->dog, params->patience_ns);
		if (ret < 0)
			snprintf(why, len, "%s", strerror(-ret));
	}
	if (ret == 0)
		ret = gpu_virgl_lib_open(v, params, why, len);
	if (ret < 0) {
		virgl_free(v);
		return ret;
	}
	virgl_find_capsets(v);
	*out = &v->base;
	return 0;
}

#else

#include <errno.h>

int gpu_virgl_create(struct gpu_renderer **out, const struct gpu_virgl_params *params, char *why,
		     size_t len)
{
	snprintf(why, len, "built without it; install libvirglrenderer-dev and build again");
	return -ENOSYS;
}

#endif
