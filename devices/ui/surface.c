/* SPDX-License-Identifier: MIT */
#include "devices/ui/surface.h"

#include <assert.h>
#include <libdrm/drm_fourcc.h>

#include "devices/iov.h"
#include "vmm/util.h"

/* Where the colours are in a word, by bits to shift it right; a of 32: there is none. */
struct surface_format {
	uint32_t fourcc;
	uint8_t r, g, b, a;
};

#define NO_ALPHA 32

static const struct surface_format surface_formats[] = {
	{ DRM_FORMAT_ARGB8888, 16, 8, 0, 24 },
	{ DRM_FORMAT_XRGB8888, 16, 8, 0, NO_ALPHA },
	{ DRM_FORMAT_ABGR8888, 0, 8, 16, 24 },
	{ DRM_FORMAT_XBGR8888, 0, 8, 16, NO_ALPHA },
	{ DRM_FORMAT_RGBA8888, 24, 16, 8, 0 },
	{ DRM_FORMAT_RGBX8888, 24, 16, 8, NO_ALPHA },
	{ DRM_FORMAT_BGRA8888, 8, 16, 24, 0 },
	{ DRM_FORMAT_BGRX8888, 8, 16, 24, NO_ALPHA },
};

static const struct surface_format *surface_format_find(uint32_t fourcc)
{
	for (unsigned i = 0; i < ARRAY_SIZE(surface_formats); i++)
		if (surface_formats[i].fourcc == fourcc)
			return &surface_formats[i];
	return NULL;
}

bool surface_format_valid(uint32_t fourcc)
{
	return surface_format_find(fourcc);
}

void surface_refresh(const struct display_surface *s)
{
	if (s->pixels.refresh)
		s->pixels.refresh(s->pixels.refresh_ctx);
}

const void *surface_ptr(const struct display_surface *s, uint32_t y, uint32_t rows)
{
	const struct display_pixels *px = &s->pixels;
	uint64_t off = px->offset + (uint64_t)y * px->stride;
	uint64_t len = (uint64_t)(rows - 1) * px->stride + 4ull * s->width;
	const struct iovec *piece = px->pieces;

	assert(rows && range_fits(y, rows, s->height));
	surface_refresh(s);
	while (off >= piece->iov_len)
		off -= piece++->iov_len;
	assert(piece < px->pieces + px->n_pieces);
	if (len > piece->iov_len - off || len > INT32_MAX || px->stride > INT32_MAX)
		return NULL;
	return (const char *)piece->iov_base + off;
}

void surface_read(const struct display_surface *s, const struct display_rect *r, void *dst,
		  size_t dst_stride)
{
	const struct display_pixels *px = &s->pixels;
	const struct iov_rows from = {
		.off = px->offset + (uint64_t)r->y * px->stride + 4ull * r->x,
		.stride = px->stride,
		.len = 4ull * r->width,
		.rows = r->height,
	};

	assert(range_fits(r->x, r->width, s->width) &&
	       range_fits(r->y, r->height, s->height));
	surface_refresh(s);
	iov_read_rows(px->pieces, px->n_pieces, &from, dst, dst_stride);
}

void surface_to_argb(uint32_t fourcc, const uint32_t *src, uint32_t *dst, size_t n)
{
	const struct surface_format *f = surface_format_find(fourcc);

	assert(f);
	for (size_t i = 0; i < n; i++) {
		uint32_t p = src[i];
		uint32_t a = f->a == NO_ALPHA ? 255 : p >> f->a & 255;

		dst[i] = a << 24 | (p >> f->r & 255) << 16 | (p >> f->g & 255) << 8 |
			 (p >> f->b & 255);
	}
}
