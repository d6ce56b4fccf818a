/* SPDX-License-Identifier: MIT */
/* A seat, and what microvm-gpu's command line makes of one, with a front end for each device. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_input.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/gpu_process.h"
#include "devices/backend/handover.h"
#include "devices/gpu/options.h"
#include "devices/gpu/screen.h"
#include "devices/gpu/seat.h"
#include "tests/capture.h"
#include "tests/vhost_peer.h"

#define EVENTQ 0
#define STATUSQ 1
#define SIZE 16

struct t {
	struct loop *loop;
	struct seat *seat;
	struct vhost_peer p;
	bool connected;
};

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	assert_int_equal(loop_create(&t->loop), 0);
	assert_int_equal(seat_create(&t->seat, t->loop), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	if (t->connected)
		vp_finish(&t->p);
	seat_destroy(t->seat);
	loop_destroy(t->loop);
	free(t);
	return 0;
}

static void connect_peer(struct t *t, int fd)
{
	vp_init(&t->p, fd, t->loop);
	t->connected = true;
}

/* One end is the peer's, the other is to be handed to the seat. */
static struct seat_socket make_socket(struct t *t)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	connect_peer(t, pair[0]);
	return (struct seat_socket){ .fd = pair[1] };
}

static int add_input(struct t *t, enum input_kind kind, struct seat_socket socket)
{
	return seat_add_input(t->seat, "--input", &socket, &(struct seat_input){ .kind = kind });
}

/* Gives @n buffers for events; where the first of them is. */
static uint64_t give_buffers(struct t *t, unsigned n)
{
	uint64_t gpa = vp_alloc(&t->p, n * sizeof(struct virtio_input_event));

	for (unsigned i = 0; i < n; i++)
		vdrv_add(&t->p.q[EVENTQ].ring, &(struct vdrv_buf)VDRV_IN(gpa + i * 8, 8), 1);
	vp_kick(&t->p, EVENTQ);
	return gpa;
}

static void assert_event(struct t *t, uint64_t gpa, uint16_t type, uint16_t code, uint32_t value)
{
	struct virtio_input_event e;

	assert_int_equal(vp_used(&t->p, EVENTQ), sizeof(e));
	assert_int_equal(gmem_read(&t->p.mem, gpa, &e, sizeof(e)), 0);
	assert_int_equal(e.type, type);
	assert_int_equal(e.code, code);
	assert_int_equal(e.value, value);
}

static void assert_types(struct t *t)
{
	struct input_sink sink = seat_sink(t->seat, INPUT_KEYBOARD);
	uint64_t gpa;

	vp_start(&t->p, 0, 2, SIZE);
	gpa = give_buffers(t, 4);
	input_send(&sink, EV_KEY, KEY_A, 1);
	input_sync(&sink);
	assert_event(t, gpa, EV_KEY, KEY_A, 1);
	assert_event(t, gpa + 8, EV_SYN, SYN_REPORT, 0);
	input_send(&sink, EV_KEY, KEY_A, 0);
	input_sync(&sink);
	assert_event(t, gpa + 16, EV_KEY, KEY_A, 0);
	assert_event(t, gpa + 24, EV_SYN, SYN_REPORT, 0);
}

/* --- front ends -------------------------------------------------------------------------- */

static void keyboard_types_into_a_connected_socket(void **state)
{
	struct t *t = *state;

	assert_int_equal(add_input(t, INPUT_KEYBOARD, make_socket(t)), 0);
	assert_true(seat_has(t->seat, INPUT_KEYBOARD));
	assert_false(seat_has(t->seat, INPUT_TABLET));
	assert_types(t);
}

static void note_led(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	unsigned *leds = ctx;

	if (type == EV_LED && value)
		*leds |= 1u << code;
}

