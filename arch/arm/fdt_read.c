/* SPDX-License-Identifier: MIT */
/* What a tree says about CPUs, memory, the console and a PCI host. */
#include <errno.h>
#include <libfdt.h>

#include "arch/arm/fdt_int.h"
#include "vmm/util.h"

/* --- CPUs ------------------------------------------------------------------------- */

bool tree_is_cpu(const struct arm_fdt *fdt, int node)
{
	const char *type = arm_fdt_string(fdt, node, "device_type");
	const char *status = arm_fdt_string(fdt, node, "status");

	/* A disabled CPU waits to be started (DTSpec 3.8.1); one that failed does not. */
	if (status && strncmp(status, "fail", 4) == 0)
		return false;
	return type && strcmp(type, "cpu") == 0;
}

static bool tree_read_cpu(const struct arm_fdt *fdt, int cpus, int node, struct arm_fdt_cpu *cpu)
{
	uint32_t cells = TREE_ADDR_CELLS, low;

	*cpu = (struct arm_fdt_cpu){ 0 };
	arm_fdt_u32(fdt, cpus, "#address-cells", 0, &cells);
	if (cells == 2) {
		if (!arm_fdt_u64(fdt, node, "reg", 0, &cpu->mpidr))
			return false;
	} else {
		if (!arm_fdt_u32(fdt, node, "reg", 0, &low))
			return false;
		cpu->mpidr = low;
	}
	cpu->method = arm_fdt_string(fdt, node, "enable-method");
	if (!cpu->method)
		cpu->method = arm_fdt_string(fdt, cpus, "enable-method");
	/* One cell or two: arch/arm64/kernel/smp_spin_table.c takes two, the Pi has one. */
	if (!arm_fdt_u64(fdt, node, "cpu-release-addr", 0, &cpu->release_addr) &&
	    arm_fdt_u32(fdt, node, "cpu-release-addr", 0, &low))
		cpu->release_addr = low;
	return true;
}

unsigned arm_fdt_cpus(const struct arm_fdt *fdt, struct arm_fdt_cpu *cpus, unsigned max)
{
	int parent = arm_fdt_find(fdt, "/cpus"), node;
	unsigned n = 0;

	if (parent < 0)
		return 0;
	fdt_for_each_subnode(node, fdt->blob, parent) {
		struct arm_fdt_cpu cpu;

		if (!tree_is_cpu(fdt, node) || !tree_read_cpu(fdt, parent, node, &cpu))
			continue;
		if (n < max)
			cpus[n] = cpu;
		n++;
	}
	return n;
}

/* --- memory ------------------------------------------------------------------------- */

struct tree_ranges {
	struct gmem_range *ranges;
	unsigned n, max;
	bool empty;		/* those without a length count, too */
};

static void tree_add_range(struct tree_ranges *out, struct gmem_range r)
{
	if ((r.len == 0 && !out->empty) || r.gpa + r.len < r.gpa)
		return;
	if (out->n < out->max)
		out->ranges[out->n] = r;
	out->n++;
}

/* The regs of all enabled nodes at @depth for which @want. */
static void tree_collect(const struct arm_fdt *fdt, int depth,
			 bool (*want)(const struct tree_walk *w), struct tree_ranges *out)
{
	struct arm_fdt_node node;
	struct tree_walk w;

	if (tree_walk_begin(&w, fdt) < 0)
		return;
	do {
		if (w.depth != depth || !w.level[depth].enabled || !want(&w) ||
		    tree_node_read(&w, &node) < 0)
			continue;
		for (unsigned i = 0; i < node.n_regs; i++)
			tree_add_range(out, node.regs[i]);
	} while (tree_walk_next(&w) == 0);
	tree_walk_end(&w);
}

static bool tree_at_memory(const struct tree_walk *w)
{
	const char *type = arm_fdt_string(w->fdt, w->offset, "device_type");

	return type && strcmp(type, "memory") == 0;
}

unsigned arm_fdt_memory(const struct arm_fdt *fdt, struct gmem_range *ranges, unsigned max)
{
	struct tree_ranges out = { ranges, 0, max, true };

	tree_collect(fdt, 1, tree_at_memory, &out);
	return out.n;
}

