/* SPDX-License-Identifier: MIT */
/*
 * A tap interface in a network namespace of this program's own, where it may
 * make one. The host's side of it is 10.9.0.1, the guest's 10.9.0.2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/netdev_tap.h"
#include "devices/virtio/net.h"
#include "tests/packets.h"
#include "tests/vrig.h"
#include "vmm/log.h"

#define HDR NETDEV_HDR_LEN
#define IFNAME "t0"
#define HOST_IP "10.9.0.1"
#define GUEST_IP "10.9.0.2"
#define PATIENCE 200	/* tenths of a second */

static const uint8_t broadcast[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

struct t {
	struct loop *loop;
	struct netdev *dev;
	int packet;		/* a socket on the host's side */
	uint8_t host_mac[6];
	unsigned n_readable[NETDEV_TAP_MAX_QUEUES], n_writable;

	/* the last frame that the guest got */
	struct virtio_net_hdr_v1 hdr;
	uint8_t frame[NETDEV_FRAME_MAX];
	ssize_t len;		/* without the header, or negative errno */
};

/* --- the namespace ------------------------------------------------------------------ */

static const char *enter_namespace(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return "no network namespace for this user";
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return "/dev/net/tun cannot be opened";
	close(fd);
	return NULL;
}

static struct ifreq ifreq_of(const char *ifname)
{
	struct ifreq ifr = { 0 };

	strcpy(ifr.ifr_name, ifname);
	return ifr;
}

static void set_address(struct t *t)
{
	struct ifreq ifr = ifreq_of(IFNAME);
	struct sockaddr_in *addr = (void *)&ifr.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	addr->sin_family = AF_INET;
	addr->sin_addr.s_addr = inet_addr(HOST_IP);
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &ifr), 0);
	addr->sin_addr.s_addr = inet_addr("255.255.255.0");
	assert_int_equal(ioctl(fd, SIOCSIFNETMASK, &ifr), 0);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &ifr), 0);
	memcpy(t->host_mac, ifr.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static int open_packet(void)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(IFNAME),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* As "ip link del" does it. */
static void delete_interface(const char *ifname)
{
	struct {
		struct nlmsghdr nh;
		struct ifinfomsg info;
		char answer[256];
	} msg = {
		.nh = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			.nlmsg_type = RTM_DELLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		},
		.info.ifi_index = if_nametoindex(ifname),
	};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	assert_int_equal(send(fd, &msg, msg.nh.nlmsg_len, 0), msg.nh.nlmsg_len);
	assert_true(recv(fd, &msg, sizeof(msg), 0) > 0);
	close(fd);
}

/* --- the guest ----------------------------------------------------------------------- */

static void receive_on(struct t *t, unsigned queue)
{
	/* In pieces, as a guest's buffers are. */
	const struct iovec iov[] = {
		{ &t->hdr, HDR }, { t->frame, 40 }, { t->frame + 40, sizeof(t->frame) - 40 },
	};

	memset(&t->hdr, 0xee, HDR);
	t->len = netdev_recv(t->dev, queue, iov, 3);
	if (t->len >= 0)
		t->len -= HDR;
}

static void readable(void *ctx, unsigned queue)
{
	struct t *t = ctx;

	t->n_readable[queue]++;
	receive_on(t, queue);
}

static void writable(void *ctx, unsigned queue)
{
	struct t *t = ctx;

	t->n_writable++;
}

static const struct netdev_front_ops front = { .readable = readable, .writable = writable };

static int send_on(struct t *t, unsigned queue, const struct virtio_net_hdr_v1 *hdr,
		   const struct pkt *p)
{
	struct virtio_net_hdr_v1 copy = *hdr;
	const struct iovec iov[] = {
		{ &copy, HDR }, { (void *)p->data, 20 }, { (void *)(p->data + 20), p->len - 20 },
	};

	return netdev_send(t->dev, queue, iov, 3);
}

static const struct virtio_net_hdr_v1 plain;

