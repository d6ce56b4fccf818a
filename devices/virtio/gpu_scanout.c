/* SPDX-License-Identifier: MIT */
/* What outputs show, and what the guest is told of their monitors (virtio 1.3, 5.7.6.8). */
#include "devices/ui/edid.h"
#include "devices/virtio/gpu_impl.h"

/* --- monitors ------------------------------------------------------------- */

/* Side by side, from left to right. */
GPU_HANDLER(gpu_display_info)
{
	uint32_t x = 0;

	g->changed_again = false;
	for (unsigned i = 0; i < g->n_outputs; i++) {
		const struct gpu_output *out = &g->outputs[i];
		struct virtio_gpu_display_one *mode = &req->answer.display_info.pmodes[i];

		if (!out->plugged)
			continue;
		mode->r = (struct virtio_gpu_rect){ .x = x, .width = out->monitor.width,
						    .height = out->monitor.height };
		mode->enabled = 1;
		x += out->monitor.width;
	}
	req->answer_len = sizeof(req->answer.display_info);
	return VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
}

GPU_HANDLER(gpu_get_edid)
{
	uint32_t n = req->cmd.get_edid.scanout;
	struct virtio_gpu_resp_edid *answer = &req->answer.edid;
	struct edid_monitor m;

	if (n >= g->n_outputs)
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	m = (struct edid_monitor){
		.width = g->outputs[n].monitor.width,
		.height = g->outputs[n].monitor.height,
		.width_mm = g->outputs[n].monitor.width_mm,
		.height_mm = g->outputs[n].monitor.height_mm,
		.refresh_mhz = g->outputs[n].monitor.refresh_mhz,
		.name = "microvm",
		.number = n + 1,
	};
	_Static_assert(EDID_MAX_BYTES <= sizeof(answer->edid), "fits the answer");
	answer->size = edid_make(&m, answer->edid);
	req->answer_len = sizeof(*answer);
	return VIRTIO_GPU_RESP_OK_EDID;
}

/* --- what is shown -------------------------------------------------------- */

void gpu_scanout_tell(struct gpu *g, unsigned n)
{
	struct gpu_output *out = &g->outputs[n];
	const struct display *d = &g->display;

	if (!d->ops || !out->res)
		return;
	if (d->ops->mode && (!out->told || out->told_width != out->surface.width ||
			     out->told_height != out->surface.height))
		d->ops->mode(d->ctx, n, out->surface.width, out->surface.height);
	out->told = true;
	out->told_width = out->surface.width;
	out->told_height = out->surface.height;
	d->ops->set(d->ctx, n, &out->surface);
}

void gpu_scanout_tell_off(struct gpu *g, unsigned n)
{
	struct gpu_output *out = &g->outputs[n];

	if (out->told)
		g->display.ops->off(g->display.ctx, n);
	out->told = false;
	gpu_park_frames(g, 1u << n);
}

void gpu_scanout_off(struct gpu *g, unsigned n)
{
	struct gpu_output *out = &g->outputs[n];

	if (!out->res)
		return;
	gpu_scanout_tell_off(g, n);
	out->res->scanouts &= ~(1u << n);
	out->res = NULL;
}

void gpu_scanout_drop(struct gpu *g, struct gpu_resource *res)
{
	for (unsigned i = 0; i < g->n_outputs; i++)
		if (res->scanouts & 1u << i)
			gpu_scanout_off(g, i);
}