static bool tree_at_reserved(const struct tree_walk *w)
{
	return strncmp(w->path, "/reserved-memory/", 17) == 0;
}

unsigned arm_fdt_reserved(const struct arm_fdt *fdt, struct gmem_range *ranges, unsigned max)
{
	struct tree_ranges out = { ranges, 0, max, false };
	int n = fdt_num_mem_rsv(fdt->blob);

	for (int i = 0; i < n; i++) {
		uint64_t gpa, len;

		if (fdt_get_mem_rsv(fdt->blob, i, &gpa, &len) == 0)
			tree_add_range(&out, (struct gmem_range){ gpa, len });
	}
	tree_collect(fdt, 2, tree_at_reserved, &out);
	return out.n;
}

/* --- the console ---------------------------------------------------------------------- */

int arm_fdt_stdout(const struct arm_fdt *fdt)
{
	int chosen = arm_fdt_find(fdt, "/chosen"), aliases;
	const char *path = chosen < 0 ? NULL : arm_fdt_string(fdt, chosen, "stdout-path");
	char name[ARM_FDT_MAX_PATH];
	size_t len = path ? strcspn(path, ":") : 0;

	if (len == 0 || len >= sizeof(name))
		return -ENOENT;
	memcpy(name, path, len);
	name[len] = 0;
	if (*name == '/')
		return arm_fdt_find(fdt, name);
	aliases = arm_fdt_find(fdt, "/aliases");
	path = aliases < 0 ? NULL : arm_fdt_string(fdt, aliases, name);
	return path ? arm_fdt_find(fdt, path) : -ENOENT;
}

/* --- PCI ------------------------------------------------------------------------------- */

/* PCI Bus Binding to IEEE 1275, 2.2.1: space code in phys.hi. */
#define PCI_ADDR_CELLS 3
#define PCI_SIZE_CELLS 2
#define PCI_SPACE(hi) ((hi) >> 24 & 3)
#define PCI_SPACE_IO 1
#define PCI_SPACE_MEM32 2
#define PCI_SPACE_MEM64 3

static void tree_pci_window(const struct tree_walk *w, const uint8_t *entry, unsigned up_cells,
			    struct arm_fdt_pci *pci)
{
	unsigned space = PCI_SPACE(tree_cells(entry, 1));
	uint64_t base = tree_cells(entry + 4, 2);
	struct gmem_range r = {
		.gpa = tree_cells(entry + PCI_ADDR_CELLS * 4, up_cells),
		.len = tree_cells(entry + (PCI_ADDR_CELLS + up_cells) * 4, PCI_SIZE_CELLS),
	};
	struct gmem_range *window = space == PCI_SPACE_IO ? &pci->io :
				    space == PCI_SPACE_MEM32 ? &pci->mem32 :
				    space == PCI_SPACE_MEM64 ? &pci->mem64 : NULL;

	/* The first of each kind. */
	if (!window || window->len || r.gpa + r.len < r.gpa || base + r.len < base ||
	    !tree_translate(w, w->depth - 1, &r))
		return;
	*window = r;
	if (space == PCI_SPACE_IO)
		pci->io_base = base;
	else if (space == PCI_SPACE_MEM32)
		pci->mem32_base = base;
	else
		pci->mem64_base = base;
}

static int tree_pci_ranges(const struct tree_walk *w, struct arm_fdt_pci *pci)
{
	const struct tree_level *l = &w->level[w->depth];
	unsigned up = w->depth ? w->level[w->depth - 1].addr_cells : 0, size;

	if (l->addr_cells != PCI_ADDR_CELLS || l->size_cells != PCI_SIZE_CELLS || up == 0 || up > 2)
		return tree_refuse(w->fdt, w->path, "a PCI host of %u address and %u size cells, "
				   "below one of %u", l->addr_cells, l->size_cells, up);
	/* tree_node_read() has seen that they are whole. */
	size = (PCI_ADDR_CELLS + up + PCI_SIZE_CELLS) * 4;
	for (unsigned off = 0; off < l->ranges.len; off += size)
		tree_pci_window(w, l->ranges.p + off, up, pci);
	return 0;
}

