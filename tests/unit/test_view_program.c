/* SPDX-License-Identifier: MIT */
/*
 * microvm-gpu without windows and microvm-view with them, as a user runs the two, and
 * with the test as the guest's driver: what their parts do by themselves is tested
 * elsewhere. Skipped where there is no Xvfb, unless MICROVM_XVFB is set.
 */
#include <fcntl.h>
#include <linux/input.h>
#include <linux/virtio_gpu.h>
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
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/gpu_process.h"
#include "devices/ui/display_proto.h"
#include "devices/virtio/gpu.h"
#include "tests/have_gl.h"
#include "tests/open_fds.h"
#include "tests/program.h"
#include "tests/until.h"
#include "tests/vgpu.h"
#include "tests/vhost_peer.h"
#include "tests/virgl.h"
#include "tests/weston.h"
#include "tests/xdesk.h"
#include "vmm/util.h"

#define W 320u
#define H 200u
#define TITLE "guest of viewers"
#define EVENTS 16
#define RED 0xff0000u
#define GREEN 0x00ff00u
#define BLUE 0x0000ffu

enum { GPU, KEYBOARD, TABLET };

struct viewer {
	pid_t pid;
	int status;			/* -1: it runs */
	FILE *log;
	char text[4096];
};

struct t {
	struct loop *loop;
	struct gpu_process *process;
	char dir[32], path[64];
	bool driven;
	struct vhost_peer gpu, keyboard;
	struct vgpu g;
	uint64_t pixels;
	struct viewer a, b;
};

#define UNTIL(t, cond) UNTIL_IN((t)->loop, cond)

/* --- viewers -------------------------------------------------------------------- */

