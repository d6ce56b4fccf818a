/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/virtio_console.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/registry.h"
#include "devices/virtio/console.h"
#include "tests/fake_chardev.h"
#include "tests/vrig.h"

#define RX 0
#define TX 1
#define BUF 0x80000ull
#define ALL_FEATURES (VIRTIO_COMMON_FEATURES | BIT(VIRTIO_CONSOLE_F_SIZE))

struct t {
	struct vrig r;
	struct fake_chardev host;
	struct chardev_ops sized_ops;	/* the fake's, and a size */
	struct virtio_device *v;
	unsigned cols, rows;
};

static int fake_size(struct chardev *chr, unsigned *cols, unsigned *rows)
{
	struct t *t = container_of(chr, struct t, host.chr);

	*cols = t->cols;
	*rows = t->rows;
	return 0;
}

static int setup_sized(void **state, bool sized)
{
	struct t *t = calloc(1, sizeof(*t));

	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	fake_chardev_init(&t->host);
	t->cols = 80;
	t->rows = 24;
	t->sized_ops = *t->host.chr.ops;
	t->sized_ops.size = fake_size;
	if (sized)
		t->host.chr.ops = &t->sized_ops;
	if (virtio_console_create(&t->v, t->r.fake.loop, &t->r.fake.mem,
				  &(struct console_port_params){ .chr = &t->host.chr }, 1) < 0)
		return -1;
	vrig_plug(&t->r, t->v);
	*state = t;
	return 0;
}

static int setup_plain(void **state)
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

static void start(struct t *t)
{
	vdrv_start(&t->r.d, vdrv_device_features(&t->r.d));
	fake_settle(&t->r.fake);
}

static void settle(struct t *t)
{
	fake_settle(&t->r.fake);
}

static void offer(struct t *t, unsigned n, uint32_t len)
{
	struct vdrv_ring *r = &t->r.d.rings[RX];

	for (unsigned i = 0; i < n; i++)
		assert_true(vdrv_add(r, &(struct vdrv_buf)VDRV_IN(BUF + i * 0x1000, len), 1) >= 0);
	if (vdrv_wants_kick(r))
		vdrv_kick(&t->r.d, RX);
	settle(t);
}

static bool type(struct t *t, const char *text)
{
	return fake_chardev_type(&t->host, text, strlen(text)) == strlen(text);
}

static void assert_host_got(struct t *t, const char *text)
{
	assert_int_equal(t->host.out_len, strlen(text));
	assert_memory_equal(t->host.out, text, strlen(text));
}

