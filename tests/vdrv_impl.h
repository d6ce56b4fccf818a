/* SPDX-License-Identifier: MIT */
/* What vdrv.c has vdrv_packed.c do: the functions of vdrv.h, for packed rings. */
#ifndef MICROVM_TESTS_VDRV_IMPL_H
#define MICROVM_TESTS_VDRV_IMPL_H

#include "tests/must.h"
#include "tests/vdrv.h"

int vdrv_packed_add(struct vdrv_ring *r, const struct vdrv_buf *bufs, unsigned n);
int vdrv_packed_add_indirect(struct vdrv_ring *r, uint64_t table_gpa, const struct vdrv_buf *bufs,
			     unsigned n);
bool vdrv_packed_has_used(struct vdrv_ring *r);
int vdrv_packed_used(struct vdrv_ring *r, uint32_t *len);
bool vdrv_packed_wants_kick(struct vdrv_ring *r);
void vdrv_packed_set_used_event(struct vdrv_ring *r, uint16_t n);
void vdrv_packed_set_no_interrupt(struct vdrv_ring *r, bool on);

#endif
