/* SPDX-License-Identifier: MIT */
/*
 * Virtqueues: what does not depend on the format, in both, and split ones. The
 * rest of packed ones is in test_virtq_packed.c.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/queue_rig.h"
#include "vmm/util.h"

#define BOTH_FEATURES (BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))

static void start(struct queue_rig *t)
{
	queue_rig_start(t, SIZE, BOTH_FEATURES);
}

static uint8_t *ram(struct queue_rig *t, uint64_t gpa)
{
	return queue_rig_ram(t, gpa);
}

static struct vring_desc *table(struct queue_rig *t)
{
	return gmem_ptr(&t->mem, TABLE_GPA, 4096);
}

static void assert_broken(struct queue_rig *t, const char *why)
{
	assert_true(queue_rig_breaks(t, why));
}

/* --- what a good driver gets ------------------------------------------------ */

static void chain_goes_there_and_back(void **state)
{
	struct queue_rig *t = *state;
	const struct vdrv_buf bufs[] = { VDRV_OUT(BUF, 3), VDRV_OUT(BUF + 0x100, 5),
					 VDRV_IN(BUF + 0x200, 4), VDRV_IN(BUF + 0x300, 6) };
	struct virtq_chain *c;
	uint32_t len;
	char buf[16] = "";
	int head;

	start(t);
	assert_null(virtq_pop(&t->q));
	memcpy(ram(t, BUF), "abc", 3);
	memcpy(ram(t, BUF + 0x100), "defgh", 5);
	head = vdrv_add(&t->r, bufs, 4);
	c = virtq_pop(&t->q);
	assert_non_null(c);
	assert_int_equal(c->readable, 8);
	assert_int_equal(c->writable, 10);
	assert_int_equal(chain_read(c, 0, buf, sizeof(buf)), 8);
	assert_string_equal(buf, "abcdefgh");
	assert_int_equal(chain_write(c, 0, "0123456789", 10), 10);
	virtq_push(&t->q, c, 7);
	assert_int_equal(vdrv_used(&t->r, NULL), -1);
	virtq_publish(&t->q);
	assert_int_equal(vdrv_used(&t->r, &len), head);
	assert_int_equal(len, 7);
	assert_memory_equal(ram(t, BUF + 0x200), "0123", 4);
	assert_memory_equal(ram(t, BUF + 0x300), "456789", 6);
	assert_int_equal(vdrv_used(&t->r, NULL), -1);
}

static void chains_come_in_order_and_go_in_any(void **state)
{
	struct queue_rig *t = *state;
	struct virtq_chain *c[3];
	int head[3];

	start(t);
	for (int i = 0; i < 3; i++)
		head[i] = vdrv_add(&t->r, &(struct vdrv_buf)VDRV_OUT(BUF, 10 + i), 1);
	for (int i = 0; i < 3; i++) {
		c[i] = virtq_pop(&t->q);
		assert_int_equal(c[i]->readable, 10 + i);
	}
	for (int i = 2; i >= 0; i--)
		virtq_push(&t->q, c[i], 0);
	virtq_publish(&t->q);
	for (int i = 2; i >= 0; i--)
		assert_int_equal(vdrv_used(&t->r, NULL), head[i]);
}

static void indexes_wrap(void **state)
{
	struct queue_rig *t = *state;

	start(t);
	for (unsigned i = 0; i < 70000; i++) {
		int head = vdrv_add(&t->r, &(struct vdrv_buf)VDRV_OUT(BUF, 1 + i % 100), 1);
		struct virtq_chain *c = virtq_pop(&t->q);

		assert_int_equal(c->readable, 1 + i % 100);
		assert_null(virtq_pop(&t->q));
		virtq_push(&t->q, c, 0);
		/* used_event stays 0, so one interrupt in 65536. */
		assert_int_equal(virtq_publish(&t->q), i % 65536 == 0);
		assert_int_equal(vdrv_used(&t->r, NULL), head);
	}
}

static void queue_of_one_and_full_queue_work(void **state)
{
	const struct vdrv_buf buf = VDRV_IN(BUF, 4);
	struct queue_rig *t = *state;

	for (uint16_t size = 1; size <= 64; size *= 2) {
		queue_rig_start(t, size, 0);
		for (unsigned round = 0; round < 3; round++) {
			for (unsigned i = 0; i < size; i++)
				assert_true(vdrv_add(&t->r, &buf, 1) >= 0);
			for (unsigned i = 0; i < size; i++)
				virtq_push(&t->q, virtq_pop(&t->q), 4);
			assert_null(virtq_pop(&t->q));
			assert_null(virtq_broken(&t->q));
			virtq_publish(&t->q);
			for (unsigned i = 0; i < size; i++)
				assert_true(vdrv_used(&t->r, NULL) >= 0);
		}
	}
}

