/* SPDX-License-Identifier: MIT */
/*
 * Frames between a card's queues and its netdev (virtio 1.2, 5.1.6). Chains
 * become vectors for one system call, only the header is looked at, and that
 * in a copy.
 */
#include <errno.h>
#include <string.h>

#include "devices/virtio/net.h"

#define HDR_LEN NETDEV_HDR_LEN

static unsigned rxq_of(unsigned pair)
{
	return 2 * pair;
}

static unsigned txq_of(unsigned pair)
{
	return 2 * pair + 1;
}

static unsigned gso_offload(uint8_t gso_type)
{
	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return NETDEV_TSO4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return NETDEV_TSO6;
	default:
		return UINT32_MAX;	/* nobody has all of them */
	}
}

/*
 * Whether @hdr leaves no more to do than @offloads, and makes sense for a frame
 * of @len bytes (5.1.6.2, 5.1.6.4.1). What the kernel then thinks of the
 * frame's contents is for the kernel to say.
 */
static bool header_fits(const struct virtio_net_hdr_v1 *hdr, unsigned offloads, size_t len)
{
	unsigned needs = 0;

	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		needs |= NETDEV_CSUM;
		if ((size_t)hdr->csum_start + hdr->csum_offset + 2 > len)
			return false;
	}
	if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		needs |= NETDEV_CSUM | gso_offload(hdr->gso_type);
		if (hdr->gso_type & VIRTIO_NET_HDR_GSO_ECN)
			needs |= NETDEV_ECN;
		if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || !hdr->gso_size)
			return false;
	}
	return !(needs & ~offloads);
}

/* --- guest to host --------------------------------------------------------- */

/* 0 or negative errno, as netdev_send() has it. */
static int send_chain(struct net *n, unsigned pair, const struct virtq_chain *chain)
{
	size_t len = chain->readable - MIN(chain->readable, (size_t)HDR_LEN);
	struct iovec iov[NET_IOV_MAX];
	struct virtio_net_hdr_v1 hdr;
	unsigned n_iov;

	if (len < NETDEV_FRAME_MIN || len > NETDEV_FRAME_MAX)
		return -EMSGSIZE;
	chain_read(chain, 0, &hdr, HDR_LEN);
	/* 5.1.6.2.1: a driver sets no other flag; a device ignores them. */
	hdr.flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (!header_fits(&hdr, n->tx_offloads, len))
		return -EINVAL;
	hdr.num_buffers = 0;
	iov[0] = (struct iovec){ &hdr, HDR_LEN };
	n_iov = chain_iov(chain, false, HDR_LEN, len, iov + 1, NET_IOV_MAX - 1);
	if (!n_iov)
		return -EMSGSIZE;
	return netdev_send(n->dev, pair, iov, n_iov + 1);
}

void net_transmit(struct net *n, unsigned pair)
{
	struct virtio_device *v = &n->v;
	struct virtq *vq = virtio_queue(v, txq_of(pair));
	struct net_pair *p = &n->pairs[pair];
	unsigned left = NET_BATCH;
	struct virtq_chain *chain;

	while (left && !p->tx_stalled && (chain = virtio_pop(v, txq_of(pair)))) {
		int ret = send_chain(n, pair, chain);

		if (ret == -EAGAIN) {
			virtq_unpop(vq, chain);
			p->tx_stalled = true;
			break;
		}
		if (ret < 0)
			n->tx_dropped++;
		else
			n->sent++;
		virtq_push(vq, chain, 0);
		left--;
	}
	virtio_signal(v, txq_of(pair));
	if (!left)
		virtio_kick(v, txq_of(pair));
}

/* --- host to guest --------------------------------------------------------- */

void net_rx_reset(struct net_rx *rx)
{
	rx->n_chains = 0;
	rx->room = 0;
	rx->len = 0;
}

static bool rx_is_mergeable(const struct net *n)
{
	return virtio_has_feature(&n->v, VIRTIO_NET_F_MRG_RXBUF);
}

/* Takes chains until they have room for @want bytes, as far as that can be. */
static void rx_fill(struct net *n, unsigned pair, size_t want)
{
	struct net_rx *rx = &n->pairs[pair].rx;
	unsigned max = rx_is_mergeable(n) ? NET_RX_CHAINS : 1, left = NET_QUEUE_SIZE;
	unsigned q = rxq_of(pair);
	struct virtq_chain *chain;

	while (left-- && rx->room < want && rx->n_chains < max && (chain = virtio_pop(&n->v, q))) {
		/* 5.1.6.3.1: each has room for a header at least. */
		if (chain->writable < HDR_LEN) {
			virtq_push(virtio_queue(&n->v, q), chain, 0);
			continue;
		}
		rx->chains[rx->n_chains++] = chain;
		rx->room += chain->writable;
	}
}

/* What the longest frame needs that may come. */
static size_t rx_want(const struct net *n)
{
	if (n->rx_offloads & (NETDEV_TSO4 | NETDEV_TSO6))
		return HDR_LEN + NETDEV_FRAME_MAX;
	return HDR_LEN + NETDEV_FRAME_MIN + 4 + n->dev->mtu;
}

