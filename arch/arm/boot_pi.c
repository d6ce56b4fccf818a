/* SPDX-License-Identifier: MIT */
#include "arch/arm/boot_pi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/arm/overlay.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define CONFIG_NAME "config.txt"
#define UPSTREAM_TREE "bcm2836-rpi-2-b.dtb"
#define DOWNSTREAM_TREE "bcm2709-rpi-2-b.dtb"	/* of the Raspberry Pi's own kernels */
#define CMDLINE_MAX 16384		/* bytes of the file; the first line of it counts */
#define PI_NEEDS "a Raspberry Pi 2 has 32-bit CPUs, and needs an image for them (armhf)"
#define PATH_LEN (3 * BOOT_CONFIG_NAME + 16)

/* On the way from a card to what is on it. */
struct pi_open {
	struct arm_pi *pi;
	struct boot_source source;
	const struct arm_pi_wants *wants;
	char prefix[BOOT_CONFIG_NAME];	/* of the operating system's files */
	char overlays[PATH_LEN];	/* of overlays' */
};

/* None of @names, up to a NULL, is there. */
static int pi_missing(const struct pi_open *o, const char *prefix, const char *const *names,
		      const char *what)
{
	char list[PATH_LEN] = "", *p = list;

	for (; *names; names++)
		p += snprintf(p, list + sizeof(list) - p, "%s%s%s", p == list ? "" : " and no ",
			      **names == '/' ? "" : prefix, *names);
	log_error("%s: has no %s, which would be the %s", o->source.path, list, what);
	return -ENOENT;
}

/* --- names (os_prefix) ------------------------------------------------------------------ */

static void pi_path(char path[PATH_LEN], const char *prefix, const char *name)
{
	snprintf(path, PATH_LEN, "%s%s", *name == '/' ? "" : prefix, name);
}

/* The first of @names that is there; @path is the last one otherwise. */
static int pi_find(struct pi_open *o, const char *prefix, const char *const *names,
		   char path[PATH_LEN])
{
	int ret = -ENOENT;

	for (; *names && ret == -ENOENT; names++) {
		pi_path(path, prefix, *names);
		ret = boot_source_has(&o->source, path);
	}
	return ret;
}

/* What the kernel may be called, up to a NULL. */
static void pi_kernel_names(const struct pi_open *o, const char *names[3])
{
	const char *named = o->pi->config.kernel;

	names[0] = *named ? named : "kernel7.img";
	names[1] = *named ? NULL : "kernel.img";
	names[2] = NULL;
}

/* Likewise; the one that goes with such a kernel comes first. */
static void pi_tree_names(const struct pi_open *o, const char *names[3])
{
	static const char *const usual[] = { DOWNSTREAM_TREE, UPSTREAM_TREE };
	const struct boot_config *c = &o->pi->config;

	names[0] = *c->device_tree ? c->device_tree : usual[c->upstream];
	names[1] = *c->device_tree ? NULL : usual[!c->upstream];
	names[2] = NULL;
}

static int pi_find_kernel(struct pi_open *o, const char *prefix, char path[PATH_LEN])
{
	const char *names[3];

	pi_kernel_names(o, names);
	return pi_find(o, prefix, names, path);
}

static int pi_find_tree(struct pi_open *o, const char *prefix, char path[PATH_LEN])
{
	const char *names[3];

	pi_tree_names(o, names);
	return pi_find(o, prefix, names, path);
}

/* A prefix without a kernel and a tree behind it is none, as the firmware has it. */
static void pi_take_prefix(struct pi_open *o)
{
	const struct boot_config *c = &o->pi->config;
	const char *prefix = *c->os_prefix ? c->os_prefix : c->upstream ? "upstream/" : "";
	char path[PATH_LEN];

	if (*prefix && (pi_find_kernel(o, prefix, path) < 0 || pi_find_tree(o, prefix, path) < 0)) {
		log_info("%s: no kernel and tree by os_prefix %s", o->source.path, prefix);
		prefix = "";
	}
	snprintf(o->prefix, sizeof(o->prefix), "%s", prefix);
	snprintf(path, sizeof(path), "%s%sREADME", prefix, c->overlay_prefix);
	snprintf(o->overlays, sizeof(o->overlays), "%s%s",
		 boot_source_has(&o->source, path) == 0 ? prefix : "", c->overlay_prefix);
}

