/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/backend/chardev.h"
#include "devices/backend/hostfd.h"
#include "devices/backend/term.h"
#include "tests/capture.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define MANY 300000	/* more than a pipe holds */

struct fixture {
	struct loop *loop;
	struct term *term;
	struct chardev *chr;
	char dir[64];

	/* the front end */
	size_t room;
	char *got;
	size_t got_len;
	unsigned asked, drained;
};

static size_t front_room(void *ctx)
{
	struct fixture *t = ctx;

	t->asked++;
	return t->room;
}

static void front_input(void *ctx, const uint8_t *data, size_t len)
{
	struct fixture *t = ctx;

	assert_in_range(len, 1, t->room);
	assert_true(t->got_len + len <= MANY);
	memcpy(t->got + t->got_len, data, len);
	t->got_len += len;
	t->room -= len;
}

static void front_drained(void *ctx)
{
	struct fixture *t = ctx;

	t->drained++;
}

static const struct chardev_front_ops front_ops = {
	.room = front_room,
	.input = front_input,
	.drained = front_drained,
};

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	t->got = malloc(MANY);
	strcpy(t->dir, "/tmp/microvm-test-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	assert_int_equal(loop_create(&t->loop), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;
	char command[128];

	chardev_close(t->chr);
	term_destroy(t->term);
	loop_destroy(t->loop);
	snprintf(command, sizeof(command), "rm -r %s", t->dir);
	assert_int_equal(system(command), 0);
	free(t->got);
	free(t);
	return 0;
}

static void no_key(void *ctx, enum term_key key)
{
	fail();
}

static void open_stdio(struct fixture *t, int in, int out)
{
	const int fds[3] = { in, out, STDERR_FILENO };

	assert_int_equal(term_create_on(&t->term, t->loop, fds, no_key, t), 0);
	assert_int_equal(chardev_open(&t->chr, "stdio", t->loop, t->term), 0);
	chardev_attach(t->chr, &front_ops, t);
}

static void turn(struct fixture *t)
{
	for (int i = 0; i < 4; i++)
		loop_run_once(t->loop, 0);
}

/* Turns the loop until @value is at least @goal, ten seconds at most. */
static void turn_until(struct fixture *t, const size_t *value, size_t goal)
{
	uint64_t deadline = loop_now_ns() + 10000000000ull;

	while (*value < goal && loop_now_ns() < deadline)
		loop_run_once(t->loop, 100);
	assert_int_equal(*value, goal);
}

static int new_file(struct fixture *t, const char *text)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/file", t->dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void assert_file_is(int fd, const char *text)
{
	char buf[256] = "";

	assert_int_equal(pread(fd, buf, sizeof(buf) - 1, 0), strlen(text));
	assert_string_equal(buf, text);
}

/* --- opening ----------------------------------------------------------------------- */

/* The line that a refused @spec leaves in the log; to be freed. */
static char *refusal(struct fixture *t, const char *spec, int error)
{
	struct capture c;
	int ret;

	capture_begin(&c, STDERR_FILENO);
	ret = chardev_open(&t->chr, spec, t->loop, t->term);
	assert_int_equal(ret, error);
	return capture_end(&c);
}

static void unknown_kinds_are_refused_with_the_known_ones(void **state)
{
	static const char *const specs[] = {
		"", ":", "pipe", "stdio2", "stdio:", "stdio:x", "null:", "file:", "nul", "file",
		"pty:", "ptyx", "unix", "unix:", "pty2:x",
	};
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(specs); i++) {
		char *text = refusal(t, specs[i], -EINVAL);

		assert_non_null(strstr(text, "stdio, null, pty[:LINK], unix:PATH and file:PATH"));
		free(text);
	}
}

static void specifications_have_a_path_or_not(void **state)
{
	assert_null(chardev_path("stdio"));
	assert_null(chardev_path("pty"));
	assert_null(chardev_path("pty:"));
	assert_null(chardev_path("disk:x"));
	assert_string_equal(chardev_path("pty:a:b"), "a:b");
	assert_string_equal(chardev_path("unix:/s"), "/s");
	assert_string_equal(chardev_path("file:x"), "x");
	assert_null(chardev_check("pty"));
	assert_non_null(chardev_check("pty:"));
}

