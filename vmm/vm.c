/* SPDX-License-Identifier: MIT */
#include "vmm/vm.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "devices/backend/gpu_process.h"
#include "devices/backend/term.h"
#include "devices/control/control.h"
#include "vmm/arch.h"
#include "vmm/util.h"

/* --- ends ------------------------------------------------------------------- */

void vm_request_end(struct vm *vm, enum vm_end end, unsigned code)
{
	pthread_mutex_lock(&vm->end_lock);
	/* Whoever ends the VM for good while the guest resets itself is heard. */
	if (vm->end == VM_END_NONE || (vm->end == VM_END_RESET && end != VM_END_RESET)) {
		vm->end = end;
		vm->end_code = code;
	}
	pthread_mutex_unlock(&vm->end_lock);
	loop_quit(vm->loop);
}

static void vm_add_mark(struct vm *vm, unsigned id)
{
	uint64_t now = loop_now_ns();

	pthread_mutex_lock(&vm->mark_lock);
	if (vm->n_marks < VM_MAX_MARKS)
		vm->marks[vm->n_marks++] = (struct vm_mark){ id, now, vm_exit_count(vm) };
	pthread_mutex_unlock(&vm->mark_lock);
}

static void vm_power_event(void *ctx, enum power_event ev, unsigned code)
{
	struct vm *vm = ctx;

	switch (ev) {
	case POWER_OFF:
		vm_request_end(vm, VM_END_POWEROFF, 0);
		break;
	case POWER_RESET:
		vm_request_end(vm, VM_END_RESET, 0);
		break;
	case POWER_PANIC:
		vm_request_end(vm, VM_END_PANIC, 0);
		break;
	case POWER_RESULT:
		vm_request_end(vm, VM_END_RESULT, code);
		break;
	case POWER_MARK:
		vm_add_mark(vm, code);
		break;
	}
}

struct power_sink vm_power_sink(struct vm *vm)
{
	return (struct power_sink){ .event = vm_power_event, .ctx = vm };
}

static void vm_log_end(const struct vm *vm)
{
	switch (vm->end) {
	case VM_END_NONE:
	case VM_END_FAILURE:
	case VM_END_BAD_INPUT:
	case VM_END_KVM_ERROR:
		break;		/* said where it happened */
	case VM_END_POWEROFF:
		log_info("the guest powered off");
		break;
	case VM_END_RESET:
		log_info("the guest reset itself");
		break;
	case VM_END_QUIT:
		log_info("ended at the terminal");
		break;
	case VM_END_PANIC:
		log_error("the guest's kernel panicked");
		break;
	case VM_END_TRIPLE_FAULT:
		log_error("triple fault: the guest's CPU shut itself down (-v shows registers)");
		break;
	case VM_END_TIMEOUT:
		log_error("the guest still ran after the --timeout of %u s", vm->cfg->timeout_s);
		break;
	case VM_END_SIGNAL:
		log_error("stopped by a signal");
		break;
	case VM_END_RESULT:
		if (vm->end_code)
			log_error("the payload reported failure %u", vm->end_code);
		break;
	}
}

int vm_exit_status(const struct vm *vm)
{
	switch (vm->end) {
	case VM_END_NONE:
	case VM_END_POWEROFF:
	case VM_END_RESET:
	case VM_END_QUIT:
		return 0;
	case VM_END_FAILURE:
		return 1;
	case VM_END_BAD_INPUT:
		return 2;
	case VM_END_PANIC:
		return 3;
	case VM_END_TRIPLE_FAULT:
		return 4;
	case VM_END_KVM_ERROR:
		return 5;
	case VM_END_TIMEOUT:
		return 6;
	case VM_END_SIGNAL:
		return 7;
	case VM_END_RESULT:
		return vm->end_code ? 32 + (int)MIN(vm->end_code, 31u) : 0;
	}
	return 1;
}

/* --- what the outside wants ---------------------------------------------------- */

void vm_press_power(struct vm *vm)
{
	log_info("power button pressed");
	arch_press_power(vm);
}

/* Somebody closed a window of the guest, @again: and the power button was not enough. */
static void vm_on_close(void *ctx, bool again)
{
	struct vm *vm = ctx;

	if (again) {
		vm_request_end(vm, VM_END_QUIT, 0);
		return;
	}
	log_warn("window closed: pressing the guest's power button; once more stops it at once");
	arch_press_power(vm);
}

