/* SPDX-License-Identifier: MIT */
#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/pci.h"
#include "lib/report.h"

#define PORT_ADDRESS 0xcf8
#define PORT_DATA 0xcfc
#define ADDRESS_ENABLE 0x80000000u
#define CAPABILITIES_MAX 48	/* 192 bytes, 4 each */

uint64_t pci_ecam(unsigned slot, unsigned fn, unsigned off)
{
	return BOARD_ECAM_GPA + (slot << 15 | fn << 12) + off;
}

uint8_t pci_read8(unsigned slot, unsigned off)
{
	return read8(pci_ecam(slot, 0, off));
}

uint16_t pci_read16(unsigned slot, unsigned off)
{
	return read16(pci_ecam(slot, 0, off));
}

uint32_t pci_read32(unsigned slot, unsigned off)
{
	return read32(pci_ecam(slot, 0, off));
}

void pci_write8(unsigned slot, unsigned off, uint8_t v)
{
	write8(pci_ecam(slot, 0, off), v);
}

void pci_write16(unsigned slot, unsigned off, uint16_t v)
{
	write16(pci_ecam(slot, 0, off), v);
}

void pci_write32(unsigned slot, unsigned off, uint32_t v)
{
	write32(pci_ecam(slot, 0, off), v);
}

#ifdef __x86_64__
static uint16_t port_select(unsigned slot, unsigned fn, unsigned off)
{
	outl(PORT_ADDRESS, ADDRESS_ENABLE | slot << 11 | fn << 8 | (off & 0xfc));
	return PORT_DATA + (off & 3);
}

uint32_t pci_port_read(unsigned slot, unsigned fn, unsigned off, unsigned size)
{
	uint16_t port = port_select(slot, fn, off);

	return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}

void pci_port_write(unsigned slot, unsigned off, unsigned size, uint32_t v)
{
	uint16_t port = port_select(slot, 0, off);

	if (size == 1)
		outb(port, v);
	else if (size == 2)
		outw(port, v);
	else
		outl(port, v);
}
#else
uint32_t pci_port_read(unsigned slot, unsigned fn, unsigned off, unsigned size)
{
	uint64_t gpa = pci_ecam(slot, fn, off);

	return size == 1 ? read8(gpa) : size == 2 ? read16(gpa) : read32(gpa);
}

void pci_port_write(unsigned slot, unsigned off, unsigned size, uint32_t v)
{
	if (size == 1)
		pci_write8(slot, off, v);
	else if (size == 2)
		pci_write16(slot, off, v);
	else
		pci_write32(slot, off, v);
}
#endif

unsigned pci_next(unsigned slot)
{
	while (slot < PCI_SLOTS && pci_read16(slot, PCI_VENDOR_ID) == 0xffff)
		slot++;
	return slot;
}

