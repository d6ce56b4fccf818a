/* SPDX-License-Identifier: MIT */
/*
 * Windows by OpenGL, on EGL: one context for all of them, in which the card's textures
 * can be seen. Those are drawn as they are; other pictures' rows are brought into a
 * texture of the window's own. The card's context is this thread's again afterwards.
 *
 * Copies by glBlitFramebuffer() rather than triangles: the state of a texture is the
 * guest's to set, and matters to nobody but samplers.
 */
#include <errno.h>
#include <glob.h>
#include <libdrm/drm_fourcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/ui/gl_dmabuf.h"
#include "devices/ui/surface.h"
#include "devices/ui/ui_sdl_impl.h"
#include "vmm/util.h"

#define GL_MAJOR 3
#define GL_MINOR 2
/* Through which rows go that are in pieces. */
#define BAND_BYTES (1 * MiB)

/* --- the thread's context --------------------------------------------------------- */

static int enter(struct ui_window *w, struct gl_current *before)
{
	struct ui_sdl *ui = w->ui;

	gl_current_save(&ui->gl.lib, before);
	if (ui->sdl.GL_MakeCurrent(w->window, ui->gl.context) == 0)
		return 0;
	gl_current_restore(&ui->gl.lib, before);
	return -EIO;
}

/* SDL has to know that it has none: it would not ask for it again. */
static void leave(struct ui_window *w, const struct gl_current *before)
{
	w->ui->sdl.GL_MakeCurrent(w->window, NULL);
	gl_current_restore(&w->ui->gl.lib, before);
}

/* --- pictures --------------------------------------------------------------------- */

/* 0: pixels are to be brought into a texture. */
static unsigned image_texture(const struct ui_window *w)
{
	return w->gl.imported ? w->gl.texture : w->picture.surface.image.texture;
}

/* As glTexSubImage2D() says it: a 32-bit word from its top, or from its bottom. */
static void gl_format(uint32_t fourcc, GLenum *format, GLenum *type)
{
	bool from_top = fourcc == DRM_FORMAT_RGBA8888 || fourcc == DRM_FORMAT_RGBX8888 ||
			fourcc == DRM_FORMAT_BGRA8888 || fourcc == DRM_FORMAT_BGRX8888;
	bool blue = fourcc == DRM_FORMAT_ARGB8888 || fourcc == DRM_FORMAT_XRGB8888 ||
		    fourcc == DRM_FORMAT_BGRA8888 || fourcc == DRM_FORMAT_BGRX8888;

	*format = blue ? GL_BGRA : GL_RGBA;
	*type = from_top ? GL_UNSIGNED_INT_8_8_8_8 : GL_UNSIGNED_INT_8_8_8_8_REV;
}

/* Rows of @r from where they are, @stride bytes apart. */
static void put_rows(struct ui_window *w, const struct display_rect *r, const void *from,
		     uint32_t stride)
{
	const struct gl_lib *gl = &w->ui->gl.lib;
	GLenum format, type;

	gl_format(w->fourcc, &format, &type);
	gl->PixelStorei(GL_UNPACK_ROW_LENGTH, stride / 4);
	gl->TexSubImage2D(GL_TEXTURE_2D, 0, r->x, r->y, r->width, r->height, format, type, from);
}

/* The same by way of memory of our own. */
static void put_bands(struct ui_window *w, const struct display_rect *r)
{
	uint32_t rows = MAX(BAND_BYTES / (4ull * r->width), 1ull);
	char *band = malloc(4ull * r->width * rows);

	for (uint32_t y = 0; band && y < r->height; y += rows) {
		const struct display_rect part = {
			r->x, r->y + y, r->width, MIN(rows, r->height - y),
		};

		surface_read(&w->picture.surface, &part, band, 4ull * r->width);
		put_rows(w, &part, band, 4 * r->width);
	}
	free(band);
}

static void upload(struct ui_window *w, const struct display_rect *r)
{
	const struct display_surface *s = &w->picture.surface;
	const char *from = surface_ptr(s, r->y, r->height);

	w->ui->counts.uploads++;
	w->ui->gl.lib.BindTexture(GL_TEXTURE_2D, w->gl.texture);
	if (from && s->pixels.stride % 4 == 0)
		put_rows(w, r, from + 4ull * r->x, s->pixels.stride);
	else
		put_bands(w, r);
}

static void gl_upload(struct ui_window *w, const struct display_rect *r)
{
	struct gl_current before;

	if (image_texture(w))
		return;
	surface_refresh(&w->picture.surface);
	if (enter(w, &before) < 0)
		return;
	upload(w, r);
	leave(w, &before);
}

