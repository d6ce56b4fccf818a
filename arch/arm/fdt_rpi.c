/* SPDX-License-Identifier: MIT */
/* raspberrypi/documentation: "Device Trees, overlays, and parameters", part 4. */
#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/arm/fdt_int.h"
#include "arch/arm/rpi.h"
#include "devices/bcm283x_property.h"
#include "vmm/util.h"

#define RPI_ROOM 1024		/* bytes, for all that is added */
#define RPI_SERIAL 0x564d0002

/* Addresses of the firmware's end in the lower half of the serial number. */
const struct arm_rpi arm_rpi_2b = {
	.revision = 0xa01041,
	.serial = RPI_SERIAL,
	.mac = { 0xb8, 0x27, 0xeb, RPI_SERIAL >> 16 & 0xff, RPI_SERIAL >> 8 & 0xff,
		 RPI_SERIAL & 0xff },
};

static int rpi_set_serial(struct arm_fdt *fdt, const struct arm_rpi *rpi)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, rpi->serial);
	return tree_set_string(fdt, 0, "serial-number", text);
}

static int rpi_set_system(struct arm_fdt *fdt, const struct arm_rpi *rpi)
{
	fdt32_t revision = cpu_to_fdt32(rpi->revision);
	fdt64_t serial = cpu_to_fdt64(rpi->serial);
	int system = tree_top(fdt, "system"), ret;

	if (system < 0)
		return system;
	ret = tree_set(fdt, system, "linux,revision", &revision, sizeof(revision));
	return ret < 0 ? ret : tree_set(fdt, system, "linux,serial", &serial, sizeof(serial));
}

static int rpi_set_mac(struct arm_fdt *fdt, const struct arm_rpi *rpi)
{
	int aliases = arm_fdt_find(fdt, "/aliases");
	const char *path = aliases < 0 ? NULL : arm_fdt_string(fdt, aliases, "ethernet0");
	int node = path && *path == '/' ? arm_fdt_find(fdt, path) : -1;

	return node < 0 ? 0 : tree_set(fdt, node, "local-mac-address", rpi->mac, sizeof(rpi->mac));
}

static int rpi_set_u32(struct arm_fdt *fdt, int node, const char *name, uint32_t value)
{
	fdt32_t cell = cpu_to_fdt32(value);

	return tree_set(fdt, node, name, &cell, sizeof(cell));
}

/* chosen.yaml: the cells of the root, which addresses in /chosen are passed on as. */
static int rpi_chosen_as_bus(struct arm_fdt *fdt, int chosen)
{
	uint32_t addr, size;
	int ret;

	tree_root_cells(fdt, &addr, &size);
	ret = rpi_set_u32(fdt, chosen, "#address-cells", addr);
	if (ret == 0)
		ret = rpi_set_u32(fdt, chosen, "#size-cells", size);
	return ret < 0 ? ret : tree_set(fdt, chosen, "ranges", NULL, 0);
}

/* display/simple-framebuffer.yaml */
static int rpi_set_framebuffer(struct arm_fdt *fdt, int node, const struct bcm283x_fb *fb)
{
	const struct gmem_range reg = { fb->gpa, (uint64_t)fb->pitch * fb->height };
	int ret;

	if ((ret = tree_set_reg(fdt, node, &reg, 1)) < 0 ||
	    (ret = rpi_set_u32(fdt, node, "width", fb->width)) < 0 ||
	    (ret = rpi_set_u32(fdt, node, "height", fb->height)) < 0 ||
	    (ret = rpi_set_u32(fdt, node, "stride", fb->pitch)) < 0 ||
	    (ret = tree_set_string(fdt, node, "status", "okay")) < 0)
		return ret;
	ret = tree_set_string(fdt, node, "format", fb->depth == 16 ? "r5g6b5" : "a8r8g8b8");
	return ret < 0 ? ret : tree_set_string(fdt, node, "compatible", "simple-framebuffer");
}

static bool rpi_asks_mailbox(const struct arm_fdt *fdt)
{
	int node = fdt_node_offset_by_compatible(fdt->blob, -1, "brcm,bcm2708-fb");
	const char *status = node < 0 ? "disabled" : arm_fdt_string(fdt, node, "status");

	return !status || !strcmp(status, "okay");
}

/*
 * The driver that the Raspberry Pi's own kernels have for the mailbox takes size and order
 * of the colours from its parameters. With them its picture is the simple-framebuffer's.
 */
static int rpi_tell_driver(struct arm_fdt *fdt, int chosen, const struct bcm283x_fb *fb)
{
	const char *own = arm_fdt_string(fdt, chosen, "bootargs");
	char *text;
	int ret;

	if (!rpi_asks_mailbox(fdt))
		return 0;
	/* In front: what others say later counts. */
	if (asprintf(&text, "bcm2708_fb.fbwidth=%u bcm2708_fb.fbheight=%u bcm2708_fb.fbdepth=%u "
		     "bcm2708_fb.fbswap=1%s%s", fb->width, fb->height, fb->depth,
		     own && *own ? " " : "", own ? own : "") < 0)
		return -ENOMEM;
	ret = tree_set_string(fdt, chosen, "bootargs", text);
	free(text);
	return ret;
}

/*
 * There is no VideoCore to drive: its driver in Linux takes this picture away before it
 * finds that out.
 */
static int rpi_hide_videocore(struct arm_fdt *fdt)
{
	int node = fdt_node_offset_by_compatible(fdt->blob, -1, "brcm,bcm2835-vc4");

	return node < 0 ? 0 : tree_set_string(fdt, node, "status", "disabled");
}

int arm_rpi_add_framebuffer(struct arm_fdt *fdt, const struct bcm283x_fb *fb)
{
	int ret = tree_grow(fdt, RPI_ROOM), chosen, node, end;
	char name[32];

	if (ret < 0)
		return ret;
	snprintf(name, sizeof(name), "framebuffer@%" PRIx64, fb->gpa);
	chosen = tree_top(fdt, "chosen");
	ret = chosen < 0 ? chosen : rpi_chosen_as_bus(fdt, chosen);
	if (ret == 0) {
		node = fdt_add_subnode(fdt->blob, chosen, name);
		ret = node < 0 ? tree_failed(fdt, name, node) : rpi_set_framebuffer(fdt, node, fb);
	}
	if (ret == 0)
		ret = rpi_tell_driver(fdt, chosen, fb);
	if (ret == 0)
		ret = rpi_hide_videocore(fdt);
	end = tree_shrink(fdt);
	return ret < 0 ? ret : end;
}

int arm_rpi_patch(struct arm_fdt *fdt, const struct arm_rpi *rpi)
{
	int ret = tree_grow(fdt, RPI_ROOM), end;

	if (ret < 0)
		return ret;
	ret = rpi_set_serial(fdt, rpi);
	if (ret == 0)
		ret = rpi_set_system(fdt, rpi);
	if (ret == 0)
		ret = rpi_set_mac(fdt, rpi);
	end = tree_shrink(fdt);
	return ret < 0 ? ret : end;
}
