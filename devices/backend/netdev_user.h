/* SPDX-License-Identifier: MIT */
/*
 * A network card's host end on a network that is made up (usernet.h), which is
 * there when the guest's driver is: until then it costs nothing. With forwarded
 * ports it is there at once, so that a port that is taken stops the start.
 */
#ifndef MICROVM_NETDEV_USER_H
#define MICROVM_NETDEV_USER_H

#include "devices/backend/netaddr.h"
#include "devices/backend/netdev.h"
#include "devices/backend/usernet.h"
#include "vmm/loop.h"

#define NETDEV_USER_MAX_FWDS 16

struct netdev_user_params {
	bool restricted;	/* nothing leads out, but for forwarded ports */
	const struct net_fwd *fwds;	/* copied */
	unsigned n_fwds;
	unsigned mtu;		/* USERNET_MTU_MIN to USERNET_MTU_MAX; 0: USERNET_MTU */
	const char *resolv_conf;	/* for tests; NULL: the host's */
	uint16_t dns_port;		/* for tests; 0: 53 */
};

/* 0, or negative errno after one line in the log. */
int netdev_user_open(struct netdev **out, struct loop *loop,
		     const struct netdev_user_params *params);

#endif
