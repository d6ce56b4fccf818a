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
#define HEADER sizeof(struct virtio_blk_outhdr)
#define BLK_STARTED (-1)	/* instead of a status: it comes later */

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

/* Hands @what to the disk. A status if that cannot be, else BLK_STARTED. */
static int blk_start(struct blk *blk, unsigned q, struct virtq_chain *chain,
		     const struct disk_request *what)
{
	bool in = what->op == DISK_READ, has_data = in || what->op == DISK_WRITE;
	struct blk_slot *slot = slot_get(blk);

	slot->req = *what;
	slot->chain = chain;
	slot->queue = q;
	if (has_data && what->len) {
		slot->req.iov = slot->iov;
		slot->req.n_iov = chain_iov(chain, in, in ? 0 : HEADER, what->len, slot->iov,
					    BLK_VECTORS);
		if (!slot->req.n_iov) {
			slot_put(blk, slot);
			return VIRTIO_BLK_S_IOERR;
		}
	}
	disk_submit(blk->disk, &slot->req);
	return BLK_STARTED;
}

static int blk_rw(struct blk *blk, unsigned q, struct virtq_chain *chain, bool write,
		  uint64_t sector)
{
	size_t len = write ? chain->readable - HEADER : chain->writable - 1;
	struct disk_request req = {
		.op = write ? DISK_WRITE : DISK_READ,
		.stable = !blk->config.wce,
		.off = sector * SECTOR,
		.len = len,
	};

	if (len % SECTOR || !blk_range_ok(blk, sector, len / SECTOR) ||
	    (write && disk_info(blk->disk)->readonly))
		return VIRTIO_BLK_S_IOERR;
	return blk_start(blk, q, chain, &req);
}