static void lights_of_the_keyboard_come_back(void **state)
{
	struct t *t = *state;
	struct virtio_input_event e = { .type = EV_LED, .value = 1 };
	unsigned leds = 0;
	struct input_sink sink = { .event = note_led, .ctx = &leds };
	uint64_t gpa;

	assert_int_equal(add_input(t, INPUT_KEYBOARD, make_socket(t)), 0);
	vp_start(&t->p, 0, 2, SIZE);
	for (unsigned i = 0; i < 2; i++) {
		gpa = vp_alloc(&t->p, sizeof(e));
		e.code = i ? LED_CAPSL : LED_NUML;
		gmem_write(&t->p.mem, gpa, &e, sizeof(e));
		vdrv_add(&t->p.q[STATUSQ].ring, &(struct vdrv_buf)VDRV_OUT(gpa, sizeof(e)), 1);
		vp_kick(&t->p, STATUSQ);
		assert_int_equal(vp_used(&t->p, STATUSQ), 0);
		/* At first nobody listens. */
		assert_int_equal(leds, i << LED_CAPSL);
		seat_set_feedback(t->seat, INPUT_KEYBOARD, &sink);
	}
}

static void seat_ends_with_its_only_front_ends(void **state)
{
	struct t *t = *state;

	assert_int_equal(add_input(t, INPUT_KEYBOARD, make_socket(t)), 0);
	assert_types(t);
	vp_finish(&t->p);
	t->connected = false;
	/* Returns. */
	loop_run(t->loop);
}

static void connections_are_handed_over(void **state)
{
	struct t *t = *state;
	int port[2], pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, port), 0);
	assert_int_equal(add_input(t, INPUT_KEYBOARD, (struct seat_socket){ .fd = port[1] }), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		assert_int_equal(handover_send(port[0], pair[1]), 0);
		close(pair[1]);
		if (t->connected)
			vp_finish(&t->p);
		connect_peer(t, pair[0]);
		assert_types(t);
	}
	/* Words without a connection are no connection. */
	assert_int_equal(send(port[0], "hello", 5, 0), 5);
	assert_false(vp_is_hung_up(&t->p));
	close(port[0]);
	loop_run(t->loop);
}

static int dial(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void front_ends_find_a_device_at_its_path(void **state)
{
	struct t *t = *state;
	char dir[] = "/tmp/test-seat-XXXXXX", path[64];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	assert_int_equal(add_input(t, INPUT_KEYBOARD, (struct seat_socket){ .path = path }), 0);
	for (unsigned i = 0; i < 3; i++) {
		if (t->connected)
			vp_finish(&t->p);
		connect_peer(t, dial(path));
		assert_types(t);
	}
	seat_destroy(t->seat);
	t->seat = NULL;
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rmdir(dir), 0);
}

static void what_is_no_socket_is_refused(void **state)
{
	struct t *t = *state;
	struct capture cap;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), inet = socket(AF_INET, SOCK_STREAM, 0);
	char *text;

	capture_begin(&cap, STDERR_FILENO);
	assert_true(add_input(t, INPUT_MOUSE, (struct seat_socket){ .fd = fd }) < 0);
	assert_true(add_input(t, INPUT_MOUSE, (struct seat_socket){ .fd = inet }) < 0);
	assert_true(add_input(t, INPUT_MOUSE, (struct seat_socket){ .fd = 1000 }) < 0);
	assert_true(add_input(t, INPUT_MOUSE, (struct seat_socket){ .path = "/none/s" }) < 0);
	text = capture_end(&cap);
	assert_non_null(strstr(text, "Socket operation on non-socket"));
	assert_non_null(strstr(text, "not a UNIX socket"));
	assert_non_null(strstr(text, "Bad file descriptor"));
	assert_non_null(strstr(text, "No such file"));
	free(text);
	close(fd);
	close(inet);
	assert_false(seat_has(t->seat, INPUT_MOUSE));
}

/* --- a card ---------------------------------------------------------------------------------- */

