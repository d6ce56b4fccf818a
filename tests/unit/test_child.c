/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/child.h"
#include "tests/capture.h"
#include "vmm/log.h"

static struct loop *loop;

static int setup(void **state)
{
	assert_int_equal(loop_create(&loop), 0);
	log_set_level(LOG_INFO);
	return 0;
}

static int teardown(void **state)
{
	log_set_level(LOG_WARN);
	loop_destroy(loop);
	return 0;
}

static struct child *shell(const char *script, int fd, const char *read_only)
{
	char *const argv[] = { "/bin/sh", "-c", (char *)script, NULL };
	struct child_spec spec = {
		.name = "child",
		.argv = argv,
		.fds = &fd,
		.n_fds = fd >= 0,
		.as_root = true,
		.read_only = read_only,
	};
	struct child *c = NULL;

	assert_int_equal(child_start(&c, loop, &spec), 0);
	return c;
}

static bool has_logged(const struct capture *cap, const char *what)
{
	char text[4096] = "";

	return pread(cap->file, text, sizeof(text) - 1, 0) > 0 && strstr(text, what);
}

/* Runs @script to its end; what was logged meanwhile. */
static char *logged(const char *script, int fd, const char *read_only)
{
	struct capture cap;
	struct child *c;

	capture_begin(&cap, STDERR_FILENO);
	c = shell(script, fd, read_only);
	for (unsigned i = 0; i < 500 && !has_logged(&cap, "child: ended"); i++)
		loop_run_once(loop, 20);
	child_end(c);
	return capture_end(&cap);
}

static void assert_logs(const char *script, const char *what)
{
	char *text = logged(script, -1, NULL);

	if (!strstr(text, what))
		fail_msg("'%s' is not in: %s", what, text);
	free(text);
}

static void lines_of_a_child_are_logged_behind_its_name(void **state)
{
	assert_logs("echo one; echo two >&2; printf three", "child: one\n");
	assert_logs("echo one; echo two >&2; printf three", "child: two\n");
	assert_logs("echo one; echo two >&2; printf three", "child: three\n");
}

static void long_lines_come_in_pieces(void **state)
{
	char *text = logged("printf %0500d 7", -1, NULL);

	assert_non_null(strstr(text, "7\n"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) < 256);
	free(text);
}

static void case_97_storm_of_lines_is_bounded(void **state)
{
	char *text = logged("yes | head -c 1000000", -1, NULL);

	assert_true(strlen(text) < 4096);
	free(text);
}

static void way_it_ended_is_told(void **state)
{
	assert_logs("exit 3", "ended with status 3");
	assert_logs("kill -9 $$", "ended by signal 9");
	assert_logs("kill -SYS $$", "ended for a system call");
}

static void program_that_is_not_there_says_so(void **state)
{
	char *const argv[] = { "/nonexistent/program", NULL };
	struct child_spec spec = { .name = "child", .argv = argv };
	struct capture cap;
	struct child *c;
	char *text;

	capture_begin(&cap, STDERR_FILENO);
	assert_int_equal(child_start(&c, loop, &spec), 0);
	for (unsigned i = 0; i < 500 && !has_logged(&cap, "child: ended"); i++)
		loop_run_once(loop, 20);
	child_end(c);
	text = capture_end(&cap);
	assert_non_null(strstr(text, "/nonexistent/program: ENOENT"));
	free(text);
}

static void last_words_before_an_end_that_nobody_saw_are_logged(void **state)
{
	struct capture cap;
	struct child *c;
	siginfo_t info;
	char *text;

	capture_begin(&cap, STDERR_FILENO);
	c = shell("echo because; exit 1", -1, NULL);
	/* Until it has ended, leaving it to be waited for. */
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	child_end(c);
	text = capture_end(&cap);
	assert_non_null(strstr(text, "because"));
	free(text);
}

static void child_that_runs_is_killed_and_waited_for(void **state)
{
	struct child *c = shell("trap '' TERM; while :; do sleep 100; done", -1, NULL);

	child_end(c);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	child_end(NULL);
}

