/* SPDX-License-Identifier: MIT */
/*
 * A machine with a graphics card in it, its driver and its display: what the
 * card's tests and fuzzers start from.
 */
#ifndef MICROVM_TESTS_GPU_RIG_H
#define MICROVM_TESTS_GPU_RIG_H

#include "devices/virtio/gpu.h"
#include "tests/fake_display.h"
#include "tests/vgpu.h"
#include "tests/vrig.h"

#define GPU_RIG_FEATURES                                                                           \
	(VIRTIO_COMMON_FEATURES | BIT(VIRTIO_GPU_F_EDID) | BIT(VIRTIO_GPU_F_RESOURCE_UUID) |       \
	 BIT(VIRTIO_GPU_F_RESOURCE_BLOB))
/* Guest memory for pictures: all of the second region. */
#define GPU_RIG_FB FAKE_RAM2_GPA

struct gpu_rig {
	struct vrig r;
	struct gpu *gpu;
	struct fake_display display;
	struct vgpu g;
	uint32_t *fb;		/* GPU_RIG_FB, FAKE_RAM2_LEN bytes of it */
};

void gpu_rig_init(struct gpu_rig *t, enum vrig_kind kind, const struct gpu_params *params);
/* One output of a card with virglrenderer, which it returns, and features of 3D. */
struct gpu_renderer *gpu_rig_init_virgl(struct gpu_rig *t);
void gpu_rig_finish(struct gpu_rig *t);
/* The driver starts (again), with all of the rings and areas new. */
void gpu_rig_start(struct gpu_rig *t, uint64_t features);
/* A resource with backing at @gpa, shown on output 0; aborts when refused. */
void gpu_rig_show(struct gpu_rig *t, uint32_t id, uint32_t format, uint32_t w, uint32_t h,
		  uint64_t gpa);

#endif
