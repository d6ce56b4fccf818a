/* SPDX-License-Identifier: MIT */
/*
 * Events from microvm-gpu for an input device of the VMM's: the seat's end, the link, and
 * a keyboard on USB behind it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/display_link.h"
#include "devices/backend/handover.h"
#include "devices/gpu/seat.h"
#include "devices/ui/display_proto.h"
#include "devices/usb/hid.h"
#include "tests/capture.h"
#include "tests/link_source.h"
#include "tests/until.h"
#include "tests/usb_host.h"
#include "vmm/util.h"

struct t {
	struct loop *loop;
	/* the VMM's */
	struct usb_bus bus;
	struct hid *keyboard;
	struct display_link *link;
	struct link_source from;
	/* microvm-gpu's */
	struct seat *seat;
	uint8_t lit;
	struct capture cap;
};

static void feedback(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct t *t = ctx;

	if (type == EV_LED)
		t->lit = (t->lit & ~(1u << code)) | value << code;
}

static int make_seat(struct t *t)
{
	const struct input_sink sink = { feedback, t };
	struct seat_socket socket = { 0 };

	assert_int_equal(seat_create(&t->seat, t->loop), 0);
	socket.fd = link_source_listen(&t->from);
	assert_int_equal(seat_add_events(t->seat, "--events", &socket, INPUT_KEYBOARD), 0);
	seat_set_feedback(t->seat, INPUT_KEYBOARD, &sink);
	return 0;
}

static struct t *begin(void)
{
	const struct hid_params params = { .kind = INPUT_KEYBOARD };
	struct t *t = calloc(1, sizeof(*t));

	link_source_init(&t->from);
	assert_int_equal(loop_create(&t->loop), 0);
	usb_bus_init(&t->bus, NULL, NULL);
	assert_int_equal(hid_create(&t->keyboard, t->loop, &params), 0);
	usb_host_start(&t->bus, hid_device(t->keyboard));
	return t;
}

static void close_link(void *ctx)
{
	display_link_destroy(ctx);
}

static int make_link(struct t *t)
{
	const struct display_link_input input = { INPUT_KEYBOARD, hid_sink(t->keyboard) };
	const struct display_link_params params = {
		.loop = t->loop, .source = &t->from.source, .input = &input,
	};
	int ret = display_link_create(&t->link, &params);
	struct input_sink sink;

	if (ret < 0)
		return ret;
	sink = display_link_feedback(t->link);
	hid_set_source(t->keyboard, &sink, close_link);
	return 0;
}

static int setup(void **state)
{
	struct t *t = begin();

	make_seat(t);
	assert_int_equal(make_link(t), 0);
	capture_begin(&t->cap, STDERR_FILENO);
	*state = t;
	return 0;
}

/* With a test at the other end. */
static int setup_by_hand(void **state)
{
	struct t *t = begin();

	t->from.by_hand = true;
	assert_int_equal(make_link(t), 0);
	capture_begin(&t->cap, STDERR_FILENO);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	free(capture_end(&t->cap));
	hid_destroy(t->keyboard);
	seat_destroy(t->seat);
	link_source_finish(&t->from);
	loop_destroy(t->loop);
	free(t);
	return 0;
}

static bool fetch(struct t *t, uint8_t data[64])
{
	return usb_in(hid_device(t->keyboard), 1, data, 64) > 0;
}

static void key(struct t *t, uint16_t code, bool down)
{
	struct input_sink sink = seat_sink(t->seat, INPUT_KEYBOARD);

	input_send(&sink, EV_KEY, code, down);
	input_sync(&sink);
}

/* The connection is there when lights have come through it. */
static void connect_seat(struct t *t)
{
	uint8_t leds = 1;

	assert_int_equal(usb_host_control(hid_device(t->keyboard), 0x21, 9, 0x200, 0, &leds, 1), 0);
	UNTIL_IN(t->loop, t->lit == 1);
}

/* --- both ends -------------------------------------------------------------------------- */

static void keys_of_the_seat_arrive_on_usb(void **state)
{
	struct t *t = *state;
	uint8_t data[64];

	assert_true(seat_has(t->seat, INPUT_KEYBOARD));
	assert_false(seat_has(t->seat, INPUT_TABLET));
	connect_seat(t);
	assert_false(fetch(t, data));
	key(t, KEY_A, true);
	UNTIL_IN(t->loop, fetch(t, data));
	assert_int_equal(data[2], 4);
	key(t, KEY_A, false);
	UNTIL_IN(t->loop, fetch(t, data));
	assert_int_equal(data[2], 0);
	assert_int_equal(t->from.n_dial, 1);
}

