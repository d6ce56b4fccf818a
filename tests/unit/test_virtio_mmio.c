/* SPDX-License-Identifier: MIT */
/* What is the MMIO transport's own; test_virtio.c has what both share. */
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/echo_rig.h"

#define SETTLED                                                                                    \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

static int setup(void **state)
{
	*state = echo_rig_create(VRIG_MMIO);
	return 0;
}

static uint64_t get(struct echo_rig *t, unsigned off)
{
	return vdrv_raw_read(&t->r.d, off, 4);
}

static void set(struct echo_rig *t, unsigned off, uint32_t value)
{
	vdrv_raw_write(&t->r.d, off, 4, value);
}

static void identity_reads_as_the_specification_says(void **state)
{
	struct echo_rig *t = *state;

	assert_int_equal(get(t, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(get(t, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(get(t, VIRTIO_MMIO_DEVICE_ID), ECHO_ID);
	assert_int_equal(get(t, VIRTIO_MMIO_VENDOR_ID), 0x1af4);
}

static void write_only_and_absent_registers_read_zero(void **state)
{
	static const unsigned regs[] = {
		VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_MMIO_DRIVER_FEATURES,
		VIRTIO_MMIO_DRIVER_FEATURES_SEL, VIRTIO_MMIO_QUEUE_SEL, VIRTIO_MMIO_QUEUE_NUM,
		VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_QUEUE_DESC_LOW,
		VIRTIO_MMIO_QUEUE_USED_HIGH, 0x018, 0x01c, 0x028, 0x03c, 0x040, 0x0c0, 0x0f8,
	};
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++)
		assert_int_equal(get(t, regs[i]), 0);
}

static void writes_to_read_only_registers_are_dropped(void **state)
{
	struct echo_rig *t = *state;

	for (unsigned off = 0; off < 0x10; off += 4)
		set(t, off, 0);
	set(t, VIRTIO_MMIO_QUEUE_NUM_MAX, 1);
	set(t, VIRTIO_MMIO_INTERRUPT_STATUS, 3);
	set(t, VIRTIO_MMIO_CONFIG_GENERATION, 77);
	identity_reads_as_the_specification_says(state);
	assert_int_equal(get(t, VIRTIO_MMIO_QUEUE_NUM_MAX), ECHO_QUEUE_SIZE);
	assert_int_equal(get(t, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_int_not_equal(get(t, VIRTIO_MMIO_CONFIG_GENERATION), 77);
}

/* There are no shared memory regions: length and base of any are -1 (4.2.2). */
static void shared_memory_regions_are_absent(void **state)
{
	struct echo_rig *t = *state;

	for (uint32_t id = 0; id < 300; id += 99) {
		set(t, VIRTIO_MMIO_SHM_SEL, id);
		assert_int_equal(get(t, VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
		assert_int_equal(get(t, VIRTIO_MMIO_SHM_LEN_HIGH), UINT32_MAX);
		assert_int_equal(get(t, VIRTIO_MMIO_SHM_BASE_LOW), UINT32_MAX);
		assert_int_equal(get(t, VIRTIO_MMIO_SHM_BASE_HIGH), UINT32_MAX);
	}
}

static void case_24_registers_answer_aligned_words_only(void **state)
{
	static const unsigned widths[] = { 1, 2, 8 };
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	for (unsigned i = 0; i < ARRAY_SIZE(widths); i++)
		for (unsigned off = 0; off + 8 <= VIRTIO_MMIO_CONFIG; off++) {
			assert_true(vdrv_raw_read(d, off, widths[i]) == 0);
			vdrv_raw_write(d, off, widths[i], UINT64_MAX);
		}
	for (unsigned off = 1; off + 4 <= VIRTIO_MMIO_CONFIG; off++)
		if (off % 4)
			assert_true(vdrv_raw_read(d, off, 4) == 0);
	for (unsigned off = 1; off + 4 <= VIRTIO_MMIO_CONFIG; off++)
		if (off % 4)
			vdrv_raw_write(d, off, 4, UINT32_MAX);
	assert_int_equal(get(t, VIRTIO_MMIO_STATUS), 0);
	vdrv_start(d, 0);
}

static void status_bits_above_seven_are_no_reset(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	set(t, VIRTIO_MMIO_STATUS, 0x100);
	set(t, VIRTIO_MMIO_STATUS, 0xffffff00);
	assert_int_equal(get(t, VIRTIO_MMIO_STATUS), SETTLED | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void serve_one(struct echo_rig *t)
{
	vdrv_add(&t->r.d.rings[0], &(struct vdrv_buf)VDRV_OUT(0x80000, 1), 1);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
}

static void line_is_high_until_each_event_is_acknowledged(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	assert_int_equal(t->r.irq[0].level, 0);
	serve_one(t);
	pthread_mutex_lock(&t->e.v.lock);
	virtio_config_changed(&t->e.v);
	pthread_mutex_unlock(&t->e.v.lock);
	serve_one(t);
	assert_int_equal(t->r.irq[0].level, 1);
	assert_int_equal(t->r.irq[0].edges, 1);
	assert_int_equal(get(t, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	set(t, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(get(t, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	assert_int_equal(t->r.irq[0].level, 1);
	set(t, VIRTIO_MMIO_INTERRUPT_ACK, 0xfffffffd);
	assert_int_equal(t->r.irq[0].level, 1);
	set(t, VIRTIO_MMIO_INTERRUPT_ACK, 2);
	assert_int_equal(t->r.irq[0].level, 0);
	serve_one(t);
	assert_int_equal(t->r.irq[0].edges, 2);
}

static void queue_can_be_made_unready_before_driver_ok(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_free_all(d);
	vdrv_negotiate(d, BIT(VIRTIO_F_VERSION_1));
	vdrv_setup_queue(d, 0, 0);
	set(t, VIRTIO_MMIO_QUEUE_READY, 2);
	assert_int_equal(get(t, VIRTIO_MMIO_QUEUE_READY), 1);
	set(t, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(get(t, VIRTIO_MMIO_QUEUE_READY), 0);
	set(t, VIRTIO_MMIO_QUEUE_SEL, 99);
	set(t, VIRTIO_MMIO_QUEUE_READY, 0);
	/* And ready again, elsewhere. */
	vdrv_setup_queue(d, 0, 8);
	set(t, VIRTIO_MMIO_STATUS, SETTLED | VIRTIO_CONFIG_S_DRIVER_OK);
	serve_one(t);
	assert_int_equal(vdrv_used(&d->rings[0], NULL), 0);
	/* Live queues stop by a reset alone. */
	set(t, VIRTIO_MMIO_QUEUE_SEL, 0);
	set(t, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(get(t, VIRTIO_MMIO_QUEUE_READY), 1);
}

static void case_14_doorbell_values_without_a_queue_are_ignored(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	fake_settle(&t->r.fake);
	memset(t->e.notifies, 0, sizeof(t->e.notifies));
	for (uint64_t value = ECHO_QUEUES; value < UINT32_MAX; value = value * 5 + 1)
		set(t, VIRTIO_MMIO_QUEUE_NOTIFY, value);
	/* Nor is another width a kick. */
	vdrv_raw_write(&t->r.d, VIRTIO_MMIO_QUEUE_NOTIFY, 2, 0);
	vdrv_raw_write(&t->r.d, VIRTIO_MMIO_QUEUE_NOTIFY, 8, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(t->e.notifies[0] + t->e.notifies[1] + t->e.notifies[2], 0);
}

static void machine_reset_is_power_on(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	serve_one(t);
	set(t, VIRTIO_MMIO_QUEUE_SEL, 2);
	set(t, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	set(t, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	virtio_mmio_reset(&t->r.mmio);
	assert_int_equal(t->r.irq[0].level, 0);
	assert_int_equal(get(t, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_int_equal(get(t, VIRTIO_MMIO_STATUS), 0);
	assert_int_equal(get(t, VIRTIO_MMIO_QUEUE_NUM_MAX), ECHO_QUEUE_SIZE);
	assert_int_equal(get(t, VIRTIO_MMIO_DEVICE_FEATURES), (uint32_t)t->e.v.offered);
	vdrv_start(&t->r.d, 0);
}

static void window_that_does_not_fit_is_refused(void **state)
{
	struct echo_rig *t = *state;
	struct virtio_mmio m;

	assert_int_equal(virtio_mmio_init(&m, &t->e.v, &t->r.fake.pio, 0xfffff,
					  fake_irq_line(&t->r.irq[1])), -EINVAL);
	virtio_mmio_finish(&m, &t->r.fake.pio);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, echo_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(identity_reads_as_the_specification_says),
		T(write_only_and_absent_registers_read_zero),
		T(writes_to_read_only_registers_are_dropped),
		T(shared_memory_regions_are_absent),
		T(case_24_registers_answer_aligned_words_only),
		T(status_bits_above_seven_are_no_reset),
		T(line_is_high_until_each_event_is_acknowledged),
		T(queue_can_be_made_unready_before_driver_ok),
		T(case_14_doorbell_values_without_a_queue_are_ignored),
		T(machine_reset_is_power_on),
		T(window_that_does_not_fit_is_refused),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
