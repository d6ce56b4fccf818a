/* SPDX-License-Identifier: MIT */
/*
 * A BAR in use moves: to free places, where the device works on; over RAM,
 * which wins and is left alone (case 28); over other devices, the interrupt
 * controllers, ECAM and the ends of the address space (case 29); and back
 * each time.
 *
 * RUN: --rng on,bus=pci --console file:/dev/null,bus=pci
 */
#include "arch/x86/layout.h"
#include "devices/testdev_regs.h"
#include "lib/apic.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/pci.h"
#include "lib/report.h"
#include "lib/rng.h"

struct mover {
	struct virtq q;
	struct virtio v;
	unsigned index;		/* of the BAR */
	struct pci_bar home;
};

static void find_bar(struct mover *m)
{
	unsigned cap = pci_capability(m->v.slot, PCI_CAP_ID_MSIX, 0);

	CHECK(cap);
	m->index = pci_read32(m->v.slot, cap + PCI_MSIX_TABLE) & PCI_MSIX_TABLE_BIR;
	m->home = pci_bar_get(m->v.slot, m->index);
}

/* With decode on all the while, as an unkind guest does it. */
static void move(struct mover *m, uint64_t addr)
{
	CHECK(!(addr & (m->home.size - 1)));
	pci_bar_set(m->v.slot, m->index, addr);
	CHECK_EQ(pci_read32(m->v.slot, PCI_BASE_ADDRESS_0 + 4 * m->index) & ~15u, (uint32_t)addr);
}

static void move_back(struct mover *m)
{
	move(m, m->home.addr);
	rng_check_works(&m->q);
}

/* Registers and doorbell answer at the new place and no longer at the old. */
static void test_free_place(struct mover *m, uint64_t addr)
{
	mem_map(addr, m->home.size);
	CHECK_EQ(read32(addr), 0xffffffff);
	move(m, addr);
	virtio_locate_pci(&m->v);
	rng_check_works(&m->q);
	CHECK_EQ(read32(m->home.addr), 0xffffffff);
	move(m, m->home.addr);
	virtio_locate_pci(&m->v);
	rng_check_works(&m->q);
	CHECK_EQ(read32(addr), 0xffffffff);
}

/* Case 28. */
static void test_over_ram(struct mover *m)
{
	uint64_t size = m->home.size;
	volatile uint32_t *ram = mem_alloc(size, size);

	for (unsigned n = 0; n < size / 4; n++)
		ram[n] = 0x5eed0000 + n;
	move(m, gpa_of(ram));
	for (unsigned n = 0; n < size / 4; n++)
		CHECK_EQ(ram[n], 0x5eed0000 + n);
	ram[1] = 0;
	ram[5] = 0xffffffff;
	CHECK_EQ(ram[1], 0);
	move_back(m);
	for (unsigned n = 0; n < size / 4; n++)
		CHECK_EQ(ram[n], n == 1 ? 0 : n == 5 ? 0xffffffff : 0x5eed0000 + n);
	/* Over its own rings, and this code. */
	move(m, gpa_of(m->q.desc) & -size);
	move_back(m);
	move(m, X86_KERNEL_MIN_GPA & -size);
	move_back(m);
	move(m, 0);
	move_back(m);
}

/* Each goes to where the other is: what was hidden by then comes to light. */
static void test_swap(struct mover *m, struct mover *other)
{
	CHECK_EQ(m->home.size, other->home.size);
	move(m, other->home.addr);
	move(other, m->home.addr);
	virtio_locate_pci(&m->v);
	virtio_locate_pci(&other->v);
	rng_check_works(&m->q);
	virtio_negotiate(&other->v, BIT(VIRTIO_F_VERSION_1));
	virtio_reset(&other->v);
	move(other, other->home.addr);
	move(m, m->home.addr);
	virtio_locate_pci(&m->v);
	virtio_locate_pci(&other->v);
	rng_check_works(&m->q);
	CHECK_EQ(other->v.t->status(&other->v), 0);
}

/* Two BARs at one place: one answers, no matter which, and both recover. */
static void test_over_bar(struct mover *m)
{
	struct mover other;

	if (!virtio_find_pci(&other.v, VIRTIO_ID_CONSOLE, 0))
		FAIL("no console device");
	find_bar(&other);
	virtio_reset(&other.v);
	move(m, other.home.addr & -m->home.size);
	CHECK(other.v.t->status(&other.v) != 0xff);
	other.v.t->notify(&other.v, 0);
	move_back(m);
	virtio_negotiate(&other.v, BIT(VIRTIO_F_VERSION_1));
	virtio_reset(&other.v);
	move(&other, m->home.addr & -other.home.size);
	CHECK(m->v.t->status(&m->v) != 0xff);
	move(&other, other.home.addr);
	rng_check_works(&m->q);
	CHECK_EQ(other.v.t->status(&other.v), 0);
	test_swap(m, &other);
}

/* The platform's own devices keep answering (case 29). */
static void test_over_platform(struct mover *m)
{
	uint64_t mask = -m->home.size;
	uint32_t bridge = pci_read32(0, 0), pin = ioapic_read(0x10);
	unsigned id = lapic_id();

	move(m, X86_ECAM_GPA);
	CHECK_EQ(pci_read32(0, 0), bridge);
	move_back(m);
	move(m, X86_IOAPIC_GPA & mask);
	CHECK_EQ(ioapic_read(0x10), pin);
	move_back(m);
	move(m, X86_LAPIC_GPA & mask);
	CHECK_EQ(lapic_id(), id);
	move_back(m);
	move(m, X86_TESTDEV_GPA & mask);
	CHECK_EQ(read32(X86_TESTDEV_GPA + TESTDEV_ID), TESTDEV_MAGIC);
	move_back(m);
	move(m, X86_VIRTIO_MMIO_GPA & mask);
	move_back(m);
	move(m, X86_TSS_GPA & mask);
	move_back(m);
}

static void test_ends_of_space(struct mover *m)
{
	uint64_t mask = -m->home.size;

	move(m, 0xffffffff & mask);
	move_back(m);
	move(m, mask);			/* ends at 2^64 */
	move_back(m);
	move(m, 0x8000000000000000);
	move_back(m);
	move(m, 0x000ffffffff00000 & mask);
	move_back(m);
	move(m, 0xffffffff00000000);	/* the upper half, while it is being sized */
	move_back(m);
}

int payload(void)
{
	struct mover m;

	if (!virtio_find_pci(&m.v, VIRTIO_ID_RNG, 0))
		FAIL("no entropy device");
	find_bar(&m);
	CHECK(m.home.wide);
	lapic_enable();
	virtq_alloc(&m.q, &m.v, 0);
	rng_start(&m.q, RNG_FEATURES);
	rng_check_works(&m.q);
	test_free_place(&m, X86_PCI_MEM32_BASE + X86_PCI_MEM32_SIZE - m.home.size);
	test_free_place(&m, m.home.addr + (1ull << 30));
	test_over_ram(&m);
	test_over_bar(&m);
	test_over_platform(&m);
	test_ends_of_space(&m);
	return PAYLOAD_GOOD;
}
