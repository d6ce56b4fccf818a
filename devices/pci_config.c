/* SPDX-License-Identifier: MIT */
/* Configuration space of a bus, and the two windows through which a guest sees it. */
#include "devices/pci.h"

#include <errno.h>

#include "devices/pci_impl.h"
#include "devices/pci_msix.h"
#include "vmm/util.h"

#define ECAM_CONFIG_SIZE 4096u		/* of one function */
#define PORTS_BASE 0xcf8
#define PORTS_LEN 8
#define PORTS_DATA 4			/* offset of 0xcfc */
#define CONFIG_ADDRESS_ENABLE (1u << 31)
#define CONFIG_ADDRESS_MASK 0x80fffffcu	/* the rest is reserved and reads 0 */

static bool access_valid(unsigned off, unsigned size)
{
	return (size == 1 || size == 2 || size == 4) && (off & 3) + size <= 4 &&
	       off < ECAM_CONFIG_SIZE;
}

static struct pci_dev *find_dev(struct pci_bus *bus, unsigned slot, unsigned fn)
{
	return slot < PCI_BUS_SLOTS && fn == 0 ? bus->slots[slot] : NULL;
}

static uint32_t config_read(struct pci_dev *dev, unsigned off, unsigned size)
{
	unsigned dword = off & ~3u;
	uint32_t value;

	if (off >= PCI_CONFIG_SIZE)
		return 0;
	if (dev->ops->config_reading)
		dev->ops->config_reading(dev, off, size);
	value = load_le(dev->config + dword, 4);
	if (dword == PCI_COMMAND)
		value |= (uint32_t)pci_intx_status(dev) << 16;
	return value >> (off & 3) * 8 & all_ones(size);
}

static void config_write(struct pci_dev *dev, unsigned off, unsigned size, uint32_t value)
{
	unsigned dword = off & ~3u, shift = (off & 3) * 8;
	uint32_t lanes = all_ones(size) << shift, bits = value << shift & lanes, old, mask;

	if (off >= PCI_CONFIG_SIZE)
		return;
	mask = load_le(dev->writable + dword, 4) & lanes;
	old = load_le(dev->config + dword, 4);
	store_le(dev->config + dword, 4, (old & ~mask) | (bits & mask));

	if (dword >= PCI_BASE_ADDRESS_0 && dword <= PCI_BASE_ADDRESS_5) {
		pci_bar_written(dev, (dword - PCI_BASE_ADDRESS_0) / 4, bits, lanes);
	} else if (dword == PCI_ROM_ADDRESS) {
		pci_bar_written(dev, PCI_BAR_OF_ROM, bits, lanes);
	} else if (dword == PCI_COMMAND) {
		pci_command_changed(dev);
	} else if (dev->msix && dword == dev->msix->cap) {
		pci_msix_config_written(dev->msix);
		pci_command_changed(dev);
	}
	if (dev->ops->config_written)
		dev->ops->config_written(dev, off, size);
}

uint32_t pci_config_read(struct pci_bus *bus, unsigned slot, unsigned fn, unsigned off,
			 unsigned size)
{
	uint32_t value = all_ones(size);
	struct pci_dev *dev;

	if (!access_valid(off, size))
		return value;
	pthread_mutex_lock(&bus->lock);
	dev = find_dev(bus, slot, fn);
	if (dev)
		value = config_read(dev, off, size);
	pthread_mutex_unlock(&bus->lock);
	return value;
}

void pci_config_write(struct pci_bus *bus, unsigned slot, unsigned fn, unsigned off, unsigned size,
		      uint32_t value)
{
	struct pci_dev *dev;

	if (!access_valid(off, size))
		return;
	pthread_mutex_lock(&bus->lock);
	dev = find_dev(bus, slot, fn);
	if (dev)
		config_write(dev, off, size, value);
	pthread_mutex_unlock(&bus->lock);
}

/* Where an ECAM offset points: PCI Express base 7.2.2, table 7-1. */
static uint64_t ecam_read(void *dev, uint64_t off, unsigned size)
{
	if (size > 4)
		return all_ones(size);
	return pci_config_read(dev, off >> 15, off >> 12 & 7, off % ECAM_CONFIG_SIZE, size);
}

static void ecam_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	pci_config_write(dev, off >> 15, off >> 12 & 7, off % ECAM_CONFIG_SIZE, size, value);
}

static const struct io_ops ecam_ops = { ecam_read, ecam_write };

/*
 * The register that 0xcfc..0xcff stand for: PCI local bus 3.0, 3.2.2.3.2. False
 * while disabled or when it lies on another bus.
 */
static bool ports_target(struct pci_bus *bus, uint64_t off, uint32_t *addr)
{
	if (off < PORTS_DATA)
		return false;
	pthread_mutex_lock(&bus->lock);
	*addr = bus->config_address | (off & 3);
	pthread_mutex_unlock(&bus->lock);
	return (*addr & CONFIG_ADDRESS_ENABLE) && (*addr >> 16 & 0xff) == 0;
}

static uint64_t ports_read(void *dev, uint64_t off, unsigned size)
{
	struct pci_bus *bus = dev;
	uint32_t addr;

	if (off == 0 && size == 4) {
		pthread_mutex_lock(&bus->lock);
		addr = bus->config_address;
		pthread_mutex_unlock(&bus->lock);
		return addr;
	}
	if (!ports_target(bus, off, &addr))
		return all_ones(size);
	return pci_config_read(bus, addr >> 11 & 0x1f, addr >> 8 & 7, addr & 0xff, size);
}

static void ports_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_bus *bus = dev;
	uint32_t addr;

	if (off == 0 && size == 4) {
		pthread_mutex_lock(&bus->lock);
		bus->config_address = value & CONFIG_ADDRESS_MASK;
		pthread_mutex_unlock(&bus->lock);
	} else if (ports_target(bus, off, &addr)) {
		pci_config_write(bus, addr >> 11 & 0x1f, addr >> 8 & 7, addr & 0xff, size, value);
	}
}

static const struct io_ops ports_ops = { ports_read, ports_write };

void pci_config_init(struct pci_bus *bus)
{
	bus->ecam = (struct io_region){ .name = "pci ecam", .ops = &ecam_ops, .dev = bus,
					.len = PCI_ECAM_SIZE };
	bus->ports = (struct io_region){ .name = "pci ports", .ops = &ports_ops, .dev = bus,
					 .len = PORTS_LEN };
}

int pci_bus_map_config(struct pci_bus *bus, uint64_t ecam_gpa)
{
	int ret = bus_add(bus->mmio, &bus->ecam, ecam_gpa);

	if (ret < 0 || !bus->pio)
		return ret;
	ret = bus_add(bus->pio, &bus->ports, PORTS_BASE);
	if (ret < 0)
		bus_remove(bus->mmio, &bus->ecam);
	return ret;
}
