/* SPDX-License-Identifier: MIT */
/* Packed virtqueues. What they have in common with split ones is in test_virtq.c, for both. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/queue_rig.h"
#include "vmm/util.h"

#define WRAP BIT(VRING_PACKED_EVENT_F_WRAP_CTR)
#define PACKED BIT(VIRTIO_F_RING_PACKED)
#define INDIRECT (PACKED | BIT(VIRTIO_RING_F_INDIRECT_DESC))
#define ALL (INDIRECT | BIT(VIRTIO_RING_F_EVENT_IDX))

static const char too_many[] = "more descriptors than the ring has";
static const char no_indirect[] = "indirect descriptor where none may be";

static void start(struct queue_rig *t)
{
	queue_rig_start(t, SIZE, ALL);
}

static void assert_broken(struct queue_rig *t, const char *why)
{
	assert_true(queue_rig_breaks(t, why));
}

/* The descriptor that is @i behind the start of a new ring. */
static void set(struct queue_rig *t, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
		uint16_t id)
{
	const struct vring_packed_desc d = { .addr = addr, .len = len, .flags = flags, .id = id };

	vdrv_packed_set(&t->r, vdrv_place_after(&t->r, WRAP, i), &d);
}

static int add(struct queue_rig *t, unsigned n_descs)
{
	struct vdrv_buf bufs[MAX_SIZE];

	for (unsigned i = 0; i < n_descs; i++)
		bufs[i] = (struct vdrv_buf)VDRV_IN(BUF + i, 1);
	return vdrv_add(&t->r, bufs, n_descs);
}

/* @n chains of one descriptor, there and back, without a look at interrupts. */
static void turn(struct queue_rig *t, unsigned n)
{
	while (n--) {
		assert_true(add(t, 1) >= 0);
		virtq_push(&t->q, virtq_pop(&t->q), 1);
		virtq_publish(&t->q);
		assert_true(vdrv_used(&t->r, NULL) >= 0);
	}
}

/* --- what a good driver gets ------------------------------------------------------ */

static void places_wrap_in_rings_of_any_size(void **state)
{
	struct queue_rig *t = *state;

	for (unsigned size = 1; size <= MAX_SIZE; size++) {
		queue_rig_start(t, size, ALL);
		for (unsigned i = 0; i < 300; i++) {
			unsigned n = 1 + i % MIN(size, 5u);
			struct virtq_chain *c;
			int id = add(t, n);

			assert_true(id >= 0);
			assert_true(vdrv_wants_kick(&t->r));
			c = virtq_pop(&t->q);
			assert_non_null(c);
			assert_int_equal(c->writable, n);
			assert_null(virtq_pop(&t->q));
			virtq_push(&t->q, c, n);
			assert_true(virtq_publish(&t->q));
			assert_int_equal(vdrv_used(&t->r, NULL), id);
			assert_false(vdrv_has_used(&t->r));
			vdrv_set_used_event(&t->r, 0);
			assert_null(virtq_pop(&t->q));
		}
		assert_null(virtq_broken(&t->q));
	}
}

static void ring_of_the_largest_size_works(void **state)
{
	static const struct gmem_range range = { 0, 1 << 20 };
	struct vring_packed_desc *ring;
	struct virtq_chain *c;
	struct gmem mem;
	struct virtq q;

	assert_int_equal(gmem_init(&mem, &range, 1), 0);
	virtq_init(&q, &mem, 0, VIRTQ_MAX_SIZE);
	q.avail_gpa = 16 * VIRTQ_MAX_SIZE;
	q.used_gpa = q.avail_gpa + 4;
	assert_int_equal(virtq_enable(&q, PACKED), 0);
	ring = gmem_ptr(&mem, 0, 16 * VIRTQ_MAX_SIZE);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < VIRTQ_MAX_SIZE; i++)
			ring[i] = (struct vring_packed_desc){ .len = 1, .id = i,
				.flags = BIT(round % 2 ? VRING_PACKED_DESC_F_USED :
							 VRING_PACKED_DESC_F_AVAIL) };
		for (unsigned i = 0; i < VIRTQ_MAX_SIZE; i++) {
			c = virtq_pop(&q);
			assert_non_null(c);
			virtq_push(&q, c, 0);
		}
		assert_null(virtq_pop(&q));
		assert_null(virtq_broken(&q));
		assert_true(virtq_publish(&q));
		assert_int_equal(ring[VIRTQ_MAX_SIZE - 1].id, VIRTQ_MAX_SIZE - 1);
	}
	virtq_finish(&q);
	gmem_finish(&mem);
}