unsigned pci_capability(unsigned slot, uint8_t id, unsigned n)
{
	unsigned off;

	if (!(pci_read16(slot, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	off = pci_read8(slot, PCI_CAPABILITY_LIST) & 0xfc;
	for (unsigned links = 0; off; links++) {
		CHECK(off >= PCI_STD_HEADER_SIZEOF && links < CAPABILITIES_MAX);
		if (pci_read8(slot, off + PCI_CAP_LIST_ID) == id && n-- == 0)
			return off;
		off = pci_read8(slot, off + PCI_CAP_LIST_NEXT) & 0xfc;
	}
	return 0;
}

void pci_set_command(unsigned slot, uint16_t set, uint16_t clear)
{
	pci_write16(slot, PCI_COMMAND, (pci_read16(slot, PCI_COMMAND) & ~clear) | set);
}

static unsigned bar_off(unsigned index)
{
	return PCI_BASE_ADDRESS_0 + 4 * index;
}

/* The register's value, and the bits of it that can be written. */
static uint32_t size_register(unsigned slot, unsigned off, uint32_t *value)
{
	uint32_t bits;

	*value = pci_read32(slot, off);
	pci_write32(slot, off, 0xffffffff);
	bits = pci_read32(slot, off);
	pci_write32(slot, off, *value);
	return bits;
}

static void read_bar(unsigned slot, unsigned index, struct pci_bar *bar)
{
	uint32_t low, high = 0, low_bits, high_bits = 0xffffffff;
	uint64_t bits;

	low_bits = size_register(slot, bar_off(index), &low);
	if (!low_bits)
		return;
	bar->io = low & PCI_BASE_ADDRESS_SPACE_IO;
	bar->wide = !bar->io &&
		    (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
	if (bar->wide) {
		CHECK(index + 1 < PCI_BARS);
		high_bits = size_register(slot, bar_off(index + 1), &high);
	}
	if (bar->io)
		low_bits |= 0xffff0000;		/* a function may decode 16 bits only */
	bits = (uint64_t)high_bits << 32 | (low_bits & (bar->io ? ~3u : ~15u));
	bar->addr = (uint64_t)high << 32 | (low & (bar->io ? ~3u : ~15u));
	bar->size = -bits;
}

struct pci_bar pci_bar_get(unsigned slot, unsigned index)
{
	uint16_t command = pci_read16(slot, PCI_COMMAND);
	struct pci_bar bar = { 0 };

	pci_set_command(slot, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	read_bar(slot, index, &bar);
	pci_write16(slot, PCI_COMMAND, command);
	return bar;
}

void pci_bar_set(unsigned slot, unsigned index, uint64_t addr)
{
	uint32_t type = pci_read32(slot, bar_off(index)) & PCI_BASE_ADDRESS_MEM_TYPE_MASK;

	pci_write32(slot, bar_off(index), addr);
	if (type == PCI_BASE_ADDRESS_MEM_TYPE_64)
		pci_write32(slot, bar_off(index + 1), addr >> 32);
}

bool pci_msix_find(unsigned slot, struct pci_msix *msix)
{
	unsigned cap = pci_capability(slot, PCI_CAP_ID_MSIX, 0);
	uint32_t table, pba;
	struct pci_bar bar;

	if (!cap)
		return false;
	table = pci_read32(slot, cap + PCI_MSIX_TABLE);
	pba = pci_read32(slot, cap + PCI_MSIX_PBA);
	bar = pci_bar_get(slot, table & PCI_MSIX_TABLE_BIR);
	CHECK_EQ(table & PCI_MSIX_TABLE_BIR, pba & PCI_MSIX_PBA_BIR);
	CHECK(!bar.io && bar.size);
	mem_map(bar.addr, bar.size);
	*msix = (struct pci_msix){
		.slot = slot,
		.cap = cap,
		.n = (pci_read16(slot, cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1,
		.table = bar.addr + (table & PCI_MSIX_TABLE_OFFSET),
		.pba = bar.addr + (pba & PCI_MSIX_PBA_OFFSET),
	};
	return true;
}

void pci_msix_enable(const struct pci_msix *msix, bool on, bool mask_all)
{
	pci_write16(msix->slot, msix->cap + PCI_MSIX_FLAGS,
		    (on ? PCI_MSIX_FLAGS_ENABLE : 0) | (mask_all ? PCI_MSIX_FLAGS_MASKALL : 0));
}

void pci_msix_set(const struct pci_msix *msix, unsigned entry, uint64_t addr, uint32_t data)
{
	uint64_t gpa = msix->table + entry * PCI_MSIX_ENTRY_SIZE;

	CHECK(entry < msix->n);
	write32(gpa + PCI_MSIX_ENTRY_LOWER_ADDR, addr);
	write32(gpa + PCI_MSIX_ENTRY_UPPER_ADDR, addr >> 32);
	write32(gpa + PCI_MSIX_ENTRY_DATA, data);
}

void pci_msix_mask(const struct pci_msix *msix, unsigned entry, bool masked)
{
	uint64_t gpa = msix->table + entry * PCI_MSIX_ENTRY_SIZE;

	CHECK(entry < msix->n);
	write32(gpa + PCI_MSIX_ENTRY_VECTOR_CTRL, masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0);
}

bool pci_msix_pending(const struct pci_msix *msix, unsigned entry)
{
	return read32(msix->pba + entry / 32 * 4) >> (entry % 32) & 1;
}
