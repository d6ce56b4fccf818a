/* SPDX-License-Identifier: MIT */
#include "vmm/config_device.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/chardev.h"
#include "vmm/log.h"

#define MAX_KEYS 32		/* that a device knows, those of all included */

static const struct opt_key bus_key = { "bus", "pci|mmio", "where the guest finds it (pci)" };
static const struct opt_key usb_bus_key = {
	"bus", "pci|mmio|usb", "where the guest finds it (pci); usb: on a Raspberry Pi's",
};
static const struct opt_key packed_key = { "packed", NULL, "offers packed virtqueues too" };

/* The model's keys and those that all have, ended by a NULL name. */
static void model_keys(const struct virtio_model *model, struct opt_key keys[MAX_KEYS + 1])
{
	unsigned n = 0;

	for (const struct opt_key *k = model->keys; k && k->name; k++) {
		assert(n + 2 < MAX_KEYS);
		keys[n++] = *k;
	}
	keys[n++] = model->usb ? usb_bus_key : bus_key;
	keys[n++] = packed_key;
	keys[n] = (struct opt_key){ 0 };
}

static const char *model_key_arg(const struct virtio_model *model, const char *name)
{
	struct opt_key keys[MAX_KEYS + 1];
	unsigned i = 0;

	model_keys(model, keys);
	while (strcmp(keys[i].name, name))
		i++;
	return keys[i].arg;
}

/* --- paths ------------------------------------------------------------------- */

/* @value, whose path begins at @path, with that taken from the directory @file is in. */
static char *path_beside(const char *file, const char *value, const char *path)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	int dir = slash && path[0] != '/' ? slash - file + 1 : 0;
	char *text;

	if (asprintf(&text, "%.*s%.*s%s", (int)(path - value), value, dir, dir ? file : "",
		     path) < 0)
		return NULL;
	return text;
}

static bool is_chardev(const char *arg)
{
	return arg && !strncmp(arg, "CHARDEV", 7);
}

char *config_value_beside(const char *file, const char *arg, const char *value)
{
	const char *path = NULL, *name_end = arg ? strchr(arg, '=') : NULL;

	if (name_end && !strcmp(name_end + 1, "DIR") && strchr(value, '='))
		path = strchr(value, '=') + 1;
	else if (arg && (!strcmp(arg, "FILE") || !strcmp(arg, "DIR")))
		path = value;
	else if (is_chardev(arg))
		path = chardev_path(value);
	return path ? path_beside(file, value, path) : strdup(value);
}

/* Says here, with the option's name, what chardev_open() would say too late for exit status 2. */
int config_value_check(const char *label, const char *arg, const char *value)
{
	bool or_none;
	const char *why;

	if (!is_chardev(arg))
		return 0;
	or_none = strstr(arg, "|none");
	if (or_none && !strcmp(value, "none"))
		return 0;
	why = chardev_check(value);
	if (!why)
		return 0;
	log_error("%s %.60s: %s%s", label, value, or_none ? "none, or " : "", why);
	return -EINVAL;
}

/* --- to text ----------------------------------------------------------------- */

/* One element: its path as seen from beside @file, its commas doubled. */
static int put_element(FILE *out, const char *file, const char *arg, const char *element)
{
	char *text = config_value_beside(file, arg, element);

	if (!text)
		return -ENOMEM;
	for (const char *p = text; *p; p++) {
		if (*p == ',')
			fputc(',', out);
		fputc(*p, out);
	}
	free(text);
	return 0;
}

static int put_device(FILE *out, const char *file, const struct config_device *dev)
{
	const struct opt_value *v = &dev->opts;
	int ret = 0;

	if (v->first)
		ret = put_element(out, file, dev->model->arg, v->first);
	for (unsigned i = 0; i < v->n_pairs && ret == 0; i++) {
		const struct opt_pair *pair = &v->pairs[i];

		fprintf(out, "%s%s", i || v->first ? "," : "", pair->key);
		if (!pair->value)
			continue;
		fputc('=', out);
		ret = put_element(out, file, model_key_arg(dev->model, pair->key), pair->value);
	}
	return ret;
}

char *config_device_text(const struct config_device *dev, const char *file)
{
	size_t len;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);
	int ret;

	if (!out)
		return NULL;
	ret = put_device(out, file, dev);
	if (fclose(out) == 0 && ret == 0)
		return text;
	free(text);
	return NULL;
}

/* --- from text --------------------------------------------------------------- */

static bool first_is_named(const struct virtio_model *model)
{
	return model->arg && strchr(model->arg, '=');
}