static void written_length_is_capped(void **state)
{
	struct queue_rig *t = *state;
	uint32_t len;

	start(t);
	vdrv_add(&t->r, &(struct vdrv_buf)VDRV_IN(BUF, 4), 1);
	virtq_push(&t->q, virtq_pop(&t->q), SIZE_MAX);
	virtq_publish(&t->q);
	vdrv_used(&t->r, &len);
	assert_int_equal(len, 4);
}

static void indirect_table_is_a_chain(void **state)
{
	struct queue_rig *t = *state;
	struct vdrv_buf bufs[SIZE];
	struct virtq_chain *c;
	int head;

	start(t);
	for (unsigned i = 0; i < SIZE; i++)
		bufs[i] = (struct vdrv_buf){ BUF + i, 1, i >= 6 };
	memcpy(ram(t, BUF), "secret", 6);
	head = vdrv_add_indirect(&t->r, TABLE_GPA, bufs, SIZE);
	c = virtq_pop(&t->q);
	assert_non_null(c);
	assert_int_equal(c->readable, 6);
	assert_int_equal(c->writable, SIZE - 6);
	virtq_push(&t->q, c, 0);
	virtq_publish(&t->q);
	assert_int_equal(vdrv_used(&t->r, NULL), head);
}

/* 2.7.5.3.2, and the write flag of the descriptor that refers to a table does not count. */
static void direct_descriptors_may_precede_an_indirect_one(void **state)
{
	struct queue_rig *t = *state;
	struct virtq_chain *c;

	start(t);
	vdrv_set_desc(t->r.desc, 0, BUF, 2, VRING_DESC_F_NEXT, 1);
	vdrv_set_desc(t->r.desc, 1, TABLE_GPA, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 9);
	vdrv_set_desc(table(t), 0, BUF + 2, 3, VRING_DESC_F_NEXT, 1);
	vdrv_set_desc(table(t), 1, BUF + 5, 7, VRING_DESC_F_WRITE, 0);
	vdrv_expose(&t->r, 0);
	c = virtq_pop(&t->q);
	assert_non_null(c);
	assert_int_equal(c->readable, 5);
	assert_int_equal(c->writable, 7);
}

static void indirect_table_may_lie_at_any_address(void **state)
{
	struct queue_rig *t = *state;

	for (unsigned shift = 1; shift < 16; shift++) {
		struct vring_desc d[2] = {
			{ .addr = BUF, .len = 3, .flags = VRING_DESC_F_NEXT, .next = 1 },
			{ .addr = BUF + 8, .len = 5, .flags = VRING_DESC_F_WRITE },
		};
		struct virtq_chain *c;

		start(t);
		memcpy(ram(t, TABLE_GPA) + shift, d, sizeof(d));
		vdrv_set_desc(t->r.desc, 0, TABLE_GPA + shift, sizeof(d), VRING_DESC_F_INDIRECT, 0);
		vdrv_expose(&t->r, 0);
		c = virtq_pop(&t->q);
		assert_non_null(c);
		assert_int_equal(c->readable, 3);
		assert_int_equal(c->writable, 5);
	}
}

static void unpopped_chain_comes_again(void **state)
{
	struct queue_rig *t = *state;
	struct virtq_chain *c;

	start(t);
	vdrv_add(&t->r, &(struct vdrv_buf)VDRV_OUT(BUF, 11), 1);
	vdrv_add(&t->r, &(struct vdrv_buf)VDRV_OUT(BUF, 22), 1);
	c = virtq_pop(&t->q);
	virtq_unpop(&t->q, c);
	assert_ptr_equal(virtq_pop(&t->q), c);
	assert_int_equal(c->readable, 11);
	assert_int_equal(virtq_pop(&t->q)->readable, 22);
	assert_null(virtq_pop(&t->q));
}

static void long_chain_spills_and_the_slot_keeps_its_memory(void **state)
{
	struct queue_rig *t = *state;
	struct vdrv_buf bufs[SIZE];
	struct iovec *segs = NULL;

	start(t);
	for (unsigned i = 0; i < SIZE; i++)
		bufs[i] = (struct vdrv_buf)VDRV_OUT(BUF + 2 * i, 1);
	for (unsigned round = 0; round < 5; round++) {
		char got[SIZE];
		struct virtq_chain *c;

		for (unsigned i = 0; i < SIZE; i++)
			*ram(t, BUF + 2 * i) = 'a' + (i + round) % 26;
		assert_int_equal(vdrv_add(&t->r, bufs, SIZE), 0);
		c = virtq_pop(&t->q);
		assert_non_null(c);
		assert_int_equal(chain_read(c, 0, got, SIZE), SIZE);
		for (unsigned i = 0; i < SIZE; i++)
			assert_int_equal(got[i], 'a' + (i + round) % 26);
		assert_true(!segs || segs == c->segs);
		segs = c->segs;
		virtq_push(&t->q, c, 0);
		virtq_publish(&t->q);
		start(t);
	}
}

