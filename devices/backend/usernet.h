/* SPDX-License-Identifier: MIT */
/*
 * A network made up by libslirp, on our loop: Ethernet frames on one side, the
 * sockets of this process on the other, no privilege needed. The guest finds
 * there, by DHCP, router advertisements and stateless DHCPv6:
 *
 *     10.0.2.2    fec0::2     the router, and the host's own loopback
 *     10.0.2.3    fec0::3     the name server
 *     10.0.2.15   fec0::/64   the guest
 *
 * Loop thread only. The library is loaded when the first such network is made,
 * so that what it costs is no part of the start of a VM.
 */
#ifndef MICROVM_USERNET_H
#define MICROVM_USERNET_H

#include "devices/backend/netaddr.h"
#include "vmm/loop.h"

/*
 * What a packet may have. libslirp has TCP windows of 64 KiB: four packets fill
 * one, so that there is always one to be acknowledged. Fewer, larger packets
 * cost several times less than those of a real Ethernet.
 */
#define USERNET_MTU 16384
#define USERNET_MTU_MIN 1280	/* of IPv6 */
#define USERNET_MTU_MAX 65520
#define USERNET_DNS4 "10.0.2.3"
#define USERNET_DNS6 "fec0::3"

struct usernet;

struct usernet_params {
	bool restricted;	/* nothing leads out, but for forwarded ports */
	unsigned mtu;
	const struct net_fwd *fwds;
	unsigned n_fwds;
};

/*
 * @output is given frames for the guest, from within other calls too; it calls
 * none of these. 0, or negative errno after one line in the log.
 */
int usernet_create(struct usernet **out, struct loop *loop, const struct usernet_params *params,
		   void (*output)(void *ctx, const uint8_t *frame, size_t len), void *ctx);
void usernet_destroy(struct usernet *net);	/* NULL is legal */
/* A frame from the guest, which must not change during the call. */
void usernet_input(struct usernet *net, const uint8_t *frame, size_t len);
/* While on, nothing is read from sockets: the guest has enough to do. */
void usernet_hold(struct usernet *net, bool on);
/* How many sockets there are on behalf of the guest. */
unsigned usernet_sockets(const struct usernet *net);

#endif
