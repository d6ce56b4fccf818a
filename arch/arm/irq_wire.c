/* SPDX-License-Identifier: MIT */
/*
 * A vgic as nothing but wires to the CPUs. Its registers can be written only while no vCPU is
 * in KVM_RUN: the guest does that to them when it says where its timers go, which is rare.
 */
#include <errno.h>
#include <pthread.h>

#include "arch/arm/cpu_regs.h"
#include "arch/arm/irq_path.h"
#include "arch/arm/machine.h"
#include "devices/bcm283x_local.h"
#include "vmm/util.h"

/* Where a Raspberry Pi has nothing, not even behind its peripherals. */
#define WIRE_DIST_GPA 0x50000000ull
#define WIRE_DIST_LEN 0x10000ull
#define WIRE_CPU_GPA 0x50100000ull	/* redistributors, or the CPU interface of a GICv2 */
#define WIRE_CPU_LEN 0x2000ull
#define WIRE_REDIST_LEN 0x20000ull

/* SPIs: the CPUs' IRQs, then their FIQs. */
#define WIRE_FIQS BCM283X_CPUS
#define WIRE_SPIS (2 * BCM283X_CPUS)
/* KVM's own, which no tree changes here. */
#define WIRE_VTIMER_PPI 27
#define WIRE_PTIMER_PPI 30
#define WIRE_PPIS (BIT(WIRE_VTIMER_PPI) | BIT(WIRE_PTIMER_PPI))

/* Registers of a GIC: Arm IHI 0048B, chapter 4, and IHI 0069H, chapter 12. */
#define GICD_CTLR 0x000
#define GICD_CTLR_V2_ENABLE BIT(0)	/* KVM's is for both groups */
#define GICD_CTLR_V3_ENABLE (BIT(4) | BIT(1))	/* ARE_NS, EnableGrp1 */
#define GICD_IIDR 0x008
#define GICD_IGROUPR1 0x084		/* of SPIs 0 to 31 */
#define GICD_ISENABLER1 0x104
#define GICD_IPRIORITYR8 0x420		/* of SPIs 0 to 3, a byte each */
#define GICD_ITARGETSR8 0x820		/* likewise */
#define GICD_ICFGR2 0xc08		/* of SPIs 0 to 15 */
#define GICD_IROUTER32 0x6100		/* of SPI 0 */
/* A GICv2's distributor has these for each CPU, a GICv3 in a frame of its redistributor. */
#define GICR_SGI_BASE 0x10000
#define PPI_IGROUPR0 0x080
#define PPI_ISENABLER0 0x100
#define PPI_ICENABLER0 0x180
#define PPI_IPRIORITYR6 0x418		/* of PPIs 24 to 27 */
#define PPI_IPRIORITYR7 0x41c
#define GICC_CTLR 0x00
#define GICC_CTLR_GROUPS (BIT(3) | BIT(1) | BIT(0))	/* FIQEn, both groups enabled */
#define GICC_PMR 0x04
#define ICC_SYSREG(op1, crn, crm, op2) \
	(ARM64_SYS_REG(3, op1, crn, crm, op2) & KVM_DEV_ARM_VGIC_SYSREG_INSTR_MASK)
#define ICC_PMR_EL1 ICC_SYSREG(0, 4, 6, 0)
#define ICC_IGRPEN0_EL1 ICC_SYSREG(0, 12, 12, 6)
#define ICC_IGRPEN1_EL1 ICC_SYSREG(0, 12, 12, 7)
#define PMR_ALL 0xf0
#define PMR_V2_ALL 0x1f			/* KVM takes the upper five bits alone */
/* A GIC signals just its most urgent interrupt, and an FIQ comes in the midst of an IRQ. */
#define PRIORITY_IRQ 0x10u
#define PRIORITY_FIQ 0x00u

/* Arm ARM, D17.11: what a timer's CTL says. */
#define CTL_ENABLE BIT(0)
#define CTL_IMASK BIT(1)
#define CTL_ISTATUS BIT(2)
#define TIMER_PHYS 1			/* of BCM283X_LOCAL_TIMER's four */
#define TIMER_VIRT 3

