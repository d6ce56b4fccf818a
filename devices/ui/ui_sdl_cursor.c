/* SPDX-License-Identifier: MIT */
/*
 * The guest's pointer: the host's pointer takes its shape, so that it never
 * lags behind the hand. Only while the host's is taken, and told of in motion
 * rather than places, it is drawn where the guest has it.
 */
#include <stdlib.h>

#include "devices/ui/ui_sdl_impl.h"
#include "vmm/util.h"

/* SDL wants the colours as they are, we have them multiplied by alpha. */
static uint32_t straight(uint32_t p)
{
	uint32_t a = p >> 24, out = p & 0xff000000;

	for (unsigned shift = 0; a && shift < 24; shift += 8)
		out |= MIN(((p >> shift & 255) * 255 + a / 2) / a, 255u) << shift;
	return out;
}

void ui_cursor_straight(const struct picture *p, uint32_t *pixels)
{
	for (uint32_t i = 0; i < p->cursor_width * p->cursor_height; i++)
		pixels[i] = straight(p->cursor[i]);
}

void ui_cursor_finish(struct ui_window *w)
{
	const struct ui_sdl_lib *sdl = &w->ui->sdl;

	if (w->cursor)
		sdl->FreeCursor(w->cursor);
	w->cursor = NULL;
}

static void make_image(struct ui_window *w)
{
	const struct ui_sdl_lib *sdl = &w->ui->sdl;
	const struct picture *p = &w->picture;
	uint32_t pixels[DISPLAY_MAX_CURSOR * DISPLAY_MAX_CURSOR];
	SDL_Surface *s;

	ui_cursor_straight(p, pixels);
	s = sdl->CreateRGBSurfaceWithFormatFrom(pixels, p->cursor_width, p->cursor_height, 32,
						4 * p->cursor_width,
						SDL_PIXELFORMAT_ARGB8888);
	if (s)
		w->cursor = sdl->CreateColorCursor(s, p->hot_x, p->hot_y);
	sdl->FreeSurface(s);
}

void ui_cursor_update(struct ui_window *w)
{
	w->cursor_changed = false;
	ui_cursor_finish(w);
	if (w->picture.cursor_shown)
		make_image(w);
	w->ui->paint->cursor(w);
	ui_cursor_show(w->ui);
}

void ui_cursor_show(struct ui_sdl *ui)
{
	struct ui_window *w = ui->input.over;
	SDL_Cursor *cursor = ui->arrow;
	bool shown = true;

	if (w && w->cursor_known) {
		shown = w->picture.cursor_shown;
		cursor = w->cursor ? w->cursor : ui->arrow;
	}
	if (cursor)
		ui->sdl.SetCursor(cursor);
	ui->sdl.ShowCursor(shown ? SDL_ENABLE : SDL_DISABLE);
}

bool ui_cursor_place(struct ui_window *w, SDL_Rect *at)
{
	const struct picture *p = &w->picture;

	if (!w->showing || !ui_input_relative(w->ui) || !p->cursor_shown ||
	    llabs(p->cursor_x) > DISPLAY_MAX_SIZE || llabs(p->cursor_y) > DISPLAY_MAX_SIZE)
		return false;
	at->x = w->place.x + (int64_t)p->cursor_x * w->place.w / w->width;
	at->y = w->place.y + (int64_t)p->cursor_y * w->place.h / w->height;
	at->w = MAX((int64_t)p->cursor_width * w->place.w / w->width, 1);
	at->h = MAX((int64_t)p->cursor_height * w->place.h / w->height, 1);
	return true;
}
