/* SPDX-License-Identifier: MIT */
/* What a host may ask of any USB device, and what it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>

#include "tests/usb_host.h"
#include "vmm/util.h"

#define IN USB_DIR_IN
#define VENDOR_IN (USB_DIR_IN | USB_TYPE_VENDOR)
#define VENDOR_OUT USB_TYPE_VENDOR
#define TO_INTERFACE USB_RECIP_INTERFACE
#define TO_ENDPOINT USB_RECIP_ENDPOINT
#define IN_EP 0x81
#define OUT_EP 0x02
#define BULK 512

static const struct usb_device_descriptor device_descriptor = {
	.bLength = USB_DT_DEVICE_SIZE,
	.bDescriptorType = USB_DT_DEVICE,
	.bcdUSB = 0x200,
	.bMaxPacketSize0 = 64,
	.iProduct = 2,
	.bNumConfigurations = 1,
};

static const struct usb_qualifier_descriptor qualifier = {
	.bLength = sizeof(qualifier),
	.bDescriptorType = USB_DT_DEVICE_QUALIFIER,
};

#define CONFIG_LEN (9 + 9 + 7 + 7)
static const uint8_t config[] = {
	9, USB_DT_CONFIG, CONFIG_LEN, 0, 1, 3, 0,
	USB_CONFIG_ATT_ONE | USB_CONFIG_ATT_SELFPOWER | USB_CONFIG_ATT_WAKEUP, 0,
	9, USB_DT_INTERFACE, 0, 0, 2, 0xff, 0, 0, 0,
	7, USB_DT_ENDPOINT, IN_EP, USB_ENDPOINT_XFER_BULK, BULK & 0xff, BULK >> 8, 0,
	7, USB_DT_ENDPOINT, OUT_EP, USB_ENDPOINT_XFER_BULK, BULK & 0xff, BULK >> 8, 0,
};
_Static_assert(sizeof(config) == CONFIG_LEN, "wTotalLength");

static const char *const strings[] = {
	"abc",
	"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff\xed\xa0\x80" "z",
	"0123456789012345678901234567890123456789012345678901234567890123456789"
	"01234567890123456789012345678901234567890123456789012345678901234567890123456789",
	"\xe2\x82",
	"\xc1\x80\xc2\x80\xe0\xa0\x80\xee\x80\x80\xf0\x90\x80\x80\xf4\x90\x80\x80\xf5\x80\x7f",
	NULL,
};

static const struct usb_descriptors descriptors = {
	&device_descriptor, &qualifier, config, strings,
};

struct fixture {
	struct usb_bus bus;
	struct usb_device dev;
	unsigned resets, requests, ins, outs, readies;
	struct usb_ctrlrequest last;	/* that the device was given */
	uint8_t data[USB_CONTROL_MAX];	/* of it; or what it answers with */
	int answer;
	unsigned last_len;
};

static void dev_reset(struct usb_device *dev)
{
	((struct fixture *)dev->priv)->resets++;
}

static int dev_control(struct usb_device *dev, const struct usb_ctrlrequest *req, void *data)
{
	struct fixture *t = dev->priv;

	t->requests++;
	t->last = *req;
	if (req->bRequestType & IN)
		memcpy(data, t->data, MAX(t->answer, 0));
	else
		memcpy(t->data, data, req->wLength);
	return t->answer;
}

static int dev_in(struct usb_device *dev, unsigned ep, void *data, unsigned len)
{
	struct fixture *t = dev->priv;

	t->ins++;
	t->last_len = len;
	memset(data, 0x55, len);
	return len;
}

static int dev_out(struct usb_device *dev, unsigned ep, const void *data, unsigned len)
{
	struct fixture *t = dev->priv;

	t->outs++;
	t->last_len = len;
	return 0;
}

static const struct usb_device_ops ops = { dev_reset, dev_control, dev_in, dev_out };

static void on_ready(void *ctx)
{
	((struct fixture *)ctx)->readies++;
}