static void put(struct t *t, struct pkt p)
{
	assert_int_equal(send_on(t, 0, &plain, &p), 0);
}

static void turn(struct t *t, unsigned n)
{
	while (n--)
		loop_run_once(t->loop, 0);
}

/* Until the guest gets an IPv4 frame of @proto; others, of the kernel's own, pass. */
static const uint8_t *await_ip(struct t *t, uint8_t proto)
{
	netdev_listen(t->dev, 0, true);
	for (unsigned i = 0; i < PATIENCE; i++) {
		t->len = -EAGAIN;
		loop_run_once(t->loop, 100);
		if (t->len > 0 && pkt_payload(t->frame, t->len, false, proto))
			return t->frame + 34;
		/* Who has 10.9.0.2? */
		if (t->len > 0 && pkt_be16(t->frame + 12) == ETH_P_ARP && t->frame[21] == 1)
			put(t, pkt_make_arp(2, t->host_mac, GUEST_IP, HOST_IP));
	}
	fail_msg("nothing of IP protocol %u", proto);
	return NULL;
}

static int setup_queues(void **state, unsigned n)
{
	struct t *t = calloc(1, sizeof(*t));

	assert_int_equal(loop_create(&t->loop), 0);
	if (netdev_tap_open(&t->dev, t->loop, IFNAME, n) < 0)
		return -1;
	netdev_attach(t->dev, &front, t);
	set_address(t);
	t->packet = open_packet();
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return setup_queues(state, 1);
}

static int setup_multi(void **state)
{
	return setup_queues(state, 3);
}

static int teardown(void **state)
{
	struct t *t = *state;

	netdev_close(t->dev);
	loop_destroy(t->loop);
	close(t->packet);
	free(t);
	/* It was not there before, so it is not there after. */
	assert_int_equal(if_nametoindex(IFNAME), 0);
	return 0;
}

/* --- frames ---------------------------------------------------------------------------- */

static struct pkt udp_to_host(uint16_t port, const uint8_t mac[6])
{
	return pkt_make_udp(mac, pkt_ip(GUEST_IP), pkt_ip(HOST_IP), 4000, port, "from the guest",
			    14);
}

static void interface_is_made_and_up(void **state)
{
	struct t *t = *state;
	struct ifreq ifr = ifreq_of(IFNAME);

	assert_int_equal(ioctl(t->packet, SIOCGIFFLAGS, &ifr), 0);
	assert_true(ifr.ifr_flags & IFF_UP);
	assert_int_equal(t->dev->mtu, 1500);
	assert_int_equal(t->dev->n_queues, 1);
	assert_int_equal(t->dev->offloads, NETDEV_ALL_OFFLOADS);
}

static void frame_of_the_guest_arrives(void **state)
{
	struct t *t = *state;
	struct pkt p = udp_to_host(9, broadcast);
	uint8_t buf[2048];
	ssize_t len;

	put(t, p);
	do
		len = recv(t->packet, buf, sizeof(buf), 0);
	while (len > 0 && (len != (ssize_t)p.len || memcmp(buf, p.data, len)));
	assert_int_equal(len, p.len);
}

