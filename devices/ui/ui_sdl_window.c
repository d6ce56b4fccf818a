/* SPDX-License-Identifier: MIT */
/*
 * A window, and a picture in it, which is drawn once a frame by what ui->paint is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "devices/ui/ui_sdl_impl.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define DEFAULT_REFRESH_HZ 60
#define MAX_REFRESH_HZ 1000
/* After which somebody who drags a border is taken to have found the size. */
#define RESIZED_NS 150000000ull
/* Modes that come within are taken for answers to that, perhaps to an earlier size. */
#define ASKED_NS 1000000000ull
#define MIN_WINDOW 64
/* Of all windows' textures together: a dozen pictures of 3840 x 2160. */
#define MAX_TEXTURE_BYTES (512 * MiB)

/* --- the host's monitor ----------------------------------------------------------- */

static int refresh_hz(struct ui_window *w)
{
	const struct ui_sdl_lib *sdl = &w->ui->sdl;
	SDL_DisplayMode mode = { 0 };

	if (sdl->GetCurrentDisplayMode(sdl->GetWindowDisplayIndex(w->window), &mode) < 0 ||
	    mode.refresh_rate < 1 || mode.refresh_rate > MAX_REFRESH_HZ)
		return DEFAULT_REFRESH_HZ;
	return mode.refresh_rate;
}

/* Of @pixels; 0 where the desktop does not know, or does not say the truth. */
static uint32_t size_mm(struct ui_window *w, int pixels, bool vertical)
{
	const struct ui_sdl_lib *sdl = &w->ui->sdl;
	float h = 0, v = 0, dpi;

	if (sdl->GetDisplayDPI(sdl->GetWindowDisplayIndex(w->window), NULL, &h, &v) < 0)
		return 0;
	dpi = vertical ? v : h;
	return dpi > 40 && dpi < 800 ? pixels * 25.4f / dpi : 0;
}

static void tell_monitor(void *arg)
{
	struct ui_window *w = arg;
	struct display_output what = { .refresh_mhz = 1000u * refresh_hz(w) };
	int width = 0, height = 0;

	w->period_ns = 1000000000ull / refresh_hz(w);
	w->ui->paint->size(w, &width, &height);
	if (!w->plugged || width < 1 || height < 1)
		return;
	if (w->asked_width && (w->asked_width != (uint32_t)width ||
			       w->asked_height != (uint32_t)height))
		w->asked_ns = loop_now_ns();
	w->asked_width = what.width = width;
	w->asked_height = what.height = height;
	what.width_mm = size_mm(w, width, false);
	what.height_mm = size_mm(w, height, true);
	if (w->ui->sink.ops)
		w->ui->sink.ops->configure(w->ui->sink.ctx, w->output, &what);
}

/* --- places ----------------------------------------------------------------------- */

static int64_t fit(int64_t room, int64_t other_room, int64_t side, int64_t other)
{
	/* The side that touches the window's border first decides. */
	return room * other <= other_room * side ? room : side * other_room / other;
}

/* As large as fits, in the middle. */
static void find_place(struct ui_window *w)
{
	int64_t pw = w->width, ph = w->height, n;
	int ow = 0, oh = 0;

	w->ui->paint->size(w, &ow, &oh);
	n = MIN(ow / pw, oh / ph);
	if (w->integer && n >= 1) {
		w->place.w = n * pw;
		w->place.h = n * ph;
	} else {
		w->place.w = MAX(fit(ow, oh, pw, ph), 1);
		w->place.h = MAX(fit(oh, ow, ph, pw), 1);
	}
	w->place.x = (ow - w->place.w) / 2;
	w->place.y = (oh - w->place.h) / 2;
}

static int64_t fraction(int64_t at, int64_t from, int64_t size)
{
	int64_t f = size > 1 ? (at - from) * 65536 / (size - 1) : 0;

	return MIN(MAX(f, 0), 65536);
}

void ui_window_locate(struct ui_window *w, int x, int y, int64_t *fx, int64_t *fy)
{
	int ww = 0, wh = 0, ow = 0, oh = 0;

	w->ui->sdl.GetWindowSize(w->window, &ww, &wh);
	w->ui->paint->size(w, &ow, &oh);
	if (!w->showing || ww < 1 || wh < 1) {
		*fx = fraction(x, 0, ww);
		*fy = fraction(y, 0, wh);
		return;
	}
	find_place(w);
	*fx = fraction((int64_t)x * ow / ww, w->place.x, w->place.w);
	*fy = fraction((int64_t)y * oh / wh, w->place.y, w->place.h);
}

/* --- what the painter has --------------------------------------------------------- */

bool ui_window_fits(const struct ui_window *w, uint64_t bytes)
{
	const struct ui_sdl *ui = w->ui;

	for (unsigned i = 0; i < ui->n; i++)
		if (ui->windows[i].showing && &ui->windows[i] != w)
			bytes += 4ull * ui->windows[i].width * ui->windows[i].height;
	return bytes <= MAX_TEXTURE_BYTES;
}

static void drop(struct ui_window *w)
{
	if (w->showing)
		w->ui->paint->drop(w);
	w->showing = false;
}

