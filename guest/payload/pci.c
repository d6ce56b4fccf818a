/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space: ports and ECAM tell the same, absent functions read
 * all ones, odd accesses are harmless (case 36), read-only registers are (26),
 * BARs can be sized in every way (27) and decode can be switched.
 *
 * ALSO ON: arm64
 * RUN: --rng on,bus=pci
 */
#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/pci.h"
#include "lib/report.h"
#include "lib/rng.h"

#define TOGGLES 200

static unsigned test_enumeration(void)
{
	unsigned found = 0;

	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		for (unsigned fn = 0; fn < PCI_FUNCTIONS; fn++) {
			uint32_t id = read32(pci_ecam(slot, fn, 0));

			CHECK_EQ(pci_port_read(slot, fn, 0, 4), id);
			if (id != 0xffffffff)
				found++;
			else
				CHECK_EQ(read8(pci_ecam(slot, fn, PCI_HEADER_TYPE)), 0xff);
		}
	}
	CHECK_EQ(pci_read16(0, PCI_CLASS_DEVICE), 0x0600);	/* host bridge */
	CHECK(found >= 2);
	return found;
}

static void test_ways_agree(unsigned slot)
{
	for (unsigned off = 0; off < 256; off += 4) {
		uint32_t v = pci_read32(slot, off);

		CHECK_EQ(pci_port_read(slot, 0, off, 4), v);
		CHECK_EQ(pci_read16(slot, off + 2), v >> 16);
		CHECK_EQ(pci_port_read(slot, 0, off + 2, 2), v >> 16);
		CHECK_EQ(pci_read8(slot, off + 1), v >> 8 & 0xff);
		CHECK_EQ(pci_port_read(slot, 0, off + 3, 1), v >> 24);
	}
	CHECK_EQ(pci_read32(slot, 256), 0);
	CHECK_EQ(pci_read32(slot, 4092), 0);
}

#ifdef __x86_64__
static void test_odd_ports(unsigned slot)
{
	uint32_t id = pci_read32(slot, 0);

	CHECK_EQ(pci_port_read(slot, 0, 0, 4), id);
	CHECK_EQ(inl(0xcfe), 0xffffffff);	/* past the end of the ports */
	CHECK_EQ(inl(0xcf6), 0xffffffff);
	outl(0xcfe, 0);
	outb(0xcf8, 0x12);			/* only dwords are for the bridge */
	CHECK_EQ(inl(0xcfc), id);
	outl(0xcf8, 0);				/* not enabled */
	CHECK_EQ(inl(0xcfc), 0xffffffff);
	outl(0xcfc, 0x12345678);
	outl(0xcf8, 0xffffffff);		/* bus 255 */
	CHECK_EQ(inl(0xcfc), 0xffffffff);
	outl(0xcfc, 0x12345678);
}
#endif

static void test_odd_accesses(unsigned slot)
{
	uint32_t id = pci_read32(slot, 0);

#ifdef __x86_64__
	test_odd_ports(slot);
#endif
	/* ECAM takes dwords at most, within a dword. */
	read64(pci_ecam(slot, 0, 0));
	read32(pci_ecam(slot, 0, 2));
	read16(pci_ecam(slot, 0, 3));
	write64(pci_ecam(slot, 0, 0), 0);
	write32(pci_ecam(slot, 0, 4094), 0);
	read32(BOARD_ECAM_GPA + (1 << 20) - 2);
	CHECK_EQ(read32(BOARD_ECAM_GPA + (1 << 20)), 0xffffffff);
	CHECK_EQ(pci_read32(slot, 0), id);
}

/* Case 26. */
static void test_read_only(unsigned slot)
{
	static const uint8_t dwords[] = {
		PCI_VENDOR_ID, PCI_CLASS_REVISION, PCI_SUBSYSTEM_VENDOR_ID, PCI_CAPABILITY_LIST,
	};
	uint32_t command = pci_read32(slot, PCI_COMMAND);
	uint8_t header = pci_read8(slot, PCI_HEADER_TYPE);

	for (unsigned n = 0; n < ARRAY_SIZE(dwords); n++) {
		uint32_t was = pci_read32(slot, dwords[n]);

		pci_write32(slot, dwords[n], ~was);
		pci_port_write(slot, dwords[n] + 1, 1, 0x55);
		CHECK_EQ(pci_read32(slot, dwords[n]), was);
	}
	pci_write16(slot, PCI_STATUS, 0xffff);
	pci_write16(slot, PCI_STATUS, 0xc100);
	CHECK_EQ(pci_read32(slot, PCI_COMMAND), command);
	pci_write8(slot, PCI_HEADER_TYPE, 0x81);
	CHECK_EQ(pci_read8(slot, PCI_HEADER_TYPE), header);
	for (unsigned off = PCI_STD_HEADER_SIZEOF; off < 256; off++) {
		uint32_t was = pci_read8(slot, off);

		/* Whatever of the capabilities can be written, the list stays. */
		pci_write8(slot, off, ~was);
		pci_write8(slot, off, was);
	}
	pci_capability(slot, 0xff, 0);
}

