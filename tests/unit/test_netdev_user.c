/* SPDX-License-Identifier: MIT */
/*
 * The network that is made up, from a guest's side: frames made here against
 * libslirp. All host sockets are on loopback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/netdev_user.h"
#include "tests/packets.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define HDR NETDEV_HDR_LEN
#define KEEP 16384
/* Turns of the loop, of a tenth of a second each, in which an answer has to come. */
#define PATIENCE 200

static const uint8_t broadcast[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t to_routers[] = { 0x33, 0x33, 0, 0, 0, 2 };
static const uint8_t to_servers[] = { 0x33, 0x33, 0, 1, 0, 2 };

struct got {
	uint8_t *data;
	size_t len;
};

struct t {
	struct loop *loop;
	struct netdev *dev;
	struct got got[KEEP];
	unsigned n_got, looked;
	char resolv_conf[32];
	uint8_t router4[6], router6[6];	/* what ARP and neighbour discovery said */
};

static void readable(void *ctx, unsigned queue)
{
	struct t *t = ctx;
	uint8_t buf[HDR + NETDEV_FRAME_MAX];
	/* In pieces, as a guest's buffers are. */
	const struct iovec iov[] = {
		{ buf, 7 }, { buf + 7, 0 }, { buf + 7, 100 }, { buf + 107, sizeof(buf) - 107 },
	};
	ssize_t len;

	memset(buf, 0xee, HDR);
	len = netdev_recv(t->dev, 0, iov, ARRAY_SIZE(iov));
	assert_true(len >= HDR + 14);
	for (unsigned i = 0; i < HDR; i++)
		assert_int_equal(buf[i], 0);
	assert_true(t->n_got < KEEP);
	t->got[t->n_got].data = malloc(len - HDR);
	memcpy(t->got[t->n_got].data, buf + HDR, len - HDR);
	t->got[t->n_got++].len = len - HDR;
}

static void writable(void *ctx, unsigned queue)
{
	fail();
}

static const struct netdev_front_ops front = { .readable = readable, .writable = writable };

static void forget(struct t *t)
{
	for (unsigned i = 0; i < t->n_got; i++)
		free(t->got[i].data);
	t->n_got = t->looked = 0;
}

static int send_frame(struct t *t, const struct pkt *p)
{
	static uint8_t hdr[HDR];
	const struct iovec iov[] = {
		{ hdr, HDR }, { (void *)p->data, 14 }, { (void *)(p->data + 14), p->len - 14 },
	};

	return netdev_send(t->dev, 0, iov, 3);
}

static void put(struct t *t, struct pkt p)
{
	assert_int_equal(send_frame(t, &p), 0);
}

/* The next frame for which @is says so; fails when none comes. */
static const struct got *await(struct t *t, bool (*is)(const struct got *g, const void *arg),
			       const void *arg)
{
	for (unsigned i = 0; i < PATIENCE; i++) {
		while (t->looked < t->n_got) {
			const struct got *g = &t->got[t->looked++];

			if (is(g, arg))
				return g;
		}
		loop_run_once(t->loop, 100);
	}
	fail_msg("no answer");
	return NULL;
}

static void turn(struct t *t, unsigned n)
{
	while (n--)
		loop_run_once(t->loop, 0);
}

/* --- the fixture ----------------------------------------------------------------- */

static void write_resolv_conf(struct t *t, const char *text)
{
	int fd = open(t->resolv_conf, O_WRONLY | O_TRUNC);

	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static struct t *make(void)
{
	struct t *t = calloc(1, sizeof(*t));
	int fd;

	strcpy(t->resolv_conf, "/tmp/test_netdev_user.XXXXXX");
	fd = mkstemp(t->resolv_conf);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(loop_create(&t->loop), 0);
	return t;
}

static void open_with(struct t *t, struct netdev_user_params params)
{
	params.resolv_conf = t->resolv_conf;
	assert_int_equal(netdev_user_open(&t->dev, t->loop, &params), 0);
	netdev_attach(t->dev, &front, t);
}

static int setup_bare(void **state)
{
	*state = make();
	return 0;
}

static int setup(void **state)
{
	struct t *t = *state = make();

	open_with(t, (struct netdev_user_params){ 0 });
	netdev_listen(t->dev, 0, true);
	return 0;
}

static int setup_restricted(void **state)
{
	struct t *t = *state = make();

	open_with(t, (struct netdev_user_params){ .restricted = true });
	netdev_listen(t->dev, 0, true);
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	netdev_close(t->dev);
	loop_destroy(t->loop);
	forget(t);
	unlink(t->resolv_conf);
	free(t);
	return 0;
}

/* --- neighbours -------------------------------------------------------------------- */

static bool is_arp_reply(const struct got *g, const void *arg)
{
	return pkt_be16(g->data + 12) == 0x0806 && g->data[21] == 2 &&
	       !memcmp(g->data + 28, arg, 4);
}

static void resolve4(struct t *t)
{
	struct pkt_ip router = pkt_ip("10.0.2.2");

	put(t, pkt_make_arp(1, broadcast, "10.0.2.15", "10.0.2.2"));
	memcpy(t->router4, await(t, is_arp_reply, router.addr)->data + 6, 6);
}

static bool is_icmp6(const struct got *g, const void *type)
{
	const uint8_t *icmp = pkt_payload(g->data, g->len, true, 58);

	return icmp && *icmp == *(const uint8_t *)type && !pkt_checksum(g->data, g->len);
}

/* RFC 4861, 4.3: for @target, from @src with its link-layer address. */
static struct pkt solicit(const char *src, const char *target)
{
	struct pkt_ip ip = pkt_ip(target);
	uint8_t ns[32] = { 135, [24] = 1, [25] = 1 };
	uint8_t mac[] = { 0x33, 0x33, 0xff, ip.addr[13], ip.addr[14], ip.addr[15] };
	char group[INET6_ADDRSTRLEN];

	memcpy(ns + 8, ip.addr, 16);
	memcpy(ns + 26, GUEST_MAC, 6);
	snprintf(group, sizeof(group), "ff02::1:ff%02x:%02x%02x", ip.addr[13], ip.addr[14],
		 ip.addr[15]);
	return pkt_make_icmp6(mac, src, group, ns, sizeof(ns));
}

static void resolve6(struct t *t)
{
	put(t, solicit("fec0::15", "fec0::2"));
	memcpy(t->router6, await(t, is_icmp6, &(uint8_t){ 136 })->data + 6, 6);
}

static void router_answers_arp(void **state)
{
	resolve4(*state);
}

static void router_answers_neighbour_discovery(void **state)
{
	resolve6(*state);
}

static void nobody_else_answers(void **state)
{
	struct t *t = *state;

	put(t, pkt_make_arp(1, broadcast, "10.0.2.15", "10.0.2.77"));
	put(t, solicit("fec0::15", "fec0::77"));
	resolve4(t);
	assert_int_equal(t->n_got, 1);
}

/* --- configuration of a guest ------------------------------------------------------- */

static bool is_udp_to(const struct got *g, const void *port)
{
	bool v6 = g->data[12] == 0x86;
	const uint8_t *udp = pkt_payload(g->data, g->len, v6, 17);

	return udp && pkt_be16(udp + 2) == *(const uint16_t *)port && !pkt_checksum(g->data, g->len);
}

/* Option @code of a DHCP message (RFC 2132). */
static const uint8_t *dhcp_option(const uint8_t *options, const uint8_t *end, uint8_t code)
{
	while (options < end && *options != 255) {
		if (*options == code)
			return options + 2;
		options += *options ? 2 + options[1] : 1;
	}
	return NULL;
}

static void dhcp_gives_address_router_and_name_server(void **state)
{
	struct t *t = *state;
	uint8_t discover[300] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78 };
	const struct got *g;
	const uint8_t *reply, *option, *end;

	memcpy(discover + 28, GUEST_MAC, 6);
	memcpy(discover + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
	put(t, pkt_make_udp(broadcast, pkt_ip("0.0.0.0"), pkt_ip("255.255.255.255"), 68, 67,
			    discover, sizeof(discover)));
	g = await(t, is_udp_to, &(uint16_t){ 68 });
	end = g->data + g->len;
	reply = g->data + 14 + 20 + 8;
	assert_memory_equal(reply + 4, discover + 4, 4);
	assert_memory_equal(reply + 16, pkt_ip("10.0.2.15").addr, 4);
	option = dhcp_option(reply + 240, end, 53);
	assert_int_equal(*option, 2);
	assert_memory_equal(dhcp_option(reply + 240, end, 3), pkt_ip("10.0.2.2").addr, 4);
	assert_memory_equal(dhcp_option(reply + 240, end, 6), pkt_ip("10.0.2.3").addr, 4);
}

/* Option @type of a router advertisement; how often it is there in *@n. */
static const uint8_t *ra_option(const struct got *g, uint8_t type, unsigned *n)
{
	const uint8_t *option = g->data + 14 + 40 + 16, *end = g->data + g->len, *found = NULL;

	for (*n = 0; option < end; option += 8 * option[1]) {
		assert_true(option[1] && option + 8 * option[1] <= end);
		if (*option == type) {
			found = option;
			++*n;
		}
	}
	return found;
}

static const struct got *solicit_router(struct t *t)
{
	uint8_t rs[16] = { 133, [8] = 1, [9] = 1 };

	memcpy(rs + 10, GUEST_MAC, 6);
	put(t, pkt_make_icmp6(to_routers, "fe80::15", "ff02::2", rs, sizeof(rs)));
	return await(t, is_icmp6, &(uint8_t){ 134 });
}

static void router_advertises_prefix_and_name_server(void **state)
{
	struct t *t = *state;
	const struct got *g = solicit_router(t);
	const uint8_t *option;
	unsigned n;

	option = ra_option(g, 3, &n);
	assert_int_equal(n, 1);
	assert_int_equal(option[2], 64);
	assert_memory_equal(option + 16, pkt_ip("fec0::").addr, 16);
	/* Once, whatever the host's own server is. */
	option = ra_option(g, 25, &n);
	assert_int_equal(n, 1);
	assert_memory_equal(option + 8, pkt_ip("fec0::3").addr, 16);
	assert_true(pkt_be32(option + 4) >= 600);
}

static void dhcpv6_tells_the_name_server(void **state)
{
	struct t *t = *state;
	static const uint8_t request[] = {
		11, 1, 2, 3,		/* INFORMATION-REQUEST */
		0, 6, 0, 2, 0, 23,	/* which asks for DNS servers */
	};
	const struct got *g;
	const uint8_t *reply;

	resolve6(t);
	put(t, pkt_make_udp(to_servers, pkt_ip("fec0::15"), pkt_ip("ff02::1:2"), 546, 547, request,
			    sizeof(request)));
	g = await(t, is_udp_to, &(uint16_t){ 546 });
	reply = g->data + 14 + 40 + 8;
	assert_memory_equal(reply, "\x07\x01\x02\x03\x00\x17\x00\x10", 8);
	assert_memory_equal(reply + 8, pkt_ip("fec0::3").addr, 16);
}

/* --- TCP ----------------------------------------------------------------------------- */

static int listen_on(bool v6, int type, uint16_t *port)
{
	union netaddr addr;
	socklen_t len;
	int fd;

	netaddr_init(&addr, v6);
	if (v6)
		addr.in6.sin6_addr = in6addr_loopback;
	else
		addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	len = netaddr_len(&addr);
	fd = socket(addr.sa.sa_family, type | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, &addr.sa, len) < 0 || (type == SOCK_STREAM && listen(fd, 8) < 0) ||
	    getsockname(fd, &addr.sa, &len) < 0)
		fail_msg("no socket on loopback: %s", strerror(errno));
	*port = ntohs(addr.in.sin_port);
	return fd;
}

/* Turns the loop until @fd is readable. */
static void await_fd(struct t *t, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (unsigned i = 0; i < PATIENCE && poll(&p, 1, 0) == 0; i++)
		loop_run_once(t->loop, 100);
	assert_true(p.revents & POLLIN);
}

static bool is_tcp_to(const struct got *g, const void *port)
{
	bool v6 = g->data[12] == 0x86;
	const uint8_t *tcp = pkt_payload(g->data, g->len, v6, 6);

	return tcp && pkt_be16(tcp + 2) == *(const uint16_t *)port && !pkt_checksum(g->data, g->len);
}

/* A connection of the guest's, at its end. */
struct conn {
	bool v6;
	const uint8_t *mac;
	struct pkt_ip here, there;
	struct pkt_tcp tcp;	/* of the next segment */
};

static void segment(struct t *t, struct conn *c, uint8_t flags, const char *data)
{
	c->tcp.flags = flags;
	put(t, pkt_make_tcp(c->mac, c->here, c->there, &c->tcp, data, strlen(data)));
	c->tcp.seq += strlen(data) + !!(flags & (TCP_SYN | TCP_FIN));
}

/* The next segment with @flags or with data, which is acknowledged; its flags. */
static const uint8_t *await_segment(struct t *t, struct conn *c, uint8_t flags, size_t *len)
{
	for (;;) {
		const struct got *g = await(t, is_tcp_to, &c->tcp.src_port);
		size_t head = c->v6 ? 54 : 34;
		const uint8_t *tcp = g->data + head, *data = tcp + 4 * (tcp[12] >> 4);

		/* Without Ethernet's padding there may be less than is there. */
		*len = g->data + g->len - data;
		if (!(tcp[13] & flags) && !*len)
			continue;
		c->tcp.ack = pkt_be32(tcp + 4) + *len + !!(tcp[13] & (TCP_SYN | TCP_FIN));
		return tcp;
	}
}

static struct conn connect_out(struct t *t, bool v6, uint16_t port)
{
	struct conn c = {
		.v6 = v6,
		.mac = v6 ? t->router6 : t->router4,
		.here = pkt_ip(v6 ? "fec0::15" : "10.0.2.15"),
		.there = pkt_ip(v6 ? "fec0::2" : "10.0.2.2"),
		.tcp = { .src_port = 40000, .dst_port = port, .seq = 1000 },
	};

	if (v6)
		resolve6(t);
	else
		resolve4(t);
	segment(t, &c, TCP_SYN, "");
	return c;
}

static void exchange(struct t *t, struct conn *c, int fd)
{
	const uint8_t *tcp;
	char buf[16] = "";
	size_t len;

	segment(t, c, TCP_ACK, "to the host");
	await_fd(t, fd);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 11);
	assert_string_equal(buf, "to the host");
	assert_int_equal(send(fd, "to the guest", 12, 0), 12);
	tcp = await_segment(t, c, 0, &len);
	assert_int_equal(len, 12);
	assert_memory_equal(tcp + 20, "to the guest", 12);
	segment(t, c, TCP_ACK, "");
	/* The host closes, then the guest does. */
	close(fd);
	await_segment(t, c, TCP_FIN, &len);
	segment(t, c, TCP_ACK | TCP_FIN, "");
	turn(t, 4);
}

