/* SPDX-License-Identifier: MIT */
/* A device's shared-memory region as something on a bus: for transports of this process. */
#ifndef MICROVM_VIRTIO_SHM_H
#define MICROVM_VIRTIO_SHM_H

#include "devices/virtio/shm_window.h"
#include "devices/virtio/virtio.h"
#include "vmm/bus.h"

/* Fills in @region for v->shm, which is there. */
void virtio_shm_region(struct io_region *region, struct virtio_device *v);

#endif
