/* SPDX-License-Identifier: MIT */
/*
 * The mailboxes between a BCM283x's ARM and its GPU: the ARM writes to mailbox 1 and
 * reads answers from mailbox 0, words of an address and, in the lowest four bits, a
 * channel. Channel 8 is the firmware's properties; nobody answers on others. The
 * registers are as Linux's bcm2835-mailbox.c uses them.
 *
 * Registers by vCPUs under the device's lock: an answer is there when the write ends.
 */
#ifndef MICROVM_BCM283X_MBOX_H
#define MICROVM_BCM283X_MBOX_H

#include "devices/bcm283x_property.h"
#include "vmm/bus.h"
#include "vmm/irq.h"

#define BCM283X_MBOX_LEN 0x40
#define BCM283X_MBOX_DEPTH 8

struct bcm283x_mbox {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irq;
	struct bcm283x_property property;
	uint32_t fifo[BCM283X_MBOX_DEPTH];
	unsigned head, len;
	uint32_t config, last;
	bool irq_level;
};

void bcm283x_mbox_init(struct bcm283x_mbox *mbox, const struct gmem *mem, struct irq_line irq,
		       const struct bcm283x_board *board);
void bcm283x_mbox_finish(struct bcm283x_mbox *mbox);
void bcm283x_mbox_reset(struct bcm283x_mbox *mbox);

#endif