static void chains_of_different_lengths_go_in_any_order(void **state)
{
	struct queue_rig *t = *state;
	unsigned seed = 1, sent = 0, got = 0;
	struct virtq_chain *held[SIZE];
	unsigned n_held = 0;

	queue_rig_start(t, 13, ALL);
	for (unsigned i = 0; i < 20000; i++) {
		struct virtq_chain *c;

		seed = seed * 1103515245 + 12345;
		if (seed & 0x10000 && t->r.n_free) {
			assert_true(add(t, 1 + (seed >> 20) % MIN(t->r.n_free, 4)) >= 0);
			sent++;
		}
		while ((c = virtq_pop(&t->q)))
			held[n_held++] = c;
		assert_null(virtq_broken(&t->q));
		if (seed & 0x20000 && n_held) {
			unsigned which = (seed >> 20) % n_held;

			virtq_push(&t->q, held[which], 1);
			held[which] = held[--n_held];
		}
		if (seed & 0x40000)
			virtq_publish(&t->q);
		while (vdrv_used(&t->r, NULL) >= 0)
			got++;
	}
	assert_true(got > 1000);
	while (n_held)
		virtq_push(&t->q, held[--n_held], 1);
	virtq_publish(&t->q);
	while (vdrv_used(&t->r, NULL) >= 0)
		got++;
	assert_int_equal(sent, got);
	assert_int_equal(t->r.n_free, 13);
}

static void batch_is_seen_at_once_when_it_is_published(void **state)
{
	struct queue_rig *t = *state;

	start(t);
	for (unsigned i = 0; i < 3; i++)
		add(t, 2);
	for (unsigned i = 0; i < 3; i++) {
		virtq_push(&t->q, virtq_pop(&t->q), 1);
		assert_false(vdrv_has_used(&t->r));
	}
	assert_true(virtq_publish(&t->q));
	for (int i = 0; i < 3; i++)
		assert_int_equal(vdrv_used(&t->r, NULL), i);
	assert_false(virtq_publish(&t->q));
}

static void length_is_told_with_the_write_flag_only(void **state)
{
	struct queue_rig *t = *state;
	uint32_t len;

	start(t);
	add(t, 3);
	add(t, 3);
	virtq_push(&t->q, virtq_pop(&t->q), 2);
	virtq_push(&t->q, virtq_pop(&t->q), 0);
	virtq_publish(&t->q);
	assert_true(t->r.p.ring[0].flags & VRING_DESC_F_WRITE);
	assert_false(t->r.p.ring[3].flags & VRING_DESC_F_WRITE);
	assert_int_equal(vdrv_used(&t->r, &len), 0);
	assert_int_equal(len, 2);
	assert_int_equal(vdrv_used(&t->r, &len), 1);
	assert_int_equal(len, 0);
}

static void chain_can_be_put_back_across_the_end_of_the_ring(void **state)
{
	struct queue_rig *t = *state;

	queue_rig_start(t, 5, ALL);
	turn(t, 4);
	for (unsigned n = 1; n <= 5; n++) {
		for (unsigned again = 0; again < 3; again++) {
			struct virtq_chain *c;

			if (!again)
				add(t, n);
			c = virtq_pop(&t->q);
			assert_int_equal(c->writable, n);
			if (again < 2)
				virtq_unpop(&t->q, c);
			else
				virtq_push(&t->q, c, n);
		}
		virtq_publish(&t->q);
		assert_true(vdrv_used(&t->r, NULL) >= 0);
	}
	assert_null(virtq_pop(&t->q));
	assert_null(virtq_broken(&t->q));
}

