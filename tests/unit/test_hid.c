/* SPDX-License-Identifier: MIT */
/* Keyboards, mice and tablets on USB, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/hid.h>
#include <pthread.h>
#include <stdatomic.h>

#include "devices/ui/keymap.h"
#include "devices/usb/hid.h"
#include "tests/until.h"
#include "tests/usb_host.h"
#include "vmm/util.h"

#define CLASS_IN (USB_DIR_IN | USB_TYPE_CLASS | USB_RECIP_INTERFACE)
#define CLASS_OUT (USB_TYPE_CLASS | USB_RECIP_INTERFACE)
#define INPUT_TYPE 0x100
#define OUTPUT_TYPE 0x200
#define FEATURE_TYPE 0x300
#define BITMAP 8	/* where the keys' bits begin */

struct fixture {
	struct usb_bus bus;
	struct loop *loop;
	struct hid *h;
	struct usb_device *dev;
	struct input_sink sink;
	atomic_uint readies;
	uint8_t leds, led_packets;
};

static void on_ready(void *ctx)
{
	((struct fixture *)ctx)->readies++;
}

static void on_feedback(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct fixture *t = ctx;

	if (type == EV_SYN)
		t->led_packets++;
	else
		t->leds = (t->leds & ~(1u << code)) | value << code;
}

static struct fixture *start(enum input_kind kind, const char *name, const char *serial)
{
	struct fixture *t = calloc(1, sizeof(*t));
	const struct hid_params params = {
		.kind = kind, .name = name, .serial = serial, .feedback = { on_feedback, t },
	};

	usb_bus_init(&t->bus, on_ready, t);
	assert_int_equal(loop_create(&t->loop), 0);
	assert_int_equal(hid_create(&t->h, t->loop, &params), 0);
	t->dev = hid_device(t->h);
	t->sink = hid_sink(t->h);
	usb_host_start(&t->bus, t->dev);
	return t;
}

static int keyboard(void **state)
{
	*state = start(INPUT_KEYBOARD, NULL, NULL);
	return 0;
}

static int mouse(void **state)
{
	*state = start(INPUT_MOUSE, NULL, NULL);
	return 0;
}

static int tablet(void **state)
{
	*state = start(INPUT_TABLET, "Zeichenbrett", "42");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	hid_destroy(t->h);
	loop_destroy(t->loop);
	free(t);
	return 0;
}

static int fetch(struct fixture *t, uint8_t data[64])
{
	memset(data, 0xee, 64);
	return usb_in(t->dev, 1, data, 64);
}

/* There is nothing (more). */
static void assert_quiet(struct fixture *t)
{
	uint8_t data[64];

	assert_int_equal(fetch(t, data), -EAGAIN);
}

