/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "devices/backend/chardev.h"
#include "devices/backend/term.h"
#include "vmm/util.h"

#define DEADLINE_NS 10000000000ull
#define BREAK '#'	/* how the front end notes a break */

/* A pseudo terminal: we sit at the master, as a person would. */
struct fixture {
	struct loop *loop;
	struct term *term;
	struct chardev *chr;
	int master, slave, err[2];
	struct termios before;

	char keys[16];
	unsigned n_keys;
	size_t room;
	char got[8192];
	size_t got_len;
	unsigned resized;
};

static size_t front_room(void *ctx)
{
	return ((struct fixture *)ctx)->room;
}

static void front_input(void *ctx, const uint8_t *data, size_t len)
{
	struct fixture *t = ctx;

	assert_in_range(len, 1, t->room);
	assert_true(t->got_len + len <= sizeof(t->got));
	memcpy(t->got + t->got_len, data, len);
	t->got_len += len;
	t->room -= len;
}

static void front_drained(void *ctx)
{
}

static void front_brk(void *ctx)
{
	((struct fixture *)ctx)->got[((struct fixture *)ctx)->got_len++] = BREAK;
}

static void front_resized(void *ctx)
{
	((struct fixture *)ctx)->resized++;
}

static const struct chardev_front_ops front_ops = {
	.room = front_room,
	.input = front_input,
	.drained = front_drained,
	.brk = front_brk,
	.resized = front_resized,
};

static void note_key(void *ctx, enum term_key key)
{
	struct fixture *t = ctx;

	t->keys[t->n_keys++] = "QPR"[key];
}

static bool is_raw(int fd)
{
	struct termios tio;

	return tcgetattr(fd, &tio) == 0 && !(tio.c_lflag & (ICANON | ECHO | ISIG)) &&
	       !(tio.c_oflag & OPOST);
}

static bool same_modes(int fd, const struct termios *want)
{
	struct termios tio;

	return tcgetattr(fd, &tio) == 0 && tio.c_iflag == want->c_iflag &&
	       tio.c_oflag == want->c_oflag && tio.c_lflag == want->c_lflag &&
	       tio.c_cflag == want->c_cflag && memcmp(tio.c_cc, want->c_cc, NCCS) == 0;
}

static void create(struct fixture *t)
{
	const int fds[3] = { t->slave, t->slave, t->err[1] };

	assert_int_equal(loop_create(&t->loop), 0);
	assert_int_equal(term_create_on(&t->term, t->loop, fds, note_key, t), 0);
	assert_int_equal(chardev_open(&t->chr, "stdio", t->loop, t->term), 0);
}

static void destroy(struct fixture *t)
{
	chardev_close(t->chr);
	term_destroy(t->term);
	loop_destroy(t->loop);
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	assert_int_equal(openpty(&t->master, &t->slave, NULL, NULL, NULL), 0);
	assert_int_equal(pipe(t->err), 0);
	assert_int_equal(tcgetattr(t->slave, &t->before), 0);
	t->room = sizeof(t->got);
	create(t);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	destroy(t);
	if (t->master >= 0)
		close(t->master);
	close(t->slave);
	close(t->err[0]);
	close(t->err[1]);
	free(t);
	return 0;
}

static void attach(struct fixture *t)
{
	chardev_attach(t->chr, &front_ops, t);
	assert_true(is_raw(t->slave));
}

static void type(struct fixture *t, const char *text)
{
	assert_int_equal(write(t->master, text, strlen(text)), strlen(text));
}

static void turn(struct fixture *t)
{
	for (int i = 0; i < 4; i++)
		loop_run_once(t->loop, 0);
}

static void expect_input(struct fixture *t, const char *want)
{
	uint64_t deadline = loop_now_ns() + DEADLINE_NS;

	while (t->got_len < strlen(want) && loop_now_ns() < deadline)
		loop_run_once(t->loop, 100);
	turn(t);
	assert_int_equal(t->got_len, strlen(want));
	assert_memory_equal(t->got, want, t->got_len);
}

