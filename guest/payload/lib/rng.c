/* SPDX-License-Identifier: MIT */
#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/rng.h"

#define LEN 64
#define GUARD 0xa5

static uint8_t buf[VIRTQ_SIZE][2 * LEN];

void rng_start(struct virtq *q, uint64_t features)
{
	virtio_negotiate(q->v, features);
	virtq_enable(q);
	virtio_driver_ok(q->v);
}

static void clear(void)
{
	memset(buf, GUARD, sizeof(buf));
}

static bool untouched(const uint8_t *p, unsigned len)
{
	while (len--) {
		if (*p++ != GUARD)
			return false;
	}
	return true;
}

/* @e is of @head and says some of @max bytes; they are random, what follows is as it was. */
static void check_used(struct vring_used_elem e, unsigned head, const uint8_t *p, unsigned max)
{
	CHECK_EQ(e.id, head);
	CHECK(e.len > 0 && e.len <= max);
	CHECK(e.len < 8 || !untouched(p, e.len));
	CHECK(untouched(p + e.len, 2 * LEN - e.len));
}

void rng_check_works(struct virtq *q)
{
	clear();
	virtq_set_desc(q, 0, gpa_of(buf[0]), LEN, VRING_DESC_F_WRITE, 0);
	virtq_add(q, 0);
	virtq_kick(q);
	check_used(virtq_wait(q), 0, buf[0], LEN);
	CHECK(!virtio_needs_reset(q->v));
}

static void test_two_differ(struct virtq *q)
{
	uint8_t first[LEN];

	rng_check_works(q);
	memcpy(first, buf[0], LEN);
	rng_check_works(q);
	CHECK(memcmp(first, buf[0], LEN));
}

/* All of the queue in one kick, three times around the ring. */
static void test_full_ring(struct virtq *q)
{
	for (unsigned round = 0; round < 3; round++) {
		unsigned seen = 0;

		clear();
		for (unsigned i = 0; i < q->size; i++) {
			virtq_set_desc(q, i, gpa_of(buf[i]), LEN, VRING_DESC_F_WRITE, 0);
			virtq_add(q, i);
		}
		virtq_kick(q);
		for (unsigned i = 0; i < q->size; i++) {
			struct vring_used_elem e = virtq_wait(q);

			CHECK(e.id < q->size && !(seen & 1 << e.id));
			seen |= 1 << e.id;
			check_used(e, e.id, buf[e.id], LEN);
		}
		CHECK(!virtq_has_used(q));
	}
}

/* A chain of three pieces that lie side by side, in an order of its own. */
static void test_chain(struct virtq *q)
{
	const uint16_t more = VRING_DESC_F_WRITE | VRING_DESC_F_NEXT;

	clear();
	virtq_set_desc(q, 5, gpa_of(buf[0]), 7, more, 2);
	virtq_set_desc(q, 2, gpa_of(buf[0]) + 7, 1, more, 7);
	virtq_set_desc(q, 7, gpa_of(buf[0]) + 8, LEN - 8, VRING_DESC_F_WRITE, 5);
	virtq_add(q, 5);
	virtq_kick(q);
	check_used(virtq_wait(q), 5, buf[0], LEN);
}

static void test_indirect(struct virtq *q)
{
	/* 2.7.5.3.1: no alignment is asked of a table. */
	uint8_t *unaligned = (uint8_t *)mem_alloc(64, 16) + 3;
	struct vring_desc table[2] = {
		{ gpa_of(buf[1]), 16, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1 },
		{ gpa_of(buf[1]) + 16, LEN - 16, VRING_DESC_F_WRITE, 0 },
	};

	clear();
	memcpy(unaligned, table, sizeof(table));
	virtq_set_desc(q, 3, gpa_of(unaligned), sizeof(table), VRING_DESC_F_INDIRECT, 0);
	virtq_add(q, 3);
	virtq_kick(q);
	check_used(virtq_wait(q), 3, buf[1], LEN);
}

/* Nothing to write to: an answer of no bytes (case 19). */
static void test_nothing_writable(struct virtq *q)
{
	struct vring_used_elem e;

	clear();
	virtq_set_desc(q, 1, gpa_of(buf[0]), LEN, 0, 0);
	virtq_add(q, 1);
	virtq_kick(q);
	WAIT_FOR(virtq_has_used(q) || virtio_needs_reset(q->v));
	CHECK(untouched(buf[0], 2 * LEN));
	if (virtio_needs_reset(q->v))
		return;
	e = virtq_wait(q);
	CHECK_EQ(e.id, 1);
	CHECK_EQ(e.len, 0);
}

/* 2.7.7: no interrupt while the driver does not want one; then there is one. */
static void test_no_interrupt(struct virtq *q)
{
	rng_start(q, RNG_FEATURES);
	q->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	rng_check_works(q);
	rng_check_works(q);
	CHECK_EQ(q->v->t->isr(q->v), 0);
	q->avail->flags = 0;
	rng_check_works(q);
	WAIT_FOR(q->v->t->isr(q->v) & VIRTIO_ISR_QUEUE);
}

static void test_event_idx(struct virtq *q)
{
	rng_start(q, RNG_FEATURES | BIT(VIRTIO_RING_F_EVENT_IDX));
	*virtq_used_event(q) = 2;	/* an interrupt for the third */
	rng_check_works(q);
	rng_check_works(q);
	CHECK_EQ(q->v->t->isr(q->v), 0);
	rng_check_works(q);
	WAIT_FOR(q->v->t->isr(q->v) & VIRTIO_ISR_QUEUE);
	/* An idle device wants to hear of the next one. */
	WAIT_FOR(virtq_avail_event(q) == q->avail->idx);
	rng_check_works(q);
	CHECK_EQ(q->v->t->isr(q->v), 0);
}

void rng_exercise(struct virtq *q)
{
	const uint64_t all = RNG_FEATURES | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
			     BIT(VIRTIO_RING_F_EVENT_IDX);

	rng_start(q, all);
	test_two_differ(q);
	test_full_ring(q);
	test_chain(q);
	test_indirect(q);
	test_nothing_writable(q);
	test_no_interrupt(q);
	test_event_idx(q);
	virtio_reset(q->v);
}

void rng_check_line(struct virtq *q)
{
	unsigned gsi = q->v->gsi;

	rng_start(q, RNG_FEATURES);
	irq_watch(gsi);
	CHECK(!irq_came(gsi));
	rng_check_works(q);
	WAIT_FOR(irq_came(gsi));
	CHECK_EQ(q->v->t->isr(q->v), VIRTIO_ISR_QUEUE);
	CHECK_EQ(q->v->t->isr(q->v), 0);
	/* The line fell with that: it can rise again. */
	irq_watch(gsi);
	CHECK(!irq_came(gsi));
	rng_check_works(q);
	WAIT_FOR(irq_came(gsi));
	irq_unwatch(gsi);
	virtio_reset(q->v);
}