/* 2.8.7 */
static void in_a_table_nothing_but_the_write_flag_counts(void **state)
{
	struct vring_packed_desc *table;
	struct queue_rig *t = *state;
	struct virtq_chain *c;

	start(t);
	table = queue_rig_ram(t, TABLE_GPA);
	table[0] = (struct vring_packed_desc){ BUF, 3, 0xffff, 0xffff & ~VRING_DESC_F_WRITE };
	table[1] = (struct vring_packed_desc){ BUF, 4, 0xffff, 0 };
	table[2] = (struct vring_packed_desc){ BUF, 5, 0xffff, 0xffff };
	set(t, 0, TABLE_GPA, 48, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 9);
	c = virtq_pop(&t->q);
	assert_non_null(c);
	assert_int_equal(c->readable, 7);
	assert_int_equal(c->writable, 5);
	virtq_push(&t->q, c, 5);
	virtq_publish(&t->q);
	assert_int_equal(vdrv_used(&t->r, NULL), 9);
}

static void table_may_lie_at_any_address(void **state)
{
	const struct vring_packed_desc d[2] = { { BUF, 3, 0, 0 },
						{ BUF + 8, 5, 0, VRING_DESC_F_WRITE } };
	struct queue_rig *t = *state;

	for (unsigned shift = 1; shift < 16; shift++) {
		struct virtq_chain *c;

		start(t);
		memcpy((char *)queue_rig_ram(t, TABLE_GPA) + shift, d, sizeof(d));
		set(t, 0, TABLE_GPA + shift, sizeof(d), VRING_DESC_F_INDIRECT, 0);
		c = virtq_pop(&t->q);
		assert_non_null(c);
		assert_int_equal(c->readable, 3);
		assert_int_equal(c->writable, 5);
	}
}

/* --- notifications ------------------------------------------------------------------- */

/* Each start, each number used, each place of the event: due if it is among those used. */
static void interrupt_is_due_for_the_very_place_asked_for(void **state)
{
	const unsigned size = 5;
	struct queue_rig *t = *state;

	for (unsigned at = 0; at < 2 * size; at++)
		for (unsigned n = 1; n <= size; n++)
			for (unsigned event = 0; event < 2 * size; event++) {
				uint16_t place;
				bool due = (event + 2 * size - at) % (2 * size) < n;

				queue_rig_start(t, size, ALL);
				turn(t, at);
				place = vdrv_place_after(&t->r, WRAP, event);
				*t->r.p.driver = VRING_PACKED_EVENT_FLAG_DESC << 16 | place;
				for (unsigned i = 0; i < n; i++)
					add(t, 1);
				for (unsigned i = 0; i < n; i++)
					virtq_push(&t->q, virtq_pop(&t->q), 1);
				assert_int_equal(virtq_publish(&t->q), due);
			}
}

static void interrupt_is_due_unless_it_is_switched_off(void **state)
{
	static const struct {
		uint64_t features;
		uint32_t event;
		bool due;
	} cases[] = {
		{ INDIRECT, 0x0000 | VRING_PACKED_EVENT_FLAG_ENABLE << 16, true },
		{ INDIRECT, 0xffff | VRING_PACKED_EVENT_FLAG_DISABLE << 16, false },
		{ ALL, 0x1234 | VRING_PACKED_EVENT_FLAG_ENABLE << 16, true },
		{ ALL, 0x8000 | VRING_PACKED_EVENT_FLAG_DISABLE << 16, false },
		/* reserved bits are nothing, a reserved value is no reason for silence */
		{ ALL, 0xfffc0000 | VRING_PACKED_EVENT_FLAG_DISABLE << 16, false },
		{ ALL, 3 << 16, true },
		{ ALL, 0x7fff | VRING_PACKED_EVENT_FLAG_DESC << 16, false },
		/* what was not negotiated */
		{ INDIRECT, 0x7fff | VRING_PACKED_EVENT_FLAG_DESC << 16, true },
	};
	struct queue_rig *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		queue_rig_start(t, SIZE, cases[i].features);
		*t->r.p.driver = cases[i].event;
		add(t, 1);
		virtq_push(&t->q, virtq_pop(&t->q), 1);
		assert_int_equal(virtq_publish(&t->q), cases[i].due);
	}
}

