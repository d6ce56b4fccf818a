/* SPDX-License-Identifier: MIT */
/* The state machine and what both transports do alike; each test runs on each of them. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/capture.h"
#include "tests/echo_rig.h"

#define ACK VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED VIRTIO_CONFIG_S_FAILED
#define SETTLED (ACK | DRIVER | FEATURES_OK)
#define LIVE (SETTLED | DRIVER_OK)
#define V1 BIT(VIRTIO_F_VERSION_1)
#define ALL_FEATURES (ECHO_FEATURES | VIRTIO_COMMON_FEATURES)

static void assert_status(struct echo_rig *t, uint8_t status)
{
	assert_int_equal(vdrv_get(&t->r.d, VDRV_STATUS), status);
}

static void set_status(struct echo_rig *t, uint8_t status)
{
	vdrv_set(&t->r.d, VDRV_STATUS, status);
}

static void assert_works(struct echo_rig *t)
{
	assert_true(echo_rig_works(t));
}

static void assert_restarts(struct echo_rig *t)
{
	assert_true(echo_rig_restarts(t, ALL_FEATURES));
}

/* --- discovery and negotiation ----------------------------------------------- */

static void device_presents_itself(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	assert_status(t, 0);
	assert_true(vdrv_device_features(d) == ALL_FEATURES);
	vdrv_set(d, VDRV_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(vdrv_get(d, VDRV_DEVICE_FEATURES), 0);
	vdrv_set(d, VDRV_DEVICE_FEATURES_SEL, UINT32_MAX);
	assert_int_equal(vdrv_get(d, VDRV_DEVICE_FEATURES), 0);
	assert_int_equal(d->n_queues, ECHO_QUEUES);
	for (unsigned q = 0; q < ECHO_QUEUES; q++) {
		vdrv_set(d, VDRV_QUEUE_SEL, q);
		assert_int_equal(vdrv_get(d, VDRV_QUEUE_MAX), q < 2 ? ECHO_QUEUE_SIZE : 1);
		assert_int_equal(vdrv_get(d, VDRV_QUEUE_ENABLE), 0);
	}
}

static void driver_starts_the_device_and_it_works(void **state)
{
	struct echo_rig *t = *state;

	for (unsigned i = 0; i < 3; i++) {
		vdrv_start(&t->r.d, ALL_FEATURES);
		assert_status(t, LIVE);
		assert_int_equal(t->e.activations, i + 1);
		assert_true(t->e.v.features == ALL_FEATURES);
		assert_works(t);
		assert_works(t);
	}
}

static void device_works_without_any_optional_feature(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	assert_true(t->e.v.features == V1);
	assert_works(t);
}

static void driver_may_use_smaller_queues(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	for (uint16_t size = 1; size <= ECHO_QUEUE_SIZE; size *= 2) {
		vdrv_free_all(d);
		vdrv_negotiate(d, V1);
		vdrv_setup_queue(d, 0, size);
		set_status(t, LIVE);
		for (unsigned i = 0; size > 1 && i < 40; i++)
			assert_works(t);
		vdrv_reset(d);
		vdrv_set(d, VDRV_QUEUE_SEL, 0);
		assert_int_equal(vdrv_get(d, VDRV_QUEUE_MAX), ECHO_QUEUE_SIZE);
	}
}

static void case_23_steps_out_of_order_are_ignored(void **state)
{
	static const uint8_t early[] = {
		FEATURES_OK, DRIVER_OK, FEATURES_OK | DRIVER_OK, 0x10, 0x20,
	};
	struct echo_rig *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(early); i++) {
		set_status(t, early[i]);
		assert_status(t, 0);
	}
	set_status(t, ACK | FEATURES_OK | DRIVER_OK);
	assert_status(t, ACK);
	set_status(t, ACK | DRIVER_OK);
	assert_status(t, ACK);
	set_status(t, ACK | DRIVER);
	vdrv_set_features(&t->r.d, V1);
	set_status(t, ACK | DRIVER | DRIVER_OK);
	assert_status(t, ACK | DRIVER);
	assert_int_equal(t->e.activations, 0);
}

/* U-Boot: it resets the device between the two, and does not say the first again. */
static void a_driver_may_do_without_acknowledging(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	set_status(t, DRIVER);
	vdrv_set_features(d, V1);
	set_status(t, DRIVER | FEATURES_OK);
	assert_status(t, DRIVER | FEATURES_OK);
	for (unsigned q = 0; q < d->n_queues; q++)
		vdrv_setup_queue(d, q, 0);
	set_status(t, DRIVER | FEATURES_OK | DRIVER_OK);
	assert_status(t, DRIVER | FEATURES_OK | DRIVER_OK);
	assert_works(t);
}

