/* SPDX-License-Identifier: MIT */
/* Chardevs whose other end comes and goes: a terminal of our own, a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "devices/backend/chardev.h"
#include "tests/capture.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define MANY (1 << 20)	/* more than any socket or terminal holds */

enum kind { PTY, UNIX };

struct fixture {
	enum kind kind;
	struct loop *loop;
	struct chardev *chr;
	char dir[64], path[80], spec[96];

	/* the front end */
	size_t room;
	char *got;
	size_t got_len;
	unsigned asked, drained;
	size_t told;
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
	((struct fixture *)ctx)->drained++;
}

static void front_connected(void *ctx)
{
	((struct fixture *)ctx)->told++;
}

static const struct chardev_front_ops front_ops = {
	.room = front_room,
	.input = front_input,
	.drained = front_drained,
	.connected = front_connected,
};

/* A front end that does not care. */
static const struct chardev_front_ops plain_ops = {
	.room = front_room,
	.input = front_input,
	.drained = front_drained,
};

/* --- both kinds -------------------------------------------------------------------- */

/* Opens @t->spec; the line that it logs, to be freed. */
static char *try_open(struct fixture *t, int expect)
{
	struct capture c;
	int ret;

	capture_begin(&c, STDERR_FILENO);
	ret = chardev_open(&t->chr, t->spec, t->loop, NULL);
	assert_int_equal(ret, expect);
	if (ret < 0)
		t->chr = NULL;
	return capture_end(&c);
}

