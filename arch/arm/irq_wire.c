/* SPDX-License-Identifier: MIT */
#include "arch/arm/irq_wire.h"

#include <errno.h>
#include <pthread.h>

#include "arch/arm/cpu_regs.h"
#include "arch/arm/machine.h"
#include "devices/bcm283x_local.h"
#include "vmm/util.h"

/* Where a Raspberry Pi has nothing, not even behind its peripherals. */
#define WIRE_DIST_GPA 0x50000000ull
#define WIRE_DIST_LEN 0x10000ull
#define WIRE_CPU_GPA 0x50100000ull	/* redistributors, or the CPU interface of a GICv2 */
#define WIRE_CPU_LEN 0x2000ull
#define WIRE_REDIST_LEN 0x20000ull

/* KVM's own, which no tree changes here. */
#define WIRE_VTIMER_PPI 27
#define WIRE_PTIMER_PPI 30
#define WIRE_PPIS (BIT(WIRE_VTIMER_PPI) | BIT(WIRE_PTIMER_PPI))

/* Registers of a GIC: Arm IHI 0048B, chapter 4, and IHI 0069H, chapter 12. */
#define GICD_CTLR 0x000
#define GICD_CTLR_V2_ENABLE BIT(0)
#define GICD_CTLR_V3_ENABLE (BIT(4) | BIT(1))	/* ARE_NS, EnableGrp1 */
#define GICD_IGROUPR1 0x084		/* of SPIs 0 to 31 */
#define GICD_ISENABLER1 0x104
#define GICD_ITARGETSR8 0x820		/* of SPIs 0 to 3, a byte each */
#define GICD_ICFGR2 0xc08		/* of SPIs 0 to 15 */
#define GICD_IROUTER32 0x6100		/* of SPI 0 */
#define GICD_ISENABLER0 0x100		/* a GICv2's, of each CPU its own */
#define GICR_IGROUPR0 0x10080
#define GICR_ISENABLER0 0x10100
#define GICC_CTLR 0x00
#define GICC_PMR 0x04
#define ICC_PMR_EL1 (ARM64_SYS_REG(3, 0, 4, 6, 0) & KVM_DEV_ARM_VGIC_SYSREG_INSTR_MASK)
#define ICC_IGRPEN1_EL1 (ARM64_SYS_REG(3, 0, 12, 12, 7) & KVM_DEV_ARM_VGIC_SYSREG_INSTR_MASK)
#define PMR_ALL 0xf0

/* Arm ARM, D17.11: what a timer's CTL says. */
#define CTL_ENABLE BIT(0)
#define CTL_IMASK BIT(1)
#define CTL_ISTATUS BIT(2)
#define TIMER_PHYS 1			/* of BCM283X_LOCAL_TIMER's four */
#define TIMER_VIRT 3

bool arm_wire_wanted(const struct vm *vm)
{
	return !vm->machine->gic.known && vm->machine->bcm.local;
}

int arm_wire_place(struct vm *vm)
{
	struct arm_gic_place *gic = &vm->machine->gic;
	struct arm_gic_host host;

	arm_gic_probe(&vm->kvm, &host);
	if (!host.v2 && !host.v3) {
		log_error("this host's KVM has no interrupt controller, GICv2 or GICv3, by which "
			  "CPUs of a board without one could be interrupted");
		return -ENOTSUP;
	}
	gic->version = host.v3 ? ARM_GIC_V3 : ARM_GIC_V2;
	gic->dist = (struct gmem_range){ WIRE_DIST_GPA, WIRE_DIST_LEN };
	gic->cpu = (struct gmem_range){ WIRE_CPU_GPA, WIRE_CPU_LEN };
	gic->redists[0] = (struct gmem_range){ WIRE_CPU_GPA, BCM283X_CPUS * WIRE_REDIST_LEN };
	gic->n_redists = 1;
	gic->n_spis = BCM283X_CPUS;
	log_info("interrupts: by a GICv%d that the guest does not see", host.v3 ? 3 : 2);
	return 0;
}

/* --- the hidden vgic --------------------------------------------------------------- */

struct wire_reg {
	uint32_t group;
	uint64_t attr;
	uint64_t value;
};

static int wire_set(struct vm *vm, const struct wire_reg *regs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		/* KVM reads as many bytes as the register has: on ARM the lower come first. */
		uint64_t value = regs[i].value;
		int ret = arm_gic_set(&vm->machine->gic_fds, "a register of the GIC", regs[i].group,
				      regs[i].attr, &value);

		if (ret < 0)
			return ret;
	}
	return 0;
}

/* KVM: all of an affinity in the upper half of an attribute. */
static uint64_t wire_affinity(const struct vm *vm, unsigned cpu)
{
	uint64_t mpidr = vm->machine->mpidr[cpu];

	return (mpidr >> 32 & 0xff) << 24 | (mpidr & 0xffffff);
}

