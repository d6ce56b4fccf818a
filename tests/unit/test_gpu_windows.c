/* SPDX-License-Identifier: MIT */
/*
 * microvm-gpu with windows, as microvm starts it and with the test as driver:
 * what its parts do by themselves is tested elsewhere, here that they do it in
 * that program. Skipped where there is no Xvfb, unless MICROVM_XVFB is set.
 */
#include <linux/input.h>
#include <linux/virtio_input.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/gpu_process.h"
#include "devices/virtio/gpu.h"
#include "tests/capture.h"
#include "tests/have_gl.h"
#include "tests/program.h"
#include "tests/until.h"
#include "tests/vgpu.h"
#include "tests/vhost_peer.h"
#include "tests/virgl.h"
#include "tests/weston.h"
#include "tests/xdesk.h"

#define W 320u
#define H 200u
#define TITLE "guest of windows"
#define EVENTS 16
#define GREEN 0x00ff00u

enum { GPU, KEYBOARD, CONTROL };

struct t {
	struct loop *loop;
	struct gpu_process *process;
	struct capture cap;
	unsigned long window;
	unsigned n_closed, n_again;
	bool driven;
	struct vhost_peer gpu, keyboard;
	struct vgpu g;
};

#define UNTIL(t, cond) UNTIL_IN((t)->loop, cond)

static bool logged(struct t *t, const char *what)
{
	char text[4096] = "";

	return pread(t->cap.file, text, sizeof(text) - 1, 0) > 0 && strstr(text, what);
}

/* --- the program --------------------------------------------------------------- */

static void on_close(void *ctx, bool again)
{
	struct t *t = ctx;

	t->n_closed++;
	t->n_again += again;
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	char program[PATH_MAX];

	program_path(program, "microvm-gpu");
	assert_int_equal(loop_create(&t->loop), 0);
	assert_int_equal(gpu_process_create(&t->process, t->loop, TITLE), 0);
	assert_int_equal(gpu_process_set(t->process, program, "sdl"), 0);
	gpu_process_on_close(t->process, on_close, t);
	capture_begin(&t->cap, STDERR_FILENO);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;
	char *text;

	if (t->driven) {
		vp_finish(&t->gpu);
		vp_finish(&t->keyboard);
	}
	gpu_process_destroy(t->process);
	text = capture_end(&t->cap);
	fputs(text, stderr);
	free(text);
	loop_destroy(t->loop);
	free(t);
	return 0;
}

static void dial(struct t *t, const char *gpu)
{
	assert_int_equal(gpu_process_add(t->process, "gpu", gpu), GPU);
	assert_int_equal(gpu_process_add(t->process, "input", "keyboard"), KEYBOARD);
	assert_int_equal(gpu_process_add(t->process, "control", ""), CONTROL);
	vp_init(&t->gpu, gpu_process_dial(t->process, GPU), NULL);
	vp_init(&t->keyboard, gpu_process_dial(t->process, KEYBOARD), NULL);
	t->driven = true;
}

static void start(struct t *t, const char *gpu)
{
	dial(t, gpu);
	UNTIL(t, (t->window = xdesk_find(&desk, TITLE)));
	xdesk_tool("windowmove --sync %lu 0 0", t->window);
	xdesk_focus(&desk, t->window);
}

/* --- its driver ---------------------------------------------------------------- */

static void kick(void *ctx, unsigned q)
{
	struct t *t = ctx;

	vp_kick(&t->gpu, q);
}

static void wait_for_it(void *ctx, unsigned q)
{
	struct t *t = ctx;
	const struct vdrv_ring *ring = &t->gpu.q[q].ring;

	UNTIL(t, __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) != ring->used_idx);
}

static void drive_with(struct t *t, uint64_t gpu_features)
{
	const struct vgpu_port port = { kick, wait_for_it, t };

	vp_start(&t->gpu, gpu_features, 2, GPU_CURSOR_QUEUE_SIZE);
	vgpu_init(&t->g, &t->gpu.mem, &t->gpu.q[0].ring, &t->gpu.q[1].ring,
		  vp_alloc(&t->gpu, VGPU_AREA_BYTES), port);
	vp_start(&t->keyboard, 0, 2, EVENTS);
}

