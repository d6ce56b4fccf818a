/* SPDX-License-Identifier: MIT */
/*
 * A request is a header to read, data, and a status byte to write (5.2.6). The
 * data goes between guest memory and the host's kernel without being looked at
 * or copied; header, ranges and status are copied out and in.
 *
 * A request in flight has a slot, of which there are as many as chains can be.
 * Slots are used last in, first out, so only as many are ever touched as were
 * in flight at once.
 */
#include "devices/virtio/blk.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>

#include "devices/registry.h"

#define SECTOR 512u

/* Header and status have descriptors of their own with every driver. */
#define BLK_SEG_MAX (BLK_QUEUE_SIZE - 2)
/* A chain's descriptors, and borders of RAM that they may cross. */
#define BLK_VECTORS (BLK_QUEUE_SIZE + GMEM_MAX_REGIONS)

/*
 * Of one range to discard or to zero: 1 GiB, a matter of seconds even where
 * zeros must be written. A reset waits for that.
 */
#define BLK_RANGE_SECTORS (GiB / SECTOR)

/* Up to here in struct virtio_blk_config; what follows is for features we do not have. */
#define BLK_CONFIG_LEN offsetof(struct virtio_blk_config, max_secure_erase_sectors)

#define BLK_FEATURES                                                                               \
	(BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_TOPOLOGY) |     \
	 BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_CONFIG_WCE))

struct blk_slot {
	struct disk_request req;
	struct virtq_chain *chain;
	unsigned queue;
	struct blk_slot *next;	/* free */
	struct iovec iov[BLK_VECTORS];
};

struct blk {
	struct virtio_device v;
	struct disk *disk;
	uint8_t serial[VIRTIO_BLK_ID_BYTES];
	bool default_writeback;

	/* under v.lock */
	struct virtio_blk_config config;
	struct blk_slot *slots, *free;
	unsigned n_slots, n_touched;	/* slots from n_touched on were never used */
	unsigned n_in_flight;
	pthread_cond_t idle;		/* n_in_flight became 0 */

	/* a flush of our own, when the cache was switched off */
	struct loop_work sync_work;
	struct disk_request sync_req;
	bool sync_in_flight, sync_again;	/* the loop's thread's */
};

static struct blk *blk_of(struct virtio_device *v)
{
	return container_of(v, struct blk, v);
}

/* --- slots ------------------------------------------------------------------- */

static struct blk_slot *slot_get(struct blk *blk)
{
	struct blk_slot *slot = blk->free;

	blk->n_in_flight++;
	if (slot) {
		blk->free = slot->next;
		return slot;
	}
	assert(blk->n_touched < blk->n_slots);
	return &blk->slots[blk->n_touched++];
}

static void slot_put(struct blk *blk, struct blk_slot *slot)
{
	slot->next = blk->free;
	blk->free = slot;
	if (--blk->n_in_flight == 0)
		pthread_cond_broadcast(&blk->idle);
}

/* --- answers ----------------------------------------------------------------- */

/*
 * @data: bytes of data that were written, from the start on. The length tells
 * how far from the start all is written (2.7.8.2), so the status at the end
 * counts only behind data that is complete.
 */
static void blk_answer(struct blk *blk, unsigned q, struct virtq_chain *chain, uint8_t status,
		       size_t data)
{
	size_t room = chain->writable;

	if (!room)
		log_guest(&blk->v.rate, "%s: a request without room for its status",
			  blk->v.ops->name);
	else
		chain_write(chain, room - 1, &status, 1);
	virtq_push(virtio_queue(&blk->v, q), chain, room && data == room - 1 ? room : data);
}

/* Bytes of data that a request takes in, if all goes well. */
static size_t blk_data_in(const struct blk_slot *slot)
{
	return slot->req.op == DISK_READ ? slot->chain->writable - 1 : 0;
}

static void blk_finish(struct blk *blk, struct blk_slot *slot)
{
	bool ok = slot->req.ret == 0;

	blk_answer(blk, slot->queue, slot->chain, ok ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR,
		   ok ? blk_data_in(slot) : 0);
	slot_put(blk, slot);
}

static void blk_sync_done(struct blk *blk)
{
	blk->sync_in_flight = false;
	if (blk->sync_again)
		loop_post(blk->v.loop, &blk->sync_work);
	blk->sync_again = false;
}

