/* SPDX-License-Identifier: MIT */
/* The control socket and its commands, with peers that behave and peers that do not. */
#include <errno.h>
#include <fcntl.h>
#include <libdrm/drm_fourcc.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/control/control_proxy.h"
#include "devices/control/control_seat.h"
#include "vmm/util.h"

#define W 40u
#define H 30u

struct t {
	struct loop *loop;
	struct control *c;
	struct control_seat *seat;
	char dir[32], path[64];
	/* what the seat is made of */
	struct picture pictures[2];
	uint32_t pixels[W * H];
	struct iovec piece;
	char events[4096];	/* of all sinks, as text */
	/* what the card heard */
	uint32_t width, height;
	int plugged[2];
	/* for the proxy: the other side's socket, -1 none yet */
	int far;
};

/* --- a seat without devices ----------------------------------------------------------- */

static void on_event(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct t *t = ctx;
	size_t len = strlen(t->events);

	if (type == EV_SYN)
		snprintf(t->events + len, sizeof(t->events) - len, ";");
	else
		snprintf(t->events + len, sizeof(t->events) - len, " %u.%u=%d", type, code, value);
}

static void on_configure(void *ctx, unsigned output, const struct display_output *what)
{
	struct t *t = ctx;

	t->width = what->width;
	t->height = what->height;
}

static void on_plug(void *ctx, unsigned output, bool on)
{
	struct t *t = ctx;

	t->plugged[output] = on;
}

static const struct display_sink_ops sink_ops = { .configure = on_configure, .plug = on_plug };

static const struct picture *picture_of(void *ctx, unsigned output)
{
	struct t *t = ctx;

	return &t->pictures[output];
}

