/* SPDX-License-Identifier: MIT */
/*
 * A disk of the host's: a raw image file or a block device, read and written
 * asynchronously by io_uring, or by a few threads where the host forbids that.
 *
 * Loop thread only. Requests run side by side and end in any order; whoever
 * needs an order waits for one before submitting the next. Nothing here blocks
 * but disk_drain() and disk_close().
 *
 * While a disk is open its image is locked against other virtual machines in
 * the way QEMU does it, so that it has one writer or any number of readers.
 */
#ifndef MICROVM_DISK_H
#define MICROVM_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/loop.h"

struct disk;

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_ZERO };

/*
 * The caller's memory until it comes back by done(). @iov too, whose entries
 * the disk changes; what they point to is never looked into, only handed to
 * the kernel (or copied, for direct I/O that it would not take).
 */
struct disk_request {
	enum disk_op op;
	bool stable;		/* WRITE, ZERO: done when it would survive a power cut */
	bool unmap;		/* ZERO: room in the image may be given back */
	/* multiples of block_size, within size; the disk counts on and down in them */
	uint64_t off, len;
	struct iovec *iov;	/* READ, WRITE: @len bytes in all */
	unsigned n_iov;

	/* the disk's */
	int ret;		/* when done: 0 or negative errno */
	struct disk_request *next;
};

enum disk_cache {
	DISK_WRITEBACK,		/* by the host's page cache; a flush makes it stable */
	DISK_NONE,		/* past the host's page cache, where the file system can */
	DISK_WRITETHROUGH,	/* writeback, and whoever submits makes each write stable */
};

struct disk_info {
	uint64_t size;			/* bytes, a multiple of block_size */
	uint32_t block_size;		/* a power of two, 512 at least */
	uint32_t physical_block_size;	/* the same, what the host works in */
	uint32_t discard_granularity;	/* bytes; 0: it cannot discard */
	bool readonly;
};

enum disk_engine { DISK_ENGINE_ANY, DISK_ENGINE_URING, DISK_ENGINE_THREADS };

struct disk_params {
	const char *path;
	bool readonly;
	enum disk_cache cache;
	enum disk_engine engine;	/* ANY: io_uring if the host lets us */
};

/* 0, or negative errno after one line in the log that names the file. */
int disk_open(struct disk **out, struct loop *loop, const struct disk_params *params);
/* Waits for requests in flight and gives them back first. NULL is legal. */
void disk_close(struct disk *disk);
const struct disk_info *disk_info(const struct disk *disk);

/*
 * Those who are done, linked by next: called from the loop, or from
 * disk_drain(), and never from within disk_submit() or disk_commit().
 */
void disk_attach(struct disk *disk, void (*done)(void *arg, struct disk_request *batch),
		 void *arg);

/*
 * An I/O error comes back with the request, after a line in the log. Once a
 * flush has failed, all later ones do: the host's page cache has dropped writes
 * by then and does not say which.
 */
void disk_submit(struct disk *disk, struct disk_request *req);
/* Starts what was submitted; once after a batch. */
void disk_commit(struct disk *disk);
/* Returns when nothing is in flight any more, all of it given back by done(). */
void disk_drain(struct disk *disk);

#endif
