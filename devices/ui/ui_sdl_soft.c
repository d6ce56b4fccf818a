/* SPDX-License-Identifier: MIT */
/*
 * Windows by SDL's renderer: damaged rows go from the card's memory into a texture when
 * they are flushed; what is in the texture is drawn once a frame.
 */
#include <errno.h>
#include <libdrm/drm_fourcc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/ui/surface.h"
#include "devices/ui/ui_sdl_impl.h"
#include "vmm/util.h"

/* --- the renderer ----------------------------------------------------------------- */

/*
 * GL without a graphics card behind it is slower than no GL, and a hundred
 * megabytes larger: not even to be asked where there is certainly none.
 */
static bool gl_may_be_hardware(void)
{
	return access("/dev/dri", F_OK) == 0 || access("/dev/nvidiactl", F_OK) == 0;
}

static bool gl_is_software(const struct ui_sdl_lib *sdl)
{
	void *address = sdl->GL_GetProcAddress("glGetString");
	const char *(*get_string)(unsigned name) = NULL;
	const char *name;

	memcpy(&get_string, &address, sizeof(address));
	name = get_string ? get_string(GL_RENDERER) : NULL;
	return name && (strstr(name, "llvmpipe") || strstr(name, "softpipe"));
}

static SDL_Renderer *make_renderer(struct ui_window *w)
{
	const struct ui_sdl_lib *sdl = &w->ui->sdl;
	const char *wish = getenv("SDL_RENDER_DRIVER");
	bool wished = wish && *wish;
	SDL_Renderer *r = NULL;

	/* OpenGL on this thread may be the card's, and SDL's renderer would not notice. */
	if (w->ui->wants_gl)
		return sdl->CreateRenderer(w->window, -1, SDL_RENDERER_SOFTWARE);
	if (wished || gl_may_be_hardware())
		r = sdl->CreateRenderer(w->window, -1, SDL_RENDERER_ACCELERATED);
	if (r && !wished && gl_is_software(sdl)) {
		sdl->DestroyRenderer(r);
		r = NULL;
	}
	if (!r)
		r = sdl->CreateRenderer(w->window, -1, SDL_RENDERER_SOFTWARE);
	/* Wayland has no pixels for SDL but by way of GL. */
	return r ? r : sdl->CreateRenderer(w->window, -1, SDL_RENDERER_ACCELERATED);
}

static int soft_begin(struct ui_window *w)
{
	w->soft.renderer = make_renderer(w);
	return w->soft.renderer ? 0 : -EIO;
}

static void soft_size(struct ui_window *w, int *width, int *height)
{
	w->ui->sdl.GetRendererOutputSize(w->soft.renderer, width, height);
}

/* --- the texture ------------------------------------------------------------------ */