static void view(struct t *t, struct viewer *v, const char *option)
{
	char program[PATH_MAX];

	program_path(program, "microvm-view");
	v->log = tmpfile();
	v->status = -1;
	v->pid = fork();
	if (v->pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The desktop's libraries leave some behind. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	dup2(fileno(v->log), STDERR_FILENO);
	execl(program, "microvm-view", option, "--verbose", t->path, NULL);
	_exit(127);
}

static bool ended(struct viewer *v)
{
	if (v->pid && waitpid(v->pid, &v->status, WNOHANG) == v->pid)
		v->pid = 0;
	return !v->pid;
}

static bool said(struct viewer *v, const char *what)
{
	ssize_t n = pread(fileno(v->log), v->text, sizeof(v->text) - 1, 0);

	v->text[n > 0 ? n : 0] = 0;
	return strstr(v->text, what);
}

static void finish_viewer(struct viewer *v)
{
	if (v->pid) {
		kill(v->pid, SIGKILL);
		waitpid(v->pid, &v->status, 0);
	}
	if (!v->log)
		return;
	said(v, "");
	fputs(v->text, stderr);
	fclose(v->log);
}

/* One that shows something: SDL makes another when it has found out how to draw. */
static unsigned long drawn_window(struct t *t, const char *title)
{
	unsigned long w;

	UNTIL(t, (w = xdesk_find(&desk, title)) && xdesk_pixel(&desk, w, 10, 10) > 0);
	return w;
}

/* The viewer's window, where the desktop's corner is, with the keyboard. */
static unsigned long window(struct t *t, const char *title)
{
	unsigned long w = drawn_window(t, title);

	xdesk_tool("windowmove --sync %lu 0 0", w);
	xdesk_focus(&desk, w);
	return w;
}

/* microvm-gpu among our children. */
static pid_t gpu_pid(void)
{
	char path[64], name[32];
	int pid, found = 0;
	FILE *children, *comm;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	assert_non_null(children = fopen(path, "r"));
	while (!found && fscanf(children, "%d", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		comm = fopen(path, "r");
		if (comm && fgets(name, sizeof(name), comm) && !strcmp(name, "microvm-gpu\n"))
			found = pid;
		if (comm)
			fclose(comm);
	}
	fclose(children);
	assert_true(found);
	return found;
}

/* --- the machine ---------------------------------------------------------------- */

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	char program[PATH_MAX];

	strcpy(t->dir, "/tmp/view-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->path, sizeof(t->path), "%s/socket", t->dir);
	program_path(program, "microvm-gpu");
	assert_int_equal(loop_create(&t->loop), 0);
	assert_int_equal(gpu_process_create(&t->process, t->loop, TITLE), 0);
	assert_int_equal(gpu_process_set(t->process, program, "egl"), 0);
	*state = t;
	return 0;
}

static void stop(struct t *t);

static int teardown(void **state)
{
	struct t *t = *state;

	finish_viewer(&t->a);
	finish_viewer(&t->b);
	if (t->driven)
		stop(t);
	gpu_process_destroy(t->process);
	assert_int_equal(rmdir(t->dir), 0);
	loop_destroy(t->loop);
	free(t);
	return 0;
}

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

static void announce(struct t *t, const char *gpu)
{
	assert_int_equal(gpu_process_add(t->process, "gpu", gpu), GPU);
	assert_int_equal(gpu_process_add(t->process, "input", "keyboard"), KEYBOARD);
	assert_int_equal(gpu_process_add(t->process, "input", "tablet"), TABLET);
}

static void start(struct t *t, uint64_t features)
{
	const struct vgpu_port port = { kick, wait_for_it, t };

	vp_init(&t->gpu, gpu_process_dial(t->process, GPU), NULL);
	vp_init(&t->keyboard, gpu_process_dial(t->process, KEYBOARD), NULL);
	t->driven = true;
	vp_start(&t->gpu, features, 2, GPU_CURSOR_QUEUE_SIZE);
	vgpu_init(&t->g, &t->gpu.mem, &t->gpu.q[0].ring, &t->gpu.q[1].ring,
		  vp_alloc(&t->gpu, VGPU_AREA_BYTES), port);
	vp_start(&t->keyboard, 0, 2, EVENTS);
}

static void stop(struct t *t)
{
	vp_finish(&t->gpu);
	vp_finish(&t->keyboard);
	t->driven = false;
}

static void begin(struct t *t, const char *gpu, uint64_t features)
{
	assert_int_equal(gpu_process_listen(t->process, t->path), 0);
	announce(t, gpu);
	start(t, features);
}

/* As when a user starts it, who has no other program to make the socket. */
static void begin_by_hand(struct t *t, const char *gpu)
{
	char option[96];

	snprintf(option, sizeof(option), "egl,socket=%s", t->path);
	assert_int_equal(gpu_process_set(t->process, NULL, option), 0);
	announce(t, gpu);
	start(t, 0);
	UNTIL(t, access(t->path, F_OK) == 0);
}

static void draw(struct t *t, uint32_t colour)
{
	const struct virtio_gpu_rect all = VGPU_RECT(0, 0, W, H);

	for (uint32_t i = 0; i < W * H; i++)
		assert_int_equal(gmem_write(&t->gpu.mem, t->pixels + 4 * i, &colour, 4), 0);
	assert_int_equal(vgpu_transfer(&t->g, 1, all, 0), VIRTIO_GPU_RESP_OK_NODATA);
	/* Answered when it is to be seen, or nobody is waited for. */
	assert_int_equal(vgpu_flush(&t->g, 1, all), VIRTIO_GPU_RESP_OK_NODATA);
}

static void show(struct t *t, uint32_t colour)
{
	t->pixels = vp_alloc(&t->gpu, 4 * W * H);
	assert_int_equal(vgpu_create_2d(&t->g, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, W, H),
			 VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(vgpu_attach_range(&t->g, 1, t->pixels, 4 * W * H),
			 VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, VGPU_RECT(0, 0, W, H)),
			 VIRTIO_GPU_RESP_OK_NODATA);
	draw(t, colour);
}

static void assert_key(struct t *t, uint64_t gpa, unsigned code)
{
	struct virtio_input_event e;

	assert_int_equal(vp_used(&t->keyboard, 0), sizeof(e));
	assert_int_equal(gmem_read(&t->keyboard.mem, gpa, &e, sizeof(e)), 0);
	assert_int_equal(e.type, EV_KEY);
	assert_int_equal(e.code, code);
}

/* --- tests ---------------------------------------------------------------------- */

static void pictures_and_keys_go_through_the_viewer(void **state)
{
	struct t *t = *state;
	struct vdrv_ring *ring = &t->keyboard.q[0].ring;
	unsigned long w;
	uint64_t gpa;

	begin(t, "size=320x200", 0);
	show(t, GREEN);
	view(t, &t->a, "--scale=integer");
	w = window(t, TITLE);
	UNTIL(t, xdesk_pixel(&desk, w, 10, 10) == GREEN);
	for (unsigned i = 0; i < 5; i++) {
		draw(t, i % 2 ? RED : BLUE);
		UNTIL(t, xdesk_pixel(&desk, w, 310, 190) == (i % 2 ? RED : BLUE));
	}
	gpa = vp_alloc(&t->keyboard, 64);
	for (unsigned i = 0; i < 8; i++)
		vdrv_add(ring, &(struct vdrv_buf)VDRV_IN(gpa + 8 * i, 8), 1);
	vp_kick(&t->keyboard, 0);
	xdesk_tool("key a");
	assert_key(t, gpa, KEY_A);
	xdesk_close_button(&desk, w);
	UNTIL(t, ended(&t->a));
	assert_int_equal(t->a.status, 0);
	assert_true(said(&t->a, "pictures: 0 by dma-buf, 1 by memory"));
}

static void viewers_come_and_go_and_the_guest_goes_on(void **state)
{
	struct t *t = *state;
	unsigned long w, other;
	int fds;

	begin(t, "size=320x200", 0);
	show(t, GREEN);
	fds = open_fds_of(gpu_pid());
	view(t, &t->a, "--watch");
	w = window(t, TITLE " (watching)");
	UNTIL(t, xdesk_pixel(&desk, w, 10, 10) == GREEN);
	view(t, &t->b, "--verbose");
	other = drawn_window(t, TITLE " - ");
	/* Nothing brings back what it hides while it is stopped. */
	xdesk_tool("windowmove --sync %lu 640 480", other);
	/* One that is stopped, and one that is killed. */
	kill(t->b.pid, SIGSTOP);
	draw(t, RED);
	draw(t, BLUE);
	UNTIL(t, xdesk_pixel(&desk, w, 10, 10) == BLUE);
	kill(t->b.pid, SIGKILL);
	UNTIL(t, ended(&t->b));
	kill(t->a.pid, SIGTERM);
	UNTIL(t, ended(&t->a));
	assert_int_equal(t->a.status, 0);
	assert_true(said(&t->a, "pictures: 0 by dma-buf, 1 by memory"));
	draw(t, GREEN);
	UNTIL(t, (int)open_fds_of(gpu_pid()) <= fds);
}

static void the_machines_end_is_the_viewers(void **state)
{
	struct t *t = *state;

	begin(t, "size=320x200,outputs=2", 0);
	show(t, GREEN);
	view(t, &t->a, "--verbose");
	UNTIL(t, xdesk_find(&desk, TITLE " 1") && xdesk_find(&desk, TITLE " 2"));
	kill(gpu_pid(), SIGKILL);
	UNTIL(t, ended(&t->a));
	assert_int_equal(t->a.status, 0);
	assert_true(said(&t->a, "the machine has gone"));
}

static void viewers_wait_for_the_next_process(void **state)
{
	struct t *t = *state;

	begin(t, "size=320x200", 0);
	kill(gpu_pid(), SIGKILL);
	stop(t);
	view(t, &t->a, "--verbose");
	UNTIL(t, said(&t->a, ": no answer so far; waiting"));
	gpu_process_hung_up(t->process, GPU);
	start(t, 0);
	show(t, BLUE);
	UNTIL(t, xdesk_pixel(&desk, window(t, TITLE), 10, 10) == BLUE);
}

static void process_without_a_machine_makes_its_socket_and_removes_it(void **state)
{
	struct t *t = *state;

	begin_by_hand(t, "size=320x200");
	show(t, GREEN);
	view(t, &t->a, "--verbose");
	UNTIL(t, xdesk_pixel(&desk, window(t, TITLE), 10, 10) == GREEN);
	kill(gpu_pid(), SIGTERM);
	UNTIL(t, ended(&t->a));
	assert_int_equal(t->a.status, 0);
	UNTIL(t, access(t->path, F_OK) < 0);
}

static void a_size_that_the_user_makes_is_asked_of_the_guest(void **state)
{
	struct t *t = *state;
	struct virtio_gpu_resp_display_info info;
	unsigned long w;

	begin(t, "size=320x200", 0);
	show(t, GREEN);
	view(t, &t->a, "--verbose");
	w = window(t, TITLE);
	UNTIL(t, xdesk_pixel(&desk, w, 10, 10) == GREEN);
	xdesk_tool("windowsize --sync %lu 640 500", w);
	do {
		struct virtio_gpu_ctrl_hdr h = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };

		assert_int_equal(vgpu_send(&t->g, 0, &h, sizeof(h), &info, sizeof(info)),
				 VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
		loop_run_once(t->loop, 10);
	} while (info.pmodes[0].r.width != 640 || info.pmodes[0].r.height != 500);
}

/* --- the viewer's sandbox ------------------------------------------------------- */

/* What the kernel says of @pid, such as "Seccomp:"; -1: nothing. */
static int status_of(pid_t pid, const char *what)
{
	char path[64], line[200];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_non_null(f = fopen(path, "r"));
	while (value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)))
			value = atoi(line + strlen(what));
	fclose(f);
	return value;
}

