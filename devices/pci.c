/* SPDX-License-Identifier: MIT */
#include "devices/pci.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>

#include "devices/pci_impl.h"
#include "devices/pci_msix.h"
#include "vmm/util.h"

static const struct pci_id host_bridge_id = {
	.vendor = 0x1b36,
	.device = 0x0008,
	.class_code = 0x060000,
};

void pci_bus_init(struct pci_bus *bus, struct bus *mmio, struct bus *pio, struct msi_sink msi,
		  const struct irq_line *intx, const struct pci_windows *windows)
{
	assert(range_fits(windows->mem32_base, windows->mem32_size, 4 * GiB));
	assert(range_fits(windows->io_base, windows->io_size, 64 * KiB));
	memset(bus, 0, sizeof(*bus));
	pthread_mutex_init(&bus->lock, NULL);
	pthread_mutex_init(&bus->intx_lock, NULL);
	bus->mmio = mmio;
	bus->pio = pio;
	bus->msi = msi;
	bus->windows = *windows;
	memcpy(bus->intx, intx, sizeof(bus->intx));
	pci_config_init(bus);

	pci_dev_init(&bus->host_bridge, "pci host bridge", NULL, &host_bridge_id);
	bus->host_bridge.config[PCI_INTERRUPT_PIN] = 0;
	pci_bus_add(bus, &bus->host_bridge);
}

void pci_bus_finish(struct pci_bus *bus)
{
	for (unsigned slot = 0; slot < PCI_BUS_SLOTS; slot++)
		if (bus->slots[slot])
			pci_bus_remove(bus->slots[slot]);
	bus_remove(bus->mmio, &bus->ecam);
	if (bus->pio)
		bus_remove(bus->pio, &bus->ports);
	pthread_mutex_destroy(&bus->intx_lock);
	pthread_mutex_destroy(&bus->lock);
}

void pci_dev_init(struct pci_dev *dev, const char *name, const struct pci_ops *ops,
		  const struct pci_id *id)
{
	static const struct pci_ops no_ops;

	memset(dev, 0, sizeof(*dev));
	dev->name = name;
	dev->ops = ops ? ops : &no_ops;
	store_le(dev->config + PCI_VENDOR_ID, 2, id->vendor);
	store_le(dev->config + PCI_DEVICE_ID, 2, id->device);
	store_le(dev->config + PCI_CLASS_REVISION, 4, id->class_code << 8 | id->revision);
	store_le(dev->config + PCI_SUBSYSTEM_VENDOR_ID, 2, id->subsystem_vendor);
	store_le(dev->config + PCI_SUBSYSTEM_ID, 2, id->subsystem);
	dev->config[PCI_INTERRUPT_PIN] = 1;	/* INTA */

	store_le(dev->writable + PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
		 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	dev->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	dev->writable[PCI_INTERRUPT_LINE] = 0xff;
	dev->next_cap = PCI_STD_HEADER_SIZEOF;
	dev->cap_link = PCI_CAPABILITY_LIST;
}

unsigned pci_add_capability(struct pci_dev *dev, uint8_t id, const void *body,
			    const void *writable_mask, unsigned len)
{
	unsigned off = dev->next_cap;

	assert(!dev->bus && len >= 2 && range_fits(off, len, PCI_CONFIG_SIZE));
	dev->config[off + PCI_CAP_LIST_ID] = id;
	memcpy(dev->config + off + 2, body, len - 2);
	if (writable_mask)
		memcpy(dev->writable + off + 2, writable_mask, len - 2);
	dev->config[dev->cap_link] = off;
	dev->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	dev->cap_link = off + PCI_CAP_LIST_NEXT;
	dev->next_cap = align_up(off + len, 4);
	return off;
}

int pci_bus_add(struct pci_bus *bus, struct pci_dev *dev)
{
	unsigned slot = 0;

	assert(!dev->bus);
	while (slot < PCI_BUS_SLOTS && bus->slots[slot])
		slot++;
	if (slot == PCI_BUS_SLOTS)
		return -ENOSPC;
	dev->bus = bus;
	dev->slot = slot;
	dev->msi = bus->msi;
	memcpy(dev->power_on, dev->config, sizeof(dev->power_on));
	bus->slots[slot] = dev;
	return 0;
}

void pci_bus_remove(struct pci_dev *dev)
{
	struct pci_bus *bus = dev->bus;

	if (!bus)
		return;
	pci_intx_set(dev, false);
	pthread_mutex_lock(&bus->lock);
	pci_bar_unmap_all(dev);
	bus->slots[dev->slot] = NULL;
	pthread_mutex_unlock(&bus->lock);
	dev->bus = NULL;
}

static void dev_reset(struct pci_dev *dev)
{
	pci_bar_unmap_all(dev);
	memcpy(dev->config, dev->power_on, sizeof(dev->config));
	pci_bar_reset_all(dev);
	if (dev->msix)
		pci_msix_reset(dev->msix);
	pci_intx_set(dev, false);
	pci_command_changed(dev);
	if (dev->ops->reset)
		dev->ops->reset(dev);
}

void pci_bus_reset(struct pci_bus *bus)
{
	pthread_mutex_lock(&bus->lock);
	bus->config_address = 0;
	for (unsigned slot = 0; slot < PCI_BUS_SLOTS; slot++)
		if (bus->slots[slot])
			dev_reset(bus->slots[slot]);
	pthread_mutex_unlock(&bus->lock);
}

/* With intx_lock held. The line is high while any function asserts it. */
static void intx_update(struct pci_dev *dev)
{
	struct pci_bus *bus = dev->bus;
	unsigned line = dev->slot % PCI_BUS_INTX_LINES;
	bool level = dev->intx_level && !dev->intx_blocked;

	if (level == dev->intx_asserted)
		return;
	dev->intx_asserted = level;
	if (level && bus->intx_count[line]++ == 0)
		irq_set(&bus->intx[line], true);
	else if (!level && --bus->intx_count[line] == 0)
		irq_set(&bus->intx[line], false);
}

void pci_intx_set(struct pci_dev *dev, bool level)
{
	if (!dev->bus)
		return;
	pthread_mutex_lock(&dev->bus->intx_lock);
	dev->intx_level = level;
	intx_update(dev);
	pthread_mutex_unlock(&dev->bus->intx_lock);
}

uint16_t pci_intx_status(struct pci_dev *dev)
{
	bool level;

	/* Whether the guest has blocked the line does not matter: 6.2.3, bit 3. */
	pthread_mutex_lock(&dev->bus->intx_lock);
	level = dev->intx_level;
	pthread_mutex_unlock(&dev->bus->intx_lock);
	return level ? PCI_STATUS_INTERRUPT : 0;
}

void pci_command_changed(struct pci_dev *dev)
{
	uint16_t command = load_le(dev->config + PCI_COMMAND, 2);
	uint16_t changed = atomic_exchange(&dev->command, command) ^ command;

	/* Messages are writes to memory (6.8). */
	if (dev->msix && (changed & PCI_COMMAND_MASTER))
		pci_msix_config_written(dev->msix);
	pci_bar_update_all(dev);
	/* A function with MSI-X on may not use its pin (6.8.2.3, 6.8.3.3). */
	pthread_mutex_lock(&dev->bus->intx_lock);
	dev->intx_blocked = (command & PCI_COMMAND_INTX_DISABLE) ||
			    (dev->msix && pci_msix_enabled(dev->msix));
	intx_update(dev);
	pthread_mutex_unlock(&dev->bus->intx_lock);
}

bool pci_bus_master(const struct pci_dev *dev)
{
	return atomic_load(&dev->command) & PCI_COMMAND_MASTER;
}
