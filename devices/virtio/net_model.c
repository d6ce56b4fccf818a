/* SPDX-License-Identifier: MIT */
/* What the option --net says, and the card of virtio that it makes. */
#include <errno.h>

#include "devices/backend/netdev_tap.h"
#include "devices/backend/netdev_user.h"
#include "devices/registry.h"
#include "devices/usb/smsc95xx.h"
#include "devices/virtio/net.h"

struct net_options {
	const char *tap;	/* the interface; NULL: user networking */
	unsigned queues, mtu;
	bool restricted, usb;
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
	if (queues && o->usb)
		return refuse(label, "queues", queues, "a USB device has one pair");
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
	if (o->usb && n > SMSC95XX_MTU)
		return refuse(label, "mtu", mtu, "more than 1500, which is all that USB has here");
	o->mtu = o->usb && !mtu ? SMSC95XX_MTU : n;
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
_Static_assert(SMSC95XX_MTU == 1500, "what parse_user() says");
_Static_assert(NETDEV_TAP_MAX_QUEUES == 8 && NETDEV_TAP_MAX_QUEUES <= NET_MAX_PAIRS,
	       "what parse_tap() says");

/* The strings stay @opts's. 0, or -EINVAL after one line in the log. */
static int net_parse(struct net_options *o, const char *label, const struct opt_value *opts)
{
	const char *mac = opt_value_get(opts, "mac"), *why;
	uint8_t bytes[NETADDR_MAC_LEN];
	int ret;

	*o = (struct net_options){
		.tap = opt_value_get(opts, "tap"),
		.queues = 1,
		.restricted = opt_value_flag(opts, "restrict", false),
		.usb = opt_value_is(opts, "bus", "usb"),
	};
	if (opts->first && !strcmp(opts->first, "none"))
		return refuse(label, "none", "", "takes no keys");
	why = mac ? netaddr_parse_mac(bytes, mac) : NULL;
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

void net_option_mac(uint8_t mac[NETADDR_MAC_LEN], const struct opt_value *opts,
		    const char *guest, unsigned index)
{
	const char *text = opt_value_get(opts, "mac"), *tap = opt_value_get(opts, "tap");

	if (!text || netaddr_parse_mac(mac, text))
		netaddr_default_mac(mac, guest, index, tap ? tap : "user");
}

int net_option_open(struct netdev **out, uint8_t mac[NETADDR_MAC_LEN],
		    const struct virtio_env *env, const struct opt_value *opts)
{
	struct net_options o;
	int ret = net_parse(&o, "--net", opts);
	struct netdev_user_params params = {
		.restricted = o.restricted,
		.fwds = o.fwds,
		.n_fwds = o.n_fwds,
		.mtu = o.mtu,
	};

	if (ret < 0)
		return ret;
	net_option_mac(mac, opts, env->guest, env->index);
	return o.tap ? netdev_tap_open(out, env->loop, o.tap, o.queues)
		     : netdev_user_open(out, env->loop, &params);
}

static int net_create(struct virtio_device **out, const struct virtio_env *env,
		      const struct opt_value *opts)
{
	uint8_t mac[NETADDR_MAC_LEN];
	struct netdev *dev;
	int ret = net_option_open(&dev, mac, env, opts);

	if (ret < 0)
		return ret;
	ret = virtio_net_create(out, env->loop, env->mem, dev, mac);
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
		{ "mtu", "N", "bytes of a packet; user only (16384; by USB 1500)" },
		{ "queues", "N", "pairs of queues, for several CPUs; tap only (1)" },
		{ NULL, NULL, NULL }
	},
	.multiple = true,
	.by_default = true,
	.check = net_check,
	.create = net_create,
	.destroy = virtio_net_destroy,
	.usb = true,
};
