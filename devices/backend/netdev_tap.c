/* SPDX-License-Identifier: MIT */
#include "devices/backend/netdev_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

struct tap_queue {
	struct tap *tap;
	unsigned index;
	int fd;
	bool enabled;		/* the kernel spreads frames over those that are */
	bool listening, stalled;	/* what the loop waits for */
	uint32_t events;	/* what it does wait for; 0: it does not have src */
	struct loop_fd src;
};

struct tap {
	struct netdev dev;
	struct loop *loop;
	char ifname[IFNAMSIZ];
	bool gone;		/* the interface was deleted */
	struct tap_queue queues[NETDEV_TAP_MAX_QUEUES];	/* dev.n_queues of them */
};

static struct tap *tap_of(struct netdev *dev)
{
	return container_of(dev, struct tap, dev);
}

/* --- waiting --------------------------------------------------------------- */

static void tap_ready(void *arg, uint32_t events);

/*
 * Off the loop altogether when nothing is wanted: epoll would go on to report
 * errors, and the loop would spin (case 16).
 */
static void tap_watch(struct tap_queue *q)
{
	uint32_t events = (q->listening ? EPOLLIN : 0) | (q->stalled ? EPOLLOUT : 0);
	struct loop *loop = q->tap->loop;
	int ret = 0;

	if (q->tap->gone || !q->enabled)
		events = 0;
	if (events == q->events)
		return;
	if (!events)
		loop_remove(loop, &q->src);
	else if (q->events)
		ret = loop_modify(loop, &q->src, events);
	else
		ret = loop_add(loop, &q->src, q->fd, events, tap_ready, q);
	if (ret < 0)
		log_error("tap %s: cannot watch it: %s", q->tap->ifname, strerror(-ret));
	q->events = ret < 0 ? 0 : events;
}

static void tap_lost(struct tap *tap)
{
	log_error("tap %s: the interface is gone", tap->ifname);
	tap->gone = true;
	for (unsigned i = 0; i < tap->dev.n_queues; i++)
		tap_watch(&tap->queues[i]);
}

static void tap_ready(void *arg, uint32_t events)
{
	struct tap_queue *q = arg;
	struct netdev *dev = &q->tap->dev;

	if (events & (EPOLLERR | EPOLLHUP)) {
		tap_lost(q->tap);
		return;
	}
	if (events & EPOLLOUT) {
		q->stalled = false;
		tap_watch(q);
		dev->front->writable(dev->front_ctx, q->index);
	}
	if (events & EPOLLIN && q->listening)
		dev->front->readable(dev->front_ctx, q->index);
}

/* --- frames ---------------------------------------------------------------- */

static int tap_send(struct netdev *dev, unsigned queue, const struct iovec *iov, unsigned n)
{
	struct tap_queue *q = &tap_of(dev)->queues[queue];

	if (writev(q->fd, iov, n) >= 0)
		return 0;
	if (errno == EAGAIN) {
		q->stalled = true;
		tap_watch(q);
	}
	return -errno;
}

static ssize_t tap_recv(struct netdev *dev, unsigned queue, const struct iovec *iov, unsigned n)
{
	ssize_t got = readv(tap_of(dev)->queues[queue].fd, iov, n);

	return got < 0 ? -errno : got;
}

static void tap_listen(struct netdev *dev, unsigned queue, bool on)
{
	struct tap_queue *q = &tap_of(dev)->queues[queue];

	q->listening = on;
	tap_watch(q);
}

static void tap_set_offloads(struct netdev *dev, unsigned offloads)
{
	static const struct { unsigned ours, theirs; } bits[] = {
		{ NETDEV_CSUM, TUN_F_CSUM },
		{ NETDEV_TSO4, TUN_F_TSO4 },
		{ NETDEV_TSO6, TUN_F_TSO6 },
		{ NETDEV_ECN, TUN_F_TSO_ECN },
	};
	struct tap *tap = tap_of(dev);
	unsigned long flags = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		if (offloads & bits[i].ours)
			flags |= bits[i].theirs;
	/* For the interface, whichever queue says it. */
	if (ioctl(tap->queues[0].fd, TUNSETOFFLOAD, flags) < 0)
		log_error("tap %s: TUNSETOFFLOAD: %m", tap->ifname);
}

