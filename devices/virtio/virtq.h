/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues from the device's side (virtio 1.2, 2.7), with indirect
 * descriptors and event indexes.
 *
 * A device sees chains, never descriptors: virtq_pop() takes the next one the
 * driver made available, chain_read() and chain_write() copy by offset, and
 * virtq_push() hands it back. The whole chain is walked, checked and copied
 * into host memory by virtq_pop(): every descriptor is read once (case 17),
 * every buffer lies in RAM, readable parts precede writable ones, and its
 * length is bounded by the queue size. Whatever breaks these rules breaks the
 * queue: virtq_pop() returns NULL, virtq_broken() is true, and virtio.c makes
 * the device need a reset (cases 1-11, 20).
 *
 * All calls on one queue are made under the owning device's lock, except
 * chain_read(), chain_write() and chain_iov(), which touch only the chain: a
 * worker may use them without the lock until it pushes the chain, or until the
 * device's quiesce() has waited for it. A chain belongs to its queue; after a
 * reset of the queue it is void, and virtq_push() of a chain of an earlier
 * generation is ignored (case 22).
 */
#ifndef MICROVM_VIRTQ_H
#define MICROVM_VIRTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/gmem.h"

#define VIRTQ_MAX_SIZE 1024	/* entries; a power of two */
#define VIRTQ_INLINE_SEGS 4

struct virtq_chain {
	size_t readable;	/* bytes the device may read */
	size_t writable;	/* bytes the device may write */
	unsigned generation;	/* of the queue when it was popped */

	/* virtq.c's own */
	uint16_t head;
	bool busy;
	unsigned n_read, n_write;	/* segments; the readable ones come first */
	unsigned capacity;
	struct iovec *segs;		/* inline_segs, or an allocation that the slot keeps */
	struct iovec inline_segs[VIRTQ_INLINE_SEGS];
};

struct virtq {
	const struct gmem *mem;
	unsigned index;		/* in its device */

	/* the transport's registers; frozen once enabled (case 13) */
	uint16_t max_size, size;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	bool enabled;

	/* negotiated, set by virtq_enable() */
	bool event_idx, indirect;

	/* virtq.c's own */
	bool broken;
	unsigned generation;
	uint16_t next_avail;	/* of the available ring */
	uint16_t next_used;	/* of the used ring */
	uint16_t signalled_used;	/* next_used when the driver was last interrupted */
	bool signalled_valid;
	uint16_t in_flight;
	void *desc, *avail, *used;	/* in guest RAM, checked by virtq_enable() */
	struct virtq_chain *chains;	/* one a head, made on first use */
};

/* @max_size: a power of two up to VIRTQ_MAX_SIZE. */
void virtq_init(struct virtq *q, const struct gmem *mem, unsigned index, uint16_t max_size);
void virtq_finish(struct virtq *q);

/*
 * Back to power-on values: size = max_size, addresses 0, not enabled. Chains
 * in flight become void.
 */
void virtq_reset(struct virtq *q);

/*
 * Checks size and addresses (power of two, alignment, in RAM) and starts the
 * queue. 0, or -EINVAL and the queue stays off (cases 12, 15). @features: the
 * negotiated ones.
 */
int virtq_enable(struct virtq *q, uint64_t features);

/*
 * Next available chain; NULL when there is none or the queue is broken or not
 * enabled.
 */
struct virtq_chain *virtq_pop(struct virtq *q);
/* Puts the chain popped last back, as if it had not been popped. */
void virtq_unpop(struct virtq *q, struct virtq_chain *chain);
/*
 * Returns @chain to the driver with @written bytes (capped at
 * chain->writable) said to be written.
 */
void virtq_push(struct virtq *q, struct virtq_chain *chain, size_t written);
/*
 * Whether the driver wants an interrupt for what was pushed since the last
 * yes. Called through virtio_signal().
 */
bool virtq_should_signal(struct virtq *q);
/*
 * Asks the driver to kick (@on) or not to bother; returns true when chains
 * are waiting, so that a caller that turns kicks on looks once more.
 */
bool virtq_set_kicks(struct virtq *q, bool on);

static inline bool virtq_broken(const struct virtq *q)
{
	return q->broken;
}

/*
 * Copy up to @len bytes from offset @off of the readable, or to offset @off of
 * the writable part. The number of bytes copied; short only at the end.
 */
size_t chain_read(const struct virtq_chain *chain, size_t off, void *dst, size_t len);
size_t chain_write(const struct virtq_chain *chain, size_t off, const void *src, size_t len);
size_t chain_zero(const struct virtq_chain *chain, size_t off, size_t len);

/*
 * Host vectors of [off, off + len) of the writable (@write) or readable part,
 * for a system call that reads or writes them; never to be looked into. Fills
 * @iov up to @max; returns how many, 0 when the range is not in the chain or
 * needs more than @max.
 */
unsigned chain_iov(const struct virtq_chain *chain, bool write, size_t off, size_t len,
		   struct iovec *iov, unsigned max);

#endif