static void assert_report(struct fixture *t, const uint8_t *want, unsigned len)
{
	uint8_t data[64];

	assert_int_equal(fetch(t, data), len);
	assert_memory_equal(data, want, len);
}
#define ASSERT_REPORT(t, ...)                                                                      \
	assert_report(t, (uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static void key(struct fixture *t, uint16_t code, bool down)
{
	input_send(&t->sink, EV_KEY, code, down);
	input_sync(&t->sink);
}

static int class_in(struct fixture *t, unsigned request, unsigned value, void *data, unsigned len)
{
	return usb_host_control(t->dev, CLASS_IN, request, value, 0, data, len);
}

static int class_out(struct fixture *t, unsigned request, unsigned value, void *data, unsigned len)
{
	return usb_host_control(t->dev, CLASS_OUT, request, value, 0, data, len);
}

static int set_protocol(struct fixture *t, unsigned protocol)
{
	return class_out(t, HID_REQ_SET_PROTOCOL, protocol, NULL, 0);
}

/* As a boot loader does; what is held is told. */
static void use_boot_protocol(struct fixture *t)
{
	uint8_t data[64];

	assert_int_equal(set_protocol(t, 0), 0);
	assert_true(fetch(t, data) > 0);
	assert_quiet(t);
}

/* --- a report descriptor as a host reads it ------------------------------------------------- */

/* What is in a report, by bit. */
struct field {
	uint32_t usage;		/* with its page; 0: padding */
	uint8_t flags, size;
	int32_t min, max;
};

struct parsed {
	struct field in[512], out[16];
	unsigned in_bits, out_bits, depth;
};

struct parser {
	uint32_t page, usages[256], n_usages, usage_min, size, count;
	int32_t min, max;
};

static void parse_main(struct parsed *p, struct parser *s, bool in, uint8_t flags)
{
	unsigned *bits = in ? &p->in_bits : &p->out_bits;

	for (unsigned i = 0; i < s->count; i++, *bits += s->size) {
		struct field *f = in ? &p->in[*bits] : &p->out[*bits];

		assert_true(*bits < (in ? ARRAY_SIZE(p->in) : ARRAY_SIZE(p->out)));
		*f = (struct field){ 0, flags, s->size, s->min, s->max };
		if (!(flags & 1)) {
			assert_true(i < s->n_usages);
			f->usage = s->usages[i];
		}
	}
	s->n_usages = 0;
}

static void parse_local(struct parser *s, unsigned tag, uint32_t value)
{
	uint32_t usage = s->page << 16 | value;

	if (tag == 0x08)
		s->usages[s->n_usages++] = usage;
	else if (tag == 0x18)
		s->usage_min = usage;
	else if (tag == 0x28)
		for (uint32_t u = s->usage_min; u <= usage; u++)
			s->usages[s->n_usages++] = u;
	assert_true(s->n_usages < ARRAY_SIZE(s->usages));
}

static void parse_item(struct parsed *p, struct parser *s, unsigned tag, uint32_t value,
		       int32_t sign)
{
	switch (tag) {
	case 0x04: s->page = value; break;
	case 0x14: s->min = sign; break;
	case 0x24: s->max = sign; break;
	case 0x74: s->size = value; break;
	case 0x94: s->count = value; break;
	case 0x80: parse_main(p, s, true, value); break;
	case 0x90: parse_main(p, s, false, value); break;
	case 0xa0: p->depth++; s->n_usages = 0; break;
	case 0xc0: assert_true(p->depth--); break;
	default: parse_local(s, tag, value);
	}
}

static void parse(struct fixture *t, struct parsed *p)
{
	uint8_t data[1024];
	struct parser s = { 0 };
	int len = usb_host_control(t->dev, USB_DIR_IN | USB_RECIP_INTERFACE, USB_REQ_GET_DESCRIPTOR,
				   HID_DT_REPORT << 8, 0, data, sizeof(data));

	*p = (struct parsed){ 0 };
	assert_true(len > 0);
	assert_int_equal(len, load_le(t->dev->descriptors->config + 25, 2));
	for (int at = 0, size; at < len; at += 1 + size) {
		size = data[at] & 3;
		assert_in_range(size, 0, 2);
		assert_true(at + size < len);
		uint32_t value = load_le(data + at + 1, size);

		parse_item(p, &s, data[at] & ~3u, value,
			   size == 1 ? (int8_t)value : (int16_t)value);
	}
	assert_int_equal(p->depth, 0);
	assert_int_equal(p->in_bits % 8, 0);
	assert_int_equal(p->out_bits % 8, 0);
}

/* --- what it says of itself -------------------------------------------------------------------- */

static void a_keyboard_is_one_of_the_boot_protocol(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64];

	assert_int_equal(usb_host_control(t->dev, USB_DIR_IN, USB_REQ_GET_DESCRIPTOR,
					  USB_DT_CONFIG << 8, 0, data, 64), 34);
	assert_int_equal(data[9 + 5], USB_CLASS_HID);
	assert_int_equal(data[9 + 6], USB_INTERFACE_SUBCLASS_BOOT);
	assert_int_equal(data[9 + 7], USB_INTERFACE_PROTOCOL_KEYBOARD);
	assert_int_equal(data[18 + 1], HID_DT_HID);
	assert_int_equal(usb_host_control(t->dev, USB_DIR_IN | USB_RECIP_INTERFACE,
					  USB_REQ_GET_DESCRIPTOR, HID_DT_HID << 8, 0, data, 64),
			 9);
	assert_memory_equal(data, t->dev->descriptors->config + 18, 9);
	assert_int_equal(t->dev->descriptors->device->iSerialNumber, 0);
	assert_int_equal(t->dev->descriptors->device->iManufacturer, 1);
	assert_string_equal(t->dev->descriptors->strings[0], "microvm");
	assert_string_equal(t->dev->descriptors->strings[1], "keyboard");
}

static void a_tablet_has_the_name_that_it_was_given(void **state)
{
	struct fixture *t = *state;

	assert_string_equal(t->dev->descriptors->strings[1], "Zeichenbrett");
	assert_int_equal(t->dev->descriptors->device->iManufacturer, 0);
	assert_string_equal(t->dev->descriptors->strings[2], "42");
	assert_int_equal(t->dev->descriptors->device->iSerialNumber, 3);
	assert_int_equal(t->dev->descriptors->config[9 + 6], 0);
}

static void the_reports_are_as_long_as_described(void **state)
{
	struct fixture *t = *state;
	struct parsed *p = malloc(sizeof(*p));
	uint8_t data[64];

	parse(t, p);
	input_send(&t->sink, EV_KEY, BTN_LEFT, 1);
	input_send(&t->sink, EV_KEY, KEY_A, 1);
	input_sync(&t->sink);
	assert_int_equal(fetch(t, data), p->in_bits / 8);
	free(p);
}

static void what_is_not_there_is_refused(void **state)
{
	struct fixture *t = *state;
	uint8_t data[8] = { 0 };

	assert_int_equal(usb_host_control(t->dev, USB_DIR_IN | USB_RECIP_INTERFACE,
					  USB_REQ_GET_DESCRIPTOR, HID_DT_PHYSICAL << 8, 0, data,
					  8), -EPIPE);
	assert_int_equal(usb_host_control(t->dev, CLASS_IN, HID_REQ_GET_REPORT, INPUT_TYPE, 1,
					  data, 8), -EPIPE);
	assert_int_equal(class_in(t, HID_REQ_GET_REPORT, INPUT_TYPE | 1, data, 8), -EPIPE);
	assert_int_equal(class_in(t, HID_REQ_GET_REPORT, FEATURE_TYPE, data, 8), -EPIPE);
	assert_int_equal(class_in(t, HID_REQ_GET_REPORT, 0, data, 8), -EPIPE);
	assert_int_equal(class_out(t, HID_REQ_SET_REPORT, INPUT_TYPE, data, 8), -EPIPE);
	assert_int_equal(class_out(t, HID_REQ_SET_REPORT, OUTPUT_TYPE, data, 0), -EPIPE);
	assert_int_equal(class_out(t, HID_REQ_SET_IDLE, 0x0101, NULL, 0), -EPIPE);
	assert_int_equal(set_protocol(t, 2), -EPIPE);
	assert_int_equal(class_out(t, 0x77, 0, NULL, 0), -EPIPE);
	assert_int_equal(usb_in(t->dev, 2, data, 8), -EIO);
	assert_int_equal(usb_out(t->dev, 1, data, 8), -EIO);
}

/* --- keys -------------------------------------------------------------------------------------- */

/* What the host reads of a key: the usages that changed, as its parser has them. */
static uint32_t usage_of(struct fixture *t, const struct parsed *p, uint16_t code)
{
	uint8_t data[64];
	uint32_t usage = 0;
	int len;

	key(t, code, true);
	len = fetch(t, data);
	if (len < 0)
		return 0;
	for (unsigned bit = 0; bit < 8u * len; bit++)
		if (p->in[bit].usage && data[bit / 8] >> bit % 8 & 1) {
			assert_int_equal(usage, 0);
			usage = p->in[bit].usage;
		}
	key(t, code, false);
	assert_true(fetch(t, data) > 0);
	for (int i = 0; i < len; i++)
		assert_int_equal(data[i], 0);
	return usage;
}

static void every_key_of_the_keymap_arrives_as_its_usage(void **state)
{
	struct fixture *t = *state;
	struct parsed *p = malloc(sizeof(*p));

	parse(t, p);
	assert_quiet(t);
	for (unsigned usage = 0; usage <= KEYMAP_USAGE_MAX; usage++) {
		uint16_t code = keymap_key(usage);
		uint32_t told;

		/* These two are beyond the bits, and on no keyboard of a PC. */
		if (!code || code == KEY_KPLEFTPAREN || code == KEY_KPRIGHTPAREN)
			continue;
		told = usage_of(t, p, code);
		assert_int_equal(told >> 16, 7);
		assert_int_equal(keymap_key(told & 0xffff), code);
	}
	free(p);
}

static void media_keys_arrive_on_the_consumer_page(void **state)
{
	struct fixture *t = *state;
	struct parsed *p = malloc(sizeof(*p));
	static const struct {
		uint16_t code, usage;
	} media[] = {
		{ KEY_PLAYPAUSE, 0xcd }, { KEY_NEXTSONG, 0xb5 }, { KEY_BACK, 0x224 },
		{ KEY_CALC, 0x192 }, { KEY_SLEEP, 0x32 }, { KEY_SEND, 0x28c },
	};

	parse(t, p);
	assert_quiet(t);
	for (unsigned i = 0; i < ARRAY_SIZE(media); i++)
		assert_int_equal(usage_of(t, p, media[i].code), 0xc0000 | media[i].usage);
	/* SDL's numbers for keys of other pages: most have a usage that Linux knows. */
	for (unsigned i = KEYMAP_USAGE_MAX + 1, n = 0; i < KEYMAP_SCANCODES; i++) {
		uint16_t code = keymap_key(i);

		if (code && !keymap_usage(code))
			n += usage_of(t, p, code) != 0;
		if (i == KEYMAP_SCANCODES - 1)
			assert_true(n >= 18);
	}
	free(p);
}

static void a_report_has_bits_and_what_a_boot_loader_reads(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64];

	assert_quiet(t);
	key(t, KEY_LEFTSHIFT, true);
	assert_true(fetch(t, data) > 8);
	assert_int_equal(data[0], 2);
	key(t, KEY_B, true);
	key(t, KEY_RIGHTALT, true);
	assert_true(fetch(t, data) > 8);
	assert_memory_equal(data, ((uint8_t[]){ 2, 0, 5, 0, 0, 0, 0, 0, 1 << 5, 0 }), 10);
	assert_true(fetch(t, data) > 8);
	assert_memory_equal(data, ((uint8_t[]){ 0x42, 0, 5, 0, 0, 0, 0, 0, 1 << 5, 0 }), 10);
	assert_quiet(t);
}