static void attach(struct fixture *t)
{
	free(try_open(t, 0));
	chardev_attach(t->chr, &front_ops, t);
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	t->kind = *(const enum kind *)*state;
	t->got = malloc(MANY);
	strcpy(t->dir, "/tmp/microvm-test-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->path, sizeof(t->path), "%s/end", t->dir);
	snprintf(t->spec, sizeof(t->spec), "%s:%s", t->kind == PTY ? "pty" : "unix", t->path);
	assert_int_equal(loop_create(&t->loop), 0);
	*state = t;
	return 0;
}

static int setup_open(void **state)
{
	setup(state);
	attach(*state);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	chardev_close(t->chr);
	loop_destroy(t->loop);
	unlink(t->path);
	assert_int_equal(rmdir(t->dir), 0);
	free(t->got);
	free(t);
	return 0;
}

static void turn(struct fixture *t)
{
	for (int i = 0; i < 6; i++)
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

static void turn_until_connected(struct fixture *t, bool connected)
{
	uint64_t deadline = loop_now_ns() + 10000000000ull;

	while (chardev_connected(t->chr) != connected && loop_now_ns() < deadline)
		loop_run_once(t->loop, 100);
	assert_int_equal(chardev_connected(t->chr), connected);
	turn(t);
}

/* Nothing wakes the loop again and again. */
static void check_no_spin(struct fixture *t)
{
	unsigned asked;

	turn(t);
	asked = t->asked;
	for (int i = 0; i < 100; i++)
		loop_run_once(t->loop, 0);
	assert_in_range(t->asked, asked, asked + 2);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Somebody at the other end. */
static int come(struct fixture *t)
{
	int fd = t->kind == PTY ? open(t->path, O_RDWR | O_NOCTTY | O_NONBLOCK) : connect_to(t->path);

	assert_true(fd >= 0);
	return fd;
}

static int come_and_be_served(struct fixture *t)
{
	int fd = come(t);

	turn_until_connected(t, true);
	return fd;
}

static void assert_reads(struct fixture *t, int fd, const char *text)
{
	char buf[64] = "";
	size_t len = 0;

	for (int i = 0; i < 1000 && len < strlen(text); i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		turn(t);
		poll(&p, 1, 10);
		n = read(fd, buf + len, sizeof(buf) - 1 - len);
		len += n > 0 ? n : 0;
	}
	assert_string_equal(buf, text);
	assert_true(read(fd, buf, sizeof(buf)) <= 0);
}

static void bytes_go_both_ways(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);
	static const char text[] = "\001x\003\004\r\n\021\023\177\0end";

	t->room = 100;
	chardev_kick_input(t->chr);
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	turn_until(t, &t->got_len, sizeof(text));
	assert_memory_equal(t->got, text, sizeof(text));
	assert_int_equal(chardev_write(t->chr, "ab\n\003c", 5), 5);
	assert_reads(t, fd, "ab\n\003c");
	check_no_spin(t);
	close(fd);
}

static void without_a_peer_output_is_dropped(void **state)
{
	struct fixture *t = *state;
	int fd;

	assert_false(chardev_connected(t->chr));
	for (int i = 0; i < 10; i++)
		assert_int_equal(chardev_write(t->chr, t->got, MANY), MANY);
	chardev_write_last(t->chr, t->got, MANY);
	fd = come_and_be_served(t);
	assert_int_equal(chardev_write(t->chr, "new", 3), 3);
	assert_reads(t, fd, "new");
	close(fd);
}

static void peers_come_and_go(void **state)
{
	struct fixture *t = *state;

	t->room = MANY;
	for (int i = 0; i < 50; i++) {
		size_t told = t->told;
		int fd = come_and_be_served(t);

		assert_true(t->told > told);
		assert_int_equal(chardev_write(t->chr, "hello", 5), 5);
		assert_reads(t, fd, "hello");
		assert_int_equal(write(fd, "x", 1), 1);
		turn_until(t, &t->got_len, i + 1);
		told = t->told;
		close(fd);
		turn_until_connected(t, false);
		assert_true(t->told > told);
		check_no_spin(t);
	}
}

static void a_front_end_need_not_be_told(void **state)
{
	struct fixture *t = *state;

	chardev_attach(t->chr, &plain_ops, t);
	close(come_and_be_served(t));
	turn_until_connected(t, false);
	assert_int_equal(t->told, 0);
}

static void what_one_did_not_read_is_not_for_the_next(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);

	assert_int_equal(chardev_write(t->chr, "secret", 6), 6);
	turn(t);
	close(fd);
	turn_until_connected(t, false);
	fd = come_and_be_served(t);
	assert_int_equal(chardev_write(t->chr, "news", 4), 4);
	assert_reads(t, fd, "news");
	close(fd);
}

static void last_words_of_a_peer_are_heard(void **state)
{
	struct fixture *t = *state;
	int fd = come(t);

	assert_int_equal(write(fd, "goodbye", 7), 7);
	close(fd);
	turn(t);
	assert_int_equal(t->got_len, 0);
	check_no_spin(t);
	/* And as slowly as the front end likes. */
	for (size_t sum = 1; sum <= 7; sum++) {
		t->room = 1;
		chardev_kick_input(t->chr);
		turn_until(t, &t->got_len, sum);
	}
	assert_memory_equal(t->got, "goodbye", 7);
	t->room = 1;
	chardev_kick_input(t->chr);
	check_no_spin(t);
	assert_false(chardev_connected(t->chr));
}

static void case_97_without_room_input_stays_with_the_peer(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);
	size_t sent = 0, n;
	char *data = malloc(MANY);

	for (size_t i = 0; i < MANY; i++)
		data[i] = i * 7;
	for (int idle = 0; idle < 20; idle++) {
		ssize_t got = write(fd, data + sent, MANY - sent);

		sent += got > 0 ? got : 0;
		turn(t);
	}
	assert_in_range(sent, 1, MANY - 1);
	assert_int_equal(t->got_len, 0);
	check_no_spin(t);
	while (t->got_len < MANY) {
		ssize_t got = sent < MANY ? write(fd, data + sent, MANY - sent) : 0;

		sent += got > 0 ? got : 0;
		n = t->got_len;
		t->room = MIN((size_t)10000, MANY - n);
		chardev_kick_input(t->chr);
		turn_until(t, &t->got_len, n + MIN(t->room, sent - n));
	}
	assert_memory_equal(t->got, data, MANY);
	free(data);
	close(fd);
}

