/* SPDX-License-Identifier: MIT */
/*
 * virtio over PCI (virtio 1.2, 4.1), modern only: one 64-bit memory BAR holds
 * the common, ISR, device and notify structures and MSI-X, which BAR is said by a
 * layout; each queue has a
 * doorbell of its own, an ioeventfd where the kernel serves it. INTx is used
 * while the driver has MSI-X off. A queue that is served elsewhere interrupts
 * the guest without us while its vector is open.
 *
 * Register accesses come from vCPU threads; interrupts from any.
 */
#ifndef MICROVM_VIRTIO_PCI_H
#define MICROVM_VIRTIO_PCI_H

#include <stdatomic.h>

#include "devices/pci_msix.h"
#include "devices/virtio/virtio.h"

/* A BAR of a function that is more than a virtio device. */
struct virtio_pci_bar {
	unsigned index;
	enum pci_bar_type type;
	bool prefetch;
	uint64_t size;
	struct io_region *region;
};

/* What else a function is, and where that leaves the virtio device. Zeros: nothing. */
struct virtio_pci_layout {
	unsigned bar;			/* that has the structures */
	/*
	 * Registers that come first in that BAR, in whole pages of 4 KiB, or NULL. Not
	 * on a bus by itself.
	 */
	const struct io_region *before;
	const struct virtio_pci_bar *bars;	/* others; 4 and 5 are for shared memory */
	unsigned n_bars;
	uint32_t class_code;		/* 0: the device's */
	uint16_t command;		/* bits of the command register that are set at power-on */
	/* Bus reset, after the virtio device's; with the PCI bus's lock held. May be NULL. */
	void (*reset)(void *ctx);
	void *ctx;
};

struct virtio_pci {
	struct pci_dev pci;	/* first: ops get this pointer */
	struct pci_msix msix;
	struct virtio_device *v;
	struct virtio_pci_layout layout;
	uint32_t base;		/* of the structures in their BAR */
	pthread_mutex_t lock;
	struct io_region region;
	struct io_doorbell doorbells[VIRTIO_MAX_QUEUES];
	struct io_region shm;	/* a shared-memory region's */
	unsigned cfg_cap;	/* offset of the PCI_CFG window's capability */
	uint32_t device_feature_select, driver_feature_select;
	uint16_t queue_select;
	/* written with the lock held, read by whoever interrupts */
	atomic_ushort config_vector;
	atomic_ushort queue_vectors[VIRTIO_MAX_QUEUES];
	struct pci_msix_feed feeds[VIRTIO_MAX_QUEUES];	/* call eventfds of external queues */

	pthread_mutex_t isr_lock;	/* leaf but for INTx: keeps isr and its level in step */
	uint8_t isr;
};

/*
 * Attaches to @v and adds the function to @bus. @layout, NULL as a rule, is copied,
 * what it points to is not but for the bars. 0 or -ENOSPC.
 */
int virtio_pci_init(struct virtio_pci *p, struct virtio_device *v, struct pci_bus *bus,
		    const struct virtio_pci_layout *layout);
void virtio_pci_finish(struct virtio_pci *p);

#endif