static void by_the_boot_protocol_a_report_has_eight_bytes(void **state)
{
	struct fixture *t = *state;
	uint8_t protocol;

	assert_int_equal(class_in(t, HID_REQ_GET_PROTOCOL, 0, &protocol, 1), 1);
	assert_int_equal(protocol, 1);
	use_boot_protocol(t);
	class_in(t, HID_REQ_GET_PROTOCOL, 0, &protocol, 1);
	assert_int_equal(protocol, 0);
	key(t, KEY_LEFTCTRL, true);
	key(t, KEY_A, true);
	key(t, KEY_ENTER, true);
	key(t, KEY_A, false);
	ASSERT_REPORT(t, 1, 0, 0, 0, 0, 0, 0, 0);
	ASSERT_REPORT(t, 1, 0, 4, 0, 0, 0, 0, 0);
	ASSERT_REPORT(t, 1, 0, 4, 0x28, 0, 0, 0, 0);
	ASSERT_REPORT(t, 1, 0, 0x28, 0, 0, 0, 0, 0);
	assert_quiet(t);
	/* A key that it does not know changes nothing. */
	key(t, KEY_PLAYPAUSE, true);
	assert_quiet(t);
	/* Both ways, what is held is told anew. */
	assert_int_equal(set_protocol(t, 1), 0);
	uint8_t data[64];

	assert_true(fetch(t, data) > 8);
	assert_int_equal(data[BITMAP + 0x28 / 8], 1);
}

