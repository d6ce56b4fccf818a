/* SPDX-License-Identifier: MIT */
/* The life of microvm-gpu as a child, played by a script that does nothing. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/gpu_process.h"
#include "devices/backend/unixsock.h"
#include "tests/capture.h"
#include "tests/until.h"
#include "vmm/log.h"

struct t {
	struct loop *loop;
	struct gpu_process *p;
	char script[64];
	unsigned n_closed, n_again;
	struct capture cap;
};

static void write_script(struct t *t, const char *does)
{
	FILE *f = fopen(t->script, "we");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\nexec sleep 1000\n", does);
	fclose(f);
	assert_int_equal(chmod(t->script, 0700), 0);
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	int fd;

	strcpy(t->script, "/tmp/test-gpu-process-XXXXXX");
	fd = mkstemp(t->script);
	assert_true(fd >= 0);
	close(fd);
	write_script(t, "echo \"started with $*\"");
	assert_int_equal(loop_create(&t->loop), 0);
	assert_int_equal(gpu_process_create(&t->p, t->loop, "--guest"), 0);
	assert_int_equal(gpu_process_set(t->p, t->script, "none"), 0);
	capture_begin(&t->cap, STDERR_FILENO);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	gpu_process_destroy(t->p);
	free(capture_end(&t->cap));
	unlink(t->script);
	loop_destroy(t->loop);
	free(t);
	return 0;
}

static unsigned count_logged(struct t *t, const char *what)
{
	char text[4096] = "";
	unsigned n = 0;

	if (pread(t->cap.file, text, sizeof(text) - 1, 0) < 0)
		return 0;
	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

#define until(t, cond) UNTIL_IN((t)->loop, cond)

static bool is_lost(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void add_three(struct t *t)
{
	assert_int_equal(gpu_process_add(t->p, "gpu", ""), 0);
	assert_int_equal(gpu_process_add(t->p, "input", "keyboard"), 1);
	assert_int_equal(gpu_process_add(t->p, "input", "tablet,name=a,,b"), 2);
}

static void first_connection_starts_it_with_all_devices(void **state)
{
	struct t *t = *state;
	int a, b;

	add_three(t);
	a = gpu_process_dial(t->p, 1);
	b = gpu_process_dial(t->p, 0);
	assert_true(a >= 0 && b >= 0);
	until(t, count_logged(t, "started with --name=--guest --display none --gpu fd=3 "
				 "--input keyboard,fd=4 --input tablet,name=a,,b,fd=5\n") == 1);
	assert_int_equal(count_logged(t, "started"), 1);
	assert_false(is_lost(a));
	close(a);
	close(b);
}

static void devices_are_taken_in_their_order(void **state)
{
	struct t *t = *state;

	add_three(t);
	assert_int_equal(gpu_process_take(t->p, "input"), 1);
	assert_int_equal(gpu_process_take(t->p, "gpu"), 0);
	assert_int_equal(gpu_process_take(t->p, "input"), 2);
	assert_int_equal(gpu_process_take(t->p, "input"), -ENOENT);
	assert_int_equal(gpu_process_take(t->p, "sound"), -ENOENT);
}

static void case_99_visits_start_and_end_nothing(void **state)
{
	struct t *t = *state;
	int a, visit, n = 0;

	add_three(t);
	assert_int_equal(gpu_process_add(t->p, "control", ""), 3);
	assert_int_equal(gpu_process_visit(t->p, 3), -ENOTCONN);
	a = gpu_process_dial(t->p, 0);
	/* It takes none of them. */
	while ((visit = gpu_process_visit(t->p, 3)) >= 0) {
		close(visit);
		assert_true(n++ < 100000);
	}
	assert_true(n > 0 && visit != -ENOTCONN);
	assert_false(is_lost(a));
	close(a);
}

