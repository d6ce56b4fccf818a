/* SPDX-License-Identifier: MIT */
/*
 * A PCI bus of one host bridge: configuration space, BARs, INTx, and the two
 * ways to reach it, ECAM (PCI Express base 7.2.2) and the ports 0xcf8/0xcfc
 * (PCI local bus 3.0, 3.2.2.3.2). Functions are of type 0, one in each slot.
 *
 * Set-up, on one thread and before a vCPU runs: pci_bus_init(), then for each
 * device pci_dev_init(), pci_add_capability() and pci_bar_init() as it needs,
 * pci_bus_add(), and pci_bus_assign() once all are there. Later
 * pci_bus_reset() brings every function back to its power-on state and the
 * addresses that pci_bus_assign() gave.
 *
 * Configuration accesses come from vCPU threads and are served one at a time
 * under the bus's own lock; ops of the device are called with it held. Order:
 * pci -> device -> bus | irq. BARs follow the guest's writes: while memory (or
 * I/O) decode is on, a BAR's region sits on the machine's bus at the BAR's
 * address, otherwise nowhere. A BAR that cannot be placed (outside the bus, a
 * wrap) is left unmapped, config space still reads back what was written, and
 * placing it elsewhere works (cases 27-31). A BAR that was written with all
 * ones is being sized and sits nowhere until it gets an address.
 *
 * The INTx functions may be called from any thread, also with the device's
 * lock held; intx_lock is a leaf but for the irq line.
 */
#ifndef MICROVM_PCI_H
#define MICROVM_PCI_H

#include <linux/pci_regs.h>
#include <pthread.h>

#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/log.h"

#define PCI_BUS_SLOTS 32
#define PCI_BUS_INTX_LINES 4
#define PCI_BARS 6
#define PCI_BAR_OF_ROM 6	/* the expansion ROM's base address register, as an index */
#define PCI_CONFIG_SIZE 256	/* capabilities live here; the rest of ECAM's 4096 reads 0 */
#define PCI_ECAM_SIZE (1u << 20)	/* one bus */

struct pci_dev;

struct pci_ops {
	/* After a write was applied to config space; for capabilities with effects. May be NULL. */
	void (*config_written)(struct pci_dev *dev, unsigned off, unsigned size);
	/* Before a read is answered; a window capability fills in its data. May be NULL. */
	void (*config_reading)(struct pci_dev *dev, unsigned off, unsigned size);
	/* Bus reset: back to power-on state. May be NULL. */
	void (*reset)(struct pci_dev *dev);
};

enum pci_bar_type { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64, PCI_BAR_ROM };

struct pci_bar {
	enum pci_bar_type type;
	bool prefetch;
	uint64_t size;		/* a power of two; at least 16 for memory, 4 for I/O, 2048 for ROM */
	uint64_t assigned;	/* address given by pci_bus_assign() */
	bool probing;		/* last written with all ones */
	struct io_region *region;	/* owned by the device; len <= size */
};

struct pci_id {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code;	/* 24 bits: class, subclass, interface */
	uint8_t revision;
};

struct pci_dev {
	const char *name;
	const struct pci_ops *ops;
	struct pci_bus *bus;	/* NULL while not on one */
	unsigned slot;
	struct msi_sink msi;	/* the bus's */
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE];	/* mask of bits the guest may write */
	uint8_t power_on[PCI_CONFIG_SIZE];	/* config as it was when added to the bus */
	unsigned next_cap;			/* first free byte of config space */
	unsigned cap_link;			/* where the next capability's offset goes */
	struct pci_bar bars[PCI_BARS + 1];	/* and of the ROM */
	struct pci_msix *msix;			/* NULL: none; see pci_msix.h */
	_Atomic uint16_t command;		/* for those who do not hold the bus's lock */
	/* under intx_lock */
	bool intx_level;	/* what the device says */
	bool intx_blocked;	/* by the command register or because MSI-X is on */
	bool intx_asserted;	/* counted in intx_count */
	struct log_rate rate;
};

