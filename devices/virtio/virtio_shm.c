/* SPDX-License-Identifier: MIT */
#include "devices/virtio/virtio_shm.h"

/* Where the kernel does not serve the memory: nobody here looks at what others may take away. */
static uint64_t shm_read(void *dev, uint64_t off, unsigned size)
{
	return 0;
}

static void shm_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
}

static const struct io_ops shm_ops = { shm_read, shm_write };

static void shm_repair(void *dev)
{
	virtio_shm_repair(dev);
}

void virtio_shm_region(struct io_region *region, struct virtio_device *v)
{
	*region = (struct io_region){
		.name = v->ops->name,
		.ops = &shm_ops,
		.dev = v,
		.len = v->shm->len,
		.prio = IO_PRIO_BAR,
		.memory = v->shm->host,
		.repair = shm_repair,
	};
}
