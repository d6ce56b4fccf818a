/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/registry.h"
#include "devices/virtio/net.h"
#include "tests/fake_netdev.h"
#include "tests/vrig.h"

#define RX 0
#define TX 1
#define CTRL 2
#define BUF 0x80000ull
#define BIG FAKE_RAM2_GPA	/* where large things are */
#define HDR NETDEV_HDR_LEN
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define MRG BIT(VIRTIO_NET_F_MRG_RXBUF)
#define RX_CSUM BIT(VIRTIO_NET_F_GUEST_CSUM)
#define RX_TSO4 BIT(VIRTIO_NET_F_GUEST_TSO4)
#define TX_CSUM BIT(VIRTIO_NET_F_CSUM)
#define TX_TSO4 BIT(VIRTIO_NET_F_HOST_TSO4)
#define TX_TSO6 BIT(VIRTIO_NET_F_HOST_TSO6)
#define TX_ECN BIT(VIRTIO_NET_F_HOST_ECN)
#define MQ BIT(VIRTIO_NET_F_MQ)
#define GUEST_OFFLOADS BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)

static const uint8_t own_mac[] = { 0x02, 1, 2, 3, 4, 5 };

struct t {
	struct vrig r;
	struct fake_netdev host;
	struct virtio_device *v;
	uint64_t next;		/* memory for buffers */
};

static int setup_with(void **state, unsigned pairs, unsigned offloads)
{
	struct t *t = calloc(1, sizeof(*t));

	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	fake_netdev_init(&t->host, pairs, offloads);
	if (virtio_net_create(&t->v, t->r.fake.loop, &t->r.fake.mem, &t->host.dev, own_mac) < 0)
		return -1;
	vrig_plug(&t->r, t->v);
	*state = t;
	return 0;
}

static int setup_plain(void **state)
{
	return setup_with(state, 1, 0);
}

static int setup_offloads(void **state)
{
	return setup_with(state, 1, NETDEV_ALL_OFFLOADS);
}

static int setup_pairs(void **state)
{
	return setup_with(state, 4, 0);
}

static int teardown(void **state)
{
	struct t *t = *state;

	vrig_unplug(&t->r);
	virtio_net_destroy(t->v);
	assert_int_equal(t->host.closed, 1);
	fake_netdev_finish(&t->host);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

static struct net *net_of(struct t *t)
{
	return container_of(t->v, struct net, v);
}

static void settle(struct t *t)
{
	fake_settle(&t->r.fake);
}

static void start_with(struct t *t, uint64_t features)
{
	vdrv_start(&t->r.d, features | VIRTIO_COMMON_FEATURES);
	t->next = BUF;
	settle(t);
}

static void start(struct t *t)
{
	start_with(t, MRG);
}

static void kick(struct t *t, unsigned q)
{
	if (vdrv_wants_kick(&t->r.d.rings[q]))
		vdrv_kick(&t->r.d, q);
	settle(t);
}

static uint8_t *at(struct t *t, uint64_t gpa, uint64_t len)
{
	return vdrv_ptr(&t->r.d, gpa, len);
}

static bool needs_reset(struct t *t)
{
	return vdrv_get(&t->r.d, VDRV_STATUS) & NEEDS_RESET;
}

/* --- sending ----------------------------------------------------------------- */

static void fill(uint8_t *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = seed + i * 7 + (i >> 8);
}

static void assert_filled(const uint8_t *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != (uint8_t)(seed + i * 7 + (i >> 8)))
			fail_msg("byte %zu of %zu is wrong", i, len);
}

/* Sends @len bytes behind @hdr in one buffer; whether the host got a frame. */
static bool transmit(struct t *t, const struct virtio_net_hdr_v1 *hdr, size_t len)
{
	unsigned before = t->host.sent;
	uint64_t gpa = BIG;

	memcpy(at(t, gpa, HDR + len), hdr, HDR);
	fill(at(t, gpa + HDR, len), len, 1);
	assert_true(vdrv_add(&t->r.d.rings[TX], &(struct vdrv_buf)VDRV_OUT(gpa, HDR + len), 1) >= 0);
	kick(t, TX);
	assert_true(vdrv_used(&t->r.d.rings[TX], NULL) >= 0);
	return t->host.sent > before;
}

static const struct virtio_net_hdr_v1 plain;

static void frames_reach_the_host(void **state)
{
	struct t *t = *state;
	uint32_t len;

	start(t);
	assert_true(transmit(t, &plain, 60));
	assert_int_equal(t->host.last->len, HDR + 60);
	assert_filled(t->host.last->data + HDR, 60, 1);
	assert_true(vrig_take_queue_irq(&t->r, TX));
	/* Nothing is written, and the driver is told so. */
	assert_int_equal(vrig_request(&t->r, TX, (uint8_t[HDR + 19]){ 0 }, HDR + 19, NULL, 0), 0);
	assert_int_equal(vdrv_used(&t->r.d.rings[TX], &len), -1);
	assert_int_equal(net_of(t)->sent, 2);
}

static void header_may_be_apart_or_cut(void **state)
{
	struct t *t = *state;
	const struct vdrv_buf apart[] = { VDRV_OUT(BUF, HDR), VDRV_OUT(BUF + 100, 60) };
	const struct vdrv_buf cut[] = {
		VDRV_OUT(BUF, 5), VDRV_OUT(BUF + 5, 0), VDRV_OUT(BUF + 5, HDR + 3),
		VDRV_OUT(BUF + 5 + HDR + 3, 60),
	};

	start(t);
	fill(at(t, BUF + 100, 60), 60, 3);
	vdrv_add(&t->r.d.rings[TX], apart, ARRAY_SIZE(apart));
	kick(t, TX);
	assert_int_equal(t->host.sent, 1);
	assert_filled(t->host.last->data + HDR, 60, 3);
	fill(at(t, BUF + HDR, 68), 68, 4);
	memset(at(t, BUF, HDR), 0, HDR);
	vdrv_add(&t->r.d.rings[TX], cut, ARRAY_SIZE(cut));
	kick(t, TX);
	assert_int_equal(t->host.sent, 2);
	assert_int_equal(t->host.last->len, HDR + 56 + HDR);
	assert_filled(t->host.last->data + HDR, 68, 4);
}

static void frame_across_the_hole_in_ram_arrives_whole(void **state)
{
	struct t *t = *state;
	const struct vdrv_buf bufs[] = {
		VDRV_OUT(BUF, HDR), VDRV_OUT(FAKE_RAM_LEN - 40, 40), VDRV_OUT(FAKE_RAM2_GPA, 60),
	};

	start(t);
	fill(at(t, FAKE_RAM_LEN - 40, 40), 40, 0);
	fill(at(t, FAKE_RAM2_GPA, 60), 60, 40 * 7);
	vdrv_add(&t->r.d.rings[TX], bufs, ARRAY_SIZE(bufs));
	kick(t, TX);
	assert_int_equal(t->host.last->len, HDR + 100);
	assert_filled(t->host.last->data + HDR, 100, 0);
}