static void tcp_reaches_the_host(struct t *t, bool v6)
{
	uint16_t port;
	int fd = listen_on(v6, SOCK_STREAM, &port), peer;
	struct conn c = connect_out(t, v6, port);
	size_t len;

	await_segment(t, &c, TCP_SYN, &len);
	segment(t, &c, TCP_ACK, "");
	await_fd(t, fd);
	peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
	assert_true(peer >= 0);
	exchange(t, &c, peer);
	close(fd);
}

static void tcp_reaches_the_host_by_ipv4(void **state)
{
	tcp_reaches_the_host(*state, false);
}

static void tcp_reaches_the_host_by_ipv6(void **state)
{
	tcp_reaches_the_host(*state, true);
}

static void port_that_nobody_listens_on_is_refused(void **state)
{
	struct t *t = *state;
	uint16_t port;
	int fd = listen_on(false, SOCK_STREAM, &port);
	struct conn c;
	size_t len;

	close(fd);
	c = connect_out(t, false, port);
	await_segment(t, &c, TCP_RST, &len);
}

static void forwarded_tcp_reaches_the_guest(struct t *t, bool v6, bool restricted);

static void assert_silent(int fd)
{
	assert_int_equal(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0), 0);
	close(fd);
}

static void restricted_guest_reaches_nobody(void **state)
{
	struct t *t = *state;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		uint16_t port, udp_port;
		int tcp = listen_on(v6, SOCK_STREAM, &port);
		int udp = listen_on(v6, SOCK_DGRAM, &udp_port);
		struct conn c = connect_out(t, v6, port);

		put(t, pkt_make_udp(c.mac, c.here, c.there, 4000, udp_port, "x", 1));
		/* It is given an address all the same, which shows that time has passed. */
		resolve4(t);
		resolve6(t);
		turn(t, 20);
		assert_silent(tcp);
		assert_silent(udp);
	}
}

