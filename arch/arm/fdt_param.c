/* SPDX-License-Identifier: MIT */
/*
 * Parameters: properties of /__overrides__ that say what of which node a value goes to.
 * "Device Trees, Overlays, and Parameters", 2.2. What leads from an overlay to labels of
 * the tree below it is not known here.
 */
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arch/arm/fdt_int.h"
#include "arch/arm/overlay.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define PARAM_ROOM (ARM_OVERLAY_MAX_VALUE + 1024)	/* what one target may add */
#define PARAM_MAX_TARGETS 64
#define PARAM_NAME 64
#define DECL_KINDS ".;:#?!["
#define DECL_UNKNOWN "is declared in a way not known here"

/* One target of a parameter, taken apart. */
struct target {
	const char *param;
	char prop[PARAM_NAME];
	char kind;		/* '\0' a string, or one of ".;:#?![" */
	unsigned offset;	/* of a number */
	const char *value;	/* the user's, or the declaration's own */
	bool cell;		/* it is this number */
	uint32_t number;
};

static int param_refuse(const struct arm_fdt *fdt, const char *param, const char *why)
{
	log_error("%s: parameter %.40s: %s", fdt->name, param, why);
	return -EINVAL;
}

static bool is_number(char kind)
{
	return kind && strchr(".;:#", kind);
}

/* --- values --------------------------------------------------------------------------- */

static bool one_of(const char *word, const char *const *words)
{
	while (*words && strcasecmp(word, *words))
		words++;
	return *words;
}

/* False: it is neither. */
static bool value_bool(const char *value, bool *on)
{
	static const char *const yes[] = { "y", "yes", "on", "true", "1", "okay", NULL };
	static const char *const no[] = { "n", "no", "off", "false", "0", "disabled", NULL };

	*on = one_of(value, yes);
	return *on || one_of(value, no);
}

static bool value_number(const struct target *t, uint64_t *n)
{
	char *end;
	bool on;

	*n = t->number;
	if (t->cell)
		return true;
	*n = strtoull(t->value, &end, 0);
	if (end != t->value && !*end)
		return true;
	if (!value_bool(t->value, &on))
		return false;
	*n = on;
	return true;
}

/* Hexadecimal, with or without colons: how many bytes, or negative: it is not. */
static int value_bytes(const char *value, uint8_t *bytes, unsigned max)
{
	unsigned n = 0, used;

	while (*value) {
		unsigned byte;

		if (n == max || sscanf(value, "%2x%n", &byte, &used) != 1 || used != 2)
			return -EINVAL;
		bytes[n++] = byte;
		value += used;
		value += *value == ':';
	}
	return n;
}

/* --- one target ----------------------------------------------------------------------------- */

static int set_string(struct arm_fdt *fdt, int node, const struct target *t)
{
	const char *old = arm_fdt_string(fdt, node, t->prop);
	char *text;
	bool on;
	int ret;

	if (!strcmp(t->prop, "status") && value_bool(t->value, &on))
		return tree_set_string(fdt, node, t->prop, on ? "okay" : "disabled");
	if (strcmp(t->prop, "bootargs") || !old || !*old)
		return tree_set_string(fdt, node, t->prop, t->value);
	/* A copy: the tree moves under its own strings. */
	if (strlen(old) + strlen(t->value) >= ARM_OVERLAY_MAX_VALUE ||
	    asprintf(&text, "%s %s", old, t->value) < 0)
		return -ENOMEM;
	ret = tree_set_string(fdt, node, t->prop, text);
	free(text);
	return ret;
}

/* The address in a node's name follows its reg. */
static int rename_by_reg(struct arm_fdt *fdt, int node, uint64_t reg)
{
	const char *old = fdt_get_name(fdt->blob, node, NULL);
	char name[PARAM_NAME + 24];
	int err;

	if (!old || !strchr(old, '@') || strchr(old, '@') - old >= PARAM_NAME)
		return 0;
	snprintf(name, sizeof(name), "%.*s@%llx", (int)(strchr(old, '@') - old), old,
		 (unsigned long long)reg);
	err = fdt_set_name(fdt->blob, node, name);
	return err ? tree_failed(fdt, name, err) : 0;
}

static int set_number(struct arm_fdt *fdt, int node, const struct target *t)
{
	unsigned size = t->kind == '.' ? 1 : t->kind == ';' ? 2 : t->kind == ':' ? 4 : 8, len;
	const void *old = arm_fdt_bytes(fdt, node, t->prop, &len);
	uint8_t bytes[ARM_OVERLAY_MAX_VALUE] = { 0 };
	uint64_t n;
	int ret;

	if (!value_number(t, &n))
		return param_refuse(fdt, t->param, "needs a number");
	if (len > sizeof(bytes) || !range_fits(t->offset, size, sizeof(bytes)))
		return param_refuse(fdt, t->param, "is for a property that is too long");
	if (old)
		memcpy(bytes, old, len);
	for (unsigned i = 0; i < size; i++)
		bytes[t->offset + i] = n >> (size - 1 - i) * 8;
	ret = tree_set(fdt, node, t->prop, bytes, MAX(len, t->offset + size));
	if (ret < 0 || strcmp(t->prop, "reg") || t->offset)
		return ret;
	return rename_by_reg(fdt, node, n);
}