static void kicks_are_asked_for_whatever_was_in_memory(void **state)
{
	struct queue_rig *t = *state;

	queue_rig_start(t, SIZE, INDIRECT);
	*t->r.p.device = 0xffffffff;
	assert_null(virtq_pop(&t->q));
	assert_int_equal(*t->r.p.device >> 16, VRING_PACKED_EVENT_FLAG_ENABLE);
	start(t);
	*t->r.p.device = 0xffffffff;
	assert_null(virtq_pop(&t->q));
	assert_int_equal(*t->r.p.device, VRING_PACKED_EVENT_FLAG_DESC << 16 | WRAP);
}

/* --- what enabling refuses -------------------------------------------------------------- */

static void assert_refused(struct queue_rig *t)
{
	assert_int_equal(virtq_enable(&t->q, ALL), -EINVAL);
	assert_false(t->q.enabled);
	assert_null(virtq_pop(&t->q));
}

static void case_12_queue_size_that_no_queue_has_is_refused(void **state)
{
	static const uint16_t sizes[] = { 0, MAX_SIZE + 1, 128, 32768, 65535 };
	struct queue_rig *t = *state;

	vdrv_packed_init(&t->r, &t->mem, SIZE, RING_GPA, ALL);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		queue_rig_set_addrs(t);
		t->q.size = sizes[i];
		assert_refused(t);
	}
}

static void case_15_misaligned_parts_are_refused(void **state)
{
	struct queue_rig *t = *state;

	vdrv_packed_init(&t->r, &t->mem, SIZE, RING_GPA, ALL);
	queue_rig_set_addrs(t);
	t->q.desc_gpa += 8;
	assert_refused(t);
	queue_rig_set_addrs(t);
	t->q.avail_gpa += 2;
	assert_refused(t);
	queue_rig_set_addrs(t);
	t->q.used_gpa += 2;
	assert_refused(t);
	queue_rig_set_addrs(t);
	assert_int_equal(virtq_enable(&t->q, ALL), 0);
}

static void case_15_parts_end_with_ram_and_not_behind_it(void **state)
{
	static const struct {
		size_t field;
		uint64_t last;	/* good address; the next one is not */
		unsigned align;
	} parts[] = {
		{ offsetof(struct virtq, desc_gpa), RAM_END - 16 * SIZE, 16 },
		{ offsetof(struct virtq, avail_gpa), RAM_END - 4, 4 },
		{ offsetof(struct virtq, used_gpa), RAM_END - 4, 4 },
	};
	struct queue_rig *t = *state;

	vdrv_packed_init(&t->r, &t->mem, SIZE, RING_GPA, ALL);
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		uint64_t *gpa = (uint64_t *)((char *)&t->q + parts[i].field);
		const uint64_t bad[] = { parts[i].last + parts[i].align, HOLE, 1ull << 40, -16ull };

		queue_rig_set_addrs(t);
		for (unsigned k = 0; k < ARRAY_SIZE(bad); k++) {
			*gpa = bad[k];
			assert_refused(t);
		}
		*gpa = parts[i].last;
		assert_int_equal(virtq_enable(&t->q, ALL), 0);
		virtq_reset(&t->q);
	}
}

static void case_15_overlapping_parts_harm_the_guest_alone(void **state)
{
	struct queue_rig *t = *state;
	struct virtq_chain *c;

	for (unsigned round = 0; round < 100; round++) {
		start(t);
		for (unsigned i = 0; i < SIZE; i++)
			set(t, i, RING_GPA, 64, i % 4, (i + round) % (SIZE + 1));
		virtq_reset(&t->q);
		queue_rig_set_addrs(t);
		t->q.avail_gpa = t->q.desc_gpa + 12;
		t->q.used_gpa = t->q.desc_gpa + 16 * (round % SIZE) + 12;
		assert_int_equal(virtq_enable(&t->q, ALL), 0);
		for (unsigned i = 0; i < 100 && (c = virtq_pop(&t->q)); i++) {
			virtq_push(&t->q, c, chain_zero(c, round % 64, 8));
			virtq_publish(&t->q);
		}
	}
}