static void init_device(struct fixture *t, struct usb_device *dev)
{
	*dev = (struct usb_device){
		.name = "test", .ops = &ops, .descriptors = &descriptors, .priv = t,
	};
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	usb_bus_init(&t->bus, on_ready, t);
	init_device(t, &t->dev);
	usb_host_start(&t->bus, &t->dev);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static int get(struct fixture *t, unsigned type, unsigned request, unsigned value, unsigned index,
	       void *data, unsigned len)
{
	return usb_host_control(&t->dev, type | IN, request, value, index, data, len);
}

static int put(struct fixture *t, unsigned type, unsigned request, unsigned value, unsigned index)
{
	return usb_host_control(&t->dev, type, request, value, index, NULL, 0);
}

/* --- descriptors ------------------------------------------------------------------- */

static void descriptors_come_as_long_as_they_are_asked_for(void **state)
{
	struct fixture *t = *state;
	uint8_t data[255];

	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_DEVICE << 8, 0, data, 255), 18);
	assert_memory_equal(data, &device_descriptor, 18);
	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_DEVICE << 8, 0, data, 8), 8);
	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_CONFIG << 8, 0, data, 9), 9);
	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_CONFIG << 8, 0, data, 255),
			 CONFIG_LEN);
	assert_memory_equal(data, config, CONFIG_LEN);
	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_DEVICE_QUALIFIER << 8, 0, data,
			     255), sizeof(qualifier));
	assert_int_equal(t->requests, 0);
}

static void a_descriptor_that_is_not_there_is_the_devices_business(void **state)
{
	struct fixture *t = *state;
	uint8_t data[8];

	t->answer = 5;
	assert_int_equal(get(t, TO_INTERFACE, USB_REQ_GET_DESCRIPTOR, 0x2200, 0, data, 8), 5);
	assert_int_equal(t->last.wValue, 0x2200);
	t->answer = -EPIPE;
	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_CONFIG << 8 | 1, 0, data, 8),
			 -EPIPE);
	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_BOS << 8, 0, data, 8), -EPIPE);
	assert_int_equal(t->requests, 3);
}

static void without_a_qualifier_a_device_has_one_speed(void **state)
{
	struct fixture *t = *state;
	struct usb_descriptors none = descriptors;
	uint8_t data[10];

	none.qualifier = NULL;
	t->dev.descriptors = &none;
	t->answer = -EPIPE;
	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_DEVICE_QUALIFIER << 8, 0, data,
			     10), -EPIPE);
}

static void strings_are_utf16(void **state)
{
	struct fixture *t = *state;
	static const uint8_t abc[] = { 8, USB_DT_STRING, 'a', 0, 'b', 0, 'c', 0 };
	/* e acute, euro, a pair, one byte that is wrong, a surrogate's three, z */
	static const uint8_t rare[] = {
		20, USB_DT_STRING, 0xe9, 0, 0xac, 0x20, 0x3d, 0xd8, 0x00, 0xde, 0xfd, 0xff,
		0xfd, 0xff, 'z', 0,
	};
	uint8_t data[255];

	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_STRING << 8, 0, data, 255), 4);
	assert_int_equal(load_le(data + 2, 2), 0x409);
	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_STRING << 8 | 1, 0x409, data,
			     255), sizeof(abc));
	assert_memory_equal(data, abc, sizeof(abc));
	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_STRING << 8 | 2, 0x409, data,
			     255), sizeof(rare));
	assert_memory_equal(data + 2, rare + 2, sizeof(rare) - 2);
}

static void what_is_no_character_is_replaced(void **state)
{
	struct fixture *t = *state;
	/* Two bytes of one that is longer than it need be; the first of each length and kind. */
	static const uint16_t expect[] = {
		0xfffd, 0xfffd, 0x80, 0x800, 0xe000, 0xd800, 0xdc00, 0xfffd, 0xfffd, 0xfffd, 0x7f,
	};
	uint8_t data[255];

	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_STRING << 8 | 5, 0x409, data,
			     255), 2 + sizeof(expect));
	for (unsigned i = 0; i < ARRAY_SIZE(expect); i++)
		assert_int_equal(load_le(data + 2 + 2 * i, 2), expect[i]);
}

