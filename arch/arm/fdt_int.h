/* SPDX-License-Identifier: MIT */
/* Between the parts of the device tree, fdt*.c. */
#ifndef MICROVM_ARM_FDT_INT_H
#define MICROVM_ARM_FDT_INT_H

#include "arch/arm/fdt.h"

/* DTSpec 2.3.5: what a parent without the properties says. */
#define TREE_ADDR_CELLS 2
#define TREE_SIZE_CELLS 1
#define TREE_MAX_CELLS 16	/* real trees have up to 7 where they are of no use */

/* libfdt's error as an errno, with a line in the log that names the tree. */
int tree_failed(const struct arm_fdt *fdt, const char *what, int err);
/* -EINVAL, with a line in the log that names tree and node. */
__attribute__((format(printf, 3, 4)))
int tree_refuse(const struct arm_fdt *fdt, const char *path, const char *fmt, ...);

/*
 * fdt.c: arm_fdt_open_blob() of what is no machine's tree. It has the form of one, and may
 * say anything in that.
 */
int tree_open_form(struct arm_fdt *fdt, const void *blob, size_t len, const char *name);

/* fdt_patch.c. Makes room for @extra bytes; tree_shrink() takes back what was not needed. */
int tree_grow(struct arm_fdt *fdt, size_t extra);
int tree_shrink(struct arm_fdt *fdt);
int tree_set(struct arm_fdt *fdt, int node, const char *name, const void *value, size_t len);
int tree_set_string(struct arm_fdt *fdt, int node, const char *name, const char *s);
/* How many cells addresses and sizes at the root have. */
void tree_root_cells(const struct arm_fdt *fdt, uint32_t *addr, uint32_t *size);
/* "reg" of a child of the root; GMEM_MAX_REGIONS ranges at most. */
int tree_set_reg(struct arm_fdt *fdt, int node, const struct gmem_range *ranges, unsigned n);
/* A child of the root, which is made if it is not there: its offset or negative errno. */
int tree_top(struct arm_fdt *fdt, const char *name);

/* What is looked at in every node. */
enum tree_prop {
	PROP_ADDR_CELLS, PROP_SIZE_CELLS, PROP_IRQ_CELLS, PROP_PHANDLE, PROP_OLD_PHANDLE,
	PROP_STATUS, PROP_RANGES, PROP_COMPATIBLE, PROP_REG, PROP_IRQ_PARENT, PROP_IRQS,
	PROP_IRQS_EXTENDED, PROP_IRQ_MAP, N_PROPS,
};

struct tree_value {
	const uint8_t *p;		/* NULL: the node has no such property */
	unsigned len;
};

/* A node on the way down from the root, and what it says about its children. */
struct tree_level {
	int offset;
	unsigned addr_cells, size_cells;
	bool enabled;			/* and so is all above */
	struct tree_value ranges;
	uint32_t phandle;
	unsigned irq_cells;		/* 0: no interrupt parent */
	uint32_t irq_parent;		/* of the node itself; 0: none */
	unsigned path_len;
};

struct tree_controller {
	uint32_t phandle;
	unsigned irq_cells, addr_cells;
	bool nexus;			/* has an interrupt-map */
};

/* A position in the tree, in its order. */
struct tree_walk {
	const struct arm_fdt *fdt;
	int offset, depth;		/* depth < 0: past the end */
	unsigned n_nodes;
	struct tree_value props[N_PROPS];	/* of the node here */
	struct tree_level level[ARM_FDT_MAX_DEPTH];
	char path[ARM_FDT_MAX_PATH];
	struct tree_controller *controllers;	/* by phandle */
	unsigned n_controllers;
};

/* At the root. 0, or negative errno; then there is nothing to end. */
int tree_walk_begin(struct tree_walk *w, const struct arm_fdt *fdt);
/* The next node: 0, -ENOENT when there is none, other errno after a line in the log. */
int tree_walk_next(struct tree_walk *w);
void tree_walk_end(struct tree_walk *w);

/* A number of @n cells, 2 at most. */
uint64_t tree_cells(const uint8_t *p, unsigned n);
/* The node at @w, but for what its parents say of it. -EINVAL: a lie in the tree. */
int tree_node_read(const struct tree_walk *w, struct arm_fdt_node *node);
/*
 * A range in the address space of the children of level @depth as CPU addresses:
 * false when no bus passes it on.
 */
bool tree_translate(const struct tree_walk *w, int depth, struct gmem_range *range);
/* NULL: none. */
const struct tree_controller *tree_controller(const struct tree_walk *w, uint32_t phandle);

/* fdt_read.c: whether a child of /cpus is a CPU that could run. */
bool tree_is_cpu(const struct arm_fdt *fdt, int node);

#endif