static void restricted_guest_is_reached_by_forwarded_ports(void **state)
{
	forwarded_tcp_reaches_the_guest(*state, false, true);
}

static void restricted_guest_asks_no_name_server(void **state)
{
	struct t *t = *state;
	static const uint8_t query[] = { 1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1 };
	uint16_t port;
	struct pollfd p = { .events = POLLIN };
	unsigned n;

	p.fd = listen_on(false, SOCK_DGRAM, &port);
	netdev_close(t->dev);
	open_with(t, (struct netdev_user_params){ .restricted = true, .dns_port = port });
	netdev_listen(t->dev, 0, true);
	resolve4(t);
	put(t, pkt_make_udp(t->router4, pkt_ip("10.0.2.15"), pkt_ip("10.0.2.3"), 4000, 53, query,
			    sizeof(query)));
	turn(t, 20);
	assert_int_equal(poll(&p, 1, 0), 0);
	close(p.fd);
	/* Nor is it told of one that would not answer, but for what libslirp itself says. */
	ra_option(solicit_router(t), 25, &n);
	assert_true(n <= 1);
}

/* --- UDP ----------------------------------------------------------------------------- */

static void udp_reaches_the_host(struct t *t, bool v6)
{
	struct pkt_ip here = pkt_ip(v6 ? "fec0::15" : "10.0.2.15");
	struct pkt_ip there = pkt_ip(v6 ? "fec0::2" : "10.0.2.2");
	union netaddr from;
	socklen_t len = sizeof(from);
	uint16_t port;
	int fd = listen_on(v6, SOCK_DGRAM, &port);
	const struct got *g;
	char buf[16];

	if (v6)
		resolve6(t);
	else
		resolve4(t);
	put(t, pkt_make_udp(v6 ? t->router6 : t->router4, here, there, 4000, port, "ping", 4));
	await_fd(t, fd);
	assert_int_equal(recvfrom(fd, buf, sizeof(buf), 0, &from.sa, &len), 4);
	assert_int_equal(sendto(fd, "pong!", 5, 0, &from.sa, len), 5);
	g = await(t, is_udp_to, &(uint16_t){ 4000 });
	assert_memory_equal(g->data + (v6 ? 62 : 42), "pong!", 5);
	close(fd);
}

