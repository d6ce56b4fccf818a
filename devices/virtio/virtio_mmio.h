/* SPDX-License-Identifier: MIT */
/*
 * virtio over MMIO (virtio 1.2, 4.2), version 2 registers, level interrupt.
 *
 * The doorbell is QueueNotify (0x050) matched by queue index, an ioeventfd
 * where the kernel serves it. Register accesses come from vCPU threads. A shared-memory
 * region lies wherever the machine has room for it.
 */
#ifndef MICROVM_VIRTIO_MMIO_H
#define MICROVM_VIRTIO_MMIO_H

#include "devices/virtio/virtio.h"
#include "vmm/bus.h"
#include "vmm/irq.h"

#define VIRTIO_MMIO_SIZE 0x200

struct virtio_mmio {
	struct virtio_device *v;
	struct irq_line irq;
	pthread_mutex_t lock;
	struct io_region region;
	struct io_doorbell doorbells[VIRTIO_MAX_QUEUES];
	uint32_t device_features_sel, driver_features_sel, queue_sel, shm_sel;
	struct io_region shm;	/* on the bus if mapped */

	pthread_mutex_t isr_lock;	/* leaf: keeps isr and the line's level in step */
	uint32_t isr;
};

/* Attaches to @v and places the registers at @gpa. 0 or what bus_add() says. */
int virtio_mmio_init(struct virtio_mmio *m, struct virtio_device *v, struct bus *bus, uint64_t gpa,
		     struct irq_line irq);
/*
 * The device's shared-memory region, which it has, gets its place. 0 or what
 * bus_add() says; without this, drivers see none. Before the first vCPU runs.
 */
int virtio_mmio_place_shm(struct virtio_mmio *m, struct bus *bus, uint64_t gpa);
void virtio_mmio_finish(struct virtio_mmio *m, struct bus *bus);
/* Machine reset: the device and the registers back to power-on state. No vCPU runs. */
void virtio_mmio_reset(struct virtio_mmio *m);

#endif
