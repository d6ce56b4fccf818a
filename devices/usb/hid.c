/* SPDX-License-Identifier: MIT */
/* The device: descriptors, requests of the class (HID 1.11, 7), IN packets. */
#include "devices/usb/hid.h"

#include <errno.h>
#include <linux/hid.h>
#include <stdlib.h>

#include "devices/usb/hid_impl.h"
#include "vmm/util.h"

/* Those that pid.codes sets apart for devices that are not sold; a product a kind. */
#define VENDOR 0x1209
#define PRODUCT 0x0001

#define INTERVAL 7		/* 2^(n - 1) microframes: 8 ms */
#define IDLE_UNIT_NS 4000000ull
#define STRINGS 3
#define CONFIG_LEN 34
#define HID_AT 18		/* of the HID descriptor within the configuration */
#define HID_LEN 9

struct hid {
	struct usb_device dev;
	enum input_kind kind;
	struct loop *loop;
	struct input_caps caps;
	struct input_sink feedback;
	void (*close)(void *ctx);	/* feedback.ctx; NULL: nothing to close */
	uint8_t leds;
	uint8_t idle;		/* in units of 4 ms; 0: reports come when there is news */
	struct loop_timer idle_timer;
	bool idle_due;

	/* what it says of itself */
	struct usb_descriptors descriptors;
	struct usb_device_descriptor device_descriptor;
	uint8_t config[CONFIG_LEN];
	uint8_t report[HID_DESCRIPTOR_MAX];
	unsigned report_len;
	char *name, *serial;
	const char *strings[STRINGS + 1];

	pthread_mutex_t lock;
	struct hid_queue queue;	/* under it */
};

struct hid *hid_of(struct usb_device *dev)
{
	return container_of(dev, struct hid, dev);
}

/* Behind the manufacturer's name, as hosts show them; who has another stands alone. */
#define MANUFACTURER "microvm"
static const char *const names[INPUT_KINDS] = {
	[INPUT_KEYBOARD] = "keyboard",
	[INPUT_MOUSE] = "mouse",
	[INPUT_TABLET] = "tablet",
};

/* --- descriptors ------------------------------------------------------------------------ */

static void describe_config(struct hid *h)
{
	static const uint8_t protocols[INPUT_KINDS] = {
		[INPUT_KEYBOARD] = USB_INTERFACE_PROTOCOL_KEYBOARD,
		[INPUT_MOUSE] = USB_INTERFACE_PROTOCOL_MOUSE,
	};
	uint8_t protocol = protocols[h->kind];
	const uint8_t config[] = {
		USB_DT_CONFIG_SIZE, USB_DT_CONFIG, CONFIG_LEN, 0, 1, 1, 0, USB_CONFIG_ATT_ONE,
		50,	/* units of 2 mA */
		USB_DT_INTERFACE_SIZE, USB_DT_INTERFACE, 0, 0, 1, USB_CLASS_HID,
		protocol ? USB_INTERFACE_SUBCLASS_BOOT : 0, protocol, 0,
		HID_LEN, HID_DT_HID, 0x11, 0x01, 0, 1, HID_DT_REPORT,
		h->report_len & 0xff, h->report_len >> 8,
		USB_DT_ENDPOINT_SIZE, USB_DT_ENDPOINT, USB_DIR_IN | 1, USB_ENDPOINT_XFER_INT,
		HID_REPORT_MAX, 0, INTERVAL,
	};
	_Static_assert(sizeof(config) == CONFIG_LEN, "wTotalLength");

	memcpy(h->config, config, sizeof(config));
}

static void describe(struct hid *h, bool ours)
{
	h->report_len = hid_report_descriptor(h->report, h->kind);
	describe_config(h);
	h->strings[0] = MANUFACTURER;
	h->strings[1] = h->name;
	h->strings[2] = h->serial;
	h->device_descriptor = (struct usb_device_descriptor){
		.bLength = USB_DT_DEVICE_SIZE,
		.bDescriptorType = USB_DT_DEVICE,
		.bcdUSB = 0x200,
		.bMaxPacketSize0 = 64,
		.idVendor = VENDOR,
		.idProduct = PRODUCT + h->kind,
		.bcdDevice = 0x100,
		.iManufacturer = ours,
		.iProduct = 2,
		.iSerialNumber = h->serial ? 3 : 0,
		.bNumConfigurations = 1,
	};
	h->descriptors = (struct usb_descriptors){
		.device = &h->device_descriptor,
		.config = h->config,
		.strings = h->strings,
	};
}