static int set_bool(struct arm_fdt *fdt, int node, const struct target *t)
{
	bool on;

	if (!value_bool(t->value, &on))
		return param_refuse(fdt, t->param, "needs on or off");
	if (on != (t->kind == '!'))
		return tree_set(fdt, node, t->prop, NULL, 0);
	fdt_delprop(fdt->blob, node, t->prop);
	return 0;
}

static int set_bytes(struct arm_fdt *fdt, int node, const struct target *t)
{
	uint8_t bytes[256];
	int n = value_bytes(t->value, bytes, sizeof(bytes));

	if (n < 0)
		return param_refuse(fdt, t->param, "needs bytes in hexadecimal");
	return tree_set(fdt, node, t->prop, bytes, n);
}

static int set_target(struct arm_fdt *fdt, int node, const struct target *t)
{
	switch (t->kind) {
	case '\0':
		return set_string(fdt, node, t);
	case '?':
	case '!':
		return set_bool(fdt, node, t);
	case '[':
		return set_bytes(fdt, node, t);
	default:
		return set_number(fdt, node, t);
	}
}

/* --- fragments -------------------------------------------------------------------------------- */

static int set_fragment(struct arm_fdt *fdt, const char *param, unsigned long n, bool on)
{
	char name[32];
	int node, body, err;

	snprintf(name, sizeof(name), "fragment@%lu", n);
	node = fdt_subnode_offset(fdt->blob, 0, name);
	snprintf(name, sizeof(name), "fragment-%lu", n);
	if (node < 0)
		node = fdt_subnode_offset(fdt->blob, 0, name);
	if (node < 0)
		return param_refuse(fdt, param, "is for a fragment that is not there");
	body = fdt_subnode_offset(fdt->blob, node, on ? "__dormant__" : "__overlay__");
	if (body < 0)
		return 0;
	err = fdt_set_name(fdt->blob, body, on ? "__overlay__" : "__dormant__");
	return err ? tree_failed(fdt, name, err) : 0;
}

/* "+1-2=3!4" */
static int set_fragments(struct arm_fdt *fdt, const char *param, const char *ops, const char *value)
{
	char *copy = strdup(ops), *p = copy, *end;
	bool on;
	int ret = copy ? 0 : -ENOMEM;

	if (ret == 0 && strpbrk(p, "=!") && !value_bool(value, &on))
		ret = param_refuse(fdt, param, "needs on or off");
	else if (ret == 0)
		value_bool(value, &on);
	while (ret == 0 && *p) {
		char op = *p++;
		unsigned long n = strtoul(p, &end, 10);

		if (!strchr("+-=!", op) || end == p) {
			ret = param_refuse(fdt, param, DECL_UNKNOWN);
			break;
		}
		p = end;
		ret = set_fragment(fdt, param, n, op == '+' || (op == '=' && on) ||
				   (op == '!' && !on));
	}
	free(copy);
	return ret;
}

/* --- declarations ------------------------------------------------------------------------------- */

/* What a declaration is read from; the tree moves, so it is a copy. */
struct decl {
	uint8_t *p;
	unsigned len, pos;
};

static bool decl_cell(struct decl *d, uint32_t *cell)
{
	if (!range_fits(d->pos, 4, d->len))
		return false;
	*cell = tree_cells(d->p + d->pos, 1);
	d->pos += 4;
	return true;
}

static char *decl_string(struct decl *d)
{
	char *s = (char *)d->p + d->pos;

	if (d->pos >= d->len || !memchr(s, 0, d->len - d->pos))
		return NULL;
	d->pos += strlen(s) + 1;
	return s;
}

/* --- tables (2.2.7) ----------------------------------------------------------------------------- */

/* KEY=VALUE, KEY for itself, =VALUE for all else; an empty pair takes all else as it is. */
struct pair {
	const char *key;
	size_t key_len;
	char *value;		/* in the declaration, not ended by a NUL */
	size_t value_len;
	bool own_value, cell;	/* there is a '='; it is this number */
	uint32_t number;
};

/* Behind the value of a pair; NULL: that is no pair. */
static char *pair_value(struct decl *d, char *s, struct pair *pair)
{
	if (!*s) {
		/* Behind a number the rest is another string. */
		pair->cell = true;
		return decl_cell(d, &pair->number) ? decl_string(d) : NULL;
	}
	if (*s != '\'') {
		pair->value = s;
		pair->value_len = strcspn(s, ",}");
		return s + pair->value_len;
	}
	pair->value = ++s;
	pair->value_len = strcspn(s, "'");
	s += pair->value_len;
	return *s ? s + 1 : NULL;
}

