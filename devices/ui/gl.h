/* SPDX-License-Identifier: MIT */
/*
 * Contexts of OpenGL that share their textures: made by who has windows, used by who
 * draws what is in them (gpu_virgl), so that a picture need not be copied. A texture
 * of one context has the same name in all of them (display_image.texture).
 *
 * create(), destroy(): the loop's thread. use(): any thread, for itself; a context is
 * one thread's at a time. Who draws in windows leaves the thread with the context
 * that it had.
 */
#ifndef MICROVM_GL_H
#define MICROVM_GL_H

struct gl_provider_ops {
	/* OpenGL of this version or newer, core profile; NULL: not to be had. */
	void *(*create)(void *ctx, unsigned major, unsigned minor);
	/* In use on no other thread. */
	void (*destroy)(void *ctx, void *context);
	/* Without a surface to draw on; NULL: none. 0, or -EIO. */
	int (*use)(void *ctx, void *context);
};

/* Outlives what was made by it. Of zeros: there is none. */
struct gl_provider {
	const struct gl_provider_ops *ops;
	void *ctx;
};

#endif
