/* SPDX-License-Identifier: MIT */
#include "devices/ui/display_stage.h"

#include "devices/ui/surface.h"
#include "vmm/util.h"

struct display_rect display_rect_join(const struct display_rect *a, const struct display_rect *b)
{
	uint32_t x = MIN(a->x, b->x), y = MIN(a->y, b->y);

	if (!a->width || !b->width)
		return a->width ? *a : *b;
	return (struct display_rect){
		x, y, MAX(a->x + a->width, b->x + b->width) - x,
		MAX(a->y + a->height, b->y + b->height) - y,
	};
}

static struct display_rect whole(const struct display_stage_output *o)
{
	return (struct display_rect){ 0, 0, o->picture.surface.width, o->picture.surface.height };
}

void display_stage_init(struct display_stage *s, unsigned n_outputs)
{
	s->n = n_outputs;
	for (unsigned i = 0; i < n_outputs; i++) {
		s->outputs[i].plugged = true;
		s->outputs[i].copy = (struct display_memory)DISPLAY_MEMORY_NONE;
	}
}

void display_stage_forget(struct display_stage *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		display_memory_close(&s->outputs[i].copy);
		s->outputs[i].stale = whole(&s->outputs[i]);
	}
}

void display_stage_finish(struct display_stage *s)
{
	display_stage_forget(s);
}

/* A guest that flips between buffers says by flushes what differs. */
bool display_stage_set(struct display_stage *s, unsigned output,
		       const struct display_surface *surface)
{
	struct display_stage_output *o = &s->outputs[output];
	const struct display_surface *old = &o->picture.surface;
	bool flip = o->picture.shown && surface->fourcc == old->fourcc &&
		    surface->width == old->width && surface->height == old->height;

	picture_set(&o->picture, surface);
	if (!flip)
		o->stale = whole(o);
	return flip;
}

void display_stage_flush(struct display_stage *s, unsigned output,
			 const struct display_rect *damage)
{
	struct display_stage_output *o = &s->outputs[output];

	picture_flush(&o->picture);
	o->stale = display_rect_join(&o->stale, damage);
}

void display_stage_off(struct display_stage *s, unsigned output)
{
	picture_off(&s->outputs[output].picture);
	display_memory_close(&s->outputs[output].copy);
}

/* --- sharing -------------------------------------------------------------------- */

static int need_copy(struct display_stage *s, struct display_stage_output *o)
{
	const struct display_surface *surface = &o->picture.surface;
	int ret;

	if (o->copy.map && o->fourcc == surface->fourcc && o->width == surface->width &&
	    o->height == surface->height)
		return 0;
	display_memory_close(&o->copy);
	ret = display_memory_create(&o->copy, 4ull * surface->width * surface->height);
	if (ret < 0)
		return ret;
	o->copy_id = ++s->n_copies;
	o->fourcc = surface->fourcc;
	o->width = surface->width;
	o->height = surface->height;
	o->stale = whole(o);
	return 0;
}

static void bring_up_to_date(struct display_stage *s, struct display_stage_output *o)
{
	const struct display_rect *r = &o->stale;
	size_t stride = 4ull * o->width;

	if (!r->width)
		return;
	surface_read(&o->picture.surface, r, (char *)o->copy.map + r->y * stride + 4ull * r->x,
		     stride);
	s->copied += 4ull * r->width * r->height;
	o->stale = (struct display_rect){ 0 };
}

int display_stage_share(struct display_stage *s, unsigned output,
			struct display_stage_memory *out)
{
	struct display_stage_output *o = &s->outputs[output];
	const struct display_pixels *px = &o->picture.surface.pixels;
	int ret;

	/* A framebuffer may be in the memory of a guest, which is no viewer's to write. */
	if (px->shared && display_memory_read_only(px->fd)) {
		if (px->refresh)
			px->refresh(px->refresh_ctx);
		*out = (struct display_stage_memory){ px->fd, px->fd_offset + px->offset,
						      px->stride, 0 };
		return 0;
	}
	ret = need_copy(s, o);
	if (ret < 0)
		return ret;
	bring_up_to_date(s, o);
	*out = (struct display_stage_memory){ o->copy.fd, 0, 4 * o->width, o->copy_id };
	return 0;
}
