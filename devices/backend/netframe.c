/* SPDX-License-Identifier: MIT */
#include "devices/backend/netframe.h"

#include <linux/if_ether.h>
#include <string.h>

#include "vmm/util.h"

#define IP4_LEN 20
#define IP6_LEN 40
#define IP (NETFRAME_ETH_LEN)	/* where that begins */

static uint16_t load_be16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static void store_be16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

/* --- checksums (RFC 1071) -------------------------------------------------- */

static uint32_t sum(const uint8_t *p, size_t len)
{
	uint32_t s = 0;

	for (; len > 1; p += 2, len -= 2)
		s += load_be16(p);
	return len ? s + (*p << 8) : s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return ~s;
}

uint16_t netframe_sum(const uint8_t *p, size_t len)
{
	return ~fold(sum(p, len));
}

uint16_t netframe_checksum6(const uint8_t *frame, size_t l4, size_t end, uint8_t proto)
{
	return fold(sum(frame + IP + 8, 32) + (end - l4) + proto + sum(frame + l4, end - l4));
}

static uint16_t checksum4(const uint8_t *frame, size_t l4, size_t end, uint8_t proto)
{
	return fold(sum(frame + IP + 12, 8) + (end - l4) + proto + sum(frame + l4, end - l4));
}

/* --- taking apart ---------------------------------------------------------- */

/* TCP or UDP at @l4, of an IP packet, or the first piece of one, that ends at @end. */
static void parse_ports(struct netframe *f, const uint8_t *frame, size_t l4, size_t end)
{
	const uint8_t *p = frame + l4;
	size_t len;

	if (f->proto == IPPROTO_UDP && end - l4 >= NETFRAME_UDP_LEN) {
		len = load_be16(p + 4);
		if (len >= NETFRAME_UDP_LEN && range_fits(l4, len, end)) {
			f->data = l4 + NETFRAME_UDP_LEN;
			f->end = l4 + len;
		}
	} else if (f->proto == IPPROTO_TCP && end - l4 >= 20) {
		f->tcp_flags = p[13];
	} else {
		return;
	}
	memcpy(&f->src.in.sin_port, p, 2);
	memcpy(&f->dst.in.sin_port, p + 2, 2);
}

static void parse_ip4(struct netframe *f, const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + IP;
	size_t head, total;

	if (len < IP + IP4_LEN || ip[0] >> 4 != 4)
		return;
	head = 4 * (ip[0] & 15);
	total = load_be16(ip + 2);
	if (head < IP4_LEN || total < head || !range_fits(IP, total, len))
		return;
	f->proto = ip[9];
	f->options = head > IP4_LEN;
	f->fragment = load_be16(ip + 6) & 0x3fff;	/* more to come, or an offset */
	f->src.in.sin_family = f->dst.in.sin_family = AF_INET;
	memcpy(&f->src.in.sin_addr, ip + 12, 4);
	memcpy(&f->dst.in.sin_addr, ip + 16, 4);
	/* Behind a fragment's beginning there are no ports. */
	if (!(load_be16(ip + 6) & 0x1fff))
		parse_ports(f, frame, IP + head, IP + total);
}

static void parse_ip6(struct netframe *f, const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + IP;
	size_t total;

	if (len < IP + IP6_LEN || ip[0] >> 4 != 6)
		return;
	total = IP6_LEN + load_be16(ip + 4);
	if (!range_fits(IP, total, len))
		return;
	f->v6 = true;
	f->proto = ip[6];
	f->src.in6.sin6_family = f->dst.in6.sin6_family = AF_INET6;
	memcpy(&f->src.in6.sin6_addr, ip + 8, 16);
	memcpy(&f->dst.in6.sin6_addr, ip + 24, 16);
	parse_ports(f, frame, IP + IP6_LEN, IP + total);
}

bool netframe_parse(struct netframe *f, const uint8_t *frame, size_t len)
{
	if (len < NETFRAME_ETH_LEN)
		return false;
	memset(f, 0, sizeof(*f));
	f->type = load_be16(frame + 12);
	f->proto = 255;
	if (f->type == ETH_P_IP)
		parse_ip4(f, frame, len);
	else if (f->type == ETH_P_IPV6)
		parse_ip6(f, frame, len);
	return true;
}

