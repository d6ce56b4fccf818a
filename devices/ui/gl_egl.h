/* SPDX-License-Identifier: MIT */
/*
 * What is current on a thread, and a gl_provider of more contexts like it. Who made the
 * first one, SDL say, keeps it.
 */
#ifndef MICROVM_GL_EGL_H
#define MICROVM_GL_EGL_H

#include "devices/ui/gl.h"
#include "devices/ui/gl_lib.h"

struct gl_egl {
	const struct gl_lib *gl;
	EGLDisplay display;
	EGLConfig config;
	EGLContext first;
};

/*
 * Contexts that share with the current one from now on. 0; or negative errno and
 * one line in @why. Nothing to be undone but what is made by the provider.
 */
int gl_egl_share(struct gl_egl *egl, const struct gl_lib *gl, char *why, size_t len);
struct gl_provider gl_egl_provider(struct gl_egl *egl);

/* What a thread has, for somebody who uses a context of his own in between. */
struct gl_current {
	EGLDisplay display;
	EGLContext context;
	EGLSurface draw, read;
};

void gl_current_save(const struct gl_lib *gl, struct gl_current *c);
/* With no context in use. */
void gl_current_restore(const struct gl_lib *gl, const struct gl_current *c);

#endif
