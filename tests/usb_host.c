/* SPDX-License-Identifier: MIT */
#include "tests/usb_host.h"

#include <errno.h>

#include "tests/must.h"
#include "vmm/util.h"

#define PACKET 64u

int usb_host_setup(struct usb_device *dev, unsigned type, unsigned request, unsigned value,
		   unsigned index, unsigned length)
{
	uint8_t packet[8] = { type, request };

	store_le(packet + 2, 2, value);
	store_le(packet + 4, 2, index);
	store_le(packet + 6, 2, length);
	return usb_setup(dev, packet);
}

static int read_all(struct usb_device *dev, uint8_t *data, unsigned length)
{
	unsigned got = 0;
	int ret;

	do {
		ret = usb_in(dev, 0, data + got, MIN(length - got, PACKET));
		if (ret < 0)
			return ret;
		got += ret;
	} while (ret == PACKET && got < length);
	ret = usb_out(dev, 0, "", 0);
	return ret < 0 ? ret : (int)got;
}

static int write_all(struct usb_device *dev, const uint8_t *data, unsigned length)
{
	int ret = 0;

	for (unsigned at = 0, n; at < length && ret == 0; at += n) {
		n = MIN(length - at, PACKET);
		ret = usb_out(dev, 0, data + at, n);
	}
	return ret < 0 ? ret : usb_in(dev, 0, (uint8_t[1]){ 0 }, 0);
}

int usb_host_control(struct usb_device *dev, unsigned type, unsigned request, unsigned value,
		     unsigned index, void *data, unsigned length)
{
	int ret = usb_host_setup(dev, type, request, value, index, length);

	if (ret < 0)
		return ret;
	return type & USB_DIR_IN ? read_all(dev, data, length) : write_all(dev, data, length);
}

void usb_host_configure(struct usb_device *dev)
{
	unsigned value = dev->descriptors->config[5];

	usb_device_enable(dev, true);
	must(usb_host_control(dev, 0, USB_REQ_SET_ADDRESS, 1, 0, NULL, 0) == 0);
	must(usb_bus_find(dev->bus, 1) == dev);
	must(usb_host_control(dev, 0, USB_REQ_SET_CONFIGURATION, value, 0, NULL, 0) == 0);
}

void usb_host_start(struct usb_bus *bus, struct usb_device *dev)
{
	must(usb_bus_attach(bus, dev) == 0);
	usb_host_configure(dev);
}