/* All of 1 MiB, each side with what it has room for. */
static void case_97_a_slow_peer_stops_the_front_end_and_nothing_is_lost(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);
	char *data = malloc(MANY), *seen = malloc(MANY);
	size_t sent = 0, len = 0;

	for (size_t i = 0; i < MANY; i++)
		data[i] = i * 13 + (i >> 8);
	while (len < MANY) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		sent += chardev_write(t->chr, data + sent, MANY - sent);
		if (len == 0) {
			assert_in_range(sent, 1, MANY - 1);
			check_no_spin(t);
		}
		assert_int_equal(poll(&p, 1, 10000), 1);
		n = read(fd, seen + len, MANY - len);
		assert_true(n > 0);
		len += n;
		turn(t);
	}
	assert_true(t->drained > 0);
	assert_memory_equal(seen, data, MANY);
	free(data);
	free(seen);
	close(fd);
}

static void a_peer_that_leaves_while_we_wait_wakes_the_front_end(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);

	assert_in_range(chardev_write(t->chr, t->got, MANY), 1, MANY - 1);
	turn(t);
	assert_int_equal(t->drained, 0);
	close(fd);
	turn_until_connected(t, false);
	assert_int_equal(t->drained, 1);
	assert_int_equal(chardev_write(t->chr, t->got, MANY), MANY);
	turn(t);
	assert_int_equal(t->drained, 1);
}

struct reader {
	int fd;
	size_t want, got;
};

static void *read_slowly(void *arg)
{
	struct reader *r = arg;
	char buf[1000];

	while (r->got < r->want) {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };
		ssize_t n = poll(&p, 1, 10000) == 1 ? read(r->fd, buf, sizeof(buf)) : -1;

		if (n <= 0)
			break;
		r->got += n;
	}
	return NULL;
}

static void last_words_wait_for_a_slow_peer(void **state)
{
	struct fixture *t = *state;
	struct reader r = { .fd = come_and_be_served(t) };
	pthread_t thread;

	memset(t->got, 'x', MANY);
	r.want = chardev_write(t->chr, t->got, MANY) + 10000;
	pthread_create(&thread, NULL, read_slowly, &r);
	chardev_write_last(t->chr, t->got, 10000);
	pthread_join(thread, NULL);
	assert_int_equal(r.got, r.want);
	close(r.fd);
}

static void *leave(void *arg)
{
	usleep(50000);
	close(*(int *)arg);
	return NULL;
}

static void last_words_end_when_the_peer_leaves(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);
	pthread_t thread;
	struct capture c;
	char *text;

	assert_in_range(chardev_write(t->chr, t->got, MANY), 1, MANY - 1);
	pthread_create(&thread, NULL, leave, &fd);
	capture_begin(&c, STDERR_FILENO);
	chardev_write_last(t->chr, t->got, MANY);
	text = capture_end(&c);
	pthread_join(thread, NULL);
	assert_string_equal(text, "");
	free(text);
}

static void last_words_do_not_wait_for_ever(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);
	struct capture c;
	char *text;

	capture_begin(&c, STDERR_FILENO);
	chardev_write_last(t->chr, t->got, MANY);
	text = capture_end(&c);
	assert_non_null(strstr(text, "nobody took the last"));
	free(text);
	close(fd);
}

static void nothing_is_read_while_nobody_is_attached(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);

	t->room = 100;
	chardev_attach(t->chr, NULL, NULL);
	assert_int_equal(write(fd, "abc", 3), 3);
	turn(t);
	assert_int_equal(t->got_len, 0);
	close(fd);
	check_no_spin(t);
	chardev_attach(t->chr, &front_ops, t);
	turn_until(t, &t->got_len, 3);
	turn_until_connected(t, false);
}

