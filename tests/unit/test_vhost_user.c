/* SPDX-License-Identifier: MIT */
/* The front end of vhost-user with back ends that serve, lie, stall and die. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/until.h"
#include "tests/vhost_rig.h"

#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define V1 BIT(VIRTIO_F_VERSION_1)
#define IMPATIENCE_NS 200000000ull	/* for a back end that is to stall */

static int setup(void **state)
{
	struct vhost_rig *t = malloc(sizeof(*t));

	vhost_rig_init(t, *(const enum vrig_kind *)*state);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct vhost_rig *t = *state;

	vhost_rig_finish(t);
	assert_int_equal(t->b.hang_ups, t->b.dials);
	free(t);
	return 0;
}

/* Turns the loop until something that others bring about is so. */
#define until(t, cond) UNTIL_IN((t)->r.fake.loop, cond)

static uint8_t status(struct vhost_rig *t)
{
	return vdrv_get(&t->r.d, VDRV_STATUS);
}

static enum vhost_user_state_now state_of(struct vhost_rig *t)
{
	enum vhost_user_state_now s;

	pthread_mutex_lock(&t->u.v.lock);
	s = t->u.state;
	pthread_mutex_unlock(&t->u.v.lock);
	return s;
}

/* A chain through queue @q comes back as it went, with an interrupt. */
static void assert_echo(struct vhost_rig *t, unsigned q)
{
	struct vdrv *d = &t->r.d;
	uint64_t heap = d->heap, gpa = vdrv_alloc(d, 16, 16);
	struct vdrv_buf bufs[] = { VDRV_OUT(gpa, 6), VDRV_IN(gpa + 8, 8) };
	uint32_t len;
	int head;

	memcpy(vdrv_ptr(d, gpa, 6), "hello", 6);
	head = vdrv_add(&d->rings[q], bufs, 2);
	vdrv_kick(d, q);
	until(t, vrig_take_queue_irq(&t->r, q));
	assert_int_equal(vdrv_used(&d->rings[q], &len), head);
	assert_int_equal(len, 6);
	assert_string_equal(vdrv_ptr(d, gpa + 8, 8), "hello");
	d->heap = heap;
}

static void start(struct vhost_rig *t)
{
	vdrv_start(&t->r.d, t->u.v.offered);
	for (unsigned q = 0; q < VB_QUEUES; q++)
		vrig_take_queue_irq(&t->r, q);
}

static void assert_works(struct vhost_rig *t)
{
	start(t);
	assert_false(status(t) & NEEDS_RESET);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned q = 0; q < VB_QUEUES; q++)
			assert_echo(t, q);
}

/* The device has told the driver that it is broken, and a reset brings it back. */
static void assert_broke_and_heals(struct vhost_rig *t)
{
	until(t, status(t) & NEEDS_RESET);
	until(t, vrig_take_config_irq(&t->r));
	vdrv_reset(&t->r.d);
	until(t, state_of(t) != VHOST_USER_DOWN);
	assert_works(t);
}

/* --- a back end that serves ------------------------------------------------------- */

static void back_end_serves_the_rings(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	assert_works(t);
	assert_int_equal(t->b.dials, 1);
	assert_true(t->b.set_features == (V1 | BIT(3) | BIT(VHOST_USER_F_PROTOCOL_FEATURES)));
}

static void guest_sees_features_that_both_sides_know(void **state)
{
	struct vhost_rig *t = *state;

	t->b.features = UINT64_MAX;
	assert_int_equal(vhost_rig_make(t), 0);
	assert_true(vdrv_device_features(&t->r.d) ==
		    (VIRTIO_COMMON_FEATURES | BIT(3) | BIT(4)));
}

static void back_end_without_protocol_features_serves_too(void **state)
{
	struct vhost_rig *t = *state;

	t->b.features = V1;
	t->p.config = "made up here";
	assert_int_equal(vhost_rig_make(t), 0);
	assert_works(t);
	assert_int_equal(t->b.seen[VHOST_USER_GET_PROTOCOL_FEATURES], 0);
	assert_int_equal(t->b.seen[VHOST_USER_SET_VRING_ENABLE], 0);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), load_le("made", 4));
	vdrv_config_write(&t->r.d, 0, 4, 0);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), load_le("made", 4));
}