/* The header, what is behind it in the guest's buffers, and rx->spill for what goes beyond. */
static unsigned rx_vectors(struct net_rx *rx, struct iovec iov[NET_IOV_MAX])
{
	unsigned n_iov = 1;

	iov[0] = (struct iovec){ &rx->hdr, HDR_LEN };
	rx->in_place = HDR_LEN;
	for (unsigned i = 0; i < rx->n_chains; i++) {
		size_t off = i ? 0 : HDR_LEN, len = rx->chains[i]->writable - off;
		unsigned k = chain_iov(rx->chains[i], true, off, len, iov + n_iov,
				       NET_IOV_MAX - 1 - n_iov);

		if (!k)
			break;
		rx->in_place += len;
		n_iov += k;
	}
	iov[n_iov++] = (struct iovec){ rx->spill, NETDEV_FRAME_MAX };
	return n_iov;
}

/* Receives a frame, whose length is then in rx->len unless it was no good; negative errno. */
static int rx_receive(struct net *n, unsigned pair)
{
	struct net_rx *rx = &n->pairs[pair].rx;
	struct iovec iov[NET_IOV_MAX];
	unsigned n_iov = rx_vectors(rx, iov);
	ssize_t len = netdev_recv(n->dev, pair, iov, n_iov);

	if (len < 0)
		return len;
	rx->in_place = MIN(rx->in_place, (size_t)len);
	/* 5.1.6.4.1: without GUEST_CSUM, not even that it was looked at. */
	if (!(n->rx_offloads & NETDEV_CSUM))
		rx->hdr.flags &= ~VIRTIO_NET_HDR_F_DATA_VALID;
	/* One that the host kept since before a reset may leave more to do than this driver takes. */
	if (len < HDR_LEN + NETDEV_FRAME_MIN || len > HDR_LEN + NETDEV_FRAME_MAX ||
	    !header_fits(&rx->hdr, n->rx_offloads, len - HDR_LEN))
		n->rx_dropped++;
	else
		rx->len = len;
	return 0;
}

/* Copies rx->spill to where it belongs: from rx->in_place on. */
static void rx_unspill(struct net_rx *rx)
{
	size_t start = 0, done = 0, left = rx->len - rx->in_place;

	for (unsigned i = 0; left; start += rx->chains[i++]->writable) {
		size_t at = rx->in_place + done, k;

		if (at >= start + rx->chains[i]->writable)
			continue;
		k = chain_write(rx->chains[i], at - start, rx->spill + done, left);
		done += k;
		left -= k;
	}
}

/* Gives the first chains, which hold the frame, back to the driver. */
static void rx_push(struct net *n, unsigned pair)
{
	struct net_rx *rx = &n->pairs[pair].rx;
	size_t left = rx->len;
	unsigned used = 0;

	for (size_t room = 0; room < rx->len; used++)
		room += rx->chains[used]->writable;
	/* 5.1.6.4.1: 1 also when buffers are not merged. */
	rx->hdr.num_buffers = used;
	chain_write(rx->chains[0], 0, &rx->hdr, HDR_LEN);
	for (unsigned i = 0; i < used; i++) {
		size_t len = MIN(left, rx->chains[i]->writable);

		left -= len;
		rx->room -= rx->chains[i]->writable;
		virtq_push(virtio_queue(&n->v, rxq_of(pair)), rx->chains[i], len);
	}
	rx->n_chains -= used;
	memmove(rx->chains, rx->chains + used, rx->n_chains * sizeof(rx->chains[0]));
	rx->len = 0;
}

/* Whether the guest could still make more room for the frame than there is. */
static bool rx_may_grow(struct net *n, unsigned pair)
{
	const struct net_rx *rx = &n->pairs[pair].rx;

	return rx_is_mergeable(n) && rx->n_chains < NET_RX_CHAINS &&
	       rx->n_chains < virtio_queue(&n->v, rxq_of(pair))->size;
}

/* The frame that waits goes to the guest, or away; false when it has to wait for buffers. */
static bool rx_finish(struct net *n, unsigned pair)
{
	struct net_rx *rx = &n->pairs[pair].rx;

	rx_fill(n, pair, rx->len);
	if (rx->room < rx->len) {
		if (rx_may_grow(n, pair))
			return false;
		rx->len = 0;
		n->rx_dropped++;
		return true;
	}
	rx_unspill(rx);
	rx_push(n, pair);
	n->received++;
	return true;
}

/* One frame; false when there is none, or no room: then the netdev listens, or does not. */
static bool rx_frame(struct net *n, unsigned pair)
{
	struct net_rx *rx = &n->pairs[pair].rx;

	if (!rx->len) {
		rx_fill(n, pair, rx_want(n));
		if (!rx->n_chains) {
			netdev_listen(n->dev, pair, false);
			return false;
		}
		if (rx_receive(n, pair) < 0) {
			netdev_listen(n->dev, pair, true);
			return false;
		}
	}
	if (rx->len && !rx_finish(n, pair)) {
		netdev_listen(n->dev, pair, false);
		return false;
	}
	return true;
}

void net_receive(struct net *n, unsigned pair)
{
	unsigned left = NET_BATCH;

	while (left && rx_frame(n, pair))
		left--;
	virtio_signal(&n->v, rxq_of(pair));
	if (!left)
		netdev_listen(n->dev, pair, true);
}
