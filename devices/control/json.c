/* SPDX-License-Identifier: MIT */
#include "devices/control/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct parser {
	char *at, *end;
	const char *why;	/* NULL: all is well */
};

static bool fail(struct parser *p, const char *why)
{
	if (!p->why)
		p->why = why;
	return false;
}

static void skip_space(struct parser *p)
{
	while (p->at < p->end && strchr(" \t\r\n", *p->at) && *p->at)
		p->at++;
}

/* The next character that is not white space; 0 at the end. */
static char peek(struct parser *p)
{
	skip_space(p);
	return p->at < p->end ? *p->at : 0;
}

static bool accept_char(struct parser *p, char c)
{
	if (peek(p) != c)
		return false;
	p->at++;
	return true;
}

/* --- UTF-8 (RFC 3629) ------------------------------------------------------------- */

/* Bytes of the character at @s, of which @n are there; 0: it is none. */
static unsigned utf8_len(const unsigned char *s, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned len = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 :
		       s[0] >> 3 == 30 ? 4 : 0;
	uint32_t c;

	if (len < 2 || len > n)
		return len == 1;
	c = s[0] & (0x7f >> len);
	for (unsigned i = 1; i < len; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	return c < least[len] || c > 0x10ffff || c >> 11 == 0x1b ? 0 : len;
}

static char *put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = c;
	} else if (c < 0x800) {
		*to++ = 0xc0 | c >> 6;
		*to++ = 0x80 | (c & 0x3f);
	} else if (c < 0x10000) {
		*to++ = 0xe0 | c >> 12;
		*to++ = 0x80 | (c >> 6 & 0x3f);
		*to++ = 0x80 | (c & 0x3f);
	} else {
		*to++ = 0xf0 | c >> 18;
		*to++ = 0x80 | (c >> 12 & 0x3f);
		*to++ = 0x80 | (c >> 6 & 0x3f);
		*to++ = 0x80 | (c & 0x3f);
	}
	return to;
}

/* --- values ------------------------------------------------------------------------- */

/* Four hexadecimal digits; -1: they are not. */
static int32_t take_hex4(struct parser *p)
{
	static const char digits[] = "0123456789abcdef";
	int32_t value = 0;

	if (p->end - p->at < 4)
		return -1;
	for (unsigned i = 0; i < 4; i++, p->at++) {
		char c = *p->at >= 'A' && *p->at <= 'F' ? *p->at + 'a' - 'A' : *p->at;
		const char *digit = c ? strchr(digits, c) : NULL;

		if (!digit)
			return -1;
		value = value << 4 | (digit - digits);
	}
	return value;
}

/* Behind \u. The character, which may be made of two such halves; 0: none. */
static uint32_t take_unicode(struct parser *p)
{
	int32_t high = take_hex4(p), low;

	if (high <= 0 || (high >= 0xdc00 && high < 0xe000))
		return 0;
	if (high < 0xd800 || high >= 0xe000)
		return high;
	if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
		return 0;
	p->at += 2;
	low = take_hex4(p);
	if (low < 0xdc00 || low >= 0xe000)
		return 0;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* Behind a backslash; what it stands for is never longer than it is. */
static char *take_escape(struct parser *p, char *to)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	char c = p->at < p->end ? *p->at++ : 0;
	const char *name = c ? strchr(names, c) : NULL;
	uint32_t unicode;

	if (name) {
		*to++ = values[name - names];
		return to;
	}
	unicode = c == 'u' ? take_unicode(p) : 0;
	if (!unicode) {
		fail(p, "a string with a bad escape");
		return to;
	}
	return put_utf8(to, unicode);
}

/* A string, decoded where it stands. NULL: none. */
static const char *take_text(struct parser *p)
{
	char *text, *to;

	if (!accept_char(p, '"'))
		return fail(p, "a string is missing"), NULL;
	text = to = p->at;
	while (!p->why) {
		unsigned len = p->at < p->end ?
			utf8_len((unsigned char *)p->at, p->end - p->at) : 0;

		if (p->at == p->end)
			fail(p, "a string without end");
		else if (len == 0 || (unsigned char)*p->at < ' ')
			fail(p, "a string with bytes that are not UTF-8, or control characters");
		else if (*p->at == '"')
			break;
		else if (*p->at == '\\')
			p->at++, to = take_escape(p, to);
		else
			for (; len; len--)
				*to++ = *p->at++;
	}
	if (p->why)
		return NULL;
	p->at++;
	*to = '\0';
	return text;
}