static void drive(struct t *t)
{
	drive_with(t, 0);
}

static void show(struct t *t, uint32_t colour)
{
	uint64_t gpa = vp_alloc(&t->gpu, 4 * W * H);
	const struct virtio_gpu_rect all = VGPU_RECT(0, 0, W, H);

	for (uint32_t i = 0; i < W * H; i++)
		assert_int_equal(gmem_write(&t->gpu.mem, gpa + 4 * i, &colour, 4), 0);
	assert_int_equal(vgpu_create_2d(&t->g, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, W, H),
			 VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(vgpu_attach_range(&t->g, 1, gpa, 4 * W * H), VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(vgpu_transfer(&t->g, 1, all, 0), VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, all), VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(vgpu_flush(&t->g, 1, all), VIRTIO_GPU_RESP_OK_NODATA);
}

/* Asks by way of the control socket, with @file. */
static void ask(struct t *t, const char *request, int file, char *answer, size_t len)
{
	int fd = gpu_process_visit(t->process, CONTROL);
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (char *)request, strlen(request) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };

	assert_true(fd >= 0);
	*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	};
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &file, sizeof(file));
	assert_int_equal(sendmsg(fd, &m, MSG_NOSIGNAL), strlen(request));
	memset(answer, 0, len);
	assert_true(recv(fd, answer, len - 1, 0) > 0);
	close(fd);
}

/* --- tests ------------------------------------------------------------------------ */

static void pictures_keys_and_screenshots(void **state)
{
	struct t *t = *state;
	struct virtio_input_event e;
	struct vdrv_ring *ring = &t->keyboard.q[0].ring;
	int file = memfd_create("png", MFD_CLOEXEC);
	char answer[400];
	struct stat st;
	uint64_t gpa;

	start(t, "size=320x200");
	drive(t);
	show(t, GREEN);
	UNTIL(t, xdesk_pixel(&desk, t->window, 10, 10) == GREEN);
	gpa = vp_alloc(&t->keyboard, 64);
	for (unsigned i = 0; i < 8; i++)
		vdrv_add(ring, &(struct vdrv_buf)VDRV_IN(gpa + 8 * i, 8), 1);
	vp_kick(&t->keyboard, 0);
	xdesk_tool("key a");
	assert_int_equal(vp_used(&t->keyboard, 0), sizeof(e));
	assert_int_equal(gmem_read(&t->keyboard.mem, gpa, &e, sizeof(e)), 0);
	assert_int_equal(e.type, EV_KEY);
	assert_int_equal(e.code, KEY_A);
	/* The keyboard's lights come the other way. */
	e = (struct virtio_input_event){ .type = EV_LED, .code = LED_CAPSL, .value = 1 };
	assert_int_equal(gmem_write(&t->keyboard.mem, gpa, &e, sizeof(e)), 0);
	vdrv_add(&t->keyboard.q[1].ring, &(struct vdrv_buf)VDRV_OUT(gpa, sizeof(e)), 1);
	vp_kick(&t->keyboard, 1);
	assert_int_equal(vp_used(&t->keyboard, 1), 0);
	ask(t, "{\"cmd\":\"screenshot\"}\n", file, answer, sizeof(answer));
	assert_non_null(strstr(answer, "\"ok\": true, \"width\": 320"));
	assert_int_equal(fstat(file, &st), 0);
	assert_true(st.st_size > 100);
	close(file);
}

/* In the narrower sandbox. */
static void without_windows_it_does_all_that_needs_none(void **state)
{
	struct t *t = *state;
	int file = memfd_create("png", MFD_CLOEXEC);
	char answer[400];
	struct stat st;

	assert_int_equal(gpu_process_set(t->process, NULL, "none"), 0);
	dial(t, "size=320x200");
	drive(t);
	show(t, GREEN);
	ask(t, "{\"cmd\":\"screenshot\"}\n", file, answer, sizeof(answer));
	assert_non_null(strstr(answer, "\"ok\": true, \"width\": 320"));
	assert_int_equal(fstat(file, &st), 0);
	assert_true(st.st_size > 100);
	ask(t, "{\"cmd\":\"key\",\"keys\":\"ctrl-a\",\"delay_ms\":1}\n", file, answer,
	    sizeof(answer));
	assert_non_null(strstr(answer, "\"ok\": true"));
	ask(t, "{\"cmd\":\"wait-stable\",\"ms\":1}\n", file, answer, sizeof(answer));
	assert_non_null(strstr(answer, "\"ok\": true"));
	assert_int_equal(xdesk_find(&desk, TITLE), 0);
	close(file);
}