/* --- copying ----------------------------------------------------------------- */

static void copies_stop_at_the_end(void **state)
{
	struct queue_rig *t = *state;
	const struct vdrv_buf bufs[] = { VDRV_OUT(BUF, 3), VDRV_OUT(BUF + 3, 3),
					 VDRV_IN(BUF + 8, 4), VDRV_IN(BUF + 12, 4) };
	struct virtq_chain *c;
	char buf[16];

	start(t);
	memcpy(ram(t, BUF), "abcdef..xxxxxxxxYY", 18);
	vdrv_add(&t->r, bufs, 4);
	c = virtq_pop(&t->q);
	assert_int_equal(chain_read(c, 2, buf, 2), 2);
	assert_memory_equal(buf, "cd", 2);
	assert_int_equal(chain_read(c, 4, buf, 16), 2);
	assert_memory_equal(buf, "ef", 2);
	assert_int_equal(chain_read(c, 6, buf, 16), 0);
	assert_int_equal(chain_read(c, SIZE_MAX, buf, 16), 0);
	assert_int_equal(chain_read(c, 1, buf, 0), 0);
	assert_int_equal(chain_write(c, 3, "12", 2), 2);
	assert_int_equal(chain_write(c, 7, "345", 3), 1);
	assert_int_equal(chain_write(c, 8, "345", 3), 0);
	assert_int_equal(chain_zero(c, 5, 100), 3);
	assert_memory_equal(ram(t, BUF), "abcdef..xxx12\0\0\0YY", 18);
}

static void vectors_cover_exactly_what_was_asked_for(void **state)
{
	struct queue_rig *t = *state;
	const struct vdrv_buf bufs[] = { VDRV_OUT(BUF, 4), VDRV_OUT(BUF + 0x10, 4),
					 VDRV_OUT(BUF + 0x20, 4), VDRV_IN(BUF + 0x30, 8) };
	struct virtq_chain *c;
	struct iovec iov[3];

	start(t);
	vdrv_add(&t->r, bufs, 4);
	c = virtq_pop(&t->q);
	assert_int_equal(chain_iov(c, false, 0, 12, iov, 3), 3);
	assert_ptr_equal(iov[1].iov_base, ram(t, BUF + 0x10));
	assert_int_equal(iov[1].iov_len, 4);
	assert_int_equal(chain_iov(c, false, 3, 2, iov, 3), 2);
	assert_ptr_equal(iov[0].iov_base, ram(t, BUF + 3));
	assert_int_equal(iov[0].iov_len, 1);
	assert_ptr_equal(iov[1].iov_base, ram(t, BUF + 0x10));
	assert_int_equal(iov[1].iov_len, 1);
	assert_int_equal(chain_iov(c, true, 2, 6, iov, 3), 1);
	assert_ptr_equal(iov[0].iov_base, ram(t, BUF + 0x32));
	/* too many, too far, nothing */
	assert_int_equal(chain_iov(c, false, 0, 12, iov, 2), 0);
	assert_int_equal(chain_iov(c, false, 0, 13, iov, 3), 0);
	assert_int_equal(chain_iov(c, true, 8, 1, iov, 3), 0);
	assert_int_equal(chain_iov(c, true, SIZE_MAX, 2, iov, 3), 0);
	assert_int_equal(chain_iov(c, true, 0, 0, iov, 3), 0);
}

/* --- notifications ----------------------------------------------------------- */

static void push_and_publish(struct queue_rig *t, unsigned n, bool want)
{
	for (unsigned i = 0; i < n; i++) {
		assert_true(vdrv_add(&t->r, &(struct vdrv_buf)VDRV_IN(BUF, 1), 1) >= 0);
		virtq_push(&t->q, virtq_pop(&t->q), 1);
	}
	assert_int_equal(virtq_publish(&t->q), want);
	while (vdrv_used(&t->r, NULL) >= 0)
		;
}

static void interrupt_follows_the_used_event(void **state)
{
	struct queue_rig *t = *state;

	start(t);
	assert_false(virtq_publish(&t->q));
	push_and_publish(t, 1, true);
	vdrv_set_used_event(&t->r, 2);
	push_and_publish(t, 1, false);
	push_and_publish(t, 1, false);
	push_and_publish(t, 1, true);
	push_and_publish(t, 3, false);
	vdrv_set_used_event(&t->r, 0);
	push_and_publish(t, 5, true);
	assert_false(virtq_publish(&t->q));
}

static void interrupt_follows_the_flag_without_event_index(void **state)
{
	struct queue_rig *t = *state;

	queue_rig_start(t, SIZE, 0);
	push_and_publish(t, 1, true);
	push_and_publish(t, 1, true);
	vdrv_set_no_interrupt(&t->r, true);
	push_and_publish(t, 1, false);
	vdrv_set_no_interrupt(&t->r, false);
	push_and_publish(t, 2, true);
	assert_false(virtq_publish(&t->q));
}