/* --- making ---------------------------------------------------------------- */

static void make_ip4(uint8_t *ip, size_t total, const union netaddr *src, const union netaddr *dst)
{
	memset(ip, 0, IP4_LEN);
	ip[0] = 0x45;
	store_be16(ip + 2, total);
	ip[6] = 0x40;	/* never in pieces, so it needs no identification (RFC 6864) */
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, &src->in.sin_addr, 4);
	memcpy(ip + 16, &dst->in.sin_addr, 4);
	store_be16(ip + 10, fold(sum(ip, IP4_LEN)));
}

static void make_ip6(uint8_t *ip, size_t total, const union netaddr *src, const union netaddr *dst)
{
	memset(ip, 0, IP6_LEN);
	ip[0] = 0x60;
	store_be16(ip + 4, total - IP6_LEN);
	ip[6] = IPPROTO_UDP;
	ip[7] = 64;
	memcpy(ip + 8, &src->in6.sin6_addr, 16);
	memcpy(ip + 24, &dst->in6.sin6_addr, 16);
}

size_t netframe_make_udp(uint8_t *frame, size_t len, const uint8_t src_mac[NETADDR_MAC_LEN],
			 const uint8_t dst_mac[NETADDR_MAC_LEN], const union netaddr *src,
			 const union netaddr *dst)
{
	bool v6 = src->sa.sa_family == AF_INET6;
	size_t l4 = IP + (v6 ? IP6_LEN : IP4_LEN), end = l4 + NETFRAME_UDP_LEN + len;
	uint8_t *udp = frame + l4;
	uint16_t check;

	memcpy(frame, dst_mac, NETADDR_MAC_LEN);
	memcpy(frame + 6, src_mac, NETADDR_MAC_LEN);
	store_be16(frame + 12, v6 ? ETH_P_IPV6 : ETH_P_IP);
	(v6 ? make_ip6 : make_ip4)(frame + IP, end - IP, src, dst);
	memcpy(udp, &src->in.sin_port, 2);
	memcpy(udp + 2, &dst->in.sin_port, 2);
	store_be16(udp + 4, end - l4);
	store_be16(udp + 6, 0);
	check = (v6 ? netframe_checksum6 : checksum4)(frame, l4, end, IPPROTO_UDP);
	/* 0 would say that there is none (RFC 768). */
	store_be16(udp + 6, check ? check : 0xffff);
	return end;
}

/* --- router advertisements (RFC 4861, 4.2; RFC 8106, 5.1) ------------------ */

#define RA_TYPE 134
#define RA_LEN 16
#define RDNSS_TYPE 25
#define RDNSS_LEN 24
#define RDNSS_LIFETIME 1800	/* seconds; three times as long as between two of them */

/* Whether the options in [p, end) are in order and @type is not among them. */
static bool lacks_option(const uint8_t *p, const uint8_t *end, uint8_t type)
{
	while (end - p >= 8) {
		if (p[0] == type || !p[1] || 8 * p[1] > end - p)
			return false;
		p += 8 * p[1];
	}
	return p == end;
}

size_t netframe_add_rdnss(uint8_t *frame, size_t len, const struct in6_addr *dns)
{
	const size_t icmp = IP + IP6_LEN;
	uint8_t *opt = frame + len;
	struct netframe f;

	if (!netframe_parse(&f, frame, len) || !f.v6 || f.proto != IPPROTO_ICMPV6 ||
	    len < icmp + RA_LEN || frame[icmp] != RA_TYPE ||
	    icmp + load_be16(frame + IP + 4) != len ||
	    !lacks_option(frame + icmp + RA_LEN, opt, RDNSS_TYPE))
		return len;
	memset(opt, 0, RDNSS_LEN);
	opt[0] = RDNSS_TYPE;
	opt[1] = RDNSS_LEN / 8;
	store_be16(opt + 6, RDNSS_LIFETIME);
	memcpy(opt + 8, dns, 16);
	len += RDNSS_LEN;
	store_be16(frame + IP + 4, len - icmp);
	store_be16(frame + icmp + 2, 0);
	store_be16(frame + icmp + 2, netframe_checksum6(frame, icmp, len, IPPROTO_ICMPV6));
	return len;
}
