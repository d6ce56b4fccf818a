/* SPDX-License-Identifier: MIT */
/* Queues that are served elsewhere: how kicks and interrupts find their way, on each transport. */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/vrig.h"

#define QUEUES 2
#define LIVE                                                                                       \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |      \
	 VIRTIO_CONFIG_S_DRIVER_OK)

struct t {
	struct vrig r;
	struct virtio_device v;
	unsigned activations, resets, refused, quiesced;
};

static void t_activate(struct virtio_device *v)
{
	container_of(v, struct t, v)->activations++;
}

static void t_reset(struct virtio_device *v)
{
	container_of(v, struct t, v)->resets++;
}

static void t_notify(struct virtio_device *v, unsigned q)
{
	struct virtq_chain *chain;

	while ((chain = virtio_pop(v, q))) {
		virtq_push(virtio_queue(v, q), chain, chain_write(chain, 0, "no", 2));
		container_of(v, struct t, v)->refused++;
	}
	virtio_signal(v, q);
}

static void t_quiesce(struct virtio_device *v)
{
	container_of(v, struct t, v)->quiesced++;
}

static const struct virtio_ops t_ops = {
	.name = "virtio-elsewhere",
	.id = 0x3e,
	.pci_class = 0xff0000,
	.external = true,
	.activate = t_activate,
	.quiesce = t_quiesce,
	.notify = t_notify,
	.reset = t_reset,
};

