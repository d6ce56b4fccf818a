/* SPDX-License-Identifier: MIT */
/*
 * A guest's frames, made by hand, and what is in those that it gets: for tests
 * of networks. The guest is 10.0.2.15 and fec0::15, at GUEST_MAC.
 */
#ifndef MICROVM_TESTS_PACKETS_H
#define MICROVM_TESTS_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_MAX 2048
#define GUEST_MAC "\x02\x00\x00\x00\x00\x0f"

struct pkt {
	uint8_t data[PKT_MAX];
	size_t len;
};

/* Addresses as 4 or 16 bytes; pkt_ip() turns text into them. */
struct pkt_ip {
	bool v6;
	uint8_t addr[16];
};

struct pkt_ip pkt_ip(const char *text);

/* Ethernet, IP and its header's checksum; then @len bytes of @proto, with theirs at @csum_off. */
struct pkt pkt_make_ip(const uint8_t dst_mac[6], struct pkt_ip src, struct pkt_ip dst,
		       uint8_t proto, const void *data, size_t len, int csum_off);
struct pkt pkt_make_udp(const uint8_t dst_mac[6], struct pkt_ip src, struct pkt_ip dst,
			uint16_t src_port, uint16_t dst_port, const void *data, size_t len);

struct pkt_tcp {
	uint16_t src_port, dst_port;
	uint32_t seq, ack;
	uint8_t flags;
};

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

struct pkt pkt_make_tcp(const uint8_t dst_mac[6], struct pkt_ip src, struct pkt_ip dst,
			const struct pkt_tcp *tcp, const void *data, size_t len);
/* @op 1: a request, 2: an answer, to @dst_mac. */
struct pkt pkt_make_arp(unsigned op, const uint8_t dst_mac[6], const char *sender,
			const char *target);
/* ICMPv6, whose checksum is filled in. */
struct pkt pkt_make_icmp6(const uint8_t dst_mac[6], const char *src, const char *dst,
			  const void *data, size_t len);

uint16_t pkt_be16(const uint8_t *p);
uint32_t pkt_be32(const uint8_t *p);
/* 0 when the checksum over all of it, with a pseudo header, is right. */
uint16_t pkt_checksum(const uint8_t *frame, size_t len);

/* What is behind Ethernet and IP (without options) if it is @proto over it; NULL: it is not. */
const uint8_t *pkt_payload(const uint8_t *frame, size_t len, bool v6, uint8_t proto);

#endif
