/* SPDX-License-Identifier: MIT */
/* Values of options: sizes, numbers, words, and lists of the form first,key=value,key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/log.h"
#include "vmm/opts.h"
#include "vmm/util.h"

/* Digits only: strtoull() would take signs, blanks and nothing at all. */
static int parse_digits(const char **text, uint64_t *number)
{
	const char *p = *text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return -ERANGE;
	*text = p;
	*number = n;
	return 0;
}

int opt_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
	uint64_t n;
	int ret = parse_digits(&text, &n);

	if (ret < 0)
		return ret;
	if (*text)
		return -EINVAL;
	if (n < min || n > max)
		return -ERANGE;
	*number = n;
	return 0;
}

/* How far the letter of a unit shifts; 0 when it is none. */
static unsigned unit_shift(char c)
{
	switch (c) {
	case 'k': case 'K': return 10;
	case 'm': case 'M': return 20;
	case 'g': case 'G': return 30;
	case 't': case 'T': return 40;
	default: return 0;
	}
}

int opt_parse_size(const char *text, uint64_t *bytes)
{
	unsigned shift;
	uint64_t n;
	int ret = parse_digits(&text, &n);

	if (ret < 0)
		return ret;
	shift = unit_shift(*text);
	if (shift)
		text++;
	if (shift && text[0] == 'i' && text[1] == 'B')
		text++;
	if (*text == 'B')
		text++;
	if (*text)
		return -EINVAL;
	if (n > UINT64_MAX >> shift)
		return -ERANGE;
	*bytes = n << shift;
	return 0;
}

/* --- words ------------------------------------------------------------------- */

#define WORD_MAX 32

bool opt_words_have(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *w = words, *end; *w; w = *end ? end + 1 : end) {
		end = strchrnul(w, '|');
		if ((size_t)(end - w) == len && !memcmp(w, word, len))
			return true;
	}
	return false;
}

/*
 * Edit distance with transpositions of neighbours ("optimal string
 * alignment"): the least number of single-character edits from @a to @b.
 */