static void a_device_may_have_nothing_to_say_of_itself(void **state)
{
	struct fixture *t = *state;
	struct usb_descriptors none = descriptors;
	uint8_t plain[CONFIG_LEN], data[2];

	memcpy(plain, config, sizeof(plain));
	plain[7] = USB_CONFIG_ATT_ONE;
	none.strings = NULL;
	none.config = plain;
	t->dev.descriptors = &none;
	t->answer = -EPIPE;
	assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_STRING << 8, 0, data, 2),
			 -EPIPE);
	assert_int_equal(get(t, 0, USB_REQ_GET_STATUS, 0, 0, data, 2), 2);
	assert_int_equal(load_le(data, 2), 0);
	assert_int_equal(put(t, 0, USB_REQ_SET_FEATURE, USB_DEVICE_REMOTE_WAKEUP, 0), -EPIPE);
	t->dev.descriptors = &descriptors;
}

static void strings_end_where_a_descriptor_does(void **state)
{
	struct fixture *t = *state;
	uint8_t data[255];
	int n = get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_STRING << 8 | 3, 0x409, data, 255);

	/* The last two bytes are for one that would need a pair. */
	assert_int_equal(n, 252);
	assert_int_equal(data[0], n);
	/* A string that ends within a character. */
	n = get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_STRING << 8 | 4, 0x409, data, 255);
	assert_int_equal(load_le(data + 2, 2), 0xfffd);
	t->answer = -EPIPE;
	for (unsigned i = 6; i < 256; i++)
		assert_int_equal(get(t, 0, USB_REQ_GET_DESCRIPTOR, USB_DT_STRING << 8 | i, 0x409,
				     data, 255), -EPIPE);
}

/* --- other requests ------------------------------------------------------------------ */

static void status_tells_power_wakeup_and_halts(void **state)
{
	struct fixture *t = *state;
	uint8_t data[2];

	assert_int_equal(get(t, 0, USB_REQ_GET_STATUS, 0, 0, data, 2), 2);
	assert_int_equal(load_le(data, 2), 1);
	assert_int_equal(put(t, 0, USB_REQ_SET_FEATURE, USB_DEVICE_REMOTE_WAKEUP, 0), 0);
	get(t, 0, USB_REQ_GET_STATUS, 0, 0, data, 2);
	assert_int_equal(load_le(data, 2), 3);
	assert_int_equal(put(t, 0, USB_REQ_CLEAR_FEATURE, USB_DEVICE_REMOTE_WAKEUP, 0), 0);
	get(t, 0, USB_REQ_GET_STATUS, 0, 0, data, 2);
	assert_int_equal(load_le(data, 2), 1);
	assert_int_equal(get(t, TO_INTERFACE, USB_REQ_GET_STATUS, 0, 0, data, 2), 2);
	assert_int_equal(load_le(data, 2), 0);
	assert_int_equal(get(t, TO_ENDPOINT, USB_REQ_GET_STATUS, 0, 0, data, 2), 2);
	assert_int_equal(get(t, TO_ENDPOINT, USB_REQ_GET_STATUS, 0, IN_EP, data, 2), 2);
	assert_int_equal(load_le(data, 2), 0);
	/* Each of them alone. */
	usb_halt(&t->dev, 2, true);
	get(t, TO_ENDPOINT, USB_REQ_GET_STATUS, 0, IN_EP, data, 2);
	assert_int_equal(load_le(data, 2), 0);
	assert_int_equal(usb_in(&t->dev, 1, data, 2), 2);
	usb_halt(&t->dev, 1, true);
	get(t, TO_ENDPOINT, USB_REQ_GET_STATUS, 0, IN_EP, data, 2);
	assert_int_equal(load_le(data, 2), 1);
}