static void kick_is_asked_for_when_the_queue_was_drained(void **state)
{
	struct queue_rig *t = *state;
	const struct vdrv_buf buf = VDRV_OUT(BUF, 1);

	start(t);
	assert_null(virtq_pop(&t->q));
	vdrv_add(&t->r, &buf, 1);
	assert_true(vdrv_wants_kick(&t->r));
	/* Awake and not done yet: no need. */
	assert_non_null(virtq_pop(&t->q));
	vdrv_add(&t->r, &buf, 1);
	assert_false(vdrv_wants_kick(&t->r));
	assert_non_null(virtq_pop(&t->q));
	assert_null(virtq_pop(&t->q));
	vdrv_add(&t->r, &buf, 1);
	assert_true(vdrv_wants_kick(&t->r));
	/* Several since the last look count as one that was awaited. */
	assert_non_null(virtq_pop(&t->q));
	assert_null(virtq_pop(&t->q));
	for (int i = 0; i < 4; i++)
		vdrv_add(&t->r, &buf, 1);
	assert_true(vdrv_wants_kick(&t->r));
}

/*
 * A driver and a device that sleep unless told, each on its thread. The driver
 * adds the next chain the moment it sees one used, when the device is about to
 * find the queue empty: a kick or an interrupt that gets lost here hangs it.
 */
struct ping {
	struct queue_rig *t;
	int kicks, irqs;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void ping_raise(struct ping *p, int *count)
{
	pthread_mutex_lock(&p->lock);
	++*count;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

/* False when it is over. */
static bool ping_wait(struct ping *p, int *count)
{
	bool more;

	pthread_mutex_lock(&p->lock);
	while (!*count && !p->done)
		pthread_cond_wait(&p->cond, &p->lock);
	*count = 0;
	more = !p->done;
	pthread_mutex_unlock(&p->lock);
	return more;
}

static void *ping_device(void *arg)
{
	struct ping *p = arg;
	struct virtq_chain *c;

	do {
		while ((c = virtq_pop(&p->t->q))) {
			virtq_push(&p->t->q, c, 1);
			if (virtq_publish(&p->t->q))
				ping_raise(p, &p->irqs);
		}
	} while (ping_wait(p, &p->kicks));
	return NULL;
}

/* Looks a few times, then sleeps until told (2.7.14: ask, look once more, sleep). */
static void ping_collect(struct ping *p, unsigned spins)
{
	struct vdrv_ring *r = &p->t->r;

	while (vdrv_used(r, NULL) < 0) {
		if (spins) {
			spins--;
			continue;
		}
		vdrv_set_used_event(r, 0);
		if (!vdrv_has_used(r))
			ping_wait(p, &p->irqs);
	}
}

static void no_notification_is_lost_between_threads(void **state)
{
	struct queue_rig *t = *state;
	struct ping p = {
		.t = t,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER,
	};
	pthread_t thread;

	start(t);
	pthread_create(&thread, NULL, ping_device, &p);
	for (unsigned i = 0; i < 50000; i++) {
		assert_true(vdrv_add(&t->r, &(struct vdrv_buf)VDRV_IN(BUF, 1), 1) >= 0);
		if (vdrv_wants_kick(&t->r))
			ping_raise(&p, &p.kicks);
		ping_collect(&p, i % 8 ? 5000 : 0);
	}
	pthread_mutex_lock(&p.lock);
	p.done = true;
	pthread_cond_broadcast(&p.cond);
	pthread_mutex_unlock(&p.lock);
	pthread_join(thread, NULL);
	assert_null(virtq_broken(&t->q));
}

/* --- what enabling refuses --------------------------------------------------- */

static void assert_refused(struct queue_rig *t)
{
	assert_int_equal(virtq_enable(&t->q, BOTH_FEATURES), -EINVAL);
	assert_false(t->q.enabled);
	assert_null(virtq_pop(&t->q));
}

static void case_12_queue_size_that_no_queue_has_is_refused(void **state)
{
	static const uint16_t sizes[] = { 0, 3, 15, 63, 65, 128, 32768, 65535 };
	struct queue_rig *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		vdrv_ring_init(&t->r, &t->mem, SIZE, RING_GPA);
		queue_rig_set_addrs(t);
		t->q.size = sizes[i];
		assert_refused(t);
	}
}

static void case_15_misaligned_rings_are_refused(void **state)
{
	struct queue_rig *t = *state;

	vdrv_ring_init(&t->r, &t->mem, SIZE, RING_GPA);
	queue_rig_set_addrs(t);
	t->q.desc_gpa += 8;
	assert_refused(t);
	queue_rig_set_addrs(t);
	t->q.avail_gpa += 1;
	assert_refused(t);
	queue_rig_set_addrs(t);
	t->q.used_gpa += 2;
	assert_refused(t);
	queue_rig_set_addrs(t);
	assert_int_equal(virtq_enable(&t->q, 0), 0);
}

static void case_15_rings_outside_ram_are_refused(void **state)
{
	static const uint64_t bad[] = {
		HOLE, HOLE - 16, RAM_B - 16, RAM_END, RAM_END - 16, 1ull << 40, -16ull, -4096ull,
	};
	struct queue_rig *t = *state;

	vdrv_ring_init(&t->r, &t->mem, SIZE, RING_GPA);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		queue_rig_set_addrs(t);
		t->q.desc_gpa = bad[i];
		assert_refused(t);
		queue_rig_set_addrs(t);
		t->q.avail_gpa = bad[i];
		assert_refused(t);
		queue_rig_set_addrs(t);
		t->q.used_gpa = bad[i];
		assert_refused(t);
	}
}

