/* SPDX-License-Identifier: MIT */
/*
 * ARM vCPUs: as the host's are, with what KVM can give a guest of them (Linux
 * Documentation/virt/kvm/api.rst 4.82, devices/vcpu.rst). Registers by width in
 * cpu64.c and cpu32.c.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "arch/arm/irq_path.h"
#include "arch/arm/machine.h"
#include "vmm/arch.h"
#include "vmm/util.h"

#define MPIDR_AFFINITY 0xff00ffffffull
#define MPIDR_RES1 BIT(31)
#define REG_MPIDR_EL1 ARM64_SYS_REG(3, 0, 0, 0, 5)
#define PVTIME_STRIDE 64

static void set_feature(struct kvm_vcpu_init *init, unsigned feature)
{
	init->features[feature / 32] |= 1u << feature % 32;
}

static bool has_sve(const struct vm *vm)
{
	return !vm->machine->kernel.aarch32 &&
	       kvm_cap((struct kvm *)&vm->kvm, KVM_CAP_ARM_SVE) > 0;
}

static void set_features(struct vcpu *vcpu, struct kvm_vcpu_init *init)
{
	struct vm *vm = vcpu->vm;
	struct kvm *kvm = &vm->kvm;

	memset(init->features, 0, sizeof(init->features));
	set_feature(init, KVM_ARM_VCPU_PSCI_0_2);
	/* The others wait in KVM for the first one's PSCI calls. */
	if (vcpu->id > 0)
		set_feature(init, KVM_ARM_VCPU_POWER_OFF);
	if (vm->machine->pmu_irq)
		set_feature(init, KVM_ARM_VCPU_PMU_V3);
	if (vm->machine->kernel.aarch32) {
		set_feature(init, KVM_ARM_VCPU_EL1_32BIT);
		return;
	}
	if (has_sve(vm))
		set_feature(init, KVM_ARM_VCPU_SVE);
	if (kvm_cap(kvm, KVM_CAP_ARM_PTRAUTH_ADDRESS) > 0 &&
	    kvm_cap(kvm, KVM_CAP_ARM_PTRAUTH_GENERIC) > 0) {
		set_feature(init, KVM_ARM_VCPU_PTRAUTH_ADDRESS);
		set_feature(init, KVM_ARM_VCPU_PTRAUTH_GENERIC);
	}
}

static int init_cpu(struct vcpu *vcpu)
{
	struct kvm_vcpu_init init;
	int feature = KVM_ARM_VCPU_SVE;
	int ret = kvm_vm_ioctl(&vcpu->vm->kvm, "KVM_ARM_PREFERRED_TARGET",
			       KVM_ARM_PREFERRED_TARGET, &init);

	if (ret < 0)
		return ret;
	set_features(vcpu, &init);
	ret = vcpu_ioctl(vcpu, "KVM_ARM_VCPU_INIT", KVM_ARM_VCPU_INIT, &init);
	if (ret < 0 || !has_sve(vcpu->vm))
		return ret;
	return vcpu_ioctl(vcpu, "KVM_ARM_VCPU_FINALIZE", KVM_ARM_VCPU_FINALIZE, &feature);
}

/* The tree names CPUs by it, and may be of a machine that counts in its own way. */
static int set_mpidr(struct vcpu *vcpu)
{
	uint64_t want = vcpu->vm->machine->mpidr[vcpu->id] & MPIDR_AFFINITY;
	uint64_t value = MPIDR_RES1 | want;
	struct kvm_one_reg reg = { .id = REG_MPIDR_EL1, .addr = (uintptr_t)&value };

	if (want == arm_default_mpidr(vcpu->id))
		return 0;
	return vcpu_ioctl(vcpu, "KVM_SET_ONE_REG of MPIDR_EL1", KVM_SET_ONE_REG, &reg);
}

/* Stolen time (Arm DEN0057), where the host's kernel tells it. */
static int set_pvtime(struct vcpu *vcpu)
{
	uint64_t gpa = vcpu->vm->machine->pvtime_gpa + vcpu->id * PVTIME_STRIDE;
	struct kvm_device_attr attr = {
		.group = KVM_ARM_VCPU_PVTIME_CTRL,
		.attr = KVM_ARM_VCPU_PVTIME_IPA,
		.addr = (uintptr_t)&gpa,
	};

	if (!vcpu->vm->machine->pvtime_gpa || ioctl(vcpu->fd, KVM_HAS_DEVICE_ATTR, &attr) < 0)
		return 0;
	return vcpu_ioctl(vcpu, "KVM_ARM_VCPU_PVTIME_IPA", KVM_SET_DEVICE_ATTR, &attr);
}

