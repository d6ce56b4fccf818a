/* SPDX-License-Identifier: MIT */
#include "vmm/vcpu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/arch.h"
#include "vmm/util.h"
#include "vmm/vm.h"

#define VCPU_STACK_SIZE (256 * KiB)
/* More in a second are no accident. */
#define VCPU_MAX_FAULTS 100
#define VCPU_FAULTS_NS 1000000000ull

const char *vcpu_exit_name(unsigned reason)
{
	static const char *const names[VCPU_MAX_REASONS] = {
		[KVM_EXIT_UNKNOWN] = "unknown",
		[KVM_EXIT_EXCEPTION] = "exception",
		[KVM_EXIT_IO] = "io",
		[KVM_EXIT_HYPERCALL] = "hypercall",
		[KVM_EXIT_DEBUG] = "debug",
		[KVM_EXIT_HLT] = "hlt",
		[KVM_EXIT_MMIO] = "mmio",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq-window",
		[KVM_EXIT_SHUTDOWN] = "shutdown",
		[KVM_EXIT_FAIL_ENTRY] = "fail-entry",
		[KVM_EXIT_INTR] = "intr",
		[KVM_EXIT_NMI] = "nmi",
		[KVM_EXIT_INTERNAL_ERROR] = "internal-error",
		[KVM_EXIT_SYSTEM_EVENT] = "system-event",
		[KVM_EXIT_IOAPIC_EOI] = "ioapic-eoi",
		[KVM_EXIT_ARM_NISV] = "arm-nisv",
		[KVM_EXIT_X86_RDMSR] = "rdmsr",
		[KVM_EXIT_X86_WRMSR] = "wrmsr",
		[KVM_EXIT_DIRTY_RING_FULL] = "dirty-ring-full",
		[KVM_EXIT_X86_BUS_LOCK] = "bus-lock",
	};

	return reason < VCPU_MAX_REASONS && names[reason] ? names[reason] : "other";
}

static void vcpu_on_signal(int sig)
{
	/* Its arrival is all: KVM_RUN returns with EINTR. */
}

void vcpu_init_signals(void)
{
	struct sigaction sa = { .sa_handler = vcpu_on_signal };

	sigaction(VCPU_SIGNAL, &sa, NULL);
}

int vcpu_ioctl(struct vcpu *vcpu, const char *name, unsigned long request, void *arg)
{
	int ret = ioctl(vcpu->fd, request, arg);

	if (ret < 0) {
		ret = -errno;
		log_error("vCPU %u: %s: %m", vcpu->id, name);
	}
	return ret;
}

int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned id)
{
	void *run;
	int ret;

	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->stop = false;
	vcpu->fd = ioctl(vm->kvm.vm_fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (vcpu->fd < 0) {
		ret = -errno;
		log_error("KVM_CREATE_VCPU of vCPU %u: %m", id);
		return ret;
	}
	run = mmap(NULL, vm->kvm.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED) {
		ret = -errno;
		log_error("mmap of vCPU %u: %m", id);
		close(vcpu->fd);
		vcpu->fd = -1;
		return ret;
	}
	vcpu->run = run;
	return 0;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->vm->kvm.run_size);
	vcpu->run = NULL;
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	vcpu->fd = -1;
}

/* --- exits ------------------------------------------------------------------- */

static void vcpu_handle_pio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned size = run->io.size;

	/* A string instruction arrives as up to a page of items at once. */
	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		uint64_t value;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			bus_write(&vcpu->vm->pio, run->io.port, size, load_le(data, size));
		} else {
			bus_read(&vcpu->vm->pio, run->io.port, size, &value);
			store_le(data, size, value);
		}
	}
}

/* The largest power of two that is at most @len and keeps accesses within 8 bytes. */
static unsigned vcpu_mmio_piece(unsigned len)
{
	return len >= 8 ? 8 : len >= 4 ? 4 : len >= 2 ? 2 : len;
}

static void vcpu_handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	unsigned len = MIN(run->mmio.len, 8u);

	/* KVM cuts accesses at page ends, which leaves lengths like 3. */
	for (unsigned off = 0, size; off < len; off += size) {
		uint64_t addr = run->mmio.phys_addr + off, value;
		uint8_t *data = run->mmio.data + off;

		size = vcpu_mmio_piece(len - off);
		if (run->mmio.is_write) {
			bus_write(&vcpu->vm->mmio, addr, size, load_le(data, size));
		} else {
			bus_read(&vcpu->vm->mmio, addr, size, &value);
			store_le(data, size, value);
		}
	}
}

static void vcpu_fail(struct vcpu *vcpu, enum vm_end end)
{
	arch_dump(vcpu);
	vm_request_end(vcpu->vm, end, 0);
}

static void vcpu_handle_internal_error(struct vcpu *vcpu)
{
	static const char *const why[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "an instruction it cannot emulate",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "simultaneous exceptions",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "an exit while an event was delivered",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "an exit reason it does not know",
	};
	struct kvm_run *run = vcpu->run;
	unsigned sub = run->internal.suberror, n = MIN(run->internal.ndata, 16u);
	char text[16 * 17 + 1] = "";

	for (unsigned i = 0, len = 0; i < n; i++)
		len += snprintf(text + len, sizeof(text) - len, " %llx",
				(unsigned long long)run->internal.data[i]);
	log_error("vCPU %u: KVM internal error %u: %s", vcpu->id, sub,
		  sub < ARRAY_SIZE(why) && why[sub] ? why[sub] : "not documented");
	log_info("internal error data:%s", text);
	vcpu_fail(vcpu, VM_END_KVM_ERROR);
}