static unsigned make_texture(const struct gl_lib *gl, uint32_t width, uint32_t height)
{
	unsigned texture;

	gl->GenTextures(1, &texture);
	gl->BindTexture(GL_TEXTURE_2D, texture);
	gl->TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_LINEAR);
	gl->TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAX_LEVEL, 0);
	gl->TexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, width, height, 0, GL_BGRA,
		       GL_UNSIGNED_INT_8_8_8_8_REV, NULL);
	return texture;
}

static void forget_texture(struct ui_window *w)
{
	if (w->gl.texture)
		w->ui->gl.lib.DeleteTextures(1, &w->gl.texture);
	w->gl.texture = 0;
	w->gl.imported = false;
}

/* A texture of the window's own for all of the picture. */
static bool make_own(struct ui_window *w)
{
	const struct gl_lib *gl = &w->ui->gl.lib;
	bool made;

	if (!ui_window_fits(w, 4ull * w->width * w->height))
		return false;
	forget_texture(w);
	gl_lib_clear_errors(gl);
	w->gl.texture = make_texture(gl, w->width, w->height);
	made = gl->GetError() == GL_NO_ERROR;
	if (made)
		upload(w, &(struct display_rect){ 0, 0, w->width, w->height });
	else
		forget_texture(w);
	return made;
}

static void gl_drop(struct ui_window *w)
{
	struct gl_current before;

	if (!w->gl.texture || enter(w, &before) < 0)
		return;
	forget_texture(w);
	leave(w, &before);
}

static bool has_dmabuf(const struct ui_window *w, struct display_dmabuf *d)
{
	const struct display_image *image = &w->picture.surface.image;

	return w->ui->gl.importable && image->width && image->dmabuf &&
	       image->dmabuf(image->ctx, d) == 0;
}

static void import(struct ui_window *w, const struct display_dmabuf *d)
{
	const struct display_image *image = &w->picture.surface.image;
	struct ui_gl *g = &w->ui->gl;

	forget_texture(w);
	w->gl.texture = gl_dmabuf_import(&g->lib, d, image->width, image->height);
	w->gl.imported = g->importable = w->gl.texture;
}

/* Asked for, and made up to date, they are in the card's context: before ours is entered. */
static bool set_dmabuf(struct ui_window *w)
{
	struct display_dmabuf d;
	struct gl_current before;

	if (!has_dmabuf(w, &d) || enter(w, &before) < 0)
		return false;
	import(w, &d);
	leave(w, &before);
	if (!w->gl.imported && w->ui->no_dmabuf)
		w->ui->no_dmabuf(w->ui->ctx);
	return w->gl.imported;
}

static bool set_pixels(struct ui_window *w)
{
	struct gl_current before;
	bool made;

	surface_refresh(&w->picture.surface);
	if (enter(w, &before) < 0)
		return false;
	made = make_own(w);
	leave(w, &before);
	return made;
}

static bool gl_set(struct ui_window *w, bool same)
{
	if (w->picture.surface.image.texture) {
		gl_drop(w);
		return true;
	}
	return set_dmabuf(w) || (same && w->gl.texture && !w->gl.imported) || set_pixels(w);
}

/* --- the pointer ------------------------------------------------------------------ */

static void forget_cursor(struct ui_window *w)
{
	if (w->gl.cursor)
		w->ui->gl.lib.DeleteTextures(1, &w->gl.cursor);
	w->gl.cursor = 0;
}

static void gl_cursor(struct ui_window *w)
{
	const struct gl_lib *gl = &w->ui->gl.lib;
	const struct picture *p = &w->picture;
	struct gl_current before;

	if (enter(w, &before) < 0)
		return;
	forget_cursor(w);
	if (p->cursor_shown) {
		w->gl.cursor = make_texture(gl, p->cursor_width, p->cursor_height);
		gl->PixelStorei(GL_UNPACK_ROW_LENGTH, 0);
		gl->TexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, p->cursor_width, p->cursor_height,
				  GL_BGRA, GL_UNSIGNED_INT_8_8_8_8_REV, p->cursor);
	}
	leave(w, &before);
}

static unsigned make_shader(const struct gl_lib *gl, GLenum type, const char *text)
{
	unsigned shader = gl->CreateShader(type);

	gl->ShaderSource(shader, 1, &text, NULL);
	gl->CompileShader(shader);
	return shader;
}

