/* SPDX-License-Identifier: MIT */
/*
 * The driver's side of virtio, for tests and fuzzers: rings in fake RAM, and
 * the registers of both transports as a guest reaches them. Every field is
 * open, so a test can break any rule.
 *
 * Three layers, usable apart:
 *   vdrv_ring   one virtqueue, split or packed, of which only memory is needed
 *   vdrv        the registers of one device, found by its MMIO address or by
 *               its PCI slot through ECAM, capabilities and BARs
 *   vrig        (vrig.h) a machine with one device on a transport
 *
 * Rings may be driven from one thread while the device runs on another.
 * Misuse by the test itself aborts.
 */
#ifndef MICROVM_TESTS_VDRV_H
#define MICROVM_TESTS_VDRV_H

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>

#include "devices/virtio/virtio.h"
#include "vmm/bus.h"
#include "vmm/gmem.h"

/* --- one virtqueue --------------------------------------------------------- */

struct vdrv_buf {
	uint64_t gpa;
	uint32_t len;
	bool write;		/* by the device */
};

#define VDRV_OUT(gpa_, len_) { .gpa = (gpa_), .len = (len_) }
#define VDRV_IN(gpa_, len_) { .gpa = (gpa_), .len = (len_), .write = true }

#define VDRV_MAX_SIZE 1024	/* of a ring of ours */

/* Places in a packed ring are what they are in struct virtq_packed. */
struct vdrv_packed {
	struct vring_packed_desc *ring;
	uint32_t *driver, *device;	/* event suppression, both fields at once */
	uint16_t avail, used;		/* places of the next to be added, to be collected */
	uint16_t n_added;		/* descriptors, since the last vdrv_wants_kick() */
	uint16_t n_ids;			/* on the stack */
};

struct vdrv_ring {
	const struct gmem *mem;
	uint16_t size;
	bool packed;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	/* split: where that is */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vdrv_packed p;

	uint64_t features;		/* INDIRECT_DESC and EVENT_IDX matter */
	uint16_t avail_idx;		/* as published */
	uint16_t kicked_idx;		/* avail_idx at the last vdrv_wants_kick() */
	uint16_t used_idx;		/* next to be collected */
	uint16_t n_free;		/* descriptors */
	uint16_t free[VDRV_MAX_SIZE];	/* a stack of descriptors; packed: of buffer ids */
	uint16_t next[VDRV_MAX_SIZE];	/* of the chains in flight, by descriptor... */
	uint16_t chain_len[VDRV_MAX_SIZE];	/* ...and by head; 0: not one of ours */
	uint64_t first_gpa[VDRV_MAX_SIZE];	/* of the chain's first buffer, by head */
};

/* Bytes that a ring of @size takes, and its parts one after the other from @gpa, zeroed. */
uint64_t vdrv_ring_bytes(uint16_t size);
void vdrv_ring_init(struct vdrv_ring *r, const struct gmem *mem, uint16_t size, uint64_t gpa);
/* The same for a packed ring, of any size, in no more bytes. Its @features are needed. */
void vdrv_packed_init(struct vdrv_ring *r, const struct gmem *mem, uint16_t size, uint64_t gpa,
		      uint64_t features);

/*
 * A chain of @n descriptors, made available. Its head, in a packed ring its
 * buffer id; -1 when too few are free.
 */
int vdrv_add(struct vdrv_ring *r, const struct vdrv_buf *bufs, unsigned n);
/* The same through a table at @table_gpa (16 * @n bytes), which takes one descriptor. */
int vdrv_add_indirect(struct vdrv_ring *r, uint64_t table_gpa, const struct vdrv_buf *bufs,
		      unsigned n);
/* Split: fills descriptor @i of @table, with whatever the test likes. */
void vdrv_set_desc(struct vring_desc *table, unsigned i, uint64_t addr, uint32_t len,
		   uint16_t flags, uint16_t next);
/* Split: makes @head available, whatever it is. */
void vdrv_expose(struct vdrv_ring *r, uint16_t head);
/* Split: sets the available index, whatever it was. */
void vdrv_set_avail_idx(struct vdrv_ring *r, uint16_t idx);
/* Packed: the place that is @n descriptors behind @place. */
uint16_t vdrv_place_after(const struct vdrv_ring *r, uint16_t place, unsigned n);
/* Packed: makes a descriptor available at @place, whatever is there and whatever it says. */
void vdrv_packed_set(struct vdrv_ring *r, uint16_t place, const struct vring_packed_desc *d);

/* The next used element: its head, and *@len if @len; -1 when there is none. */
int vdrv_used(struct vdrv_ring *r, uint32_t *len);
bool vdrv_has_used(struct vdrv_ring *r);
/* Whether the device asked for a kick for what was added since the last call (2.7.10). */
bool vdrv_wants_kick(struct vdrv_ring *r);
/*
 * An interrupt is due when the device uses the element after the next @n, in a
 * packed ring the descriptor after them.
 */
void vdrv_set_used_event(struct vdrv_ring *r, uint16_t n);
void vdrv_set_no_interrupt(struct vdrv_ring *r, bool on);

/* --- one device ------------------------------------------------------------ */

