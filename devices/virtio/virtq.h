/* SPDX-License-Identifier: MIT */
/*
 * Virtqueues from the device's side, split (virtio 1.2, 2.7) and packed (2.8),
 * with indirect descriptors and event indexes. Which of them it is, the driver
 * chooses by VIRTIO_F_RING_PACKED; a device does not notice.
 *
 * A device sees chains, never descriptors: virtq_pop() takes the next one the
 * driver made available, chain_read() and chain_write() copy by offset,
 * virtq_push() hands it back, and virtq_publish() shows the driver what was
 * pushed. The whole chain is walked, checked and copied into host memory by
 * virtq_pop(): every descriptor is read once (case 17), every buffer lies in
 * RAM, readable parts precede writable ones, and its length is bounded by the
 * queue size. Whatever breaks these rules breaks the queue: virtq_pop() returns
 * NULL, virtq_broken() says why, and virtio.c makes the device need a reset
 * (cases 1-11, 20).
 *
 * Kicks: virtq_pop() that finds nothing has asked for one, so a device drains
 * a queue until NULL and is then told of the next chain. A device that stops
 * earlier comes back on its own account; it is not kicked.
 *
 * All calls on one queue are made under the owning device's lock, except
 * chain_read(), chain_write(), chain_zero() and chain_iov(), which touch only
 * the chain: a worker may use them without the lock until it pushes the chain,
 * or until the device's quiesce() has waited for it. A chain belongs to its
 * queue; a reset of the queue voids it, and virtq_push() of a void chain is
 * ignored (case 22). Whoever holds chains forgets them in the device's reset().
 *
 * Memory: a slot for each head, whose list of segments grows to what the
 * driver's chains need and stays, so popping allocates nothing in the long
 * run. No more than max_size lists of max_size segments (once more for each
 * border between RAM regions that a buffer crosses) can come of it.
 */
#ifndef MICROVM_VIRTQ_H
#define MICROVM_VIRTQ_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/gmem.h"

#define VIRTQ_MAX_SIZE 32768	/* entries (2.7, 2.8); a power of two */
#define VIRTQ_INLINE_SEGS 4

struct virtq_chain {
	size_t readable;	/* bytes the device may read */
	size_t writable;	/* bytes the device may write */

	/* virtq*.c's own */
	struct iovec *segs;	/* inline_segs, or an allocation that the slot keeps */
	unsigned capacity;
	unsigned n_read, n_write;	/* segments; the readable ones come first */
	unsigned generation;	/* of the queue when it was popped */
	bool busy;		/* in the device's hands, if @generation is the queue's */
	/* packed: */
	bool id_busy;		/* a chain in flight has the number of this slot as its id */
	uint16_t id;		/* the driver's name for it */
	uint16_t n_descs;	/* in the ring */
	struct virtq_chain *next_free;
	struct iovec inline_segs[VIRTQ_INLINE_SEGS];
};

/*
 * A packed ring. A place in it is an offset, and in bit 15 the wrap counter
 * that goes with it (2.8.1), as in event suppression structures (2.8.14).
 */
struct virtq_packed {
	/* in guest RAM, checked by virtq_enable() */
	struct vring_packed_desc *ring;
	struct vring_packed_desc_event *driver, *device;
	uint16_t next_avail;	/* the place of the next chain */
	uint16_t next_used;	/* the place for the next one that is used */
	uint16_t used;		/* the same as published */
	uint64_t first;		/* what publishing puts there */
	struct virtq_chain *free;	/* slots */
};

struct virtq {
	const struct gmem *mem;
	unsigned index;		/* in its device */
	bool external;		/* never popped here: no slots */

	/* the transport's registers; frozen once enabled (case 13) */
	uint16_t max_size, size;
	bool enabled;
	uint64_t desc_gpa, avail_gpa, used_gpa;

	/* virtq*.c's own */
	bool packed, event_idx, indirect;	/* negotiated, set by virtq_enable() */
	bool kick_asked;	/* the driver kicks for the chain at next_avail */
	unsigned generation;
	const char *broken;	/* why; NULL: it is not */
	struct virtq_chain *chains;	/* max_size slots, made by the first virtq_enable() */

	/* split */
	uint16_t next_avail;	/* of the available ring */
	uint16_t avail_idx;	/* the driver's index when it was last read */
	uint16_t next_used;	/* of the used ring */
	uint16_t used_idx;	/* our index as published */
	/* in guest RAM, checked by virtq_enable() */
	const struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;

	struct virtq_packed p;
};

/* @max_size: a power of two up to VIRTQ_MAX_SIZE. */
void virtq_init(struct virtq *q, const struct gmem *mem, unsigned index, uint16_t max_size);
void virtq_finish(struct virtq *q);

/*
 * Back to power-on values: size = max_size, addresses 0, not enabled. Chains
 * in flight become void; those who use them may go on to do so, see above.
 */
void virtq_reset(struct virtq *q);

/* Whether @size is one that a queue may have, given the negotiated @features. */
bool virtq_size_fits(const struct virtq *q, uint32_t size, uint64_t features);
/*
 * Checks size and addresses (alignment, each part in one region of RAM) and
 * starts the queue. 0, or -EINVAL or -ENOMEM and the queue stays
 * off (cases 12, 15). @features: the negotiated ones.
 */
int virtq_enable(struct virtq *q, uint64_t features);

/*
 * A split queue that was in use before: the driver's chains from index @base of the
 * available ring on are popped, and the used ring is gone on with where it says
 * that it ends. After virtq_enable(), before any chain is popped.
 */
void virtq_set_base(struct virtq *q, uint16_t base);
/*
 * From where to go on with a split queue: behind what was used, given that
 * chains are used in their order.
 */
uint16_t virtq_base(const struct virtq *q);
/*
 * Takes an external queue, which is split, over from a server that has ended, and that used
 * chains in the order in which they came: those it had not used are popped
 * next. 0, or -ENOMEM.
 */
int virtq_adopt(struct virtq *q);
/*
 * Next available chain; NULL when there is none or the queue is broken or not
 * enabled. Devices call virtio_pop().
 */
struct virtq_chain *virtq_pop(struct virtq *q);
/* Puts the chain popped last back, as if it had not been popped. */
void virtq_unpop(struct virtq *q, struct virtq_chain *chain);
/*
 * Returns @chain to the driver with @written bytes (capped at
 * chain->writable) said to be written. The driver sees it after
 * virtq_publish().
 */
void virtq_push(struct virtq *q, struct virtq_chain *chain, size_t written);
/*
 * Shows the driver all that was pushed; true when it wants an interrupt for
 * that. Devices call virtio_signal().
 */
bool virtq_publish(struct virtq *q);

static inline const char *virtq_broken(const struct virtq *q)
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
