/* SPDX-License-Identifier: MIT */
/* A host that speaks to a USB device by packets, as a controller does (devices/usb/usb.h). */
#ifndef MICROVM_TESTS_USB_HOST_H
#define MICROVM_TESTS_USB_HOST_H

#include "devices/usb/usb.h"

/* The SETUP packet of a request. */
int usb_host_setup(struct usb_device *dev, unsigned type, unsigned request, unsigned value,
		   unsigned index, unsigned length);
/*
 * A control transfer with all its stages. @data: @length bytes that are sent, or that
 * there is room for, by @type. The bytes that came, 0 for OUT, or what refused it.
 */
int usb_host_control(struct usb_device *dev, unsigned type, unsigned request, unsigned value,
		     unsigned index, void *data, unsigned length);
/* @dev is alone on @bus: attaches it, resets its port, gives it address 1, configures it. */
void usb_host_start(struct usb_bus *bus, struct usb_device *dev);
/* The same for a device that is attached. */
void usb_host_configure(struct usb_device *dev);

#endif
