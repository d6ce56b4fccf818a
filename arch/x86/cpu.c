/* SPDX-License-Identifier: MIT */
/*
 * x86 vCPUs: CPUID as the host's KVM offers it with this machine's topology,
 * and the registers a kernel is entered with. Leaves: Intel SDM volume 2,
 * CPUID; AMD APM volume 3, appendix E; KVM's own: Linux
 * Documentation/virt/kvm/x86/cpuid.rst.
 */
#include <asm/kvm_para.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "arch/x86/layout.h"
#include "arch/x86/machine.h"
#include "vmm/arch.h"
#include "vmm/util.h"

#define CPUID_MAX_ENTRIES 256

#define CPUID_1_ECX_MONITOR BIT(3)
#define CPUID_1_ECX_TSC_DEADLINE BIT(24)
#define CPUID_1_ECX_HYPERVISOR BIT(31)
#define CPUID_1_EDX_HTT BIT(28)
#define CPUID_EXT1_ECX_CMP_LEGACY BIT(1)

#define CR0_PE BIT(0)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_PG BIT(31)
#define CR4_PAE BIT(5)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define MSR_IA32_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRING BIT(0)
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLE BIT(11)
#define MTRR_TYPE_WB 6

/* --- CPUID ---------------------------------------------------------------------- */

static struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, uint32_t leaf, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == leaf && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return NULL;
}

static struct kvm_cpuid2 *cpuid_alloc(void)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + CPUID_MAX_ENTRIES * sizeof(cpuid->entries[0]));

	if (cpuid)
		cpuid->nent = CPUID_MAX_ENTRIES;
	return cpuid;
}

int x86_cpu_probe(struct kvm *kvm, struct kvm_cpuid2 **out)
{
	struct kvm_cpuid2 *cpuid = cpuid_alloc();
	struct kvm_cpuid_entry2 *e;

	if (!cpuid)
		return -ENOMEM;
	if (ioctl(kvm->sys_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		int err = errno;

		log_error("KVM_GET_SUPPORTED_CPUID: %m");
		free(cpuid);
		return -err;
	}
	e = cpuid_find(cpuid, 1, 0);
	if (e) {
		e->ecx |= CPUID_1_ECX_HYPERVISOR;
		/* Reported by a capability of its own; saves a guest its timer calibration. */
		if (kvm_cap(kvm, KVM_CAP_TSC_DEADLINE_TIMER))
			e->ecx |= CPUID_1_ECX_TSC_DEADLINE;
		/* MWAIT would exit each time; without it a guest halts, which KVM serves itself. */
		e->ecx &= ~CPUID_1_ECX_MONITOR;
	}
	*out = cpuid;
	return 0;
}

unsigned x86_cpu_phys_bits(const struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 *e = cpuid_find((struct kvm_cpuid2 *)cpuid, 0x80000008, 0);
	unsigned bits = e ? e->eax & 0xff : 36;

	return MAX(MIN(bits, 52u), 32u);
}

static unsigned cpuid_bits_for(unsigned n)
{
	unsigned bits = 0;

	while ((1u << bits) < n)
		bits++;
	return bits;
}

/* One package of @n cores with one thread each. */
static void cpuid_set_topology(struct kvm_cpuid2 *cpuid, unsigned id, unsigned n)
{
	unsigned bits = cpuid_bits_for(n);

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		switch (e->function) {
		case 1:		/* initial APIC id, logical processors of the package */
			e->ebx = (e->ebx & 0xffff) | id << 24 | MIN(n, 255u) << 16;
			e->edx = n > 1 ? e->edx | CPUID_1_EDX_HTT : e->edx & ~CPUID_1_EDX_HTT;
			break;
		case 4:		/* caches: level 3 and up are shared by the package */
		case 0x8000001d:
			e->eax &= e->function == 4 ? 0x3fff : ~(0xfffu << 14);
			if ((e->eax >> 5 & 7) >= 3)
				e->eax |= (n - 1) << 14;
			if (e->function == 4 && (e->eax & 0x1f))
				e->eax |= ((1u << bits) - 1) << 26;
			break;
		case 0x80000001:
			e->ecx = n > 1 ? e->ecx | CPUID_EXT1_ECX_CMP_LEGACY
				       : e->ecx & ~CPUID_EXT1_ECX_CMP_LEGACY;
			break;
		case 0x80000008:	/* cores, and bits of the APIC id that number them */
			e->ecx = (n - 1) | bits << 12;
			break;
		case 0x8000001e:	/* APIC id; core id, threads a core; nodes */
			e->eax = id;
			e->ebx = id;
			e->ecx = 0;
			break;
		}
	}
}

