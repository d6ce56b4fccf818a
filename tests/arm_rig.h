/* SPDX-License-Identifier: MIT */
/*
 * An ARM machine without KVM: arch/arm/build.c and the models, on buses, a loop and
 * lines of the test's. Defines what of KVM these use. One thread.
 */
#ifndef MICROVM_TESTS_ARM_RIG_H
#define MICROVM_TESTS_ARM_RIG_H

#include <errno.h>
#include <stdio.h>

#include "arch/arm/machine.h"
#include "tests/fake.h"

struct arm_rig {
	struct fake f;
	struct config cfg;
	struct vm vm;
	struct arch_machine machine;
	bool has_pmu;		/* the host */
	unsigned ipa_bits;	/* likewise; 44 */
	unsigned lines, last_line;	/* GIC interrupts that were asked for, and the last of them */
};

void arm_rig_init(struct arm_rig *r);
void arm_rig_finish(struct arm_rig *r);
/* The machine of a tree in text, or of a blob. What arm_machine_build() says. */
int arm_rig_build(struct arm_rig *r, const char *source);
int arm_rig_build_blob(struct arm_rig *r, const void *blob, size_t len);
/* What a file with that tree means for memory and CPUs: what arm_tree_create() says. */
int arm_rig_create(struct arm_rig *r, const char *source);
/* The virt board of @host for r->cfg and r->machine.kernel: what arm_virt_create() says. */
int arm_rig_virt(struct arm_rig *r, const struct arm_gic_host *host);
/* Takes it apart; another may be built. */
void arm_rig_again(struct arm_rig *r);

#endif
