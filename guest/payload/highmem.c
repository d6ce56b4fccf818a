/* SPDX-License-Identifier: MIT */
/*
 * RAM above 4 GiB: the memory map adds up, every part of it is memory of its
 * own, nothing answers past its end; queues and buffers work up there, and a
 * buffer that runs into the gap breaks the queue, not the VM (case 9).
 *
 * RUN: --memory 5G --rng on,bus=pci
 */
#include "arch/x86/layout.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/rng.h"

#define MEMORY (5ull << 30)
#define LEGACY (1ull << 20)	/* not all below it is RAM */
#define STEP (64ull << 20)
#define LEN 64

static void test_map(void)
{
	const struct pvh_memmap_entry *e;
	uint64_t ram = 0, end = 0;

	for (unsigned n = 0; (e = start_memmap(n)); n++) {
		print("0x%lx + 0x%lx type %u\n", e->addr, e->size, e->type);
		CHECK(e->addr >= end && e->size && e->addr + e->size > e->addr);
		end = e->addr + e->size;
		if (e->type == PVH_MEMMAP_RAM)
			ram += e->size;
	}
	CHECK(ram <= MEMORY && ram >= MEMORY - LEGACY);
	CHECK_EQ(start_low_ram_end(), X86_LOW_RAM_MAX);
	CHECK(start_is_ram(X86_HIGH_RAM_BASE, MEMORY - X86_LOW_RAM_MAX));
}

/* Marks in every STEP, all there once all are written: no two are the same memory. */
static void test_marks(uint64_t from, uint64_t to)
{
	for (uint64_t gpa = from; gpa < to; gpa += STEP)
		write64(gpa, gpa ^ 0x5eed);
	write64(to - 8, to ^ 0xfeed);
}

static void check_marks(uint64_t from, uint64_t to)
{
	for (uint64_t gpa = from; gpa < to; gpa += STEP)
		CHECK_EQ(read64(gpa), gpa ^ 0x5eed);
	CHECK_EQ(read64(to - 8), to ^ 0xfeed);
}

/* One request for @len bytes at @gpa. */
static void ask(struct virtq *q, uint64_t gpa, uint32_t len)
{
	virtq_set_desc(q, 0, gpa, len, VRING_DESC_F_WRITE, 0);
	virtq_add(q, 0);
	virtq_kick(q);
}

static void test_queue(struct virtq *q, uint64_t end)
{
	q->desc = ptr(X86_HIGH_RAM_BASE);
	q->avail = ptr(X86_HIGH_RAM_BASE + 0x1000);
	q->used = ptr(end - PAGE_SIZE);
	rng_start(q, RNG_FEATURES);
	write64(end - LEN, 0);
	ask(q, end - LEN, LEN);
	CHECK_EQ(virtq_wait(q).len, LEN);
	CHECK(read64(end - LEN) || read64(end - LEN + 8));
	rng_check_works(q);
}

static void test_gap(struct virtq *q, uint64_t end)
{
	const uint64_t bad[] = { X86_LOW_RAM_MAX - 16, X86_HIGH_RAM_BASE - 16, end - 16 };

	for (unsigned n = 0; n < ARRAY_SIZE(bad); n++) {
		ask(q, bad[n], LEN);
		WAIT_FOR(virtio_needs_reset(q->v));
		rng_start(q, RNG_FEATURES);
	}
	rng_check_works(q);
}

int payload(void)
{
	uint64_t end = X86_HIGH_RAM_BASE + MEMORY - X86_LOW_RAM_MAX;
	struct virtio v;
	struct virtq q;

	test_map();
	mem_map(X86_HIGH_RAM_BASE, end - X86_HIGH_RAM_BASE + PAGE_SIZE);
	test_marks(STEP, X86_LOW_RAM_MAX);
	test_marks(X86_HIGH_RAM_BASE, end);
	check_marks(STEP, X86_LOW_RAM_MAX);
	check_marks(X86_HIGH_RAM_BASE, end);
	CHECK_EQ(read64(end), UINT64_MAX);
	CHECK_EQ(read64(end - 4) >> 32, UINT32_MAX);
	CHECK_EQ(read64(X86_LOW_RAM_MAX - 4) >> 32, UINT32_MAX);
	if (!virtio_find_pci(&v, VIRTIO_ID_RNG, 0))
		FAIL("no entropy device");
	virtq_alloc(&q, &v, 0);
	test_queue(&q, end);
	test_gap(&q, end);
	return PAYLOAD_GOOD;
}
