/* SPDX-License-Identifier: MIT */
/*
 * A guest that pokes at a VGA card: registers by ports and memory, the window,
 * vram, time and repaint together. After each picture a new one of all of it
 * has to look the same, and the screen checks what it is told.
 */
#include <stdlib.h>

#include "tests/fuzz/input.h"
#include "tests/vga_rig.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)

#define PIXELS (1 << 17)		/* for an input; they are what takes time */
#define AWAKE (9000 * RIG_MS)		/* what blinks does so until then */

static unsigned take_size(struct input *in)
{
	return 1u << (take(in, 1) & 3);
}

static void access_bus(struct bus *bus, struct input *in, uint64_t addr, bool write)
{
	unsigned size = take_size(in);
	uint64_t value;

	if (write)
		bus_write(bus, addr, size, take(in, size));
	else
		bus_read(bus, addr, size, &value);
}

static void set_register(struct vga_rig *r, struct input *in)
{
	static const uint16_t ports[] = { 0x3c4, 0x3ce, 0x3d4, 0x3c0 };
	unsigned bank = take(in, 1), index = take(in, 1) & 0x1f, value = take(in, 1);

	if ((bank & 3) == 3)
		rig_attr(r, index, value);
	else
		rig_reg(r, ports[bank & 3], index, value);
}

/* Smaller pictures have the same code, and many more fit into a second. */
static void shrink(struct vga_rig *r)
{
	rig_reg(r, 0x3d4, 0x11, 0x00);
	rig_reg(r, 0x3d4, 0x01, 15);
	rig_reg(r, 0x3d4, 0x07, 0x10);
	rig_reg(r, 0x3d4, 0x12, 63);
}

static void set_mode(struct vga_rig *r, struct input *in)
{
	static const struct vga_rig_mode *const modes[] = {
		&vga_mode_04h, &vga_mode_12h, &vga_mode_13h, &vga_mode_13h,
	};
	uint8_t n = take(in, 1);

	rig_set_mode(r, modes[n & 3]);
	if (!(n & 0x80))
		shrink(r);
}

static void set_vbe(struct vga_rig *r, struct input *in)
{
	static const uint8_t depths[] = { 4, 8, 15, 16, 24, 32, 0, 255 };
	uint16_t width = take(in, 2), height = take(in, 2);

	rig_vbe(r, width, height, depths[take(in, 1) & 7]);
}

static void fill(struct vga_rig *r, struct input *in)
{
	uint64_t off = take(in, 3) % r->vram_len, len = MIN(take(in, 2) + 1, r->vram_len - off);
	uint64_t pattern = take(in, 8);
	uint8_t *bytes = malloc(len);

	CHECK(bytes);
	for (uint64_t i = 0; i < len; i++)
		bytes[i] = (pattern >> 8 * (i & 7)) + i / 8;
	rig_store(r, off, bytes, len);
	free(bytes);
}

/* Returns how many pixels it has. */
static uint64_t picture(struct vga_rig *r, struct input *in)
{
	uint64_t wait;

	r->now = MIN(r->now + take(in, 1) * RIG_MS, AWAKE);
	wait = vga_rig_paint(r);
	CHECK(wait > 0 && (wait == VGA_NEVER || wait < 1000 * RIG_MS));
	CHECK(vga_rig_fresh(r));
	return (uint64_t)r->width * r->height;
}

static void step(struct vga_rig *r, struct input *in, uint64_t *pixels)
{
	uint8_t op = take(in, 1);
	bool write = op & 0x80;

	switch (op & 15) {
	case 0: case 1:
		access_bus(&r->pio, in, VGA_PORTS + take(in, 1) % VGA_PORTS_LEN, write);
		break;
	case 2: case 3: case 4:
		set_register(r, in);
		break;
	case 5: case 6:
		/* The window, or what the machine's mapping of vram leaves to the bus. */
		if (op & 0x40)
			access_bus(&r->mmio, in, RIG_FB + take(in, 3) % VGA_MIN_VRAM, write);
		else
			access_bus(&r->mmio, in, VGA_WINDOW_GPA + take(in, 3) % VGA_WINDOW_LEN,
				   write);
		break;
	case 7:
		access_bus(&r->mmio, in, RIG_MMIO + take(in, 2) % VGA_MMIO_LEN, write);
		break;
	case 8: case 9:
		rig_dispi(r, take(in, 1) & 15, take(in, 2));
		break;
	case 10:
		set_mode(r, in);
		break;
	case 11:
		set_vbe(r, in);
		break;
	case 12:
		fill(r, in);
		break;
	case 13: case 14:
		if (*pixels < PIXELS)
			*pixels += picture(r, in);
		break;
	case 15:
		if (write)
			vga_reset(&r->vga);
		else
			vga_show(&r->vga, take(in, 1) & 1);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint64_t pixels = 0;
	struct vga_rig r;

	log_set_level(LOG_ERROR);
	vga_rig_init(&r, VGA_MIN_VRAM);
	shrink(&r);
	while (in.left)
		step(&r, &in, &pixels);
	vga_show(&r.vga, true);
	vga_rig_paint(&r);
	CHECK(vga_rig_fresh(&r));
	vga_rig_finish(&r);
	return 0;
}
