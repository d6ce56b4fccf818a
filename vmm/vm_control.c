/* SPDX-License-Identifier: MIT */
/*
 * The control socket: what concerns the VM is done here, the rest by
 * microvm-gpu, which has the pictures.
 */
#include <errno.h>
#include <unistd.h>

#include "devices/backend/gpu_process.h"
#include "devices/backend/unixsock.h"
#include "devices/control/control_proxy.h"
#include "vmm/vm.h"

#define HELPER "microvm-gpu"

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

static void control_status(void *ctx, struct control_call *call)
{
	struct vm *vm = ctx;
	struct json_out *o = control_answer(call);

	json_out_text(o, "name", vm->cfg->name);
	json_out_text(o, "version", MICROVM_VERSION);
	json_out_number(o, "pid", getpid());
	json_out_number(o, "cpus", vm->n_vcpus);
	json_out_number(o, "memory", vm->cfg->memory);
	json_out_number(o, "uptime_ms", (loop_now_ns() - vm->t_start_ns) / 1000000);
	control_send(call);
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
