/* SPDX-License-Identifier: MIT */
/*
 * Nodes in the order of the tree, with addresses and interrupts resolved. One
 * pass keeps the way from the root to where it is, so that nothing here takes
 * longer than the tree is large, or a little more.
 */
#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdlib.h>

#include "arch/arm/fdt_int.h"
#include "vmm/util.h"

#define TREE_MAX_RANGES 128	/* of a bus */

uint64_t tree_cells(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n * 4; i++)
		v = v << 8 | p[i];
	return v;
}

/* --- properties -------------------------------------------------------------------- */

static const char *const tree_prop_names[N_PROPS] = {
	[PROP_ADDR_CELLS] = "#address-cells",
	[PROP_SIZE_CELLS] = "#size-cells",
	[PROP_IRQ_CELLS] = "#interrupt-cells",
	[PROP_PHANDLE] = "phandle",
	[PROP_OLD_PHANDLE] = "linux,phandle",
	[PROP_STATUS] = "status",
	[PROP_RANGES] = "ranges",
	[PROP_COMPATIBLE] = "compatible",
	[PROP_REG] = "reg",
	[PROP_IRQ_PARENT] = "interrupt-parent",
	[PROP_IRQS] = "interrupts",
	[PROP_IRQS_EXTENDED] = "interrupts-extended",
	[PROP_IRQ_MAP] = "interrupt-map",
};

/* The first of a name counts, as for libfdt. */
static void tree_note_prop(struct tree_walk *w, const char *name, const void *value, int len)
{
	for (unsigned i = 0; i < N_PROPS; i++) {
		if (strcmp(name, tree_prop_names[i]) != 0)
			continue;
		if (!w->props[i].p)
			w->props[i] = (struct tree_value){ value, len };
		return;
	}
}

/* All at once: to ask libfdt for each takes as many passes over the node. */
static void tree_read_props(struct tree_walk *w)
{
	const void *blob = w->fdt->blob;
	int off;

	memset(w->props, 0, sizeof(w->props));
	fdt_for_each_property_offset(off, blob, w->offset) {
		const char *name;
		int len;
		const void *value = fdt_getprop_by_offset(blob, off, &name, &len);

		if (value)
			tree_note_prop(w, name, value, len);
	}
}

static bool tree_prop_u32(const struct tree_walk *w, enum tree_prop prop, uint32_t *value)
{
	if (w->props[prop].len < 4)
		return false;
	*value = tree_cells(w->props[prop].p, 1);
	return true;
}

/* One that counts cells. */
static int tree_count(const struct tree_walk *w, enum tree_prop prop, unsigned fallback,
		      unsigned max, unsigned *count)
{
	const char *name = tree_prop_names[prop];
	uint32_t value = fallback;

	if (w->props[prop].p && !tree_prop_u32(w, prop, &value))
		return tree_refuse(w->fdt, w->path, "%s is not a number", name);
	if (value > max)
		return tree_refuse(w->fdt, w->path, "%s is %u, at most %u makes sense", name, value,
				   max);
	*count = value;
	return 0;
}

/* --- levels ---------------------------------------------------------------------- */

/* DTSpec 2.3.4: without the property a node is okay. */
static bool tree_is_enabled(const struct tree_walk *w)
{
	const struct tree_value *status = &w->props[PROP_STATUS];

	return !status->p || (status->len == 5 && memcmp(status->p, "okay", 5) == 0) ||
	       (status->len == 3 && memcmp(status->p, "ok", 3) == 0);
}

/* DTSpec 2.4.1: named by the node itself, or the controller around it. */
static uint32_t tree_irq_parent(const struct tree_walk *w)
{
	const struct tree_level *up = w->depth ? &w->level[w->depth - 1] : NULL;
	uint32_t parent;

	if (tree_prop_u32(w, PROP_IRQ_PARENT, &parent))
		return parent;
	if (!up)
		return 0;
	/* One without a phandle can be nobody's in what is reported. */
	return up->irq_cells ? up->phandle : up->irq_parent;
}

static int tree_enter_path(struct tree_walk *w, struct tree_level *l)
{
	unsigned up = w->depth ? w->level[w->depth - 1].path_len : 0;
	const char *name = fdt_get_name(w->fdt->blob, w->offset, NULL);

	if (w->depth == 0) {
		/* The root's children add their own slash. */
		strcpy(w->path, "/");
		l->path_len = 0;
		return 0;
	}
	if (!name || up + 1 + strlen(name) >= sizeof(w->path)) {
		w->path[up] = 0;
		return tree_refuse(w->fdt, w->path, "the path of a node in it is longer than %d",
				   ARM_FDT_MAX_PATH);
	}
	w->path[up] = '/';
	strcpy(w->path + up + 1, name);
	l->path_len = up + 1 + strlen(name);
	return 0;
}