/* A single range, as announced. Flags: 5.2.6.2. */
static int blk_range(struct blk *blk, unsigned q, struct virtq_chain *chain, bool zero)
{
	struct virtio_blk_discard_write_zeroes range;
	struct disk_request req = { .op = zero ? DISK_ZERO : DISK_DISCARD };
	uint32_t flags = zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

	if (!virtio_has_feature(&blk->v, zero ? VIRTIO_BLK_F_WRITE_ZEROES : VIRTIO_BLK_F_DISCARD))
		return VIRTIO_BLK_S_UNSUPP;
	if (chain->readable != HEADER + sizeof(range))
		return VIRTIO_BLK_S_IOERR;
	chain_read(chain, HEADER, &range, sizeof(range));
	if (range.flags & ~flags)
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

static int blk_flush(struct blk *blk, unsigned q, struct virtq_chain *chain)
{
	return blk_start(blk, q, chain, &(struct disk_request){ .op = DISK_FLUSH });
}

static void blk_request(struct blk *blk, unsigned q, struct virtq_chain *chain)
{
	struct virtio_blk_outhdr hdr;
	int status = VIRTIO_BLK_S_UNSUPP;
	size_t data = 0;

	if (chain_read(chain, 0, &hdr, HEADER) < HEADER || !chain->writable) {
		blk_answer(blk, q, chain, VIRTIO_BLK_S_IOERR, 0);
		return;
	}
	switch (hdr.type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		status = blk_rw(blk, q, chain, hdr.type == VIRTIO_BLK_T_OUT, hdr.sector);
		break;
	case VIRTIO_BLK_T_FLUSH:
		status = blk_flush(blk, q, chain);
		break;
	case VIRTIO_BLK_T_GET_ID:
		data = chain_write(chain, 0, blk->serial,
				   MIN(sizeof(blk->serial), chain->writable - 1));
		status = VIRTIO_BLK_S_OK;
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		status = blk_range(blk, q, chain, hdr.type == VIRTIO_BLK_T_WRITE_ZEROES);
		break;
	}
	if (status != BLK_STARTED)
		blk_answer(blk, q, chain, status, data);
}

static void blk_notify(struct virtio_device *v, unsigned q)
{
	struct blk *blk = blk_of(v);
	unsigned left = BLK_QUEUE_SIZE;
	struct virtq_chain *chain;

	while (left && (chain = virtio_pop(v, q))) {
		blk_request(blk, q, chain);
		left--;
	}
	disk_commit(blk->disk);
	virtio_signal(v, q);
	if (!left)
		virtio_kick(v, q);
}

/* --- the host's cache (5.2.5, 5.2.6.2) ---------------------------------------- */

static void blk_sync(void *arg)
{
	struct blk *blk = arg;

	if (blk->sync_in_flight) {
		blk->sync_again = true;
		return;
	}
	blk->sync_in_flight = true;
	blk->sync_req = (struct disk_request){ .op = DISK_FLUSH };
	disk_submit(blk->disk, &blk->sync_req);
	disk_commit(blk->disk);
}

/*
 * Whether writes may wait in the host's cache. When they no longer may, those
 * that do are to leave it: drivers send no flushes from there on.
 */
static void blk_set_writeback(struct blk *blk, bool on)
{
	if (blk->config.wce && !on)
		loop_post(blk->v.loop, &blk->sync_work);
	blk->config.wce = on;
}

static void blk_activate(struct virtio_device *v)
{
	struct blk *blk = blk_of(v);

	/* A driver that knows no flush has only stable writes. */
	blk_set_writeback(blk, blk->config.wce && virtio_has_feature(v, VIRTIO_BLK_F_FLUSH));
}

static void blk_config_read(struct virtio_device *v, uint32_t off, void *buf, uint32_t len)
{
	memcpy(buf, (uint8_t *)&blk_of(v)->config + off, len);
}

static void blk_config_write(struct virtio_device *v, uint32_t off, const void *buf, uint32_t len)
{
	const uint32_t wce = offsetof(struct virtio_blk_config, wce);

	if (off > wce || wce - off >= len || !virtio_has_feature(v, VIRTIO_BLK_F_CONFIG_WCE))
		return;
	blk_set_writeback(blk_of(v), ((const uint8_t *)buf)[wce - off] &&
				     virtio_has_feature(v, VIRTIO_BLK_F_FLUSH));
}

/* --- resets ------------------------------------------------------------------- */

struct blk_quiesce {
	struct blk *blk;
	pthread_t caller;
};

/* The loop serves the disk, unless it is the loop's thread that waits. */
static void blk_drain_if_caller(void *arg)
{
	struct blk_quiesce *quiesce = arg;

	if (pthread_equal(quiesce->caller, pthread_self()))
		disk_drain(quiesce->blk->disk);
}

static void blk_quiesce(struct virtio_device *v)
{
	struct blk *blk = blk_of(v);
	struct blk_quiesce quiesce = { .blk = blk, .caller = pthread_self() };

	loop_call(v->loop, blk_drain_if_caller, &quiesce);
	pthread_mutex_lock(&v->lock);
	while (blk->n_in_flight)
		pthread_cond_wait(&blk->idle, &v->lock);
	pthread_mutex_unlock(&v->lock);
}

static void blk_reset(struct virtio_device *v)
{
	struct blk *blk = blk_of(v);

	blk_set_writeback(blk, blk->default_writeback);
}

/* --- life --------------------------------------------------------------------- */

static const struct virtio_ops blk_ops = {
	.name = "virtio-blk",
	.id = VIRTIO_ID_BLOCK,
	.pci_class = 0x018000,	/* mass storage controller, other */
	.config_read = blk_config_read,
	.config_write = blk_config_write,
	.activate = blk_activate,
	.notify = blk_notify,
	.quiesce = blk_quiesce,
	.reset = blk_reset,
};

static void blk_fill_config(struct blk *blk, const struct disk_info *info,
			    const struct blk_params *p)
{
	bool discards = info->discard_granularity;

	blk->config = (struct virtio_blk_config){
		.capacity = info->size / SECTOR,
		.seg_max = BLK_SEG_MAX,
		.blk_size = info->block_size,
		.physical_block_exp = __builtin_ctz(info->physical_block_size / info->block_size),
		.min_io_size = info->physical_block_size / info->block_size,
		.wce = p->writeback,
		.num_queues = p->queues,
		.max_discard_sectors = BLK_RANGE_SECTORS,
		.max_discard_seg = 1,
		.discard_sector_alignment = info->discard_granularity / SECTOR,
		.max_write_zeroes_sectors = BLK_RANGE_SECTORS,
		.max_write_zeroes_seg = 1,
		.write_zeroes_may_unmap = discards,
	};
}

static uint64_t blk_features(const struct disk_info *info, const struct blk_params *p)
{
	uint64_t features = BLK_FEATURES;

	if (p->queues > 1)
		features |= BIT(VIRTIO_BLK_F_MQ);
	if (info->readonly)
		return features | BIT(VIRTIO_BLK_F_RO);
	if (info->discard_granularity)
		features |= BIT(VIRTIO_BLK_F_DISCARD);
	return features | BIT(VIRTIO_BLK_F_WRITE_ZEROES);
}

static int blk_init(struct blk *blk, struct loop *loop, const struct gmem *mem,
		    const struct disk_info *info, const struct blk_params *p)
{
	uint16_t sizes[BLK_MAX_QUEUES];
	size_t len = p->serial ? strlen(p->serial) : 0;

	for (unsigned q = 0; q < p->queues; q++)
		sizes[q] = BLK_QUEUE_SIZE;
	memcpy(blk->serial, p->serial ? p->serial : "", MIN(len, sizeof(blk->serial)));
	blk->default_writeback = p->writeback;
	blk_fill_config(blk, info, p);
	blk->n_slots = p->queues * BLK_QUEUE_SIZE;
	blk->slots = calloc(blk->n_slots, sizeof(blk->slots[0]));
	if (!blk->slots)
		return -ENOMEM;
	pthread_cond_init(&blk->idle, NULL);
	blk->sync_work = (struct loop_work){ .cb = blk_sync, .arg = blk };
	return virtio_init(&blk->v, &blk_ops, loop, mem, sizes, p->queues, blk_features(info, p),
			   BLK_CONFIG_LEN);
}

int virtio_blk_create(struct virtio_device **out, struct loop *loop, const struct gmem *mem,
		      struct disk *disk, const struct blk_params *params)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	int ret;

	assert(params->queues >= 1 && params->queues <= BLK_MAX_QUEUES);
	if (!blk)
		return -ENOMEM;
	ret = blk_init(blk, loop, mem, disk_info(disk), params);
	if (ret < 0) {
		free(blk->slots);
		free(blk);
		return ret;
	}
	blk->disk = disk;
	disk_attach(disk, blk_done, blk);
	*out = &blk->v;
	return 0;
}

