/* SPDX-License-Identifier: MIT */
/* What KVM itself is of a device tree: interrupt controllers, timer, PMU. */
#include <errno.h>
#include <stdlib.h>

#include "arch/arm/machine.h"
#include "devices/gic_v2m.h"
#include "vmm/util.h"

/* Cells of an interrupt: Linux, bindings/interrupt-controller/arm,gic*.yaml. */
#define GIC_CELLS 3		/* a GICv3's may have a fourth: which CPUs */
#define GIC_CELL_SPI 0
#define GIC_CELL_PPI 1
#define GIC_SPI_BASE 32
#define GIC_MAX_SPIS 988
#define GIC_PPI_BASE 16
#define GIC_MAX_PPIS 16

/* What MSI_TYPER of a v2m frame says where the tree does not. */
#define V2M_FIRST (GIC_SPI_BASE + 64)
#define V2M_N 128

/* --- the GIC --------------------------------------------------------------------- */

static bool gic_irq_line(struct vm *vm, void *ctx, const struct arm_fdt_irq *irq,
			 struct irq_line *line)
{
	struct arm_gic_place *gic = ctx;

	if (irq->n < GIC_CELLS || irq->cells[0] != GIC_CELL_SPI || irq->cells[1] >= GIC_MAX_SPIS)
		return false;
	gic->n_spis = MAX(gic->n_spis, irq->cells[1] + 1);
	*line = kvm_irq_line(&vm->kvm, arm_gic_line(irq->cells[1]));
	return true;
}

static int gic_add(struct vm *vm, const struct arm_fdt_node *node, enum arm_gic version,
		   unsigned n_regs)
{
	struct arm_gic_place *gic = &vm->machine->gic;
	struct arm_controller controller = { node->phandle, gic_irq_line, gic };

	if (gic->known) {
		log_error("%s: there is one GIC only", node->path);
		return -EINVAL;
	}
	if (node->n_regs < n_regs) {
		log_error("%s: the node lacks addresses of the GIC", node->path);
		return -EINVAL;
	}
	gic->known = true;
	gic->version = version;
	gic->phandle = node->phandle;
	gic->dist = node->regs[0];
	arm_controller_add(vm, &controller);
	return 0;
}

int arm_add_gic_v2(struct vm *vm, const struct arm_fdt_node *node)
{
	int ret = gic_add(vm, node, ARM_GIC_V2, 2);

	if (ret == 0)
		vm->machine->gic.cpu = node->regs[1];
	return ret;
}

int arm_add_gic_v3(struct vm *vm, const struct arm_fdt_node *node)
{
	struct arm_gic_place *gic = &vm->machine->gic;
	uint32_t n = 1;
	int ret = gic_add(vm, node, ARM_GIC_V3, 2);

	if (ret < 0)
		return ret;
	arm_fdt_u32(&vm->machine->tree, node->offset, "#redistributor-regions", 0, &n);
	n = MIN(n, node->n_regs - 1);
	gic->n_redists = MIN(n, (uint32_t)ARM_GIC_MAX_REDISTS);
	for (unsigned i = 0; i < gic->n_redists; i++)
		gic->redists[i] = node->regs[1 + i];
	return 0;
}

int arm_add_its(struct vm *vm, const struct arm_fdt_node *node)
{
	struct arm_gic_place *gic = &vm->machine->gic;

	if (!node->n_regs || gic->its.len) {
		log_error("%s: %s", node->path, gic->its.len ? "there is one ITS only" :
			  "the node has no address");
		return -EINVAL;
	}
	gic->its = node->regs[0];
	return 0;
}

/* --- messages through wires ------------------------------------------------------- */

struct v2m_device {
	struct arm_device dev;
	struct gic_v2m v2m;
};

static void v2m_finish(struct vm *vm, struct arm_device *dev)
{
	struct v2m_device *d = container_of(dev, struct v2m_device, dev);

	bus_remove(&vm->mmio, &d->v2m.region);
	free(d);
}

int arm_add_v2m(struct vm *vm, const struct arm_fdt_node *node)
{
	static const struct arm_device_ops ops = { .finish = v2m_finish };
	struct arch_machine *m = vm->machine;
	uint32_t first = V2M_FIRST, n = V2M_N;
	struct v2m_device *d;
	unsigned spi;
	int ret;

	/* GIC interrupts, not SPIs; a tree that lacks them means the register's. */
	arm_fdt_u32(&m->tree, node->offset, "arm,msi-base-spi", 0, &first);
	arm_fdt_u32(&m->tree, node->offset, "arm,msi-num-spis", 0, &n);
	if (first < GIC_SPI_BASE || !n || !range_fits(first, n, GIC_SPI_BASE + GIC_MAX_SPIS)) {
		log_error("%s: %u interrupts from %u on are no SPIs", node->path, n, first);
		return -EINVAL;
	}
	/* Others only serve guests that do without. */
	if (vm->kvm.frame.n)
		return arm_node_off(vm, node);
	spi = first - GIC_SPI_BASE;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	gic_v2m_init(&d->v2m, kvm_irq_line(&vm->kvm, arm_gic_line(spi)), first, n);
	arm_device_add(vm, &d->dev, &ops);
	ret = arm_node_map(vm, node, 0, &d->v2m.region);
	if (ret < 0)
		return ret;
	m->gic.n_spis = MAX(m->gic.n_spis, spi + n);
	vm->kvm.frame = (struct kvm_msi_frame){
		.addr = node->regs[0].gpa + GIC_V2M_SETSPI,
		.first = first,
		.n = n,
		.pin = spi,
		.line = arm_gic_line(spi),
	};
	return 0;
}

/* --- private interrupts of CPUs ---------------------------------------------------- */

/* The GIC interrupt of PPI number @index of the node, or 0. */
static unsigned node_ppi(struct vm *vm, const struct arm_fdt_node *node, unsigned index)
{
	const struct arm_fdt_irq *irq = &node->irqs[index];

	if (index >= node->n_irqs || irq->controller != vm->machine->gic.phandle ||
	    irq->n < GIC_CELLS || irq->cells[0] != GIC_CELL_PPI || irq->cells[1] >= GIC_MAX_PPIS)
		return 0;
	return GIC_PPI_BASE + irq->cells[1];
}

/* bindings/timer/arm,arch_timer.yaml: secure, physical, virtual, hypervisor. */
int arm_add_timer(struct vm *vm, const struct arm_fdt_node *node)
{
	struct arch_machine *m = vm->machine;

	m->phys_timer = node_ppi(vm, node, 1);
	m->virt_timer = node_ppi(vm, node, 2);
	return 0;
}

int arm_add_pmu(struct vm *vm, const struct arm_fdt_node *node)
{
	struct arch_machine *m = vm->machine;

	m->pmu_irq = node_ppi(vm, node, 0);
	if (m->pmu_irq && kvm_cap(&vm->kvm, KVM_CAP_ARM_PMU_V3) > 0)
		return 0;
	m->pmu_irq = 0;
	return arm_node_off(vm, node);
}
