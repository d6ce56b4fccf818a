/* SPDX-License-Identifier: MIT */
/*
 * The SD host controller of a BCM283x that is its own ("sdhost", not the EMMC): one card
 * or none. Broadcom has not described it; registers are as Linux's
 * drivers/mmc/host/bcm2835.c uses them.
 *
 * Registers by vCPUs, what the card has moved on the loop thread, the DMA engine as well,
 * all under the device's lock.
 */
#ifndef MICROVM_BCM283X_SDHOST_H
#define MICROVM_BCM283X_SDHOST_H

#include "devices/bcm283x_dma.h"
#include "devices/sd_card.h"

#define BCM283X_SDHOST_LEN 0x100
#define BCM283X_SDHOST_DREQ 13

struct bcm283x_sdhost {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irq;
	struct bcm283x_dma *dma;	/* NULL: none */
	struct bcm283x_dma_peer peer;
	struct sd_card card;
	bool has_card;
	uint32_t cmd, arg, timeout, divider, rsp[4], status, power, edm, config, bytes, blocks;
	uint64_t left;			/* bytes of the transfer */
	uint32_t in_block;		/* of them that are left of this block; of a write */
	bool writes;
	bool busy_due, block_due;	/* interrupts that the card still holds up */
	bool irq_level;
};

void bcm283x_sdhost_init(struct bcm283x_sdhost *host, struct irq_line irq);
/* A card for it, whose disk it takes over; before the first vCPU. As sd_card_init(). */
int bcm283x_sdhost_insert(struct bcm283x_sdhost *host, struct loop *loop, struct disk *disk);
/* Its data may be moved by @dma, which lives as long; before the first vCPU. */
void bcm283x_sdhost_connect(struct bcm283x_sdhost *host, struct bcm283x_dma *dma);
void bcm283x_sdhost_finish(struct bcm283x_sdhost *host);
void bcm283x_sdhost_reset(struct bcm283x_sdhost *host);

#endif
