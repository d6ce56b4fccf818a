/* SPDX-License-Identifier: MIT */
/* A device that offers packed virtqueues, and drivers that take them or do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/echo_rig.h"

#define V1 BIT(VIRTIO_F_VERSION_1)
#define PACKED BIT(VIRTIO_F_RING_PACKED)
#define BUF 0x80000ull
#define SETTLED (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)
#define LIVE (SETTLED | VIRTIO_CONFIG_S_DRIVER_OK)

static int setup(void **state)
{
	*state = echo_rig_create(VRIG_PACKED);
	return 0;
}

static void assert_works(struct echo_rig *t)
{
	assert_true(echo_rig_works(t));
}

static void assert_restarts(struct echo_rig *t)
{
	assert_true(echo_rig_restarts(t, VIRTIO_COMMON_FEATURES));
}

static void driver_may_take_packed_rings_or_leave_them(void **state)
{
	struct echo_rig *t = *state;

	assert_true(vdrv_device_features(&t->r.d) ==
		    (ECHO_FEATURES | VIRTIO_COMMON_FEATURES | PACKED));
	for (unsigned i = 0; i < 8; i++) {
		t->r.d.always = i & 1 ? PACKED : 0;
		vdrv_start(&t->r.d, i & 2 ? VIRTIO_COMMON_FEATURES : 0);
		assert_int_equal(t->r.d.rings[0].packed, i & 1);
		for (unsigned n = 0; n < 50; n++)
			assert_works(t);
	}
}

static void packed_rings_have_any_size(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	for (uint16_t size = 2; size <= ECHO_QUEUE_SIZE; size++) {
		vdrv_free_all(d);
		vdrv_negotiate(d, V1 | PACKED);
		vdrv_setup_queue(d, 0, size);
		assert_int_equal(virtio_queue_size(&t->e.v, 0), size);
		vdrv_set(d, VDRV_STATUS, LIVE);
		for (unsigned i = 0; i < 50; i++)
			assert_works(t);
		vdrv_reset(d);
	}
}

static void case_12_bad_queue_size_keeps_the_queue_off(void **state)
{
	static const struct {
		uint64_t features;
		uint32_t size;
	} bad[] = {
		{ PACKED, 0 }, { PACKED, 17 }, { PACKED, 32 }, { PACKED, 0x8000 },
		{ PACKED, 0xffff }, { 0, 3 }, { 0, 15 },
	};
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		vdrv_free_all(d);
		vdrv_negotiate(d, V1 | bad[i].features);
		vdrv_packed_init(&d->rings[0], d->mem, 16,
				 vdrv_alloc(d, vdrv_ring_bytes(16), 16), 0);
		d->rings[0].size = bad[i].size;
		assert_false(vdrv_enable_ring(d, 0));
		vdrv_set(d, VDRV_STATUS, LIVE);
		vdrv_kick(d, 0);
		fake_settle(&t->r.fake);
		assert_int_equal(t->e.notifies[0], 0);
	}
	assert_restarts(t);
}

/* The size was written under features that the driver then gave up. */
static void case_12_size_for_packed_rings_does_not_do_for_split_ones(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_reset(d);
	vdrv_set(d, VDRV_STATUS, SETTLED & ~VIRTIO_CONFIG_S_FEATURES_OK);
	vdrv_set_features(d, V1 | PACKED);
	vdrv_packed_init(&d->rings[0], d->mem, 13, BUF, 0);
	vdrv_enable_ring(d, 0);
	vdrv_set_features(d, V1);
	vdrv_set(d, VDRV_STATUS, SETTLED);
	vdrv_set(d, VDRV_QUEUE_ENABLE, 1);
	assert_int_equal(vdrv_get(d, VDRV_QUEUE_ENABLE), 0);
	assert_restarts(t);
}

static void chains_come_back_in_any_order(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv_ring *r = &t->r.d.rings[1];
	const struct vdrv_buf bufs[] = { VDRV_OUT(BUF, 4), VDRV_IN(BUF + 4, 4),
					 VDRV_IN(BUF + 8, 4) };

	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	for (unsigned round = 0; round < 100; round++) {
		int ids[ECHO_PARK];

		for (unsigned i = 0; i < ECHO_PARK; i++) {
			ids[i] = vdrv_add(r, bufs, 1 + (i + round) % 3);
			if (vdrv_wants_kick(r))
				vdrv_kick(&t->r.d, 1);
			assert_false(vdrv_has_used(r));
			fake_settle(&t->r.fake);
		}
		for (unsigned i = ECHO_PARK; i--;)
			assert_int_equal(vdrv_used(r, NULL), ids[i]);
		assert_false(vdrv_has_used(r));
	}
}

