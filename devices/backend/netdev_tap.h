/* SPDX-License-Identifier: MIT */
/*
 * A network card's host end that is a tap interface of the host's kernel
 * (Documentation/networking/tuntap.rst): an existing one that is ours, or one
 * made for us if we may. Frames go between the kernel and guest memory without
 * a copy of ours; checksums and segmentation are left to the kernel.
 */
#ifndef MICROVM_NETDEV_TAP_H
#define MICROVM_NETDEV_TAP_H

#include "devices/backend/netdev.h"
#include "vmm/loop.h"

#define NETDEV_TAP_MAX_QUEUES 8

/* @ifname: netaddr_is_ifname(). 0, or negative errno after one line in the log. */
int netdev_tap_open(struct netdev **out, struct loop *loop, const char *ifname,
		    unsigned n_queues);

#endif
