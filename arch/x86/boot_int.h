/* SPDX-License-Identifier: MIT */
/*
 * Between the parts of the x86 loader: boot.c, boot_bzimage.c, boot_elf.c and
 * boot_file.c. Tests may include it; nobody else does.
 */
#ifndef MICROVM_X86_BOOT_INT_H
#define MICROVM_X86_BOOT_INT_H

#include <asm/bootparam.h>
#include <stddef.h>

#include "arch/x86/boot.h"
#include "vmm/gmem.h"

/* --- boot_file.c: a file of the host, of which every byte may be a lie --- */

struct boot_file {
	const char *path;	/* owned by the caller */
	int fd;
	uint64_t size;
};

/*
 * Regular files that are not empty; never waits for one. All return 0, or
 * negative errno after a line in the log.
 */
int boot_file_open(struct boot_file *file, const char *path);
void boot_file_close(struct boot_file *file);
int boot_file_read(const struct boot_file *file, uint64_t off, void *buf, size_t len);
/* Straight into guest memory, region by region. */
int boot_file_load(const struct boot_file *file, uint64_t off, struct gmem *mem, uint64_t gpa,
		   uint64_t len);
/* Whether it still is what boot_file_open() saw; to be asked after the last read. */
int boot_file_unchanged(const struct boot_file *file);

/* --- boot.c: who is where in guest memory --- */

#define BOOT_MAX_SEGMENTS 64	/* of an ELF file; vmlinux has 5 */
#define BOOT_MAX_CLAIMS (BOOT_MAX_SEGMENTS + 16)

struct boot_claim {
	const char *what;
	int index;		/* -1: there is only one */
	uint64_t gpa, len;
};

struct boot {
	struct gmem *mem;
	const struct x86_boot *cfg;
	struct boot_file kernel, initrd;
	uint64_t initrd_gpa;	/* once placed */
	struct boot_claim claims[BOOT_MAX_CLAIMS];
	unsigned n_claims;
};

/* For messages: rounded up. */
uint64_t boot_mib(uint64_t bytes);
/* Reserves RAM. -EINVAL with a line in the log if there is none, or another has it. */
int boot_claim(struct boot *boot, const char *what, int index, uint64_t gpa, uint64_t len);
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
bool boot_elf_probe(const uint8_t *head, size_t len);
int boot_elf_load(struct boot *boot, const uint8_t *head, size_t len, struct x86_entry *entry);

#endif