/* The next receive buffer, which is number @i of those offered, holds @text. */
static void assert_guest_got(struct t *t, unsigned i, const char *text)
{
	uint32_t len;

	assert_true(vdrv_used(&t->r.d.rings[RX], &len) >= 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(vdrv_ptr(&t->r.d, BUF + i * 0x1000, 1), text, len);
}

/* Adds a chain of @len bytes, numbered on from *@seq. */
static void send_numbered(struct t *t, uint64_t gpa, uint32_t len, uint8_t *seq)
{
	uint8_t *p = vdrv_ptr(&t->r.d, gpa, len);

	for (uint32_t i = 0; i < len; i++)
		p[i] = (*seq)++;
	assert_true(vdrv_add(&t->r.d.rings[TX], &(struct vdrv_buf)VDRV_OUT(gpa, len), 1) >= 0);
	if (vdrv_wants_kick(&t->r.d.rings[TX]))
		vdrv_kick(&t->r.d, TX);
}

static void assert_host_got_numbered(struct t *t, size_t len)
{
	assert_int_equal(t->host.out_len, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal((uint8_t)t->host.out[i], (uint8_t)i);
}

/* --- guest to host ------------------------------------------------------------------ */

static void output_reaches_the_host(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(vrig_request(&t->r, TX, "hello ", 6, NULL, 0), 0);
	assert_true(vrig_take_queue_irq(&t->r, TX));
	assert_int_equal(vrig_request(&t->r, TX, "world", 5, NULL, 0), 0);
	assert_host_got(t, "hello world");
}

static void output_larger_than_the_buffer_arrives_whole(void **state)
{
	struct t *t = *state;
	uint8_t seq = 0;

	start(t);
	send_numbered(t, BUF, 50000, &seq);
	settle(t);
	assert_int_equal(vdrv_used(&t->r.d.rings[TX], NULL), 0);
	assert_host_got_numbered(t, 50000);
}

static void chain_of_many_pieces_arrives_in_order(void **state)
{
	struct t *t = *state;
	struct vdrv_buf bufs[CONSOLE_QUEUE_SIZE];
	char expect[CONSOLE_QUEUE_SIZE + 1] = "";

	start(t);
	for (unsigned i = 0; i < CONSOLE_QUEUE_SIZE; i++) {
		expect[i] = 'a' + i % 26;
		*(char *)vdrv_ptr(&t->r.d, BUF + 7 * i, 1) = expect[i];
		bufs[i] = (struct vdrv_buf)VDRV_OUT(BUF + 7 * i, 1);
	}
	vdrv_add(&t->r.d.rings[TX], bufs, CONSOLE_QUEUE_SIZE);
	vdrv_kick(&t->r.d, TX);
	settle(t);
	assert_host_got(t, expect);
}

static void case_97_peer_that_does_not_read_stops_the_guest_and_nothing_is_lost(void **state)
{
	struct t *t = *state;
	struct vdrv_ring *tx = &t->r.d.rings[TX];
	uint8_t seq = 0;
	unsigned back = 0;

	start(t);
	t->host.appetite = 100;
	for (unsigned i = 0; i < 10; i++)
		send_numbered(t, BUF + i * 0x1000, 1000, &seq);
	settle(t);
	/* The buffer is full, the rest stays where it is. */
	while (vdrv_used(tx, NULL) >= 0)
		back++;
	assert_int_equal(t->host.out_len, 100);
	assert_true(back * 1000 <= 100 + CONSOLE_TX_BYTES);
	for (unsigned i = 0; i < 5; i++) {
		vdrv_kick(&t->r.d, TX);
		settle(t);
	}
	assert_int_equal(vdrv_used(tx, NULL), -1);
	assert_int_equal(t->host.out_len, 100);
	/* A little at a time, then all. */
	for (unsigned i = 0; i < 20; i++)
		fake_chardev_drain(&t->host, 77);
	fake_chardev_drain(&t->host, SIZE_MAX);
	settle(t);
	while (vdrv_used(tx, NULL) >= 0)
		back++;
	assert_int_equal(back, 10);
	assert_host_got_numbered(t, 10000);
}

static void output_of_before_a_reset_still_arrives(void **state)
{
	struct t *t = *state;

	start(t);
	t->host.appetite = 3;
	assert_int_equal(vrig_request(&t->r, TX, "before ", 7, NULL, 0), 0);
	start(t);
	assert_int_equal(vrig_request(&t->r, TX, "after", 5, NULL, 0), 0);
	fake_chardev_drain(&t->host, SIZE_MAX);
	assert_host_got(t, "before after");
}

static void output_still_held_at_the_end_is_written_last(void **state)
{
	struct t *t = *state;
	const struct console_port_params params = { .chr = &t->host.chr };
	struct virtio_device *v;

	start(t);
	t->host.appetite = 2;
	t->host.wait_gives = SIZE_MAX;
	assert_int_equal(vrig_request(&t->r, TX, "goodbye", 7, NULL, 0), 0);
	assert_host_got(t, "go");
	vrig_unplug(&t->r);
	virtio_console_destroy(t->v);
	assert_host_got(t, "goodbye");
	assert_int_equal(t->host.waits, 1);
	/* For teardown. */
	fake_chardev_init(&t->host);
	assert_int_equal(virtio_console_create(&v, t->r.fake.loop, &t->r.fake.mem, &params, 1), 0);
	t->v = v;
	vrig_plug(&t->r, v);
}

static void case_22_reset_in_the_middle_of_a_chain(void **state)
{
	struct t *t = *state;
	uint8_t seq = 0;

	t->host.appetite = 0;
	for (unsigned i = 0; i < 1000; i++) {
		start(t);
		send_numbered(t, BUF, 20000, &seq);
		settle(t);
		assert_int_equal(vdrv_used(&t->r.d.rings[TX], NULL), -1);
		if (i % 2)
			fake_chardev_drain(&t->host, 10);
	}
	vdrv_reset(&t->r.d);
	fake_chardev_drain(&t->host, SIZE_MAX);
	settle(t);
	/* Of a chain that was not given back any part may have been written, but in order. */
	assert_true(t->host.out_len >= CONSOLE_TX_BYTES);
	t->host.out_len = 0;
	start(t);
	assert_int_equal(vrig_request(&t->r, TX, "well", 4, NULL, 0), 0);
	assert_host_got(t, "well");
}

/* A single flush must not hold the loop up for as long as the guest likes. */
static void case_25_flood_shares_the_loop(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < 2; i++) {
		vdrv_add(&t->r.d.rings[TX], &(struct vdrv_buf)VDRV_OUT(BUF, 0x40000), 1);
		vdrv_kick(&t->r.d, TX);
	}
	loop_run_once(t->r.fake.loop, 0);
	assert_true(t->host.writes <= 20);
	while (vdrv_used(&t->r.d.rings[TX], NULL) < 0)
		loop_run_once(t->r.fake.loop, 0);
	settle(t);
}

/* --- host to guest ------------------------------------------------------------------ */

static void input_reaches_the_guest(void **state)
{
	struct t *t = *state;

	start(t);
	offer(t, 3, 64);
	assert_true(type(t, "ls\r"));
	assert_true(vrig_take_queue_irq(&t->r, RX));
	assert_guest_got(t, 0, "ls\r");
	assert_true(type(t, "x"));
	assert_guest_got(t, 1, "x");
	assert_int_equal(vdrv_used(&t->r.d.rings[RX], NULL), -1);
}

static void input_is_spread_over_small_buffers(void **state)
{
	struct t *t = *state;

	start(t);
	offer(t, 4, 3);
	assert_true(type(t, "abcdefgh"));
	assert_guest_got(t, 0, "abc");
	assert_guest_got(t, 1, "def");
	assert_guest_got(t, 2, "gh");
	assert_int_equal(vdrv_used(&t->r.d.rings[RX], NULL), -1);
}

static void input_of_before_the_driver_waits_for_it(void **state)
{
	struct t *t = *state;

	assert_true(type(t, "early "));
	start(t);
	assert_true(type(t, "bird"));
	offer(t, 1, 64);
	assert_guest_got(t, 0, "early bird");
}

static void input_waits_for_buffers_made_before_driver_ok(void **state)
{
	struct t *t = *state;
	struct vdrv *d = &t->r.d;

	assert_true(type(t, "x"));
	vdrv_free_all(d);
	vdrv_negotiate(d, BIT(VIRTIO_F_VERSION_1));
	vdrv_setup_queue(d, RX, 0);
	vdrv_setup_queue(d, TX, 0);
	vdrv_add(&d->rings[RX], &(struct vdrv_buf)VDRV_IN(BUF, 64), 1);
	vdrv_set(d, VDRV_STATUS, vdrv_get(d, VDRV_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
	settle(t);
	assert_guest_got(t, 0, "x");
}

static void case_97_guest_without_buffers_stops_the_host_and_nothing_is_lost(void **state)
{
	struct t *t = *state;
	uint8_t data[3000];
	size_t sent = 0, got = 0;

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = i * 7;
	start(t);
	sent = fake_chardev_type(&t->host, data, sizeof(data));
	assert_int_equal(sent, CONSOLE_RX_BYTES);
	assert_int_equal(fake_chardev_type(&t->host, data + sent, 1), 0);
	while (got < sizeof(data)) {
		unsigned kicks = t->host.kicks;
		bool was_full = sent - got == CONSOLE_RX_BYTES;
		uint32_t len;

		offer(t, 1, 100);
		assert_true(vdrv_used(&t->r.d.rings[RX], &len) >= 0);
		assert_memory_equal(vdrv_ptr(&t->r.d, BUF, 100), data + got, len);
		got += len;
		/* From no room to some is worth a word to the host. */
		assert_int_equal(t->host.kicks, kicks + was_full);
		sent += fake_chardev_type(&t->host, data + sent, sizeof(data) - sent);
	}
	assert_int_equal(got, sizeof(data));
}

static void input_outlives_a_reset(void **state)
{
	struct t *t = *state;

	start(t);
	assert_true(type(t, "kept"));
	start(t);
	offer(t, 1, 64);
	assert_guest_got(t, 0, "kept");
}

static void case_19_receive_buffers_without_room_come_back_empty(void **state)
{
	struct t *t = *state;
	struct vdrv_ring *rx = &t->r.d.rings[RX];
	uint32_t len;

	start(t);
	vdrv_add(rx, &(struct vdrv_buf)VDRV_OUT(BUF, 16), 1);
	vdrv_add(rx, &(struct vdrv_buf)VDRV_IN(BUF, 0), 1);
	vdrv_add(rx, &(struct vdrv_buf)VDRV_IN(BUF, 1), 1);
	vdrv_kick(&t->r.d, RX);
	settle(t);
	assert_true(type(t, "x"));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(vdrv_used(rx, &len), i);
		assert_int_equal(len, i == 2);
	}
}

static void case_04_queues_full_of_empty_chains_are_answered(void **state)
{
	struct t *t = *state;

	start(t);
	assert_true(type(t, "x"));
	for (unsigned q = RX; q <= TX; q++) {
		struct vdrv_ring *r = &t->r.d.rings[q];

		for (unsigned i = 0; i < CONSOLE_QUEUE_SIZE; i++)
			vdrv_add(r, &(struct vdrv_buf){ .write = q == RX }, 1);
		vdrv_kick(&t->r.d, q);
		settle(t);
		for (unsigned i = 0; i < CONSOLE_QUEUE_SIZE; i++)
			assert_int_equal(vdrv_used(r, NULL), i);
	}
	assert_int_equal(t->host.out_len, 0);
	offer(t, 1, 8);
	assert_guest_got(t, 0, "x");
}

static void case_81_receive_buffer_outside_ram_needs_a_reset(void **state)
{
	struct t *t = *state;

	start(t);
	vdrv_add(&t->r.d.rings[RX], &(struct vdrv_buf)VDRV_IN(FAKE_RAM_LEN, 16), 1);
	vdrv_kick(&t->r.d, RX);
	assert_true(type(t, "x"));
	assert_true(vdrv_get(&t->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	start(t);
	offer(t, 1, 4);
	assert_guest_got(t, 0, "x");
}

/* --- the window --------------------------------------------------------------------- */

static void without_a_window_there_is_no_size(void **state)
{
	struct t *t = *state;

	assert_true(vdrv_device_features(&t->r.d) == (VIRTIO_COMMON_FEATURES | t->r.d.always));
	assert_int_equal(t->v->config_len, 0);
	/* Nor are there other ports. */
	assert_int_equal(t->r.d.n_queues, 2);
}

static void window_size_is_told_and_its_changes(void **state)
{
	struct t *t = *state;
	struct vdrv *d = &t->r.d;

	assert_true(vdrv_device_features(d) == ALL_FEATURES);
	start(t);
	assert_int_equal(vdrv_config_read(d, 0, 2), 80);
	assert_int_equal(vdrv_config_read(d, 2, 2), 24);
	assert_int_equal(vdrv_config_read(d, 4, 4), 0);
	/* Linux asks when it is told, and that once there is output. */
	assert_false(vrig_take_config_irq(&t->r));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vrig_request(&t->r, TX, "x", 1, NULL, 0), 0);
		assert_int_equal(vrig_take_config_irq(&t->r), i == 0);
	}
	start(t);
	assert_int_equal(vrig_request(&t->r, TX, "x", 1, NULL, 0), 0);
	assert_true(vrig_take_config_irq(&t->r));
	t->cols = 132;
	t->rows = 50;
	t->host.chr.front->resized(t->host.chr.front_ctx);
	assert_true(vrig_take_config_irq(&t->r));
	assert_int_equal(vdrv_config_read(d, 0, 4), 132 | 50 << 16);
}

/* --- the option ----------------------------------------------------------------------- */

static const struct virtio_model *find_model(const char *name)
{
	for (unsigned i = 0; virtio_models[i]; i++)
		if (!strcmp(virtio_models[i]->name, name))
			return virtio_models[i];
	return NULL;
}

static void model_makes_a_console_on_a_file(void **state)
{
	const struct virtio_model *model = find_model("console");
	char path[] = "/tmp/microvm-test-XXXXXX", spec[64], got[16] = "";
	struct opt_value opts = { .first = spec };
	struct virtio_env env = { 0 };
	struct vrig *r = calloc(1, sizeof(*r));
	struct virtio_device *v;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_false(model->by_default);
	snprintf(spec, sizeof(spec), "file:%s", path);
	vrig_init(r, VRIG_MMIO);
	env.loop = r->fake.loop;
	env.mem = &r->fake.mem;
	assert_int_equal(model->create(&v, &env, &opts), 0);
	vrig_plug(r, v);
	vdrv_start(&r->d, 0);
	assert_int_equal(vrig_request(r, TX, "to a file", 9, NULL, 0), 0);
	vrig_unplug(r);
	model->destroy(v);
	vrig_finish(r);
	free(r);
	assert_int_equal(read(fd, got, sizeof(got)), 9);
	assert_string_equal(got, "to a file");
	close(fd);
	unlink(path);
}

static void model_refuses_what_is_no_chardev(void **state)
{
	const struct virtio_model *model = find_model("console");
	const struct opt_value opts = { .first = "no such thing" };
	struct virtio_device *v = NULL;
	struct virtio_env env = { 0 };
	struct fake f;

	fake_init(&f);
	/* Its line in the log is chardev.c's, and tested there. */
	env.loop = f.loop;
	env.mem = &f.mem;
	assert_true(model->create(&v, &env, &opts) < 0);
	fake_finish(&f);
}

static enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_MSIX, VRIG_PACKED };

#define T(f)                                                                                       \
	{ #f " (mmio)", f, setup_plain, teardown, &kinds[0] },                                     \
	{ #f " (pci)", f, setup_plain, teardown, &kinds[1] },                                      \
	{ #f " (packed)", f, setup_plain, teardown, &kinds[2] }

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(output_reaches_the_host),
		T(output_larger_than_the_buffer_arrives_whole),
		T(chain_of_many_pieces_arrives_in_order),
		T(case_97_peer_that_does_not_read_stops_the_guest_and_nothing_is_lost),
		T(output_of_before_a_reset_still_arrives),
		T(output_still_held_at_the_end_is_written_last),
		T(case_22_reset_in_the_middle_of_a_chain),
		T(case_25_flood_shares_the_loop),
		T(input_reaches_the_guest),
		T(input_is_spread_over_small_buffers),
		T(input_of_before_the_driver_waits_for_it),
		T(input_waits_for_buffers_made_before_driver_ok),
		T(case_97_guest_without_buffers_stops_the_host_and_nothing_is_lost),
		T(input_outlives_a_reset),
		T(case_19_receive_buffers_without_room_come_back_empty),
		T(case_04_queues_full_of_empty_chains_are_answered),
		T(case_81_receive_buffer_outside_ram_needs_a_reset),
		T(without_a_window_there_is_no_size),
		{ "window_size_is_told_and_its_changes (mmio)", window_size_is_told_and_its_changes,
		  setup_window, teardown, &kinds[0] },
		{ "window_size_is_told_and_its_changes (pci)", window_size_is_told_and_its_changes,
		  setup_window, teardown, &kinds[1] },
		cmocka_unit_test(model_makes_a_console_on_a_file),
		cmocka_unit_test(model_refuses_what_is_no_chardev),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
