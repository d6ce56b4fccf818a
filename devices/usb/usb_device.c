/* SPDX-License-Identifier: MIT */
/* What all USB devices do alike: USB 2.0, 8.5.3 (control transfers) and chapter 9. */
#include <assert.h>
#include <errno.h>

#include "devices/usb/usb.h"
#include "vmm/util.h"

#define CONTROL_PACKET 64	/* bMaxPacketSize0 of every high-speed device (5.5.3) */
#define LANGUAGE 0x0409		/* English, which is what hosts ask for */

enum stage {
	STAGE_IDLE,
	STAGE_STALLED,		/* until the next SETUP */
	STAGE_DATA_IN,
	STAGE_DATA_OUT,
	STAGE_STATUS_IN,	/* an IN packet of no bytes ends an OUT request */
	STAGE_STATUS_OUT,
};

/* --- the configuration ---------------------------------------------------------- */

/* The next descriptor of @type in the configuration behind @at, or NULL; NULL: the first. */
static const uint8_t *next_descriptor(const struct usb_device *dev, const uint8_t *at,
				      uint8_t type)
{
	const uint8_t *config = dev->descriptors->config;
	const uint8_t *end = config + load_le(config + 2, 2);

	for (at = at ? at + at[0] : config; at < end; at += at[0])
		if (at[1] == type)
			return at;
	return NULL;
}

static const struct usb_config_descriptor *config_of(const struct usb_device *dev)
{
	return (const void *)dev->descriptors->config;
}

/* Of the configuration that is in use, or NULL. @address: with its direction's bit. */
static const struct usb_endpoint_descriptor *find_endpoint(const struct usb_device *dev,
							   unsigned address)
{
	const uint8_t *at = NULL;

	while (dev->configuration && (at = next_descriptor(dev, at, USB_DT_ENDPOINT))) {
		const struct usb_endpoint_descriptor *ep = (const void *)at;

		if (ep->bEndpointAddress == address)
			return ep;
	}
	return NULL;
}

static bool has_interface(const struct usb_device *dev, uint16_t number)
{
	return dev->configuration && number < config_of(dev)->bNumInterfaces;
}

static uint16_t *halted(struct usb_device *dev, bool in)
{
	return &dev->halted[in];
}

/* --- GET_DESCRIPTOR (9.4.3) ------------------------------------------------------- */

int usb_give(const struct usb_ctrlrequest *req, void *data, const void *from, unsigned len)
{
	len = MIN(len, (unsigned)req->wLength);
	memcpy(data, from, len);
	return len;
}

static int give(const struct usb_device *dev, void *data, const void *from, unsigned len)
{
	return usb_give(&dev->request, data, from, len);
}

/*
 * One character, and how long it is in @s; what is not UTF-8 is U+FFFD. The zero at the
 * end of @s is no byte that could follow another.
 */
static uint32_t take_character(const char **s)
{
	const uint8_t *at = (const uint8_t *)*s;
	unsigned more = at[0] < 0x80 ? 0 : at[0] >= 0xf0 ? 3 : at[0] >= 0xe0 ? 2 : 1;
	uint32_t c = more ? at[0] & (0x3f >> more) : at[0];
	bool valid = at[0] < 0x80 || (at[0] >= 0xc2 && at[0] < 0xf5);

	for (unsigned i = 1; i <= more && valid; i++) {
		valid = (at[i] & 0xc0) == 0x80;
		c = c << 6 | (at[i] & 0x3f);
	}
	*s += valid ? 1 + more : 1;
	return valid && c < 0x110000 && (c < 0xd800 || c >= 0xe000) ? c : 0xfffd;
}

/* The descriptor of @s, cut to what one can hold (9.6.7), in @to; how long it is. */
static unsigned put_string(uint8_t to[2 + 2 * USB_MAX_STRING_LEN], const char *s)
{
	unsigned n = 2;
	uint32_t c;

	while (*s && n + 4 <= 2 + 2 * USB_MAX_STRING_LEN) {
		c = take_character(&s);
		if (c >= 0x10000) {
			c -= 0x10000;
			store_le(to + n, 2, 0xd800 | c >> 10);
			n += 2;
			c = 0xdc00 | (c & 0x3ff);
		}
		store_le(to + n, 2, c);
		n += 2;
	}
	to[0] = n;
	to[1] = USB_DT_STRING;
	return n;
}

