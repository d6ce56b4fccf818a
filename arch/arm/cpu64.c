/* SPDX-License-Identifier: MIT */
#include "arch/arm/cpu_regs.h"
#include "arch/arm/machine.h"

#define REG_SCTLR_EL1 ARM64_SYS_REG(3, 0, 1, 0, 0)
#define REG_TTBR0_EL1 ARM64_SYS_REG(3, 0, 2, 0, 0)
#define REG_TTBR1_EL1 ARM64_SYS_REG(3, 0, 2, 0, 1)
#define REG_ESR_EL1 ARM64_SYS_REG(3, 0, 5, 2, 0)
#define REG_FAR_EL1 ARM64_SYS_REG(3, 0, 6, 0, 0)
#define REG_VBAR_EL1 ARM64_SYS_REG(3, 0, 12, 0, 0)

/* Documentation/arm64/booting.rst; KVM's reset has masked interrupts, in EL1h. */
int arm64_set_entry(struct vcpu *vcpu, const struct arm_entry *entry)
{
	int ret = arm_set_reg(vcpu, "KVM_SET_ONE_REG of x0", ARM_CORE_X(0), entry->dtb_gpa);

	return ret < 0 ? ret : arm_set_reg(vcpu, "KVM_SET_ONE_REG of pc", ARM_CORE_REG(regs.pc),
					   entry->pc);
}

static unsigned long long get(struct vcpu *vcpu, uint64_t id)
{
	return arm_get_reg(vcpu, id);
}

void arm64_dump(struct vcpu *vcpu)
{
	log_info("vCPU %u: pc %016llx pstate %08llx sp_el0 %016llx sp_el1 %016llx", vcpu->id,
		 get(vcpu, ARM_CORE_REG(regs.pc)), get(vcpu, ARM_CORE_REG(regs.pstate)),
		 get(vcpu, ARM_CORE_REG(regs.sp)), get(vcpu, ARM_CORE_REG(sp_el1)));
	for (unsigned i = 0; i < 28; i += 4)
		log_info("  x%-2u %016llx %016llx %016llx %016llx", i, get(vcpu, ARM_CORE_X(i)),
			 get(vcpu, ARM_CORE_X(i + 1)), get(vcpu, ARM_CORE_X(i + 2)),
			 get(vcpu, ARM_CORE_X(i + 3)));
	log_info("  x28 %016llx %016llx lr %016llx elr_el1 %016llx", get(vcpu, ARM_CORE_X(28)),
		 get(vcpu, ARM_CORE_X(29)), get(vcpu, ARM_CORE_X(30)),
		 get(vcpu, ARM_CORE_REG(elr_el1)));
	log_info("  esr_el1 %llx far_el1 %llx vbar_el1 %llx", get(vcpu, REG_ESR_EL1),
		 get(vcpu, REG_FAR_EL1), get(vcpu, REG_VBAR_EL1));
	log_info("  sctlr_el1 %llx ttbr0_el1 %llx ttbr1_el1 %llx", get(vcpu, REG_SCTLR_EL1),
		 get(vcpu, REG_TTBR0_EL1), get(vcpu, REG_TTBR1_EL1));
}