static void udp_reaches_the_host_by_ipv4(void **state)
{
	udp_reaches_the_host(*state, false);
}

static void udp_reaches_the_host_by_ipv6(void **state)
{
	udp_reaches_the_host(*state, true);
}

/* --- forwarded ports ------------------------------------------------------------------- */

static struct net_fwd fwd_on(const char *proto, bool v6, uint16_t *port)
{
	int fd = listen_on(v6, *proto == 't' ? SOCK_STREAM : SOCK_DGRAM, port);
	struct net_fwd fwd;
	char text[64];

	/* Free now, and the kernel gives it to nobody else for a while. */
	close(fd);
	snprintf(text, sizeof(text), "%s:%s:%u:22", proto, v6 ? "[::1]" : "127.0.0.1", *port);
	assert_null(netaddr_parse_fwd(&fwd, text));
	return fwd;
}

static int connect_in(bool v6, int type, uint16_t port)
{
	union netaddr addr;
	int fd;

	netaddr_init(&addr, v6);
	if (v6)
		addr.in6.sin6_addr = in6addr_loopback;
	else
		addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.in.sin_port = htons(port);
	fd = socket(addr.sa.sa_family, type | SOCK_NONBLOCK, 0);
	if (connect(fd, &addr.sa, netaddr_len(&addr)) < 0)
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

static bool is_arp_request(const struct got *g, const void *ip)
{
	return pkt_be16(g->data + 12) == 0x0806 && g->data[21] == 1 && !memcmp(g->data + 38, ip, 4);
}

static void forwarded_tcp_reaches_the_guest(struct t *t, bool v6, bool restricted)
{
	uint16_t port;
	struct net_fwd fwd = fwd_on("tcp", v6, &port);
	struct conn c = {
		.v6 = v6,
		.here = pkt_ip(v6 ? "fec0::15" : "10.0.2.15"),
		.there = pkt_ip(v6 ? "fec0::2" : "10.0.2.2"),
		.tcp = { .src_port = 22, .seq = 5000 },
	};
	const struct got *g;
	int fd;
	size_t len;

	open_with(t, (struct netdev_user_params){
		.fwds = &fwd, .n_fwds = 1, .restricted = restricted,
	});
	netdev_listen(t->dev, 0, true);
	c.mac = v6 ? t->router6 : t->router4;
	/* Who it is the guest is asked; of IPv6 it has spoken when it configured itself. */
	if (v6)
		resolve6(t);
	fd = connect_in(v6, SOCK_STREAM, port);
	if (!v6) {
		g = await(t, is_arp_request, c.here.addr);
		memcpy(t->router4, g->data + 6, 6);
		put(t, pkt_make_arp(2, t->router4, "10.0.2.15", "10.0.2.2"));
	}
	g = await(t, is_tcp_to, &c.tcp.src_port);
	c.tcp.dst_port = pkt_be16(g->data + (v6 ? 54 : 34));
	c.tcp.ack = pkt_be32(g->data + (v6 ? 54 : 34) + 4) + 1;
	segment(t, &c, TCP_SYN | TCP_ACK, "");
	await_segment(t, &c, TCP_ACK, &len);
	exchange(t, &c, fd);
}

static void forwarded_tcp_reaches_the_guest_by_ipv4(void **state)
{
	forwarded_tcp_reaches_the_guest(*state, false, false);
}

static void forwarded_tcp_reaches_the_guest_by_ipv6(void **state)
{
	forwarded_tcp_reaches_the_guest(*state, true, false);
}

static void forwarded_udp_reaches_the_guest(struct t *t, bool v6)
{
	uint16_t port;
	struct net_fwd fwd = fwd_on("udp", v6, &port);
	const struct got *g;
	uint16_t from;
	char buf[16];
	int fd;

	open_with(t, (struct netdev_user_params){ .fwds = &fwd, .n_fwds = 1 });
	netdev_listen(t->dev, 0, true);
	if (v6)
		resolve6(t);
	else
		resolve4(t);
	fd = connect_in(v6, SOCK_DGRAM, port);
	assert_int_equal(send(fd, "knock", 5, 0), 5);
	g = await(t, is_udp_to, &(uint16_t){ 22 });
	assert_memory_equal(g->data + (v6 ? 62 : 42), "knock", 5);
	from = pkt_be16(g->data + (v6 ? 54 : 34));
	put(t, pkt_make_udp(v6 ? t->router6 : t->router4, pkt_ip(v6 ? "fec0::15" : "10.0.2.15"),
			    pkt_ip(v6 ? "fec0::2" : "10.0.2.2"), 22, from, "come in", 7));
	await_fd(t, fd);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 7);
	close(fd);
}