static void test_bars(unsigned slot)
{
	unsigned memory = 0;

	for (unsigned n = 0; n < PCI_BARS; n++) {
		struct pci_bar bar = pci_bar_get(slot, n);

		if (!bar.size)
			continue;
		CHECK(!(bar.size & (bar.size - 1)) && !(bar.addr & (bar.size - 1)));
		CHECK_EQ(pci_bar_get(slot, n).addr, bar.addr);
		CHECK(bar.io || !start_is_ram(bar.addr, 1));
		if (!bar.io && bar.addr <= UINT32_MAX)
			CHECK(bar.addr >= BOARD_PCI_MEM32_GPA && bar.addr + bar.size <=
			      BOARD_PCI_MEM32_GPA + BOARD_PCI_MEM32_SIZE);
		memory += !bar.io;
		n += bar.wide;
	}
	CHECK(!memory == !slot);
	/* No expansion ROM: the register is not there to be written (case 27). */
	pci_write32(slot, PCI_ROM_ADDRESS, 0xffffffff);
	CHECK_EQ(pci_read32(slot, PCI_ROM_ADDRESS), 0);
}

/* Sizing while the device is in use, one half, and by bytes (case 27). */
static void test_sizing_in_use(struct virtq *q)
{
	unsigned slot = q->v->slot, bar = pci_capability(slot, PCI_CAP_ID_MSIX, 0);
	uint32_t low, high;
	unsigned off;

	CHECK(bar);
	bar = pci_read32(slot, bar + PCI_MSIX_TABLE) & PCI_MSIX_TABLE_BIR;
	off = PCI_BASE_ADDRESS_0 + 4 * bar;
	low = pci_read32(slot, off);
	high = pci_read32(slot, off + 4);
	pci_write32(slot, off, 0xffffffff);
	CHECK((pci_read32(slot, off) & 15) == (low & 15));
	pci_write32(slot, off, low);
	rng_check_works(q);
	pci_write32(slot, off + 4, 0xffffffff);
	pci_write32(slot, off + 4, high);
	rng_check_works(q);
	pci_write32(slot, off, 0xffffffff);
	pci_write32(slot, off + 4, 0xffffffff);
	pci_write32(slot, off, low);
	pci_write32(slot, off + 4, high);
	rng_check_works(q);
	for (unsigned n = 0; n < 8; n++)
		pci_write8(slot, off + n, 0xff);
	for (unsigned n = 0; n < 4; n++)
		pci_write8(slot, off + n, low >> 8 * n);
	for (unsigned n = 0; n < 4; n++)
		pci_write8(slot, off + 4 + n, high >> 8 * n);
	CHECK_EQ(pci_read32(slot, off), low);
	rng_check_works(q);
}

static void test_decode(struct virtq *q)
{
	struct virtio *v = q->v;
	uint8_t status = v->t->status(v);

	CHECK(status);
	for (unsigned n = 0; n < TOGGLES; n++) {
		pci_set_command(v->slot, 0, PCI_COMMAND_MEMORY);
		CHECK_EQ(v->t->status(v), 0xff);
		v->t->set_status(v, 0);
		pci_set_command(v->slot, PCI_COMMAND_MEMORY, 0);
		CHECK_EQ(v->t->status(v), status);
	}
	rng_check_works(q);
}

int payload(void)
{
	struct virtio v;
	struct virtq q;

	print("%u functions\n", test_enumeration());
	for (unsigned slot = pci_next(0); slot < PCI_SLOTS; slot = pci_next(slot + 1)) {
		test_ways_agree(slot);
		test_odd_accesses(slot);
		test_read_only(slot);
		test_bars(slot);
	}
	if (!virtio_find_pci(&v, VIRTIO_ID_RNG, 0))
		FAIL("no entropy device");
	virtq_alloc(&q, &v, 0);
	rng_start(&q, RNG_FEATURES);
	rng_check_works(&q);
	test_sizing_in_use(&q);
	test_decode(&q);
	return PAYLOAD_GOOD;
}
