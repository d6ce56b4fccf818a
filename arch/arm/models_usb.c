/* SPDX-License-Identifier: MIT */
/* The USB host of a BCM2836 with what is soldered to it, a LAN9514: a hub, and Ethernet below. */
#include <errno.h>
#include <stdlib.h>

#include "arch/arm/machine.h"
#include "arch/arm/rpi.h"
#include "devices/usb/dwc2.h"
#include "devices/usb/hub.h"
#include "devices/usb/usb_models.h"
#include "devices/virtio/net.h"
#include "vmm/util.h"

extern const struct virtio_model virtio_net_model;

#define PORT_INSIDE 1		/* of the hub: Ethernet's; the others are sockets */

struct usb_block {
	struct arm_device dev;
	struct dwc2 host;
	struct usb_hub hub;
};

struct arm_rpi arm_board(const struct vm *vm)
{
	const struct config_device *devices = vm->cfg->devices;
	struct arm_rpi board = arm_rpi_2b;
	unsigned index = 0;

	for (unsigned i = 0; i < vm->cfg->n_devices; i++) {
		if (devices[i].model != &virtio_net_model)
			continue;
		if (devices[i].usb) {
			net_option_mac(board.mac, &devices[i].opts, vm->cfg->name, index);
			break;
		}
		index++;
	}
	return board;
}

static void usb_block_reset(struct vm *vm, struct arm_device *dev)
{
	dwc2_reset(&container_of(dev, struct usb_block, dev)->host);
}

static void usb_block_finish(struct vm *vm, struct arm_device *dev)
{
	struct usb_block *b = container_of(dev, struct usb_block, dev);

	bus_remove(&vm->mmio, &b->host.region);
	dwc2_finish(&b->host);
	free(b);
}

static int plug(void *ctx, struct usb_device *usb, bool inside)
{
	struct usb_block *b = ctx;
	int ret = -ENOSPC;

	for (unsigned port = inside ? PORT_INSIDE : PORT_INSIDE + 1; port <= USB_HUB_PORTS; port++) {
		ret = usb_hub_plug(&b->hub, port, usb);
		if (ret != -EBUSY)
			break;
	}
	return ret == -EBUSY ? -ENOSPC : ret;
}

/* usb/dwc2.yaml */
static int add_usb(struct vm *vm, const struct arm_fdt_node *node)
{
	static const struct arm_device_ops ops = { usb_block_reset, usb_block_finish };
	struct usb_block *b = calloc(1, sizeof(*b));
	int ret;

	if (!b)
		return -ENOMEM;
	dwc2_init(&b->host, &vm->mem, vm->loop, arm_node_irq(vm, node, 0));
	arm_device_add(vm, &b->dev, &ops);
	usb_hub_init(&b->hub);
	ret = dwc2_plug(&b->host, &b->hub.dev);
	if (ret < 0)
		return ret;
	if (!vm->usb_place.plug)
		vm->usb_place = (struct vm_usb_place){ plug, b, usb_models };
	return arm_node_map(vm, node, 0, &b->host.region);
}

const struct arm_model arm_usb_models[] = {
	{ "brcm,bcm2835-usb", ARM_STAGE_DEVICES, add_usb },
	{ 0 }
};