static void the_format_may_change_at_a_reset(void **state)
{
	struct queue_rig *t = *state;
	struct virtq_chain *old;

	for (unsigned round = 0; round < 10; round++) {
		start(t);
		add(t, 2);
		old = virtq_pop(&t->q);
		virtq_reset(&t->q);
		vdrv_ring_init(&t->r, &t->mem, SIZE, RING_GPA);
		queue_rig_set_addrs(t);
		assert_int_equal(virtq_enable(&t->q, 0), 0);
		/* It is void, whatever its slot is now. */
		virtq_push(&t->q, old, 1);
		virtq_unpop(&t->q, old);
		add(t, 3);
		virtq_push(&t->q, virtq_pop(&t->q), 1);
		assert_true(virtq_publish(&t->q));
		assert_int_equal(vdrv_used(&t->r, NULL), 0);
		assert_false(vdrv_has_used(&t->r));
	}
}

/* --- hostile drivers ----------------------------------------------------------------------- */

static void case_01_more_than_the_ring_has_breaks_the_queue(void **state)
{
	struct queue_rig *t = *state;

	/* Nothing was given back, and everything is available once more. */
	queue_rig_start(t, 4, ALL);
	for (unsigned i = 0; i < 4; i++)
		set(t, i, BUF, 1, 0, i);
	for (unsigned i = 0; i < 4; i++)
		assert_non_null(virtq_pop(&t->q));
	assert_null(virtq_pop(&t->q));
	set(t, 4, BUF, 1, 0, 0);
	assert_broken(t, too_many);
	/* Nothing was seen to be given back. */
	queue_rig_start(t, 4, ALL);
	for (unsigned i = 0; i < 4; i++)
		set(t, i, BUF, 1, 0, i);
	for (unsigned i = 0; i < 4; i++)
		virtq_push(&t->q, virtq_pop(&t->q), 0);
	set(t, 4, BUF, 1, 0, 0);
	assert_broken(t, too_many);
	/* The one chain takes what the other has. */
	queue_rig_start(t, 4, ALL);
	set(t, 0, BUF, 1, VRING_DESC_F_NEXT, 0);
	set(t, 1, BUF, 1, 0, 0);
	assert_non_null(virtq_pop(&t->q));
	for (unsigned i = 2; i < 5; i++)
		set(t, i, BUF, 1, i == 4 ? 0 : VRING_DESC_F_NEXT, 1);
	assert_broken(t, too_many);
}

static void case_01_flags_of_another_turn_make_nothing_available(void **state)
{
	static const uint16_t flags[] = {
		0, BIT(VRING_PACKED_DESC_F_USED),
		BIT(VRING_PACKED_DESC_F_USED) | BIT(VRING_PACKED_DESC_F_AVAIL),
		0x7f7f, 0xffff,
	};
	struct queue_rig *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		start(t);
		t->r.p.ring[0] = (struct vring_packed_desc){ BUF, 1, 0, flags[i] };
		assert_null(virtq_pop(&t->q));
		assert_null(virtq_broken(&t->q));
	}
}

static void case_02_buffer_id_out_of_range_breaks_the_queue(void **state)
{
	static const uint16_t ids[] = { SIZE, MAX_SIZE, MAX_SIZE + 1, 0x8000, 0xffff };
	struct queue_rig *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		start(t);
		set(t, 0, BUF, 1, 0, ids[i]);
		assert_broken(t, "buffer id out of range");
	}
}

static void case_03_chain_without_end_breaks_the_queue(void **state)
{
	struct queue_rig *t = *state;

	for (unsigned size = 1; size <= SIZE; size++) {
		queue_rig_start(t, size, ALL);
		for (unsigned i = size; i--;)
			set(t, i, BUF, i % 2, VRING_DESC_F_NEXT, 0);
		assert_broken(t, too_many);
	}
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
		set(t, 0, TABLE_GPA, lens[i], VRING_DESC_F_INDIRECT, 0);
		assert_broken(t, "bad size of an indirect table");
	}
	for (unsigned i = 0; i < ARRAY_SIZE(gpas); i++) {
		start(t);
		set(t, 0, gpas[i], 32, VRING_DESC_F_INDIRECT, 0);
		assert_broken(t, "indirect table outside RAM");
	}
}