/* --- files ----------------------------------------------------------------------------------- */

static void pi_close_file(struct arm_pi_file *f)
{
	if (f->name)
		close(f->fd);
	free(f->name);
	*f = (struct arm_pi_file){ .fd = -1 };
}

static int pi_new_file(struct pi_open *o, struct arm_pi_file *f, const char *path)
{
	pi_close_file(f);
	if (asprintf(&f->name, "%s: %s", o->source.path, path) < 0) {
		f->name = NULL;
		return -ENOMEM;
	}
	f->fd = memfd_create("boot", MFD_CLOEXEC);
	if (f->fd < 0) {
		int err = errno;

		log_error("memfd_create: %m");
		free(f->name);
		f->name = NULL;
		return -err;
	}
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
	return 0;
}

static int pi_no_kernel(struct pi_open *o)
{
	const char *names[3];

	if (!*o->pi->config.kernel && boot_source_has(&o->source, "kernel8.img") == 0) {
		log_error("%s: has no kernel7.img but kernel8.img: " PI_NEEDS, o->source.path);
		return -ENOENT;
	}
	pi_kernel_names(o, names);
	return pi_missing(o, o->prefix, names, "kernel; --kernel names another");
}

static int pi_take_kernel(struct pi_open *o)
{
	char path[PATH_LEN];
	int ret = pi_find_kernel(o, o->prefix, path);

	if (ret == -ENOENT)
		return pi_no_kernel(o);
	if (ret == 0)
		ret = pi_new_file(o, &o->pi->kernel, path);
	return ret < 0 ? ret : boot_source_copy(&o->source, path, o->pi->kernel.fd);
}

/* auto_initramfs: "initramfs7" goes with "kernel7.img". */
static void pi_guess_initrd(struct pi_open *o)
{
	static const char begin[] = "kernel", end[] = ".img";
	struct boot_config *c = &o->pi->config;
	const char *kernel = *c->kernel ? c->kernel : "kernel7.img";
	size_t len = strlen(kernel), b = strlen(begin), e = strlen(end);
	char name[BOOT_CONFIG_NAME + 16], path[PATH_LEN];

	if (!c->auto_initramfs || *c->initramfs || len < b + e || strncmp(kernel, begin, b) ||
	    strcmp(kernel + len - e, end))
		return;
	snprintf(name, sizeof(name), "initramfs%.*s", (int)(len - b - e), kernel + b);
	pi_path(path, o->prefix, name);
	if (boot_source_has(&o->source, path) == 0 && strlen(name) < sizeof(c->initramfs))
		strcpy(c->initramfs, name);
}

/* Several, with commas between, are one; archives begin at multiples of four bytes. */
static int pi_take_initrd(struct pi_open *o)
{
	char names[BOOT_CONFIG_NAME], path[PATH_LEN], *next = names, *name;
	int ret = 0;

	snprintf(names, sizeof(names), "%s", o->pi->config.initramfs);
	while (ret == 0 && (name = strsep(&next, ","))) {
		off_t end;

		if (!*name)
			continue;
		pi_path(path, o->prefix, name);
		if (!o->pi->initrd.name)
			ret = pi_new_file(o, &o->pi->initrd, path);
		if (ret == 0)
			ret = boot_source_copy(&o->source, path, o->pi->initrd.fd);
		if (ret == -ENOENT)
			return pi_missing(o, o->prefix, (const char *[]){ name, NULL },
					  "initramfs; --initrd names another");
		end = ret == 0 ? lseek(o->pi->initrd.fd, 0, SEEK_END) : 0;
		if (end % 4 && ftruncate(o->pi->initrd.fd, align_up(end, 4)) == 0)
			lseek(o->pi->initrd.fd, 0, SEEK_END);
	}
	return ret;
}

