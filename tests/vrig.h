/* SPDX-License-Identifier: MIT */
/*
 * A machine with one virtio device in it, and its driver: what the test of a
 * device starts from.
 *
 *     vrig_init(&r, kind);
 *     create the device on r.fake.loop and &r.fake.mem
 *     vrig_plug(&r, v);
 *     vdrv_start(&r.d, features); ...
 *     vrig_unplug(&r);
 *     destroy the device
 *     vrig_finish(&r);
 */
#ifndef MICROVM_TESTS_VRIG_H
#define MICROVM_TESTS_VRIG_H

#include "devices/virtio/virtio_mmio.h"
#include "devices/virtio/virtio_pci.h"
#include "tests/fake.h"
#include "tests/vdrv.h"

#define VRIG_MMIO_GPA 0xd0000000ull
#define VRIG_SHM_GPA 0x100000000ull	/* of shared memory, with MMIO */
#define VRIG_ECAM_GPA 0xe0000000ull
#define VRIG_HEAP_GPA 0x1000ull

enum vrig_kind {
	VRIG_MMIO,
	VRIG_PCI_INTX,
	VRIG_PCI_MSIX,
	VRIG_PACKED,		/* the same, and the driver takes packed rings */
	VRIG_KINDS
};

struct vrig {
	struct fake fake;
	enum vrig_kind kind;
	struct fake_irq irq[PCI_BUS_INTX_LINES];	/* MMIO uses the first */
	struct virtio_mmio mmio;
	struct pci_bus pci_bus;
	struct virtio_pci pci;
	struct vdrv d;
	uint8_t isr;		/* taken from the device, not yet asked for */
	bool racing;		/* the device runs on another thread */
};

void vrig_init(struct vrig *r, enum vrig_kind kind);
void vrig_finish(struct vrig *r);
void vrig_plug(struct vrig *r, struct virtio_device *v);
void vrig_unplug(struct vrig *r);
/* Shared memory at @gpa, as a vCPU would see it; NULL: there is none. */
void *vrig_memory(struct vrig *r, uint64_t gpa);

/*
 * Whether the device interrupted for queue @q (without MSI-X: for any queue),
 * or for its configuration, since the last call. Acknowledges, and unless
 * @r->racing aborts when the line's level contradicts the status register.
 */
bool vrig_take_queue_irq(struct vrig *r, unsigned q);
bool vrig_take_config_irq(struct vrig *r);

/*
 * One request from start to end: @out_len bytes for the device to read, room
 * for @in_len to write, a kick if wanted, and a turn of the loop. The length
 * that the device says it wrote; -1 when the chain did not come back.
 */
int vrig_request(struct vrig *r, unsigned q, const void *out, uint32_t out_len, void *in,
		 uint32_t in_len);

#endif
