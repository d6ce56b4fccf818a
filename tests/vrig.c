/* SPDX-License-Identifier: MIT */
#include "tests/vrig.h"

#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

static void vrig_init_pci(struct vrig *r)
{
	static const struct pci_windows windows = {
		.mem32_base = 0xc0000000,
		.mem32_size = 0x10000000,
		.mem64_base = 0x4000000000,
		.mem64_size = 0x4000000000,
	};
	struct irq_line lines[PCI_BUS_INTX_LINES];

	for (unsigned i = 0; i < PCI_BUS_INTX_LINES; i++)
		lines[i] = fake_irq_line(&r->irq[i]);
	pci_bus_init(&r->pci_bus, &r->fake.mmio, NULL, fake_msi_sink(&r->fake), lines, &windows);
	if (pci_bus_map_config(&r->pci_bus, VRIG_ECAM_GPA) < 0)
		abort();
}

void vrig_init(struct vrig *r, enum vrig_kind kind)
{
	memset(r, 0, sizeof(*r));
	r->kind = kind;
	fake_init(&r->fake);
	if (kind != VRIG_MMIO)
		vrig_init_pci(r);
}

void vrig_finish(struct vrig *r)
{
	if (r->kind != VRIG_MMIO)
		pci_bus_finish(&r->pci_bus);
	fake_finish(&r->fake);
}

void vrig_plug(struct vrig *r, struct virtio_device *v)
{
	struct fake *f = &r->fake;

	if (r->kind == VRIG_PACKED)
		virtio_offer_packed(v);
	if (r->kind == VRIG_MMIO) {
		if (virtio_mmio_init(&r->mmio, v, &f->mmio, VRIG_MMIO_GPA,
				     fake_irq_line(&r->irq[0])) < 0 ||
		    (v->shm && virtio_mmio_place_shm(&r->mmio, &f->mmio, VRIG_SHM_GPA) < 0))
			abort();
		vdrv_init_mmio(&r->d, &f->mmio, &f->mem, VRIG_HEAP_GPA, VRIG_MMIO_GPA);
		return;
	}
	if (virtio_pci_init(&r->pci, v, &r->pci_bus, NULL) < 0 || pci_bus_assign(&r->pci_bus) < 0)
		abort();
	vdrv_init_pci(&r->d, &f->mmio, &f->mem, VRIG_HEAP_GPA, VRIG_ECAM_GPA, r->pci.pci.slot);
	if (r->kind >= VRIG_PCI_MSIX)
		vdrv_msix_enable(&r->d);
	if (r->kind == VRIG_PACKED)
		r->d.always = BIT(VIRTIO_F_RING_PACKED);
}

void vrig_unplug(struct vrig *r)
{
	if (r->kind == VRIG_MMIO)
		virtio_mmio_finish(&r->mmio, &r->fake.mmio);
	else
		virtio_pci_finish(&r->pci);
}

void *vrig_memory(struct vrig *r, uint64_t gpa)
{
	const struct bus *bus = &r->fake.mmio;

	for (unsigned i = 0; i < bus->n_regions; i++) {
		const struct io_region *region = bus->regions[i];

		if (region->memory && gpa >= region->base && gpa - region->base < region->len)
			return (char *)region->memory + (gpa - region->base);
	}
	return NULL;
}

/* The line as the guest's interrupt controller sees it. */
static bool line_level(struct vrig *r)
{
	return r->irq[r->kind == VRIG_MMIO ? 0 : r->pci.pci.slot % PCI_BUS_INTX_LINES].level;
}

static void isr_collect(struct vrig *r)
{
	bool level = line_level(r);
	uint8_t isr;

	if (r->kind == VRIG_MMIO) {
		isr = vdrv_raw_read(&r->d, VIRTIO_MMIO_INTERRUPT_STATUS, 4);
		vdrv_raw_write(&r->d, VIRTIO_MMIO_INTERRUPT_ACK, 4, isr);
	} else {
		isr = vdrv_raw_read(&r->d, r->d.isr - r->d.bar, 1);
	}
	if (!r->racing && (level != !!isr || line_level(r)))
		abort();
	r->isr |= isr;
}

static bool isr_take(struct vrig *r, uint8_t bit)
{
	bool was_set;

	isr_collect(r);
	was_set = r->isr & bit;
	r->isr &= ~bit;
	return was_set;
}

static bool vector_take(struct vrig *r, unsigned vector)
{
	struct pci_msix_vector *v = &r->pci.msix.vectors[vector];
	eventfd_t n;
	int fd;

	pthread_mutex_lock(&v->lock);
	fd = v->fd;
	pthread_mutex_unlock(&v->lock);
	return fd >= 0 && eventfd_read(fd, &n) == 0;
}

bool vrig_take_queue_irq(struct vrig *r, unsigned q)
{
	if (r->kind >= VRIG_PCI_MSIX)
		return vector_take(r, q + 1 < r->d.n_vectors ? q + 1 : r->d.n_vectors - 1);
	return isr_take(r, VIRTIO_MMIO_INT_VRING);
}

bool vrig_take_config_irq(struct vrig *r)
{
	if (r->kind >= VRIG_PCI_MSIX)
		return vector_take(r, 0);
	return isr_take(r, VIRTIO_MMIO_INT_CONFIG);
}

int vrig_request(struct vrig *r, unsigned q, const void *out, uint32_t out_len, void *in,
		 uint32_t in_len)
{
	struct vdrv_ring *ring = &r->d.rings[q];
	uint64_t heap = r->d.heap, gpa = vdrv_alloc(&r->d, out_len + in_len, 16);
	struct vdrv_buf bufs[2];
	unsigned n = 0;
	uint32_t len;
	int head;

	if (out_len) {
		memcpy(vdrv_ptr(&r->d, gpa, out_len), out, out_len);
		bufs[n++] = (struct vdrv_buf)VDRV_OUT(gpa, out_len);
	}
	if (in_len)
		bufs[n++] = (struct vdrv_buf)VDRV_IN(gpa + out_len, in_len);
	head = vdrv_add(ring, bufs, n);
	if (vdrv_wants_kick(ring))
		vdrv_kick(&r->d, q);
	fake_settle(&r->fake);
	if (head < 0 || vdrv_used(ring, &len) != head)
		return -1;
	/* Awake for the next one, as a driver is that waits for its answer. */
	vdrv_set_used_event(ring, 0);
	if (in_len)
		memcpy(in, vdrv_ptr(&r->d, gpa + out_len, in_len), in_len);
	r->d.heap = heap;
	return len;
}