static void driver_comes_and_goes_on_one_connection(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_works(t);
		vdrv_reset(&t->r.d);
		assert_int_equal(state_of(t), VHOST_USER_READY);
	}
	assert_int_equal(t->b.dials, 1);
	assert_int_equal(t->b.seen[VHOST_USER_GET_VRING_BASE], 5 * VB_QUEUES);
	assert_int_equal(t->b.seen[VHOST_USER_SET_OWNER], 1);
}

static void device_that_wants_it_gets_a_new_back_end_for_each_driver(void **state)
{
	struct vhost_rig *t = *state;

	t->p.renew = true;
	assert_int_equal(vhost_rig_make(t), 0);
	vdrv_reset(&t->r.d);
	assert_int_equal(t->b.dials, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_works(t);
		vdrv_reset(&t->r.d);
		until(t, t->b.dials == i + 2);
	}
}

static void queue_that_the_driver_leaves_out_is_not_started(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	vdrv_negotiate(&t->r.d, V1);
	vdrv_setup_queue(&t->r.d, 1, 0);
	vdrv_set(&t->r.d, VDRV_STATUS, status(t) | VIRTIO_CONFIG_S_DRIVER_OK);
	vrig_take_queue_irq(&t->r, 1);
	assert_echo(t, 1);
	assert_int_equal(t->b.seen[VHOST_USER_SET_VRING_KICK], 1);
	vdrv_reset(&t->r.d);
	assert_int_equal(t->b.seen[VHOST_USER_GET_VRING_BASE], 1);
}

/* --- configuration ------------------------------------------------------------------ */

static void configuration_is_the_back_ends(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), load_le("conf", 4));
	assert_int_equal(vdrv_config_read(&t->r.d, VB_CONFIG_LEN - 1, 1), 'e');
	vdrv_config_write(&t->r.d, 7, 1, 'S');
	assert_int_equal(vdrv_config_read(&t->r.d, 7, 1), 'S');
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), load_le("conf", 4));
	/* Once at the start and once after the write. */
	assert_int_equal(t->b.seen[VHOST_USER_GET_CONFIG], 2);
}

static void number_of_queues_is_kept_to_those_there_are(void **state)
{
	struct vhost_rig *t = *state;

	t->p.count_off = 4;
	t->p.count_len = 2;
	t->p.max_count = VB_QUEUES;
	store_le(t->b.config + 4, 2, 500);
	assert_int_equal(vhost_rig_make(t), 0);
	assert_int_equal(vdrv_config_read(&t->r.d, 4, 2), VB_QUEUES);
	assert_int_equal(vdrv_config_read(&t->r.d, 6, 1), ' ');
}

static void channel_send(struct vhost_rig *t, uint32_t request, uint32_t flags, uint32_t size)
{
	struct vhost_user_msg msg = { .h = { request, flags, size } };

	assert_true(send(t->b.channel, &msg.h, sizeof(msg.h) + MIN(size, 8u), 0) > 0);
}

static uint64_t channel_reply(struct vhost_rig *t, uint32_t request)
{
	struct vhost_user_msg msg;

	until(t, vhost_user_recv(t->b.channel, &msg, 0) == 0);
	assert_int_equal(msg.h.request, request);
	assert_int_equal(msg.h.flags, VHOST_USER_VERSION | VHOST_USER_REPLY);
	assert_int_equal(msg.h.size, 8);
	return msg.u64;
}

static void back_end_tells_of_a_new_configuration(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	start(t);
	vrig_take_config_irq(&t->r);
	pthread_mutex_lock(&t->b.lock);
	memcpy(t->b.config, "CONF", 4);
	pthread_mutex_unlock(&t->b.lock);
	channel_send(t, VHOST_USER_BACKEND_CONFIG_CHANGE,
		     VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, 0);
	assert_int_equal(channel_reply(t, VHOST_USER_BACKEND_CONFIG_CHANGE), 0);
	assert_true(vrig_take_config_irq(&t->r));
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), load_le("CONF", 4));
	assert_false(status(t) & NEEDS_RESET);
}