static void more_than_six_keys_roll_over(void **state)
{
	struct fixture *t = *state;
	static const uint16_t keys[] = { KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G };
	uint8_t data[64];

	assert_quiet(t);
	for (unsigned i = 0; i < 7; i++)
		input_send(&t->sink, EV_KEY, keys[i], 1);
	input_send(&t->sink, EV_KEY, KEY_LEFTSHIFT, 1);
	input_sync(&t->sink);
	assert_true(fetch(t, data) > 8);
	assert_memory_equal(data, ((uint8_t[]){ 2, 0, 1, 1, 1, 1, 1, 1, 0xf0, 0x07 }), 10);
	assert_int_equal(set_protocol(t, 0), 0);
	ASSERT_REPORT(t, 2, 0, 1, 1, 1, 1, 1, 1);
	key(t, KEY_A, false);
	ASSERT_REPORT(t, 2, 0, 5, 6, 7, 8, 9, 10);
}

static void a_key_down_and_up_in_one_packet_is_two_reports(void **state)
{
	struct fixture *t = *state;

	use_boot_protocol(t);
	input_send(&t->sink, EV_KEY, KEY_A, 1);
	input_send(&t->sink, EV_KEY, KEY_A, 0);
	input_send(&t->sink, EV_KEY, KEY_A, 1);
	input_sync(&t->sink);
	ASSERT_REPORT(t, 0, 0, 4, 0, 0, 0, 0, 0);
	ASSERT_REPORT(t, 0, 0, 0, 0, 0, 0, 0, 0);
	ASSERT_REPORT(t, 0, 0, 4, 0, 0, 0, 0, 0);
	assert_quiet(t);
}

