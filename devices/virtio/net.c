/* SPDX-License-Identifier: MIT */
/*
 * Network card (virtio 1.2, 5.1): configuration, control queue, and life.
 *
 * Guest memory is touched with v->lock held only, by the loop's thread, so a
 * reset has nobody to wait for. The netdev is the loop's thread's alone: what
 * other threads decide for it (a driver's features, a reset) it hears of when
 * that thread comes by next, net_sync().
 */
#include "devices/virtio/net.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>


static struct net *net_of(struct virtio_device *v)
{
	return container_of(v, struct net, v);
}

/* --- features (5.1.3) ------------------------------------------------------ */

static const struct {
	unsigned offload, host, guest;
} net_offloads[] = {
	{ NETDEV_CSUM, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM },
	{ NETDEV_TSO4, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_GUEST_TSO4 },
	{ NETDEV_TSO6, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_GUEST_TSO6 },
	{ NETDEV_ECN, VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_GUEST_ECN },
};

static uint64_t features_of(const struct netdev *dev)
{
	uint64_t features = BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) |
			    BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_NET_F_MRG_RXBUF) |
			    BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) |
			    BIT(VIRTIO_NET_F_CTRL_MAC_ADDR);

	for (unsigned i = 0; i < ARRAY_SIZE(net_offloads); i++)
		if (dev->offloads & net_offloads[i].offload)
			features |= BIT(net_offloads[i].host) | BIT(net_offloads[i].guest);
	if (dev->offloads)
		features |= BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	if (dev->n_queues > 1)
		features |= BIT(VIRTIO_NET_F_MQ);
	return features;
}

/* 5.1.3.1: all others build on the checksum. */
static unsigned offloads_with_deps(unsigned offloads)
{
	return offloads & NETDEV_CSUM ? offloads : 0;
}

static unsigned tx_offloads(uint64_t features)
{
	unsigned offloads = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(net_offloads); i++)
		if (features & BIT(net_offloads[i].host))
			offloads |= net_offloads[i].offload;
	return offloads_with_deps(offloads);
}

static unsigned rx_offloads(uint64_t features)
{
	unsigned offloads = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(net_offloads); i++)
		if (features & BIT(net_offloads[i].guest))
			offloads |= net_offloads[i].offload;
	return offloads_with_deps(offloads);
}

static uint64_t all_guest_offloads(void)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(net_offloads); i++)
		bits |= BIT(net_offloads[i].guest);
	return bits;
}

/* --- configuration (5.1.4) ------------------------------------------------- */

static void net_config_read(struct virtio_device *v, uint32_t off, void *buf, uint32_t len)
{
	struct net *n = net_of(v);
	struct virtio_net_config config = {
		.status = VIRTIO_NET_S_LINK_UP,
		.max_virtqueue_pairs = n->max_pairs,
		.mtu = n->dev->mtu,
	};

	memcpy(config.mac, n->mac, sizeof(config.mac));
	memcpy(buf, (uint8_t *)&config + off, len);
}

/* --- control queue (5.1.6.5) ----------------------------------------------- */

/* A command: its class, its number, and what follows in the chain. */
struct command {
	struct virtio_net_ctrl_hdr hdr;
	const struct virtq_chain *chain;
	size_t off;		/* of what is not yet taken */
};

static bool take(struct command *cmd, void *data, size_t len)
{
	size_t n = chain_read(cmd->chain, cmd->off, data, len);

	cmd->off += n;
	return n == len;
}

static bool skip(struct command *cmd, uint64_t len)
{
	if (!range_fits(cmd->off, len, cmd->chain->readable))
		return false;
	cmd->off += len;
	return true;
}

/*
 * 5.1.6.5.1: filters are on a best effort basis, and a frame that the host
 * sends here is for this guest already: none is needed.
 */
static bool set_rx_mode(struct command *cmd)
{
	uint8_t on;

	return cmd->hdr.cmd <= VIRTIO_NET_CTRL_RX_ALLMULTI && take(cmd, &on, sizeof(on));
}

