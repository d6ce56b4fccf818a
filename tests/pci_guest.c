/* SPDX-License-Identifier: MIT */
#include "tests/pci_guest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/util.h"

static uint64_t window_read(void *opaque, uint64_t off, unsigned size)
{
	struct pg_window *win = opaque;

	win->reads++;
	if (win->index == PG_BAR_MEM64 && off >= PG_PBA)
		return pci_msix_pba_read(&win->dev->msix, off - PG_PBA, size);
	if (win->index == PG_BAR_MEM64 && off >= PG_TABLE)
		return pci_msix_table_read(&win->dev->msix, off - PG_TABLE, size);
	return 0x0101010101010101ull * (0xa0 + win->index) & all_ones(size);
}

static void window_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct pg_window *win = opaque;

	win->writes++;
	if (win->index == PG_BAR_MEM64 && off >= PG_TABLE && off < PG_PBA)
		pci_msix_table_write(&win->dev->msix, off - PG_TABLE, size, value);
}

static const struct io_ops window_ops = { window_read, window_write };

static void dev_config_written(struct pci_dev *pci, unsigned off, unsigned size)
{
	container_of(pci, struct pg_dev, pci)->config_writes++;
}

static void dev_config_reading(struct pci_dev *pci, unsigned off, unsigned size)
{
	container_of(pci, struct pg_dev, pci)->config_reads++;
}

static void dev_reset(struct pci_dev *pci)
{
	container_of(pci, struct pg_dev, pci)->resets++;
}

static const struct pci_ops dev_ops = {
	.config_written = dev_config_written,
	.config_reading = dev_config_reading,
	.reset = dev_reset,
};

static void dev_bar(struct pg_dev *dev, unsigned i, unsigned index, enum pci_bar_type type,
		    uint64_t size)
{
	struct pg_window *win = &dev->windows[i];

	win->dev = dev;
	win->index = index;
	win->region = (struct io_region){ .name = "toy", .ops = &window_ops, .dev = win,
					  .len = size };
	if (index == PG_BAR_MEM64) {
		win->region.doorbells = &dev->doorbell;
		win->region.n_doorbells = 1;
	}
	pci_bar_init(&dev->pci, index, type, type == PCI_BAR_MEM64, size, &win->region);
}