static int setup(void **state)
{
	static const uint16_t sizes[QUEUES] = { 16, 16 };
	struct t *t = calloc(1, sizeof(*t));

	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	if (virtio_init(&t->v, &t_ops, t->r.fake.loop, &t->r.fake.mem, sizes, QUEUES,
			BIT(VIRTIO_F_VERSION_1), 0) < 0)
		abort();
	vrig_plug(&t->r, &t->v);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	vrig_unplug(&t->r);
	for (unsigned i = 0; i < FAKE_ATTACHED; i++)
		assert_int_equal(t->r.fake.msi.attached[i], 0);
	virtio_finish(&t->v);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

/* What the server of a queue does when it has used a chain. */
static void call(struct t *t, unsigned q)
{
	assert_int_equal(eventfd_write(virtio_call_fd(&t->v, q), 1), 0);
	fake_settle(&t->r.fake);
}

static eventfd_t kicks(struct t *t, unsigned q)
{
	eventfd_t n;

	return eventfd_read(virtio_kick_fd(&t->v, q), &n) == 0 ? n : 0;
}

static void start(struct t *t)
{
	vdrv_start(&t->r.d, 0);
	vrig_take_queue_irq(&t->r, 0);
	vrig_take_queue_irq(&t->r, 1);
}

/* It is stopped where it is, and nobody can send it on from there. */
static void a_server_that_may_not_reach_memory_is_stopped(void **state)
{
	struct t *t = *state;
	unsigned before;

	start(t);
	before = t->quiesced;
	vdrv_pci_write(&t->r.d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(t->quiesced, before + 1);
	assert_int_equal(vdrv_get(&t->r.d, VDRV_STATUS), LIVE | VIRTIO_CONFIG_S_NEEDS_RESET);
	call(t, 0);
	vdrv_pci_write(&t->r.d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(vrig_take_config_irq(&t->r));
	assert_false(vrig_take_queue_irq(&t->r, 0));
	assert_int_equal(t->activations, 1);
	start(t);
	assert_int_equal(t->activations, 2);
	assert_int_equal(vdrv_get(&t->r.d, VDRV_STATUS), LIVE);
}

static void features_are_those_of_the_server_alone(void **state)
{
	struct t *t = *state;

	assert_true(vdrv_device_features(&t->r.d) == BIT(VIRTIO_F_VERSION_1));
}

static void kicks_stay_in_the_eventfd_for_the_server(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(t->activations, 1);
	vdrv_kick(&t->r.d, 1);
	vdrv_kick(&t->r.d, 1);
	fake_settle(&t->r.fake);
	assert_int_equal(kicks(t, 0), 0);
	assert_int_equal(kicks(t, 1), 2);
}

static void kick_before_driver_ok_is_there_for_the_server(void **state)
{
	struct t *t = *state;

	vdrv_negotiate(&t->r.d, BIT(VIRTIO_F_VERSION_1));
	vdrv_setup_queue(&t->r.d, 0, 0);
	vdrv_kick(&t->r.d, 0);
	vdrv_set(&t->r.d, VDRV_STATUS, LIVE);
	fake_settle(&t->r.fake);
	assert_int_equal(kicks(t, 0), 1);
}

static void call_interrupts_the_driver_again_and_again(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < 5; i++)
		for (unsigned q = 0; q < QUEUES; q++) {
			call(t, q);
			assert_true(vrig_take_queue_irq(&t->r, q));
			assert_false(vrig_take_queue_irq(&t->r, q));
		}
}

static void call_of_a_device_that_is_not_live_goes_nowhere(void **state)
{
	struct t *t = *state;

	call(t, 0);
	assert_false(vrig_take_queue_irq(&t->r, 0));
	start(t);
	vdrv_reset(&t->r.d);
	call(t, 0);
	assert_false(vrig_take_queue_irq(&t->r, 0));
	start(t);
	call(t, 0);
	assert_true(vrig_take_queue_irq(&t->r, 0));
	assert_int_equal(t->activations, 2);
}

/* The server has the same open file: it takes O_NONBLOCK away, fills and empties at will. */
static void case_72_server_that_abuses_the_eventfds_holds_nobody_up(void **state)
{
	struct t *t = *state;

	for (unsigned q = 0; q < QUEUES; q++) {
		fcntl(virtio_call_fd(&t->v, q), F_SETFL, 0);
		fcntl(virtio_kick_fd(&t->v, q), F_SETFL, 0);
		eventfd_write(virtio_kick_fd(&t->v, q), UINT64_MAX - 1);
	}
	start(t);
	virtio_kick(&t->v, 0);
	call(t, 0);
	assert_true(vrig_take_queue_irq(&t->r, 0));
	/* Written and read back before the loop looks. */
	eventfd_write(virtio_call_fd(&t->v, 0), 1);
	eventfd_read(virtio_call_fd(&t->v, 0), &(eventfd_t){ 0 });
	fake_settle(&t->r.fake);
	vdrv_reset(&t->r.d);
	start(t);
	call(t, 1);
	assert_true(vrig_take_queue_irq(&t->r, 1));
}

/* --- the server ends, and the device stands in for it ----------------------------- */

static void adopt(struct t *t)
{
	pthread_mutex_lock(&t->v.lock);
	virtio_fail(&t->v, "the server has ended");
	virtio_adopt(&t->v);
	pthread_mutex_unlock(&t->v.lock);
	fake_settle(&t->r.fake);
}

static void disown(struct t *t)
{
	pthread_mutex_lock(&t->v.lock);
	virtio_disown(&t->v);
	pthread_mutex_unlock(&t->v.lock);
}

static int add(struct t *t, unsigned q)
{
	struct vdrv_buf buf = VDRV_IN(vdrv_alloc(&t->r.d, 8, 8), 8);

	return vdrv_add(&t->r.d.rings[q], &buf, 1);
}

static void assert_used(struct t *t, unsigned q, int head, uint32_t len)
{
	uint32_t used_len;

	assert_int_equal(vdrv_used(&t->r.d.rings[q], &used_len), head);
	assert_int_equal(used_len, len);
}

static void requests_of_a_server_that_ended_are_answered(void **state)
{
	struct t *t = *state;
	struct vdrv_ring *ring = &t->r.d.rings[0];
	int heads[4];

	start(t);
	for (unsigned i = 0; i < 3; i++)
		heads[i] = add(t, 0);
	vdrv_kick(&t->r.d, 0);
	/* It had answered the first. */
	ring->used->ring[0] = (struct vring_used_elem){ .id = heads[0], .len = 7 };
	__atomic_store_n(&ring->used->idx, 1, __ATOMIC_RELEASE);
	adopt(t);
	assert_int_equal(t->refused, 2);
	assert_true(vrig_take_queue_irq(&t->r, 0));
	assert_used(t, 0, heads[0], 7);
	assert_used(t, 0, heads[1], 2);
	assert_used(t, 0, heads[2], 2);
	/* And so it goes on. */
	heads[3] = add(t, 0);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_true(vrig_take_queue_irq(&t->r, 0));
	assert_used(t, 0, heads[3], 2);
	assert_int_equal(vdrv_used(ring, NULL), -1);
	assert_true(t->v.status & VIRTIO_CONFIG_S_NEEDS_RESET);
	disown(t);
}

static void kicks_are_the_next_servers_after_a_reset(void **state)
{
	struct t *t = *state;

	start(t);
	adopt(t);
	vdrv_reset(&t->r.d);
	disown(t);
	start(t);
	kicks(t, 0);
	add(t, 0);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(t->refused, 0);
	assert_int_equal(kicks(t, 0), 1);
	adopt(t);
	assert_int_equal(t->refused, 1);
	disown(t);
}

static void device_without_a_driver_is_not_adopted(void **state)
{
	struct t *t = *state;

	adopt(t);
	assert_false(t->v.adopted);
	vdrv_negotiate(&t->r.d, BIT(VIRTIO_F_VERSION_1));
	vdrv_setup_queue(&t->r.d, 0, 0);
	adopt(t);
	assert_false(t->v.adopted);
	disown(t);
}

/* The server leaves the rings as it likes. */
static void case_72_adopted_rings_are_checked(void **state)
{
	struct t *t = *state;
	struct vdrv_ring *ring = &t->r.d.rings[0];

	for (unsigned used = 0; used < 0x10000; used += 0x1111) {
		start(t);
		add(t, 0);
		__atomic_store_n(&ring->used->idx, used, __ATOMIC_RELEASE);
		adopt(t);
		assert_true(t->refused <= 16 * (used / 0x1111 + 1));
		vdrv_reset(&t->r.d);
		disown(t);
	}
}

/* --- PCI with MSI-X: the kernel's way around the loop ----------------------------- */

static int attached(struct t *t, unsigned q)
{
	return fake_msi_attached(&t->r.fake, virtio_call_fd(&t->v, q));
}

static bool is_direct(struct t *t, unsigned q)
{
	int route = attached(t, q);

	assert_true(route < 0 || route == t->r.pci.msix.vectors[q + 1].route);
	return route >= 0;
}

static void mask(struct t *t, unsigned vector, bool on)
{
	pci_msix_table_write(&t->r.pci.msix, vector * PCI_MSIX_ENTRY_SIZE +
			     PCI_MSIX_ENTRY_VECTOR_CTRL, 4, on);
}

static void msix_flags(struct t *t, uint16_t flags)
{
	vdrv_pci_write(&t->r.d, t->r.d.msix_cap + PCI_MSIX_FLAGS, 2, flags);
}

static void msix_open_vectors_are_served_by_the_kernel(void **state)
{
	struct t *t = *state;

	assert_false(is_direct(t, 0));
	start(t);
	assert_true(is_direct(t, 0));
	assert_true(is_direct(t, 1));
	assert_int_not_equal(attached(t, 0), attached(t, 1));
	vdrv_reset(&t->r.d);
	assert_false(is_direct(t, 0));
	assert_false(is_direct(t, 1));
}

static void msix_masked_vector_keeps_calls_pending(void **state)
{
	struct t *t = *state;

	start(t);
	mask(t, 1, true);
	assert_false(is_direct(t, 0));
	assert_true(is_direct(t, 1));
	call(t, 0);
	assert_false(vrig_take_queue_irq(&t->r, 0));
	assert_int_equal(pci_msix_pba_read(&t->r.pci.msix, 0, 8), 2);
	mask(t, 1, false);
	assert_true(is_direct(t, 0));
	assert_true(vrig_take_queue_irq(&t->r, 0));
	assert_int_equal(pci_msix_pba_read(&t->r.pci.msix, 0, 8), 0);
}

static void msix_function_mask_holds_all_back(void **state)
{
	struct t *t = *state;

	start(t);
	msix_flags(t, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_false(is_direct(t, 0));
	assert_false(is_direct(t, 1));
	call(t, 1);
	assert_false(vrig_take_queue_irq(&t->r, 1));
	msix_flags(t, PCI_MSIX_FLAGS_ENABLE);
	assert_true(is_direct(t, 0));
	assert_true(vrig_take_queue_irq(&t->r, 1));
}

static void msix_off_means_the_interrupt_line(void **state)
{
	struct t *t = *state;
	atomic_int *level;

	start(t);
	msix_flags(t, 0);
	assert_false(is_direct(t, 0));
	call(t, 0);
	level = &t->r.irq[t->r.pci.pci.slot % PCI_BUS_INTX_LINES].level;
	assert_int_equal(*level, 1);
	assert_int_equal(vdrv_raw_read(&t->r.d, t->r.d.isr - t->r.d.bar, 1), 1);
	assert_int_equal(*level, 0);
	msix_flags(t, PCI_MSIX_FLAGS_ENABLE);
	assert_true(is_direct(t, 0));
	call(t, 0);
	assert_true(vrig_take_queue_irq(&t->r, 0));
}

/* Linux moves an interrupt to another CPU so: mask, message, unmask. */
static void msix_new_message_takes_the_old_route_over(void **state)
{
	struct t *t = *state;
	struct pci_msix_vector *v = &t->r.pci.msix.vectors[1];
	int route;

	start(t);
	route = attached(t, 0);
	mask(t, 1, true);
	pci_msix_table_write(&t->r.pci.msix, PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_DATA, 4, 0x77);
	assert_int_not_equal(v->bound_data, 0x77);
	mask(t, 1, false);
	assert_int_equal(attached(t, 0), route);
	assert_int_equal(v->bound_data, 0x77);
	/* And without the mask, which is the guest's risk. */
	pci_msix_table_write(&t->r.pci.msix, PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_DATA, 4, 0x78);
	assert_int_equal(v->bound_data, 0x78);
	assert_int_equal(attached(t, 0), route);
}

static void msix_queue_moves_to_another_vector(void **state)
{
	struct t *t = *state;
	struct vdrv *d = &t->r.d;

	start(t);
	vdrv_set(d, VDRV_QUEUE_SEL, 0);
	vdrv_raw_write(d, d->regs - d->bar + VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	assert_int_equal(attached(t, 0), attached(t, 1));
	vdrv_raw_write(d, d->regs - d->bar + VIRTIO_PCI_COMMON_Q_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(attached(t, 0), -1);
	call(t, 0);
	assert_false(vrig_take_queue_irq(&t->r, 0));
	vdrv_raw_write(d, d->regs - d->bar + VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	assert_true(is_direct(t, 0));
	assert_true(is_direct(t, 1));
}

static void case_34_without_a_route_the_loop_delivers(void **state)
{
	struct t *t = *state;
	unsigned sent;

	t->r.fake.msi.fail_routes = 1;
	start(t);
	assert_false(is_direct(t, 0));
	sent = t->r.fake.msi.sent;
	call(t, 0);
	assert_int_equal(t->r.fake.msi.sent, sent + 1);
	/* A new message is a new attempt. */
	t->r.fake.msi.fail_routes = 0;
	pci_msix_table_write(&t->r.pci.msix, PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_DATA, 4, 0x79);
	assert_true(is_direct(t, 0));
}

static void msix_bus_reset_takes_all_back(void **state)
{
	struct t *t = *state;

	start(t);
	pci_bus_reset(&t->r.pci_bus);
	assert_false(is_direct(t, 0));
	assert_false(is_direct(t, 1));
	assert_int_equal(t->v.status, 0);
}

#define ON(kind, f) { #f " on " #kind, f, setup, teardown, (void *)&kinds[VRIG_##kind] }
#define ON_ALL(f) ON(MMIO, f), ON(PCI_INTX, f), ON(PCI_MSIX, f)

int main(void)
{
	static const enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_INTX, VRIG_PCI_MSIX };
	const struct CMUnitTest tests[] = {
		ON_ALL(features_are_those_of_the_server_alone),
		ON_ALL(kicks_stay_in_the_eventfd_for_the_server),
		ON_ALL(kick_before_driver_ok_is_there_for_the_server),
		ON_ALL(call_interrupts_the_driver_again_and_again),
		ON_ALL(call_of_a_device_that_is_not_live_goes_nowhere),
		ON_ALL(case_72_server_that_abuses_the_eventfds_holds_nobody_up),
		ON_ALL(requests_of_a_server_that_ended_are_answered),
		ON_ALL(kicks_are_the_next_servers_after_a_reset),
		ON(MMIO, device_without_a_driver_is_not_adopted),
		ON(MMIO, case_72_adopted_rings_are_checked),
		ON(PCI_INTX, a_server_that_may_not_reach_memory_is_stopped),
		ON(PCI_MSIX, a_server_that_may_not_reach_memory_is_stopped),
		ON(PCI_MSIX, msix_open_vectors_are_served_by_the_kernel),
		ON(PCI_MSIX, msix_masked_vector_keeps_calls_pending),
		ON(PCI_MSIX, msix_function_mask_holds_all_back),
		ON(PCI_MSIX, msix_off_means_the_interrupt_line),
		ON(PCI_MSIX, msix_new_message_takes_the_old_route_over),
		ON(PCI_MSIX, msix_queue_moves_to_another_vector),
		ON(PCI_MSIX, case_34_without_a_route_the_loop_delivers),
		ON(PCI_MSIX, msix_bus_reset_takes_all_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
