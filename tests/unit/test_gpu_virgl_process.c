/* SPDX-License-Identifier: MIT */
/*
 * --gpu virgl as microvm has it, with the real microvm-gpu of the same build behind
 * it, in its sandbox: it draws, its pictures can be had, and when it is killed the
 * guest goes on.
 */
#include <linux/virtio_gpu.h>
#include <png.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/gpu_process.h"
#include "devices/registry.h"
#include "tests/capture.h"
#include "tests/have_gl.h"
#include "tests/program.h"
#include "tests/vgpu.h"
#include "tests/virgl.h"
#include "tests/vrig.h"

extern const struct virtio_model virtio_gpu_model;

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define FEATURES (BIT(VIRTIO_GPU_F_VIRGL) | BIT(VIRTIO_GPU_F_CONTEXT_INIT) | VIRTIO_COMMON_FEATURES)
#define CONTROL 1	/* of the process's devices */
#define W 64u
#define H 32u
#define ALL VGPU_RECT(0, 0, W, H)
#define PATIENCE_NS 100000000000ull

struct t {
	struct vrig r;
	struct gpu_process *process;
	struct opt_value opts;
	struct virtio_device *v;
	struct vgpu g;
};

/* Serves the loop until it is true; says what never came to be. */
#define UNTIL(t, cond)                                                                             \
	for (uint64_t from_ = loop_now_ns(); !(cond);)                                             \
		serve((t), from_, #cond)

static void serve(struct t *t, uint64_t from, const char *what)
{
	loop_run_once(t->r.fake.loop, 10);
	if (loop_now_ns() - from > PATIENCE_NS)
		fail_msg("never: %s", what);
}

static int setup_with(void **state, const char *option)
{
	struct t *t = calloc(1, sizeof(*t));
	struct virtio_env env = { 0 };
	char path[PATH_MAX];

	vrig_init(&t->r, VRIG_MMIO);
	t->r.racing = true;
	assert_int_equal(gpu_process_create(&t->process, t->r.fake.loop, "guest"), 0);
	env.loop = t->r.fake.loop;
	env.mem = &t->r.fake.mem;
	env.gpu = t->process;
	assert_int_equal(opt_value_parse(&t->opts, "--gpu", option, virtio_gpu_model.keys), 0);
	assert_int_equal(virtio_gpu_model.check("--gpu", &t->opts), 0);
	assert_int_equal(virtio_gpu_model.announce(&env, &t->opts), 0);
	assert_int_equal(gpu_process_add(t->process, "control", ""), CONTROL);
	program_path(path, "microvm-gpu");
	assert_int_equal(gpu_process_set(t->process, path, "none"), 0);
	assert_int_equal(virtio_gpu_model.create(&t->v, &env, &t->opts), 0);
	vrig_plug(&t->r, t->v);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, "virgl");
}

static int teardown(void **state)
{
	struct t *t = *state;

	vrig_unplug(&t->r);
	virtio_gpu_model.destroy(t->v);
	opt_value_finish(&t->opts);
	gpu_process_destroy(t->process);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

/* --- its driver ------------------------------------------------------------------ */

static void kick(void *ctx, unsigned q)
{
	struct t *t = ctx;

	vdrv_kick(&t->r.d, q);
}

static void wait_for_it(void *ctx, unsigned q)
{
	struct t *t = ctx;
	const struct vdrv_ring *ring = &t->r.d.rings[q];

	UNTIL(t, __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) != ring->used_idx);
}

static void start(struct t *t)
{
	const struct vgpu_port port = { kick, wait_for_it, t };
	struct vdrv *d = &t->r.d;

	vdrv_start(d, FEATURES);
	vgpu_init(&t->g, &t->r.fake.mem, &d->rings[0], &d->rings[1],
		  vdrv_alloc(d, VGPU_AREA_BYTES, 4096), port);
}

/* A texture of that colour, shown; the last command's fence has come. */
static void draw(struct t *t, float r, float g, float b)
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

