/* SPDX-License-Identifier: MIT */
/*
 * Queues that break the rules, on a running VM: the device asks for a reset,
 * does nothing else, and works again after it (cases 1 to 12, 20); registers
 * written at the wrong time or for a queue that is not there change nothing
 * (13, 14, 16); rings that are misaligned or not in RAM (15); status written
 * out of order (23).
 *
 * ALSO ON: arm64 armv7
 * RUN: --memory 1G --rng on,bus=mmio
 * RUN: --memory 1G --rng on,bus=pci
 */
#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/rng.h"

#define LEN 64
#define WRITE VRING_DESC_F_WRITE
#define NEXT VRING_DESC_F_NEXT
#define INDIRECT VRING_DESC_F_INDIRECT
#define FEATURES (RNG_FEATURES | BIT(VIRTIO_RING_F_INDIRECT_DESC))

static uint8_t buf[LEN];
static struct vring_desc table[2 * VIRTQ_SIZE] __attribute__((aligned(16)));

/* --- what a driver may do wrong in a ring ----------------------------------------- */

static void good_desc(struct virtq *q, unsigned i)
{
	virtq_set_desc(q, i, gpa_of(buf), LEN, WRITE, 0);
}

static void avail_idx_jumps(struct virtq *q)
{
	good_desc(q, 0);
	q->avail->idx = VIRTQ_SIZE + 1;
}

static void avail_idx_goes_back(struct virtq *q)
{
	good_desc(q, 0);
	q->avail->idx = 0xffff;
}

static void head_out_of_range(struct virtq *q)
{
	good_desc(q, 0);
	virtq_add(q, VIRTQ_SIZE);
}

static void head_at_the_top(struct virtq *q)
{
	good_desc(q, 0);
	virtq_add(q, 0xffff);
}

static void next_out_of_range(struct virtq *q)
{
	virtq_set_desc(q, 0, gpa_of(buf), 1, WRITE | NEXT, VIRTQ_SIZE);
	virtq_add(q, 0);
}

static void chain_to_itself(struct virtq *q)
{
	virtq_set_desc(q, 0, gpa_of(buf), 1, WRITE | NEXT, 0);
	virtq_add(q, 0);
}

static void chain_in_a_circle(struct virtq *q)
{
	virtq_set_desc(q, 0, gpa_of(buf), 1, WRITE | NEXT, 3);
	virtq_set_desc(q, 3, gpa_of(buf), 0, WRITE | NEXT, 1);
	virtq_set_desc(q, 1, gpa_of(buf), 1, WRITE | NEXT, 0);
	virtq_add(q, 0);
}

static void zero_lengths_in_a_circle(struct virtq *q)
{
	virtq_set_desc(q, 0, gpa_of(buf), 0, NEXT, 1);
	virtq_set_desc(q, 1, gpa_of(buf), 0, NEXT, 0);
	virtq_add(q, 0);
}

static void readable_after_writable(struct virtq *q)
{
	virtq_set_desc(q, 0, gpa_of(buf), 1, WRITE | NEXT, 1);
	virtq_set_desc(q, 1, gpa_of(buf), 1, 0, 0);
	virtq_add(q, 0);
}

/* By the same RAM over and over, far from this payload. */
static void lengths_past_4_gib(struct virtq *q)
{
	const uint32_t start = BOARD_RAM_GPA + (64 << 20), len = 700 << 20;

	for (unsigned n = 0; n < q->size; n++)
		virtq_set_desc(q, n, start, len, WRITE | NEXT, n + 1);
	q->desc[q->size - 1].flags = WRITE;
	CHECK(start_is_ram(start, len));
	virtq_add(q, 0);
}

static void wraps_64_bits(struct virtq *q)
{
	virtq_set_desc(q, 0, UINT64_MAX - 15, LEN, WRITE, 0);
	virtq_add(q, 0);
}

static void above_ram(struct virtq *q)
{
	virtq_set_desc(q, 0, 1ull << 40, LEN, WRITE, 0);
	virtq_add(q, 0);
}

static void past_end_of_ram(struct virtq *q)
{
	virtq_set_desc(q, 0, start_low_ram_end() - 16, LEN, WRITE, 0);
	virtq_add(q, 0);
}

