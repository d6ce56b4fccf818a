/* SPDX-License-Identifier: MIT */
/* What both ways of a board without a GIC to interrupt its CPUs have in common. */
#include "arch/arm/irq_path.h"

#include <errno.h>

#include "arch/arm/machine.h"
#include "vmm/util.h"

static const struct arm_irq_path *choose_path(struct vm *vm)
{
	struct arm_gic_host host;

	if (vm->cfg->gic)
		return &arm_irq_user;
	arm_gic_probe(&vm->kvm, &host);
	return host.v2 || host.v3 ? &arm_irq_wire : &arm_irq_user;
}

int arm_irq_choose(struct vm *vm)
{
	struct arch_machine *m = vm->machine;

	if (m->irq_path || m->gic.known)
		return 0;
	m->irq_path = choose_path(vm);
	return m->irq_path->place(vm);
}

bool arm_irq_is_self(const struct vm *vm, unsigned cpu)
{
	return pthread_equal(vm->vcpus[cpu].thread, pthread_self());
}

/* --- the other CPUs ----------------------------------------------------------------- */

/* The firmware holds all but the first; 64-bit kernels ask PSCI. */
void arm_irq_hold(struct vm *vm)
{
	struct arch_machine *m = vm->machine;

	for (unsigned i = 0; i < vm->n_vcpus; i++)
		m->release[i] = i && m->kernel.aarch32 ? ARM_CPU_HELD : ARM_CPU_FREE;
}

/*
 * The CPU waits in KVM as if it were switched off, where only its own thread can
 * reach its registers.
 */
bool arm_irq_release(void *ctx, unsigned cpu, uint32_t pc)
{
	struct vm *vm = ctx;
	uint64_t held = ARM_CPU_HELD;

	if (cpu >= vm->n_vcpus ||
	    !atomic_compare_exchange_strong(&vm->machine->release[cpu], &held, pc))
		return false;
	vcpu_kick(&vm->vcpus[cpu]);
	return true;
}

static int go(struct vcpu *vcpu)
{
	struct arm_entry entry = { .aarch32 = true };
	struct kvm_mp_state state = { KVM_MP_STATE_RUNNABLE };
	int ret;

	entry.pc = atomic_load(&vcpu->vm->machine->release[vcpu->id]);
	if (entry.pc >= ARM_CPU_HELD)
		return 0;
	atomic_store(&vcpu->vm->machine->release[vcpu->id], ARM_CPU_FREE);
	ret = arm32_set_entry(vcpu, &entry);
	return ret < 0 ? ret : vcpu_ioctl(vcpu, "KVM_SET_MP_STATE", KVM_SET_MP_STATE, &state);
}

int arm_irq_kicked(struct vcpu *vcpu)
{
	vcpu->vm->machine->irq_path->enter(vcpu);
	return go(vcpu);
}
