/* SPDX-License-Identifier: MIT */
/*
 * Boards without a GIC: the lines of a BCM2836's CPUs go through a vgic that no tree
 * names. Its guest never acknowledges anything there, so that a level that is pending
 * keeps a CPU's IRQ up for as long as it is: SPI n is what bcm283x_local says to CPU n, and
 * KVM's timers come as the PPIs that they always are, without an exit. KVM's own way,
 * interrupt controllers in user space, loses wake-ups on most kernels since 5.19.
 *
 * What the vgic cannot do: a timer that is masked in the controller but runs is an
 * IRQ all the same, and there is no FIQ.
 *
 * arm_wire_place() once there is a VM to ask, before arm_gic_create();
 * arm_wire_connect() for each new VM, after arm_gic_ready(), and
 * arm_wire_disconnect() when its vCPUs have stopped. Main thread.
 */
#ifndef MICROVM_ARM_IRQ_WIRE_H
#define MICROVM_ARM_IRQ_WIRE_H

#include "vmm/vm.h"

/* Whether this machine has such CPUs. */
bool arm_wire_wanted(const struct vm *vm);
/* 0, or negative errno after one line in the log, as the others. */
int arm_wire_place(struct vm *vm);
int arm_wire_connect(struct vm *vm);
void arm_wire_disconnect(struct vm *vm);

/*
 * On the thread of @vcpu, before it runs and whenever it was kicked: a CPU that a
 * mailbox has released goes where that says. 0 or negative errno.
 */
int arm_wire_release(struct vcpu *vcpu);

#endif
