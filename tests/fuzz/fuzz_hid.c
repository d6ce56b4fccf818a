/* SPDX-License-Identifier: MIT */
/*
 * A host and a source against an input device on USB: the input is a sequence of packets,
 * requests, port resets and events. At the end the host, asking, hears of the keys that the
 * source has left down, and of no others.
 */
#include <linux/hid.h>
#include <stdlib.h>
#include <string.h>

#include "devices/usb/hid.h"
#include "tests/fuzz/input.h"
#include "tests/usb_host.h"
#include "vmm/util.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)
#define STEPS 400
#define FLOOD 200

struct host {
	struct usb_bus bus;
	struct hid *h;
	struct usb_device *dev;
	struct input_sink sink;
	enum input_kind kind;
	uint8_t buf[1024];
};

static void feedback(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	const struct host *host = ctx;

	CHECK(host->kind == INPUT_KEYBOARD && (type == EV_SYN || type == EV_LED));
	CHECK(code <= LED_SCROLLL && (value & ~1) == 0);
}

static void check_answer(int ret, unsigned len)
{
	CHECK(ret == -11 || ret == -32 || ret == -5 || (ret >= 0 && (unsigned)ret <= len));
}

/* What becomes of a packet must not depend on what is behind the buffer. */
static void one_in(struct host *host, struct input *in)
{
	unsigned ep = take(in, 1), len = take(in, 1);
	uint8_t *data = malloc(len + 1);

	data[len] = 0x5a;
	check_answer(usb_in(host->dev, ep % 18, data, len), len);
	CHECK(data[len] == 0x5a);
	free(data);
}

static void one_out(struct host *host, struct input *in)
{
	unsigned ep = take(in, 1), len = take(in, 1);
	uint8_t *data = malloc(len + 1);

	memset(data, take(in, 1), len);
	check_answer(usb_out(host->dev, ep % 18, data, len), 0);
	free(data);
}

static void one_setup(struct host *host, struct input *in)
{
	uint8_t packet[8];

	store_le(packet, 8, take(in, 8));
	usb_setup(host->dev, packet);
}

/* One that is likely to be carried out. */
static void one_request(struct host *host, struct input *in)
{
	static const uint8_t types[] = { 0x00, 0x01, 0x02, 0x21, 0x80, 0x81, 0x82, 0xa1 };
	unsigned type = types[take(in, 1) % ARRAY_SIZE(types)], request = take(in, 1) % 16;
	unsigned value = take(in, 2), index = take(in, 1), len = take(in, 1);

	/* Its address and configuration are where the end looks for it. */
	if (type == 0 && (request == USB_REQ_SET_ADDRESS || request == USB_REQ_SET_CONFIGURATION))
		return;
	memset(host->buf, value, sizeof(host->buf));
	check_answer(usb_host_control(host->dev, type, request, value, index, host->buf, len),
		     len);
}

static void one_event(struct host *host, struct input *in)
{
	static const uint16_t types[] = { EV_SYN, EV_KEY, EV_REL, EV_ABS, EV_MSC, EV_LED, EV_KEY };
	unsigned how = take(in, 1);
	uint16_t type = types[how % ARRAY_SIZE(types)], code = take(in, how & 0x80 ? 2 : 1);
	int32_t value = how & 0x40 ? (int32_t)take(in, 4) : (int8_t)take(in, 1);

	input_send(&host->sink, type, code, value);
}

static void flood(struct host *host, struct input *in)
{
	unsigned code = take(in, 1);

	for (unsigned i = 0; i < FLOOD; i++) {
		input_send(&host->sink, EV_KEY, code, !(i & 1));
		input_send(&host->sink, EV_REL, REL_X, 300);
		input_send(&host->sink, EV_ABS, ABS_X, i);
		input_sync(&host->sink);
	}
}

static void step(struct host *host, struct input *in)
{
	switch (take(in, 1) % 9) {
	case 0: one_in(host, in); break;
	case 1: one_out(host, in); break;
	case 2: one_setup(host, in); break;
	case 3: one_request(host, in); break;
	case 4: one_event(host, in); break;
	case 5: input_sync(&host->sink); break;
	case 6: flood(host, in); break;
	case 7: usb_device_enable(host->dev, take(in, 1) & 1); break;
	case 8: check_answer(usb_in(host->dev, 1, host->buf, 64), 64); break;
	}
}

/* All reports there are, the last one in @r; what it is compared with in @now. */
static void compare(struct host *host)
{
	uint8_t now[64], r[64] = { 0 };
	unsigned left = 1000;
	int len, n = 0;

	usb_host_configure(host->dev);
	input_sync(&host->sink);
	while ((len = usb_in(host->dev, 1, r, sizeof(r))) >= 0) {
		CHECK(--left);
		n = len;
	}
	CHECK(len == -11);
	len = usb_host_control(host->dev, 0xa1, HID_REQ_GET_REPORT, 0x100, 0, now, sizeof(now));
	/* Without any report everything is as if nothing had happened. */
	CHECK(len > 0 && (!n || n == len) && !memcmp(now, r, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct host *host = calloc(1, sizeof(*host));
	struct hid_params params = { .kind = take(&in, 1) % INPUT_MULTITOUCH };
	struct loop *loop;

	host->kind = params.kind;
	params.feedback = (struct input_sink){ feedback, host };
	if (loop_create(&loop) < 0 || hid_create(&host->h, loop, &params) < 0)
		abort();
	usb_bus_init(&host->bus, NULL, NULL);
	host->dev = hid_device(host->h);
	host->sink = hid_sink(host->h);
	usb_host_start(&host->bus, host->dev);
	for (unsigned i = 0; i < STEPS && in.left; i++)
		step(host, &in);
	compare(host);
	hid_destroy(host->h);
	loop_destroy(loop);
	free(host);
	return 0;
}
