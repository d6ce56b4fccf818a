/* SPDX-License-Identifier: MIT */
#include "tests/vdrv.h"

#include <linux/pci_regs.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vdrv_impl.h"
#include "vmm/util.h"

/* --- one virtqueue --------------------------------------------------------- */

static uint64_t avail_offset(uint16_t size)
{
	return 16ull * size;
}

static uint64_t used_offset(uint16_t size)
{
	return align_up(avail_offset(size) + 6 + 2ull * size, 4);
}

uint64_t vdrv_ring_bytes(uint16_t size)
{
	return used_offset(size) + 6 + 8ull * size;
}

void vdrv_ring_init(struct vdrv_ring *r, const struct gmem *mem, uint16_t size, uint64_t gpa)
{
	uint8_t *p = gmem_ptr(mem, gpa, vdrv_ring_bytes(size));

	must(p && is_pow2(size) && size <= VDRV_MAX_SIZE);
	memset(p, 0, vdrv_ring_bytes(size));
	memset(r, 0, sizeof(*r));
	r->mem = mem;
	r->size = size;
	r->desc_gpa = gpa;
	r->avail_gpa = gpa + avail_offset(size);
	r->used_gpa = gpa + used_offset(size);
	r->desc = (void *)p;
	r->avail = (void *)(p + avail_offset(size));
	r->used = (void *)(p + used_offset(size));
	/* Descriptor 0 is taken first. */
	for (unsigned i = 0; i < size; i++)
		r->free[r->n_free++] = size - 1 - i;
}

