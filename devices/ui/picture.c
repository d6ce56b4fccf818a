/* SPDX-License-Identifier: MIT */
#include "devices/ui/picture.h"

#include <assert.h>
#include <string.h>

#include "devices/ui/surface.h"
#include "vmm/util.h"

void picture_set(struct picture *p, const struct display_surface *surface)
{
	p->surface = *surface;
	p->shown = true;
	p->changes++;
}

void picture_flush(struct picture *p)
{
	p->changes++;
}

void picture_off(struct picture *p)
{
	p->shown = false;
	p->changes++;
}

void picture_cursor(struct picture *p, const struct display_cursor *cursor)
{
	p->changes++;
	p->cursor_shown = cursor;
	if (!cursor)
		return;
	assert(cursor->width <= DISPLAY_MAX_CURSOR && cursor->height <= DISPLAY_MAX_CURSOR);
	p->cursor_width = cursor->width;
	p->cursor_height = cursor->height;
	p->hot_x = cursor->hot_x;
	p->hot_y = cursor->hot_y;
	memcpy(p->cursor, cursor->pixels, 4ull * cursor->width * cursor->height);
}

void picture_cursor_move(struct picture *p, int32_t x, int32_t y)
{
	p->changes += p->cursor_shown && (x != p->cursor_x || y != p->cursor_y);
	p->cursor_x = x;
	p->cursor_y = y;
}

/* One channel at @shift of a premultiplied pixel over another. */
static uint32_t blend_channel(uint32_t over, uint32_t under, unsigned shift)
{
	uint32_t rest = 255 - (over >> 24);
	uint32_t v = (over >> shift & 255) + ((under >> shift & 255) * rest + 127) / 255;

	return MIN(v, 255u) << shift;
}

static uint32_t blend(uint32_t over, uint32_t under)
{
	return 0xff000000 | blend_channel(over, under, 16) | blend_channel(over, under, 8) |
	       blend_channel(over, under, 0);
}

static void picture_cursor_row(const struct picture *p, uint32_t y, uint32_t *row)
{
	int64_t line = (int64_t)y - p->cursor_y;

	if (!p->cursor_shown || line < 0 || line >= p->cursor_height)
		return;
	for (uint32_t i = 0; i < p->cursor_width; i++) {
		int64_t x = (int64_t)p->cursor_x + i;

		if (x >= 0 && x < p->surface.width)
			row[x] = blend(p->cursor[line * p->cursor_width + i], row[x]);
	}
}

void picture_row(const struct picture *p, uint32_t y, uint32_t *row)
{
	const struct display_rect r = { .y = y, .width = p->surface.width, .height = 1 };

	surface_read(&p->surface, &r, row, 4ull * p->surface.width);
	surface_to_argb(p->surface.fourcc, row, row, p->surface.width);
	picture_cursor_row(p, y, row);
}
