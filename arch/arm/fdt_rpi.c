/* SPDX-License-Identifier: MIT */
/* raspberrypi/documentation: "Device Trees, overlays, and parameters", part 4. */
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>

#include "arch/arm/fdt_int.h"
#include "arch/arm/rpi.h"
#include "vmm/util.h"

#define RPI_ROOM 512		/* bytes, for all that is added */
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
