/* SPDX-License-Identifier: MIT */
#include "tests/gpu_rig.h"

#include <stdlib.h>

static void rig_kick(void *ctx, unsigned q)
{
	struct gpu_rig *t = ctx;

	vdrv_kick(&t->r.d, q);
}

static void rig_wait(void *ctx, unsigned q)
{
	struct gpu_rig *t = ctx;

	fake_settle(&t->r.fake);
}

void gpu_rig_start(struct gpu_rig *t, uint64_t features)
{
	const struct vgpu_port port = { rig_kick, rig_wait, t };
	struct vdrv *d = &t->r.d;

	vdrv_start(d, features);
	vgpu_init(&t->g, &t->r.fake.mem, &d->rings[0], &d->rings[1],
		  vdrv_alloc(d, VGPU_AREA_BYTES, 4096), port);
}

void gpu_rig_init(struct gpu_rig *t, enum vrig_kind kind, const struct gpu_params *params)
{
	const struct display display = fake_display(&t->display);

	memset(t, 0, sizeof(*t));
	vrig_init(&t->r, kind);
	if (gpu_create(&t->gpu, t->r.fake.loop, &t->r.fake.mem, params) < 0)
		abort();
	gpu_set_display(t->gpu, &display);
	vrig_plug(&t->r, gpu_device(t->gpu));
	t->fb = gmem_ptr(&t->r.fake.mem, GPU_RIG_FB, FAKE_RAM2_LEN);
	gpu_rig_start(t, GPU_RIG_FEATURES);
}

void gpu_rig_finish(struct gpu_rig *t)
{
	vrig_unplug(&t->r);
	gpu_destroy(t->gpu);
	vrig_finish(&t->r);
}

void gpu_rig_show(struct gpu_rig *t, uint32_t id, uint32_t format, uint32_t w, uint32_t h,
		  uint64_t gpa)
{
	const struct virtio_gpu_rect all = VGPU_RECT(0, 0, w, h);

	if (vgpu_create_2d(&t->g, id, format, w, h) != VIRTIO_GPU_RESP_OK_NODATA ||
	    vgpu_attach_range(&t->g, id, gpa, 4 * w * h) != VIRTIO_GPU_RESP_OK_NODATA ||
	    vgpu_set_scanout(&t->g, 0, id, all) != VIRTIO_GPU_RESP_OK_NODATA)
		abort();
}