static void gpu_request(struct t *t, const void *in, uint32_t in_len, void *out, uint32_t out_len)
{
	uint64_t gpa = vp_alloc(&t->p, 4096), answer = vp_alloc(&t->p, 4096);
	struct vdrv_buf bufs[] = { VDRV_OUT(gpa, in_len), VDRV_IN(answer, out_len) };

	gmem_write(&t->p.mem, gpa, in, in_len);
	assert_true(vdrv_add(&t->p.q[0].ring, bufs, 2) >= 0);
	vp_kick(&t->p, 0);
	assert_int_equal(vp_used(&t->p, 0), out_len);
	gmem_read(&t->p.mem, answer, out, out_len);
}

static void assert_mode(struct t *t, uint32_t width, uint32_t height)
{
	struct virtio_gpu_ctrl_hdr ask = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	struct virtio_gpu_resp_display_info info;

	gpu_request(t, &ask, sizeof(ask), &info, sizeof(info));
	assert_int_equal(info.hdr.type, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	assert_int_equal(info.pmodes[0].enabled, 1);
	assert_int_equal(info.pmodes[0].r.width, width);
	assert_int_equal(info.pmodes[0].r.height, height);
}

static int add_gpu(struct t *t, struct seat_socket socket)
{
	struct gpu_params params = {
		.n_outputs = 2, .n_plugged = 2, .output = { .width = 800, .height = 600 },
	};

	return seat_add_gpu(t->seat, "--gpu", &socket, &params);
}

static void card_answers_its_driver(void **state)
{
	struct t *t = *state;

	assert_int_equal(add_gpu(t, make_socket(t)), 0);
	vp_start(&t->p, 0, 2, SIZE);
	assert_mode(t, 800, 600);
}

static void card_keeps_its_resources_when_rings_stop(void **state)
{
	struct t *t = *state;
	struct virtio_gpu_resource_create_2d create = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.resource_id = 1,
		.format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
		.width = 64,
		.height = 64,
	};
	struct virtio_gpu_ctrl_hdr answer;
	struct gpu_usage usage;

	assert_int_equal(add_gpu(t, make_socket(t)), 0);
	vp_start(&t->p, 0, 2, SIZE);
	gpu_request(t, &create, sizeof(create), &answer, sizeof(answer));
	assert_int_equal(answer.type, VIRTIO_GPU_RESP_OK_NODATA);
	vp_stop_ring(&t->p, 1);
	gpu_get_usage(seat_gpu(t->seat), &usage);
	assert_int_equal(usage.resources, 1);
	assert_mode(t, 800, 600);
	vp_stop_ring(&t->p, 0);
	gpu_get_usage(seat_gpu(t->seat), &usage);
	assert_int_equal(usage.resources, 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_RESET_DEVICE, &(struct vhost_user_msg){ 0 }, 0,
			       NULL, 0), 0);
	gpu_get_usage(seat_gpu(t->seat), &usage);
	assert_int_equal(usage.resources, 0);
}

static void closed_window_is_told_to_who_started_us(void **state)
{
	struct t *t = *state;
	int port[2];

	assert_int_equal(seat_closed(t->seat), -ENOTCONN);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, port), 0);
	assert_int_equal(add_gpu(t, (struct seat_socket){ .fd = port[1] }), 0);
	assert_int_equal(seat_closed(t->seat), 0);
	assert_int_equal(handover_hear(port[0]), GPU_PROCESS_CLOSED);
	close(port[0]);
	assert_true(seat_closed(t->seat) < 0);
}

static void closed_window_is_told_to_no_front_end(void **state)
{
	struct t *t = *state;

	assert_int_equal(add_gpu(t, make_socket(t)), 0);
	assert_int_equal(seat_closed(t->seat), -ENOTCONN);
	assert_false(vp_is_hung_up(&t->p));
}

