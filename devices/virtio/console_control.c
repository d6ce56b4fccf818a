/* SPDX-License-Identifier: MIT */
/*
 * The messages about ports (virtio 1.2, 5.3.6.2). What the driver is owed is
 * kept as one bit a message and made when there is a buffer for it, of what is
 * the case then: a driver that asks a thousand times and offers no buffer costs
 * nothing.
 */
#include "devices/virtio/console_impl.h"

struct console_message {
	struct virtio_console_control head;
	uint8_t more[CONSOLE_NAME_MAX];
};

/* --- to the driver ----------------------------------------------------------- */

static size_t control_fill(struct console_message *m, uint16_t event, uint16_t value,
			   const void *more, size_t more_len)
{
	m->head.event = event;
	m->head.value = value;
	memcpy(m->more, more, more_len);
	return sizeof(m->head) + more_len;
}

/* The message @due about @port; its length. */
static size_t control_make(const struct console_port *port, enum console_due due,
			   struct console_message *m)
{
	const struct console *c = console_of(port->v);
	const uint16_t size[] = { c->cols, c->rows };

	*m = (struct console_message){ .head.id = port->id };
	switch (due) {
	case DUE_PORT_ADD:
		return control_fill(m, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
	case DUE_CONSOLE_PORT:
		return control_fill(m, VIRTIO_CONSOLE_CONSOLE_PORT, 1, "", 0);
	case DUE_RESIZE:
		return control_fill(m, VIRTIO_CONSOLE_RESIZE, 0, size, sizeof(size));
	case DUE_PORT_NAME:
		return control_fill(m, VIRTIO_CONSOLE_PORT_NAME, 1, port->name,
				    strlen(port->name));
	case DUE_PORT_OPEN:
		break;
	}
	return control_fill(m, VIRTIO_CONSOLE_PORT_OPEN, port->connected, "", 0);
}

/* One buffer's worth; false when there is none. */
static bool control_send_one(struct console_port *port)
{
	enum console_due due = __builtin_ctz(port->due);
	struct virtio_device *v = port->v;
	struct virtq_chain *chain = virtio_pop(v, CONSOLE_CONTROL_RXQ);
	struct console_message m;
	size_t len;

	if (!chain)
		return false;
	len = control_make(port, due, &m);
	if (chain->writable < len) {
		log_guest(&v->rate, "%s: no room for a control message of %zu bytes",
			  v->ops->name, len);
		virtq_push(virtio_queue(v, CONSOLE_CONTROL_RXQ), chain, 0);
		return true;
	}
	virtq_push(virtio_queue(v, CONSOLE_CONTROL_RXQ), chain, chain_write(chain, 0, &m, len));
	port->due &= ~BIT(due);
	return true;
}

void console_control_send(struct console *c)
{
	unsigned left = CONSOLE_CONTROL_QUEUE_SIZE;

	for (unsigned i = 0; i < c->n_ports && left; i++)
		for (; c->ports[i].due && left; left--)
			if (!control_send_one(&c->ports[i]))
				goto out;
out:
	virtio_signal(&c->v, CONSOLE_CONTROL_RXQ);
	if (!left)
		virtio_kick(&c->v, CONSOLE_CONTROL_RXQ);
}

static void control_owe(struct console_port *port, enum console_due due)
{
	port->due |= BIT(due);
}

/* --- from the driver --------------------------------------------------------- */

static void control_port_ready(struct console_port *port)
{
	port->ready = true;
	if (port->id == 0)
		control_owe(port, DUE_CONSOLE_PORT);
	if (port->id == 0 && virtio_has_feature(port->v, VIRTIO_CONSOLE_F_SIZE))
		control_owe(port, DUE_RESIZE);
	if (port->name[0])
		control_owe(port, DUE_PORT_NAME);
	if (port->connected)
		control_owe(port, DUE_PORT_OPEN);
}

static void control_device_ready(struct console *c, bool well)
{
	if (!well)
		log_guest(&c->v.rate, "%s: its driver could not start", c->v.ops->name);
	for (unsigned i = 0; i < c->n_ports && well; i++)
		control_owe(&c->ports[i], DUE_PORT_ADD);
}

static void control_port_message(struct console_port *port, uint16_t event, uint16_t value)
{
	struct virtio_device *v = port->v;

	switch (event) {
	case VIRTIO_CONSOLE_PORT_READY:
		if (value)
			control_port_ready(port);
		else
			log_guest(&v->rate, "%s: its driver has no room for port %u",
				  v->ops->name, port->id);
		break;
	case VIRTIO_CONSOLE_PORT_OPEN:
		port->open = value;
		/* What has waited for this. */
		if (port->open)
			virtio_kick(v, port->rxq);
		break;
	default:
		log_guest(&v->rate, "%s: control message %u is unknown", v->ops->name, event);
	}
}

static void control_message(struct console *c, const struct virtio_console_control *m)
{
	if (m->event == VIRTIO_CONSOLE_DEVICE_READY)
		control_device_ready(c, m->value);
	else if (m->id < c->n_ports)
		control_port_message(&c->ports[m->id], m->event, m->value);
	else
		log_guest(&c->v.rate, "%s: there is no port %u", c->v.ops->name, m->id);
}

void console_control_receive(struct console *c)
{
	unsigned left = CONSOLE_CONTROL_QUEUE_SIZE;
	struct virtq_chain *chain;

	while (left && (chain = virtio_pop(&c->v, CONSOLE_CONTROL_TXQ))) {
		struct virtio_console_control m;
		size_t n = chain_read(chain, 0, &m, sizeof(m));

		virtq_push(virtio_queue(&c->v, CONSOLE_CONTROL_TXQ), chain, 0);
		if (n == sizeof(m))
			control_message(c, &m);
		else
			log_guest(&c->v.rate, "%s: a control message of %zu bytes",
				  c->v.ops->name, n);
		left--;
	}
	virtio_signal(&c->v, CONSOLE_CONTROL_TXQ);
	if (!left)
		virtio_kick(&c->v, CONSOLE_CONTROL_TXQ);
	console_control_send(c);
}

/* --- news of the host -------------------------------------------------------- */

static bool control_running(const struct console *c)
{
	return virtio_running(&c->v) && console_is_multiport(&c->v);
}

void console_control_connected(struct console_port *port, bool connected)
{
	struct console *c = console_of(port->v);

	if (connected == port->connected)
		return;
	port->connected = connected;
	if (port->ready)
		control_owe(port, DUE_PORT_OPEN);
	if (control_running(c))
		console_control_send(c);
}

void console_control_resized(struct console *c)
{
	if (!control_running(c) || !c->ports[0].ready ||
	    !virtio_has_feature(&c->v, VIRTIO_CONSOLE_F_SIZE))
		return;
	control_owe(&c->ports[0], DUE_RESIZE);
	console_control_send(c);
}

void console_control_reset(struct console *c)
{
	for (unsigned i = 0; i < c->n_ports; i++) {
		c->ports[i].ready = c->ports[i].open = false;
		c->ports[i].due = 0;
	}
}
