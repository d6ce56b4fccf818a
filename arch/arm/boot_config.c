/* SPDX-License-Identifier: MIT */
#include "arch/arm/boot_config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "devices/bcm283x_gpio.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define KERNEL_ADDRESS 0x8000u
#define BOARD_TYPE_2B 4		/* of revision codes */

/* Filters of one kind replace each other, those of several have all to fit. */
enum filter { FILTER_MODEL, FILTER_SERIAL, FILTER_EDID, FILTER_GPIO, FILTER_OTHER, N_FILTERS };

struct parse {
	struct boot_config *config;
	const struct boot_config_reader *reader;
	uint64_t serial;
	bool out[N_FILTERS];	/* does not fit */
	unsigned n_files;
};

/* Where a line is. */
struct at {
	const char *name;
	unsigned line;
};

/* --- filters ----------------------------------------------------------------------------- */

static bool all_fit(const struct parse *p)
{
	for (unsigned i = 0; i < N_FILTERS; i++)
		if (p->out[i])
			return false;
	return true;
}

static bool is_model(const char *word)
{
	return !strncasecmp(word, "pi", 2) || !strncasecmp(word, "cm", 2);
}

static bool has_number(const char *text, uint64_t number)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	return end != text && !*end && n == number;
}

/* "PIN=LEVEL"; nothing is connected to the pins. */
static bool pin_has_level(const char *text)
{
	char *end;
	unsigned long pin = strtoul(text, &end, 10);

	return end != text && *end == '=' && pin < BCM283X_GPIO_PINS &&
	       has_number(end + 1, BCM283X_GPIO_PULLED_UP >> pin & 1);
}

static void set_filter(struct parse *p, const struct at *at, const char *word)
{
	if (!strcasecmp(word, "all"))
		memset(p->out, 0, sizeof(p->out));
	else if (!strcasecmp(word, "none"))
		p->out[FILTER_OTHER] = true;
	else if (is_model(word))
		p->out[FILTER_MODEL] = strcasecmp(word, "pi2");
	else if (!strncasecmp(word, "board-type=", 11))
		p->out[FILTER_MODEL] = !has_number(word + 11, BOARD_TYPE_2B);
	else if (!strncasecmp(word, "0x", 2))
		p->out[FILTER_SERIAL] = !has_number(word, p->serial);
	else if (!strncasecmp(word, "EDID=", 5))
		p->out[FILTER_EDID] = true;
	else if (!strncasecmp(word, "gpio", 4))
		p->out[FILTER_GPIO] = !pin_has_level(word + 4);
	else if (strncasecmp(word, "HDMI:", 5)) {
		log_info("%s:%u: [%.40s] fits no board here", at->name, at->line, word);
		p->out[FILTER_OTHER] = true;
	}
}

/* --- settings ------------------------------------------------------------------------------ */

static int bad_line(const struct at *at, const char *key, const char *why)
{
	log_error("%s:%u: %.40s: %s", at->name, at->line, key, why);
	return -EINVAL;
}

static int set_text(char field[BOOT_CONFIG_NAME], const struct at *at, const char *key,
		    const char *value)
{
	if (strlen(value) >= BOOT_CONFIG_NAME)
		return bad_line(at, key, "more than 255 characters");
	strcpy(field, value);
	return 0;
}

static int set_number(uint32_t *field, const struct at *at, const char *key, const char *value)
{
	char *end;
	unsigned long long n = strtoull(value, &end, 0);

	if (end == value || *end || *value == '-' || n > UINT32_MAX)
		return bad_line(at, key, "not a number");
	*field = n;
	return 0;
}

static int set_flag(bool *field, const struct at *at, const char *key, const char *value)
{
	uint32_t n = 0;
	int ret = set_number(&n, at, key, value);

	*field = n;
	return ret;
}

static int add_dt(struct parse *p, const struct at *at, const char *key, const char *value,
		  bool overlay)
{
	struct boot_config *c = p->config;

	if (c->n_dt == BOOT_CONFIG_DT)
		return bad_line(at, key, "there are 64 already");
	c->dt[c->n_dt].overlay = overlay;
	return set_text(c->dt[c->n_dt++].text, at, key, value);
}

static int set_tree(struct parse *p, const struct at *at, const char *key, const char *value)
{
	p->config->no_tree = !*value;
	return set_text(p->config->device_tree, at, key, value);
}

static int set_old(struct parse *p, const struct at *at, const char *key, const char *value)
{
	bool old = false;
	int ret = set_flag(&old, at, key, value);

	if (old)
		p->config->kernel_address = 0;
	return ret;
}