static void lights_of_the_guest_arrive_at_the_seat(void **state)
{
	struct t *t = *state;
	uint8_t leds = 6;

	connect_seat(t);
	usb_host_control(hid_device(t->keyboard), 0x21, 9, 0x200, 0, &leds, 1);
	UNTIL_IN(t->loop, t->lit == 6);
	/* Those of a guest that is gone. */
	usb_bus_reset(&t->bus);
	UNTIL_IN(t->loop, t->lit == 0);
}

static void case_71_what_is_held_comes_up_when_the_seat_has_died(void **state)
{
	struct t *t = *state;
	uint8_t data[64];

	connect_seat(t);
	assert_false(fetch(t, data));
	key(t, KEY_A, true);
	UNTIL_IN(t->loop, fetch(t, data));
	seat_destroy(t->seat);
	close(t->from.port);
	t->from.refuse = true;
	UNTIL_IN(t->loop, fetch(t, data));
	assert_int_equal(data[2], 0);
	assert_int_equal(t->from.n_hung_up, 1);
	/* Another one is found, and told of the lights. */
	make_seat(t);
	t->from.refuse = false;
	t->lit = 0;
	UNTIL_IN(t->loop, t->lit == 1);
	key(t, KEY_B, true);
	UNTIL_IN(t->loop, fetch(t, data));
	assert_int_equal(data[2], 5);
}