static void case_100_viewer_is_in_a_sandbox(void **state)
{
	struct t *t = *state;

	begin(t, "size=320x200", 0);
	show(t, GREEN);
	view(t, &t->a, "--verbose");
	drawn_window(t, TITLE);
	assert_int_equal(status_of(t->a.pid, "Seccomp:"), 2);
	assert_int_equal(status_of(t->a.pid, "NoNewPrivs:"), 1);
}

static void sandbox_that_is_off_is_a_line_in_the_log(void **state)
{
	struct t *t = *state;

	begin(t, "size=320x200", 0);
	show(t, GREEN);
	view(t, &t->a, "--sandbox=off");
	drawn_window(t, TITLE);
	assert_true(said(&t->a, "--sandbox=off: "));
	assert_int_equal(status_of(t->a.pid, "NoNewPrivs:"), status_of(getpid(), "NoNewPrivs:"));
}

/* SDL draws by OpenGL there, and TSan does not see how Mesa's threads keep out of their way. */
#ifdef __SANITIZE_THREAD__
#define UNDER_TSAN true
#else
#define UNDER_TSAN false
#endif

/* In the sandbox, where it draws and is drawn anew. */
static void view_on_wayland(struct t *t, const char *gpu, uint64_t features)
{
	struct vdrv_ring *ring = &t->keyboard.q[0].ring;
	struct weston weston;
	uint64_t gpa;

	begin(t, gpu, features);
	show(t, GREEN);
	weston_begin(&weston, t->loop, 1);
	weston_enter(&weston);
	view(t, &t->a, "--verbose");
	weston_leave(&weston);
	UNTIL(t, xdesk_pixel(&desk, weston.window, 320, 240) == GREEN);
	xdesk_focus(&desk, weston.window);
	xdesk_tool("mousemove --window %lu 600 440", weston.window);
	for (unsigned i = 0; i < 5; i++) {
		draw(t, i % 2 ? RED : BLUE);
		UNTIL(t, xdesk_pixel(&desk, weston.window, 320, 240) == (i % 2 ? RED : BLUE));
	}
	gpa = vp_alloc(&t->keyboard, 64);
	for (unsigned i = 0; i < 8; i++)
		vdrv_add(ring, &(struct vdrv_buf)VDRV_IN(gpa + 8 * i, 8), 1);
	vp_kick(&t->keyboard, 0);
	xdesk_tool("key a");
	assert_key(t, gpa, KEY_A);
	assert_int_equal(status_of(t->a.pid, "NoNewPrivs:"), 1);
	kill(t->a.pid, SIGTERM);
	UNTIL(t, ended(&t->a));
	assert_int_equal(t->a.status, 0);
	weston_end(&weston, t->loop);
}

