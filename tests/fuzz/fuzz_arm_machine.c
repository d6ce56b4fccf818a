/* SPDX-License-Identifier: MIT */
/* Device trees, and the machines that are made of them (case 95). */
#include <stdlib.h>

#include "tests/arm_rig.h"
#include "vmm/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* One access to each window; devices are not what is tried here. */
static void touch(struct bus *bus)
{
	for (unsigned i = 0; i < bus->n_regions; i++) {
		const struct io_region *r = bus->regions[i];
		uint64_t value;

		bus_read(bus, r->base, 1, &value);
		bus_write(bus, r->base + r->len - 1, 1, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arm_rig *r = calloc(1, sizeof(*r));

	log_set_level(LOG_ERROR);
	arm_rig_init(r);
	r->has_pmu = len & 1;
	if (arm_rig_build_blob(r, data, len) == 0)
		touch(&r->vm.mmio);
	arm_rig_finish(r);
	free(r);
	return 0;
}