static void vm_on_key(void *ctx, enum term_key key)
{
	struct vm *vm = ctx;

	switch (key) {
	case TERM_QUIT:
		vm_request_end(vm, VM_END_QUIT, 0);
		break;
	case TERM_POWER:
		vm_press_power(vm);
		break;
	case TERM_RESET:
		vm_request_end(vm, VM_END_RESET, 0);
		break;
	}
}

static void vm_on_signal(void *arg, uint32_t events)
{
	struct vm *vm = arg;
	struct signalfd_siginfo info;

	if (read(vm->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	/* Nobody is left to press a second time once the terminal has gone. */
	if (info.ssi_signo == SIGHUP || vm->stop_requests++ > 0) {
		vm_request_end(vm, VM_END_SIGNAL, 0);
		return;
	}
	log_warn("pressing the guest's power button; a second signal stops it at once");
	arch_press_power(vm);
}

static int vm_watch_signals(struct vm *vm)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	vm->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (vm->signal_fd < 0) {
		log_error("signalfd: %m");
		return -errno;
	}
	return loop_add(vm->loop, &vm->signals, vm->signal_fd, EPOLLIN, vm_on_signal, vm);
}

static void vm_on_timeout(void *arg)
{
	vm_request_end(arg, VM_END_TIMEOUT, 0);
}

/* --- one boot ------------------------------------------------------------------ */

static int vm_create_vcpus(struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		int ret = vcpu_create(&vm->vcpus[i], vm, i);

		if (ret < 0)
			return ret;
	}
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		int ret = arch_vcpu_init(&vm->vcpus[i]);

		if (ret < 0)
			return ret;
	}
	return arch_vm_ready(vm);
}