static void a_packet_that_is_open_is_not_told(void **state)
{
	struct fixture *t = *state;

	use_boot_protocol(t);
	input_send(&t->sink, EV_KEY, KEY_A, 1);
	assert_quiet(t);
	assert_int_equal(t->readies, 0);
	input_sync(&t->sink);
	assert_int_equal(t->readies, 1);
	ASSERT_REPORT(t, 0, 0, 4, 0, 0, 0, 0, 0);
	/* Nothing happened in this one, nor what a keyboard does not have. */
	input_sync(&t->sink);
	input_send(&t->sink, EV_REL, REL_X, 1);
	input_send(&t->sink, EV_KEY, BTN_LEFT, 1);
	input_send(&t->sink, EV_KEY, KEY_A, 1);
	input_send(&t->sink, EV_KEY, KEY_A, 2);
	input_send(&t->sink, EV_KEY, 0xffff, 1);
	input_send(&t->sink, 0xffff, 0xffff, 1);
	input_sync(&t->sink);
	assert_int_equal(t->readies, 1);
	assert_quiet(t);
}

static void case_80_a_host_that_does_not_ask_hears_how_it_ended(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64], last[64];
	unsigned n = 0;

	use_boot_protocol(t);
	for (unsigned i = 0; i < 1000; i++) {
		key(t, KEY_A, true);
		key(t, KEY_A, false);
	}
	key(t, KEY_B, true);
	for (; fetch(t, data) > 0; n++)
		memcpy(last, data, 64);
	assert_int_equal(n, HID_QUEUE + 1);
	assert_memory_equal(last, ((uint8_t[]){ 0, 0, 5, 0 }), 4);
	/* And is in step again. */
	key(t, KEY_B, false);
	key(t, KEY_C, true);
	ASSERT_REPORT(t, 0, 0, 0, 0, 0, 0, 0, 0);
	ASSERT_REPORT(t, 0, 0, 6, 0, 0, 0, 0, 0);
}

static void a_release_is_never_lost(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64];
	int last = 0;

	use_boot_protocol(t);
	key(t, KEY_ESC, true);
	for (unsigned i = 0; i < HID_QUEUE; i++)
		key(t, KEY_A, i % 2 == 0);
	key(t, KEY_ESC, false);
	key(t, KEY_A, false);
	while (fetch(t, data) > 0)
		last = data[2] | data[3];
	assert_int_equal(last, 0);
}

static void keys_before_the_first_report_are_told_as_they_are(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64];

	key(t, KEY_A, true);
	key(t, KEY_A, false);
	key(t, KEY_LEFTSHIFT, true);
	assert_true(fetch(t, data) > 0);
	assert_int_equal(data[0], 2);
	assert_int_equal(data[2], 0);
	assert_quiet(t);
}

static void a_reset_forgets_the_protocol_the_lights_and_what_waited(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64] = { 0 };

	use_boot_protocol(t);
	key(t, KEY_A, true);
	class_out(t, HID_REQ_SET_IDLE, 0x1000, NULL, 0);
	class_out(t, HID_REQ_SET_REPORT, OUTPUT_TYPE, (uint8_t[]){ 2 }, 1);
	assert_int_equal(t->leds, 2);
	usb_host_configure(t->dev);
	assert_int_equal(t->leds, 0);
	class_in(t, HID_REQ_GET_IDLE, 0, data, 1);
	assert_int_equal(data[0], 0);
	assert_true(fetch(t, data) > 8);
	assert_int_equal(data[2], 4);
	assert_quiet(t);
}

