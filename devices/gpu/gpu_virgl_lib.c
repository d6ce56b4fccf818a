/* SPDX-License-Identifier: MIT */
/* virglrenderer, loaded and started on a GPU or without one. */
#include "devices/gpu/gpu_virgl_impl.h"

#if GPU_VIRGL_BUILT

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/dynlib.h"
#include "devices/ui/gl_dmabuf.h"
#include "devices/ui/gl_version.h"
#include "vmm/log.h"

#define VIRGL_SONAME "libvirglrenderer.so.1"
#define FIRST_RENDERNODE 128
#define RENDERNODES 64
/* Without OpenGL of this version it does not start, and does not come back to say so. */
#define VIRGL_GL_MAJOR 3
#define VIRGL_GL_MINOR 0

static int virgl_get_drm_fd(void *cookie)
{
	const struct gpu_virgl *v = cookie;

	return v->rendernode ? open(v->rendernode, O_RDWR | O_CLOEXEC) : -1;
}

/* What the library says, of which lines have an end that ours bring themselves. */
__attribute__((format(printf, 3, 0)))
static void virgl_text(char *text, size_t len, const char *fmt, va_list ap)
{
	vsnprintf(text, len, fmt, ap);
	text[strcspn(text, "\n")] = '\0';
}

__attribute__((format(printf, 1, 0)))
static void virgl_says_of_gl(const char *fmt, va_list ap)
{
	char text[200];

	virgl_text(text, sizeof(text), fmt, ap);
	log_debug("virglrenderer: %s", text);
}

/* The library is one for the process, and a call does not say whose it is. */
__attribute__((format(printf, 1, 0)))
static void virgl_says_of_guest(const char *fmt, va_list ap)
{
	static struct log_rate rate;
	char text[200];

	virgl_text(text, sizeof(text), fmt, ap);
	log_guest(&rate, "virglrenderer: %s", text);
}

static void virgl_listen(struct gpu_virgl *v, virgl_debug_callback_type says)
{
	if (v->lib.set_debug_callback)
		v->lib.set_debug_callback(says);
}

static int virgl_load(struct virgl_lib *lib, char *why, size_t len)
{
	const struct dynlib_symbol symbols[] = {
#define VIRGL_SYMBOL(name) { "virgl_renderer_" #name, &lib->name },
		VIRGL_FUNCTIONS(VIRGL_SYMBOL)
#undef VIRGL_SYMBOL
	};
	const struct dynlib_symbol fences[] = {
		{ "virgl_renderer_context_create_fence", &lib->context_create_fence },
	};
	const struct dynlib_symbol says[] = {
		{ "virgl_set_debug_callback", &lib->set_debug_callback },
	};
	const struct dynlib_symbol blobs[] = {
		{ "virgl_renderer_resource_export_blob", &lib->resource_export_blob },
		{ "virgl_renderer_resource_get_map_info", &lib->resource_get_map_info },
		{ "virgl_renderer_context_poll", &lib->context_poll },
		{ "virgl_renderer_context_get_poll_fd", &lib->context_get_poll_fd },
	};
	const struct dynlib_symbol execute[] = {
		{ "virgl_renderer_execute", &lib->execute },
	};
	const char *missing;
	int ret = dynlib_load_why(VIRGL_SONAME, symbols, ARRAY_SIZE(symbols), "0.10",
				  "libvirglrenderer1", why, len);

	if (ret < 0)
		return ret;
	dynlib_load(VIRGL_SONAME, fences, 1, &missing);
	dynlib_load(VIRGL_SONAME, says, 1, &missing);
	if (dynlib_load(VIRGL_SONAME, blobs, ARRAY_SIZE(blobs), &missing) < 0)
		lib->resource_export_blob = NULL;
	dynlib_load(VIRGL_SONAME, execute, 1, &missing);
	return 0;
}

/* --- contexts of windows ---------------------------------------------------------- */

static virgl_renderer_gl_context virgl_create_gl(void *cookie, int scanout,
						 struct virgl_renderer_gl_ctx_param *param)
{
	const struct gpu_virgl *v = cookie;

	return v->gl.ops->create(v->gl.ctx, param->major_ver, param->minor_ver);
}

static void virgl_destroy_gl(void *cookie, virgl_renderer_gl_context context)
{
	const struct gpu_virgl *v = cookie;

	v->gl.ops->destroy(v->gl.ctx, context);
}

static int virgl_use_gl(void *cookie, int scanout, virgl_renderer_gl_context context)
{
	const struct gpu_virgl *v = cookie;

	return v->gl.ops->use(v->gl.ctx, context);
}

/* --- the start ---------------------------------------------------------------------- */

/* With Vulkan if that is wanted, or else without. */
static int virgl_init_more(struct gpu_virgl *v, int flags)
{
	int more = gpu_virgl_venus_flags(v), ret;

	if (more && v->lib.init(v, flags | more, &v->callbacks) == 0) {
		v->venus = gpu_virgl_venus_works(v);
		return 0;
	}
	ret = v->lib.init(v, flags, &v->callbacks);
	if (ret == 0)
		v->venus = false;
	return ret;
}

static int virgl_init_with(struct gpu_virgl *v, int flags)
{
	v->callbacks.version = v->lib.context_create_fence ? 3 : 2;
	v->callbacks.write_fence = gpu_virgl_write_fence;
	v->callbacks.write_context_fence = gpu_virgl_write_context_fence;
	return virgl_init_more(v, flags | VIRGL_RENDERER_THREAD_SYNC);
}