static void cpuid_add(struct kvm_cpuid2 *cpuid, struct kvm_cpuid_entry2 entry)
{
	if (cpuid->nent < CPUID_MAX_ENTRIES)
		cpuid->entries[cpuid->nent++] = entry;
}

/* Leaf 0xb and its successor 0x1f: SDM, "Extended Topology Enumeration". */
static void cpuid_set_extended_topology(struct kvm_cpuid2 *cpuid, uint32_t leaf, unsigned id,
					unsigned n)
{
	uint32_t kept = 0;
	bool known = false;

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		known |= cpuid->entries[i].function == leaf;
		if (cpuid->entries[i].function != leaf)
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	cpuid->nent = kept;
	if (!known)
		return;
	for (unsigned level = 0; level < 3; level++)
		cpuid_add(cpuid, (struct kvm_cpuid_entry2){
			.function = leaf,
			.index = level,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = level == 1 ? cpuid_bits_for(n) : 0,
			.ebx = level == 0 ? 1 : level == 1 ? n : 0,
			.ecx = level < 2 ? level | (level + 1) << 8 : level,
			.edx = id,
		});
}

static int x86_set_cpuid(struct vcpu *vcpu)
{
	const struct kvm_cpuid2 *host = vcpu->vm->machine->cpuid;
	struct kvm_cpuid2 *cpuid = cpuid_alloc();
	unsigned n = vcpu->vm->n_vcpus;
	int ret;

	if (!cpuid)
		return -ENOMEM;
	memcpy(cpuid, host, sizeof(*host) + host->nent * sizeof(host->entries[0]));
	cpuid_set_topology(cpuid, vcpu->id, n);
	cpuid_set_extended_topology(cpuid, 0xb, vcpu->id, n);
	cpuid_set_extended_topology(cpuid, 0x1f, vcpu->id, n);
	ret = vcpu_ioctl(vcpu, "KVM_SET_CPUID2", KVM_SET_CPUID2, cpuid);
	free(cpuid);
	return ret;
}

/* --- registers ------------------------------------------------------------------- */

static int x86_set_msrs(struct vcpu *vcpu)
{
	static const struct kvm_msr_entry wanted[] = {
		{ .index = MSR_IA32_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING },
		/* What firmware leaves behind: everything write-back unless said otherwise. */
		{ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLE | MTRR_TYPE_WB },
	};
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[ARRAY_SIZE(wanted)];
	} msrs = { .head.nmsrs = ARRAY_SIZE(wanted) };

	memcpy(msrs.entries, wanted, sizeof(wanted));
	return vcpu_ioctl(vcpu, "KVM_SET_MSRS", KVM_SET_MSRS, &msrs);
}

/* A flat segment as boot.c's GDT has it: SDM volume 3, 3.4.5. */
static struct kvm_segment x86_flat_segment(uint16_t selector, bool code, bool long_mode)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = code ? 0xb : 0x3,	/* accessed, execute/read or read/write */
		.present = 1,
		.db = !(code && long_mode),
		.s = 1,
		.l = code && long_mode,
		.g = 1,
	};
}

