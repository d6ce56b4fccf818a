/* SPDX-License-Identifier: MIT */
#include "devices/ui/gl_egl.h"

#include <errno.h>
#include <stdio.h>

static void *egl_create(void *ctx, unsigned major, unsigned minor)
{
	const struct gl_egl *egl = ctx;
	const EGLint wish[] = {
		EGL_CONTEXT_MAJOR_VERSION, major,
		EGL_CONTEXT_MINOR_VERSION, minor,
		EGL_CONTEXT_OPENGL_PROFILE_MASK, EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT,
		EGL_NONE,
	};

	egl->gl->egl.BindAPI(EGL_OPENGL_API);
	return egl->gl->egl.CreateContext(egl->display, egl->config, egl->first, wish);
}

static int egl_use(void *ctx, void *context)
{
	const struct gl_egl *egl = ctx;

	egl->gl->egl.BindAPI(EGL_OPENGL_API);
	return egl->gl->egl.MakeCurrent(egl->display, EGL_NO_SURFACE, EGL_NO_SURFACE,
					context) ? 0 : -EIO;
}

static void egl_destroy(void *ctx, void *context)
{
	const struct gl_egl *egl = ctx;

	/* While it is in use it would live on, and the display with it. */
	if (egl->gl->egl.GetCurrentContext() == context)
		egl_use(ctx, NULL);
	egl->gl->egl.DestroyContext(egl->display, context);
}

static const struct gl_provider_ops egl_ops = {
	.create = egl_create, .destroy = egl_destroy, .use = egl_use,
};

struct gl_provider gl_egl_provider(struct gl_egl *egl)
{
	return (struct gl_provider){ &egl_ops, egl };
}

static bool find_config(struct gl_egl *egl)
{
	EGLint wish[] = { EGL_CONFIG_ID, 0, EGL_NONE }, n = 0;

	return egl->gl->egl.QueryContext(egl->display, egl->first, EGL_CONFIG_ID, &wish[1]) &&
	       egl->gl->egl.ChooseConfig(egl->display, wish, &egl->config, 1, &n) && n == 1;
}

int gl_egl_share(struct gl_egl *egl, const struct gl_lib *gl, char *why, size_t len)
{
	const char *has;

	*egl = (struct gl_egl){ .gl = gl, .display = gl->egl.GetCurrentDisplay(),
				.first = gl->egl.GetCurrentContext() };
	if (!egl->display || !egl->first || !find_config(egl)) {
		snprintf(why, len, "the windows' OpenGL is not EGL's");
		return -ENOTSUP;
	}
	has = gl->egl.QueryString(egl->display, EGL_EXTENSIONS);
	if (!gl_lib_has(has, "EGL_KHR_surfaceless_context")) {
		snprintf(why, len, "EGL has no EGL_KHR_surfaceless_context");
		return -ENOTSUP;
	}
	return 0;
}

void gl_current_save(const struct gl_lib *gl, struct gl_current *c)
{
	c->display = gl->egl.GetCurrentDisplay();
	c->context = gl->egl.GetCurrentContext();
	c->draw = gl->egl.GetCurrentSurface(EGL_DRAW);
	c->read = gl->egl.GetCurrentSurface(EGL_READ);
}

void gl_current_restore(const struct gl_lib *gl, const struct gl_current *c)
{
	if (c->context)
		gl->egl.MakeCurrent(c->display, c->draw, c->read, c->context);
}
