/* SPDX-License-Identifier: MIT */
/*
 * MSI-X (PCI local bus 3.0, 6.8.2) for one PCI function: the capability, the
 * vector table and the pending bits, which sit in a BAR of the device's.
 *
 * Set-up with the device; table and PBA registers are accessed by vCPUs,
 * pci_msix_notify() from any thread, also with the device's lock held. Each
 * vector has a lock of its own, a leaf but for the sink, held while it
 * delivers: once the guest's write that masks a vector is done, nothing is
 * sent any more, and giving one vector a new route holds up no other.
 *
 * A vector's message is bound to an eventfd of the sink's when the vector
 * first delivers, and again only when it delivers after its address or data
 * have changed, so mask/unmask storms cost no routes (case 34). A message that
 * the sink cannot bind is sent each time instead.
 *
 * Without bus mastering a function cannot send: its vectors are as if masked.
 *
 * A feed is an eventfd that somebody else writes to raise a vector. While the
 * vector is open (MSI-X on, nothing masked, its message bound) the kernel
 * delivers it; at any other time nobody does, and whoever watches the eventfd
 * calls pci_msix_notify(), which keeps the pending bit.
 */
#ifndef MICROVM_PCI_MSIX_H
#define MICROVM_PCI_MSIX_H

#include <stdatomic.h>

#include "devices/pci.h"

#define PCI_MSIX_MAX_VECTORS 64
#define PCI_MSIX_ENTRY_SIZE 16
#define PCI_MSIX_NO_VECTOR 0xffff	/* VIRTIO_MSI_NO_VECTOR */

struct pci_msix_feed {
	int fd;
	unsigned vector;	/* PCI_MSIX_NO_VECTOR: none */

	/* under the vector's lock */
	bool attached;
	struct pci_msix_feed *next;
};

struct pci_msix_vector {
	pthread_mutex_t lock;
	struct pci_msix_feed *feeds;
	uint64_t addr;
	uint32_t data;
	uint32_t control;	/* bit 0: masked */
	bool pending;
	bool bound;		/* the sink was asked for the message below */
	uint64_t bound_addr;
	uint32_t bound_data;
	int route;		/* handle of the sink's, -1 none */
	int fd;			/* eventfd of the bound message, -1 none; owned by the sink */
};

struct pci_msix {
	struct pci_dev *dev;
	struct pci_msix_vector vectors[PCI_MSIX_MAX_VECTORS];
	unsigned n_vectors;
	unsigned cap;		/* offset of the capability */
	atomic_bool enabled, function_mask;
	atomic_bool route_failed;	/* and that was logged */
};

/*
 * Adds the capability to @dev. Table at @table_off and PBA at @pba_off of BAR
 * @bar; the device's region for that BAR passes accesses in these windows to
 * the functions below. @n_vectors 1..PCI_MSIX_MAX_VECTORS.
 */
void pci_msix_init(struct pci_msix *msix, struct pci_dev *dev, unsigned n_vectors, unsigned bar,
		   uint32_t table_off, uint32_t pba_off);
void pci_msix_finish(struct pci_msix *msix);	/* releases routes; feeds are off all vectors */
void pci_msix_reset(struct pci_msix *msix);

/*
 * Accesses within the table or PBA (@off from its start); only aligned 4 and 8
 * byte ones count (6.8.2), others read 0. The PBA cannot be written.
 */
uint64_t pci_msix_table_read(struct pci_msix *msix, uint64_t off, unsigned size);
void pci_msix_table_write(struct pci_msix *msix, uint64_t off, unsigned size, uint64_t value);
uint64_t pci_msix_pba_read(struct pci_msix *msix, uint64_t off, unsigned size);

/* pci*.c calls this after a write to the capability, or that of bus mastering. */
void pci_msix_config_written(struct pci_msix *msix);

/*
 * Raises @vector, or marks it pending while masked. A vector out of range is
 * dropped, as is any while the guest has MSI-X off.
 */
void pci_msix_notify(struct pci_msix *msix, unsigned vector);
/*
 * Moves @feed to @vector (one out of range: to none). A new one has its fd and
 * PCI_MSIX_NO_VECTOR. For one feed, one call at a time.
 */
void pci_msix_set_feed(struct pci_msix *msix, struct pci_msix_feed *feed, unsigned vector);
/* Whether the guest has MSI-X on; else the function uses INTx. */
bool pci_msix_enabled(struct pci_msix *msix);

#endif
