/* SPDX-License-Identifier: MIT */
/*
 * EGL and OpenGL, loaded when somebody asks for them: eglName() is gl->egl.Name(),
 * glName() is gl->Name(). The functions are those of whatever context is current.
 */
#ifndef MICROVM_GL_LIB_H
#define MICROVM_GL_LIB_H

#include <EGL/egl.h>
#include <EGL/eglext.h>
#define GL_GLEXT_PROTOTYPES
#include <GL/glcorearb.h>
#include <stdbool.h>
#include <stddef.h>

#define GL_LIB_EGL_FUNCTIONS(F)                                                                    \
	F(GetProcAddress) F(GetCurrentDisplay) F(GetCurrentContext) F(GetCurrentSurface)           \
	F(MakeCurrent) F(BindAPI) F(CreateContext) F(DestroyContext) F(QueryContext)               \
	F(ChooseConfig) F(QueryString) F(Initialize) F(Terminate)

/* Of OpenGL 3.2 and before. */
#define GL_LIB_FUNCTIONS(F)                                                                        \
	F(GetString) F(GetError) F(Flush) F(Viewport) F(ClearColor) F(Clear)                       \
	F(Enable) F(Disable) F(BlendFunc) F(PixelStorei)                                           \
	F(GenTextures) F(DeleteTextures) F(BindTexture) F(TexImage2D) F(TexSubImage2D)             \
	F(TexParameteri)                                                                           \
	F(GenFramebuffers) F(DeleteFramebuffers) F(BindFramebuffer) F(FramebufferTexture2D)        \
	F(CheckFramebufferStatus) F(BlitFramebuffer)                                               \
	F(GenVertexArrays) F(DeleteVertexArrays) F(BindVertexArray) F(DrawArrays)                  \
	F(CreateShader) F(DeleteShader) F(ShaderSource) F(CompileShader) F(CreateProgram)          \
	F(DeleteProgram) F(AttachShader) F(LinkProgram) F(GetProgramiv) F(UseProgram)              \
	F(GetUniformLocation) F(Uniform4f)

struct gl_lib {
	struct {
#define GL_LIB_FIELD(name) __typeof__(egl##name) *name;
		GL_LIB_EGL_FUNCTIONS(GL_LIB_FIELD)
#undef GL_LIB_FIELD
	} egl;
#define GL_LIB_FIELD(name) __typeof__(gl##name) *name;
	GL_LIB_FUNCTIONS(GL_LIB_FIELD)
#undef GL_LIB_FIELD
};

/* EGL's functions; it stays loaded. 0, or -ENOENT and one line in @why. */
int gl_lib_load(struct gl_lib *gl, char *why, size_t len);
/* OpenGL's, once a context is current. 0, or -ENOENT and one line in @why. */
int gl_lib_load_gl(struct gl_lib *gl, char *why, size_t len);

/* Errors of the current context that nobody has asked for are forgotten. */
void gl_lib_clear_errors(const struct gl_lib *gl);

/* Whether the current context draws by the processor. */
bool gl_lib_is_software(const struct gl_lib *gl);

/* Whether @name is a word of @list, as EGL writes extensions; NULL: none. */
bool gl_lib_has(const char *list, const char *name);

#endif
