/* SPDX-License-Identifier: MIT */
/*
 * The interrupt controller of the peripherals of a BCM283x ("BCM2835 ARM Peripherals",
 * chapter 7): 64 lines that the GPU shares and 8 of the ARM's own, each with an
 * enable, and one that may be the FIQ. On a BCM2836 its two outputs go to
 * bcm283x_local.
 *
 * Registers by vCPUs, lines from any thread, under the device's lock, which is an
 * irq lock taken before that of what the outputs lead to.
 */
#ifndef MICROVM_BCM283X_ARMCTRL_H
#define MICROVM_BCM283X_ARMCTRL_H

#include "vmm/bus.h"
#include "vmm/irq.h"

#define BCM283X_ARMCTRL_LEN 0x200
#define BCM283X_ARMCTRL_BANKS 3		/* as in trees: 0 the ARM's, 1 and 2 the GPU's */

struct bcm283x_armctrl {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irq, fiq;
	uint32_t levels[BCM283X_ARMCTRL_BANKS], enables[BCM283X_ARMCTRL_BANKS];
	uint32_t fiq_control;
	bool irq_level, fiq_level;
};

void bcm283x_armctrl_init(struct bcm283x_armctrl *ic, struct irq_line irq, struct irq_line fiq);
void bcm283x_armctrl_finish(struct bcm283x_armctrl *ic);
/* Lines stay as they are driven. */
void bcm283x_armctrl_reset(struct bcm283x_armctrl *ic);
/* False where there is no such line. */
bool bcm283x_armctrl_line(struct bcm283x_armctrl *ic, unsigned bank, unsigned n,
			  struct irq_line *line);

#endif