static void rings_may_end_with_ram_and_not_behind_it(void **state)
{
	static const struct {
		size_t field;
		uint64_t last;	/* good address; the next one is not */
		unsigned align;
	} parts[] = {
		{ offsetof(struct virtq, desc_gpa), RAM_END - 16 * SIZE, 16 },
		{ offsetof(struct virtq, avail_gpa), RAM_END - (6 + 2 * SIZE), 2 },
		{ offsetof(struct virtq, used_gpa), RAM_END - (8 + 8 * SIZE), 4 },
	};
	struct queue_rig *t = *state;

	vdrv_ring_init(&t->r, &t->mem, SIZE, RING_GPA);
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		uint64_t *gpa = (uint64_t *)((char *)&t->q + parts[i].field);

		queue_rig_set_addrs(t);
		*gpa = parts[i].last + parts[i].align;
		assert_refused(t);
		*gpa = parts[i].last;
		assert_int_equal(virtq_enable(&t->q, BOTH_FEATURES), 0);
		virtq_reset(&t->q);
	}
}

static void case_15_overlapping_rings_harm_the_guest_alone(void **state)
{
	struct queue_rig *t = *state;
	struct virtq_chain *c;

	/* All three on top of each other: what is published becomes the next descriptor. */
	for (unsigned round = 0; round < 100; round++) {
		start(t);
		for (unsigned i = 0; i < SIZE; i++)
			vdrv_set_desc(t->r.desc, i, BUF, 64, i % 4, i + round);
		virtq_reset(&t->q);
		queue_rig_set_addrs(t);
		t->q.avail_gpa = t->q.used_gpa = t->q.desc_gpa;
		assert_int_equal(virtq_enable(&t->q, BOTH_FEATURES), 0);
		for (unsigned i = 0; i < 100 && (c = virtq_pop(&t->q)); i++) {
			chain_zero(c, 0, SIZE_MAX);
			virtq_push(&t->q, c, 5);
			virtq_publish(&t->q);
		}
	}
}

static void case_22_chain_of_before_a_reset_is_void(void **state)
{
	struct queue_rig *t = *state;
	struct virtq_chain *old;

	start(t);
	vdrv_add(&t->r, &(struct vdrv_buf)VDRV_IN(BUF, 4), 1);
	old = virtq_pop(&t->q);
	virtq_reset(&t->q);
	/* Whoever works on it can still do so. */
	assert_int_equal(chain_write(old, 0, "late", 4), 4);
	start(t);
	virtq_push(&t->q, old, 4);
	virtq_unpop(&t->q, old);
	assert_false(virtq_publish(&t->q));
	assert_int_equal(vdrv_used(&t->r, NULL), -1);
	/* The same head again is no duplicate. */
	vdrv_add(&t->r, &(struct vdrv_buf)VDRV_IN(BUF, 4), 1);
	assert_ptr_equal(virtq_pop(&t->q), old);
}

/* --- hostile drivers --------------------------------------------------------- */

static void case_01_available_index_jump_breaks_the_queue(void **state)
{
	struct queue_rig *t = *state;

	start(t);
	vdrv_set_avail_idx(&t->r, SIZE + 1);
	assert_broken(t, "available index jumped");
	start(t);
	vdrv_set_avail_idx(&t->r, 0xffff);
	assert_broken(t, "available index jumped");
	/* Backwards. */
	start(t);
	vdrv_add(&t->r, &(struct vdrv_buf)VDRV_OUT(BUF, 1), 1);
	assert_non_null(virtq_pop(&t->q));
	vdrv_set_avail_idx(&t->r, 0);
	assert_broken(t, "available index jumped");
}