static void unknown_request_of_the_back_end_is_refused(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	start(t);
	channel_send(t, 99, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, 8);
	assert_int_equal(channel_reply(t, 99), 1);
	channel_send(t, 98, VHOST_USER_VERSION, 0);
	fake_settle(&t->r.fake);
	assert_echo(t, 0);
}

static void back_end_may_close_its_channel(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	start(t);
	close(atomic_exchange(&t->b.channel, -1));
	fake_settle(&t->r.fake);
	assert_echo(t, 0);
}

static void case_72_noise_on_the_channel(void **state)
{
	struct vhost_rig *t = *state;
	char noise[64];

	assert_int_equal(vhost_rig_make(t), 0);
	memset(noise, 0xff, sizeof(noise));
	start(t);
	vrig_take_config_irq(&t->r);
	send(t->b.channel, noise, sizeof(noise), 0);
	assert_broke_and_heals(t);
	/* Half a message, and no more. */
	vrig_take_config_irq(&t->r);
	send(t->b.channel, noise, 3, 0);
	assert_broke_and_heals(t);
}

static void case_72_channel_whose_answers_nobody_reads(void **state)
{
	struct vhost_rig *t = *state;
	struct vhost_user_msg msg = {
		.h = { 99, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, 0 },
	};

	assert_int_equal(vhost_rig_make(t), 0);
	start(t);
	vrig_take_config_irq(&t->r);
	for (unsigned i = 0; i < 100000 && !(status(t) & NEEDS_RESET); i++) {
		send(t->b.channel, &msg.h, sizeof(msg.h), MSG_DONTWAIT | MSG_NOSIGNAL);
		loop_run_once(t->r.fake.loop, 0);
	}
	assert_broke_and_heals(t);
}

/* --- a back end that is not what is needed ---------------------------------------------- */

static void back_end_without_version_1_is_refused(void **state)
{
	struct vhost_rig *t = *state;

	t->b.features &= ~V1;
	assert_true(vhost_rig_make(t) < 0);
}

static void back_end_with_too_few_queues_is_refused(void **state)
{
	struct vhost_rig *t = *state;

	t->b.n_queues = VB_QUEUES - 1;
	assert_true(vhost_rig_make(t) < 0);
}

static void back_end_without_configuration_is_refused(void **state)
{
	struct vhost_rig *t = *state;

	t->b.protocol &= ~BIT(VHOST_USER_PROTOCOL_F_CONFIG);
	assert_true(vhost_rig_make(t) < 0);
}

static void no_back_end_at_the_start_is_an_error(void **state)
{
	struct vhost_rig *t = *state;

	t->b.refuse = true;
	assert_int_equal(vhost_rig_make(t), -ECONNREFUSED);
}

static void next_back_end_must_have_what_the_first_had(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	start(t);
	t->b.features &= ~BIT(3);
	vb_kill(&t->b);
	until(t, status(t) & NEEDS_RESET);
	vdrv_reset(&t->r.d);
	until(t, state_of(t) == VHOST_USER_FRESH);
	vdrv_start(&t->r.d, V1);
	until(t, status(t) & NEEDS_RESET);
	t->b.features |= BIT(3);
	vdrv_reset(&t->r.d);
	until(t, state_of(t) != VHOST_USER_DOWN);
	assert_works(t);
}

/* --- a back end that dies ----------------------------------------------------------------- */

static void case_71_back_end_dies_while_it_serves(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_works(t);
		vrig_take_config_irq(&t->r);
		vb_kill(&t->b);
		assert_broke_and_heals(t);
		vdrv_reset(&t->r.d);
	}
}

static void case_71_dead_back_end_is_not_replaced_under_a_driver(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	start(t);
	vb_kill(&t->b);
	until(t, status(t) & NEEDS_RESET);
	for (unsigned i = 0; i < 20; i++)
		loop_run_once(t->r.fake.loop, 1);
	assert_int_equal(t->b.dials, 1);
	vdrv_kick(&t->r.d, 0);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), load_le("conf", 4));
	vdrv_config_write(&t->r.d, 0, 4, 0);
}

static void back_end_that_dies_unused_is_replaced_at_once(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	vb_kill(&t->b);
	until(t, t->b.dials == 2);
	assert_works(t);
}

