/* SPDX-License-Identifier: MIT */
/*
 * PL011 UART (ARM DDI 0183G, r1p5): 32-byte receive FIFO, transmitter with a
 * larger buffer behind it that the host drains. While that buffer is full TXFF
 * stays set, so that a guest which floods the port waits and the host's memory
 * does not grow (case 97); nothing that was accepted is lost.
 *
 * The line is infinitely fast, and the transmitter always on, since boot loaders
 * leave it so. Input waits on the host until the guest takes it, since drivers
 * throw away what they find in the FIFO when they start: until the receive
 * interrupt of a port that is on is switched on, or RTS, or the guest does nothing
 * but look for input.
 *
 * Registers by vCPUs under the device's lock; the chardev on the loop thread.
 */
#ifndef MICROVM_PL011_H
#define MICROVM_PL011_H

#include "devices/uart_tx.h"
#include "vmm/bus.h"
#include "vmm/irq.h"

#define PL011_LEN 0x1000
#define PL011_RX_FIFO 32
#define PL011_TX_FIFO 32

struct pl011 {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irq;
	struct loop *loop;
	struct chardev *chr;	/* not owned; may be NULL: output is dropped */
	struct loop_work refill;
	uint16_t cr, lcr_h, ibrd, imsc, raw;
	uint8_t fbrd, ilpr, ifls, dmacr;
	uint8_t rsr;		/* errors of the character that was read last, and overrun */
	uint8_t modem;		/* inputs, as in FR */
	bool overrun, irq_level;
	bool listening;		/* receive interrupts were switched on with the port on */
	bool starved;		/* the chardev was told that there is no room */
	unsigned looks;		/* at FR, with nothing else between */
	uint16_t rx[PL011_RX_FIFO];	/* as read from DR */
	unsigned rx_head, rx_len;
	struct uart_tx tx;
};

void pl011_init(struct pl011 *dev, struct loop *loop, struct chardev *chr, struct irq_line irq);
/* Writes out what the guest has sent; no vCPU runs. The chardev is still open. */
void pl011_finish(struct pl011 *dev);
/* On the loop thread, no vCPU runs. Characters already sent still go out. */
void pl011_reset(struct pl011 *dev);

#endif