/* @first begins with NAME= where that is the model's form. */
static bool has_name(const struct virtio_model *model, const char *first)
{
	return !first_is_named(model) || strchr(first, '=') > first;
}

/* The first element is there when it must be, and one of those that there are. */
static int check_first(const struct config_device *dev, const char *label)
{
	const char *first = dev->opts.first, *arg = dev->model->arg;

	if (!arg && first)
		log_error("%s: unknown key '%.40s'", label, first);
	else if (arg && strchr(arg, '|') && first && !opt_words_have(arg, first))
		log_error("%s %.40s: one of %s", label, first, arg);
	else if (arg && !strchr(arg, '|') && (!first || !has_name(dev->model, first)))
		log_error("%s: %s has to come first", label, arg);
	else
		return first ? config_value_check(label, arg, first) : 0;
	return -EINVAL;
}

static int check_packed(const struct config_device *dev, const char *label)
{
	if (dev->packed && dev->usb) {
		log_error("%s: no packed: a USB device has no virtqueues", label);
		return -EINVAL;
	}
	if (!dev->packed || !dev->model->external)
		return 0;
	log_error("%s: no packed: its queues are served outside of microvm, as split ones", label);
	return -EINVAL;
}

static int check_pairs(const struct config_device *dev, const char *label)
{
	int ret = 0;

	for (unsigned i = 0; i < dev->opts.n_pairs && ret == 0; i++) {
		const struct opt_pair *pair = &dev->opts.pairs[i];

		if (pair->value)
			ret = config_value_check(label, model_key_arg(dev->model, pair->key),
						 pair->value);
	}
	return ret;
}

static int parse_value(struct config_device *dev, const char *label, const char *value)
{
	struct opt_key keys[MAX_KEYS + 1];
	int ret;

	model_keys(dev->model, keys);
	if (first_is_named(dev->model))
		ret = opt_value_parse_named(&dev->opts, label, value, keys);
	else
		ret = opt_value_parse(&dev->opts, label, value, keys);
	if (ret < 0)
		return ret;
	dev->mmio = opt_value_is(&dev->opts, "bus", "mmio");
	dev->usb = opt_value_is(&dev->opts, "bus", "usb");
	dev->packed = opt_value_flag(&dev->opts, "packed", false);
	ret = check_first(dev, label);
	if (ret == 0)
		ret = check_packed(dev, label);
	if (ret == 0)
		ret = check_pairs(dev, label);
	if (ret == 0 && dev->model->check)
		ret = dev->model->check(label, &dev->opts);
	if (ret < 0)
		opt_value_finish(&dev->opts);
	return ret;
}

int config_device_parse(struct config_device *dev, const struct opt_at *at, const char *value)
{
	char *text;
	int ret = parse_value(dev, at->label, value);

	if (ret < 0 || !at->file)
		return ret;
	/* Paths in a file are relative to it: once more, with these changed. */
	text = config_device_text(dev, at->file);
	opt_value_finish(&dev->opts);
	if (!text) {
		log_error("%s: out of memory", at->label);
		return -ENOMEM;
	}
	ret = parse_value(dev, at->label, text);
	free(text);
	return ret;
}

int config_device_default(struct config_device *dev)
{
	const char *arg = dev->model->arg;
	char word[16] = "";

	if (arg && strchr(arg, '|'))
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg, "|"), arg);
	return parse_value(dev, dev->model->name, word);
}

/* --- questions --------------------------------------------------------------- */

static bool is_stdio(const char *arg, const char *value)
{
	return is_chardev(arg) && value && !strcmp(value, "stdio");
}

bool config_device_on_stdio(const struct config_device *dev)
{
	const struct opt_value *v = &dev->opts;

	if (is_stdio(dev->model->arg, v->first))
		return true;
	for (unsigned i = 0; i < v->n_pairs; i++)
		if (is_stdio(model_key_arg(dev->model, v->pairs[i].key), v->pairs[i].value))
			return true;
	return false;
}

void config_device_help(const struct virtio_model *model, FILE *out)
{
	struct opt_key keys[MAX_KEYS + 1];

	model_keys(model, keys);
	fprintf(out, "--%s %s[,KEY=VALUE...]: %s\n", model->name, model->arg ? model->arg : "",
		model->help);
	for (const struct opt_key *k = keys; k->name; k++) {
		int len;

		if (model->external && !strcmp(k->name, packed_key.name))
			continue;
		len = fprintf(out, "  %s%s%s", k->name, k->arg ? "=" : "", k->arg ? k->arg : "");
		fprintf(out, "%*s%s\n", MAX(24 - len, 2), "", k->help);
	}
}