static int give_string(const struct usb_device *dev, unsigned index, void *data)
{
	static const uint8_t languages[] = { 4, USB_DT_STRING, LANGUAGE & 0xff, LANGUAGE >> 8 };
	const char *const *s = dev->descriptors->strings;
	uint8_t text[2 + 2 * USB_MAX_STRING_LEN];

	if (!s)
		return -EPIPE;
	if (index == 0)
		return give(dev, data, languages, sizeof(languages));
	while (*s && --index)
		s++;
	return *s ? give(dev, data, text, put_string(text, *s)) : -EPIPE;
}

/* -EPIPE: not one of ours. */
static int get_descriptor(struct usb_device *dev, void *data)
{
	const struct usb_descriptors *d = dev->descriptors;
	unsigned type = dev->request.wValue >> 8, index = dev->request.wValue & 0xff;

	if (type == USB_DT_STRING)
		return give_string(dev, index, data);
	if (index)
		return -EPIPE;
	switch (type) {
	case USB_DT_DEVICE:
		return give(dev, data, d->device, sizeof(*d->device));
	case USB_DT_CONFIG:
		return give(dev, data, d->config, config_of(dev)->wTotalLength);
	case USB_DT_DEVICE_QUALIFIER:
		return d->qualifier ? give(dev, data, d->qualifier, sizeof(*d->qualifier)) :
				      -EPIPE;
	default:
		return -EPIPE;
	}
}

/* --- other standard requests (9.4); -EPIPE: not one of ours --------------------------- */

static int give_value(const struct usb_device *dev, void *data, uint16_t value, unsigned size)
{
	return give(dev, data, &value, size);
}

static int set_configuration(struct usb_device *dev)
{
	unsigned value = dev->request.wValue;

	if (value && value != config_of(dev)->bConfigurationValue)
		return -EPIPE;
	dev->configuration = value;
	memset(dev->halted, 0, sizeof(dev->halted));
	return 0;
}

static int feature_of_device(struct usb_device *dev, bool on)
{
	if (dev->request.wValue != USB_DEVICE_REMOTE_WAKEUP ||
	    !(config_of(dev)->bmAttributes & USB_CONFIG_ATT_WAKEUP))
		return -EPIPE;
	dev->remote_wakeup = on;
	return 0;
}

static int request_of_device(struct usb_device *dev, void *data)
{
	const struct usb_ctrlrequest *req = &dev->request;
	bool self_powered = config_of(dev)->bmAttributes & USB_CONFIG_ATT_SELFPOWER;

	switch (req->bRequestType << 8 | req->bRequest) {
	case USB_DIR_IN << 8 | USB_REQ_GET_STATUS:
		return give_value(dev, data, self_powered | dev->remote_wakeup << 1, 2);
	case USB_DIR_IN << 8 | USB_REQ_GET_DESCRIPTOR:
		return get_descriptor(dev, data);
	case USB_DIR_IN << 8 | USB_REQ_GET_CONFIGURATION:
		return give_value(dev, data, dev->configuration, 1);
	case USB_REQ_CLEAR_FEATURE:
		return feature_of_device(dev, false);
	case USB_REQ_SET_FEATURE:
		return feature_of_device(dev, true);
	case USB_REQ_SET_ADDRESS:
		if (req->wValue > 127)
			return -EPIPE;
		dev->address = req->wValue;
		return 0;
	case USB_REQ_SET_CONFIGURATION:
		return set_configuration(dev);
	default:
		return -EPIPE;
	}
}

/* There are no alternate settings. */
static int request_of_interface(struct usb_device *dev, void *data)
{
	const struct usb_ctrlrequest *req = &dev->request;

	if (!has_interface(dev, req->wIndex))
		return -EPIPE;
	switch (req->bRequestType << 8 | req->bRequest) {
	case (USB_DIR_IN | USB_RECIP_INTERFACE) << 8 | USB_REQ_GET_STATUS:
		return give_value(dev, data, 0, 2);
	case (USB_DIR_IN | USB_RECIP_INTERFACE) << 8 | USB_REQ_GET_INTERFACE:
		return give_value(dev, data, 0, 1);
	case USB_RECIP_INTERFACE << 8 | USB_REQ_SET_INTERFACE:
		return req->wValue ? -EPIPE : 0;
	default:
		return -EPIPE;
	}
}