static int pi_take_cmdline(struct pi_open *o)
{
	char path[PATH_LEN], *text;
	size_t len;
	int ret;

	pi_path(path, o->prefix, o->pi->config.cmdline);
	ret = boot_source_read(&o->source, path, CMDLINE_MAX, &text, &len);
	if (ret == -ENOENT)
		text = strdup("");
	else if (ret < 0)
		return ret;
	if (!text)
		return -ENOMEM;
	text[strcspn(text, "\r\n")] = '\0';
	free(o->pi->cmdline);
	o->pi->cmdline = text;
	return 0;
}

/* --- the tree ------------------------------------------------------------------------------------ */

static int pi_read_blob(struct pi_open *o, const char *path, size_t max, struct arm_fdt *fdt,
			int (*open)(struct arm_fdt *fdt, const void *blob, size_t len,
				    const char *name))
{
	char *name, *blob;
	size_t len;
	int ret = boot_source_read(&o->source, path, max, &blob, &len);

	if (ret < 0)
		return ret;
	if (asprintf(&name, "%s: %s", o->source.path, path) < 0) {
		free(blob);
		return -ENOMEM;
	}
	ret = open(fdt, blob, len, name);
	free(name);
	free(blob);
	return ret;
}

/*
 * "NAME=VALUE", or NAME alone for on, of @fdt or else of @base, if that is not NULL. What
 * does not fit is named, and no reason not to boot.
 */
static void pi_param(struct arm_fdt *fdt, struct arm_fdt *base, char *text)
{
	char *value = strchr(text, '=');
	int ret;

	if (value)
		*value++ = '\0';
	if (!*text)
		return;
	ret = arm_overlay_param(fdt, text, value ? value : "true");
	if (ret == -ENOENT && base)
		ret = arm_overlay_param(base, text, value ? value : "true");
	if (ret == -ENOENT)
		log_warn("%s: has no parameter %.40s, which " CONFIG_NAME " sets", fdt->name, text);
}

static void pi_params(struct arm_fdt *fdt, struct arm_fdt *base, char *text)
{
	char *param;

	while ((param = strsep(&text, ",")))
		pi_param(fdt, base, param);
}

/* "dtoverlay=NAME,PARAM=VALUE,..." opens one, behind which dtparam= is for that. */
static void pi_open_overlay(struct pi_open *o, struct arm_fdt *overlay, char *text)
{
	size_t len = strcspn(text, ",:");
	char *params = text[len] ? text + len + 1 : NULL, path[PATH_LEN];
	int ret;

	text[len] = '\0';
	if (!*text)
		return;
	if (strlen(o->overlays) + strlen(text) + sizeof(".dtbo") > sizeof(path))
		return;
	strcpy(path, *text == '/' ? "" : o->overlays);
	strcat(path, text);
	strcat(path, ".dtbo");
	ret = pi_read_blob(o, path, ARM_OVERLAY_MAX, overlay, arm_overlay_open);
	if (ret == -ENOENT)
		log_warn("%s: has no overlay %s", o->source.path, path);
	if (ret == 0 && params)
		pi_params(overlay, NULL, params);
}

static void pi_close_overlay(struct pi_open *o, struct arm_fdt *overlay)
{
	if (overlay->blob && arm_overlay_apply(&o->pi->tree, overlay) == 0)
		log_info("%s: merged", overlay->name);
	arm_fdt_close(overlay);
}

/* @adapt: the tree is downstream's, the kernel is not; there is an overlay for that. */
static void pi_take_overlays(struct pi_open *o, bool adapt)
{
	const struct boot_config *c = &o->pi->config;
	struct arm_fdt overlay = { 0 }, *base = &o->pi->tree;
	char text[BOOT_CONFIG_NAME] = "upstream";

	if (adapt)
		pi_open_overlay(o, &overlay, text);
	for (unsigned i = 0; i < c->n_dt; i++) {
		strcpy(text, c->dt[i].text);
		if (c->dt[i].overlay) {
			pi_close_overlay(o, &overlay);
			pi_open_overlay(o, &overlay, text);
		} else if (overlay.blob) {
			pi_params(&overlay, base, text);
		} else {
			pi_params(base, NULL, text);
		}
	}
	pi_close_overlay(o, &overlay);
}