/* The disk is done with these: loop thread. A reset may have voided their chains. */
static void blk_done(void *arg, struct disk_request *batch)
{
	struct blk *blk = arg;
	uint64_t queues = 0;

	_Static_assert(BLK_MAX_QUEUES <= 64, "a bit a queue");
	pthread_mutex_lock(&blk->v.lock);
	while (batch) {
		struct disk_request *req = batch;

		batch = req->next;
		if (req == &blk->sync_req) {
			blk_sync_done(blk);
		} else {
			struct blk_slot *slot = container_of(req, struct blk_slot, req);

			queues |= BIT(slot->queue);
			blk_finish(blk, slot);
		}
	}
	for (unsigned q = 0; queues >> q; q++)
		if (queues & BIT(q))
			virtio_signal(&blk->v, q);
	pthread_mutex_unlock(&blk->v.lock);
}

/* --- requests (5.2.6) -------------------------------------------------------- */

static bool blk_range_ok(const struct blk *blk, uint64_t sector, uint64_t sectors)
{
	uint32_t per_block = blk->config.blk_size / SECTOR;

	return range_fits(sector, sectors, blk->config.capacity) &&
	       (sector | sectors) % per_block == 0;
}

/* A status, or 0 and the request is the disk's. */
static uint8_t blk_start(struct blk *blk, unsigned q, struct virtq_chain *chain,
			 const struct disk_request *what)
{
	struct blk_slot *slot = slot_get(blk);
	bool in = what->op == DISK_READ, data = in || what->op == DISK_WRITE;

	slot->req = *what;
	slot->chain = chain;
	slot->queue = q;
	if (data && what->len) {
		slot->req.iov = slot->iov;
		slot->req.n_iov = chain_iov(chain, in, in ? 0 : sizeof(struct virtio_blk_outhdr),
					    what->len, slot->iov, BLK_VECTORS);
		if (!slot->req.n_iov) {
			slot_put(blk, slot);
			return VIRTIO_BLK_S_IOERR;
		}
	}
	disk_submit(blk->disk, &slot->req);
	return VIRTIO_BLK_S_OK;
}

static bool blk_readonly(const struct blk *blk)
{
	return virtio_offers(&blk->v, VIRTIO_BLK_F_RO);
}

static uint8_t blk_rw(struct blk *blk, unsigned q, struct virtq_chain *chain, bool write,
		      uint64_t sector)
{
	size_t len = write ? chain->readable - sizeof(struct virtio_blk_outhdr)
			   : chain->writable - 1;
	struct disk_request req = {
		.op = write ? DISK_WRITE : DISK_READ,
		.stable = !blk->config.wce,
		.off = sector * SECTOR,
		.len = len,
	};

	if ((write && blk_readonly(blk)) || len % SECTOR || !blk_range_ok(blk, sector, len / SECTOR))
		return VIRTIO_BLK_S_IOERR;
	return blk_start(blk, q, chain, &req);
}

/* One range, as announced. Flags: 5.2.6.2. */
static uint8_t blk_range(struct blk *blk, unsigned q, struct virtq_chain *chain, bool zero)
{
	struct virtio_blk_discard_write_zeroes range;
	size_t header = sizeof(struct virtio_blk_outhdr);
	struct disk_request req = { .op = zero ? DISK_ZERO : DISK_DISCARD };
	uint32_t known = zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

	if (!virtio_has_feature(&blk->v, zero ? VIRTIO_BLK_F_WRITE_ZEROES : VIRTIO_BLK_F_DISCARD))
		return VIRTIO_BLK_S_UNSUPP;
	if (chain->readable != header + sizeof(range))
		return VIRTIO_BLK_S_IOERR;
	chain_read(chain, header, &range, sizeof(range));
	if (range.flags & ~known)
		return VIRTIO_BLK_S_UNSUPP;
	if (range.num_sectors > BLK_RANGE_SECTORS ||
	    !blk_range_ok(blk, range.sector, range.num_sectors))
		return VIRTIO_BLK_S_IOERR;
	req.off = range.sector * SECTOR;
	req.len = (uint64_t)range.num_sectors * SECTOR;
	req.unmap = range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	req.stable = !blk->config.wce;
	return blk_start(blk, q, chain, &req);
}
