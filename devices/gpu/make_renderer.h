/* SPDX-License-Identifier: MIT */
#ifndef MICROVM_MAKE_RENDERER_H
#define MICROVM_MAKE_RENDERER_H

#include "devices/gpu/options.h"

/*
 * Who makes the pictures of @d, NULL: software. 3D that cannot be had is no reason to
 * have no picture at all, unless a GPU was named for it. 0, or negative errno after one
 * line in the log. On the loop's thread.
 */
int make_renderer(struct gpu_renderer **out, const struct gpu_option_device *d);

#endif
