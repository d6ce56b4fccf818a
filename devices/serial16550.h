/* SPDX-License-Identifier: MIT */
/*
 * 16550A UART (National Semiconductor PC16550D): eight registers, 16-byte
 * receive FIFO, transmitter with a larger buffer behind it that the host
 * drains. While that buffer is full THRE and TEMT stay clear, so that a guest
 * which floods the port waits and the host's memory does not grow (case 97);
 * nothing that was accepted is lost.
 *
 * Registers by vCPUs under the device's lock; the chardev on the loop thread.
 * A batch of characters costs one wake-up of the loop.
 */
#ifndef MICROVM_SERIAL16550_H
#define MICROVM_SERIAL16550_H

#include "devices/backend/chardev.h"
#include "vmm/bus.h"
#include "vmm/irq.h"

#define SERIAL16550_LEN 8
#define SERIAL16550_RX_FIFO 16
#define SERIAL16550_TX_BUFFER 4096

struct serial16550 {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irq;
	struct loop *loop;
	struct chardev *chr;	/* not owned; may be NULL: output is dropped */
	struct loop_work flush, refill;
	uint8_t ier, fcr, lcr, mcr, msr, lsr, scr, dll, dlm;
	bool thre_pending;	/* the THRE interrupt is due, 16550D 8.6.5 */
	bool rx_timeout;
	uint8_t rx[SERIAL16550_RX_FIFO], tx[SERIAL16550_TX_BUFFER];
	unsigned rx_head, rx_len, tx_head, tx_len;
};

void serial16550_init(struct serial16550 *s, struct loop *loop, struct chardev *chr,
		      struct irq_line irq);
void serial16550_finish(struct serial16550 *s);
void serial16550_reset(struct serial16550 *s);

#endif
