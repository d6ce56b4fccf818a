/* SPDX-License-Identifier: MIT */
#include "tests/fake_display.h"

#include <stdlib.h>

#include "devices/ui/surface.h"
#include "vmm/util.h"

static void must(bool cond)
{
	if (!cond)
		abort();
}

static void fake_mode(void *ctx, unsigned n, uint32_t width, uint32_t height)
{
	struct fake_output *out = &((struct fake_display *)ctx)->outputs[n];

	must(n < DISPLAY_MAX_OUTPUTS && (width != out->mode_width || height != out->mode_height));
	out->mode_width = width;
	out->mode_height = height;
	out->n_mode++;
}

/* Reads every byte that a display may read; what comes of them, lest it is left out. */
static uint32_t fake_look(const struct display_surface *s)
{
	uint32_t *row = malloc(4ull * s->width), sum = 0;

	must(row);
	for (uint32_t y = 0; y < s->height; y++) {
		const struct display_rect r = { 0, y, s->width, 1 };

		surface_read(s, &r, row, 4ull * s->width);
		surface_ptr(s, y, 1);
		for (uint32_t x = 0; x < s->width; x++)
			sum += row[x];
	}
	free(row);
	return sum;
}

static void fake_set(void *ctx, unsigned n, const struct display_surface *s)
{
	struct fake_output *out = &((struct fake_display *)ctx)->outputs[n];

	must(n < DISPLAY_MAX_OUTPUTS);
	must(surface_format_valid(s->fourcc));
	must(s->width == out->mode_width && s->height == out->mode_height);
	must(s->width >= 1 && s->width <= DISPLAY_MAX_SIZE && s->height >= 1 &&
	     s->height <= DISPLAY_MAX_SIZE && s->pixels.stride >= 4 * s->width);
	picture_set(&out->picture, s);
	out->n_set++;
	if ((uint64_t)s->width * s->height <= 1 << 16)
		out->seen = fake_look(s);
}

static bool fake_flush(void *ctx, unsigned n, const struct display_rect *damage)
{
	struct fake_display *f = ctx;
	struct fake_output *out = &f->outputs[n];

	must(out->picture.shown && damage->width && damage->height);
	must(range_fits(damage->x, damage->width, out->picture.surface.width) &&
	     range_fits(damage->y, damage->height, out->picture.surface.height));
	out->damage = *damage;
	out->n_flush++;
	picture_flush(&out->picture);
	f->due |= f->paced ? 1u << n : 0;
	return f->paced;
}

static void fake_off(void *ctx, unsigned n)
{
	struct fake_display *f = ctx;
	struct fake_output *out = &f->outputs[n];

	must(out->picture.shown);
	picture_off(&out->picture);
	out->n_off++;
	out->mode_width = out->mode_height = 0;
	f->due &= ~(1u << n);
}

static void fake_cursor(void *ctx, unsigned n, const struct display_cursor *cursor)
{
	struct fake_output *out = &((struct fake_display *)ctx)->outputs[n];

	if (cursor)
		must(cursor->hot_x < cursor->width && cursor->hot_y < cursor->height);
	picture_cursor(&out->picture, cursor);
	out->n_cursor++;
}

static void fake_cursor_move(void *ctx, unsigned n, int32_t x, int32_t y)
{
	struct fake_output *out = &((struct fake_display *)ctx)->outputs[n];

	picture_cursor_move(&out->picture, x, y);
	out->n_move++;
}

static const struct display_ops fake_display_ops = {
	.mode = fake_mode,
	.set = fake_set,
	.flush = fake_flush,
	.off = fake_off,
	.cursor = fake_cursor,
	.cursor_move = fake_cursor_move,
};

struct display fake_display(struct fake_display *f)
{
	return (struct display){ &fake_display_ops, f };
}

void fake_display_frame(struct fake_display *f, unsigned n, struct display_sink sink)
{
	f->due &= ~(1u << n);
	sink.ops->frame_done(sink.ctx, n);
}

uint32_t fake_display_pixel(const struct fake_display *f, unsigned n, uint32_t x, uint32_t y)
{
	const struct picture *p = &f->outputs[n].picture;
	uint32_t *row = malloc(4ull * p->surface.width), pixel;

	must(row && p->shown && x < p->surface.width && y < p->surface.height);
	picture_row(p, y, row);
	pixel = row[x] & 0xffffff;
	free(row);
	return pixel;
}