static void lights_go_to_the_source(void **state)
{
	struct fixture *t = *state;
	uint8_t leds = 0xff;

	assert_int_equal(class_out(t, HID_REQ_SET_REPORT, OUTPUT_TYPE, &leds, 1), 0);
	assert_int_equal(t->leds, 7);
	assert_int_equal(t->led_packets, 1);
	assert_int_equal(class_out(t, HID_REQ_SET_REPORT, OUTPUT_TYPE, &leds, 1), 0);
	assert_int_equal(t->led_packets, 1);
	assert_int_equal(class_in(t, HID_REQ_GET_REPORT, OUTPUT_TYPE, &leds, 1), 1);
	assert_int_equal(leds, 0xff);
	leds = 4;
	class_out(t, HID_REQ_SET_REPORT, OUTPUT_TYPE, &leds, 1);
	assert_int_equal(t->leds, 1 << LED_SCROLLL);
	hid_set_source(t->h, &(struct input_sink){ 0 }, NULL);
	leds = 0;
	class_out(t, HID_REQ_SET_REPORT, OUTPUT_TYPE, &leds, 1);
	assert_int_equal(t->leds, 1 << LED_SCROLLL);
}

static void the_present_state_can_be_asked_for(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64];

	set_protocol(t, 0);
	key(t, KEY_Z, true);
	assert_int_equal(class_in(t, HID_REQ_GET_REPORT, INPUT_TYPE, data, 64), 8);
	assert_int_equal(data[2], 0x1d);
	assert_int_equal(class_in(t, HID_REQ_GET_REPORT, INPUT_TYPE, data, 3), 3);
	/* Which changes nothing. */
	ASSERT_REPORT(t, 0, 0, 0x1d, 0, 0, 0, 0, 0);
}

static void an_idle_rate_repeats_reports(void **state)
{
	struct fixture *t = *state;
	uint8_t idle = 0;

	use_boot_protocol(t);
	key(t, KEY_A, true);
	ASSERT_REPORT(t, 0, 0, 4, 0, 0, 0, 0, 0);
	t->readies = 0;
	assert_int_equal(class_out(t, HID_REQ_SET_IDLE, 1 << 8, NULL, 0), 0);
	assert_int_equal(class_in(t, HID_REQ_GET_IDLE, 0, &idle, 1), 1);
	assert_int_equal(idle, 1);
	for (unsigned i = 0; i < 3; i++) {
		UNTIL_IN(t->loop, t->readies > i);
		ASSERT_REPORT(t, 0, 0, 4, 0, 0, 0, 0, 0);
	}
	assert_int_equal(class_out(t, HID_REQ_SET_IDLE, 0, NULL, 0), 0);
	assert_quiet(t);
}

/* --- pointers ---------------------------------------------------------------------------------- */

static void send_motion(struct fixture *t, int x, int y, int wheel, int pan)
{
	input_send(&t->sink, EV_REL, REL_X, x);
	input_send(&t->sink, EV_REL, REL_Y, y);
	input_send(&t->sink, EV_REL, REL_WHEEL, wheel);
	input_send(&t->sink, EV_REL, REL_HWHEEL, pan);
	input_sync(&t->sink);
}

static void a_mouse_moves_turns_and_clicks(void **state)
{
	struct fixture *t = *state;

	assert_quiet(t);
	send_motion(t, 300, -2, 1, -1);
	for (unsigned i = 0; i < 8; i++)
		input_send(&t->sink, EV_KEY, BTN_LEFT + i, i != 1);
	input_sync(&t->sink);
	send_motion(t, -300, 0, 0, 0);
	ASSERT_REPORT(t, 0, 0x2c, 1, 0xfe, 0xff, 1, 0, 0xff, 0xff);
	ASSERT_REPORT(t, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0);
	ASSERT_REPORT(t, 0xfd, 0xd4, 0xfe, 0, 0, 0, 0, 0, 0);
	assert_quiet(t);
	/* The same motion twice is motion twice. */
	send_motion(t, 1, 0, 0, 0);
	send_motion(t, 1, 0, 0, 0);
	ASSERT_REPORT(t, 0xfd, 1, 0, 0, 0, 0, 0, 0, 0);
	ASSERT_REPORT(t, 0xfd, 1, 0, 0, 0, 0, 0, 0, 0);
	assert_quiet(t);
}

