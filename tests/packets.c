/* SPDX-License-Identifier: MIT */
#include "tests/packets.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define ETH 14

uint16_t pkt_be16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

uint32_t pkt_be32(const uint8_t *p)
{
	return (uint32_t)pkt_be16(p) << 16 | pkt_be16(p + 2);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

struct pkt_ip pkt_ip(const char *text)
{
	struct pkt_ip ip = { .v6 = strchr(text, ':') };

	if (inet_pton(ip.v6 ? AF_INET6 : AF_INET, text, ip.addr) != 1)
		abort();
	return ip;
}

static uint32_t add(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : p[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static size_t header_len(bool v6)
{
	return ETH + (v6 ? 40 : 20);
}

uint16_t pkt_checksum(const uint8_t *frame, size_t len)
{
	bool v6 = frame[ETH] >> 4 == 6;
	size_t head = header_len(v6);
	uint32_t sum = v6 ? add(0, frame + ETH + 8, 32) : add(0, frame + ETH + 12, 8);

	return fold(add(sum + frame[ETH + (v6 ? 6 : 9)] + (len - head), frame + head, len - head));
}

struct pkt pkt_make_ip(const uint8_t dst_mac[6], struct pkt_ip src, struct pkt_ip dst,
		       uint8_t proto, const void *data, size_t len, int csum_off)
{
	size_t head = header_len(src.v6);
	struct pkt p = { .len = head + len };
	uint8_t *ip = p.data + ETH;

	if (p.len > PKT_MAX)
		abort();
	memcpy(p.data, dst_mac, 6);
	memcpy(p.data + 6, GUEST_MAC, 6);
	put16(p.data + 12, src.v6 ? 0x86dd : 0x0800);
	if (src.v6) {
		ip[0] = 0x60;
		put16(ip + 4, len);
		ip[6] = proto;
		ip[7] = 255;	/* what neighbours ask of each other */
		memcpy(ip + 8, src.addr, 16);
		memcpy(ip + 24, dst.addr, 16);
	} else {
		ip[0] = 0x45;
		put16(ip + 2, 20 + len);
		ip[8] = 64;
		ip[9] = proto;
		memcpy(ip + 12, src.addr, 4);
		memcpy(ip + 16, dst.addr, 4);
		put16(ip + 10, fold(add(0, ip, 20)));
	}
	memcpy(p.data + head, data, len);
	if (csum_off >= 0)
		put16(p.data + head + csum_off, pkt_checksum(p.data, p.len));
	return p;
}

struct pkt pkt_make_udp(const uint8_t dst_mac[6], struct pkt_ip src, struct pkt_ip dst,
			uint16_t src_port, uint16_t dst_port, const void *data, size_t len)
{
	uint8_t udp[PKT_MAX] = { 0 };

	put16(udp, src_port);
	put16(udp + 2, dst_port);
	put16(udp + 4, 8 + len);
	memcpy(udp + 8, data, len);
	return pkt_make_ip(dst_mac, src, dst, 17, udp, 8 + len, 6);
}

struct pkt pkt_make_tcp(const uint8_t dst_mac[6], struct pkt_ip src, struct pkt_ip dst,
			const struct pkt_tcp *tcp, const void *data, size_t len)
{
	uint8_t seg[PKT_MAX] = { 0 };

	put16(seg, tcp->src_port);
	put16(seg + 2, tcp->dst_port);
	put32(seg + 4, tcp->seq);
	put32(seg + 8, tcp->ack);
	seg[12] = 5 << 4;
	seg[13] = tcp->flags;
	put16(seg + 14, 32768);
	memcpy(seg + 20, data, len);
	return pkt_make_ip(dst_mac, src, dst, 6, seg, 20 + len, 16);
}

struct pkt pkt_make_arp(unsigned op, const uint8_t dst_mac[6], const char *sender,
			const char *target)
{
	struct pkt p = { .len = ETH + 28 };
	uint8_t *arp = p.data + ETH;

	memcpy(p.data, dst_mac, 6);
	memcpy(p.data + 6, GUEST_MAC, 6);
	put16(p.data + 12, 0x0806);
	memcpy(arp, "\0\1\10\0\6\4\0", 7);
	arp[7] = op;
	memcpy(arp + 8, GUEST_MAC, 6);
	memcpy(arp + 14, pkt_ip(sender).addr, 4);
	memcpy(arp + 18, op == 2 ? dst_mac : (const uint8_t *)"\0\0\0\0\0\0", 6);
	memcpy(arp + 24, pkt_ip(target).addr, 4);
	return p;
}

struct pkt pkt_make_icmp6(const uint8_t dst_mac[6], const char *src, const char *dst,
			  const void *data, size_t len)
{
	return pkt_make_ip(dst_mac, pkt_ip(src), pkt_ip(dst), 58, data, len, 2);
}

const uint8_t *pkt_payload(const uint8_t *frame, size_t len, bool v6, uint8_t proto)
{
	size_t head = header_len(v6);

	if (len < head || pkt_be16(frame + 12) != (v6 ? 0x86dd : 0x0800) ||
	    frame[ETH + (v6 ? 6 : 9)] != proto)
		return NULL;
	return frame + head;
}
