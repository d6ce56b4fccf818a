/* SPDX-License-Identifier: MIT */
/*
 * Shaders in streams of virgl's protocol: TGSI as text, of which virglrenderer's parser
 * believes the numbers of registers and keeps tables of fewer (case 63): 0.10 writes
 * behind them, and in front of them where a range ends before it begins. Text may come in
 * pieces, packets of one stream or of several. Before it comes which outputs are written to
 * buffers: 0.10 makes a list of those and of the gaps between them, as long as it takes.
 *
 * Pure but for what is known of unfinished texts; one thread at a time.
 */
#ifndef MICROVM_VIRGL_SHADERS_H
#define MICROVM_VIRGL_SHADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Unfinished at the same time, by different contexts; of more, one is forgotten. */
#define VIRGL_SHADERS 16

/* How far a text was read; zeroed: its beginning. */
struct virgl_text {
	char word[10];		/* the one before a bracket, in capitals */
	uint8_t len;		/* characters, also those that did not fit */
	bool word_done, ended;
	uint8_t depth;		/* brackets that are open */
	bool closed;		/* the last one that was, with nothing but space behind it */
	bool in_number;
	bool dots;		/* between the ends of a range */
	uint32_t number;	/* capped */
	uint32_t from;		/* the least that it may be: where its range begins */
	uint32_t first;		/* the largest of the bracket before */
};

/* Whether @n bytes more of it name only registers that there can be; else @t is of no use. */
bool virgl_text_valid(struct virgl_text *t, const char *text, size_t n);

struct virgl_shaders {
	struct virgl_shader {
		uint32_t ctx_id, sub_ctx, handle, type;
		bool open;
		struct virgl_text text;
	} open[VIRGL_SHADERS];
	unsigned next;		/* to be forgotten */
};

/*
 * Whether the shaders in @n words, which are whole packets (virgl_stream_valid()), are such. A
 * piece that goes on with anything but the last shader of its context is not: drivers send
 * one after the other.
 */
bool virgl_shaders_valid(struct virgl_shaders *s, uint32_t ctx_id, const uint32_t *words,
			 size_t n);

#endif