static void sandbox_that_is_off_is_a_line_in_the_log(void **state)
{
	struct t *t = *state;

	start(t, "sandbox=off");
	UNTIL(t, logged(t, "sandbox=off"));
}

/* What a guest draws in 3D, seen at (@x, @y). */
static void draw_in_3d(struct t *t, int x, int y)
{
	const struct virtio_gpu_resource_create_3d c = {
		.resource_id = 1, .target = 2, .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
		.bind = 2, .width = W, .height = H, .depth = 1, .array_size = 1,
	};
	const struct virtio_gpu_rect all = VGPU_RECT(0, 0, W, H);
	struct virgl_stream s = { .n = 0 };

	drive_with(t, BIT(VIRTIO_GPU_F_VIRGL));
	assert_int_equal(vgpu_ctx_create(&t->g, 1, 0, ""), VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(vgpu_create_3d(&t->g, c), VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(vgpu_ctx_command(&t->g, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 1),
			 VIRTIO_GPU_RESP_OK_NODATA);
	virgl_surface(&s, 1, 1, c.format);
	virgl_framebuffer(&s, 1);
	for (unsigned i = 0; i < 3; i++) {
		virgl_clear(&s, i == 0, i == 1, i == 2, 1);
		assert_int_equal(vgpu_submit(&t->g, 1, s.words, 4 * s.n, 4 * s.n),
				 VIRTIO_GPU_RESP_OK_NODATA);
		s.n = 0;
		if (i == 0)
			assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, all),
					 VIRTIO_GPU_RESP_OK_NODATA);
		assert_int_equal(vgpu_flush(&t->g, 1, all), VIRTIO_GPU_RESP_OK_NODATA);
		UNTIL(t, xdesk_pixel(&desk, t->window, x, y) == 0xff0000u >> 8 * i);
	}
}

/* In a window of the same process, which draws the textures that there are. */
static void pictures_of_3d(void **state)
{
	struct t *t = *state;
	int status;

	if (!have_gl(&status))
		skip();
	start(t, "virgl,size=320x200");
	UNTIL(t, logged(t, "shared with the windows"));
	draw_in_3d(t, 10, 10);
}

/* The process that there is beside the desktop's; 0: none, negative: this kernel does not say. */
static int gpu_child(void)
{
	int pid, found = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fscanf(f, "%d", &pid) == 1)
		found = pid != desk.pid ? pid : found;
	fclose(f);
	return found;
}

static void window_of_3d_dies_and_comes_back(void **state)
{
	struct t *t = *state;
	int status, pid, fd;

	if (!have_gl(&status))
		skip();
	start(t, "virgl,size=320x200");
	draw_in_3d(t, 10, 10);
	pid = gpu_child();
	if (pid < 0)
		skip();
	assert_true(pid > 0);
	kill(pid, SIGKILL);
	UNTIL(t, !xdesk_find(&desk, TITLE));
	vp_finish(&t->gpu);
	vp_finish(&t->keyboard);
	/* An attempt that comes too early finds nobody, the next one another process. */
	UNTIL(t, (fd = gpu_process_dial(t->process, GPU)) >= 0);
	vp_init(&t->gpu, fd, NULL);
	vp_init(&t->keyboard, gpu_process_dial(t->process, KEYBOARD), NULL);
	UNTIL(t, (t->window = xdesk_find(&desk, TITLE)));
	draw_in_3d(t, 10, 10);
}