static void longest_length(struct virtq *q)
{
	virtq_set_desc(q, 0, gpa_of(buf), 0xffffffff, WRITE, 0);
	virtq_add(q, 0);
}

/* Case 8: into its own registers, and into an interrupt controller. */
static void into_own_registers(struct virtq *q)
{
	virtq_set_desc(q, 0, q->v->regs, LEN, WRITE, 0);
	virtq_add(q, 0);
}

static void into_interrupt_controller(struct virtq *q)
{
	virtq_set_desc(q, 0, BOARD_INTC_GPA, LEN, WRITE, 0);
	virtq_add(q, 0);
}

static void indirect(struct virtq *q, uint64_t gpa, uint32_t len, uint16_t flags)
{
	for (unsigned n = 0; n < ARRAY_SIZE(table); n++)
		table[n] = (struct vring_desc){ gpa_of(buf), 1, WRITE | NEXT, n + 1 };
	table[ARRAY_SIZE(table) - 1].flags = WRITE;
	virtq_set_desc(q, 0, gpa, len, INDIRECT | flags, 1);
	good_desc(q, 1);
	virtq_add(q, 0);
}

static void indirect_empty(struct virtq *q)
{
	indirect(q, gpa_of(table), 0, 0);
}

static void indirect_not_of_16(struct virtq *q)
{
	indirect(q, gpa_of(table), 17, 0);
}

static void indirect_outside_ram(struct virtq *q)
{
	indirect(q, start_low_ram_end(), 32, 0);
}

static void indirect_straddles_end_of_ram(struct virtq *q)
{
	indirect(q, start_low_ram_end() - 16, 32, 0);
}

static void indirect_longer_than_queue(struct virtq *q)
{
	indirect(q, gpa_of(table), sizeof(table), 0);
}

static void indirect_of_4_gib(struct virtq *q)
{
	indirect(q, gpa_of(table), 0xfffffff0, 0);
}

static void indirect_and_next(struct virtq *q)
{
	indirect(q, gpa_of(table), 32, NEXT);
}

static void indirect_nested(struct virtq *q)
{
	indirect(q, gpa_of(table), 32, 0);
	table[0] = (struct vring_desc){ gpa_of(table), 32, INDIRECT, 0 };
}

static void indirect_next_outside_table(struct virtq *q)
{
	indirect(q, gpa_of(table), 16, 0);
}

static const struct hostile {
	const char *name;
	void (*make)(struct virtq *q);
} hostile[] = {
	{ "case 1: available index jumps", avail_idx_jumps },
	{ "case 1: available index goes back", avail_idx_goes_back },
	{ "case 2: head is the queue's size", head_out_of_range },
	{ "case 2: head is 0xffff", head_at_the_top },
	{ "case 2: next out of range", next_out_of_range },
	{ "case 3: chain leads to itself", chain_to_itself },
	{ "case 3: chain in a circle", chain_in_a_circle },
	{ "case 4: zero lengths in a circle", zero_lengths_in_a_circle },
	{ "case 5: readable after writable", readable_after_writable },
	{ "case 6: lengths past 4 GiB", lengths_past_4_gib },
	{ "case 7: wraps 64 bits", wraps_64_bits },
	{ "case 7: above RAM", above_ram },
	{ "case 7: past the end of RAM", past_end_of_ram },
	{ "case 7: longest length", longest_length },
	{ "case 8: into its own registers", into_own_registers },
	{ "case 8: into the interrupt controller", into_interrupt_controller },
	{ "case 10: empty table", indirect_empty },
	{ "case 10: table of 17 bytes", indirect_not_of_16 },
	{ "case 10: table outside RAM", indirect_outside_ram },
	{ "case 10: table straddles the end of RAM", indirect_straddles_end_of_ram },
	{ "case 11: table longer than the queue", indirect_longer_than_queue },
	{ "case 11: table of 4 GiB", indirect_of_4_gib },
	{ "case 11: indirect and next", indirect_and_next },
	{ "case 11: nested", indirect_nested },
	{ "case 11: next outside the table", indirect_next_outside_table },
};

