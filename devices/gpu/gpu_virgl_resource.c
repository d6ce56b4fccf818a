/* SPDX-License-Identifier: MIT */
/* Resources: textures and buffers on the host's GPU, and what goes to and from them. */
#include "devices/gpu/gpu_virgl_impl.h"

#if GPU_VIRGL_BUILT

#include <linux/virtio_gpu.h>

#include "devices/ui/gl_dmabuf.h"

#define BIND_OF_2D (VIRGL_RES_BIND_RENDER_TARGET | VIRGL_RES_BIND_SAMPLER_VIEW)

static int virgl_create(struct gpu_virgl *v, struct gpu_resource *res,
			const struct gpu_create_3d *a)
{
	struct virgl_renderer_resource_create_args args = {
		.handle = res->id, .target = a->target, .format = a->format, .bind = a->bind,
		.width = a->width, .height = a->height, .depth = a->depth,
		.array_size = a->array_size, .last_level = a->last_level,
		.nr_samples = a->nr_samples, .flags = a->flags,
	};
	struct virgl_image *image = calloc(1, sizeof(*image));
	int ret = image ? v->lib.resource_create(&args, NULL, 0) : -ENOMEM;

	if (ret != 0) {
		free(image);
		return virgl_error(ret);
	}
	*image = (struct virgl_image){ .v = v, .res = res, .args = *a };
	res->priv = image;
	return 0;
}

int gpu_virgl_create_2d(struct gpu_renderer *r, struct gpu_resource *res)
{
	const struct gpu_create_3d args = {
		.target = VIRGL_TARGET_2D, .format = res->format, .bind = BIND_OF_2D,
		.width = res->width, .height = res->height, .depth = 1, .array_size = 1,
		.flags = VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP,
	};

	return virgl_create(virgl_of(r), res, &args);
}

int gpu_virgl_create_3d(struct gpu_renderer *r, struct gpu_resource *res,
			const struct gpu_create_3d *args)
{
	return virgl_create(virgl_of(r), res, args);
}

int gpu_virgl_create_blob(struct gpu_renderer *r, struct gpu_resource *res, uint32_t ctx_id)
{
	const struct virgl_renderer_resource_create_blob_args args = {
		.res_handle = res->id, .ctx_id = ctx_id, .blob_mem = res->blob_mem,
		.blob_flags = res->blob_flags, .blob_id = res->blob_id, .size = res->blob_size,
		.iovecs = res->iov, .num_iovs = res->n_iov,
	};

	return virgl_error(virgl_of(r)->lib.resource_create_blob(&args));
}

void gpu_virgl_destroy_resource(struct gpu_renderer *r, struct gpu_resource *res)
{
	struct gpu_virgl *v = virgl_of(r);
	struct virgl_image *image = res->priv;

	if (image)
		gl_dmabuf_close(&image->dmabuf);
	virgl_begin(v);
	v->lib.resource_unref(res->id);
	virgl_end(v, 0);
	free(res->priv);
	free(res->shadow.iov_base);
	res->priv = NULL;
	res->shadow = (struct iovec){ 0 };
}

int gpu_virgl_attach(struct gpu_renderer *r, struct gpu_resource *res)
{
	return virgl_error(virgl_of(r)->lib.resource_attach_iov(res->id, res->iov, res->n_iov));
}

void gpu_virgl_detach(struct gpu_renderer *r, struct gpu_resource *res)
{
	struct iovec *iov;
	int n;

	virgl_of(r)->lib.resource_detach_iov(res->id, &iov, &n);
}

static uint32_t level_size(uint32_t size, uint32_t level)
{
	return MAX(size >> level, 1u);
}

/* Whether a box lies in a level of what it is a box of, which 0.10 only half checks (case 65). */
static bool virgl_box_valid(const struct gpu_create_3d *a, const struct gpu_transfer *t)
{
	uint32_t depth = a->target == VIRGL_TARGET_3D ? level_size(a->depth, t->level) :
						  MAX(a->array_size, 1u);

	return t->level <= a->last_level && t->box.w && t->box.h && t->box.d &&
	       range_fits(t->box.x, t->box.w, level_size(a->width, t->level)) &&
	       range_fits(t->box.y, t->box.h, level_size(a->height, t->level)) &&
	       range_fits(t->box.z, t->box.d, depth);
}

/* S3TC, RGTC, LATC, ETC and BPTC; what came after them is ETC2, ASTC and few others. */
static bool virgl_in_blocks(uint32_t format)
{
	return (format >= 105 && format <= 116) || (format >= 143 && format <= 146) ||
	       format == 226 || (format >= 255 && format <= 258) || format > 268;
}

/* Whether the last row begins in the backing: 0.10 adds in 32 bits. Blocks have 12 rows at most. */
static bool virgl_rows_fit(const struct gpu_resource *res, uint32_t format,
			   const struct gpu_transfer *t)
{
	uint64_t rows = (t->box.h - 1) / (virgl_in_blocks(format) ? 12 : 1);
	uint64_t span = rows * t->stride, layers = (uint64_t)(t->box.d - 1) * t->layer_stride;

	return range_fits(t->offset, span, res->backing_bytes) &&
	       range_fits(t->offset + span, layers, res->backing_bytes);
}

int gpu_virgl_transfer(struct gpu_renderer *r, struct gpu_resource *res,
		       const struct gpu_transfer *t, uint64_t *copied)
{
	struct gpu_virgl *v = virgl_of(r);
	const struct virgl_lib *lib = &v->lib;
	const struct virgl_image *image = res->priv;
	struct virgl_box box = { t->box.x, t->box.y, t->box.z, t->box.w, t->box.h, t->box.d };
	int ret;

	if (image && !(virgl_box_valid(&image->args, t) &&
		       virgl_rows_fit(res, image->args.format, t)))
		return -EINVAL;
	virgl_begin(v);
	ret = t->to_host ? lib->transfer_write_iov(res->id, t->ctx_id, t->level, t->stride,
						   t->layer_stride, &box, t->offset, NULL, 0) :
			   lib->transfer_read_iov(res->id, t->ctx_id, t->level, t->stride,
						  t->layer_stride, &box, t->offset, NULL, 0);
	*copied = 4ull * box.w * box.h * box.d;
	return virgl_end(v, ret);
}

#endif
