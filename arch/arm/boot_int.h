/* SPDX-License-Identifier: MIT */
/* Between the parts of the ARM loader, boot*.c. Tests may include it; nobody else does. */
#ifndef MICROVM_ARM_BOOT_INT_H
#define MICROVM_ARM_BOOT_INT_H

#include "arch/arm/boot.h"
#include "vmm/boot_claims.h"
#include "vmm/boot_file.h"

#define BOOT_HEAD_LEN 4096	/* of a kernel, to tell formats apart */
#define BOOT_HEAD_MIN 64	/* the shortest header; heads are padded by zeros */

/* --- boot_payload.c: the kernel in a file, which may be behind a header or packed --- */

struct payload {
	const struct boot_file *file;
	uint64_t off, len;	/* in the file */
	bool gzip;
	uint8_t head[BOOT_HEAD_LEN];	/* unpacked; zeros behind its end */
	size_t head_len;
};

/*
 * Part of @file, as it is or packed by gzip: its head is read. All return 0, or
 * negative errno after a line in the log.
 */
int payload_open(struct payload *p, const struct boot_file *file, uint64_t off, uint64_t len,
		 bool gzip);
/* Its length unpacked, @max at most: one that is longer is refused. */
int payload_measure(const struct payload *p, uint64_t max, uint64_t *len);
/* The first @len bytes, which it has to have, into guest memory that is claimed. */
int payload_load(const struct payload *p, struct gmem *mem, uint64_t gpa, uint64_t len);
/* All of it, @max bytes at most, likewise. */
int payload_load_all(const struct payload *p, struct gmem *mem, uint64_t gpa, uint64_t max);

/* --- boot.c ---------------------------------------------------------------------- */

/* Within a 32-bit kernel's own mapping of RAM, whatever its split of addresses. */
#define BOOT_LOWMEM (512 * MiB)

enum kernel_kind { KERNEL_IMAGE, KERNEL_ZIMAGE, KERNEL_ELF, KERNEL_RAW, KERNEL_AT_ADDRESS };

struct kernel {
	enum kernel_kind kind;
	bool aarch32;
	struct payload payload;
	uint32_t load, entry;		/* of KERNEL_AT_ADDRESS, which a uImage names */
};

struct boot {
	struct gmem *mem;
	const struct arm_boot *cfg;
	struct boot_file file;		/* the kernel's */
	struct kernel kernel;
	struct boot_claims claims;
	/* Where the kernel looks for initrd and tree, set with it: all of each below. */
	uint64_t initrd_limit, dtb_limit;
};

/* --- the formats: each claims the kernel's place and fills it, and sets @pc --- */

bool boot_is_image(const struct payload *p);
int boot_load_image(struct boot *boot, uint64_t *pc);
bool boot_is_zimage(const struct payload *p);
int boot_load_zimage(struct boot *boot, uint64_t *pc);
bool boot_is_uimage(const struct payload *p);
/* What is in it becomes kernel->payload; CRCs are checked when @crc. */
int boot_open_uimage(struct kernel *kernel, const struct boot_file *file, bool crc);

#endif
