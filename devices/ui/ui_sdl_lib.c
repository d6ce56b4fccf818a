/* SPDX-License-Identifier: MIT */
#include "devices/ui/ui_sdl_lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

#include "vmm/util.h"

#define SDL_SONAME "libSDL2-2.0.so.0"

int ui_sdl_lib_load(struct ui_sdl_lib *lib, char *why, size_t len)
{
	const struct { const char *name; void *to; } symbols[] = {
#define UI_SDL_SYMBOL(name) { "SDL_" #name, &lib->name },
		UI_SDL_FUNCTIONS(UI_SDL_SYMBOL)
#undef UI_SDL_SYMBOL
	};
	void *handle = dlopen(SDL_SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!handle) {
		snprintf(why, len, "%s; install libsdl2-2.0-0", dlerror());
		return -ENOENT;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(symbols); i++) {
		void *address = dlsym(handle, symbols[i].name);

		if (!address) {
			snprintf(why, len, "%s has no %s: older than 2.0.18", SDL_SONAME,
				 symbols[i].name);
			return -ENOENT;
		}
		/* POSIX's way from an object pointer to a function's, see dlopen(3). */
		memcpy(symbols[i].to, &address, sizeof(address));
	}
	return 0;
}
