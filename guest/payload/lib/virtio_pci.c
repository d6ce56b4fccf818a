/* SPDX-License-Identifier: MIT */
/* virtio 1.2, 4.1; modern devices only. */
#include <linux/virtio_pci.h>

#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/virtio.h"

#define VENDOR 0x1af4
#define DEVICE_MODERN 0x1040	/* plus the virtio id */

static uint8_t pci_status(struct virtio *v)
{
	return read8(v->regs + VIRTIO_PCI_COMMON_STATUS);
}

static void pci_set_status(struct virtio *v, uint8_t status)
{
	write8(v->regs + VIRTIO_PCI_COMMON_STATUS, status);
}

static uint32_t pci_features(struct virtio *v, uint32_t select)
{
	write32(v->regs + VIRTIO_PCI_COMMON_DFSELECT, select);
	return read32(v->regs + VIRTIO_PCI_COMMON_DF);
}

static void pci_set_features(struct virtio *v, uint32_t select, uint32_t bits)
{
	write32(v->regs + VIRTIO_PCI_COMMON_GFSELECT, select);
	write32(v->regs + VIRTIO_PCI_COMMON_GF, bits);
}

static void pci_select_queue(struct virtio *v, unsigned q)
{
	write16(v->regs + VIRTIO_PCI_COMMON_Q_SELECT, q);
}

static unsigned pci_queue_max(struct virtio *v)
{
	return read16(v->regs + VIRTIO_PCI_COMMON_Q_SIZE);
}

static void pci_set_queue_size(struct virtio *v, unsigned size)
{
	write16(v->regs + VIRTIO_PCI_COMMON_Q_SIZE, size);
}

static void pci_put64(struct virtio *v, unsigned reg, uint64_t value)
{
	write32(v->regs + reg, value);
	write32(v->regs + reg + 4, value >> 32);
}

static void pci_set_queue_rings(struct virtio *v, uint64_t desc, uint64_t avail, uint64_t used)
{
	pci_put64(v, VIRTIO_PCI_COMMON_Q_DESCLO, desc);
	pci_put64(v, VIRTIO_PCI_COMMON_Q_AVAILLO, avail);
	pci_put64(v, VIRTIO_PCI_COMMON_Q_USEDLO, used);
}

static void pci_enable_queue(struct virtio *v)
{
	write16(v->regs + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
}

static bool pci_queue_enabled(struct virtio *v)
{
	return read16(v->regs + VIRTIO_PCI_COMMON_Q_ENABLE) == 1;
}

static void pci_notify(struct virtio *v, unsigned q)
{
	unsigned off;

	pci_select_queue(v, q);
	off = read16(v->regs + VIRTIO_PCI_COMMON_Q_NOFF);
	write16(v->notify_gpa + off * v->notify_multiplier, q);
}

static uint32_t pci_isr(struct virtio *v)
{
	return read8(v->isr_gpa);
}

static const struct virtio_transport pci_transport = {
	.status = pci_status,
	.set_status = pci_set_status,
	.features = pci_features,
	.set_features = pci_set_features,
	.select_queue = pci_select_queue,
	.queue_max = pci_queue_max,
	.set_queue_size = pci_set_queue_size,
	.set_queue_rings = pci_set_queue_rings,
	.enable_queue = pci_enable_queue,
	.queue_enabled = pci_queue_enabled,
	.notify = pci_notify,
	.isr = pci_isr,
};

/* The offset of the capability for a structure; 0 if there is none. */
static unsigned find_structure(unsigned slot, uint8_t type)
{
	unsigned cap;

	for (unsigned n = 0; (cap = pci_capability(slot, PCI_CAP_ID_VNDR, n)); n++) {
		if (pci_read8(slot, cap + VIRTIO_PCI_CAP_CFG_TYPE) == type)
			return cap;
	}
	return 0;
}

static uint64_t locate(unsigned slot, uint8_t type)
{
	unsigned cap = find_structure(slot, type);
	uint32_t off, len;
	struct pci_bar bar;

	CHECK(cap);
	off = pci_read32(slot, cap + VIRTIO_PCI_CAP_OFFSET);
	len = pci_read32(slot, cap + VIRTIO_PCI_CAP_LENGTH);
	bar = pci_bar_get(slot, pci_read8(slot, cap + VIRTIO_PCI_CAP_BAR));
	CHECK(bar.size && !bar.io && off <= bar.size && len <= bar.size - off);
	mem_map(bar.addr, bar.size);
	return bar.addr + off;
}

void virtio_locate_pci(struct virtio *v)
{
	unsigned slot = v->slot, cap;

	v->regs = locate(slot, VIRTIO_PCI_CAP_COMMON_CFG);
	v->isr_gpa = locate(slot, VIRTIO_PCI_CAP_ISR_CFG);
	v->notify_gpa = locate(slot, VIRTIO_PCI_CAP_NOTIFY_CFG);
	cap = find_structure(slot, VIRTIO_PCI_CAP_NOTIFY_CFG);
	v->notify_multiplier = pci_read32(slot, cap + VIRTIO_PCI_NOTIFY_CAP_MULT);
	v->config = 0;
	if (find_structure(slot, VIRTIO_PCI_CAP_DEVICE_CFG))
		v->config = locate(slot, VIRTIO_PCI_CAP_DEVICE_CFG);
}

bool virtio_find_pci(struct virtio *v, unsigned id, unsigned n)
{
	for (unsigned slot = pci_next(0); slot < PCI_SLOTS; slot = pci_next(slot + 1)) {
		if (pci_read16(slot, PCI_VENDOR_ID) != VENDOR ||
		    pci_read16(slot, PCI_DEVICE_ID) != DEVICE_MODERN + id || n-- > 0)
			continue;
		pci_set_command(slot, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
		*v = (struct virtio){ .t = &pci_transport, .bus = "pci", .slot = slot };
		v->gsi = BOARD_INTX_GSI + (slot + pci_read8(slot, PCI_INTERRUPT_PIN) - 1) % 4;
		virtio_locate_pci(v);
		return true;
	}
	return false;
}
