/* SPDX-License-Identifier: MIT */
/* The options in effect, as a configuration file. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/config_device.h"

static void put_text(FILE *out, const char *name, const char *text)
{
	fprintf(out, "%s = ", name);
	if (*text && !strpbrk(text, "\"#\\ \t")) {
		fprintf(out, "%s\n", text);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputs("\"\n", out);
}

/* Paths that are relative are so to @dir, which ends with a slash. */
static int put_value(FILE *out, const char *dir, const char *name, const char *arg,
		     const char *value)
{
	char *text;

	if (!value)
		return 0;
	text = config_value_beside(dir, arg, value);
	if (!text)
		return -ENOMEM;
	put_text(out, name, text);
	free(text);
	return 0;
}

static void put_size(FILE *out, const char *name, uint64_t bytes)
{
	static const char units[] = "KMGT";
	int unit = -1;

	while (bytes && bytes % KiB == 0 && unit < 3) {
		bytes /= KiB;
		unit++;
	}
	fprintf(out, "%s = %" PRIu64 "%.*s\n", name, bytes, unit >= 0, unit >= 0 ? &units[unit] : "");
}

static bool has_model(const struct config *cfg, const struct virtio_model *model)
{
	for (unsigned i = 0; i < cfg->n_devices; i++)
		if (cfg->devices[i].model == model)
			return true;
	return false;
}

/* Whether it would be there unless it was said not to be. */
static bool is_missed(const struct config *cfg, const struct virtio_model *model)
{
	if (has_model(cfg, model))
		return false;
	for (unsigned i = 0; i < cfg->n_devices; i++) {
		const struct virtio_companion *c = cfg->devices[i].model->companions;

		for (; c && c->model; c++)
			if (c->model == model)
				return true;
	}
	return model->by_default;
}

static int put_devices(FILE *out, const char *dir, const struct config *cfg)
{
	for (unsigned i = 0; i < cfg->n_devices; i++) {
		const struct config_device *dev = &cfg->devices[i];
		char *text = config_device_text(dev, dir);

		if (!text)
			return -ENOMEM;
		/* Nothing to say: there by default. */
		if (*text)
			put_text(out, dev->model->name, text);
		free(text);
	}
	for (unsigned i = 0; virtio_models[i]; i++)
		if (is_missed(cfg, virtio_models[i]))
			put_text(out, virtio_models[i]->name, "off");
	return 0;
}

static int put_config(FILE *out, const char *dir, const struct config *cfg)
{
	int ret;

	if ((ret = put_value(out, dir, "kernel", "FILE", cfg->kernel)) < 0 ||
	    (ret = put_value(out, dir, "initrd", "FILE", cfg->initrd)) < 0)
		return ret;
	put_text(out, "append", cfg->append);
	if ((ret = put_value(out, dir, "boot", "FILE", cfg->boot)) < 0 ||
	    (ret = put_value(out, dir, "dtb", "FILE", cfg->dtb)) < 0 ||
	    (ret = put_value(out, dir, "dump-dtb", "FILE", cfg->dump_dtb)) < 0 ||
	    (ret = put_value(out, dir, "cpu", "32|64", cfg->cpu)) < 0 ||
	    (ret = put_value(out, dir, "gic", "2|3|none", cfg->gic)) < 0 ||
	    (ret = put_value(out, dir, "uart", "pl011|16550", cfg->uart)) < 0 ||
	    (ret = put_value(out, dir, "framebuffer", "WxH", cfg->framebuffer)) < 0)
		return ret;
	put_size(out, "memory", cfg->memory);
	fprintf(out, "cpus = %u\n", cfg->cpus);
	put_text(out, "name", cfg->name);
	if ((ret = put_value(out, dir, "serial", "CHARDEV", cfg->serial)) < 0 ||
	    (ret = put_devices(out, dir, cfg)) < 0)
		return ret;
	fprintf(out, "no-reboot = %s\n", cfg->no_reboot ? "on" : "off");
	fprintf(out, "timeout = %u\n", cfg->timeout_s);
	fprintf(out, "testdev = %s\n", cfg->testdev ? "on" : "off");
	for (int i = 0; i < cfg->verbose; i++)
		fputs("verbose = on\n", out);
	ret = put_value(out, dir, "control", "FILE", cfg->control);
	return ret < 0 ? ret : put_value(out, dir, "stats", "FILE", cfg->stats);
}

int config_dump(const struct config *cfg, FILE *out)
{
	char *cwd = getcwd(NULL, 0), *dir;
	int ret;

	if (!cwd)
		return -errno;
	if (asprintf(&dir, "%s/", cwd) < 0)
		dir = NULL;
	free(cwd);
	if (!dir)
		return -ENOMEM;
	ret = put_config(out, dir, cfg);
	free(dir);
	return ret;
}
