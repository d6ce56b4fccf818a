/* SPDX-License-Identifier: MIT */
/*
 * The DMA engine of a BCM283x ("BCM2835 ARM Peripherals", chapter 4): 15 channels that
 * walk control blocks in the guest's memory, between memory and memory or memory and a
 * peripheral that paces them. All of it happens on the loop, a bounded piece at a time,
 * so that a chain without an end costs nobody else.
 *
 * Registers by vCPUs under the device's lock, which is taken before that of a peer.
 */
#ifndef MICROVM_BCM283X_DMA_H
#define MICROVM_BCM283X_DMA_H

#include "vmm/bus.h"
#include "vmm/gmem.h"
#include "vmm/irq.h"
#include "vmm/log.h"
#include "vmm/loop.h"

#define BCM283X_DMA_LEN 0x1000
#define BCM283X_DMA_CHANNELS 15
#define BCM283X_DMA_IRQS 12	/* channels 11 to 14 share the last one */
#define BCM283X_DMA_PEERS 32

/* A peripheral that is known by the number of its DREQ. All on the loop thread. */
struct bcm283x_dma_peer {
	/* Bytes that can be moved now, from memory to it (@write) or the other way. */
	unsigned (*ready)(void *ctx, bool write);
	/* So many at most, a multiple of 4. */
	void (*read)(void *ctx, void *data, unsigned len);
	void (*write)(void *ctx, const void *data, unsigned len);
	void *ctx;
};

/* A control block, and where the channel is in it. */
struct bcm283x_dma_channel {
	uint32_t cs, block, ti, src, dst, len, stride, next, debug;
	uint32_t row, rows;	/* bytes that are left of this row, rows after it */
	uint32_t width;		/* of a row */
};

struct bcm283x_dma {
	pthread_mutex_t lock;
	struct io_region region;
	const struct gmem *mem;
	struct loop *loop;
	struct loop_work work;
	struct irq_line irqs[BCM283X_DMA_IRQS];
	struct bcm283x_dma_channel channels[BCM283X_DMA_CHANNELS];
	const struct bcm283x_dma_peer *peers[BCM283X_DMA_PEERS];
	uint32_t enabled;
	uint32_t raised;	/* what the lines were set to */
	struct log_rate rate;
};

void bcm283x_dma_init(struct bcm283x_dma *dma, const struct gmem *mem, struct loop *loop,
		      const struct irq_line irqs[BCM283X_DMA_IRQS]);
void bcm283x_dma_finish(struct bcm283x_dma *dma);
void bcm283x_dma_reset(struct bcm283x_dma *dma);
/* @peer stays; before the first vCPU. */
void bcm283x_dma_attach(struct bcm283x_dma *dma, unsigned dreq,
			const struct bcm283x_dma_peer *peer);
/* More can be moved. Any thread, with any lock. */
void bcm283x_dma_kick(struct bcm283x_dma *dma);

#endif