static int virgl_init_on(struct gpu_virgl *v, const char *rendernode)
{
	v->callbacks = (struct virgl_renderer_callbacks){
		.get_drm_fd = rendernode ? virgl_get_drm_fd : NULL,
	};
	v->rendernode = rendernode;
	return virgl_init_with(v, VIRGL_RENDERER_USE_EGL |
			       (rendernode ? 0 : VIRGL_RENDERER_USE_SURFACELESS));
}

static int virgl_init_by(struct gpu_virgl *v, const struct gl_provider *gl)
{
	int ret;

	v->callbacks = (struct virgl_renderer_callbacks){
		.create_gl_context = virgl_create_gl,
		.destroy_gl_context = virgl_destroy_gl,
		.make_current = virgl_use_gl,
	};
	v->gl = *gl;
	ret = virgl_init_with(v, 0);
	if (ret != 0)
		v->gl = (struct gl_provider){ 0 };
	return ret;
}

/* The library's context is the current one. */
static void virgl_load_egl(struct gpu_virgl *v)
{
	char why[100];

	v->lib.force_ctx_0();
	v->has_egl = gl_lib_load(&v->egl, why, sizeof(why)) == 0 &&
		     gl_lib_load_gl(&v->egl, why, sizeof(why)) == 0;
}

static const char *gl_string(const struct gpu_virgl *v, unsigned name)
{
	const GLubyte *text = v->has_egl ? v->egl.GetString(name) : NULL;

	return text ? (const char *)text : "unknown";
}

void gpu_virgl_lib_draws(struct gpu_virgl *v, char *text, size_t len)
{
	snprintf(text, len, "%s, OpenGL %s", gl_string(v, GL_RENDERER),
		 gl_string(v, GL_VERSION));
}

/* @where: a file, or a word of it; NULL: there is none. And how pictures leave. */
static void virgl_say_what_draws(struct gpu_virgl *v, const char *where)
{
	bool dmabufs;

	virgl_load_egl(v);
	dmabufs = !v->gl.ops && v->has_egl && gl_dmabuf_exportable(&v->egl);
	log_msg(LOG_WARN, "--gpu virgl: %s, OpenGL %s%s%s%s", gl_string(v, GL_RENDERER),
		gl_string(v, GL_VERSION), where ? ", " : "", where ? where : "",
		dmabufs ? ", with dma-bufs" : "");
}

/* 0; -ENOTSUP, and why in @why: too old; or -ENODEV, and @why is as it was. */
static int virgl_try(struct gpu_virgl *v, const char *rendernode, char *why, size_t len)
{
	char has[200];

	if (gl_version_check(rendernode, VIRGL_GL_MAJOR, VIRGL_GL_MINOR, has, sizeof(has)) < 0) {
		snprintf(why, len, "%.100s%sOpenGL here is %s, and virglrenderer needs %d.%d",
			 rendernode ? rendernode : "", rendernode ? ": " : "", has,
			 VIRGL_GL_MAJOR, VIRGL_GL_MINOR);
		return -ENOTSUP;
	}
	if (virgl_init_on(v, rendernode) != 0)
		return -ENODEV;
	virgl_say_what_draws(v, rendernode);
	return 0;
}

/* The first node that the library takes; else none, which is what Mesa chooses by itself. */
static int virgl_try_all(struct gpu_virgl *v, char *why, size_t len)
{
	char node[32];

	for (unsigned i = 0; i < RENDERNODES; i++) {
		snprintf(node, sizeof(node), "/dev/dri/renderD%u", FIRST_RENDERNODE + i);
		if (access(node, R_OK | W_OK) == 0 && virgl_try(v, node, why, len) == 0)
			return 0;
	}
	return virgl_try(v, NULL, why, len);
}

static int virgl_init(struct gpu_virgl *v, const struct gpu_virgl_params *params, char *why,
		      size_t len)
{
	const char *rendernode = params->rendernode;
	int ret;

	if (params->gl.ops) {
		if (virgl_init_by(v, &params->gl) == 0) {
			virgl_say_what_draws(v, "shared with the windows");
			return 0;
		}
		log_warn("--gpu virgl: not with the windows' OpenGL: pictures are copied");
	}
	if (!rendernode) {
		snprintf(why, len, "no OpenGL by EGL, neither on /dev/dri/renderD* nor "
			 "without a GPU; install libegl1 libegl-mesa0 libgl1-mesa-dri");
		return virgl_try_all(v, why, len);
	}
	if (access(rendernode, R_OK | W_OK) < 0) {
		ret = -errno;
		snprintf(why, len, "%.100s: %s", rendernode, strerror(-ret));
		return ret;
	}
	snprintf(why, len, "%.100s: no OpenGL by GBM and EGL; install libgbm1 "
		 "libegl-mesa0 libgl1-mesa-dri", rendernode);
	return virgl_try(v, rendernode, why, len);
}

int gpu_virgl_lib_open(struct gpu_virgl *v, const struct gpu_virgl_params *params, char *why,
		       size_t len)
{
	int ret = virgl_load(&v->lib, why, len);

	if (ret < 0)
		return ret;
	virgl_listen(v, virgl_says_of_gl);
	ret = virgl_init(v, params, why, len);
	if (ret == 0 && params->venus)
		log_msg(v->venus ? LOG_INFO : LOG_WARN, "--gpu virgl: Vulkan by venus: %s",
			v->venus ? "yes" : "this library cannot");
	if (ret == 0)
		virgl_listen(v, virgl_says_of_guest);
	return ret;
}

#endif
