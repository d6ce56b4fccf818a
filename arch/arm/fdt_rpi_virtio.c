/* SPDX-License-Identifier: MIT */
/* Nodes for virtio-mmio on a Raspberry Pi's board: virtio/mmio.yaml. */
#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>

#include "arch/arm/fdt_int.h"
#include "arch/arm/rpi.h"
#include "vmm/log.h"
#include "vmm/util.h"

/* Behind all that a BCM2836 decodes, "QA7 Rev3.4". */
#define RPI_VIRTIO_GPA 0x48000000u
#define RPI_VIRTIO_STRIDE 0x200u
#define RPI_VIRTIO_ROOM 256		/* bytes, for a node */
#define RPI_BANKS 3

/*
 * Interrupts of the peripherals, bank and number, that no tree of Linux's for a BCM2835,
 * 2836 or 2837 has: codecs, synchronisation and hosts that are the GPU's own.
 */
static const struct rpi_line {
	uint8_t bank, n;
} rpi_lines[] = {
	{ 1, 4 }, { 1, 5 }, { 1, 6 }, { 1, 7 }, { 1, 8 }, { 1, 12 }, { 1, 13 }, { 1, 14 },
	{ 1, 15 }, { 1, 30 }, { 1, 31 }, { 2, 0 }, { 2, 2 }, { 2, 3 }, { 2, 5 }, { 2, 11 },
};
_Static_assert(ARRAY_SIZE(rpi_lines) == ARM_RPI_MAX_VIRTIO, "a line for each");

struct rpi_lines_used {
	uint32_t controller;	/* phandle; 0: there is none */
	uint32_t used[RPI_BANKS];
};

static int rpi_see_controller(void *ctx, const struct arm_fdt_node *node)
{
	struct rpi_lines_used *u = ctx;

	if (!arm_fdt_is_compatible(node, "brcm,bcm2836-armctrl-ic"))
		return 0;
	u->controller = node->phandle;
	return 1;
}

static int rpi_see_lines(void *ctx, const struct arm_fdt_node *node)
{
	struct rpi_lines_used *u = ctx;

	for (unsigned i = 0; i < node->n_irqs; i++) {
		const struct arm_fdt_irq *irq = &node->irqs[i];

		if (irq->controller == u->controller && irq->n >= 2 &&
		    irq->cells[0] < RPI_BANKS && irq->cells[1] < 32)
			u->used[irq->cells[0]] |= BIT(irq->cells[1]);
	}
	return 0;
}

/* Which of the table's lines is the @n-th that is free; NULL: there are not as many. */
static const struct rpi_line *rpi_free_line(const struct rpi_lines_used *u, unsigned n)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rpi_lines); i++)
		if (!(u->used[rpi_lines[i].bank] & BIT(rpi_lines[i].n)) && n-- == 0)
			return &rpi_lines[i];
	return NULL;
}

static int rpi_set_cells(struct arm_fdt *fdt, int node, const char *name, uint32_t first,
			 uint32_t second)
{
	fdt32_t cells[] = { cpu_to_fdt32(first), cpu_to_fdt32(second) };

	return tree_set(fdt, node, name, cells, sizeof(cells));
}

/* At the root: addresses that devices are told are the CPU's there, in /soc they are not. */
static int rpi_add_virtio(struct arm_fdt *fdt, uint32_t controller, const struct rpi_line *line,
			  uint32_t gpa)
{
	fdt32_t parent = cpu_to_fdt32(controller);
	char name[32];
	int node, ret;

	snprintf(name, sizeof(name), "virtio_mmio@%" PRIx32, gpa);
	node = tree_top(fdt, name);
	if (node < 0)
		return node;
	if ((ret = tree_set(fdt, node, "dma-coherent", NULL, 0)) < 0 ||
	    (ret = rpi_set_cells(fdt, node, "interrupts", line->bank, line->n)) < 0 ||
	    (ret = tree_set(fdt, node, "interrupt-parent", &parent, sizeof(parent))) < 0 ||
	    (ret = tree_set_reg(fdt, node, &(struct gmem_range){ gpa, RPI_VIRTIO_STRIDE }, 1)) < 0)
		return ret;
	return tree_set_string(fdt, node, "compatible", "virtio,mmio");
}

static int rpi_add_all(struct arm_fdt *fdt, const struct rpi_lines_used *u, unsigned n)
{
	int ret = 0;

	/* A new node comes first in a tree: backwards, for guests number them as they come. */
	while (n-- > 0 && ret == 0) {
		const struct rpi_line *line = rpi_free_line(u, n);

		if (!line) {
			log_error("%s: has no interrupt left for a virtio device: name fewer",
				  fdt->name);
			return -ENOSPC;
		}
		ret = rpi_add_virtio(fdt, u->controller, line,
				     RPI_VIRTIO_GPA + n * RPI_VIRTIO_STRIDE);
	}
	return ret;
}

int arm_rpi_add_virtio(struct arm_fdt *fdt, unsigned n)
{
	struct rpi_lines_used u = { 0 };
	int ret = arm_fdt_walk(fdt, rpi_see_controller, &u), end;

	if (ret < 0 || !n || !u.controller)
		return MIN(ret, 0);
	ret = arm_fdt_walk(fdt, rpi_see_lines, &u);
	if (ret == 0)
		ret = tree_grow(fdt, (size_t)MIN(n, ARM_RPI_MAX_VIRTIO + 1u) * RPI_VIRTIO_ROOM);
	if (ret < 0)
		return ret;
	ret = rpi_add_all(fdt, &u, MIN(n, ARM_RPI_MAX_VIRTIO + 1u));
	end = tree_shrink(fdt);
	return ret < 0 ? ret : end;
}