static void second_card_is_refused(void **state)
{
	struct t *t = *state;
	int pair[2];

	assert_int_equal(add_gpu(t, make_socket(t)), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(add_gpu(t, (struct seat_socket){ .fd = pair[1] }), -EEXIST);
	close(pair[0]);
	close(pair[1]);
}

static void a_framebuffer_is_one_and_by_descriptor(void **state)
{
	struct t *t = *state;
	int first[2], second[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, first), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, second), 0);
	assert_int_equal(seat_add_framebuffer(t->seat, "--framebuffer",
					      &(struct seat_socket){ .path = "/tmp/no" }),
			 -EINVAL);
	assert_int_equal(seat_add_framebuffer(t->seat, "--framebuffer",
					      &(struct seat_socket){ .fd = first[1] }), 0);
	assert_int_equal(seat_add_framebuffer(t->seat, "--framebuffer",
					      &(struct seat_socket){ .fd = second[1] }),
			 -EINVAL);
	/* Without a card, it says when a window is closed. */
	assert_int_equal(seat_closed(t->seat), 0);
	assert_int_equal(handover_hear(first[0]), GPU_PROCESS_CLOSED);
	close(first[0]);
	close(second[0]);
	close(second[1]);
}

/* --- the command line ---------------------------------------------------------------------- */

static enum gpu_options_result parse(struct gpu_options *o, const char *const words[])
{
	char *argv[16] = { "microvm-gpu" };
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	return gpu_options_parse(o, argc, argv);
}

#define PARSE(o, ...) parse(o, (const char *const[]){ __VA_ARGS__, NULL })

static void options_say_which_devices_there_are(void **state)
{
	struct gpu_options o;

	assert_int_equal(PARSE(&o, "--gpu", "socket=/tmp/a,,b,outputs=3,size=1920x1080", "--input",
			       "tablet,fd=7,name=pen", "--name", "guest", "--display", "none"),
			 GPU_OPTIONS_RUN);
	assert_int_equal(o.n_devices, 2);
	assert_true(o.devices[0].is_gpu);
	assert_string_equal(o.devices[0].socket.path, "/tmp/a,b");
	assert_int_equal(o.devices[0].gpu.n_outputs, 3);
	assert_int_equal(o.devices[0].gpu.output.width, 1920);
	assert_int_equal(o.devices[0].gpu.output.height, 1080);
	assert_int_equal(o.devices[1].input.kind, INPUT_TABLET);
	assert_int_equal(o.devices[1].socket.fd, 7);
	assert_string_equal(o.devices[1].input.name, "pen");
	assert_string_equal(o.devices[1].label, "--input tablet");
	assert_string_equal(o.name, "guest");
	assert_int_equal(o.display, SCREEN_NONE);
	gpu_options_finish(&o);
	assert_int_equal(PARSE(&o, "--gpu", "socket=a,fullscreen=on,scale=integer", "--display",
			       "sdl"), GPU_OPTIONS_RUN);
	assert_int_equal(o.display, SCREEN_SDL);
	assert_true(o.devices[0].look.fullscreen);
	assert_true(o.devices[0].look.integer);
	gpu_options_finish(&o);
	assert_int_equal(PARSE(&o, "--gpu", "socket=a"), GPU_OPTIONS_RUN);
	assert_int_equal(o.display, SCREEN_AUTO);
	assert_false(o.devices[0].look.fullscreen);
	assert_false(o.devices[0].look.integer);
	assert_false(o.no_sandbox);
	gpu_options_finish(&o);
	assert_int_equal(PARSE(&o, "--gpu", "socket=a,sandbox=off"), GPU_OPTIONS_RUN);
	assert_true(o.no_sandbox);
	assert_false(o.has_viewers);
	gpu_options_finish(&o);
	assert_int_equal(PARSE(&o, "--gpu", "socket=a", "--display", "egl,socket=b,,c"),
			 GPU_OPTIONS_RUN);
	assert_true(o.has_viewers);
	assert_string_equal(o.viewers.path, "b,c");
	gpu_options_finish(&o);
	assert_int_equal(PARSE(&o, "--gpu", "socket=a", "--display", "egl,fd=9"), GPU_OPTIONS_RUN);
	assert_true(o.has_viewers && !o.viewers.path);
	assert_int_equal(o.viewers.fd, 9);
	gpu_options_finish(&o);
}