static int request_of_endpoint(struct usb_device *dev, void *data)
{
	const struct usb_ctrlrequest *req = &dev->request;
	unsigned ep = req->wIndex & USB_ENDPOINT_NUMBER_MASK;
	uint16_t *bits = halted(dev, req->wIndex & USB_DIR_IN);
	unsigned type = req->bRequestType;

	if ((req->wIndex & ~(uint16_t)USB_DIR_IN) && !find_endpoint(dev, req->wIndex))
		return -EPIPE;
	if (type == (USB_DIR_IN | USB_RECIP_ENDPOINT) && req->bRequest == USB_REQ_GET_STATUS)
		return give_value(dev, data, *bits >> ep & 1, 2);
	if (type != USB_RECIP_ENDPOINT || req->wValue != USB_ENDPOINT_HALT)
		return -EPIPE;
	if (req->bRequest == USB_REQ_CLEAR_FEATURE)
		*bits &= ~(1u << ep);
	else if (req->bRequest == USB_REQ_SET_FEATURE && ep)
		*bits |= 1u << ep;
	else
		return -EPIPE;
	return 0;
}

static int standard_request(struct usb_device *dev, void *data)
{
	switch (dev->request.bRequestType & USB_RECIP_MASK) {
	case USB_RECIP_DEVICE:
		return request_of_device(dev, data);
	case USB_RECIP_INTERFACE:
		return request_of_interface(dev, data);
	case USB_RECIP_ENDPOINT:
		return request_of_endpoint(dev, data);
	default:
		return -EPIPE;
	}
}

/* What the request comes to: bytes in dev->data for an IN request, or -EPIPE. */
static int carry_out(struct usb_device *dev)
{
	struct usb_ctrlrequest req = dev->request;
	int ret = standard_request(dev, dev->data);

	/* A device may give less than it is asked for. */
	req.wLength = MIN(req.wLength, USB_CONTROL_MAX);
	if (ret == -EPIPE && dev->ops->control)
		ret = dev->ops->control(dev, &req, dev->data);
	return ret;
}

/* --- control transfers, by packets (8.5.3) ---------------------------------------------- */

static int stall(struct usb_device *dev)
{
	dev->stage = STAGE_STALLED;
	return -EPIPE;
}

/* An OUT request is carried out in its last stage, when all of it is here. */
static void setup_out(struct usb_device *dev)
{
	dev->len = dev->request.wLength;
	if (dev->len > USB_CONTROL_MAX)
		dev->stage = STAGE_STALLED;
	else
		dev->stage = dev->len ? STAGE_DATA_OUT : STAGE_STATUS_IN;
}

static void setup_in(struct usb_device *dev)
{
	int ret;

	memset(dev->data, 0, sizeof(dev->data));
	ret = carry_out(dev);
	dev->stage = ret < 0 ? STAGE_STALLED : STAGE_DATA_IN;
	dev->len = MAX(ret, 0);
	assert(dev->len <= dev->request.wLength && dev->len <= USB_CONTROL_MAX);
}

int usb_setup(struct usb_device *dev, const uint8_t packet[8])
{
	if (!dev->enabled)
		return -EIO;
	memcpy(&dev->request, packet, sizeof(dev->request));
	dev->done = 0;
	/* Without a data stage the direction means nothing (9.3.1). */
	if (dev->request.wLength && dev->request.bRequestType & USB_DIR_IN)
		setup_in(dev);
	else
		setup_out(dev);
	return 0;
}

static int data_in(struct usb_device *dev, void *data, unsigned len)
{
	len = MIN(len, (unsigned)CONTROL_PACKET);
	len = MIN(len, dev->len - dev->done);
	memcpy(data, dev->data + dev->done, len);
	dev->done += len;
	/* Less than was asked for ends with a packet that is not full, if need be an empty one. */
	if (dev->done == dev->len && (len < CONTROL_PACKET || dev->len == dev->request.wLength))
		dev->stage = STAGE_STATUS_OUT;
	return len;
}

static int status_in(struct usb_device *dev)
{
	if (carry_out(dev) < 0)
		return stall(dev);
	dev->stage = STAGE_IDLE;
	return 0;
}

