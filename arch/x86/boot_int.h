/* SPDX-License-Identifier: MIT */
/*
 * Between the parts of the x86 loader: boot.c, boot_bzimage.c and boot_elf.c.
 * Tests may include it; nobody else does.
 */
#ifndef MICROVM_X86_BOOT_INT_H
#define MICROVM_X86_BOOT_INT_H

#include <asm/bootparam.h>
#include <stddef.h>

#include "arch/x86/boot.h"
#include "vmm/boot_claims.h"
#include "vmm/boot_elf.h"
#include "vmm/boot_file.h"
#include "vmm/gmem.h"

struct boot {
	struct gmem *mem;
	const struct x86_boot *cfg;
	struct boot_file kernel, initrd;
	uint64_t initrd_gpa;	/* once placed */
	struct boot_claims claims;
};

/* As high as possible below @low_end; or, if @may_be_high, anywhere. No-op without an initrd. */
int boot_load_initrd(struct boot *boot, uint64_t low_end, bool may_be_high);
/* @max: the longest that the kernel takes, without the NUL. */
int boot_load_cmdline(struct boot *boot, uint64_t max);

/* Memory as the guest is told of it; types are those of ACPI 6.4, 15.1. */
#define BOOT_E820_RAM 1
#define BOOT_E820_RESERVED 2
#define BOOT_MAX_E820 (GMEM_MAX_REGIONS + 4)	/* two splits, two reserved ranges */

unsigned boot_e820(const struct gmem *mem, struct boot_e820_entry e820[BOOT_MAX_E820]);

/*
 * Writes a zero page around @hdr, whose fields for the loader are filled in
 * here, the initrd's and command line's as loaded.
 */
int boot_write_zero_page(struct boot *boot, const struct setup_header *hdr);

/* --- the formats; @head are the first @len bytes of boot->kernel --- */

bool boot_bzimage_probe(const uint8_t *head, size_t len);
int boot_bzimage_load(struct boot *boot, const uint8_t *head, size_t len, struct x86_entry *entry);
int x86_elf_load(struct boot *boot, const uint8_t *head, size_t len, struct x86_entry *entry);

#endif
