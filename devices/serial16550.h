/* SPDX-License-Identifier: MIT */
/*
 * 16550A UART (National Semiconductor PC16550D): eight registers, 16-byte
 * receive FIFO, transmitter with a larger buffer behind it that the host
 * drains. While that buffer is full THRE and TEMT stay clear, so that a guest
 * which floods the port waits and the host's memory does not grow (case 97);
 * nothing that was accepted is lost.
 *
 * The line is infinitely fast and the peer honours RTS: input waits on the host
 * until the guest is ready for it, so that what was piped in before the guest's
 * driver was there is not lost in its clearing of the FIFO.
 *
 * Registers by vCPUs under the device's lock; the chardev on the loop thread.
 * The first character after a pause goes out at once, those that follow at
 * most once a millisecond: a batch costs one wake-up of the loop.
 */
#ifndef MICROVM_SERIAL16550_H
#define MICROVM_SERIAL16550_H

#include "devices/backend/chardev.h"
#include "vmm/bus.h"
#include "vmm/irq.h"

#define SERIAL16550_LEN 8
#define SERIAL16550_RX_FIFO 16
#define SERIAL16550_TX_FIFO 16
#define SERIAL16550_TX_BUFFER 4096
/* Characters after which the THRE interrupt waits until the host has taken them. */
#define SERIAL16550_TX_BURST 256

/* A received character and the LSR error bits that come with it. */
struct serial16550_rx {
	uint8_t data, errors;
};

struct serial16550 {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irq;
	struct loop *loop;
	struct chardev *chr;	/* not owned; may be NULL: output is dropped */
	struct loop_work flush, refill;
	struct loop_timer flush_timer;	/* loop thread */
	uint64_t flush_due_ns;		/* loop thread: not before */
	uint8_t ier, fcr, lcr, mcr, msr, scr, dll, dlm;
	uint8_t errors;		/* LSR bits 1-4 */
	bool thre_pending;	/* the THRE interrupt is due */
	bool thre_held;		/* it will be when the buffer has been flushed */
	bool irq_level;
	bool polled;		/* the guest has looked at LSR since reset */
	bool starved;		/* the chardev was told that there is no room */
	bool tx_full;		/* THRE and TEMT are clear */
	struct serial16550_rx rx[SERIAL16550_RX_FIFO];
	uint8_t tx[SERIAL16550_TX_BUFFER];
	unsigned rx_head, rx_len, tx_head, tx_len;
	unsigned tx_burst;	/* characters since the last flush */
};

void serial16550_init(struct serial16550 *s, struct loop *loop, struct chardev *chr,
		      struct irq_line irq);
/* Writes out what the guest has sent; no vCPU runs. The chardev is still open. */
void serial16550_finish(struct serial16550 *s);
/* On the loop thread, no vCPU runs. Characters already sent still go out. */
void serial16550_reset(struct serial16550 *s);

#endif