static void several_steps_at_once_are_taken_in_their_order(void **state)
{
	struct echo_rig *t = *state;

	vdrv_set_features(&t->r.d, V1);
	set_status(t, LIVE);
	assert_status(t, LIVE);
	assert_int_equal(t->e.activations, 1);
	set_status(t, LIVE);
	assert_int_equal(t->e.activations, 1);
}

static void case_23_cleared_bits_are_ignored(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	set_status(t, ACK);
	set_status(t, LIVE & ~FEATURES_OK);
	set_status(t, DRIVER_OK);
	set_status(t, FAILED);
	assert_status(t, LIVE);
	assert_works(t);
}

static void case_23_driver_cannot_set_needs_reset(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	set_status(t, LIVE | NEEDS_RESET);
	assert_status(t, LIVE);
	set_status(t, NEEDS_RESET);
	assert_status(t, LIVE);
	assert_works(t);
}

static void case_23_features_that_were_not_offered_are_refused(void **state)
{
	static const uint64_t bad[] = {
		V1 | BIT(1), V1 | BIT(63), V1 | BIT(VIRTIO_F_RING_PACKED), UINT64_MAX,
		/* and those that lack VERSION_1 */
		0, ECHO_FEATURES, ALL_FEATURES & ~V1,
	};
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(vdrv_negotiate(d, bad[i]), ACK | DRIVER);
		set_status(t, LIVE);
		assert_status(t, ACK | DRIVER);
		/* Queues wait for the features. */
		vdrv_free_all(d);
		vdrv_ring_init(&d->rings[0], d->mem, 16, vdrv_alloc(d, vdrv_ring_bytes(16), 16));
		assert_false(vdrv_enable_ring(d, 0));
	}
	/* The driver may think again. */
	vdrv_set_features(d, V1);
	set_status(t, SETTLED);
	assert_status(t, SETTLED);
}

static void features_are_final_once_they_are_ok(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	assert_int_equal(vdrv_negotiate(d, V1 | BIT(0)), SETTLED);
	vdrv_set_features(d, UINT64_MAX);
	assert_true(t->e.v.features == (V1 | BIT(0)));
	vdrv_set(d, VDRV_DRIVER_FEATURES_SEL, 2);
	vdrv_set(d, VDRV_DRIVER_FEATURES, UINT32_MAX);
	assert_true(t->e.v.features == (V1 | BIT(0)));
}

static void features_above_63_are_not_there(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	set_status(t, ACK);
	set_status(t, ACK | DRIVER);
	vdrv_set_features(d, V1);
	for (uint32_t sel = 2; sel; sel *= 2) {
		vdrv_set(d, VDRV_DRIVER_FEATURES_SEL, sel);
		vdrv_set(d, VDRV_DRIVER_FEATURES, UINT32_MAX);
	}
	set_status(t, SETTLED);
	assert_status(t, SETTLED);
}

static void failed_stops_the_device(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, ALL_FEATURES);
	set_status(t, LIVE | FAILED);
	assert_status(t, LIVE | FAILED);
	assert_int_equal(vrig_request(&t->r, 0, "x", 1, NULL, 0), -1);
	assert_restarts(t);
}

/* --- reset --------------------------------------------------------------------- */

static void reset_brings_back_power_on_state(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_start(d, ALL_FEATURES);
	assert_int_equal(vrig_request(&t->r, 0, "x", 1, NULL, 0), 0);
	t->e.resets = 0;
	vdrv_reset(d);
	assert_int_equal(t->e.resets, 1);
	assert_true(t->e.v.features == 0);
	for (unsigned q = 0; q < ECHO_QUEUES; q++) {
		vdrv_set(d, VDRV_QUEUE_SEL, q);
		assert_int_equal(vdrv_get(d, VDRV_QUEUE_ENABLE), 0);
		assert_true(virtio_queue_addr(&t->e.v, q, VIRTIO_QUEUE_DESC) == 0);
		assert_true(virtio_queue_addr(&t->e.v, q, VIRTIO_QUEUE_AVAIL) == 0);
		assert_true(virtio_queue_addr(&t->e.v, q, VIRTIO_QUEUE_USED) == 0);
	}
	/* What the interrupt told of is gone with it. */
	if (t->r.kind != VRIG_PCI_MSIX)
		assert_false(vrig_take_queue_irq(&t->r, 0));
	assert_restarts(t);
}

