/* SPDX-License-Identifier: MIT */
/* Consoles with several ports: the messages about them, and the option. */
#include <errno.h>
#include <linux/virtio_console.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/registry.h"
#include "devices/virtio/console.h"
#include "tests/capture.h"
#include "tests/fake_chardev.h"
#include "tests/vrig.h"

#define CTL_RX 2
#define CTL_TX 3
#define N_PORTS 3
#define NAME "org.test.0"
#define BUF 0x80000ull	/* receive buffers */
#define CTL_BUF 0x90000ull
#define CTL_BUF_LEN 128
#define FEATURES (VIRTIO_COMMON_FEATURES | BIT(VIRTIO_CONSOLE_F_MULTIPORT))

struct t {
	struct vrig r;
	struct fake_chardev host[N_PORTS];
	struct chardev_ops sized_ops;	/* the fake's, and a size */
	struct virtio_device *v;
	unsigned cols, rows;
	pthread_t loop;
};

static unsigned rxq(unsigned port)
{
	return port ? 2 * port + 2 : 0;
}

static int fake_size(struct chardev *chr, unsigned *cols, unsigned *rows)
{
	struct t *t = container_of(chr, struct t, host[0].chr);

	*cols = t->cols;
	*rows = t->rows;
	return 0;
}

static int setup_sized(void **state, bool sized)
{
	struct t *t = calloc(1, sizeof(*t));
	struct console_port_params params[N_PORTS] = { { 0 } };

	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	for (unsigned i = 0; i < N_PORTS; i++) {
		fake_chardev_init(&t->host[i]);
		params[i].chr = &t->host[i].chr;
	}
	params[1].name = NAME;
	t->host[2].away = true;
	t->cols = 80;
	t->rows = 24;
	t->sized_ops = *t->host[0].chr.ops;
	t->sized_ops.size = fake_size;
	if (sized)
		t->host[0].chr.ops = &t->sized_ops;
	if (virtio_console_create(&t->v, t->r.fake.loop, &t->r.fake.mem, params, N_PORTS) < 0)
		return -1;
	vrig_plug(&t->r, t->v);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return setup_sized(state, false);
}

static int setup_window(void **state)
{
	return setup_sized(state, true);
}