static uint32_t sdl_format(uint32_t fourcc)
{
	/* Both name the parts of a 32-bit word from its top. */
	static const uint32_t formats[][2] = {
		{ DRM_FORMAT_ARGB8888, SDL_PIXELFORMAT_ARGB8888 },
		{ DRM_FORMAT_XRGB8888, SDL_PIXELFORMAT_RGB888 },
		{ DRM_FORMAT_ABGR8888, SDL_PIXELFORMAT_ABGR8888 },
		{ DRM_FORMAT_XBGR8888, SDL_PIXELFORMAT_BGR888 },
		{ DRM_FORMAT_RGBA8888, SDL_PIXELFORMAT_RGBA8888 },
		{ DRM_FORMAT_RGBX8888, SDL_PIXELFORMAT_RGBX8888 },
		{ DRM_FORMAT_BGRA8888, SDL_PIXELFORMAT_BGRA8888 },
		{ DRM_FORMAT_BGRX8888, SDL_PIXELFORMAT_BGRX8888 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
		if (formats[i][0] == fourcc)
			return formats[i][1];
	return SDL_PIXELFORMAT_UNKNOWN;
}

static void soft_drop(struct ui_window *w)
{
	if (w->soft.texture)
		w->ui->sdl.DestroyTexture(w->soft.texture);
	w->soft.texture = NULL;
}

static void soft_upload(struct ui_window *w, const struct display_rect *r)
{
	const struct ui_sdl_lib *sdl = &w->ui->sdl;
	const struct display_surface *s = &w->picture.surface;
	const SDL_Rect rect = { r->x, r->y, r->width, r->height };
	const char *from = surface_ptr(s, r->y, r->height);
	int pitch;
	void *to;

	w->ui->counts.uploads++;
	if (from) {
		sdl->UpdateTexture(w->soft.texture, &rect, from + 4ull * r->x, s->pixels.stride);
	} else if (sdl->LockTexture(w->soft.texture, &rect, &to, &pitch) == 0) {
		surface_read(s, r, to, pitch);
		sdl->UnlockTexture(w->soft.texture);
	}
}

static bool soft_set(struct ui_window *w, bool same)
{
	const struct ui_sdl_lib *sdl = &w->ui->sdl;
	const struct display_surface *s = &w->picture.surface;

	if (same)
		return true;
	if (ui_window_fits(w, 4ull * s->width * s->height))
		w->soft.texture = sdl->CreateTexture(w->soft.renderer, sdl_format(s->fourcc),
						     SDL_TEXTUREACCESS_STREAMING, s->width,
						     s->height);
	if (!w->soft.texture)
		return false;
	/* The alpha of what is on a screen has no meaning. */
	sdl->SetTextureBlendMode(w->soft.texture, SDL_BLENDMODE_NONE);
	soft_upload(w, &(struct display_rect){ 0, 0, s->width, s->height });
	return true;
}

/* --- the pointer, and frames ------------------------------------------------------ */

static void drop_cursor(struct ui_window *w)
{
	if (w->soft.cursor)
		w->ui->sdl.DestroyTexture(w->soft.cursor);
	w->soft.cursor = NULL;
}

static void soft_cursor(struct ui_window *w)
{
	const struct ui_sdl_lib *sdl = &w->ui->sdl;
	const struct picture *p = &w->picture;
	uint32_t pixels[DISPLAY_MAX_CURSOR * DISPLAY_MAX_CURSOR];

	drop_cursor(w);
	if (p->cursor_shown)
		w->soft.cursor = sdl->CreateTexture(w->soft.renderer, SDL_PIXELFORMAT_ARGB8888,
						    SDL_TEXTUREACCESS_STATIC, p->cursor_width,
						    p->cursor_height);
	if (!w->soft.cursor)
		return;
	ui_cursor_straight(p, pixels);
	sdl->SetTextureBlendMode(w->soft.cursor, SDL_BLENDMODE_BLEND);
	sdl->UpdateTexture(w->soft.cursor, NULL, pixels, 4 * p->cursor_width);
}

static int soft_draw(struct ui_window *w, const SDL_Rect *cursor)
{
	const struct ui_sdl_lib *sdl = &w->ui->sdl;
	SDL_Renderer *r = w->soft.renderer;

	sdl->SetRenderDrawColor(r, 0, 0, 0, 255);
	sdl->RenderClear(r);
	if (w->showing) {
		sdl->SetTextureScaleMode(w->soft.texture, w->place.w % w->width ?
					 SDL_ScaleModeLinear : SDL_ScaleModeNearest);
		sdl->RenderCopy(r, w->soft.texture, NULL, &w->place);
	}
	if (cursor && w->soft.cursor)
		sdl->RenderCopy(r, w->soft.cursor, NULL, cursor);
	sdl->RenderPresent(r);
	return 0;
}

static void soft_finish(struct ui_window *w)
{
	soft_drop(w);
	drop_cursor(w);
	if (w->soft.renderer)
		w->ui->sdl.DestroyRenderer(w->soft.renderer);
	w->soft.renderer = NULL;
}

const struct ui_paint_ops ui_soft_ops = {
	.begin = soft_begin,
	.finish = soft_finish,
	.size = soft_size,
	.set = soft_set,
	.upload = soft_upload,
	.drop = soft_drop,
	.cursor = soft_cursor,
	.draw = soft_draw,
};
