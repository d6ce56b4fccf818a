/* SPDX-License-Identifier: MIT */
/*
 * A guest's side of PCI: a bus with a toy function on it, and the accesses by
 * which a guest's firmware or kernel would find and set it up.
 */
#ifndef MICROVM_TESTS_PCI_GUEST_H
#define MICROVM_TESTS_PCI_GUEST_H

#include "devices/pci.h"
#include "devices/pci_msix.h"
#include "tests/fake.h"

#define PG_ECAM 0xe0000000ull
#define PG_MEM32 0xc0000000ull
#define PG_MEM32_LEN 0x10000000ull
#define PG_MEM64 0x4000000000ull
#define PG_MEM64_LEN 0x4000000000ull
#define PG_IO 0x1000ull
#define PG_IO_LEN 0x1000ull

#define PG_VECTORS 4
#define PG_BAR_MEM64 0	/* registers, MSI-X table and PBA */
#define PG_BAR_MEM32 2	/* registers only */
#define PG_BAR_IO 3
#define PG_MEM64_SIZE 0x4000u
#define PG_MEM32_SIZE 0x1000u
#define PG_IO_SIZE 0x20u
#define PG_TABLE 0x2000u
#define PG_PBA 0x3000u
#define PG_DOORBELL 0x1000u	/* in the 64-bit BAR */

/* Reads give 0xa0 + the BAR's index in each byte, except MSI-X; writes are counted. */
struct pg_window {
	struct io_region region;
	struct pg_dev *dev;
	unsigned index;
	atomic_uint reads, writes;
};

struct pg_dev {
	struct pci_dev pci;	/* first */
	struct pci_msix msix;
	struct pg_window windows[3];
	struct io_doorbell doorbell;
	unsigned resets, config_writes, config_reads;
	unsigned vendor_cap;
};

struct pci_guest {
	struct fake fake;
	struct fake_irq intx[PCI_BUS_INTX_LINES];
	struct pci_bus bus;
	struct pg_dev dev;	/* slot 1 */
};

void pg_dev_init(struct pg_dev *dev);
void pg_dev_finish(struct pg_dev *dev);

/* With slot 1 filled, addresses assigned and the windows mapped. */
void pg_init(struct pci_guest *g);
void pg_finish(struct pci_guest *g);

uint32_t pg_ecam_read(struct pci_guest *g, unsigned slot, unsigned off, unsigned size);
void pg_ecam_write(struct pci_guest *g, unsigned slot, unsigned off, unsigned size, uint32_t v);
uint32_t pg_port_read(struct pci_guest *g, unsigned slot, unsigned off, unsigned size);
void pg_port_write(struct pci_guest *g, unsigned slot, unsigned off, unsigned size, uint32_t v);
uint64_t pg_mmio_read(struct pci_guest *g, uint64_t gpa, unsigned size);
void pg_mmio_write(struct pci_guest *g, uint64_t gpa, unsigned size, uint64_t v);
uint64_t pg_pio_read(struct pci_guest *g, uint64_t port, unsigned size);

/* The address in a BAR of slot 1, and a new one. */
uint64_t pg_bar(struct pci_guest *g, unsigned index);
void pg_set_bar(struct pci_guest *g, unsigned index, uint64_t addr);
void pg_command(struct pci_guest *g, uint16_t command);
/* Whether a BAR of slot 1 answers at @addr. */
bool pg_answers(struct pci_guest *g, unsigned index, uint64_t addr);

/* Offset of the first capability @id of a slot, 0: none; aborts when the list does not end. */
unsigned pg_find_cap(struct pci_guest *g, unsigned slot, uint8_t id);

/* MSI-X of slot 1. */
void pg_msix_flags(struct pci_guest *g, uint16_t flags);
void pg_msix_set(struct pci_guest *g, unsigned vector, uint64_t addr, uint32_t data, bool masked);
void pg_msix_mask(struct pci_guest *g, unsigned vector, bool masked);

#endif