static void case_04_19_frames_too_short_or_too_long_are_dropped_and_counted(void **state)
{
	struct t *t = *state;
	static const size_t bad[] = { 0, 1, 11, 12, 13, HDR + 13, HDR + NETDEV_FRAME_MAX + 1, 300000 };
	unsigned n = ARRAY_SIZE(bad);

	start(t);
	for (unsigned i = 0; i < n; i++) {
		const struct vdrv_buf buf = VDRV_OUT(BIG, bad[i]);

		assert_true(vdrv_add(&t->r.d.rings[TX], &buf, 1) >= 0);
		kick(t, TX);
		assert_true(vdrv_used(&t->r.d.rings[TX], NULL) >= 0);
	}
	assert_int_equal(t->host.tries, 0);
	assert_int_equal(net_of(t)->tx_dropped, n);
	assert_true(transmit(t, &plain, 14));
	assert_true(transmit(t, &plain, NETDEV_FRAME_MAX));
	assert_int_equal(t->host.last->len, HDR + NETDEV_FRAME_MAX);
	assert_false(needs_reset(t));
}

static void case_05_07_bad_chain_needs_a_reset_and_a_reset_helps(void **state)
{
	struct t *t = *state;
	const struct vdrv_buf order[] = { VDRV_IN(BUF, 8), VDRV_OUT(BUF + 8, 64) };
	const struct vdrv_buf outside = VDRV_OUT(FAKE_RAM_LEN + 0x1000, 64);

	start(t);
	vdrv_add(&t->r.d.rings[TX], order, 2);
	kick(t, TX);
	assert_true(needs_reset(t));
	start(t);
	assert_false(needs_reset(t));
	vdrv_add(&t->r.d.rings[TX], &outside, 1);
	kick(t, TX);
	assert_true(needs_reset(t));
	start(t);
	assert_true(transmit(t, &plain, 60));
}

static void writable_buffer_behind_a_frame_stays_untouched(void **state)
{
	struct t *t = *state;
	const struct vdrv_buf bufs[] = { VDRV_OUT(BUF, HDR + 60), VDRV_IN(BUF + 0x1000, 16) };
	uint32_t len = 1;

	start(t);
	memset(at(t, BUF + 0x1000, 16), 0x5a, 16);
	vdrv_add(&t->r.d.rings[TX], bufs, 2);
	kick(t, TX);
	assert_true(vdrv_used(&t->r.d.rings[TX], &len) >= 0);
	assert_int_equal(len, 0);
	assert_int_equal(*at(t, BUF + 0x1000, 1), 0x5a);
	assert_int_equal(t->host.last->len, HDR + 60);
}

/* --- what frames may leave to the host ----------------------------------------- */

static struct virtio_net_hdr_v1 csum_hdr(void)
{
	return (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16,
	};
}

static struct virtio_net_hdr_v1 gso_hdr(uint8_t type)
{
	struct virtio_net_hdr_v1 hdr = csum_hdr();

	hdr.gso_type = type;
	hdr.gso_size = 1448;
	hdr.hdr_len = 54;
	return hdr;
}