static bool set_mac_table(struct command *cmd)
{
	uint32_t entries;

	/* Unicast, then multicast. */
	for (int i = 0; i < 2; i++)
		if (!take(cmd, &entries, sizeof(entries)) ||
		    !skip(cmd, (uint64_t)entries * NETADDR_MAC_LEN))
			return false;
	return true;
}

static bool set_mac_addr(struct net *n, struct command *cmd)
{
	uint8_t mac[NETADDR_MAC_LEN];

	if (!take(cmd, mac, sizeof(mac)) || mac[0] & 1)
		return false;
	memcpy(n->mac, mac, sizeof(mac));
	return true;
}

static bool set_mac(struct net *n, struct command *cmd)
{
	switch (cmd->hdr.cmd) {
	case VIRTIO_NET_CTRL_MAC_TABLE_SET:
		return set_mac_table(cmd);
	case VIRTIO_NET_CTRL_MAC_ADDR_SET:
		return set_mac_addr(n, cmd);
	default:
		return false;
	}
}

static bool set_pairs(struct net *n, struct command *cmd)
{
	uint16_t pairs;

	if (!virtio_has_feature(&n->v, VIRTIO_NET_F_MQ) ||
	    cmd->hdr.cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || !take(cmd, &pairs, sizeof(pairs)) ||
	    pairs < 1 || pairs > n->max_pairs)
		return false;
	n->n_pairs = pairs;
	n->sync_due = true;
	/* Those that begin now may have been kicked before. */
	for (unsigned q = 0; q < 2 * n->n_pairs; q++)
		virtio_kick(&n->v, q);
	return true;
}