static void case_02_index_out_of_the_table_breaks_the_queue(void **state)
{
	struct queue_rig *t = *state;

	start(t);
	vdrv_expose(&t->r, SIZE);
	assert_broken(t, "head out of range");
	start(t);
	vdrv_expose(&t->r, 0xffff);
	assert_broken(t, "head out of range");
	start(t);
	vdrv_set_desc(t->r.desc, 0, BUF, 1, VRING_DESC_F_NEXT, SIZE);
	vdrv_expose(&t->r, 0);
	assert_broken(t, "descriptor index out of range");
	/* In a table of two, though the queue has more. */
	start(t);
	vdrv_set_desc(table(t), 0, BUF, 1, VRING_DESC_F_NEXT, 2);
	vdrv_set_desc(t->r.desc, 0, TABLE_GPA, 32, VRING_DESC_F_INDIRECT, 0);
	vdrv_expose(&t->r, 0);
	assert_broken(t, "descriptor index out of range");
}

static void case_03_loop_breaks_the_queue(void **state)
{
	struct queue_rig *t = *state;

	start(t);
	vdrv_set_desc(t->r.desc, 0, BUF, 1, VRING_DESC_F_NEXT, 0);
	vdrv_expose(&t->r, 0);
	assert_broken(t, "chain longer than the queue");
	start(t);
	vdrv_set_desc(t->r.desc, 0, BUF, 1, VRING_DESC_F_NEXT, 1);
	vdrv_set_desc(t->r.desc, 1, BUF, 0, VRING_DESC_F_NEXT, 0);
	vdrv_expose(&t->r, 0);
	assert_broken(t, "chain longer than the queue");
	start(t);
	vdrv_set_desc(table(t), 0, BUF, 0, VRING_DESC_F_NEXT, 0);
	vdrv_set_desc(t->r.desc, 0, TABLE_GPA, 16, VRING_DESC_F_INDIRECT, 0);
	vdrv_expose(&t->r, 0);
	assert_broken(t, "chain longer than the queue");
}

static void case_04_empty_descriptors_are_skipped(void **state)
{
	struct queue_rig *t = *state;
	const struct vdrv_buf some[] = { VDRV_OUT(HOLE, 0), VDRV_OUT(BUF, 2), VDRV_OUT(-1ull, 0),
					 VDRV_IN(HOLE, 0), VDRV_IN(BUF + 2, 3) };
	struct virtq_chain *c;
	struct iovec iov[1];

	start(t);
	vdrv_add(&t->r, some, ARRAY_SIZE(some));
	c = virtq_pop(&t->q);
	assert_int_equal(c->readable, 2);
	assert_int_equal(c->writable, 3);
	assert_int_equal(chain_iov(c, true, 0, 3, iov, 1), 1);
	vdrv_add(&t->r, some, 1);
	c = virtq_pop(&t->q);
	assert_int_equal(c->readable + c->writable, 0);
	assert_int_equal(chain_read(c, 0, iov, 1), 0);
	assert_int_equal(chain_write(c, 0, iov, 1), 0);
	virtq_push(&t->q, c, 1);
	assert_null(virtq_pop(&t->q));
	assert_null(virtq_broken(&t->q));
}

static void case_05_readable_after_writable_breaks_the_queue(void **state)
{
	struct queue_rig *t = *state;
	const struct vdrv_buf bufs[] = { VDRV_OUT(BUF, 1), VDRV_IN(BUF, 1), VDRV_OUT(BUF, 1) };

	start(t);
	vdrv_add(&t->r, bufs, 3);
	assert_broken(t, "readable after writable descriptor");
	start(t);
	vdrv_add_indirect(&t->r, TABLE_GPA, bufs, 3);
	assert_broken(t, "readable after writable descriptor");
}

static void case_06_lengths_beyond_4g_break_the_queue(void **state)
{
	struct queue_rig *t = *state;
	struct vdrv_buf bufs[SIZE];

	/* No 4 GiB of RAM here: the sum is looked at before the address. */
	start(t);
	for (unsigned i = 0; i < SIZE; i++)
		bufs[i] = (struct vdrv_buf)VDRV_OUT(BUF, 0x10000);
	bufs[1].len = UINT32_MAX;
	vdrv_add(&t->r, bufs, 2);
	assert_broken(t, "chain of 4 GiB or more");
	start(t);
	bufs[0] = (struct vdrv_buf)VDRV_OUT(BUF, 1);
	bufs[1] = (struct vdrv_buf)VDRV_IN(BUF, UINT32_MAX);
	vdrv_add(&t->r, bufs, 2);
	assert_broken(t, "chain of 4 GiB or more");
}

static void case_07_buffer_outside_ram_breaks_the_queue(void **state)
{
	static const struct vdrv_buf bad[] = {
		VDRV_OUT(HOLE, 1), VDRV_OUT(HOLE - 1, 2), VDRV_IN(RAM_C - 1, 2),
		VDRV_IN(RAM_END - 1, 2), VDRV_IN(RAM_END, 1), VDRV_OUT(-1ull, 1),
		VDRV_OUT(-1ull, 2), VDRV_IN(-16ull, 32), VDRV_IN(RAM_A, UINT32_MAX),
		VDRV_OUT(1ull << 63, 1), VDRV_OUT(0xd0000000, 4),
	};
	struct queue_rig *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		start(t);
		vdrv_add(&t->r, &bad[i], 1);
		assert_broken(t, "buffer outside RAM");
		start(t);
		vdrv_add_indirect(&t->r, TABLE_GPA, &bad[i], 1);
		assert_broken(t, "buffer outside RAM");
	}
}