static int wire_set_v3_cpu(struct vm *vm, unsigned cpu)
{
	uint64_t affinity = wire_affinity(vm, cpu), at = affinity << 32;
	const struct wire_reg regs[] = {
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_IROUTER32 + 8 * cpu, affinity },
		{ KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, at | GICR_IGROUPR0, UINT32_MAX },
		{ KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, at | GICR_ISENABLER0, WIRE_PPIS },
		{ KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, at | ICC_PMR_EL1, PMR_ALL },
		{ KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, at | ICC_IGRPEN1_EL1, 1 },
	};

	return wire_set(vm, regs, ARRAY_SIZE(regs));
}

static int wire_set_v3(struct vm *vm)
{
	/* SPIs are edges until told otherwise, and one that nobody acknowledges stays up. */
	const struct wire_reg regs[] = {
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_ICFGR2, 0 },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_IGROUPR1, UINT32_MAX },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_ISENABLER1, BIT(vm->n_vcpus) - 1 },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_CTLR, GICD_CTLR_V3_ENABLE },
	};
	int ret = wire_set(vm, regs, ARRAY_SIZE(regs));

	for (unsigned i = 0; i < vm->n_vcpus && ret == 0; i++)
		ret = wire_set_v3_cpu(vm, i);
	return ret;
}

static int wire_set_v2_cpu(struct vm *vm, unsigned cpu)
{
	uint64_t at = (uint64_t)cpu << KVM_DEV_ARM_VGIC_CPUID_SHIFT;
	const struct wire_reg regs[] = {
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, at | GICD_ISENABLER0, WIRE_PPIS },
		{ KVM_DEV_ARM_VGIC_GRP_CPU_REGS, at | GICC_CTLR, 1 },
		{ KVM_DEV_ARM_VGIC_GRP_CPU_REGS, at | GICC_PMR, PMR_ALL },
	};

	return wire_set(vm, regs, ARRAY_SIZE(regs));
}

static int wire_set_v2(struct vm *vm)
{
	uint32_t targets = 0;
	int ret;

	for (unsigned i = 0; i < vm->n_vcpus; i++)
		targets |= BIT(i) << 8 * i;
	ret = wire_set(vm, (struct wire_reg[]){
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_ICFGR2, 0 },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_ITARGETSR8, targets },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_ISENABLER1, BIT(vm->n_vcpus) - 1 },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_CTLR, GICD_CTLR_V2_ENABLE },
	}, 4);
	for (unsigned i = 0; i < vm->n_vcpus && ret == 0; i++)
		ret = wire_set_v2_cpu(vm, i);
	return ret;
}

/* --- what bcm283x_local asks of the CPUs ---------------------------------------------- */

static void wire_set_line(void *ctx, unsigned cpu, bool fiq, bool level)
{
	struct vm *vm = ctx;

	struct irq_line line = kvm_irq_line(&vm->kvm, arm_gic_line(cpu));

	if (cpu < vm->n_vcpus && !fiq)
		irq_set(&line, level);
}

static bool is_up(uint64_t ctl)
{
	return (ctl & (CTL_ENABLE | CTL_IMASK | CTL_ISTATUS)) == (CTL_ENABLE | CTL_ISTATUS);
}

/*
 * Another CPU's are not told: KVM would wait for the end of its KVM_RUN, and so would
 * everyone who waits for the device.
 */
static unsigned wire_timers(void *ctx, unsigned cpu)
{
	struct vm *vm = ctx;
	struct vcpu *vcpu = cpu < vm->n_vcpus ? &vm->vcpus[cpu] : NULL;

	if (!vcpu || !pthread_equal(vcpu->thread, pthread_self()))
		return 0;
	return (is_up(arm_get_reg(vcpu, KVM_REG_ARM_PTIMER_CTL)) ? BIT(TIMER_PHYS) : 0) |
	       (is_up(arm_get_reg(vcpu, KVM_REG_ARM_TIMER_CTL)) ? BIT(TIMER_VIRT) : 0);
}

/*
 * The CPU waits in KVM as if it were switched off, where only its own thread can
 * reach its registers.
 */
static bool wire_release(void *ctx, unsigned cpu, uint32_t pc)
{
	struct vm *vm = ctx;
	uint64_t held = ARM_CPU_HELD;

	if (cpu >= vm->n_vcpus ||
	    !atomic_compare_exchange_strong(&vm->machine->release[cpu], &held, pc))
		return false;
	vcpu_kick(&vm->vcpus[cpu]);
	return true;
}

int arm_wire_release(struct vcpu *vcpu)
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

/* --- life --------------------------------------------------------------------------------- */

int arm_wire_connect(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	int ret = m->gic.version == ARM_GIC_V3 ? wire_set_v3(vm) : wire_set_v2(vm);

	if (ret < 0)
		return ret;
	/* The firmware holds all but the first; 64-bit kernels ask PSCI. */
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		m->release[i] = i && m->kernel.aarch32 ? ARM_CPU_HELD : ARM_CPU_FREE;
	bcm283x_local_connect(m->bcm.local, &(struct bcm283x_cpus){
		.set = wire_set_line,
		.timers = wire_timers,
		.release = wire_release,
		.ctx = vm,
	});
	return 0;
}

void arm_wire_disconnect(struct vm *vm)
{
	static const struct bcm283x_cpus nobody;

	bcm283x_local_connect(vm->machine->bcm.local, &nobody);
}