static void case_22_ten_thousand_resets_with_chains_in_flight(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	const struct vdrv_buf buf = VDRV_IN(0x80000, 64);

	for (unsigned i = 0; i < 10000; i++) {
		vdrv_start(d, ALL_FEATURES);
		/* Not enough to be given back, so the device holds them. */
		for (unsigned k = 0; k < i % ECHO_PARK; k++)
			vdrv_add(&d->rings[1], &buf, 1);
		/* And some that nobody looked at. */
		vdrv_add(&d->rings[0], &buf, 1);
		vdrv_kick(d, 1);
		if (i % 3)
			loop_run_once(t->r.fake.loop, 0);
		vdrv_kick(d, 0);
	}
	vdrv_reset(d);
	fake_settle(&t->r.fake);
	assert_int_equal(t->e.n_parked, 0);
	assert_restarts(t);
}

/* --- queues ---------------------------------------------------------------------- */

static void case_12_bad_queue_size_keeps_the_queue_off(void **state)
{
	static const uint32_t bad[] = { 0, 3, 17, 32, 1024, 0x8000, 0xffff };
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		vdrv_free_all(d);
		vdrv_negotiate(d, V1);
		vdrv_ring_init(&d->rings[0], d->mem, 16, vdrv_alloc(d, vdrv_ring_bytes(16), 16));
		d->rings[0].size = bad[i];
		assert_false(vdrv_enable_ring(d, 0));
		set_status(t, LIVE);
		vdrv_kick(d, 0);
		fake_settle(&t->r.fake);
		assert_int_equal(t->e.notifies[0], 0);
		assert_status(t, LIVE);
	}
	assert_restarts(t);
}

static void case_13_registers_of_a_live_queue_are_frozen(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_start(d, ALL_FEATURES);
	for (unsigned i = 0; i < 2; i++) {
		vdrv_set(d, VDRV_QUEUE_SEL, 0);
		vdrv_set(d, VDRV_QUEUE_SIZE, 4);
		vdrv_set_addr(d, VDRV_QUEUE_DESC, -16ull);
		vdrv_set_addr(d, VDRV_QUEUE_AVAIL, 0x7000);
		vdrv_set_addr(d, VDRV_QUEUE_USED, 0x7000);
		vdrv_set(d, VDRV_QUEUE_ENABLE, 1);
		assert_int_equal(virtio_queue_size(&t->e.v, 0), 16);
		assert_true(virtio_queue_addr(&t->e.v, 0, VIRTIO_QUEUE_DESC) ==
			    d->rings[0].desc_gpa);
		assert_works(t);
	}
}

static void case_13_queue_is_frozen_when_enabled_not_only_when_live(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_free_all(d);
	vdrv_negotiate(d, V1);
	vdrv_setup_queue(d, 0, 0);
	vdrv_set_addr(d, VDRV_QUEUE_DESC, 0xdead0000);
	vdrv_set(d, VDRV_QUEUE_SIZE, 1);
	set_status(t, LIVE);
	assert_works(t);
}

static void queue_is_enabled_only_while_the_driver_sets_up(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_free_all(d);
	vdrv_reset(d);
	vdrv_ring_init(&d->rings[0], d->mem, 16, vdrv_alloc(d, vdrv_ring_bytes(16), 16));
	assert_false(vdrv_enable_ring(d, 0));
	set_status(t, ACK);
	assert_false(vdrv_enable_ring(d, 0));
	set_status(t, ACK | DRIVER);
	vdrv_set_features(d, V1);
	assert_false(vdrv_enable_ring(d, 0));
	set_status(t, SETTLED);
	set_status(t, LIVE);
	assert_false(vdrv_enable_ring(d, 0));
}

static void case_14_queues_that_are_not_there_take_nothing(void **state)
{
	static const uint32_t selects[] = { ECHO_QUEUES, 64, 255, 0x7fff, 0xffff };
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_negotiate(d, V1);
	for (unsigned i = 0; i < ARRAY_SIZE(selects); i++) {
		vdrv_set(d, VDRV_QUEUE_SEL, selects[i]);
		assert_int_equal(vdrv_get(d, VDRV_QUEUE_MAX), 0);
		vdrv_set(d, VDRV_QUEUE_SIZE, 16);
		vdrv_set_addr(d, VDRV_QUEUE_DESC, 0x1000);
		vdrv_set_addr(d, VDRV_QUEUE_AVAIL, 0x1000);
		vdrv_set_addr(d, VDRV_QUEUE_USED, 0x1000);
		vdrv_set(d, VDRV_QUEUE_ENABLE, 1);
		assert_int_equal(vdrv_get(d, VDRV_QUEUE_ENABLE), 0);
		assert_int_equal(vdrv_get(d, VDRV_QUEUE_MAX), 0);
	}
	assert_restarts(t);
}

