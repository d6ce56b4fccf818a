/* SPDX-License-Identifier: MIT */
/*
 * What pci.c, pci_config.c and pci_bar.c share with nobody else. The bus's
 * lock is held by the caller of each, or it is set-up time.
 */
#ifndef MICROVM_PCI_IMPL_H
#define MICROVM_PCI_IMPL_H

#include "devices/pci.h"

/* The guest wrote the bits @lanes of BAR register @reg (0..5, PCI_BAR_OF_ROM); config has been changed. */
void pci_bar_written(struct pci_dev *dev, unsigned reg, uint32_t value, uint32_t lanes);
/* Brings the bus into line with the registers: after decode or addresses have changed. */
void pci_bar_update_all(struct pci_dev *dev);
void pci_bar_unmap_all(struct pci_dev *dev);
/* The assigned addresses into the registers. */
void pci_bar_reset_all(struct pci_dev *dev);

void pci_config_init(struct pci_bus *bus);
/* Takes over what the command register or the MSI-X capability now say. */
void pci_command_changed(struct pci_dev *dev);
/* PCI_STATUS_INTERRUPT or 0. */
uint16_t pci_intx_status(struct pci_dev *dev);

#endif
