/* SPDX-License-Identifier: MIT */
/*
 * PCI bus 0 from the guest's side: configuration space by ECAM (PCI Express
 * base 7.2.2) or by ports (PCI local bus 3.0, 3.2.2.3.2), capabilities, BARs,
 * MSI-X. Slots are all there is to name a function: ours are single-function.
 */
#ifndef PAYLOAD_PCI_H
#define PAYLOAD_PCI_H

#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdint.h>

#define PCI_SLOTS 32
#define PCI_FUNCTIONS 8
#define PCI_BARS 6

/* By ECAM. @off below 4096; any alignment is passed on. */
uint8_t pci_read8(unsigned slot, unsigned off);
uint16_t pci_read16(unsigned slot, unsigned off);
uint32_t pci_read32(unsigned slot, unsigned off);
void pci_write8(unsigned slot, unsigned off, uint8_t v);
void pci_write16(unsigned slot, unsigned off, uint16_t v);
void pci_write32(unsigned slot, unsigned off, uint32_t v);
uint64_t pci_ecam(unsigned slot, unsigned fn, unsigned off);

/* By ports, or ECAM where there are none; @off below 256; @size 1, 2 or 4. */
uint32_t pci_port_read(unsigned slot, unsigned fn, unsigned off, unsigned size);
void pci_port_write(unsigned slot, unsigned off, unsigned size, uint32_t v);

/* From @slot on, the next one in use; PCI_SLOTS if none. */
unsigned pci_next(unsigned slot);
/* Offset of the @n-th capability of @id (0: the first); 0 if there is none. */
unsigned pci_capability(unsigned slot, uint8_t id, unsigned n);
/* The bits of the command register. */
void pci_set_command(unsigned slot, uint16_t set, uint16_t clear);

struct pci_bar {
	bool io, wide;		/* wide: 64 bits, two registers */
	uint64_t addr, size;	/* size 0: there is none */
};

/* Sizes it, with decode off meanwhile, and leaves it as it was. */
struct pci_bar pci_bar_get(unsigned slot, unsigned index);
/* Writes the address alone; decode stays as it is. */
void pci_bar_set(unsigned slot, unsigned index, uint64_t addr);

/* MSI-X of a function, its table and pending bits as guest addresses. */
struct pci_msix {
	unsigned slot, cap, n;
	uint64_t table, pba;
};

/* False: the function has none. Maps its BAR. */
bool pci_msix_find(unsigned slot, struct pci_msix *msix);
void pci_msix_enable(const struct pci_msix *msix, bool on, bool mask_all);
/* The message for @entry; the entry stays masked or not. */
void pci_msix_set(const struct pci_msix *msix, unsigned entry, uint64_t addr, uint32_t data);
void pci_msix_mask(const struct pci_msix *msix, unsigned entry, bool masked);
bool pci_msix_pending(const struct pci_msix *msix, unsigned entry);

#endif
