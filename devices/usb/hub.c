/* SPDX-License-Identifier: MIT */
/* Sections are those of the Universal Serial Bus Specification, revision 2.0. */
#include "devices/usb/hub.h"

#include <errno.h>
#include <linux/usb/ch11.h>

#include "vmm/util.h"

#define HUB_INTERVAL 12		/* 256 ms, as hubs have it (11.12.1) */
#define HUB_DESC_LEN 9

/* Requests, by bmRequestType and bRequest (table 11-15). */
#define TO_HUB(request) (USB_RT_HUB << 8 | (request))
#define TO_PORT(request) (USB_RT_PORT << 8 | (request))
#define FROM_HUB(request) ((USB_DIR_IN | USB_RT_HUB) << 8 | (request))
#define FROM_PORT(request) ((USB_DIR_IN | USB_RT_PORT) << 8 | (request))

/* Set and cleared by features of the same numbers, 16 apart (table 11-17). */
#define PORT_CHANGES                                                                               \
	(USB_PORT_STAT_C_CONNECTION | USB_PORT_STAT_C_ENABLE | USB_PORT_STAT_C_SUSPEND |           \
	 USB_PORT_STAT_C_OVERCURRENT | USB_PORT_STAT_C_RESET)

static struct usb_hub *hub_of(struct usb_device *dev)
{
	return container_of(dev, struct usb_hub, dev);
}

/* --- ports (11.24.2.7) ---------------------------------------------------------------- */

static void hub_changed(struct usb_hub *hub, struct usb_hub_port *port, uint16_t change)
{
	port->change |= change;
	usb_ready(&hub->dev);
}

static void hub_disable(struct usb_hub_port *port)
{
	port->status &= ~(USB_PORT_STAT_ENABLE | USB_PORT_STAT_SUSPEND | USB_PORT_STAT_HIGH_SPEED);
	if (port->dev)
		usb_device_enable(port->dev, false);
}

static void hub_power(struct usb_hub *hub, struct usb_hub_port *port, bool on)
{
	if (on == !!(port->status & USB_PORT_STAT_POWER))
		return;
	hub_disable(port);
	port->status = on ? USB_PORT_STAT_POWER : 0;
	port->change = 0;
	if (!on || !port->dev)
		return;
	port->status |= USB_PORT_STAT_CONNECTION;
	hub_changed(hub, port, USB_PORT_STAT_C_CONNECTION);
}

static void hub_reset_port(struct usb_hub *hub, struct usb_hub_port *port)
{
	if (!(port->status & USB_PORT_STAT_CONNECTION))
		return;
	hub_disable(port);
	usb_device_enable(port->dev, true);
	port->status |= USB_PORT_STAT_ENABLE | USB_PORT_STAT_HIGH_SPEED;
	hub_changed(hub, port, USB_PORT_STAT_C_RESET);
}

static int hub_set_feature(struct usb_hub *hub, struct usb_hub_port *port, unsigned feature)
{
	switch (feature) {
	case USB_PORT_FEAT_RESET:
		hub_reset_port(hub, port);
		return 0;
	case USB_PORT_FEAT_SUSPEND:
		if (port->status & USB_PORT_STAT_ENABLE)
			port->status |= USB_PORT_STAT_SUSPEND;
		return 0;
	case USB_PORT_FEAT_POWER:
		hub_power(hub, port, true);
		return 0;
	case USB_PORT_FEAT_INDICATOR:
		return 0;
	default:
		return -EPIPE;
	}
}

static int hub_clear_feature(struct usb_hub *hub, struct usb_hub_port *port, unsigned feature)
{
	switch (feature) {
	case USB_PORT_FEAT_ENABLE:
		hub_disable(port);
		return 0;
	case USB_PORT_FEAT_SUSPEND:
		if (port->status & USB_PORT_STAT_SUSPEND)
			hub_changed(hub, port, USB_PORT_STAT_C_SUSPEND);
		port->status &= ~USB_PORT_STAT_SUSPEND;
		return 0;
	case USB_PORT_FEAT_POWER:
		hub_power(hub, port, false);
		return 0;
	case USB_PORT_FEAT_C_CONNECTION:
	case USB_PORT_FEAT_C_ENABLE:
	case USB_PORT_FEAT_C_SUSPEND:
	case USB_PORT_FEAT_C_OVER_CURRENT:
	case USB_PORT_FEAT_C_RESET:
		port->change &= ~(1u << (feature - USB_PORT_FEAT_C_CONNECTION));
		return 0;
	case USB_PORT_FEAT_INDICATOR:
		return 0;
	default:
		return -EPIPE;
	}
}

/* --- requests (11.24.2) ------------------------------------------------------------------ */

static int hub_descriptor(const struct usb_ctrlrequest *req, void *data)
{
	static const uint8_t desc[HUB_DESC_LEN] = {
		HUB_DESC_LEN, USB_DT_HUB, USB_HUB_PORTS,
		HUB_CHAR_INDV_PORT_LPSM | HUB_CHAR_INDV_PORT_OCPM | HUB_CHAR_COMPOUND, 0,
		50,		/* ms, in twos, until power is good */
		1,		/* mA */
		0x02,		/* port 1 is inside */
		0xff,
	};

	return req->wValue >> 8 == USB_DT_HUB ? usb_give(req, data, desc, sizeof(desc)) : -EPIPE;
}