static void frame_of_the_host_arrives_when_the_guest_listens(void **state)
{
	struct t *t = *state;
	struct pkt p = udp_to_host(77, broadcast);

	assert_int_equal(send(t->packet, p.data, p.len, 0), p.len);
	turn(t, 5);
	assert_int_equal(t->n_readable[0], 0);
	assert_int_equal(pkt_be16(await_ip(t, 17) + 2), 77);
	assert_int_equal(t->len, p.len);
	assert_memory_equal(t->frame, p.data, p.len);
	assert_int_equal(t->hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	netdev_listen(t->dev, 0, false);
	t->n_readable[0] = 0;
	assert_int_equal(send(t->packet, p.data, p.len, 0), p.len);
	turn(t, 5);
	assert_int_equal(t->n_readable[0], 0);
}

static void nothing_to_receive_is_said(void **state)
{
	struct t *t = *state;

	do
		receive_on(t, 0);
	while (t->len >= 0);
	assert_int_equal(t->len, -EAGAIN);
}

static void frames_that_the_kernel_refuses_are_errors(void **state)
{
	struct t *t = *state;
	struct pkt p = udp_to_host(9, broadcast);
	struct virtio_net_hdr_v1 hdr = { .hdr_len = 60000 };

	assert_int_equal(send_on(t, 0, &hdr, &p), -EINVAL);
	hdr = (struct virtio_net_hdr_v1){ .gso_type = 77, .gso_size = 1 };
	assert_int_equal(send_on(t, 0, &hdr, &p), -EINVAL);
	assert_int_equal(t->n_writable, 0);
}

/* --- offloads --------------------------------------------------------------------------- */

static int bind_udp(uint16_t *port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(HOST_IP) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (void *)&addr, len), 0);
	assert_int_equal(getsockname(fd, (void *)&addr, &len), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

static void checksum_is_left_to_the_kernel(void **state)
{
	struct t *t = *state;
	struct virtio_net_hdr_v1 hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6,
	};
	uint16_t port;
	int fd = bind_udp(&port);
	struct pkt p = udp_to_host(port, t->host_mac);
	char buf[32];

	p.data[40] ^= 0x55;	/* wrong, as it is before it is made */
	assert_int_equal(send_on(t, 0, &plain, &p), 0);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), -1);
	assert_int_equal(send_on(t, 0, &hdr, &p), 0);
	assert_int_equal(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 100 * PATIENCE), 1);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 14);
	close(fd);
}

static void checksum_is_left_to_a_guest_that_takes_it(void **state)
{
	struct t *t = *state;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(GUEST_IP),
				  .sin_port = htons(5000) };
	uint16_t port;
	int fd = bind_udp(&port);

	assert_int_equal(sendto(fd, "hello", 5, 0, (void *)&to, sizeof(to)), 5);
	await_ip(t, 17);
	assert_false(t->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(pkt_checksum(t->frame, t->len), 0);
	netdev_set_offloads(t->dev, NETDEV_CSUM);
	assert_int_equal(sendto(fd, "hello", 5, 0, (void *)&to, sizeof(to)), 5);
	await_ip(t, 17);
	assert_true(t->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(t->hdr.csum_start, 34);
	assert_int_equal(t->hdr.csum_offset, 6);
	close(fd);
}

static void segmentation_is_left_to_the_kernel(void **state)
{
	struct t *t = *state;
	struct virtio_net_hdr_v1 hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 500, .hdr_len = 54,
	};
	struct pkt_tcp tcp = { .src_port = 1, .dst_port = 2, .flags = TCP_ACK };
	char data[1500] = "";
	struct pkt p = pkt_make_tcp(t->host_mac, pkt_ip(GUEST_IP), pkt_ip(HOST_IP), &tcp, data,
				    sizeof(data));
	uint8_t buf[4096];
	ssize_t len;

	assert_int_equal(send_on(t, 0, &hdr, &p), 0);
	/* Accepted as one, to be cut where it leaves the host, if it does. */
	do
		len = recv(t->packet, buf, sizeof(buf), 0);
	while (len > 0 && len != (ssize_t)p.len);
	assert_int_equal(len, p.len);
}

static const uint8_t *await_tcp(struct t *t, uint16_t port)
{
	const uint8_t *seg;

	do
		seg = await_ip(t, 6);
	while (pkt_be16(seg + 2) != port);
	return seg;
}

/*
 * Of a connection from the host to @port, over which it sends more than a frame
 * holds: the length of the first frame with data.
 */
