/* SPDX-License-Identifier: MIT */
/*
 * A vCPU in AArch32 at EL1. Its registers lie in struct kvm_regs as the architecture
 * maps them (Arm ARM, D1.21.1 in issue I.a): r0-r14 of user mode are x0-x14, sp and lr of
 * supervisor mode x19 and x18.
 */
#include "arch/arm/cpu_regs.h"
#include "arch/arm/machine.h"
#include "vmm/util.h"

#define CPSR_T BIT(5)
/* Supervisor mode, asynchronous aborts and both interrupts masked. */
#define CPSR_ENTRY 0x1d3

#define REG_SCTLR ARM64_SYS_REG(3, 0, 1, 0, 0)		/* SCTLR_EL1 */
#define REG_TTBR0 ARM64_SYS_REG(3, 0, 2, 0, 0)		/* TTBR0_EL1 */
#define REG_DFAR_IFAR ARM64_SYS_REG(3, 0, 6, 0, 0)	/* FAR_EL1: halves */
#define REG_DFSR ARM64_SYS_REG(3, 0, 5, 2, 0)		/* ESR_EL1 */
#define REG_VBAR ARM64_SYS_REG(3, 0, 12, 0, 0)		/* VBAR_EL1 */

/* Documentation/arm/booting.rst. */
int arm32_set_entry(struct vcpu *vcpu, const struct arm_entry *entry)
{
	bool thumb = entry->pc & 1;
	const struct { const char *name; uint64_t id, value; } regs[] = {
		{ "KVM_SET_ONE_REG of r0", ARM_CORE_X(0), 0 },
		{ "KVM_SET_ONE_REG of r1", ARM_CORE_X(1), 0xffffffff },
		{ "KVM_SET_ONE_REG of r2", ARM_CORE_X(2), entry->dtb_gpa },
		{ "KVM_SET_ONE_REG of pc", ARM_CORE_REG(regs.pc), entry->pc & ~1ull },
		{ "KVM_SET_ONE_REG of cpsr", ARM_CORE_REG(regs.pstate),
		  CPSR_ENTRY | (thumb ? CPSR_T : 0) },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		int ret = arm_set_reg(vcpu, regs[i].name, regs[i].id, regs[i].value);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static unsigned get(struct vcpu *vcpu, uint64_t id)
{
	return arm_get_reg(vcpu, id);
}

void arm32_dump(struct vcpu *vcpu)
{
	log_info("vCPU %u: pc %08x cpsr %08x sp_svc %08x lr_svc %08x", vcpu->id,
		 get(vcpu, ARM_CORE_REG(regs.pc)), get(vcpu, ARM_CORE_REG(regs.pstate)),
		 get(vcpu, ARM_CORE_X(19)), get(vcpu, ARM_CORE_X(18)));
	for (unsigned i = 0; i < 12; i += 4)
		log_info("  r%-2u %08x %08x %08x %08x", i, get(vcpu, ARM_CORE_X(i)),
			 get(vcpu, ARM_CORE_X(i + 1)), get(vcpu, ARM_CORE_X(i + 2)),
			 get(vcpu, ARM_CORE_X(i + 3)));
	log_info("  r12 %08x sp_usr %08x lr_usr %08x spsr_svc %08x", get(vcpu, ARM_CORE_X(12)),
		 get(vcpu, ARM_CORE_X(13)), get(vcpu, ARM_CORE_X(14)),
		 get(vcpu, ARM_CORE_REG(spsr[0])));
	log_info("  sctlr %08x ttbr0 %08x vbar %08x far %016llx dfsr %08x", get(vcpu, REG_SCTLR),
		 get(vcpu, REG_TTBR0), get(vcpu, REG_VBAR),
		 (unsigned long long)arm_get_reg(vcpu, REG_DFAR_IFAR), get(vcpu, REG_DFSR));
}