static void events_without_a_connection_are_lost(void **state)
{
	struct t *t = *state;
	struct seat_socket socket = { 0 };
	struct seat *seat;
	struct input_sink sink;
	int pair[2];

	assert_int_equal(seat_create(&seat, t->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	socket.fd = pair[1];
	assert_int_equal(seat_add_events(seat, "--events", &socket, INPUT_TABLET), 0);
	sink = seat_sink(seat, INPUT_TABLET);
	input_send(&sink, EV_ABS, ABS_X, 1);
	input_sync(&sink);
	close(pair[0]);
	for (unsigned i = 0; i < 3; i++)
		loop_run_once(t->loop, 0);
	input_sync(&sink);
	seat_destroy(seat);
}

static void a_seat_takes_them_by_descriptor(void **state)
{
	struct t *t = *state;

	assert_int_equal(seat_add_events(t->seat, "--events tablet",
					 &(struct seat_socket){ .path = "/x" }, INPUT_TABLET),
			 -EINVAL);
	assert_int_equal(seat_add_events(t->seat, "--events tablet",
					 &(struct seat_socket){ .fd = -1 }, INPUT_TABLET), -EBADF);
	assert_false(seat_has(t->seat, INPUT_TABLET));
}

/* --- a peer that is not ours --------------------------------------------------------------- */

static void take_hello(struct t *t)
{
	struct display_packet p;
	union display_msg m = { .hello = {
		.head.type = DISPLAY_MSG_HELLO, .magic = DISPLAY_PROTO_MAGIC,
		.version = DISPLAY_PROTO_VERSION, .flags = DISPLAY_HELLO_CONTROL,
	} };

	assert_int_equal(display_proto_recv(t->from.peer, &p, DISPLAY_SOURCE), 0);
	assert_int_equal(p.msg.hello.inputs, BIT(INPUT_KEYBOARD));
	assert_int_equal(display_proto_send(t->from.peer, &m, NULL, 0), 0);
	UNTIL_IN(t->loop, display_proto_recv(t->from.peer, &p, DISPLAY_SOURCE) == 0);
	assert_int_equal(p.msg.head.type, DISPLAY_MSG_CONTROL);
}

static union display_msg packet_of(enum input_kind kind, uint16_t type, uint16_t code, int32_t value)
{
	return (union display_msg){ .input = {
		.head.type = DISPLAY_MSG_INPUT, .kind = kind, .n = 2,
		.events = { { type, code, value }, { EV_SYN, SYN_REPORT, 0 } },
	} };
}

static void send_bytes(struct t *t, const union display_msg *m)
{
	assert_true(send(t->from.peer, m, display_msg_len(m), MSG_DONTWAIT) > 0);
}

static void case_72_packets_for_other_devices_are_ignored(void **state)
{
	struct t *t = *state;
	union display_msg m = packet_of(INPUT_TABLET, EV_ABS, ABS_X, 5);
	uint8_t data[64];

	take_hello(t);
	assert_false(fetch(t, data));
	send_bytes(t, &m);
	m = packet_of(INPUT_KEYBOARD, EV_KEY, BTN_LEFT, 1);
	send_bytes(t, &m);
	m = packet_of(INPUT_KEYBOARD, EV_ABS, ABS_X, INT32_MIN);
	send_bytes(t, &m);
	m = packet_of(INPUT_KEYBOARD, EV_KEY, KEY_ENTER, 1);
	send_bytes(t, &m);
	UNTIL_IN(t->loop, fetch(t, data));
	assert_int_equal(data[2], 0x28);
	assert_int_equal(t->from.n_hung_up, 0);
}

static void assert_hangs_up(struct t *t, const union display_msg *m)
{
	send_bytes(t, m);
	UNTIL_IN(t->loop, t->from.n_hung_up);
	t->from.refuse = true;
}

static void case_72_events_that_are_none_end_the_connection(void **state)
{
	struct t *t = *state;
	union display_msg m = packet_of(INPUT_KEYBOARD, EV_KEY, 0xffff, 1);

	take_hello(t);
	assert_hangs_up(t, &m);
}

static void case_72_lights_are_not_the_viewers_to_say(void **state)
{
	struct t *t = *state;
	union display_msg m = packet_of(INPUT_KEYBOARD, EV_LED, 0, 1);

	take_hello(t);
	assert_hangs_up(t, &m);
}

static void case_72_keys_before_a_hello_end_the_connection(void **state)
{
	struct t *t = *state;
	union display_msg m = packet_of(INPUT_KEYBOARD, EV_KEY, KEY_A, 1);

	assert_hangs_up(t, &m);
}

static void case_72_a_peer_that_does_not_read_holds_up_nobody(void **state)
{
	struct t *t = *state;
	struct display_packet p;
	uint8_t leds = 0;

	take_hello(t);
	for (unsigned i = 0; i < 10000; i++) {
		leds = i & 7;
		usb_host_control(hid_device(t->keyboard), 0x21, 9, 0x200, 0, &leds, 1);
	}
	/* In the end it has heard of the last. */
	for (;;) {
		loop_run_once(t->loop, 0);
		if (display_proto_recv(t->from.peer, &p, DISPLAY_SOURCE) < 0)
			break;
		assert_int_equal(p.msg.head.type, DISPLAY_MSG_INPUT);
		leds = 0;
		for (unsigned k = 0; k < 3; k++)
			leds |= p.msg.input.events[k].value << k;
	}
	assert_int_equal(leds, 9999 & 7);
}

/* One that is not what it was added as. */
static void case_72_a_vmm_with_another_device_is_hung_up_on(void **state)
{
	static const uint32_t wrong[] = { 0, 2, 3, 4 };
	struct t *t = *state;
	struct display_packet p;
	int pair[2];

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		union display_msg m = { .hello = {
			.head.type = DISPLAY_MSG_HELLO, .magic = DISPLAY_PROTO_MAGIC,
			.version = DISPLAY_PROTO_VERSION, .n_outputs = 1, .inputs = wrong[i],
		} };

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		assert_int_equal(handover_send(t->from.port, pair[1]), 0);
		close(pair[1]);
		assert_true(send(pair[0], &m, display_msg_len(&m), 0) > 0);
		UNTIL_IN(t->loop, display_proto_recv(pair[0], &p, DISPLAY_VIEWER) == -ECONNRESET);
		close(pair[0]);
	}
}

/* --- life ------------------------------------------------------------------------------------ */

static void without_a_program_there_is_no_device(void **state)
{
	struct t *t = begin();

	t->from.refuse = true;
	assert_int_equal(make_link(t), -ENOENT);
	hid_destroy(t->keyboard);
	loop_destroy(t->loop);
	free(t);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BY_HAND(name) cmocka_unit_test_setup_teardown(name, setup_by_hand, teardown)
	const struct CMUnitTest tests[] = {
		TEST(keys_of_the_seat_arrive_on_usb),
		TEST(lights_of_the_guest_arrive_at_the_seat),
		TEST(case_71_what_is_held_comes_up_when_the_seat_has_died),
		TEST(events_without_a_connection_are_lost),
		TEST(a_seat_takes_them_by_descriptor),
		BY_HAND(case_72_packets_for_other_devices_are_ignored),
		BY_HAND(case_72_events_that_are_none_end_the_connection),
		BY_HAND(case_72_lights_are_not_the_viewers_to_say),
		BY_HAND(case_72_keys_before_a_hello_end_the_connection),
		BY_HAND(case_72_a_peer_that_does_not_read_holds_up_nobody),
		TEST(case_72_a_vmm_with_another_device_is_hung_up_on),
		cmocka_unit_test(without_a_program_there_is_no_device),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
