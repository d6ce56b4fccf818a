/* SPDX-License-Identifier: MIT */
/*
 * What a boot loader writes into a tree: Documentation/arm64/booting.rst and
 * Documentation/arm/booting.rst of Linux, chosen.yaml of the dt-schema.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/arm/fdt_int.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define SEED_KASLR 8
#define SEED_MAX 512

/* --- a tree with room in it ------------------------------------------------------ */

int tree_grow(struct arm_fdt *fdt, size_t extra)
{
	size_t size = fdt->size + extra;
	void *blob = malloc(size);
	int err;

	if (!blob)
		return -ENOMEM;
	/* Into new memory: blocks may be in any order in a file. */
	err = fdt_open_into(fdt->blob, blob, size);
	if (err) {
		free(blob);
		return tree_failed(fdt, "cannot be edited", err);
	}
	free(fdt->blob);
	fdt->blob = blob;
	fdt->size = size;
	return 0;
}

int tree_shrink(struct arm_fdt *fdt)
{
	void *blob;

	fdt_pack(fdt->blob);
	fdt->size = fdt_totalsize(fdt->blob);
	blob = realloc(fdt->blob, fdt->size);
	fdt->blob = blob ? blob : fdt->blob;
	if (fdt->size <= ARM_FDT_MAX)
		return 0;
	log_error("%s: has %zu bytes with what the guest is told: a device tree may have %u",
		  fdt->name, fdt->size, ARM_FDT_MAX);
	return -EFBIG;
}

int tree_set(struct arm_fdt *fdt, int node, const char *name, const void *value, size_t len)
{
	int err = fdt_setprop(fdt->blob, node, name, value, len);

	return err ? tree_failed(fdt, name, err) : 0;
}

int tree_set_string(struct arm_fdt *fdt, int node, const char *name, const char *s)
{
	return tree_set(fdt, node, name, s, strlen(s) + 1);
}

int tree_top(struct arm_fdt *fdt, const char *name)
{
	int node = fdt_subnode_offset(fdt->blob, 0, name);

	if (node == -FDT_ERR_NOTFOUND)
		node = fdt_add_subnode(fdt->blob, 0, name);
	return node < 0 ? tree_failed(fdt, name, node) : node;
}

/* --- memory ----------------------------------------------------------------------- */

/* A node of memory; negative: there is none. */
static int tree_memory(const struct arm_fdt *fdt)
{
	int node;

	fdt_for_each_subnode(node, fdt->blob, 0) {
		const char *type = arm_fdt_string(fdt, node, "device_type");

		if (type && strcmp(type, "memory") == 0)
			break;
	}
	return node;
}

static int tree_drop_memory(struct arm_fdt *fdt)
{
	int node;

	while ((node = tree_memory(fdt)) >= 0) {
		int err = fdt_del_node(fdt->blob, node);

		if (err)
			return tree_failed(fdt, "memory", err);
	}
	return 0;
}

void tree_root_cells(const struct arm_fdt *fdt, uint32_t *addr, uint32_t *size)
{
	*addr = TREE_ADDR_CELLS;
	*size = TREE_SIZE_CELLS;
	arm_fdt_u32(fdt, 0, "#address-cells", 0, addr);
	arm_fdt_u32(fdt, 0, "#size-cells", 0, size);
}

/* As @n cells; NULL when it does not fit. */
static uint8_t *tree_put_cells(uint8_t *p, uint64_t value, unsigned n)
{
	if (n == 0 || n > 2 || (n == 1 && value > UINT32_MAX))
		return NULL;
	for (unsigned i = 0; i < n * 4; i++)
		p[i] = value >> (n * 4 - 1 - i) * 8;
	return p + n * 4;
}

int tree_set_reg(struct arm_fdt *fdt, int node, const struct gmem_range *ranges, unsigned n)
{
	uint8_t reg[GMEM_MAX_REGIONS * 16], *p = reg;
	uint32_t addr, size;

	assert(n <= GMEM_MAX_REGIONS);
	tree_root_cells(fdt, &addr, &size);
	for (unsigned i = 0; i < n && p; i++) {
		p = tree_put_cells(p, ranges[i].gpa, addr);
		p = p ? tree_put_cells(p, ranges[i].len, size) : NULL;
	}
	if (p)
		return tree_set(fdt, node, "reg", reg, p - reg);
	log_error("%s: has addresses of %u and sizes of %u cells, which have no room for what is to "
		  "be at %#" PRIx64 ": give the guest less", fdt->name, addr, size, ranges[0].gpa);
	return -EINVAL;
}