static void offloads_are_passed_on_as_negotiated(void **state)
{
	struct t *t = *state;
	struct virtio_net_hdr_v1 hdr = gso_hdr(VIRTIO_NET_HDR_GSO_TCPV4);

	start_with(t, MRG | TX_CSUM | TX_TSO4 | TX_TSO6 | TX_ECN);
	hdr.num_buffers = 77;
	assert_true(transmit(t, &hdr, 3000));
	/* Said to be 0 by drivers; not for the host to wonder about. */
	hdr.num_buffers = 0;
	assert_memory_equal(t->host.last->data, &hdr, HDR);
	hdr = gso_hdr(VIRTIO_NET_HDR_GSO_TCPV6);
	assert_true(transmit(t, &hdr, 3000));
	hdr = gso_hdr(VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
	assert_true(transmit(t, &hdr, 3000));
	hdr = csum_hdr();
	assert_true(transmit(t, &hdr, 60));
}

static void case_18_flags_that_no_driver_sets_are_cleared(void **state)
{
	struct t *t = *state;
	struct virtio_net_hdr_v1 hdr = csum_hdr();

	start_with(t, MRG | TX_CSUM);
	hdr.flags = 0xff;
	assert_true(transmit(t, &hdr, 60));
	assert_int_equal(t->host.last->data[0], VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

static void offloads_that_were_not_negotiated_are_dropped(void **state)
{
	struct t *t = *state;
	struct virtio_net_hdr_v1 csum = csum_hdr(), tso4 = gso_hdr(VIRTIO_NET_HDR_GSO_TCPV4),
				 tso6 = gso_hdr(VIRTIO_NET_HDR_GSO_TCPV6),
				 ecn = gso_hdr(VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);

	start(t);
	assert_false(transmit(t, &csum, 60));
	assert_false(transmit(t, &tso4, 3000));
	start_with(t, TX_CSUM);
	assert_true(transmit(t, &csum, 60));
	assert_false(transmit(t, &tso4, 3000));
	start_with(t, TX_CSUM | TX_TSO4);
	assert_true(transmit(t, &tso4, 3000));
	assert_false(transmit(t, &tso6, 3000));
	assert_false(transmit(t, &ecn, 3000));
	/* 5.1.3.1: one without the other is none. */
	start_with(t, TX_TSO4);
	assert_false(transmit(t, &csum, 60));
	assert_false(transmit(t, &tso4, 3000));
	assert_int_equal(net_of(t)->tx_dropped, 7);
	assert_false(needs_reset(t));
}

static void headers_that_make_no_sense_are_dropped(void **state)
{
	struct t *t = *state;
	struct virtio_net_hdr_v1 hdr;

	start_with(t, TX_CSUM | TX_TSO4 | TX_TSO6 | TX_ECN);
	hdr = csum_hdr();
	hdr.csum_start = 43;		/* 43 + 16 + 2 > 60 */
	assert_false(transmit(t, &hdr, 60));
	hdr.csum_start = 0xffff;
	hdr.csum_offset = 0xffff;
	assert_false(transmit(t, &hdr, 60));
	hdr.csum_start = 42;
	hdr.csum_offset = 16;
	assert_true(transmit(t, &hdr, 60));
	hdr = gso_hdr(VIRTIO_NET_HDR_GSO_TCPV4);
	hdr.gso_size = 0;
	assert_false(transmit(t, &hdr, 3000));
	hdr = gso_hdr(VIRTIO_NET_HDR_GSO_TCPV4);
	hdr.flags = 0;
	assert_false(transmit(t, &hdr, 3000));
	for (unsigned type = 0; type < 256; type++) {
		unsigned base = type & ~VIRTIO_NET_HDR_GSO_ECN;

		hdr = gso_hdr(type);
		assert_int_equal(transmit(t, &hdr, 3000),
				 type == VIRTIO_NET_HDR_GSO_NONE ||
				 base == VIRTIO_NET_HDR_GSO_TCPV4 ||
				 base == VIRTIO_NET_HDR_GSO_TCPV6);
	}
}

/* --- back-pressure, batches ---------------------------------------------------- */

static void add_frames(struct t *t, unsigned n)
{
	const struct vdrv_buf buf = VDRV_OUT(BUF, HDR + 60);

	for (unsigned i = 0; i < n; i++)
		assert_true(vdrv_add(&t->r.d.rings[TX], &buf, 1) >= 0);
}

static unsigned count_used(struct t *t, unsigned q)
{
	unsigned n = 0;

	while (vdrv_used(&t->r.d.rings[q], NULL) >= 0)
		n++;
	return n;
}

static void host_that_is_full_stops_the_guest_and_nothing_is_lost(void **state)
{
	struct t *t = *state;

	start(t);
	t->host.send_ret = -EAGAIN;
	add_frames(t, 3);
	kick(t, TX);
	assert_int_equal(t->host.tries, 1);
	assert_int_equal(count_used(t, TX), 0);
	/* Kicks do not make it try: only the host knows when there is room. */
	vdrv_kick(&t->r.d, TX);
	settle(t);
	assert_int_equal(t->host.tries, 1);
	fake_netdev_drain(&t->host, 0);
	settle(t);
	assert_int_equal(t->host.sent, 3);
	assert_int_equal(count_used(t, TX), 3);
	assert_int_equal(net_of(t)->tx_dropped, 0);
	/* And the driver kicks again for what comes next. */
	add_frames(t, 1);
	kick(t, TX);
	assert_int_equal(t->host.sent, 4);
}

static void case_22_reset_while_the_host_is_full(void **state)
{
	struct t *t = *state;

	start(t);
	t->host.send_ret = -EAGAIN;
	add_frames(t, 3);
	kick(t, TX);
	vdrv_reset(&t->r.d);
	fake_netdev_drain(&t->host, 0);
	settle(t);
	assert_int_equal(t->host.sent, 0);
	start(t);
	assert_true(transmit(t, &plain, 60));
	/* The same, but the room comes when the driver is back already. */
	t->host.send_ret = -EAGAIN;
	add_frames(t, 1);
	kick(t, TX);
	start(t);
	add_frames(t, 1);
	kick(t, TX);
	fake_netdev_drain(&t->host, 0);
	settle(t);
	assert_int_equal(t->host.sent, 2);
}

static void frames_that_the_host_refuses_are_answered_and_counted(void **state)
{
	struct t *t = *state;

	start(t);
	t->host.send_ret = -EINVAL;
	add_frames(t, 5);
	kick(t, TX);
	assert_int_equal(count_used(t, TX), 5);
	assert_int_equal(net_of(t)->tx_dropped, 5);
}

static void case_25_full_queue_is_sent_in_turns_with_others(void **state)
{
	struct t *t = *state;
	unsigned before;

	start(t);
	add_frames(t, NET_QUEUE_SIZE);
	vdrv_kick(&t->r.d, TX);
	loop_run_once(t->r.fake.loop, 0);
	before = t->host.sent;
	assert_true(before >= 1 && before <= NET_BATCH);
	settle(t);
	assert_int_equal(t->host.sent, NET_QUEUE_SIZE);
	assert_int_equal(count_used(t, TX), NET_QUEUE_SIZE);
}

static void interrupts_come_once_a_batch(void **state)
{
	struct t *t = *state;
	unsigned edges;

	start(t);
	if (t->r.kind != VRIG_MMIO)
		return;
	edges = t->r.irq[0].edges;
	add_frames(t, 20);
	kick(t, TX);
	assert_int_equal(t->r.irq[0].edges, edges + 1);
	assert_true(vrig_take_queue_irq(&t->r, TX));
}

/* --- receiving ----------------------------------------------------------------- */

static uint64_t offer(struct t *t, unsigned q, uint32_t len)
{
	uint64_t gpa = t->next;

	t->next += align_up(len, 64);
	assert_true(vdrv_add(&t->r.d.rings[q], &(struct vdrv_buf)VDRV_IN(gpa, len), 1) >= 0);
	if (len)
		memset(at(t, gpa, len), 0xee, len);
	return gpa;
}

static void give_on(struct t *t, unsigned queue, const struct virtio_net_hdr_v1 *hdr, size_t len,
		    unsigned seed)
{
	uint8_t *frame = malloc(HDR + len);

	memcpy(frame, hdr, HDR);
	fill(frame + HDR, len, seed);
	fake_netdev_give(&t->host, queue, frame, HDR + len);
	free(frame);
	settle(t);
}

static void give(struct t *t, size_t len, unsigned seed)
{
	give_on(t, 0, &plain, len, seed);
}

static void assert_num_buffers(struct t *t, uint64_t gpa, unsigned n)
{
	struct virtio_net_hdr_v1 *hdr = (void *)at(t, gpa, HDR);

	assert_int_equal(hdr->num_buffers, n);
}

static void frames_reach_the_guest(void **state)
{
	struct t *t = *state;
	uint64_t gpa[2];
	uint32_t len;

	start(t);
	gpa[0] = offer(t, RX, 1536);
	gpa[1] = offer(t, RX, 1536);
	kick(t, RX);
	assert_true(t->host.listening[0]);
	give(t, 60, 5);
	assert_true(vrig_take_queue_irq(&t->r, RX));
	assert_true(vdrv_used(&t->r.d.rings[RX], &len) >= 0);
	assert_int_equal(len, HDR + 60);
	assert_filled(at(t, gpa[0] + HDR, 60), 60, 5);
	assert_num_buffers(t, gpa[0], 1);
	assert_int_equal(at(t, gpa[0] + HDR + 60, 1)[0], 0xee);
	give(t, 1514, 6);
	assert_true(vdrv_used(&t->r.d.rings[RX], &len) >= 0);
	assert_int_equal(len, HDR + 1514);
	assert_filled(at(t, gpa[1] + HDR, 1514), 1514, 6);
	assert_int_equal(net_of(t)->received, 2);
}

static void guest_without_buffers_leaves_frames_to_the_host(void **state)
{
	struct t *t = *state;

	start(t);
	assert_false(t->host.listening[0]);
	give(t, 60, 1);
	give(t, 60, 2);
	assert_int_equal(fake_netdev_left(&t->host), 2);
	offer(t, RX, 1536);
	kick(t, RX);
	assert_int_equal(count_used(t, RX), 1);
	assert_int_equal(fake_netdev_left(&t->host), 1);
	assert_false(t->host.listening[0]);
	offer(t, RX, 1536);
	kick(t, RX);
	assert_int_equal(count_used(t, RX), 1);
	assert_int_equal(net_of(t)->rx_dropped, 0);
}

static void frame_is_spread_over_merged_buffers(void **state)
{
	struct t *t = *state;
	uint64_t gpa[4];
	uint32_t len[3];

	start(t);
	for (unsigned i = 0; i < 4; i++)
		gpa[i] = offer(t, RX, 600);
	kick(t, RX);
	give(t, 1514, 9);
	for (unsigned i = 0; i < 3; i++)
		assert_true(vdrv_used(&t->r.d.rings[RX], &len[i]) >= 0);
	assert_int_equal(vdrv_used(&t->r.d.rings[RX], NULL), -1);
	assert_int_equal(len[0], 600);
	assert_int_equal(len[1], 600);
	assert_int_equal(len[2], HDR + 1514 - 1200);
	assert_num_buffers(t, gpa[0], 3);
	assert_filled(at(t, gpa[0] + HDR, 588), 588, 9);
	/* The pattern goes on where the first buffer ended. */
	for (unsigned i = 0; i < 600; i++)
		assert_int_equal(at(t, gpa[1], 600)[i],
				 (uint8_t)(9 + (i + 588) * 7 + ((i + 588) >> 8)));
	/* The fourth is for the next frame. */
	give(t, 100, 2);
	assert_int_equal(count_used(t, RX), 1);
	assert_filled(at(t, gpa[3] + HDR, 100), 100, 2);
	assert_num_buffers(t, gpa[3], 1);
}

static void frame_waits_until_there_are_buffers_for_all_of_it(void **state)
{
	struct t *t = *state;
	uint64_t gpa[4];

	start(t);
	gpa[0] = offer(t, RX, 500);
	kick(t, RX);
	give(t, 1514, 3);
	assert_int_equal(count_used(t, RX), 0);
	assert_false(t->host.listening[0]);
	give(t, 60, 4);		/* stays with the host: order is kept */
	assert_int_equal(fake_netdev_left(&t->host), 1);
	gpa[1] = offer(t, RX, 500);
	kick(t, RX);
	assert_int_equal(count_used(t, RX), 0);
	gpa[2] = offer(t, RX, 700);
	gpa[3] = offer(t, RX, 100);
	kick(t, RX);
	assert_int_equal(count_used(t, RX), 4);
	assert_num_buffers(t, gpa[0], 3);
	assert_filled(at(t, gpa[0] + HDR, 488), 488, 3);
	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(at(t, gpa[1], 500)[i],
				 (uint8_t)(3 + (i + 488) * 7 + ((i + 488) >> 8)));
	for (unsigned i = 0; i < 1514 - 988; i++)
		assert_int_equal(at(t, gpa[2], 700)[i],
				 (uint8_t)(3 + (i + 988) * 7 + ((i + 988) >> 8)));
	assert_filled(at(t, gpa[3] + HDR, 60), 60, 4);
}

static void frame_that_no_ring_of_this_size_can_hold_is_dropped(void **state)
{
	struct t *t = *state;
	struct vdrv *d = &t->r.d;
	uint8_t status;

	vdrv_free_all(d);
	status = vdrv_negotiate(d, MRG | VIRTIO_COMMON_FEATURES);
	vdrv_setup_queue(d, RX, 4);
	vdrv_set(d, VDRV_STATUS, status | VIRTIO_CONFIG_S_DRIVER_OK);
	t->next = BUF;
	for (unsigned i = 0; i < 4; i++)
		offer(t, RX, 100);
	kick(t, RX);
	give(t, 1514, 1);
	assert_int_equal(count_used(t, RX), 0);
	assert_int_equal(net_of(t)->rx_dropped, 1);
	give(t, 300, 2);
	assert_int_equal(count_used(t, RX), 4);
	assert_int_equal(net_of(t)->received, 1);
}

static void without_merging_a_frame_has_one_buffer(void **state)
{
	struct t *t = *state;
	uint64_t gpa;

	start_with(t, 0);
	offer(t, RX, 1000);
	gpa = offer(t, RX, 1526);
	kick(t, RX);
	/* Longer than the driver said it would take (5.1.6.3.1): lost, the buffer is not. */
	give(t, 1514, 1);
	assert_int_equal(count_used(t, RX), 0);
	assert_int_equal(net_of(t)->rx_dropped, 1);
	give(t, 988, 2);
	assert_int_equal(count_used(t, RX), 1);
	give(t, 1514, 3);
	assert_int_equal(count_used(t, RX), 1);
	assert_filled(at(t, gpa + HDR, 1514), 1514, 3);
	/* 5.1.6.4.1 */
	assert_num_buffers(t, gpa, 1);
}

static void buffers_of_many_pieces_are_filled_in_order(void **state)
{
	struct t *t = *state;
	struct vdrv_buf bufs[200];
	uint32_t len;

	start(t);
	for (unsigned i = 0; i < 200; i++)
		bufs[i] = (struct vdrv_buf)VDRV_IN(BUF + 16 * i, 10);
	assert_true(vdrv_add(&t->r.d.rings[RX], bufs, 200) >= 0);
	kick(t, RX);
	give(t, 1514, 1);
	assert_true(vdrv_used(&t->r.d.rings[RX], &len) >= 0);
	assert_int_equal(len, HDR + 1514);
	for (unsigned i = HDR; i < HDR + 1514; i++)
		assert_int_equal(*at(t, BUF + 16 * (i / 10) + i % 10, 1),
				 (uint8_t)(1 + (i - HDR) * 7 + ((i - HDR) >> 8)));
}

/* More vectors than one call takes: the rest goes by way of a copy. */
static void buffers_of_very_many_pieces_are_filled_in_order(void **state)
{
	struct t *t = *state;
	struct vdrv_buf bufs[100];

	start(t);
	/* Each buffer an indirect table. */
	for (unsigned k = 0; k < 6; k++) {
		uint64_t table = BUF + 0x40000 + 0x1000 * k;

		for (unsigned i = 0; i < 100; i++)
			bufs[i] = (struct vdrv_buf)VDRV_IN(BUF + 0x1000 * k + 8 * i, 3);
		assert_true(vdrv_add_indirect(&t->r.d.rings[RX], table, bufs, 100) >= 0);
	}
	kick(t, RX);
	give(t, 1514, 1);
	assert_int_equal(count_used(t, RX), 6);
	for (unsigned i = HDR; i < HDR + 1514; i++)
		assert_int_equal(*at(t, BUF + 0x1000 * (i / 300) + 8 * (i % 300 / 3) + i % 3, 1),
				 (uint8_t)(1 + (i - HDR) * 7 + ((i - HDR) >> 8)));
}

static void case_04_19_buffers_without_room_for_a_header_come_back_empty(void **state)
{
	struct t *t = *state;
	uint64_t gpa;
	uint32_t len;

	start(t);
	offer(t, RX, 0);
	offer(t, RX, HDR - 1);
	assert_true(vdrv_add(&t->r.d.rings[RX], &(struct vdrv_buf)VDRV_OUT(BUF, 100), 1) >= 0);
	offer(t, RX, HDR);
	gpa = offer(t, RX, 100);
	kick(t, RX);
	give(t, 60, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(vdrv_used(&t->r.d.rings[RX], &len) >= 0);
		assert_int_equal(len, 0);
	}
	/* One of just a header is one. */
	assert_true(vdrv_used(&t->r.d.rings[RX], &len) >= 0);
	assert_int_equal(len, HDR);
	assert_true(vdrv_used(&t->r.d.rings[RX], &len) >= 0);
	assert_int_equal(len, 60);
	assert_filled(at(t, gpa, 60), 60, 1);
	assert_false(needs_reset(t));
}

static void case_04_ring_full_of_empty_buffers_does_not_spin(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < NET_QUEUE_SIZE; i++)
		offer(t, RX, 0);
	kick(t, RX);
	assert_int_equal(count_used(t, RX), NET_QUEUE_SIZE);
	assert_false(t->host.listening[0]);
}

static void case_07_receive_buffer_outside_ram_needs_a_reset(void **state)
{
	struct t *t = *state;
	const struct vdrv_buf bad = VDRV_IN(FAKE_RAM_LEN - 8, 64);

	start(t);
	vdrv_add(&t->r.d.rings[RX], &bad, 1);
	kick(t, RX);
	assert_true(needs_reset(t));
	give(t, 60, 1);
	assert_int_equal(fake_netdev_left(&t->host), 1);
	start(t);
	offer(t, RX, 1536);
	kick(t, RX);
	assert_int_equal(count_used(t, RX), 1);
}

static void case_22_reset_while_a_frame_waits_for_buffers(void **state)
{
	struct t *t = *state;
	uint64_t gpa;

	start(t);
	offer(t, RX, 500);
	kick(t, RX);
	give(t, 1514, 1);
	vdrv_reset(&t->r.d);
	memset(at(t, BUF, 0x1000), 0x11, 0x1000);
	give(t, 60, 2);
	settle(t);
	for (unsigned i = 0; i < 0x1000; i++)
		assert_int_equal(at(t, BUF, 0x1000)[i], 0x11);
	start(t);
	gpa = offer(t, RX, 1536);
	kick(t, RX);
	assert_int_equal(count_used(t, RX), 1);
	assert_filled(at(t, gpa + HDR, 60), 60, 2);
}

static void case_22_host_stops_listening_after_a_reset(void **state)
{
	struct t *t = *state;

	start(t);
	offer(t, RX, 1536);
	kick(t, RX);
	assert_true(t->host.listening[0]);
	vdrv_reset(&t->r.d);
	give(t, 60, 1);
	assert_false(t->host.listening[0]);
	assert_int_equal(fake_netdev_left(&t->host), 1);
}

static void frames_that_the_host_garbled_are_dropped(void **state)
{
	struct t *t = *state;
	uint8_t huge[HDR + NETDEV_FRAME_MAX + 1] = { 0 };

	start(t);
	offer(t, RX, 1536);
	kick(t, RX);
	fake_netdev_give(&t->host, 0, huge, 0);
	fake_netdev_give(&t->host, 0, huge, HDR - 1);
	fake_netdev_give(&t->host, 0, huge, HDR + 13);
	fake_netdev_give(&t->host, 0, huge, sizeof(huge));
	settle(t);
	assert_int_equal(net_of(t)->rx_dropped, 4);
	assert_int_equal(count_used(t, RX), 0);
	t->host.recv_ret = -EIO;
	give(t, 60, 1);
	t->host.recv_ret = 0;
	give(t, 60, 2);
	assert_int_equal(count_used(t, RX), 1);
}

static void case_25_many_frames_are_received_in_turns_with_others(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < 200; i++)
		give(t, 60, i);
	for (unsigned i = 0; i < 200; i++)
		offer(t, RX, 1536);
	vdrv_kick(&t->r.d, RX);
	loop_run_once(t->r.fake.loop, 0);
	assert_int_equal(count_used(t, RX), NET_BATCH);
	/* The host was not heard out: it calls again. */
	assert_true(t->host.listening[0]);
	while (fake_netdev_left(&t->host))
		t->host.dev.front->readable(t->host.dev.front_ctx, 0);
	assert_int_equal(count_used(t, RX), 200 - NET_BATCH);
}

/* --- what frames may leave to the guest ------------------------------------------ */

static void host_hears_what_the_driver_takes(void **state)
{
	struct t *t = *state;

	start_with(t, MRG | RX_CSUM | RX_TSO4 | BIT(VIRTIO_NET_F_GUEST_TSO6));
	assert_int_equal(t->host.offloads_set, NETDEV_CSUM | NETDEV_TSO4 | NETDEV_TSO6);
	assert_int_equal(t->host.queues_set, 1);
	start_with(t, MRG | RX_CSUM);
	assert_int_equal(t->host.offloads_set, NETDEV_CSUM);
	start_with(t, MRG | RX_TSO4);
	assert_int_equal(t->host.offloads_set, 0);
	start(t);
	assert_int_equal(t->host.offloads_set, 0);
	/* Once a start, not once a kick. */
	assert_int_equal(t->host.syncs, 4);
}

static void large_frame_is_received_in_place(void **state)
{
	struct t *t = *state;
	struct virtio_net_hdr_v1 hdr = gso_hdr(VIRTIO_NET_HDR_GSO_TCPV4);
	uint64_t gpa;

	start_with(t, MRG | RX_CSUM | RX_TSO4);
	gpa = t->next = BIG;
	for (unsigned i = 0; i < 60; i++)
		offer(t, RX, 1536);
	kick(t, RX);
	give_on(t, 0, &hdr, 65000, 1);
	assert_int_equal(count_used(t, RX), (HDR + 65000 + 1535) / 1536);
	assert_filled(at(t, gpa + HDR, 65000), 65000, 1);
	assert_num_buffers(t, gpa, (HDR + 65000 + 1535) / 1536);
	hdr.num_buffers = (HDR + 65000 + 1535) / 1536;
	assert_memory_equal(at(t, gpa, HDR), &hdr, HDR);
}

static void frame_of_before_the_driver_that_it_does_not_take_is_dropped(void **state)
{
	struct t *t = *state;
	struct virtio_net_hdr_v1 tso = gso_hdr(VIRTIO_NET_HDR_GSO_TCPV4), csum = csum_hdr();

	give_on(t, 0, &tso, 3000, 1);
	give_on(t, 0, &csum, 1000, 1);
	start(t);
	give(t, 60, 2);
	offer(t, RX, 1536);
	kick(t, RX);
	assert_int_equal(count_used(t, RX), 1);
	assert_int_equal(net_of(t)->rx_dropped, 2);
}

static void that_a_checksum_was_looked_at_is_told_to_who_asked(void **state)
{
	struct t *t = *state;
	struct virtio_net_hdr_v1 hdr = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	uint64_t gpa;

	start(t);
	gpa = offer(t, RX, 1536);
	kick(t, RX);
	give_on(t, 0, &hdr, 60, 1);
	assert_int_equal(*at(t, gpa, 1), 0);
	start_with(t, MRG | RX_CSUM);
	gpa = offer(t, RX, 1536);
	kick(t, RX);
	give_on(t, 0, &hdr, 60, 1);
	assert_int_equal(*at(t, gpa, 1), VIRTIO_NET_HDR_F_DATA_VALID);
}

/* --- features, configuration ------------------------------------------------------- */

static void features_follow_the_host(void **state)
{
	struct t *t = *state;
	uint64_t f = vdrv_device_features(&t->r.d);
	const uint64_t offloads = TX_CSUM | TX_TSO4 | TX_TSO6 | TX_ECN | RX_CSUM | RX_TSO4 |
				  BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) |
				  GUEST_OFFLOADS;

	assert_true(f & MRG);
	assert_true(f & BIT(VIRTIO_NET_F_MAC));
	assert_int_equal(f & offloads, t->host.dev.offloads ? offloads : 0);
	assert_int_equal(!!(f & MQ), t->host.dev.n_queues > 1);
	/* Nobody answers for these. */
	assert_int_equal(f & (BIT(VIRTIO_NET_F_HOST_UFO) | BIT(VIRTIO_NET_F_GUEST_UFO) |
			      BIT(VIRTIO_NET_F_CTRL_VLAN) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) |
			      BIT(VIRTIO_NET_F_RSS)), 0);
}