/* --- its pictures ------------------------------------------------------------------ */

static void send_with_file(int fd, const char *text, int file)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };

	*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	};
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &file, sizeof(file));
	assert_int_equal(sendmsg(fd, &m, MSG_NOSIGNAL), strlen(text));
}

/* What a screenshot has in the middle, as 0xRRGGBB. */
static uint32_t screenshot(struct t *t)
{
	int file = memfd_create("png", MFD_CLOEXEC), fd = gpu_process_visit(t->process, CONTROL);
	png_image image = { .version = PNG_IMAGE_VERSION };
	uint8_t rgb[W * H * 3], *p = rgb + 3 * (H / 2 * W + W / 2);
	char answer[400] = "";
	struct stat st;
	void *png;

	assert_true(file >= 0 && fd >= 0);
	send_with_file(fd, "{\"cmd\":\"screenshot\"}\n", file);
	assert_true(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
	assert_non_null(strstr(answer, "\"ok\": true, \"width\": 64, \"height\": 32"));
	assert_int_equal(fstat(file, &st), 0);
	png = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	assert_true(png != MAP_FAILED && png_image_begin_read_from_memory(&image, png, st.st_size));
	image.format = PNG_FORMAT_RGB;
	assert_true(image.width == W && image.height == H);
	assert_true(png_image_finish_read(&image, NULL, rgb, 0, NULL));
	munmap(png, st.st_size);
	close(file);
	close(fd);
	return p[0] << 16 | p[1] << 8 | p[2];
}

/* --- tests --------------------------------------------------------------------------- */

static bool needs_reset(struct t *t)
{
	return vdrv_get(&t->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
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

static void what_is_drawn_is_in_the_screenshot(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(vdrv_config_read(&t->r.d, offsetof(struct virtio_gpu_config, num_capsets),
					  4), 2);
	draw(t, 1, 0.6f, 0);
	assert_int_equal(screenshot(t), 0xff9900);
	vdrv_reset(&t->r.d);
	start(t);
	draw(t, 0, 0.2f, 1);
	assert_int_equal(screenshot(t), 0x0033ff);
}

static void case_71_killed_while_it_draws(void **state)
{
	struct t *t = *state;
	const uint32_t nop = 0;

	for (unsigned i = 0; i < 3; i++) {
		pid_t pid;

		start(t);
		draw(t, 0, 0.2f * i, 0);
		assert_int_equal(screenshot(t), 0x003300 * i);
		pid = child();
		assert_true(pid > 0);
		/* Something is asked for, and nobody lives to answer. */
		kill(pid, i == 1 ? SIGSTOP : SIGKILL);
		t->g.next.flags = VIRTIO_GPU_FLAG_FENCE;
		if (i == 1)
			kill(pid, SIGKILL);
		assert_int_equal(vgpu_submit(&t->g, 1, &nop, 4, 4), VIRTIO_GPU_RESP_ERR_UNSPEC);
		assert_int_equal(t->g.last.flags, VIRTIO_GPU_FLAG_FENCE);
		t->g.next.flags = 0;
		UNTIL(t, needs_reset(t));
		vdrv_reset(&t->r.d);
	}
	start(t);
	draw(t, 1, 1, 1);
	assert_int_equal(screenshot(t), 0xffffff);
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
	for (uint64_t from = loop_now_ns(); child();) {
		loop_run_once(loop, 10);
		assert_true(loop_now_ns() - from < PATIENCE_NS);
	}
	text = capture_end(&cap);
	assert_non_null(strstr(text, "--gpu virgl: /dev/dri/none: No such file or directory"));
	free(text);
	gpu_process_destroy(p);
	loop_destroy(loop);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_drawn_is_in_the_screenshot),
		T(case_71_killed_while_it_draws),
		cmocka_unit_test(gpu_that_is_not_there_is_said),
	};
	int status;

	if (!have_gl(&status))
		return status;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
