/* SPDX-License-Identifier: MIT */
/* Block device (virtio 1.2, 5.2) on a disk of the host's. */
#ifndef MICROVM_VIRTIO_BLK_DEV_H
#define MICROVM_VIRTIO_BLK_DEV_H

#include "devices/backend/disk.h"
#include "devices/virtio/virtio.h"

#define BLK_QUEUE_SIZE 256
#define BLK_MAX_QUEUES 16

struct blk_params {
	const char *serial;	/* VIRTIO_BLK_ID_BYTES at most; NULL: none */
	unsigned queues;	/* 1..BLK_MAX_QUEUES */
	bool writeback;		/* until the driver says otherwise (5.2.5) */
};

/* Owns @disk from then on. 0 or negative errno, and then it does not. Loop thread. */
int virtio_blk_create(struct virtio_device **out, struct loop *loop, const struct gmem *mem,
		      struct disk *disk, const struct blk_params *params);
void virtio_blk_destroy(struct virtio_device *v);

#endif
