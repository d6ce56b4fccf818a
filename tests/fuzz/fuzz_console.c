/* SPDX-License-Identifier: MIT */
/*
 * A console with three ports: any messages about them, any buffers, a host that
 * comes, goes, types and reads as it likes, resets in between. Checked beside
 * memory safety: each stream arrives in order and without a gap, no input comes
 * for a port that nobody has open, and what the device says of its ports is
 * well formed.
 *
 * Input: a byte of setup, then operations of three bytes, see console_op().
 */
#include <linux/virtio_console.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/console.h"
#include "tests/fake_chardev.h"
#include "tests/vrig.h"

#define N_PORTS 3
#define N_QUEUES (2 * N_PORTS + 2)
#define CTL_RX 2
#define CTL_TX 3
#define QUEUE_SIZE 8
#define BUFFERS 0x40000ull	/* a page for each descriptor of each queue */
#define TABLES 0x80000ull
#define MAX_OPS 400
#define NAME "org.fuzz"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct port_fuzz {
	struct fake_chardev host;
	uint8_t sent, received;		/* running texts: of the guest, ... */
	uint8_t typed, delivered;	/* ... and of the host */
	bool follows;		/* nothing cut off what the guest sent: no reset */
	bool opened;		/* by this driver, at some time */
};

struct console_fuzz {
	struct vrig r;
	struct virtio_device *v;
	struct port_fuzz ports[N_PORTS];
	uint64_t features;
	uint16_t size;
	bool raw;		/* the rings are made up: nobody knows what is in them... */
	bool lost;		/* ...and what was delivered */
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static unsigned rxq(unsigned port)
{
	return port ? 2 * port + 2 : 0;
}

static bool multiport(const struct console_fuzz *z)
{
	return z->features & BIT(VIRTIO_CONSOLE_F_MULTIPORT);
}

/* --- the guest's side --------------------------------------------------------- */

static uint64_t buffer(unsigned q, unsigned i)
{
	return BUFFERS + (q * QUEUE_SIZE + i % QUEUE_SIZE) * 0x1000;
}

static void start(struct console_fuzz *z)
{
	struct vdrv *d = &z->r.d;

	vdrv_free_all(d);
	vdrv_negotiate(d, z->features | BIT(VIRTIO_F_VERSION_1));
	for (unsigned q = 0; q < N_QUEUES; q++)
		vdrv_setup_queue(d, q, z->size);
	vdrv_set(d, VDRV_STATUS, vdrv_get(d, VDRV_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
	/* Chains that the device had begun with may be cut off. */
	for (unsigned i = 0; i < N_PORTS; i++)
		z->ports[i].follows = z->ports[i].opened = false;
	z->raw = false;
}

static void add(struct console_fuzz *z, unsigned q, uint32_t len, bool write)
{
	struct vdrv_ring *r = &z->r.d.rings[q];
	struct vdrv_buf buf = { .len = len, .write = write };

	if (z->raw || !r->n_free)
		return;
	buf.gpa = buffer(q, r->free[r->n_free - 1]);
	vdrv_add(r, &buf, 1);
	vdrv_kick(&z->r.d, q);
}

static void send_control(struct console_fuzz *z, uint8_t what, uint8_t value)
{
	struct vdrv_ring *r = &z->r.d.rings[CTL_TX];
	struct virtio_console_control m = {
		.id = what >> 4 == 15 ? UINT32_MAX : what >> 4,
		.event = what & 0x0f,
		.value = value & 1,
	};

	if (z->raw || !r->n_free)
		return;
	if (m.event == VIRTIO_CONSOLE_PORT_OPEN && m.value && m.id < N_PORTS)
		z->ports[m.id].opened = true;
	memcpy(vdrv_ptr(&z->r.d, buffer(CTL_TX, r->free[r->n_free - 1]), sizeof(m)), &m, sizeof(m));
	add(z, CTL_TX, value & 0x80 ? value & 0xf : sizeof(m), false);
}

static void send_data(struct console_fuzz *z, unsigned port, uint32_t len)
{
	unsigned q = rxq(port) + 1;
	struct vdrv_ring *r = &z->r.d.rings[q];
	uint8_t *p;

	if (z->raw || !r->n_free)
		return;
	p = vdrv_ptr(&z->r.d, buffer(q, r->free[r->n_free - 1]), 0x1000);
	for (uint32_t i = 0; i < len; i++)
		p[i] = z->ports[port].sent++;
	add(z, q, len, false);
}

/* Descriptors and heads as they come. */
static void raw(struct console_fuzz *z, unsigned q, uint8_t a, uint8_t b)
{
	struct vdrv_ring *r = &z->r.d.rings[q];
	static const uint64_t bases[] = { BUFFERS, 0, FAKE_RAM_LEN - 64, ~0ull - 63 };

	z->raw = z->lost = true;
	for (unsigned i = 0; i < N_PORTS; i++)
		z->ports[i].follows = false;
	vdrv_set_desc(r->desc, a % z->size, bases[a >> 6] + b, (uint32_t)b << (a >> 4 & 3) * 8,
		      a >> 2 & 7, b);
	vdrv_expose(r, b);
	vdrv_kick(&z->r.d, q);
}

/* --- what came of it ------------------------------------------------------------- */

static void check_message(struct console_fuzz *z, const uint8_t *p, uint32_t len)
{
	struct virtio_console_control m;
	uint32_t more = len - sizeof(m);

	if (len == 0)	/* the buffer was too small */
		return;
	check(len >= sizeof(m));
	memcpy(&m, p, sizeof(m));
	check(m.id < N_PORTS);
	switch (m.event) {
	case VIRTIO_CONSOLE_PORT_ADD:
	case VIRTIO_CONSOLE_PORT_OPEN:
		check(more == 0 && m.value <= 1);
		break;
	case VIRTIO_CONSOLE_CONSOLE_PORT:
		check(more == 0 && m.id == 0);
		break;
	case VIRTIO_CONSOLE_PORT_NAME:
		check(m.id == 1 && more == strlen(NAME) && !memcmp(p + sizeof(m), NAME, more));
		break;
	default:
		abort();
	}
}

static void collect_input(struct console_fuzz *z, struct port_fuzz *port, const uint8_t *p,
			  uint32_t len)
{
	check(!len || port->opened || !multiport(z));
	for (uint32_t i = 0; i < len; i++)
		check(p[i] == port->delivered++ || z->lost);
}

static void collect(struct console_fuzz *z, unsigned q)
{
	struct vdrv_ring *r = &z->r.d.rings[q];
	uint32_t len;
	int head;

	while ((head = vdrv_used(r, &len)) >= 0) {
		const uint8_t *p = vdrv_ptr(&z->r.d, buffer(q, head), 0x1000);

		check(len <= 0x1000);
		if (q == CTL_RX)
			check_message(z, p, len);
		else if (q % 2 == 0)
			collect_input(z, &z->ports[q ? q / 2 - 1 : 0], p, len);
		else
			check(len == 0);
	}
}

static void check_output(struct port_fuzz *port)
{
	struct fake_chardev *host = &port->host;

	for (size_t i = 0; i < host->out_len && port->follows; i++)
		check((uint8_t)host->out[i] == port->received++);
	host->out_len = 0;
}

static void check_all(struct console_fuzz *z)
{
	for (unsigned q = 0; q < N_QUEUES && !z->raw; q++)
		collect(z, q);
	for (unsigned i = 0; i < N_PORTS; i++)
		check_output(&z->ports[i]);
	check(!(vdrv_get(&z->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET) || z->raw);
}

/* --- the host's side ---------------------------------------------------------------- */

static void type(struct port_fuzz *port, size_t len)
{
	uint8_t text[2048];
	size_t n;

	for (n = 0; n < len; n++)
		text[n] = port->typed + n;
	n = fake_chardev_type(&port->host, text, len);
	port->typed += n;
}

static void host_op(struct console_fuzz *z, struct port_fuzz *port, uint8_t a, uint8_t b)
{
	switch (a & 3) {
	case 0:
		type(port, b * 8);
		break;
	case 1:
		fake_chardev_drain(&port->host, b == 0xff ? SIZE_MAX : b * 16);
		break;
	case 2:
		fake_chardev_connect(&port->host, b & 1);
		break;
	case 3:
		port->host.chr.front->resized(port->host.chr.front_ctx);
		break;
	}
}

/* --- operations --------------------------------------------------------------------- */

/* The low bits of @op say what, the others which port or queue; @a and @b are up to that. */
static void console_op(struct console_fuzz *z, uint8_t op, uint8_t a, uint8_t b)
{
	unsigned n = op >> 3;

	switch (op & 7) {
	case 0:
		loop_run_once(z->r.fake.loop, 0);
		break;
	case 1:
		send_control(z, a, b);
		break;
	case 2:
		add(z, CTL_RX, a & 1 ? b & 0x1f : 64, true);
		break;
	case 3:
		add(z, rxq(n % N_PORTS), a << (b & 3), true);
		break;
	case 4:
		send_data(z, n % N_PORTS, a << (b & 3));
		break;
	case 5:
		host_op(z, &z->ports[n % N_PORTS], a, b);
		break;
	case 6:
		if (n == 31)
			raw(z, a % N_QUEUES, a, b);
		else
			vdrv_kick(&z->r.d, n % N_QUEUES);
		break;
	case 7:
		if (n == 31)
			start(z);
		break;
	}
}

static void turn(struct console_fuzz *z, unsigned n)
{
	while (n--) {
		loop_run_once(z->r.fake.loop, 0);
		check_all(z);
	}
}

/* To a driver with all ports open, what is held for it comes out. */
static void finish_port(struct console_fuzz *z, unsigned i)
{
	struct port_fuzz *port = &z->ports[i];
	const struct chardev_front_ops *front = port->host.chr.front;

	fake_chardev_connect(&port->host, true);
	send_control(z, i << 4 | VIRTIO_CONSOLE_PORT_OPEN, 1);
	add(z, rxq(i), 0x1000, true);
	turn(z, 4);
	check(port->delivered == port->typed || z->lost);
	check(front->room(port->host.chr.front_ctx) == CONSOLE_RX_BYTES);
}

/* All that was sent arrives at a host that takes it; nothing stays for the next input. */
static void finish(struct console_fuzz *z)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		fake_chardev_drain(&z->ports[i].host, SIZE_MAX);
	turn(z, 10);
	for (unsigned i = 0; i < N_PORTS; i++) {
		const struct port_fuzz *port = &z->ports[i];

		check(port->received == port->sent || !port->follows || (i && !multiport(z)));
	}
	z->features = BIT(VIRTIO_CONSOLE_F_MULTIPORT);
	start(z);
	for (unsigned i = 0; i < N_PORTS; i++)
		finish_port(z, i);
}

static void make(struct console_fuzz *z)
{
	struct console_port_params params[N_PORTS] = { { 0 } };

	log_set_level(LOG_ERROR);
	vrig_init(&z->r, VRIG_MMIO);
	for (unsigned i = 0; i < N_PORTS; i++) {
		fake_chardev_init(&z->ports[i].host);
		params[i].chr = &z->ports[i].host.chr;
	}
	params[1].name = NAME;
	check(virtio_console_create(&z->v, z->r.fake.loop, &z->r.fake.mem, params, N_PORTS) == 0);
	vrig_plug(&z->r, z->v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct console_fuzz world;
	struct console_fuzz *z = &world;

	if (!z->v)
		make(z);
	if (!size)
		return 0;
	z->lost = false;
	z->features = data[0] & 1 ? 0 : BIT(VIRTIO_CONSOLE_F_MULTIPORT);
	z->features |= data[0] & 2 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0;
	z->size = QUEUE_SIZE >> (data[0] >> 2 & 1);
	start(z);
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct port_fuzz *port = &z->ports[i];

		port->sent = port->received = port->typed = port->delivered = 0;
		port->follows = true;
		port->host.appetite = 0;
	}
	for (size_t i = 1; i + 2 < MIN(size, (size_t)3 * MAX_OPS); i += 3) {
		console_op(z, data[i], data[i + 1], data[i + 2]);
		check_all(z);
	}
	finish(z);
	return 0;
}