static bool set_guest_offloads(struct net *n, struct command *cmd)
{
	uint64_t bits;

	if (!virtio_has_feature(&n->v, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
	    cmd->hdr.cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET || !take(cmd, &bits, sizeof(bits)) ||
	    bits & ~(n->v.features & all_guest_offloads()))
		return false;
	n->rx_offloads = rx_offloads(bits);
	n->sync_due = true;
	return true;
}

static bool obey(struct net *n, const struct virtq_chain *chain)
{
	struct command cmd = { .chain = chain };

	if (!take(&cmd, &cmd.hdr, sizeof(cmd.hdr)))
		return false;
	switch (cmd.hdr.class) {
	case VIRTIO_NET_CTRL_RX:
		return set_rx_mode(&cmd);
	case VIRTIO_NET_CTRL_MAC:
		return set_mac(n, &cmd);
	case VIRTIO_NET_CTRL_MQ:
		return set_pairs(n, &cmd);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return set_guest_offloads(n, &cmd);
	default:
		return false;
	}
}

static void net_control(struct net *n, unsigned q)
{
	unsigned left = NET_CTRL_QUEUE_SIZE;
	struct virtq_chain *chain;

	while (left && (chain = virtio_pop(&n->v, q))) {
		virtio_net_ctrl_ack ack = obey(n, chain) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;

		virtq_push(virtio_queue(&n->v, q), chain,
			   chain_write(chain, 0, &ack, sizeof(ack)));
		left--;
	}
	virtio_signal(&n->v, q);
	if (!left)
		virtio_kick(&n->v, q);
}

/* --- the device ------------------------------------------------------------ */

/* Loop thread, v->lock held, device running. */
static void net_sync(struct net *n)
{
	if (!n->sync_due)
		return;
	n->sync_due = false;
	netdev_set_offloads(n->dev, n->rx_offloads);
	netdev_set_queues(n->dev, n->n_pairs);
}

/* 5.1.2: behind the pairs that the driver knows of. */
static unsigned ctrl_queue(const struct net *n)
{
	return virtio_has_feature(&n->v, VIRTIO_NET_F_MQ) ? 2 * n->max_pairs : 2;
}

static void net_notify(struct virtio_device *v, unsigned q)
{
	struct net *n = net_of(v);

	net_sync(n);
	if (q == ctrl_queue(n)) {
		net_control(n, q);
		net_sync(n);
	} else if (q / 2 < n->n_pairs) {
		if (q % 2)
			net_transmit(n, q / 2);
		else
			net_receive(n, q / 2);
	}
}

/* From the netdev, without the lock. */
static void net_readable(void *arg, unsigned pair)
{
	struct net *n = arg;

	pthread_mutex_lock(&n->v.lock);
	if (virtio_running(&n->v) && pair < n->n_pairs) {
		net_sync(n);
		net_receive(n, pair);
	} else {
		netdev_listen(n->dev, pair, false);
	}
	pthread_mutex_unlock(&n->v.lock);
}

static void net_writable(void *arg, unsigned pair)
{
	struct net *n = arg;

	pthread_mutex_lock(&n->v.lock);
	n->pairs[pair].tx_stalled = false;
	if (virtio_running(&n->v) && pair < n->n_pairs) {
		net_sync(n);
		net_transmit(n, pair);
	}
	pthread_mutex_unlock(&n->v.lock);
}

static const struct netdev_front_ops net_front_ops = {
	.readable = net_readable,
	.writable = net_writable,
};

static void net_activate(struct virtio_device *v)
{
	struct net *n = net_of(v);

	n->tx_offloads = tx_offloads(v->features);
	n->rx_offloads = rx_offloads(v->features);
	n->sync_due = true;
}

static void net_reset(struct virtio_device *v)
{
	struct net *n = net_of(v);

	memcpy(n->mac, n->own_mac, sizeof(n->mac));
	n->n_pairs = 1;
	n->tx_offloads = n->rx_offloads = 0;
	for (unsigned i = 0; i < n->max_pairs; i++)
		net_rx_reset(&n->pairs[i].rx);
}

static const struct virtio_ops net_ops = {
	.name = "virtio-net",
	.id = VIRTIO_ID_NET,
	.pci_class = 0x020000,	/* Ethernet controller */
	.config_read = net_config_read,
	.activate = net_activate,
	.notify = net_notify,
	.reset = net_reset,
};

/* --- life ------------------------------------------------------------------ */

static void net_free(struct net *n)
{
	for (unsigned i = 0; i < n->max_pairs; i++)
		free(n->pairs[i].rx.spill);
	free(n);
}

static int net_init_device(struct net *n, struct loop *loop, const struct gmem *mem)
{
	uint16_t sizes[2 * NET_MAX_PAIRS + 1];

	for (unsigned i = 0; i < n->max_pairs; i++) {
		sizes[2 * i] = sizes[2 * i + 1] = NET_QUEUE_SIZE;
		n->pairs[i].rx.spill = malloc(NETDEV_FRAME_MAX);
		if (!n->pairs[i].rx.spill)
			return -ENOMEM;
	}
	sizes[2 * n->max_pairs] = NET_CTRL_QUEUE_SIZE;
	return virtio_init(&n->v, &net_ops, loop, mem, sizes, 2 * n->max_pairs + 1,
			   features_of(n->dev), offsetof(struct virtio_net_config, speed));
}

int virtio_net_create(struct virtio_device **out, struct loop *loop, const struct gmem *mem,
		      struct netdev *dev, const uint8_t mac[NETADDR_MAC_LEN])
{
	struct net *n = calloc(1, sizeof(*n));
	int ret;

	assert(dev->n_queues >= 1 && dev->n_queues <= NET_MAX_PAIRS);
	if (!n)
		return -ENOMEM;
	n->dev = dev;
	n->max_pairs = dev->n_queues;
	memcpy(n->own_mac, mac, sizeof(n->own_mac));
	ret = net_init_device(n, loop, mem);
	if (ret < 0) {
		net_free(n);
		return ret;
	}
	net_reset(&n->v);
	netdev_attach(dev, &net_front_ops, n);
	*out = &n->v;
	return 0;
}

void virtio_net_destroy(struct virtio_device *v)
{
	struct net *n = net_of(v);

	log_debug("virtio-net, %s: %llu frames sent, %llu dropped; %llu received, %llu dropped",
		  n->dev->kind, (unsigned long long)n->sent, (unsigned long long)n->tx_dropped,
		  (unsigned long long)n->received, (unsigned long long)n->rx_dropped);
	netdev_close(n->dev);
	virtio_finish(v);
	net_free(n);
}
