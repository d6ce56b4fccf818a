/* SPDX-License-Identifier: MIT */
/*
 * From the tree to the machine: each node to its model. No KVM: what a model needs
 * of it, it gets by irq_line and msi_sink.
 */
#include "arch/arm/machine.h"

#include <errno.h>
#include <stdlib.h>

#include "vmm/util.h"

/* --- for models ---------------------------------------------------------------------- */

void arm_device_add(struct vm *vm, struct arm_device *dev, const struct arm_device_ops *ops)
{
	dev->ops = ops;
	dev->next = vm->machine->devices;
	vm->machine->devices = dev;
}

void arm_controller_add(struct vm *vm, const struct arm_controller *controller)
{
	struct arch_machine *m = vm->machine;

	if (m->n_controllers < ARM_MAX_CONTROLLERS)
		m->controllers[m->n_controllers++] = *controller;
}

struct irq_line arm_irq(struct vm *vm, const struct arm_fdt_irq *irq)
{
	struct arch_machine *m = vm->machine;
	struct irq_line line = { 0 };

	for (unsigned i = 0; i < m->n_controllers && irq->n; i++) {
		const struct arm_controller *c = &m->controllers[i];

		if (c->phandle == irq->controller && c->line(vm, c->ctx, irq, &line))
			break;
	}
	return line;
}

struct irq_line arm_node_irq(struct vm *vm, const struct arm_fdt_node *node, unsigned index)
{
	static const struct arm_fdt_irq none;

	return arm_irq(vm, index < node->n_irqs ? &node->irqs[index] : &none);
}

int arm_node_map(struct vm *vm, const struct arm_fdt_node *node, unsigned index,
		 struct io_region *region)
{
	int ret = index < node->n_regs && node->regs[index].len ?
		  bus_add(&vm->mmio, region, node->regs[index].gpa) : -EINVAL;

	if (ret < 0)
		log_error("device tree: %s has no place for its registers", node->path);
	return ret;
}

int arm_node_off(struct vm *vm, const struct arm_fdt_node *node)
{
	struct arch_machine *m = vm->machine;

	if (m->n_off == ARM_MAX_OFF)
		return 0;
	m->off[m->n_off] = strdup(node->path);
	return m->off[m->n_off++] ? 0 : -ENOMEM;
}

/* --- what has no model ------------------------------------------------------------------ */

static uint64_t absent_read(void *dev, uint64_t off, unsigned size)
{
	return 0;
}

static void absent_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
}

bool arm_node_is_memory(const struct arm_fdt_node *node)
{
	static const char dir[] = "/reserved-memory/";

	return !strncmp(node->path, dir, sizeof(dir) - 1);
}

static bool is_cpu(struct vm *vm, const struct arm_fdt_node *node)
{
	const char *type = arm_fdt_string(&vm->machine->tree, node->offset, "device_type");

	return type && !strcmp(type, "cpu");
}

/* Drivers that probe what is not there find zeros, as of hardware that is switched off. */
static int add_absent(struct vm *vm, const struct arm_fdt_node *node)
{
	static const struct io_ops ops = { absent_read, absent_write };
	struct arch_machine *m = vm->machine;

	if ((!node->n_regs && !node->n_irqs) || !strcmp(node->path, "/") || is_cpu(vm, node) ||
	    arm_node_is_memory(node))
		return 0;
	log_info("device tree: %s (%s) has no model", node->path, node->compatible);
	m->n_unknown++;
	for (unsigned i = 0; i < node->n_regs && m->n_absent < ARM_MAX_ABSENT; i++) {
		struct io_region *r = &m->absent[m->n_absent];

		if (!node->regs[i].len)
			continue;
		*r = (struct io_region){ .name = "absent", .ops = &ops, .len = node->regs[i].len };
		if (bus_add(&vm->mmio, r, node->regs[i].gpa) == 0)
			m->n_absent++;
	}
	return 0;
}

/* --- from the tree to the machine ------------------------------------------------------- */

static const struct arm_model *find_model(const struct arm_fdt_node *node)
{
	static const struct arm_model *const tables[] = { arm_models, arm_bcm_models,
							    arm_usb_models };

	for (unsigned i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct arm_model *model = tables[i]; model->compatible; model++)
			if (arm_fdt_is_compatible(node, model->compatible))
				return model;
	return NULL;
}

struct build {
	struct vm *vm;
	unsigned stage;
};

static int build_node(void *ctx, const struct arm_fdt_node *node)
{
	struct build *b = ctx;
	const struct arm_model *model = find_model(node);

	if (!model)
		return b->stage == ARM_STAGES ? add_absent(b->vm, node) : 0;
	return model->add && model->stage == b->stage ? model->add(b->vm, node) : 0;
}

int arm_machine_build(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	int ret = 0;

	/* Those without a model come last: among overlapping windows the first one counts. */
	for (unsigned stage = 0; stage <= ARM_STAGES && ret == 0; stage++)
		ret = arm_fdt_walk(&m->tree, build_node, &(struct build){ vm, stage });
	if (ret < 0)
		return ret;
	if (m->n_unknown)
		log_warn("devices of the tree without a model here: %u%s", m->n_unknown,
			 log_get_level() < LOG_INFO ? " (-v names them)" : "");
	if (m->gic.known && vm->cfg->gic && !strcmp(vm->cfg->gic, "none")) {
		log_error("--gic none: the device tree has a GIC");
		return -EINVAL;
	}
	if (m->gic.known)
		return 0;
	if (m->bcm.local && vm->n_vcpus <= BCM283X_CPUS)
		return 0;
	if (m->bcm.local) {
		log_error("--cpus %u: a BCM2836's interrupt controller serves %d at most",
			  vm->n_vcpus, BCM283X_CPUS);
		return -EINVAL;
	}
	log_error("the device tree has no interrupt controller that is known here: GICv2, GICv3 "
		  "or a BCM2836's");
	return -EINVAL;
}

void arm_machine_clear(struct vm *vm)
{
	struct arch_machine *m = vm->machine;

	while (m->devices) {
		struct arm_device *dev = m->devices;

		m->devices = dev->next;
		dev->ops->finish(vm, dev);
	}
	if (vm->pci.mmio)
		pci_bus_finish(&vm->pci);
	for (unsigned i = 0; i < m->n_absent; i++)
		bus_remove(&vm->mmio, &m->absent[i]);
	for (unsigned i = 0; i < m->n_off; i++)
		free(m->off[i]);
	for (unsigned i = 0; i < vm->n_mmio_slots; i++)
		free(m->slot_paths[i]);
}