/* What a host bridge may hand out; sizes may be 0. */
struct pci_windows {
	uint64_t mem32_base, mem32_size;
	uint64_t mem64_base, mem64_size;
	uint64_t io_base, io_size;
};

struct pci_bus {
	pthread_mutex_t lock;
	struct bus *mmio, *pio;		/* pio may be NULL */
	struct msi_sink msi;
	struct pci_windows windows;
	struct irq_line intx[PCI_BUS_INTX_LINES];	/* slot n, pin A -> line n % 4; level */
	unsigned intx_count[PCI_BUS_INTX_LINES];	/* functions that assert it */
	pthread_mutex_t intx_lock;
	struct pci_dev *slots[PCI_BUS_SLOTS];
	struct pci_dev host_bridge;	/* slot 0 */
	struct io_region ecam, ports;
	uint32_t config_address;	/* 0xcf8 */
};

/*
 * @pio NULL: no I/O BARs and no 0xcf8. @intx: PCI_BUS_INTX_LINES lines. Adds a
 * host bridge (8086:0d57-like ids are not faked: 1b36:0008, class 060000) at slot 0.
 */
void pci_bus_init(struct pci_bus *bus, struct bus *mmio, struct bus *pio, struct msi_sink msi,
		  const struct irq_line *intx, const struct pci_windows *windows);
/* Functions that are still on the bus are taken off it. */
void pci_bus_finish(struct pci_bus *bus);
/* Places ECAM on the MMIO bus, and 0xcf8/0xcfc on the PIO bus if there is one. */
int pci_bus_map_config(struct pci_bus *bus, uint64_t ecam_gpa);

void pci_dev_init(struct pci_dev *dev, const char *name, const struct pci_ops *ops,
		  const struct pci_id *id);
/*
 * Appends a capability of @len bytes (2 bytes of id and next pointer included;
 * @body is what follows them, len - 2 bytes); @writable_mask the same length as
 * body, NULL for read-only. Returns its offset in config space; asserts that it
 * fits.
 */
unsigned pci_add_capability(struct pci_dev *dev, uint8_t id, const void *body,
			    const void *writable_mask, unsigned len);
/*
 * A MEM64 BAR takes @index and @index + 1. A ROM is PCI_BAR_OF_ROM, 16 MiB at most; it
 * answers while its own enable bit is set, too (6.2.5.2).
 */
void pci_bar_init(struct pci_dev *dev, unsigned index, enum pci_bar_type type, bool prefetch,
		  uint64_t size, struct io_region *region);

/* Puts @dev into the first free slot. 0 or -ENOSPC. */
int pci_bus_add(struct pci_bus *bus, struct pci_dev *dev);
/* Unmaps its BARs and drops its INTx; before @dev's memory goes. No-op when not on a bus. */
void pci_bus_remove(struct pci_dev *dev);
/* Bus 0, its slot, function 0, as in what it sends (PCI Express base 2.2.4.2). */
static inline uint16_t pci_requester_id(const struct pci_dev *dev)
{
	return dev->slot << 3;
}

/* Gives each BAR an address inside the windows. 0 or -ENOSPC. */
int pci_bus_assign(struct pci_bus *bus);
void pci_bus_reset(struct pci_bus *bus);

/*
 * INTx level of the function. It reaches the line unless the guest has set the
 * command register's disable bit or turned MSI-X on.
 */
void pci_intx_set(struct pci_dev *dev, bool level);
/* Whether the guest lets the function access memory. Any thread. */
bool pci_bus_master(const struct pci_dev *dev);

/*
 * Configuration access by number: what ECAM and the ports do, and tests.
 * Absent functions read all ones; so does an access that is not 1, 2 or 4
 * bytes within a dword below 4096, and such a write is dropped (case 36).
 */
uint32_t pci_config_read(struct pci_bus *bus, unsigned slot, unsigned fn, unsigned off,
			 unsigned size);
void pci_config_write(struct pci_bus *bus, unsigned slot, unsigned fn, unsigned off, unsigned size,
		      uint32_t value);

#endif
