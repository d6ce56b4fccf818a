/* SPDX-License-Identifier: MIT */
/* A hub, as a host's driver uses it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/usb/ch11.h>

#include "devices/usb/hub.h"
#include "tests/usb_host.h"
#include "vmm/util.h"

#define HUB_IN (USB_DIR_IN | USB_RT_HUB)
#define PORT_IN (USB_DIR_IN | USB_RT_PORT)

static const struct usb_device_descriptor child_device = {
	.bLength = USB_DT_DEVICE_SIZE,
	.bDescriptorType = USB_DT_DEVICE,
};
static const uint8_t child_config[] = { 9, USB_DT_CONFIG, 9, 0, 0, 1, 0, 0x80, 0 };
static const struct usb_descriptors child_descriptors = { &child_device, NULL, child_config, NULL };

struct fixture {
	struct usb_bus bus;
	struct usb_hub hub;
	struct usb_device child[2];
	unsigned ready, resets;
};

static void ready(void *ctx)
{
	struct fixture *t = ctx;

	t->ready++;
}

static void child_reset(struct usb_device *dev)
{
	struct fixture *t = dev->priv;

	t->resets++;
}

static const struct usb_device_ops child_ops = { .reset = child_reset };

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	usb_bus_init(&t->bus, ready, t);
	usb_hub_init(&t->hub);
	for (unsigned i = 0; i < 2; i++)
		t->child[i] = (struct usb_device){ .ops = &child_ops, .priv = t,
						   .descriptors = &child_descriptors };
	assert_int_equal(usb_bus_attach(&t->bus, &t->hub.dev), 0);
	assert_int_equal(usb_hub_plug(&t->hub, 1, &t->child[0]), 0);
	assert_int_equal(usb_hub_plug(&t->hub, 3, &t->child[1]), 0);
	usb_host_configure(&t->hub.dev);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static int ask(struct fixture *t, unsigned type, unsigned request, unsigned value, unsigned index)
{
	return usb_host_control(&t->hub.dev, type, request, value, index, NULL, 0);
}

static int feature(struct fixture *t, unsigned port, unsigned value)
{
	return ask(t, USB_RT_PORT, USB_REQ_SET_FEATURE, value, port);
}

static int clear(struct fixture *t, unsigned port, unsigned value)
{
	return ask(t, USB_RT_PORT, USB_REQ_CLEAR_FEATURE, value, port);
}

/* wPortStatus, with wPortChange above. */
static uint32_t status(struct fixture *t, unsigned port)
{
	uint8_t data[4];

	assert_int_equal(usb_host_control(&t->hub.dev, PORT_IN, USB_REQ_GET_STATUS, 0, port, data,
					  4), 4);
	return load_le(data, 4);
}

/* The bits of the status change endpoint, or what it says instead. */
static int changes(struct fixture *t)
{
	uint8_t bits;
	int ret = usb_in(&t->hub.dev, 1, &bits, 1);

	return ret == 1 ? bits : ret;
}

static void a_hub_says_what_it_is(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64];

	assert_int_equal(usb_host_control(&t->hub.dev, USB_DIR_IN, USB_REQ_GET_DESCRIPTOR,
					  USB_DT_DEVICE << 8, 0, data, 64), 18);
	assert_int_equal(load_le(data + 8, 4), 0x95140424);
	assert_int_equal(usb_host_control(&t->hub.dev, HUB_IN, USB_REQ_GET_DESCRIPTOR,
					  USB_DT_HUB << 8, 0, data, 64), 9);
	assert_int_equal(data[2], USB_HUB_PORTS);
	assert_int_equal(usb_host_control(&t->hub.dev, HUB_IN, USB_REQ_GET_DESCRIPTOR,
					  USB_DT_HUB << 8, 0, data, 7), 7);
	assert_int_equal(usb_host_control(&t->hub.dev, HUB_IN, USB_REQ_GET_STATUS, 0, 0, data, 4),
			 4);
	assert_int_equal(load_le(data, 4), 0);
}

static void power_shows_who_is_connected(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(changes(t), -EAGAIN);
	for (unsigned port = 1; port <= USB_HUB_PORTS; port++) {
		assert_int_equal(status(t, port), 0);
		assert_int_equal(feature(t, port, USB_PORT_FEAT_POWER), 0);
	}
	assert_int_equal(changes(t), 1 << 1 | 1 << 3);
	assert_int_equal(t->ready, 2);
	assert_int_equal(status(t, 2), USB_PORT_STAT_POWER);
	assert_int_equal(status(t, 3), USB_PORT_STAT_POWER | USB_PORT_STAT_CONNECTION |
			 USB_PORT_STAT_C_CONNECTION << 16);
	assert_int_equal(clear(t, 3, USB_PORT_FEAT_C_CONNECTION), 0);
	assert_int_equal(clear(t, 1, USB_PORT_FEAT_C_CONNECTION), 0);
	assert_int_equal(changes(t), -EAGAIN);
	assert_int_equal(clear(t, 3, USB_PORT_FEAT_POWER), 0);
	assert_int_equal(status(t, 3), 0);
}

