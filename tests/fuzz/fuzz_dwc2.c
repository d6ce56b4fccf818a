/* SPDX-License-Identifier: MIT */
/*
 * The USB host with a hub and a device below it, which is found and configured: register
 * accesses of the fuzzer's, and answers of the device that it chooses. First 32 bytes that
 * channels find in memory, then eight an access: what, register, value, the device's answer;
 * or a request of the hub, all of it: what, type, request, value, index, and that.
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/usb/dwc2.h"
#include "devices/usb/dwc2_regs.h"
#include "devices/usb/hub.h"
#include "tests/fake.h"
#include "tests/fuzz/input.h"
#include "tests/usb_host.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define HOST 0x3f980000ull
#define ACCESSES 256
#define TURNS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CONFIG_LEN (9 + 9 + 7 + 7)
static const uint8_t config[] = {
	9, USB_DT_CONFIG, CONFIG_LEN, 0, 1, 1, 0, 0xa0, 0,
	9, USB_DT_INTERFACE, 0, 0, 2, 0xff, 0, 0, 0,
	7, USB_DT_ENDPOINT, 0x81, USB_ENDPOINT_XFER_INT, 8, 0, 4,
	7, USB_DT_ENDPOINT, 0x02, USB_ENDPOINT_XFER_BULK, 0, 2, 0,
};
static const struct usb_device_descriptor device_descriptor = {
	.bLength = USB_DT_DEVICE_SIZE,
	.bDescriptorType = USB_DT_DEVICE,
};
static const char *const strings[] = { "fuzz", NULL };
static const struct usb_descriptors descriptors = { &device_descriptor, NULL, config, strings };

struct rig {
	struct fake f;
	struct dwc2 d;
	struct usb_hub hub;
	struct usb_device dev;
	int answer;
};

static int answer(struct usb_device *dev, unsigned len)
{
	static const int errors[] = { -EAGAIN, -EPIPE, -EIO };
	struct rig *r = dev->priv;

	return r->answer & 0x80 ? errors[r->answer % 3] : r->answer < (int)len ? r->answer
									       : (int)len;
}

static int device_in(struct usb_device *dev, unsigned ep, void *data, unsigned len)
{
	int n = answer(dev, len);

	(void)ep;
	if (n > 0)
		memset(data, n, n);
	return n;
}

static int device_out(struct usb_device *dev, unsigned ep, const void *data, unsigned len)
{
	int ret = answer(dev, len);

	(void)ep;
	(void)data;
	return ret < 0 ? ret : 0;
}

static const struct usb_device_ops device_ops = { .in = device_in, .out = device_out };

static void out(struct rig *r, unsigned reg, uint32_t value)
{
	bus_write(&r->f.mmio, HOST + reg, 4, value);
}

static void rig_init(struct rig *r)
{
	fake_init(&r->f);
	dwc2_init(&r->d, &r->f.mem, r->f.loop, (struct irq_line){ 0 });
	usb_hub_init(&r->hub);
	r->dev = (struct usb_device){ .ops = &device_ops, .descriptors = &descriptors, .priv = r };
	if (dwc2_plug(&r->d, &r->hub.dev) < 0 || usb_hub_plug(&r->hub, 2, &r->dev) < 0)
		abort();
	bus_add(&r->f.mmio, &r->d.region, HOST);
	out(r, HPRT0, HPRT0_PWR);
	out(r, HPRT0, HPRT0_PWR | HPRT0_RST);
	out(r, HPRT0, HPRT0_PWR);
	fake_settle(&r->f);
	usb_host_configure(&r->hub.dev);
	usb_host_control(&r->hub.dev, 0x23, USB_REQ_SET_FEATURE, 8, 2, NULL, 0);
	usb_host_control(&r->hub.dev, 0x23, USB_REQ_SET_FEATURE, 4, 2, NULL, 0);
	usb_host_control(&r->dev, 0, USB_REQ_SET_ADDRESS, 2, 0, NULL, 0);
	usb_host_control(&r->dev, 0, USB_REQ_SET_CONFIGURATION, 1, 0, NULL, 0);
}

static void rig_finish(struct rig *r)
{
	bus_remove(&r->f.mmio, &r->d.region);
	dwc2_finish(&r->d);
	fake_finish(&r->f);
}

/* Mostly such small numbers as mean something. */
static unsigned take_small(struct input *in, unsigned small)
{
	unsigned n = take(in, 2);

	return n & 0x8000 ? n & 0x7fff : n % small;
}

static void request(struct rig *r, struct input *in)
{
	static const uint8_t types[] = { 0x80, 0x00, 0xa0, 0x20, 0xa3, 0x23, 0xa3, 0x23 };
	unsigned type = types[take(in, 1) % ARRAY_SIZE(types)], what = take(in, 1) % 16;
	unsigned value = take_small(in, 24), index = take_small(in, 6);
	uint8_t data[64];

	usb_host_control(&r->hub.dev, type, what, value, index, data,
			 type & USB_DIR_IN ? sizeof(data) : 0);
	usb_in(&r->hub.dev, 1, data, sizeof(data));
	r->answer = take(in, 1);
}

static void access(struct rig *r, struct input *in, unsigned what)
{
	uint64_t gpa = HOST + (take(in, 2) & (what & 1 ? 0x7ff : DWC2_LEN - 1));
	unsigned size = 1 << (what >> 1 & 3);
	uint64_t value = take(in, 4);

	r->answer = take(in, 1);
	if (what & 8)
		bus_read(&r->f.mmio, gpa, size, &value);
	else
		bus_write(&r->f.mmio, gpa, size, value);
	if (what & 16)
		usb_ready(&r->dev);
	/* A transfer of a thousand packets does not settle: a few turns have to do. */
	for (unsigned i = 0; (what & 32) && i < TURNS; i++)
		loop_run_once(r->f.loop, 0);
	if (what == 0xff)
		dwc2_reset(&r->d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct rig r;
	struct input in = { data, len };
	uint8_t found[32] = { 0 };

	log_set_level(LOG_ERROR);
	r.answer = 0;
	rig_init(&r);
	for (unsigned i = 0; i < sizeof(found); i++)
		found[i] = take(&in, 1);
	for (unsigned at = 0; at < 0x1000; at += sizeof(found))
		gmem_write(&r.f.mem, at, found, sizeof(found));
	for (unsigned i = 0; i < ACCESSES && in.left; i++) {
		unsigned what = take(&in, 1);

		if ((what & 0xc0) == 0x40)
			request(&r, &in);
		else
			access(&r, &in, what);
	}
	rig_finish(&r);
	return 0;
}