static void case_15_rings_outside_ram_keep_the_queue_off(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	struct vdrv_ring *r = &d->rings[0];

	vdrv_free_all(d);
	vdrv_negotiate(d, V1);
	vdrv_ring_init(r, d->mem, 16, vdrv_alloc(d, vdrv_ring_bytes(16), 16));
	r->avail_gpa = FAKE_RAM_LEN;
	assert_false(vdrv_enable_ring(d, 0));
	r->avail_gpa = VRIG_MMIO_GPA;
	assert_false(vdrv_enable_ring(d, 0));
	r->avail_gpa = r->desc_gpa + 1;
	assert_false(vdrv_enable_ring(d, 0));
	r->avail_gpa = r->desc_gpa + 16 * 16;
	assert_true(vdrv_enable_ring(d, 0));
}

/* --- kicks --------------------------------------------------------------------- */

static bool kick_is_pending(struct echo_rig *t, unsigned q)
{
	eventfd_t n;

	return eventfd_read(virtio_kick_fd(&t->e.v, q), &n) == 0;
}

static void case_16_kicks_of_a_device_that_is_off_are_drained(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	for (unsigned q = 0; q < ECHO_QUEUES; q++)
		vdrv_kick(d, q);
	fake_settle(&t->r.fake);
	for (unsigned q = 0; q < ECHO_QUEUES; q++)
		assert_false(kick_is_pending(t, q));
	vdrv_start(d, ALL_FEATURES);
	vdrv_reset(d);
	vdrv_kick(d, 0);
	fake_settle(&t->r.fake);
	assert_false(kick_is_pending(t, 0));
	assert_int_equal(t->e.notifies[0] + t->e.notifies[1] + t->e.notifies[2], 0);
}

static void case_16_kicks_of_a_queue_that_is_off_are_drained(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_free_all(d);
	vdrv_negotiate(d, ALL_FEATURES);
	vdrv_setup_queue(d, 0, 0);
	set_status(t, LIVE);
	vdrv_kick(d, 1);
	fake_settle(&t->r.fake);
	assert_false(kick_is_pending(t, 1));
	assert_int_equal(t->e.notifies[1], 0);
	assert_works(t);
}

static void chains_of_before_driver_ok_are_served_after_it(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	const struct vdrv_buf buf = VDRV_OUT(0x80000, 4);
	struct vdrv_ring *r;

	for (int kicked = 0; kicked < 2; kicked++) {
		vdrv_free_all(d);
		vdrv_negotiate(d, ALL_FEATURES);
		r = vdrv_setup_queue(d, 0, 0);
		vdrv_add(r, &buf, 1);
		if (kicked)
			vdrv_kick(d, 0);
		fake_settle(&t->r.fake);
		assert_int_equal(vdrv_used(r, NULL), -1);
		set_status(t, LIVE);
		fake_settle(&t->r.fake);
		assert_int_equal(vdrv_used(r, NULL), 0);
	}
}

static void parked_chains_come_back_when_the_device_likes(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	struct vdrv_ring *r = &d->rings[1];
	int heads[ECHO_PARK];

	vdrv_start(d, ALL_FEATURES);
	for (unsigned i = 0; i < ECHO_PARK; i++) {
		assert_int_equal(vdrv_used(r, NULL), -1);
		heads[i] = vdrv_add(r, &(struct vdrv_buf)VDRV_IN(0x80000, 4), 1);
		assert_int_equal(vdrv_wants_kick(r), true);
		vdrv_kick(d, 1);
		fake_settle(&t->r.fake);
	}
	for (unsigned i = ECHO_PARK; i--;)
		assert_int_equal(vdrv_used(r, NULL), heads[i]);
	assert_true(vrig_take_queue_irq(&t->r, 1));
}