static int pi_take_tree(struct pi_open *o)
{
	const struct boot_config *c = &o->pi->config;
	struct arm_fdt checked = { 0 };
	char path[PATH_LEN];
	const char *names[3];
	int ret = pi_find_tree(o, o->prefix, path);

	if (c->no_tree) {
		log_error("%s: " CONFIG_NAME ": device_tree= says that there is none, and one is "
			  "needed: --dtb names it", o->source.path);
		return -EINVAL;
	}
	pi_tree_names(o, names);
	if (ret == -ENOENT)
		return pi_missing(o, o->prefix, names, "device tree; --dtb names another");
	if (ret == 0)
		ret = pi_read_blob(o, path, ARM_FDT_MAX, &o->pi->tree, arm_fdt_open_blob);
	if (ret < 0)
		return ret;
	pi_take_overlays(o, c->upstream && !*c->device_tree && strstr(path, DOWNSTREAM_TREE));
	/* Parameters may have made anything of it. */
	ret = arm_fdt_open_blob(&checked, o->pi->tree.blob, o->pi->tree.size, o->pi->tree.name);
	arm_fdt_close(&o->pi->tree);
	o->pi->tree = checked;
	return ret;
}

/* --- all of it -------------------------------------------------------------------------------------- */

static int pi_include(void *ctx, const char *name, char **text, size_t *len)
{
	struct pi_open *o = ctx;

	return boot_source_read(&o->source, name, BOOT_CONFIG_MAX, text, len);
}

static int pi_take_config(struct pi_open *o)
{
	const struct boot_config_reader reader = { pi_include, o };
	char *text, *name;
	size_t len = 0;
	int ret = boot_source_read(&o->source, CONFIG_NAME, BOOT_CONFIG_MAX, &text, &len);

	/* One that is not there says nothing: everything has a default. */
	if (ret == -ENOENT)
		text = strdup("");
	else if (ret < 0)
		return ret;
	if (!text || asprintf(&name, "%s: " CONFIG_NAME, o->source.path) < 0) {
		free(text);
		return -ENOMEM;
	}
	ret = boot_config_parse(&o->pi->config, name, text, len, o->wants->serial, &reader);
	if (ret == 0 && o->pi->config.arm_64bit && o->wants->kernel) {
		log_error("%s: arm_64bit: " PI_NEEDS, name);
		ret = -EINVAL;
	}
	free(name);
	free(text);
	return ret;
}

static int pi_take_all(struct pi_open *o, bool tree)
{
	int ret = pi_take_config(o);

	if (ret < 0)
		return ret;
	pi_take_prefix(o);
	pi_close_file(&o->pi->kernel);
	pi_close_file(&o->pi->initrd);
	if (o->wants->kernel)
		ret = pi_take_kernel(o);
	if (o->wants->initrd)
		pi_guess_initrd(o);
	if (ret == 0 && o->wants->initrd)
		ret = pi_take_initrd(o);
	if (ret == 0)
		ret = pi_take_cmdline(o);
	return ret < 0 || !tree ? ret : pi_take_tree(o);
}

static int pi_open(struct arm_pi *pi, const char *path, const struct arm_pi_wants *wants, bool tree)
{
	struct pi_open o = { .pi = pi, .wants = wants };
	int ret = boot_source_open(&o.source, path);

	if (ret < 0)
		return ret;
	pi->open = true;
	pi->is_card = o.source.dir < 0;
	ret = pi_take_all(&o, tree);
	boot_source_close(&o.source);
	return ret;
}

int arm_pi_open(struct arm_pi *pi, const char *path, const struct arm_pi_wants *wants)
{
	return pi_open(pi, path, wants, wants->tree);
}

int arm_pi_reload(struct arm_pi *pi, const char *path, const struct arm_pi_wants *wants)
{
	return pi_open(pi, path, wants, false);
}

void arm_pi_close(struct arm_pi *pi)
{
	pi_close_file(&pi->kernel);
	pi_close_file(&pi->initrd);
	free(pi->cmdline);
	arm_fdt_close(&pi->tree);
	*pi = (struct arm_pi){ 0 };
}
