/* SPDX-License-Identifier: MIT */
/* What is the PCI transport's own; test_virtio.c has what both share. */
#include <errno.h>
#include <linux/virtio_pci.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "tests/echo_rig.h"

#define NO_VECTOR VIRTIO_MSI_NO_VECTOR

/* Offsets are of the common structure; it begins the BAR. */
static uint64_t get(struct echo_rig *t, unsigned off, unsigned size)
{
	return vdrv_raw_read(&t->r.d, t->r.d.regs - t->r.d.bar + off, size);
}

static void set(struct echo_rig *t, unsigned off, unsigned size, uint64_t value)
{
	vdrv_raw_write(&t->r.d, t->r.d.regs - t->r.d.bar + off, size, value);
}

static void serve_one(struct echo_rig *t, unsigned q)
{
	vdrv_add(&t->r.d.rings[q], &(struct vdrv_buf)VDRV_OUT(0x80000, 1), 1);
	vdrv_kick(&t->r.d, q);
	fake_settle(&t->r.fake);
}

static void config_changed(struct echo_rig *t)
{
	pthread_mutex_lock(&t->e.v.lock);
	virtio_config_changed(&t->e.v);
	pthread_mutex_unlock(&t->e.v.lock);
}

/* --- configuration space ---------------------------------------------------------- */