static void expect_keys(struct fixture *t, const char *want)
{
	uint64_t deadline = loop_now_ns() + DEADLINE_NS;

	while (t->n_keys < strlen(want) && loop_now_ns() < deadline)
		loop_run_once(t->loop, 100);
	assert_int_equal(t->n_keys, strlen(want));
	assert_memory_equal(t->keys, want, t->n_keys);
}

/* --- raw mode ---------------------------------------------------------------------------- */

static void raw_from_attaching_to_closing(void **state)
{
	struct fixture *t = *state;

	assert_true(same_modes(t->slave, &t->before));
	attach(t);
	chardev_close(t->chr);
	t->chr = NULL;
	assert_true(same_modes(t->slave, &t->before));
}

static void restored_by_destroying(void **state)
{
	struct fixture *t = *state;

	attach(t);
	destroy(t);
	assert_true(same_modes(t->slave, &t->before));
	create(t);
}

static void restoring_twice_or_without_need_changes_nothing(void **state)
{
	struct fixture *t = *state;
	struct termios other = t->before;

	term_restore(NULL);
	term_restore(t->term);
	assert_true(same_modes(t->slave, &t->before));
	attach(t);
	term_restore(t->term);
	assert_true(same_modes(t->slave, &t->before));
	other.c_lflag ^= ECHO;
	tcsetattr(t->slave, TCSANOW, &other);
	term_restore(t->term);
	assert_true(same_modes(t->slave, &other));
}

static struct term *dying_term;

static void restore_and_die(int sig)
{
	term_restore(dying_term);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void case_98_restored_when_a_signal_kills_us(void **state)
{
	static const int signals[] = { SIGSEGV, SIGABRT, SIGTERM };
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			create(t);
			attach(t);
			dying_term = t->term;
			signal(signals[i], restore_and_die);
			raise(signals[i]);
			_exit(1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), signals[i]);
		assert_true(same_modes(t->slave, &t->before));
	}
}

static void raw_again_after_being_continued(void **state)
{
	struct fixture *t = *state;
	uint64_t deadline = loop_now_ns() + DEADLINE_NS;

	attach(t);
	/* as a shell does when its job is stopped */
	tcsetattr(t->slave, TCSANOW, &t->before);
	kill(getpid(), SIGCONT);
	while (!is_raw(t->slave) && loop_now_ns() < deadline)
		loop_run_once(t->loop, 100);
	assert_true(is_raw(t->slave));
}

/* --- keys ------------------------------------------------------------------------------------ */

static void plain_typing_reaches_the_guest(void **state)
{
	struct fixture *t = *state;

	attach(t);
	type(t, "ls -l\r\003\032\004\021\023");
	expect_input(t, "ls -l\r\003\032\004\021\023");
	assert_int_equal(t->n_keys, 0);
}

static void keys_for_the_machine(void **state)
{
	struct fixture *t = *state;

	attach(t);
	type(t, "a\001xb\001pc\001rd");
	expect_input(t, "abcd");
	expect_keys(t, "QPR");
}

static void ctrl_a_twice_sends_it_once(void **state)
{
	struct fixture *t = *state;

	attach(t);
	type(t, "\001\001x\001\001\001\001");
	expect_input(t, "\001x\001\001");
	assert_int_equal(t->n_keys, 0);
}

static void a_key_in_two_reads(void **state)
{
	struct fixture *t = *state;

	attach(t);
	type(t, "z\001");
	expect_input(t, "z");
	type(t, "x");
	expect_keys(t, "Q");
	expect_input(t, "z");
}

static void a_break_keeps_its_place_among_the_characters(void **state)
{
	struct fixture *t = *state;

	attach(t);
	type(t, "ab\001bh\001b\001b");
	expect_input(t, "ab#h##");
}

