/* SPDX-License-Identifier: MIT */
/* What lies above RAM in an x86 guest, as far as its CPU reaches. Pure. */
#ifndef MICROVM_X86_PLACE_H
#define MICROVM_X86_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/gmem.h"

struct x86_above {
	struct gmem_range shm_room;	/* for what devices on MMIO share; len 0: none */
	struct gmem_range mem64;	/* PCI's 64-bit window, likewise */
};

/* RAM ends at @end; @bits of a guest-physical address. False: it ends beyond these. */
bool x86_place_above(struct x86_above *above, uint64_t end, unsigned bits);
/* The most RAM that such a guest can have. */
uint64_t x86_max_memory(unsigned bits);

#endif
