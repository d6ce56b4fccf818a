/* SPDX-License-Identifier: MIT */
/*
 * Textures as dma-bufs, and dma-bufs as textures: what leaves this process, and what
 * comes from another one. In the context that is current, which is EGL's.
 */
#ifndef MICROVM_GL_DMABUF_H
#define MICROVM_GL_DMABUF_H

#include "devices/ui/display.h"
#include "devices/ui/gl_lib.h"

/*
 * A texture of target GL_TEXTURE_2D and @width x @height pixels. 0, and @out is the
 * caller's to close; -ENOTSUP: the driver cannot, or made something that a
 * display_dmabuf is not.
 */
int gl_dmabuf_export(const struct gl_lib *gl, unsigned texture, uint32_t width, uint32_t height,
		     struct display_dmabuf *out);

/* Whether the driver can export, and import, any. */
bool gl_dmabuf_exportable(const struct gl_lib *gl);
bool gl_dmabuf_importable(const struct gl_lib *gl);
/*
 * The same memory as a texture, of which the name is the caller's to delete; 0: the
 * driver refused. @d may be closed afterwards. Nobody has to have checked it.
 */
unsigned gl_dmabuf_import(const struct gl_lib *gl, const struct display_dmabuf *d, uint32_t width,
			  uint32_t height);

/*
 * Whether @d can be what it says, as far as that can be told: up to four planes of a
 * format with 32 bits a pixel that lie within their files. 0 or -EINVAL. Pure but for
 * asking for the files' sizes.
 */
int gl_dmabuf_check(const struct display_dmabuf *d, uint32_t width, uint32_t height);
/* Each file once. */
void gl_dmabuf_close(struct display_dmabuf *d);

#endif