/* The descriptor it is given and the usual three, whatever is open here. */
static void child_has_nothing_else_open(void **state)
{
	int pair[2], other = dup(STDIN_FILENO);
	char *text, *list;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	text = logged("echo to the parent >&3; cd /proc/self/fd; echo fds $(echo *); "
		      "readlink /proc/self/fd/0", pair[1], NULL);
	close(pair[1]);
	close(other);
	/* One more is the shell's own, of the directory that it lists. */
	list = strstr(text, "fds 0 1 2 3");
	assert_non_null(list);
	assert_true(strcspn(list, "\n") <= strlen("fds 0 1 2 3 4"));
	assert_non_null(strstr(text, "/dev/null"));
	free(text);
	text = calloc(1, 64);
	assert_true(read(pair[0], text, 63) > 0);
	assert_string_equal(text, "to the parent\n");
	free(text);
	close(pair[0]);
}

static void descriptors_arrive_in_their_order(void **state)
{
	char *const argv[] = { "/bin/sh", "-c", "readlink /proc/self/fd/3 /proc/self/fd/4; "
			       "echo count $(ls /proc/self/fd | wc -l)", NULL };
	/* Numbers that the child has other uses for do not matter. */
	int fds[] = { open("/dev/zero", O_RDONLY | O_CLOEXEC), STDERR_FILENO };
	struct child_spec spec = { .name = "child", .argv = argv, .fds = fds, .n_fds = 2 };
	struct capture cap;
	struct child *c;
	char *text;

	capture_begin(&cap, STDERR_FILENO);
	assert_int_equal(child_start(&c, loop, &spec), 0);
	for (unsigned i = 0; i < 500 && !has_logged(&cap, "child: ended"); i++)
		loop_run_once(loop, 20);
	child_end(c);
	text = capture_end(&cap);
	close(fds[0]);
	assert_non_null(strstr(text, "child: /dev/zero\n"));
	/* Those five, and what ls has open. */
	assert_non_null(strstr(text, "count 6"));
	free(text);
}

static void read_only_directory_can_be_read_only(void **state)
{
	char dir[] = "/tmp/test-child-XXXXXX", script[256], file[64];
	char *text;

	assert_non_null(mkdtemp(dir));
	snprintf(script, sizeof(script), "echo ready; echo x >%s/f || echo refused", dir);
	snprintf(file, sizeof(file), "%s/f", dir);
	text = logged(script, -1, dir);
	assert_int_equal(access(file, F_OK), -1);
	/* Where no mount namespace can be had, the child does not get to run. */
	if (!strstr(text, "mount namespace") && !strstr(text, "read-only: ")) {
		assert_non_null(strstr(text, "ready"));
		assert_non_null(strstr(text, "refused"));
	}
	free(text);
	rmdir(dir);
}

static void child_dies_with_us(void **state)
{
	int pipe_fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		struct loop *own;
		char *const argv[] = { "/bin/sh", "-c", "exec sleep 1000", NULL };
		struct child_spec spec = {
			.name = "child", .argv = argv, .fds = &pipe_fds[1], .n_fds = 1,
		};
		struct child *c;

		if (loop_create(&own) == 0 && child_start(&c, own, &spec) == 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	close(pipe_fds[1]);
	/* The end of the file: nobody holds the other end any more. */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
	for (unsigned i = 0; i < 500 && read(pipe_fds[0], &byte, 1) < 0 && errno == EAGAIN; i++)
		usleep(10000);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 0);
	close(pipe_fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_of_a_child_are_logged_behind_its_name, setup,
						teardown),
		cmocka_unit_test_setup_teardown(long_lines_come_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(case_97_storm_of_lines_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(way_it_ended_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(program_that_is_not_there_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(last_words_before_an_end_that_nobody_saw_are_logged,
						setup, teardown),
		cmocka_unit_test_setup_teardown(child_that_runs_is_killed_and_waited_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(child_has_nothing_else_open, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_arrive_in_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(read_only_directory_can_be_read_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(child_dies_with_us, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