static void sizes_chords_and_focus(void **state)
{
	struct t *t = *state;

	start(t, "size=320x200");
	drive(t);
	show(t, GREEN);
	UNTIL(t, xdesk_pixel(&desk, t->window, 10, 10) == GREEN);
	xdesk_tool("windowsize --sync %lu 640 500", t->window);
	UNTIL(t, xdesk_pixel(&desk, t->window, 600, 250) == GREEN);
	xdesk_tool("key ctrl+alt+g");
	UNTIL(t, xdesk_title_has(&desk, t->window, "releases"));
	xdesk_focus(&desk, 0);
	UNTIL(t, xdesk_title_has(&desk, t->window, "grabs"));
}

/* Now and then, since SDL may make another window after the one that was found. */
static void press_close_button(struct t *t, unsigned *presses)
{
	unsigned closed = t->n_closed;

	assert_true(++*presses < 1000);
	t->window = xdesk_find(&desk, TITLE);
	xdesk_close_button(&desk, t->window);
	for (unsigned i = 0; i < 10 && t->n_closed == closed; i++)
		loop_run_once(t->loop, 10);
}

static void closed_window_reaches_who_started_it(void **state)
{
	struct t *t = *state;
	unsigned presses = 0;
	bool warned = false;

	start(t, "");
	while (!t->n_closed)
		press_close_button(t, &presses);
	assert_int_equal(t->n_again, 0);
	/* A click too soon is none, and one too late, on a slow machine, is the first one. */
	while (!t->n_again || !warned) {
		press_close_button(t, &presses);
		warned |= xdesk_title_has(&desk, t->window, "close again to stop");
	}
	assert_true(t->n_closed > t->n_again);
	assert_int_equal(xdesk_find(&desk, TITLE), t->window);
}

/* Of windows for OpenGL, which want 3.2 where virglrenderer takes less, nothing is seen. */
static void windows_that_are_made_twice_are_seen_once(void **state)
{
	struct t *t = *state;

	xdesk_appeared(&desk);
	setenv("MESA_GL_VERSION_OVERRIDE", "3.1", 1);
	start(t, "virgl");
	unsetenv("MESA_GL_VERSION_OVERRIDE");
	UNTIL(t, logged(t, "no OpenGL for windows") && logged(t, "OpenGL 3.1"));
	assert_int_equal(xdesk_appeared(&desk), 1);
}

/* Nobody started it that could press a button. */
static void closed_window_of_one_that_was_started_apart_is_logged(void **state)
{
	char dir[] = "/tmp/test-windows-XXXXXX", script[64], program[PATH_MAX];
	struct t *t = *state;
	unsigned presses = 0;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	snprintf(script, sizeof(script), "%s/program", dir);
	program_path(program, "microvm-gpu");
	f = fopen(script, "we");
	fprintf(f, "#!/bin/sh\nexec %s --display sdl --name '%s' --gpu socket=%s/s\n", program,
		TITLE, dir);
	fclose(f);
	assert_int_equal(chmod(script, 0700), 0);
	assert_int_equal(gpu_process_set(t->process, script, NULL), 0);
	assert_int_equal(gpu_process_add(t->process, "gpu", ""), GPU);
	close(gpu_process_dial(t->process, GPU));
	UNTIL(t, (t->window = xdesk_find(&desk, TITLE)));
	while (!logged(t, "shut the guest down instead"))
		press_close_button(t, &presses);
	assert_int_equal(t->n_closed, 0);
	assert_false(xdesk_title_has(&desk, t->window, "close again"));
	unlink(script);
	snprintf(script, sizeof(script), "%s/s", dir);
	unlink(script);
	rmdir(dir);
}

/* --- on Wayland -------------------------------------------------------------------- */

/* SDL draws by OpenGL there, and TSan does not see how Mesa's threads keep out of their way. */
#ifdef __SANITIZE_THREAD__
#define UNDER_TSAN true
#else
#define UNDER_TSAN false
#endif

static void begin_on_wayland(struct t *t, struct weston *w, unsigned scale, const char *gpu)
{
	weston_begin(w, t->loop, scale);
	t->window = w->window;
	weston_enter(w);
	dial(t, gpu);
	weston_leave(w);
}