int arch_vcpu_init(struct vcpu *vcpu)
{
	const struct arm_entry *entry = &vcpu->vm->machine->entry;
	int ret;

	if ((ret = init_cpu(vcpu)) < 0 || (ret = set_mpidr(vcpu)) < 0 ||
	    (ret = set_pvtime(vcpu)) < 0 || vcpu->id > 0)
		return ret;
	return entry->aarch32 ? arm32_set_entry(vcpu, entry) : arm64_set_entry(vcpu, entry);
}

/* --- when the GIC works ---------------------------------------------------------------- */

static int set_attr(struct vcpu *vcpu, const char *name, uint32_t group, uint64_t attr, void *value)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)value };

	return vcpu_ioctl(vcpu, name, KVM_SET_DEVICE_ATTR, &a);
}

static int set_timers(struct vcpu *vcpu)
{
	struct arch_machine *m = vcpu->vm->machine;
	int virt = m->virt_timer, phys = m->phys_timer, ret = 0;

	if (virt)
		ret = set_attr(vcpu, "KVM_ARM_VCPU_TIMER_IRQ_VTIMER", KVM_ARM_VCPU_TIMER_CTRL,
			       KVM_ARM_VCPU_TIMER_IRQ_VTIMER, &virt);
	if (ret == 0 && phys)
		ret = set_attr(vcpu, "KVM_ARM_VCPU_TIMER_IRQ_PTIMER", KVM_ARM_VCPU_TIMER_CTRL,
			       KVM_ARM_VCPU_TIMER_IRQ_PTIMER, &phys);
	return ret;
}

int arm_cpu_ready(struct vcpu *vcpu)
{
	int pmu = vcpu->vm->machine->pmu_irq;
	int ret = 0;

	/* One vCPU speaks for all. */
	if (vcpu->id == 0)
		ret = set_timers(vcpu);
	if (ret < 0 || !pmu)
		return ret;
	ret = set_attr(vcpu, "KVM_ARM_VCPU_PMU_V3_IRQ", KVM_ARM_VCPU_PMU_V3_CTRL,
		       KVM_ARM_VCPU_PMU_V3_IRQ, &pmu);
	return ret < 0 ? ret : set_attr(vcpu, "KVM_ARM_VCPU_PMU_V3_INIT", KVM_ARM_VCPU_PMU_V3_CTRL,
					KVM_ARM_VCPU_PMU_V3_INIT, NULL);
}

/* --- exits and dumps --------------------------------------------------------------------- */

/*
 * An access outside RAM by an instruction that the CPU does not describe: a pair,
 * an update of the base, several registers. The guest gets an external abort, as
 * from a bus without a device.
 */
static bool handle_nisv(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events = { .exception.ext_dabt_pending = 1 };

	log_guest(&vcpu->vm->machine->rate,
		  "vCPU %u: an instruction that cannot be emulated accesses %#llx, no RAM",
		  vcpu->id, (unsigned long long)vcpu->run->arm_nisv.fault_ipa);
	if (kvm_cap(&vcpu->vm->kvm, KVM_CAP_ARM_INJECT_EXT_DABT) <= 0)
		return false;
	return vcpu_ioctl(vcpu, "KVM_SET_VCPU_EVENTS", KVM_SET_VCPU_EVENTS, &events) >= 0;
}

int arch_vcpu_kicked(struct vcpu *vcpu)
{
	return vcpu->vm->machine->irq_path ? arm_irq_kicked(vcpu) : 0;
}

void arch_vcpu_left(struct vcpu *vcpu)
{
	const struct arm_irq_path *path = vcpu->vm->machine->irq_path;

	if (path && path->left)
		path->left(vcpu);
}

bool arch_handle_exit(struct vcpu *vcpu)
{
	return vcpu->run->exit_reason == KVM_EXIT_ARM_NISV && handle_nisv(vcpu);
}

void arch_dump(struct vcpu *vcpu)
{
	if (log_get_level() < LOG_INFO)
		return;
	if (vcpu->vm->machine->kernel.aarch32)
		arm32_dump(vcpu);
	else
		arm64_dump(vcpu);
}