static void chain_that_was_put_back_stays_there(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	vdrv_add(&t->r.d.rings[2], &(struct vdrv_buf)VDRV_IN(BUF, 4), 1);
	for (unsigned i = 0; i < 10; i++) {
		vdrv_kick(&t->r.d, 2);
		fake_settle(&t->r.fake);
	}
	assert_false(vdrv_has_used(&t->r.d.rings[2]));
	assert_int_equal(vdrv_get(&t->r.d, VDRV_STATUS), LIVE);
	assert_works(t);
}

static void break_it(struct echo_rig *t, const struct vring_packed_desc *d, unsigned n)
{
	struct vdrv_ring *r = &t->r.d.rings[0];

	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	fake_settle(&t->r.fake);
	while (n--)
		vdrv_packed_set(r, vdrv_place_after(r, r->p.avail, n), &d[n]);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(vdrv_get(&t->r.d, VDRV_STATUS), LIVE | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_true(vrig_take_config_irq(&t->r));
	assert_restarts(t);
}

static void cases_02_05_07_10_break_the_device_until_a_reset(void **state)
{
	struct echo_rig *t = *state;
	const struct vring_packed_desc id = { BUF, 1, ECHO_QUEUE_SIZE, 0 };
	const struct vring_packed_desc order[] = {
		{ BUF, 1, 0, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT }, { BUF, 1, 0, 0 },
	};
	const struct vring_packed_desc hole = { FAKE_RAM_LEN - 1, 2, 0, VRING_DESC_F_WRITE };
	const struct vring_packed_desc table = { BUF, 24, 0, VRING_DESC_F_INDIRECT };

	break_it(t, &id, 1);
	break_it(t, order, 2);
	break_it(t, &hole, 1);
	break_it(t, &table, 1);
}

static void case_03_ring_full_of_one_chain_breaks_the_device_until_a_reset(void **state)
{
	struct vring_packed_desc d[ECHO_QUEUE_SIZE];

	for (unsigned i = 0; i < ARRAY_SIZE(d); i++)
		d[i] = (struct vring_packed_desc){ BUF, 1, 0, VRING_DESC_F_NEXT };
	break_it(*state, d, ARRAY_SIZE(d));
}

static void case_22_ten_thousand_resets_with_chains_in_flight(void **state)
{
	struct echo_rig *t = *state;

	for (unsigned i = 0; i < 10000; i++) {
		vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
		for (unsigned k = 0; k < i % 6; k++)
			vdrv_add(&t->r.d.rings[1], &(struct vdrv_buf)VDRV_IN(BUF, 4), 1);
		vdrv_kick(&t->r.d, 1);
		if (i % 2)
			fake_settle(&t->r.fake);
	}
	assert_restarts(t);
}

static void transport_that_starts_queues_one_by_one_gets_no_packed_ones(void **state)
{
	struct echo_rig *t = *state;
	struct virtio_queue_setup s = { .size = 16, .desc = BUF, .avail = BUF + 0x200,
					.used = BUF + 0x300 };

	vdrv_negotiate(&t->r.d, V1 | PACKED);
	assert_false(virtio_start_queue(&t->e.v, 0, &s));
	assert_int_equal(virtio_stop_queue(&t->e.v, 0), 0);
	vdrv_negotiate(&t->r.d, V1);
	assert_true(virtio_start_queue(&t->e.v, 0, &s));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, echo_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(driver_may_take_packed_rings_or_leave_them),
		T(packed_rings_have_any_size),
		T(case_12_bad_queue_size_keeps_the_queue_off),
		T(case_12_size_for_packed_rings_does_not_do_for_split_ones),
		T(chains_come_back_in_any_order),
		T(chain_that_was_put_back_stays_there),
		T(cases_02_05_07_10_break_the_device_until_a_reset),
		T(case_03_ring_full_of_one_chain_breaks_the_device_until_a_reset),
		T(case_22_ten_thousand_resets_with_chains_in_flight),
		T(transport_that_starts_queues_one_by_one_gets_no_packed_ones),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