static void function_presents_itself(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	assert_int_equal(vdrv_pci_read(d, PCI_VENDOR_ID, 2), 0x1af4);
	assert_int_equal(vdrv_pci_read(d, PCI_DEVICE_ID, 2), 0x1040 + ECHO_ID);
	assert_true(vdrv_pci_read(d, PCI_REVISION_ID, 1) >= 1);
	assert_int_equal(vdrv_pci_read(d, PCI_CLASS_REVISION, 4) >> 8, ECHO_CLASS);
	assert_true(vdrv_pci_read(d, PCI_SUBSYSTEM_ID, 2) >= 0x40);
	assert_int_equal(vdrv_pci_read(d, PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(d->config_len, ECHO_CONFIG_LEN);
	assert_int_equal(d->notify_multiplier, 4);
	assert_int_equal(d->n_vectors, ECHO_QUEUES + 1);
}

static void each_queue_has_a_doorbell_of_its_own(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_start(d, 0);
	fake_settle(&t->r.fake);
	for (unsigned q = 0; q < ECHO_QUEUES; q++) {
		static const unsigned widths[] = { 1, 2, 4, 8 };

		for (unsigned i = 0; i < ARRAY_SIZE(widths); i++) {
			memset(t->e.notifies, 0, sizeof(t->e.notifies));
			bus_write(d->bus, d->doorbells[q], widths[i], 0xffff);
			fake_settle(&t->r.fake);
			for (unsigned k = 0; k < ECHO_QUEUES; k++)
				assert_int_equal(t->e.notifies[k], k == q);
		}
	}
	/* Behind the last, and between two. */
	memset(t->e.notifies, 0, sizeof(t->e.notifies));
	bus_write(d->bus, d->doorbells[ECHO_QUEUES - 1] + 4, 2, 0);
	bus_write(d->bus, d->doorbells[0] + 2, 2, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(t->e.notifies[0] + t->e.notifies[1] + t->e.notifies[2], 0);
	assert_true(vdrv_raw_read(d, d->notify - d->bar, 4) == 0);
}

static void doorbells_follow_the_bar(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	uint64_t moved = d->bar + 0x1000000;

	vdrv_start(d, 0);
	fake_settle(&t->r.fake);
	t->e.notifies[0] = 0;
	vdrv_pci_write(d, PCI_BASE_ADDRESS_0, 4, moved);
	vdrv_kick(d, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(t->e.notifies[0], 0);
	bus_write(d->bus, d->doorbells[0] + moved - d->bar, 2, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(t->e.notifies[0], 1);
	vdrv_pci_write(d, PCI_BASE_ADDRESS_0, 4, d->bar);
	serve_one(t, 0);
	assert_true(vdrv_used(&d->rings[0], NULL) >= 0);
}

/* --- bus mastering ------------------------------------------------------------------ */

static void set_master(struct echo_rig *t, bool on)
{
	vdrv_pci_write(&t->r.d, PCI_COMMAND, 2,
		       PCI_COMMAND_MEMORY | (on ? PCI_COMMAND_MASTER : 0));
	fake_settle(&t->r.fake);
}

static void no_memory_is_touched_without_bus_mastering(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_start(d, 0);
	set_master(t, false);
	serve_one(t, 0);
	assert_int_equal(vdrv_used(&d->rings[0], NULL), -1);
	assert_false(vrig_take_queue_irq(&t->r, 0));
	assert_int_equal(vdrv_get(d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
	set_master(t, true);
	assert_true(vdrv_used(&d->rings[0], NULL) >= 0);
	assert_true(vrig_take_queue_irq(&t->r, 0));
	assert_int_equal(t->e.activations, 1);
	assert_true(echo_rig_works(t));
}

static void driver_ok_waits_for_bus_mastering(void **state)
{
	struct echo_rig *t = *state;

	set_master(t, false);
	vdrv_start(&t->r.d, 0);
	config_changed(t);
	assert_int_equal(t->e.activations, 0);
	set_master(t, true);
	assert_int_equal(t->e.activations, 1);
	assert_true(vrig_take_config_irq(&t->r));
	assert_true(echo_rig_works(t));
	set_master(t, false);
	set_master(t, false);
	assert_int_equal(t->e.activations, 1);
	vdrv_set(&t->r.d, VDRV_STATUS, 0);
	set_master(t, true);
	assert_int_equal(t->e.activations, 1);
	assert_true(echo_rig_restarts(t, 0));
}

static void a_bus_reset_takes_mastering_away(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	pci_bus_reset(&t->r.pci_bus);
	assert_true(t->e.v.held);
	assert_int_equal(t->e.v.status, 0);
}

/* --- common configuration ---------------------------------------------------------- */

static void registers_read_back_what_was_written(void **state)
{
	struct echo_rig *t = *state;

	set(t, VIRTIO_PCI_COMMON_DFSELECT, 4, 0x12345678);
	set(t, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	set(t, VIRTIO_PCI_COMMON_GF, 4, 0x89abcdef);
	set(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	set(t, VIRTIO_PCI_COMMON_Q_SIZE, 2, 8);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_DFSELECT, 4), 0x12345678);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_GFSELECT, 4), 1);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_GF, 4), 0x89abcdef);
	set(t, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_GF, 4), 0);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_SELECT, 2), 1);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_SIZE, 2), 8);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_NOFF, 2), 1);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_NUMQ, 2), ECHO_QUEUES);
	for (unsigned off = VIRTIO_PCI_COMMON_Q_DESCLO; off <= VIRTIO_PCI_COMMON_Q_USEDHI; off += 4)
		set(t, off, 4, 0x1000 + off);
	for (unsigned off = VIRTIO_PCI_COMMON_Q_DESCLO; off <= VIRTIO_PCI_COMMON_Q_USEDHI; off += 4)
		assert_int_equal(get(t, off, 4), 0x1000 + off);
	/* The other queue has its own. */
	set(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_SIZE, 2), ECHO_QUEUE_SIZE);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
}

static void addresses_take_eight_bytes_at_once(void **state)
{
	struct echo_rig *t = *state;

	set(t, VIRTIO_PCI_COMMON_Q_AVAILLO, 8, 0x1122334455667788);
	assert_true(get(t, VIRTIO_PCI_COMMON_Q_AVAILLO, 8) == 0x1122334455667788);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_AVAILHI, 4), 0x11223344);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_DESCHI, 4), 0);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_USEDLO, 4), 0);
	/* From the middle of one to the middle of the next, and past the last. */
	set(t, VIRTIO_PCI_COMMON_Q_DESCHI, 8, UINT64_MAX);
	set(t, VIRTIO_PCI_COMMON_Q_USEDHI, 8, UINT64_MAX);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_DESCHI, 4), 0);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_USEDHI, 4), 0);
}

