/* SPDX-License-Identifier: MIT */
#include "arch/x86/place.h"

#include "arch/x86/layout.h"
#include "vmm/util.h"

bool x86_place_above(struct x86_above *above, uint64_t end, unsigned bits)
{
	uint64_t limit = BIT(bits), base = align_up(end, X86_PCI_MEM64_SIZE);

	*above = (struct x86_above){ 0 };
	if (end > limit)
		return false;
	if (end < limit)
		above->shm_room = (struct gmem_range){ end, MIN(base, limit) - end };
	if (base + X86_PCI_MEM64_SIZE <= limit)
		above->mem64 = (struct gmem_range){ base, X86_PCI_MEM64_SIZE };
	return true;
}

uint64_t x86_max_memory(unsigned bits)
{
	return BIT(bits) - X86_HIGH_RAM_BASE + X86_LOW_RAM_MAX;
}
