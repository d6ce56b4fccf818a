/* SPDX-License-Identifier: MIT */
/*
 * The parts of a virtqueue, to each other: what both formats share (virtq.c),
 * split rings (virtq_split.c), packed rings (virtq_packed.c).
 */
#ifndef MICROVM_VIRTQ_IMPL_H
#define MICROVM_VIRTQ_IMPL_H

#include "devices/virtio/virtq.h"

/*
 * The driver writes the rings and tables at any time, so they are accessed by
 * atomic loads and stores only: each value is read exactly once.
 */
#define ring_load(p, order) __atomic_load_n(p, __ATOMIC_##order)
#define ring_store(p, v, order) __atomic_store_n(p, v, __ATOMIC_##order)

/* Indirect tables may lie at any address (2.7.5.3). */
struct unaligned_u64 {
	uint64_t v;
} __attribute__((packed, may_alias));

/* Eight bytes of a descriptor. */
static inline uint64_t virtq_load_once(const void *p)
{
	if ((uintptr_t)p % sizeof(uint64_t) == 0)
		return ring_load((const uint64_t *)p, RELAXED);
	return ((const volatile struct unaligned_u64 *)p)->v;
}

static inline bool virtq_holds(const struct virtq *q, const struct virtq_chain *c)
{
	return c->busy && c->generation == q->generation;
}

/* 0 or -ENOMEM; again: no-op. */
int virtq_make_slots(struct virtq *q);
/* A part of the queue in guest RAM; NULL when it is misaligned or elsewhere. */
void *virtq_part(const struct virtq *q, uint64_t gpa, uint64_t align, uint64_t len);

/* --- building a chain; what is wrong, or NULL --- */

void virtq_chain_clear(struct virtq_chain *c);
/* Appends a buffer, piece by piece where it spans regions of RAM. */
const char *virtq_chain_add(struct virtq_chain *c, const struct gmem *mem, uint64_t gpa,
			    uint32_t len, bool write);
/* An indirect table of @len bytes; *@n descriptors. */
const char *virtq_find_table(const struct virtq *q, uint64_t gpa, uint32_t len,
			     const void **table, unsigned *n);

/*
 * --- the formats: what virtq.h says of the functions without the format's name,
 * for a queue that is enabled and not broken, and chains that it holds ---
 */

int virtq_split_enable(struct virtq *q);
struct virtq_chain *virtq_split_pop(struct virtq *q);
void virtq_split_push(struct virtq *q, struct virtq_chain *chain, uint32_t written);
bool virtq_split_publish(struct virtq *q);

/* The parts of the queue; virtq_packed_start() follows when there are slots. */
int virtq_packed_enable(struct virtq *q);
void virtq_packed_start(struct virtq *q);
struct virtq_chain *virtq_packed_pop(struct virtq *q);
void virtq_packed_unpop(struct virtq *q, struct virtq_chain *chain);
void virtq_packed_push(struct virtq *q, struct virtq_chain *chain, uint32_t written);
bool virtq_packed_publish(struct virtq *q);

#endif
