/* SPDX-License-Identifier: MIT */
/*
 * Overlays of device trees and parameters of both, as a Raspberry Pi's firmware has them
 * ("Device Trees, Overlays, and Parameters", parts 2 and 3). Pure: bytes in, bytes out, of
 * files that are lies until checked (case 95). Main thread.
 */
#ifndef MICROVM_ARM_OVERLAY_H
#define MICROVM_ARM_OVERLAY_H

#include "arch/arm/fdt.h"

#define ARM_OVERLAY_MAX (64u << 10)	/* bytes */
#define ARM_OVERLAY_MAX_NODES 1024
#define ARM_OVERLAY_MAX_VALUE 4096	/* bytes of a property that a parameter makes */

/* @overlay is empty; @name is for messages. All: 0, or negative errno after one line. */
int arm_overlay_open(struct arm_fdt *overlay, const void *blob, size_t len, const char *name);
/*
 * Sets parameter @name, of an overlay before it is merged or of a tree. -ENOENT, silently:
 * there is none of that name.
 */
int arm_overlay_param(struct arm_fdt *fdt, const char *name, const char *value);
/* Merges it into @fdt, which stays as it was after an error. */
int arm_overlay_apply(struct arm_fdt *fdt, const struct arm_fdt *overlay);

#endif
