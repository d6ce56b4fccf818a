/* SPDX-License-Identifier: MIT */
/*
 * The host's end of a network card: Ethernet frames out of the guest and into
 * it, without a word of virtio. Kinds: netdev_user.h (a network made up by
 * libslirp, no privilege needed) and netdev_tap.h (an interface of the host).
 *
 * Loop thread only, unless said otherwise. Nothing blocks. Frames travel as
 * vectors, so that a system call moves them straight from and to guest memory:
 * a kind hands vectors to the kernel or copies them, and looks at copies only.
 *
 * Before each frame stand NETDEV_HDR_LEN bytes that say what is still to be
 * done to it: checksum, segmentation. They have the layout that Linux has for
 * that (struct virtio_net_hdr_v1 of linux/virtio_net.h, without num_buffers);
 * all zero for a finished frame.
 */
#ifndef MICROVM_NETDEV_H
#define MICROVM_NETDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define NETDEV_HDR_LEN 12
/* Ethernet, a VLAN tag, and the longest packet of IP; header not included. */
#define NETDEV_FRAME_MIN 14
#define NETDEV_FRAME_MAX (14 + 4 + 65535)
/* Vectors of a frame, at most (IOV_MAX). */
#define NETDEV_IOV_MAX 1024

/* What a frame may leave to be done. */
#define NETDEV_CSUM 1
#define NETDEV_TSO4 2
#define NETDEV_TSO6 4
#define NETDEV_ECN 8	/* TSO of segments with CWR */
#define NETDEV_ALL_OFFLOADS 15

struct netdev;

/*
 * The card's end. Called by the loop, never from within a netdev_*() call, and
 * without the card's lock held.
 */
struct netdev_front_ops {
	/* While netdev_listen() is on: there are frames for netdev_recv(). */
	void (*readable)(void *ctx, unsigned queue);
	/* After a netdev_send() of -EAGAIN: try again. */
	void (*writable)(void *ctx, unsigned queue);
};

/* The host's end; see the functions below. */
struct netdev_ops {
	int (*send)(struct netdev *dev, unsigned queue, const struct iovec *iov, unsigned n);
	ssize_t (*recv)(struct netdev *dev, unsigned queue, const struct iovec *iov, unsigned n);
	void (*listen)(struct netdev *dev, unsigned queue, bool on);
	void (*set_offloads)(struct netdev *dev, unsigned offloads);	/* may be NULL */
	void (*set_queues)(struct netdev *dev, unsigned n);	/* may be NULL */
	void (*close)(struct netdev *dev);
};

struct netdev {
	const struct netdev_ops *ops;
	const struct netdev_front_ops *front;	/* NULL: nobody is attached */
	void *front_ctx;
	unsigned n_queues;	/* that set_queues() can be given */
	unsigned offloads;	/* that frames to it may leave to it, and set_offloads() allow it */
	unsigned mtu;		/* of IP, in bytes */
	const char *kind;	/* for messages: "user", "tap" */
};

static inline void netdev_attach(struct netdev *dev, const struct netdev_front_ops *front,
				 void *ctx)
{
	dev->front = front;
	dev->front_ctx = ctx;
}

/*
 * A frame to the host. 0 when it is on its way, -EAGAIN when writable() will
 * say that there is room, else negative errno and the frame is lost.
 */
static inline int netdev_send(struct netdev *dev, unsigned queue, const struct iovec *iov,
			      unsigned n)
{
	return dev->ops->send(dev, queue, iov, n);
}

/*
 * The next frame from the host into @iov, which has room for the longest one:
 * bytes with the header; -EAGAIN when there is none; negative errno.
 */
static inline ssize_t netdev_recv(struct netdev *dev, unsigned queue, const struct iovec *iov,
				  unsigned n)
{
	return dev->ops->recv(dev, queue, iov, n);
}

/*
 * Whether readable() is called. Off at first: without buffers in the guest,
 * frames stay with the host, which keeps some and then drops.
 */
static inline void netdev_listen(struct netdev *dev, unsigned queue, bool on)
{
	dev->ops->listen(dev, queue, on);
}

/* What received frames may leave to the guest; none at first. */
static inline void netdev_set_offloads(struct netdev *dev, unsigned offloads)
{
	if (dev->ops->set_offloads)
		dev->ops->set_offloads(dev, offloads);
}

/* Spread received frames over queues 0 to @n - 1; 1 at first. */
static inline void netdev_set_queues(struct netdev *dev, unsigned n)
{
	if (dev->ops->set_queues)
		dev->ops->set_queues(dev, n);
}

static inline void netdev_close(struct netdev *dev)	/* NULL is legal */
{
	if (dev)
		dev->ops->close(dev);
}

#endif
