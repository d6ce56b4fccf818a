/* SPDX-License-Identifier: MIT */
/* Trees from files, checked, and what can be asked of any tree. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arch/arm/fdt_int.h"
#include "vmm/boot_file.h"
#include "vmm/log.h"
#include "vmm/util.h"

/*
 * Names of properties. DTSpec 2.2.4.1 says 31, bindings have 50; without a limit
 * a file of 2 MiB makes libfdt search a string of 1 MiB for its end 80000 times.
 */
#define TREE_MAX_NAME 255
#define TREE_VERSION 17	/* of 2006: the first that says how long the structure is */

int tree_failed(const struct arm_fdt *fdt, const char *what, int err)
{
	log_error("%s: %s: %s", fdt->name, what, fdt_strerror(err));
	return err == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL;
}

int tree_refuse(const struct arm_fdt *fdt, const char *path, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("%s: not a sound device tree: %s: %s", fdt->name, path, text);
	return -EINVAL;
}

/* --- checks of a file (case 95) -------------------------------------------------- */

static int tree_check_header(const struct arm_fdt *fdt)
{
	if (fdt->size < sizeof(struct fdt_header) || fdt_magic(fdt->blob) != FDT_MAGIC) {
		log_error("%s: is not a device tree: it does not begin with %#x", fdt->name,
			  FDT_MAGIC);
		return -ENOEXEC;
	}
	if (fdt_totalsize(fdt->blob) > fdt->size) {
		log_error("%s: is truncated: its header speaks of %u bytes, it has %zu", fdt->name,
			  fdt_totalsize(fdt->blob), fdt->size);
		return -EINVAL;
	}
	if (fdt_version(fdt->blob) < TREE_VERSION ||
	    fdt_last_comp_version(fdt->blob) > TREE_VERSION) {
		log_error("%s: is a device tree of version %u (compatible with %u): %d is known",
			  fdt->name, fdt_version(fdt->blob), fdt_last_comp_version(fdt->blob),
			  TREE_VERSION);
		return -EINVAL;
	}
	/* DTSpec 5.6; libfdt reads words where they lie. */
	if (fdt_off_dt_struct(fdt->blob) % 4 || fdt_off_mem_rsvmap(fdt->blob) % 8)
		return tree_refuse(fdt, "header", "a block is not aligned");
	return 0;
}

static int tree_check_strings(const struct arm_fdt *fdt)
{
	uint64_t off = fdt_off_dt_strings(fdt->blob), len = fdt_size_dt_strings(fdt->blob);
	const char *s = (const char *)fdt->blob + off;
	unsigned run = 0;

	if (!range_fits(off, len, fdt_totalsize(fdt->blob)))
		return tree_refuse(fdt, "header", "the strings are not in the file");
	for (uint64_t i = 0; i < len; i++) {
		run = s[i] ? run + 1 : 0;
		if (run > TREE_MAX_NAME)
			return tree_refuse(fdt, "header", "a name has more than %d characters",
					   TREE_MAX_NAME);
	}
	return 0;
}

/* DTSpec 5.4.1: how long the token at @p is, with padding; 0 when it is none, or not whole. */
static uint64_t tree_token(const uint8_t *p, uint64_t left)
{
	uint64_t len = sizeof(fdt32_t);

	switch (tree_cells(p, 1)) {
	case FDT_BEGIN_NODE:
		len += strnlen((const char *)p + len, left - len) + 1;
		break;
	case FDT_PROP:
		len = sizeof(struct fdt_property);
		if (left < len)
			return 0;
		len += tree_cells(p + offsetof(struct fdt_property, len), 1);
		break;
	case FDT_END_NODE:
	case FDT_NOP:
		break;
	default:
		return 0;
	}
	len = align_up(len, sizeof(fdt32_t));
	return len <= left ? len : 0;
}

/*
 * The tokens follow each other and come to an end. libfdt 1.6 adds the length of
 * a property to its offset in 32 bits, and goes in circles where that wraps.
 */