static void pictures_and_keys_on_wayland(void **state)
{
	if (!weston_is_there() || UNDER_TSAN)
		skip();
	view_on_wayland(*state, "size=320x200", 0);
}

/* The viewer has OpenGL, in case there are dma-bufs. */
static void pictures_and_keys_on_wayland_with_opengl(void **state)
{
	int status;

	if (!weston_is_there() || !have_gl(&status))
		skip();
	view_on_wayland(*state, "virgl,size=320x200", BIT(VIRTIO_GPU_F_VIRGL));
}

/* What a guest draws in 3D; where there are dma-bufs, by these. */
static void pictures_of_3d(void **state)
{
	struct t *t = *state;
	const struct virtio_gpu_resource_create_3d c = {
		.resource_id = 1, .target = 2, .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
		.bind = 2, .width = W, .height = H, .depth = 1, .array_size = 1,
	};
	const struct virtio_gpu_rect all = VGPU_RECT(0, 0, W, H);
	struct virgl_stream s = { .n = 0 };
	unsigned long w = 0;
	int status;

	if (!have_gl(&status))
		skip();
	begin(t, "virgl,size=320x200", BIT(VIRTIO_GPU_F_VIRGL));
	view(t, &t->a, "--verbose");
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
		if (i == 0)
			w = window(t, TITLE);
		UNTIL(t, xdesk_pixel(&desk, w, 10, 10) == RED >> 8 * i);
	}
}

