/* SPDX-License-Identifier: MIT */
/*
 * The control socket: what concerns the VM is done here, the rest by
 * microvm-gpu, which has the pictures.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "devices/backend/gpu_process.h"
#include "devices/backend/unixsock.h"
#include "devices/control/control_proxy.h"
#include "devices/virtio/balloon.h"
#include "vmm/util.h"
#include "vmm/vm.h"

#define HELPER "microvm-gpu"
/* A guest that does not tell its statistics by then: what it told before has to do. */
#define STATS_WAIT_NS 500000000ull

static void control_power(void *ctx, struct control_call *call)
{
	vm_press_power(ctx);
	control_done(call);
}

static void control_quit(void *ctx, struct control_call *call)
{
	/* Before the end, with which the connection goes. */
	control_done(call);
	vm_request_end(ctx, VM_END_QUIT, 0);
}

/* --- status --------------------------------------------------------------------- */

/* A call that waits for what the guest says of its memory. */
struct vm_status {
	struct vm *vm;
	struct control_call *call;
	struct loop_timer timer;
	struct vm_status *next;
};

static void put_memory(struct json_out *o, struct virtio_device *balloon)
{
	static const char *const names[VIRTIO_BALLOON_S_NR] = {
		[VIRTIO_BALLOON_S_MEMFREE] = "guest_free",
		[VIRTIO_BALLOON_S_MEMTOT] = "guest_total",
		[VIRTIO_BALLOON_S_AVAIL] = "guest_available",
		[VIRTIO_BALLOON_S_CACHES] = "guest_caches",
		[VIRTIO_BALLOON_S_SWAP_IN] = "guest_swap_in",
		[VIRTIO_BALLOON_S_SWAP_OUT] = "guest_swap_out",
		[VIRTIO_BALLOON_S_MAJFLT] = "guest_major_faults",
		[VIRTIO_BALLOON_S_MINFLT] = "guest_minor_faults",
	};
	struct balloon_stats stats;

	virtio_balloon_stats(balloon, &stats);
	json_out_number(o, "balloon", stats.taken);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i] && (stats.known & BIT(i)))
			json_out_number(o, names[i], MIN(stats.values[i], (uint64_t)INT64_MAX));
}

static void answer_status(struct vm *vm, struct control_call *call)
{
	struct virtio_device *balloon = vm_find_device(vm, &virtio_balloon_model);
	struct json_out *o = control_answer(call);

	json_out_text(o, "name", vm->cfg->name);
	json_out_text(o, "version", MICROVM_VERSION);
	json_out_number(o, "pid", getpid());
	json_out_number(o, "cpus", vm->n_vcpus);
	json_out_number(o, "memory", vm->cfg->memory);
	json_out_number(o, "uptime_ms", (loop_now_ns() - vm->t_start_ns) / 1000000);
	if (balloon)
		put_memory(o, balloon);
	control_send(call);
}

static void forget_status(void *arg)
{
	struct vm_status *s = arg, **p = &s->vm->statuses;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	loop_timer_disarm(s->vm->loop, &s->timer);
	free(s);
}

static void end_status(void *arg)
{
	struct vm_status *s = arg;
	struct vm *vm = s->vm;
	struct control_call *call = s->call;

	forget_status(s);
	answer_status(vm, call);
}

/* The guest has told them. */
static void statistics_came(void *ctx)
{
	struct vm *vm = ctx;

	while (vm->statuses)
		end_status(vm->statuses);
}

static void control_status(void *ctx, struct control_call *call)
{
	struct vm *vm = ctx;
	struct virtio_device *balloon = vm_find_device(vm, &virtio_balloon_model);
	struct vm_status *s = NULL;

	if (balloon && (virtio_balloon_ask(balloon) || vm->statuses))
		s = calloc(1, sizeof(*s));
	if (!s) {
		answer_status(vm, call);
		return;
	}
	virtio_balloon_watch(balloon, statistics_came, vm);
	*s = (struct vm_status){ .vm = vm, .call = call, .next = vm->statuses };
	s->timer = (struct loop_timer){ .cb = end_status, .arg = s };
	vm->statuses = s;
	loop_timer_arm(vm->loop, &s->timer, STATS_WAIT_NS);
	control_later(call, forget_status, s);
}

static const struct control_command commands[] = {
	{ .name = "power", .run = control_power },
	{ .name = "quit", .run = control_quit },
	{ .name = "status", .run = control_status },
	{ 0 },
};

/* Whether it is a command at all is for the other program to say. */
static void control_other(void *ctx, struct control_call *call)
{
	struct vm *vm = ctx;
	int fd = gpu_process_visit(vm->gpu, vm->control_port);

	if (fd >= 0)
		control_forward(call, vm->loop, fd, HELPER);
	else if (fd == -ENOTCONN)
		control_refuse(call, "only power, quit and status, as no " HELPER " runs (--gpu)");
	else
		control_refuse(call, HELPER " is %s", fd == -EAGAIN ? "busy" : "gone");
}

static const struct control_ops ops = { .commands = commands, .other = control_other };

int vm_add_control(struct vm *vm)
{
	const char *path = vm->cfg->control;
	int ret;

	if (!path)
		return 0;
	ret = gpu_process_add(vm->gpu, "control", "");
	if (ret < 0)
		return ret;
	vm->control_port = ret;
	ret = control_create(&vm->control, vm->loop, &ops, vm);
	if (ret == 0)
		ret = control_listen(vm->control, path);
	if (ret < 0)
		log_error("--control %s: %s", path, unixsock_error(ret));
	return ret;
}