static void tap_set_queues(struct netdev *dev, unsigned n)
{
	struct tap *tap = tap_of(dev);

	for (unsigned i = 0; i < dev->n_queues; i++) {
		struct tap_queue *q = &tap->queues[i];
		struct ifreq ifr = { .ifr_flags = i < n ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

		if (q->enabled == (i < n))
			continue;
		if (ioctl(q->fd, TUNSETQUEUE, &ifr) < 0)
			log_error("tap %s: TUNSETQUEUE: %m", tap->ifname);
		q->enabled = i < n;
		tap_watch(q);
	}
}

/* --- life ------------------------------------------------------------------ */

static void tap_close(struct netdev *dev)
{
	struct tap *tap = tap_of(dev);

	for (unsigned i = 0; i < dev->n_queues; i++) {
		loop_remove(tap->loop, &tap->queues[i].src);
		close(tap->queues[i].fd);
	}
	free(tap);
}

static const struct netdev_ops tap_ops = {
	.send = tap_send,
	.recv = tap_recv,
	.listen = tap_listen,
	.set_offloads = tap_set_offloads,
	.set_queues = tap_set_queues,
	.close = tap_close,
};

static int tap_error(const char *ifname, const char *call)
{
	int err = errno;

	if (err == EPERM)
		log_error("tap %s: not ours, and no right to make it: "
			  "ip tuntap add %s mode tap user USER", ifname, ifname);
	else if (err == EBUSY)
		log_error("tap %s: in use", ifname);
	else if (err == EINVAL && !strcmp(call, "TUNSETIFF"))
		log_error("tap %s: not a tap interface, or made with another multi_queue than "
			  "queues= asks for", ifname);
	else
		log_error("tap %s: %s: %s", ifname, call, strerror(err));
	return -err;
}

static int tap_attach(int fd, const char *ifname, bool multi_queue)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int len = NETDEV_HDR_LEN;

	if (multi_queue)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	memcpy(ifr.ifr_name, ifname, strlen(ifname));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return tap_error(ifname, "TUNSETIFF");
	if (ioctl(fd, TUNSETVNETHDRSZ, &len) < 0)
		return tap_error(ifname, "TUNSETVNETHDRSZ");
	return 0;
}

static int tap_open_queue(struct tap *tap, bool multi_queue)
{
	unsigned index = tap->dev.n_queues;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), ret;

	if (fd < 0) {
		log_error("/dev/net/tun: %m");
		return -errno;
	}
	ret = tap_attach(fd, tap->ifname, multi_queue);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	tap->queues[index] = (struct tap_queue){
		.tap = tap,
		.index = index,
		.fd = fd,
		.enabled = true,
	};
	tap->dev.n_queues++;
	return 0;
}

/* An interface that is down takes no frames. */
static void tap_bring_up(struct tap *tap, int sock)
{
	struct ifreq ifr = { 0 };

	memcpy(ifr.ifr_name, tap->ifname, sizeof(ifr.ifr_name));
	if (ioctl(sock, SIOCGIFFLAGS, &ifr) < 0 || ifr.ifr_flags & IFF_UP)
		return;
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
		log_warn("tap %s: it is down: ip link set %s up", tap->ifname, tap->ifname);
}

static void tap_look(struct tap *tap)
{
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };

	tap->dev.mtu = 1500;
	if (sock < 0)
		return;
	memcpy(ifr.ifr_name, tap->ifname, sizeof(ifr.ifr_name));
	if (ioctl(sock, SIOCGIFMTU, &ifr) == 0 && ifr.ifr_mtu >= 68 && ifr.ifr_mtu <= 65535)
		tap->dev.mtu = ifr.ifr_mtu;
	tap_bring_up(tap, sock);
	close(sock);
}

int netdev_tap_open(struct netdev **out, struct loop *loop, const char *ifname,
		    unsigned n_queues)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	int ret = 0;

	if (!tap)
		return -ENOMEM;
	tap->loop = loop;
	memcpy(tap->ifname, ifname, strlen(ifname));
	tap->dev.ops = &tap_ops;
	tap->dev.kind = "tap";
	tap->dev.offloads = NETDEV_ALL_OFFLOADS;
	/* n_queues counts those that are open, for tap_close(). */
	while (ret == 0 && tap->dev.n_queues < n_queues)
		ret = tap_open_queue(tap, n_queues > 1);
	if (ret < 0) {
		tap_close(&tap->dev);
		return ret;
	}
	tap_look(tap);
	tap_set_queues(&tap->dev, 1);
	tap_set_offloads(&tap->dev, 0);
	*out = &tap->dev;
	return 0;
}
