/* SPDX-License-Identifier: MIT */
/* --net ...,bus=usb: a Raspberry Pi's Ethernet. */
#include "devices/usb/smsc95xx.h"
#include "devices/usb/usb_models.h"
#include "devices/virtio/net.h"

extern const struct virtio_model virtio_net_model;

static int create(struct usb_device **out, const struct virtio_env *env,
		  const struct opt_value *opts)
{
	uint8_t mac[NETADDR_MAC_LEN];
	struct netdev *dev;
	int ret = net_option_open(&dev, mac, env, opts);

	if (ret < 0)
		return ret;
	ret = smsc95xx_create(out, dev, mac);
	if (ret < 0)
		netdev_close(dev);
	return ret;
}

const struct usb_model smsc95xx_model = {
	.option = &virtio_net_model,
	.inside = true,
	.create = create,
	.destroy = smsc95xx_destroy,
};