static void case_25_kick_storm_costs_one_notify_a_turn(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	uint16_t *avail_event;

	vdrv_start(d, ALL_FEATURES);
	avail_event = vdrv_ptr(d, d->rings[0].used_gpa + 4 + 8 * 16, 2);
	fake_settle(&t->r.fake);
	t->e.notifies[0] = 0;
	for (unsigned i = 0; i < 100000; i++) {
		/* garbage in both event indexes */
		d->rings[0].avail->ring[16] = i * 7919;
		*avail_event = i * 104729;
		vdrv_kick(d, 0);
		if (i % 10000 == 0)
			loop_run_once(t->r.fake.loop, 0);
	}
	fake_settle(&t->r.fake);
	assert_true(t->e.notifies[0] <= 14);
	/* The garbage told the driver not to kick; now it does, and all is well. */
	vdrv_set_used_event(&d->rings[0], 0);
	vdrv_add(&d->rings[0], &(struct vdrv_buf)VDRV_OUT(0x80000, 4), 1);
	vdrv_kick(d, 0);
	fake_settle(&t->r.fake);
	assert_true(vdrv_used(&d->rings[0], NULL) >= 0);
	assert_true(vrig_take_queue_irq(&t->r, 0));
}

static void device_may_kick_itself(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_start(d, ALL_FEATURES);
	fake_settle(&t->r.fake);
	t->e.notifies[0] = 0;
	virtio_kick(&t->e.v, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(t->e.notifies[0], 1);
}

/* --- interrupts ------------------------------------------------------------------- */

static void interrupt_comes_once_a_batch_and_not_when_unwanted(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	struct vdrv_ring *r = &d->rings[0];

	vdrv_start(d, ALL_FEATURES);
	for (unsigned i = 0; i < 5; i++)
		vdrv_add(r, &(struct vdrv_buf)VDRV_OUT(0x80000, 4), 1);
	vdrv_kick(d, 0);
	fake_settle(&t->r.fake);
	assert_true(vrig_take_queue_irq(&t->r, 0));
	assert_false(vrig_take_queue_irq(&t->r, 0));
	assert_false(vrig_take_config_irq(&t->r));
	while (vdrv_used(r, NULL) >= 0)
		;
	vdrv_set_used_event(r, 3);
	vdrv_add(r, &(struct vdrv_buf)VDRV_OUT(0x80000, 4), 1);
	vdrv_kick(d, 0);
	fake_settle(&t->r.fake);
	assert_false(vrig_take_queue_irq(&t->r, 0));
	assert_true(vdrv_used(r, NULL) >= 0);
}

static void change_device_config(struct echo_rig *t, uint8_t value)
{
	pthread_mutex_lock(&t->e.v.lock);
	t->e.config[0] = value;
	virtio_config_changed(&t->e.v);
	pthread_mutex_unlock(&t->e.v.lock);
}

static void config_change_interrupts_a_live_driver(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, ALL_FEATURES);
	assert_false(vrig_take_config_irq(&t->r));
	change_device_config(t, 1);
	assert_true(vrig_take_config_irq(&t->r));
	assert_false(vrig_take_config_irq(&t->r));
	assert_false(vrig_take_queue_irq(&t->r, 0));
}

static void config_change_of_before_driver_ok_is_told_then(void **state)
{
	struct echo_rig *t = *state;

	vdrv_negotiate(&t->r.d, V1);
	change_device_config(t, 1);
	if (t->r.kind != VRIG_PCI_MSIX)
		assert_false(vrig_take_config_irq(&t->r));
	vdrv_set(&t->r.d, VDRV_STATUS, LIVE);
	/* vdrv_negotiate() assigns no vector. */
	if (t->r.kind != VRIG_PCI_MSIX)
		assert_true(vrig_take_config_irq(&t->r));
	vdrv_start(&t->r.d, V1);
	assert_false(vrig_take_config_irq(&t->r));
}

/* --- device configuration ------------------------------------------------------------ */

static void config_is_read_and_written_in_any_width(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	assert_int_equal(vdrv_config_read(d, 0, 1), '0');
	assert_int_equal(vdrv_config_read(d, 9, 1), '9');
	assert_int_equal(vdrv_config_read(d, 2, 2), 0x3332);
	assert_int_equal(vdrv_config_read(d, 4, 4), 0x37363534);
	assert_true(vdrv_config_read(d, 0, 8) == 0x3736353433323130);
	vdrv_config_write(d, 1, 1, 'a');
	vdrv_config_write(d, 4, 4, 0x65646362);
	assert_memory_equal(t->e.config, "0a23bcde89", ECHO_CONFIG_LEN);
}