/* Registers that both transports have, each accessed at its width. */
enum vdrv_reg {
	VDRV_DEVICE_FEATURES_SEL,
	VDRV_DEVICE_FEATURES,
	VDRV_DRIVER_FEATURES_SEL,
	VDRV_DRIVER_FEATURES,
	VDRV_STATUS,
	VDRV_GENERATION,
	VDRV_QUEUE_SEL,
	VDRV_QUEUE_MAX,		/* read; on PCI the same register as... */
	VDRV_QUEUE_SIZE,	/* ...write */
	VDRV_QUEUE_ENABLE,
	VDRV_QUEUE_DESC,	/* low; high is 4 bytes on */
	VDRV_QUEUE_AVAIL,
	VDRV_QUEUE_USED,
	VDRV_N_REGS
};

struct vdrv {
	struct bus *bus;
	const struct gmem *mem;
	bool is_pci;
	uint64_t regs;		/* where the registers, on PCI the common ones, begin */
	uint64_t config;	/* the device's own configuration; 0: there is none */
	uint64_t config_len;

	/* PCI, as found */
	uint64_t pci_config;	/* the function's configuration space in ECAM */
	uint64_t bar;		/* of the structures */
	uint64_t isr, notify;
	uint32_t notify_multiplier;
	unsigned cfg_cap;	/* offset of the PCI_CFG capability */
	unsigned msix_cap;	/* offset, 0: none */
	uint64_t msix_table;
	unsigned n_vectors;
	bool msix;		/* switched on by vdrv_msix_enable() */

	uint64_t features;	/* asked for by vdrv_negotiate() */
	uint64_t always;	/* asked for by vdrv_start(), beside what the test wants */
	uint64_t heap, heap_start;	/* vdrv_alloc() gives what is above */
	unsigned n_queues;		/* as found */
	uint64_t doorbells[VIRTIO_MAX_QUEUES];
	struct vdrv_ring rings[VIRTIO_MAX_QUEUES];
};

/* The heap begins at @heap and ends with the region of RAM that it lies in. */
void vdrv_init_mmio(struct vdrv *d, struct bus *bus, const struct gmem *mem, uint64_t heap,
		    uint64_t gpa);
/* Finds the structures of the function in @slot and switches memory decode on. */
void vdrv_init_pci(struct vdrv *d, struct bus *bus, const struct gmem *mem, uint64_t heap,
		   uint64_t ecam, unsigned slot);
/*
 * MSI-X on: vector 0 for configuration, 1 + q for queue q as far as there are
 * vectors, addresses and data all different and none masked. Before
 * vdrv_start(), which assigns them.
 */
void vdrv_msix_enable(struct vdrv *d);

/* Guest memory for the test; zeroed. vdrv_free_all() takes all of it back. */
uint64_t vdrv_alloc(struct vdrv *d, uint64_t len, uint64_t align);
void vdrv_free_all(struct vdrv *d);
void *vdrv_ptr(struct vdrv *d, uint64_t gpa, uint64_t len);

uint32_t vdrv_get(struct vdrv *d, enum vdrv_reg reg);
void vdrv_set(struct vdrv *d, enum vdrv_reg reg, uint32_t value);
void vdrv_set_addr(struct vdrv *d, enum vdrv_reg reg, uint64_t gpa);
/* Any address, width and value; on PCI from the start of the BAR. */
uint64_t vdrv_raw_read(struct vdrv *d, uint64_t off, unsigned size);
void vdrv_raw_write(struct vdrv *d, uint64_t off, unsigned size, uint64_t value);
uint64_t vdrv_config_read(struct vdrv *d, uint64_t off, unsigned size);
void vdrv_config_write(struct vdrv *d, uint64_t off, unsigned size, uint64_t value);
/* PCI configuration space of the function. */
uint32_t vdrv_pci_read(struct vdrv *d, unsigned off, unsigned size);
void vdrv_pci_write(struct vdrv *d, unsigned off, unsigned size, uint32_t value);
/* Where shared-memory region @id is (4.1.4.7, 4.2.2); false: there is none. */
bool vdrv_find_shm(struct vdrv *d, uint8_t id, uint64_t *gpa, uint64_t *len);
/* A register by way of the PCI_CFG capability (4.1.4.9): @off in the BAR. */
uint32_t vdrv_window_read(struct vdrv *d, uint32_t off, unsigned size);
void vdrv_window_write(struct vdrv *d, uint32_t off, unsigned size, uint32_t value);

uint64_t vdrv_device_features(struct vdrv *d);
void vdrv_set_features(struct vdrv *d, uint64_t features);
/* Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK; the status that then reads back. */
uint8_t vdrv_negotiate(struct vdrv *d, uint64_t features);
/* Writes the registers of ring @q and enables it; whether it reads back enabled. */
bool vdrv_enable_ring(struct vdrv *d, unsigned q);
/* Makes a ring of @size (0: the device's maximum) and enables it; aborts if that fails. */
struct vdrv_ring *vdrv_setup_queue(struct vdrv *d, unsigned q, uint16_t size);
/* Frees all, negotiates @features and VERSION_1, sets up all queues, DRIVER_OK. */
void vdrv_start(struct vdrv *d, uint64_t features);
/* Writes the doorbell of queue @q, wanted or not. */
void vdrv_kick(struct vdrv *d, unsigned q);
/* Status 0. */
void vdrv_reset(struct vdrv *d);

#endif