static void a_halted_endpoint_stalls_until_it_is_cleared(void **state)
{
	struct fixture *t = *state;
	uint8_t data[BULK];

	assert_int_equal(put(t, TO_ENDPOINT, USB_REQ_SET_FEATURE, USB_ENDPOINT_HALT, IN_EP), 0);
	assert_int_equal(usb_in(&t->dev, 1, data, BULK), -EPIPE);
	assert_int_equal(usb_out(&t->dev, 2, data, 1), 0);
	assert_int_equal(put(t, TO_ENDPOINT, USB_REQ_CLEAR_FEATURE, USB_ENDPOINT_HALT, IN_EP), 0);
	assert_int_equal(usb_in(&t->dev, 1, data, BULK), BULK);
	usb_halt(&t->dev, 2, false);
	assert_int_equal(usb_out(&t->dev, 2, data, 1), -EPIPE);
	assert_int_equal(put(t, 0, USB_REQ_SET_CONFIGURATION, 3, 0), 0);
	assert_int_equal(usb_out(&t->dev, 2, data, 1), 0);
}

static void features_that_nobody_has_are_refused(void **state)
{
	struct fixture *t = *state;
	uint8_t data[2];

	t->answer = -EPIPE;
	assert_int_equal(put(t, 0, USB_REQ_SET_FEATURE, USB_DEVICE_TEST_MODE, 0x100), -EPIPE);
	assert_int_equal(put(t, TO_ENDPOINT, USB_REQ_SET_FEATURE, 1, IN_EP), -EPIPE);
	assert_int_equal(put(t, TO_ENDPOINT, USB_REQ_SET_FEATURE, USB_ENDPOINT_HALT, 0), -EPIPE);
	assert_int_equal(put(t, TO_ENDPOINT, USB_REQ_SET_FEATURE, USB_ENDPOINT_HALT, 0x8f),
			 -EPIPE);
	assert_int_equal(put(t, TO_ENDPOINT, USB_REQ_SET_FEATURE, USB_ENDPOINT_HALT, 0x1081),
			 -EPIPE);
	assert_int_equal(put(t, TO_ENDPOINT, USB_REQ_SET_CONFIGURATION, USB_ENDPOINT_HALT, IN_EP),
			 -EPIPE);
	assert_int_equal(put(t, TO_ENDPOINT, USB_REQ_SET_FEATURE, USB_ENDPOINT_HALT, 0x70), -EPIPE);
	/* In the other direction. */
	assert_int_equal(put(t, TO_ENDPOINT, USB_REQ_GET_STATUS, 0, IN_EP), -EPIPE);
	assert_int_equal(get(t, TO_ENDPOINT, USB_REQ_SYNCH_FRAME, 0, IN_EP, data, 2), -EPIPE);
	assert_int_equal(get(t, TO_ENDPOINT, USB_REQ_SET_FEATURE, USB_ENDPOINT_HALT, IN_EP, data,
			     2), -EPIPE);
	/* The numbers of standard requests, by a vendor. */
	assert_int_equal(get(t, VENDOR_IN, USB_REQ_GET_CONFIGURATION, 0, 0, data, 1), -EPIPE);
	assert_int_equal(get(t, VENDOR_IN | TO_ENDPOINT, USB_REQ_GET_STATUS, 0, 0, data, 2),
			 -EPIPE);
	assert_int_equal(put(t, USB_RECIP_OTHER, USB_REQ_SET_FEATURE, 0, 0), -EPIPE);
}

static void configurations_and_interfaces(void **state)
{
	struct fixture *t = *state;
	uint8_t data[2] = { 0 };

	t->answer = -EPIPE;
	assert_int_equal(get(t, 0, USB_REQ_GET_CONFIGURATION, 0, 0, data, 1), 1);
	assert_int_equal(data[0], 3);
	assert_int_equal(put(t, 0, USB_REQ_SET_CONFIGURATION, 2, 0), -EPIPE);
	assert_int_equal(put(t, 0, USB_REQ_SET_CONFIGURATION, 0x100, 0), -EPIPE);
	assert_int_equal(get(t, TO_INTERFACE, USB_REQ_GET_INTERFACE, 0, 0, data, 1), 1);
	assert_int_equal(data[0], 0);
	assert_int_equal(put(t, TO_INTERFACE, USB_REQ_SET_INTERFACE, 0, 0), 0);
	assert_int_equal(put(t, TO_INTERFACE, USB_REQ_SET_INTERFACE, 1, 0), -EPIPE);
	assert_int_equal(put(t, TO_INTERFACE, USB_REQ_SET_INTERFACE, 0, 1), -EPIPE);
	assert_int_equal(put(t, 0, USB_REQ_SET_CONFIGURATION, 0, 0), 0);
	assert_int_equal(put(t, TO_INTERFACE, USB_REQ_SET_INTERFACE, 0, 0), -EPIPE);
	assert_int_equal(usb_in(&t->dev, 1, data, 2), -EIO);
}