void vdrv_set_desc(struct vring_desc *table, unsigned i, uint64_t addr, uint32_t len,
		   uint16_t flags, uint16_t next)
{
	table[i] = (struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

static uint16_t buf_flags(const struct vdrv_buf *buf, bool last)
{
	return (buf->write ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT);
}

void vdrv_set_avail_idx(struct vdrv_ring *r, uint16_t idx)
{
	r->avail_idx = idx;
	__atomic_store_n(&r->avail->idx, idx, __ATOMIC_RELEASE);
}

void vdrv_expose(struct vdrv_ring *r, uint16_t head)
{
	__atomic_store_n(&r->avail->ring[r->avail_idx % r->size], head, __ATOMIC_RELAXED);
	vdrv_set_avail_idx(r, r->avail_idx + 1);
}

int vdrv_add(struct vdrv_ring *r, const struct vdrv_buf *bufs, unsigned n)
{
	uint16_t head, i;

	must(n >= 1);
	if (n > r->n_free)
		return -1;
	if (r->packed)
		return vdrv_packed_add(r, bufs, n);
	head = i = r->free[--r->n_free];
	for (unsigned k = 0; k < n; k++) {
		bool last = k == n - 1;

		r->next[i] = last ? 0 : r->free[--r->n_free];
		vdrv_set_desc(r->desc, i, bufs[k].gpa, bufs[k].len, buf_flags(&bufs[k], last),
			      r->next[i]);
		i = r->next[i];
	}
	r->chain_len[head] = n;
	r->first_gpa[head] = bufs[0].gpa;
	vdrv_expose(r, head);
	return head;
}

int vdrv_add_indirect(struct vdrv_ring *r, uint64_t table_gpa, const struct vdrv_buf *bufs,
		      unsigned n)
{
	struct vring_desc *table = gmem_ptr(r->mem, table_gpa, n * sizeof(*table));
	uint16_t head;

	must(table);
	if (!r->n_free)
		return -1;
	if (r->packed)
		return vdrv_packed_add_indirect(r, table_gpa, bufs, n);
	head = r->free[--r->n_free];
	for (unsigned k = 0; k < n; k++)
		vdrv_set_desc(table, k, bufs[k].gpa, bufs[k].len, buf_flags(&bufs[k], k == n - 1),
			      k + 1);
	vdrv_set_desc(r->desc, head, table_gpa, n * sizeof(*table), VRING_DESC_F_INDIRECT, 0);
	r->chain_len[head] = 1;
	r->first_gpa[head] = bufs[0].gpa;
	vdrv_expose(r, head);
	return head;
}

static void ring_recycle(struct vdrv_ring *r, uint16_t head)
{
	uint16_t n = r->chain_len[head];

	r->chain_len[head] = 0;
	for (uint16_t i = head; n--; i = r->next[i])
		r->free[r->n_free++] = i;
}

bool vdrv_has_used(struct vdrv_ring *r)
{
	if (r->packed)
		return vdrv_packed_has_used(r);
	return __atomic_load_n(&r->used->idx, __ATOMIC_SEQ_CST) != r->used_idx;
}

int vdrv_used(struct vdrv_ring *r, uint32_t *len)
{
	const struct vring_used_elem *e;
	uint32_t head;

	if (r->packed)
		return vdrv_packed_used(r, len);
	if (!vdrv_has_used(r))
		return -1;
	e = &r->used->ring[r->used_idx % r->size];
	head = __atomic_load_n(&e->id, __ATOMIC_RELAXED);
	if (len)
		*len = __atomic_load_n(&e->len, __ATOMIC_RELAXED);
	must(head < r->size);
	r->used_idx++;
	ring_recycle(r, head);
	return head;
}

bool vdrv_wants_kick(struct vdrv_ring *r)
{
	uint16_t *avail_event, old = r->kicked_idx;

	if (r->packed)
		return vdrv_packed_wants_kick(r);
	avail_event = (uint16_t *)&r->used->ring[r->size];
	/* The index must be seen before the device's wish is read. */
	__atomic_store_n(&r->avail->idx, r->avail_idx, __ATOMIC_SEQ_CST);
	r->kicked_idx = r->avail_idx;
	if (r->features & BIT(VIRTIO_RING_F_EVENT_IDX))
		return vring_need_event(__atomic_load_n(avail_event, __ATOMIC_SEQ_CST),
					r->avail_idx, old);
	return !(__atomic_load_n(&r->used->flags, __ATOMIC_SEQ_CST) & VRING_USED_F_NO_NOTIFY);
}

void vdrv_set_used_event(struct vdrv_ring *r, uint16_t n)
{
	if (r->packed) {
		vdrv_packed_set_used_event(r, n);
		return;
	}
	__atomic_store_n(&r->avail->ring[r->size], (uint16_t)(r->used_idx + n), __ATOMIC_SEQ_CST);
}

void vdrv_set_no_interrupt(struct vdrv_ring *r, bool on)
{
	if (r->packed) {
		vdrv_packed_set_no_interrupt(r, on);
		return;
	}
	__atomic_store_n(&r->avail->flags, on ? VRING_AVAIL_F_NO_INTERRUPT : 0, __ATOMIC_SEQ_CST);
}

/* --- registers ------------------------------------------------------------- */

static const struct {
	uint16_t off;
	uint8_t size;
} vdrv_regs[2][VDRV_N_REGS] = {
	[false] = {
		[VDRV_DEVICE_FEATURES_SEL] = { VIRTIO_MMIO_DEVICE_FEATURES_SEL, 4 },
		[VDRV_DEVICE_FEATURES] = { VIRTIO_MMIO_DEVICE_FEATURES, 4 },
		[VDRV_DRIVER_FEATURES_SEL] = { VIRTIO_MMIO_DRIVER_FEATURES_SEL, 4 },
		[VDRV_DRIVER_FEATURES] = { VIRTIO_MMIO_DRIVER_FEATURES, 4 },
		[VDRV_STATUS] = { VIRTIO_MMIO_STATUS, 4 },
		[VDRV_GENERATION] = { VIRTIO_MMIO_CONFIG_GENERATION, 4 },
		[VDRV_QUEUE_SEL] = { VIRTIO_MMIO_QUEUE_SEL, 4 },
		[VDRV_QUEUE_MAX] = { VIRTIO_MMIO_QUEUE_NUM_MAX, 4 },
		[VDRV_QUEUE_SIZE] = { VIRTIO_MMIO_QUEUE_NUM, 4 },
		[VDRV_QUEUE_ENABLE] = { VIRTIO_MMIO_QUEUE_READY, 4 },
		[VDRV_QUEUE_DESC] = { VIRTIO_MMIO_QUEUE_DESC_LOW, 4 },
		[VDRV_QUEUE_AVAIL] = { VIRTIO_MMIO_QUEUE_AVAIL_LOW, 4 },
		[VDRV_QUEUE_USED] = { VIRTIO_MMIO_QUEUE_USED_LOW, 4 },
	},
	[true] = {
		[VDRV_DEVICE_FEATURES_SEL] = { VIRTIO_PCI_COMMON_DFSELECT, 4 },
		[VDRV_DEVICE_FEATURES] = { VIRTIO_PCI_COMMON_DF, 4 },
		[VDRV_DRIVER_FEATURES_SEL] = { VIRTIO_PCI_COMMON_GFSELECT, 4 },
		[VDRV_DRIVER_FEATURES] = { VIRTIO_PCI_COMMON_GF, 4 },
		[VDRV_STATUS] = { VIRTIO_PCI_COMMON_STATUS, 1 },
		[VDRV_GENERATION] = { VIRTIO_PCI_COMMON_CFGGENERATION, 1 },
		[VDRV_QUEUE_SEL] = { VIRTIO_PCI_COMMON_Q_SELECT, 2 },
		[VDRV_QUEUE_MAX] = { VIRTIO_PCI_COMMON_Q_SIZE, 2 },
		[VDRV_QUEUE_SIZE] = { VIRTIO_PCI_COMMON_Q_SIZE, 2 },
		[VDRV_QUEUE_ENABLE] = { VIRTIO_PCI_COMMON_Q_ENABLE, 2 },
		[VDRV_QUEUE_DESC] = { VIRTIO_PCI_COMMON_Q_DESCLO, 4 },
		[VDRV_QUEUE_AVAIL] = { VIRTIO_PCI_COMMON_Q_AVAILLO, 4 },
		[VDRV_QUEUE_USED] = { VIRTIO_PCI_COMMON_Q_USEDLO, 4 },
	},
};

static uint64_t vdrv_bus_read(struct vdrv *d, uint64_t addr, unsigned size)
{
	uint64_t value;

	bus_read(d->bus, addr, size, &value);
	return value;
}

uint32_t vdrv_get(struct vdrv *d, enum vdrv_reg reg)
{
	return vdrv_bus_read(d, d->regs + vdrv_regs[d->is_pci][reg].off,
			     vdrv_regs[d->is_pci][reg].size);
}

void vdrv_set(struct vdrv *d, enum vdrv_reg reg, uint32_t value)
{
	bus_write(d->bus, d->regs + vdrv_regs[d->is_pci][reg].off, vdrv_regs[d->is_pci][reg].size,
		  value);
}

void vdrv_set_addr(struct vdrv *d, enum vdrv_reg reg, uint64_t gpa)
{
	uint64_t addr = d->regs + vdrv_regs[d->is_pci][reg].off;

	bus_write(d->bus, addr, 4, (uint32_t)gpa);
	bus_write(d->bus, addr + 4, 4, gpa >> 32);
}

uint64_t vdrv_raw_read(struct vdrv *d, uint64_t off, unsigned size)
{
	return vdrv_bus_read(d, (d->is_pci ? d->bar : d->regs) + off, size);
}

void vdrv_raw_write(struct vdrv *d, uint64_t off, unsigned size, uint64_t value)
{
	bus_write(d->bus, (d->is_pci ? d->bar : d->regs) + off, size, value);
}

uint64_t vdrv_config_read(struct vdrv *d, uint64_t off, unsigned size)
{
	must(d->config);
	return vdrv_bus_read(d, d->config + off, size);
}

void vdrv_config_write(struct vdrv *d, uint64_t off, unsigned size, uint64_t value)
{
	must(d->config);
	bus_write(d->bus, d->config + off, size, value);
}

/* --- finding a device ------------------------------------------------------ */

static uint64_t doorbell(struct vdrv *d)
{
	uint64_t off;

	if (!d->is_pci)
		return d->regs + VIRTIO_MMIO_QUEUE_NOTIFY;
	off = vdrv_bus_read(d, d->regs + VIRTIO_PCI_COMMON_Q_NOFF, 2);
	return d->notify + off * d->notify_multiplier;
}

/* Queues that have a size, from 0 on. */
static void find_queues(struct vdrv *d)
{
	for (d->n_queues = 0; d->n_queues < VIRTIO_MAX_QUEUES; d->n_queues++) {
		vdrv_set(d, VDRV_QUEUE_SEL, d->n_queues);
		if (!vdrv_get(d, VDRV_QUEUE_MAX))
			break;
		d->doorbells[d->n_queues] = doorbell(d);
	}
	vdrv_set(d, VDRV_QUEUE_SEL, 0);
}

static void vdrv_init(struct vdrv *d, struct bus *bus, const struct gmem *mem, uint64_t heap)
{
	memset(d, 0, sizeof(*d));
	d->bus = bus;
	d->mem = mem;
	d->heap = d->heap_start = heap;
}

void vdrv_init_mmio(struct vdrv *d, struct bus *bus, const struct gmem *mem, uint64_t heap,
		    uint64_t gpa)
{
	vdrv_init(d, bus, mem, heap);
	d->regs = gpa;
	d->config = gpa + VIRTIO_MMIO_CONFIG;
	d->config_len = 0x100;
	must(vdrv_raw_read(d, VIRTIO_MMIO_MAGIC_VALUE, 4) == 0x74726976);
	must(vdrv_raw_read(d, VIRTIO_MMIO_VERSION, 4) == 2);
	find_queues(d);
}

uint32_t vdrv_pci_read(struct vdrv *d, unsigned off, unsigned size)
{
	return vdrv_bus_read(d, d->pci_config + off, size);
}

void vdrv_pci_write(struct vdrv *d, unsigned off, unsigned size, uint32_t value)
{
	bus_write(d->bus, d->pci_config + off, size, value);
}

static uint64_t pci_bar_addr(struct vdrv *d, unsigned bar)
{
	unsigned off = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint64_t low = vdrv_pci_read(d, off, 4);

	must(bar < 6 && !(low & PCI_BASE_ADDRESS_SPACE_IO));
	if (low & PCI_BASE_ADDRESS_MEM_TYPE_64)
		low |= (uint64_t)vdrv_pci_read(d, off + 4, 4) << 32;
	return low & ~15ull;
}

/* A structure's capability (4.1.4). */
static void pci_found_structure(struct vdrv *d, unsigned cap)
{
	uint64_t bar = pci_bar_addr(d, vdrv_pci_read(d, cap + VIRTIO_PCI_CAP_BAR, 1));
	uint64_t addr = bar + vdrv_pci_read(d, cap + VIRTIO_PCI_CAP_OFFSET, 4);

	switch (vdrv_pci_read(d, cap + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		d->regs = addr;
		d->bar = bar;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		d->notify = addr;
		d->notify_multiplier = vdrv_pci_read(d, cap + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		d->isr = addr;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		d->config = addr;
		d->config_len = vdrv_pci_read(d, cap + VIRTIO_PCI_CAP_LENGTH, 4);
		break;
	case VIRTIO_PCI_CAP_PCI_CFG:
		d->cfg_cap = cap;
		break;
	}
}

static void pci_found_msix(struct vdrv *d, unsigned cap)
{
	uint32_t table = vdrv_pci_read(d, cap + PCI_MSIX_TABLE, 4);

	d->msix_cap = cap;
	d->msix_table = pci_bar_addr(d, table & PCI_MSIX_TABLE_BIR);
	d->msix_table += table & PCI_MSIX_TABLE_OFFSET;
	d->n_vectors = (vdrv_pci_read(d, cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
}

void vdrv_init_pci(struct vdrv *d, struct bus *bus, const struct gmem *mem, uint64_t heap,
		   uint64_t ecam, unsigned slot)
{
	unsigned cap, left = 48;

	vdrv_init(d, bus, mem, heap);
	d->is_pci = true;
	d->pci_config = ecam + ((uint64_t)slot << 15);
	must(vdrv_pci_read(d, PCI_VENDOR_ID, 2) == 0x1af4);
	must(vdrv_pci_read(d, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	vdrv_pci_write(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	for (cap = vdrv_pci_read(d, PCI_CAPABILITY_LIST, 1); cap && left--;
	     cap = vdrv_pci_read(d, cap + PCI_CAP_LIST_NEXT, 1)) {
		uint8_t id = vdrv_pci_read(d, cap + PCI_CAP_LIST_ID, 1);

		if (id == PCI_CAP_ID_VNDR)
			pci_found_structure(d, cap);
		else if (id == PCI_CAP_ID_MSIX)
			pci_found_msix(d, cap);
	}
	must(d->regs && d->notify && d->isr && d->cfg_cap);
	find_queues(d);
}

void vdrv_msix_enable(struct vdrv *d)
{
	must(d->msix_cap);
	for (unsigned i = 0; i < d->n_vectors; i++) {
		uint64_t entry = d->msix_table + 16 * i;

		bus_write(d->bus, entry + PCI_MSIX_ENTRY_LOWER_ADDR, 4, 0xfee00000 + (i << 12));
		bus_write(d->bus, entry + PCI_MSIX_ENTRY_UPPER_ADDR, 4, 0);
		bus_write(d->bus, entry + PCI_MSIX_ENTRY_DATA, 4, 0x40 + i);
		bus_write(d->bus, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, 0);
	}
	vdrv_pci_write(d, d->msix_cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	d->msix = true;
}

static void window_aim(struct vdrv *d, uint32_t off, unsigned size)
{
	vdrv_pci_write(d, d->cfg_cap + VIRTIO_PCI_CAP_BAR, 1, 0);
	vdrv_pci_write(d, d->cfg_cap + VIRTIO_PCI_CAP_OFFSET, 4, off);
	vdrv_pci_write(d, d->cfg_cap + VIRTIO_PCI_CAP_LENGTH, 4, size);
}

uint32_t vdrv_window_read(struct vdrv *d, uint32_t off, unsigned size)
{
	window_aim(d, off, size);
	return vdrv_pci_read(d, d->cfg_cap + sizeof(struct virtio_pci_cap), size);
}

void vdrv_window_write(struct vdrv *d, uint32_t off, unsigned size, uint32_t value)
{
	window_aim(d, off, size);
	vdrv_pci_write(d, d->cfg_cap + sizeof(struct virtio_pci_cap), size, value);
}

/* --- memory ---------------------------------------------------------------- */

uint64_t vdrv_alloc(struct vdrv *d, uint64_t len, uint64_t align)
{
	uint64_t gpa = align_up(d->heap, align);

	memset(vdrv_ptr(d, gpa, len), 0, len);
	d->heap = gpa + len;
	return gpa;
}

void vdrv_free_all(struct vdrv *d)
{
	d->heap = d->heap_start;
}

void *vdrv_ptr(struct vdrv *d, uint64_t gpa, uint64_t len)
{
	void *p = gmem_ptr(d->mem, gpa, len);

	must(p);
	return p;
}

/* --- a driver's ways (3.1.1) ----------------------------------------------- */

uint64_t vdrv_device_features(struct vdrv *d)
{
	uint64_t low;

	vdrv_set(d, VDRV_DEVICE_FEATURES_SEL, 0);
	low = vdrv_get(d, VDRV_DEVICE_FEATURES);
	vdrv_set(d, VDRV_DEVICE_FEATURES_SEL, 1);
	return low | (uint64_t)vdrv_get(d, VDRV_DEVICE_FEATURES) << 32;
}

void vdrv_set_features(struct vdrv *d, uint64_t features)
{
	d->features = features;
	vdrv_set(d, VDRV_DRIVER_FEATURES_SEL, 0);
	vdrv_set(d, VDRV_DRIVER_FEATURES, features);
	vdrv_set(d, VDRV_DRIVER_FEATURES_SEL, 1);
	vdrv_set(d, VDRV_DRIVER_FEATURES, features >> 32);
}

void vdrv_reset(struct vdrv *d)
{
	vdrv_set(d, VDRV_STATUS, 0);
	must(vdrv_get(d, VDRV_STATUS) == 0);
}

uint8_t vdrv_negotiate(struct vdrv *d, uint64_t features)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE;

	vdrv_reset(d);
	vdrv_set(d, VDRV_STATUS, status);
	status |= VIRTIO_CONFIG_S_DRIVER;
	vdrv_set(d, VDRV_STATUS, status);
	vdrv_set_features(d, features);
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	vdrv_set(d, VDRV_STATUS, status);
	return vdrv_get(d, VDRV_STATUS);
}

static void pci_set_vector(struct vdrv *d, unsigned reg, unsigned vector)
{
	if (vector >= d->n_vectors)
		vector = d->n_vectors - 1;
	bus_write(d->bus, d->regs + reg, 2, vector);
	must(vdrv_bus_read(d, d->regs + reg, 2) == vector);
}

bool vdrv_enable_ring(struct vdrv *d, unsigned q)
{
	struct vdrv_ring *r = &d->rings[q];

	vdrv_set(d, VDRV_QUEUE_SEL, q);
	vdrv_set(d, VDRV_QUEUE_SIZE, r->size);
	vdrv_set_addr(d, VDRV_QUEUE_DESC, r->desc_gpa);
	vdrv_set_addr(d, VDRV_QUEUE_AVAIL, r->avail_gpa);
	vdrv_set_addr(d, VDRV_QUEUE_USED, r->used_gpa);
	if (d->msix)
		pci_set_vector(d, VIRTIO_PCI_COMMON_Q_MSIX, q + 1);
	vdrv_set(d, VDRV_QUEUE_ENABLE, 1);
	return vdrv_get(d, VDRV_QUEUE_ENABLE);
}

struct vdrv_ring *vdrv_setup_queue(struct vdrv *d, unsigned q, uint16_t size)
{
	struct vdrv_ring *r = &d->rings[q];
	uint64_t gpa;

	vdrv_set(d, VDRV_QUEUE_SEL, q);
	if (!size)
		size = vdrv_get(d, VDRV_QUEUE_MAX);
	gpa = vdrv_alloc(d, vdrv_ring_bytes(size), 16);
	if (d->features & BIT(VIRTIO_F_RING_PACKED))
		vdrv_packed_init(r, d->mem, size, gpa, d->features);
	else
		vdrv_ring_init(r, d->mem, size, gpa);
	r->features = d->features;
	must(vdrv_enable_ring(d, q));
	return r;
}

void vdrv_start(struct vdrv *d, uint64_t features)
{
	uint8_t status;

	vdrv_free_all(d);
	status = vdrv_negotiate(d, features | d->always | BIT(VIRTIO_F_VERSION_1));
	must(status & VIRTIO_CONFIG_S_FEATURES_OK);
	if (d->msix)
		pci_set_vector(d, VIRTIO_PCI_COMMON_MSIX, 0);
	for (unsigned q = 0; q < d->n_queues; q++)
		vdrv_setup_queue(d, q, 0);
	vdrv_set(d, VDRV_STATUS, status | VIRTIO_CONFIG_S_DRIVER_OK);
	/* It may need a reset already, if a test has its rings scribbled on. */
	must(vdrv_get(d, VDRV_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK);
}

void vdrv_kick(struct vdrv *d, unsigned q)
{
	bus_write(d->bus, d->doorbells[q], d->is_pci ? 2 : 4, q);
}

/* --- shared memory --------------------------------------------------------- */

static uint64_t pci_cap64(struct vdrv *d, unsigned cap, unsigned low, unsigned high)
{
	return vdrv_pci_read(d, cap + low, 4) | (uint64_t)vdrv_pci_read(d, cap + high, 4) << 32;
}

static bool pci_is_shm(struct vdrv *d, unsigned cap, uint8_t id)
{
	return vdrv_pci_read(d, cap + PCI_CAP_LIST_ID, 1) == PCI_CAP_ID_VNDR &&
	       vdrv_pci_read(d, cap + VIRTIO_PCI_CAP_CFG_TYPE, 1) ==
	       VIRTIO_PCI_CAP_SHARED_MEMORY_CFG &&
	       vdrv_pci_read(d, cap + offsetof(struct virtio_pci_cap, id), 1) == id;
}

static bool pci_find_shm(struct vdrv *d, uint8_t id, uint64_t *gpa, uint64_t *len)
{
	unsigned cap = vdrv_pci_read(d, PCI_CAPABILITY_LIST, 1), left = 48;

	while (cap && left-- && !pci_is_shm(d, cap, id))
		cap = vdrv_pci_read(d, cap + PCI_CAP_LIST_NEXT, 1);
	if (!cap)
		return false;
	*gpa = pci_bar_addr(d, vdrv_pci_read(d, cap + VIRTIO_PCI_CAP_BAR, 1)) +
	       pci_cap64(d, cap, offsetof(struct virtio_pci_cap64, cap.offset),
			 offsetof(struct virtio_pci_cap64, offset_hi));
	*len = pci_cap64(d, cap, offsetof(struct virtio_pci_cap64, cap.length),
			 offsetof(struct virtio_pci_cap64, length_hi));
	return true;
}

static uint64_t mmio_reg64(struct vdrv *d, unsigned off)
{
	return vdrv_raw_read(d, off, 4) | vdrv_raw_read(d, off + 4, 4) << 32;
}

bool vdrv_find_shm(struct vdrv *d, uint8_t id, uint64_t *gpa, uint64_t *len)
{
	if (d->is_pci)
		return pci_find_shm(d, id, gpa, len);
	vdrv_raw_write(d, VIRTIO_MMIO_SHM_SEL, 4, id);
	*len = mmio_reg64(d, VIRTIO_MMIO_SHM_LEN_LOW);
	*gpa = mmio_reg64(d, VIRTIO_MMIO_SHM_BASE_LOW);
	return *len != UINT64_MAX;
}
