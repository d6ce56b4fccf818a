/* SPDX-License-Identifier: MIT */
#include "devices/ui/gl_lib.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "devices/dynlib.h"
#include "vmm/util.h"

#define EGL_SONAME "libEGL.so.1"
#define MAX_ERRORS 16	/* of each kind one is kept */

int gl_lib_load(struct gl_lib *gl, char *why, size_t len)
{
	const struct dynlib_symbol symbols[] = {
#define SYMBOL(name) { "egl" #name, &gl->egl.name },
		GL_LIB_EGL_FUNCTIONS(SYMBOL)
#undef SYMBOL
	};

	return dynlib_load_why(EGL_SONAME, symbols, ARRAY_SIZE(symbols), "1.4", "libegl1", why,
			       len);
}

int gl_lib_load_gl(struct gl_lib *gl, char *why, size_t len)
{
	const struct { const char *name; void *to; } symbols[] = {
#define SYMBOL(name) { "gl" #name, &gl->name },
		GL_LIB_FUNCTIONS(SYMBOL)
#undef SYMBOL
	};

	for (unsigned i = 0; i < ARRAY_SIZE(symbols); i++) {
		__eglMustCastToProperFunctionPointerType f =
			gl->egl.GetProcAddress(symbols[i].name);

		if (!f) {
			snprintf(why, len, "OpenGL has no %s", symbols[i].name);
			return -ENOENT;
		}
		memcpy(symbols[i].to, &f, sizeof(f));
	}
	return 0;
}

void gl_lib_clear_errors(const struct gl_lib *gl)
{
	/* A context that is lost has no end of them. */
	for (unsigned i = 0; i < MAX_ERRORS && gl->GetError() != GL_NO_ERROR; i++)
		;
}

bool gl_lib_is_software(const struct gl_lib *gl)
{
	const char *name = (const char *)gl->GetString(GL_RENDERER);

	return name && (strstr(name, "llvmpipe") || strstr(name, "softpipe"));
}

bool gl_lib_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; at && (at = strstr(at, name)); at += len)
		if ((at == list || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}
