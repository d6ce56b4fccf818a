/* SPDX-License-Identifier: MIT */
/*
 * ELF executables as kernels and payloads (System V ABI, "Object Files"): headers
 * checked, segments loaded at their physical addresses. For the loaders of all
 * architectures; main thread. What fails says so in one line of the log.
 */
#ifndef MICROVM_BOOT_ELF_H
#define MICROVM_BOOT_ELF_H

#include <stdbool.h>

#include "vmm/boot_claims.h"
#include "vmm/boot_file.h"

#define BOOT_MAX_SEGMENTS 64	/* of an ELF file; vmlinux has 5 */

struct boot_elf_segment {
	uint32_t type;
	uint64_t off, paddr, filesz, memsz;
};

/* A file's headers, the same for both classes. */
struct boot_elf {
	bool is64;
	uint64_t entry, phoff;
	unsigned phnum, phentsize;
	struct boot_elf_segment segments[BOOT_MAX_SEGMENTS];
};

/* For whom the file has to be; little-endian. */
struct boot_elf_want {
	const char *arch;
	unsigned machine32, machine64;	/* EM_* */
};

/* @head are the first @len bytes of the file. */
bool boot_elf_probe(const uint8_t *head, size_t len);
/* 0 or negative errno. */
int boot_elf_read(const struct boot_file *f, const struct boot_elf_want *want,
		  const uint8_t *head, size_t len, struct boot_elf *elf);
/* Whether elf->entry lies in what a segment loads from the file. */
bool boot_elf_entry_loaded(const struct boot_elf *elf);
/* Claims and fills the segments' places. 0 or negative errno. */
int boot_elf_load(const struct boot_elf *elf, const struct boot_file *f,
		  struct boot_claims *claims);

#endif
