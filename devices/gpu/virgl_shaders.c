/* SPDX-License-Identifier: MIT */
#include "devices/gpu/virgl_shaders.h"

#include <ctype.h>
#include <string.h>

#include "vmm/util.h"

/* virgl_protocol.h */
#define CREATE_SHADER (1 | 4 << 8)	/* command and object */
#define SET_SUB_CTX 28
#define CREATE_SUB_CTX 29
#define DESTROY_SUB_CTX 30
/* Words; what is written to buffers comes before the text, of those that are not COMPUTE. */
enum { SHADER_HANDLE = 1, SHADER_TYPE, SHADER_OFFSET, SHADER_OUTPUTS = 5, SHADER_HEAD };
#define SHADER_CONTINUES BIT(31)
#define COMPUTE 5
#define STRIDES 4	/* one for each buffer */

/* --- text -------------------------------------------------------------------------- */

#define ANY_REGISTER 65536u
#define BUFFERS 32u		/* of constants: the first dimension */

/* How many there can be of a kind of register: sizes of Gallium's tables (p_state.h). */
static uint32_t registers_of(const struct virgl_text *t)
{
	static const struct {
		const char *name;
		uint32_t n;
	} kinds[] = {
		{ "IN", 80 }, { "OUT", 80 }, { "SV", 80 }, { "SAMP", 32 }, { "SVIEW", 128 },
		{ "IMAGE", 32 }, { "BUFFER", 32 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (t->len == strlen(kinds[i].name) && !memcmp(t->word, kinds[i].name, t->len))
			return kinds[i].n;
	return ANY_REGISTER;
}

static bool is_const(const struct virgl_text *t)
{
	return t->len == 5 && !memcmp(t->word, "CONST", 5);
}

/* Of registers by whose contents another one is chosen, all numbers are good. */
static bool number_valid(const struct virgl_text *t)
{
	return t->number < (t->depth == 1 ? registers_of(t) : ANY_REGISTER);
}

static void add_digit(struct virgl_text *t, char c)
{
	if (!t->in_number) {
		t->from = t->dots ? t->number : 0;
		t->number = 0;
	}
	t->in_number = true;
	t->dots = false;
	t->number = MIN(t->number * 10ull + (c - '0'), (uint64_t)ANY_REGISTER);
	t->first = MAX(t->first, t->number);
}

static bool in_bracket(struct virgl_text *t, char c)
{
	if (isdigit((unsigned char)c)) {
		add_digit(t, c);
		return number_valid(t);
	}
	if (t->in_number && t->number < t->from)
		return false;
	t->in_number = false;
	t->dots = c == '.' || (t->dots && isspace((unsigned char)c));
	if (c == '[') {
		t->depth++;
		/* Nobody nests them so. */
		return t->depth < 8;
	}
	if (c == ']')
		t->depth--;
	t->closed = !t->depth;
	return true;
}

static bool open_bracket(struct virgl_text *t)
{
	bool valid = !t->closed || !is_const(t) || t->first < BUFFERS;

	t->depth = 1;
	t->first = t->number = 0;
	t->closed = t->in_number = t->dots = false;
	return valid;
}

static void add_letter(struct virgl_text *t, char c)
{
	if (t->word_done || t->closed)
		t->len = 0;
	t->word_done = t->closed = false;
	if (t->len < sizeof(t->word))
		t->word[t->len] = toupper((unsigned char)c);
	t->len += t->len < UINT8_MAX;
}

static bool next_char(struct virgl_text *t, char c)
{
	if (t->depth)
		return in_bracket(t, c);
	if (c == '[')
		return open_bracket(t);
	if (isalnum((unsigned char)c) || c == '_') {
		add_letter(t, c);
	} else if (isspace((unsigned char)c)) {
		t->word_done = true;
	} else {
		t->len = 0;
		t->closed = false;
	}
	return true;
}

bool virgl_text_valid(struct virgl_text *t, const char *text, size_t n)
{
	for (size_t i = 0; i < n && !t->ended; i++) {
		if (!text[i])
			t->ended = true;
		else if (!next_char(t, text[i]))
			return false;
	}
	return true;
}

/* The last shader of a context; NULL: none that is not finished. */
static struct virgl_shader *find_open(struct virgl_shaders *s, uint32_t ctx_id)
{
	for (unsigned i = 0; i < VIRGL_SHADERS; i++)
		if (s->open[i].open && s->open[i].ctx_id == ctx_id)
			return &s->open[i];
	return NULL;
}

static struct virgl_shader *new_shader(struct virgl_shaders *s, uint32_t ctx_id)
{
	struct virgl_shader *shader = find_open(s, ctx_id);

	if (!shader) {
		shader = &s->open[s->next];
		s->next = (s->next + 1) % VIRGL_SHADERS;
	}
	return shader;
}

/* --- what is written to buffers ---------------------------------------------------------- */

#define OUTPUT_REGISTERS 64	/* of a shader, in the library */
#define OUTPUT_NAMES 160u	/* and room for so many names of outputs, gaps and buffers */

static uint32_t outputs_of(const uint32_t *packet)
{
	return packet[SHADER_TYPE] == COMPUTE ? 0 : packet[SHADER_OUTPUTS];
}

/* Words before the text. */
static uint64_t text_at(const uint32_t *packet)
{
	uint32_t outputs = outputs_of(packet);

	return SHADER_HEAD + (outputs ? STRIDES + 2ull * outputs : 0);
}

/* How many names a gap takes, each of four words at most; one that goes back, none. */
static uint64_t gap_names(uint64_t from, uint64_t to)
{
	return from < to ? (to - from + 3) / 4 : 0;
}

/* All of them are in the packet. */
static bool outputs_valid(const uint32_t *packet)
{
	const uint32_t *strides = packet + SHADER_HEAD, *output = strides + STRIDES;
	uint32_t n = outputs_of(packet), buffer = 0;
	uint64_t names = n, at = 0;

	for (uint32_t i = 0; i < n && names <= OUTPUT_NAMES; i++, output += 2) {
		uint32_t to = *output >> 13 & 7, offset = *output >> 16;

		if ((*output & 0xff) >= OUTPUT_REGISTERS || to >= STRIDES)
			return false;
		if (to != buffer) {
			names += gap_names(at, strides[buffer]) + (to > buffer ? to - buffer : 0);
			at = 0;
		}
		names += gap_names(at, offset);
		at = offset + (*output >> 10 & 7);
		buffer = to;
	}
	return names + (n ? gap_names(at, strides[buffer]) : 0) <= OUTPUT_NAMES;
}

/* --- packets --------------------------------------------------------------------------- */

/* @sub_ctx: of this stream, so far; 0: it has not said. */
static bool shader_valid(struct virgl_shaders *s, uint32_t ctx_id, uint32_t sub_ctx,
			 const uint32_t *packet, size_t n)
{
	const struct virgl_shader wanted = {
		.ctx_id = ctx_id, .sub_ctx = sub_ctx, .handle = packet[SHADER_HANDLE],
		.type = packet[SHADER_TYPE], .open = true,
	};
	struct virgl_shader *shader = find_open(s, ctx_id);
	uint64_t text = text_at(packet);

	if (text > n || !outputs_valid(packet))
		return false;
	if (!(packet[SHADER_OFFSET] & SHADER_CONTINUES)) {
		shader = new_shader(s, ctx_id);
		*shader = wanted;
	} else if (!shader || shader->sub_ctx != sub_ctx || shader->handle != wanted.handle ||
		   shader->type != wanted.type) {
		return false;
	}
	return virgl_text_valid(&shader->text, (const char *)(packet + text), 4 * (n - text));
}

/* Where a stream has not said where it is, nothing goes on behind a switch. */
static void forget_unknown(struct virgl_shaders *s, uint32_t ctx_id)
{
	struct virgl_shader *shader = find_open(s, ctx_id);

	if (shader && !shader->sub_ctx)
		shader->open = false;
}

static bool is_switch(uint32_t command)
{
	return command == SET_SUB_CTX || command == CREATE_SUB_CTX || command == DESTROY_SUB_CTX;
}

/* Which one it is from here on; 0: who knows. */
static uint32_t enter(struct virgl_shaders *s, uint32_t ctx_id, const uint32_t *packet, size_t n)
{
	forget_unknown(s, ctx_id);
	return (packet[0] & 0xff) == SET_SUB_CTX && n > 1 ? packet[1] : 0;
}

bool virgl_shaders_valid(struct virgl_shaders *s, uint32_t ctx_id, const uint32_t *words,
			 size_t n)
{
	uint32_t sub_ctx = 0;
	bool valid = true;

	while (n && valid) {
		size_t packet = 1 + (words[0] >> 16);
		uint32_t what = words[0] & 0xffff;

		if (what == CREATE_SHADER && packet >= SHADER_HEAD)
			valid = shader_valid(s, ctx_id, sub_ctx, words, packet);
		else if (is_switch(what & 0xff))
			sub_ctx = enter(s, ctx_id, words, packet);
		words += packet;
		n -= packet;
	}
	forget_unknown(s, ctx_id);
	return valid;
}