/* A connection that breaks takes the process along, and with it all others. */
static void case_71_lost_connection_is_the_end_of_the_process(void **state)
{
	struct t *t = *state;
	int a, b, c;

	add_three(t);
	a = gpu_process_dial(t->p, 0);
	b = gpu_process_dial(t->p, 1);
	close(a);
	gpu_process_hung_up(t->p, 0);
	assert_true(is_lost(b));
	/* The next one is not the business of connections to the one before. */
	c = gpu_process_dial(t->p, 0);
	gpu_process_hung_up(t->p, 1);
	assert_false(is_lost(c));
	until(t, count_logged(t, "started") == 1 || count_logged(t, "started") == 2);
	close(b);
	close(c);
}

static void case_71_process_that_dies_loses_its_connections(void **state)
{
	struct t *t = *state;
	int a, b;

	assert_int_equal(gpu_process_set(t->p, "/bin/false", NULL), 0);
	gpu_process_set_start_ns(t->p, 0);
	add_three(t);
	/* It may be faster than we. */
	do
		a = gpu_process_dial(t->p, 0);
	while (a < 0);
	until(t, is_lost(a));
	/* Nobody said so, but there is nobody to give a connection to. */
	b = gpu_process_dial(t->p, 1);
	assert_true(b < 0);
	assert_int_equal(gpu_process_set(t->p, t->script, NULL), 0);
	b = gpu_process_dial(t->p, 1);
	assert_true(b >= 0);
	close(a);
	close(b);
}

/* As a guest does that resets its card, and finds out how to crash it. */
static unsigned die_often(struct t *t, unsigned attempts)
{
	unsigned starts = 0;

	for (unsigned i = 0; i < attempts; i++) {
		int fd = gpu_process_dial(t->p, i % 3);

		if (fd == -EAGAIN)
			continue;
		starts++;
		/* It was faster than we. */
		if (fd < 0)
			continue;
		until(t, is_lost(fd));
		close(fd);
		gpu_process_hung_up(t->p, i % 3);
	}
	return starts;
}

static void case_71_process_that_dies_again_and_again_is_started_now_and_then(void **state)
{
	struct t *t = *state;
	int fd;

	assert_int_equal(gpu_process_set(t->p, "/bin/false", NULL), 0);
	gpu_process_set_start_ns(t->p, 1000000000000ull);
	add_three(t);
	assert_int_equal(die_often(t, 100), GPU_PROCESS_START_BURST);
	assert_int_equal(count_logged(t, "ends again and again: from now on it is started every "
				      "1000 s\n"), 1);
	/* When these starts are long ago, by that measure, it is there. */
	assert_int_equal(gpu_process_set(t->p, t->script, NULL), 0);
	assert_int_equal(gpu_process_dial(t->p, 0), -EAGAIN);
	gpu_process_set_start_ns(t->p, 1000000000000000ull);
	fd = gpu_process_dial(t->p, 0);
	assert_true(fd >= 0);
	until(t, count_logged(t, "started with"));
	assert_false(is_lost(fd));
	assert_int_equal(count_logged(t, "again and again"), 1);
	close(fd);
}

/* What it says each time does not add up. */
static void case_97_last_words_without_end_are_few(void **state)
{
	struct t *t = *state;

	write_script(t, "echo alas; exit 1");
	gpu_process_set_start_ns(t->p, 0);
	add_three(t);
	assert_int_equal(die_often(t, 3 * LOG_GUEST_BURST), 3 * LOG_GUEST_BURST);
	assert_true(count_logged(t, "alas") > 0);
	/* However slow, a minute has not gone twice. */
	assert_true(count_logged(t, "alas") <= 2 * LOG_GUEST_BURST);
	assert_int_equal(count_logged(t, "again and again"), 0);
}

/* --- the close button ------------------------------------------------------------- */

static void on_close(void *ctx, bool again)
{
	struct t *t = ctx;

	t->n_closed++;
	t->n_again += again;
}

/* Starts a process that does @what with its end of the card's port, descriptor 3. */
static int dial_script(struct t *t, const char *does)
{
	int fd;

	write_script(t, does);
	add_three(t);
	gpu_process_on_close(t->p, on_close, t);
	fd = gpu_process_dial(t->p, 0);
	assert_true(fd >= 0);
	return fd;
}