/* The pair at *@at, which becomes what is behind it: the next one, or NULL at the end. */
static bool next_pair(struct decl *d, char **at, struct pair *pair)
{
	char *s = *at;

	*pair = (struct pair){ .key = s, .key_len = strcspn(s, "=,}"), .value = s };
	pair->value_len = pair->key_len;
	s += pair->key_len;
	if (*s == '=') {
		pair->own_value = true;
		s = pair_value(d, s + 1, pair);
	}
	if (!s || (!pair->cell && *s != ',' && *s != '}'))
		return false;
	*at = *s == '}' ? NULL : s + (pair->cell ? 0 : 1);
	return *s != '}' || !s[1];
}

static bool pair_is_for(const struct pair *pair, const char *value)
{
	return pair->key_len && strlen(value) == pair->key_len &&
	       !memcmp(pair->key, value, pair->key_len);
}

/* What @text, behind the '{', makes of @value. NULL, or why it is refused. */
static const char *decl_table(struct decl *d, char *text, const char *value, struct target *t)
{
	struct pair pair, best = { 0 };
	bool found = false, as_is = false;

	while (text) {
		if (!next_pair(d, &text, &pair))
			return DECL_UNKNOWN;
		as_is |= !pair.key_len && !pair.own_value;
		/* The value for all else waits for what fits. */
		if (found || (pair.key_len ? !pair_is_for(&pair, value) : !pair.own_value))
			continue;
		found = pair.key_len;
		best = pair;
	}
	if (!best.key)
		return as_is ? NULL : "has no such value";
	if (best.cell) {
		t->cell = true;
		t->number = best.number;
		return is_number(t->kind) ? NULL : DECL_UNKNOWN;
	}
	best.value[best.value_len] = '\0';
	t->value = best.value;
	return NULL;
}

/* --- targets ------------------------------------------------------------------------------------ */

/* A value of the declaration's own, behind a '=' (2.2.6). */
static bool decl_literal(struct decl *d, const char *text, struct target *t)
{
	t->value = text;
	if (*text)
		return true;
	if (is_number(t->kind)) {
		t->cell = true;
		return decl_cell(d, &t->number);
	}
	/* A label becomes the path of what it names; what else would follow is a phandle. */
	if (d->pos < d->len && d->p[d->pos] == '/')
		t->value = decl_string(d);
	return t->value;
}

/*
 * PROPERTY, its kind, a number's offset, and perhaps '=' and a value or '{' and a table.
 * NULL, or why it is refused.
 */
static const char *decl_target(struct decl *d, char *text, const char *value, struct target *t)
{
	size_t len = strcspn(text, DECL_KINDS "={");
	char *end;

	/* A comma, as in "brcm,pins", is of the name; so is a '#' at its beginning. */
	if (*text == '#')
		len = 1 + strcspn(text + 1, DECL_KINDS "={");
	if (!len || len >= sizeof(t->prop))
		return DECL_UNKNOWN;
	memcpy(t->prop, text, len);
	t->prop[len] = '\0';
	t->value = value;
	text += len;
	t->kind = *text && strchr(DECL_KINDS, *text) ? *text++ : '\0';
	if (is_number(t->kind)) {
		unsigned long offset = strtoul(text, &end, 0);

		if (end == text || offset > ARM_OVERLAY_MAX_VALUE)
			return DECL_UNKNOWN;
		t->offset = offset;
		text = end;
	}
	if (*text == '{')
		return decl_table(d, text + 1, value, t);
	if (*text == '=')
		return decl_literal(d, text + 1, t) ? NULL : DECL_UNKNOWN;
	return *text ? DECL_UNKNOWN : NULL;
}

static int param_set(struct arm_fdt *fdt, struct decl *d, const char *param, const char *value)
{
	struct target t = { .param = param };
	uint32_t phandle;
	const char *why;
	char *text;
	int node;

	if (!decl_cell(d, &phandle) || !(text = decl_string(d)))
		return param_refuse(fdt, param, DECL_UNKNOWN);
	if (!phandle)
		return set_fragments(fdt, param, text, value);
	why = decl_target(d, text, value, &t);
	if (why)
		return param_refuse(fdt, param, why);
	if (!t.cell && strlen(t.value) >= ARM_OVERLAY_MAX_VALUE)
		return param_refuse(fdt, param, "too long a value");
	node = fdt_node_offset_by_phandle(fdt->blob, phandle);
	if (node < 0)
		return param_refuse(fdt, param, "is for a node that is not there");
	return set_target(fdt, node, &t);
}

int arm_overlay_param(struct arm_fdt *fdt, const char *name, const char *value)
{
	int overrides = arm_fdt_find(fdt, "/__overrides__"), ret = 0, end;
	struct decl d = { 0 };
	const void *p = overrides < 0 ? NULL : arm_fdt_bytes(fdt, overrides, name, &d.len);

	if (!p)
		return -ENOENT;
	d.p = malloc(d.len + 1);
	if (!d.p)
		return -ENOMEM;
	memcpy(d.p, p, d.len);
	for (unsigned i = 0; i < PARAM_MAX_TARGETS && d.pos < d.len && ret == 0; i++) {
		ret = tree_grow(fdt, PARAM_ROOM);
		if (ret == 0)
			ret = param_set(fdt, &d, name, value);
		end = tree_shrink(fdt);
		ret = ret < 0 ? ret : end;
	}
	free(d.p);
	return ret;
}
