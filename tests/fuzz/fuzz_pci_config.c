/* SPDX-License-Identifier: MIT */
/*
 * A guest that pokes at PCI: the input is a sequence of accesses to config
 * space through ECAM and the ports, to the BARs and anywhere, with interrupts
 * of the device and resets between. After each step what must never change is
 * looked at.
 */
#include <stdlib.h>

#include "tests/fuzz/input.h"
#include "tests/pci_guest.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)

static unsigned take_size(struct input *in)
{
	return 1u << (take(in, 1) & 3);
}

/* --- invariants ----------------------------------------------------------------- */

static void check_header(const struct pci_dev *dev, uint32_t id, uint32_t class_revision)
{
	const uint8_t *c = dev->config;

	CHECK(load_le(c + PCI_VENDOR_ID, 4) == id);
	CHECK(load_le(c + PCI_CLASS_REVISION, 4) == class_revision);
	CHECK(c[PCI_HEADER_TYPE] == PCI_HEADER_TYPE_NORMAL);
	CHECK(load_le(c + PCI_ROM_ADDRESS, 4) == 0);
	CHECK((load_le(c + PCI_STATUS, 2) & ~PCI_STATUS_CAP_LIST) == 0);
}

static void check_caps(const struct pg_dev *dev)
{
	const uint8_t *c = dev->pci.config;

	CHECK(c[PCI_CAPABILITY_LIST] == dev->vendor_cap);
	CHECK(c[dev->vendor_cap] == PCI_CAP_ID_VNDR);
	CHECK(c[dev->vendor_cap + 1] == dev->msix.cap);
	CHECK(c[dev->msix.cap] == PCI_CAP_ID_MSIX);
	CHECK(c[dev->msix.cap + 1] == 0);
	CHECK((load_le(c + dev->msix.cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) ==
	      PG_VECTORS - 1);
}

/* A region is where its registers say, or nowhere. */
static void check_bar(const struct pci_guest *g, unsigned index, uint64_t size, uint8_t flags)
{
	const struct pci_dev *dev = &g->dev.pci;
	const uint8_t *reg = dev->config + PCI_BASE_ADDRESS_0 + 4 * index;
	uint64_t addr = load_le(reg, index == PG_BAR_MEM64 ? 8 : 4);
	bool io = index == PG_BAR_IO;
	bool decode = dev->config[PCI_COMMAND] & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY);
	const struct io_region *r = dev->bars[index].region;

	CHECK((addr & (size - 1)) == flags);
	addr &= ~(size - 1);
	if (!decode) {
		CHECK(!r->mapped);
	} else if (r->mapped) {
		CHECK(r->base == addr);
		CHECK(!io || addr + size <= 0x10000);
	} else {
		CHECK(dev->bars[index].probing || (io && addr + size > 0x10000) ||
		      (index == PG_BAR_MEM64 && addr >> 32 == ~0u));
	}
}

static void check_interrupts(struct pci_guest *g)
{
	CHECK(g->fake.msi.routes <= PG_VECTORS);
	CHECK(g->intx[1].level == g->dev.pci.intx_asserted);
	CHECK(g->bus.intx_count[1] == g->dev.pci.intx_asserted);
	CHECK(!pci_msix_enabled(&g->dev.msix) || !g->dev.pci.intx_asserted);
	CHECK(pci_msix_pba_read(&g->dev.msix, 0, 8) < BIT(PG_VECTORS));
}

static void check(struct pci_guest *g)
{
	check_header(&g->bus.host_bridge, 0x00081b36, 0x06000000);
	check_header(&g->dev.pci, 0x10441af4, 0xff000001);
	CHECK(g->bus.host_bridge.config[PCI_CAPABILITY_LIST] == 0);
	check_caps(&g->dev);
	check_bar(g, PG_BAR_MEM64, PG_MEM64_SIZE, 0xc);
	check_bar(g, PG_BAR_MEM32, PG_MEM32_SIZE, 0);
	check_bar(g, PG_BAR_IO, PG_IO_SIZE, 1);
	CHECK(g->fake.mmio.n_regions == 1u + g->dev.windows[0].region.mapped +
	      g->dev.windows[1].region.mapped);
	CHECK(g->fake.pio.n_regions == 1u + g->dev.windows[2].region.mapped);
	check_interrupts(g);
}

/* --- steps ------------------------------------------------------------------------ */

static void access_bus(struct bus *bus, struct input *in, uint64_t addr, bool write)
{
	unsigned size = take_size(in);
	uint64_t value;

	if (write)
		bus_write(bus, addr, size, take(in, size));
	else if (!bus_read(bus, addr, size, &value))
		CHECK(value == all_ones(size));
}

/* An access to where BAR registers of the device point, mapped or not. */
static void access_bar(struct pci_guest *g, struct input *in, bool write)
{
	static const unsigned indices[] = { PG_BAR_MEM64, PG_BAR_MEM32, PG_BAR_IO, PG_BAR_MEM64 };
	unsigned index = indices[take(in, 1) & 3];
	uint64_t addr = pg_bar(g, index) + take(in, 2);

	access_bus(index == PG_BAR_IO ? &g->fake.pio : &g->fake.mmio, in, addr, write);
}

/* By number, where nothing says that the numbers are sound. */
static void access_config(struct pci_guest *g, struct input *in, bool write)
{
	unsigned slot = take(in, 1), fn = take(in, 1), off = take(in, 2), size = take(in, 1);

	if (write)
		pci_config_write(&g->bus, slot, fn, off, size, take(in, 4));
	else
		pci_config_read(&g->bus, slot, fn, off, size);
}

static void step(struct pci_guest *g, struct input *in)
{
	uint8_t op = take(in, 1);
	bool write = op & 0x80;

	switch (op & 7) {
	case 0:
		access_bus(&g->fake.mmio, in, PG_ECAM + 0x8000 + take(in, 1), write);
		break;
	case 1:
		access_bus(&g->fake.mmio, in, PG_ECAM + take(in, 3) % PCI_ECAM_SIZE, write);
		break;
	case 2:
		access_bus(&g->fake.pio, in, 0xcf8 + (take(in, 1) & 7), write);
		break;
	case 3:
		access_bar(g, in, write);
		break;
	case 4:
		access_config(g, in, write);
		break;
	case 5:
		if (write)
			pci_msix_notify(&g->dev.msix, take(in, 1));
		else
			pci_intx_set(&g->dev.pci, take(in, 1) & 1);
		break;
	case 6:
		access_bus(op & 8 ? &g->fake.mmio : &g->fake.pio, in, take(in, 8), write);
		break;
	case 7:
		if (write)
			pci_bus_reset(&g->bus);
		else
			g->fake.msi.fail_routes = take(in, 1) & 1;
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct pci_guest g;

	log_set_level(LOG_ERROR);
	pg_init(&g);
	while (in.left) {
		step(&g, &in);
		check(&g);
	}
	pg_finish(&g);
	CHECK(g.fake.msi.routes == 0);
	return 0;
}
