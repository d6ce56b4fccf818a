/* SPDX-License-Identifier: MIT */
/*
 * Reading surfaces: by rectangle, by row, in any of the eight
 * formats. What is read lies in guest memory or is a host's copy of it; nothing
 * is kept. Pure but for that; the display's thread.
 */
#ifndef MICROVM_SURFACE_H
#define MICROVM_SURFACE_H

#include "devices/ui/display.h"

/* Whether @fourcc is one of the eight formats of 32 bits that surfaces have. */
bool surface_format_valid(uint32_t fourcc);

/*
 * What the two below do first. For who cannot be disturbed then: it may use OpenGL on
 * this thread. The second time in a row it does nothing.
 */
void surface_refresh(const struct display_surface *s);

/*
 * Where row @y begins, if the @rows rows from there lie in one piece, @stride bytes
 * apart, and no farther than libraries count, by an int; NULL: they do not, use
 * surface_read(). No copy.
 */
const void *surface_ptr(const struct display_surface *s, uint32_t y, uint32_t rows);

/* Copies @r, which lies within the surface, to @dst, rows @dst_stride bytes apart. */
void surface_read(const struct display_surface *s, const struct display_rect *r, void *dst,
		  size_t dst_stride);

/*
 * @n pixels of @fourcc at @src to DRM_FORMAT_ARGB8888; alpha 255 where there is
 * none. In place is legal.
 */
void surface_to_argb(uint32_t fourcc, const uint32_t *src, uint32_t *dst, size_t n);

#endif
