/* SPDX-License-Identifier: MIT */
/*
 * Console (virtio 1.2, 5.3): a byte stream each way between a guest's port and
 * a chardev. What concerns a port hangs off console_port; with several ports
 * driver and device talk about them too, see console_control.c.
 *
 * Both ways have a small buffer, since a chardev is not called with the
 * device's lock held. The buffers belong to the loop's thread and outlive a
 * reset: what was taken from the guest or from the host arrives. When the
 * host's peer does not read, the guest's chains stay in its queue; when the
 * guest has no buffers, or nobody there has the port open, the peer's bytes
 * stay with the peer (case 97).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "devices/virtio/console_impl.h"

/* Buffers' worth of output between two looks at the loop's other sources. */
#define CONSOLE_FLUSH_ROUNDS 16

/* --- guest to host --------------------------------------------------------- */

/*
 * Linux looks at the size only when it changes, and then only once its console
 * is there: as it is when there is output. With several ports a message does it.
 */
static void console_tell_size(struct console *c)
{
	if (!c->size_told && c->sized && !console_is_multiport(&c->v))
		virtio_config_changed(&c->v);
	c->size_told = true;
}

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
	if (port->id == 0)
		console_tell_size(console_of(v));
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

	/* A driver drops what comes for a port that nobody has open. */
	if (console_is_multiport(v) && !port->open)
		return;
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

static void port_connected(void *arg)
{
	struct console_port *port = arg;
	bool connected = chardev_connected(port->chr);

	pthread_mutex_lock(&port->v->lock);
	console_control_connected(port, connected);
	pthread_mutex_unlock(&port->v->lock);
}

/* --- the window's size (5.3.4) --------------------------------------------- */

static void port_resized(void *arg)
{
	struct console_port *port = arg;
	struct console *c = console_of(port->v);
	unsigned cols, rows;

	if (port->id != 0 || !c->sized || chardev_size(port->chr, &cols, &rows) < 0)
		return;
	pthread_mutex_lock(&c->v.lock);
	c->cols = cols;
	c->rows = rows;
	virtio_config_changed(&c->v);
	console_control_resized(c);
	pthread_mutex_unlock(&c->v.lock);
}

static void console_config_read(struct virtio_device *v, uint32_t off, void *buf, uint32_t len)
{
	struct console *c = console_of(v);
	struct virtio_console_config config = {
		.cols = c->cols,
		.rows = c->rows,
		.max_nr_ports = c->n_ports,
	};

	memcpy(buf, (uint8_t *)&config + off, len);
}

/* --- the device ------------------------------------------------------------ */

static void port_notify(struct console_port *port, unsigned q)
{
	bool was_full = !port_room(port);

	if (q == port->txq) {
		port_take(port);
		loop_post(port->v->loop, &port->flush);
		return;
	}
	port_deliver(port);
	if (was_full && port_room(port))
		loop_post(port->v->loop, &port->refill);
}

static void console_notify(struct virtio_device *v, unsigned q)
{
	struct console *c = console_of(v);

	if (q < CONSOLE_CONTROL_RXQ)
		port_notify(&c->ports[0], q);
	else if (!console_is_multiport(v))
		return;		/* to this driver there is no such queue */
	else if (q == CONSOLE_CONTROL_RXQ)
		console_control_send(c);
	else if (q == CONSOLE_CONTROL_TXQ)
		console_control_receive(c);
	else
		port_notify(&c->ports[q / 2 - 1], q);
}

static void console_reset(struct virtio_device *v)
{
	struct console *c = console_of(v);

	for (unsigned i = 0; i < c->n_ports; i++)
		c->ports[i].tx_chain = NULL;
	c->size_told = false;
	console_control_reset(c);
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
	.connected = port_connected,
};

static void port_init(struct console_port *port, struct virtio_device *v, unsigned id,
		      const struct console_port_params *params)
{
	port->v = v;
	port->id = id;
	port->rxq = id ? 2 * id + 2 : 0;
	port->txq = port->rxq + 1;
	port->chr = params->chr;
	if (params->name) {
		assert(strlen(params->name) <= CONSOLE_NAME_MAX);
		strcpy(port->name, params->name);
	}
	port->flush = (struct loop_work){ .cb = port_flush, .arg = port };
	port->refill = (struct loop_work){ .cb = port_refill, .arg = port };
	port->connected = chardev_connected(port->chr);
	chardev_attach(port->chr, &port_ops, port);
}

static void port_finish(struct console_port *port)
{
	loop_cancel(port->v->loop, &port->flush);
	loop_cancel(port->v->loop, &port->refill);
	/* The guest was told that this is written. */
	chardev_write_last(port->chr, port->tx + port->tx_start, port->tx_end - port->tx_start);
	chardev_close(port->chr);
}

static int console_init(struct console *c, struct loop *loop, const struct gmem *mem,
			bool multiport)
{
	uint16_t sizes[2 * CONSOLE_MAX_PORTS + 2];
	unsigned n_queues = multiport ? 2 * c->n_ports + 2 : 2;
	uint64_t features = 0;
	uint32_t config_len = 0;

	for (unsigned q = 0; q < n_queues; q++)
		sizes[q] = CONSOLE_QUEUE_SIZE;
	if (c->sized) {
		features |= BIT(VIRTIO_CONSOLE_F_SIZE);
		config_len = offsetof(struct virtio_console_config, max_nr_ports);
	}
	if (multiport) {
		features |= BIT(VIRTIO_CONSOLE_F_MULTIPORT);
		config_len = offsetof(struct virtio_console_config, emerg_wr);
		sizes[CONSOLE_CONTROL_RXQ] = CONSOLE_CONTROL_QUEUE_SIZE;
		sizes[CONSOLE_CONTROL_TXQ] = CONSOLE_CONTROL_QUEUE_SIZE;
	}
	return virtio_init(&c->v, &console_ops, loop, mem, sizes, n_queues, features, config_len);
}

int virtio_console_create(struct virtio_device **out, struct loop *loop, const struct gmem *mem,
			  const struct console_port_params *ports, unsigned n_ports)
{
	struct console *c = calloc(1, sizeof(*c) + n_ports * sizeof(c->ports[0]));
	unsigned cols = 0, rows = 0;
	int ret;

	assert(n_ports >= 1 && n_ports <= CONSOLE_MAX_PORTS);
	if (!c)
		return -ENOMEM;
	c->n_ports = n_ports;
	c->sized = chardev_size(ports[0].chr, &cols, &rows) == 0;
	c->cols = cols;
	c->rows = rows;
	ret = console_init(c, loop, mem, n_ports > 1 || ports[0].name);
	if (ret < 0) {
		free(c);
		return ret;
	}
	for (unsigned i = 0; i < n_ports; i++)
		port_init(&c->ports[i], &c->v, i, &ports[i]);
	*out = &c->v;
	return 0;
}

void virtio_console_destroy(struct virtio_device *v)
{
	struct console *c = console_of(v);

	for (unsigned i = 0; i < c->n_ports; i++)
		port_finish(&c->ports[i]);
	virtio_finish(v);
	free(c);
}