/* True: it looks like the one before but for what is flushed now. */
static bool show(struct ui_window *w)
{
	const struct display_surface *s = &w->picture.surface;
	bool same = w->showing && w->fourcc == s->fourcc && w->width == s->width &&
		    w->height == s->height;

	if (!same)
		drop(w);
	w->fourcc = s->fourcc;
	w->width = s->width;
	w->height = s->height;
	w->showing = w->ui->paint->set(w, same);
	if (!w->showing)
		log_guest(&w->rate, "--display sdl: no room to show a picture of %u x %u",
			  s->width, s->height);
	return same;
}

void ui_window_reset(struct ui_window *w)
{
	w->cursor_changed = w->cursor_known;
	drop(w);
	if (w->picture.shown)
		show(w);
	ui_window_touch(w);
}

/* --- frames ----------------------------------------------------------------------- */

void ui_window_touch(struct ui_window *w)
{
	uint64_t now = loop_now_ns(), next = w->last_ns + w->period_ns;

	if (w->window && !w->frame.armed)
		loop_timer_arm(w->ui->loop, &w->frame, next > now ? next - now : 0);
}

static void draw(struct ui_window *w)
{
	SDL_Rect cursor;

	if (w->showing)
		find_place(w);
	if (w->ui->paint->draw(w, ui_cursor_place(w, &cursor) ? &cursor : NULL) < 0)
		ui_sdl_without_gl(w->ui);
}

/* The guest's mode is its own choice, not an answer to a window's size: the window follows. */
static void follow_mode(struct ui_window *w)
{
	const struct ui_sdl_lib *sdl = &w->ui->sdl;
	int ww = 0, wh = 0, ow = 0, oh = 0;
	SDL_Rect room;

	w->mode_changed = false;
	sdl->GetWindowSize(w->window, &ww, &wh);
	w->ui->paint->size(w, &ow, &oh);
	if (w->resized.armed || ow < 1 || oh < 1 ||
	    (w->mode_width == (uint32_t)ow && w->mode_height == (uint32_t)oh) ||
	    (w->asked_ns && loop_now_ns() - w->asked_ns < ASKED_NS) ||
	    sdl->GetWindowFlags(w->window) & (SDL_WINDOW_FULLSCREEN | SDL_WINDOW_MAXIMIZED))
		return;
	ww = (int64_t)w->mode_width * ww / ow;
	wh = (int64_t)w->mode_height * wh / oh;
	/* More than the desktop has room for is shown smaller. */
	if (sdl->GetDisplayUsableBounds(sdl->GetWindowDisplayIndex(w->window), &room) == 0 &&
	    (ww > room.w || wh > room.h))
		return;
	w->own_width = ww;
	w->own_height = wh;
	sdl->SetWindowSize(w->window, ww, wh);
}

static void frame(void *arg)
{
	struct ui_window *w = arg;
	const uint32_t hidden = SDL_WINDOW_HIDDEN | SDL_WINDOW_MINIMIZED;

	w->last_ns = loop_now_ns();
	if (w->mode_changed)
		follow_mode(w);
	if (w->cursor_changed)
		ui_cursor_update(w);
	if (!(w->ui->sdl.GetWindowFlags(w->window) & hidden))
		draw(w);
	if (!w->due)
		return;
	w->due = false;
	w->ui->sink.ops->frame_done(w->ui->sink.ctx, w->output);
}

/* --- what the card says ----------------------------------------------------------- */

/* NULL: an output that there is no window for. */
static struct ui_window *window_of(void *ctx, unsigned output)
{
	struct ui_sdl *ui = ctx;

	return output < ui->n ? &ui->windows[output] : NULL;
}

static void window_mode(void *ctx, unsigned output, uint32_t width, uint32_t height)
{
	struct ui_window *w = window_of(ctx, output);

	if (!w)
		return;
	w->mode_changed = true;
	w->mode_width = width;
	w->mode_height = height;
	ui_window_touch(w);
}

static void window_set(void *ctx, unsigned output, const struct display_surface *surface)
{
	struct ui_window *w = window_of(ctx, output);

	if (!w)
		return;
	picture_set(&w->picture, surface);
	if (!show(w))
		ui_window_touch(w);
}

static bool window_flush(void *ctx, unsigned output, const struct display_rect *damage)
{
	struct ui_window *w = window_of(ctx, output);

	if (!w)
		return false;
	picture_flush(&w->picture);
	if (w->showing)
		w->ui->paint->upload(w, damage);
	ui_window_touch(w);
	w->due = w->ui->sink.ops;
	return w->due;
}

static void window_off(void *ctx, unsigned output)
{
	struct ui_window *w = window_of(ctx, output);

	if (!w)
		return;
	picture_off(&w->picture);
	drop(w);
	w->due = false;
	ui_window_touch(w);
}

static void window_cursor(void *ctx, unsigned output, const struct display_cursor *cursor)
{
	struct ui_window *w = window_of(ctx, output);

	if (!w)
		return;
	picture_cursor(&w->picture, cursor);
	w->cursor_known = w->cursor_changed = true;
	ui_window_touch(w);
}

