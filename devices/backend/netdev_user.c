/* SPDX-License-Identifier: MIT */
#include "devices/backend/netdev_user.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "devices/backend/netdns.h"
#include "devices/backend/netframe.h"
#include "vmm/log.h"
#include "vmm/util.h"

/* Frames that wait for the guest: from HOLD on sockets are not read, from MAX on they are lost. */
#define QUEUE_HOLD_BYTES (256 * KiB)
#define QUEUE_MAX_BYTES (1 * MiB)
/* Pieces of IPv4 packets that libslirp is given in the time for which it may keep them. */
#define FRAGMENTS_MAX 2048
#define FRAGMENTS_NS (30 * 1000000000ull)
#define RDNSS_ROOM 24
#define TFTP_PORT 69
#define DNS_PORT 53
#define TCP_SYN 0x02
#define TCP_ACK 0x10

struct queued_frame {
	struct queued_frame *next;
	size_t len, cost;	/* its bytes; of memory */
	uint8_t data[];
};

struct netdev_user {
	struct netdev dev;
	struct loop *loop;
	bool restricted;
	struct net_fwd fwds[NETDEV_USER_MAX_FWDS];
	unsigned n_fwds;
	struct usernet *net;	/* NULL: not yet, or it */
	bool failed;
	unsigned max_sockets;
	unsigned n_fragments;	/* since... */
	uint64_t fragments_ns;
	struct netdns dns;
	union netaddr dns4, dns6;	/* the guest's name servers */

	struct queued_frame *head, **tail;	/* for the guest */
	size_t queued_bytes;
	bool listening;
	struct loop_work tell;	/* the front end, of frames */
	uint8_t tx[NETDEV_HDR_LEN + 14 + USERNET_MTU_MAX];
};

static struct netdev_user *user_of(struct netdev *dev)
{
	return container_of(dev, struct netdev_user, dev);
}

/* --- to the guest ---------------------------------------------------------- */

static void user_tell_soon(struct netdev_user *u)
{
	if (u->listening && u->head)
		loop_post(u->loop, &u->tell);
}

static void user_tell(void *arg)
{
	struct netdev_user *u = arg;

	if (u->listening && u->head)
		u->dev.front->readable(u->dev.front_ctx, 0);
	user_tell_soon(u);
}

static size_t frame_max(const struct netdev_user *u)
{
	return 14 + u->dev.mtu;
}

/* Queues a frame, with room for @spare bytes more; NULL when it is lost. */
static struct queued_frame *user_queue(struct netdev_user *u, const uint8_t *frame, size_t len,
				       size_t spare)
{
	size_t cost = sizeof(struct queued_frame) + len + spare;
	struct queued_frame *f;

	if (len > frame_max(u) || u->queued_bytes + cost > QUEUE_MAX_BYTES)
		return NULL;
	f = malloc(cost);
	if (!f)
		return NULL;
	f->next = NULL;
	f->len = len;
	f->cost = cost;
	memcpy(f->data, frame, len);
	*u->tail = f;
	u->tail = &f->next;
	u->queued_bytes += cost;
	return f;
}

static void user_output(void *ctx, const uint8_t *frame, size_t len)
{
	struct netdev_user *u = ctx;
	struct queued_frame *f = user_queue(u, frame, len, RDNSS_ROOM);

	if (!f)
		return;
	/*
	 * libslirp tells of its name server only when the host's has an IPv6
	 * address; ours does not need that.
	 */
	if (!u->restricted)
		f->len = netframe_add_rdnss(f->data, len, &u->dns6.in6.sin6_addr);
	if (u->net && u->queued_bytes > QUEUE_HOLD_BYTES)
		usernet_hold(u->net, true);
	user_tell_soon(u);
}

static void user_dns_answer(void *ctx, const uint8_t *frame, size_t len)
{
	struct netdev_user *u = ctx;

	user_queue(u, frame, len, RDNSS_ROOM);
	user_tell_soon(u);
}

static void user_dequeue(struct netdev_user *u)
{
	struct queued_frame *f = u->head;

	u->head = f->next;
	if (!u->head)
		u->tail = &u->head;
	u->queued_bytes -= f->cost;
	free(f);
}

/* Copies @len bytes to offset @off of the vectors. */
static void scatter(const struct iovec *iov, unsigned n, size_t off, const uint8_t *data,
		    size_t len)
{
	for (unsigned i = 0; i < n && len; i++) {
		size_t k;

		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		k = MIN(len, iov[i].iov_len - off);
		memcpy((char *)iov[i].iov_base + off, data, k);
		data += k;
		len -= k;
		off = 0;
	}
}

static ssize_t user_recv(struct netdev *dev, unsigned queue, const struct iovec *iov, unsigned n)
{
	static const uint8_t hdr[NETDEV_HDR_LEN];
	struct netdev_user *u = user_of(dev);
	ssize_t len;

	if (!u->head)
		return -EAGAIN;
	len = NETDEV_HDR_LEN + u->head->len;
	scatter(iov, n, 0, hdr, NETDEV_HDR_LEN);
	scatter(iov, n, NETDEV_HDR_LEN, u->head->data, u->head->len);
	user_dequeue(u);
	if (u->net && u->queued_bytes < QUEUE_HOLD_BYTES / 2)
		usernet_hold(u->net, false);
	return len;
}

/* --- from the guest -------------------------------------------------------- */