static void configuration_tells_address_link_and_mtu(void **state)
{
	struct t *t = *state;
	struct vdrv *d = &t->r.d;

	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(vdrv_config_read(d, i, 1), own_mac[i]);
	assert_int_equal(vdrv_config_read(d, 6, 2), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(vdrv_config_read(d, 8, 2), t->host.dev.n_queues);
	assert_int_equal(vdrv_config_read(d, 10, 2), 1500);
}

static void case_24_configuration_ends_where_it_ends(void **state)
{
	struct t *t = *state;
	struct vdrv *d = &t->r.d;

	start(t);
	assert_int_equal(vdrv_config_read(d, 12, 4), 0);
	assert_int_equal(vdrv_config_read(d, 11, 2), 0);
	assert_int_equal(vdrv_config_read(d, 0xfc, 4), 0);
	vdrv_config_write(d, 0, 4, 0xffffffff);
	vdrv_config_write(d, 12, 4, 0xffffffff);
	assert_int_equal(vdrv_config_read(d, 0, 1), own_mac[0]);
}

/* --- control queue ----------------------------------------------------------------- */

/* A command's answer; -1: none. */
static int command_on(struct t *t, unsigned q, uint8_t class, uint8_t cmd, const void *data,
		      size_t len)
{
	uint8_t out[512] = { class, cmd }, ack = 0x77;

	assert_true(len <= sizeof(out) - 2);
	memcpy(out + 2, data, len);
	if (vrig_request(&t->r, q, out, 2 + len, &ack, 1) != 1)
		return -1;
	return ack;
}

static int command(struct t *t, uint8_t class, uint8_t cmd, const void *data, size_t len)
{
	return command_on(t, CTRL, class, cmd, data, len);
}

static void receive_modes_are_taken(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned cmd = 0; cmd < 256; cmd++)
		assert_int_equal(command(t, VIRTIO_NET_CTRL_RX, cmd, "\1", 1),
				 cmd <= VIRTIO_NET_CTRL_RX_ALLMULTI ? VIRTIO_NET_OK : VIRTIO_NET_ERR);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_RX, 0, "", 0), VIRTIO_NET_ERR);
}