static void pictures_and_keys_on_wayland(void **state)
{
	struct t *t = *state;
	struct vdrv_ring *ring = &t->keyboard.q[0].ring;
	struct virtio_input_event e;
	uint64_t gpa;
	struct weston weston;

	if (!weston_is_there() || UNDER_TSAN)
		skip();
	begin_on_wayland(t, &weston, 1, "size=320x200");
	xdesk_focus(&desk, t->window);
	drive(t);
	show(t, GREEN);
	UNTIL(t, xdesk_pixel(&desk, t->window, 320, 240) == GREEN);
	/* Twice its size, between bars. */
	assert_int_equal(xdesk_pixel(&desk, t->window, 320, 10), 0);
	gpa = vp_alloc(&t->keyboard, 64);
	for (unsigned i = 0; i < 8; i++)
		vdrv_add(ring, &(struct vdrv_buf)VDRV_IN(gpa + 8 * i, 8), 1);
	vp_kick(&t->keyboard, 0);
	xdesk_tool("mousemove --window %lu 320 240 key a", t->window);
	assert_int_equal(vp_used(&t->keyboard, 0), sizeof(e));
	assert_int_equal(gmem_read(&t->keyboard.mem, gpa, &e, sizeof(e)), 0);
	assert_int_equal(e.type, EV_KEY);
	assert_int_equal(e.code, KEY_A);
	weston_end(&weston, t->loop);
}

static void pictures_of_3d_on_wayland(void **state)
{
	struct t *t = *state;
	struct weston weston;
	int status;

	if (!weston_is_there() || !have_gl(&status))
		skip();
	begin_on_wayland(t, &weston, 1, "virgl,size=320x200");
	UNTIL(t, logged(t, "shared with the windows"));
	/* Away from where the pointer may be. */
	xdesk_tool("mousemove --window %lu 600 440", t->window);
	draw_in_3d(t, 320, 240);
	assert_int_equal(xdesk_pixel(&desk, t->window, 320, 10), 0);
	weston_end(&weston, t->loop);
}

/* What the guest is asked for now. */
static bool is_asked_for(struct t *t, uint32_t width, uint32_t height)
{
	const struct virtio_gpu_ctrl_hdr ask = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	struct virtio_gpu_resp_display_info info;

	assert_int_equal(vgpu_send(&t->g, 0, &ask, sizeof(ask), &info, sizeof(info)),
			 VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	return info.pmodes[0].r.width == width && info.pmodes[0].r.height == height;
}

/* The guest's pixels are the monitor's, however small those are. */
static void every_pixel_counts_where_the_desktop_takes_several_for_one(void **state)
{
	struct t *t = *state;
	struct weston weston;

	if (!weston_is_there() || UNDER_TSAN)
		skip();
	begin_on_wayland(t, &weston, 2, "size=320x200");
	drive(t);
	UNTIL(t, is_asked_for(t, 640, 480));
	show(t, GREEN);
	/* Away from the pointer, wherever that is. */
	xdesk_tool("mousemove --window %lu 600 440", t->window);
	UNTIL(t, xdesk_pixel(&desk, t->window, 60, 50) == GREEN);
	assert_int_equal(xdesk_pixel(&desk, t->window, 60, 10), 0);
	weston_end(&weston, t->loop);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pictures_keys_and_screenshots),
		TEST(pictures_of_3d),
		TEST(window_of_3d_dies_and_comes_back),
		TEST(without_windows_it_does_all_that_needs_none),
		TEST(sandbox_that_is_off_is_a_line_in_the_log),
		TEST(sizes_chords_and_focus),
		TEST(windows_that_are_made_twice_are_seen_once),
		TEST(closed_window_reaches_who_started_it),
		TEST(closed_window_of_one_that_was_started_apart_is_logged),
		TEST(pictures_and_keys_on_wayland),
		TEST(pictures_of_3d_on_wayland),
		TEST(every_pixel_counts_where_the_desktop_takes_several_for_one),
	};

	if (!xdesk_is_there())
		return 0;
	xdesk_by_processor();
	return cmocka_run_group_tests(tests, xdesk_group_begin, xdesk_group_end);
}