static void window_cursor_move(void *ctx, unsigned output, int32_t x, int32_t y)
{
	struct ui_window *w = window_of(ctx, output);

	if (!w)
		return;
	picture_cursor_move(&w->picture, x, y);
	if (ui_input_relative(w->ui))
		ui_window_touch(w);
}

const struct display_ops ui_window_display_ops = {
	.mode = window_mode,
	.set = window_set,
	.flush = window_flush,
	.off = window_off,
	.cursor = window_cursor,
	.cursor_move = window_cursor_move,
};

/* --- what the user does ----------------------------------------------------------- */

void ui_window_title(struct ui_window *w)
{
	struct ui_sdl *ui = w->ui;
	char title[280], number[16] = "";

	if (ui->n > 1)
		snprintf(number, sizeof(number), " %u", w->output + 1);
	snprintf(title, sizeof(title), "%.160s%s - ctrl-alt-g %s%s", ui->name, number,
		 ui->input.grabbed ? "releases keyboard and pointer" : "grabs",
		 ui->closing.armed ? " - shutting down, close again to stop at once" : "");
	ui->sdl.SetWindowTitle(w->window, title);
}

void ui_window_fullscreen(struct ui_window *w)
{
	bool is = w->ui->sdl.GetWindowFlags(w->window) & SDL_WINDOW_FULLSCREEN;

	w->ui->sdl.SetWindowFullscreen(w->window, is ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
}

void ui_window_integer(struct ui_window *w)
{
	w->integer = !w->integer;
	ui_window_touch(w);
}

static void size_changed(struct ui_window *w, int width, int height)
{
	ui_window_touch(w);
	if (width == w->own_width && height == w->own_height)
		return;
	w->own_width = w->own_height = 0;
	loop_timer_arm(w->ui->loop, &w->resized, RESIZED_NS);
}

void ui_window_event(struct ui_window *w, const SDL_WindowEvent *e)
{
	struct ui_sdl *ui = w->ui;

	switch (e->event) {
	case SDL_WINDOWEVENT_SIZE_CHANGED:
		size_changed(w, e->data1, e->data2);
		break;
	case SDL_WINDOWEVENT_DISPLAY_CHANGED:
		loop_timer_arm(ui->loop, &w->resized, RESIZED_NS);
		break;
	case SDL_WINDOWEVENT_SHOWN:
	case SDL_WINDOWEVENT_EXPOSED:
	case SDL_WINDOWEVENT_RESTORED:
		ui_window_touch(w);
		break;
	case SDL_WINDOWEVENT_CLOSE:
		if (ui->closed)
			ui->closed(ui->ctx, w->output);
		break;
	case SDL_WINDOWEVENT_FOCUS_GAINED:
	case SDL_WINDOWEVENT_FOCUS_LOST:
		ui_input_focus(w, e->event == SDL_WINDOWEVENT_FOCUS_GAINED);
		break;
	case SDL_WINDOWEVENT_ENTER:
		ui->input.over = w;
		ui_cursor_show(ui);
		break;
	case SDL_WINDOWEVENT_LEAVE:
		ui->input.over = ui->input.over == w ? NULL : ui->input.over;
		ui_cursor_show(ui);
		break;
	}
}

/* --- life ------------------------------------------------------------------------- */

int ui_window_init(struct ui_window *w, struct ui_sdl *ui, unsigned output,
		   const struct ui_sdl_params *params)
{
	uint32_t flags = SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI | SDL_WINDOW_HIDDEN |
			 ui->paint->flags;
	uint32_t where = SDL_WINDOWPOS_UNDEFINED;

	if (params->fullscreen && (int)output < ui->sdl.GetNumVideoDisplays()) {
		flags |= SDL_WINDOW_FULLSCREEN_DESKTOP;
		where = SDL_WINDOWPOS_CENTERED_DISPLAY(output);
	}
	*w = (struct ui_window){ .ui = ui, .output = output, .plugged = true };
	w->integer = params->integer;
	w->frame = (struct loop_timer){ .cb = frame, .arg = w };
	w->resized = (struct loop_timer){ .cb = tell_monitor, .arg = w };
	w->window = ui->sdl.CreateWindow(ui->name, where, where, params->width, params->height,
					 flags);
	if (!w->window)
		return -EIO;
	if (ui->paint->begin(w) < 0)
		return -EIO;
	w->id = ui->sdl.GetWindowID(w->window);
	ui->sdl.SetWindowMinimumSize(w->window, MIN_WINDOW, MIN_WINDOW);
	w->period_ns = 1000000000ull / refresh_hz(w);
	ui_window_touch(w);
	/* Of the real monitor, as soon as there is somebody to tell. */
	loop_timer_arm(ui->loop, &w->resized, 0);
	return 0;
}

void ui_window_finish(struct ui_window *w)
{
	if (!w->window)
		return;
	loop_timer_disarm(w->ui->loop, &w->frame);
	loop_timer_disarm(w->ui->loop, &w->resized);
	ui_cursor_finish(w);
	w->ui->paint->finish(w);
	w->ui->sdl.DestroyWindow(w->window);
}
