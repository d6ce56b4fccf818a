/* SPDX-License-Identifier: MIT */
/*
 * What serial ports have behind their transmitters: a buffer that the host drains.
 * While it is full the port's registers say so, and a guest that looks at them
 * waits (case 97); nothing that was accepted is lost.
 *
 * The line is infinitely fast. The first character after a pause goes out at once,
 * those that follow at most once a millisecond: a batch costs one wake-up of the
 * loop.
 *
 * vCPUs with the port's lock held, the chardev on the loop thread without it.
 */
#ifndef MICROVM_UART_TX_H
#define MICROVM_UART_TX_H

#include <pthread.h>

#include "devices/backend/chardev.h"

#define UART_TX_BUFFER 4096
/* Characters after which the interrupt for more waits until the host has taken them. */
#define UART_TX_BURST 256

struct uart_tx {
	pthread_mutex_t *lock;	/* the port's */
	struct loop *loop;
	struct chardev *chr;	/* not owned; NULL: output is dropped */
	void (*ready)(void *dev);
	void *dev;
	unsigned fifo;
	struct loop_work flush;
	struct loop_timer flush_timer;	/* loop thread */
	uint64_t flush_due_ns;		/* loop thread: not before */
	uint8_t buf[UART_TX_BUFFER];
	unsigned head, len;
	unsigned burst;		/* characters since the last flush */
	bool full;		/* no room for a whole FIFO */
	bool held;		/* ready() is owed */
};

/*
 * @fifo: characters that a guest may send once it was told that there is room.
 * @ready is called with the lock held, on the loop thread.
 */
void uart_tx_init(struct uart_tx *tx, struct loop *loop, struct chardev *chr,
		  pthread_mutex_t *lock, unsigned fifo, void (*ready)(void *dev), void *dev);
/* Writes out what is there; no vCPU runs. The chardev is still open. */
void uart_tx_finish(struct uart_tx *tx);
/* Owes nobody anything; what was sent still goes out. With the lock. */
void uart_tx_reset(struct uart_tx *tx);

/* With the lock: sends a character; it is lost where there is no room at all. */
void uart_tx_push(struct uart_tx *tx, uint8_t data);
/*
 * With the lock: whether the port may say now that it takes more. If not, ready()
 * follows when the host has taken some; that is so also now and then with
 * @by_interrupt, since an interrupt handler that finds an infinitely fast line
 * never ends.
 */
bool uart_tx_ready(struct uart_tx *tx, bool by_interrupt);
/* The chardev's drained(). */
void uart_tx_drained(struct uart_tx *tx);

#endif