static void an_address_counts_after_the_status_stage(void **state)
{
	struct fixture *t = *state;

	usb_host_setup(&t->dev, 0, USB_REQ_SET_ADDRESS, 127, 0, 0);
	assert_ptr_equal(usb_bus_find(&t->bus, 1), &t->dev);
	assert_null(usb_bus_find(&t->bus, 127));
	assert_int_equal(usb_in(&t->dev, 0, NULL, 0), 0);
	assert_ptr_equal(usb_bus_find(&t->bus, 127), &t->dev);
	t->answer = -EPIPE;
	assert_int_equal(put(t, 0, USB_REQ_SET_ADDRESS, 128, 0), -EPIPE);
	assert_ptr_equal(usb_bus_find(&t->bus, 127), &t->dev);
}

static void other_requests_are_the_devices(void **state)
{
	struct fixture *t = *state;
	uint8_t data[200], back[200];

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = i;
	assert_int_equal(usb_host_control(&t->dev, VENDOR_OUT, 7, 8, 9, data, 200), 0);
	assert_int_equal(t->last.bRequest, 7);
	assert_int_equal(t->last.wValue, 8);
	assert_int_equal(t->last.wIndex, 9);
	assert_memory_equal(t->data, data, 200);
	t->answer = 130;
	assert_int_equal(get(t, VENDOR_IN, 1, 0, 0, back, 200), 130);
	assert_memory_equal(back, data, 130);
	/* Two full packets, so that an empty one has to follow. */
	t->answer = 128;
	assert_int_equal(get(t, VENDOR_IN, 1, 0, 0, back, 200), 128);
	assert_int_equal(get(t, VENDOR_IN, 1, 0, 0, back, 128), 128);
	t->answer = 0;
	assert_int_equal(get(t, VENDOR_IN, 1, 0, 0, back, 8), 0);
	/* A request without data has no direction: it is carried out at its end. */
	assert_int_equal(usb_host_setup(&t->dev, VENDOR_IN, 3, 0, 0, 0), 0);
	assert_int_not_equal(t->last.bRequest, 3);
	assert_int_equal(usb_in(&t->dev, 0, NULL, 0), 0);
	assert_int_equal(t->last.bRequest, 3);
}

static void a_device_that_knows_no_requests_stalls_them(void **state)
{
	static const struct usb_device_ops none;
	struct fixture *t = *state;
	uint8_t data[8];

	t->dev.ops = &none;
	assert_int_equal(get(t, VENDOR_IN, 1, 0, 0, data, 8), -EPIPE);
	assert_int_equal(put(t, VENDOR_OUT, 1, 0, 0), -EPIPE);
	assert_int_equal(usb_in(&t->dev, 1, data, 8), -EAGAIN);
	assert_int_equal(usb_out(&t->dev, 2, data, 8), -EAGAIN);
	usb_device_enable(&t->dev, true);
}

/* --- orders that are out of order -------------------------------------------------------- */

static void packets_without_setup_are_stalled(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64] = { 0 };

	assert_int_equal(usb_in(&t->dev, 0, data, 64), -EPIPE);
	assert_int_equal(usb_out(&t->dev, 0, data, 0), -EPIPE);
	assert_int_equal(usb_out(&t->dev, 0, data, 64), -EPIPE);
	/* And a stall ends with the next SETUP. */
	assert_int_equal(get(t, 0, USB_REQ_GET_STATUS, 0, 0, data, 2), 2);
}