static void case_24_other_widths_read_zero_and_write_nothing(void **state)
{
	static const uint8_t widths[VIRTIO_PCI_COMMON_Q_NDATA] = {
		[0] = 4, [4] = 4, [8] = 4, [12] = 4, [16] = 2, [18] = 2, [20] = 1, [21] = 1,
		[22] = 2, [24] = 2, [26] = 2, [28] = 2, [30] = 2,
		[32] = 4, [36] = 4, [40] = 4, [44] = 4, [48] = 4, [52] = 4,
	};
	struct echo_rig *t = *state;
	uint8_t before[sizeof(widths)] = { 0 };

	for (unsigned off = 0; off < sizeof(widths); off++)
		if (widths[off])
			store_le(before + off, widths[off], get(t, off, widths[off]));
	for (unsigned off = 0; off < 0x80; off++)
		for (unsigned size = 1; size <= 8; size *= 2) {
			if (off < sizeof(widths) && widths[off] == size)
				continue;
			if (size == 8 && off % 8 == 0 && off >= 32 && off < 56)
				continue;
			assert_true(get(t, off, size) == 0);
			set(t, off, size, 0x0303030303030303);
		}
	for (unsigned off = 0; off < sizeof(widths); off++)
		if (widths[off])
			assert_int_equal(get(t, off, widths[off]),
					 load_le(before + off, widths[off]));
}

static void writes_to_read_only_registers_are_dropped(void **state)
{
	struct echo_rig *t = *state;

	set(t, VIRTIO_PCI_COMMON_DF, 4, 0);
	set(t, VIRTIO_PCI_COMMON_NUMQ, 2, 77);
	set(t, VIRTIO_PCI_COMMON_CFGGENERATION, 1, 77);
	set(t, VIRTIO_PCI_COMMON_Q_NOFF, 2, 77);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_DF, 4), (uint32_t)t->e.v.offered);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_NUMQ, 2), ECHO_QUEUES);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_CFGGENERATION, 1), 0);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_NOFF, 2), 0);
}