static void case_11_indirect_where_none_may_be_breaks_the_queue(void **state)
{
	struct queue_rig *t = *state;

	/* not negotiated */
	queue_rig_start(t, SIZE, PACKED);
	set(t, 0, TABLE_GPA, 16, VRING_DESC_F_INDIRECT, 0);
	assert_broken(t, no_indirect);
	/* with a next */
	start(t);
	set(t, 1, BUF, 1, 0, 0);
	set(t, 0, TABLE_GPA, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 0);
	assert_broken(t, no_indirect);
	/* as the next */
	start(t);
	set(t, 1, TABLE_GPA, 16, VRING_DESC_F_INDIRECT, 0);
	set(t, 0, BUF, 1, VRING_DESC_F_NEXT, 0);
	assert_broken(t, no_indirect);
}

static void case_11_nested_table_is_a_buffer(void **state)
{
	struct vring_packed_desc *table;
	struct queue_rig *t = *state;
	struct virtq_chain *c;

	start(t);
	table = queue_rig_ram(t, TABLE_GPA);
	*table = (struct vring_packed_desc){ TABLE_GPA, 16, 0, VRING_DESC_F_INDIRECT };
	set(t, 0, TABLE_GPA, 16, VRING_DESC_F_INDIRECT, 0);
	c = virtq_pop(&t->q);
	assert_non_null(c);
	assert_int_equal(c->readable, 16);
}

static void case_20_id_in_flight_twice_breaks_the_queue(void **state)
{
	struct queue_rig *t = *state;

	start(t);
	set(t, 0, BUF, 1, 0, 7);
	set(t, 1, BUF, 1, 0, 7);
	assert_non_null(virtq_pop(&t->q));
	assert_broken(t, "buffer id in flight twice");
	/* Pushed or put back, it may come again. */
	start(t);
	for (unsigned i = 0; i < 3; i++)
		set(t, i, BUF, 1, 0, 7);
	virtq_push(&t->q, virtq_pop(&t->q), 0);
	virtq_unpop(&t->q, virtq_pop(&t->q));
	assert_non_null(virtq_pop(&t->q));
}

/* --- races ------------------------------------------------------------------------------- */

static const uint64_t scribbles[] = {
	BUF, HOLE, RAM_B - 2, TABLE_GPA, -1ull, 0,
	0x0080000100000008, 0x0081000200000010, 0x8002000300000010, 0x8000000400000020,
	0x0082000500000004, 0x8084000600000020, 0x00840007ffffffff, 0x0084000800000020,
};

static struct queue_rig_writer writer_of(struct queue_rig *t, uint64_t gpa, size_t words)
{
	return (struct queue_rig_writer){
		.p = queue_rig_ram(t, gpa), .words = words,
		.values = scribbles, .n_values = ARRAY_SIZE(scribbles),
	};
}

static void case_17_descriptors_rewritten_while_they_are_read(void **state)
{
	struct queue_rig *t = *state;
	struct queue_rig_writer ring = writer_of(t, RING_GPA, 2 * SIZE + 1);
	struct queue_rig_writer tables = writer_of(t, TABLE_GPA, 2 * SIZE);
	pthread_t threads[2];
	unsigned popped = 0;

	start(t);
	pthread_create(&threads[0], NULL, queue_rig_scribble, &ring);
	pthread_create(&threads[1], NULL, queue_rig_scribble, &tables);
	for (unsigned round = 0; round < 20000; round++) {
		struct virtq_chain *c;

		virtq_reset(&t->q);
		queue_rig_set_addrs(t);
		assert_int_equal(virtq_enable(&t->q, ALL), 0);
		/* Good ones, for as long as they stay so. */
		for (unsigned i = SIZE; i--;)
			set(t, i, BUF, 8, i % 4 ? 0 : VRING_DESC_F_NEXT, i);
		for (unsigned i = 0; i < 2 * SIZE && (c = virtq_pop(&t->q)); i++) {
			assert_true(queue_rig_chain_is_sane(t, c));
			virtq_push(&t->q, c, 0);
			popped++;
			if (i % 3 == 0)
				virtq_publish(&t->q);
		}
		virtq_publish(&t->q);
	}
	atomic_store(&ring.stop, true);
	atomic_store(&tables.stop, true);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_true(popped > 0);
}

