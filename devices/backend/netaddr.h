/* SPDX-License-Identifier: MIT */
/* Addresses of network cards, from text: pure functions. */
#ifndef MICROVM_NETADDR_H
#define MICROVM_NETADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NETADDR_MAC_LEN 6

/* NULL, or what is wrong. Six bytes in hexadecimal with colons between, of one card (unicast). */
const char *netaddr_parse_mac(uint8_t mac[NETADDR_MAC_LEN], const char *text);
/*
 * A locally administered address (IEEE 802, the bit of value 2 of the first
 * byte), always the same for the same card: number @index of guest @guest,
 * connected to @where.
 */
void netaddr_default_mac(uint8_t mac[NETADDR_MAC_LEN], const char *guest, unsigned index,
			 const char *where);

union netaddr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static inline void netaddr_init(union netaddr *addr, bool v6)
{
	/* All of it, so that addresses can be compared as bytes. */
	memset(addr, 0, sizeof(*addr));
	addr->sa.sa_family = v6 ? AF_INET6 : AF_INET;
}

socklen_t netaddr_len(const union netaddr *addr);

/* A port of the host's that leads into the guest. */
struct net_fwd {
	bool udp;
	union netaddr host;
	union netaddr guest;	/* of the same family; address 0: whatever the guest has */
};

/*
 * "tcp:127.0.0.1:2222:22", "udp:[::1]:5353:53", with an address of the guest's
 * if it is not to be guessed: "tcp:0.0.0.0:80:10.0.2.99:80". NULL, or what is
 * wrong.
 */
const char *netaddr_parse_fwd(struct net_fwd *fwd, const char *text);

/* Of an interface, as it can be named (netdevice(7)). */
bool netaddr_is_ifname(const char *text);

#endif