static int tree_check_tokens(const struct arm_fdt *fdt)
{
	uint64_t off = fdt_off_dt_struct(fdt->blob), left = fdt_size_dt_struct(fdt->blob), len;
	const uint8_t *p = (const uint8_t *)fdt->blob + off;

	if (!range_fits(off, left, fdt_totalsize(fdt->blob)))
		return tree_refuse(fdt, "header", "the structure is not in the file");
	while (left >= sizeof(fdt32_t)) {
		if (tree_cells(p, 1) == FDT_END)
			return 0;
		len = tree_token(p, left);
		if (len == 0)
			break;
		p += len;
		left -= len;
	}
	return tree_refuse(fdt, "structure", "something at %#zx does not fit in it",
			   (size_t)(p - (const uint8_t *)fdt->blob));
}

/* Every node and all that is ever reported of one. */
static int tree_check_nodes(const struct arm_fdt *fdt)
{
	struct arm_fdt_node node;
	struct tree_walk w;
	int ret = tree_walk_begin(&w, fdt);

	if (ret < 0)
		return ret;
	do
		ret = tree_node_read(&w, &node);
	while (ret == 0 && (ret = tree_walk_next(&w)) == 0);
	tree_walk_end(&w);
	return ret == -ENOENT ? 0 : ret;
}

/* What libfdt needs to stay within it. */
static int tree_check_form(const struct arm_fdt *fdt)
{
	int ret = tree_check_header(fdt);

	if (ret == 0)
		ret = tree_check_strings(fdt);
	if (ret == 0)
		ret = tree_check_tokens(fdt);
	if (ret < 0)
		return ret;
	ret = fdt_check_full(fdt->blob, fdt->size);
	return ret < 0 ? tree_failed(fdt, "not a sound device tree", ret) : 0;
}

static int tree_check(const struct arm_fdt *fdt)
{
	int ret = tree_check_form(fdt);

	return ret < 0 ? ret : tree_check_nodes(fdt);
}

/* --- coming and going ------------------------------------------------------------ */

static int tree_too_large(const char *name, uint64_t size)
{
	log_error("%s: has %" PRIu64 " bytes: a device tree may have %u", name, size, ARM_FDT_MAX);
	return -EFBIG;
}

/* @len bytes, not yet of a tree. */
static int tree_alloc(struct arm_fdt *fdt, size_t len, const char *name)
{
	*fdt = (struct arm_fdt){ .blob = malloc(len), .size = len, .name = strdup(name) };
	if (fdt->blob && fdt->name)
		return 0;
	arm_fdt_close(fdt);
	return -ENOMEM;
}

/* What is behind the tree in its file is nobody's. @ret: what a check of it said. */
static int tree_accept(struct arm_fdt *fdt, int ret)
{
	if (ret < 0)
		arm_fdt_close(fdt);
	else
		fdt->size = fdt_totalsize(fdt->blob);
	return ret;
}

static int tree_read(struct arm_fdt *fdt, const struct boot_file *f)
{
	int ret;

	if (f->size > ARM_FDT_MAX)
		return tree_too_large(f->path, f->size);
	ret = tree_alloc(fdt, f->size, f->path);
	if (ret == 0)
		ret = boot_file_read(f, 0, fdt->blob, f->size);
	if (ret == 0)
		ret = boot_file_unchanged(f);
	if (ret < 0)
		arm_fdt_close(fdt);
	return ret;
}

int arm_fdt_open(struct arm_fdt *fdt, const char *path)
{
	struct boot_file f;
	int ret = boot_file_open(&f, path);

	if (ret < 0)
		return ret;
	ret = tree_read(fdt, &f);
	boot_file_close(&f);
	return ret < 0 ? ret : tree_accept(fdt, tree_check(fdt));
}

static int tree_copy_blob(struct arm_fdt *fdt, const void *blob, size_t len, const char *name)
{
	int ret;

	if (len == 0 || len > ARM_FDT_MAX)
		return tree_too_large(name, len);
	ret = tree_alloc(fdt, len, name);
	if (ret < 0)
		return ret;
	memcpy(fdt->blob, blob, len);
	return 0;
}

