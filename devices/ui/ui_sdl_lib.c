/* SPDX-License-Identifier: MIT */
#include "devices/ui/ui_sdl_lib.h"

#include "devices/dynlib.h"
#include "vmm/util.h"

#define SDL_SONAME "libSDL2-2.0.so.0"

int ui_sdl_lib_load(struct ui_sdl_lib *lib, char *why, size_t len)
{
	const struct dynlib_symbol symbols[] = {
#define UI_SDL_SYMBOL(name) { "SDL_" #name, &lib->name },
		UI_SDL_FUNCTIONS(UI_SDL_SYMBOL)
#undef UI_SDL_SYMBOL
	};

	return dynlib_load_why(SDL_SONAME, symbols, ARRAY_SIZE(symbols), "2.0.18",
			       "libsdl2-2.0-0", why, len);
}
