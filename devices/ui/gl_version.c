/* SPDX-License-Identifier: MIT */
#include "devices/ui/gl_version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "devices/dynlib.h"
#include "devices/ui/gl_egl.h"
#include "devices/ui/gl_lib.h"
#include "vmm/util.h"

#define GBM_SONAME "libgbm.so.1"

/* Of gbm.h, which nothing else here needs. */
struct gbm {
	void *(*create_device)(int fd);
	void (*device_destroy)(void *device);
};

struct asked {
	struct gl_lib gl;
	struct gbm gbm;
	int fd;			/* of the GPU, -1: none */
	void *device;		/* GBM's; NULL: none */
	EGLDisplay display;	/* NULL: none */
	EGLConfig config;
};

static int open_device(struct asked *a, const char *rendernode)
{
	const struct dynlib_symbol symbols[] = {
		{ "gbm_create_device", &a->gbm.create_device },
		{ "gbm_device_destroy", &a->gbm.device_destroy },
	};
	const char *missing;

	if (dynlib_load(GBM_SONAME, symbols, ARRAY_SIZE(symbols), &missing) < 0)
		return -ENOENT;
	a->fd = open(rendernode, O_RDWR | O_CLOEXEC);
	if (a->fd < 0)
		return -errno;
	a->device = a->gbm.create_device(a->fd);
	return a->device ? 0 : -ENODEV;
}

static int open_display(struct asked *a)
{
	PFNEGLGETPLATFORMDISPLAYEXTPROC get =
		(PFNEGLGETPLATFORMDISPLAYEXTPROC)a->gl.egl.GetProcAddress("eglGetPlatformDisplayEXT");
	EGLDisplay display;

	if (!get)
		return -ENOTSUP;
	display = a->device ? get(EGL_PLATFORM_GBM_KHR, a->device, NULL) :
			      get(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, NULL);
	if (!display || !a->gl.egl.Initialize(display, NULL, NULL))
		return -ENODEV;
	a->display = display;
	return 0;
}

static int find_config(struct asked *a)
{
	static const EGLint wish[] = {
		EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_SURFACE_TYPE, 0, EGL_NONE,
	};
	EGLint n = 0;

	return a->gl.egl.BindAPI(EGL_OPENGL_API) &&
	       a->gl.egl.ChooseConfig(a->display, wish, &a->config, 1, &n) && n == 1 ? 0 : -ENOTSUP;
}

static bool can_have(struct asked *a, int major, int minor)
{
	const EGLint wish[] = {
		EGL_CONTEXT_MAJOR_VERSION, major, EGL_CONTEXT_MINOR_VERSION, minor, EGL_NONE,
	};
	EGLContext context = a->gl.egl.CreateContext(a->display, a->config, NULL, wish);

	if (context)
		a->gl.egl.DestroyContext(a->display, context);
	return context;
}

static void name_current(struct asked *a, char *has, size_t len)
{
	char why[100];
	const char *version = NULL, *renderer = NULL;

	if (gl_lib_load_gl(&a->gl, why, sizeof(why)) == 0) {
		version = (const char *)a->gl.GetString(GL_VERSION);
		renderer = (const char *)a->gl.GetString(GL_RENDERER);
	}
	if (version && renderer)
		snprintf(has, len, "%.80s of %.80s", version, renderer);
}

/* Of any version, since it has one. */
static void name_it(struct asked *a, char *has, size_t len)
{
	EGLContext context = a->gl.egl.CreateContext(a->display, a->config, NULL, NULL);
	struct gl_current before;

	snprintf(has, len, "an older one");
	if (!context)
		return;
	gl_current_save(&a->gl, &before);
	if (a->gl.egl.MakeCurrent(a->display, NULL, NULL, context)) {
		name_current(a, has, len);
		a->gl.egl.MakeCurrent(a->display, NULL, NULL, NULL);
	}
	gl_current_restore(&a->gl, &before);
	a->gl.egl.DestroyContext(a->display, context);
}

static void close_all(struct asked *a)
{
	if (a->display)
		a->gl.egl.Terminate(a->display);
	if (a->device)
		a->gbm.device_destroy(a->device);
	if (a->fd >= 0)
		close(a->fd);
}

int gl_version_check(const char *rendernode, int major, int minor, char *has, size_t len)
{
	struct asked a = { .fd = -1 };
	int ret = gl_lib_load(&a.gl, has, len);

	if (ret == 0 && rendernode)
		ret = open_device(&a, rendernode);
	if (ret == 0)
		ret = open_display(&a);
	if (ret == 0)
		ret = find_config(&a);
	if (ret == 0 && !can_have(&a, major, minor)) {
		name_it(&a, has, len);
		ret = -ERANGE;
	}
	close_all(&a);
	/* Whoever cannot even be asked has other things to say. */
	return ret == -ERANGE ? -ENOTSUP : 0;
}