static void forwarded_udp_reaches_the_guest_by_ipv4(void **state)
{
	forwarded_udp_reaches_the_guest(*state, false);
}

static void forwarded_udp_reaches_the_guest_by_ipv6(void **state)
{
	forwarded_udp_reaches_the_guest(*state, true);
}

static void port_that_is_taken_stops_the_start(void **state)
{
	struct t *t = *state;
	uint16_t port;
	struct net_fwd fwd = fwd_on("tcp", false, &port);
	struct netdev_user_params params = { .fwds = &fwd, .n_fwds = 1 };
	struct netdev *dev;
	union netaddr addr = fwd.host;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, &addr.sa, netaddr_len(&addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_true(netdev_user_open(&dev, t->loop, &params) < 0);
	close(fd);
	assert_int_equal(netdev_user_open(&dev, t->loop, &params), 0);
	netdev_close(dev);
}

/* --- names --------------------------------------------------------------------------- */

static const uint8_t query[] = {
	0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0,
	4, 'n', 'a', 'm', 'e', 0, 0, 28, 0, 1,
};

static int open_dns(struct t *t, bool v6, const char *resolv_conf)
{
	uint16_t port;
	int fd = listen_on(v6, SOCK_DGRAM, &port);

	write_resolv_conf(t, resolv_conf);
	open_with(t, (struct netdev_user_params){ .dns_port = port });
	netdev_listen(t->dev, 0, true);
	return fd;
}

static void ask(struct t *t, bool v6)
{
	if (v6)
		resolve6(t);
	else
		resolve4(t);
	put(t, pkt_make_udp(v6 ? t->router6 : t->router4, pkt_ip(v6 ? "fec0::15" : "10.0.2.15"),
			    pkt_ip(v6 ? "fec0::3" : "10.0.2.3"), 5353, 53, query, sizeof(query)));
}

/* The server takes a query and answers with @len bytes that begin as it does. */
static void serve(struct t *t, int fd, size_t len)
{
	uint8_t buf[4096] = { 0 };
	union netaddr from;
	socklen_t from_len = sizeof(from);

	await_fd(t, fd);
	assert_int_equal(recvfrom(fd, buf, sizeof(buf), 0, &from.sa, &from_len), sizeof(query));
	assert_memory_equal(buf, query, sizeof(query));
	buf[2] |= 0x80;
	assert_int_equal(sendto(fd, buf, len, 0, &from.sa, from_len), len);
}

static const uint8_t *await_answer(struct t *t, bool v6, size_t *len)
{
	const struct got *g = await(t, is_udp_to, &(uint16_t){ 5353 });
	size_t head = v6 ? 62 : 42;

	assert_memory_equal(g->data, GUEST_MAC, 6);
	assert_memory_equal(g->data + 6, v6 ? t->router6 : t->router4, 6);
	assert_memory_equal(g->data + (v6 ? 22 : 26), pkt_ip(v6 ? "fec0::3" : "10.0.2.3").addr,
			    v6 ? 16 : 4);
	assert_int_equal(pkt_be16(g->data + head - 8), 53);
	*len = g->len - head;
	return g->data + head;
}

/* Any guest with any host. */
static void names_are_resolved(struct t *t, bool guest_v6, bool host_v6)
{
	int fd = open_dns(t, host_v6, host_v6 ? "nameserver ::1\n" : "nameserver 127.0.0.1\n");
	const uint8_t *answer;
	size_t len;

	ask(t, guest_v6);
	serve(t, fd, 100);
	answer = await_answer(t, guest_v6, &len);
	assert_int_equal(len, 100);
	assert_memory_equal(answer, "\xab\xcd\x81", 3);
	close(fd);
}

static void names_are_resolved_4_by_4(void **state)
{
	names_are_resolved(*state, false, false);
}

static void names_are_resolved_4_by_6(void **state)
{
	names_are_resolved(*state, false, true);
}

static void names_are_resolved_6_by_4(void **state)
{
	names_are_resolved(*state, true, false);
}

static void names_are_resolved_6_by_6(void **state)
{
	names_are_resolved(*state, true, true);
}

static void answer_too_long_for_a_frame_is_asked_for_by_tcp(void **state)
{
	struct t *t = *state;
	int fd = open_dns(t, false, "nameserver 127.0.0.1\n");
	const uint8_t *answer;
	size_t len;

	ask(t, false);
	serve(t, fd, 1473);
	answer = await_answer(t, false, &len);
	assert_int_equal(len, sizeof(query));
	assert_int_equal(answer[2] & 0x82, 0x82);
	assert_memory_equal(answer + 4, query + 4, sizeof(query) - 4);
	ask(t, false);
	serve(t, fd, 1472);
	await_answer(t, false, &len);
	assert_int_equal(len, 1472);
	close(fd);
}

static void question_that_is_repeated_goes_to_the_next_server(void **state)
{
	struct t *t = *state;
	/* Nobody is at the first two. */
	int fd = open_dns(t, false, "nameserver 127.0.0.2\nnameserver ::1\nnameserver 127.0.0.1\n");
	size_t len;

	for (int i = 0; i < 3; i++) {
		ask(t, false);
		turn(t, 10);
	}
	serve(t, fd, 50);
	await_answer(t, false, &len);
	assert_int_equal(len, 50);
	close(fd);
}

static void queries_that_make_no_sense_go_nowhere(void **state)
{
	struct t *t = *state;
	int fd = open_dns(t, false, "nameserver 127.0.0.1\n");
	struct pollfd p = { .fd = fd, .events = POLLIN };

	resolve4(t);
	for (size_t len = 0; len < sizeof(query); len++)
		put(t, pkt_make_udp(t->router4, pkt_ip("10.0.2.15"), pkt_ip("10.0.2.3"), 5353, 53,
				    query, len));
	turn(t, 10);
	assert_int_equal(poll(&p, 1, 0), 0);
	close(fd);
}

static unsigned count_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void case_97_flood_of_queries_keeps_few_sockets(void **state)
{
	struct t *t = *state;
	int fd = open_dns(t, false, "nameserver 127.0.0.1\n");
	unsigned before;
	uint8_t q[sizeof(query)];

	resolve4(t);
	before = count_fds();
	memcpy(q, query, sizeof(q));
	for (unsigned i = 0; i < 1000; i++) {
		q[0] = i >> 8;
		q[1] = i;
		put(t, pkt_make_udp(t->router4, pkt_ip("10.0.2.15"), pkt_ip("10.0.2.3"), 6000 + i, 53,
				    q, sizeof(q)));
	}
	assert_true(count_fds() <= before + 32);
	close(fd);
}

/* --- bounds ---------------------------------------------------------------------------- */

static void protocols_that_nobody_needs_are_not_let_in(void **state)
{
	struct t *t = *state;
	struct pkt ncsi = pkt_make_arp(1, broadcast, "10.0.2.15", "10.0.2.2");
	struct pkt tftp = pkt_make_udp(broadcast, pkt_ip("10.0.2.15"), pkt_ip("10.0.2.2"), 4000, 69,
				       "\0\1/etc/passwd\0octet", 20);
	struct pkt tftp6 = pkt_make_udp(broadcast, pkt_ip("fec0::15"), pkt_ip("fec0::2"), 4000, 69,
					"\0\1/etc/passwd\0octet", 20);
	struct pkt piece = pkt_make_ip(broadcast, pkt_ip("10.0.2.15"), pkt_ip("10.0.2.2"), 17,
				       "\0\0\0\0\0\0\0\0\0\0\0\0", 12, -1);
	struct pkt lie = pkt_make_udp(broadcast, pkt_ip("10.0.2.15"), pkt_ip("10.0.2.2"), 4000, 4000,
				      "12345678", 8);

	ncsi.data[12] = 0x88;
	ncsi.data[13] = 0xf8;
	assert_int_equal(send_frame(t, &ncsi), -EACCES);
	assert_int_equal(send_frame(t, &tftp), -EACCES);
	assert_int_equal(send_frame(t, &tftp6), -EACCES);
	piece.data[14] = 0x46;		/* options... */
	piece.data[20] = 0x20;		/* ...and more to come */
	assert_int_equal(send_frame(t, &piece), -EACCES);
	piece.data[20] = 0;
	piece.data[21] = 1;		/* an offset */
	assert_int_equal(send_frame(t, &piece), -EACCES);
	tftp.data[20] = 0x20;		/* the first piece names the port too */
	assert_int_equal(send_frame(t, &tftp), -EACCES);
	lie.data[14 + 20 + 5] = 7;	/* shorter than its header */
	assert_int_equal(send_frame(t, &lie), -EACCES);
	lie.data[14 + 20 + 5] = 17;	/* longer than its packet */
	assert_int_equal(send_frame(t, &lie), -EACCES);
	lie.data[14] = 0x44;
	assert_int_equal(send_frame(t, &lie), -EACCES);
}

static void frames_of_impossible_length_are_not_let_in(void **state)
{
	struct t *t = *state;
	static uint8_t buf[HDR + NETDEV_FRAME_MAX];
	struct iovec iov = { buf, 0 };

	iov.iov_len = HDR + 13;
	assert_int_equal(netdev_send(t->dev, 0, &iov, 1), -EMSGSIZE);
	iov.iov_len = HDR - 1;
	assert_int_equal(netdev_send(t->dev, 0, &iov, 1), -EMSGSIZE);
	iov.iov_len = HDR + 14 + t->dev->mtu + 1;
	assert_int_equal(netdev_send(t->dev, 0, &iov, 1), -EMSGSIZE);
	iov.iov_len = sizeof(buf);
	assert_int_equal(netdev_send(t->dev, 0, &iov, 1), -EMSGSIZE);
}

static void case_97_guest_that_does_not_receive_costs_a_bounded_amount(void **state)
{
	struct t *t = *state;

	netdev_listen(t->dev, 0, false);
	for (unsigned i = 0; i < 100000; i++)
		put(t, pkt_make_arp(1, broadcast, "10.0.2.15", "10.0.2.2"));
	turn(t, 4);
	assert_int_equal(t->n_got, 0);
	netdev_listen(t->dev, 0, true);
	turn(t, 20000);
	/* Each answer of some sixty bytes costs more than that: a mebibyte of memory in all. */
	assert_true(t->n_got > 1000 && t->n_got < 1048576 / 64);
	forget(t);
	resolve4(t);
}

static void case_97_flood_of_connections_leaves_descriptors_for_others(void **state)
{
	struct t *t = *state;
	struct pkt_tcp tcp = { .dst_port = 9, .flags = TCP_SYN };
	uint16_t port;
	int fd = listen_on(false, SOCK_STREAM, &port), refused = 0;

	resolve4(t);
	tcp.dst_port = port;
	for (unsigned i = 0; i < 6000; i++) {
		struct pkt syn;

		tcp.src_port = 1024 + i;
		syn = pkt_make_tcp(t->router4, pkt_ip("10.0.2.15"), pkt_ip("10.0.2.2"), &tcp, "", 0);
		refused += send_frame(t, &syn) < 0;
	}
	assert_true(refused > 0);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	/* What needs no socket still works. */
	netdev_listen(t->dev, 0, false);
	turn(t, 100);
	forget(t);
}

static void case_97_flood_of_fragments_is_cut(void **state)
{
	struct t *t = *state;
	struct pkt piece = pkt_make_ip(broadcast, pkt_ip("10.0.2.15"), pkt_ip("10.0.2.2"), 17,
				       "\17\240\17\240\2\0\0\0\0\0\0\0\0\0\0\0", 16, -1);
	unsigned taken = 0;

	piece.data[20] = 0x20;
	for (unsigned i = 0; i < 10000; i++) {
		piece.data[18] = i >> 8;
		piece.data[19] = i;
		taken += send_frame(t, &piece) == 0;
	}
	assert_int_equal(taken, 2048);
	resolve4(t);
}

static bool is_loaded(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	bool found = false;

	while (f && fgets(line, sizeof(line), f))
		found |= !!strstr(line, "libslirp");
	if (f)
		fclose(f);
	return found;
}

/* The first test: nobody has loaded it before. */
static void library_is_loaded_when_a_driver_comes(void **state)
{
	struct t *t = *state;

	open_with(t, (struct netdev_user_params){ 0 });
	turn(t, 4);
	assert_false(is_loaded());
	netdev_listen(t->dev, 0, true);
	assert_true(is_loaded());
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define B(f) cmocka_unit_test_setup_teardown(f, setup_bare, teardown)
#define R(f) cmocka_unit_test_setup_teardown(f, setup_restricted, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		B(library_is_loaded_when_a_driver_comes),
		T(router_answers_arp),
		T(router_answers_neighbour_discovery),
		T(nobody_else_answers),
		T(dhcp_gives_address_router_and_name_server),
		T(router_advertises_prefix_and_name_server),
		T(dhcpv6_tells_the_name_server),
		T(tcp_reaches_the_host_by_ipv4),
		T(tcp_reaches_the_host_by_ipv6),
		T(port_that_nobody_listens_on_is_refused),
		R(restricted_guest_reaches_nobody),
		B(restricted_guest_is_reached_by_forwarded_ports),
		R(restricted_guest_asks_no_name_server),
		T(udp_reaches_the_host_by_ipv4),
		T(udp_reaches_the_host_by_ipv6),
		B(forwarded_tcp_reaches_the_guest_by_ipv4),
		B(forwarded_tcp_reaches_the_guest_by_ipv6),
		B(forwarded_udp_reaches_the_guest_by_ipv4),
		B(forwarded_udp_reaches_the_guest_by_ipv6),
		B(port_that_is_taken_stops_the_start),
		B(names_are_resolved_4_by_4),
		B(names_are_resolved_4_by_6),
		B(names_are_resolved_6_by_4),
		B(names_are_resolved_6_by_6),
		B(answer_too_long_for_a_frame_is_asked_for_by_tcp),
		B(question_that_is_repeated_goes_to_the_next_server),
		B(queries_that_make_no_sense_go_nowhere),
		B(case_97_flood_of_queries_keeps_few_sockets),
		T(protocols_that_nobody_needs_are_not_let_in),
		T(frames_of_impossible_length_are_not_let_in),
		T(case_97_guest_that_does_not_receive_costs_a_bounded_amount),
		T(case_97_flood_of_fragments_is_cut),
		T(case_97_flood_of_connections_leaves_descriptors_for_others),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
