/* SPDX-License-Identifier: MIT */
/*
 * MSI-X of virtio-pci: the queue's message arrives in the local APIC; masked,
 * by vector or for the function, it waits in the pending bits and comes on
 * unmasking; table and pending bits take no odd accesses (cases 32, 33); a
 * vector that does not exist is refused (35); garbage is harmless (34).
 *
 * RUN: --rng on,bus=pci
 */
#include <linux/virtio_pci.h>

#include "lib/apic.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/pci.h"
#include "lib/report.h"
#include "lib/rng.h"

#define ENTRY 1			/* of the queue */
#define STORM 2000

static uint16_t set_queue_vector(struct virtio *v, uint16_t entry)
{
	v->t->select_queue(v, 0);
	write16(v->regs + VIRTIO_PCI_COMMON_Q_MSIX, entry);
	return read16(v->regs + VIRTIO_PCI_COMMON_Q_MSIX);
}

static unsigned new_message(struct pci_msix *msix, unsigned entry)
{
	unsigned vector = apic_new_vector();

	pci_msix_set(msix, entry, msi_address(lapic_id()), vector);
	CHECK(!lapic_requested(vector));
	return vector;
}

static void start(struct virtq *q)
{
	virtio_negotiate(q->v, RNG_FEATURES);
	virtq_enable(q);
	CHECK_EQ(set_queue_vector(q->v, ENTRY), ENTRY);
	virtio_driver_ok(q->v);
}

static void test_delivery(struct virtq *q, struct pci_msix *msix)
{
	unsigned vector;

	pci_msix_enable(msix, true, false);
	for (unsigned n = 0; n < 3; n++) {
		vector = new_message(msix, ENTRY);
		pci_msix_mask(msix, ENTRY, false);
		rng_check_works(q);
		WAIT_FOR(lapic_requested(vector));
	}
	/* With MSI-X on there is no INTx and so nothing in the ISR (4.1.4.5.1). */
	CHECK_EQ(q->v->t->isr(q->v), 0);
}

/* 6.8.2.9, 6.8.3.4 of PCI local bus 3.0. */
static void test_masks(struct virtq *q, struct pci_msix *msix)
{
	unsigned vector = new_message(msix, ENTRY);

	pci_msix_mask(msix, ENTRY, true);
	rng_check_works(q);
	WAIT_FOR(pci_msix_pending(msix, ENTRY));
	CHECK(!lapic_requested(vector));
	pci_msix_mask(msix, ENTRY, false);
	WAIT_FOR(lapic_requested(vector));
	CHECK(!pci_msix_pending(msix, ENTRY));

	vector = new_message(msix, ENTRY);
	pci_msix_enable(msix, true, true);
	rng_check_works(q);
	WAIT_FOR(pci_msix_pending(msix, ENTRY));
	CHECK(!lapic_requested(vector));
	pci_msix_enable(msix, true, false);
	WAIT_FOR(lapic_requested(vector));
	CHECK(!pci_msix_pending(msix, ENTRY));
}

/* A message that changes while it is pending goes out as it is then. */
static void test_changed_while_pending(struct virtq *q, struct pci_msix *msix)
{
	unsigned old = new_message(msix, ENTRY), vector;

	pci_msix_mask(msix, ENTRY, true);
	rng_check_works(q);
	WAIT_FOR(pci_msix_pending(msix, ENTRY));
	vector = new_message(msix, ENTRY);
	pci_msix_mask(msix, ENTRY, false);
	WAIT_FOR(lapic_requested(vector));
	CHECK(!lapic_requested(old));
}

/* Cases 32 and 33. */
static void test_odd_accesses(struct pci_msix *msix)
{
	uint64_t entry = msix->table + ENTRY * PCI_MSIX_ENTRY_SIZE;
	uint64_t end = msix->table + msix->n * PCI_MSIX_ENTRY_SIZE;
	uint32_t data = read32(entry + PCI_MSIX_ENTRY_DATA);

	write8(entry + PCI_MSIX_ENTRY_DATA, 1);
	write16(entry + PCI_MSIX_ENTRY_DATA, 2);
	write32(entry + PCI_MSIX_ENTRY_DATA - 1, 3);
	write32(entry + PCI_MSIX_ENTRY_DATA + 2, 4);
	write64(entry + PCI_MSIX_ENTRY_DATA + 4, 0);
	CHECK_EQ(read32(entry + PCI_MSIX_ENTRY_DATA), data);
	CHECK_EQ(read64(entry), msi_address(lapic_id()));
	write32(end, 0xffffffff);
	write64(end - 4, 0);
	write64(end, ~0ull);
	read32(end);
	read64(end - 4);
	read8(entry);
	write64(msix->pba, ~0ull);
	write8(msix->pba, 0xff);
	CHECK_EQ(read64(msix->pba), 0);
	read8(msix->pba);
	read16(msix->pba + 1);
	read32(msix->pba + 2);
}

/* Case 35: the register reads back that there is none. */
static void test_bad_vectors(struct virtio *v, struct pci_msix *msix)
{
	CHECK_EQ(set_queue_vector(v, msix->n), VIRTIO_NO_VECTOR);
	CHECK_EQ(set_queue_vector(v, 0xfffe), VIRTIO_NO_VECTOR);
	CHECK_EQ(set_queue_vector(v, msix->n - 1), msix->n - 1);
	CHECK_EQ(set_queue_vector(v, VIRTIO_NO_VECTOR), VIRTIO_NO_VECTOR);
	write16(v->regs + VIRTIO_PCI_COMMON_MSIX, msix->n);
	CHECK_EQ(read16(v->regs + VIRTIO_PCI_COMMON_MSIX), VIRTIO_NO_VECTOR);
	write16(v->regs + VIRTIO_PCI_COMMON_MSIX, 0);
	CHECK_EQ(read16(v->regs + VIRTIO_PCI_COMMON_MSIX), 0);
	CHECK_EQ(set_queue_vector(v, ENTRY), ENTRY);
}

/* Case 34. */
static void test_garbage(struct virtq *q, struct pci_msix *msix)
{
	static const uint64_t addresses[] = { 0, 0x1000, 0xdeadbeefdeadbeec, ~3ull, 0xfee00000 };
	unsigned vector;

	pci_msix_mask(msix, ENTRY, false);
	for (unsigned n = 0; n < ARRAY_SIZE(addresses); n++) {
		pci_msix_set(msix, ENTRY, addresses[n], 0xffffff00);
		rng_check_works(q);
	}
	for (unsigned n = 0; n < STORM; n++)
		pci_msix_mask(msix, ENTRY, !(n & 1));
	vector = new_message(msix, ENTRY);
	rng_check_works(q);
	WAIT_FOR(lapic_requested(vector));
}

int payload(void)
{
	struct virtio v;
	struct virtq q;
	struct pci_msix msix;

	if (!virtio_find_pci(&v, VIRTIO_ID_RNG, 0))
		FAIL("no entropy device");
	CHECK(pci_msix_find(v.slot, &msix));
	CHECK(msix.n > ENTRY);
	lapic_enable();
	virtq_alloc(&q, &v, 0);
	start(&q);
	test_delivery(&q, &msix);
	test_masks(&q, &msix);
	test_changed_while_pending(&q, &msix);
	test_odd_accesses(&msix);
	test_bad_vectors(&v, &msix);
	test_garbage(&q, &msix);
	return PAYLOAD_GOOD;
}