static void show(struct t *t)
{
	const struct display_surface s = {
		.fourcc = DRM_FORMAT_XRGB8888,
		.width = W,
		.height = H,
		.pixels = { .pieces = &t->piece, .n_pieces = 1, .stride = W * 4 },
	};

	picture_set(&t->pictures[0], &s);
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	const struct input_sink sink = { on_event, t };
	const struct control_seat_params params = {
		.n_outputs = 2,
		.sink = { &sink_ops, t },
		.picture = picture_of,
		.ctx = t,
		.keyboard = sink,
		.tablet = sink,
	};

	strcpy(t->dir, "/tmp/test-control-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->path, sizeof(t->path), "%s/s", t->dir);
	t->piece = (struct iovec){ t->pixels, sizeof(t->pixels) };
	t->plugged[0] = t->plugged[1] = -1;
	t->far = -1;
	assert_int_equal(loop_create(&t->loop), 0);
	assert_int_equal(control_seat_create(&t->seat, t->loop, &params), 0);
	assert_int_equal(control_create(&t->c, t->loop, control_seat_ops(), t->seat), 0);
	assert_int_equal(control_listen(t->c, t->path), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	control_destroy(t->c);
	control_seat_destroy(t->seat);
	loop_destroy(t->loop);
	if (t->far >= 0)
		close(t->far);
	assert_int_equal(rmdir(t->dir), 0);
	free(t);
	return 0;
}

/* --- a peer ----------------------------------------------------------------------------- */

static int dial(struct t *t)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, t->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void turn(struct t *t)
{
	for (int i = 0; i < 20; i++)
		loop_run_once(t->loop, 0);
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* A line; empty at the end of the connection. */
static void get(struct t *t, int fd, char line[JSON_OUT_MAX])
{
	size_t len = 0;

	while (len == 0 || line[len - 1] != '\n') {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			break;
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			loop_run_once(t->loop, 10);
			continue;
		}
		len += n;
	}
	line[len] = '\0';
}

static void answered(struct t *t, int fd, const char *what)
{
	char line[JSON_OUT_MAX + 1];

	get(t, fd, line);
	if (!strstr(line, what))
		fail_msg("'%s' lacks '%s'", line, what);
}

/* Asks on a connection of its own. */
static void asked(struct t *t, const char *request, const char *answer)
{
	int fd = dial(t);

	put(fd, request);
	put(fd, "\n");
	answered(t, fd, answer);
	close(fd);
	turn(t);
}

static void put_with_fds(int fd, const char *text, const int *fds, unsigned n)
{
	char control[CMSG_SPACE(250 * sizeof(int))] = { 0 };
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	assert_int_equal(sendmsg(fd, &m, MSG_NOSIGNAL), strlen(text));
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* --- lines and fields ---------------------------------------------------------------------- */

static void answers_carry_the_id_and_keep_their_order(void **state)
{
	struct t *t = *state;
	int fd = dial(t);

	put(fd, "{\"id\":1,\"cmd\":\"output\"}\n\n{\"cmd\":\"outpu\",\"id\":\"two\"}\n{\"cm");
	answered(t, fd, "{\"id\": 1, \"ok\": true, \"outputs\": 2, \"shown\": false");
	answered(t, fd, "{\"id\": \"two\", \"ok\": false, \"error\": \"no command is called "
		 "'outpu'; did you mean 'output'?\"}");
	put(fd, "d\":\"output\",\"output\":1}\n");
	answered(t, fd, "{\"ok\": true");
	close(fd);
}

static void what_is_no_request_is_refused(void **state)
{
	struct t *t = *state;

	asked(t, "hello", "no object in braces");
	asked(t, "{}", "'cmd' is missing");
	asked(t, "{\"cmd\":5}", "'cmd' is missing or not a string");
	asked(t, "{\"cmd\":\"output\",\"id\":null}", "'id' is neither");
	asked(t, "{\"cmd\":\"output\",\"outputs\":1}", "'outputs' is no field of this command");
	asked(t, "{\"cmd\":\"output\",\"output\":\"1\"}", "'output' is not a number");
	asked(t, "{\"cmd\":\"output\",\"output\":16}", "'output' is not from 0 to 15");
	asked(t, "{\"cmd\":\"output\",\"output\":2}", "there is no output 2, the last one is 1");
	asked(t, "{\"cmd\":\"move\",\"x\":1}", "'y' is missing");
	asked(t, "{\"cmd\":\"type\",\"text\":1}", "'text' is not a string");
}

static void the_socket_is_its_owners_and_is_not_replaced(void **state)
{
	struct t *t = *state;
	struct control *other;
	struct stat st;

	assert_int_equal(stat(t->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(control_create(&other, t->loop, control_seat_ops(), t->seat), 0);
	assert_int_equal(control_listen(other, t->path), -EADDRINUSE);
	control_destroy(other);
	asked(t, "{\"cmd\":\"output\"}", "\"ok\": true");
}

/* --- hostile peers ---------------------------------------------------------------------------- */

static void case_99_a_line_without_end_ends_the_connection(void **state)
{
	struct t *t = *state;
	char *text = malloc(CONTROL_MAX_LINE + 2);
	int fd = dial(t);

	memset(text, ' ', CONTROL_MAX_LINE + 1);
	text[CONTROL_MAX_LINE + 1] = '\0';
	put(fd, text);
	answered(t, fd, "a line of more than 8192 bytes");
	answered(t, fd, "");
	close(fd);
	/* One byte less is a line. */
	fd = dial(t);
	strcpy(text + CONTROL_MAX_LINE - 16, "{\"cmd\":\"output\"}");
	put(fd, text);
	put(fd, "\n");
	answered(t, fd, "\"ok\": true");
	close(fd);
	free(text);
}

static void case_99_a_thousand_connections_in_a_row(void **state)
{
	struct t *t = *state;
	unsigned before = open_fds();

	for (int i = 0; i < 1000; i++) {
		int fd = dial(t);

		put(fd, i % 2 ? "{\"cmd\":\"wait-stable\"}\n" : "{\"cm");
		loop_run_once(t->loop, 0);
		close(fd);
		loop_run_once(t->loop, 0);
	}
	turn(t);
	assert_int_equal(open_fds(), before);
	asked(t, "{\"cmd\":\"output\"}", "\"ok\": true");
}

static void case_99_idle_connections_give_way_busy_ones_do_not(void **state)
{
	struct t *t = *state;
	int idle[2 * CONTROL_MAX_PEERS], busy[CONTROL_MAX_PEERS], fd;

	for (int i = 0; i < 2 * CONTROL_MAX_PEERS; i++) {
		idle[i] = dial(t);
		turn(t);
	}
	answered(t, idle[0], "");
	for (int i = 0; i < CONTROL_MAX_PEERS; i++) {
		busy[i] = dial(t);
		put(busy[i], "{\"cmd\":\"wait-stable\",\"limit_ms\":3600000}\n");
		turn(t);
	}
	fd = dial(t);
	answered(t, fd, "too many connections");
	answered(t, fd, "");
	close(fd);
	close(busy[0]);
	turn(t);
	asked(t, "{\"cmd\":\"output\"}", "\"ok\": true");
	for (int i = 1; i < CONTROL_MAX_PEERS; i++)
		close(busy[i]);
	for (int i = 0; i < 2 * CONTROL_MAX_PEERS; i++)
		close(idle[i]);
}

static void case_99_who_does_not_read_is_hung_up_on(void **state)
{
	static const char request[] = "{\"cmd\":\"output\"}\n";
	struct t *t = *state;
	int fd = dial(t), other = dial(t);
	ssize_t n = 0;

	for (int i = 0; i < 1000000 && (n >= 0 || errno == EAGAIN); i++) {
		n = send(fd, request, strlen(request), MSG_NOSIGNAL);
		loop_run_once(t->loop, 0);
	}
	assert_int_equal(n, -1);
	put(other, request);
	answered(t, other, "\"ok\": true");
	close(other);
	close(fd);
}

static void case_99_descriptors_that_nobody_asked_for_are_closed(void **state)
{
	struct t *t = *state;
	int fds[250], fd = dial(t);
	unsigned before;

	turn(t);
	before = open_fds();
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = 0;
	for (int i = 0; i < 4; i++) {
		put_with_fds(fd, "{\"cmd\":\"output\"}\n", fds, ARRAY_SIZE(fds));
		answered(t, fd, "\"ok\": true");
		assert_true(open_fds() <= before + 1);
	}
	close(fd);
	turn(t);
	assert_int_equal(open_fds(), before - 2);
}

/* --- pictures ------------------------------------------------------------------------------------ */

static void a_screenshot_goes_into_the_callers_file(void **state)
{
	struct t *t = *state;
	int file = memfd_create("png", MFD_CLOEXEC), fd = dial(t);
	uint8_t head[24];

	show(t);
	put_with_fds(fd, "{\"cmd\":\"screenshot\"}\n", &file, 1);
	answered(t, fd, "{\"ok\": true, \"width\": 40, \"height\": 30}");
	assert_int_equal(pread(file, head, sizeof(head), 0), sizeof(head));
	assert_memory_equal(head + 1, "PNG", 3);
	assert_int_equal(head[19], W);
	assert_int_equal(head[23], H);
	close(file);
	close(fd);
}

static void screenshots_that_cannot_be_are_refused(void **state)
{
	static const char request[] = "{\"cmd\":\"screenshot\"}\n";
	struct t *t = *state;
	int file = memfd_create("png", MFD_CLOEXEC), fd = dial(t), pipe_fds[2], ro;
	char name[32];

	put_with_fds(fd, request, &file, 1);
	answered(t, fd, "the output shows no picture");
	show(t);
	put(fd, request);
	answered(t, fd, "no descriptor of a file came");
	assert_int_equal(pipe(pipe_fds), 0);
	put_with_fds(fd, request, &pipe_fds[1], 1);
	answered(t, fd, "not one of a plain file");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	ro = open(name, O_RDONLY);
	put_with_fds(fd, request, &ro, 1);
	answered(t, fd, "writing the picture: Bad file descriptor");
	close(ro);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(file);
	close(fd);
}

static void who_asks_for_a_screenshot_may_leave(void **state)
{
	struct t *t = *state;
	int file = memfd_create("png", MFD_CLOEXEC), fd = dial(t);

	show(t);
	put_with_fds(fd, "{\"cmd\":\"screenshot\"}\n", &file, 1);
	loop_run_once(t->loop, 0);
	loop_run_once(t->loop, 0);
	close(fd);
	turn(t);
	asked(t, "{\"cmd\":\"output\"}", "\"width\": 40");
	close(file);
}

static void waiting_ends_when_the_picture_stands_still(void **state)
{
	struct t *t = *state;
	int fd = dial(t);

	asked(t, "{\"cmd\":\"wait-stable\",\"ms\":0,\"limit_ms\":0}", "there is no picture");
	show(t);
	asked(t, "{\"cmd\":\"wait-stable\",\"ms\":1}", "\"ok\": true");
	asked(t, "{\"cmd\":\"wait-stable\",\"ms\":1000,\"limit_ms\":1}", "the picture still changes");
	put(fd, "{\"cmd\":\"wait-stable\",\"ms\":3600000}\n");
	turn(t);
	close(fd);
	turn(t);
}

static void sizes_and_plugs_reach_the_card(void **state)
{
	struct t *t = *state;

	asked(t, "{\"cmd\":\"resize\",\"width\":640,\"height\":480}", "\"ok\": true");
	assert_int_equal(t->width, 640);
	assert_int_equal(t->height, 480);
	asked(t, "{\"cmd\":\"plug\",\"output\":1}", "\"ok\": true");
	assert_int_equal(t->plugged[1], 1);
	asked(t, "{\"cmd\":\"unplug\",\"output\":1}", "\"ok\": true");
	assert_int_equal(t->plugged[1], 0);
	asked(t, "{\"cmd\":\"unplug\",\"output\":7}", "no output 7");
	asked(t, "{\"cmd\":\"resize\",\"width\":0,\"height\":480}", "'width' is not from 1");
}

/* --- input ------------------------------------------------------------------------------------------ */

static void text_is_typed_key_by_key(void **state)
{
	struct t *t = *state;

	asked(t, "{\"cmd\":\"type\",\"text\":\"aB\\n\",\"delay_ms\":0}", "\"ok\": true");
	assert_string_equal(t->events, " 1.30=1; 1.30=0; 1.42=1; 1.48=1; 1.48=0; 1.42=0;"
			    " 1.28=1; 1.28=0;");
	asked(t, "{\"cmd\":\"type\",\"text\":\"a\\u00e4\"}", "character 2 of 'text'");
}

static void keys_go_down_in_order_and_up_in_reverse(void **state)
{
	struct t *t = *state;

	asked(t, "{\"cmd\":\"key\",\"keys\":\"ctrl-alt-F2\",\"delay_ms\":0}", "\"ok\": true");
	assert_string_equal(t->events, " 1.29=1; 1.56=1; 1.60=1; 1.60=0; 1.56=0; 1.29=0;");
	asked(t, "{\"cmd\":\"key\",\"keys\":\"ctrl-\"}", "names of keys");
}

static void keys_that_are_down_go_up_when_the_peer_leaves(void **state)
{
	struct t *t = *state;
	int fd = dial(t);

	put(fd, "{\"cmd\":\"key\",\"keys\":\"ctrl-a\",\"delay_ms\":1000}\n");
	while (!*t->events)
		loop_run_once(t->loop, 10);
	close(fd);
	turn(t);
	assert_string_equal(t->events, " 1.29=1; 1.29=0;");
}

static void the_pointer_moves_to_a_pixel(void **state)
{
	struct t *t = *state;

	asked(t, "{\"cmd\":\"move\",\"x\":0,\"y\":0}", "output 0 shows no picture");
	show(t);
	asked(t, "{\"cmd\":\"move\",\"x\":39,\"y\":0}", "\"ok\": true");
	assert_string_equal(t->events, " 3.0=32767 3.1=0;");
	asked(t, "{\"cmd\":\"move\",\"x\":40,\"y\":0}", "the picture has 40 x 30 pixels");
}

static void buttons_and_wheels(void **state)
{
	struct t *t = *state;

	asked(t, "{\"cmd\":\"click\",\"button\":\"left\",\"count\":2,\"delay_ms\":0}", "true");
	assert_string_equal(t->events, " 1.272=1; 1.272=0; 1.272=1; 1.272=0;");
	*t->events = '\0';
	asked(t, "{\"cmd\":\"scroll\",\"up\":-1}", "true");
	assert_non_null(strstr(t->events, " 2.8=-1"));
	asked(t, "{\"cmd\":\"click\",\"button\":\"lef\"}", "'button' is one of left");
}

/* --- without devices, and by way of another process ------------------------------------------------ */

static void what_is_not_there_is_said(void **state)
{
	struct t *t = *state;
	const struct control_seat_params none = { .n_outputs = 0 };
	struct control_seat *seat;

	control_destroy(t->c);
	assert_int_equal(control_seat_create(&seat, t->loop, &none), 0);
	assert_int_equal(control_create(&t->c, t->loop, control_seat_ops(), seat), 0);
	assert_int_equal(control_listen(t->c, t->path), 0);
	asked(t, "{\"cmd\":\"output\"}", "there is no graphics card");
	asked(t, "{\"cmd\":\"type\",\"text\":\"a\"}", "there is no keyboard");
	asked(t, "{\"cmd\":\"scroll\"}", "there is no tablet and no mouse");
	control_destroy(t->c);
	t->c = NULL;
	control_seat_destroy(seat);
}

static void forward(void *ctx, struct control_call *call)
{
	struct t *t = ctx;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	if (t->far >= 0)
		close(t->far);
	t->far = pair[1];
	control_forward(call, t->loop, pair[0], "the other");
}

static const struct control_command no_commands[] = { { 0 } };
static const struct control_ops forward_ops = { .commands = no_commands, .other = forward };

static void forward_begin(struct t *t)
{
	control_destroy(t->c);
	assert_int_equal(control_create(&t->c, t->loop, &forward_ops, t), 0);
	assert_int_equal(control_listen(t->c, t->path), 0);
}

static void requests_are_passed_on_with_their_descriptor(void **state)
{
	static const char request[] = "{\"id\":3,\"cmd\":\"x\"}\n";
	struct t *t = *state;
	int file = memfd_create("png", MFD_CLOEXEC), fd, before;
	char buf[64] = "", control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { buf, sizeof(buf) - 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };

	forward_begin(t);
	fd = dial(t);
	put_with_fds(fd, request, &file, 1);
	turn(t);
	assert_int_equal(recvmsg(t->far, &m, 0), strlen(request));
	assert_string_equal(buf, request);
	assert_non_null(CMSG_FIRSTHDR(&m));
	memcpy(&before, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(before));
	close(before);
	put(t->far, "{\"id\": 3, \"ok");
	turn(t);
	put(t->far, "\": true}\nand more\n");
	answered(t, fd, "{\"id\": 3, \"ok\": true}\n");
	close(fd);
	close(file);
}

static void case_99_the_other_process_dies_or_talks_without_end(void **state)
{
	struct t *t = *state;
	char *text = calloc(1, JSON_OUT_MAX + 1);
	int fd;

	forward_begin(t);
	fd = dial(t);
	put(fd, "{\"id\":3,\"cmd\":\"x\"}\n");
	turn(t);
	close(t->far);
	t->far = -1;
	answered(t, fd, "{\"id\": 3, \"ok\": false, \"error\": \"the other has gone\"}");
	put(fd, "{\"cmd\":\"x\"}\n");
	turn(t);
	memset(text, 'x', JSON_OUT_MAX);
	put(t->far, text);
	answered(t, fd, "the other answers with too long a line");
	put(fd, "{\"cmd\":\"x\"}\n");
	turn(t);
	close(fd);
	turn(t);
	assert_int_equal(recv(t->far, text, 100, 0), 12);
	assert_int_equal(recv(t->far, text, 100, 0), 0);
	free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(answers_carry_the_id_and_keep_their_order),
		TEST(what_is_no_request_is_refused),
		TEST(the_socket_is_its_owners_and_is_not_replaced),
		TEST(case_99_a_line_without_end_ends_the_connection),
		TEST(case_99_a_thousand_connections_in_a_row),
		TEST(case_99_idle_connections_give_way_busy_ones_do_not),
		TEST(case_99_who_does_not_read_is_hung_up_on),
		TEST(case_99_descriptors_that_nobody_asked_for_are_closed),
		TEST(a_screenshot_goes_into_the_callers_file),
		TEST(screenshots_that_cannot_be_are_refused),
		TEST(who_asks_for_a_screenshot_may_leave),
		TEST(waiting_ends_when_the_picture_stands_still),
		TEST(sizes_and_plugs_reach_the_card),
		TEST(text_is_typed_key_by_key),
		TEST(keys_go_down_in_order_and_up_in_reverse),
		TEST(keys_that_are_down_go_up_when_the_peer_leaves),
		TEST(the_pointer_moves_to_a_pixel),
		TEST(buttons_and_wheels),
		TEST(what_is_not_there_is_said),
		TEST(requests_are_passed_on_with_their_descriptor),
		TEST(case_99_the_other_process_dies_or_talks_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
