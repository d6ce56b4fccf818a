/* SPDX-License-Identifier: MIT */
/* The devices that a tree can ask for. A new one is a function and a line of the table. */
#include <errno.h>
#include <stdlib.h>

#include "arch/arm/machine.h"
#include "devices/pl011.h"
#include "devices/pvpanic.h"
#include "devices/rtc_pl031.h"
#include "devices/serial16550.h"
#include "devices/testdev.h"
#include "vmm/util.h"

#define KEY_POWER 116		/* linux/input-event-codes.h */

/* --- serial ports ---------------------------------------------------------------- */

/* What --serial says belongs to the console, /chosen/stdout-path, or else the first port. */
struct chardev *arm_uart_chardev(struct vm *vm, const struct arm_fdt_node *node)
{
	struct arch_machine *m = vm->machine;
	int console = arm_fdt_stdout(&m->tree);

	if (m->serial_used || (console >= 0 && console != node->offset))
		return NULL;
	m->serial_used = true;
	return m->serial_chr;
}

struct pl011_device {
	struct arm_device dev;
	struct pl011 uart;
};

static void pl011_device_reset(struct vm *vm, struct arm_device *dev)
{
	pl011_reset(&container_of(dev, struct pl011_device, dev)->uart);
}

static void pl011_device_finish(struct vm *vm, struct arm_device *dev)
{
	struct pl011_device *d = container_of(dev, struct pl011_device, dev);

	bus_remove(&vm->mmio, &d->uart.region);
	pl011_finish(&d->uart);
	free(d);
}

static int add_pl011(struct vm *vm, const struct arm_fdt_node *node)
{
	static const struct arm_device_ops ops = { pl011_device_reset, pl011_device_finish };
	struct pl011_device *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	pl011_init(&d->uart, vm->loop, arm_uart_chardev(vm, node), arm_node_irq(vm, node, 0));
	arm_device_add(vm, &d->dev, &ops);
	return arm_node_map(vm, node, 0, &d->uart.region);
}

/* The eight registers may be further apart than a byte. */
struct ns16550_device {
	struct arm_device dev;
	struct serial16550 uart;
	struct io_region window;
	unsigned shift;
};

static uint64_t ns16550_read(void *dev, uint64_t off, unsigned size)
{
	struct ns16550_device *d = dev;

	return d->uart.region.ops->read(&d->uart, off >> d->shift, 1);
}

static void ns16550_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct ns16550_device *d = dev;

	d->uart.region.ops->write(&d->uart, off >> d->shift, 1, value & 0xff);
}

static void ns16550_reset(struct vm *vm, struct arm_device *dev)
{
	serial16550_reset(&container_of(dev, struct ns16550_device, dev)->uart);
}

static void ns16550_finish(struct vm *vm, struct arm_device *dev)
{
	struct ns16550_device *d = container_of(dev, struct ns16550_device, dev);

	bus_remove(&vm->mmio, &d->window);
	bus_remove(&vm->mmio, &d->uart.region);
	serial16550_finish(&d->uart);
	free(d);
}

static int add_ns16550(struct vm *vm, const struct arm_fdt_node *node)
{
	static const struct arm_device_ops ops = { ns16550_reset, ns16550_finish };
	static const struct io_ops window_ops = { ns16550_read, ns16550_write };
	struct ns16550_device *d = calloc(1, sizeof(*d));
	uint32_t shift = 0;

	if (!d)
		return -ENOMEM;
	serial16550_init(&d->uart, vm->loop, arm_uart_chardev(vm, node), arm_node_irq(vm, node, 0));
	arm_device_add(vm, &d->dev, &ops);
	arm_fdt_u32(&vm->machine->tree, node->offset, "reg-shift", 0, &shift);
	if (shift == 0)
		return arm_node_map(vm, node, 0, &d->uart.region);
	d->shift = MIN(shift, 3u);
	d->window = (struct io_region){
		.name = d->uart.region.name,
		.ops = &window_ops,
		.dev = d,
		.len = SERIAL16550_LEN << d->shift,
		.lock = d->uart.region.lock,
	};
	return arm_node_map(vm, node, 0, &d->window);
}

/* --- clock and keys -------------------------------------------------------------- */

struct pl031_device {
	struct arm_device dev;
	struct rtc_pl031 rtc;
};

static void pl031_device_reset(struct vm *vm, struct arm_device *dev)
{
	rtc_pl031_reset(&container_of(dev, struct pl031_device, dev)->rtc);
}

static void pl031_device_finish(struct vm *vm, struct arm_device *dev)
{
	struct pl031_device *d = container_of(dev, struct pl031_device, dev);

	bus_remove(&vm->mmio, &d->rtc.region);
	rtc_pl031_finish(&d->rtc);
	free(d);
}

