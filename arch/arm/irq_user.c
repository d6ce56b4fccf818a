/* SPDX-License-Identifier: MIT */
/*
 * Interrupt controllers in user space (Linux Documentation/virt/kvm/api.rst 8.9): KVM has
 * nothing but an IRQ and an FIQ for each CPU, and says of timers and PMU what their lines
 * are whenever it comes back.
 */
#include "arch/arm/irq_path.h"

#include <errno.h>

#include "arch/arm/machine.h"
#include "devices/bcm283x_local.h"
#include "vmm/util.h"

#define WAKE_NS 2000000u
#define TIMER_PHYS 1			/* of BCM283X_LOCAL_TIMER's four */
#define TIMER_VIRT 3

static int user_place(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	int wakes;

	if (kvm_cap(&vm->kvm, KVM_CAP_ARM_USER_IRQ) <= 0) {
		log_error("this host's KVM has no way to interrupt CPUs of a board without a GIC: "
			  "it lacks KVM_CAP_ARM_USER_IRQ%s",
			  vm->cfg->gic ? "" : " and has no GIC for guests");
		return -ENOTSUP;
	}
	wakes = arm_timer_wakes(&vm->kvm, m->ipa_bits);
	if (wakes < 0)
		return wakes;
	m->wake_cpus = !wakes;
	log_info("interrupts: by user space%s", wakes ? "" :
		 ", and as this host's KVM leaves CPUs asleep whose timer is due, all are woken "
		 "500 times a second");
	return 0;
}

/* --- to the CPUs ------------------------------------------------------------------------ */

/*
 * By the CPU's own thread alone: KVM changes the word that these are in without an atomic
 * operation when it loads a vCPU, and would forget what another thread did to it.
 */
static void user_enter(struct vcpu *vcpu)
{
	struct arch_machine *m = vcpu->vm->machine;
	uint8_t lines = atomic_load(&m->lines[vcpu->id]), changed = lines ^ m->told[vcpu->id];

	for (unsigned fiq = 0; fiq < 2; fiq++) {
		struct irq_line line = kvm_irq_line(&vcpu->vm->kvm,
			KVM_ARM_IRQ_TYPE_CPU << KVM_ARM_IRQ_TYPE_SHIFT |
			vcpu->id << KVM_ARM_IRQ_VCPU_SHIFT |
			(fiq ? KVM_ARM_IRQ_CPU_FIQ : KVM_ARM_IRQ_CPU_IRQ));

		if (changed & BIT(fiq))
			irq_set(&line, lines & BIT(fiq));
	}
	m->told[vcpu->id] = lines;
}

static void user_set_line(void *ctx, unsigned cpu, bool fiq, bool level)
{
	struct vm *vm = ctx;
	uint8_t bit = BIT(fiq);

	if (cpu >= vm->n_vcpus)
		return;
	if (level)
		atomic_fetch_or(&vm->machine->lines[cpu], bit);
	else
		atomic_fetch_and(&vm->machine->lines[cpu], (uint8_t)~bit);
	if (arm_irq_is_self(vm, cpu))
		user_enter(&vm->vcpus[cpu]);
	else
		vcpu_kick(&vm->vcpus[cpu]);
}

/* --- from the CPUs ---------------------------------------------------------------------- */

static void user_left(struct vcpu *vcpu)
{
	struct arch_machine *m = vcpu->vm->machine;
	uint32_t now = vcpu->run->s.regs.device_irq_level, changed = now ^ m->timers[vcpu->id];
	struct irq_line pmu = bcm283x_local_pmu(m->bcm.local, vcpu->id);
	int err = errno;

	m->timers[vcpu->id] = now;
	if (changed & KVM_ARM_DEV_EL1_VTIMER)
		bcm283x_local_set_timer(m->bcm.local, vcpu->id, TIMER_VIRT,
					now & KVM_ARM_DEV_EL1_VTIMER);
	if (changed & KVM_ARM_DEV_EL1_PTIMER)
		bcm283x_local_set_timer(m->bcm.local, vcpu->id, TIMER_PHYS,
					now & KVM_ARM_DEV_EL1_PTIMER);
	if (changed & KVM_ARM_DEV_PMU)
		irq_set(&pmu, now & KVM_ARM_DEV_PMU);
	errno = err;
}

/* --- life --------------------------------------------------------------------------------- */

static void user_wake(void *arg)
{
	struct vm *vm = arg;

	for (unsigned i = 0; i < vm->n_vcpus; i++)
		vcpu_kick(&vm->vcpus[i]);
	loop_timer_arm(vm->loop, &vm->machine->waker, WAKE_NS);
}

static int user_connect(struct vm *vm)
{
	struct arch_machine *m = vm->machine;

	arm_irq_hold(vm);
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		m->lines[i] = m->told[i] = 0;
		m->timers[i] = 0;
	}
	bcm283x_local_connect(m->bcm.local, &(struct bcm283x_cpus){
		.set = user_set_line,
		.release = arm_irq_release,
		.ctx = vm,
	});
	m->waker = (struct loop_timer){ .cb = user_wake, .arg = vm };
	if (m->wake_cpus)
		loop_timer_arm(vm->loop, &m->waker, WAKE_NS);
	return 0;
}

/* Timers stop with their CPUs. */
static void user_disconnect(struct vm *vm)
{
	static const struct bcm283x_cpus nobody;
	struct bcm283x_local *local = vm->machine->bcm.local;

	loop_timer_disarm(vm->loop, &vm->machine->waker);
	bcm283x_local_connect(local, &nobody);
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		bcm283x_local_set_timer(local, i, TIMER_VIRT, false);
		bcm283x_local_set_timer(local, i, TIMER_PHYS, false);
	}
}

const struct arm_irq_path arm_irq_user = {
	.place = user_place,
	.connect = user_connect,
	.disconnect = user_disconnect,
	.enter = user_enter,
	.left = user_left,
};