static int teardown(void **state)
{
	struct t *t = *state;

	vrig_unplug(&t->r);
	virtio_console_destroy(t->v);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

static void settle(struct t *t)
{
	fake_settle(&t->r.fake);
}

static void kick(struct t *t, unsigned q)
{
	if (vdrv_wants_kick(&t->r.d.rings[q]))
		vdrv_kick(&t->r.d, q);
}

/* Buffers of @len bytes for messages from the device. */
static void offer_control(struct t *t, unsigned n, uint32_t len)
{
	for (unsigned i = 0; i < n; i++)
		assert_true(vdrv_add(&t->r.d.rings[CTL_RX],
				     &(struct vdrv_buf)VDRV_IN(CTL_BUF + i * CTL_BUF_LEN, len),
				     1) >= 0);
	kick(t, CTL_RX);
	settle(t);
}

static void start(struct t *t)
{
	vdrv_start(&t->r.d, vdrv_device_features(&t->r.d));
	settle(t);
}

static void tell(struct t *t, uint32_t id, uint16_t event, uint16_t value)
{
	const struct virtio_console_control m = { .id = id, .event = event, .value = value };

	assert_int_equal(vrig_request(&t->r, CTL_TX, &m, sizeof(m), NULL, 0), 0);
}

/* The next message is this one; each comes in a buffer of its own, in their order. */
static void assert_told(struct t *t, unsigned id, unsigned event, unsigned value, const void *more,
			size_t more_len)
{
	struct virtio_console_control m;
	struct vdrv_ring *r = &t->r.d.rings[CTL_RX];
	uint32_t len;
	int head = vdrv_used(r, &len);
	uint8_t *p;

	assert_true(head >= 0);
	assert_int_equal(len, sizeof(m) + more_len);
	p = vdrv_ptr(&t->r.d, r->first_gpa[head], len);
	memcpy(&m, p, sizeof(m));
	assert_int_equal(m.id, id);
	assert_int_equal(m.event, event);
	assert_int_equal(m.value, value);
	assert_memory_equal(p + sizeof(m), more, more_len);
}

#define assert_told_plain(t, id, event, value) assert_told(t, id, event, value, "", 0)

static void assert_told_no_more(struct t *t)
{
	assert_int_equal(vdrv_used(&t->r.d.rings[CTL_RX], NULL), -1);
}

static void forget_what_was_told(struct t *t)
{
	while (vdrv_used(&t->r.d.rings[CTL_RX], NULL) >= 0)
		;
}

/* As a driver does: knows all ports, has them open. */
static void start_all(struct t *t)
{
	start(t);
	offer_control(t, 20, CTL_BUF_LEN);
	tell(t, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (unsigned i = 0; i < N_PORTS; i++) {
		tell(t, i, VIRTIO_CONSOLE_PORT_READY, 1);
		tell(t, i, VIRTIO_CONSOLE_PORT_OPEN, 1);
	}
	forget_what_was_told(t);
}

static void offer(struct t *t, unsigned port, uint32_t len)
{
	vdrv_add(&t->r.d.rings[rxq(port)], &(struct vdrv_buf)VDRV_IN(BUF + port * 0x1000, len), 1);
	kick(t, rxq(port));
	settle(t);
}

static bool type(struct t *t, unsigned port, const char *text)
{
	return fake_chardev_type(&t->host[port], text, strlen(text)) == strlen(text);
}

static void assert_guest_got(struct t *t, unsigned port, const char *text)
{
	uint32_t len;

	settle(t);
	assert_true(vdrv_used(&t->r.d.rings[rxq(port)], &len) >= 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(vdrv_ptr(&t->r.d, BUF + port * 0x1000, 1), text, len);
}

static void assert_host_got(struct t *t, unsigned port, const char *text)
{
	assert_int_equal(t->host[port].out_len, strlen(text));
	assert_memory_equal(t->host[port].out, text, strlen(text));
}

/* --- what is offered ------------------------------------------------------------------ */

static void several_ports_are_a_feature_with_queues(void **state)
{
	struct t *t = *state;

	assert_true(vdrv_device_features(&t->r.d) == (FEATURES | t->r.d.always));
	assert_int_equal(t->r.d.n_queues, 2 * N_PORTS + 2);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), 0);
	assert_int_equal(vdrv_config_read(&t->r.d, 4, 4), N_PORTS);
	assert_int_equal(vdrv_config_read(&t->r.d, 8, 4), 0);
}

static void driver_is_told_of_the_ports_it_asks_for(void **state)
{
	struct t *t = *state;

	start(t);
	offer_control(t, 20, CTL_BUF_LEN);
	assert_told_no_more(t);
	tell(t, 0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (unsigned i = 0; i < N_PORTS; i++)
		assert_told_plain(t, i, VIRTIO_CONSOLE_PORT_ADD, 1);
	assert_true(vrig_take_queue_irq(&t->r, CTL_RX));
	assert_told_no_more(t);
	/* The console. */
	tell(t, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_told_plain(t, 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
	assert_told_plain(t, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	/* One with a name. */
	tell(t, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_told(t, 1, VIRTIO_CONSOLE_PORT_NAME, 1, NAME, strlen(NAME));
	assert_told_plain(t, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	/* And one at which nobody is. */
	tell(t, 2, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_told_no_more(t);
}

static void messages_wait_for_buffers_and_then_say_what_is_the_case(void **state)
{
	struct t *t = *state;

	start(t);
	tell(t, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	tell(t, 2, VIRTIO_CONSOLE_PORT_READY, 1);
	fake_chardev_connect(&t->host[2], true);
	offer_control(t, 1, CTL_BUF_LEN);
	assert_told_plain(t, 0, VIRTIO_CONSOLE_PORT_ADD, 1);
	assert_told_no_more(t);
	fake_chardev_connect(&t->host[2], false);
	offer_control(t, 10, CTL_BUF_LEN);
	assert_told_plain(t, 1, VIRTIO_CONSOLE_PORT_ADD, 1);
	assert_told_plain(t, 2, VIRTIO_CONSOLE_PORT_ADD, 1);
	assert_told_plain(t, 2, VIRTIO_CONSOLE_PORT_OPEN, 0);
	assert_told_no_more(t);
}

static void driver_is_told_who_comes_and_leaves(void **state)
{
	struct t *t = *state;

	start_all(t);
	fake_chardev_connect(&t->host[2], true);
	assert_told_plain(t, 2, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_true(vrig_take_queue_irq(&t->r, CTL_RX));
	fake_chardev_connect(&t->host[2], true);
	assert_told_no_more(t);
	fake_chardev_connect(&t->host[2], false);
	fake_chardev_connect(&t->host[1], false);
	assert_told_plain(t, 2, VIRTIO_CONSOLE_PORT_OPEN, 0);
	assert_told_plain(t, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	assert_told_no_more(t);
	/* What happens while there is no driver is told to the next. */
	vdrv_reset(&t->r.d);
	fake_chardev_connect(&t->host[2], true);
	start(t);
	offer_control(t, 10, CTL_BUF_LEN);
	assert_told_no_more(t);
	tell(t, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_told(t, 1, VIRTIO_CONSOLE_PORT_NAME, 1, NAME, strlen(NAME));
	assert_told_no_more(t);
	tell(t, 2, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_told_plain(t, 2, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

static void window_size_is_told_by_message_too(void **state)
{
	struct t *t = *state;
	uint16_t size[] = { 80, 24 };

	assert_true(vdrv_device_features(&t->r.d) == (FEATURES | BIT(VIRTIO_CONSOLE_F_SIZE)));
	start(t);
	offer_control(t, 20, CTL_BUF_LEN);
	/* Before the port is known there is nothing to resize. */
	t->host[0].chr.front->resized(t->host[0].chr.front_ctx);
	assert_told_no_more(t);
	tell(t, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_told_plain(t, 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
	assert_told(t, 0, VIRTIO_CONSOLE_RESIZE, 0, size, sizeof(size));
	assert_told_plain(t, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	/* That is all: output changes nothing. */
	vrig_take_config_irq(&t->r);
	assert_int_equal(vrig_request(&t->r, 1, "x", 1, NULL, 0), 0);
	assert_false(vrig_take_config_irq(&t->r));
	size[0] = t->cols = 132;
	size[1] = t->rows = 50;
	t->host[0].chr.front->resized(t->host[0].chr.front_ctx);
	assert_told(t, 0, VIRTIO_CONSOLE_RESIZE, 0, size, sizeof(size));
	assert_true(vrig_take_config_irq(&t->r));
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), 132 | 50 << 16);
	/* Only the console has a window. */
	t->host[1].chr.front->resized(t->host[1].chr.front_ctx);
	tell(t, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	forget_what_was_told(t);
	assert_told_no_more(t);
}

static void window_size_is_not_told_to_who_does_not_want_it(void **state)
{
	struct t *t = *state;

	vdrv_start(&t->r.d, FEATURES);
	settle(t);
	offer_control(t, 20, CTL_BUF_LEN);
	tell(t, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	t->host[0].chr.front->resized(t->host[0].chr.front_ctx);
	assert_told_plain(t, 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
	assert_told_plain(t, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_told_no_more(t);
}

/* --- data ------------------------------------------------------------------------------- */

static void each_port_has_its_own_stream(void **state)
{
	struct t *t = *state;
	static const char *const in[] = { "to 0", "to 1", "to 2" };
	static const char *const out[] = { "from 0", "from 1", "from 2" };

	start_all(t);
	for (unsigned i = 0; i < N_PORTS; i++) {
		offer(t, i, 64);
		assert_true(type(t, i, in[i]));
		assert_int_equal(vrig_request(&t->r, rxq(i) + 1, out[i], 6, NULL, 0), 0);
	}
	for (unsigned i = 0; i < N_PORTS; i++) {
		assert_guest_got(t, i, in[i]);
		assert_host_got(t, i, out[i]);
	}
}

static void case_97_input_waits_until_somebody_in_the_guest_opens_the_port(void **state)
{
	struct t *t = *state;

	start_all(t);
	tell(t, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	offer(t, 1, 64);
	assert_true(type(t, 1, "patience"));
	settle(t);
	assert_int_equal(vdrv_used(&t->r.d.rings[rxq(1)], NULL), -1);
	/* Nor does more than a buffer of it leave the host. */
	for (unsigned i = 0; i < 10; i++)
		fake_chardev_type(&t->host[1], t->r.d.rings, 500);
	assert_int_equal(fake_chardev_type(&t->host[1], "x", 1), 0);
	tell(t, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	settle(t);
	assert_true(vdrv_used(&t->r.d.rings[rxq(1)], NULL) >= 0);
	assert_memory_equal(vdrv_ptr(&t->r.d, BUF + 0x1000, 8), "patience", 8);
	/* There is room again, and the host is told. */
	assert_int_equal(t->host[1].kicks, 1);
	assert_int_equal(fake_chardev_type(&t->host[1], t->r.d.rings, 500), 64);
}

static void reset_closes_the_ports(void **state)
{
	struct t *t = *state;

	start_all(t);
	start(t);
	offer(t, 1, 64);
	assert_true(type(t, 1, "later"));
	settle(t);
	assert_int_equal(vdrv_used(&t->r.d.rings[rxq(1)], NULL), -1);
	tell(t, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_guest_got(t, 1, "later");
}

static void a_peer_that_does_not_read_holds_up_its_own_port_only(void **state)
{
	struct t *t = *state;
	const uint32_t len = 3 * CONSOLE_TX_BYTES;

	start_all(t);
	t->host[1].appetite = 0;
	vdrv_add(&t->r.d.rings[rxq(1) + 1], &(struct vdrv_buf)VDRV_OUT(BUF, len), 1);
	kick(t, rxq(1) + 1);
	settle(t);
	assert_int_equal(vdrv_used(&t->r.d.rings[rxq(1) + 1], NULL), -1);
	assert_int_equal(vrig_request(&t->r, 1, "well", 4, NULL, 0), 0);
	assert_host_got(t, 0, "well");
	fake_chardev_drain(&t->host[1], SIZE_MAX);
	settle(t);
	assert_true(vdrv_used(&t->r.d.rings[rxq(1) + 1], NULL) >= 0);
	assert_int_equal(t->host[1].out_len, len);
}

/* --- a driver that knows of one port --------------------------------------------------- */

static void driver_without_the_feature_has_the_console(void **state)
{
	struct t *t = *state;
	const struct virtio_console_control m = { .event = VIRTIO_CONSOLE_DEVICE_READY, .value = 1 };

	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	settle(t);
	offer(t, 0, 64);
	assert_true(type(t, 0, "in"));
	assert_guest_got(t, 0, "in");
	assert_int_equal(vrig_request(&t->r, 1, "out", 3, NULL, 0), 0);
	assert_host_got(t, 0, "out");
	/* The other queues are of no use. */
	offer_control(t, 1, CTL_BUF_LEN);
	assert_int_equal(vrig_request(&t->r, CTL_TX, &m, sizeof(m), NULL, 0), -1);
	assert_int_equal(vrig_request(&t->r, rxq(1) + 1, "out", 3, NULL, 0), -1);
	fake_chardev_connect(&t->host[2], true);
	assert_told_no_more(t);
	assert_host_got(t, 1, "");
	assert_int_equal(vdrv_get(&t->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
}

/* --- drivers without manners -------------------------------------------------------------- */

static void nonsense_in_messages_is_ignored(void **state)
{
	static const struct virtio_console_control messages[] = {
		{ 0, VIRTIO_CONSOLE_DEVICE_READY, 0 },
		{ N_PORTS, VIRTIO_CONSOLE_PORT_READY, 1 },
		{ 0xffffffff, VIRTIO_CONSOLE_PORT_OPEN, 1 },
		{ 0x80000000, VIRTIO_CONSOLE_PORT_READY, 1 },
		{ 1, VIRTIO_CONSOLE_PORT_READY, 0 },
		{ 1, VIRTIO_CONSOLE_PORT_ADD, 1 },
		{ 1, VIRTIO_CONSOLE_PORT_REMOVE, 1 },
		{ 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1 },
		{ 0, VIRTIO_CONSOLE_RESIZE, 1 },
		{ 1, VIRTIO_CONSOLE_PORT_NAME, 1 },
		{ 1, 8, 1 },
		{ 1, 0xffff, 0xffff },
	};
	struct t *t = *state;

	start(t);
	offer_control(t, 20, CTL_BUF_LEN);
	for (unsigned i = 0; i < ARRAY_SIZE(messages); i++)
		tell(t, messages[i].id, messages[i].event, messages[i].value);
	assert_told_no_more(t);
	assert_int_equal(vdrv_get(&t->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
	tell(t, 2, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_told_plain(t, 0, VIRTIO_CONSOLE_PORT_ADD, 1);
}

static void messages_of_any_length_are_taken(void **state)
{
	struct t *t = *state;
	struct {
		struct virtio_console_control m;
		uint8_t more[5000];
	} big = { .m = { .event = VIRTIO_CONSOLE_DEVICE_READY, .value = 1 } };

	start(t);
	offer_control(t, 20, CTL_BUF_LEN);
	for (unsigned len = 1; len < sizeof(big.m); len++)
		assert_int_equal(vrig_request(&t->r, CTL_TX, &big, len, NULL, 0), 0);
	assert_told_no_more(t);
	assert_int_equal(vrig_request(&t->r, CTL_TX, &big, sizeof(big), NULL, 0), 0);
	assert_told_plain(t, 0, VIRTIO_CONSOLE_PORT_ADD, 1);
}

static void case_19_small_buffers_for_messages_come_back_empty(void **state)
{
	struct t *t = *state;
	uint32_t len;

	start(t);
	tell(t, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	offer_control(t, 5, sizeof(struct virtio_console_control) + strlen(NAME) - 1);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(vdrv_used(&t->r.d.rings[CTL_RX], &len) >= 0);
		assert_int_equal(len, 0);
	}
	/* Nothing is lost by that. */
	offer_control(t, 2, CTL_BUF_LEN);
	assert_told(t, 1, VIRTIO_CONSOLE_PORT_NAME, 1, NAME, strlen(NAME));
	assert_told_plain(t, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

static void case_21_a_flood_of_messages_costs_nothing(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < 20000; i++)
		tell(t, i % N_PORTS, i % 2 ? VIRTIO_CONSOLE_PORT_READY : VIRTIO_CONSOLE_DEVICE_READY,
		     1);
	offer_control(t, 20, CTL_BUF_LEN);
	/* Each once. */
	assert_told_plain(t, 0, VIRTIO_CONSOLE_PORT_ADD, 1);
	assert_told_plain(t, 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
	assert_told_plain(t, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_told_plain(t, 1, VIRTIO_CONSOLE_PORT_ADD, 1);
	assert_told(t, 1, VIRTIO_CONSOLE_PORT_NAME, 1, NAME, strlen(NAME));
	assert_told_plain(t, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_told_plain(t, 2, VIRTIO_CONSOLE_PORT_ADD, 1);
	assert_told_no_more(t);
}

static void case_25_full_queues_of_messages_share_the_loop(void **state)
{
	struct t *t = *state;
	struct vdrv_ring *r = &t->r.d.rings[CTL_TX];
	const struct virtio_console_control m = { .event = VIRTIO_CONSOLE_DEVICE_READY, .value = 1 };

	start(t);
	memcpy(vdrv_ptr(&t->r.d, BUF, sizeof(m)), &m, sizeof(m));
	for (unsigned round = 0; round < 3; round++) {
		unsigned n = 0;

		/* All of it, and empty buffers for the answers. */
		while (vdrv_add(r, &(struct vdrv_buf)VDRV_OUT(BUF, sizeof(m)), 1) >= 0)
			n++;
		assert_int_equal(n, CONSOLE_CONTROL_QUEUE_SIZE);
		offer_control(t, n, 0);
		vdrv_kick(&t->r.d, CTL_TX);
		settle(t);
		for (unsigned i = 0; i < n; i++) {
			assert_true(vdrv_used(r, NULL) >= 0);
			assert_true(vdrv_used(&t->r.d.rings[CTL_RX], NULL) >= 0);
		}
	}
	offer_control(t, 4, CTL_BUF_LEN);
	assert_told_plain(t, 0, VIRTIO_CONSOLE_PORT_ADD, 1);
}

static void case_07_messages_outside_ram_need_a_reset(void **state)
{
	struct t *t = *state;

	for (unsigned q = CTL_RX; q <= CTL_TX; q++) {
		start_all(t);
		vdrv_add(&t->r.d.rings[q],
			 &(struct vdrv_buf){ FAKE_RAM_LEN, 16, .write = q == CTL_RX }, 1);
		vdrv_kick(&t->r.d, q);
		/* Those that came before it are used up first. */
		for (unsigned i = 0; i < 30; i++)
			fake_chardev_connect(&t->host[2], i % 2);
		settle(t);
		assert_true(vdrv_get(&t->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
		fake_chardev_connect(&t->host[2], true);
		fake_chardev_connect(&t->host[2], false);
	}
	start_all(t);
	fake_chardev_connect(&t->host[2], true);
	assert_told_plain(t, 2, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

static void queues_that_are_off_are_left_alone(void **state)
{
	struct t *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_free_all(d);
	vdrv_negotiate(d, FEATURES);
	vdrv_setup_queue(d, 0, 0);
	vdrv_setup_queue(d, 1, 0);
	vdrv_setup_queue(d, CTL_TX, 0);
	vdrv_set(d, VDRV_STATUS, vdrv_get(d, VDRV_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
	settle(t);
	tell(t, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (unsigned i = 0; i < N_PORTS; i++) {
		tell(t, i, VIRTIO_CONSOLE_PORT_READY, 1);
		tell(t, i, VIRTIO_CONSOLE_PORT_OPEN, 1);
		assert_true(type(t, i, "x"));
		fake_chardev_connect(&t->host[i], i % 2);
	}
	settle(t);
	assert_int_equal(vdrv_get(d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
}

/* --- threads -------------------------------------------------------------------------------- */

struct host_end {
	struct t *t;
	struct loop_work work;
	unsigned left;
};

/* On the loop's thread: people come, type and leave, without a pause. */
static void host_acts(void *arg)
{
	struct host_end *h = arg;
	unsigned i = h->left % N_PORTS;

	fake_chardev_connect(&h->t->host[i], h->left % 4);
	fake_chardev_type(&h->t->host[i], "some text", 9);
	h->t->host[i].out_len = 0;
	h->t->host[0].chr.front->resized(h->t->host[0].chr.front_ctx);
	if (--h->left)
		loop_post(h->t->r.fake.loop, &h->work);
}

static void *loop_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void case_22_resets_race_with_the_host(void **state)
{
	struct t *t = *state;
	struct host_end h = { .t = t, .left = 20000, .work = { .cb = host_acts, .arg = &h } };
	struct vdrv *d = &t->r.d;

	t->r.racing = true;
	loop_post(t->r.fake.loop, &h.work);
	pthread_create(&t->loop, NULL, loop_thread, t->r.fake.loop);
	for (unsigned i = 0; i < 300; i++) {
		const struct virtio_console_control m = {
			.id = i % 4, .event = i % 8, .value = i % 3,
		};

		vdrv_start(d, vdrv_device_features(d));
		memcpy(vdrv_ptr(d, CTL_BUF, sizeof(m)), &m, sizeof(m));
		for (unsigned k = 0; k < 10; k++) {
			vdrv_add(&d->rings[CTL_TX], &(struct vdrv_buf)VDRV_OUT(CTL_BUF, 8), 1);
			vdrv_add(&d->rings[CTL_RX], &(struct vdrv_buf)VDRV_IN(BUF, 64), 1);
			vdrv_add(&d->rings[rxq(k % 3)], &(struct vdrv_buf)VDRV_IN(BUF, 64), 1);
			vdrv_kick(d, CTL_TX);
			vdrv_kick(d, CTL_RX);
			vdrv_kick(d, rxq(k % 3));
			sched_yield();
		}
		vdrv_reset(d);
	}
	loop_quit(t->r.fake.loop);
	pthread_join(t->loop, NULL);
	loop_cancel(t->r.fake.loop, &h.work);
	t->r.racing = false;
	for (unsigned i = 0; i < N_PORTS; i++)
		fake_chardev_connect(&t->host[i], true);
	start_all(t);
	offer(t, 1, CONSOLE_RX_BYTES);
	/* Unless something is left over from before. */
	type(t, 1, "still here");
	settle(t);
	assert_true(vdrv_used(&d->rings[rxq(1)], NULL) >= 0);
}

/* --- the option ----------------------------------------------------------------------------- */

static const struct virtio_model *console_model(void)
{
	for (unsigned i = 0; virtio_models[i]; i++)
		if (!strcmp(virtio_models[i]->name, "console"))
			return virtio_models[i];
	return NULL;
}

/* Parses and checks as the program does; the line in the log, to be freed. */
static char *check_option(const char *text, int expect)
{
	struct opt_value opts;
	struct capture c;
	int ret;

	assert_int_equal(opt_value_parse(&opts, "--console", text, console_model()->keys), 0);
	capture_begin(&c, STDERR_FILENO);
	ret = console_model()->check("--console", &opts);
	opt_value_finish(&opts);
	text = capture_end(&c);
	assert_int_equal(ret, expect);
	return (char *)text;
}

static void options_that_make_sense_are_taken(void **state)
{
	static const char *const texts[] = {
		"stdio", "null,name=a", "null,port=pty,port=unix:/x", "pty,port=null,name=b,port=stdio",
		"null,name=a,port=null,name=b,port=null,name=a.b_c-d:0",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++)
		free(check_option(texts[i], 0));
}

static void options_without_sense_are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "null,name=a/b", "name=a/b: 1 to 64" },
		{ "null,name=a b", "name=a b: 1 to 64" },
		{ "null,name=..", "name=..: 1 to 64" },
		{ "null,name=\303\244", ": 1 to 64" },
		{ "null,name=123456789012345678901234567890123456789012345678901234567890_1234",
		  ": 1 to 64" },
		{ "null,name=a,name=b", "name=b: the port before it has a name already" },
		{ "null,name=a,port=null,name=a", "name=a: another port has it already" },
		{ "stdio,port=stdio", "port=stdio: only one port" },
		{ "null,port=stdio,port=stdio", "port=stdio: only one port" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		char *text = check_option(bad[i].text, -EINVAL);

		if (!strstr(text, bad[i].why) || strchr(text, '\n') != text + strlen(text) - 1)
			fail_msg("%s: %s", bad[i].text, text);
		free(text);
	}
}

/* What a model makes of @text, on a machine of its own. */
static int create(struct vrig *r, struct virtio_device **v, const char *text)
{
	struct opt_value opts;
	int ret;

	assert_int_equal(opt_value_parse(&opts, "--console", text, console_model()->keys), 0);
	ret = console_model()->create(v, &(struct virtio_env){ .loop = r->fake.loop,
						.mem = &r->fake.mem }, &opts);
	opt_value_finish(&opts);
	return ret;
}

static void model_makes_all_ports(void **state)
{
	char dir[] = "/tmp/microvm-test-XXXXXX", text[200], got[16] = "";
	struct vrig *r = calloc(1, sizeof(*r));
	struct virtio_device *v;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	vrig_init(r, VRIG_MMIO);
	snprintf(text, sizeof(text), "null,port=unix:%s/s,name=one,port=file:%s/f", dir, dir);
	assert_int_equal(create(r, &v, text), 0);
	vrig_plug(r, v);
	assert_int_equal(r->d.n_queues, 8);
	assert_int_equal(vdrv_config_read(&r->d, 4, 4), 3);
	vdrv_start(&r->d, FEATURES);
	assert_int_equal(vrig_request(r, rxq(2) + 1, "to a file", 9, NULL, 0), 0);
	vrig_unplug(r);
	console_model()->destroy(v);
	snprintf(text, sizeof(text), "%s/f", dir);
	f = fopen(text, "r");
	assert_non_null(fgets(got, sizeof(got), f));
	fclose(f);
	assert_string_equal(got, "to a file");
	unlink(text);
	/* The socket is gone. */
	assert_int_equal(rmdir(dir), 0);
	/* A port that cannot be had takes those before it with it. */
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(text, sizeof(text), "null,port=unix:%s/s,port=file:/nowhere/f", dir);
	assert_true(create(r, &v, text) < 0);
	assert_int_equal(rmdir(dir), 0);
	vrig_finish(r);
	free(r);
}

static void a_name_alone_makes_the_console_speak(void **state)
{
	struct vrig *r = calloc(1, sizeof(*r));
	struct virtio_device *v;

	vrig_init(r, VRIG_MMIO);
	assert_int_equal(create(r, &v, "null,name=main"), 0);
	vrig_plug(r, v);
	assert_int_equal(r->d.n_queues, 4);
	assert_true(vdrv_device_features(&r->d) == FEATURES);
	vrig_unplug(r);
	console_model()->destroy(v);
	vrig_finish(r);
	free(r);
}

static void as_many_ports_as_an_option_holds(void **state)
{
	char text[300] = "null,bus=mmio";
	const struct opt_key keys[] = { { "bus", "X", "" }, console_model()->keys[0], { 0 } };
	struct vrig *r = calloc(1, sizeof(*r));
	struct virtio_device *v;
	struct opt_value opts;

	for (unsigned i = 1; i < OPT_MAX_PAIRS; i++)
		strcat(text, ",port=null");
	vrig_init(r, VRIG_PCI_MSIX);
	assert_int_equal(opt_value_parse(&opts, "--console", text, keys), 0);
	assert_int_equal(console_model()->create(&v, &(struct virtio_env){
				.loop = r->fake.loop, .mem = &r->fake.mem }, &opts), 0);
	opt_value_finish(&opts);
	vrig_plug(r, v);
	assert_int_equal(r->d.n_queues, 2 * OPT_MAX_PAIRS + 2);
	vrig_unplug(r);
	console_model()->destroy(v);
	vrig_finish(r);
	free(r);
}

static enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_MSIX, VRIG_PACKED };

#define ON(f, set, k, name) { #f " (" name ")", f, set, teardown, &kinds[k] }
#define T(f) ON(f, setup, 0, "mmio"), ON(f, setup, 1, "pci"), ON(f, setup, 2, "packed")
#define W(f) ON(f, setup_window, 0, "mmio"), ON(f, setup_window, 1, "pci")

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(several_ports_are_a_feature_with_queues),
		T(driver_is_told_of_the_ports_it_asks_for),
		T(messages_wait_for_buffers_and_then_say_what_is_the_case),
		T(driver_is_told_who_comes_and_leaves),
		W(window_size_is_told_by_message_too),
		W(window_size_is_not_told_to_who_does_not_want_it),
		T(each_port_has_its_own_stream),
		T(case_97_input_waits_until_somebody_in_the_guest_opens_the_port),
		T(reset_closes_the_ports),
		T(a_peer_that_does_not_read_holds_up_its_own_port_only),
		T(driver_without_the_feature_has_the_console),
		T(nonsense_in_messages_is_ignored),
		T(messages_of_any_length_are_taken),
		T(case_19_small_buffers_for_messages_come_back_empty),
		T(case_21_a_flood_of_messages_costs_nothing),
		T(case_25_full_queues_of_messages_share_the_loop),
		T(case_07_messages_outside_ram_need_a_reset),
		T(queues_that_are_off_are_left_alone),
		W(case_22_resets_race_with_the_host),
		cmocka_unit_test(options_that_make_sense_are_taken),
		cmocka_unit_test(options_without_sense_are_refused),
		cmocka_unit_test(model_makes_all_ports),
		cmocka_unit_test(a_name_alone_makes_the_console_speak),
		cmocka_unit_test(as_many_ports_as_an_option_holds),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
