/* SPDX-License-Identifier: MIT */
/*
 * A vhost-user front end that a test drives message by message, with guest
 * memory and the driver's side of rings: against a back end on a loop that is
 * turned here, or one in another process. Misuse by the test itself aborts.
 */
#ifndef MICROVM_TESTS_VHOST_PEER_H
#define MICROVM_TESTS_VHOST_PEER_H

#include "devices/virtio/vhost_user_msg.h"
#include "tests/vdrv.h"
#include "vmm/loop.h"

#define VP_QUEUES 8
#define VP_MEMORY (8 * MiB)	/* unless mem is made by the test, before vp_share_memory() */
#define VP_USER BIT(46)		/* user address of guest address 0 */

struct vhost_peer {
	int fd;			/* to the back end */
	int channel;		/* for its requests, -1: none */
	struct loop *loop;	/* the back end's; NULL: it runs by itself */
	struct gmem mem;
	uint64_t heap;		/* where vp_alloc() goes on */
	struct {
		int kick, call, err;
		struct vdrv_ring ring;
	} q[VP_QUEUES];
};

void vp_init(struct vhost_peer *p, int fd, struct loop *loop);
void vp_finish(struct vhost_peer *p);

/* Sends @size bytes of payload; msg->h.flags are kept. Whether it went. */
bool vp_send(struct vhost_peer *p, uint32_t request, struct vhost_user_msg *msg, uint32_t size,
	     const int *fds, unsigned n_fds);
/* 0; -ECONNRESET or -EPIPE: hung up on. */
int vp_recv(struct vhost_peer *p, struct vhost_user_msg *msg);
/* Whether the back end hangs up now. */
bool vp_is_hung_up(struct vhost_peer *p);
uint64_t vp_ask(struct vhost_peer *p, uint32_t request);
/* With NEED_REPLY, and the number that comes back; UINT64_MAX: hung up on. */
uint64_t vp_do(struct vhost_peer *p, uint32_t request, const struct vhost_user_msg *msg,
	       uint32_t size, const int *fds, unsigned n_fds);
/* @fd -1: none. */
uint64_t vp_do_u64(struct vhost_peer *p, uint32_t request, uint64_t value, int fd);
uint64_t vp_do_state(struct vhost_peer *p, uint32_t request, uint32_t index, uint32_t num);

/* Acknowledges @features and all protocol features, gives a channel. */
void vp_negotiate(struct vhost_peer *p, uint64_t features);
/* The whole table of p->mem. */
uint64_t vp_share_memory(struct vhost_peer *p);
/* Everything but enabling; @base 0: a new ring of @size at p->heap, else the one that was. */
void vp_set_ring(struct vhost_peer *p, unsigned q, uint16_t size, uint16_t base);
uint64_t vp_enable(struct vhost_peer *p, unsigned q, bool on);
uint16_t vp_stop_ring(struct vhost_peer *p, unsigned q);	/* the base */
/* Both of these, for @n rings. */
void vp_start(struct vhost_peer *p, uint64_t features, unsigned n, uint16_t size);
void vp_kick(struct vhost_peer *p, unsigned q);
/* Waits for the next used element of queue @q: its length; -1 when none comes. */
int vp_used(struct vhost_peer *p, unsigned q);
bool vp_take_irq(struct vhost_peer *p, unsigned q);
uint64_t vp_alloc(struct vhost_peer *p, uint64_t len);

#endif