static void a_reset_enables_a_device(void **state)
{
	struct fixture *t = *state;
	unsigned resets;

	feature(t, 3, USB_PORT_FEAT_POWER);
	clear(t, 3, USB_PORT_FEAT_C_CONNECTION);
	assert_null(usb_bus_find(&t->bus, 0));
	resets = t->resets;
	assert_int_equal(feature(t, 3, USB_PORT_FEAT_RESET), 0);
	assert_true(t->resets > resets);
	assert_ptr_equal(usb_bus_find(&t->bus, 0), &t->child[1]);
	assert_int_equal(status(t, 3), USB_PORT_STAT_POWER | USB_PORT_STAT_CONNECTION |
			 USB_PORT_STAT_ENABLE | USB_PORT_STAT_HIGH_SPEED |
			 USB_PORT_STAT_C_RESET << 16);
	assert_int_equal(clear(t, 3, USB_PORT_FEAT_C_RESET), 0);
	assert_int_equal(clear(t, 3, USB_PORT_FEAT_ENABLE), 0);
	assert_null(usb_bus_find(&t->bus, 0));
	assert_int_equal(status(t, 3), USB_PORT_STAT_POWER | USB_PORT_STAT_CONNECTION);
}

static void without_power_nobody_answers(void **state)
{
	struct fixture *t = *state;

	feature(t, 3, USB_PORT_FEAT_POWER);
	feature(t, 3, USB_PORT_FEAT_RESET);
	/* Power that is on already changes nothing. */
	assert_int_equal(feature(t, 3, USB_PORT_FEAT_POWER), 0);
	assert_ptr_equal(usb_bus_find(&t->bus, 0), &t->child[1]);
	assert_int_equal(clear(t, 3, USB_PORT_FEAT_POWER), 0);
	assert_null(usb_bus_find(&t->bus, 0));
	assert_int_equal(status(t, 3), 0);
	assert_int_equal(changes(t), -EAGAIN);
}

static void changes_are_cleared_one_by_one(void **state)
{
	struct fixture *t = *state;
	uint32_t is = USB_PORT_STAT_POWER | USB_PORT_STAT_CONNECTION | USB_PORT_STAT_ENABLE |
		      USB_PORT_STAT_HIGH_SPEED;

	feature(t, 3, USB_PORT_FEAT_POWER);
	feature(t, 3, USB_PORT_FEAT_RESET);
	assert_int_equal(status(t, 3), is | (USB_PORT_STAT_C_CONNECTION |
					     USB_PORT_STAT_C_RESET) << 16);
	assert_int_equal(clear(t, 3, USB_PORT_FEAT_C_RESET), 0);
	assert_int_equal(status(t, 3), is | USB_PORT_STAT_C_CONNECTION << 16);
	assert_int_equal(changes(t), 1 << 3);
	assert_int_equal(clear(t, 3, USB_PORT_FEAT_C_CONNECTION), 0);
	assert_int_equal(status(t, 3), is);
}

static void a_port_is_suspended_and_resumed(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(feature(t, 3, USB_PORT_FEAT_SUSPEND), 0);
	assert_int_equal(status(t, 3), 0);
	feature(t, 3, USB_PORT_FEAT_POWER);
	feature(t, 3, USB_PORT_FEAT_RESET);
	assert_int_equal(feature(t, 3, USB_PORT_FEAT_SUSPEND), 0);
	assert_true(status(t, 3) & USB_PORT_STAT_SUSPEND);
	assert_int_equal(clear(t, 3, USB_PORT_FEAT_SUSPEND), 0);
	assert_false(status(t, 3) & USB_PORT_STAT_SUSPEND);
	assert_true(status(t, 3) & USB_PORT_STAT_C_SUSPEND << 16);
	assert_int_equal(clear(t, 3, USB_PORT_FEAT_C_SUSPEND), 0);
	assert_false(status(t, 3) & USB_PORT_STAT_C_SUSPEND << 16);
	/* What is awake already does not wake up; a reset wakes it up unheard. */
	assert_int_equal(clear(t, 3, USB_PORT_FEAT_SUSPEND), 0);
	assert_false(status(t, 3) & USB_PORT_STAT_C_SUSPEND << 16);
	feature(t, 3, USB_PORT_FEAT_SUSPEND);
	feature(t, 3, USB_PORT_FEAT_RESET);
	assert_false(status(t, 3) & (USB_PORT_STAT_SUSPEND | USB_PORT_STAT_C_SUSPEND << 16));
	/* Nor does what is not enabled sleep. */
	clear(t, 3, USB_PORT_FEAT_ENABLE);
	feature(t, 3, USB_PORT_FEAT_SUSPEND);
	assert_false(status(t, 3) & USB_PORT_STAT_SUSPEND);
}