static void a_peer_from_before_the_front_end_is_served(void **state)
{
	struct fixture *t = *state;
	int fd;

	free(try_open(t, 0));
	fd = come(t);
	assert_int_equal(write(fd, "early", 5), 5);
	turn(t);
	t->room = 100;
	chardev_attach(t->chr, &front_ops, t);
	turn_until(t, &t->got_len, 5);
	assert_true(chardev_connected(t->chr));
	close(fd);
}

static void its_name_is_gone_at_the_end(void **state)
{
	struct fixture *t = *state;
	struct stat st;
	unsigned cols, rows;

	assert_int_equal(lstat(t->path, &st), 0);
	assert_int_equal(chardev_size(t->chr, &cols, &rows), -ENOTTY);
	chardev_close(t->chr);
	t->chr = NULL;
	assert_int_equal(lstat(t->path, &st), -1);
}

static void a_name_that_is_anothers_by_now_stays(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(unlink(t->path), 0);
	assert_int_equal(symlink("/nowhere", t->path), 0);
	chardev_close(t->chr);
	t->chr = NULL;
	assert_int_equal(unlink(t->path), 0);
}

static void a_file_in_the_way_is_left_alone(void **state)
{
	struct fixture *t = *state;
	int fd = open(t->path, O_CREAT | O_WRONLY, 0600);
	struct stat st;
	char *text;

	close(fd);
	text = try_open(t, -EEXIST);
	assert_non_null(strstr(text, t->path));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
	assert_int_equal(lstat(t->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	unlink(t->path);
	/* Nor is a directory that does not exist made. */
	snprintf(t->spec, sizeof(t->spec), "%s:/nowhere/x", t->kind == PTY ? "pty" : "unix");
	text = try_open(t, -ENOENT);
	assert_non_null(strstr(text, "/nowhere/x"));
	free(text);
}

/* --- sockets ------------------------------------------------------------------------- */

static void a_socket_is_for_its_user_only(void **state)
{
	struct fixture *t = *state;
	struct stat st;

	assert_int_equal(lstat(t->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_socket_that_is_in_use_is_left_alone(void **state)
{
	struct fixture *t = *state;
	struct chardev *first = t->chr;
	char *text = try_open(t, -EADDRINUSE);
	int fd;

	assert_non_null(strstr(text, "in use"));
	free(text);
	t->chr = first;
	turn(t);
	fd = come_and_be_served(t);
	assert_int_equal(chardev_write(t->chr, "still", 5), 5);
	assert_reads(t, fd, "still");
	close(fd);
}

static void a_socket_of_the_dead_is_replaced(void **state)
{
	struct fixture *t = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, t->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	attach(t);
	close(come_and_be_served(t));
}

static void one_client_at_a_time(void **state)
{
	struct fixture *t = *state;
	int first = come_and_be_served(t), second = come(t);

	t->room = 100;
	chardev_kick_input(t->chr);
	assert_int_equal(write(second, "second", 6), 6);
	check_no_spin(t);
	assert_int_equal(t->got_len, 0);
	assert_int_equal(chardev_write(t->chr, "one", 3), 3);
	assert_reads(t, first, "one");
	close(first);
	turn_until(t, &t->got_len, 6);
	assert_int_equal(chardev_write(t->chr, "two", 3), 3);
	assert_reads(t, second, "two");
	close(second);
}

/* A guest that does not read does not keep others from what it says. */
static void the_next_client_does_not_wait_for_what_the_last_one_sent(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);

	assert_int_equal(write(fd, "old", 3), 3);
	close(fd);
	turn_until_connected(t, false);
	fd = come_and_be_served(t);
	assert_int_equal(chardev_write(t->chr, "hi", 2), 2);
	assert_reads(t, fd, "hi");
	assert_int_equal(write(fd, "new", 3), 3);
	t->room = 100;
	chardev_kick_input(t->chr);
	turn_until(t, &t->got_len, 3);
	assert_memory_equal(t->got, "new", 3);
	close(fd);
}

static void a_client_that_only_listens_from_now_on_stays(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);

	t->room = 100;
	chardev_kick_input(t->chr);
	assert_int_equal(write(fd, "ask", 3), 3);
	shutdown(fd, SHUT_WR);
	turn_until(t, &t->got_len, 3);
	check_no_spin(t);
	assert_true(chardev_connected(t->chr));
	assert_int_equal(chardev_write(t->chr, "answer", 6), 6);
	assert_reads(t, fd, "answer");
	close(fd);
	turn_until_connected(t, false);
	close(come_and_be_served(t));
}

static void a_client_that_listens_no_more_is_let_go(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);
	char c;

	shutdown(fd, SHUT_RD);
	assert_int_equal(chardev_write(t->chr, t->got, MANY), MANY);
	t->room = 100;
	chardev_kick_input(t->chr);
	turn_until_connected(t, false);
	check_no_spin(t);
	assert_int_equal(read(fd, &c, 1), 0);
	close(fd);
}

static void a_client_that_resets_the_connection_is_let_go(void **state)
{
	struct fixture *t = *state;
	int fd = come_and_be_served(t);

	/* Unread data makes a close a reset. */
	assert_int_equal(chardev_write(t->chr, "unread", 6), 6);
	close(fd);
	t->room = 100;
	chardev_kick_input(t->chr);
	turn_until_connected(t, false);
	check_no_spin(t);
}

static void without_descriptors_clients_wait_and_nothing_spins(void **state)
{
	struct fixture *t = *state;
	struct rlimit old, none;
	struct capture c;
	char *text;
	int fd = come(t);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	capture_begin(&c, STDERR_FILENO);
	none = (struct rlimit){ 0, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	for (int i = 0; i < 100; i++)
		loop_run_once(t->loop, 0);
	setrlimit(RLIMIT_NOFILE, &old);
	text = capture_end(&c);
	assert_non_null(strstr(text, "accept"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
	turn_until_connected(t, true);
	close(fd);
}

/* --- terminals ----------------------------------------------------------------------- */

static void a_terminal_is_named_in_the_log(void **state)
{
	struct fixture *t = *state;
	char *text, *newline, path[64];
	int fd;

	strcpy(t->spec, "pty");
	text = try_open(t, 0);
	assert_int_equal(strncmp(text, "microvm: pty is /dev/", 21), 0);
	newline = strchr(text, '\n');
	snprintf(path, sizeof(path), "%.*s", (int)(newline - text - 16), text + 16);
	assert_string_equal(newline, "\n");
	free(text);
	chardev_attach(t->chr, &front_ops, t);
	fd = open(path, O_RDWR | O_NOCTTY);
	assert_true(fd >= 0);
	turn_until_connected(t, true);
	close(fd);
}

static void a_link_that_leads_nowhere_is_replaced(void **state)
{
	struct fixture *t = *state;
	char target[64] = "";

	assert_int_equal(symlink("/dev/pts/none", t->path), 0);
	attach(t);
	assert_true(readlink(t->path, target, sizeof(target)) > 0);
	assert_string_not_equal(target, "/dev/pts/none");
}

static void a_link_to_something_is_left_alone(void **state)
{
	struct fixture *t = *state;
	char target[64] = "", *text;

	assert_int_equal(symlink("/dev/null", t->path), 0);
	text = try_open(t, -EEXIST);
	assert_non_null(strstr(text, t->path));
	free(text);
	assert_true(readlink(t->path, target, sizeof(target)) > 0);
	assert_string_equal(target, "/dev/null");
}

static void a_terminal_is_raw_for_all_who_open_it(void **state)
{
	struct fixture *t = *state;
	struct termios a;

	for (int i = 0; i < 2; i++) {
		int fd = come_and_be_served(t);

		assert_int_equal(tcgetattr(fd, &a), 0);
		assert_int_equal(a.c_lflag & (ICANON | ECHO | ISIG), 0);
		assert_int_equal(a.c_oflag & OPOST, 0);
		close(fd);
		turn_until_connected(t, false);
	}
}

static void a_terminal_can_be_open_twice(void **state)
{
	struct fixture *t = *state;
	int first = come_and_be_served(t), second = come(t);

	turn(t);
	close(first);
	check_no_spin(t);
	assert_true(chardev_connected(t->chr));
	assert_int_equal(chardev_write(t->chr, "on", 2), 2);
	assert_reads(t, second, "on");
	close(second);
	turn_until_connected(t, false);
}

static void many_openings_are_as_one(void **state)
{
	struct fixture *t = *state;

	for (int i = 0; i < 5000; i++)
		close(come(t));
	turn(t);
	assert_false(chardev_connected(t->chr));
	close(come_and_be_served(t));
}

static enum kind kinds[] = { PTY, UNIX };

#define ON(k, set, f, name) { #f " (" name ")", f, set, teardown, &kinds[k] }
#define BOTH(f) ON(PTY, setup_open, f, "pty"), ON(UNIX, setup_open, f, "unix")
#define BOTH_CLOSED(f) ON(PTY, setup, f, "pty"), ON(UNIX, setup, f, "unix")

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(bytes_go_both_ways),
		BOTH(without_a_peer_output_is_dropped),
		BOTH(peers_come_and_go),
		BOTH(a_front_end_need_not_be_told),
		BOTH(what_one_did_not_read_is_not_for_the_next),
		BOTH(last_words_of_a_peer_are_heard),
		BOTH(case_97_without_room_input_stays_with_the_peer),
		BOTH(case_97_a_slow_peer_stops_the_front_end_and_nothing_is_lost),
		BOTH(a_peer_that_leaves_while_we_wait_wakes_the_front_end),
		BOTH(last_words_wait_for_a_slow_peer),
		BOTH(last_words_end_when_the_peer_leaves),
		ON(PTY, setup_open, last_words_do_not_wait_for_ever, "pty"),
		BOTH(nothing_is_read_while_nobody_is_attached),
		BOTH_CLOSED(a_peer_from_before_the_front_end_is_served),
		BOTH(its_name_is_gone_at_the_end),
		BOTH(a_name_that_is_anothers_by_now_stays),
		BOTH_CLOSED(a_file_in_the_way_is_left_alone),
		ON(UNIX, setup_open, a_socket_is_for_its_user_only, "unix"),
		ON(UNIX, setup_open, a_socket_that_is_in_use_is_left_alone, "unix"),
		ON(UNIX, setup, a_socket_of_the_dead_is_replaced, "unix"),
		ON(UNIX, setup_open, one_client_at_a_time, "unix"),
		ON(UNIX, setup_open, the_next_client_does_not_wait_for_what_the_last_one_sent, "unix"),
		ON(UNIX, setup_open, a_client_that_only_listens_from_now_on_stays, "unix"),
		ON(UNIX, setup_open, a_client_that_listens_no_more_is_let_go, "unix"),
		ON(UNIX, setup_open, a_client_that_resets_the_connection_is_let_go, "unix"),
		ON(UNIX, setup_open, without_descriptors_clients_wait_and_nothing_spins, "unix"),
		ON(PTY, setup, a_terminal_is_named_in_the_log, "pty"),
		ON(PTY, setup, a_link_that_leads_nowhere_is_replaced, "pty"),
		ON(PTY, setup, a_link_to_something_is_left_alone, "pty"),
		ON(PTY, setup_open, a_terminal_is_raw_for_all_who_open_it, "pty"),
		ON(PTY, setup_open, a_terminal_can_be_open_twice, "pty"),
		ON(PTY, setup_open, many_openings_are_as_one, "pty"),
	};

	/* As main.c has it. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
