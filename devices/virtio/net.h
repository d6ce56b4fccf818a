/* SPDX-License-Identifier: MIT */
/*
 * Network card (virtio 1.2, 5.1): what net.c makes of any netdev, and what it
 * shares with net_queues.c.
 */
#ifndef MICROVM_VIRTIO_NET_H
#define MICROVM_VIRTIO_NET_H

#include <linux/virtio_net.h>

#include "devices/backend/netaddr.h"
#include "devices/backend/netdev.h"
#include "devices/virtio/virtio.h"

#define NET_QUEUE_SIZE 256
#define NET_CTRL_QUEUE_SIZE 64
#define NET_MAX_PAIRS 8
/* Frames of one queue between two looks at the loop's other sources. */
#define NET_BATCH 64
/* The guest's buffers that one received frame may fill. */
#define NET_RX_CHAINS 128
/* A chain's descriptors, borders of RAM that they may cross, and the header. */
#define NET_IOV_MAX (NET_QUEUE_SIZE + GMEM_MAX_REGIONS + 2)

_Static_assert(sizeof(struct virtio_net_hdr_v1) == NETDEV_HDR_LEN, "the same header");

/* A receive queue; under v->lock. */
struct net_rx {
	struct virtq_chain *chains[NET_RX_CHAINS];	/* taken, to be filled in this order */
	unsigned n_chains;
	size_t room;		/* bytes of them all */
	/* A frame that was received and waits for more room, lengths with the header; 0: none. */
	size_t len;
	size_t in_place;	/* of it, in the chains already */
	struct virtio_net_hdr_v1 hdr;
	uint8_t *spill;		/* what is not; NETDEV_FRAME_MAX bytes */
};

struct net_pair {
	struct net_rx rx;
	bool tx_stalled;	/* the host will say when it takes more */
};

struct net {
	struct virtio_device v;
	struct netdev *dev;
	uint8_t own_mac[NETADDR_MAC_LEN];
	unsigned max_pairs;

	/* under v.lock */
	uint8_t mac[NETADDR_MAC_LEN];
	unsigned n_pairs;	/* in use */
	unsigned tx_offloads;	/* NETDEV_..., what the driver's frames may leave to the host */
	unsigned rx_offloads;	/* what it takes in frames from the host */
	bool sync_due;		/* dev has yet to hear of n_pairs and rx_offloads */
	struct net_pair pairs[NET_MAX_PAIRS];
	uint64_t sent, received, tx_dropped, rx_dropped;
};

/* Owns @dev from then on, unless it fails. 0 or negative errno. */
int virtio_net_create(struct virtio_device **out, struct loop *loop, const struct gmem *mem,
		      struct netdev *dev, const uint8_t mac[NETADDR_MAC_LEN]);
void virtio_net_destroy(struct virtio_device *v);

struct opt_value;
struct virtio_env;

/* net_model.c: the address of the card that --net makes, of virtio or not. */
void net_option_mac(uint8_t mac[NETADDR_MAC_LEN], const struct opt_value *opts,
		    const char *guest, unsigned index);
/* Likewise what it is connected to. 0, or negative errno after one line in the log. */
int net_option_open(struct netdev **out, uint8_t mac[NETADDR_MAC_LEN],
		    const struct virtio_env *env, const struct opt_value *opts);

/* net_queues.c; loop thread, v->lock held, device running, @pair in use. */
void net_transmit(struct net *n, unsigned pair);
void net_receive(struct net *n, unsigned pair);
/* Forgets the guest's buffers, and a frame that waits for more of them. */
void net_rx_reset(struct net_rx *rx);

#endif
