/* SPDX-License-Identifier: MIT */
/*
 * The interrupt controller in KVM (Linux Documentation/virt/kvm/devices/arm-vgic*.rst),
 * where the device tree has it. Main thread.
 *
 * arm_gic_probe() once; arm_gic_create() for each new VM, before its vCPUs;
 * arm_gic_ready() when they have all been made.
 */
#ifndef MICROVM_ARM_GIC_H
#define MICROVM_ARM_GIC_H

#include "arch/arm/fdt.h"
#include "vmm/kvm.h"

#define ARM_GIC_MAX_REDISTS 4

/* A place in the machine; filled in from the device tree. */
struct arm_gic_place {
	bool known;		/* the tree has one */
	enum arm_gic version;
	uint32_t phandle;
	struct gmem_range dist, cpu;	/* cpu: v2 */
	struct gmem_range redists[ARM_GIC_MAX_REDISTS];	/* v3 */
	unsigned n_redists;
	struct gmem_range its;	/* len 0: none */
	unsigned n_spis;	/* that anything uses */
	bool groups;		/* irq_wire.c: group 0 comes as FIQ */
};

/* Bits of a guest-physical address that every KVM can be asked for. */
#define ARM_IPA_BITS_MIN 32
/* KVM_CREATE_VM's argument: api.rst 4.2. */
unsigned long arm_vm_type(struct kvm *kvm, unsigned ipa_bits);

/* What this host's KVM can make. */
struct arm_gic_host {
	bool v2, v3, its;
};

/* There is a VM to ask. */
void arm_gic_probe(struct kvm *kvm, struct arm_gic_host *host);

/* The kernel's devices of one VM; -1: none. */
struct arm_gic_fds {
	int gic, its;
};

/* 0 or negative errno after one line in the log; arm_gic_destroy() either way. */
int arm_gic_create(struct arm_gic_fds *fds, struct kvm *kvm, const struct arm_gic_place *place,
		   unsigned n_cpus);
int arm_gic_ready(struct arm_gic_fds *fds, struct kvm *kvm, const struct arm_gic_place *place);
void arm_gic_destroy(struct arm_gic_fds *fds);

/* An attribute of the GIC, named @what in the log. 0, or negative errno after one line. */
int arm_gic_set(const struct arm_gic_fds *fds, const char *what, uint32_t group, uint64_t attr,
		const void *value);
/* Without a word: -EBUSY while a vCPU is in KVM_RUN. */
int arm_gic_try(const struct arm_gic_fds *fds, uint32_t group, uint64_t attr, const void *value);

int arm_gic_get(const struct arm_gic_fds *fds, uint32_t group, uint64_t attr, void *value);

/* SPI @n as KVM_IRQ_LINE takes it. */
unsigned arm_gic_line(unsigned spi);

#endif
