/* SPDX-License-Identifier: MIT */
/*
 * The other SD host of a BCM283x, "EMMC" ("BCM2835 ARM Peripherals", chapter 5): the
 * registers of the SD Host Controller Simplified Specification 3.00, of 32 bits, without
 * its DMA: data goes through the buffer port, a block at a time. One card or none.
 *
 * Registers by vCPUs, what the card has moved on the loop thread, under the device's lock.
 */
#ifndef MICROVM_BCM283X_SDHCI_H
#define MICROVM_BCM283X_SDHCI_H

#include "devices/sd_card.h"
#include "vmm/bus.h"
#include "vmm/irq.h"

#define BCM283X_SDHCI_LEN 0x100

struct bcm283x_sdhci {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irq;
	struct sd_card card;
	bool has_card;
	uint32_t arg2, block, arg, cmd, rsp[4], control0, control1, status, enable, signal;
	uint64_t left;		/* bytes of the transfer */
	uint32_t in_block;	/* of them that are left of this block */
	bool writes, told;	/* that this block can be moved */
	bool end_due;		/* of the transfer, or of a busy card */
	bool irq_level;
};

void bcm283x_sdhci_init(struct bcm283x_sdhci *host, struct irq_line irq);
/* A card for it, whose disk it takes over; before the first vCPU. As sd_card_init(). */
int bcm283x_sdhci_insert(struct bcm283x_sdhci *host, struct loop *loop, struct disk *disk);
void bcm283x_sdhci_finish(struct bcm283x_sdhci *host);
void bcm283x_sdhci_reset(struct bcm283x_sdhci *host);

#endif