static size_t refuse(const struct virtq_chain *chain)
{
	return chain_write(chain, 0, "gone", 5);
}

/* What the driver waits for, and what it still asks for, is answered until it resets the device. */
static void case_71_requests_of_a_dead_back_end_are_answered(void **state)
{
	struct vhost_rig *t = *state;
	struct vdrv *d = &t->r.d;
	uint64_t gpa;
	uint32_t len;
	int head;

	t->p.refuse = refuse;
	t->p.renew = true;
	assert_int_equal(vhost_rig_make(t), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_works(t);
		vb_kill(&t->b);
		until(t, status(t) & NEEDS_RESET);
		for (unsigned k = 0; k < 3; k++) {
			gpa = vdrv_alloc(d, 8, 8);
			head = vdrv_add(&d->rings[k & 1], &(struct vdrv_buf)VDRV_IN(gpa, 8), 1);
			vdrv_kick(d, k & 1);
			until(t, vdrv_used(&d->rings[k & 1], &len) == head);
			assert_int_equal(len, 5);
			assert_string_equal(vdrv_ptr(d, gpa, 8), "gone");
		}
		vdrv_reset(d);
		until(t, state_of(t) != VHOST_USER_DOWN);
	}
	assert_works(t);
}

static void driver_finds_nobody_then_somebody(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	t->b.refuse = true;
	vb_kill(&t->b);
	until(t, state_of(t) == VHOST_USER_DOWN);
	vdrv_start(&t->r.d, V1);
	assert_true(status(t) & NEEDS_RESET);
	vdrv_reset(&t->r.d);
	assert_int_equal(state_of(t), VHOST_USER_DOWN);
	t->b.refuse = false;
	until(t, state_of(t) != VHOST_USER_DOWN);
	assert_works(t);
}

static void back_end_reports_a_broken_ring(void **state)
{
	struct vhost_rig *t = *state;

	assert_int_equal(vhost_rig_make(t), 0);
	assert_works(t);
	vrig_take_config_irq(&t->r);
	eventfd_write(t->b.err, 1);
	assert_broke_and_heals(t);
	assert_int_equal(t->b.dials, 1);
}

/* --- every message, in every wrong way ------------------------------------------------------ */

static const uint32_t answered[] = {
	VHOST_USER_GET_FEATURES,
	VHOST_USER_GET_PROTOCOL_FEATURES,
	VHOST_USER_GET_QUEUE_NUM,
	VHOST_USER_SET_BACKEND_REQ_FD,
	VHOST_USER_GET_CONFIG,
	VHOST_USER_SET_MEM_TABLE,
	VHOST_USER_SET_VRING_ENABLE,
	VHOST_USER_GET_VRING_BASE,
};

static bool is_number(uint32_t request)
{
	return request == VHOST_USER_GET_FEATURES || request == VHOST_USER_GET_CONFIG ||
	       request == VHOST_USER_GET_PROTOCOL_FEATURES;
}

/* Whatever goes wrong with the first connection, the device works with the next. */
static void run_bad(uint32_t request, enum vb_mode mode, enum vrig_kind kind)
{
	void *state = (void *)&kind;
	struct vhost_rig *t;

	setup(&state);
	t = state;
	t->b.bad_request = request;
	t->b.mode = mode;
	t->b.bad_connections = 1;
	t->p.timeout_ns = IMPATIENCE_NS;
	if (vhost_rig_make(t) == 0) {
		/* Death may be seen only by the next driver. */
		for (unsigned i = 0; i < 2; i++) {
			vdrv_start(&t->r.d, t->u.v.offered);
			vdrv_reset(&t->r.d);
			until(t, state_of(t) != VHOST_USER_DOWN);
		}
		t->u.p.timeout_ns = VHOST_RIG_PATIENCE_NS;
		vdrv_reset(&t->r.d);
		until(t, state_of(t) != VHOST_USER_DOWN);
		assert_works(t);
		assert_true(t->b.dials >= 2);
	}
	teardown(&state);
}