/* Four corners of a rectangle, given by the first and the last of them, and what is in it. */
static int make_program(struct ui_gl *g)
{
	static const char corners[] =
		"#version 150\n"
		"uniform vec4 at;\n"
		"out vec2 texel;\n"
		"void main() {\n"
		"	texel = vec2(gl_VertexID & 1, gl_VertexID >> 1);\n"
		"	gl_Position = vec4(mix(at.xy, at.zw, texel), 0, 1);\n"
		"}\n";
	static const char colours[] =
		"#version 150\n"
		"uniform sampler2D image;\n"
		"in vec2 texel;\n"
		"out vec4 colour;\n"
		"void main() { colour = texture(image, texel); }\n";
	const struct gl_lib *gl = &g->lib;
	unsigned vertex = make_shader(gl, GL_VERTEX_SHADER, corners);
	unsigned fragment = make_shader(gl, GL_FRAGMENT_SHADER, colours);
	GLint linked = 0;

	g->program = gl->CreateProgram();
	gl->AttachShader(g->program, vertex);
	gl->AttachShader(g->program, fragment);
	gl->LinkProgram(g->program);
	gl->DeleteShader(vertex);
	gl->DeleteShader(fragment);
	gl->GetProgramiv(g->program, GL_LINK_STATUS, &linked);
	g->at = gl->GetUniformLocation(g->program, "at");
	return linked ? 0 : -EIO;
}

/* --- frames ----------------------------------------------------------------------- */

static void gl_size(struct ui_window *w, int *width, int *height)
{
	w->ui->sdl.GL_GetDrawableSize(w->window, width, height);
}