static void closed_window_is_told_once_and_then_again(void **state)
{
	struct t *t = *state;
	int fd = dial_script(t, "printf x >&3; printf x >&3; sleep 1.5; printf x >&3");

	until(t, t->n_closed);
	assert_int_equal(t->n_again, 0);
	until(t, t->n_closed == 2);
	assert_int_equal(t->n_again, 1);
	close(fd);
}

static void closed_window_that_nobody_cares_for(void **state)
{
	struct t *t = *state;
	int fd = dial_script(t, "printf x >&3; echo said");

	gpu_process_on_close(t->p, NULL, NULL);
	until(t, count_logged(t, "said"));
	for (unsigned i = 0; i < 10; i++)
		loop_run_once(t->loop, 1);
	close(fd);
}

static void case_72_only_the_right_word_on_the_cards_port_counts(void **state)
{
	struct t *t = *state;
	int fd = dial_script(t, "printf xx >&3; printf y >&3; printf x >&4; printf x >&5; "
			     "echo said; sleep 0.5; printf x >&3");

	until(t, count_logged(t, "said"));
	assert_int_equal(t->n_closed, 0);
	until(t, t->n_closed);
	close(fd);
}

/* However much it says, the loop has time for others, and memory is bounded by the port. */
static void case_72_words_without_end_are_heard_now_and_then(void **state)
{
	struct t *t = *state;
	int fd = dial_script(t, "echo said; while :; do printf x >&3; done");
	unsigned turns = 0;

	until(t, count_logged(t, "said") && t->n_closed);
	for (uint64_t end = loop_now_ns() + 500000000; loop_now_ns() < end; turns++)
		loop_run_once(t->loop, 500);
	assert_true(turns < 20);
	close(fd);
}

static void case_72_port_that_the_process_closes_is_left_alone(void **state)
{
	struct t *t = *state;
	int fd = dial_script(t, "dd bs=1 count=1 <&3 >/dev/null 2>&1; exec 3>&-; echo said");
	unsigned turns = 0;

	until(t, count_logged(t, "said"));
	for (uint64_t end = loop_now_ns() + 300000000; loop_now_ns() < end; turns++)
		loop_run_once(t->loop, 300);
	assert_true(turns < 20);
	assert_int_equal(t->n_closed, 0);
	/* And the next process has one again. */
	gpu_process_hung_up(t->p, 0);
	close(fd);
	write_script(t, "printf x >&3");
	fd = gpu_process_dial(t->p, 0);
	until(t, t->n_closed);
	close(fd);
}

static void program_that_is_not_there_is_named(void **state)
{
	struct t *t = *state;

	assert_int_equal(gpu_process_set(t->p, "/nonexistent/microvm-gpu", NULL), 0);
	add_three(t);
	assert_int_equal(gpu_process_dial(t->p, 0), -ENOENT);
	assert_int_equal(count_logged(t, "/nonexistent/microvm-gpu: No such file"), 1);
}

/* --- where viewers find it --------------------------------------------------------- */

static void begin_socket(struct t *t, char path[80])
{
	snprintf(path, 80, "%s.socket", t->script);
	assert_int_equal(gpu_process_listen(t->p, path), 0);
	assert_int_equal(access(path, F_OK), 0);
}