static int tree_add_memory(struct arm_fdt *fdt, const struct arm_fdt_boot *boot)
{
	char name[32];
	int node, ret;

	snprintf(name, sizeof(name), "memory@%" PRIx64, boot->memory[0].gpa);
	node = tree_top(fdt, name);
	if (node < 0)
		return node;
	ret = tree_set_string(fdt, node, "device_type", "memory");
	return ret < 0 ? ret : tree_set_reg(fdt, node, boot->memory, boot->n_memory);
}

/* --- CPUs ---------------------------------------------------------------------------- */

/* The next node of a CPU that could run, after @node or the first; negative: no more. */
static int tree_next_cpu(const struct arm_fdt *fdt, int cpus, int node)
{
	do
		node = node < 0 ? fdt_first_subnode(fdt->blob, cpus) :
				  fdt_next_subnode(fdt->blob, node);
	while (node >= 0 && !tree_is_cpu(fdt, node));
	return node;
}

/* cpu-map names CPUs that may be gone, and is of no use to a guest. */
static int tree_drop_cpu_map(struct arm_fdt *fdt, int cpus)
{
	int map = fdt_subnode_offset(fdt->blob, cpus, "cpu-map");

	return map < 0 ? 0 : fdt_del_node(fdt->blob, map);
}

static int tree_trim_cpus(struct arm_fdt *fdt, int cpus, unsigned keep)
{
	int node = -1, err = tree_drop_cpu_map(fdt, cpus);

	for (unsigned i = 0; i < keep; i++) {
		node = tree_next_cpu(fdt, cpus, node);
		if (node < 0) {
			log_error("%s: has %u CPUs, %u are wanted: give the guest fewer --cpus",
				  fdt->name, i, keep);
			return -EINVAL;
		}
	}
	while (!err) {
		int next = tree_next_cpu(fdt, cpus, node);

		if (next < 0)
			return 0;
		err = fdt_del_node(fdt->blob, next);
	}
	return tree_failed(fdt, "cpus", err);
}

static int tree_set_psci(struct arm_fdt *fdt)
{
	static const char compatible[] = "arm,psci-1.0\0arm,psci-0.2";
	int node = tree_top(fdt, "psci"), ret;

	if (node < 0)
		return node;
	ret = tree_set(fdt, node, "compatible", compatible, sizeof(compatible));
	return ret < 0 ? ret : tree_set_string(fdt, node, "method", "hvc");
}

static int tree_enable_by_psci(struct arm_fdt *fdt, int cpus)
{
	int node = -1;

	while ((node = tree_next_cpu(fdt, cpus, node)) >= 0) {
		int ret = tree_set_string(fdt, node, "enable-method", "psci");

		if (ret < 0)
			return ret;
	}
	return 0;
}

static int tree_patch_cpus(struct arm_fdt *fdt, const struct arm_fdt_boot *boot)
{
	int ret = boot->psci ? tree_set_psci(fdt) : 0, cpus = arm_fdt_find(fdt, "/cpus");

	if (ret < 0)
		return ret;
	if (cpus < 0) {
		log_error("%s: has no /cpus", fdt->name);
		return -EINVAL;
	}
	if (boot->n_cpus)
		ret = tree_trim_cpus(fdt, cpus, boot->n_cpus);
	return ret < 0 || !boot->psci ? ret : tree_enable_by_psci(fdt, cpus);
}

/* --- chosen ----------------------------------------------------------------------------- */

static int tree_set_bootargs(struct arm_fdt *fdt, int chosen, const char *cmdline)
{
	const char *own = arm_fdt_string(fdt, chosen, "bootargs");
	char *text;
	int ret;

	if (!cmdline || !*cmdline)
		return 0;
	own = own ? own : "";
	if (strlen(own) + 1 + strlen(cmdline) > ARM_FDT_MAX_CMDLINE) {
		log_error("%s: a command line of %zu characters, at most %d are possible",
			  fdt->name, strlen(own) + 1 + strlen(cmdline), ARM_FDT_MAX_CMDLINE);
		return -E2BIG;
	}
	/* A copy: the tree moves under its own strings. */
	if (asprintf(&text, "%s%s%s", own, *own ? " " : "", cmdline) < 0)
		return -ENOMEM;
	ret = tree_set_string(fdt, chosen, "bootargs", text);
	free(text);
	return ret;
}

