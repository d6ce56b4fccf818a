/* SPDX-License-Identifier: MIT */
/* What a network that is made up has to know of Ethernet frames: pure functions. */
#ifndef MICROVM_NETFRAME_H
#define MICROVM_NETFRAME_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/backend/netaddr.h"

#define NETFRAME_ETH_LEN 14
#define NETFRAME_UDP_LEN 8
/* All that is in front of an UDP datagram's data, by IPv4 without options and by IPv6. */
#define NETFRAME_UDP4_HEAD (NETFRAME_ETH_LEN + 20 + NETFRAME_UDP_LEN)
#define NETFRAME_UDP6_HEAD (NETFRAME_ETH_LEN + 40 + NETFRAME_UDP_LEN)

/* What a frame is, as far as it is whole. */
struct netframe {
	uint16_t type;		/* of Ethernet, ETH_P_... */
	bool v6;
	uint8_t proto;		/* IPPROTO_...; 255: not IP, or cannot be told */
	bool fragment;		/* IPv4's, other than the whole */
	bool options;		/* IPv4's */
	uint8_t tcp_flags;
	union netaddr src, dst;	/* with ports if TCP or UDP */
	size_t data, end;	/* of UDP: offsets of what it carries, and behind it; 0: not whole */
};

/* False when it is not one: too short. */
bool netframe_parse(struct netframe *f, const uint8_t *frame, size_t len);

/*
 * Puts in front of @len bytes at @frame + NETFRAME_UDP?_HEAD what makes a UDP
 * datagram of them, from @src to @dst, of one family. The frame's length.
 */
size_t netframe_make_udp(uint8_t *frame, size_t len, const uint8_t src_mac[NETADDR_MAC_LEN],
			 const uint8_t dst_mac[NETADDR_MAC_LEN], const union netaddr *src,
			 const union netaddr *dst);

/*
 * If @frame is a router advertisement that names no DNS server (RFC 8106):
 * makes it name @dns. Room for 24 bytes more has to be there. The frame's length.
 */
size_t netframe_add_rdnss(uint8_t *frame, size_t len, const struct in6_addr *dns);

/* The sum that the Internet checksum is the complement of (RFC 1071), up to 64 KiB. */
uint16_t netframe_sum(const uint8_t *p, size_t len);
/* The Internet checksum of an IPv6 packet's payload, which begins at @l4. */
uint16_t netframe_checksum6(const uint8_t *frame, size_t l4, size_t end, uint8_t proto);

#endif
