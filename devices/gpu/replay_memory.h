/* SPDX-License-Identifier: MIT */
/*
 * Guest memory for the player of a recording: regions where the guest had them, of
 * which only pages that were recorded, and those that the card writes to, take room;
 * and a part of the player's own, where no guest has any. Loop thread.
 */
#ifndef MICROVM_REPLAY_MEMORY_H
#define MICROVM_REPLAY_MEMORY_H

#include "devices/gpu/gpu_pages.h"
#include "vmm/gmem.h"

#define REPLAY_OWN_GPA (1ull << 52)

struct replay_memory {
	struct gmem mem;	/* the card's; its regions change, its address does not */
	struct gmem_region regions[GMEM_MAX_REGIONS];	/* the last one: our own */
	unsigned n_regions;
	struct gpu_pages pages;	/* that the recording has named */
};

/* @own_len bytes, whole pages, from REPLAY_OWN_GPA on; no others. 0 or -ENOMEM. */
int replay_memory_init(struct replay_memory *m, uint64_t own_len);
void replay_memory_finish(struct replay_memory *m);
void *replay_memory_own(const struct replay_memory *m);

/*
 * All but our own is this from now on, and zeros. Who has addresses in it has let go of
 * them (gpu_memory_leave()). 0; -EINVAL for what cannot be, -ENOMEM, and then there is none.
 */
int replay_memory_set(struct replay_memory *m, const struct gmem_range *ranges, unsigned n);

/*
 * The card may write to this: 0; -ENOSPC: a recording cannot name more than
 * GPU_PAGES_MAX pages; -ENOMEM.
 */
int replay_memory_name(struct replay_memory *m, uint64_t gpa, uint64_t len);

/* Whole pages of the guest's: -EINVAL when they are not, or as above. */
int replay_memory_write(struct replay_memory *m, uint64_t gpa, const void *data, uint64_t len);
int replay_memory_clear(struct replay_memory *m, uint64_t gpa, uint64_t len);

#endif
