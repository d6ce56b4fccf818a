/* SPDX-License-Identifier: MIT */
/*
 * A disk in memory, whose work is done at once or when the test says so. Any
 * thread may hold and release; the rest belongs to the loop's thread.
 */
#ifndef MICROVM_TESTS_MEM_DISK_H
#define MICROVM_TESTS_MEM_DISK_H

#include "devices/backend/disk_impl.h"

#define MEM_DISK_OPS 5

struct mem_disk {
	uint8_t *data;
	struct disk *disk;
	unsigned n[MEM_DISK_OPS];	/* requests seen, by op */
	unsigned commits;
	struct disk_request last;	/* as it was submitted */
	struct iovec last_iov;		/* its first */

	pthread_mutex_t lock;	/* of what follows */
	bool hold;		/* requests wait */
	int error;		/* what requests end with, if not 0 */
	struct disk_list held, done;
	unsigned n_held;
};

/* Aborts when it cannot. disk_close() ends the disk, mem_disk_finish() what is left. */
void mem_disk_init(struct mem_disk *m, struct loop *loop, const struct disk_info *info);
void mem_disk_finish(struct mem_disk *m);
void mem_disk_hold(struct mem_disk *m);
/* Does what waits, and from now on does things at once. */
void mem_disk_release(struct mem_disk *m);

#endif
