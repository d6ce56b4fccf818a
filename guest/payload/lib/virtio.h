/* SPDX-License-Identifier: MIT */
/*
 * virtio from the driver's side (virtio 1.2): both transports, split queues
 * that are polled. Rings and registers are open to payloads that want to break
 * their rules; what is checked here is what the device must do.
 */
#ifndef PAYLOAD_VIRTIO_H
#define PAYLOAD_VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/pci.h"

#define BIT(n) (1ull << (n))
#define VIRTIO_ISR_QUEUE 1
#define VIRTIO_ISR_CONFIG 2
#define VIRTIO_NO_VECTOR 0xffff

struct virtio;

/* Registers of the queue that was selected last are meant by those with "queue". */
struct virtio_transport {
	uint8_t (*status)(struct virtio *v);
	void (*set_status)(struct virtio *v, uint8_t status);
	uint32_t (*features)(struct virtio *v, uint32_t select);
	void (*set_features)(struct virtio *v, uint32_t select, uint32_t bits);
	void (*select_queue)(struct virtio *v, unsigned q);
	unsigned (*queue_max)(struct virtio *v);
	void (*set_queue_size)(struct virtio *v, unsigned size);
	void (*set_queue_rings)(struct virtio *v, uint64_t desc, uint64_t avail, uint64_t used);
	void (*enable_queue)(struct virtio *v);
	bool (*queue_enabled)(struct virtio *v);
	void (*notify)(struct virtio *v, unsigned q);
	/* Reads and acknowledges. */
	uint32_t (*isr)(struct virtio *v);
};

struct virtio {
	const struct virtio_transport *t;
	const char *bus;	/* for messages */
	uint64_t regs;		/* MMIO: all of them; PCI: the common structure */
	uint64_t config;	/* device configuration */
	unsigned gsi;		/* of the line that it raises */
	/* PCI only */
	unsigned slot;
	uint64_t isr_gpa, notify_gpa;
	uint32_t notify_multiplier;
};

/* The @n-th device of that id on the transport; false if there is none. */
bool virtio_find_mmio(struct virtio *v, unsigned id, unsigned n);
/* The same; turns on its memory decode and bus mastering. */
bool virtio_find_pci(struct virtio *v, unsigned id, unsigned n);
/* The first one on either; without one the payload is skipped. */
void virtio_find(struct virtio *v, unsigned id);
/* Finds a PCI function's structures again after its BAR has moved. */
void virtio_locate_pci(struct virtio *v);

void virtio_reset(struct virtio *v);
/* Reset, then up to FEATURES_OK with exactly @features, which must be offered. */
void virtio_negotiate(struct virtio *v, uint64_t features);
uint64_t virtio_offered(struct virtio *v);
void virtio_driver_ok(struct virtio *v);
bool virtio_needs_reset(struct virtio *v);

struct virtq {
	struct virtio *v;
	unsigned index, size;
	volatile struct vring_desc *desc;
	volatile struct vring_avail *avail;
	volatile struct vring_used *used;
	uint16_t used_idx;	/* seen so far */
};

#define VIRTQ_SIZE 8		/* small, so that rings wrap soon */

/* Memory for the rings; once. */
void virtq_alloc(struct virtq *q, struct virtio *v, unsigned index);
/* Clears the rings and gives the device the queue; before DRIVER_OK. */
void virtq_enable(struct virtq *q);
void virtq_set_desc(struct virtq *q, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
		    uint16_t next);
/* Makes the chain at @head available; virtq_kick() tells the device. */
void virtq_add(struct virtq *q, uint16_t head);
void virtq_kick(struct virtq *q);
bool virtq_has_used(struct virtq *q);
/* Waits for the next used element. */
struct vring_used_elem virtq_wait(struct virtq *q);
/* The fields that come with VIRTIO_RING_F_EVENT_IDX. */
volatile uint16_t *virtq_used_event(struct virtq *q);
uint16_t virtq_avail_event(struct virtq *q);

#endif