static void a_recording_is_played_by_a_card_without_a_socket(void **state)
{
	struct gpu_options o;
	struct capture cap;

	assert_int_equal(PARSE(&o, "--replay", "rec", "--png", "dir", "--frames", "7,9-12"),
			 GPU_OPTIONS_RUN);
	assert_string_equal(o.replay.path, "rec");
	assert_string_equal(o.replay.png, "dir");
	assert_int_equal(o.replay.n_frames, 2);
	assert_true(o.replay.frames[0].first == 7 && o.replay.frames[0].last == 7);
	assert_true(o.replay.frames[1].first == 9 && o.replay.frames[1].last == 12);
	gpu_options_finish(&o);
	assert_int_equal(PARSE(&o, "--gpu", "virgl,patience=5", "--replay", "rec"), GPU_OPTIONS_RUN);
	assert_true(o.devices[0].in_3d.virgl);
	gpu_options_finish(&o);
	assert_int_equal(PARSE(&o, "--gpu", "fd=3,record=r,record-limit=5M"), GPU_OPTIONS_RUN);
	assert_string_equal(o.devices[0].record.path, "r");
	assert_int_equal(o.devices[0].record.limit, 5 * MiB);
	gpu_options_finish(&o);
	capture_begin(&cap, STDERR_FILENO);
	assert_int_equal(PARSE(&o, "--gpu", "fd=3", "--replay", "rec"), GPU_OPTIONS_ERROR);
	gpu_options_finish(&o);
	assert_int_equal(PARSE(&o, "--gpu", "record=r", "--replay", "rec"), GPU_OPTIONS_ERROR);
	gpu_options_finish(&o);
	assert_int_equal(PARSE(&o, "--input", "mouse", "--replay", "rec"), GPU_OPTIONS_ERROR);
	gpu_options_finish(&o);
	free(capture_end(&cap));
}