static void a_break_waits_for_room_too(void **state)
{
	struct fixture *t = *state;

	attach(t);
	t->room = 1;
	type(t, "a\001bc");
	expect_input(t, "a");
	t->room = 1;
	chardev_kick_input(t->chr);
	expect_input(t, "a#c");
}

/* The help that was asked for by @keys; checks that it fits a terminal. */
static void check_help(struct fixture *t, const char *keys)
{
	char text[2000] = "", *line, *rest = text;
	unsigned lines = 0;

	type(t, keys);
	type(t, "\001x");
	t->n_keys = 0;
	expect_keys(t, "Q");
	assert_true(read(t->err[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "ctrl-a x"));
	while ((line = strsep(&rest, "\n"))) {
		assert_in_range(strlen(line), 0, 80);
		/* The terminal is raw. */
		assert_true(!*line || line[strlen(line) - 1] == '\r');
		lines++;
	}
	assert_in_range(lines, 4, 24);
}

static void help_on_stderr(void **state)
{
	struct fixture *t = *state;

	attach(t);
	check_help(t, "\001h");
	check_help(t, "\001?");
	/* and whoever has forgotten the keys */
	check_help(t, "\001z");
	expect_input(t, "");
}

static void case_97_keys_work_while_the_guest_takes_nothing(void **state)
{
	struct fixture *t = *state;

	t->room = 0;
	attach(t);
	type(t, "typed ahead\001x");
	expect_keys(t, "Q");
	assert_int_equal(t->got_len, 0);
	t->room = 100;
	chardev_kick_input(t->chr);
	expect_input(t, "typed ahead");
}

static void case_97_reading_ahead_is_bounded_and_loses_nothing(void **state)
{
	struct fixture *t = *state;
	char want[8001] = "";

	t->room = 0;
	attach(t);
	/* In pieces that the terminal's own buffer takes. */
	for (int i = 0; i < 8; i++) {
		char piece[1001] = "";

		memset(piece, 'a' + i, 1000);
		strcat(want, piece);
		type(t, piece);
		turn(t);
	}
	assert_int_equal(t->got_len, 0);
	t->room = sizeof(t->got);
	chardev_kick_input(t->chr);
	assert_in_range(t->got_len, 0, 4096);
	expect_input(t, want);
}

/* --- the rest ---------------------------------------------------------------------- */

static void output_is_not_changed_on_its_way(void **state)
{
	struct fixture *t = *state;
	char buf[64];

	attach(t);
	assert_int_equal(chardev_write(t->chr, "a\nb\r\n", 5), 5);
	assert_int_equal(read(t->master, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "a\nb\r\n", 5);
}

static void the_windows_size_and_its_changes(void **state)
{
	const struct winsize ws = { .ws_col = 132, .ws_row = 43 }, none = { 0 };
	struct fixture *t = *state;
	uint64_t deadline = loop_now_ns() + DEADLINE_NS;
	unsigned cols = 0, rows = 0;

	attach(t);
	ioctl(t->master, TIOCSWINSZ, &none);
	assert_int_equal(chardev_size(t->chr, &cols, &rows), -ENOTTY);
	ioctl(t->master, TIOCSWINSZ, &ws);
	/* which the kernel sends to the terminal's foreground */
	kill(getpid(), SIGWINCH);
	while (!t->resized && loop_now_ns() < deadline)
		loop_run_once(t->loop, 100);
	assert_true(t->resized > 0);
	assert_int_equal(chardev_size(t->chr, &cols, &rows), 0);
	assert_int_equal(cols, 132);
	assert_int_equal(rows, 43);
}

static void note_readable(void *ctx, int epfd, int timeout_ms)
{
	struct pollfd p = { .fd = epfd, .events = POLLIN };

	*(bool *)ctx = poll(&p, 1, 0) > 0;
}

static void no_wake(void *ctx)
{
}

/* Whether something would keep the loop from sleeping. */
static bool is_busy(struct fixture *t)
{
	static const struct loop_wait_ops ops = { .wait = note_readable, .wake = no_wake };
	bool busy = true;

	loop_set_wait(t->loop, &ops, &busy);
	loop_run_once(t->loop, 1);
	loop_set_wait(t->loop, NULL, NULL);
	return busy;
}

static void a_terminal_that_hangs_up_ends_input(void **state)
{
	struct fixture *t = *state;
	uint64_t deadline = loop_now_ns() + DEADLINE_NS;

	attach(t);
	type(t, "bye");
	expect_input(t, "bye");
	close(t->master);
	t->master = -1;
	while (is_busy(t) && loop_now_ns() < deadline)
		turn(t);
	assert_false(is_busy(t));
	assert_int_equal(t->got_len, 3);
	/* Output has nowhere to go either, which is no error. */
	assert_int_equal(chardev_write(t->chr, "x", 1), 1);
}

static void signals_are_unblocked_again(void **state)
{
	struct fixture *t = *state;
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_true(sigismember(&mask, SIGWINCH));
	destroy(t);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_false(sigismember(&mask, SIGWINCH));
	assert_false(sigismember(&mask, SIGCONT));
	create(t);
}

/* --- job control ------------------------------------------------------------------- */

/* A job in the background: answers on @report whether it left the terminal alone, then waits. */
static int run_job(struct fixture *t, int report)
{
	uint64_t deadline = loop_now_ns() + DEADLINE_NS;

	/* Our own: a signalfd in an epoll set keeps to the process that put it there. */
	create(t);
	chardev_attach(t->chr, &front_ops, t);
	turn(t);
	if (write(report, same_modes(t->slave, &t->before) && !t->got_len ? "y" : "n", 1) != 1)
		return 1;
	while (t->got_len < 3 && loop_now_ns() < deadline)
		loop_run_once(t->loop, 100);
	return t->got_len == 3 && is_raw(t->slave) ? 0 : 1;
}

/* A shell of the terminal's session, which moves a job from the background to the front. */
static int run_shell(struct fixture *t)
{
	int status, report[2];
	char answer;
	pid_t job;

	if (setsid() < 0 || ioctl(t->slave, TIOCSCTTY, 0) < 0 || pipe(report) < 0)
		return 2;
	job = fork();
	if (job == 0) {
		setpgid(0, 0);
		_exit(run_job(t, report[1]));
	}
	setpgid(job, job);
	if (read(report[0], &answer, 1) != 1 || answer != 'y')
		return 3;
	if (tcsetpgrp(t->slave, job) < 0 || kill(-job, SIGCONT) < 0)
		return 4;
	if (waitpid(job, &status, 0) != job || !WIFEXITED(status))
		return 5;
	return WEXITSTATUS(status);
}

static void in_the_background_the_terminal_is_left_alone_until_we_are_in_front(void **state)
{
	struct fixture *t = *state;
	int status;
	pid_t pid;

	type(t, "ab\n");
	pid = fork();
	if (pid == 0)
		_exit(run_shell(t));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(raw_from_attaching_to_closing),
		TEST(restored_by_destroying),
		TEST(restoring_twice_or_without_need_changes_nothing),
		TEST(case_98_restored_when_a_signal_kills_us),
		TEST(raw_again_after_being_continued),
		TEST(plain_typing_reaches_the_guest),
		TEST(keys_for_the_machine),
		TEST(ctrl_a_twice_sends_it_once),
		TEST(a_key_in_two_reads),
		TEST(a_break_keeps_its_place_among_the_characters),
		TEST(a_break_waits_for_room_too),
		TEST(help_on_stderr),
		TEST(case_97_keys_work_while_the_guest_takes_nothing),
		TEST(case_97_reading_ahead_is_bounded_and_loses_nothing),
		TEST(output_is_not_changed_on_its_way),
		TEST(the_windows_size_and_its_changes),
		TEST(a_terminal_that_hangs_up_ends_input),
		TEST(signals_are_unblocked_again),
		TEST(in_the_background_the_terminal_is_left_alone_until_we_are_in_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