static void more_data_than_was_announced_is_stalled(void **state)
{
	struct fixture *t = *state;
	uint8_t data[128] = { 0 };

	usb_host_setup(&t->dev, VENDOR_OUT, 1, 0, 0, 4);
	assert_int_equal(usb_out(&t->dev, 0, data, 5), -EPIPE);
	assert_int_equal(usb_out(&t->dev, 0, data, 4), -EPIPE);
	usb_host_setup(&t->dev, VENDOR_OUT, 1, 0, 0, 100);
	assert_int_equal(usb_out(&t->dev, 0, data, 64), 0);
	assert_int_equal(usb_out(&t->dev, 0, data, 37), -EPIPE);
	usb_host_setup(&t->dev, VENDOR_OUT, 1, 0, 0, 128);
	assert_int_equal(usb_out(&t->dev, 0, data, 65), -EPIPE);
	usb_host_setup(&t->dev, VENDOR_OUT, 1, 0, 0, 64);
	assert_int_equal(usb_out(&t->dev, 0, data, 64), 0);
	assert_int_equal(usb_out(&t->dev, 0, data, 1), -EPIPE);
	usb_host_setup(&t->dev, VENDOR_OUT, 1, 0, 0, 64);
	assert_int_equal(usb_out(&t->dev, 0, data, 32), 0);
	assert_int_equal(usb_in(&t->dev, 0, data, 0), -EPIPE);
	assert_int_equal(t->requests, 0);
	/* Asking once more, after all of it. */
	usb_host_setup(&t->dev, IN, USB_REQ_GET_STATUS, 0, 0, 2);
	assert_int_equal(usb_in(&t->dev, 0, data, 64), 2);
	assert_int_equal(usb_in(&t->dev, 0, data, 64), -EPIPE);
	/* Data where a status was due. */
	usb_host_setup(&t->dev, IN, USB_REQ_GET_STATUS, 0, 0, 2);
	assert_int_equal(usb_in(&t->dev, 0, data, 64), 2);
	assert_int_equal(usb_out(&t->dev, 0, data, 1), -EPIPE);
}

static void an_answer_has_an_end(void **state)
{
	static const struct { int answer; unsigned asked, packets[4]; } answers[] = {
		{ 130, 200, { 64, 64, 2 } }, { 128, 200, { 64, 64, 0 } },
		{ 130, 130, { 64, 64, 2 } },
	};
	struct fixture *t = *state;
	uint8_t data[512];

	for (unsigned i = 0; i < ARRAY_SIZE(answers); i++) {
		t->answer = answers[i].answer;
		usb_host_setup(&t->dev, VENDOR_IN, 1, 0, 0, answers[i].asked);
		for (unsigned n = 0; n < 3; n++)
			assert_int_equal(usb_in(&t->dev, 0, data, 512), answers[i].packets[n]);
		assert_int_equal(usb_in(&t->dev, 0, data, 512), -EPIPE);
	}
	/* All that was asked for, without a packet that is not full. */
	t->answer = 64;
	usb_host_setup(&t->dev, VENDOR_IN, 1, 0, 0, 64);
	assert_int_equal(usb_in(&t->dev, 0, data, 512), 64);
	assert_int_equal(usb_in(&t->dev, 0, data, 512), -EPIPE);
}

static void a_host_may_stop_reading_before_the_end(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64];

	t->answer = 200;
	usb_host_setup(&t->dev, VENDOR_IN, 1, 0, 0, 255);
	assert_int_equal(usb_in(&t->dev, 0, data, 64), 64);
	assert_int_equal(usb_out(&t->dev, 0, data, 0), 0);
	assert_int_equal(usb_in(&t->dev, 0, data, 64), -EPIPE);
}

