/* SPDX-License-Identifier: MIT */
/*
 * Console (virtio 1.2, 5.3): a byte stream each way between a guest's port and
 * a chardev. One port for now, as the driver has it without
 * VIRTIO_CONSOLE_F_MULTIPORT; what concerns a port hangs off console_port.
 *
 * Both ways have a small buffer, since a chardev is not called with the
 * device's lock held. The buffers belong to the loop's thread and outlive a
 * reset: what was taken from the guest or from the host arrives. When the
 * host's peer does not read, the guest's chains stay in its queue; when the
 * guest has no buffers, the peer's bytes stay with the peer (case 97).
 */
#include "devices/virtio/console.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <stdlib.h>

#include "devices/registry.h"

/* Buffers' worth of output between two looks at the loop's other sources. */
#define CONSOLE_FLUSH_ROUNDS 16

struct console_port {
	struct virtio_device *v;
	unsigned rxq, txq;
	struct chardev *chr;
	struct loop_work flush;		/* to write tx out */
	struct loop_work refill;	/* to tell chr of room in rx */

	/* under v->lock */
	struct virtq_chain *tx_chain;	/* taken, but not yet all of it */
	size_t tx_chain_off;		/* how much of it */

	/* the loop's thread's */
	uint8_t tx[CONSOLE_TX_BYTES], rx[CONSOLE_RX_BYTES];
	size_t tx_start, tx_end;	/* tx: from the guest, not yet written */
	size_t rx_len;			/* rx: from the host, not yet delivered */
};

struct console {
	struct virtio_device v;
	struct console_port port;
	uint16_t cols, rows;	/* under v.lock; with VIRTIO_CONSOLE_F_SIZE */
};

/* --- guest to host --------------------------------------------------------- */

/* Moves as much of the next chain into tx as there is room for; false when there is none. */
static bool port_take_chain(struct console_port *port)
{
	struct virtio_device *v = port->v;
	size_t n;

	if (!port->tx_chain) {
		port->tx_chain = virtio_pop(v, port->txq);
		port->tx_chain_off = 0;
	}
	if (!port->tx_chain)
		return false;
	n = chain_read(port->tx_chain, port->tx_chain_off, port->tx + port->tx_end,
		       sizeof(port->tx) - port->tx_end);
	port->tx_end += n;
	port->tx_chain_off += n;
	if (port->tx_chain_off == port->tx_chain->readable) {
		virtq_push(virtio_queue(v, port->txq), port->tx_chain, 0);
		port->tx_chain = NULL;
	}
	return true;
}

/* v->lock held, device running. */
static void port_take(struct console_port *port)
{
	unsigned left = CONSOLE_QUEUE_SIZE;

	while (left && port->tx_end < sizeof(port->tx) && port_take_chain(port))
		left--;
	virtio_signal(port->v, port->txq);
	if (!left)
		virtio_kick(port->v, port->txq);
}

/* Writes tx out; false when the chardev has no room, whose drained() then comes. */
static bool port_write(struct console_port *port)
{
	port->tx_start += chardev_write(port->chr, port->tx + port->tx_start,
					port->tx_end - port->tx_start);
	if (port->tx_start < port->tx_end)
		return false;
	port->tx_start = port->tx_end = 0;
	return true;
}

static void port_flush(void *arg)
{
	struct console_port *port = arg;

	for (unsigned i = 0; i < CONSOLE_FLUSH_ROUNDS; i++) {
		if (!port_write(port))
			return;
		pthread_mutex_lock(&port->v->lock);
		if (virtio_running(port->v))
			port_take(port);
		pthread_mutex_unlock(&port->v->lock);
		if (!port->tx_end)
			return;
	}
	loop_post(port->v->loop, &port->flush);
}

/* --- host to guest --------------------------------------------------------- */

static size_t port_room(void *arg)
{
	struct console_port *port = arg;

	return sizeof(port->rx) - port->rx_len;
}

/* Moves rx into the guest's buffers. v->lock held, device running. */
static void port_deliver(struct console_port *port)
{
	struct virtio_device *v = port->v;
	unsigned left = CONSOLE_QUEUE_SIZE;
	struct virtq_chain *chain;

	while (left && port->rx_len && (chain = virtio_pop(v, port->rxq))) {
		size_t n = chain_write(chain, 0, port->rx, port->rx_len);

		port->rx_len -= n;
		memmove(port->rx, port->rx + n, port->rx_len);
		virtq_push(virtio_queue(v, port->rxq), chain, n);
		left--;
	}
	virtio_signal(v, port->rxq);
	if (!left)
		virtio_kick(v, port->rxq);
}

static void port_input(void *arg, const uint8_t *data, size_t len)
{
	struct console_port *port = arg;

	memcpy(port->rx + port->rx_len, data, len);
	port->rx_len += len;
	pthread_mutex_lock(&port->v->lock);
	if (virtio_running(port->v))
		port_deliver(port);
	pthread_mutex_unlock(&port->v->lock);
}