static int control_in(struct usb_device *dev, void *data, unsigned len)
{
	switch (dev->stage) {
	case STAGE_DATA_IN:
		return data_in(dev, data, len);
	case STAGE_STATUS_IN:
		return status_in(dev);
	default:
		return stall(dev);
	}
}

static int data_out(struct usb_device *dev, const void *data, unsigned len)
{
	if (len > dev->len - dev->done || len > CONTROL_PACKET)
		return stall(dev);
	memcpy(dev->data + dev->done, data, len);
	dev->done += len;
	if (dev->done == dev->len)
		dev->stage = STAGE_STATUS_IN;
	return 0;
}

static int control_out(struct usb_device *dev, const void *data, unsigned len)
{
	if (dev->stage == STAGE_DATA_OUT)
		return data_out(dev, data, len);
	/* A host may have had enough before it has everything. */
	if ((dev->stage != STAGE_DATA_IN && dev->stage != STAGE_STATUS_OUT) || len)
		return stall(dev);
	dev->stage = STAGE_IDLE;
	return 0;
}

/* --- other endpoints ----------------------------------------------------------------------- */

/* The most that is in a packet of the endpoint, or -EIO, or -EPIPE. */
static int packet_size(struct usb_device *dev, unsigned ep, bool in)
{
	const struct usb_endpoint_descriptor *d;

	if (ep > USB_ENDPOINT_NUMBER_MASK)
		return -EIO;
	d = find_endpoint(dev, ep | (in ? USB_DIR_IN : 0));
	if (!d)
		return -EIO;
	return *halted(dev, in) >> ep & 1 ? -EPIPE : d->wMaxPacketSize & USB_ENDPOINT_MAXP_MASK;
}

int usb_in(struct usb_device *dev, unsigned ep, void *data, unsigned len)
{
	int max;

	if (!dev->enabled)
		return -EIO;
	if (ep == 0)
		return control_in(dev, data, len);
	max = packet_size(dev, ep, true);
	if (max < 0)
		return max;
	return dev->ops->in ? dev->ops->in(dev, ep, data, MIN(len, (unsigned)max)) : -EAGAIN;
}

int usb_out(struct usb_device *dev, unsigned ep, const void *data, unsigned len)
{
	int max;

	if (!dev->enabled)
		return -EIO;
	if (ep == 0)
		return control_out(dev, data, len);
	max = packet_size(dev, ep, false);
	if (max < 0)
		return max;
	if (len > (unsigned)max)
		return -EIO;
	return dev->ops->out ? dev->ops->out(dev, ep, data, len) : -EAGAIN;
}

void usb_halt(struct usb_device *dev, unsigned ep, bool in)
{
	*halted(dev, in) |= 1u << ep;
}

/* --- the bus ----------------------------------------------------------------------------------- */

void usb_bus_init(struct usb_bus *bus, void (*ready)(void *ctx), void *ctx)
{
	*bus = (struct usb_bus){ .ready = ready, .ctx = ctx };
}

int usb_bus_attach(struct usb_bus *bus, struct usb_device *dev)
{
	if (bus->n_devices == USB_BUS_MAX_DEVICES)
		return -ENOSPC;
	bus->devices[bus->n_devices++] = dev;
	dev->bus = bus;
	usb_device_enable(dev, false);
	return 0;
}

struct usb_device *usb_bus_find(const struct usb_bus *bus, unsigned address)
{
	for (unsigned i = 0; i < bus->n_devices; i++)
		if (bus->devices[i]->enabled && bus->devices[i]->address == address)
			return bus->devices[i];
	return NULL;
}

void usb_bus_reset(struct usb_bus *bus)
{
	for (unsigned i = 0; i < bus->n_devices; i++)
		usb_device_enable(bus->devices[i], false);
}

void usb_device_enable(struct usb_device *dev, bool enabled)
{
	dev->enabled = enabled;
	dev->address = dev->configuration = 0;
	dev->remote_wakeup = false;
	dev->stage = STAGE_IDLE;
	if (dev->ops->reset)
		dev->ops->reset(dev);
}

void usb_ready(struct usb_device *dev)
{
	if (dev->bus && dev->bus->ready)
		dev->bus->ready(dev->bus->ctx);
}
