/* SPDX-License-Identifier: MIT */
/*
 * The devices of boards with a BCM2836, which have no GIC. Bindings are those of Linux,
 * Documentation/devicetree/bindings, whose file each function names where it reads cells.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/arm/machine.h"
#include "arch/arm/rpi.h"
#include "devices/bcm283x_armctrl.h"
#include "devices/bcm283x_dma.h"
#include "devices/bcm283x_gpio.h"
#include "devices/bcm283x_local.h"
#include "devices/bcm283x_mbox.h"
#include "devices/bcm283x_pm.h"
#include "devices/bcm283x_regs.h"
#include "devices/bcm283x_screen.h"
#include "devices/bcm283x_sdhci.h"
#include "devices/bcm283x_sdhost.h"
#include "devices/bcm283x_timer.h"
#include "devices/bcm283x_uart.h"
#include "vmm/util.h"

/*
 * A block of the chip as a device of the machine: name##_new() allocates it, then the
 * caller initializes its model and hands it to name##_add().
 */
#define BCM_BLOCK(name)                                                                            \
	struct name##_block {                                                                      \
		struct arm_device dev;                                                             \
		struct bcm283x_##name model;                                                       \
	};                                                                                         \
	static void name##_block_reset(struct vm *vm, struct arm_device *dev)                      \
	{                                                                                          \
		bcm283x_##name##_reset(&container_of(dev, struct name##_block, dev)->model);       \
	}                                                                                          \
	static void name##_block_finish(struct vm *vm, struct arm_device *dev)                     \
	{                                                                                          \
		struct name##_block *b = container_of(dev, struct name##_block, dev);              \
                                                                                                   \
		bus_remove(&vm->mmio, &b->model.region);                                           \
		bcm283x_##name##_finish(&b->model);                                                \
		free(b);                                                                           \
	}                                                                                          \
	static int name##_add(struct vm *vm, const struct arm_fdt_node *node,                      \
			      struct name##_block *b)                                              \
	{                                                                                          \
		static const struct arm_device_ops ops = { name##_block_reset,                     \
							   name##_block_finish };                  \
                                                                                                   \
		arm_device_add(vm, &b->dev, &ops);                                                 \
		return arm_node_map(vm, node, 0, &b->model.region);                                \
	}

BCM_BLOCK(local)
BCM_BLOCK(armctrl)
BCM_BLOCK(mbox)
BCM_BLOCK(timer)
BCM_BLOCK(pm)
BCM_BLOCK(cprman)
BCM_BLOCK(rng)
BCM_BLOCK(gpio)
BCM_BLOCK(thermal)
BCM_BLOCK(aux)
BCM_BLOCK(uart)
BCM_BLOCK(dma)
BCM_BLOCK(sdhost)
BCM_BLOCK(sdhci)

/* --- interrupt controllers ---------------------------------------------------------- */

/* interrupt-controller/brcm,bcm2836-l1-intc.txt: a bit of the pending registers, and flags. */
static bool local_line(struct vm *vm, void *ctx, const struct arm_fdt_irq *irq,
		       struct irq_line *line)
{
	/* Timers and PMU are the CPUs', mailboxes nobody's. */
	if (irq->n < 2 || irq->cells[0] != BCM283X_LOCAL_GPU)
		return false;
	*line = bcm283x_local_gpu(ctx, false);
	return true;
}

static int add_local(struct vm *vm, const struct arm_fdt_node *node)
{
	static const struct bcm283x_cpus nobody;
	struct local_block *b;

	if (vm->machine->bcm.local) {
		log_error("%s: there is another one", node->path);
		return -EINVAL;
	}
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	bcm283x_local_init(&b->model, &nobody);
	vm->machine->bcm.local = &b->model;
	arm_controller_add(vm, &(struct arm_controller){
		.phandle = node->phandle,
		.line = local_line,
		.ctx = &b->model,
	});
	return local_add(vm, node, b);
}

/* interrupt-controller/brcm,bcm2835-armctrl-ic.yaml: bank and number in it. */
static bool armctrl_line(struct vm *vm, void *ctx, const struct arm_fdt_irq *irq,
			 struct irq_line *line)
{
	return irq->n >= 2 && bcm283x_armctrl_line(ctx, irq->cells[0], irq->cells[1], line);
}

static int add_armctrl(struct vm *vm, const struct arm_fdt_node *node)
{
	struct bcm283x_local *local = vm->machine->bcm.local;
	struct armctrl_block *b = calloc(1, sizeof(*b));
	struct irq_line fiq = { 0 };

	if (!b)
		return -ENOMEM;
	/* The tree has the IRQ alone; the FIQ goes the same way. */
	if (local)
		fiq = bcm283x_local_gpu(local, true);
	bcm283x_armctrl_init(&b->model, arm_node_irq(vm, node, 0), fiq);
	arm_controller_add(vm, &(struct arm_controller){
		.phandle = node->phandle,
		.line = armctrl_line,
		.ctx = &b->model,
	});
	return armctrl_add(vm, node, b);
}

/* --- time and power -------------------------------------------------------------------- */

static int add_system_timer(struct vm *vm, const struct arm_fdt_node *node)
{
	struct irq_line irqs[BCM283X_TIMER_CHANNELS];
	struct timer_block *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	for (unsigned i = 0; i < BCM283X_TIMER_CHANNELS; i++)
		irqs[i] = arm_node_irq(vm, node, i);
	bcm283x_timer_init(&b->model, vm->loop, irqs);
	return timer_add(vm, node, b);
}

static void pm_asb_finish(struct vm *vm, struct arm_device *dev)
{
	bus_remove(&vm->mmio, &container_of(dev, struct pm_block, dev)->model.asb);
	pm_block_finish(vm, dev);
}

/* soc/bcm/brcm,bcm2835-pm.yaml: "pm", "asb". */
static int add_pm(struct vm *vm, const struct arm_fdt_node *node)
{
	static const struct arm_device_ops ops = { pm_block_reset, pm_asb_finish };
	struct pm_block *b = calloc(1, sizeof(*b));
	int ret;

	if (!b)
		return -ENOMEM;
	bcm283x_pm_init(&b->model, vm->loop, vm_power_sink(vm));
	ret = pm_add(vm, node, b);
	b->dev.ops = &ops;
	/* Trees for the watchdog alone have no second one. */
	return ret < 0 || node->n_regs < 2 ? ret : arm_node_map(vm, node, 1, &b->model.asb);
}

static int add_cprman(struct vm *vm, const struct arm_fdt_node *node)
{
	struct cprman_block *b = calloc(1, sizeof(*b));

	if (!b || bcm283x_cprman_init(&b->model) < 0) {
		free(b);
		return -ENOMEM;
	}
	return cprman_add(vm, node, b);
}

/* --- the firmware -------------------------------------------------------------------------- */

/* What the kernel is told, the tree's own words first. */
static void put_cmdline(struct vm *vm, char *text, size_t size)
{
	const struct arch_machine *m = vm->machine;
	int chosen = arm_fdt_find(&m->tree, "/chosen");
	const char *own = chosen < 0 ? NULL : arm_fdt_string(&m->tree, chosen, "bootargs");
	const char *more = m->cmdline ? m->cmdline : vm->cfg->append;

	own = own ? own : "";
	more = more ? more : "";
	snprintf(text, size, "%s%s%s", own, *own && *more ? " " : "", more);
}

static int add_mbox(struct vm *vm, const struct arm_fdt_node *node)
{
	struct bcm283x_screen *screen = vm->machine->bcm.screen;
	const struct arm_rpi rpi = arm_board(vm);
	struct bcm283x_board board = {
		.revision = rpi.revision,
		.serial = rpi.serial,
		.ram = MIN(vm->machine->ram.len, (uint64_t)UINT32_MAX),
	};
	struct mbox_block *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	put_cmdline(vm, board.cmdline, sizeof(board.cmdline));
	memcpy(board.mac, rpi.mac, sizeof(board.mac));
	board.gpu_base = board.ram;
	if (screen) {
		board.gpu_base = board.fb.gpa = screen->params.first.gpa;
		board.gpu_len = board.fb.len = BCM283X_SCREEN_LEN;
		board.fb_first = screen->params.first;
		board.fb_sink = bcm283x_screen_sink(screen);
	}
	bcm283x_mbox_init(&b->model, &vm->mem, arm_node_irq(vm, node, 0), &board);
	return mbox_add(vm, node, b);
}

/* --- pins, serial port and what is small ------------------------------------------------- */

static int add_gpio(struct vm *vm, const struct arm_fdt_node *node)
{
	struct irq_line irqs[BCM283X_GPIO_IRQS];
	struct gpio_block *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	for (unsigned i = 0; i < BCM283X_GPIO_IRQS; i++)
		irqs[i] = arm_node_irq(vm, node, i);
	bcm283x_gpio_init(&b->model, irqs);
	return gpio_add(vm, node, b);
}

static int add_rng(struct vm *vm, const struct arm_fdt_node *node)
{
	struct rng_block *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	bcm283x_rng_init(&b->model);
	return rng_add(vm, node, b);
}

static int add_thermal(struct vm *vm, const struct arm_fdt_node *node)
{
	struct thermal_block *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	bcm283x_thermal_init(&b->model);
	return thermal_add(vm, node, b);
}

static int add_aux(struct vm *vm, const struct arm_fdt_node *node)
{
	struct aux_block *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	bcm283x_aux_init(&b->model);
	if (!vm->machine->bcm.aux)
		vm->machine->bcm.aux = &b->model;
	return aux_add(vm, node, b);
}

static int add_uart(struct vm *vm, const struct arm_fdt_node *node)
{
	struct bcm283x_aux *aux = vm->machine->bcm.aux;
	struct irq_line irq = arm_node_irq(vm, node, 0);
	struct uart_block *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	if (aux)
		irq = bcm283x_aux_line(aux, 0, irq);
	bcm283x_uart_init(&b->model, vm->loop, arm_uart_chardev(vm, node), irq);
	return uart_add(vm, node, b);
}

/* --- DMA and SD card ------------------------------------------------------------------------ */

/* dma/brcm,bcm2835-dma.yaml: an interrupt each channel, of which some are the same line. */
static int add_dma(struct vm *vm, const struct arm_fdt_node *node)
{
	struct irq_line irqs[BCM283X_DMA_IRQS];
	struct dma_block *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	for (unsigned i = 0; i < BCM283X_DMA_IRQS; i++)
		irqs[i] = arm_node_irq(vm, node, i);
	bcm283x_dma_init(&b->model, &vm->mem, vm->loop, irqs);
	if (!vm->machine->bcm.dma)
		vm->machine->bcm.dma = &b->model;
	return dma_add(vm, node, b);
}

static int insert_card(void *ctx, struct disk *disk)
{
	struct vm *vm = ctx;
	struct arm_bcm *bcm = &vm->machine->bcm;

	return bcm->sdhost ? bcm283x_sdhost_insert(bcm->sdhost, vm->loop, disk) :
	       bcm283x_sdhci_insert(bcm->sdhci, vm->loop, disk);
}

static int add_sdhost(struct vm *vm, const struct arm_fdt_node *node)
{
	struct sdhost_block *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	bcm283x_sdhost_init(&b->model, arm_node_irq(vm, node, 0));
	if (vm->machine->bcm.dma)
		bcm283x_sdhost_connect(&b->model, vm->machine->bcm.dma);
	/* The first host in the tree has the card's slot. */
	if (!vm->disk_slot.insert) {
		vm->machine->bcm.sdhost = &b->model;
		vm->disk_slot = (struct vm_disk_slot){ insert_card, vm };
	}
	return sdhost_add(vm, node, b);
}

static int add_sdhci(struct vm *vm, const struct arm_fdt_node *node)
{
	struct sdhci_block *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	bcm283x_sdhci_init(&b->model, arm_node_irq(vm, node, 0));
	if (!vm->disk_slot.insert) {
		vm->machine->bcm.sdhci = &b->model;
		vm->disk_slot = (struct vm_disk_slot){ insert_card, vm };
	}
	return sdhci_add(vm, node, b);
}

/* --- the registry --------------------------------------------------------------------------- */

const struct arm_model arm_bcm_models[] = {
	{ "brcm,bcm2836-l1-intc", ARM_STAGE_CONTROLLERS, add_local },
	{ "brcm,bcm2836-armctrl-ic", ARM_STAGE_CHAINED, add_armctrl },
	{ "brcm,bcm2835-armctrl-ic", ARM_STAGE_CHAINED, add_armctrl },

	{ "brcm,bcm2835-system-timer", ARM_STAGE_DEVICES, add_system_timer },
	{ "brcm,bcm2835-pm", ARM_STAGE_DEVICES, add_pm },
	{ "brcm,bcm2835-pm-wdt", ARM_STAGE_DEVICES, add_pm },
	{ "brcm,bcm2835-mbox", ARM_STAGE_DEVICES, add_mbox },
	{ "brcm,bcm2835-cprman", ARM_STAGE_DEVICES, add_cprman },
	{ "brcm,bcm2835-gpio", ARM_STAGE_DEVICES, add_gpio },
	{ "brcm,bcm2835-rng", ARM_STAGE_DEVICES, add_rng },
	{ "brcm,bcm2836-thermal", ARM_STAGE_DEVICES, add_thermal },
	{ "brcm,bcm2835-aux", ARM_STAGE_DEVICES, add_aux },

	{ "brcm,bcm2835-dma", ARM_STAGE_DEVICES, add_dma },

	{ "brcm,bcm2835-sdhost", ARM_STAGE_USERS, add_sdhost },
	{ "brcm,bcm2835-sdhci", ARM_STAGE_USERS, add_sdhci },
	{ "brcm,bcm2835-aux-uart", ARM_STAGE_USERS, add_uart },
	{ 0 }
};