static void mac_tables_are_taken(void **state)
{
	struct t *t = *state;
	uint8_t table[4 + 12 + 4 + 6] = { [0] = 2, [16] = 1 };

	start(t);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_MAC, 0, table, sizeof(table)), VIRTIO_NET_OK);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_MAC, 0, "\0\0\0\0\0\0\0\0", 8), VIRTIO_NET_OK);
}

static void case_06_mac_tables_of_impossible_size_are_refused(void **state)
{
	struct t *t = *state;
	uint8_t table[4 + 12 + 4 + 6] = { [0] = 2, [16] = 1 };

	start(t);
	for (size_t len = 0; len < sizeof(table); len++)
		assert_int_equal(command(t, VIRTIO_NET_CTRL_MAC, 0, table, len), VIRTIO_NET_ERR);
	/* 6 * 0x2aaaaaab is 2 in 32 bits. */
	memcpy(table, "\xab\xaa\xaa\x2a", 4);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_MAC, 0, table, sizeof(table)), VIRTIO_NET_ERR);
	memset(table, 0xff, 4);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_MAC, 0, table, sizeof(table)), VIRTIO_NET_ERR);
}

static void driver_may_choose_its_address_until_a_reset(void **state)
{
	struct t *t = *state;
	struct vdrv *d = &t->r.d;
	const uint8_t set = VIRTIO_NET_CTRL_MAC_ADDR_SET;

	start(t);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_MAC, set, "\x02\x09\x08\x07\x06\x05", 6),
			 VIRTIO_NET_OK);
	assert_int_equal(vdrv_config_read(d, 1, 1), 9);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_MAC, set, "\x03\x01\x08\x07\x06\x05", 6),
			 VIRTIO_NET_ERR);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_MAC, set, "\x02\x01\x08\x07\x06", 5),
			 VIRTIO_NET_ERR);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_MAC, 2, "\x02\x01\x08\x07\x06\x01", 6),
			 VIRTIO_NET_ERR);
	assert_int_equal(vdrv_config_read(d, 1, 1), 9);
	vdrv_reset(d);
	assert_int_equal(vdrv_config_read(d, 1, 1), own_mac[1]);
}

