/* SPDX-License-Identifier: MIT */
/*
 * Guest memory that a vhost-user front end shares: its table of regions, each
 * with a descriptor, becomes mappings of ours. Nothing of it is believed.
 *
 * Whoever owns the map; one call at a time.
 */
#ifndef MICROVM_VHOST_USER_MEM_H
#define MICROVM_VHOST_USER_MEM_H

#include <sys/types.h>

#include "devices/virtio/vhost_user_msg.h"
#include "vmm/gmem.h"

struct vhost_user_map {
	unsigned n;
	struct {
		struct vhost_user_region r;	/* as named by the front end */
		dev_t dev;
		ino_t ino;
		void *host;
	} regions[VHOST_USER_MAX_REGIONS];
};

/*
 * Maps all of @table, whose regions lie in @fds one by one: memfds that cannot
 * shrink, whole pages within them, no region over another. NULL, or what is
 * wrong, and then nothing is mapped. @fds are the caller's to close.
 */
const char *vhost_user_map_init(struct vhost_user_map *map, const struct vhost_user_memory *table,
				const int *fds, unsigned n_fds);
void vhost_user_map_finish(struct vhost_user_map *map);	/* zeroed or again: no-op */

/* Whether both are the same memory at the same places. */
bool vhost_user_map_same(const struct vhost_user_map *a, const struct vhost_user_map *b);
/* What is mapped, as guest memory that lasts until @map is finished. */
void vhost_user_map_gmem(const struct vhost_user_map *map, struct gmem *mem);
/* The guest address of "user address" @user; false when it is in no region. */
bool vhost_user_map_gpa(const struct vhost_user_map *map, uint64_t user, uint64_t *gpa);

#endif
