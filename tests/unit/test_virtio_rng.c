/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/registry.h"
#include "tests/vrig.h"

#define CHAIN_BYTES 4096	/* what one chain gets at most */
#define QUEUE_SIZE 8
#define BUF 0x80000ull

struct t {
	struct vrig r;
	const struct virtio_model *model;
	struct virtio_device *v;
};

static const struct virtio_model *find_model(const char *name)
{
	for (unsigned i = 0; virtio_models[i]; i++)
		if (!strcmp(virtio_models[i]->name, name))
			return virtio_models[i];
	return NULL;
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	const struct opt_value opts = { .first = "on" };

	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	t->model = find_model("rng");
	if (!t->model || t->model->create(&t->v, &(struct virtio_env){ .loop = t->r.fake.loop,
					.mem = &t->r.fake.mem }, &opts) < 0)
		return -1;
	vrig_plug(&t->r, t->v);
	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	vrig_unplug(&t->r);
	t->model->destroy(t->v);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

static unsigned count_zeros(struct t *t, uint64_t gpa, size_t len)
{
	const uint8_t *p = vdrv_ptr(&t->r.d, gpa, len);
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += !p[i];
	return n;
}

static void device_presents_itself(void **state)
{
	struct t *t = *state;

	assert_int_equal(t->v->ops->id, VIRTIO_ID_RNG);
	assert_int_equal(t->r.d.n_queues, 1);
	assert_true(t->model->by_default);
	assert_true(vdrv_device_features(&t->r.d) == (VIRTIO_COMMON_FEATURES | t->r.d.always));
}

static void buffer_is_filled_with_random_bytes(void **state)
{
	struct t *t = *state;
	uint8_t a[64] = { 0 }, b[64] = { 0 };

	assert_int_equal(vrig_request(&t->r, 0, NULL, 0, a, 64), 64);
	assert_true(vrig_take_queue_irq(&t->r, 0));
	assert_int_equal(vrig_request(&t->r, 0, NULL, 0, b, 64), 64);
	assert_memory_not_equal(a, b, 64);
	for (unsigned i = 0; i < 64; i += 16)
		assert_memory_not_equal(a + i, a + (i + 16) % 64, 16);
}

static void every_byte_of_every_segment_is_written(void **state)
{
	struct t *t = *state;
	struct vdrv_buf bufs[QUEUE_SIZE];
	uint32_t len;

	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		bufs[i] = (struct vdrv_buf)VDRV_IN(BUF + 600 * i, 512);
	memset(vdrv_ptr(&t->r.d, BUF, 8192), 0, 8192);
	vdrv_add(&t->r.d.rings[0], bufs, QUEUE_SIZE);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(vdrv_used(&t->r.d.rings[0], &len), 0);
	assert_int_equal(len, CHAIN_BYTES);
	for (unsigned i = 0; i < QUEUE_SIZE; i++) {
		assert_true(count_zeros(t, BUF + 600 * i, 512) < 64);
		assert_int_equal(count_zeros(t, BUF + 600 * i + 512, 88), 88);
	}
}

static void case_25_one_chain_costs_a_bounded_amount(void **state)
{
	struct t *t = *state;
	const uint32_t big = FAKE_RAM_LEN - BUF;
	uint32_t len;

	memset(vdrv_ptr(&t->r.d, BUF, big), 0, big);
	vdrv_add(&t->r.d.rings[0], &(struct vdrv_buf)VDRV_IN(BUF, big), 1);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(vdrv_used(&t->r.d.rings[0], &len), 0);
	assert_int_equal(len, CHAIN_BYTES);
	assert_int_equal(count_zeros(t, BUF + CHAIN_BYTES, big - CHAIN_BYTES), big - CHAIN_BYTES);
}

static void full_queue_is_answered_over_several_turns(void **state)
{
	struct t *t = *state;
	unsigned got = 0;

	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < QUEUE_SIZE; i++)
			assert_true(vdrv_add(&t->r.d.rings[0],
					     &(struct vdrv_buf)VDRV_IN(BUF, 16), 1) >= 0);
		/* Not of its own accord: the device has to ask, even after a full queue. */
		if (vdrv_wants_kick(&t->r.d.rings[0]))
			vdrv_kick(&t->r.d, 0);
		fake_settle(&t->r.fake);
		while (vdrv_used(&t->r.d.rings[0], NULL) >= 0)
			got++;
	}
	assert_int_equal(got, 5 * QUEUE_SIZE);
}

static void case_19_chain_without_room_gets_nothing(void **state)
{
	struct t *t = *state;
	uint8_t byte[1];

	assert_int_equal(vrig_request(&t->r, 0, "question", 8, NULL, 0), 0);
	assert_int_equal(vrig_request(&t->r, 0, "question", 8, byte, 1), 1);
}

static void case_22_reset_with_requests_waiting(void **state)
{
	struct t *t = *state;
	uint8_t in[8];

	for (unsigned i = 0; i < 1000; i++) {
		vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
		vdrv_add(&t->r.d.rings[0], &(struct vdrv_buf)VDRV_IN(BUF, 64), 1);
		vdrv_kick(&t->r.d, 0);
		if (i % 2)
			loop_run_once(t->r.fake.loop, 0);
	}
	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	assert_int_equal(vrig_request(&t->r, 0, NULL, 0, in, 8), 8);
}

static enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_MSIX, VRIG_PACKED };

#define T(f)                                                                                       \
	{ #f " (mmio)", f, setup, teardown, &kinds[0] },                                           \
	{ #f " (pci)", f, setup, teardown, &kinds[1] },                                            \
	{ #f " (packed)", f, setup, teardown, &kinds[2] }

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(device_presents_itself),
		T(buffer_is_filled_with_random_bytes),
		T(every_byte_of_every_segment_is_written),
		T(case_25_one_chain_costs_a_bounded_amount),
		T(full_queue_is_answered_over_several_turns),
		T(case_19_chain_without_room_gets_nothing),
		T(case_22_reset_with_requests_waiting),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