static void axes_that_a_mouse_has_not_move_nothing(void **state)
{
	static const uint16_t axes[] = { REL_Z, REL_DIAL, REL_MAX, REL_CNT, 0xffff };
	struct fixture *t = *state;

	assert_quiet(t);
	for (unsigned i = 0; i < ARRAY_SIZE(axes); i++) {
		input_send(&t->sink, EV_REL, axes[i], 1000);
		input_send(&t->sink, EV_ABS, ABS_CNT + i, 1000);
		input_send(&t->sink, EV_KEY, KEY_CNT + i, 1);
	}
	send_motion(t, 1, 0, 0, 0);
	ASSERT_REPORT(t, 0, 1, 0, 0, 0, 0, 0, 0, 0);
	assert_quiet(t);
}

static void the_boot_protocols_mouse_moves_in_steps(void **state)
{
	struct fixture *t = *state;

	use_boot_protocol(t);
	input_send(&t->sink, EV_KEY, BTN_MIDDLE, 1);
	input_send(&t->sink, EV_KEY, BTN_SIDE, 1);
	send_motion(t, 200, -130, 1, 1);
	ASSERT_REPORT(t, 4, 127, 0x81);
	ASSERT_REPORT(t, 4, 73, 0xfd);
	assert_quiet(t);
}

static void motion_of_a_host_that_does_not_ask_adds_up(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64];
	int x = 0, n = 0;

	assert_quiet(t);
	for (unsigned i = 0; i < 1000; i++)
		send_motion(t, 3, 0, 0, 0);
	while (fetch(t, data) > 0) {
		x += (int16_t)load_le(data + 1, 2);
		n++;
	}
	assert_int_equal(x, 3000);
	assert_int_equal(n, HID_QUEUE + 1);
	/* And has an end. */
	for (unsigned i = 0; i < 1000; i++)
		send_motion(t, INT32_MAX, INT32_MIN, INT32_MIN, INT32_MAX);
	while (fetch(t, data) > 0)
		n--;
	assert_int_equal(n, 0);
}

static void motion_before_the_first_report_is_lost(void **state)
{
	struct fixture *t = *state;

	send_motion(t, 100, 100, 100, 100);
	assert_quiet(t);
	send_motion(t, 1, 0, 0, 0);
	ASSERT_REPORT(t, 0, 1, 0, 0, 0, 0, 0, 0, 0);
}

static void a_tablet_tells_a_place(void **state)
{
	struct fixture *t = *state;
	uint8_t protocol;

	assert_quiet(t);
	input_send(&t->sink, EV_ABS, ABS_X, 0x1234);
	input_send(&t->sink, EV_ABS, ABS_Y, INPUT_ABS_MAX);
	input_send(&t->sink, EV_KEY, BTN_LEFT, 1);
	input_sync(&t->sink);
	input_send(&t->sink, EV_REL, REL_WHEEL, -1);
	input_sync(&t->sink);
	ASSERT_REPORT(t, 1, 0x34, 0x12, 0xff, 0x7f, 0, 0, 0, 0);
	ASSERT_REPORT(t, 1, 0x34, 0x12, 0xff, 0x7f, 0xff, 0xff, 0, 0);
	assert_quiet(t);
	input_send(&t->sink, EV_ABS, ABS_X, -5);
	input_send(&t->sink, EV_ABS, ABS_Y, INT32_MAX);
	input_sync(&t->sink);
	ASSERT_REPORT(t, 1, 0, 0, 0xff, 0x7f, 0, 0, 0, 0);
	assert_int_equal(set_protocol(t, 0), -EPIPE);
	assert_int_equal(class_in(t, HID_REQ_GET_PROTOCOL, 0, &protocol, 1), -EPIPE);
	assert_int_equal(class_out(t, HID_REQ_SET_REPORT, OUTPUT_TYPE, &protocol, 1), -EPIPE);
	assert_int_equal(class_in(t, HID_REQ_GET_REPORT, OUTPUT_TYPE, &protocol, 1), -EPIPE);
}