static int vm_start_vcpus(struct vm *vm)
{
	/* The first one runs at once, and may then kick the others. */
	for (unsigned i = vm->n_vcpus; i-- > 0;) {
		int ret = vcpu_start(&vm->vcpus[i]);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static void vm_boot(struct vm *vm)
{
	if (kvm_create_vm(&vm->kvm, &vm->mem, arch_vm_type(vm)) < 0 || arch_vm_init(vm) < 0)
		goto failure;
	bus_set_hook(&vm->mmio, &kvm_mmio_hook, &vm->kvm);
	bus_set_hook(&vm->pio, &kvm_pio_hook, &vm->kvm);
	if (arch_load(vm) < 0) {
		vm_request_end(vm, VM_END_BAD_INPUT, 0);
		return;
	}
	if (vm_create_vcpus(vm) < 0 || vm_start_vcpus(vm) < 0)
		goto failure;
	return;

failure:
	vm_request_end(vm, VM_END_FAILURE, 0);
}

static void vm_stop_vcpus(struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		vm->vcpus[i].stop = true;
		vcpu_kick(&vm->vcpus[i]);
	}
	/* A vCPU on its way out may wait for the loop to do something for it. */
	while (vm->running)
		loop_run_once(vm->loop, 1);
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		vcpu_join(&vm->vcpus[i]);
}

/* Back to what vm_boot() starts from. Routes and doorbells go before the VM they are in. */
static void vm_halt(struct vm *vm)
{
	vm_stop_vcpus(vm);
	vm_reset_devices(vm);
	arch_machine_reset(vm);
	bus_set_hook(&vm->mmio, NULL, NULL);
	bus_set_hook(&vm->pio, NULL, NULL);
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		vcpu_destroy(&vm->vcpus[i]);
	kvm_destroy_vm(&vm->kvm);
}

/* Whether the guest is to be booted once more; forgets the reset then. */
static bool vm_wants_reboot(struct vm *vm)
{
	bool again;

	pthread_mutex_lock(&vm->end_lock);
	again = vm->end == VM_END_RESET && !vm->cfg->no_reboot;
	if (again)
		vm->end = VM_END_NONE;
	pthread_mutex_unlock(&vm->end_lock);
	return again;
}

static bool vm_ended(struct vm *vm)
{
	bool ended;

	pthread_mutex_lock(&vm->end_lock);
	ended = vm->end != VM_END_NONE;
	pthread_mutex_unlock(&vm->end_lock);
	return ended;
}

enum vm_end vm_run(struct vm *vm)
{
	if (vm->cfg->timeout_s)
		loop_timer_arm(vm->loop, &vm->timeout, vm->cfg->timeout_s * 1000000000ull);
	for (;;) {
		vm_boot(vm);
		/* A second reason to end the boot before this one may still turn the loop off. */
		while (!vm_ended(vm))
			loop_run(vm->loop);
		vm_halt(vm);
		if (!vm_wants_reboot(vm))
			break;
		log_info("the guest reset itself: booting again");
		vm->stop_requests = 0;
		if (gmem_discard(&vm->mem) < 0) {
			log_error("giving back guest memory: %m");
			vm->end = VM_END_FAILURE;
			break;
		}
	}
	loop_timer_disarm(vm->loop, &vm->timeout);
	vm_log_end(vm);
	return vm->end;
}

/* --- life ------------------------------------------------------------------------ */

static bool shares_ram(const struct config_device *dev)
{
	const struct virtio_model *model = dev->model;

	return model->shares_ram && !(model->is_here && model->is_here(&dev->opts));
}

static int vm_create_ram(struct vm *vm)
{
	struct gmem_range ranges[GMEM_MAX_REGIONS];
	int n = arch_layout(vm, ranges);

	if (n < 0)
		return n;
	for (unsigned i = 0; i < vm->cfg->n_devices; i++)
		if (shares_ram(&vm->cfg->devices[i]))
			return gmem_init(&vm->mem, ranges, n);
	return gmem_init_private(&vm->mem, ranges, n);
}

static int vm_create_parts(struct vm *vm)
{
	int ret;

	if ((ret = kvm_open(&vm->kvm)) < 0 ||
	    (ret = vm_create_ram(vm)) < 0 ||
	    (ret = loop_create(&vm->loop)) < 0 ||
	    (ret = vm_watch_signals(vm)) < 0 ||
	    (ret = term_create(&vm->term, vm->loop, vm_on_key, vm)) < 0 ||
	    (ret = gpu_process_create(&vm->gpu, vm->loop, vm->cfg->name)) < 0 ||
	    (ret = vm_add_control(vm)) < 0 ||
	    (ret = arch_machine_create(vm)) < 0)
		return ret;
	gpu_process_on_close(vm->gpu, vm_on_close, vm);
	ret = vm_add_devices(vm);
	if (ret < 0)
		vm->end = VM_END_BAD_INPUT;
	return ret;
}

int vm_create(struct vm *vm, const struct config *cfg, uint64_t t_start_ns)
{
	int ret;

	*vm = (struct vm){
		.cfg = cfg,
		.t_start_ns = t_start_ns,
		.mem.fd = -1,
		.kvm = { .sys_fd = -1, .vm_fd = -1 },
		.signal_fd = -1,
		.n_vcpus = cfg->cpus,
		.timeout = { .cb = vm_on_timeout, .arg = vm },
	};
	pthread_mutex_init(&vm->end_lock, NULL);
	pthread_mutex_init(&vm->mark_lock, NULL);
	bus_init(&vm->mmio, 0);
	bus_init(&vm->pio, 1 << 16);
	vm->vcpus = calloc(vm->n_vcpus, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		return -ENOMEM;
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		vm->vcpus[i].fd = -1;
	vm->end = VM_END_FAILURE;
	ret = vm_create_parts(vm);
	if (ret < 0)
		vm_destroy(vm);
	else
		vm->end = VM_END_NONE;
	return ret;
}

void vm_destroy(struct vm *vm)
{
	control_destroy(vm->control);
	vm_remove_devices(vm);
	arch_machine_destroy(vm);
	gpu_process_destroy(vm->gpu);
	term_destroy(vm->term);
	if (vm->signal_fd >= 0)
		close(vm->signal_fd);
	bus_finish(&vm->pio);
	bus_finish(&vm->mmio);
	loop_destroy(vm->loop);
	kvm_close(&vm->kvm);
	gmem_finish(&vm->mem);
	free(vm->vcpus);
	pthread_mutex_destroy(&vm->mark_lock);
	pthread_mutex_destroy(&vm->end_lock);
}