static int hub_of_hub(const struct usb_ctrlrequest *req, void *data)
{
	static const uint8_t status[4];

	switch (req->bRequestType << 8 | req->bRequest) {
	case FROM_HUB(USB_REQ_GET_STATUS):
		return usb_give(req, data, status, sizeof(status));
	case FROM_HUB(USB_REQ_GET_DESCRIPTOR):
		return hub_descriptor(req, data);
	case TO_HUB(USB_REQ_SET_FEATURE):
	case TO_HUB(USB_REQ_CLEAR_FEATURE):
		return req->wValue <= C_HUB_OVER_CURRENT ? 0 : -EPIPE;
	default:
		return -EPIPE;
	}
}

static int hub_of_port(struct usb_hub *hub, const struct usb_ctrlrequest *req, void *data)
{
	struct usb_hub_port *port = &hub->ports[(req->wIndex & 0xff) - 1];
	uint16_t status[2] = { port->status, port->change };

	switch (req->bRequestType << 8 | req->bRequest) {
	case FROM_PORT(USB_REQ_GET_STATUS):
		return usb_give(req, data, status, sizeof(status));
	case TO_PORT(USB_REQ_SET_FEATURE):
		return hub_set_feature(hub, port, req->wValue);
	case TO_PORT(USB_REQ_CLEAR_FEATURE):
		return hub_clear_feature(hub, port, req->wValue);
	case TO_PORT(HUB_CLEAR_TT_BUFFER):
	case TO_PORT(HUB_RESET_TT):
	case TO_PORT(HUB_STOP_TT):
		return 0;
	default:
		return -EPIPE;
	}
}

static int hub_control(struct usb_device *dev, const struct usb_ctrlrequest *req, void *data)
{
	unsigned port = req->wIndex & 0xff;

	if ((req->bRequestType & USB_RECIP_MASK) != USB_RECIP_OTHER)
		return hub_of_hub(req, data);
	return port && port <= USB_HUB_PORTS ? hub_of_port(hub_of(dev), req, data) : -EPIPE;
}

/* Which ports have changed, a bit each; bit 0 is the hub (11.12.4). */
static int hub_in(struct usb_device *dev, unsigned ep, void *data, unsigned len)
{
	struct usb_hub *hub = hub_of(dev);
	uint8_t bits = 0;

	(void)ep;
	for (unsigned i = 0; i < USB_HUB_PORTS; i++)
		if (hub->ports[i].change & PORT_CHANGES)
			bits |= 2u << i;
	if (!bits)
		return -EAGAIN;
	memcpy(data, &bits, MIN(len, 1u));
	return MIN(len, 1u);
}

static void hub_reset(struct usb_device *dev)
{
	struct usb_hub *hub = hub_of(dev);

	for (unsigned i = 0; i < USB_HUB_PORTS; i++) {
		struct usb_hub_port *port = &hub->ports[i];

		hub_disable(port);
		port->status = port->change = 0;
	}
}

/* --- what it is ---------------------------------------------------------------------------- */

static const struct usb_device_descriptor hub_device = {
	.bLength = USB_DT_DEVICE_SIZE,
	.bDescriptorType = USB_DT_DEVICE,
	.bcdUSB = 0x0200,
	.bDeviceClass = USB_CLASS_HUB,
	.bDeviceProtocol = USB_HUB_PR_HS_SINGLE_TT,
	.bMaxPacketSize0 = 64,
	.idVendor = 0x0424,
	.idProduct = 0x9514,
	.bcdDevice = 0x0200,
	.bNumConfigurations = 1,
};

/* As a full-speed one, which it never is. */
static const struct usb_qualifier_descriptor hub_qualifier = {
	.bLength = sizeof(hub_qualifier),
	.bDescriptorType = USB_DT_DEVICE_QUALIFIER,
	.bcdUSB = 0x0200,
	.bDeviceClass = USB_CLASS_HUB,
	.bMaxPacketSize0 = 64,
	.bNumConfigurations = 1,
};

#define CONFIG_LEN (USB_DT_CONFIG_SIZE + USB_DT_INTERFACE_SIZE + USB_DT_ENDPOINT_SIZE)

static const uint8_t hub_config[CONFIG_LEN] = {
	USB_DT_CONFIG_SIZE, USB_DT_CONFIG, CONFIG_LEN, 0, 1, 1, 0,
	USB_CONFIG_ATT_ONE | USB_CONFIG_ATT_SELFPOWER | USB_CONFIG_ATT_WAKEUP, 1,

	USB_DT_INTERFACE_SIZE, USB_DT_INTERFACE, 0, 0, 1, USB_CLASS_HUB, 0, 0, 0,

	USB_DT_ENDPOINT_SIZE, USB_DT_ENDPOINT, USB_DIR_IN | 1, USB_ENDPOINT_XFER_INT, 1, 0,
	HUB_INTERVAL,
};

static const struct usb_descriptors hub_descriptors = {
	.device = &hub_device,
	.qualifier = &hub_qualifier,
	.config = hub_config,
};

static const struct usb_device_ops hub_ops = {
	.reset = hub_reset,
	.control = hub_control,
	.in = hub_in,
};

void usb_hub_init(struct usb_hub *hub)
{
	*hub = (struct usb_hub){
		.dev = {
			.name = "usb-hub",
			.ops = &hub_ops,
			.descriptors = &hub_descriptors,
		},
	};
}

int usb_hub_plug(struct usb_hub *hub, unsigned port, struct usb_device *dev)
{
	struct usb_hub_port *p = &hub->ports[port - 1];
	int ret;

	if (p->dev)
		return -EBUSY;
	ret = usb_bus_attach(hub->dev.bus, dev);
	if (ret == 0)
		p->dev = dev;
	return ret;
}