static void the_longest_requests_are_bounded(void **state)
{
	struct fixture *t = *state;
	uint8_t *data = calloc(1, 65535);

	t->answer = USB_CONTROL_MAX;
	assert_int_equal(get(t, VENDOR_IN, 1, 0, 0, data, 65535), USB_CONTROL_MAX);
	assert_int_equal(t->last.wLength, USB_CONTROL_MAX);
	t->answer = 0;
	t->requests = 0;
	assert_int_equal(usb_host_control(&t->dev, VENDOR_OUT, 1, 0, 0, data, 65535), -EPIPE);
	assert_int_equal(usb_host_control(&t->dev, VENDOR_OUT, 1, 0, 0, data, USB_CONTROL_MAX + 1),
			 -EPIPE);
	/* Nor what came for the request before it. */
	usb_host_setup(&t->dev, VENDOR_OUT, 1, 0, 0, 64);
	usb_host_setup(&t->dev, VENDOR_OUT, 1, 0, 0, 65535);
	assert_int_equal(usb_out(&t->dev, 0, data, 64), -EPIPE);
	assert_int_equal(t->requests, 0);
	assert_int_equal(usb_host_control(&t->dev, VENDOR_OUT, 1, 0, 0, data, USB_CONTROL_MAX), 0);
	assert_int_equal(t->requests, 1);
	free(data);
}

static void a_setup_ends_what_was_under_way(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64] = { 0 };

	usb_host_setup(&t->dev, VENDOR_OUT, 1, 0, 0, 200);
	assert_int_equal(usb_out(&t->dev, 0, data, 64), 0);
	assert_int_equal(get(t, 0, USB_REQ_GET_CONFIGURATION, 0, 0, data, 1), 1);
	assert_int_equal(t->requests, 0);
	t->answer = 200;
	usb_host_setup(&t->dev, VENDOR_IN, 1, 0, 0, 200);
	assert_int_equal(usb_in(&t->dev, 0, data, 64), 64);
	usb_host_setup(&t->dev, IN, USB_REQ_GET_STATUS, 0, 0, 2);
	assert_int_equal(usb_in(&t->dev, 0, data, 64), 2);
	/* An address that was never confirmed. */
	usb_host_setup(&t->dev, 0, USB_REQ_SET_ADDRESS, 99, 0, 0);
	get(t, 0, USB_REQ_GET_CONFIGURATION, 0, 0, data, 1);
	assert_null(usb_bus_find(&t->bus, 99));
}

static void endpoints_that_are_not_there_do_not_answer(void **state)
{
	struct fixture *t = *state;
	static const unsigned eps[] = { 2, 3, 15, 16, 17, 0x81, 0x80, 256, 65536, UINT32_MAX };
	uint8_t data[8];

	for (unsigned i = 0; i < ARRAY_SIZE(eps); i++)
		assert_int_equal(usb_in(&t->dev, eps[i], data, 8), -EIO);
	for (unsigned i = 1; i < ARRAY_SIZE(eps); i++)
		assert_int_equal(usb_out(&t->dev, eps[i], data, 8), -EIO);
	assert_int_equal(usb_out(&t->dev, 1, data, 8), -EIO);
	assert_int_equal(t->ins + t->outs, 0);
}

static void packets_are_no_longer_than_the_endpoint_says(void **state)
{
	struct fixture *t = *state;
	uint8_t data[4096];

	assert_int_equal(usb_in(&t->dev, 1, data, 4096), BULK);
	assert_int_equal(t->last_len, BULK);
	assert_int_equal(usb_out(&t->dev, 2, data, BULK + 1), -EIO);
	assert_int_equal(t->outs, 0);
	assert_int_equal(usb_out(&t->dev, 2, data, BULK), 0);
	assert_int_equal(t->last_len, BULK);
}

/* --- the bus --------------------------------------------------------------------------------- */

static void nobody_answers_behind_a_disabled_port(void **state)
{
	struct fixture *t = *state;
	uint8_t data[8] = { 0 };

	usb_device_enable(&t->dev, false);
	for (unsigned address = 0; address < 128; address++)
		assert_null(usb_bus_find(&t->bus, address));
	assert_int_equal(usb_setup(&t->dev, data), -EIO);
	assert_int_equal(usb_in(&t->dev, 0, data, 8), -EIO);
	assert_int_equal(usb_out(&t->dev, 0, data, 8), -EIO);
	assert_int_equal(usb_in(&t->dev, 1, data, 8), -EIO);
	assert_int_equal(usb_out(&t->dev, 2, data, 8), -EIO);
}

