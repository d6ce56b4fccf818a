/* SPDX-License-Identifier: MIT */
/*
 * Registers of a vCPU by KVM's ids (Linux Documentation/virt/kvm/api.rst 4.68), for
 * cpu64.c and cpu32.c. On the vCPU's thread, or while it does not run.
 */
#ifndef MICROVM_ARM_CPU_REGS_H
#define MICROVM_ARM_CPU_REGS_H

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "vmm/vcpu.h"

/* A 64-bit field of struct kvm_regs. */
#define ARM_CORE_REG(field) \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(field))
#define ARM_CORE_X(n) (ARM_CORE_REG(regs.regs[0]) + 2 * (n))	/* counted in 32-bit words */

static inline int arm_set_reg(struct vcpu *vcpu, const char *name, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return vcpu_ioctl(vcpu, name, KVM_SET_ONE_REG, &reg);
}

/* 0 where there is no such register; for dumps. */
static inline uint64_t arm_get_reg(struct vcpu *vcpu, uint64_t id)
{
	uint64_t value = 0;
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg) < 0 ? 0 : value;
}

#endif