/* --- hostile ones, against the program in its sandbox --------------------------- */

static int dial(struct t *t)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, t->path);
	assert_int_equal(connect(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return sock;
}

static void case_99_viewers_that_do_as_they_please(void **state)
{
	struct t *t = *state;
	const union display_msg hello = { .hello = {
		.head.type = DISPLAY_MSG_HELLO, .magic = DISPLAY_PROTO_MAGIC,
		.version = DISPLAY_PROTO_VERSION, .flags = DISPLAY_HELLO_CONTROL,
	} };
	unsigned fds;
	int stalled;

	begin(t, "size=320x200", 0);
	show(t, GREEN);
	fds = open_fds_of(gpu_pid());
	stalled = dial(t);
	assert_int_equal(display_proto_send(stalled, &hello, NULL, 0), 0);
	for (unsigned i = 0; i < 200; i++) {
		int sock = dial(t);

		if (i % 2)
			display_proto_send(sock, &hello, NULL, 0);
		if (i % 3 == 0)
			send(sock, t, i, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(sock);
		if (i % 50 == 0)
			draw(t, RED);
	}
	/* Its picture goes while it is shown. */
	assert_int_equal(vgpu_unref(&t->g, 1), VIRTIO_GPU_RESP_OK_NODATA);
	close(stalled);
	show(t, BLUE);
	UNTIL(t, open_fds_of(gpu_pid()) <= fds);
	view(t, &t->a, "--verbose");
	UNTIL(t, xdesk_pixel(&desk, window(t, TITLE), 10, 10) == BLUE);
}

static void nobody_at_the_socket_is_one_line(void **state)
{
	struct t *t = *state;

	view(t, &t->a, "--verbose");
	UNTIL(t, ended(&t->a));
	assert_int_equal(WEXITSTATUS(t->a.status), 1);
	assert_true(said(&t->a, "No such file or directory"));
}

/* --- all of them ---------------------------------------------------------------- */

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pictures_and_keys_go_through_the_viewer),
		TEST(viewers_come_and_go_and_the_guest_goes_on),
		TEST(the_machines_end_is_the_viewers),
		TEST(viewers_wait_for_the_next_process),
		TEST(process_without_a_machine_makes_its_socket_and_removes_it),
		TEST(a_size_that_the_user_makes_is_asked_of_the_guest),
		TEST(case_100_viewer_is_in_a_sandbox),
		TEST(sandbox_that_is_off_is_a_line_in_the_log),
		TEST(pictures_and_keys_on_wayland),
		TEST(pictures_and_keys_on_wayland_with_opengl),
		TEST(pictures_of_3d),
		TEST(case_99_viewers_that_do_as_they_please),
		TEST(nobody_at_the_socket_is_one_line),
	};

	if (!xdesk_is_there())
		return 0;
	return cmocka_run_group_tests(tests, xdesk_group_begin, xdesk_group_end);
}