static int add_pl031(struct vm *vm, const struct arm_fdt_node *node)
{
	static const struct arm_device_ops ops = { pl031_device_reset, pl031_device_finish };
	struct pl031_device *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	rtc_pl031_init(&d->rtc, vm->loop, arm_node_irq(vm, node, 0));
	arm_device_add(vm, &d->dev, &ops);
	return arm_node_map(vm, node, 0, &d->rtc.region);
}

static void gpio_device_reset(struct vm *vm, struct arm_device *dev)
{
	gpio_pl061_reset(&container_of(dev, struct arm_gpio, dev)->pl061);
}

static void gpio_device_finish(struct vm *vm, struct arm_device *dev)
{
	struct arm_gpio *d = container_of(dev, struct arm_gpio, dev);

	bus_remove(&vm->mmio, &d->pl061.region);
	gpio_pl061_finish(&d->pl061);
	free(d);
}

static int add_pl061(struct vm *vm, const struct arm_fdt_node *node)
{
	static const struct arm_device_ops ops = { gpio_device_reset, gpio_device_finish };
	struct arch_machine *m = vm->machine;
	struct arm_gpio *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	gpio_pl061_init(&d->pl061, vm->loop, arm_node_irq(vm, node, 0));
	d->phandle = node->phandle;
	arm_device_add(vm, &d->dev, &ops);
	if (m->n_gpios < ARRAY_SIZE(m->gpios))
		m->gpios[m->n_gpios++] = d;
	return arm_node_map(vm, node, 0, &d->pl061.region);
}

/* bindings/input/gpio-keys.yaml: a node a key, gpios = <controller line flags>. */
static int add_gpio_key(struct vm *vm, int key)
{
	struct arch_machine *m = vm->machine;
	uint32_t code = 0, phandle = 0, line = 0;

	arm_fdt_u32(&m->tree, key, "linux,code", 0, &code);
	if (code != KEY_POWER || !arm_fdt_u32(&m->tree, key, "gpios", 0, &phandle) ||
	    !arm_fdt_u32(&m->tree, key, "gpios", 1, &line) || line >= GPIO_PL061_LINES)
		return 0;
	for (unsigned i = 0; i < m->n_gpios; i++)
		if (m->gpios[i]->phandle == phandle)
			m->power_key = (struct arm_power_key){ &m->gpios[i]->pl061, line };
	return 0;
}

static int add_gpio_keys(struct vm *vm, const struct arm_fdt_node *node)
{
	const struct arm_fdt *tree = &vm->machine->tree;
	int ret = 0;

	for (int key = arm_fdt_child(tree, node->offset, -1); key >= 0 && ret == 0;
	     key = arm_fdt_child(tree, node->offset, key))
		ret = add_gpio_key(vm, key);
	return ret;
}

/* --- buses and what is on them ---------------------------------------------------- */

static int add_pci(struct vm *vm, const struct arm_fdt_node *node)
{
	struct irq_line intx[PCI_BUS_INTX_LINES];
	struct arm_fdt_pci pci;
	struct pci_windows windows;
	int ret = arm_fdt_pci(&vm->machine->tree, node, &pci);

	if (ret < 0)
		return ret;
	if (vm->pci.mmio || !node->n_regs || node->regs[0].len < PCI_ECAM_SIZE) {
		log_error("%s: %s", node->path, vm->pci.mmio ? "there is one PCI host only" :
			  "no room for the configuration space of a bus");
		return -EINVAL;
	}
	windows = (struct pci_windows){
		.mem32_base = pci.mem32.gpa,
		.mem32_size = pci.mem32.len,
		.mem64_base = pci.mem64.gpa,
		.mem64_size = pci.mem64.len,
	};
	if ((pci.mem32.len && pci.mem32_base != pci.mem32.gpa) ||
	    (pci.mem64.len && pci.mem64_base != pci.mem64.gpa) ||
	    !range_fits(pci.mem32.gpa, pci.mem32.len, 4 * GiB)) {
		log_error("%s: PCI addresses have to be those that the CPU uses", node->path);
		return -EINVAL;
	}
	for (unsigned i = 0; i < PCI_BUS_INTX_LINES; i++)
		intx[i] = arm_irq(vm, &pci.intx[i]);
	/* No I/O ports: nothing of ours needs one here. */
	pci_bus_init(&vm->pci, &vm->mmio, NULL, kvm_msi_sink(&vm->kvm), intx, &windows);
	ret = pci_bus_map_config(&vm->pci, node->regs[0].gpa);
	if (ret < 0)
		log_error("%s: no place for PCI configuration: %s", node->path, strerror(-ret));
	return ret;
}

