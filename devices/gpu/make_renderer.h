/* SPDX-License-Identifier: MIT */
#ifndef MICROVM_MAKE_RENDERER_H
#define MICROVM_MAKE_RENDERER_H

#include "devices/gpu/options.h"
#include "devices/ui/gl.h"

/*
 * Who makes the pictures of @d, NULL: software. 3D that cannot be had is no reason to
 * have no picture at all, unless a GPU was named for it. 0, or negative errno after one
 * line in the log. On the loop's thread. @gl: of what shows them, see gpu_virgl_params.
 */
int make_renderer(struct gpu_renderer **out, const struct gpu_option_device *d,
		  const struct gl_provider *gl);

#endif
