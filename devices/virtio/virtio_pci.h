/* SPDX-License-Identifier: MIT */
/*
 * virtio over PCI (virtio 1.2, 4.1), modern only: one 64-bit memory BAR holds
 * the common, ISR, device and notify structures and MSI-X; each queue has a
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

struct virtio_pci {
	struct pci_dev pci;	/* first: ops get this pointer */
	struct pci_msix msix;
	struct virtio_device *v;
	pthread_mutex_t lock;
	struct io_region region;
	struct io_doorbell doorbells[VIRTIO_MAX_QUEUES];
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

/* Attaches to @v and adds the function to @bus. 0 or -ENOSPC. */
int virtio_pci_init(struct virtio_pci *p, struct virtio_device *v, struct pci_bus *bus);
void virtio_pci_finish(struct virtio_pci *p);

#endif