/* The device needs a reset, returns nothing more, and is whole after it. */
static void check_breaks(struct virtq *q, const char *name)
{
	virtq_kick(q);
	for (unsigned n = 0; !virtio_needs_reset(q->v); n++) {
		if (n == WAIT_MAX)
			FAIL("%s: the device does not ask for a reset", name);
		wait_turn();
	}
	if (virtq_has_used(q))
		FAIL("%s: a chain came back", name);
	virtq_kick(q);
	rng_start(q, FEATURES);
	rng_check_works(q);
}

static void test_hostile(struct virtq *q)
{
	for (unsigned n = 0; n < ARRAY_SIZE(hostile); n++) {
		rng_start(q, FEATURES);
		hostile[n].make(q);
		check_breaks(q, hostile[n].name);
	}
	/* Case 11, without the feature. */
	rng_start(q, RNG_FEATURES);
	indirect(q, gpa_of(table), 32, 0);
	check_breaks(q, "case 11: indirect without the feature");
}

/* Case 4: lengths of zero within a good chain, and alone. */
static void test_zero_lengths(struct virtq *q)
{
	struct vring_used_elem e;

	rng_start(q, FEATURES);
	virtq_set_desc(q, 0, gpa_of(buf), 0, WRITE | NEXT, 1);
	virtq_set_desc(q, 1, gpa_of(buf), LEN, WRITE | NEXT, 2);
	virtq_set_desc(q, 2, gpa_of(buf), 0, WRITE, 0);
	virtq_add(q, 0);
	virtq_kick(q);
	e = virtq_wait(q);
	CHECK(e.id == 0 && e.len > 0 && e.len <= LEN);
	virtq_set_desc(q, 3, gpa_of(buf), 0, WRITE, 0);
	virtq_add(q, 3);
	virtq_kick(q);
	e = virtq_wait(q);
	CHECK(e.id == 3 && e.len == 0);
	rng_check_works(q);
}

/* --- registers ------------------------------------------------------------------- */

/* Case 12: the queue does not come up, whatever else is right. */
static void try_queue(struct virtq *q, unsigned size, uint64_t desc, uint64_t avail, uint64_t used)
{
	struct virtio *v = q->v;

	virtio_negotiate(v, RNG_FEATURES);
	v->t->select_queue(v, 0);
	v->t->set_queue_size(v, size);
	v->t->set_queue_rings(v, desc, avail, used);
	v->t->enable_queue(v);
	v->t->set_status(v, v->t->status(v) | VIRTIO_CONFIG_S_DRIVER_OK);
	v->t->notify(v, 0);
}

static void test_queue_sizes(struct virtq *q)
{
	static const unsigned sizes[] = { 0, 3, 7, 0xffff, 0x8000, 2048, 1u << 31 };
	uint64_t desc = gpa_of(q->desc), avail = gpa_of(q->avail), used = gpa_of(q->used);

	for (unsigned n = 0; n < ARRAY_SIZE(sizes); n++)
		try_queue(q, sizes[n], desc, avail, used);
	rng_start(q, RNG_FEATURES);
	rng_check_works(q);
}

/* Case 15. */
static void test_ring_places(struct virtq *q)
{
	uint64_t desc = gpa_of(q->desc), avail = gpa_of(q->avail), used = gpa_of(q->used);
	const uint64_t places[][3] = {
		{ desc + 8, avail, used }, { desc, avail + 1, used }, { desc, avail, used + 2 },
		{ start_low_ram_end() - 16, avail, used }, { desc, start_low_ram_end(), used },
		{ desc, avail, UINT64_MAX - 3 }, { BOARD_INTC_GPA, avail, used },
		{ desc, avail, q->v->regs }, { desc, avail, start_low_ram_end() - 4 },
	};

	for (unsigned n = 0; n < ARRAY_SIZE(places); n++) {
		q->avail->idx = 0;
		good_desc(q, 0);
		virtq_add(q, 0);
		q->used->idx = 0;
		q->used_idx = 0;
		try_queue(q, q->size, places[n][0], places[n][1], places[n][2]);
		CHECK(!virtq_has_used(q));
	}
	/* All three at one place: garbage, in our own RAM. */
	try_queue(q, q->size, desc, desc, desc);
	rng_start(q, RNG_FEATURES);
	rng_check_works(q);
}

