/* SPDX-License-Identifier: MIT */
#include "devices/uart_tx.h"

#include "vmm/util.h"

#define UART_FLUSH_PAUSE_NS 1000000

/* --- the guest's end ------------------------------------------------------------ */

/*
 * Not full promises room for a whole FIFO, since a guest that sees it does not
 * look again before each of that many characters.
 */
void uart_tx_push(struct uart_tx *tx, uint8_t data)
{
	if (!tx->chr || tx->len == UART_TX_BUFFER)
		return;		/* sent without looking: lost as on any line */
	tx->buf[(tx->head + tx->len++) % UART_TX_BUFFER] = data;
	tx->burst++;
	tx->full = tx->len > UART_TX_BUFFER - tx->fifo;
	if (tx->len == 1)
		loop_post(tx->loop, &tx->flush);
}

bool uart_tx_ready(struct uart_tx *tx, bool by_interrupt)
{
	if (!tx->full && !(by_interrupt && tx->burst >= UART_TX_BURST))
		return true;
	if (!tx->held) {
		tx->held = true;
		loop_post(tx->loop, &tx->flush);
	}
	return false;
}

void uart_tx_reset(struct uart_tx *tx)
{
	tx->held = false;
}

/* --- the host's end ---------------------------------------------------------------- */

static void uart_tx_taken(struct uart_tx *tx, unsigned n)
{
	tx->head = (tx->head + n) % UART_TX_BUFFER;
	tx->len -= n;
	tx->burst = 0;
	/* Half empty before the guest goes on, so that it does not go on for each character. */
	if (tx->len <= UART_TX_BUFFER / 2)
		tx->full = false;
	if (tx->held && !tx->full) {
		tx->held = false;
		tx->ready(tx->dev);
	}
}

/*
 * The contiguous piece at the ring's head. It can be read without the lock:
 * only the loop thread moves the head, and vCPUs only add behind the tail.
 */
static unsigned uart_tx_piece(struct uart_tx *tx, const uint8_t **data)
{
	unsigned n;

	pthread_mutex_lock(tx->lock);
	*data = tx->buf + tx->head;
	n = MIN(tx->len, UART_TX_BUFFER - tx->head);
	pthread_mutex_unlock(tx->lock);
	return n;
}

/* Whether the chardev took the whole piece, so that it makes sense to go on. */
static bool uart_tx_flush_piece(struct uart_tx *tx)
{
	const uint8_t *data;
	unsigned len = uart_tx_piece(tx, &data), n;

	if (!len)
		return false;
	n = chardev_write(tx->chr, data, len);
	pthread_mutex_lock(tx->lock);
	uart_tx_taken(tx, n);
	pthread_mutex_unlock(tx->lock);
	return n == len;
}

static void uart_tx_flush(struct uart_tx *tx)
{
	/* Two pieces are the whole ring: what comes in meanwhile waits for the timer. */
	bool more = uart_tx_flush_piece(tx) && uart_tx_flush_piece(tx);

	tx->flush_due_ns = loop_now_ns() + UART_FLUSH_PAUSE_NS;
	if (more)
		loop_timer_arm(tx->loop, &tx->flush_timer, UART_FLUSH_PAUSE_NS);
}

static bool uart_tx_guest_waits(struct uart_tx *tx)
{
	bool waits;

	pthread_mutex_lock(tx->lock);
	waits = tx->held;
	pthread_mutex_unlock(tx->lock);
	return waits;
}

static void uart_tx_flush_work(void *arg)
{
	struct uart_tx *tx = arg;
	uint64_t now = loop_now_ns();

	if (now >= tx->flush_due_ns || uart_tx_guest_waits(tx))
		uart_tx_flush(tx);
	else
		loop_timer_arm(tx->loop, &tx->flush_timer, tx->flush_due_ns - now);
}

static void uart_tx_flush_timer(void *arg)
{
	uart_tx_flush(arg);
}

void uart_tx_drained(struct uart_tx *tx)
{
	uart_tx_flush(tx);
}

/* --- life --------------------------------------------------------------------------- */

void uart_tx_init(struct uart_tx *tx, struct loop *loop, struct chardev *chr,
		  pthread_mutex_t *lock, unsigned fifo, void (*ready)(void *dev), void *dev)
{
	*tx = (struct uart_tx){
		.lock = lock,
		.loop = loop,
		.chr = chr,
		.ready = ready,
		.dev = dev,
		.fifo = fifo,
		.flush = { .cb = uart_tx_flush_work, .arg = tx },
		.flush_timer = { .cb = uart_tx_flush_timer, .arg = tx },
	};
}

/* What the guest said last, before it switched itself off, is what matters most. */
void uart_tx_finish(struct uart_tx *tx)
{
	const uint8_t *data;
	unsigned len;

	loop_cancel(tx->loop, &tx->flush);
	loop_timer_disarm(tx->loop, &tx->flush_timer);
	while (tx->chr && (len = uart_tx_piece(tx, &data)) > 0) {
		chardev_write_last(tx->chr, data, len);
		uart_tx_taken(tx, len);
	}
}