static void case_09_buffer_across_regions_is_taken_piecewise(void **state)
{
	struct queue_rig *t = *state;
	const struct vdrv_buf bufs[] = { VDRV_OUT(RAM_B - 3, 6),
					 VDRV_IN(RAM_B - 0x10000, 0x20000) };
	struct virtq_chain *c;
	struct iovec iov[4];
	char got[8] = "";

	start(t);
	memcpy(ram(t, RAM_B - 3), "abc", 3);
	memcpy(ram(t, RAM_B), "def", 3);
	vdrv_add(&t->r, bufs, 2);
	c = virtq_pop(&t->q);
	assert_non_null(c);
	assert_int_equal(chain_read(c, 0, got, 8), 6);
	assert_string_equal(got, "abcdef");
	assert_int_equal(c->writable, 0x20000);
	assert_int_equal(chain_iov(c, true, 0, 0x20000, iov, 4), 2);
	assert_ptr_equal(iov[1].iov_base, ram(t, RAM_B));
	assert_int_equal(chain_write(c, 0xfffe, "wxyz", 4), 4);
	assert_memory_equal(ram(t, RAM_B - 2), "wx", 2);
	assert_memory_equal(ram(t, RAM_B), "yz", 2);
}

static void case_10_bad_indirect_table_breaks_the_queue(void **state)
{
	static const uint32_t lens[] = { 0, 1, 15, 17, 16 * SIZE + 16, UINT32_MAX, 0xfffffff0 };
	static const uint64_t gpas[] = {
		HOLE, HOLE - 16, RAM_B - 16, RAM_END - 16, -16ull, 1ull << 50,
	};
	struct queue_rig *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		start(t);
		vdrv_set_desc(t->r.desc, 0, TABLE_GPA, lens[i], VRING_DESC_F_INDIRECT, 0);
		vdrv_expose(&t->r, 0);
		assert_broken(t, "bad size of an indirect table");
	}
	for (unsigned i = 0; i < ARRAY_SIZE(gpas); i++) {
		start(t);
		vdrv_set_desc(t->r.desc, 0, gpas[i], 32, VRING_DESC_F_INDIRECT, 0);
		vdrv_expose(&t->r, 0);
		assert_broken(t, "indirect table outside RAM");
	}
}