void virtio_blk_destroy(struct virtio_device *v)
{
	struct blk *blk = blk_of(v);

	virtio_set_status(v, 0);
	loop_cancel(v->loop, &blk->sync_work);
	disk_close(blk->disk);
	virtio_finish(v);
	pthread_cond_destroy(&blk->idle);
	free(blk->slots);
	free(blk);
}

/* --- the option ----------------------------------------------------------------- */

static const struct opt_key blk_keys[] = {
	{ "ro", NULL, "the guest only reads it" },
	{ "serial", "TEXT", "serial number, up to 20 characters" },
	{ "cache", "writeback|none|writethrough", "the host's page cache (writeback)" },
	{ "queues", "N", "request queues, 1 to 16 (1)" },
	{ 0 }
};

static enum disk_cache blk_cache(const char *word)
{
	if (!word || !strcmp(word, "writeback"))
		return DISK_WRITEBACK;
	return strcmp(word, "none") ? DISK_WRITETHROUGH : DISK_NONE;
}

static int blk_parse(const struct opt_value *opts, struct disk_params *disk, struct blk_params *blk)
{
	const char *queues = opt_value_get(opts, "queues");
	uint64_t n = 1;

	disk->path = opts->first;
	disk->readonly = opt_value_flag(opts, "ro", false);
	disk->cache = blk_cache(opt_value_get(opts, "cache"));
	blk->serial = opt_value_get(opts, "serial");
	blk->writeback = disk->cache != DISK_WRITETHROUGH;
	if (queues && opt_parse_number(queues, 1, BLK_MAX_QUEUES, &n) < 0) {
		log_error("--disk %s: queues=%.40s: from 1 to %u", disk->path, queues,
			  BLK_MAX_QUEUES);
		return -EINVAL;
	}
	blk->queues = n;
	if (blk->serial && strlen(blk->serial) > VIRTIO_BLK_ID_BYTES) {
		log_error("--disk %s: serial=%.40s: %u characters at most", disk->path,
			  blk->serial, VIRTIO_BLK_ID_BYTES);
		return -EINVAL;
	}
	return 0;
}

static int blk_create(struct virtio_device **out, const struct virtio_env *env,
		      const struct opt_value *opts)
{
	struct disk_params disk_params = { 0 };
	struct blk_params params = { 0 };
	struct disk *disk;
	int ret = blk_parse(opts, &disk_params, &params);

	if (ret == 0)
		ret = disk_open(&disk, env->loop, &disk_params);
	if (ret < 0)
		return ret;
	ret = virtio_blk_create(out, env->loop, env->mem, disk, &params);
	if (ret < 0)
		disk_close(disk);
	return ret;
}

static int blk_open_disk(struct disk **out, const struct virtio_env *env,
			 const struct opt_value *opts)
{
	struct disk_params disk_params = { 0 };
	struct blk_params params = { 0 };
	int ret = blk_parse(opts, &disk_params, &params);

	return ret < 0 ? ret : disk_open(out, env->loop, &disk_params);
}

const struct virtio_model virtio_blk_model = {
	.name = "disk",
	.arg = "FILE",
	.help = "disk: an image file or a block device",
	.keys = blk_keys,
	.multiple = true,
	.create = blk_create,
	.destroy = virtio_blk_destroy,
	.open_disk = blk_open_disk,
};
