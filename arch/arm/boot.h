/* SPDX-License-Identifier: MIT */
/*
 * Loads an ARM kernel into guest memory and says how to enter it. Pure: guest
 * memory and files in, registers out; no KVM.
 *
 *   arm64 Image    Documentation/arm64/booting.rst, as it is or compressed by gzip
 *   zImage         Documentation/arm/booting.rst; armv7
 *   uImage         U-Boot's legacy image of a kernel, not compressed or by gzip
 *   ELF            armv7 or arm64, at the physical addresses of its segments
 *   *.bin          any file of that name that is none of those: loaded at raw_gpa
 *                  and entered there, as firmware such as U-Boot wants it
 *
 * Files are read straight into their place, once. Every number in them is
 * taken for a lie until checked (cases 94, 96). Main thread, no vCPU runs, and
 * RAM is all zeros: new, or after gmem_discard(). The kernel goes into @ram,
 * as do initrd and tree, where the kernel can reach them; nothing overlaps. Guest
 * memory may have more regions, for what only firmware or the hypervisor uses.
 */
#ifndef MICROVM_ARM_BOOT_H
#define MICROVM_ARM_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/gmem.h"

#define ARM_BOOT_MAX_RESERVED 32

enum arm_width { ARM_WIDTH_AUTO, ARM_WIDTH_32, ARM_WIDTH_64 };

struct arm_boot {
	const char *kernel;	/* paths */
	const char *initrd;	/* NULL: none */
	const char *kernel_name, *initrd_name;	/* for messages; NULL: the paths */
	bool raw;		/* what is no kernel is as a .bin */
	bool raw32;		/* a .bin is for 32-bit CPUs unless the user wants 64 */
	enum arm_width width;	/* what the user wants; a kernel of the other is refused */
	struct gmem_range ram;	/* in one region of guest memory */
	uint64_t dtb_len;	/* room that the device tree needs; 0: ARM_FDT_MAX */
	uint64_t raw_gpa;	/* of a .bin, in guest memory... */
	uint64_t raw_dtb_gpa;	/* ...and where it looks for its tree; UINT64_MAX: in a register */
	/* Where nothing may go: what the tree reserves, spin tables. */
	const struct gmem_range *reserved;
	unsigned n_reserved;	/* ARM_BOOT_MAX_RESERVED at most */
};

/*
 * Registers: x0 = dtb_gpa, x1 to x3 = 0; of a 32-bit kernel r0 = 0, r1 = ~0,
 * r2 = dtb_gpa, in SVC mode, ARM state or as bit 0 of pc says. MMU and caches off,
 * interrupts masked.
 */
struct arm_entry {
	bool aarch32;
	uint64_t pc;
	uint64_t dtb_gpa;	/* dtb_len bytes, for the caller to fill */
	uint64_t initrd_gpa, initrd_len;	/* len 0: none */
};

/* What a kernel needs, before there is a machine to load it into. */
struct arm_probe {
	bool aarch32;		/* of a .bin: as boot->width or else boot->raw32 says */
	bool raw;		/* a .bin: raw_gpa has to be memory */
};

/* Of @boot only kernel, its name, raw, raw32 and width count. 0, or negative errno after one line in the log. */
int arm_boot_probe(const struct arm_boot *boot, struct arm_probe *probe);

/*
 * 0, or negative errno after one line in the log that names the file and what is
 * wrong with it.
 */
int arm_boot_load(struct gmem *mem, const struct arm_boot *boot, struct arm_entry *entry);

#endif