/* --- requests ------------------------------------------------------------------------------ */

static void set_leds(struct hid *h, uint8_t leds)
{
	uint8_t changed = (leds ^ h->leds) & ((1u << HID_LEDS) - 1);

	h->leds = leds;
	for (unsigned i = 0; i < HID_LEDS; i++)
		if (changed >> i & 1)
			input_send(&h->feedback, EV_LED, i, leds >> i & 1);
	if (changed)
		input_sync(&h->feedback);
}

static bool is_report(const struct usb_ctrlrequest *req, enum hid_report_type type)
{
	/* The specification counts from 1. There are no report IDs. */
	return req->wValue == (type + 1) << 8;
}

static int get_report(struct hid *h, const struct usb_ctrlrequest *req, void *data)
{
	struct hid_report r;

	if (h->kind == INPUT_KEYBOARD && is_report(req, HID_OUTPUT_REPORT))
		return usb_give(req, data, &h->leds, 1);
	if (!is_report(req, HID_INPUT_REPORT))
		return -EPIPE;
	pthread_mutex_lock(&h->lock);
	hid_queue_peek(&h->queue, &r);
	pthread_mutex_unlock(&h->lock);
	return usb_give(req, data, r.bytes, r.len);
}

static int set_report(struct hid *h, const struct usb_ctrlrequest *req, const uint8_t *data)
{
	if (h->kind != INPUT_KEYBOARD || !is_report(req, HID_OUTPUT_REPORT) || !req->wLength)
		return -EPIPE;
	set_leds(h, data[0]);
	return 0;
}

static void idle_arm(struct hid *h)
{
	h->idle_due = false;
	if (h->idle)
		loop_timer_arm(h->loop, &h->idle_timer, h->idle * IDLE_UNIT_NS);
	else
		loop_timer_disarm(h->loop, &h->idle_timer);
}

static void on_idle(void *arg)
{
	struct hid *h = arg;

	h->idle_due = true;
	usb_ready(&h->dev);
}

static int set_idle(struct hid *h, const struct usb_ctrlrequest *req)
{
	if (req->wValue & 0xff)
		return -EPIPE;
	h->idle = req->wValue >> 8;
	idle_arm(h);
	return 0;
}

static int get_protocol(struct hid *h, const struct usb_ctrlrequest *req, void *data)
{
	uint8_t report = !h->queue.boot;

	return h->kind == INPUT_TABLET ? -EPIPE : usb_give(req, data, &report, 1);
}

