/* SPDX-License-Identifier: MIT */
/*
 * Commands of virgl's protocol, as a driver writes them: the few that a test needs
 * to draw something, and whatever else it wants to send.
 */
#ifndef MICROVM_TESTS_VIRGL_H
#define MICROVM_TESTS_VIRGL_H

#include <stdint.h>

#define VIRGL_MAX_WORDS 4096

enum virgl_command {
	VIRGL_NOP = 0, VIRGL_CREATE_OBJECT = 1, VIRGL_BIND_OBJECT = 2, VIRGL_DESTROY_OBJECT = 3,
	VIRGL_SET_VIEWPORT_STATE = 4, VIRGL_SET_FRAMEBUFFER_STATE = 5,
	VIRGL_SET_VERTEX_BUFFERS = 6, VIRGL_CLEAR = 7, VIRGL_DRAW_VBO = 8,
	VIRGL_RESOURCE_INLINE_WRITE = 9, VIRGL_SET_SAMPLER_VIEWS = 10, VIRGL_SET_INDEX_BUFFER = 11,
	VIRGL_SET_CONSTANT_BUFFER = 12, VIRGL_SET_SCISSOR_STATE = 15, VIRGL_BLIT = 16,
	VIRGL_RESOURCE_COPY_REGION = 17, VIRGL_BIND_SAMPLER_STATES = 18, VIRGL_BEGIN_QUERY = 19,
	VIRGL_END_QUERY = 20, VIRGL_GET_QUERY_RESULT = 21, VIRGL_SET_STREAMOUT_TARGETS = 25,
	VIRGL_SET_SUB_CTX = 28, VIRGL_CREATE_SUB_CTX = 29, VIRGL_BIND_SHADER = 31,
	VIRGL_SET_SHADER_BUFFERS = 34, VIRGL_SET_SHADER_IMAGES = 35, VIRGL_LAUNCH_GRID = 37,
	VIRGL_SET_ATOMIC_BUFFERS = 40, VIRGL_PIPE_RESOURCE_CREATE = 48,
	VIRGL_PIPE_RESOURCE_SET_TYPE = 49,
};

enum virgl_object {
	VIRGL_BLEND = 1, VIRGL_RASTERIZER = 2, VIRGL_DSA = 3, VIRGL_SHADER = 4,
	VIRGL_VERTEX_ELEMENTS = 5, VIRGL_SAMPLER_VIEW = 6, VIRGL_SAMPLER_STATE = 7,
	VIRGL_SURFACE = 8, VIRGL_QUERY = 9, VIRGL_STREAMOUT_TARGET = 10,
};

enum virgl_shader_type { VIRGL_VERTEX, VIRGL_FRAGMENT, VIRGL_COMPUTE = 5 };

/* A stream; zeroed, it is empty. Past its end the test aborts. */
struct virgl_stream {
	uint32_t words[VIRGL_MAX_WORDS];
	unsigned n;
};

void virgl_put(struct virgl_stream *s, uint32_t word);
void virgl_put_float(struct virgl_stream *s, float value);
/* @words behind a header that says so. */
void virgl_cmd(struct virgl_stream *s, uint8_t command, uint8_t object, unsigned n,
	       const uint32_t *words);

/* A view of level 0 of a texture. */
void virgl_surface(struct virgl_stream *s, uint32_t handle, uint32_t resource, uint32_t format);
/* What is drawn to from now on. */
void virgl_framebuffer(struct virgl_stream *s, uint32_t surface);
/* All of it to a colour. */
void virgl_clear(struct virgl_stream *s, float r, float g, float b, float a);
/* TGSI text in one piece. */
void virgl_shader(struct virgl_stream *s, uint32_t handle, enum virgl_shader_type type,
		  const char *text);

#endif