/* What the node at w->offset, of depth w->depth, says about its children. */
static int tree_enter(struct tree_walk *w)
{
	struct tree_level *l = &w->level[w->depth];
	int ret;

	*l = (struct tree_level){ .offset = w->offset };
	tree_read_props(w);
	ret = tree_enter_path(w, l);
	if (ret == 0)
		ret = tree_count(w, PROP_ADDR_CELLS, TREE_ADDR_CELLS, TREE_MAX_CELLS,
				 &l->addr_cells);
	if (ret == 0)
		ret = tree_count(w, PROP_SIZE_CELLS, TREE_SIZE_CELLS, TREE_MAX_CELLS,
				 &l->size_cells);
	if (ret == 0)
		ret = tree_count(w, PROP_IRQ_CELLS, 0, ARM_FDT_MAX_IRQ_CELLS,
				 &l->irq_cells);
	if (ret < 0)
		return ret;
	if (!tree_prop_u32(w, PROP_PHANDLE, &l->phandle))
		tree_prop_u32(w, PROP_OLD_PHANDLE, &l->phandle);
	l->enabled = tree_is_enabled(w) && (!w->depth || w->level[w->depth - 1].enabled);
	l->irq_parent = tree_irq_parent(w);
	l->ranges = w->props[PROP_RANGES];
	return 0;
}

static int tree_step(struct tree_walk *w)
{
	w->offset = fdt_next_node(w->fdt->blob, w->offset, &w->depth);
	if (w->offset == -FDT_ERR_NOTFOUND || (w->offset >= 0 && w->depth < 0))
		return -ENOENT;
	if (w->offset < 0)
		return tree_failed(w->fdt, "not a sound device tree", w->offset);
	if (w->depth >= ARM_FDT_MAX_DEPTH)
		return tree_refuse(w->fdt, w->path, "nodes are nested deeper than %d",
				   ARM_FDT_MAX_DEPTH);
	if (++w->n_nodes > ARM_FDT_MAX_NODES)
		return tree_refuse(w->fdt, w->path, "there are more than %d nodes",
				   ARM_FDT_MAX_NODES);
	return 0;
}

int tree_walk_next(struct tree_walk *w)
{
	int ret = tree_step(w);

	return ret < 0 ? ret : tree_enter(w);
}

/* --- interrupt controllers ------------------------------------------------------------ */

static int tree_controller_order(const void *a, const void *b)
{
	const struct tree_controller *x = a, *y = b;

	return (x->phandle > y->phandle) - (x->phandle < y->phandle);
}

const struct tree_controller *tree_controller(const struct tree_walk *w, uint32_t phandle)
{
	struct tree_controller key = { .phandle = phandle };

	if (!w->n_controllers)
		return NULL;
	return bsearch(&key, w->controllers, w->n_controllers, sizeof(key),
		       tree_controller_order);
}

static int tree_add_controller(struct tree_walk *w)
{
	const struct tree_level *l = &w->level[w->depth];
	struct tree_controller *c = w->controllers;
	uint32_t addr_cells = 0;

	if (!l->phandle || !l->irq_cells)
		return 0;
	/* Grown by doubling: at 16, 32, ... there is room for no more. */
	if (w->n_controllers == 0 || (w->n_controllers >= 16 && is_pow2(w->n_controllers)))
		c = realloc(c, MAX(w->n_controllers * 2, 16u) * sizeof(*c));
	if (!c)
		return -ENOMEM;
	/* Here absent is 0, whatever it is for a bus (drivers/of/irq.c of Linux). */
	if (w->props[PROP_ADDR_CELLS].p)
		addr_cells = l->addr_cells;
	w->controllers = c;
	w->controllers[w->n_controllers++] = (struct tree_controller){
		.phandle = l->phandle,
		.irq_cells = l->irq_cells,
		.addr_cells = addr_cells,
		.nexus = w->props[PROP_IRQ_MAP].p != NULL,
	};
	return 0;
}

static int tree_rewind(struct tree_walk *w)
{
	w->offset = w->depth = w->n_nodes = 0;
	return tree_enter(w);
}

static int tree_find_controllers(struct tree_walk *w)
{
	int ret = tree_rewind(w);

	while (ret == 0) {
		ret = tree_add_controller(w);
		if (ret == 0)
			ret = tree_walk_next(w);
	}
	if (ret != -ENOENT)
		return ret;
	if (w->n_controllers)
		qsort(w->controllers, w->n_controllers, sizeof(*w->controllers),
		      tree_controller_order);
	for (unsigned i = 1; i < w->n_controllers; i++)
		if (w->controllers[i].phandle == w->controllers[i - 1].phandle)
			return tree_refuse(w->fdt, "/", "two nodes have phandle %#x",
					   w->controllers[i].phandle);
	return tree_rewind(w);
}