/* A slot; vm_add_devices() fills it, or it is taken out of the guest's tree. */
static int add_virtio_mmio(struct vm *vm, const struct arm_fdt_node *node)
{
	struct arch_machine *m = vm->machine;
	unsigned n = vm->n_mmio_slots;

	if (n == VM_MAX_MMIO_SLOTS || !node->n_regs)
		return arm_node_off(vm, node);
	m->slot_paths[n] = strdup(node->path);
	if (!m->slot_paths[n])
		return -ENOMEM;
	vm->mmio_slots[n] = (struct vm_mmio_slot){
		.gpa = node->regs[0].gpa,
		.irq = arm_node_irq(vm, node, 0),
	};
	vm->n_mmio_slots++;
	return 0;
}

/* --- the guest's end --------------------------------------------------------------- */

struct pvpanic_device {
	struct arm_device dev;
	struct pvpanic pvpanic;
};

static void pvpanic_finish(struct vm *vm, struct arm_device *dev)
{
	struct pvpanic_device *d = container_of(dev, struct pvpanic_device, dev);

	bus_remove(&vm->mmio, &d->pvpanic.region);
	free(d);
}

static int add_pvpanic(struct vm *vm, const struct arm_fdt_node *node)
{
	static const struct arm_device_ops ops = { .finish = pvpanic_finish };
	struct pvpanic_device *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	pvpanic_init(&d->pvpanic, vm_power_sink(vm));
	arm_device_add(vm, &d->dev, &ops);
	return arm_node_map(vm, node, 0, &d->pvpanic.region);
}

struct testdev_device {
	struct arm_device dev;
	struct testdev testdev;
};

static void testdev_device_reset(struct vm *vm, struct arm_device *dev)
{
	testdev_reset(&container_of(dev, struct testdev_device, dev)->testdev);
}

static void testdev_device_finish(struct vm *vm, struct arm_device *dev)
{
	struct testdev_device *d = container_of(dev, struct testdev_device, dev);

	bus_remove(&vm->mmio, &d->testdev.mmio);
	testdev_finish(&d->testdev);
	free(d);
}

static int add_testdev(struct vm *vm, const struct arm_fdt_node *node)
{
	static const struct arm_device_ops ops = { testdev_device_reset, testdev_device_finish };
	struct testdev_device *d;
	int ret;

	if (!vm->cfg->testdev)
		return arm_node_off(vm, node);
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	ret = testdev_init(&d->testdev, vm->loop, arm_node_irq(vm, node, 0), vm_power_sink(vm));
	if (ret < 0) {
		free(d);
		return ret;
	}
	arm_device_add(vm, &d->dev, &ops);
	return arm_node_map(vm, node, 0, &d->testdev.mmio);
}

/* --- the registry ------------------------------------------------------------------- */

const struct arm_model arm_models[] = {
	{ "arm,gic-v3", ARM_STAGE_CONTROLLERS, arm_add_gic_v3 },
	{ "arm,cortex-a15-gic", ARM_STAGE_CONTROLLERS, arm_add_gic_v2 },
	{ "arm,gic-400", ARM_STAGE_CONTROLLERS, arm_add_gic_v2 },
	{ "arm,cortex-a7-gic", ARM_STAGE_CONTROLLERS, arm_add_gic_v2 },
	{ "arm,gic-v3-its", ARM_STAGE_CONTROLLERS, arm_add_its },
	{ "arm,gic-v2m-frame", ARM_STAGE_CONTROLLERS, arm_add_v2m },

	{ "arm,armv8-timer", ARM_STAGE_DEVICES, arm_add_timer },
	{ "arm,armv7-timer", ARM_STAGE_DEVICES, arm_add_timer },
	{ "arm,armv8-pmuv3", ARM_STAGE_DEVICES, arm_add_pmu },
	{ "arm,cortex-a7-pmu", ARM_STAGE_DEVICES, arm_add_pmu },
	{ "arm,cortex-a15-pmu", ARM_STAGE_DEVICES, arm_add_pmu },
	{ "arm,pl011", ARM_STAGE_DEVICES, add_pl011 },
	{ "ns16550a", ARM_STAGE_DEVICES, add_ns16550 },
	{ "ns16550", ARM_STAGE_DEVICES, add_ns16550 },
	{ "arm,pl031", ARM_STAGE_DEVICES, add_pl031 },
	{ "arm,pl061", ARM_STAGE_DEVICES, add_pl061 },
	{ "pci-host-ecam-generic", ARM_STAGE_DEVICES, add_pci },
	{ "virtio,mmio", ARM_STAGE_DEVICES, add_virtio_mmio },
	{ "qemu,pvpanic-mmio", ARM_STAGE_DEVICES, add_pvpanic },
	{ "microvm,testdev", ARM_STAGE_DEVICES, add_testdev },

	{ "gpio-keys", ARM_STAGE_USERS, add_gpio_keys },

	/* KVM's, or no device at all. */
	{ .compatible = "arm,psci-1.0" },
	{ .compatible = "arm,psci-0.2" },
	{ .compatible = "arm,psci" },
	{ .compatible = "simple-bus" },
	{ .compatible = "fixed-clock" },
	{ 0 }
};
