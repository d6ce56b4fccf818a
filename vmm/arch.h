/* SPDX-License-Identifier: MIT */
/*
 * What an architecture supplies; one is linked into each build. Main thread
 * unless said otherwise. In order of the calls:
 */
#ifndef MICROVM_ARCH_H
#define MICROVM_ARCH_H

#include "vmm/vm.h"

/*
 * RAM of vm->cfg->memory bytes as ranges around the holes, and whatever else is
 * memory; @ranges has GMEM_MAX_REGIONS. How many, or negative errno after one
 * line in the log; arch_machine_destroy() is called either way. vm->kvm is open.
 */
int arch_layout(struct vm *vm, struct gmem_range *ranges);

/*
 * Once: makes vm->machine and its devices and places them on the buses, sets
 * up vm->pci and the MMIO slots. 0, or negative errno after one line in the
 * log; then arch_machine_destroy() is still called.
 */
int arch_machine_create(struct vm *vm);
void arch_machine_destroy(struct vm *vm);

/* Each boot: */
/* the argument of KVM_CREATE_VM */
unsigned long arch_vm_type(struct vm *vm);
/* the in-kernel parts of a new KVM VM, before its vCPUs */
int arch_vm_init(struct vm *vm);
/* kernel, initrd and descriptions into zeroed RAM */
int arch_load(struct vm *vm);
/* registers of a new vCPU as arch_load() wants them, when all vCPUs have been made */
int arch_vcpu_init(struct vcpu *vcpu);
/* what of the in-kernel parts needs the vCPUs; they run next */
int arch_vm_ready(struct vm *vm);
/* platform devices back to power-on state, after the vCPUs have stopped */
void arch_machine_reset(struct vm *vm);

/*
 * On the vCPU's thread, before it runs and whenever it was kicked out of that. 0, or
 * negative errno after one line in the log: it cannot go on.
 */
int arch_vcpu_kicked(struct vcpu *vcpu);
/* Likewise, after each KVM_RUN, before its exit is served; leaves errno. */
void arch_vcpu_left(struct vcpu *vcpu);
/* An exit that vcpu.c does not know, on the vCPU's thread. False: unknown here too. */
bool arch_handle_exit(struct vcpu *vcpu);
/* Registers to the log at LOG_INFO, on the vCPU's thread. */
void arch_dump(struct vcpu *vcpu);
/* Any thread. */
void arch_press_power(struct vm *vm);

#endif