static size_t first_segment(struct t *t, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(GUEST_IP),
				  .sin_port = htons(port) };
	struct pkt_tcp tcp = { .src_port = port, .seq = 1, .flags = TCP_SYN | TCP_ACK };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char data[8000] = "";
	const uint8_t *seg;

	assert_int_equal(connect(fd, (void *)&to, sizeof(to)), -1);
	seg = await_tcp(t, port);
	tcp.dst_port = pkt_be16(seg);
	tcp.ack = pkt_be32(seg + 4) + 1;
	put(t, pkt_make_tcp(t->host_mac, pkt_ip(GUEST_IP), pkt_ip(HOST_IP), &tcp, "", 0));
	await_tcp(t, port);
	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	do
		await_tcp(t, port);
	while (t->len < 100);
	close(fd);
	return t->len;
}

static void segmentation_is_left_to_a_guest_that_takes_it(void **state)
{
	struct t *t = *state;

	assert_true(first_segment(t, 5000) <= 1514);
	assert_int_equal(t->hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	netdev_set_offloads(t->dev, NETDEV_CSUM | NETDEV_TSO4);
	assert_true(first_segment(t, 5001) > 1514);
	assert_int_equal(t->hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	netdev_set_offloads(t->dev, 0);
	assert_true(first_segment(t, 5002) <= 1514);
}

/* --- several queues ------------------------------------------------------------------------ */

static void case_16_queue_that_is_off_does_not_make_the_loop_spin(void **state)
{
	struct t *t = *state;

	netdev_listen(t->dev, 2, true);
	turn(t, 10);
	assert_int_equal(t->n_readable[2], 0);
	netdev_set_queues(t->dev, 3);
	turn(t, 10);
	netdev_set_queues(t->dev, 1);
	t->n_readable[2] = 0;
	turn(t, 10);
	assert_int_equal(t->n_readable[2], 0);
}

/* Frames that the guest gets by each of three queues, of many flows. */
static unsigned flood(struct t *t)
{
	memset(t->n_readable, 0, sizeof(t->n_readable));
	for (unsigned i = 0; i < 64; i++) {
		struct pkt p = udp_to_host(1000 + i, broadcast);

		assert_int_equal(send(t->packet, p.data, p.len, 0), p.len);
	}
	turn(t, 200);
	return t->n_readable[0] + t->n_readable[1] + t->n_readable[2];
}

static void host_spreads_frames_over_the_queues_that_are_on(void **state)
{
	struct t *t = *state;

	assert_int_equal(t->dev->n_queues, 3);
	for (unsigned q = 0; q < 3; q++)
		netdev_listen(t->dev, q, true);
	assert_true(flood(t) >= 64);
	assert_true(t->n_readable[0] >= 64);
	netdev_set_queues(t->dev, 3);
	assert_true(flood(t) >= 64);
	assert_true(t->n_readable[0] && t->n_readable[1] && t->n_readable[2]);
	netdev_set_queues(t->dev, 1);
	assert_true(flood(t) >= 64);
	assert_int_equal(t->n_readable[1] + t->n_readable[2], 0);
}

static void guest_sends_by_each_queue(void **state)
{
	struct t *t = *state;
	struct pkt p = udp_to_host(9, broadcast);

	netdev_set_queues(t->dev, 3);
	for (unsigned q = 0; q < 3; q++)
		assert_int_equal(send_on(t, q, &plain, &p), 0);
}

/* --- what goes wrong ------------------------------------------------------------------------ */

static void case_16_interface_that_is_deleted_does_not_make_the_loop_spin(void **state)
{
	struct t *t = *state;
	struct pkt p = udp_to_host(9, broadcast);

	netdev_listen(t->dev, 0, true);
	turn(t, 20);
	delete_interface(IFNAME);
	turn(t, 5);
	t->n_readable[0] = 0;
	turn(t, 20);
	assert_int_equal(t->n_readable[0], 0);
	assert_true(send_on(t, 0, &plain, &p) < 0);
	netdev_listen(t->dev, 0, false);
	netdev_listen(t->dev, 0, true);
	turn(t, 20);
	assert_int_equal(t->n_readable[0], 0);
}

static void interface_in_use_or_of_another_kind_is_refused(void **state)
{
	struct t *t = *state;
	struct netdev *dev;

	assert_int_equal(netdev_tap_open(&dev, t->loop, IFNAME, 1), -EBUSY);
	assert_int_equal(netdev_tap_open(&dev, t->loop, IFNAME, 2), -EINVAL);
	assert_int_equal(netdev_tap_open(&dev, t->loop, "lo", 1), -EINVAL);
}

/* --- with a card before it -------------------------------------------------------------------- */

struct card {
	struct vrig r;
	struct virtio_device *v;
};

static void card_and_host_talk(void **state)
{
	struct t *t = *state;
	struct card *c = calloc(1, sizeof(*c));
	struct pkt arp = pkt_make_arp(1, broadcast, GUEST_IP, HOST_IP);
	const uint64_t rx = 0x80000, tx = 0x90000;
	uint8_t *frame = NULL;
	uint32_t len;
	int head = -1;

	vrig_init(&c->r, VRIG_PCI_MSIX);
	/* One more, on the card's own loop. */
	netdev_close(t->dev);
	assert_int_equal(netdev_tap_open(&t->dev, c->r.fake.loop, IFNAME, 1), 0);
	set_address(t);
	assert_int_equal(virtio_net_create(&c->v, c->r.fake.loop, &c->r.fake.mem, t->dev,
					   (const uint8_t *)GUEST_MAC), 0);
	vrig_plug(&c->r, c->v);
	vdrv_start(&c->r.d, vdrv_device_features(&c->r.d));
	for (unsigned i = 0; i < 40; i++)
		vdrv_add(&c->r.d.rings[0], &(struct vdrv_buf)VDRV_IN(rx + 0x800 * i, 0x800), 1);
	vdrv_kick(&c->r.d, 0);
	memcpy(vdrv_ptr(&c->r.d, tx + HDR, arp.len), arp.data, arp.len);
	vdrv_add(&c->r.d.rings[1], &(struct vdrv_buf)VDRV_OUT(tx, HDR + arp.len), 1);
	vdrv_kick(&c->r.d, 1);
	for (unsigned i = 0; i < PATIENCE; i++) {
		loop_run_once(c->r.fake.loop, 100);
		head = vdrv_used(&c->r.d.rings[0], &len);
		if (head < 0)
			continue;
		frame = vdrv_ptr(&c->r.d, rx + 0x800 * head, 0x800);
		if (pkt_be16(frame + HDR + 12) == ETH_P_ARP)
			break;
	}
	assert_non_null(frame);
	assert_int_equal(len, HDR + 42);
	assert_int_equal(frame[HDR + 21], 2);
	assert_memory_equal(frame + HDR + 28, pkt_ip(HOST_IP).addr, 4);
	vrig_unplug(&c->r);
	virtio_net_destroy(c->v);
	vrig_finish(&c->r);
	free(c);
	/* For teardown. */
	assert_int_equal(netdev_tap_open(&t->dev, t->loop, IFNAME, 1), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define M(f) cmocka_unit_test_setup_teardown(f, setup_multi, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(interface_is_made_and_up),
		T(frame_of_the_guest_arrives),
		T(frame_of_the_host_arrives_when_the_guest_listens),
		T(nothing_to_receive_is_said),
		T(frames_that_the_kernel_refuses_are_errors),
		T(checksum_is_left_to_the_kernel),
		T(checksum_is_left_to_a_guest_that_takes_it),
		T(segmentation_is_left_to_the_kernel),
		T(segmentation_is_left_to_a_guest_that_takes_it),
		M(host_spreads_frames_over_the_queues_that_are_on),
		M(guest_sends_by_each_queue),
		M(case_16_queue_that_is_off_does_not_make_the_loop_spin),
		T(case_16_interface_that_is_deleted_does_not_make_the_loop_spin),
		T(interface_in_use_or_of_another_kind_is_refused),
		T(card_and_host_talk),
	};
	const char *why = enter_namespace();

	if (why) {
		printf("SKIP test_netdev_tap: %s\n", why);
		return 0;
	}
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
