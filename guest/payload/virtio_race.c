/* SPDX-License-Identifier: MIT */
/*
 * While one processor makes chains available and kicks, another rewrites the
 * descriptors, the indirect table and the rings under the device (cases 17,
 * 18, 25). The device may serve a chain or ask for a reset; random bytes land
 * nowhere but in the two buffers that a descriptor ever named.
 *
 * ALSO ON: arm64
 * RUN: --cpus 2 --rng on,bus=mmio
 * RUN: --cpus 2 --rng on,bus=pci
 */
#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/rng.h"
#include "lib/smp.h"

#define ROUNDS 300
#define LEN 256
#define FEATURES (RNG_FEATURES | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))
#define WRITE VRING_DESC_F_WRITE

static uint8_t fence[3][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));	/* around buf */
static uint8_t *const buf = fence[1];
static struct vring_desc table[VIRTQ_SIZE] __attribute__((aligned(16)));
static volatile bool stop, stopped;

/* What a descriptor alternates between: a good one and one of these. */
static const struct vring_desc bad[] = {
	{ 1ull << 40, LEN, WRITE, 0 },
	{ BOARD_INTC_GPA, LEN, WRITE, 0 },
	{ BOARD_VIRTIO_MMIO_GPA, LEN, WRITE, 0 },
	{ UINT64_MAX - 7, LEN, WRITE, 0 },
	{ 0, 0xffffffff, WRITE | VRING_DESC_F_NEXT, 0xffff },
	{ 0, 17, VRING_DESC_F_INDIRECT, 0 },
};

static void rewrite(volatile struct vring_desc *d, const struct vring_desc *as)
{
	/* Field by field, so that mixtures of the two are seen, too. */
	d->addr = as->addr;
	d->len = as->len;
	d->flags = as->flags;
	d->next = as->next;
}

static void scribble(void *arg)
{
	struct virtq *q = arg;
	struct vring_desc good = { gpa_of(buf), LEN, WRITE, 0 };
	struct vring_desc by_table = { gpa_of(table), 16, VRING_DESC_F_INDIRECT, 0 };

	for (unsigned n = 0; !stop; n++) {
		const struct vring_desc *b = &bad[n % ARRAY_SIZE(bad)];

		rewrite(&q->desc[0], n & 1 ? &good : &by_table);
		rewrite(&table[0], b);
		q->desc[1].len = n & 1 ? LEN : 0xfffffff0;
		rewrite(&table[0], &good);
		q->avail->ring[n % q->size] = n & 8 ? 0 : n;
		*virtq_used_event(q) = n;
		rewrite(&q->desc[0], b);
		rewrite(&q->desc[0], &good);
		q->avail->ring[n % q->size] = 0;
	}
	stopped = true;
}

/* One available chain, served or refused. True: the device needs a reset. */
static bool one_round(struct virtq *q)
{
	unsigned turns = 0;

	virtq_add(q, 0);
	virtq_kick(q);
	while (!virtq_has_used(q)) {
		if (virtio_needs_reset(q->v))
			return true;
		CHECK(turns++ < WAIT_MAX);
		wait_turn();
	}
	q->used_idx = q->used->idx;
	return false;
}

static void check_fence(void)
{
	for (unsigned n = 0; n < PAGE_SIZE; n++)
		CHECK(fence[0][n] == 0xa5 && fence[2][n] == 0xa5);
}

int payload(void)
{
	unsigned broken = 0;
	struct virtio v;
	struct virtq q;

	virtio_find(&v, VIRTIO_ID_RNG);
	virtq_alloc(&q, &v, 0);
	memset(fence, 0xa5, sizeof(fence));
	rng_start(&q, FEATURES);
	CHECK(smp_start(1, scribble, &q));
	for (unsigned n = 0; n < ROUNDS; n++) {
		if (one_round(&q)) {
			broken++;
			rng_start(&q, FEATURES);
		}
	}
	stop = true;
	WAIT_FOR(stopped);
	check_fence();
	rng_start(&q, FEATURES);
	rng_check_works(&q);
	print("virtio-%s: %u of %u rounds ended in a reset\n", v.bus, broken, ROUNDS);
	return PAYLOAD_GOOD;
}