static bool is_digit(const struct parser *p)
{
	return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

static bool take_number(struct parser *p, int64_t *number)
{
	bool negative = accept_char(p, '-');
	int64_t n = 0;

	if (!is_digit(p))
		return fail(p, "a value that is no string, whole number, true, false or null");
	if (*p->at == '0') {
		p->at++;
		if (is_digit(p))
			return fail(p, "a number with a zero in front");
	}
	for (; is_digit(p); p->at++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_sub_overflow(n, *p->at - '0', &n))
			return fail(p, "a number of more than 63 bits");
	if (p->at < p->end && *p->at && strchr(".eE", *p->at))
		return fail(p, "a number that is not whole");
	/* Counted downwards, as there are more numbers below zero. */
	if (!negative && __builtin_sub_overflow(0, n, &n))
		return fail(p, "a number of more than 63 bits");
	*number = n;
	return true;
}

static bool take_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len))
		return false;
	p->at += len;
	return true;
}

static bool take_value(struct parser *p, struct json_field *f)
{
	if (peek(p) == '"') {
		f->type = JSON_TEXT;
		f->text = take_text(p);
		return f->text;
	}
	f->type = JSON_BOOL;
	f->number = take_word(p, "true");
	if (f->number || take_word(p, "false"))
		return true;
	f->type = JSON_NULL;
	if (take_word(p, "null"))
		return true;
	f->type = JSON_NUMBER;
	return take_number(p, &f->number);
}

/* --- objects -------------------------------------------------------------------------- */

const struct json_field *json_find(const struct json *j, const char *name)
{
	for (unsigned i = 0; i < j->n; i++)
		if (!strcmp(j->fields[i].name, name))
			return &j->fields[i];
	return NULL;
}

static bool take_field(struct parser *p, struct json *j)
{
	struct json_field f = { 0 };

	f.name = take_text(p);
	if (!f.name)
		return false;
	if (json_find(j, f.name))
		return fail(p, "a name that comes twice");
	if (j->n == JSON_MAX_FIELDS)
		return fail(p, "too many names");
	if (!accept_char(p, ':'))
		return fail(p, "':' is missing behind a name");
	if (!take_value(p, &f))
		return false;
	j->fields[j->n++] = f;
	return true;
}

int json_parse(struct json *j, char *text, size_t len, const char **why)
{
	struct parser p = { .at = text, .end = text + len };

	j->n = 0;
	if (!accept_char(&p, '{')) {
		fail(&p, "no object in braces");
	} else if (!accept_char(&p, '}')) {
		while (take_field(&p, j) && accept_char(&p, ','))
			;
		if (!p.why && !accept_char(&p, '}'))
			fail(&p, "',' or '}' is missing behind a value");
	}
	skip_space(&p);
	if (!p.why && p.at != p.end)
		fail(&p, "something behind the object");
	*why = p.why;
	return p.why ? -EINVAL : 0;
}

/* --- writing -------------------------------------------------------------------------- */

/* Room for the closing brace and the newline is kept. */
#define OUT_ROOM (JSON_OUT_MAX - 3)

__attribute__((format(printf, 2, 3)))
static void put(struct json_out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->text + o->len, OUT_ROOM - o->len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= OUT_ROOM - o->len)
		o->full = true;
	else
		o->len += n;
}

static const char *comma(const struct json_out *o)
{
	return o->len > 1 ? ", " : "";
}

void json_out_begin(struct json_out *o)
{
	o->text[0] = '{';
	o->len = 1;
	o->full = false;
}

void json_out_number(struct json_out *o, const char *name, int64_t number)
{
	put(o, "%s\"%s\": %" PRId64, comma(o), name, number);
}

void json_out_bool(struct json_out *o, const char *name, bool value)
{
	put(o, "%s\"%s\": %s", comma(o), name, value ? "true" : "false");
}

void json_out_text(struct json_out *o, const char *name, const char *text)
{
	size_t before = o->len, left = strlen(text);
	bool was_full = o->full;
	unsigned len;

	o->full = false;
	put(o, "%s\"%s\": \"", comma(o), name);
	for (; left && !o->full; text += len, left -= len) {
		len = utf8_len((const unsigned char *)text, left);
		if (len == 0)
			put(o, "?"), len = 1;
		else if (*text == '"' || *text == '\\')
			put(o, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			put(o, "\\u%04x", *text);
		else
			put(o, "%.*s", (int)len, text);
	}
	put(o, "\"");
	if (o->full)
		o->len = before;
	o->full |= was_full;
}

void json_out_end(struct json_out *o)
{
	memcpy(o->text + o->len, "}\n", 3);
	o->len += 2;
}
