/* SPDX-License-Identifier: MIT */
/* Vram as a bus has it, for accesses that no mapping takes. The bus has checked their range. */
#include "devices/vga/vga_impl.h"
#include "vmm/util.h"

static uint64_t fb_read(void *dev, uint64_t off, unsigned size)
{
	const struct vga_card *c = dev;

	return load_le(c->vram + off, size);
}

static void fb_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct vga_card *c = dev;

	store_le(c->vram + off, size, value);
	vga_touch(c, off);
	vga_touch(c, off + size - 1);
}

const struct io_ops vga_fb_ops = { .read = fb_read, .write = fb_write };