static void a_reset_port_has_a_new_device(void **state)
{
	struct fixture *t = *state;
	uint8_t data[8];

	usb_halt(&t->dev, 1, true);
	put(t, 0, USB_REQ_SET_FEATURE, USB_DEVICE_REMOTE_WAKEUP, 0);
	usb_host_setup(&t->dev, VENDOR_OUT, 1, 0, 0, 8);
	t->resets = 0;
	usb_device_enable(&t->dev, true);
	assert_int_equal(t->resets, 1);
	assert_ptr_equal(usb_bus_find(&t->bus, 0), &t->dev);
	assert_int_equal(usb_out(&t->dev, 0, data, 8), -EPIPE);
	assert_int_equal(usb_in(&t->dev, 1, data, 8), -EIO);
	get(t, 0, USB_REQ_GET_STATUS, 0, 0, data, 2);
	assert_int_equal(load_le(data, 2), 1);
	usb_host_configure(&t->dev);
	assert_int_equal(usb_in(&t->dev, 1, data, 8), 8);
}

static void of_several_without_an_address_the_first_answers(void **state)
{
	struct fixture *t = *state;
	struct usb_device *other = calloc(1, sizeof(*other));

	init_device(t, other);
	assert_int_equal(usb_bus_attach(&t->bus, other), 0);
	usb_device_enable(other, true);
	assert_ptr_equal(usb_bus_find(&t->bus, 0), other);
	usb_device_enable(&t->dev, true);
	assert_ptr_equal(usb_bus_find(&t->bus, 0), &t->dev);
	usb_bus_reset(&t->bus);
	assert_null(usb_bus_find(&t->bus, 0));
	usb_ready(other);
	assert_int_equal(t->readies, 1);
	free(other);
}

static void a_bus_has_an_end(void **state)
{
	struct fixture *t = *state;
	struct usb_device *more = calloc(USB_BUS_MAX_DEVICES, sizeof(*more));

	for (unsigned i = 0; i < USB_BUS_MAX_DEVICES; i++) {
		init_device(t, &more[i]);
		more[i].enabled = true;
		assert_int_equal(usb_bus_attach(&t->bus, &more[i]),
				 i < USB_BUS_MAX_DEVICES - 1 ? 0 : -ENOSPC);
	}
	assert_null(usb_bus_find(&t->bus, 0));
	/* One that is on no bus has nobody to tell. */
	usb_ready(&more[USB_BUS_MAX_DEVICES - 1]);
	assert_int_equal(t->readies, 0);
	free(more);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(descriptors_come_as_long_as_they_are_asked_for),
		TEST(a_descriptor_that_is_not_there_is_the_devices_business),
		TEST(without_a_qualifier_a_device_has_one_speed),
		TEST(strings_are_utf16),
		TEST(what_is_no_character_is_replaced),
		TEST(a_device_may_have_nothing_to_say_of_itself),
		TEST(strings_end_where_a_descriptor_does),
		TEST(status_tells_power_wakeup_and_halts),
		TEST(a_halted_endpoint_stalls_until_it_is_cleared),
		TEST(features_that_nobody_has_are_refused),
		TEST(configurations_and_interfaces),
		TEST(an_address_counts_after_the_status_stage),
		TEST(other_requests_are_the_devices),
		TEST(a_device_that_knows_no_requests_stalls_them),
		TEST(packets_without_setup_are_stalled),
		TEST(more_data_than_was_announced_is_stalled),
		TEST(an_answer_has_an_end),
		TEST(a_host_may_stop_reading_before_the_end),
		TEST(the_longest_requests_are_bounded),
		TEST(a_setup_ends_what_was_under_way),
		TEST(endpoints_that_are_not_there_do_not_answer),
		TEST(packets_are_no_longer_than_the_endpoint_says),
		TEST(nobody_answers_behind_a_disabled_port),
		TEST(a_reset_port_has_a_new_device),
		TEST(of_several_without_an_address_the_first_answers),
		TEST(a_bus_has_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
