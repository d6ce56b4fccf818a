/* SPDX-License-Identifier: MIT */
/*
 * What is shown of a texture: a copy of it in memory, made when it is looked at and
 * the guest has drawn since.
 */
#include "devices/gpu/gpu_virgl_impl.h"

#if GPU_VIRGL_BUILT

#include <linux/virtio_gpu.h>

#include "devices/ui/surface.h"
#include "devices/virtio/gpu_proto.h"

/* Rows of @r from the texture to the shadow, which is all of it without gaps. */
static int virgl_read_back(struct gpu_virgl *v, struct gpu_resource *res,
			   const struct display_rect *r)
{
	struct virgl_box box = { .x = r->x, .y = r->y, .w = r->width, .h = r->height, .d = 1 };
	uint32_t stride = 4 * res->width;

	v->base.read_backs++;
	virgl_begin(v);
	return virgl_end(v, v->lib.transfer_read_iov(res->id, 0, 0, stride, 0, &box,
						     (uint64_t)r->y * stride + 4ull * r->x,
						     &res->shadow, 1));
}

/* Somebody is about to look at the picture. */
static void virgl_refresh(void *ctx)
{
	struct virgl_image *image = ctx;

	if (!image->stale.width)
		return;
	virgl_read_back(image->v, image->res, &image->stale);
	image->stale = (struct display_rect){ 0 };
}

static void virgl_make_stale(struct virgl_image *image, const struct display_rect *r)
{
	struct display_rect *s = &image->stale;
	uint32_t right = MAX(s->x + s->width, r->x + r->width);
	uint32_t bottom = MAX(s->y + s->height, r->y + r->height);

	if (!s->width) {
		*s = *r;
		return;
	}
	s->x = MIN(s->x, r->x);
	s->y = MIN(s->y, r->y);
	s->width = right - s->x;
	s->height = bottom - s->y;
}

/* Formats of 32 bits have the same numbers in both protocols; there are no scanouts of others. */
static int virgl_shadow(struct gpu_resource *res)
{
	const struct virgl_image *image = res->priv;
	uint64_t bytes = gpu_image_bytes(res->width, res->height);

	if (!gpu_fourcc(res->format) || image->args.target != VIRGL_TARGET_2D)
		return -EINVAL;
	if (!res->shadow.iov_base) {
		res->shadow.iov_base = calloc(1, bytes);
		res->shadow.iov_len = bytes;
	}
	return res->shadow.iov_base ? 0 : -ENOMEM;
}

/* The texture of which @view is a part. */
static void virgl_show_image(struct gpu_virgl *v, struct virgl_image *image,
			     const struct gpu_scanout_view *view, struct display_image *out)
{
	struct virgl_renderer_resource_info info;

	*out = (struct display_image){
		.width = image->res->width,
		.height = image->res->height,
		.x = view->rect.x,
		.y = view->rect.y,
		.flipped = image->args.flags & VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP,
	};
	if (v->gl.ops && image->args.nr_samples <= 1 &&
	    v->lib.resource_get_info(image->res->id, &info) == 0)
		out->texture = info.tex_id;
	if (image->args.nr_samples <= 1) {
		out->dmabuf = gpu_virgl_dmabuf;
		out->ctx = image;
	}
}

int gpu_virgl_surface(struct gpu_renderer *r, struct gpu_resource *res,
		      const struct gpu_scanout_view *view, struct display_surface *out)
{
	struct gpu_renderer *software = virgl_of(r)->software;
	struct gpu_scanout_view all = *view;
	struct virgl_image *image = res->priv;
	int ret;

	if (!image)
		return software->ops->surface(software, res, view, out);
	ret = virgl_shadow(res);
	if (ret < 0)
		return ret;
	all.fourcc = gpu_fourcc(res->format);
	all.stride = 4 * res->width;
	ret = software->ops->surface(software, res, &all, out);
	out->pixels.refresh = virgl_refresh;
	out->pixels.refresh_ctx = image;
	virgl_show_image(image->v, image, view, &out->image);
	virgl_make_stale(image, &(struct display_rect){ .width = res->width,
							.height = res->height });
	return ret;
}

void gpu_virgl_flush(struct gpu_renderer *r, struct gpu_resource *res,
		     const struct display_rect *rect)
{
	if (!res->priv)
		return;
	virgl_make_stale(res->priv, rect);
	gpu_virgl_dmabuf_flush(res->priv);
}

int gpu_virgl_read_cursor(struct gpu_renderer *r, struct gpu_resource *res, uint32_t *out)
{
	const struct display_rect all = { .width = GPU_CURSOR_SIZE, .height = GPU_CURSOR_SIZE };
	struct gpu_renderer *software = virgl_of(r)->software;
	int ret;

	if (!res->priv)
		return software->ops->read_cursor(software, res, out);
	if (res->width != GPU_CURSOR_SIZE || res->height != GPU_CURSOR_SIZE)
		return -EINVAL;
	ret = virgl_shadow(res);
	if (ret == 0)
		ret = virgl_read_back(virgl_of(r), res, &all);
	if (ret == 0)
		surface_to_argb(gpu_fourcc(res->format), res->shadow.iov_base, out,
				GPU_CURSOR_SIZE * GPU_CURSOR_SIZE);
	return ret;
}

#endif
