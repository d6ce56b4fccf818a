/* SPDX-License-Identifier: MIT */
/*
 * An expansion ROM (PCI local bus 3.0, 6.3) from a file, for a function's ROM BAR. What is
 * in it is the guest's to run: from RAM, where its firmware copies it. Main thread.
 */
#ifndef MICROVM_PCI_ROM_H
#define MICROVM_PCI_ROM_H

#include "vmm/bus.h"

#define PCI_ROM_MAX (1u << 20)		/* bytes of a file */

struct pci_rom {
	struct io_region region;
	uint8_t *bytes;		/* NULL: there is none */
	uint64_t size;		/* of the BAR: the file's, rounded up */
};

/*
 * 0, or negative errno after one line in the log that begins with @label: not there, too
 * large, or no ROM. @path NULL: 0, and there is none.
 */
int pci_rom_load(struct pci_rom *rom, const char *label, const char *path);
void pci_rom_finish(struct pci_rom *rom);	/* again, or zeroed: no-op */

#endif