static void offloads_may_change_within_what_was_negotiated(void **state)
{
	struct t *t = *state;
	const uint8_t class = VIRTIO_NET_CTRL_GUEST_OFFLOADS;
	uint64_t bits = RX_CSUM;

	start_with(t, MRG | RX_CSUM | RX_TSO4 | GUEST_OFFLOADS);
	assert_int_equal(command(t, class, 0, &bits, 8), VIRTIO_NET_OK);
	assert_int_equal(t->host.offloads_set, NETDEV_CSUM);
	bits = RX_CSUM | RX_TSO4;
	assert_int_equal(command(t, class, 0, &bits, 8), VIRTIO_NET_OK);
	assert_int_equal(t->host.offloads_set, NETDEV_CSUM | NETDEV_TSO4);
	bits = RX_TSO4;		/* nothing without the checksum */
	assert_int_equal(command(t, class, 0, &bits, 8), VIRTIO_NET_OK);
	assert_int_equal(t->host.offloads_set, 0);
	bits = BIT(VIRTIO_NET_F_GUEST_TSO6);
	assert_int_equal(command(t, class, 0, &bits, 8), VIRTIO_NET_ERR);
	bits = TX_CSUM;
	assert_int_equal(command(t, class, 0, &bits, 8), VIRTIO_NET_ERR);
	bits = MRG;		/* negotiated, but none of these */
	assert_int_equal(command(t, class, 0, &bits, 8), VIRTIO_NET_ERR);
	bits = 0;
	assert_int_equal(command(t, class, 0, &bits, 7), VIRTIO_NET_ERR);
	assert_int_equal(command(t, class, 1, &bits, 8), VIRTIO_NET_ERR);
	start_with(t, MRG | RX_CSUM | RX_TSO4);
	assert_int_equal(command(t, class, 0, &bits, 8), VIRTIO_NET_ERR);
}