static void case_11_indirect_where_none_may_be_breaks_the_queue(void **state)
{
	const char *why = "indirect descriptor where none may be";
	struct queue_rig *t = *state;

	/* not negotiated */
	queue_rig_start(t, SIZE, 0);
	vdrv_add_indirect(&t->r, TABLE_GPA, &(struct vdrv_buf)VDRV_OUT(BUF, 1), 1);
	assert_broken(t, why);
	/* nested */
	start(t);
	vdrv_set_desc(table(t), 0, TABLE_GPA, 16, VRING_DESC_F_INDIRECT, 0);
	vdrv_set_desc(t->r.desc, 0, TABLE_GPA, 16, VRING_DESC_F_INDIRECT, 0);
	vdrv_expose(&t->r, 0);
	assert_broken(t, why);
	/* with a next */
	start(t);
	vdrv_set_desc(table(t), 0, BUF, 1, 0, 0);
	vdrv_set_desc(t->r.desc, 1, BUF, 1, 0, 0);
	vdrv_set_desc(t->r.desc, 0, TABLE_GPA, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	vdrv_expose(&t->r, 0);
	assert_broken(t, why);
}

static void case_11_direct_and_indirect_together_are_no_longer_than_the_queue(void **state)
{
	struct queue_rig *t = *state;

	start(t);
	for (unsigned i = 0; i < SIZE; i++)
		vdrv_set_desc(table(t), i, BUF, 1, i == SIZE - 1 ? 0 : VRING_DESC_F_NEXT, i + 1);
	vdrv_set_desc(t->r.desc, 0, BUF, 1, VRING_DESC_F_NEXT, 1);
	vdrv_set_desc(t->r.desc, 1, TABLE_GPA, 16 * SIZE, VRING_DESC_F_INDIRECT, 0);
	vdrv_expose(&t->r, 0);
	assert_broken(t, "chain longer than the queue");
}

static void case_20_head_in_flight_twice_breaks_the_queue(void **state)
{
	struct queue_rig *t = *state;

	start(t);
	vdrv_set_desc(t->r.desc, 0, BUF, 1, 0, 0);
	vdrv_expose(&t->r, 0);
	vdrv_expose(&t->r, 0);
	assert_non_null(virtq_pop(&t->q));
	assert_broken(t, "head in flight twice");
}

/* --- races ------------------------------------------------------------------- */

static const uint64_t scribbles[] = {
	BUF, HOLE, RAM_B - 2, TABLE_GPA, -1ull, 0, 0x0001000100000008, 0x0002000300000010,
	0x0000000400000020, 0x0003000000000004, 0x00000002ffffffff, 0x0001000000000000,
};

static struct queue_rig_writer writer_of(struct queue_rig *t, uint64_t gpa)
{
	return (struct queue_rig_writer){
		.p = queue_rig_ram(t, gpa), .words = 2 * SIZE,
		.values = scribbles, .n_values = ARRAY_SIZE(scribbles),
	};
}

static void case_17_descriptors_rewritten_while_they_are_read(void **state)
{
	struct queue_rig *t = *state;
	struct queue_rig_writer descs = writer_of(t, RING_GPA), tables = writer_of(t, TABLE_GPA);
	pthread_t threads[2];
	unsigned popped = 0;

	start(t);
	pthread_create(&threads[0], NULL, queue_rig_scribble, &descs);
	pthread_create(&threads[1], NULL, queue_rig_scribble, &tables);
	for (unsigned round = 0; round < 20000; round++) {
		struct virtq_chain *c;

		virtq_reset(&t->q);
		__atomic_store_n(&t->r.avail->idx, 0, __ATOMIC_RELAXED);
		t->r.avail_idx = 0;
		queue_rig_set_addrs(t);
		assert_int_equal(virtq_enable(&t->q, BOTH_FEATURES), 0);
		for (unsigned i = 0; i < SIZE; i++) {
			/* Good ones, for as long as they stay so. */
			vdrv_set_desc(t->r.desc, i, BUF, 8, i % 4 ? 0 : VRING_DESC_F_NEXT, i + 1);
			vdrv_expose(&t->r, i);
		}
		while ((c = virtq_pop(&t->q))) {
			assert_true(queue_rig_chain_is_sane(t, c));
			virtq_push(&t->q, c, 0);
			popped++;
		}
		virtq_publish(&t->q);
	}
	atomic_store(&descs.stop, true);
	atomic_store(&tables.stop, true);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_true(popped > 0);
}

static uint64_t packed = BIT(VIRTIO_F_RING_PACKED);

#define T(name) cmocka_unit_test_setup_teardown(name, queue_rig_setup, queue_rig_teardown)
#define EITHER(name, format, which)                                                                \
	{ #name " (" format ")", name, queue_rig_setup, queue_rig_teardown, which }
#define BOTH(name) EITHER(name, "split", NULL), EITHER(name, "packed", &packed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(chain_goes_there_and_back),
		BOTH(chains_come_in_order_and_go_in_any),
		T(indexes_wrap),
		BOTH(queue_of_one_and_full_queue_work),
		BOTH(written_length_is_capped),
		BOTH(indirect_table_is_a_chain),
		T(direct_descriptors_may_precede_an_indirect_one),
		T(indirect_table_may_lie_at_any_address),
		BOTH(unpopped_chain_comes_again),
		BOTH(long_chain_spills_and_the_slot_keeps_its_memory),
		BOTH(copies_stop_at_the_end),
		BOTH(vectors_cover_exactly_what_was_asked_for),
		BOTH(interrupt_follows_the_used_event),
		BOTH(interrupt_follows_the_flag_without_event_index),
		BOTH(kick_is_asked_for_when_the_queue_was_drained),
		BOTH(no_notification_is_lost_between_threads),
		T(case_12_queue_size_that_no_queue_has_is_refused),
		T(case_15_misaligned_rings_are_refused),
		T(case_15_rings_outside_ram_are_refused),
		T(rings_may_end_with_ram_and_not_behind_it),
		T(case_15_overlapping_rings_harm_the_guest_alone),
		BOTH(case_22_chain_of_before_a_reset_is_void),
		T(case_01_available_index_jump_breaks_the_queue),
		T(case_02_index_out_of_the_table_breaks_the_queue),
		T(case_03_loop_breaks_the_queue),
		BOTH(case_04_empty_descriptors_are_skipped),
		BOTH(case_05_readable_after_writable_breaks_the_queue),
		BOTH(case_06_lengths_beyond_4g_break_the_queue),
		BOTH(case_07_buffer_outside_ram_breaks_the_queue),
		BOTH(case_09_buffer_across_regions_is_taken_piecewise),
		T(case_10_bad_indirect_table_breaks_the_queue),
		T(case_11_indirect_where_none_may_be_breaks_the_queue),
		T(case_11_direct_and_indirect_together_are_no_longer_than_the_queue),
		T(case_20_head_in_flight_twice_breaks_the_queue),
		T(case_17_descriptors_rewritten_while_they_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
