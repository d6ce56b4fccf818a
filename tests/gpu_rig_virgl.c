/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "devices/gpu/gpu_virgl.h"
#include "tests/fake_renderer.h"
#include "tests/gpu_rig.h"

struct gpu_renderer *gpu_rig_init_virgl(struct gpu_rig *t)
{
	struct gpu_params params = { .n_outputs = 1, .n_plugged = 1 };
	const struct gpu_virgl_params virgl = { 0 };
	char why[200];

	if (gpu_virgl_create(&params.renderer, &virgl, why, sizeof(why)) < 0) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	gpu_rig_init(t, VRIG_MMIO, &params);
	gpu_rig_start(t, GPU_RIG_FEATURES | FAKE_RENDERER_FEATURES);
	return params.renderer;
}