int tree_walk_begin(struct tree_walk *w, const struct arm_fdt *fdt)
{
	int ret;

	w->fdt = fdt;
	w->controllers = NULL;
	w->n_controllers = 0;
	ret = tree_find_controllers(w);
	if (ret < 0)
		tree_walk_end(w);
	return ret;
}

void tree_walk_end(struct tree_walk *w)
{
	free(w->controllers);
	w->controllers = NULL;
}

/* --- addresses -------------------------------------------------------------------------- */

/* One entry of a bus's ranges (DTSpec 2.3.8); whether @range lies in it and was moved. */
static bool tree_apply_range(const uint8_t *entry, const struct tree_level *bus,
			     const struct tree_level *up, struct gmem_range *range)
{
	uint64_t child = tree_cells(entry, bus->addr_cells), gpa;
	uint64_t parent = tree_cells(entry + bus->addr_cells * 4, up->addr_cells);
	uint64_t len = tree_cells(entry + (bus->addr_cells + up->addr_cells) * 4,
				  bus->size_cells);

	if (range->gpa < child || !range_fits(range->gpa - child, range->len, len))
		return false;
	if (__builtin_add_overflow(parent, range->gpa - child, &gpa) || gpa + range->len < gpa)
		return false;
	range->gpa = gpa;
	return true;
}

static unsigned tree_range_size(const struct tree_level *bus, const struct tree_level *up)
{
	return (bus->addr_cells + up->addr_cells + bus->size_cells) * 4;
}

bool tree_translate(const struct tree_walk *w, int depth, struct gmem_range *range)
{
	for (; depth > 0; depth--) {
		const struct tree_level *bus = &w->level[depth], *up = bus - 1;
		unsigned size = tree_range_size(bus, up), off = 0;

		/* PCI's addresses of 3 cells go through arm_fdt_pci(). */
		if (!bus->ranges.p || bus->addr_cells > 2 || up->addr_cells > 2 ||
		    bus->size_cells > 2)
			return false;
		if (bus->ranges.len == 0)
			continue;
		while (off < bus->ranges.len &&
		       !tree_apply_range(bus->ranges.p + off, bus, up, range))
			off += size;
		if (off >= bus->ranges.len)
			return false;
	}
	return true;
}

static int tree_check_ranges(const struct tree_walk *w)
{
	const struct tree_level *l = &w->level[w->depth];
	unsigned size;

	if (w->depth == 0 || !l->ranges.len)
		return 0;
	size = tree_range_size(l, l - 1);
	if (size == 0 || l->ranges.len % size)
		return tree_refuse(w->fdt, w->path, "ranges has %u bytes, no multiple of %u",
				   l->ranges.len, size);
	/* Each address below is looked for in all of them. */
	if (l->ranges.len / size > TREE_MAX_RANGES)
		return tree_refuse(w->fdt, w->path, "ranges has %u entries, at most %d make sense",
				   l->ranges.len / size, TREE_MAX_RANGES);
	return 0;
}

/* Whether a reg in the children of @bus is memory of a CPU, before any ranges. */
static bool tree_is_memory_bus(const struct tree_walk *w, int depth)
{
	for (; depth > 0; depth--)
		if (!w->level[depth].ranges.p)
			return false;
	return true;
}

static int tree_read_regs(const struct tree_walk *w, struct arm_fdt_node *node)
{
	const struct tree_level *bus = w->depth ? &w->level[w->depth - 1] : NULL;
	const uint8_t *reg = w->props[PROP_REG].p;
	unsigned len = w->props[PROP_REG].len, size, addr_len;

	if (!reg || !bus || bus->addr_cells > 2 || bus->size_cells > 2 ||
	    !bus->addr_cells || !bus->size_cells || !tree_is_memory_bus(w, w->depth - 1))
		return 0;
	addr_len = bus->addr_cells * 4;
	size = addr_len + bus->size_cells * 4;
	if (len % size)
		return tree_refuse(w->fdt, w->path, "reg has %u bytes, no multiple of %u", len,
				   size);
	for (unsigned off = 0; off < len && node->n_regs < ARM_FDT_MAX_REGS; off += size) {
		struct gmem_range r = {
			.gpa = tree_cells(reg + off, bus->addr_cells),
			.len = tree_cells(reg + off + addr_len, bus->size_cells),
		};

		if (r.gpa + r.len < r.gpa)
			return tree_refuse(w->fdt, w->path, "reg wraps: %#" PRIx64 " bytes at %#"
					   PRIx64, r.len, r.gpa);
		if (!tree_translate(w, w->depth - 1, &r))
			r = (struct gmem_range){ 0 };
		node->regs[node->n_regs++] = r;
	}
	return 0;
}

