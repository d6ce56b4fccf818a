/* SPDX-License-Identifier: MIT */
/*
 * The part of JSON (RFC 8259) that the control socket speaks: one object whose
 * values are strings, whole numbers, true, false and null. Strict: whatever else
 * a text holds is refused, and so are names that come twice, bytes that are not
 * UTF-8 and characters of code 0. Pure; any thread.
 */
#ifndef MICROVM_JSON_H
#define MICROVM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_FIELDS 16

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT };

struct json_field {
	const char *name;
	enum json_type type;
	int64_t number;		/* of JSON_BOOL 0 or 1 */
	const char *text;	/* of JSON_TEXT, UTF-8 */
};

struct json {
	struct json_field fields[JSON_MAX_FIELDS];
	unsigned n;
};

/*
 * Takes apart the @len bytes at @text, which it changes: the strings of @j point
 * into them. 0; or -EINVAL, and @why is the reason, a constant.
 */
int json_parse(struct json *j, char *text, size_t len, const char **why);
/* NULL: not there. */
const struct json_field *json_find(const struct json *j, const char *name);

/* --- writing ------------------------------------------------------------------- */

#define JSON_OUT_MAX 4096

/* An object in the making; json_out_begin() and json_out_end() are its braces. */
struct json_out {
	char text[JSON_OUT_MAX];
	size_t len;
	bool full;		/* something did not fit and was left out, whole */
};

void json_out_begin(struct json_out *o);
void json_out_number(struct json_out *o, const char *name, int64_t number);
void json_out_bool(struct json_out *o, const char *name, bool value);
/* Bytes of @text that are not UTF-8 become question marks. */
void json_out_text(struct json_out *o, const char *name, const char *text);
void json_out_end(struct json_out *o);	/* and a newline */

#endif