static int draw_picture(struct ui_window *w, int height)
{
	const struct gl_lib *gl = &w->ui->gl.lib;
	const struct display_image *image = &w->picture.surface.image;
	const SDL_Rect *p = &w->place;
	unsigned texture = image_texture(w);
	bool direct = texture;
	int x = direct ? image->x : 0, top = direct ? image->y : 0, bottom;

	bottom = top + w->height;
	if (direct && image->flipped) {
		top = image->height - top;
		bottom = image->height - bottom;
	}
	gl->FramebufferTexture2D(GL_READ_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D,
				 direct ? texture : w->gl.texture, 0);
	if (gl->CheckFramebufferStatus(GL_READ_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE)
		return -EIO;
	/* Row 0 of what a window shows is the lowest one. */
	gl->BlitFramebuffer(x, top, x + w->width, bottom, p->x, height - p->y, p->x + p->w,
			    height - p->y - p->h, GL_COLOR_BUFFER_BIT,
			    p->w % w->width ? GL_LINEAR : GL_NEAREST);
	gl->FramebufferTexture2D(GL_READ_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, 0, 0);
	w->ui->counts.textures += direct;
	return 0;
}

static void draw_cursor(struct ui_window *w, const SDL_Rect *at, int width, int height)
{
	const struct ui_gl *g = &w->ui->gl;
	const struct gl_lib *gl = &g->lib;

	gl->UseProgram(g->program);
	gl->BindVertexArray(g->vertices);
	gl->BindTexture(GL_TEXTURE_2D, w->gl.cursor);
	gl->Enable(GL_BLEND);
	gl->BlendFunc(GL_ONE, GL_ONE_MINUS_SRC_ALPHA);
	gl->Uniform4f(g->at, 2.0f * at->x / width - 1, 1 - 2.0f * at->y / height,
		      2.0f * (at->x + at->w) / width - 1, 1 - 2.0f * (at->y + at->h) / height);
	gl->DrawArrays(GL_TRIANGLE_STRIP, 0, 4);
	gl->Disable(GL_BLEND);
}

static int draw_all(struct ui_window *w, const SDL_Rect *cursor)
{
	const struct ui_gl *g = &w->ui->gl;
	int width = 0, height = 0, ret = 0;

	gl_size(w, &width, &height);
	g->lib.BindFramebuffer(GL_DRAW_FRAMEBUFFER, 0);
	g->lib.BindFramebuffer(GL_READ_FRAMEBUFFER, g->framebuffer);
	g->lib.Viewport(0, 0, width, height);
	g->lib.ClearColor(0, 0, 0, 1);
	g->lib.Clear(GL_COLOR_BUFFER_BIT);
	if (w->showing)
		ret = draw_picture(w, height);
	if (cursor && w->gl.cursor && width > 0 && height > 0)
		draw_cursor(w, cursor, width, height);
	if (g->lib.GetError() != GL_NO_ERROR)
		ret = -EIO;
	w->ui->sdl.GL_SwapWindow(w->window);
	return ret;
}

static int gl_draw(struct ui_window *w, const SDL_Rect *cursor)
{
	struct gl_current before;
	int ret = enter(w, &before);

	if (ret < 0)
		return ret;
	ret = draw_all(w, cursor);
	leave(w, &before);
	return ret;
}

/* --- life ------------------------------------------------------------------------- */

static int gl_begin(struct ui_window *w)
{
	return 0;
}

static void gl_finish(struct ui_window *w)
{
	struct gl_current before;

	if (!w->ui->gl.context || enter(w, &before) < 0)
		return;
	forget_texture(w);
	forget_cursor(w);
	leave(w, &before);
}

const struct ui_paint_ops ui_gl_ops = {
	.flags = SDL_WINDOW_OPENGL,
	.begin = gl_begin,
	.finish = gl_finish,
	.size = gl_size,
	.set = gl_set,
	.upload = gl_upload,
	.drop = gl_drop,
	.cursor = gl_cursor,
	.draw = gl_draw,
};

void ui_gl_prepare(const struct ui_sdl_lib *sdl)
{
	sdl->GL_SetAttribute(SDL_GL_CONTEXT_MAJOR_VERSION, GL_MAJOR);
	sdl->GL_SetAttribute(SDL_GL_CONTEXT_MINOR_VERSION, GL_MINOR);
	sdl->GL_SetAttribute(SDL_GL_CONTEXT_PROFILE_MASK, SDL_GL_CONTEXT_PROFILE_CORE);
	sdl->GL_SetAttribute(SDL_GL_DEPTH_SIZE, 0);
}

/*
 * A desktop that has no way to the GPU, Xvfb say: the card does better by its own way
 * there, even with copies.
 */
static bool is_slower_than_the_gpu(const struct gl_lib *gl)
{
	glob_t nodes;
	bool any = false;

	/* Of Mesa: whoever sets it wants the processor to draw. */
	if (getenv("LIBGL_ALWAYS_SOFTWARE") || !gl_lib_is_software(gl) ||
	    glob("/dev/dri/renderD*", 0, NULL, &nodes) != 0)
		return false;
	for (size_t i = 0; i < nodes.gl_pathc; i++)
		any |= access(nodes.gl_pathv[i], R_OK | W_OK) == 0;
	globfree(&nodes);
	return any;
}

static int make_objects(struct ui_sdl *ui, char *why, size_t len)
{
	struct ui_gl *g = &ui->gl;
	int ret = gl_lib_load_gl(&g->lib, why, len);

	g->apart = ret == 0 && is_slower_than_the_gpu(&g->lib);
	if (g->apart) {
		snprintf(why, len, "the desktop's is drawn by the processor, and there is a GPU");
		/* Which has no pixels for SDL but by way of GL. */
		if (strcmp(ui->sdl.GetCurrentVideoDriver(), "wayland"))
			return -ENOTSUP;
		log_warn("--display sdl: pictures are copied: %s", why);
	}
	if (ret == 0)
		ret = gl_egl_share(&g->egl, &g->lib, why, len);
	if (ret < 0)
		return ret;
	g->lib.GenFramebuffers(1, &g->framebuffer);
	g->lib.GenVertexArrays(1, &g->vertices);
	g->importable = gl_dmabuf_importable(&g->lib);
	ret = make_program(g);
	if (ret < 0)
		snprintf(why, len, "a shader of OpenGL %d.%d is refused", GL_MAJOR, GL_MINOR);
	/* Frames have a pace already, and nothing else may wait for a monitor. */
	ui->sdl.GL_SetSwapInterval(0);
	return ret;
}

int ui_gl_open(struct ui_sdl *ui, char *why, size_t len)
{
	struct ui_window *w = &ui->windows[0];
	int ret = gl_lib_load(&ui->gl.lib, why, len);

	if (ret < 0)
		return ret;
	ui->gl.context = ui->sdl.GL_CreateContext(w->window);
	if (!ui->gl.context) {
		snprintf(why, len, "%s", ui->sdl.GetError());
		return -ENOTSUP;
	}
	ret = make_objects(ui, why, len);
	ui->sdl.GL_MakeCurrent(w->window, NULL);
	if (ret < 0)
		ui_gl_close(ui);
	return ret;
}

void ui_gl_close(struct ui_sdl *ui)
{
	if (ui->gl.context)
		ui->sdl.GL_DeleteContext(ui->gl.context);
	ui->gl.context = NULL;
}
