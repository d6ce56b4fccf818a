/* SPDX-License-Identifier: MIT */
/*
 * The host's end of a network card, played by a test: what was sent is kept,
 * what is to be received is set. One thread.
 */
#ifndef MICROVM_TESTS_FAKE_NETDEV_H
#define MICROVM_TESTS_FAKE_NETDEV_H

#include "devices/backend/netdev.h"

#define FAKE_NETDEV_FRAMES 512
#define FAKE_NETDEV_QUEUES 8

struct fake_frame {
	uint8_t data[NETDEV_HDR_LEN + NETDEV_FRAME_MAX + 2];
	size_t len;		/* with the header */
	unsigned queue;
};

struct fake_netdev {
	struct netdev dev;
	struct fake_frame *last;	/* that was sent */
	unsigned sent, closed;
	int send_ret;		/* of the next ones; 0: takes them */
	unsigned tries;		/* to send */

	struct fake_frame *in[FAKE_NETDEV_FRAMES];	/* to be received, by any queue */
	unsigned in_head, in_tail;
	int recv_ret;		/* negative: receiving fails */
	bool listening[FAKE_NETDEV_QUEUES];
	unsigned offloads_set, queues_set, syncs;
};

void fake_netdev_init(struct fake_netdev *f, unsigned n_queues, unsigned offloads);
void fake_netdev_finish(struct fake_netdev *f);
/* A frame for the guest, its header included; readable() is called if somebody listens. */
void fake_netdev_give(struct fake_netdev *f, unsigned queue, const void *frame, size_t len);
/* How many are left. */
unsigned fake_netdev_left(const struct fake_netdev *f);
/* There is room again after -EAGAIN. */
void fake_netdev_drain(struct fake_netdev *f, unsigned queue);

#endif
