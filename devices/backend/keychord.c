/* SPDX-License-Identifier: MIT */
#include "devices/backend/keychord.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/evdev_lib.h"
#include "vmm/opts.h"
#include "vmm/util.h"

#define NAME_MAX_LEN 40

static const struct {
	const char *name;
	uint16_t keys[2];
} either[] = {
	{ "ctrl", { KEY_LEFTCTRL, KEY_RIGHTCTRL } },
	{ "alt", { KEY_LEFTALT, KEY_RIGHTALT } },
	{ "shift", { KEY_LEFTSHIFT, KEY_RIGHTSHIFT } },
	{ "meta", { KEY_LEFTMETA, KEY_RIGHTMETA } },
	{ "super", { KEY_LEFTMETA, KEY_RIGHTMETA } },
};

/* --- names --------------------------------------------------------------------- */

static void fold(char *to, const char *name, int (*how)(int c))
{
	unsigned i;

	for (i = 0; name[i] && i < NAME_MAX_LEN - 1; i++)
		to[i] = how((unsigned char)name[i]);
	to[i] = '\0';
}

static int find_key(const struct evdev_lib *lib, const char *name, uint16_t keys[2])
{
	char upper[NAME_MAX_LEN], full[NAME_MAX_LEN + 4];
	int code;

	for (unsigned i = 0; i < ARRAY_SIZE(either); i++)
		if (!strcasecmp(name, either[i].name)) {
			memcpy(keys, either[i].keys, sizeof(either[i].keys));
			return 0;
		}
	fold(upper, name, toupper);
	snprintf(full, sizeof(full), "%s%s", strncmp(upper, "BTN_", 4) ? "KEY_" : "", upper);
	code = lib->code_from_name(EV_KEY, full);
	/* KEY_RESERVED, KEY_CNT and KEY_MAX are names too, but no key has them. */
	if (code <= KEY_RESERVED || code >= KEY_MAX)
		return -EINVAL;
	keys[0] = keys[1] = code;
	return 0;
}

struct name_list {
	const char *words[KEY_CNT + ARRAY_SIZE(either) + 1];
	char text[KEY_CNT][NAME_MAX_LEN];
};

static void list_names(const struct evdev_lib *lib, struct name_list *list)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(either); i++)
		list->words[n++] = either[i].name;
	for (unsigned code = 1; code < KEY_MAX; code++) {
		const char *name = lib->code_get_name(EV_KEY, code);

		if (!name)
			continue;
		fold(list->text[code], strncmp(name, "KEY_", 4) ? name : name + 4, tolower);
		list->words[n++] = list->text[code];
	}
	list->words[n] = NULL;
}

static void say_unknown(const struct evdev_lib *lib, const char *name, char why[KEYCHORD_WHY])
{
	struct name_list *list = calloc(1, sizeof(*list));
	const char *near = NULL;
	char lower[NAME_MAX_LEN];

	if (list) {
		list_names(lib, list);
		fold(lower, name, tolower);
		near = opts_nearest(lower, list->words);
	}
	snprintf(why, KEYCHORD_WHY, "no key is called '%.40s'%s%s%s", name,
		 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	free(list);
}

/* --- chords ---------------------------------------------------------------------- */

static int add_key(struct keychord *c, const struct evdev_lib *lib, const char *name,
		   char why[KEYCHORD_WHY])
{
	if (!*name) {
		snprintf(why, KEYCHORD_WHY, "names of keys with '-' between them, as in ctrl-alt-g");
		return -EINVAL;
	}
	if (c->n == KEYCHORD_MAX) {
		snprintf(why, KEYCHORD_WHY, "%u keys at most", KEYCHORD_MAX);
		return -EINVAL;
	}
	if (find_key(lib, name, c->keys[c->n]) < 0) {
		say_unknown(lib, name, why);
		return -EINVAL;
	}
	c->n++;
	return 0;
}

int keychord_parse(struct keychord *c, const char *text, char why[KEYCHORD_WHY])
{
	struct evdev_lib lib;
	char *copy, *rest, *name;
	int ret = evdev_lib_load(&lib);

	*c = (struct keychord){ 0 };
	if (ret < 0)
		return ret;
	copy = rest = strdup(text);
	if (!copy)
		return -ENOMEM;
	while (ret == 0 && (name = strsep(&rest, "-")))
		ret = add_key(c, &lib, name, why);
	free(copy);
	return ret;
}

static bool is_down(const uint16_t keys[2], const struct input_state *s)
{
	return input_state_key(s, keys[0]) || input_state_key(s, keys[1]);
}

bool keychord_completed(const struct keychord *c, const struct input_state *s, unsigned code)
{
	bool ours = false;

	for (unsigned i = 0; i < c->n; i++) {
		if (!is_down(c->keys[i], s))
			return false;
		ours |= code == c->keys[i][0] || code == c->keys[i][1];
	}
	return ours;
}

bool keychord_any_down(const struct keychord *c, const struct input_state *s)
{
	for (unsigned i = 0; i < c->n; i++)
		if (is_down(c->keys[i], s))
			return true;
	return false;
}