static unsigned distance(const char *a, size_t alen, const char *b, size_t blen)
{
	unsigned rows[3][WORD_MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2];

	for (unsigned j = 0; j <= blen; j++)
		above[j] = j;
	for (unsigned i = 1; i <= alen; i++) {
		unsigned *spare = before;

		row[0] = i;
		for (unsigned j = 1; j <= blen; j++) {
			row[j] = MIN(above[j], row[j - 1]) + 1;
			row[j] = MIN(row[j], above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[blen];
}

const char *opts_nearest(const char *word, const char *const *words)
{
	size_t len = strlen(word);
	/* About one letter in three may be wrong: "mm" is not near "rng". */
	unsigned best = len / 3 + 2, d;
	const char *near = NULL;

	if (len < 2 || len > WORD_MAX)
		return NULL;
	for (; *words; words++) {
		size_t n = strlen(*words);

		if (n > WORD_MAX)
			continue;
		d = distance(word, len, *words, n);
		/* The beginning of a word stands for it. */
		if (d > 1 && !strncmp(word, *words, len))
			d = 1;
		if (d < best) {
			best = d;
			near = *words;
		}
	}
	return near;
}

/* --- first,key=value,key --------------------------------------------------- */

/* Ends the element at @*pos, undoing ",,"; moves @*pos behind it, to NULL at the end. */
static char *next_element(char **pos)
{
	char *start = *pos, *out = start, *p = start;

	for (; *p && (*p != ',' || p[1] == ','); p++) {
		if (*p == ',')
			p++;
		*out++ = *p;
	}
	*pos = *p ? p + 1 : NULL;
	*out = '\0';
	return start;
}

static const struct opt_key *find_key(const struct opt_key *keys, const char *name, size_t len)
{
	for (; keys && keys->name; keys++)
		if (strlen(keys->name) == len && !memcmp(keys->name, name, len))
			return keys;
	return NULL;
}

/* Whether @len characters could name a key: "./a=b.img" is a file, "seril=7" a mistake. */
static bool like_a_key(const char *text, size_t len)
{
	return len && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") >= len;
}

static int unknown_key(const char *option, const char *word, size_t len,
		       const struct opt_key *keys)
{
	const char *names[OPT_MAX_PAIRS + 1] = { NULL }, *near;
	char name[32];

	for (unsigned i = 0; i < OPT_MAX_PAIRS && keys && keys[i].name; i++)
		names[i] = keys[i].name;
	len = MIN(len, sizeof(name) - 1);
	memcpy(name, word, len);
	name[len] = '\0';
	near = opts_nearest(name, names);
	if (near)
		log_error("%s: unknown key '%s'; did you mean '%s'?", option, name, near);
	else
		log_error("%s: unknown key '%s'", option, name);
	return -EINVAL;
}

static bool may_repeat(const struct opt_key *key)
{
	size_t len = key->arg ? strlen(key->arg) : 0;

	return len > 3 && !strcmp(key->arg + len - 3, "...");
}

static int check_pair(const struct opt_value *v, const char *option, const struct opt_key *key,
		      const char *value)
{
	if (!may_repeat(key) && opt_value_get(v, key->name)) {
		log_error("%s: '%s' is given twice", option, key->name);
		return -EINVAL;
	}
	if (key->arg && (!value || !*value)) {
		log_error("%s: '%s' needs a value: %s=%s", option, key->name, key->name, key->arg);
		return -EINVAL;
	}
	if (!key->arg && value && !opt_words_have("on|off", value)) {
		log_error("%s: '%s' is on or off, not '%.40s'", option, key->name, value);
		return -EINVAL;
	}
	if (key->arg && strchr(key->arg, '|') && !opt_words_have(key->arg, value)) {
		log_error("%s: %s=%.40s: one of %s", option, key->name, value, key->arg);
		return -EINVAL;
	}
	return 0;
}

/* What an element is when it is no key. */
enum element { LATER, FIRST, FIRST_NAMED };

static bool stands_first(enum element place, const char *element, size_t name_len, bool has_name)
{
	return place == FIRST_NAMED ||
	       (place == FIRST && !(has_name && like_a_key(element, name_len)));
}

static int parse_element(struct opt_value *v, const char *option, char *element,
			 enum element place, const struct opt_key *keys)
{
	char *equals = strchr(element, '=');
	size_t len = equals ? (size_t)(equals - element) : strlen(element);
	const struct opt_key *key = find_key(keys, element, len);
	int ret;

	if (!*element) {
		log_error("%s: a comma with nothing beside it", option);
		return -EINVAL;
	}
	if (!key && stands_first(place, element, len, equals)) {
		v->first = element;
		return 0;
	}
	if (!key)
		return unknown_key(option, element, len, keys);
	ret = check_pair(v, option, key, equals ? equals + 1 : NULL);
	if (ret < 0)
		return ret;
	if (v->n_pairs == OPT_MAX_PAIRS) {
		log_error("%s: more than %d keys", option, OPT_MAX_PAIRS);
		return -EINVAL;
	}
	v->pairs[v->n_pairs++] = (struct opt_pair){ key->name, equals ? equals + 1 : NULL };
	return 0;
}

static int parse(struct opt_value *v, const char *option, const char *text,
		 const struct opt_key *keys, enum element place)
{
	char *pos;
	int ret = 0;

	*v = (struct opt_value){ .text = strdup(text) };
	if (!v->text) {
		log_error("%s: out of memory", option);
		return -ENOMEM;
	}
	pos = *text ? v->text : NULL;
	for (; pos && ret == 0; place = LATER)
		ret = parse_element(v, option, next_element(&pos), place, keys);
	if (ret < 0)
		opt_value_finish(v);
	return ret;
}

int opt_value_parse(struct opt_value *v, const char *option, const char *text,
		    const struct opt_key *keys)
{
	return parse(v, option, text, keys, FIRST);
}

int opt_value_parse_named(struct opt_value *v, const char *option, const char *text,
			  const struct opt_key *keys)
{
	return parse(v, option, text, keys, FIRST_NAMED);
}

void opt_value_finish(struct opt_value *v)
{
	free(v->text);
	*v = (struct opt_value){ 0 };
}

const char *opt_value_get(const struct opt_value *v, const char *key)
{
	for (unsigned i = 0; i < v->n_pairs; i++)
		if (!strcmp(v->pairs[i].key, key))
			return v->pairs[i].value ? v->pairs[i].value : "";
	return NULL;
}

bool opt_value_is(const struct opt_value *v, const char *key, const char *value)
{
	const char *own = opt_value_get(v, key);

	return own && !strcmp(own, value);
}

bool opt_value_flag(const struct opt_value *v, const char *key, bool fallback)
{
	const char *value = opt_value_get(v, key);

	if (!value)
		return fallback;
	return !*value || !strcmp(value, "on");
}
