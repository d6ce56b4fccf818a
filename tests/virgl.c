/* SPDX-License-Identifier: MIT */
#include "tests/virgl.h"

#include <stdlib.h>
#include <string.h>

#define CLEAR_COLOR0 (1u << 2)
#define TOKENS 300	/* room that a decoder is told to make for a shader */

void virgl_put(struct virgl_stream *s, uint32_t word)
{
	if (s->n == VIRGL_MAX_WORDS)
		abort();
	s->words[s->n++] = word;
}

void virgl_put_float(struct virgl_stream *s, float value)
{
	uint32_t word;

	memcpy(&word, &value, sizeof(word));
	virgl_put(s, word);
}

static void virgl_header(struct virgl_stream *s, uint8_t command, uint8_t object, uint16_t n)
{
	virgl_put(s, command | (uint32_t)object << 8 | (uint32_t)n << 16);
}

void virgl_cmd(struct virgl_stream *s, uint8_t command, uint8_t object, unsigned n,
	       const uint32_t *words)
{
	virgl_header(s, command, object, n);
	for (unsigned i = 0; i < n; i++)
		virgl_put(s, words[i]);
}

void virgl_surface(struct virgl_stream *s, uint32_t handle, uint32_t resource, uint32_t format)
{
	const uint32_t words[] = { handle, resource, format, 0, 0 };

	virgl_cmd(s, VIRGL_CREATE_OBJECT, VIRGL_SURFACE, 5, words);
}

void virgl_framebuffer(struct virgl_stream *s, uint32_t surface)
{
	const uint32_t words[] = { 1, 0, surface };

	virgl_cmd(s, VIRGL_SET_FRAMEBUFFER_STATE, 0, 3, words);
}

void virgl_clear(struct virgl_stream *s, float r, float g, float b, float a)
{
	virgl_header(s, VIRGL_CLEAR, 0, 8);
	virgl_put(s, CLEAR_COLOR0);
	virgl_put_float(s, r);
	virgl_put_float(s, g);
	virgl_put_float(s, b);
	virgl_put_float(s, a);
	for (unsigned i = 0; i < 3; i++)	/* depth, which is a double, and stencil */
		virgl_put(s, 0);
}

void virgl_shader(struct virgl_stream *s, uint32_t handle, enum virgl_shader_type type,
		  const char *text)
{
	uint32_t len = strlen(text) + 1, n = (len + 3) / 4;

	virgl_header(s, VIRGL_CREATE_OBJECT, VIRGL_SHADER, 5 + n);
	virgl_put(s, handle);
	virgl_put(s, type);
	virgl_put(s, len);
	virgl_put(s, TOKENS);
	virgl_put(s, 0);	/* no stream output */
	for (unsigned i = 0; i < n; i++) {
		uint32_t word = 0;

		memcpy(&word, text + 4 * i, len - 4 * i < 4 ? len - 4 * i : 4);
		virgl_put(s, word);
	}
}