/*
 * A driver on a thread of its own, and no lock: what is in a buffer is there
 * when its descriptor is, in both directions and for each chain of a batch.
 */
static void *count_up(void *arg)
{
	struct queue_rig *t = arg;
	uint32_t next = 0, back = 0;

	while (back < 30000) {
		while (t->r.n_free >= 2) {
			const uint64_t gpa = BUF + 8 * (next % 32);
			const struct vdrv_buf bufs[] = { VDRV_OUT(gpa, 4), VDRV_IN(gpa + 4, 4) };
			uint32_t *p = queue_rig_ram(t, gpa);

			*p = next++;
			vdrv_add(&t->r, bufs, 2);
		}
		while (vdrv_has_used(&t->r)) {
			int id = vdrv_used(&t->r, NULL);
			uint32_t *p = queue_rig_ram(t, t->r.first_gpa[id]);

			if (p[1] != ~p[0] || p[0] != back++)
				return "wrong";
		}
	}
	return NULL;
}

static void buffers_are_seen_with_their_descriptors(void **state)
{
	struct queue_rig *t = *state;
	pthread_t thread;
	unsigned done = 0;
	void *wrong;

	queue_rig_start(t, 13, ALL);
	pthread_create(&thread, NULL, count_up, t);
	while (done < 30000) {
		struct virtq_chain *c;
		uint32_t v;

		while ((c = virtq_pop(&t->q))) {
			chain_read(c, 0, &v, 4);
			v = ~v;
			chain_write(c, 0, &v, 4);
			virtq_push(&t->q, c, 4);
			if (++done % 3 == 0)
				virtq_publish(&t->q);
		}
		virtq_publish(&t->q);
		assert_null(virtq_broken(&t->q));
	}
	pthread_join(thread, &wrong);
	assert_null(wrong);
}

#define T(name) cmocka_unit_test_setup_teardown(name, queue_rig_setup, queue_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(places_wrap_in_rings_of_any_size),
		T(ring_of_the_largest_size_works),
		T(chains_of_different_lengths_go_in_any_order),
		T(batch_is_seen_at_once_when_it_is_published),
		T(length_is_told_with_the_write_flag_only),
		T(chain_can_be_put_back_across_the_end_of_the_ring),
		T(in_a_table_nothing_but_the_write_flag_counts),
		T(table_may_lie_at_any_address),
		T(interrupt_is_due_for_the_very_place_asked_for),
		T(interrupt_is_due_unless_it_is_switched_off),
		T(kicks_are_asked_for_whatever_was_in_memory),
		T(case_12_queue_size_that_no_queue_has_is_refused),
		T(case_15_misaligned_parts_are_refused),
		T(case_15_parts_end_with_ram_and_not_behind_it),
		T(case_15_overlapping_parts_harm_the_guest_alone),
		T(the_format_may_change_at_a_reset),
		T(case_01_more_than_the_ring_has_breaks_the_queue),
		T(case_01_flags_of_another_turn_make_nothing_available),
		T(case_02_buffer_id_out_of_range_breaks_the_queue),
		T(case_03_chain_without_end_breaks_the_queue),
		T(case_10_bad_indirect_table_breaks_the_queue),
		T(case_11_indirect_where_none_may_be_breaks_the_queue),
		T(case_11_nested_table_is_a_buffer),
		T(case_20_id_in_flight_twice_breaks_the_queue),
		T(case_17_descriptors_rewritten_while_they_are_read),
		T(buffers_are_seen_with_their_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