static void case_24_config_access_past_the_end_is_ignored(void **state)
{
	static const struct {
		unsigned off, size;
	} bad[] = { { 10, 1 }, { 9, 2 }, { 8, 4 }, { 7, 4 }, { 3, 8 }, { 11, 1 }, { 0xf8, 8 },
		    { 0xfc, 4 }, { 0xff, 1 } };
	struct echo_rig *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(vdrv_config_read(&t->r.d, bad[i].off, bad[i].size) == 0);
		vdrv_config_write(&t->r.d, bad[i].off, bad[i].size, UINT64_MAX);
	}
	assert_memory_equal(t->e.config, "0123456789", ECHO_CONFIG_LEN);
}

static void case_24_config_offsets_do_not_wrap(void **state)
{
	struct echo_rig *t = *state;
	uint8_t buf[16] = { 1 };

	virtio_config_read(&t->e.v, UINT64_MAX, buf, 2);
	assert_int_equal(buf[0], 0);
	virtio_config_write(&t->e.v, UINT64_MAX - 1, "xx", 2);
	virtio_config_write(&t->e.v, UINT64_MAX, "xx", 2);
	virtio_config_read(&t->e.v, 0, buf, 16);
	assert_int_equal(buf[0], 0);
	assert_memory_equal(t->e.config, "0123456789", ECHO_CONFIG_LEN);
}

static void generation_moves_when_new_values_are_seen(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	uint32_t before;

	vdrv_config_read(d, 0, 1);
	before = vdrv_get(d, VDRV_GENERATION);
	vdrv_config_read(d, 0, 1);
	assert_int_equal(vdrv_get(d, VDRV_GENERATION), before);
	/* A driver between its two looks at the generation: old part, change, new part. */
	change_device_config(t, 1);
	vdrv_config_read(d, 1, 1);
	assert_int_not_equal(vdrv_get(d, VDRV_GENERATION), before);
	/* 256 changes that nobody looks at in between still count as one. */
	before = vdrv_get(d, VDRV_GENERATION);
	for (unsigned i = 0; i < 256; i++)
		change_device_config(t, i);
	vdrv_config_read(d, 0, 1);
	assert_int_not_equal(vdrv_get(d, VDRV_GENERATION), before);
}

/* --- hostile queues: the device needs a reset, and then works --------------------------- */

static void assert_needs_reset(struct echo_rig *t)
{
	unsigned notifies;

	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_status(t, LIVE | NEEDS_RESET);
	assert_true(vrig_take_config_irq(&t->r));
	/* It stops, and says so once. */
	notifies = t->e.notifies[0] + t->e.notifies[1];
	vdrv_kick(&t->r.d, 0);
	vdrv_kick(&t->r.d, 1);
	fake_settle(&t->r.fake);
	assert_int_equal(t->e.notifies[0] + t->e.notifies[1], notifies);
	assert_false(vrig_take_config_irq(&t->r));
	set_status(t, LIVE);
	assert_status(t, LIVE | NEEDS_RESET);
	assert_restarts(t);
}

static struct vdrv_ring *start_hostile(struct echo_rig *t)
{
	vdrv_start(&t->r.d, ALL_FEATURES);
	fake_settle(&t->r.fake);
	return &t->r.d.rings[0];
}

static void case_01_available_index_jump(void **state)
{
	vdrv_set_avail_idx(start_hostile(*state), 1000);
	assert_needs_reset(*state);
}

static void case_02_head_out_of_range(void **state)
{
	vdrv_expose(start_hostile(*state), 16);
	assert_needs_reset(*state);
}

static void case_03_looping_chain(void **state)
{
	struct vdrv_ring *r = start_hostile(*state);

	vdrv_set_desc(r->desc, 0, 0x80000, 1, VRING_DESC_F_NEXT, 1);
	vdrv_set_desc(r->desc, 1, 0x80000, 1, VRING_DESC_F_NEXT, 0);
	vdrv_expose(r, 0);
	assert_needs_reset(*state);
}

static void case_04_empty_chain_is_answered(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv_ring *r = start_hostile(t);

	for (unsigned i = 0; i < 100; i++) {
		uint32_t len;

		vdrv_add(r, &(struct vdrv_buf)VDRV_IN(-1ull, 0), 1);
		vdrv_kick(&t->r.d, 0);
		fake_settle(&t->r.fake);
		assert_true(vdrv_used(r, &len) >= 0);
		assert_int_equal(len, 0);
	}
	assert_status(t, LIVE);
}

static void case_05_readable_after_writable(void **state)
{
	const struct vdrv_buf bufs[] = { VDRV_IN(0x80000, 1), VDRV_OUT(0x80000, 1) };

	vdrv_add(start_hostile(*state), bufs, 2);
	assert_needs_reset(*state);
}