void pg_dev_init(struct pg_dev *dev)
{
	static const struct pci_id id = {
		.vendor = 0x1af4, .device = 0x1044, .subsystem_vendor = 0x1af4,
		.subsystem = 0x1100, .class_code = 0xff0000, .revision = 1,
	};
	static const uint8_t body[6] = { 8, 0x11, 0x22, 0x33, 0x44, 0x55 };
	static const uint8_t mask[6] = { 0, 0, 0xff, 0x0f, 0, 0 };

	memset(dev, 0, sizeof(*dev));
	pci_dev_init(&dev->pci, "toy", &dev_ops, &id);
	dev->doorbell = (struct io_doorbell){ .off = PG_DOORBELL,
					      .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	dev_bar(dev, 0, PG_BAR_MEM64, PCI_BAR_MEM64, PG_MEM64_SIZE);
	dev_bar(dev, 1, PG_BAR_MEM32, PCI_BAR_MEM32, PG_MEM32_SIZE);
	dev_bar(dev, 2, PG_BAR_IO, PCI_BAR_IO, PG_IO_SIZE);
	dev->vendor_cap = pci_add_capability(&dev->pci, PCI_CAP_ID_VNDR, body, mask, 8);
	pci_msix_init(&dev->msix, &dev->pci, PG_VECTORS, PG_BAR_MEM64, PG_TABLE, PG_PBA);
}

void pg_dev_finish(struct pg_dev *dev)
{
	pci_bus_remove(&dev->pci);
	pci_msix_finish(&dev->msix);
	close(dev->doorbell.fd);
}

void pg_init(struct pci_guest *g)
{
	static const struct pci_windows windows = {
		.mem32_base = PG_MEM32, .mem32_size = PG_MEM32_LEN,
		.mem64_base = PG_MEM64, .mem64_size = PG_MEM64_LEN,
		.io_base = PG_IO, .io_size = PG_IO_LEN,
	};
	struct irq_line lines[PCI_BUS_INTX_LINES];

	memset(g, 0, sizeof(*g));
	fake_init(&g->fake);
	for (unsigned i = 0; i < PCI_BUS_INTX_LINES; i++)
		lines[i] = fake_irq_line(&g->intx[i]);
	pci_bus_init(&g->bus, &g->fake.mmio, &g->fake.pio, fake_msi_sink(&g->fake), lines,
		     &windows);
	pg_dev_init(&g->dev);
	if (pci_bus_add(&g->bus, &g->dev.pci) < 0 || pci_bus_assign(&g->bus) < 0 ||
	    pci_bus_map_config(&g->bus, PG_ECAM) < 0)
		abort();
}

void pg_finish(struct pci_guest *g)
{
	pg_dev_finish(&g->dev);
	pci_bus_finish(&g->bus);
	fake_finish(&g->fake);
}

uint64_t pg_mmio_read(struct pci_guest *g, uint64_t gpa, unsigned size)
{
	uint64_t value;

	bus_read(&g->fake.mmio, gpa, size, &value);
	return value;
}

void pg_mmio_write(struct pci_guest *g, uint64_t gpa, unsigned size, uint64_t v)
{
	bus_write(&g->fake.mmio, gpa, size, v);
}

uint64_t pg_pio_read(struct pci_guest *g, uint64_t port, unsigned size)
{
	uint64_t value;

	bus_read(&g->fake.pio, port, size, &value);
	return value;
}

uint32_t pg_ecam_read(struct pci_guest *g, unsigned slot, unsigned off, unsigned size)
{
	return pg_mmio_read(g, PG_ECAM + slot * 0x8000 + off, size);
}

void pg_ecam_write(struct pci_guest *g, unsigned slot, unsigned off, unsigned size, uint32_t v)
{
	pg_mmio_write(g, PG_ECAM + slot * 0x8000 + off, size, v);
}

static void port_select(struct pci_guest *g, unsigned slot, unsigned off)
{
	bus_write(&g->fake.pio, 0xcf8, 4, 0x80000000 | slot << 11 | (off & 0xfc));
}

uint32_t pg_port_read(struct pci_guest *g, unsigned slot, unsigned off, unsigned size)
{
	port_select(g, slot, off);
	return pg_pio_read(g, 0xcfc + (off & 3), size);
}

void pg_port_write(struct pci_guest *g, unsigned slot, unsigned off, unsigned size, uint32_t v)
{
	port_select(g, slot, off);
	bus_write(&g->fake.pio, 0xcfc + (off & 3), size, v);
}

uint64_t pg_bar(struct pci_guest *g, unsigned index)
{
	unsigned off = PCI_BASE_ADDRESS_0 + 4 * index;
	uint64_t low = pg_ecam_read(g, 1, off, 4);

	if (index == PG_BAR_IO)
		return low & ~3ull;
	if (index == PG_BAR_MEM64)
		low |= (uint64_t)pg_ecam_read(g, 1, off + 4, 4) << 32;
	return low & ~15ull;
}

void pg_set_bar(struct pci_guest *g, unsigned index, uint64_t addr)
{
	unsigned off = PCI_BASE_ADDRESS_0 + 4 * index;

	pg_ecam_write(g, 1, off, 4, addr);
	if (index == PG_BAR_MEM64)
		pg_ecam_write(g, 1, off + 4, 4, addr >> 32);
}

void pg_command(struct pci_guest *g, uint16_t command)
{
	pg_ecam_write(g, 1, PCI_COMMAND, 2, command);
}

bool pg_answers(struct pci_guest *g, unsigned index, uint64_t addr)
{
	struct bus *bus = index == PG_BAR_IO ? &g->fake.pio : &g->fake.mmio;
	uint64_t value;

	return bus_read(bus, addr, 1, &value) && value == 0xa0 + index;
}

unsigned pg_find_cap(struct pci_guest *g, unsigned slot, uint8_t id)
{
	unsigned off = 0, n = 0;

	if (!(pg_ecam_read(g, slot, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return 0;
	for (off = pg_ecam_read(g, slot, PCI_CAPABILITY_LIST, 1); off;
	     off = pg_ecam_read(g, slot, off + PCI_CAP_LIST_NEXT, 1)) {
		if (off < PCI_STD_HEADER_SIZEOF || off % 4 || ++n > 48)
			abort();
		if (pg_ecam_read(g, slot, off, 1) == id)
			return off;
	}
	return 0;
}

void pg_msix_flags(struct pci_guest *g, uint16_t flags)
{
	pg_ecam_write(g, 1, g->dev.msix.cap + PCI_MSIX_FLAGS, 2, flags);
}

/* Straight into the table: the BAR may be anywhere. */
void pg_msix_set(struct pci_guest *g, unsigned vector, uint64_t addr, uint32_t data, bool masked)
{
	pci_msix_table_write(&g->dev.msix, vector * 16, 8, addr);
	pci_msix_table_write(&g->dev.msix, vector * 16 + 8, 8, (uint64_t)masked << 32 | data);
}

void pg_msix_mask(struct pci_guest *g, unsigned vector, bool masked)
{
	pci_msix_table_write(&g->dev.msix, vector * 16 + 12, 4, masked);
}
