/* SPDX-License-Identifier: MIT */
/* --gpu and --input as microvm has them, with the real microvm-gpu of the same build behind them. */
#include <errno.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_input.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/gpu_process.h"
#include "devices/registry.h"
#include "tests/capture.h"
#include "tests/program.h"
#include "tests/until.h"
#include "tests/vrig.h"

extern const struct virtio_model virtio_gpu_model, virtio_input_model;

#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET

struct device {
	const struct virtio_model *model;
	struct opt_value opts;
	struct virtio_device *v;
};

/* A card, which has a driver, and a keyboard without one. */
struct t {
	struct vrig r;
	struct gpu_process *process;
	struct device gpu, keyboard;
};

static void option(struct device *d, const struct virtio_model *model, const char *text)
{
	d->model = model;
	assert_int_equal(opt_value_parse(&d->opts, model->name, text, model->keys), 0);
	assert_int_equal(model->check(model->name, &d->opts), 0);
}

static void set_program(struct t *t)
{
	char path[PATH_MAX];

	program_path(path, "microvm-gpu");
	assert_int_equal(gpu_process_set(t->process, path, NULL), 0);
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	struct virtio_env env = { 0 };

	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	t->r.racing = true;
	assert_int_equal(gpu_process_create(&t->process, t->r.fake.loop, "guest"), 0);
	env.loop = t->r.fake.loop;
	env.mem = &t->r.fake.mem;
	env.gpu = t->process;
	option(&t->gpu, &virtio_gpu_model, "2d,size=640x480,outputs=3");
	option(&t->keyboard, &virtio_input_model, "keyboard,name=a,,b");
	assert_int_equal(t->gpu.model->announce(&env, &t->gpu.opts), 0);
	assert_int_equal(t->keyboard.model->announce(&env, &t->keyboard.opts), 0);
	set_program(t);
	assert_int_equal(t->gpu.model->create(&t->gpu.v, &env, &t->gpu.opts), 0);
	assert_int_equal(t->keyboard.model->create(&t->keyboard.v, &env, &t->keyboard.opts), 0);
	vrig_plug(&t->r, t->gpu.v);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	vrig_unplug(&t->r);
	t->gpu.model->destroy(t->gpu.v);
	t->keyboard.model->destroy(t->keyboard.v);
	opt_value_finish(&t->gpu.opts);
	opt_value_finish(&t->keyboard.opts);
	gpu_process_destroy(t->process);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

#define until(t, cond) UNTIL_IN((t)->r.fake.loop, cond)

static bool needs_reset(struct t *t)
{
	return vdrv_get(&t->r.d, VDRV_STATUS) & NEEDS_RESET;
}

/* The only child that this test has. */
static pid_t child(void)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "r");
	if (!f)
		skip();
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

/* GET_DISPLAY_INFO: the answer's type, and what it says in *@info. */
static uint32_t ask_modes(struct t *t, struct virtio_gpu_resp_display_info *info)
{
	struct vdrv *d = &t->r.d;
	uint64_t heap = d->heap, gpa = vdrv_alloc(d, sizeof(info->hdr), 16);
	uint64_t answer = vdrv_alloc(d, sizeof(*info), 16);
	struct vdrv_buf bufs[] = {
		VDRV_OUT(gpa, sizeof(info->hdr)), VDRV_IN(answer, sizeof(*info)),
	};
	const struct virtio_gpu_ctrl_hdr ask = {
		.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
		.flags = VIRTIO_GPU_FLAG_FENCE,
		.fence_id = 42,
	};
	int head;

	memcpy(vdrv_ptr(d, gpa, sizeof(ask)), &ask, sizeof(ask));
	head = vdrv_add(&d->rings[0], bufs, 2);
	vdrv_kick(d, 0);
	until(t, vdrv_used(&d->rings[0], NULL) == head);
	memcpy(info, vdrv_ptr(d, answer, sizeof(*info)), sizeof(*info));
	d->heap = heap;
	assert_int_equal(info->hdr.flags, VIRTIO_GPU_FLAG_FENCE);
	assert_int_equal(info->hdr.fence_id, 42);
	return info->hdr.type;
}

static void assert_works(struct t *t)
{
	struct virtio_gpu_resp_display_info info;

	vdrv_start(&t->r.d, 0);
	assert_int_equal(ask_modes(t, &info), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	assert_int_equal(info.pmodes[0].r.width, 640);
	assert_int_equal(info.pmodes[2].r.height, 480);
	assert_int_equal(info.pmodes[2].enabled, 1);
	assert_int_equal(info.pmodes[3].enabled, 0);
}

static void card_is_what_the_option_says(void **state)
{
	struct t *t = *state;

	assert_works(t);
	assert_int_equal(vdrv_config_read(&t->r.d, offsetof(struct virtio_gpu_config, num_scanouts),
					  4), 3);
	vdrv_reset(&t->r.d);
	assert_works(t);
}

static void keyboard_is_what_the_option_says(void **state)
{
	struct t *t = *state;
	struct virtio_input_config c = { .select = VIRTIO_INPUT_CFG_ID_NAME };

	/* As a driver begins, which is when a new connection is made use of. */
	virtio_set_status(t->keyboard.v, 0);
	virtio_config_write(t->keyboard.v, 0, &c, 2);
	virtio_config_read(t->keyboard.v, 0, &c, sizeof(c));
	assert_int_equal(c.size, 3);
	assert_memory_equal(c.u.string, "a,b", 3);
}

static void case_71_process_is_killed_under_a_driver(void **state)
{
	struct t *t = *state;
	struct virtio_gpu_resp_display_info info;

	for (unsigned i = 0; i < 3; i++) {
		pid_t pid;

		assert_works(t);
		pid = child();
		assert_true(pid > 0 && kill(pid, SIGKILL) == 0);
		until(t, needs_reset(t));
		/* What is asked of it is answered meanwhile, so that no driver waits for ever. */
		assert_int_equal(ask_modes(t, &info), VIRTIO_GPU_RESP_ERR_UNSPEC);
		vdrv_reset(&t->r.d);
		assert_works(t);
		assert_int_not_equal(child(), pid);
		keyboard_is_what_the_option_says(state);
	}
}

/* A driver that breaks the rules has its device reset, and nobody else is concerned. */
static void driver_that_breaks_its_ring_leaves_the_process_alone(void **state)
{
	struct t *t = *state;
	pid_t pid;

	assert_works(t);
	pid = child();
	vdrv_set_avail_idx(&t->r.d.rings[0], 1000);
	vdrv_kick(&t->r.d, 0);
	until(t, needs_reset(t));
	vdrv_reset(&t->r.d);
	assert_works(t);
	assert_int_equal(child(), pid);
}

#define ON(kind, f) { #f " on " #kind, f, setup, teardown, (void *)&kinds[VRIG_##kind] }

int main(void)
{
	static const enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_INTX, VRIG_PCI_MSIX };
	const struct CMUnitTest tests[] = {
		ON(MMIO, card_is_what_the_option_says),
		ON(PCI_MSIX, card_is_what_the_option_says),
		ON(MMIO, keyboard_is_what_the_option_says),
		ON(MMIO, case_71_process_is_killed_under_a_driver),
		ON(PCI_MSIX, case_71_process_is_killed_under_a_driver),
		ON(PCI_MSIX, driver_that_breaks_its_ring_leaves_the_process_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