/* One cell where the tree has such addresses, as 32-bit boot loaders write it. */
static int tree_set_address(struct arm_fdt *fdt, int node, const char *name, uint64_t value)
{
	uint32_t addr, size;
	uint8_t cells[8], *end;

	tree_root_cells(fdt, &addr, &size);
	end = tree_put_cells(cells, value, addr == 1 && value <= UINT32_MAX ? 1 : 2);
	return tree_set(fdt, node, name, cells, end - cells);
}

static int tree_set_initrd(struct arm_fdt *fdt, int chosen, const struct arm_fdt_boot *boot)
{
	int ret;

	if (!boot->initrd_len) {
		fdt_delprop(fdt->blob, chosen, "linux,initrd-start");
		fdt_delprop(fdt->blob, chosen, "linux,initrd-end");
		return 0;
	}
	ret = tree_set_address(fdt, chosen, "linux,initrd-start", boot->initrd_gpa);
	return ret < 0 ? ret : tree_set_address(fdt, chosen, "linux,initrd-end",
						boot->initrd_gpa + boot->initrd_len);
}

static int tree_set_seeds(struct arm_fdt *fdt, int chosen, const struct arm_fdt_boot *boot)
{
	int ret;

	if (!boot->seed)
		return 0;
	assert(boot->seed_len > SEED_KASLR && boot->seed_len <= SEED_MAX);
	ret = tree_set(fdt, chosen, "kaslr-seed", boot->seed, SEED_KASLR);
	return ret < 0 ? ret : tree_set(fdt, chosen, "rng-seed", boot->seed + SEED_KASLR,
					boot->seed_len - SEED_KASLR);
}

static int tree_patch_chosen(struct arm_fdt *fdt, const struct arm_fdt_boot *boot)
{
	int chosen = tree_top(fdt, "chosen"), ret;

	if (chosen < 0)
		return chosen;
	ret = tree_set_bootargs(fdt, chosen, boot->cmdline);
	if (ret == 0)
		ret = tree_set_initrd(fdt, chosen, boot);
	if (ret == 0 && boot->stdout_path)
		ret = tree_set_string(fdt, chosen, "stdout-path", boot->stdout_path);
	return ret < 0 ? ret : tree_set_seeds(fdt, chosen, boot);
}

/* --- all of it ---------------------------------------------------------------------------- */

/* More than anything that is added takes. */
static size_t tree_patch_room(const struct arm_fdt *fdt, const struct arm_fdt_boot *boot)
{
	const size_t nodes = 4096, cpu = 64;
	size_t cmdline = boot->cmdline ? strlen(boot->cmdline) : 0;
	size_t stdout_path = boot->stdout_path ? strlen(boot->stdout_path) : 0;

	return nodes + MIN(cmdline, (size_t)ARM_FDT_MAX_CMDLINE) +
	       MIN(stdout_path, (size_t)ARM_FDT_MAX_PATH) + boot->seed_len +
	       arm_fdt_cpus(fdt, NULL, 0) * cpu;
}

int arm_fdt_patch(struct arm_fdt *fdt, const struct arm_fdt_boot *boot)
{
	int ret = tree_grow(fdt, tree_patch_room(fdt, boot)), end;

	if (ret < 0)
		return ret;
	if (boot->n_memory)
		ret = tree_drop_memory(fdt);
	if (ret == 0 && boot->n_memory)
		ret = tree_add_memory(fdt, boot);
	if (ret == 0 && (boot->n_cpus || boot->psci))
		ret = tree_patch_cpus(fdt, boot);
	if (ret == 0)
		ret = tree_patch_chosen(fdt, boot);
	end = tree_shrink(fdt);
	return ret < 0 ? ret : end;
}

int arm_fdt_disable(struct arm_fdt *fdt, const char *path)
{
	const size_t room = 64;
	int ret = tree_grow(fdt, room), node, end;

	if (ret < 0)
		return ret;
	ret = node = arm_fdt_find(fdt, path);
	if (node < 0)
		log_error("%s: has no %s", fdt->name, path);
	else
		ret = tree_set_string(fdt, node, "status", "disabled");
	end = tree_shrink(fdt);
	return ret < 0 ? ret : end;
}
