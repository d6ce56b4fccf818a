/* SPDX-License-Identifier: MIT */
#include "devices/virtio/virtio_vga.h"

#include <errno.h>
#include <string.h>

#include "vmm/util.h"

#define PCI_CLASS_VGA 0x030000
#define BAR_REGISTERS 2

/* --- vram ----------------------------------------------------------------- */

static void collect(void *ctx, uint64_t *pages)
{
	struct virtio_vga *g = ctx;

	bus_collect(g->bus->mmio, &g->fb, pages);
}

static void watch(void *ctx)
{
	struct virtio_vga *g = ctx;

	vga_memory_watch(&g->memory);
}

/* A guest that has crashed under its driver, for one. */
static void text_written(void *ctx)
{
	struct virtio_vga *g = ctx;

	display_link_insist(g->link);
}

static void repair(void *dev)
{
	struct virtio_vga *g = dev;

	if (vga_memory_repair(&g->memory))
		vga_refresh_kick(&g->refresh);
}

static uint64_t fb_read(void *dev, uint64_t off, unsigned size)
{
	struct virtio_vga *g = dev;

	return g->vga.fb.ops->read(g->vga.fb.dev, off, size);
}

/* KVM may take a write to pages that are watched for one to registers. */
static void fb_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct virtio_vga *g = dev;

	vga_memory_repair(&g->memory);
	g->vga.fb.ops->write(g->vga.fb.dev, off, size, value);
}

static const struct io_ops fb_ops = { fb_read, fb_write };

/* --- the screen ----------------------------------------------------------- */

static void set_monitor(struct virtio_vga *g)
{
	struct edid_monitor monitor = {
		.width = g->params.width,
		.height = g->params.height,
		.refresh_mhz = 60000,
		.name = "microvm",
		.number = 1,
	};

	vga_set_monitor(&g->vga, &monitor);
}

static void screen_configure(void *ctx, unsigned output, const struct display_output *what)
{
	struct virtio_vga *g = ctx;

	if (what->width && what->height) {
		g->params.width = what->width;
		g->params.height = what->height;
	}
	set_monitor(g);
}

/* Somebody else has the screen, or VGA does again. */
static void screen_plug(void *ctx, unsigned output, bool on)
{
	struct virtio_vga *g = ctx;

	vga_refresh_show(&g->refresh, on);
}

static void screen_frame_done(void *ctx, unsigned output)
{
}

static const struct display_sink_ops screen_ops = {
	.configure = screen_configure,
	.plug = screen_plug,
	.frame_done = screen_frame_done,
};

/* --- life ----------------------------------------------------------------- */

static void dispi_set(struct virtio_vga *g, uint16_t index, uint16_t value)
{
	const struct io_region *r = &g->vga.dispi;

	pthread_mutex_lock(r->lock);
	r->ops->write(r->dev, 0, 2, index);
	r->ops->write(r->dev, 2, 2, value);
	pthread_mutex_unlock(r->lock);
}

/* As firmware would leave it: VBE_DISPI_INDEX_XRES, YRES, BPP, ENABLE. */
static void set_boot_mode(struct virtio_vga *g)
{
	const uint16_t values[] = { g->params.boot_width, g->params.boot_height, 32, 0x41 };

	if (g->params.boot_planar)
		vga_set_planar(&g->vga);
	for (unsigned i = 0; g->params.boot_width && i < ARRAY_SIZE(values); i++)
		dispi_set(g, 1 + i, values[i]);
}

static void vga_bus_reset(void *ctx)
{
	struct virtio_vga *g = ctx;

	vga_memory_clear(&g->memory);
	vga_reset(&g->vga);
	set_boot_mode(g);
}

static int make_vga(struct virtio_vga *g)
{
	const struct vga_watch by = { watch, text_written, g };
	struct vga_config config = {
		.vram = g->memory.vram,
		.vram_len = g->memory.vram_len,
		.canvas = g->memory.canvas,
		.canvas_len = g->memory.canvas_len,
		.shared = true,
		.fd = g->memory.fd,
		.canvas_at = g->memory.canvas_at,
		.dirty = { collect, g },
		.display = display_link_display(g->link),
		.changed = vga_refresh_kick,
		.ctx = &g->refresh,
	};
	int ret;

	vga_refresh_init(&g->refresh, &g->vga, g->params.loop, &by);
	ret = vga_init(&g->vga, &config);
	if (ret < 0)
		return ret;
	set_monitor(g);
	set_boot_mode(g);
	g->fb = (struct io_region){
		.name = "vga-fb", .ops = &fb_ops, .dev = g, .len = g->memory.vram_len,
		.lock = g->vga.fb.lock, .memory = g->memory.guest, .repair = repair,
		.logged = true,
	};
	return 0;
}

/* What a PC has at fixed addresses. */
static int add_legacy(struct virtio_vga *g)
{
	int ret = bus_add(g->bus->mmio, &g->vga.window, VGA_WINDOW_GPA);

	if (ret == 0)
		ret = bus_add(g->bus->pio, &g->vga.ports, VGA_PORTS);
	if (ret == 0)
		ret = bus_add(g->bus->pio, &g->vga.dispi, VGA_DISPI_PORTS);
	return ret;
}

static int add_function(struct virtio_vga *g, struct virtio_device *v)
{
	const struct virtio_pci_bar bars[] = {
		{ VIRTIO_VGA_BAR_VRAM, PCI_BAR_MEM32, true, g->memory.vram_len, &g->fb },
		{ PCI_BAR_OF_ROM, PCI_BAR_ROM, false, g->rom.size, &g->rom.region },
	};
	const struct virtio_pci_layout layout = {
		.bar = BAR_REGISTERS,
		.before = &g->vga.mmio,
		.bars = bars,
		.n_bars = g->rom.bytes ? 2 : 1,
		.class_code = PCI_CLASS_VGA,
		.command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY,
		.reset = vga_bus_reset,
		.ctx = g,
	};

	return virtio_pci_init(&g->pci, v, g->bus, &layout);
}

static void take_apart(struct virtio_vga *g)
{
	bus_remove(g->bus->pio, &g->vga.dispi);
	bus_remove(g->bus->pio, &g->vga.ports);
	bus_remove(g->bus->mmio, &g->vga.window);
	if (g->vga.card) {
		vga_refresh_finish(&g->refresh);
		vga_finish(&g->vga);
	}
	display_link_destroy(g->link);
	pci_rom_finish(&g->rom);
	vga_memory_finish(&g->memory);
}

int virtio_vga_init(struct virtio_vga *g, struct virtio_device *v, struct pci_bus *bus,
		    const struct virtio_vga_params *params)
{
	const struct display_link_params link = {
		.loop = params->loop,
		.process = params->process,
		.sink = { &screen_ops, g },
	};
	int ret;

	memset(g, 0, sizeof(*g));
	g->params = *params;
	g->bus = bus;
	ret = pci_rom_load(&g->rom, "--gpu vga-bios", params->rom);
	if (ret == 0)
		ret = vga_memory_create(&g->memory, params->vram);
	if (ret < 0) {
		pci_rom_finish(&g->rom);
		return ret;
	}
	ret = display_link_create(&g->link, &link);
	if (ret == 0)
		ret = make_vga(g);
	if (ret == 0)
		ret = add_legacy(g);
	if (ret == 0)
		ret = add_function(g, v);
	if (ret < 0) {
		log_error("--gpu vga=on: %s", strerror(-ret));
		take_apart(g);
	}
	return ret;
}

void virtio_vga_finish(struct virtio_vga *g)
{
	virtio_pci_finish(&g->pci);
	take_apart(g);
}