/* Texts and numbers that are only kept. */
static const struct setting {
	const char *key;
	enum { TEXT, NUMBER, FLAG } kind;
	size_t offset;
} settings[] = {
#define SETTING(key, kind, field) { key, kind, offsetof(struct boot_config, field) }
	SETTING("kernel", TEXT, kernel),
	SETTING("cmdline", TEXT, cmdline),
	SETTING("ramfsfile", TEXT, initramfs),
	SETTING("os_prefix", TEXT, os_prefix),
	SETTING("overlay_prefix", TEXT, overlay_prefix),
	SETTING("kernel_address", NUMBER, kernel_address),
	SETTING("framebuffer_width", NUMBER, fb_width),
	SETTING("framebuffer_height", NUMBER, fb_height),
	SETTING("framebuffer_depth", NUMBER, fb_depth),
	SETTING("arm_64bit", FLAG, arm_64bit),
	SETTING("upstream_kernel", FLAG, upstream),
	SETTING("auto_initramfs", FLAG, auto_initramfs),
};

static int set_setting(struct parse *p, const struct at *at, const struct setting *s,
		       const char *value)
{
	void *field = (char *)p->config + s->offset;

	switch (s->kind) {
	case TEXT:
		return set_text(field, at, s->key, value);
	case NUMBER:
		return set_number(field, at, s->key, value);
	default:
		return set_flag(field, at, s->key, value);
	}
}

static int set(struct parse *p, const struct at *at, const char *key, const char *value)
{
	for (unsigned i = 0; i < ARRAY_SIZE(settings); i++)
		if (!strcmp(key, settings[i].key))
			return set_setting(p, at, &settings[i], value);
	if (!strcmp(key, "device_tree"))
		return set_tree(p, at, key, value);
	if (!strcmp(key, "kernel_old"))
		return set_old(p, at, key, value);
	if (!strcmp(key, "dtoverlay") || !strcmp(key, "device_tree_overlay"))
		return add_dt(p, at, key, value, true);
	if (!strcmp(key, "dtparam") || !strcmp(key, "device_tree_param"))
		return add_dt(p, at, key, value, false);
	log_info("%s:%u: %.40s has no effect here", at->name, at->line, key);
	return 0;
}

/* --- lines --------------------------------------------------------------------------------- */

static int parse_text(struct parse *p, const char *name, char *text);

static int include(struct parse *p, const struct at *at, const char *name)
{
	char *text;
	size_t len;
	int ret;

	if (++p->n_files > BOOT_CONFIG_INCLUDES)
		return bad_line(at, name, "one file too many to include");
	ret = p->reader->read(p->reader->ctx, name, &text, &len);
	if (ret == -ENOENT) {
		log_info("%s:%u: %.80s is not there to be included", at->name, at->line, name);
		return 0;
	}
	if (ret < 0)
		return ret;
	ret = parse_text(p, name, text);
	free(text);
	return ret;
}

/* "initramfs FILE ADDRESS", without a '='; where it goes is ours to decide. */
static int set_initramfs(struct parse *p, const struct at *at, char *value)
{
	value[strcspn(value, " \t")] = '\0';
	return set_text(p->config->initramfs, at, "initramfs", value);
}

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, " \t");
	len = strlen(s);
	while (len && strchr(" \t\r", s[len - 1]))
		len--;
	s[len] = '\0';
	return s;
}

/* The rest of @line behind @word and a space; NULL: it does not begin so. */
static char *behind(char *line, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(line, word, len) || !strchr(" \t", line[len]) || !line[len])
		return NULL;
	return line + len + strspn(line + len, " \t");
}

static int parse_line(struct parse *p, const struct at *at, char *line)
{
	char *value, *end;

	line = trim(line);
	if (!*line || *line == '#')
		return 0;
	if (*line == '[') {
		end = strchr(line, ']');
		if (end)
			*end = '\0';
		set_filter(p, at, line + 1);
		return 0;
	}
	if (!all_fit(p))
		return 0;
	if ((value = behind(line, "include")))
		return include(p, at, value);
	if ((value = behind(line, "initramfs")))
		return set_initramfs(p, at, value);
	value = strchr(line, '=');
	if (!value) {
		log_info("%s:%u: '%.40s' is no setting", at->name, at->line, line);
		return 0;
	}
	*value++ = '\0';
	return set(p, at, trim(line), trim(value));
}

/* @text is taken apart. */
static int parse_text(struct parse *p, const char *name, char *text)
{
	struct at at = { .name = name };
	int ret = 0;

	while (text && ret == 0) {
		char *line = strsep(&text, "\n");

		at.line++;
		ret = parse_line(p, &at, line);
	}
	return ret;
}

int boot_config_parse(struct boot_config *config, const char *name, const char *text, size_t len,
		      uint64_t serial, const struct boot_config_reader *reader)
{
	struct parse p = { .config = config, .reader = reader, .serial = serial };
	char *copy = strndup(text, len);
	int ret;

	*config = (struct boot_config){
		.cmdline = "cmdline.txt",
		.overlay_prefix = "overlays/",
		.kernel_address = KERNEL_ADDRESS,
	};
	if (!copy)
		return -ENOMEM;
	ret = parse_text(&p, name, copy);
	free(copy);
	return ret;
}
