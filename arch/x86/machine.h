/* SPDX-License-Identifier: MIT */
/*
 * The x86 machine: what is on its buses beside the virtio devices. Private to
 * arch/x86; the rest of the program knows arch.h.
 */
#ifndef MICROVM_X86_MACHINE_H
#define MICROVM_X86_MACHINE_H

#include "arch/x86/boot.h"
#include "devices/acpi_ged.h"
#include "devices/cf9.h"
#include "devices/i8042.h"
#include "devices/pvpanic.h"
#include "devices/rtc_cmos.h"
#include "devices/serial16550.h"
#include "devices/testdev.h"
#include "vmm/kvm.h"

struct arch_machine {
	struct chardev *serial_chr;
	struct serial16550 com1;
	struct rtc_cmos rtc;
	struct i8042 i8042;
	struct pvpanic pvpanic;
	struct cf9 cf9;
	struct acpi_ged ged;
	struct testdev testdev;
	bool has_serial, has_testdev;
	struct x86_entry entry;
	struct kvm_cpuid2 *cpuid;	/* what the host supports; copied for each vCPU */
};

/* cpu.c: CPUID of the host, once. 0 or negative errno after one line. */
int x86_cpu_probe(struct kvm *kvm, struct kvm_cpuid2 **out);
/* Bits of a guest-physical address. */
unsigned x86_cpu_phys_bits(const struct kvm_cpuid2 *cpuid);

#endif
