/* SPDX-License-Identifier: MIT */
/*
 * A machine with --gpu in it, as microvm has it, with the real microvm-gpu of the same
 * build behind it, and its driver. Misuse by the test itself aborts.
 */
#ifndef MICROVM_TESTS_GPU_FRONT_H
#define MICROVM_TESTS_GPU_FRONT_H

#include "devices/backend/gpu_process.h"
#include "devices/registry.h"
#include "tests/vgpu.h"
#include "tests/vrig.h"

struct gpu_front {
	struct vrig r;
	struct gpu_process *process;
	struct opt_value opts;
	struct virtio_device *v;
	struct vgpu g;
};

/* Serves the loop until it is true; aborts and says what never came to be. */
#define GPU_FRONT_UNTIL(f, cond)                                                                   \
	for (uint64_t from_ = loop_now_ns(); !(cond);)                                             \
		gpu_front_serve((f), from_, #cond)

/* @option: what --gpu says. Nothing is shown, but for screenshots. */
void gpu_front_init(struct gpu_front *f, const char *option);
void gpu_front_finish(struct gpu_front *f);
/* The driver starts (again). */
void gpu_front_start(struct gpu_front *f, uint64_t features);
void gpu_front_serve(struct gpu_front *f, uint64_t from_ns, const char *what);
bool gpu_front_needs_reset(struct gpu_front *f);
/* The only child that this process has; 0: none; -1: cannot be seen. */
int gpu_front_child(void);
/* The pixel in the middle of a screenshot, as 0xRRGGBB; -1: there is none of this size. */
int64_t gpu_front_screenshot(struct gpu_front *f, uint32_t width, uint32_t height);

#endif