static void files_that_cannot_be_opened_are_refused_by_name(void **state)
{
	struct fixture *t = *state;
	char spec[128], *text;

	snprintf(spec, sizeof(spec), "file:%s", t->dir);
	text = refusal(t, spec, -EISDIR);
	assert_non_null(strstr(text, t->dir));
	free(text);
	text = refusal(t, "file:/nowhere/x", -ENOENT);
	assert_non_null(strstr(text, "/nowhere/x"));
	free(text);
}

static void case_96_a_fifo_that_nobody_reads_is_refused_at_once(void **state)
{
	struct fixture *t = *state;
	char spec[128];

	snprintf(spec, sizeof(spec), "file:%s/fifo", t->dir);
	assert_int_equal(mkfifo(spec + 5, 0600), 0);
	free(refusal(t, spec, -ENXIO));
}

static void stdio_can_be_had_once_at_a_time(void **state)
{
	struct fixture *t = *state;
	struct chardev *first;
	char *text;

	open_stdio(t, -1, -1);
	first = t->chr;
	text = refusal(t, "stdio", -EBUSY);
	assert_non_null(strstr(text, "in use"));
	free(text);
	chardev_close(first);
	assert_int_equal(chardev_open(&t->chr, "stdio", t->loop, t->term), 0);
}

static void null_takes_everything_and_has_no_size(void **state)
{
	struct fixture *t = *state;
	unsigned cols, rows;

	t->room = 10;
	assert_int_equal(chardev_open(&t->chr, "null", t->loop, NULL), 0);
	chardev_attach(t->chr, &front_ops, t);
	assert_int_equal(chardev_write(t->chr, t->got, MANY), MANY);
	chardev_write_last(t->chr, t->got, MANY);
	chardev_kick_input(t->chr);
	turn(t);
	assert_int_equal(t->got_len, 0);
	assert_int_equal(chardev_size(t->chr, &cols, &rows), -ENOTTY);
}

/* --- output ---------------------------------------------------------------------------- */

static void a_file_is_truncated_and_written(void **state)
{
	struct fixture *t = *state;
	int fd = new_file(t, "old contents");
	char spec[128];

	snprintf(spec, sizeof(spec), "file:%s/file", t->dir);
	assert_int_equal(chardev_open(&t->chr, spec, t->loop, NULL), 0);
	chardev_attach(t->chr, &front_ops, t);
	assert_int_equal(chardev_write(t->chr, "new", 3), 3);
	assert_file_is(fd, "new");
	close(fd);
}

static void stdout_in_a_file_goes_on_where_it_stands(void **state)
{
	struct fixture *t = *state;
	int in = open("/dev/null", O_RDONLY), fd = new_file(t, "before ");

	open_stdio(t, in, fd);
	assert_int_equal(chardev_write(t->chr, "guest ", 6), 6);
	assert_int_equal(write(fd, "after", 5), 5);
	assert_file_is(fd, "before guest after");
	close(fd);
	close(in);
}

/* Writes until the peer takes no more, lets @fd be read, and writes the rest. */
static void check_slow_peer(struct fixture *t, int fd)
{
	char *text = malloc(MANY), *seen = malloc(MANY);
	size_t sent = 0, read_len = 0;

	for (size_t i = 0; i < MANY; i++)
		text[i] = i * 7;
	while (read_len < MANY) {
		size_t n = chardev_write(t->chr, text + sent, MANY - sent);
		ssize_t got;

		sent += n;
		if (read_len == 0) {
			/* It is full, and nothing tells otherwise. */
			assert_in_range(sent, 1, MANY - 1);
			turn(t);
			assert_int_equal(t->drained, 0);
			assert_int_equal(chardev_write(t->chr, text + sent, MANY - sent), 0);
		}
		got = read(fd, seen + read_len, MANY - read_len);
		assert_true(got > 0);
		read_len += got;
		turn(t);
	}
	assert_true(t->drained > 0);
	assert_memory_equal(text, seen, MANY);
	free(text);
	free(seen);
}

static void case_97_a_pipe_that_is_full_takes_less_and_says_when_it_drained(void **state)
{
	struct fixture *t = *state;
	int p[2];

	assert_int_equal(pipe(p), 0);
	open_stdio(t, -1, p[1]);
	check_slow_peer(t, p[0]);
	close(p[0]);
	close(p[1]);
}