/* An entry of interrupt-map that is for slot 0: what pins it is for, @mask says. */
static void tree_pci_intx(const uint8_t *entry, const uint32_t *mask,
			  const struct arm_fdt_irq *irq, struct arm_fdt_pci *pci)
{
	uint32_t pin = tree_cells(entry + PCI_ADDR_CELLS * 4, 1);

	if (tree_cells(entry, 1) & mask[0])
		return;
	for (uint32_t i = 0; i < 4; i++)
		if (((i + 1) & mask[3]) == pin && !pci->intx[i].n)
			pci->intx[i] = *irq;
}

/* DTSpec 2.4.3. The length of the entry; 0 when it does not fit. */
static unsigned tree_pci_map_entry(const struct tree_walk *w, const uint8_t *p, unsigned left,
				   const uint32_t *mask, struct arm_fdt_pci *pci)
{
	const unsigned child = (PCI_ADDR_CELLS + 1) * 4;
	const struct tree_controller *c;
	struct arm_fdt_irq irq = { 0 };
	unsigned spec;

	if (left < child + 4)
		return 0;
	c = tree_controller(w, tree_cells(p + child, 1));
	if (!c)
		return 0;
	spec = child + 4 + c->addr_cells * 4;
	if (left < spec + c->irq_cells * 4)
		return 0;
	irq.controller = c->phandle;
	irq.n = c->irq_cells;
	for (unsigned i = 0; i < irq.n; i++)
		irq.cells[i] = tree_cells(p + spec + i * 4, 1);
	if (!c->nexus)
		tree_pci_intx(p, mask, &irq, pci);
	return spec + irq.n * 4;
}

static void tree_pci_map(const struct tree_walk *w, struct arm_fdt_pci *pci)
{
	uint32_t mask[4] = { ~0u, ~0u, ~0u, ~0u };
	unsigned len, n = 1;
	const uint8_t *map = arm_fdt_bytes(w->fdt, w->offset, "interrupt-map", &len);

	for (unsigned i = 0; i < 4; i++)
		arm_fdt_u32(w->fdt, w->offset, "interrupt-map-mask", i, &mask[i]);
	if (!map || w->level[w->depth].irq_cells != 1)
		return;
	for (unsigned off = 0; off < len && n; off += n)
		n = tree_pci_map_entry(w, map + off, len - off, mask, pci);
}

/* msi-map is rid-base, controller, msi-base, length (pci-msi.txt of the bindings). */
static void tree_pci_rest(const struct tree_walk *w, const struct arm_fdt_node *node,
			  struct arm_fdt_pci *pci)
{
	uint64_t buses = node->n_regs ? node->regs[0].len >> 20 : 0;
	uint32_t bus[2] = { 0, 255 };

	for (unsigned i = 0; i < 2; i++)
		arm_fdt_u32(w->fdt, w->offset, "bus-range", i, &bus[i]);
	pci->bus_first = MIN(bus[0], 255u);
	pci->bus_last = MIN(MAX(bus[1], pci->bus_first), 255u);
	if (buses && pci->bus_last - pci->bus_first >= buses)
		pci->bus_last = pci->bus_first + buses - 1;
	if (!arm_fdt_u32(w->fdt, w->offset, "msi-map", 1, &pci->msi_controller))
		arm_fdt_u32(w->fdt, w->offset, "msi-parent", 0, &pci->msi_controller);
}

int arm_fdt_pci(const struct arm_fdt *fdt, const struct arm_fdt_node *node,
		struct arm_fdt_pci *pci)
{
	struct tree_walk w;
	int ret = tree_walk_begin(&w, fdt);

	*pci = (struct arm_fdt_pci){ 0 };
	if (ret < 0)
		return ret;
	while (ret == 0 && w.offset != node->offset)
		ret = tree_walk_next(&w);
	if (ret == 0)
		ret = tree_pci_ranges(&w, pci);
	if (ret == 0) {
		tree_pci_map(&w, pci);
		tree_pci_rest(&w, node, pci);
	}
	tree_walk_end(&w);
	return ret;
}