static void case_06_lengths_beyond_4g(void **state)
{
	struct vdrv_ring *r = start_hostile(*state);
	const struct vdrv_buf bufs[] = { VDRV_OUT(0x80000, 0x1000), VDRV_OUT(0x80000, UINT32_MAX) };

	vdrv_add(r, bufs, 2);
	assert_needs_reset(*state);
}

static void case_07_buffer_outside_ram(void **state)
{
	static const struct vdrv_buf bad[] = {
		VDRV_OUT(FAKE_RAM_LEN, 1), VDRV_IN(FAKE_RAM_LEN - 1, 2), VDRV_IN(-8ull, 16),
		VDRV_OUT(FAKE_RAM2_GPA + FAKE_RAM2_LEN, 1),
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		vdrv_add(start_hostile(*state), &bad[i], 1);
		assert_needs_reset(*state);
	}
}

static void case_08_buffer_in_device_registers(void **state)
{
	struct echo_rig *t = *state;
	uint64_t regs = t->r.d.is_pci ? t->r.d.bar : VRIG_MMIO_GPA;

	for (unsigned i = 0; i < 2; i++) {
		struct vdrv_buf bufs[] = { VDRV_OUT(0x80000, 8), VDRV_IN(regs, 8) };

		vdrv_add(start_hostile(t), i ? &bufs[1] : bufs, i ? 1 : 2);
		assert_needs_reset(t);
	}
}

static void case_09_buffer_across_the_hole(void **state)
{
	const uint32_t len = FAKE_RAM2_GPA - FAKE_RAM_LEN + 16;

	vdrv_add(start_hostile(*state), &(struct vdrv_buf)VDRV_IN(FAKE_RAM_LEN - 8, len), 1);
	assert_needs_reset(*state);
}

static void case_10_indirect_table_of_bad_size(void **state)
{
	struct vdrv_ring *r = start_hostile(*state);

	vdrv_set_desc(r->desc, 0, 0x80000, 24, VRING_DESC_F_INDIRECT, 0);
	vdrv_expose(r, 0);
	assert_needs_reset(*state);
}

static void case_11_indirect_that_was_not_negotiated(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv_ring *r = &t->r.d.rings[0];

	vdrv_start(&t->r.d, ALL_FEATURES & ~BIT(VIRTIO_RING_F_INDIRECT_DESC));
	vdrv_add_indirect(r, 0x80000, &(struct vdrv_buf)VDRV_OUT(0x80100, 1), 1);
	assert_needs_reset(t);
}

static void case_19_answer_is_as_long_as_there_is_room(void **state)
{
	struct echo_rig *t = *state;
	char in[4] = "";

	start_hostile(t);
	assert_int_equal(vrig_request(&t->r, 0, "abcdef", 6, NULL, 0), 0);
	assert_int_equal(vrig_request(&t->r, 0, "abcdef", 6, in, 1), 1);
	assert_string_equal(in, "a");
	assert_int_equal(vrig_request(&t->r, 0, NULL, 0, in, 1), 0);
}

static void case_20_same_head_twice(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv_ring *r;

	start_hostile(t);
	r = &t->r.d.rings[1];
	vdrv_set_desc(r->desc, 3, 0x80000, 4, VRING_DESC_F_WRITE, 0);
	vdrv_expose(r, 3);
	vdrv_expose(r, 3);
	vdrv_kick(&t->r.d, 1);
	assert_needs_reset(t);
}

static void case_21_broken_again_and_again(void **state)
{
	struct echo_rig *t = *state;

	for (unsigned i = 0; i < 2000; i++) {
		struct vdrv_ring *r = start_hostile(t);

		vdrv_set_desc(r->desc, 0, 0x80000, 1, VRING_DESC_F_NEXT, i);
		vdrv_expose(r, i % 2 ? 0 : i);
		vdrv_kick(&t->r.d, 0);
		fake_settle(&t->r.fake);
		vdrv_reset(&t->r.d);
		vrig_take_config_irq(&t->r);
	}
	assert_restarts(t);
}

static void device_failure_matters_only_while_it_runs(void **state)
{
	struct echo_rig *t = *state;

	vdrv_negotiate(&t->r.d, V1);
	pthread_mutex_lock(&t->e.v.lock);
	virtio_fail(&t->e.v, "said by a test");
	pthread_mutex_unlock(&t->e.v.lock);
	assert_status(t, SETTLED);
	vdrv_start(&t->r.d, ALL_FEATURES);
	pthread_mutex_lock(&t->e.v.lock);
	virtio_fail(&t->e.v, "said by a test");
	pthread_mutex_unlock(&t->e.v.lock);
	assert_needs_reset(t);
}