static void case_97_a_socket_that_is_full_takes_less_and_says_when_it_drained(void **state)
{
	struct fixture *t = *state;
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	open_stdio(t, p[1], p[1]);
	check_slow_peer(t, p[0]);
	assert_int_equal(fcntl(p[1], F_GETFL) & O_NONBLOCK, 0);
	close(p[0]);
	close(p[1]);
}

static void case_97_a_fifo_behind_file_does_not_block(void **state)
{
	struct fixture *t = *state;
	char spec[128];
	int fd;

	snprintf(spec, sizeof(spec), "file:%s/fifo", t->dir);
	assert_int_equal(mkfifo(spec + 5, 0600), 0);
	fd = open(spec + 5, O_RDONLY | O_NONBLOCK);
	assert_int_equal(chardev_open(&t->chr, spec, t->loop, NULL), 0);
	chardev_attach(t->chr, &front_ops, t);
	check_slow_peer(t, fd);
	close(fd);
}

static void flags_of_inherited_descriptors_stay_as_they_are(void **state)
{
	struct fixture *t = *state;
	int in[2], out[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	t->room = 1;
	open_stdio(t, in[0], out[1]);
	turn(t);
	assert_int_equal(fcntl(in[0], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0);
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
	}
}

static void check_output_is_dropped_with_one_line(struct fixture *t)
{
	struct capture c;
	char *text;

	capture_begin(&c, STDERR_FILENO);
	for (int i = 0; i < 10; i++)
		assert_int_equal(chardev_write(t->chr, t->got, MANY), MANY);
	text = capture_end(&c);
	assert_non_null(strstr(text, "goes nowhere"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}

static void a_reader_that_is_gone_takes_everything(void **state)
{
	struct fixture *t = *state;
	int p[2];

	assert_int_equal(pipe(p), 0);
	open_stdio(t, -1, p[1]);
	close(p[0]);
	check_output_is_dropped_with_one_line(t);
	close(p[1]);
}

static void a_reader_that_goes_while_we_wait_wakes_the_front_end(void **state)
{
	struct fixture *t = *state;
	int p[2];

	assert_int_equal(pipe(p), 0);
	open_stdio(t, -1, p[1]);
	assert_in_range(chardev_write(t->chr, t->got, MANY), 1, MANY - 1);
	close(p[0]);
	turn(t);
	assert_int_equal(t->drained, 1);
	check_output_is_dropped_with_one_line(t);
	turn(t);
	assert_int_equal(t->drained, 1);
	close(p[1]);
}

static void a_full_disk_takes_everything(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(chardev_open(&t->chr, "file:/dev/full", t->loop, NULL), 0);
	chardev_attach(t->chr, &front_ops, t);
	check_output_is_dropped_with_one_line(t);
}

static void closed_stdin_and_stdout_are_silence(void **state)
{
	struct fixture *t = *state;

	t->room = 10;
	open_stdio(t, -1, -1);
	assert_int_equal(chardev_write(t->chr, "x", 1), 1);
	chardev_kick_input(t->chr);
	turn(t);
	assert_int_equal(t->got_len, 0);
}

static void *read_all(void *arg)
{
	int fd = *(int *)arg;
	char buf[4096];
	ssize_t n;
	size_t sum = 0;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		sum += n;
	return (void *)sum;
}

static void last_words_wait_for_a_slow_reader(void **state)
{
	struct fixture *t = *state;
	pthread_t thread;
	size_t sent;
	void *seen;
	int p[2];

	assert_int_equal(pipe(p), 0);
	open_stdio(t, -1, p[1]);
	memset(t->got, 'x', MANY);
	sent = chardev_write(t->chr, t->got, MANY);
	pthread_create(&thread, NULL, read_all, &p[0]);
	chardev_write_last(t->chr, t->got, MANY);
	chardev_close(t->chr);
	t->chr = NULL;
	close(p[1]);
	pthread_join(thread, &seen);
	assert_int_equal((size_t)seen, sent + MANY);
	close(p[0]);
}

static void last_words_do_not_wait_for_ever(void **state)
{
	struct fixture *t = *state;
	struct capture c;
	char *text;
	int p[2];

	assert_int_equal(pipe(p), 0);
	open_stdio(t, -1, p[1]);
	capture_begin(&c, STDERR_FILENO);
	chardev_write_last(t->chr, t->got, MANY);
	text = capture_end(&c);
	assert_non_null(strstr(text, "nobody took the last"));
	free(text);
	close(p[0]);
	close(p[1]);
}

/* --- input ------------------------------------------------------------------------------- */

static void a_pipes_bytes_go_through_untouched(void **state)
{
	static const char text[] = "\001x\001h\001\001\0end";
	struct fixture *t = *state;
	int p[2];

	assert_int_equal(pipe(p), 0);
	t->room = 1000;
	open_stdio(t, p[0], -1);
	assert_int_equal(write(p[1], text, sizeof(text)), sizeof(text));
	turn_until(t, &t->got_len, sizeof(text));
	assert_memory_equal(t->got, text, sizeof(text));
	close(p[0]);
	close(p[1]);
}

static void case_97_without_room_input_stays_in_the_pipe(void **state)
{
	struct fixture *t = *state;
	int p[2], left = 0;

	assert_int_equal(pipe(p), 0);
	open_stdio(t, p[0], -1);
	assert_int_equal(write(p[1], "0123456789", 10), 10);
	turn(t);
	assert_int_equal(t->got_len, 0);
	t->room = 4;
	chardev_kick_input(t->chr);
	turn_until(t, &t->got_len, 4);
	assert_int_equal(ioctl(p[0], FIONREAD, &left), 0);
	assert_int_equal(left, 6);
	t->room = 100;
	chardev_kick_input(t->chr);
	turn_until(t, &t->got_len, 10);
	assert_memory_equal(t->got, "0123456789", 10);
	close(p[0]);
	close(p[1]);
}

static void nothing_is_read_before_somebody_is_attached(void **state)
{
	struct fixture *t = *state;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "abc", 3), 3);
	t->room = 100;
	open_stdio(t, p[0], -1);
	chardev_attach(t->chr, NULL, NULL);
	turn(t);
	assert_int_equal(t->got_len, 0);
	chardev_attach(t->chr, &front_ops, t);
	turn_until(t, &t->got_len, 3);
	close(p[0]);
	close(p[1]);
}

/* After its end, input must not wake the loop again. */
static void check_no_spin(struct fixture *t)
{
	unsigned asked;

	turn(t);
	asked = t->asked;
	for (int i = 0; i < 100; i++)
		loop_run_once(t->loop, 0);
	assert_int_equal(t->asked, asked);
}

static void end_of_input_ends_input_only(void **state)
{
	struct fixture *t = *state;
	int p[2], out[2];
	char c;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(out), 0);
	t->room = 1000;
	open_stdio(t, p[0], out[1]);
	assert_int_equal(write(p[1], "bye", 3), 3);
	close(p[1]);
	turn_until(t, &t->got_len, 3);
	check_no_spin(t);
	assert_int_equal(chardev_write(t->chr, "x", 1), 1);
	assert_int_equal(read(out[0], &c, 1), 1);
	close(p[0]);
	close(out[0]);
	close(out[1]);
}