static void commands_that_do_not_exist_are_refused(void **state)
{
	struct t *t = *state;
	uint8_t ack = 0x77;

	start(t);
	for (unsigned class = 2; class < 256; class++)
		assert_int_equal(command(t, class, 0, "\1\0\0\0\0\0\0\0", 8), VIRTIO_NET_ERR);
	assert_int_equal(vrig_request(&t->r, CTRL, "\0", 1, &ack, 1), 1);
	assert_int_equal(ack, VIRTIO_NET_ERR);
	assert_int_equal(vrig_request(&t->r, CTRL, NULL, 0, &ack, 1), 1);
	assert_int_equal(ack, VIRTIO_NET_ERR);
}

static void case_19_command_without_room_for_its_answer(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(vrig_request(&t->r, CTRL, "\0\0\1", 3, NULL, 0), 0);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_RX, 0, "\1", 1), VIRTIO_NET_OK);
}

static void case_21_many_bad_commands_are_all_answered(void **state)
{
	struct t *t = *state;
	const struct vdrv_buf bufs[] = { VDRV_OUT(BUF, 40), VDRV_IN(BUF + 64, 1) };

	start(t);
	memset(at(t, BUF, 40), 0xff, 40);
	for (unsigned round = 0; round < 100; round++) {
		unsigned n = 0;

		while (vdrv_add(&t->r.d.rings[CTRL], bufs, 2) >= 0)
			n++;
		kick(t, CTRL);
		assert_int_equal(count_used(t, CTRL), n);
	}
	assert_false(needs_reset(t));
}

/* --- several queues ------------------------------------------------------------------ */

static int set_pairs(struct t *t, unsigned n)
{
	return command_on(t, 8, VIRTIO_NET_CTRL_MQ, 0, &(uint16_t){ n }, 2);
}

static void pairs_are_used_when_the_driver_says_so(void **state)
{
	struct t *t = *state;
	const struct vdrv_buf buf = VDRV_OUT(BUF, HDR + 60);
	uint64_t gpa;

	start_with(t, MRG | MQ);
	assert_int_equal(t->host.queues_set, 1);
	/* Of the second pair nothing is taken yet. */
	vdrv_add(&t->r.d.rings[3], &buf, 1);
	kick(t, 3);
	t->next = BIG;
	gpa = offer(t, 2, 1536);
	kick(t, 2);
	assert_int_equal(t->host.sent, 0);
	assert_false(t->host.listening[1]);
	assert_int_equal(set_pairs(t, 2), VIRTIO_NET_OK);
	settle(t);
	assert_int_equal(t->host.queues_set, 2);
	assert_int_equal(t->host.sent, 1);
	assert_int_equal(t->host.last->queue, 1);
	assert_true(t->host.listening[1]);
	give_on(t, 1, &plain, 60, 4);
	assert_int_equal(count_used(t, 2), 1);
	assert_filled(at(t, gpa + HDR, 60), 60, 4);
	assert_true(vrig_take_queue_irq(&t->r, 2));
}

static void fewer_pairs_leave_the_others_alone(void **state)
{
	struct t *t = *state;

	start_with(t, MRG | MQ);
	set_pairs(t, 4);
	t->next = BIG;
	offer(t, 6, 1536);
	kick(t, 6);
	assert_true(t->host.listening[3]);
	set_pairs(t, 1);
	assert_int_equal(t->host.queues_set, 1);
	give_on(t, 3, &plain, 60, 1);
	assert_int_equal(count_used(t, 6), 0);
	assert_false(t->host.listening[3]);
	fake_netdev_drain(&t->host, 3);
	/* A reset goes back to one as well. */
	set_pairs(t, 4);
	start_with(t, MRG | MQ);
	assert_int_equal(t->host.queues_set, 1);
}

static void numbers_of_pairs_that_cannot_be_are_refused(void **state)
{
	struct t *t = *state;

	start_with(t, MRG | MQ);
	assert_int_equal(set_pairs(t, 0), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(t, 5), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(t, 0x8000), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(t, 4), VIRTIO_NET_OK);
	assert_int_equal(command_on(t, 8, VIRTIO_NET_CTRL_MQ, 0, "\1", 1), VIRTIO_NET_ERR);
	assert_int_equal(command_on(t, 8, VIRTIO_NET_CTRL_MQ, 1, "\1\0", 2), VIRTIO_NET_ERR);
	assert_int_equal(t->host.queues_set, 4);
}

/* 5.1.2: the control queue is then the third one. */
static void driver_that_knows_one_pair_finds_its_control_queue(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_RX, 0, "\1", 1), VIRTIO_NET_OK);
	assert_int_equal(command(t, VIRTIO_NET_CTRL_MQ, 0, "\2\0", 2), VIRTIO_NET_ERR);
	assert_true(transmit(t, &plain, 60));
	/* Queues that this driver has no name for. */
	vdrv_add(&t->r.d.rings[3], &(struct vdrv_buf)VDRV_OUT(BUF, 100), 1);
	for (unsigned q = 3; q < 9; q++)
		vdrv_kick(&t->r.d, q);
	settle(t);
	assert_int_equal(t->host.sent, 1);
}

/* --- the option ---------------------------------------------------------------------- */

extern const struct virtio_model virtio_net_model;