/* --- interrupts ---------------------------------------------------------------------- */

static void tree_add_irq(struct arm_fdt_node *node, const struct tree_controller *c,
			 const uint8_t *cells)
{
	struct arm_fdt_irq *irq = &node->irqs[node->n_irqs];

	if (node->n_irqs == ARM_FDT_MAX_IRQS || c->nexus)
		return;
	node->n_irqs++;
	*irq = (struct arm_fdt_irq){ .controller = c->phandle, .n = c->irq_cells };
	for (unsigned i = 0; i < c->irq_cells; i++)
		irq->cells[i] = tree_cells(cells + i * 4, 1);
}

/* "interrupts-extended": each with its own controller. */
static int tree_read_extended(const struct tree_walk *w, const uint8_t *p, unsigned len,
			      struct arm_fdt_node *node)
{
	for (unsigned off = 0; off < len;) {
		const struct tree_controller *c = NULL;

		if (range_fits(off, 4, len))
			c = tree_controller(w, tree_cells(p + off, 1));
		/* Without it nobody knows where the next one begins; Linux stops here as well. */
		if (!c && range_fits(off, 4, len))
			return 0;
		if (!c || !range_fits(off, 4 + c->irq_cells * 4, len))
			return tree_refuse(w->fdt, w->path, "interrupts-extended ends within one");
		tree_add_irq(node, c, p + off + 4);
		off += 4 + c->irq_cells * 4;
	}
	return 0;
}

static int tree_read_irqs(const struct tree_walk *w, struct arm_fdt_node *node)
{
	const struct tree_value *extended = &w->props[PROP_IRQS_EXTENDED];
	const uint8_t *p = w->props[PROP_IRQS].p;
	unsigned len = w->props[PROP_IRQS].len;
	const struct tree_controller *c;

	if (extended->p)
		return tree_read_extended(w, extended->p, extended->len, node);
	c = p ? tree_controller(w, w->level[w->depth].irq_parent) : NULL;
	if (!c)
		return 0;
	if (len % (c->irq_cells * 4))
		return tree_refuse(w->fdt, w->path, "interrupts has %u bytes, no multiple of %u",
				   len, c->irq_cells * 4);
	for (unsigned off = 0; off < len; off += c->irq_cells * 4)
		tree_add_irq(node, c, p + off);
	return 0;
}

/* --- nodes ----------------------------------------------------------------------------- */

static int tree_read_compatible(const struct tree_walk *w, struct arm_fdt_node *node)
{
	node->compatible = (const char *)w->props[PROP_COMPATIBLE].p;
	node->compatible_len = w->props[PROP_COMPATIBLE].len;
	if (node->compatible &&
	    (node->compatible_len == 0 || node->compatible[node->compatible_len - 1] != 0))
		return tree_refuse(w->fdt, w->path, "compatible does not end in a NUL");
	return 0;
}

int tree_node_read(const struct tree_walk *w, struct arm_fdt_node *node)
{
	int ret;

	node->offset = w->offset;
	node->path = w->path;
	node->phandle = w->level[w->depth].phandle;
	node->n_regs = node->n_irqs = 0;
	ret = tree_read_compatible(w, node);
	if (ret == 0)
		ret = tree_check_ranges(w);
	if (ret == 0)
		ret = tree_read_regs(w, node);
	return ret < 0 ? ret : tree_read_irqs(w, node);
}

static int tree_visit(const struct tree_walk *w,
		      int (*visit)(void *ctx, const struct arm_fdt_node *node), void *ctx)
{
	struct arm_fdt_node node;
	int ret;

	if (!w->level[w->depth].enabled || !w->props[PROP_COMPATIBLE].p)
		return 0;
	ret = tree_node_read(w, &node);
	return ret < 0 ? ret : visit(ctx, &node);
}

int arm_fdt_walk(const struct arm_fdt *fdt,
		 int (*visit)(void *ctx, const struct arm_fdt_node *node), void *ctx)
{
	struct tree_walk w;
	int ret = tree_walk_begin(&w, fdt), end = 0;

	if (ret < 0)
		return ret;
	while (ret == 0 && end == 0) {
		end = tree_visit(&w, visit, ctx);
		if (end == 0)
			ret = tree_walk_next(&w);
	}
	tree_walk_end(&w);
	if (end)
		return end;
	return ret == -ENOENT ? 0 : ret;
}