/* --- the host fails us ---------------------------------------------------------------- */

static unsigned count_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void device_without_file_descriptors_is_not_made(void **state)
{
	static const uint16_t sizes[] = { 4, 4, 4, 4 };
	static const struct virtio_ops ops = { .name = "test" };
	struct echo_rig *t = *state;
	struct rlimit was, tight;
	unsigned fds = count_fds();
	struct virtio_device v;
	struct capture c;
	char *said;
	int ret;

	getrlimit(RLIMIT_NOFILE, &was);
	tight = was;
	tight.rlim_cur = fds + 3;
	capture_begin(&c, STDERR_FILENO);
	setrlimit(RLIMIT_NOFILE, &tight);
	ret = virtio_init(&v, &ops, t->r.fake.loop, &t->r.fake.mem, sizes, 4, 0, 0);
	setrlimit(RLIMIT_NOFILE, &was);
	said = capture_end(&c);
	assert_int_equal(ret, -EMFILE);
	assert_non_null(strstr(said, "eventfd"));
	free(said);
	assert_int_equal(count_fds(), fds);
}

/* Each test on each transport: the kind is the initial state. */
static enum vrig_kind kinds[VRIG_KINDS] = { VRIG_MMIO, VRIG_PCI_INTX, VRIG_PCI_MSIX };

#define ON(f, k, name) { #f " (" name ")", f, echo_rig_setup, echo_rig_teardown, &kinds[k] }
#define T(f) ON(f, VRIG_MMIO, "mmio"), ON(f, VRIG_PCI_INTX, "pci"), ON(f, VRIG_PCI_MSIX, "msi-x")

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(device_presents_itself),
		T(driver_starts_the_device_and_it_works),
		T(device_works_without_any_optional_feature),
		T(driver_may_use_smaller_queues),
		T(case_23_steps_out_of_order_are_ignored),
		T(a_driver_may_do_without_acknowledging),
		T(several_steps_at_once_are_taken_in_their_order),
		T(case_23_cleared_bits_are_ignored),
		T(case_23_driver_cannot_set_needs_reset),
		T(case_23_features_that_were_not_offered_are_refused),
		T(features_are_final_once_they_are_ok),
		T(features_above_63_are_not_there),
		T(failed_stops_the_device),
		T(reset_brings_back_power_on_state),
		T(case_22_ten_thousand_resets_with_chains_in_flight),
		T(case_12_bad_queue_size_keeps_the_queue_off),
		T(case_13_registers_of_a_live_queue_are_frozen),
		T(case_13_queue_is_frozen_when_enabled_not_only_when_live),
		T(queue_is_enabled_only_while_the_driver_sets_up),
		T(case_14_queues_that_are_not_there_take_nothing),
		T(case_15_rings_outside_ram_keep_the_queue_off),
		T(case_16_kicks_of_a_device_that_is_off_are_drained),
		T(case_16_kicks_of_a_queue_that_is_off_are_drained),
		T(chains_of_before_driver_ok_are_served_after_it),
		T(parked_chains_come_back_when_the_device_likes),
		T(case_25_kick_storm_costs_one_notify_a_turn),
		T(device_may_kick_itself),
		T(interrupt_comes_once_a_batch_and_not_when_unwanted),
		T(config_change_interrupts_a_live_driver),
		T(config_change_of_before_driver_ok_is_told_then),
		T(config_is_read_and_written_in_any_width),
		T(case_24_config_access_past_the_end_is_ignored),
		T(case_24_config_offsets_do_not_wrap),
		T(generation_moves_when_new_values_are_seen),
		T(case_01_available_index_jump),
		T(case_02_head_out_of_range),
		T(case_03_looping_chain),
		T(case_04_empty_chain_is_answered),
		T(case_05_readable_after_writable),
		T(case_06_lengths_beyond_4g),
		T(case_07_buffer_outside_ram),
		T(case_08_buffer_in_device_registers),
		T(case_09_buffer_across_the_hole),
		T(case_10_indirect_table_of_bad_size),
		T(case_11_indirect_that_was_not_negotiated),
		T(case_19_answer_is_as_long_as_there_is_room),
		T(case_20_same_head_twice),
		T(case_21_broken_again_and_again),
		T(device_failure_matters_only_while_it_runs),
		T(device_without_file_descriptors_is_not_made),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