static void a_hung_up_pipe_does_not_spin_while_there_is_no_room(void **state)
{
	struct fixture *t = *state;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "bye", 3), 3);
	close(p[1]);
	open_stdio(t, p[0], -1);
	check_no_spin(t);
	t->room = 1000;
	chardev_kick_input(t->chr);
	turn_until(t, &t->got_len, 3);
	check_no_spin(t);
	close(p[0]);
}

static void dev_null_is_the_end_at_once(void **state)
{
	struct fixture *t = *state;
	int fd = open("/dev/null", O_RDWR);

	t->room = 1000;
	open_stdio(t, fd, fd);
	check_no_spin(t);
	assert_int_equal(chardev_write(t->chr, "x", 1), 1);
	assert_int_equal(t->got_len, 0);
	close(fd);
}

static void case_97_an_endless_device_gives_no_more_than_there_is_room_for(void **state)
{
	struct fixture *t = *state;
	int fd = open("/dev/zero", O_RDONLY);

	t->room = 10000;
	open_stdio(t, fd, -1);
	turn_until(t, &t->got_len, 10000);
	check_no_spin(t);
	assert_int_equal(t->got_len, 10000);
	close(fd);
}

static void a_regular_file_is_read_to_its_end(void **state)
{
	struct fixture *t = *state;
	int fd = new_file(t, "some lines\nof a script\n");

	lseek(fd, 0, SEEK_SET);
	open_stdio(t, fd, -1);
	for (unsigned sum = 1; sum <= 23; sum++) {
		t->room = 1;
		chardev_kick_input(t->chr);
		turn_until(t, &t->got_len, sum);
	}
	assert_memory_equal(t->got, "some lines\nof a script\n", 23);
	t->room = 1;
	chardev_kick_input(t->chr);
	check_no_spin(t);
	close(fd);
}

