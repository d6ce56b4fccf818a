/* SPDX-License-Identifier: MIT */
/*
 * Boards without a GIC: how the lines of a BCM2836's controller reach the CPUs. Private to
 * arch/arm. Two paths:
 *
 * arm_irq_wire: a vgic that no tree names. Its guest never acknowledges anything there, so
 * that a level that is pending keeps a CPU's IRQ or FIQ up for as long as it is: an SPI is
 * what bcm283x_local says to a CPU, and KVM's timers come as the PPIs that they always are,
 * without an exit.
 *
 * arm_irq_user: KVM's own way, KVM_CAP_ARM_USER_IRQ, for hosts that have no vgic, and for
 * --gic none. Each change of a timer's level is an exit; and most kernels since 5.19 leave
 * a CPU asleep that waits for its timer, which a guest of a few instructions finds out
 * (arm_timer_wakes()): there all CPUs are woken 500 times a second.
 *
 * arm_irq_choose() once there is a VM to ask, before arm_gic_create(), then connect() for
 * each new VM when its vCPUs and its vgic are ready, and disconnect() when the vCPUs have
 * stopped. Main thread.
 */
#ifndef MICROVM_ARM_IRQ_PATH_H
#define MICROVM_ARM_IRQ_PATH_H

#include "vmm/vm.h"

struct arm_irq_path {
	bool vgic;		/* that arm_gic_create() is to make */
	/* 0, or negative errno after one line in the log, as the others. */
	int (*place)(struct vm *vm);
	int (*connect)(struct vm *vm);
	void (*disconnect)(struct vm *vm);
	/* On the thread of @vcpu, before it runs and whenever it was kicked. */
	void (*enter)(struct vcpu *vcpu);
	/* Likewise, after each KVM_RUN; leaves errno. May be NULL. */
	void (*left)(struct vcpu *vcpu);
};

extern const struct arm_irq_path arm_irq_wire, arm_irq_user;

/* Finds the path of this machine, NULL when its tree has a GIC. 0 or negative errno. */
int arm_irq_choose(struct vm *vm);

/* For struct bcm283x_cpus: @cpu, which was held as by the firmware, is to go to @pc. */
bool arm_irq_release(void *ctx, unsigned cpu, uint32_t pc);
/* All but the first are held, until released. Before the vCPUs run. */
void arm_irq_hold(struct vm *vm);
/* What arch_vcpu_kicked() is for. 0 or negative errno. */
int arm_irq_kicked(struct vcpu *vcpu);
/* Whether it is the thread of @cpu who asks. */
bool arm_irq_is_self(const struct vm *vm, unsigned cpu);

/*
 * irq_test.c: whether a vCPU of this host that waits for its timer is woken by it while
 * interrupts are user space's: 1 or 0, or negative errno.
 */
int arm_timer_wakes(struct kvm *kvm, unsigned ipa_bits);

#endif
