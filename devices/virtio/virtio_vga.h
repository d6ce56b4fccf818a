/* SPDX-License-Identifier: MIT */
/*
 * virtio-vga: one PCI function that is a VGA card (devices/vga/) and a virtio
 * graphics card, as QEMU's of that name (1af4:1050, class 0x030000):
 *
 *     BAR 0   vram, 32-bit, prefetchable
 *     BAR 2   VGA's and VBE's registers, 4 KiB; then virtio's structures
 *     BAR 4   the virtio device's shared memory, if it has any
 *     ROM     an option ROM, if somebody gave one
 *
 * and, whatever the command register says, VGA's ports and its window at 0xa0000.
 * VGA's picture is shown until the virtio device's driver has one of its own, and
 * again when that is gone; who decides is microvm-gpu (devices/gpu/mux.h).
 *
 * Main thread, which is the loop's.
 */
#ifndef MICROVM_VIRTIO_VGA_H
#define MICROVM_VIRTIO_VGA_H

#include "devices/backend/display_link.h"
#include "devices/pci_rom.h"
#include "devices/vga/vga_memory.h"
#include "devices/vga/vga_refresh.h"
#include "devices/virtio/virtio_pci.h"
#include "vmm/opts.h"
#include "vmm/util.h"

#define VIRTIO_VGA_DEFAULT_VRAM (16 * MiB)
#define VIRTIO_VGA_BAR_VRAM 0

struct virtio_vga_params {
	struct loop *loop;
	struct gpu_process *process;
	uint64_t vram;			/* bytes, a power of two, VGA_MIN_VRAM ... VGA_MAX_VRAM */
	/* What the monitor would like to show. */
	uint32_t width, height;
	/* The mode that is set when the guest starts, of 32 bits a pixel; 0: none. It fits vram. */
	uint16_t boot_width, boot_height;
	bool boot_planar;		/* else mode 12h; else text */
	const char *rom;		/* file of an option ROM; NULL: none */
	bool asked;			/* for VGA, by the user */
};

/* Keys of --gpu. */
#define VIRTIO_VGA_KEYS                                                                            \
	{ "vga", "MODE", "VGA too, until there is a driver: on, off, text, planar, WxH (on in a window)" }, \
	{ "vram", "SIZE", "of the VGA card (16M)" },                                               \
	{ "vga-bios", "FILE", "option ROM of the VGA card" }
/*
 * 1: a VGA card is wanted, as @p says but for loop and process; 0: none; -EINVAL after
 * one line in the log that begins with @label. Strings point into @opts.
 */
int virtio_vga_option(struct virtio_vga_params *p, const char *label,
		      const struct opt_value *opts);

struct virtio_vga {
	struct virtio_pci pci;
	struct virtio_vga_params params;
	struct pci_bus *bus;
	struct vga vga;
	struct vga_memory memory;
	struct vga_refresh refresh;
	struct io_region fb;		/* BAR 0 */
	struct pci_rom rom;
	struct display_link *link;
};

/* 0, or negative errno after one line in the log. */
int virtio_vga_init(struct virtio_vga *g, struct virtio_device *v, struct pci_bus *bus,
		    const struct virtio_vga_params *params);
void virtio_vga_finish(struct virtio_vga *g);

#endif