static int wire_place(struct vm *vm)
{
	struct arm_gic_place *gic = &vm->machine->gic;
	struct arm_gic_host host;

	arm_gic_probe(&vm->kvm, &host);
	gic->version = host.v3 ? ARM_GIC_V3 : ARM_GIC_V2;
	gic->dist = (struct gmem_range){ WIRE_DIST_GPA, WIRE_DIST_LEN };
	gic->cpu = (struct gmem_range){ WIRE_CPU_GPA, WIRE_CPU_LEN };
	gic->redists[0] = (struct gmem_range){ WIRE_CPU_GPA, BCM283X_CPUS * WIRE_REDIST_LEN };
	gic->n_redists = 1;
	gic->n_spis = WIRE_SPIS;
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
	unsigned fiq = WIRE_FIQS + cpu;
	const struct wire_reg regs[] = {
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_IROUTER32 + 8 * cpu, affinity },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_IROUTER32 + 8 * fiq, affinity },
		{ KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, at | ICC_PMR_EL1, PMR_ALL },
		{ KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, at | ICC_IGRPEN0_EL1, 1 },
		{ KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, at | ICC_IGRPEN1_EL1, 1 },
	};

	return wire_set(vm, regs, ARRAY_SIZE(regs));
}

static int wire_set_v2_cpu(struct vm *vm, unsigned cpu)
{
	uint64_t at = (uint64_t)cpu << KVM_DEV_ARM_VGIC_CPUID_SHIFT;
	uint32_t control = vm->machine->gic.groups ? GICC_CTLR_GROUPS : BIT(0);
	const struct wire_reg regs[] = {
		{ KVM_DEV_ARM_VGIC_GRP_CPU_REGS, at | GICC_CTLR, control },
		{ KVM_DEV_ARM_VGIC_GRP_CPU_REGS, at | GICC_PMR, PMR_V2_ALL },
	};

	return wire_set(vm, regs, ARRAY_SIZE(regs));
}

/*
 * Whether interrupts can be in groups. A GICv2's groups are not ours to write before KVM has
 * heard that we know of them: by its own IIDR, given back (Linux, arm-vgic.rst).
 */
static bool wire_has_groups(struct vm *vm)
{
	const struct arm_gic_fds *fds = &vm->machine->gic_fds;
	uint32_t iidr;

	return vm->machine->gic.version == ARM_GIC_V3 ||
	       (arm_gic_get(fds, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_IIDR, &iidr) == 0 &&
		arm_gic_try(fds, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_IIDR, &iidr) == 0);
}

/* Group 0 comes as FIQ, where there are groups. */
static int wire_set_dist(struct vm *vm)
{
	bool v3 = vm->machine->gic.version == ARM_GIC_V3;
	uint32_t irqs = BIT(vm->n_vcpus) - 1, targets = 0;
	uint32_t fiqs = vm->machine->gic.groups ? irqs << WIRE_FIQS : 0;

	for (unsigned i = 0; i < vm->n_vcpus; i++)
		targets |= BIT(i) << 8 * i;
	/* SPIs are edges until told otherwise, and one that nobody acknowledges stays up. */
	return wire_set(vm, (struct wire_reg[]){
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_ICFGR2, 0 },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_IGROUPR1, BIT(WIRE_FIQS) - 1 },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_IPRIORITYR8, PRIORITY_IRQ * 0x01010101 },
		/* The next two mean nothing to a GICv3. */
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_ITARGETSR8, targets },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_ITARGETSR8 + WIRE_FIQS, targets },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_ISENABLER1, irqs | fiqs },
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_CTLR,
		  v3 ? GICD_CTLR_V3_ENABLE : GICD_CTLR_V2_ENABLE },
	}, 7);
}