static void port_refill(void *arg)
{
	struct console_port *port = arg;

	chardev_kick_input(port->chr);
}

/* --- the window's size (5.3.4) --------------------------------------------- */

static struct console *console_of(struct virtio_device *v)
{
	return container_of(v, struct console, v);
}

static void port_resized(void *arg)
{
	struct console_port *port = arg;
	struct console *c = console_of(port->v);
	unsigned cols, rows;

	if (chardev_size(port->chr, &cols, &rows) < 0)
		return;
	pthread_mutex_lock(&c->v.lock);
	c->cols = cols;
	c->rows = rows;
	virtio_config_changed(&c->v);
	pthread_mutex_unlock(&c->v.lock);
}

static void console_config_read(struct virtio_device *v, uint32_t off, void *buf, uint32_t len)
{
	struct console *c = console_of(v);
	struct virtio_console_config config = { .cols = c->cols, .rows = c->rows };

	memcpy(buf, (uint8_t *)&config + off, len);
}

/* --- the device ------------------------------------------------------------ */

static void console_notify(struct virtio_device *v, unsigned q)
{
	struct console_port *port = &console_of(v)->port;
	bool was_full = !port_room(port);

	if (q == port->txq) {
		port_take(port);
		loop_post(v->loop, &port->flush);
		return;
	}
	port_deliver(port);
	if (was_full && port_room(port))
		loop_post(v->loop, &port->refill);
}

static void console_reset(struct virtio_device *v)
{
	console_of(v)->port.tx_chain = NULL;
}

static const struct virtio_ops console_ops = {
	.name = "virtio-console",
	.id = VIRTIO_ID_CONSOLE,
	.pci_class = 0x078000,	/* communication controller, other */
	.config_read = console_config_read,
	.notify = console_notify,
	.reset = console_reset,
};

static const struct chardev_front_ops port_ops = {
	.room = port_room,
	.input = port_input,
	.drained = port_flush,
	.resized = port_resized,
};

static void port_init(struct console_port *port, struct virtio_device *v, unsigned rxq,
		      unsigned txq, struct chardev *chr)
{
	port->v = v;
	port->rxq = rxq;
	port->txq = txq;
	port->chr = chr;
	port->flush = (struct loop_work){ .cb = port_flush, .arg = port };
	port->refill = (struct loop_work){ .cb = port_refill, .arg = port };
	chardev_attach(chr, &port_ops, port);
}

static void port_finish(struct console_port *port)
{
	loop_cancel(port->v->loop, &port->flush);
	loop_cancel(port->v->loop, &port->refill);
	/* The guest was told that this is written. */
	chardev_write_last(port->chr, port->tx + port->tx_start, port->tx_end - port->tx_start);
	chardev_close(port->chr);
}

int virtio_console_create(struct virtio_device **out, struct loop *loop, const struct gmem *mem,
			  struct chardev *chr)
{
	/* 5.3.2: port 0's receiveq and transmitq. */
	static const uint16_t sizes[] = { CONSOLE_QUEUE_SIZE, CONSOLE_QUEUE_SIZE };
	struct console *c = calloc(1, sizeof(*c));
	unsigned cols = 0, rows = 0;
	bool sized;
	int ret;

	if (!c)
		return -ENOMEM;
	sized = chardev_size(chr, &cols, &rows) == 0;
	ret = virtio_init(&c->v, &console_ops, loop, mem, sizes, ARRAY_SIZE(sizes),
			  sized ? BIT(VIRTIO_CONSOLE_F_SIZE) : 0,
			  sized ? offsetof(struct virtio_console_config, max_nr_ports) : 0);
	if (ret < 0) {
		free(c);
		return ret;
	}
	c->cols = cols;
	c->rows = rows;
	port_init(&c->port, &c->v, 0, 1, chr);
	*out = &c->v;
	return 0;
}

void virtio_console_destroy(struct virtio_device *v)
{
	struct console *c = console_of(v);

	port_finish(&c->port);
	virtio_finish(v);
	free(c);
}

static int console_create(struct virtio_device **out, const struct virtio_env *env,
			  const struct opt_value *opts)
{
	struct chardev *chr;
	int ret = chardev_open(&chr, opts->first, env->loop, env->term);

	if (ret < 0)
		return ret;
	ret = virtio_console_create(out, env->loop, env->mem, chr);
	if (ret < 0)
		chardev_close(chr);
	return ret;
}

const struct virtio_model virtio_console_model = {
	.name = "console",
	.arg = "CHARDEV",
	.help = "console port: stdio, file:PATH or null",
	.multiple = true,
	.create = console_create,
	.destroy = virtio_console_destroy,
};