static uint32_t gpu_scanout_show(struct gpu *g, unsigned n, struct gpu_resource *res,
				 const struct gpu_scanout_view *view)
{
	struct gpu_output *out = &g->outputs[n];
	struct display_surface surface;
	int ret = g->renderer->ops->surface(g->renderer, res, view, &surface);

	if (ret < 0)
		return gpu_answer_type(ret);
	if (out->res)
		out->res->scanouts &= ~(1u << n);
	out->res = res;
	out->view = *view;
	out->surface = surface;
	res->scanouts |= 1u << n;
	gpu_scanout_tell(g, n);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static struct display_rect gpu_rect(const struct virtio_gpu_rect *r)
{
	return (struct display_rect){ r->x, r->y, r->width, r->height };
}

/*
 * What both commands begin with: *@res is to be shown on output @n; NULL, and
 * the answer, when there is none to show.
 */
static uint32_t gpu_scanout_resource(struct gpu *g, uint32_t n, uint32_t id,
				     struct gpu_resource **res)
{
	*res = NULL;
	if (n >= g->n_outputs)
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	if (!id) {
		gpu_scanout_off(g, n);
		return VIRTIO_GPU_RESP_OK_NODATA;
	}
	*res = gpu_resource_find(g, id);
	return *res ? VIRTIO_GPU_RESP_OK_NODATA : VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
}

GPU_HANDLER(gpu_set_scanout)
{
	const struct virtio_gpu_set_scanout *c = &req->cmd.set_scanout;
	struct gpu_resource *res;
	struct gpu_scanout_view view;
	uint32_t ret = gpu_scanout_resource(g, c->scanout_id, c->resource_id, &res);

	if (!res)
		return ret;
	if (res->kind == GPU_RESOURCE_BLOB ||
	    !gpu_scanout_size_valid(c->r.width, c->r.height) ||
	    !gpu_rect_fits(&c->r, res->width, res->height))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	view = (struct gpu_scanout_view){
		.rect = gpu_rect(&c->r),
		.width = res->width,
		.height = res->height,
		.fourcc = gpu_fourcc(res->format),
		.stride = 4 * res->width,
	};
	return gpu_scanout_show(g, c->scanout_id, res, &view);
}

GPU_HANDLER(gpu_set_scanout_blob)
{
	const struct virtio_gpu_set_scanout_blob *c = &req->cmd.set_scanout_blob;
	struct gpu_resource *res;
	struct gpu_scanout_view view;
	uint32_t ret = gpu_scanout_resource(g, c->scanout_id, c->resource_id, &res);

	if (!res)
		return ret;
	if (res->kind != GPU_RESOURCE_BLOB || !gpu_scanout_blob_valid(c, res->blob_size))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	view = (struct gpu_scanout_view){
		.rect = gpu_rect(&c->r),
		.width = c->width,
		.height = c->height,
		.fourcc = gpu_fourcc(c->format),
		.stride = c->strides[0],
		.offset = c->offsets[0],
	};
	return gpu_scanout_show(g, c->scanout_id, res, &view);
}

/* --- flushes -------------------------------------------------------------- */

/* True: the flush waits for a frame of output @n. */
static bool gpu_flush_output(struct gpu *g, unsigned n, const struct display_rect *rect)
{
	struct gpu_output *out = &g->outputs[n];
	struct display_rect damage;

	if (!g->display.ops || !gpu_rect_clip(&damage, rect, &out->view.rect))
		return false;
	damage.x -= out->view.rect.x;
	damage.y -= out->view.rect.y;
	g->stats.frames++;
	return g->display.ops->flush(g->display.ctx, n, &damage);
}

/* Of a blob, which has no size of its own, the rectangle is one of the scanout's picture. */
static bool gpu_flush_valid(const struct gpu_resource *res, const struct virtio_gpu_rect *r)
{
	if (res->kind == GPU_RESOURCE_BLOB)
		return gpu_rect_fits(r, DISPLAY_MAX_SIZE, DISPLAY_MAX_SIZE);
	return gpu_rect_fits(r, res->width, res->height);
}

GPU_HANDLER(gpu_flush)
{
	const struct virtio_gpu_resource_flush *c = &req->cmd.flush;
	struct gpu_resource *res = gpu_resource_find(g, c->resource_id);
	struct display_rect rect = gpu_rect(&c->r);

	if (!res)
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	if (!gpu_flush_valid(res, &c->r))
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	g->stats.flushes++;
	if (res->scanouts && g->renderer->ops->flush)
		g->renderer->ops->flush(g->renderer, res, &rect);
	for (unsigned i = 0; i < g->n_outputs; i++)
		if (res->scanouts & 1u << i && gpu_flush_output(g, i, &rect))
			req->frames |= 1u << i;
	return VIRTIO_GPU_RESP_OK_NODATA;
}
