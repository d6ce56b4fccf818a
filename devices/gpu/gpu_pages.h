/* SPDX-License-Identifier: MIT */
/*
 * Pages of guest memory that a recording knows (gpu_record.h), by their numbers, each
 * with a hash of what was in it. Bounded: GPU_PAGES_MAX pages, a table of 128 MiB.
 */
#ifndef MICROVM_GPU_PAGES_H
#define MICROVM_GPU_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#define GPU_PAGE 4096u
#define GPU_PAGES_MAX (1u << 22)	/* 16 GiB */

struct gpu_page {
	uint64_t key;		/* its number + 1; 0: a free slot */
	uint64_t hash;
};

/* Zeroed: none. */
struct gpu_pages {
	struct gpu_page *slots;
	unsigned bits;		/* there are 1 << bits of them; 0: none */
	unsigned n;
};

void gpu_pages_finish(struct gpu_pages *p);	/* and it is empty again */

/*
 * The entry of page @number, good until the next call. 1: it was there; 0: it is new, its
 * hash 0; -ENOSPC: there are too many; -ENOMEM.
 */
int gpu_pages_get(struct gpu_pages *p, uint64_t number, struct gpu_page **out);

/*
 * Makes entries of all pages that [gpa, gpa + len) touches: 0, or as above. Nothing for no
 * bytes, and for a range beyond the end of addresses.
 */
int gpu_pages_name(struct gpu_pages *p, uint64_t gpa, uint64_t len);

/* Of GPU_PAGE bytes. Whoever may choose them can make two pages of one hash. */
uint64_t gpu_page_hash(const void *page);
bool gpu_page_is_zero(const void *page);

#endif
