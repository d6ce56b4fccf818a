/* SPDX-License-Identifier: MIT */
/*
 * microvm-gpu with 3D, in its sandbox: it draws, its pictures can be had, and when it
 * is killed the guest goes on.
 */
#include <linux/virtio_gpu.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/capture.h"
#include "tests/gpu_front.h"
#include "tests/have_gl.h"
#include "tests/program.h"
#include "tests/virgl.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define FEATURES (BIT(VIRTIO_GPU_F_VIRGL) | BIT(VIRTIO_GPU_F_CONTEXT_INIT) | VIRTIO_COMMON_FEATURES)
#define W 64u
#define H 32u
#define ALL VGPU_RECT(0, 0, W, H)
#define PATIENCE_NS 100000000000ull

static int setup(void **state)
{
	struct gpu_front *f = malloc(sizeof(*f));

	gpu_front_init(f, "virgl");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	gpu_front_finish(*state);
	free(*state);
	return 0;
}

/* A texture of that colour, shown; the last command's fence has come. */
static void draw(struct gpu_front *t, float r, float g, float b)
{
	const struct virtio_gpu_resource_create_3d c = {
		.resource_id = 1, .target = 2, .format = XRGB, .bind = 2, .width = W, .height = H,
		.depth = 1, .array_size = 1,
	};
	struct virgl_stream s = { .n = 0 };

	assert_int_equal(vgpu_ctx_create(&t->g, 1, 0, "test"), OK);
	assert_int_equal(vgpu_create_3d(&t->g, c), OK);
	assert_int_equal(vgpu_ctx_command(&t->g, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 1), OK);
	virgl_surface(&s, 1, 1, XRGB);
	virgl_framebuffer(&s, 1);
	virgl_clear(&s, r, g, b, 1);
	t->g.next = (struct virtio_gpu_ctrl_hdr){
		.flags = VIRTIO_GPU_FLAG_FENCE, .fence_id = 77,
	};
	assert_int_equal(vgpu_submit(&t->g, 1, s.words, 4 * s.n, 4 * s.n), OK);
	assert_true(t->g.last.fence_id == 77);
	t->g.next.flags = 0;
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, ALL), OK);
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), OK);
}

/* --- tests --------------------------------------------------------------------------- */

static void what_is_drawn_is_in_the_screenshot(void **state)
{
	struct gpu_front *t = *state;

	gpu_front_start(t, FEATURES);
	assert_int_equal(vdrv_config_read(&t->r.d, offsetof(struct virtio_gpu_config, num_capsets),
					  4), 2);
	draw(t, 1, 0.6f, 0);
	assert_int_equal(gpu_front_screenshot(t, W, H), 0xff9900);
	vdrv_reset(&t->r.d);
	gpu_front_start(t, FEATURES);
	draw(t, 0, 0.2f, 1);
	assert_int_equal(gpu_front_screenshot(t, W, H), 0x0033ff);
}

static void case_71_killed_while_it_draws(void **state)
{
	struct gpu_front *t = *state;
	const uint32_t nop = 0;

	for (unsigned i = 0; i < 3; i++) {
		pid_t pid;

		gpu_front_start(t, FEATURES);
		draw(t, 0, 0.2f * i, 0);
		assert_int_equal(gpu_front_screenshot(t, W, H), 0x003300 * i);
		pid = gpu_front_child();
		if (pid < 0)
			skip();
		assert_true(pid > 0);
		/* Something is asked for, and nobody lives to answer. */
		kill(pid, i == 1 ? SIGSTOP : SIGKILL);
		t->g.next.flags = VIRTIO_GPU_FLAG_FENCE;
		if (i == 1)
			kill(pid, SIGKILL);
		assert_int_equal(vgpu_submit(&t->g, 1, &nop, 4, 4), VIRTIO_GPU_RESP_ERR_UNSPEC);
		assert_int_equal(t->g.last.flags, VIRTIO_GPU_FLAG_FENCE);
		t->g.next.flags = 0;
		GPU_FRONT_UNTIL(t, gpu_front_needs_reset(t));
		vdrv_reset(&t->r.d);
	}
	gpu_front_start(t, FEATURES);
	draw(t, 1, 1, 1);
	assert_int_equal(gpu_front_screenshot(t, W, H), 0xffffff);
}

/* A GPU that was named and is not there is an error; that nobody has any is none. */
static void gpu_that_is_not_there_is_said(void **state)
{
	struct capture cap;
	struct gpu_process *p;
	struct loop *loop;
	char path[PATH_MAX], *text;

	program_path(path, "microvm-gpu");
	assert_int_equal(loop_create(&loop), 0);
	assert_int_equal(gpu_process_create(&p, loop, "guest"), 0);
	assert_int_equal(gpu_process_set(p, path, "none"), 0);
	assert_int_equal(gpu_process_add(p, "gpu", "virgl,rendernode=/dev/dri/none"), 0);
	capture_begin(&cap, STDERR_FILENO);
	close(gpu_process_dial(p, 0));
	for (uint64_t from = loop_now_ns(); gpu_front_child() > 0;) {
		loop_run_once(loop, 10);
		assert_true(loop_now_ns() - from < PATIENCE_NS);
	}
	text = capture_end(&cap);
	assert_non_null(strstr(text, "--gpu virgl: /dev/dri/none: No such file or directory"));
	free(text);
	gpu_process_destroy(p);
	loop_destroy(loop);
}

/* Of Mesa's drivers, which do as they are told here. */
static void opengl_that_is_too_old_is_said_and_the_card_is_of_2d(void **state)
{
	struct gpu_front *t = malloc(sizeof(*t));
	struct capture cap;
	uint64_t features;
	char *text;

	capture_begin(&cap, STDERR_FILENO);
	setenv("MESA_GL_VERSION_OVERRIDE", "2.1", 1);
	gpu_front_init(t, "virgl");
	unsetenv("MESA_GL_VERSION_OVERRIDE");
	gpu_front_start(t, VIRTIO_COMMON_FEATURES);
	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, W, H), OK);
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, ALL), OK);
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), OK);
	assert_int_equal(gpu_front_screenshot(t, W, H), 0);
	features = vdrv_device_features(&t->r.d);
	gpu_front_finish(t);
	text = capture_end(&cap);
	fputs(text, stderr);
	if (strstr(text, "Mesa")) {
		assert_non_null(strstr(text, "OpenGL here is 2.1 Mesa"));
		assert_non_null(strstr(text, ", and virglrenderer needs 3.0; there is 2D only\n"));
		assert_false(features & BIT(VIRTIO_GPU_F_VIRGL));
	}
	free(text);
	free(t);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_drawn_is_in_the_screenshot),
		T(case_71_killed_while_it_draws),
		cmocka_unit_test(gpu_that_is_not_there_is_said),
		cmocka_unit_test(opengl_that_is_too_old_is_said_and_the_card_is_of_2d),
	};
	int status;

	if (!have_gl(&status))
		return status;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