static void case_72_every_answer_is_checked(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(answered); i++)
		for (enum vb_mode mode = VB_DIE; mode < VB_MODES; mode++)
			/* A number that means something else is no error, nor is a ring's base. */
			if (mode != VB_NACK || !(is_number(answered[i]) ||
						 answered[i] == VHOST_USER_GET_VRING_BASE))
				run_bad(answered[i], mode, VRIG_MMIO);
}

static void case_71_back_end_dies_at_each_message(void **state)
{
	static const uint32_t requests[] = {
		VHOST_USER_SET_PROTOCOL_FEATURES,
		VHOST_USER_SET_OWNER,
		VHOST_USER_SET_FEATURES,
		VHOST_USER_SET_VRING_NUM,
		VHOST_USER_SET_VRING_BASE,
		VHOST_USER_SET_VRING_ADDR,
		VHOST_USER_SET_VRING_CALL,
		VHOST_USER_SET_VRING_ERR,
		VHOST_USER_SET_VRING_KICK,
		VHOST_USER_RESET_DEVICE,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++)
		run_bad(requests[i], VB_DIE, VRIG_PCI_MSIX);
}

/* The vCPU waits for an answer once; then it is known that there will be none. */
static void case_72_silent_configuration(void **state)
{
	struct vhost_rig *t = *state;

	t->b.mode = VB_SILENT;
	t->b.bad_connections = 1;
	assert_int_equal(vhost_rig_make(t), 0);
	start(t);
	vrig_take_config_irq(&t->r);
	t->b.bad_request = VHOST_USER_GET_CONFIG;
	t->u.p.timeout_ns = IMPATIENCE_NS;
	for (unsigned i = 0; i < 100; i++) {
		vdrv_config_write(&t->r.d, 0, 1, 'x');
		vdrv_config_read(&t->r.d, 0, 4);
	}
	assert_int_equal(t->b.seen[VHOST_USER_GET_CONFIG], 2);
	t->u.p.timeout_ns = VHOST_RIG_PATIENCE_NS;
	assert_broke_and_heals(t);
}

#define ON(kind, f) { #f " on " #kind, f, setup, teardown, (void *)&kinds[VRIG_##kind] }
#define ON_ALL(f) ON(MMIO, f), ON(PCI_INTX, f), ON(PCI_MSIX, f)

int main(void)
{
	static const enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_INTX, VRIG_PCI_MSIX };
	const struct CMUnitTest tests[] = {
		ON_ALL(back_end_serves_the_rings),
		ON(MMIO, guest_sees_features_that_both_sides_know),
		ON(MMIO, back_end_without_protocol_features_serves_too),
		ON_ALL(driver_comes_and_goes_on_one_connection),
		ON(PCI_MSIX, device_that_wants_it_gets_a_new_back_end_for_each_driver),
		ON(PCI_MSIX, queue_that_the_driver_leaves_out_is_not_started),
		ON(MMIO, configuration_is_the_back_ends),
		ON(MMIO, number_of_queues_is_kept_to_those_there_are),
		ON_ALL(back_end_tells_of_a_new_configuration),
		ON(MMIO, unknown_request_of_the_back_end_is_refused),
		ON(MMIO, back_end_may_close_its_channel),
		ON(MMIO, case_72_noise_on_the_channel),
		ON(MMIO, case_72_channel_whose_answers_nobody_reads),
		ON(MMIO, back_end_without_version_1_is_refused),
		ON(MMIO, back_end_with_too_few_queues_is_refused),
		ON(MMIO, back_end_without_configuration_is_refused),
		ON(MMIO, no_back_end_at_the_start_is_an_error),
		ON(MMIO, next_back_end_must_have_what_the_first_had),
		ON_ALL(case_71_back_end_dies_while_it_serves),
		ON(MMIO, case_71_dead_back_end_is_not_replaced_under_a_driver),
		ON(MMIO, back_end_that_dies_unused_is_replaced_at_once),
		ON_ALL(case_71_requests_of_a_dead_back_end_are_answered),
		ON(MMIO, driver_finds_nobody_then_somebody),
		ON(MMIO, back_end_reports_a_broken_ring),
		ON(MMIO, case_72_silent_configuration),
		cmocka_unit_test(case_72_every_answer_is_checked),
		cmocka_unit_test(case_71_back_end_dies_at_each_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