static void a_tablets_place_is_told_again_after_a_reset(void **state)
{
	struct fixture *t = *state;

	input_send(&t->sink, EV_ABS, ABS_X, 7);
	input_sync(&t->sink);
	ASSERT_REPORT(t, 0, 7, 0, 0, 0, 0, 0, 0, 0);
	usb_host_configure(t->dev);
	ASSERT_REPORT(t, 0, 7, 0, 0, 0, 0, 0, 0, 0);
	assert_quiet(t);
}

static void a_hosts_buffer_may_be_shorter_than_a_report(void **state)
{
	struct fixture *t = *state;
	uint8_t data[2] = { 0 };

	assert_quiet(t);
	input_send(&t->sink, EV_ABS, ABS_X, 0x102);
	input_sync(&t->sink);
	assert_int_equal(usb_in(t->dev, 1, data, 2), 2);
	assert_int_equal(data[1], 2);
	assert_quiet(t);
}

/* --- two threads ---------------------------------------------------------------------------------- */

#define ROUNDS 20000

static void *type(void *arg)
{
	struct fixture *t = arg;

	for (unsigned i = 0; i < ROUNDS; i++)
		key(t, KEY_A + i % 4, i / 4 % 2);
	for (unsigned i = 0; i < 4; i++)
		key(t, KEY_A + i, 0);
	return NULL;
}

static void a_source_has_a_thread_of_its_own(void **state)
{
	struct fixture *t = *state;
	pthread_t thread;
	uint8_t data[64];
	unsigned last = 0;

	use_boot_protocol(t);
	assert_int_equal(pthread_create(&thread, NULL, type, t), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (fetch(t, data) > 0)
			last = data[2];
		if (i % 1000 == 0)
			class_in(t, HID_REQ_GET_REPORT, INPUT_TYPE, data, 8);
		if (i % 5000 == 0)
			set_protocol(t, i % 10000 == 0);
	}
	pthread_join(thread, NULL);
	while (fetch(t, data) > 0)
		last = data[2];
	assert_int_equal(last, 0);
}

int main(void)
{
#define KEYBOARD(name) cmocka_unit_test_setup_teardown(name, keyboard, teardown)
#define MOUSE(name) cmocka_unit_test_setup_teardown(name, mouse, teardown)
#define TABLET(name) cmocka_unit_test_setup_teardown(name, tablet, teardown)
	const struct CMUnitTest tests[] = {
		KEYBOARD(a_keyboard_is_one_of_the_boot_protocol),
		TABLET(a_tablet_has_the_name_that_it_was_given),
		KEYBOARD(the_reports_are_as_long_as_described),
		MOUSE(the_reports_are_as_long_as_described),
		TABLET(the_reports_are_as_long_as_described),
		KEYBOARD(what_is_not_there_is_refused),
		KEYBOARD(every_key_of_the_keymap_arrives_as_its_usage),
		KEYBOARD(media_keys_arrive_on_the_consumer_page),
		KEYBOARD(a_report_has_bits_and_what_a_boot_loader_reads),
		KEYBOARD(by_the_boot_protocol_a_report_has_eight_bytes),
		KEYBOARD(more_than_six_keys_roll_over),
		KEYBOARD(a_key_down_and_up_in_one_packet_is_two_reports),
		KEYBOARD(a_packet_that_is_open_is_not_told),
		KEYBOARD(case_80_a_host_that_does_not_ask_hears_how_it_ended),
		KEYBOARD(a_release_is_never_lost),
		KEYBOARD(keys_before_the_first_report_are_told_as_they_are),
		KEYBOARD(a_reset_forgets_the_protocol_the_lights_and_what_waited),
		KEYBOARD(lights_go_to_the_source),
		KEYBOARD(the_present_state_can_be_asked_for),
		KEYBOARD(an_idle_rate_repeats_reports),
		MOUSE(a_mouse_moves_turns_and_clicks),
		MOUSE(axes_that_a_mouse_has_not_move_nothing),
		MOUSE(the_boot_protocols_mouse_moves_in_steps),
		MOUSE(motion_of_a_host_that_does_not_ask_adds_up),
		MOUSE(motion_before_the_first_report_is_lost),
		TABLET(a_tablet_tells_a_place),
		TABLET(a_tablets_place_is_told_again_after_a_reset),
		TABLET(a_hosts_buffer_may_be_shorter_than_a_report),
		KEYBOARD(a_source_has_a_thread_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