static void a_socket_gives_input_until_it_is_shut(void **state)
{
	struct fixture *t = *state;
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	t->room = 100;
	open_stdio(t, p[1], p[1]);
	assert_int_equal(write(p[0], "abc", 3), 3);
	turn_until(t, &t->got_len, 3);
	close(p[0]);
	check_no_spin(t);
	close(p[1]);
}

/* --- descriptors ------------------------------------------------------------------------- */

static void what_cannot_be_opened_anew_is_polled_first(void **state)
{
	struct hostfd h;
	int master, slave;
	char buf[1000];

	/* To open the master's entry would make another terminal. */
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	hostfd_open_inherited(&h, master, O_RDONLY);
	assert_int_equal(h.how, HOSTFD_SHARED);
	assert_int_equal(h.fd, master);
	assert_int_equal(hostfd_read(&h, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(write(slave, "x", 1), 1);
	assert_int_equal(hostfd_read(&h, buf, sizeof(buf)), 1);
	memset(buf, 'y', sizeof(buf));
	assert_int_equal(hostfd_write(&h, buf, sizeof(buf)), 256);
	hostfd_close(&h);
	assert_true(fcntl(master, F_GETFD) >= 0);
	close(master);
	close(slave);
}

static void closed_descriptors_are_none(void **state)
{
	struct hostfd h;
	char c;

	hostfd_open_inherited(&h, -1, O_RDONLY);
	assert_int_equal(h.how, HOSTFD_NONE);
	assert_int_equal(hostfd_read(&h, &c, 1), 0);
	assert_int_equal(hostfd_write(&h, "x", 1), -EBADF);
	hostfd_close(&h);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unknown_kinds_are_refused_with_the_known_ones),
		TEST(specifications_have_a_path_or_not),
		TEST(files_that_cannot_be_opened_are_refused_by_name),
		TEST(case_96_a_fifo_that_nobody_reads_is_refused_at_once),
		TEST(stdio_can_be_had_once_at_a_time),
		TEST(null_takes_everything_and_has_no_size),
		TEST(a_file_is_truncated_and_written),
		TEST(stdout_in_a_file_goes_on_where_it_stands),
		TEST(case_97_a_pipe_that_is_full_takes_less_and_says_when_it_drained),
		TEST(case_97_a_socket_that_is_full_takes_less_and_says_when_it_drained),
		TEST(case_97_a_fifo_behind_file_does_not_block),
		TEST(flags_of_inherited_descriptors_stay_as_they_are),
		TEST(a_reader_that_is_gone_takes_everything),
		TEST(a_reader_that_goes_while_we_wait_wakes_the_front_end),
		TEST(a_full_disk_takes_everything),
		TEST(closed_stdin_and_stdout_are_silence),
		TEST(last_words_wait_for_a_slow_reader),
		TEST(last_words_do_not_wait_for_ever),
		TEST(a_pipes_bytes_go_through_untouched),
		TEST(case_97_without_room_input_stays_in_the_pipe),
		TEST(nothing_is_read_before_somebody_is_attached),
		TEST(end_of_input_ends_input_only),
		TEST(a_hung_up_pipe_does_not_spin_while_there_is_no_room),
		TEST(dev_null_is_the_end_at_once),
		TEST(case_97_an_endless_device_gives_no_more_than_there_is_room_for),
		TEST(a_regular_file_is_read_to_its_end),
		TEST(a_socket_gives_input_until_it_is_shut),
		TEST(what_cannot_be_opened_anew_is_polled_first),
		TEST(closed_descriptors_are_none),
	};

	/* As main.c has it. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