static void windows_without_a_desktop_are_an_error_only_when_asked_for(void **state)
{
	const struct gpu_params gpu = { .n_outputs = 1 };
	struct screen_params params = { .mode = SCREEN_SDL, .gpu = &gpu };
	struct t *t = *state;
	struct seat_socket socket = make_socket(t);
	struct screen *screen = NULL;
	struct capture c;
	char *text;

	assert_int_equal(seat_add_gpu(t->seat, "--gpu", &socket, &gpu), 0);
	unsetenv("DISPLAY");
	unsetenv("WAYLAND_DISPLAY");
	unsetenv("SDL_VIDEODRIVER");
	capture_begin(&c, 2);
	assert_int_equal(screen_create(&screen, t->loop, t->seat, &params), -ENXIO);
	text = capture_end(&c);
	assert_non_null(strstr(text, "--display sdl: no display"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
	params.mode = SCREEN_AUTO;
	assert_int_equal(screen_create(&screen, t->loop, t->seat, &params), 0);
	assert_false(screen_picture(screen, 0)->shown);
	screen_destroy(screen);
}

static void wrong_options_are_one_line_each(void **state)
{
	static const struct {
		const char *option, *value, *why;
	} bad[] = {
		{ "--verbose", NULL, "no device: --gpu and --input" },
		{ "--gpu", "outputs=1", "needs socket=FILE or fd=N" },
		{ "--gpu", "fd=3,socket=s", "needs socket=FILE or fd=N" },
		{ "--gpu", "fd=2", "fd=2: a number from 3 to" },
		{ "--gpu", "fd=99999", "fd=99999: a number from 3 to" },
		{ "--gpu", "socket=", "needs a value: socket=FILE" },
		{ "--gpu", "fd=3,outputs=17", "outputs=17: a number from 1 to 16" },
		{ "--gpu", "fd=3,outputs=0", "outputs=0: a number" },
		{ "--gpu", "fd=3,size=0x600", "size=0x600: such as" },
		{ "--gpu", "fd=3,size=800", "size=800: such as" },
		{ "--gpu", "fd=3,size=99999999999x1", "such as 1920x1080" },
		{ "--gpu", "fd=3,scale=double", "scale=double: one of aspect|integer" },
		{ "--gpu", "fd=3,fullscreen=yes", "fullscreen" },
		{ "--gpu", "3d,fd=3", "--gpu 3d: one of 2d|virgl" },
		{ "--gpu", "2d,fd=3,rendernode=x", "rendernode= is for virgl" },
		{ "--gpu", "fd=3,patience=1", "patience= is for virgl" },
		{ "--gpu", "virgl,fd=3,patience=soon", "patience=soon: seconds" },
		{ "--gpu", "fd=3,otuputs=1", "did you mean 'outputs'" },
		{ "--gpu", "fd=3,record=", "needs a value: record=FILE" },
		{ "--gpu", "fd=3,record-limit=1G", "record-limit=1G: without record=" },
		{ "--gpu", "fd=3,record=r,record-limit=some", "record-limit=some: a size" },
		{ "--gpu", "virgl,fd=3,venus=on,record=r", "what venus draws goes by memory" },
		{ "--input", "fd=3", "needs one of keyboard, mouse" },
		{ "--input", "keyboad,fd=3", "needs one of keyboard, mouse" },
		{ "--input", "keyboard", "needs socket=FILE or fd=N" },
		{ "--input", "keyboard,evdev=/dev/x,fd=3", "unknown key 'evdev'" },
		{ "--png", "d", "--png: there is no --replay" },
		{ "--frames", "1", "--frames: there is no --replay" },
		{ "--frames", "0", "--frames 0: numbers from 1" },
		{ "--frames", "1,,2", "--frames 1,,2: numbers from 1" },
		{ "--frames", "3-2", "--frames 3-2: numbers from 1" },
		{ "--frames", "1-", "--frames 1-: numbers from 1" },
		{ "--frames", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
		  "numbers from 1" },
		{ "--replay", "", "--replay: needs a name" },
		{ "--display", "sdll", "--display sdll: one of" },
		{ "--display", "egl,fd=2", "fd=2: a number from 3 to" },
		{ "--display", "egl,fd=3,socket=s", "socket=FILE or fd=N, not both" },
		{ "--display", "none,fd=3", "--display none: fd= is for egl" },
		{ "--display", "none,socket=s", "--display none: socket= is for egl" },
		{ "--dispaly", "none", "did you mean --display?" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct gpu_options o;
		struct capture cap;
		char *text;

		capture_begin(&cap, STDERR_FILENO);
		assert_int_equal(PARSE(&o, bad[i].option, bad[i].value), GPU_OPTIONS_ERROR);
		text = capture_end(&cap);
		if (!strstr(text, bad[i].why) || strchr(text, '\n') != text + strlen(text) - 1)
			fail_msg("'%s' is not in, or not alone in: %s", bad[i].why, text);
		free(text);
		gpu_options_finish(&o);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keyboard_types_into_a_connected_socket),
		TEST(lights_of_the_keyboard_come_back),
		TEST(seat_ends_with_its_only_front_ends),
		TEST(connections_are_handed_over),
		TEST(front_ends_find_a_device_at_its_path),
		TEST(what_is_no_socket_is_refused),
		TEST(card_answers_its_driver),
		TEST(card_keeps_its_resources_when_rings_stop),
		TEST(closed_window_is_told_to_who_started_us),
		TEST(closed_window_is_told_to_no_front_end),
		TEST(second_card_is_refused),
		TEST(a_framebuffer_is_one_and_by_descriptor),
		cmocka_unit_test(options_say_which_devices_there_are),
		cmocka_unit_test(a_recording_is_played_by_a_card_without_a_socket),
		cmocka_unit_test_setup_teardown(
			windows_without_a_desktop_are_an_error_only_when_asked_for, setup,
			teardown),
		cmocka_unit_test(wrong_options_are_one_line_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