static void vcpu_handle_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_request_end(vcpu->vm, VM_END_POWEROFF, 0);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_request_end(vcpu->vm, VM_END_RESET, 0);
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		vcpu_fail(vcpu, VM_END_PANIC);
		break;
	default:
		log_error("vCPU %u: KVM system event %u is not known", vcpu->id,
			  vcpu->run->system_event.type);
		vcpu_fail(vcpu, VM_END_KVM_ERROR);
	}
}

/* False: this vCPU cannot go on. */
static bool vcpu_handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		vcpu_handle_pio(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		vcpu_handle_mmio(vcpu);
		return true;
	case KVM_EXIT_INTR:
		return true;
	case KVM_EXIT_SHUTDOWN:
		vcpu_fail(vcpu, VM_END_TRIPLE_FAULT);
		return false;
	case KVM_EXIT_SYSTEM_EVENT:
		vcpu_handle_system_event(vcpu);
		return false;
	case KVM_EXIT_INTERNAL_ERROR:
		vcpu_handle_internal_error(vcpu);
		return false;
	case KVM_EXIT_FAIL_ENTRY:
		log_error("vCPU %u: the CPU refused to enter the guest: reason %#llx", vcpu->id,
			  (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		vcpu_fail(vcpu, VM_END_KVM_ERROR);
		return false;
	default:
		if (arch_handle_exit(vcpu))
			return true;
		log_error("vCPU %u: KVM exit %u (%s) is not handled", vcpu->id, run->exit_reason,
			  vcpu_exit_name(run->exit_reason));
		vcpu_fail(vcpu, VM_END_KVM_ERROR);
		return false;
	}
}

static void vcpu_count(struct vcpu *vcpu, unsigned reason)
{
	reason = MIN(reason, VCPU_MAX_REASONS - 1u);
	/* Only this thread writes: no need for an atomic addition. */
	atomic_store_explicit(&vcpu->exits[reason],
			      atomic_load_explicit(&vcpu->exits[reason], memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

struct vcpu_faults {
	unsigned n;
	uint64_t since_ns;
};

/*
 * Whether KVM_RUN can be tried again though memory behind a guest address was not
 * there: another process may have taken away what it had lent, or a VGA card wants to
 * know of the next write. Who would fault for ever is ended.
 */
static bool vcpu_repaired(struct vcpu *vcpu, struct vcpu_faults *faults)
{
	uint64_t now;

	if (errno != EFAULT)
		return false;
	now = loop_now_ns();
	if (now - faults->since_ns > VCPU_FAULTS_NS)
		*faults = (struct vcpu_faults){ .since_ns = now };
	return ++faults->n < VCPU_MAX_FAULTS && bus_repair(&vcpu->vm->mmio);
}

static void vcpu_loop(struct vcpu *vcpu)
{
	bool kicked = true;
	struct vcpu_faults faults = { 0 };

	while (!vcpu->stop) {
		int ret;

		if (kicked && arch_vcpu_kicked(vcpu) < 0) {
			vcpu_fail(vcpu, VM_END_KVM_ERROR);
			return;
		}
		ret = ioctl(vcpu->fd, KVM_RUN, 0);
		kicked = ret < 0;
		arch_vcpu_left(vcpu);
		if (ret < 0 && (errno == EINTR || errno == EAGAIN)) {
			/*
			 * Kicked: vcpu_kick() set immediate_exit, which stays until cleared.
			 * Before the next look at stop, so that a kick in between is not lost.
			 */
			__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
			vcpu_count(vcpu, KVM_EXIT_INTR);
			continue;
		}
		if (ret < 0 && vcpu_repaired(vcpu, &faults))
			continue;
		if (ret < 0) {
			log_error("vCPU %u: KVM_RUN: %m", vcpu->id);
			vcpu_fail(vcpu, VM_END_KVM_ERROR);
			return;
		}
		vcpu_count(vcpu, vcpu->run->exit_reason);
		if (!vcpu_handle_exit(vcpu))
			return;
	}
}

/* --- the thread ---------------------------------------------------------------- */

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	struct vm *vm = vcpu->vm;
	char name[16];

	snprintf(name, sizeof(name), "vcpu-%u", vcpu->id);
	pthread_setname_np(pthread_self(), name);
	if (vcpu->id == 0 && !vm->t_first_run_ns)
		vm->t_first_run_ns = loop_now_ns();
	vcpu_loop(vcpu);
	vm->running--;
	return NULL;
}

int vcpu_start(struct vcpu *vcpu)
{
	pthread_attr_t attr;
	int ret;

	vcpu->vm->running++;
	pthread_attr_init(&attr);
	/* Too small for a huge page, which the host would give for the first byte of 8 MiB. */
	pthread_attr_setstacksize(&attr, VCPU_STACK_SIZE);
	ret = pthread_create(&vcpu->thread, &attr, vcpu_thread, vcpu);
	pthread_attr_destroy(&attr);
	if (ret != 0) {
		vcpu->vm->running--;
		log_error("thread of vCPU %u: %s", vcpu->id, strerror(ret));
		return -ret;
	}
	vcpu->started = true;
	return 0;
}

void vcpu_kick(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	/* Before KVM_RUN the flag makes it return at once; inside, the signal does. */
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, VCPU_SIGNAL);
}

void vcpu_join(struct vcpu *vcpu)
{
	if (vcpu->started)
		pthread_join(vcpu->thread, NULL);
	vcpu->started = false;
}
