/* SPDX-License-Identifier: MIT */
/*
 * The renderer of 3D: virglrenderer, on the host's OpenGL. The library is loaded
 * when one is made, so that nobody else pays for it or has to have it.
 *
 * It is one for the process, and so is this renderer; and GL's contexts are the
 * thread's that made them. On the thread of the card's loop, from here on; threads of
 * its own inherit the signal mask.
 */
#ifndef MICROVM_GPU_VIRGL_H
#define MICROVM_GPU_VIRGL_H

#include "devices/gpu/renderer.h"
#include "devices/ui/gl.h"

struct gpu_virgl_params {
	/*
	 * The GPU, such as /dev/dri/renderD128, and no other. NULL: the first one that can be
	 * used; where there is none, pictures are drawn by the processor.
	 */
	const char *rendernode;
	/*
	 * Whose contexts to draw with, if there are any: what shows the pictures then sees
	 * the textures. Outlives the renderer. Not with a rendernode, which may be another GPU.
	 */
	struct gl_provider gl;
	/* Vulkan too, by Mesa's venus, if the library can; says so when it cannot. */
	bool venus;
	uint64_t patience_ns;	/* how long a call, or a fence, may take; 0: for ever */
};

/*
 * 0, after one line in the log that says what draws; or negative errno, and in
 * @why what was tried and what to do about it.
 */
int gpu_virgl_create(struct gpu_renderer **out, const struct gpu_virgl_params *params, char *why,
		     size_t len);
/* Tries it out, and prints what of it there is here. */
void gpu_virgl_describe(void);

#endif