int arm_fdt_open_blob(struct arm_fdt *fdt, const void *blob, size_t len, const char *name)
{
	int ret = tree_copy_blob(fdt, blob, len, name);

	return ret < 0 ? ret : tree_accept(fdt, tree_check(fdt));
}

int tree_open_form(struct arm_fdt *fdt, const void *blob, size_t len, const char *name)
{
	int ret = tree_copy_blob(fdt, blob, len, name);

	return ret < 0 ? ret : tree_accept(fdt, tree_check_form(fdt));
}

int arm_fdt_copy(struct arm_fdt *fdt, const struct arm_fdt *from)
{
	int ret = tree_alloc(fdt, from->size, from->name);

	if (ret == 0)
		memcpy(fdt->blob, from->blob, from->size);
	return ret;
}

void arm_fdt_close(struct arm_fdt *fdt)
{
	free(fdt->blob);
	free(fdt->name);
	*fdt = (struct arm_fdt){ 0 };
}

static int tree_save_failed(const char *path, const char *call)
{
	int err = errno;

	log_error("%s: %s: %m", path, call);
	return -err;
}

int arm_fdt_save(const struct arm_fdt *fdt, const char *path)
{
	const uint8_t *p = fdt->blob;
	size_t left = fdt->size;
	int ret = 0, fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);

	if (fd < 0)
		return tree_save_failed(path, "open");
	while (left && ret == 0) {
		ssize_t n = write(fd, p, left);

		if (n < 0 && errno != EINTR)
			ret = tree_save_failed(path, "write");
		p += MAX(n, 0);
		left -= MAX(n, 0);
	}
	if (close(fd) < 0 && ret == 0)
		ret = tree_save_failed(path, "close");
	return ret;
}

/* --- properties -------------------------------------------------------------------- */

const void *arm_fdt_bytes(const struct arm_fdt *fdt, int node, const char *name, unsigned *len)
{
	int n;
	const void *value = fdt_getprop(fdt->blob, node, name, &n);

	*len = value ? n : 0;
	return value;
}

bool arm_fdt_has(const struct arm_fdt *fdt, int node, const char *name)
{
	unsigned len;

	return arm_fdt_bytes(fdt, node, name, &len) != NULL;
}

const char *arm_fdt_string(const struct arm_fdt *fdt, int node, const char *name)
{
	unsigned len;
	const char *s = arm_fdt_bytes(fdt, node, name, &len);

	return s && memchr(s, 0, len) ? s : NULL;
}

bool arm_fdt_u32(const struct arm_fdt *fdt, int node, const char *name, unsigned index,
		 uint32_t *value)
{
	unsigned len;
	const uint8_t *p = arm_fdt_bytes(fdt, node, name, &len);

	if (!range_fits(index * 4ull, 4, len))
		return false;
	*value = tree_cells(p + index * 4ull, 1);
	return true;
}

bool arm_fdt_u64(const struct arm_fdt *fdt, int node, const char *name, unsigned index,
		 uint64_t *value)
{
	unsigned len;
	const uint8_t *p = arm_fdt_bytes(fdt, node, name, &len);

	if (!range_fits(index * 8ull, 8, len))
		return false;
	*value = tree_cells(p + index * 8ull, 2);
	return true;
}

bool arm_fdt_is_compatible(const struct arm_fdt_node *node, const char *compatible)
{
	return fdt_stringlist_contains(node->compatible, node->compatible_len, compatible);
}

int arm_fdt_find(const struct arm_fdt *fdt, const char *path)
{
	/* Other paths begin with an alias, which libfdt follows even where it names itself. */
	int node = *path == '/' ? fdt_path_offset(fdt->blob, path) : -1;

	return node < 0 ? -ENOENT : node;
}

int arm_fdt_find_phandle(const struct arm_fdt *fdt, uint32_t phandle)
{
	int node = fdt_node_offset_by_phandle(fdt->blob, phandle);

	return node < 0 ? -ENOENT : node;
}

int arm_fdt_child(const struct arm_fdt *fdt, int node, int child)
{
	child = child < 0 ? fdt_first_subnode(fdt->blob, node) :
			    fdt_next_subnode(fdt->blob, child);
	return child < 0 ? -ENOENT : child;
}