static void viewers_socket_is_ours_and_each_process_gets_it(void **state)
{
	struct t *t = *state;
	struct stat st;
	char path[80];
	int fd;

	assert_int_equal(gpu_process_set(t->p, NULL, "egl"), 0);
	begin_socket(t, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	write_script(t, "echo \"with $*, and $(stat -Lc %F /proc/self/fd/6)\"");
	add_three(t);
	for (unsigned i = 1; i <= 2; i++) {
		fd = gpu_process_dial(t->p, 0);
		assert_true(fd >= 0);
		until(t, count_logged(t, "with --name=--guest --display egl,fd=6 --gpu fd=3 --input "
				      "keyboard,fd=4 --input tablet,name=a,,b,fd=5, and socket\n") == i);
		gpu_process_hung_up(t->p, 0);
		close(fd);
	}
	assert_int_equal(access(path, F_OK), 0);
	gpu_process_destroy(t->p);
	t->p = NULL;
	assert_int_equal(access(path, F_OK), -1);
}

static void viewers_socket_needs_no_display(void **state)
{
	struct t *t = *state;
	struct gpu_process *p;
	char path[80];
	int fd;

	assert_int_equal(gpu_process_create(&p, t->loop, "guest"), 0);
	assert_int_equal(gpu_process_set(p, t->script, NULL), 0);
	snprintf(path, sizeof(path), "%s.socket", t->script);
	assert_int_equal(gpu_process_listen(p, path), 0);
	assert_int_equal(gpu_process_add(p, "gpu", ""), 0);
	fd = gpu_process_dial(p, 0);
	until(t, count_logged(t, "--display egl,fd=4 --gpu fd=3\n"));
	close(fd);
	gpu_process_destroy(p);
}

/* What a second one says of that path; -errno. */
static int listen_too(struct t *t, const char *path)
{
	struct gpu_process *p;
	int ret;

	assert_int_equal(gpu_process_create(&p, t->loop, ""), 0);
	ret = gpu_process_listen(p, path);
	gpu_process_destroy(p);
	return ret;
}

static void viewers_socket_of_another_machine_is_left_alone(void **state)
{
	struct t *t = *state;
	char path[80];

	begin_socket(t, path);
	assert_int_equal(listen_too(t, path), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(count_logged(t, ".socket: in use by another process\n"), 1);
	assert_int_equal(count_logged(t, "\n"), 1);
}

static void viewers_socket_cannot_be_there(void **state)
{
	struct t *t = *state;
	char path[200] = "/tmp/";

	assert_int_equal(listen_too(t, t->script), -EEXIST);
	assert_int_equal(count_logged(t, ": there is something, but no socket\n"), 1);
	assert_int_equal(access(t->script, F_OK), 0);
	assert_int_equal(listen_too(t, "/nonexistent/socket"), -ENOENT);
	assert_int_equal(count_logged(t, "--gpu: socket=/nonexistent/socket: No such file"), 1);
	memset(path + 5, 'x', sizeof(path) - 6);
	assert_int_equal(listen_too(t, path), -ENAMETOOLONG);
	assert_int_equal(count_logged(t, "xxx: File name too long\n"), 1);
	assert_int_equal(count_logged(t, "\n"), 3);
}

static void stale_viewers_socket_is_replaced(void **state)
{
	struct t *t = *state;
	struct unixsock old;
	char path[80];

	snprintf(path, sizeof(path), "%s.socket", t->script);
	assert_int_equal(unixsock_listen_packets(&old, path, 1), 0);
	/* As when it was killed. */
	close(old.fd);
	assert_int_equal(access(path, F_OK), 0);
	begin_socket(t, path);
	assert_int_equal(count_logged(t, "\n"), 0);
}

static void too_many_devices_are_refused(void **state)
{
	struct t *t = *state;

	for (int i = 0; i < GPU_PROCESS_MAX_DEVICES; i++)
		assert_int_equal(gpu_process_add(t->p, "input", "mouse"), i);
	assert_int_equal(gpu_process_add(t->p, "input", "mouse"), -ENOSPC);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_connection_starts_it_with_all_devices),
		TEST(devices_are_taken_in_their_order),
		TEST(case_99_visits_start_and_end_nothing),
		TEST(case_71_lost_connection_is_the_end_of_the_process),
		TEST(case_71_process_that_dies_loses_its_connections),
		TEST(case_71_process_that_dies_again_and_again_is_started_now_and_then),
		TEST(case_97_last_words_without_end_are_few),
		TEST(closed_window_is_told_once_and_then_again),
		TEST(closed_window_that_nobody_cares_for),
		TEST(case_72_only_the_right_word_on_the_cards_port_counts),
		TEST(case_72_words_without_end_are_heard_now_and_then),
		TEST(case_72_port_that_the_process_closes_is_left_alone),
		TEST(program_that_is_not_there_is_named),
		TEST(viewers_socket_is_ours_and_each_process_gets_it),
		TEST(viewers_socket_needs_no_display),
		TEST(viewers_socket_of_another_machine_is_left_alone),
		TEST(viewers_socket_cannot_be_there),
		TEST(stale_viewers_socket_is_replaced),
		TEST(too_many_devices_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
