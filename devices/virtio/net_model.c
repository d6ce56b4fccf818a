/* SPDX-License-Identifier: MIT */
/* What the option --net says, and the card that it makes. */
#include <errno.h>

#include "devices/backend/netdev_tap.h"
#include "devices/backend/netdev_user.h"
#include "devices/registry.h"
#include "devices/virtio/net.h"

struct net_options {
	const char *tap;	/* the interface; NULL: user networking */
	unsigned queues, mtu;
	bool has_mac, restricted;
	uint8_t mac[NETADDR_MAC_LEN];
	struct net_fwd fwds[NETDEV_USER_MAX_FWDS];
	unsigned n_fwds;
};

static int refuse(const char *label, const char *key, const char *value, const char *why)
{
	log_error("%s: %s%s%.60s: %s", label, key, *value ? "=" : "", value, why);
	return -EINVAL;
}

static int parse_tap(struct net_options *o, const char *label, const struct opt_value *opts)
{
	const char *queues = opt_value_get(opts, "queues");
	uint64_t n;

	if (opts->first)
		return refuse(label, "tap", o->tap, "not together with user");
	if (!netaddr_is_ifname(o->tap))
		return refuse(label, "tap", o->tap, "not a name that an interface can have");
	if (o->n_fwds || o->restricted || opt_value_get(opts, "mtu"))
		return refuse(label, o->n_fwds ? "fwd" : o->restricted ? "restrict" : "mtu", "",
			      "only with user");
	if (queues && opt_parse_number(queues, 1, NETDEV_TAP_MAX_QUEUES, &n) < 0)
		return refuse(label, "queues", queues, "not a number from 1 to 8");
	o->queues = queues ? n : 1;
	return 0;
}

static int parse_user(struct net_options *o, const char *label, const struct opt_value *opts)
{
	const char *mtu = opt_value_get(opts, "mtu");
	uint64_t n = 0;

	if (opt_value_get(opts, "queues"))
		return refuse(label, "queues", "", "only with tap=");
	if (mtu && opt_parse_number(mtu, USERNET_MTU_MIN, USERNET_MTU_MAX, &n) < 0)
		return refuse(label, "mtu", mtu, "not a number from 1280 to 65520");
	o->mtu = n;
	return 0;
}

static int parse_fwds(struct net_options *o, const char *label, const struct opt_value *opts)
{
	for (unsigned i = 0; i < opts->n_pairs; i++) {
		const struct opt_pair *pair = &opts->pairs[i];
		const char *why;

		if (strcmp(pair->key, "fwd"))
			continue;
		why = netaddr_parse_fwd(&o->fwds[o->n_fwds++], pair->value);
		if (why)
			return refuse(label, "fwd", pair->value, why);
	}
	return 0;
}

_Static_assert(NETDEV_USER_MAX_FWDS >= OPT_MAX_PAIRS, "all that an option can name");
_Static_assert(USERNET_MTU == 16384 && USERNET_MTU_MIN == 1280 && USERNET_MTU_MAX == 65520,
	       "what the messages say");
_Static_assert(NETDEV_TAP_MAX_QUEUES == 8 && NETDEV_TAP_MAX_QUEUES <= NET_MAX_PAIRS,
	       "what parse_tap() says");

/* The strings stay @opts's. 0, or -EINVAL after one line in the log. */
static int net_parse(struct net_options *o, const char *label, const struct opt_value *opts)
{
	const char *mac = opt_value_get(opts, "mac"), *why;
	int ret;

	*o = (struct net_options){
		.tap = opt_value_get(opts, "tap"),
		.queues = 1,
		.has_mac = mac,
		.restricted = opt_value_flag(opts, "restrict", false),
	};
	if (opts->first && !strcmp(opts->first, "none"))
		return refuse(label, "none", "", "takes no keys");
	why = mac ? netaddr_parse_mac(o->mac, mac) : NULL;
	if (why)
		return refuse(label, "mac", mac, why);
	ret = parse_fwds(o, label, opts);
	if (ret < 0)
		return ret;
	return (o->tap ? parse_tap : parse_user)(o, label, opts);
}

static int net_check(const char *label, const struct opt_value *opts)
{
	struct net_options o;

	return net_parse(&o, label, opts);
}

static int net_open(struct netdev **out, const struct net_options *o, struct loop *loop)
{
	struct netdev_user_params params = {
		.restricted = o->restricted,
		.fwds = o->fwds,
		.n_fwds = o->n_fwds,
		.mtu = o->mtu,
	};

	return o->tap ? netdev_tap_open(out, loop, o->tap, o->queues)
		      : netdev_user_open(out, loop, &params);
}

static int net_create(struct virtio_device **out, const struct virtio_env *env,
		      const struct opt_value *opts)
{
	struct net_options o;
	struct netdev *dev;
	int ret = net_parse(&o, "--net", opts);

	if (ret < 0)
		return ret;
	if (!o.has_mac)
		netaddr_default_mac(o.mac, env->guest, env->index, o.tap ? o.tap : "user");
	ret = net_open(&dev, &o, env->loop);
	if (ret < 0)
		return ret;
	ret = virtio_net_create(out, env->loop, env->mem, dev, o.mac);
	if (ret < 0)
		netdev_close(dev);
	return ret;
}

const struct virtio_model virtio_net_model = {
	.name = "net",
	.arg = "user|none",
	.help = "network card: a network made up for the guest, or tap=IFACE",
	.keys = (const struct opt_key[]){
		{ "tap", "IFACE", "connect it to a tap interface of the host instead" },
		{ "fwd", "PROTO:ADDR:PORT:PORT...",
		  "lead a port of the host into the guest, as in tcp:127.0.0.1:2222:22" },
		{ "restrict", NULL, "leave the guest nothing but forwarded ports" },
		{ "mac", "ADDRESS", "of the card (made from the guest's name)" },
		{ "mtu", "N", "bytes of a packet; user only (16384)" },
		{ "queues", "N", "pairs of queues, for several CPUs; tap only (1)" },
		{ NULL, NULL, NULL }
	},
	.multiple = true,
	.by_default = true,
	.check = net_check,
	.create = net_create,
	.destroy = virtio_net_destroy,
};
