/* SPDX-License-Identifier: MIT */
/* What console.c, the ports' data, and console_control.c, what is said of ports, share. */
#ifndef MICROVM_VIRTIO_CONSOLE_IMPL_H
#define MICROVM_VIRTIO_CONSOLE_IMPL_H

#include <linux/virtio_console.h>

#include "devices/virtio/console.h"

/* 5.3.2: port 0's receiveq and transmitq, those for control, port 1's, ... */
#define CONSOLE_CONTROL_RXQ 2
#define CONSOLE_CONTROL_TXQ 3

/* A message that the driver is owed, in the order in which they are sent. */
enum console_due {
	DUE_PORT_ADD,
	DUE_CONSOLE_PORT,
	DUE_RESIZE,
	DUE_PORT_NAME,
	DUE_PORT_OPEN,
};

struct console_port {
	struct virtio_device *v;
	unsigned id, rxq, txq;
	struct chardev *chr;
	char name[CONSOLE_NAME_MAX + 1];	/* empty: none */
	struct loop_work flush;		/* to write tx out */
	struct loop_work refill;	/* to tell chr of room in rx */

	/* under v->lock */
	struct virtq_chain *tx_chain;	/* taken, but not yet all of it */
	size_t tx_chain_off;		/* how much of it */
	bool ready;		/* the driver knows the port */
	bool open;		/* somebody in the guest has it open */
	bool connected;		/* somebody is at chr's other end */
	unsigned due;		/* bits by enum console_due */

	/* the loop's thread's */
	uint8_t tx[CONSOLE_TX_BYTES], rx[CONSOLE_RX_BYTES];
	size_t tx_start, tx_end;	/* tx: from the guest, not yet written */
	size_t rx_len;			/* rx: from the host, not yet delivered */
};

struct console {
	struct virtio_device v;
	bool sized;		/* port 0's chardev is a terminal */

	/* under v.lock; with VIRTIO_CONSOLE_F_SIZE */
	uint16_t cols, rows;
	bool size_told;		/* to this driver */

	unsigned n_ports;
	struct console_port ports[];
};

static inline struct console *console_of(struct virtio_device *v)
{
	return container_of(v, struct console, v);
}

static inline bool console_is_multiport(const struct virtio_device *v)
{
	return virtio_has_feature(v, VIRTIO_CONSOLE_F_MULTIPORT);
}

/* console_control.c; loop thread, v->lock held, device running with several ports. */
void console_control_send(struct console *c);		/* what is due, as far as there are buffers */
void console_control_receive(struct console *c);
/* The chardev's peer came or left. Running or not. */
void console_control_connected(struct console_port *port, bool connected);
void console_control_resized(struct console *c);
void console_control_reset(struct console *c);

#endif
