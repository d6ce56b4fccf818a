/* SPDX-License-Identifier: MIT */
/*
 * A guest against its network card and libslirp behind it: the input is a
 * sequence of frames sent, buffers offered, commands, and rings scribbled on.
 * The network is restricted, so that no frame leads to a socket of the host's,
 * and in a namespace of its own where that can be had.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/netdev_user.h"
#include "devices/virtio/net.h"
#include "tests/fuzz/input.h"
#include "tests/packets.h"
#include "tests/vrig.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)
#define RX 0
#define TX 1
#define CTRL 2
#define OUT FAKE_RAM2_GPA
#define IN (FAKE_RAM2_GPA + 0x40000)
#define STEPS 64

struct guest {
	struct vrig r;
	struct virtio_device *v;
};

/* Up to @max bytes to guest memory at @gpa; how many. */
static size_t take_bytes(struct guest *g, struct input *in, uint64_t gpa, size_t max)
{
	size_t n = take(in, 2);

	n = MIN(n, max);
	n = MIN(n, in->left);
	if (n)
		memcpy(vdrv_ptr(&g->r.d, gpa, n), in->data, n);
	in->data += n;
	in->left -= n;
	return n;
}

static void kick(struct guest *g, unsigned q)
{
	vdrv_kick(&g->r.d, q);
	loop_run_once(g->r.fake.loop, 0);
	/* Whatever is used is taken back, so that there is always room. */
	if (!(vdrv_get(&g->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET))
		while (vdrv_used(&g->r.d.rings[q], NULL) >= 0)
			;
}

static void transmit(struct guest *g, size_t len, unsigned cuts)
{
	struct vdrv_buf bufs[4];
	unsigned n = 1 + (cuts & 3);
	uint64_t gpa = OUT;

	for (unsigned i = 0; i < n; i++) {
		uint32_t piece = i == n - 1 ? len : MIN(len, (size_t)(cuts >> 2) + 7 * i);

		bufs[i] = (struct vdrv_buf)VDRV_OUT(gpa, piece);
		gpa += piece;
		len -= piece;
	}
	vdrv_add(&g->r.d.rings[TX], bufs, n);
	kick(g, TX);
}

/* A frame as the input has it, header included. */
static void send_raw(struct guest *g, struct input *in)
{
	unsigned cuts = take(in, 1);

	transmit(g, take_bytes(g, in, OUT, 0x20000), cuts);
}

static const char *const addrs[2][4] = {
	{ "10.0.2.2", "10.0.2.3", "255.255.255.255", "192.0.2.1" },
	{ "fec0::2", "fec0::3", "ff02::2", "2001:db8::1" },
};

/* What has its checksums right, to get further. */
static void send_packet(struct guest *g, struct input *in)
{
	static const uint8_t protos[] = { 17, 6, 1, 58 };
	static const int8_t csums[] = { 6, 16, 2, 2 };
	unsigned how = take(in, 1), kind = how >> 2 & 3, v6 = how >> 4 & 1;
	uint8_t payload[600];
	size_t n = 3 * take(in, 1);
	struct pkt p;

	n = MIN(n, sizeof(payload));
	n = MIN(n, in->left);
	memcpy(payload, in->data, n);
	in->data += n;
	in->left -= n;
	p = pkt_make_ip((const uint8_t *)"\xff\xff\xff\xff\xff\xff",
			pkt_ip(v6 ? "fec0::15" : "10.0.2.15"), pkt_ip(addrs[v6][how & 3]),
			protos[kind], payload, n, n >= 20 ? csums[kind] : -1);
	memset(vdrv_ptr(&g->r.d, OUT, NETDEV_HDR_LEN), 0, NETDEV_HDR_LEN);
	memcpy(vdrv_ptr(&g->r.d, OUT + NETDEV_HDR_LEN, p.len), p.data, p.len);
	transmit(g, NETDEV_HDR_LEN + p.len, 0);
}

static void offer(struct guest *g, struct input *in)
{
	unsigned n = 1 + (take(in, 1) & 31), len = take(in, 2);

	for (unsigned i = 0; i < n; i++)
		vdrv_add(&g->r.d.rings[RX],
			 &(struct vdrv_buf)VDRV_IN(IN + 0x1000 * i, len & 0x3fff), 1);
	kick(g, RX);
}

static void command(struct guest *g, struct input *in)
{
	size_t len = take_bytes(g, in, OUT, 256);
	const struct vdrv_buf bufs[] = { VDRV_OUT(OUT, len), VDRV_IN(IN, 1) };

	vdrv_add(&g->r.d.rings[CTRL], bufs, 2);
	kick(g, CTRL);
}

/* A descriptor, or the index, of any queue. */
static void scribble(struct guest *g, struct input *in)
{
	struct vdrv_ring *r = &g->r.d.rings[take(in, 1) % 3];

	if (take(in, 1) & 1)
		vdrv_set_avail_idx(r, r->avail_idx + take(in, 1));
	else
		vdrv_set_desc(r->desc, take(in, 1) % r->size, OUT + (int16_t)take(in, 2),
			      take(in, 2), take(in, 1) & 7, take(in, 1));
	vdrv_kick(&g->r.d, r - g->r.d.rings);
	loop_run_once(g->r.fake.loop, 0);
}

static void start(struct guest *g, struct input *in)
{
	vdrv_start(&g->r.d, take(in, 1) & 1 ? vdrv_device_features(&g->r.d) : VIRTIO_COMMON_FEATURES);
	loop_run_once(g->r.fake.loop, 0);
}

static void step(struct guest *g, struct input *in)
{
	switch (take(in, 1) & 7) {
	case 0:
	case 1:
		send_raw(g, in);
		break;
	case 2:
	case 3:
		send_packet(g, in);
		break;
	case 4:
		offer(g, in);
		break;
	case 5:
		command(g, in);
		break;
	case 6:
		scribble(g, in);
		break;
	case 7:
		start(g, in);
		break;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	/* Best effort: a restricted network opens no socket anyway. */
	if (unshare(CLONE_NEWNET) < 0)
		(void)!unshare(CLONE_NEWUSER | CLONE_NEWNET);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RAM is made once; the card, and the network behind it, for each input. */
static struct guest *the_guest(void)
{
	static struct guest *g;

	if (!g) {
		g = calloc(1, sizeof(*g));
		vrig_init(&g->r, VRIG_MMIO);
	}
	return g;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct netdev_user_params params = { .restricted = true, .resolv_conf = "/dev/null" };
	struct input in = { data, size };
	struct guest *g = the_guest();
	struct netdev *dev;

	log_set_level(LOG_ERROR);
	CHECK(netdev_user_open(&dev, g->r.fake.loop, &params) == 0);
	CHECK(virtio_net_create(&g->v, g->r.fake.loop, &g->r.fake.mem, dev,
				(const uint8_t *)GUEST_MAC) == 0);
	vrig_plug(&g->r, g->v);
	start(g, &in);
	for (unsigned i = 0; i < STEPS && in.left; i++)
		step(g, &in);
	fake_settle(&g->r.fake);
	vrig_unplug(&g->r);
	virtio_net_destroy(g->v);
	return 0;
}