/* Case 13. */
static void test_frozen_queue(struct virtq *q)
{
	struct virtio *v = q->v;

	rng_start(q, RNG_FEATURES);
	v->t->select_queue(v, 0);
	v->t->set_queue_size(v, 2);
	v->t->set_queue_rings(v, 0, 0xdeadbee0, UINT64_MAX);
	v->t->enable_queue(v);
	rng_check_works(q);
	CHECK(v->t->queue_enabled(v));
}

/* Case 14. */
static void test_absent_queues(struct virtq *q)
{
	static const unsigned queues[] = { 1, 2, 64, 0xffff };
	struct virtio *v = q->v;

	rng_start(q, RNG_FEATURES);
	for (unsigned n = 0; n < ARRAY_SIZE(queues); n++) {
		v->t->select_queue(v, queues[n]);
		CHECK_EQ(v->t->queue_max(v), 0);
		v->t->set_queue_size(v, 8);
		v->t->set_queue_rings(v, 0x1000, 0x2000, 0x3000);
		v->t->enable_queue(v);
		CHECK(!v->t->queue_enabled(v));
		v->t->notify(v, queues[n]);
	}
	rng_check_works(q);
}

/* Case 16: kicks before DRIVER_OK and after a reset lead to nothing. */
static void test_early_kicks(struct virtq *q)
{
	virtio_negotiate(q->v, RNG_FEATURES);
	q->v->t->notify(q->v, 0);
	virtq_enable(q);
	good_desc(q, 0);
	virtq_add(q, 0);
	virtq_kick(q);
	virtq_kick(q);
	CHECK(!virtq_has_used(q));
	virtio_reset(q->v);
	virtq_kick(q);
	CHECK(!virtq_has_used(q));
	rng_start(q, RNG_FEATURES);
	rng_check_works(q);
}

/* Case 23: no step before the one that it needs, no feature that was not offered. */
static void test_status_order(struct virtq *q)
{
	const uint8_t found = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	struct virtio *v = q->v;

	virtio_reset(v);
	v->t->set_status(v, VIRTIO_CONFIG_S_DRIVER_OK);
	CHECK(!(v->t->status(v) & VIRTIO_CONFIG_S_DRIVER_OK));
	virtio_reset(v);
	v->t->set_status(v, found);
	v->t->set_features(v, 0, ~0u);
	v->t->set_features(v, 1, ~0u);
	v->t->set_features(v, 2, ~0u);
	v->t->set_features(v, ~0u, ~0u);
	v->t->set_status(v, found | VIRTIO_CONFIG_S_FEATURES_OK);
	CHECK(!(v->t->status(v) & VIRTIO_CONFIG_S_FEATURES_OK));
	v->t->set_status(v, found | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	CHECK(!(v->t->status(v) & VIRTIO_CONFIG_S_DRIVER_OK));
	virtio_reset(v);
	v->t->set_status(v, found);
	v->t->set_features(v, 0, 0);
	v->t->set_features(v, 1, 0);	/* no VERSION_1: a driver of old */
	v->t->set_status(v, found | VIRTIO_CONFIG_S_FEATURES_OK);
	CHECK(!(v->t->status(v) & VIRTIO_CONFIG_S_FEATURES_OK));
	rng_start(q, RNG_FEATURES);
	rng_check_works(q);
}

int payload(void)
{
	struct virtio v;
	struct virtq q;

	virtio_find(&v, VIRTIO_ID_RNG);
	virtq_alloc(&q, &v, 0);
	test_hostile(&q);
	test_zero_lengths(&q);
	test_queue_sizes(&q);
	test_ring_places(&q);
	test_frozen_queue(&q);
	test_absent_queues(&q);
	test_early_kicks(&q);
	test_status_order(&q);
	print("virtio-%s: %u hostile queues survived\n", v.bus, (unsigned)ARRAY_SIZE(hostile) + 1);
	return PAYLOAD_GOOD;
}
