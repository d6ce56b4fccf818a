/* SPDX-License-Identifier: MIT */
/*
 * Every register of a transport, and the bytes between and behind them, read
 * and written at every width and alignment while the device is in use (cases
 * 14, 24, 32); device configuration past its end; and over PCI the window in
 * configuration space with every bad pointer (35). A reset mends it all.
 *
 * ALSO ON: arm64
 * RUN: --rng on,bus=mmio
 * RUN: --rng on,bus=pci
 */
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>

#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/pci.h"
#include "lib/report.h"
#include "lib/rng.h"

static void read_all(uint64_t gpa, unsigned len)
{
	for (uint64_t end = gpa + len; gpa < end; gpa++) {
		read8(gpa);
		read16(gpa);
		read32(gpa);
		read64(gpa);
	}
}

static void write_all(uint64_t gpa, unsigned len, uint64_t value)
{
	for (uint64_t end = gpa + len; gpa < end; gpa++) {
		write8(gpa, value);
		write16(gpa, value);
		write32(gpa, value);
		write64(gpa, value);
	}
}

static void abuse(struct virtq *q, uint64_t gpa, unsigned len)
{
	rng_start(q, RNG_FEATURES);
	read_all(gpa, len);
	rng_check_works(q);
	write_all(gpa, len, ~0ull);
	write_all(gpa, len, 0);
	write_all(gpa, len, 0x0f0f0f0f0f0f0f0f);
	rng_start(q, RNG_FEATURES);
	rng_check_works(q);
}

/* Case 24: this device has no configuration of its own, so all of it is past the end. */
static void test_config(struct virtio *v, unsigned room)
{
	for (unsigned off = 0; off < room; off += 4) {
		write32(v->config + off, 0x12345678);
		CHECK_EQ(read32(v->config + off), 0);
	}
}

static void test_mmio(struct virtq *q)
{
	const unsigned config = VIRTIO_MMIO_CONFIG;

	abuse(q, q->v->regs, config + 16);
	test_config(q->v, 0x200 - config);
	CHECK_EQ(read64(q->v->regs + 0x200 - 4), UINT64_MAX);
	rng_check_works(q);
}

/* A window of @len bytes at @off of BAR @bar; its data is used. */
static void use_window(unsigned slot, unsigned cap, uint8_t bar, uint32_t off, uint32_t len)
{
	unsigned data = cap + sizeof(struct virtio_pci_cap);

	pci_write8(slot, cap + VIRTIO_PCI_CAP_BAR, bar);
	pci_write32(slot, cap + VIRTIO_PCI_CAP_OFFSET, off);
	pci_write32(slot, cap + VIRTIO_PCI_CAP_LENGTH, len);
	pci_read32(slot, data);
	pci_read8(slot, data + 3);
	pci_write32(slot, data, 0);
	pci_write16(slot, data + 2, 0xffff);
}

static unsigned find_window(unsigned slot)
{
	unsigned cap;

	for (unsigned n = 0; (cap = pci_capability(slot, PCI_CAP_ID_VNDR, n)); n++) {
		if (pci_read8(slot, cap + VIRTIO_PCI_CAP_CFG_TYPE) == VIRTIO_PCI_CAP_PCI_CFG)
			return cap;
	}
	FAIL("no PCI configuration access capability");
}

/* Case 35; then the window does what it is for (4.1.4.9). */
static void test_window(struct virtq *q)
{
	static const uint32_t lengths[] = { 0, 1, 2, 3, 4, 5, 8, 1u << 31, ~0u };
	static const uint32_t offsets[] = { 1, 0x7ffe, 0x8000, 0x7fffffff, ~0u - 3, ~0u };
	static const uint8_t bars[] = { 0, 1, 5, 6, 7, 255 };
	unsigned slot = q->v->slot, cap = find_window(slot);
	unsigned common = q->v->regs & 0xfff;

	for (unsigned b = 0; b < ARRAY_SIZE(bars); b++) {
		for (unsigned o = 0; o < ARRAY_SIZE(offsets); o++) {
			for (unsigned n = 0; n < ARRAY_SIZE(lengths); n++)
				use_window(slot, cap, bars[b], offsets[o], lengths[n]);
		}
	}
	rng_start(q, RNG_FEATURES);
	rng_check_works(q);
	pci_write8(slot, cap + VIRTIO_PCI_CAP_BAR, 0);
	pci_write32(slot, cap + VIRTIO_PCI_CAP_OFFSET, common + VIRTIO_PCI_COMMON_STATUS);
	pci_write32(slot, cap + VIRTIO_PCI_CAP_LENGTH, 1);
	CHECK_EQ(pci_read8(slot, cap + sizeof(struct virtio_pci_cap)), q->v->t->status(q->v));
	pci_write8(slot, cap + sizeof(struct virtio_pci_cap), 0);
	WAIT_FOR(q->v->t->status(q->v) == 0);
}

static void test_pci(struct virtq *q)
{
	struct pci_msix msix;

	CHECK(pci_msix_find(q->v->slot, &msix));
	abuse(q, q->v->regs, sizeof(struct virtio_pci_common_cfg) + 16);
	abuse(q, q->v->isr_gpa, 16);
	abuse(q, q->v->notify_gpa, 64);
	abuse(q, msix.table, msix.n * PCI_MSIX_ENTRY_SIZE + 16);
	abuse(q, msix.pba, 16);
	test_window(q);
}

int payload(void)
{
	struct virtio v;
	struct virtq q;

	virtio_find(&v, VIRTIO_ID_RNG);
	virtq_alloc(&q, &v, 0);
	if (v.slot)
		test_pci(&q);
	else
		test_mmio(&q);
	return PAYLOAD_GOOD;
}