static int set_protocol(struct hid *h, const struct usb_ctrlrequest *req)
{
	if (h->kind == INPUT_TABLET || req->wValue > 1)
		return -EPIPE;
	pthread_mutex_lock(&h->lock);
	hid_queue_set_protocol(&h->queue, req->wValue == 0);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

static int get_descriptor(struct hid *h, const struct usb_ctrlrequest *req, void *data)
{
	if (req->wValue == HID_DT_HID << 8)
		return usb_give(req, data, h->config + HID_AT, HID_LEN);
	if (req->wValue == HID_DT_REPORT << 8)
		return usb_give(req, data, h->report, h->report_len);
	return -EPIPE;
}

#define REQUEST(type, request) ((type) << 8 | (request))
#define CLASS_IN(request) REQUEST(USB_DIR_IN | USB_TYPE_CLASS | USB_RECIP_INTERFACE, request)
#define CLASS_OUT(request) REQUEST(USB_TYPE_CLASS | USB_RECIP_INTERFACE, request)

static int hid_control(struct usb_device *dev, const struct usb_ctrlrequest *req, void *data)
{
	struct hid *h = hid_of(dev);

	if (req->wIndex)
		return -EPIPE;
	switch (REQUEST(req->bRequestType, req->bRequest)) {
	case REQUEST(USB_DIR_IN | USB_RECIP_INTERFACE, USB_REQ_GET_DESCRIPTOR):
		return get_descriptor(h, req, data);
	case CLASS_IN(HID_REQ_GET_REPORT):
		return get_report(h, req, data);
	case CLASS_IN(HID_REQ_GET_IDLE):
		return usb_give(req, data, &h->idle, 1);
	case CLASS_IN(HID_REQ_GET_PROTOCOL):
		return get_protocol(h, req, data);
	case CLASS_OUT(HID_REQ_SET_REPORT):
		return set_report(h, req, data);
	case CLASS_OUT(HID_REQ_SET_IDLE):
		return set_idle(h, req);
	case CLASS_OUT(HID_REQ_SET_PROTOCOL):
		return set_protocol(h, req);
	default:
		return -EPIPE;
	}
}

/* --- packets ----------------------------------------------------------------------------------- */

static int hid_in(struct usb_device *dev, unsigned ep, void *data, unsigned len)
{
	struct hid *h = hid_of(dev);
	struct hid_report r;
	bool news;

	pthread_mutex_lock(&h->lock);
	news = hid_queue_fetch(&h->queue, &r);
	if (!news && h->idle_due)
		hid_queue_peek(&h->queue, &r);
	pthread_mutex_unlock(&h->lock);
	if (!news && !h->idle_due)
		return -EAGAIN;
	idle_arm(h);
	len = MIN(len, (unsigned)r.len);
	memcpy(data, r.bytes, len);
	return len;
}

static void hid_reset(struct usb_device *dev)
{
	struct hid *h = hid_of(dev);

	h->idle = 0;
	idle_arm(h);
	set_leds(h, 0);
	pthread_mutex_lock(&h->lock);
	hid_queue_reset(&h->queue);
	pthread_mutex_unlock(&h->lock);
}

static const struct usb_device_ops hid_ops = {
	.reset = hid_reset,
	.control = hid_control,
	.in = hid_in,
};

static void hid_event(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct hid *h = ctx;
	bool ready;

	if (type != EV_SYN && !input_caps_have(&h->caps, type, code))
		return;
	pthread_mutex_lock(&h->lock);
	ready = hid_queue_take(&h->queue, type, code, value);
	pthread_mutex_unlock(&h->lock);
	if (ready)
		usb_ready(&h->dev);
}

/* --- life ---------------------------------------------------------------------------------------- */

int hid_create(struct hid **out, struct loop *loop, const struct hid_params *params)
{
	struct hid *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->kind = params->kind;
	h->loop = loop;
	h->feedback = params->feedback;
	h->idle_timer = (struct loop_timer){ .cb = on_idle, .arg = h };
	h->name = strdup(params->name ? params->name : names[params->kind]);
	h->serial = params->serial ? strdup(params->serial) : NULL;
	pthread_mutex_init(&h->lock, NULL);
	input_caps_init(&h->caps, params->kind);
	h->queue.kind = params->kind;
	input_state_init(&h->queue.now.in, 0);
	hid_queue_reset(&h->queue);
	describe(h, !params->name);
	h->dev = (struct usb_device){
		.name = names[params->kind], .ops = &hid_ops, .descriptors = &h->descriptors,
	};
	if (!h->name || (params->serial && !h->serial)) {
		hid_destroy(h);
		return -ENOMEM;
	}
	*out = h;
	return 0;
}

void hid_destroy(struct hid *h)
{
	if (!h)
		return;
	if (h->close)
		h->close(h->feedback.ctx);
	loop_timer_disarm(h->loop, &h->idle_timer);
	pthread_mutex_destroy(&h->lock);
	free(h->name);
	free(h->serial);
	free(h);
}

struct usb_device *hid_device(struct hid *h)
{
	return &h->dev;
}

struct input_sink hid_sink(struct hid *h)
{
	return (struct input_sink){ .event = hid_event, .ctx = h };
}

void hid_set_source(struct hid *h, const struct input_sink *feedback, void (*close)(void *ctx))
{
	h->feedback = *feedback;
	h->close = close;
}