static int model_check(const char *text)
{
	struct opt_value opts;
	int ret = opt_value_parse(&opts, "--net", text, virtio_net_model.keys);

	if (ret < 0)
		return ret;
	ret = virtio_net_model.check("--net", &opts);
	opt_value_finish(&opts);
	return ret;
}

static void option_takes_what_makes_sense(void **state)
{
	static const char *const good[] = {
		"", "user", "restrict", "user,mac=02:00:00:00:00:01", "mac=02:00:00:00:00:01",
		"fwd=tcp:127.0.0.1:2222:22", "user,fwd=tcp:127.0.0.1:2222:22,fwd=udp:[::1]:53:53",
		"mtu=1280", "user,mtu=65520", "tap=tap0",
		"tap=tap0,queues=8,mac=02:00:00:00:00:01", "tap=tap0,restrict=off",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		if (model_check(good[i]) < 0)
			fail_msg("%s", good[i]);
}

static void option_refuses_what_does_not(void **state)
{
	static const char *const bad[] = {
		"none,mac=02:00:00:00:00:01", "user,tap=tap0", "tap=a/b", "tap=", "tap=tap0,restrict",
		"tap=tap0,fwd=tcp:127.0.0.1:2222:22", "tap=tap0,queues=0", "tap=tap0,queues=9",
		"tap=tap0,queues=x", "tap=tap0,mtu=1500", "mtu=1279", "mtu=65521", "mtu=x",
		"queues=2", "mac=1", "mac=01:00:00:00:00:01",
		"fwd=tcp:127.0.0.1:2222", "mac=02:00:00:00:00:01,mac=02:00:00:00:00:02",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		if (model_check(bad[i]) != -EINVAL)
			fail_msg("%s", bad[i]);
}

static void make_card(const char *guest, unsigned index, uint8_t mac[6], const char *text)
{
	enum vrig_kind kind = VRIG_MMIO;
	struct opt_value opts;
	struct vrig r;
	struct virtio_env env = { .loop = NULL, .guest = guest, .index = index };
	struct virtio_device *v;

	vrig_init(&r, kind);
	env.loop = r.fake.loop;
	env.mem = &r.fake.mem;
	assert_int_equal(opt_value_parse(&opts, "--net", text, virtio_net_model.keys), 0);
	assert_int_equal(virtio_net_model.create(&v, &env, &opts), 0);
	vrig_plug(&r, v);
	for (unsigned i = 0; i < 6; i++)
		mac[i] = vdrv_config_read(&r.d, i, 1);
	vrig_unplug(&r);
	virtio_net_model.destroy(v);
	opt_value_finish(&opts);
	vrig_finish(&r);
}

static void card_has_the_address_asked_for_or_one_of_its_own(void **state)
{
	uint8_t a[6], b[6], expected[6];

	make_card("guest", 0, a, "user,mac=02:00:00:00:00:77");
	assert_memory_equal(a, "\x02\0\0\0\0\x77", 6);
	make_card("guest", 0, a, "user");
	make_card("guest", 1, b, "restrict");
	assert_memory_not_equal(a, b, 6);
	netaddr_default_mac(expected, "guest", 1, "user");
	assert_memory_equal(b, expected, 6);
}

static enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_MSIX, VRIG_PACKED };

#define ON(f, s) { #f " (mmio)", f, s, teardown, &kinds[0] }, \
		 { #f " (pci)", f, s, teardown, &kinds[1] }, \
		 { #f " (packed)", f, s, teardown, &kinds[2] }
#define T(f) ON(f, setup_plain)
#define O(f) ON(f, setup_offloads)
#define P(f) ON(f, setup_pairs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(frames_reach_the_host),
		T(header_may_be_apart_or_cut),
		T(frame_across_the_hole_in_ram_arrives_whole),
		T(case_04_19_frames_too_short_or_too_long_are_dropped_and_counted),
		T(case_05_07_bad_chain_needs_a_reset_and_a_reset_helps),
		T(writable_buffer_behind_a_frame_stays_untouched),
		O(offloads_are_passed_on_as_negotiated),
		O(case_18_flags_that_no_driver_sets_are_cleared),
		O(offloads_that_were_not_negotiated_are_dropped),
		O(headers_that_make_no_sense_are_dropped),
		T(host_that_is_full_stops_the_guest_and_nothing_is_lost),
		T(case_22_reset_while_the_host_is_full),
		T(frames_that_the_host_refuses_are_answered_and_counted),
		T(case_25_full_queue_is_sent_in_turns_with_others),
		T(interrupts_come_once_a_batch),
		T(frames_reach_the_guest),
		T(guest_without_buffers_leaves_frames_to_the_host),
		T(frame_is_spread_over_merged_buffers),
		T(frame_waits_until_there_are_buffers_for_all_of_it),
		T(frame_that_no_ring_of_this_size_can_hold_is_dropped),
		T(without_merging_a_frame_has_one_buffer),
		T(buffers_of_many_pieces_are_filled_in_order),
		T(buffers_of_very_many_pieces_are_filled_in_order),
		T(case_04_19_buffers_without_room_for_a_header_come_back_empty),
		T(case_04_ring_full_of_empty_buffers_does_not_spin),
		T(case_07_receive_buffer_outside_ram_needs_a_reset),
		T(case_22_reset_while_a_frame_waits_for_buffers),
		T(case_22_host_stops_listening_after_a_reset),
		T(frames_that_the_host_garbled_are_dropped),
		T(case_25_many_frames_are_received_in_turns_with_others),
		O(host_hears_what_the_driver_takes),
		O(large_frame_is_received_in_place),
		O(frame_of_before_the_driver_that_it_does_not_take_is_dropped),
		O(that_a_checksum_was_looked_at_is_told_to_who_asked),
		T(features_follow_the_host),
		O(features_follow_the_host),
		P(features_follow_the_host),
		P(configuration_tells_address_link_and_mtu),
		T(case_24_configuration_ends_where_it_ends),
		T(receive_modes_are_taken),
		T(mac_tables_are_taken),
		T(case_06_mac_tables_of_impossible_size_are_refused),
		T(driver_may_choose_its_address_until_a_reset),
		O(offloads_may_change_within_what_was_negotiated),
		T(commands_that_do_not_exist_are_refused),
		T(case_19_command_without_room_for_its_answer),
		T(case_21_many_bad_commands_are_all_answered),
		P(pairs_are_used_when_the_driver_says_so),
		P(fewer_pairs_leave_the_others_alone),
		P(numbers_of_pairs_that_cannot_be_are_refused),
		P(driver_that_knows_one_pair_finds_its_control_queue),
		cmocka_unit_test(option_takes_what_makes_sense),
		cmocka_unit_test(option_refuses_what_does_not),
		cmocka_unit_test(card_has_the_address_asked_for_or_one_of_its_own),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
