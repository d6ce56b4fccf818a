/* SPDX-License-Identifier: MIT */
/*
 * BARs (PCI local bus 3.0, 6.2.5). A register is plain config space whose
 * address bits below the BAR's size are read-only zeros, so that sizing works
 * by itself; pci_bar_update() then puts the region where the registers say.
 */
#include "devices/pci.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "devices/pci_impl.h"
#include "vmm/util.h"

#define ALL_BARS (PCI_BARS + 1)
#define ROM_MAX_SIZE (16 * MiB)

static unsigned bar_off(unsigned index)
{
	return index == PCI_BAR_OF_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * index;
}

static unsigned bar_len(const struct pci_bar *bar)
{
	return bar->type == PCI_BAR_MEM64 ? 8 : 4;
}

static uint64_t bar_addr_mask(const struct pci_bar *bar)
{
	if (bar->type == PCI_BAR_ROM)
		return (uint32_t)PCI_ROM_ADDRESS_MASK;
	return bar->type == PCI_BAR_IO ? PCI_BASE_ADDRESS_IO_MASK : PCI_BASE_ADDRESS_MEM_MASK;
}

/* Smallest and largest. */
static void bar_check_size(enum pci_bar_type type, uint64_t size)
{
	assert(is_pow2(size) && size >= (type == PCI_BAR_IO ? 4 : type == PCI_BAR_ROM ? 2048 : 16));
	assert(type == PCI_BAR_MEM64 || size <= (type == PCI_BAR_IO ? 64 * KiB :
						 type == PCI_BAR_ROM ? ROM_MAX_SIZE : 2 * GiB));
}