static int wire_set_up(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	int ret;

	m->gic.groups = wire_has_groups(vm);
	if (!m->gic.groups)
		log_info("interrupts: no FIQs, as this host's KVM has no groups in its GICv2");
	ret = wire_set_dist(vm);
	for (unsigned i = 0; i < vm->n_vcpus && ret == 0; i++)
		ret = m->gic.version == ARM_GIC_V3 ? wire_set_v3_cpu(vm, i) :
						     wire_set_v2_cpu(vm, i);
	return ret;
}

/* --- while all vCPUs are out of KVM_RUN -------------------------------------------------- */

/* They stop where they would enter again. One at a time closes it: with bcm283x_local's lock. */
static void gate_close(struct vm *vm)
{
	struct arm_gate *gate = &vm->machine->gate;

	pthread_mutex_lock(&gate->lock);
	gate->closed = true;
	pthread_mutex_unlock(&gate->lock);
}

static void gate_open(struct vm *vm)
{
	struct arm_gate *gate = &vm->machine->gate;

	pthread_mutex_lock(&gate->lock);
	gate->closed = false;
	pthread_cond_broadcast(&gate->opened);
	pthread_mutex_unlock(&gate->lock);
}

static void wire_enter(struct vcpu *vcpu)
{
	struct arm_gate *gate = &vcpu->vm->machine->gate;

	pthread_mutex_lock(&gate->lock);
	while (gate->closed)
		pthread_cond_wait(&gate->opened, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}

/* The gate is closed. KVM hands a register out when the vCPU has left KVM_RUN. */
static uint64_t wire_fetch(struct vm *vm, unsigned cpu, uint64_t id)
{
	if (!arm_irq_is_self(vm, cpu))
		vcpu_kick(&vm->vcpus[cpu]);
	return arm_get_reg(&vm->vcpus[cpu], id);
}

#define WIRE_TRIES 1000

/* On its way from one exit to the gate a vCPU is in KVM_RUN for an instant. */
static int wire_set_stopped(struct vm *vm, const struct wire_reg *regs, unsigned n)
{
	int ret = 0;

	gate_close(vm);
	for (unsigned i = 0, tries = 0; i < n && tries < WIRE_TRIES; tries++) {
		ret = arm_gic_try(&vm->machine->gic_fds, regs[i].group, regs[i].attr,
				  &regs[i].value);
		if (ret == 0)
			i++;
		else if (ret != -EBUSY)
			break;
		for (unsigned cpu = 0; cpu < vm->n_vcpus && ret == -EBUSY; cpu++)
			wire_fetch(vm, cpu, KVM_REG_ARM_TIMER_CTL);
	}
	gate_open(vm);
	return ret;
}

/* --- what bcm283x_local asks of the CPUs ---------------------------------------------- */

static void wire_set_line(void *ctx, unsigned cpu, bool fiq, bool level)
{
	struct vm *vm = ctx;
	struct irq_line line = kvm_irq_line(&vm->kvm, arm_gic_line(fiq ? WIRE_FIQS + cpu : cpu));

	if (cpu < vm->n_vcpus && (!fiq || vm->machine->gic.groups))
		irq_set(&line, level);
}

static uint32_t wire_ppis(unsigned timers)
{
	return (timers & BIT(TIMER_VIRT) ? BIT(WIRE_VTIMER_PPI) : 0) |
	       (timers & BIT(TIMER_PHYS) ? BIT(WIRE_PTIMER_PPI) : 0);
}

static uint32_t wire_priority(uint32_t fiqs, unsigned ppi)
{
	return (fiqs & BIT(ppi) ? PRIORITY_FIQ : PRIORITY_IRQ) << ppi % 4 * 8;
}

static int wire_route_cpu(struct vm *vm, unsigned cpu, uint32_t irqs, uint32_t fiqs)
{
	bool v3 = vm->machine->gic.version == ARM_GIC_V3;
	uint32_t group = v3 ? KVM_DEV_ARM_VGIC_GRP_REDIST_REGS : KVM_DEV_ARM_VGIC_GRP_DIST_REGS;
	uint64_t at = v3 ? wire_affinity(vm, cpu) << 32 | GICR_SGI_BASE :
			   (uint64_t)cpu << KVM_DEV_ARM_VGIC_CPUID_SHIFT;
	const struct wire_reg regs[] = {
		{ group, at + PPI_ICENABLER0, WIRE_PPIS },
		{ group, at + PPI_IGROUPR0, ~fiqs },
		{ group, at + PPI_IPRIORITYR6, wire_priority(fiqs, WIRE_VTIMER_PPI) },
		{ group, at + PPI_IPRIORITYR7, wire_priority(fiqs, WIRE_PTIMER_PPI) },
		{ group, at + PPI_ISENABLER0, irqs | fiqs },
	};

	return wire_set_stopped(vm, regs, ARRAY_SIZE(regs));
}

static void wire_route(void *ctx, unsigned cpu, unsigned irq, unsigned fiq)
{
	struct vm *vm = ctx;
	struct arch_machine *m = vm->machine;
	uint32_t irqs = wire_ppis(irq), fiqs = m->gic.groups ? wire_ppis(fiq) : 0;
	int ret;

	if (cpu >= vm->n_vcpus || (irqs == m->ppis[cpu][0] && fiqs == m->ppis[cpu][1]))
		return;
	ret = wire_route_cpu(vm, cpu, irqs, fiqs);
	if (ret < 0)
		log_guest(&m->rate, "KVM_SET_DEVICE_ATTR: timers of CPU %u: %s", cpu,
			  strerror(-ret));
	m->ppis[cpu][0] = irqs;
	m->ppis[cpu][1] = fiqs;
}

static bool is_up(uint64_t ctl)
{
	return (ctl & (CTL_ENABLE | CTL_IMASK | CTL_ISTATUS)) == (CTL_ENABLE | CTL_ISTATUS);
}

/*
 * The guest's handler reads what is pending, sets its timer anew and returns, to the level
 * that is still in a list register: another IRQ, whose read finds nothing and lets KVM look at
 * the timer again. A guest's writes to the timer come to nobody, so nothing can take the
 * level away in between. Before the handler goes on, we could: by IMASK, which a handler that
 * moves CVAL alone would never clear; by the PPI's enable, but who would set it again when the
 * timer is due next? What is handed out here is true, and one ioctl for each timer in @which.
 *
 * Of a board's exits these reads are most, and none can be spared by memory that the guest
 * reads, as it reads the clock manager's: nobody tells us that a timer is due, and mailboxes
 * are in the same page.
 */
static unsigned wire_timers(void *ctx, unsigned cpu, unsigned which)
{
	struct vm *vm = ctx;
	bool other = cpu < vm->n_vcpus && !arm_irq_is_self(vm, cpu);
	unsigned levels = 0;

	if (cpu >= vm->n_vcpus)
		return 0;
	if (other)
		gate_close(vm);
	if ((which & BIT(TIMER_PHYS)) && is_up(wire_fetch(vm, cpu, KVM_REG_ARM_PTIMER_CTL)))
		levels |= BIT(TIMER_PHYS);
	if ((which & BIT(TIMER_VIRT)) && is_up(wire_fetch(vm, cpu, KVM_REG_ARM_TIMER_CTL)))
		levels |= BIT(TIMER_VIRT);
	if (other)
		gate_open(vm);
	return levels;
}

/* --- life --------------------------------------------------------------------------------- */

static int wire_connect(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	int ret = wire_set_up(vm);

	if (ret < 0)
		return ret;
	arm_irq_hold(vm);
	memset(m->ppis, 0, sizeof(m->ppis));
	bcm283x_local_connect(m->bcm.local, &(struct bcm283x_cpus){
		.set = wire_set_line,
		.timers = wire_timers,
		.route = wire_route,
		.release = arm_irq_release,
		.ctx = vm,
	});
	return 0;
}

static void wire_disconnect(struct vm *vm)
{
	static const struct bcm283x_cpus nobody;

	bcm283x_local_connect(vm->machine->bcm.local, &nobody);
}

const struct arm_irq_path arm_irq_wire = {
	.vgic = true,
	.place = wire_place,
	.connect = wire_connect,
	.disconnect = wire_disconnect,
	.enter = wire_enter,
};