static bool is_dns_query(const struct netdev_user *u, const struct netframe *f)
{
	if (u->restricted || f->proto != IPPROTO_UDP || !f->data || f->fragment)
		return false;
	if (f->v6)
		return !memcmp(&f->dst.in6.sin6_addr, &u->dns6.in6.sin6_addr, 16) &&
		       f->dst.in6.sin6_port == htons(DNS_PORT);
	return f->dst.in.sin_addr.s_addr == u->dns4.in.sin_addr.s_addr &&
	       f->dst.in.sin_port == htons(DNS_PORT);
}

/* libslirp keeps as many as it gets, each in a buffer for a whole packet. */
static bool user_admits_fragment(struct netdev_user *u)
{
	uint64_t now = loop_now_ns();

	if (now - u->fragments_ns > FRAGMENTS_NS) {
		u->fragments_ns = now;
		u->n_fragments = 0;
	}
	return u->n_fragments++ < FRAGMENTS_MAX;
}

/*
 * What libslirp is not given: protocols that nobody asked for here, each of
 * which had its memory errors (NC-SI, TFTP, reassembly of fragments whose
 * headers differ in length), and, when the guest has as many sockets as it may,
 * what would open another.
 */
static bool user_admits(struct netdev_user *u, const struct netframe *f)
{
	bool full = usernet_sockets(u->net) >= u->max_sockets;

	if (f->type == ETH_P_ARP)
		return true;
	if (f->proto == 255 || (f->fragment && (f->options || !user_admits_fragment(u))))
		return false;
	if (f->proto == IPPROTO_UDP)
		return !full && f->dst.in.sin_port != htons(TFTP_PORT) && (f->data || f->fragment);
	if (f->proto == IPPROTO_TCP)
		return !full || (f->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN;
	return !full;
}

static bool user_start(struct netdev_user *u)
{
	struct usernet_params params = {
		.restricted = u->restricted,
		.mtu = u->dev.mtu,
		.fwds = u->fwds,
		.n_fwds = u->n_fwds,
	};

	if (!u->net && !u->failed)
		u->failed = usernet_create(&u->net, u->loop, &params, user_output, u) < 0;
	return u->net;
}

static size_t gather(uint8_t *to, size_t max, const struct iovec *iov, unsigned n)
{
	size_t len = 0;

	for (unsigned i = 0; i < n; len += iov[i++].iov_len) {
		if (iov[i].iov_len > max - len)
			return 0;
		memcpy(to + len, iov[i].iov_base, iov[i].iov_len);
	}
	return len;
}

static int user_send(struct netdev *dev, unsigned queue, const struct iovec *iov, unsigned n)
{
	struct netdev_user *u = user_of(dev);
	/* A copy, so that the guest cannot change what was looked at. */
	size_t len = gather(u->tx, NETDEV_HDR_LEN + frame_max(u), iov, n);
	const uint8_t *frame = u->tx + NETDEV_HDR_LEN;
	struct netframe f;

	if (len < NETDEV_HDR_LEN || !netframe_parse(&f, frame, len - NETDEV_HDR_LEN))
		return -EMSGSIZE;
	if (!user_start(u))
		return -ENODEV;
	if (is_dns_query(u, &f))
		netdns_ask(&u->dns, frame, &f);
	else if (user_admits(u, &f))
		usernet_input(u->net, frame, len - NETDEV_HDR_LEN);
	else
		return -EACCES;
	return 0;
}

static void user_listen(struct netdev *dev, unsigned queue, bool on)
{
	struct netdev_user *u = user_of(dev);

	if (on)
		user_start(u);
	u->listening = on;
	user_tell_soon(u);
}

/* --- life ------------------------------------------------------------------ */

static void user_close(struct netdev *dev)
{
	struct netdev_user *u = user_of(dev);

	netdns_finish(&u->dns);
	usernet_destroy(u->net);
	loop_cancel(u->loop, &u->tell);
	while (u->head)
		user_dequeue(u);
	free(u);
}

static const struct netdev_ops user_ops = {
	.send = user_send,
	.recv = user_recv,
	.listen = user_listen,
	.close = user_close,
};

/* Half of what this process may open: the rest of it has to go on. */
static unsigned socket_limit(void)
{
	struct rlimit rl;

	return getrlimit(RLIMIT_NOFILE, &rl) < 0 ? 512 : MIN(rl.rlim_cur / 2, (rlim_t)4096);
}

int netdev_user_open(struct netdev **out, struct loop *loop,
		     const struct netdev_user_params *params)
{
	struct netdev_user *u = calloc(1, sizeof(*u));
	const char *resolv_conf = params->resolv_conf ? params->resolv_conf : "/etc/resolv.conf";

	if (!u)
		return -ENOMEM;
	u->dev = (struct netdev){
		.ops = &user_ops,
		.n_queues = 1,
		.mtu = params->mtu ? params->mtu : USERNET_MTU,
		.kind = "user",
	};
	u->loop = loop;
	u->restricted = params->restricted;
	assert(params->n_fwds <= NETDEV_USER_MAX_FWDS);
	u->n_fwds = params->n_fwds;
	for (unsigned i = 0; i < params->n_fwds; i++)
		u->fwds[i] = params->fwds[i];
	u->max_sockets = socket_limit();
	u->tail = &u->head;
	u->tell = (struct loop_work){ .cb = user_tell, .arg = u };
	inet_pton(AF_INET, USERNET_DNS4, &u->dns4.in.sin_addr);
	inet_pton(AF_INET6, USERNET_DNS6, &u->dns6.in6.sin6_addr);
	netdns_init(&u->dns, loop, resolv_conf, params->dns_port ? params->dns_port : DNS_PORT,
		    ETH_FRAME_LEN, user_dns_answer, u);
	if (u->n_fwds && !user_start(u)) {
		user_close(&u->dev);
		return -EADDRINUSE;
	}
	*out = &u->dev;
	return 0;
}