static void x86_set_boot_sregs(struct kvm_sregs *s, enum x86_entry_mode mode)
{
	bool long_mode = mode == X86_ENTRY_LONG;

	s->cs = x86_flat_segment(long_mode ? X86_BOOT_CS64 : X86_BOOT_CS32, true, long_mode);
	s->ds = s->es = s->fs = s->gs = s->ss = x86_flat_segment(X86_BOOT_DS, false, long_mode);
	/* No task, but the CPU insists on a busy TSS to enter protected mode with. */
	s->tr = (struct kvm_segment){ .limit = 0x67, .type = 0xb, .present = 1 };
	s->gdt = (struct kvm_dtable){ .base = X86_GDT_GPA, .limit = X86_GDT_LIMIT };
	s->idt = (struct kvm_dtable){ 0 };
	if (long_mode) {
		s->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
		s->cr3 = X86_PAGE_TABLES_GPA;
		s->cr4 = CR4_PAE;
		s->efer = EFER_LME | EFER_LMA;
	} else {
		s->cr0 = CR0_PE | CR0_ET;
		s->cr4 = 0;
		s->efer = 0;
	}
}

/* The CPU that enters the kernel; the others wait for INIT and SIPI in the kernel's APIC. */
static int x86_set_boot_regs(struct vcpu *vcpu)
{
	const struct x86_entry *entry = &vcpu->vm->machine->entry;
	struct kvm_regs regs = { .rip = entry->rip, .rflags = 2, .rsp = X86_BOOT_STACK_GPA };
	struct kvm_sregs sregs;
	int ret;

	if (entry->mode == X86_ENTRY_LONG)
		regs.rsi = entry->arg;
	else
		regs.rbx = entry->arg;
	ret = vcpu_ioctl(vcpu, "KVM_GET_SREGS", KVM_GET_SREGS, &sregs);
	if (ret < 0)
		return ret;
	x86_set_boot_sregs(&sregs, entry->mode);
	ret = vcpu_ioctl(vcpu, "KVM_SET_SREGS", KVM_SET_SREGS, &sregs);
	if (ret < 0)
		return ret;
	return vcpu_ioctl(vcpu, "KVM_SET_REGS", KVM_SET_REGS, &regs);
}

int arch_vcpu_init(struct vcpu *vcpu)
{
	int ret = x86_set_cpuid(vcpu);

	if (ret == 0)
		ret = x86_set_msrs(vcpu);
	if (ret >= 0 && vcpu->id == 0)
		ret = x86_set_boot_regs(vcpu);
	return ret < 0 ? ret : 0;
}

/* --- exits and dumps --------------------------------------------------------------- */

int arch_vcpu_kicked(struct vcpu *vcpu)
{
	return 0;
}

void arch_vcpu_left(struct vcpu *vcpu)
{
}

bool arch_handle_exit(struct vcpu *vcpu)
{
	return false;
}

void arch_dump(struct vcpu *vcpu)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	if (log_get_level() < LOG_INFO || ioctl(vcpu->fd, KVM_GET_REGS, &r) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &s) < 0)
		return;
	log_info("vCPU %u: rip %016llx rflags %08llx rsp %016llx rbp %016llx", vcpu->id, r.rip,
		 r.rflags, r.rsp, r.rbp);
	log_info("  rax %016llx rbx %016llx rcx %016llx rdx %016llx", r.rax, r.rbx, r.rcx, r.rdx);
	log_info("  rsi %016llx rdi %016llx r8  %016llx r9  %016llx", r.rsi, r.rdi, r.r8, r.r9);
	log_info("  r10 %016llx r11 %016llx r12 %016llx r13 %016llx", r.r10, r.r11, r.r12, r.r13);
	log_info("  r14 %016llx r15 %016llx efer %llx apic_base %llx", r.r14, r.r15, s.efer,
		 s.apic_base);
	log_info("  cr0 %llx cr2 %llx cr3 %llx cr4 %llx", s.cr0, s.cr2, s.cr3, s.cr4);
	log_info("  cs %04x base %llx  ss %04x  ds %04x  gdt %llx/%x  idt %llx/%x", s.cs.selector,
		 s.cs.base, s.ss.selector, s.ds.selector, s.gdt.base, s.gdt.limit, s.idt.base,
		 s.idt.limit);
}
