/* SPDX-License-Identifier: MIT */
#ifndef MICROVM_GPU_2D_H
#define MICROVM_GPU_2D_H

#include "devices/gpu/renderer.h"

/*
 * As gpu_2d_create(), for a display that shows pictures to other processes: large
 * images are memory that can be handed over as it is (display_pixels.shared). 0 or
 * -ENOMEM.
 */
int gpu_2d_create_shared(struct gpu_renderer **out);

#endif