static void who_resets_a_hub_resets_what_is_below(void **state)
{
	struct fixture *t = *state;

	feature(t, 3, USB_PORT_FEAT_POWER);
	feature(t, 3, USB_PORT_FEAT_RESET);
	assert_int_equal(usb_host_control(&t->child[1], 0, USB_REQ_SET_ADDRESS, 9, 0, NULL, 0), 0);
	usb_device_enable(&t->hub.dev, true);
	assert_null(usb_bus_find(&t->bus, 9));
	assert_ptr_equal(usb_bus_find(&t->bus, 0), &t->hub.dev);
	usb_host_configure(&t->hub.dev);
	assert_int_equal(status(t, 3), 0);
}

static void case_44_ports_and_features_that_do_not_exist(void **state)
{
	static const unsigned ports[] = { 0, USB_HUB_PORTS + 1, 0xff };
	struct fixture *t = *state;
	uint8_t data[4];

	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		assert_int_equal(feature(t, ports[i], USB_PORT_FEAT_RESET), -EPIPE);
		assert_int_equal(usb_host_control(&t->hub.dev, PORT_IN, USB_REQ_GET_STATUS, 0,
						  ports[i], data, 4), -EPIPE);
	}
	assert_int_equal(feature(t, 1, 99), -EPIPE);
	assert_int_equal(clear(t, 1, 99), -EPIPE);
	assert_int_equal(ask(t, USB_RT_HUB, USB_REQ_SET_FEATURE, 99, 0), -EPIPE);
	assert_int_equal(ask(t, USB_RT_HUB, USB_REQ_SET_FEATURE, C_HUB_OVER_CURRENT + 1, 0), -EPIPE);
	assert_int_equal(ask(t, USB_RT_HUB, 77, 0, 0), -EPIPE);
	assert_int_equal(ask(t, USB_RT_PORT, 77, 0, 1), -EPIPE);
	assert_int_equal(usb_host_control(&t->hub.dev, HUB_IN, USB_REQ_GET_DESCRIPTOR, 0x7700, 0,
					  data, 4), -EPIPE);
	/* Nothing is there, and without power neither. */
	feature(t, 2, USB_PORT_FEAT_POWER);
	assert_int_equal(feature(t, 2, USB_PORT_FEAT_RESET), 0);
	assert_int_equal(feature(t, 3, USB_PORT_FEAT_RESET), 0);
	assert_null(usb_bus_find(&t->bus, 0));
}

static void every_request_without_effect_is_accepted(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(ask(t, USB_RT_HUB, USB_REQ_CLEAR_FEATURE, C_HUB_LOCAL_POWER, 0), 0);
	assert_int_equal(ask(t, USB_RT_PORT, HUB_CLEAR_TT_BUFFER, 0, 1), 0);
	assert_int_equal(ask(t, USB_RT_PORT, HUB_RESET_TT, 0, 1), 0);
	assert_int_equal(ask(t, USB_RT_PORT, HUB_STOP_TT, 0, 1), 0);
	assert_int_equal(ask(t, USB_RT_HUB, USB_REQ_CLEAR_FEATURE, C_HUB_OVER_CURRENT, 0), 0);
	assert_int_equal(feature(t, 1, USB_PORT_FEAT_INDICATOR), 0);
	/* With the colour in front of the port. */
	assert_int_equal(feature(t, 2 << 8 | 1, USB_PORT_FEAT_INDICATOR), 0);
	assert_int_equal(clear(t, 1, USB_PORT_FEAT_INDICATOR), 0);
	assert_int_equal(clear(t, 1, USB_PORT_FEAT_SUSPEND), 0);
}

static void a_port_has_one_socket(void **state)
{
	static struct usb_device other[USB_BUS_MAX_DEVICES];
	struct fixture *t = *state;
	unsigned n = 0;

	for (unsigned i = 0; i < USB_BUS_MAX_DEVICES; i++)
		other[i] = (struct usb_device){ .ops = &child_ops, .priv = t,
						.descriptors = &child_descriptors };
	assert_int_equal(usb_hub_plug(&t->hub, 3, &other[0]), -EBUSY);
	while (usb_bus_attach(&t->bus, &other[n]) == 0)
		n++;
	assert_int_equal(n, USB_BUS_MAX_DEVICES - 3);
	assert_int_equal(usb_hub_plug(&t->hub, 2, &other[n]), -ENOSPC);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_hub_says_what_it_is),
		T(power_shows_who_is_connected),
		T(a_reset_enables_a_device),
		T(without_power_nobody_answers),
		T(changes_are_cleared_one_by_one),
		T(a_port_is_suspended_and_resumed),
		T(who_resets_a_hub_resets_what_is_below),
		T(case_44_ports_and_features_that_do_not_exist),
		T(every_request_without_effect_is_accepted),
		T(a_port_has_one_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
