/* SPDX-License-Identifier: MIT */
/*
 * Who is where in guest memory while a kernel is loaded: each part claims its
 * place, which has to be RAM and nobody else's. For the loaders of all
 * architectures; main thread.
 */
#ifndef MICROVM_BOOT_CLAIMS_H
#define MICROVM_BOOT_CLAIMS_H

#include <stdint.h>

#include "vmm/gmem.h"

#define BOOT_MAX_CLAIMS 96

struct boot_claim {
	const char *what;
	int index;		/* -1: there is only one */
	uint64_t gpa, len;
};

/* Zeroed but for @mem and @path is empty. */
struct boot_claims {
	struct gmem *mem;
	const char *path;	/* of the kernel, for messages */
	unsigned n;
	struct boot_claim claims[BOOT_MAX_CLAIMS];
};

/* For messages: rounded up. */
uint64_t boot_mib(uint64_t bytes);
/*
 * Claims RAM. -EINVAL with a line in the log if there is none, another has it, or
 * there are too many.
 */
int boot_claims_add(struct boot_claims *claims, const char *what, int index, uint64_t gpa,
		    uint64_t len);
/* Keeps a place free, be it RAM or not, and overlapped by others that are kept: no message. */
void boot_claims_keep(struct boot_claims *claims, const char *what, uint64_t gpa, uint64_t len);
/* Who has any of [gpa, gpa + len), which may not wrap; NULL: nobody. */
const struct boot_claim *boot_claims_at(const struct boot_claims *claims, uint64_t gpa,
					uint64_t len);
/*
 * The highest free place in RAM of @len bytes that ends at @limit or below, at a
 * multiple of @align; 0 when there is none.
 */
uint64_t boot_claims_find(const struct boot_claims *claims, uint64_t limit, uint64_t len,
			  uint64_t align);

#endif
