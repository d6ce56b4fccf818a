/* SPDX-License-Identifier: MIT */
/*
 * The front end of vhost-user: a virtio device whose work another process does,
 * the back end (QEMU, docs/interop/vhost-user.rst). Guest memory goes over as
 * the memfd that it is; kicks and interrupts do not pass through here.
 *
 *     source      where connections come from: a socket's path, a child
 *       |  dial(), on the loop
 *     vhost_user  one device: connects, negotiates, starts and stops the rings
 *       |  external virtio_ops
 *     virtio.c
 *
 * The back end is not trusted further than with guest memory: what it sends is
 * checked, what it is asked for has a time limit, and one that breaks the rules,
 * keeps us waiting or goes away is dropped. The device then needs a reset; a
 * reset by the guest, or no driver being there, brings a new connection.
 *
 * Threads: a connection is made and closed on the loop; messages are sent on
 * whatever thread the guest's access is served, with v->lock held, so that at
 * worst a vCPU waits VHOST_USER_TIMEOUT_NS for a back end, once a connection, and
 * VHOST_USER_START_FACTOR times as long for one that does not start.
 *
 * A back end that has memory for the guest asks for pieces of it to be mapped into
 * the shared-memory region, on its channel, while its rings are started. When they
 * are stopped, or it goes, the region is empty again.
 */
#ifndef MICROVM_VHOST_USER_FRONTEND_H
#define MICROVM_VHOST_USER_FRONTEND_H

#include "devices/virtio/shm_window.h"
#include "devices/virtio/vhost_user_msg.h"
#include "devices/virtio/virtio.h"

#define VHOST_USER_TIMEOUT_NS (5 * 1000000000ull)	/* for an answer... */
#define VHOST_USER_START_FACTOR 6			/* ...and so much longer for a connection's first */
/* Between two attempts to connect in the long run, and how many may go ahead of that. */
#define VHOST_USER_REDIAL_NS 1000000000ull
#define VHOST_USER_REDIAL_BURST 8

/* On the loop's thread, without a lock held. */
struct vhost_user_source_ops {
	/* A connected stream socket; negative errno, when it may be tried again later. */
	int (*dial)(void *ctx);
	/* The connection is closed; may be NULL. */
	void (*hung_up)(void *ctx);
};

/* What is known of a device before its back end is asked. */
struct vhost_user_params {
	const struct virtio_ops *ops;	/* made with VHOST_USER_OPS */
	const char *name;		/* for messages; outlives the device */
	unsigned n_queues;
	uint16_t queue_size;		/* of each, unless... */
	const uint16_t *queue_sizes;	/* ...this is not NULL; queue_size is the greatest then */
	uint64_t features;		/* device feature bits that the guest may see */
	uint32_t config_len;		/* at most VHOST_USER_CONFIG_MAX */
	const void *config;		/* NULL: the back end has it */
	/* A number of queues in the configuration, at most 4 bytes: kept to @max_count. */
	uint32_t count_off, count_len, max_count;
	/* A shared-memory region that the guest may have, if the back end does; 0: none. */
	uint64_t shm_max;		/* bytes */
	uint8_t shm_id;
	bool renew;			/* a driver's reset is to find a new back end */
	/*
	 * Answers a request for a back end that has gone: the bytes written. NULL: it
	 * waits for the reset. Only where hung_up() sees to it that the back end has
	 * ended, and that takes requests in their order.
	 */
	size_t (*refuse)(const struct virtq_chain *chain);
	uint64_t timeout_ns, redial_ns;	/* 0: as above */
	const struct vhost_user_source_ops *source;
	void *source_ctx;
};

enum vhost_user_state_now {
	VHOST_USER_DOWN,	/* no connection, or one that is to be closed */
	VHOST_USER_FRESH,	/* connected, nothing said yet */
	VHOST_USER_READY,	/* negotiated; rings are stopped */
	VHOST_USER_RUNNING,	/* rings are started */
};

struct vhost_user {
	struct virtio_device v;
	struct vhost_user_params p;

	/* under v.lock; the descriptors change on the loop's thread only */
	enum vhost_user_state_now state;
	struct loop_fd conn, channel, err;
	int channel_peer;		/* the back end's end until it is sent */
	uint64_t features, protocol;	/* of this connection */
	uint64_t started;		/* queues, by bit */
	uint64_t shm_len;		/* of this connection's back end */
	struct shm_window shm;		/* v.shm, if there was one at first */
	bool config_stale;
	uint8_t config[VHOST_USER_CONFIG_MAX];

	/* the loop's */
	struct loop_timer timer;	/* the next attempt to connect */
	uint64_t dials_paid_ns;	/* the time by which those so far would have been due */
};

/*
 * Connects and asks the back end what it has: main thread. 0, or negative errno
 * after one line in the log.
 */
int vhost_user_init(struct vhost_user *u, const struct vhost_user_params *params,
		    struct loop *loop, const struct gmem *mem);
void vhost_user_finish(struct vhost_user *u);

void vhost_user_config_read(struct virtio_device *v, uint32_t off, void *buf, uint32_t len);
void vhost_user_config_write(struct virtio_device *v, uint32_t off, const void *buf, uint32_t len);
void vhost_user_activate(struct virtio_device *v);
void vhost_user_notify(struct virtio_device *v, unsigned q);
void vhost_user_quiesce(struct virtio_device *v);
void vhost_user_shm_lost(struct virtio_device *v);

#define VHOST_USER_OPS                                                                             \
	.external = true, .config_read = vhost_user_config_read,                                   \
	.config_write = vhost_user_config_write, .activate = vhost_user_activate,                  \
	.notify = vhost_user_notify, .quiesce = vhost_user_quiesce,                                \
	.shm_lost = vhost_user_shm_lost

#endif
