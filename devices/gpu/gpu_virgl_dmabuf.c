/* SPDX-License-Identifier: MIT */
/*
 * Textures as dma-bufs, for who has no GL context of ours: from the library where it
 * knows the buffer, otherwise from EGL. Neither is believed (case 72).
 */
#include "devices/gpu/gpu_virgl_impl.h"

#if GPU_VIRGL_BUILT

#include "devices/ui/gl_dmabuf.h"

/* Without descriptors of their own, planes are in the file of the one before. */
static void take_planes(const struct virgl_renderer_export_query *q, struct display_dmabuf *out)
{
	unsigned n = 0;

	*out = (struct display_dmabuf){ .fourcc = q->out_fourcc, .modifier = q->out_modifier };
	for (; n < DISPLAY_MAX_PLANES && (q->out_strides[n] || q->out_fds[n] >= 0); n++) {
		out->fds[n] = q->out_fds[n] < 0 && n ? out->fds[n - 1] : q->out_fds[n];
		out->offsets[n] = q->out_offsets[n];
		out->strides[n] = q->out_strides[n];
	}
	out->n_planes = n;
}

static int export_by_library(const struct virgl_image *image, struct display_dmabuf *out)
{
	struct virgl_renderer_export_query q = {
		.hdr = {
			.stype = VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY, .size = sizeof(q),
		},
		.in_resource_id = image->res->id,
		.in_export_fds = 1,
		.out_fds = { -1, -1, -1, -1 },
	};
	const struct virgl_lib *lib = &image->v->lib;

	if (!lib->execute || lib->execute(&q, sizeof(q)) != 0 || !q.out_num_fds)
		return -ENOTSUP;
	take_planes(&q, out);
	if (q.out_num_fds <= DISPLAY_MAX_PLANES &&
	    gl_dmabuf_check(out, image->res->width, image->res->height) == 0)
		return 0;
	gl_dmabuf_close(out);
	return -ENOTSUP;
}

static int export_by_egl(const struct virgl_image *image, struct display_dmabuf *out)
{
	struct virgl_renderer_resource_info info;
	struct gpu_virgl *v = image->v;

	if (!v->has_egl || v->lib.resource_get_info(image->res->id, &info) != 0)
		return -ENOTSUP;
	v->lib.force_ctx_0();
	return gl_dmabuf_export(&v->egl, info.tex_id, image->res->width, image->res->height, out);
}

int gpu_virgl_dmabuf(void *ctx, struct display_dmabuf *out)
{
	struct virgl_image *image = ctx;
	struct display_dmabuf *d = &image->dmabuf;

	if (!image->exported) {
		virgl_begin(image->v);
		if (export_by_library(image, d) < 0 && export_by_egl(image, d) < 0)
			d->n_planes = 0;
		virgl_end(image->v, 0);
	}
	image->exported = true;
	*out = *d;
	return d->n_planes ? 0 : -ENOTSUP;
}

void gpu_virgl_dmabuf_flush(struct virgl_image *image)
{
	if (!image->dmabuf.n_planes || !image->v->has_egl)
		return;
	image->v->lib.force_ctx_0();
	image->v->egl.Flush();
}

#endif