static void enable_takes_one_and_nothing_else(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_free_all(d);
	vdrv_negotiate(d, BIT(VIRTIO_F_VERSION_1));
	vdrv_setup_queue(d, 1, 0);
	set(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	vdrv_ring_init(&d->rings[0], d->mem, 16, vdrv_alloc(d, vdrv_ring_bytes(16), 16));
	set(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	set(t, VIRTIO_PCI_COMMON_Q_DESCLO, 8, d->rings[0].desc_gpa);
	set(t, VIRTIO_PCI_COMMON_Q_AVAILLO, 8, d->rings[0].avail_gpa);
	set(t, VIRTIO_PCI_COMMON_Q_USEDLO, 8, d->rings[0].used_gpa);
	set(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2);
	set(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0xffff);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	set(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}

/* --- vectors -------------------------------------------------------------------- */

static void case_35_vector_that_is_not_there_reads_back_as_none(void **state)
{
	static const uint16_t bad[] = { ECHO_QUEUES + 1, 64, 0x7ff, 0x800, 0xfffe, NO_VECTOR };
	struct echo_rig *t = *state;

	assert_int_equal(get(t, VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		set(t, VIRTIO_PCI_COMMON_MSIX, 2, 1);
		set(t, VIRTIO_PCI_COMMON_Q_MSIX, 2, ECHO_QUEUES);
		assert_int_equal(get(t, VIRTIO_PCI_COMMON_MSIX, 2), 1);
		assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_MSIX, 2), ECHO_QUEUES);
		set(t, VIRTIO_PCI_COMMON_MSIX, 2, bad[i]);
		set(t, VIRTIO_PCI_COMMON_Q_MSIX, 2, bad[i]);
		assert_int_equal(get(t, VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
		assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
	}
	set(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0xffff);
	set(t, VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_NOFF, 2), 0);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
}

static void reset_takes_the_vectors_back(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	vdrv_reset(&t->r.d);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
	for (unsigned q = 0; q < ECHO_QUEUES; q++) {
		set(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
		assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
	}
}

static bool vector_fired(struct echo_rig *t, unsigned vector)
{
	eventfd_t n;

	return t->r.pci.msix.vectors[vector].fd >= 0 &&
	       eventfd_read(t->r.pci.msix.vectors[vector].fd, &n) == 0;
}

static void each_queue_interrupts_by_its_vector(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	set(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	set(t, VIRTIO_PCI_COMMON_Q_MSIX, 2, 3);
	for (unsigned i = 0; i < ECHO_PARK; i++)
		serve_one(t, 1);
	for (unsigned i = 0; i <= ECHO_QUEUES; i++)
		assert_int_equal(vector_fired(t, i), i == 2);
	serve_one(t, 0);
	for (unsigned i = 0; i <= ECHO_QUEUES; i++)
		assert_int_equal(vector_fired(t, i), i == 3);
	config_changed(t);
	for (unsigned i = 0; i <= ECHO_QUEUES; i++)
		assert_int_equal(vector_fired(t, i), i == 0);
	/* 4.1.4.5.1: the queue bit is INTx's, the configuration bit is set always. */
	assert_int_equal(vdrv_raw_read(&t->r.d, t->r.d.isr - t->r.d.bar, 1), 2);
	for (unsigned i = 0; i < PCI_BUS_INTX_LINES; i++)
		assert_int_equal(t->r.irq[i].edges, 0);
}

static void masked_vector_is_pending_until_it_is_unmasked(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	uint64_t control = d->msix_table + 16 * 1 + PCI_MSIX_ENTRY_VECTOR_CTRL;
	unsigned pba = vdrv_pci_read(d, d->msix_cap + PCI_MSIX_PBA, 4) & PCI_MSIX_PBA_OFFSET;

	vdrv_start(d, 0);
	bus_write(d->bus, control, 4, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	serve_one(t, 0);
	assert_int_equal(vdrv_raw_read(d, pba, 4), 1 << 1);
	assert_int_equal(vdrv_raw_read(d, control - d->bar, 4), PCI_MSIX_ENTRY_CTRL_MASKBIT);
	vdrv_raw_write(d, pba, 4, 0);
	assert_int_equal(vdrv_raw_read(d, pba, 8), 1 << 1);
	assert_false(vector_fired(t, 1));
	bus_write(d->bus, control, 4, 0);
	assert_true(vector_fired(t, 1));
	assert_int_equal(vdrv_raw_read(d, pba, 4), 0);
}

static void queue_without_a_vector_is_silent(void **state)
{
	struct echo_rig *t = *state;

	vdrv_start(&t->r.d, 0);
	set(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	set(t, VIRTIO_PCI_COMMON_Q_MSIX, 2, NO_VECTOR);
	set(t, VIRTIO_PCI_COMMON_MSIX, 2, NO_VECTOR);
	serve_one(t, 0);
	config_changed(t);
	assert_true(vdrv_used(&t->r.d.rings[0], NULL) >= 0);
	for (unsigned i = 0; i <= ECHO_QUEUES; i++)
		assert_false(vector_fired(t, i));
}

static void reading_the_status_drops_the_line(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	unsigned line = t->r.pci.pci.slot % PCI_BUS_INTX_LINES;

	vdrv_start(d, 0);
	serve_one(t, 0);
	config_changed(t);
	assert_int_equal(t->r.irq[line].level, 1);
	/* Other widths and places do not acknowledge. */
	assert_int_equal(vdrv_raw_read(d, d->isr - d->bar, 4), 0);
	assert_int_equal(vdrv_raw_read(d, d->isr - d->bar + 1, 1), 0);
	vdrv_raw_write(d, d->isr - d->bar, 1, 3);
	assert_int_equal(t->r.irq[line].level, 1);
	assert_int_equal(vdrv_raw_read(d, d->isr - d->bar, 1), 3);
	assert_int_equal(t->r.irq[line].level, 0);
	assert_int_equal(vdrv_raw_read(d, d->isr - d->bar, 1), 0);
}

/* --- the window in configuration space ---------------------------------------------- */

static void window_reaches_every_structure(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	unsigned common = d->regs - d->bar;

	/* It is for those who cannot reach the BAR. */
	vdrv_start(d, 0);
	vdrv_pci_write(d, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_int_equal(vdrv_window_read(d, common + VIRTIO_PCI_COMMON_STATUS, 1),
			 t->e.v.status);
	assert_int_equal(vdrv_window_read(d, common + VIRTIO_PCI_COMMON_NUMQ, 2), ECHO_QUEUES);
	assert_int_equal(vdrv_window_read(d, common + VIRTIO_PCI_COMMON_Q_DESCLO, 4),
			 (uint32_t)t->e.v.queues[ECHO_QUEUES - 1].vq.desc_gpa);
	assert_int_equal(vdrv_window_read(d, d->config - d->bar + 2, 2), 0x3332);
	vdrv_window_write(d, d->config - d->bar, 1, 'x');
	assert_int_equal(t->e.config[0], 'x');
	vdrv_window_write(d, common + VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	assert_int_equal(vdrv_window_read(d, common + VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	fake_settle(&t->r.fake);
	t->e.notifies[1] = 0;
	vdrv_window_write(d, d->notify - d->bar + 4, 2, 1);
	fake_settle(&t->r.fake);
	assert_int_equal(t->e.notifies[1], 1);
	vdrv_window_write(d, common + VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(t->e.v.status, 0);
}

static void case_35_window_that_leads_nowhere_is_ignored(void **state)
{
	static const struct {
		uint8_t bar;
		uint32_t off, len;
	} bad[] = {
		{ 7, 0x14, 1 }, { 1, 0x14, 1 }, { 255, 0x14, 1 }, { 0, UINT32_MAX, 1 },
		{ 0, 0xfffffffc, 4 }, { 0, 0x8000, 1 }, { 0, 0x7fff, 2 }, { 0, 0x14, 3 },
		{ 0, 0x14, 0 }, { 0, 0x14, 8 }, { 0, 0x14, 0x80000000 }, { 0, 0x15, 2 },
		{ 0, 0x16, 4 },
	};
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;
	uint8_t status;

	vdrv_start(d, 0);
	status = t->e.v.status;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		vdrv_pci_write(d, d->cfg_cap + VIRTIO_PCI_CAP_BAR, 1, bad[i].bar);
		vdrv_pci_write(d, d->cfg_cap + VIRTIO_PCI_CAP_OFFSET, 4, bad[i].off);
		vdrv_pci_write(d, d->cfg_cap + VIRTIO_PCI_CAP_LENGTH, 4, bad[i].len);
		for (unsigned size = 1; size <= 4; size *= 2) {
			vdrv_pci_write(d, d->cfg_cap + 16, size, 0);
			assert_int_equal(vdrv_pci_read(d, d->cfg_cap + 16, size), 0);
		}
	}
	assert_int_equal(t->e.v.status, status);
	vdrv_window_write(d, d->config - d->bar + 1, 2, 0);
	assert_int_equal(vdrv_window_read(d, d->config - d->bar + 1, 2), 0);
	assert_memory_equal(t->e.config, "0123456789", ECHO_CONFIG_LEN);
	/* What says where the window leads is open, its identity is not. */
	vdrv_pci_write(d, d->cfg_cap, 4, 0);
	assert_int_equal(vdrv_pci_read(d, d->cfg_cap, 1), PCI_CAP_ID_VNDR);
	assert_int_equal(vdrv_pci_read(d, d->cfg_cap + 3, 1), VIRTIO_PCI_CAP_PCI_CFG);
	assert_int_equal(vdrv_pci_read(d, d->cfg_cap + VIRTIO_PCI_CAP_LENGTH, 4), 2);
}

/* --- life ------------------------------------------------------------------------------ */

static void machine_reset_is_power_on(void **state)
{
	struct echo_rig *t = *state;
	struct vdrv *d = &t->r.d;

	vdrv_start(d, 0);
	serve_one(t, 0);
	set(t, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	set(t, VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	pci_bus_reset(&t->r.pci_bus);
	for (unsigned i = 0; i < PCI_BUS_INTX_LINES; i++)
		assert_int_equal(t->r.irq[i].level, 0);
	vdrv_pci_write(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_STATUS, 1), 0);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_DFSELECT, 4), 0);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	assert_int_equal(get(t, VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
	assert_int_equal(vdrv_raw_read(d, d->isr - d->bar, 1), 0);
	d->msix = false;
	vdrv_start(d, 0);
	serve_one(t, 0);
	assert_true(vdrv_used(&d->rings[0], NULL) >= 0);
}

/* More queues than vectors: the last ones go without, the driver shares. */
static void device_with_many_queues_fits(void **state)
{
	static const struct virtio_ops ops = { .name = "many", .id = 1 };
	uint16_t sizes[VIRTIO_MAX_QUEUES];
	struct virtio_device v;
	struct vrig *r = calloc(1, sizeof(*r));

	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		sizes[i] = 2;
	vrig_init(r, VRIG_PCI_MSIX);
	assert_int_equal(virtio_init(&v, &ops, r->fake.loop, &r->fake.mem, sizes,
				     VIRTIO_MAX_QUEUES, 0, 0), 0);
	vrig_plug(r, &v);
	assert_int_equal(r->d.n_queues, VIRTIO_MAX_QUEUES);
	assert_int_equal(r->d.n_vectors, PCI_MSIX_MAX_VECTORS);
	/* No configuration, so no capability for it. */
	assert_true(r->d.config == 0);
	vrig_unplug(r);
	virtio_finish(&v);
	vrig_finish(r);
	free(r);
}

static enum vrig_kind intx = VRIG_PCI_INTX, msix = VRIG_PCI_MSIX;

#define T(f, kind) { #f, f, echo_rig_setup, echo_rig_teardown, &kind }

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(function_presents_itself, intx),
		T(each_queue_has_a_doorbell_of_its_own, intx),
		T(doorbells_follow_the_bar, intx),
		T(no_memory_is_touched_without_bus_mastering, intx),
		T(no_memory_is_touched_without_bus_mastering, msix),
		T(driver_ok_waits_for_bus_mastering, intx),
		T(driver_ok_waits_for_bus_mastering, msix),
		T(a_bus_reset_takes_mastering_away, msix),
		T(registers_read_back_what_was_written, intx),
		T(addresses_take_eight_bytes_at_once, intx),
		T(case_24_other_widths_read_zero_and_write_nothing, intx),
		T(writes_to_read_only_registers_are_dropped, intx),
		T(enable_takes_one_and_nothing_else, intx),
		T(case_35_vector_that_is_not_there_reads_back_as_none, intx),
		T(reset_takes_the_vectors_back, msix),
		T(each_queue_interrupts_by_its_vector, msix),
		T(masked_vector_is_pending_until_it_is_unmasked, msix),
		T(queue_without_a_vector_is_silent, msix),
		T(reading_the_status_drops_the_line, intx),
		T(window_reaches_every_structure, intx),
		T(case_35_window_that_leads_nowhere_is_ignored, intx),
		T(machine_reset_is_power_on, intx),
		T(machine_reset_is_power_on, msix),
		cmocka_unit_test(device_with_many_queues_fits),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
