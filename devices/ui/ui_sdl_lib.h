/* SPDX-License-Identifier: MIT */
/*
 * SDL 2, loaded when windows are asked for: without them nobody pays for what it
 * brings along, nor has to install it. SDL_Name() is sdl->Name().
 */
#ifndef MICROVM_UI_SDL_LIB_H
#define MICROVM_UI_SDL_LIB_H

#include <SDL2/SDL.h>
#include <SDL2/SDL_syswm.h>

/* The newest of them came with 2.0.18. */
#define UI_SDL_FUNCTIONS(F)                                                                        \
	F(Init) F(Quit) F(GetError) F(SetHint) F(GetCurrentVideoDriver) F(EnableScreenSaver)       \
	F(StopTextInput) F(PumpEvents) F(PeepEvents) F(GetModState)                                \
	F(CreateWindow) F(DestroyWindow) F(GetWindowID) F(GetWindowFlags) F(GetWindowSize)         \
	F(SetWindowSize) F(SetWindowTitle) F(SetWindowFullscreen) F(SetWindowMinimumSize)          \
	F(ShowWindow) F(HideWindow) F(SetWindowKeyboardGrab) F(GetWindowWMInfo)                    \
	F(GetNumVideoDisplays) F(GetWindowDisplayIndex) F(GetDisplayDPI)                           \
	F(GetDisplayUsableBounds) F(GetCurrentDisplayMode) F(GetTouchDeviceType)                   \
	F(CreateRenderer) F(DestroyRenderer) F(GetRendererOutputSize) F(GL_GetProcAddress)         \
	F(GL_SetAttribute) F(GL_CreateContext) F(GL_DeleteContext) F(GL_MakeCurrent)               \
	F(GL_SetSwapInterval) F(GL_SwapWindow) F(GL_GetDrawableSize)                               \
	F(SetRenderDrawColor) F(RenderClear) F(RenderCopy) F(RenderPresent)                        \
	F(CreateTexture) F(DestroyTexture) F(UpdateTexture) F(LockTexture) F(UnlockTexture)        \
	F(SetTextureBlendMode) F(SetTextureScaleMode)                                              \
	F(CreateRGBSurfaceWithFormatFrom) F(FreeSurface) F(CreateColorCursor)                      \
	F(CreateSystemCursor) F(FreeCursor) F(SetCursor) F(ShowCursor) F(SetRelativeMouseMode)

struct ui_sdl_lib {
#define UI_SDL_FIELD(name) __typeof__(SDL_##name) *name;
	UI_SDL_FUNCTIONS(UI_SDL_FIELD)
#undef UI_SDL_FIELD
};

/* Stays loaded. 0, or -ENOENT and one line in @why. */
int ui_sdl_lib_load(struct ui_sdl_lib *lib, char *why, size_t len);

#endif
