/* SPDX-License-Identifier: MIT */
/*
 * The DNS server of a network that is made up: passes a guest's queries on to
 * the host's servers, whichever of IPv4 and IPv6 each side has. libslirp does
 * that too, but a guest with IPv6 alone then needs a host whose server has an
 * IPv6 address.
 *
 * Loop thread only. One socket a query, so that an answer comes from the
 * server that was asked and to a port that nobody could guess.
 */
#ifndef MICROVM_NETDNS_H
#define MICROVM_NETDNS_H

#include "devices/backend/netaddr.h"
#include "devices/backend/netframe.h"
#include "vmm/loop.h"

#define NETDNS_MAX_QUERIES 32	/* under way; one more, and the oldest is forgotten */
#define NETDNS_MAX_SERVERS 3	/* resolv.conf(5) */
#define NETDNS_TIMEOUT_S 10
/* Header, a name, its type and class (RFC 1035, 4.1). */
#define NETDNS_QUESTION_MAX (12 + 255 + 4)

struct netdns;

struct netdns_query {
	struct netdns *dns;
	int fd;			/* -1: unused */
	struct loop_fd src;
	uint64_t started_ns;
	unsigned tried;		/* servers */
	/* of the frame that it came in */
	uint8_t guest_mac[NETADDR_MAC_LEN], our_mac[NETADDR_MAC_LEN];
	union netaddr guest, ours;
	uint16_t id;
	uint8_t question[NETDNS_QUESTION_MAX];
	size_t question_len;
};

struct netdns {
	struct loop *loop;
	const char *resolv_conf;
	uint16_t port;		/* of the servers */
	size_t max_frame;
	void (*answer)(void *ctx, const uint8_t *frame, size_t len);
	void *ctx;
	struct netdns_query queries[NETDNS_MAX_QUERIES];
};

/* @resolv_conf, the host's list of servers, is read for each query and not owned. */
void netdns_init(struct netdns *dns, struct loop *loop, const char *resolv_conf, uint16_t port,
		 size_t max_frame, void (*answer)(void *ctx, const uint8_t *frame, size_t len),
		 void *ctx);
void netdns_finish(struct netdns *dns);

/* @frame is a UDP datagram to port 53 of the server, @f what netframe_parse() says of it. */
void netdns_ask(struct netdns *dns, const uint8_t *frame, const struct netframe *f);

/* --- pure ------------------------------------------------------------------ */

/* Servers in the text of a resolv.conf(5), none: the host itself. How many. */
unsigned netdns_parse_servers(union netaddr servers[NETDNS_MAX_SERVERS], const char *text,
			      uint16_t port);
/* Of a query: length of its header and its one question; 0 when it is not sound. */
size_t netdns_question_len(const uint8_t *query, size_t len);

#endif
