/* SPDX-License-Identifier: MIT */
/*
 * A high-speed USB 2.0 hub (chapter 11), the one in a Raspberry Pi 2's LAN9514: five ports,
 * of which the first is inside. What is plugged in stays.
 *
 * As usb.h says: all on the loop's thread.
 */
#ifndef MICROVM_USB_HUB_H
#define MICROVM_USB_HUB_H

#include "devices/usb/usb.h"

#define USB_HUB_PORTS 5

struct usb_hub_port {
	struct usb_device *dev;	/* NULL: nothing */
	uint16_t status, change;	/* wPortStatus, wPortChange */
};

struct usb_hub {
	struct usb_device dev;
	struct usb_hub_port ports[USB_HUB_PORTS];
};

void usb_hub_init(struct usb_hub *hub);
/*
 * Before the guest runs, and after the hub itself was attached. @port is 1 to USB_HUB_PORTS.
 * 0, -EBUSY when there is something, -ENOSPC.
 */
int usb_hub_plug(struct usb_hub *hub, unsigned port, struct usb_device *dev);

#endif
