/* SPDX-License-Identifier: MIT */
/*
 * Linux b57de4ffd7c6 ("KVM: arm64: Simplify kvm_cpu_has_pending_timer()", 5.19) took away
 * what wakes a vCPU for its timer when no vgic does, and it took four years until that was
 * noticed. Versions do not say who has the repair; a guest does that waits once.
 */
#include "arch/arm/irq_path.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "arch/arm/cpu_regs.h"
#include "arch/arm/gic.h"
#include "vmm/util.h"

#define CODE_GPA 0x100000
#define DEADLINE_NS 200000000ull	/* long after the guest's timer */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* As 64-bit code, which every host's guests can run. */
static const uint32_t code[] = {
	0xd53be000,	/*	mrs x0, cntfrq_el0 */
	0xd2800c81,	/*	mov x1, #100		10 ms */
	0x9ac10800,	/*	udiv x0, x0, x1 */
	0xd51be300,	/*	msr cntv_tval_el0, x0 */
	0xd2800021,	/*	mov x1, #1 */
	0xd51be321,	/*	msr cntv_ctl_el0, x1 */
	0xd5033fdf,	/*	isb */
	0xd503207f,	/* 1:	wfi */
	0x17ffffff,	/*	b 1b */
};

struct test {
	int vm_fd;
	void *page;
	size_t page_size;
	struct vcpu vcpu;
};

static int test_create(struct test *t, struct kvm *kvm, unsigned ipa_bits)
{
	struct kvm_userspace_memory_region slot = { .guest_phys_addr = CODE_GPA };
	struct kvm_vcpu_init init;

	t->page_size = slot.memory_size = sysconf(_SC_PAGESIZE);
	t->vm_fd = ioctl(kvm->sys_fd, KVM_CREATE_VM, arm_vm_type(kvm, ipa_bits));
	if (t->vm_fd < 0)
		return -errno;
	t->page = mmap(NULL, t->page_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->page == MAP_FAILED)
		return -errno;
	memcpy(t->page, code, sizeof(code));
	slot.userspace_addr = (uintptr_t)t->page;
	if (ioctl(t->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0 ||
	    ioctl(t->vm_fd, KVM_ARM_PREFERRED_TARGET, &init) < 0 ||
	    (t->vcpu.fd = ioctl(t->vm_fd, KVM_CREATE_VCPU, 0)) < 0 ||
	    ioctl(t->vcpu.fd, KVM_ARM_VCPU_INIT, &init) < 0)
		return -errno;
	t->vcpu.run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, t->vcpu.fd, 0);
	if (t->vcpu.run == MAP_FAILED)
		return -errno;
	return arm_set_reg(&t->vcpu, "KVM_SET_ONE_REG of pc", ARM_CORE_REG(regs.pc), CODE_GPA);
}

static void test_destroy(struct test *t, struct kvm *kvm)
{
	if (t->vcpu.run != MAP_FAILED)
		munmap(t->vcpu.run, kvm->run_size);
	if (t->vcpu.fd >= 0)
		close(t->vcpu.fd);
	if (t->page != MAP_FAILED)
		munmap(t->page, t->page_size);
	if (t->vm_fd >= 0)
		close(t->vm_fd);
}

/* A signal to this thread ends the wait of who sleeps for good. */
static int test_alarm(timer_t *timer)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = VCPU_SIGNAL };
	struct itimerspec at = { .it_value.tv_nsec = DEADLINE_NS };

	ev.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &ev, timer) < 0)
		return -errno;
	return timer_settime(*timer, 0, &at, NULL) < 0 ? -errno : 0;
}

static int test_run(struct test *t)
{
	uint64_t start = loop_now_ns();
	timer_t alarm;
	int ret = test_alarm(&alarm);

	if (ret < 0)
		return ret;
	/* A signal of somebody else is no reason to give up. */
	do
		ret = ioctl(t->vcpu.fd, KVM_RUN, 0) < 0 ? -errno : 0;
	while (ret == -EINTR && loop_now_ns() - start < DEADLINE_NS &&
	       !(t->vcpu.run->s.regs.device_irq_level & KVM_ARM_DEV_EL1_VTIMER));
	timer_delete(alarm);
	if (ret < 0 && ret != -EINTR)
		return ret;
	/* A host so busy that this comes too late is taken for a broken one: it works, slower. */
	return loop_now_ns() - start < DEADLINE_NS;
}

int arm_timer_wakes(struct kvm *kvm, unsigned ipa_bits)
{
	struct test t = {
		.vm_fd = -1,
		.page = MAP_FAILED,
		.vcpu = { .fd = -1, .run = MAP_FAILED },
	};
	int ret = test_create(&t, kvm, ipa_bits);

	if (ret == 0)
		ret = test_run(&t);
	test_destroy(&t, kvm);
	if (ret < 0)
		log_error("KVM, tried with a guest that waits for its timer: %s", strerror(-ret));
	return ret;
}
