/* SPDX-License-Identifier: MIT */
/*
 * Which OpenGL a GPU has by EGL, without a window: asked before a library that takes a
 * newer one for granted, and ends the process where there is none, is started. What is
 * current on the thread is the same before and after.
 */
#ifndef MICROVM_GL_VERSION_H
#define MICROVM_GL_VERSION_H

#include <stddef.h>

/*
 * Of the GPU @rendernode, by GBM; NULL: of that which EGL chooses where there is no surface.
 * 0: OpenGL @major.@minor can be had, or cannot even be asked for; -ENOTSUP: only an older
 * one can, and what it is is in @has.
 */
int gl_version_check(const char *rendernode, int major, int minor, char *has, size_t len);

#endif