void pci_bar_init(struct pci_dev *dev, unsigned index, enum pci_bar_type type, bool prefetch,
		  uint64_t size, struct io_region *region)
{
	static const uint8_t flags[] = {
		[PCI_BAR_IO] = PCI_BASE_ADDRESS_SPACE_IO,
		[PCI_BAR_MEM32] = PCI_BASE_ADDRESS_MEM_TYPE_32,
		[PCI_BAR_MEM64] = PCI_BASE_ADDRESS_MEM_TYPE_64,
		[PCI_BAR_ROM] = 0,
	};
	struct pci_bar *bar = &dev->bars[index];

	assert(!dev->bus && type != PCI_BAR_NONE && bar->type == PCI_BAR_NONE);
	assert(type == PCI_BAR_ROM ? index == PCI_BAR_OF_ROM :
				     index + (type == PCI_BAR_MEM64) < PCI_BARS);
	bar_check_size(type, size);
	assert(region->len && region->len <= size);
	*bar = (struct pci_bar){ .type = type, .prefetch = prefetch, .size = size,
				 .region = region };
	region->prio = IO_PRIO_BAR;
	dev->config[bar_off(index)] = flags[type] | (prefetch ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
	store_le(dev->writable + bar_off(index), bar_len(bar),
		 (~(size - 1) & bar_addr_mask(bar)) | (type == PCI_BAR_ROM ? PCI_ROM_ADDRESS_ENABLE : 0));
	dev->writable[PCI_COMMAND] |= type == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
}

static struct bus *bar_bus(const struct pci_dev *dev, const struct pci_bar *bar)
{
	return bar->type == PCI_BAR_IO ? dev->bus->pio : dev->bus->mmio;
}

/* Whether the BAR decodes, and where. */
static bool bar_decodes(const struct pci_dev *dev, unsigned index, uint64_t *addr)
{
	const struct pci_bar *bar = &dev->bars[index];
	uint64_t mask = load_le(dev->writable + bar_off(index), bar_len(bar)) &
			bar_addr_mask(bar);
	uint8_t enable = bar->type == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

	*addr = load_le(dev->config + bar_off(index), bar_len(bar)) & mask;
	if (!(dev->config[PCI_COMMAND] & enable) || bar->probing)
		return false;
	if (bar->type == PCI_BAR_ROM && !(dev->config[PCI_ROM_ADDRESS] & PCI_ROM_ADDRESS_ENABLE))
		return false;
	/* The upper half alone being sized: no memory is that high. */
	return bar->type != PCI_BAR_MEM64 || *addr >> 32 != mask >> 32;
}

static void bar_update(struct pci_dev *dev, unsigned index)
{
	struct pci_bar *bar = &dev->bars[index];
	struct bus *bus = bar_bus(dev, bar);
	uint64_t addr;
	bool decodes = bar_decodes(dev, index, &addr);
	int ret;

	if (!bus || (decodes && bar->region->mapped && bar->region->base == addr))
		return;
	bus_remove(bus, bar->region);
	if (!decodes)
		return;
	ret = bus_add(bus, bar->region, addr);
	if (ret < 0)
		log_guest(&dev->rate, "%s: BAR %u does not fit at %#" PRIx64 ": %s", dev->name,
			  index, addr, strerror(-ret));
}

void pci_bar_update_all(struct pci_dev *dev)
{
	for (unsigned i = 0; i < ALL_BARS; i++)
		if (dev->bars[i].type != PCI_BAR_NONE)
			bar_update(dev, i);
}

void pci_bar_unmap_all(struct pci_dev *dev)
{
	for (unsigned i = 0; i < ALL_BARS; i++)
		if (dev->bars[i].type != PCI_BAR_NONE && bar_bus(dev, &dev->bars[i]))
			bus_remove(bar_bus(dev, &dev->bars[i]), dev->bars[i].region);
}

void pci_bar_written(struct pci_dev *dev, unsigned reg, uint32_t value, uint32_t lanes)
{
	bool high = reg > 0 && reg < PCI_BARS && dev->bars[reg - 1].type == PCI_BAR_MEM64;
	unsigned index = high ? reg - 1 : reg;
	struct pci_bar *bar = &dev->bars[index];

	if (bar->type == PCI_BAR_NONE)
		return;
	/*
	 * An address has zeros below the BAR's size, so ones down to the lowest
	 * address bit can only ask for the size. Judged by what was written,
	 * not by the register: ...ffffc000 is a fine address for 16 KiB.
	 */
	if (!high && (lanes & 0xff))
		bar->probing = !(~value & lanes & bar_addr_mask(bar));
	bar_update(dev, index);
}

static void bar_set_addr(struct pci_dev *dev, unsigned index, uint64_t addr)
{
	struct pci_bar *bar = &dev->bars[index];
	uint8_t *reg = dev->config + bar_off(index);
	uint64_t mask = load_le(dev->writable + bar_off(index), bar_len(bar)) &
			bar_addr_mask(bar);

	store_le(reg, bar_len(bar), (load_le(reg, bar_len(bar)) & ~mask) | (addr & mask));
	bar->probing = false;
}

void pci_bar_reset_all(struct pci_dev *dev)
{
	for (unsigned i = 0; i < ALL_BARS; i++)
		if (dev->bars[i].type != PCI_BAR_NONE)
			bar_set_addr(dev, i, dev->bars[i].assigned);
}

struct window {
	uint64_t next, left;
};

/* Takes @size bytes, aligned to @size. */
static bool window_take(struct window *win, uint64_t size, uint64_t *addr)
{
	uint64_t pad = -win->next & (size - 1);

	if (pad > win->left || size > win->left - pad)
		return false;
	*addr = win->next + pad;
	win->next += pad + size;
	win->left -= pad + size;
	return true;
}

/* Places each BAR of @size bytes that still lacks a place. */
static int assign_size(struct pci_bus *bus, struct window *io, struct window *mem32,
		       struct window *mem64, uint64_t size)
{
	for (unsigned i = 0; i < PCI_BUS_SLOTS * ALL_BARS; i++) {
		struct pci_dev *dev = bus->slots[i / ALL_BARS];
		struct pci_bar *bar = dev ? &dev->bars[i % ALL_BARS] : NULL;

		if (!bar || bar->type == PCI_BAR_NONE || bar->size != size)
			continue;
		if (bar->type == PCI_BAR_MEM64 && window_take(mem64, size, &bar->assigned))
			continue;
		if (!window_take(bar->type == PCI_BAR_IO ? io : mem32, size, &bar->assigned))
			return -ENOSPC;
	}
	return 0;
}

/* The largest first, so that none but the first of a window needs padding. */
int pci_bus_assign(struct pci_bus *bus)
{
	struct window io = { bus->windows.io_base, bus->windows.io_size };
	struct window mem32 = { bus->windows.mem32_base, bus->windows.mem32_size };
	struct window mem64 = { bus->windows.mem64_base, bus->windows.mem64_size };
	int ret = 0;

	for (uint64_t size = BIT(63); size && !ret; size >>= 1)
		ret = assign_size(bus, &io, &mem32, &mem64, size);
	for (unsigned slot = 0; slot < PCI_BUS_SLOTS && !ret; slot++) {
		if (!bus->slots[slot])
			continue;
		pci_bar_reset_all(bus->slots[slot]);
		/* Some functions answer from the start, as if firmware had turned them on. */
		pci_command_changed(bus->slots[slot]);
	}
	return ret;
}
