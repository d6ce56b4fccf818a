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
 */
#ifndef MICROVM_SERIAL16550_H
#define MICROVM_SERIAL16550_H

#include "devices/uart_tx.h"
#include "vmm/bus.h"
#include "vmm/irq.h"

#define SERIAL16550_LEN 8
#define SERIAL16550_RX_FIFO 16
#define SERIAL16550_TX_FIFO 16

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
	struct loop_work refill;
	uint8_t ier, fcr, lcr, mcr, msr, scr, dll, dlm;
	uint8_t errors;		/* LSR bits 1-4 */
	bool thre_pending;	/* the THRE interrupt is due */
	bool irq_level;
	bool polled;		/* the guest has looked at LSR since reset */
	bool starved;		/* the chardev was told that there is no room */
	struct serial16550_rx rx[SERIAL16550_RX_FIFO];
	unsigned rx_head, rx_len;
	struct uart_tx tx;	/* tx.full: THRE and TEMT are clear */
};

void serial16550_init(struct serial16550 *s, struct loop *loop, struct chardev *chr,
		      struct irq_line irq);
/* Writes out what the guest has sent; no vCPU runs. The chardev is still open. */
void serial16550_finish(struct serial16550 *s);
/* On the loop thread, no vCPU runs. Characters already sent still go out. */
void serial16550_reset(struct serial16550 *s);

#endif
