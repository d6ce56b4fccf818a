/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/log.h"

/*
 * stderr is a socket of messages meanwhile: each write(2) is one, so that what
 * arrives shows how it was written.
 */
struct capture {
	int saved, fds[2];
	char msg[4096];
};

static int setup(void **state)
{
	struct capture *cap = calloc(1, sizeof(*cap));

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, cap->fds) < 0)
		return -1;
	fcntl(cap->fds[0], F_SETFL, O_NONBLOCK);
	fflush(stderr);
	cap->saved = dup(STDERR_FILENO);
	dup2(cap->fds[1], STDERR_FILENO);
	log_set_level(LOG_WARN);
	*state = cap;
	return 0;
}

static int teardown(void **state)
{
	struct capture *cap = *state;

	dup2(cap->saved, STDERR_FILENO);
	close(cap->saved);
	close(cap->fds[0]);
	close(cap->fds[1]);
	log_set_crlf(false);
	log_set_level(LOG_WARN);
	free(cap);
	return 0;
}

/* The next message written, NULL when there is none. */
static const char *next(struct capture *cap)
{
	ssize_t n = recv(cap->fds[0], cap->msg, sizeof(cap->msg) - 1, 0);

	if (n < 0)
		return NULL;
	cap->msg[n] = 0;
	return cap->msg;
}

static unsigned count(struct capture *cap)
{
	unsigned n = 0;

	while (next(cap))
		n++;
	return n;
}

/* --- lines ------------------------------------------------------------------------ */

static void a_line_is_one_write_with_a_newline(void **state)
{
	struct capture *cap = *state;

	log_warn("%s is %d", "answer", 42);
	assert_string_equal(next(cap), "microvm: answer is 42\n");
	assert_null(next(cap));
}

static void a_raw_terminal_gets_carriage_returns(void **state)
{
	struct capture *cap = *state;

	log_set_crlf(true);
	log_error("a");
	assert_string_equal(next(cap), "microvm: a\r\n");
	log_set_crlf(false);
	log_error("a");
	assert_string_equal(next(cap), "microvm: a\n");
}

static void levels_above_the_set_one_are_dropped(void **state)
{
	struct capture *cap = *state;
	static const struct { enum log_level level; unsigned lines; } cases[] = {
		{ LOG_ERROR, 1 }, { LOG_WARN, 2 }, { LOG_INFO, 3 }, { LOG_DEBUG, 4 },
	};

	for (unsigned i = 0; i < 4; i++) {
		log_set_level(cases[i].level);
		assert_int_equal(log_get_level(), cases[i].level);
		log_debug("d");
		log_info("i");
		log_warn("w");
		log_error("e");
		assert_int_equal(count(cap), cases[i].lines);
	}
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	struct capture *cap = *state;

	log_warn("a\nb\x1b[2Jc\x7f\t%c", 7);
	assert_string_equal(next(cap), "microvm: a?b?[2Jc???\n");
}

static void a_long_line_is_cut_and_still_ends_in_a_newline(void **state)
{
	struct capture *cap = *state;
	char text[8192];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (int crlf = 0; crlf < 2; crlf++) {
		const char *line;
		size_t len;

		log_set_crlf(crlf);
		log_warn("%s", text);
		line = next(cap);
		len = strlen(line);
		assert_in_range(len, 512, 1024);
		assert_string_equal(line + len - 2, crlf ? "\r\n" : "x\n");
	}
}

/* Each length around the limit, so that a sanitizer sees one byte too far. */
static void lines_of_every_length_are_whole(void **state)
{
	struct capture *cap = *state;
	char text[1100];

	log_set_crlf(true);
	for (unsigned len = 0; len < sizeof(text); len++) {
		memset(text, 'x', len);
		text[len] = 0;
		log_warn("%s", text);
		assert_non_null(next(cap));
		assert_string_equal(cap->msg + 9 + strspn(cap->msg + 9, "x"), "\r\n");
	}
}

static void errno_survives_a_message_that_cannot_be_written(void **state)
{
	struct capture *cap = *state;

	close(STDERR_FILENO);
	errno = ENOSPC;
	log_error("lost: %m");
	assert_int_equal(errno, ENOSPC);
	dup2(cap->fds[1], STDERR_FILENO);
}

static void *log_many(void *arg)
{
	for (unsigned i = 0; i < 200; i++)
		log_warn("%s", (const char *)arg);
	return NULL;
}

static void lines_of_two_threads_do_not_mix(void **state)
{
	struct capture *cap = *state;
	char a[301], b[301];
	pthread_t threads[2];
	unsigned lines = 0;

	memset(a, 'a', 300);
	memset(b, 'b', 300);
	a[300] = b[300] = 0;
	pthread_create(&threads[0], NULL, log_many, a);
	pthread_create(&threads[1], NULL, log_many, b);
	while (lines < 400) {
		if (!next(cap))
			continue;
		lines++;
		assert_int_equal(strlen(cap->msg), strlen("microvm: ") + 301);
		assert_true(!strncmp(cap->msg + 9, a, 300) || !strncmp(cap->msg + 9, b, 300));
	}
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
}

/* --- what a guest can trigger -------------------------------------------------------- */

static void case_97_a_million_messages_pass_as_a_few(void **state)
{
	struct capture *cap = *state;
	struct log_rate rate = { 0 };

	for (unsigned i = 0; i < 1000000; i++)
		log_guest(&rate, "guest did %u", i);
	assert_string_equal(next(cap), "microvm: guest did 0\n");
	assert_int_equal(count(cap), LOG_GUEST_BURST - 1);
	assert_int_equal(rate.dropped, 1000000 - LOG_GUEST_BURST);
}

static void case_97_sources_have_limits_of_their_own(void **state)
{
	struct capture *cap = *state;
	struct log_rate a = { 0 }, b = { 0 };

	for (unsigned i = 0; i < 100; i++)
		log_guest(&a, "a");
	log_guest(&b, "b");
	assert_int_equal(count(cap), LOG_GUEST_BURST + 1);
}

/* The clock is not waited for: the window is moved into the past. */
static void case_97_after_a_pause_the_dropped_are_counted(void **state)
{
	struct capture *cap = *state;
	struct log_rate rate = { 0 };

	for (unsigned i = 0; i < 100; i++)
		log_guest(&rate, "again");
	count(cap);
	rate.window_start_ns -= 60000000001ull;
	log_guest(&rate, "later");
	next(cap);
	assert_non_null(strstr(cap->msg, "92 "));
	assert_string_equal(next(cap), "microvm: later\n");
	assert_null(next(cap));
	for (unsigned i = 0; i < 100; i++)
		log_guest(&rate, "again");
	assert_int_equal(count(cap), LOG_GUEST_BURST - 1);
}

static void case_97_guest_messages_are_silent_below_warnings(void **state)
{
	struct capture *cap = *state;
	struct log_rate rate = { 0 };

	log_set_level(LOG_ERROR);
	log_guest(&rate, "a");
	assert_null(next(cap));
}

static void *storm(void *arg)
{
	for (unsigned i = 0; i < 100000; i++)
		log_guest(arg, "storm");
	return NULL;
}

static void case_97_a_storm_of_threads_keeps_the_limit(void **state)
{
	struct capture *cap = *state;
	struct log_rate rate = { 0 };
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, storm, &rate);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_in_range(count(cap), LOG_GUEST_BURST, 2 * LOG_GUEST_BURST);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(a_line_is_one_write_with_a_newline),
		T(a_raw_terminal_gets_carriage_returns),
		T(levels_above_the_set_one_are_dropped),
		T(control_characters_do_not_reach_the_terminal),
		T(a_long_line_is_cut_and_still_ends_in_a_newline),
		T(lines_of_every_length_are_whole),
		T(errno_survives_a_message_that_cannot_be_written),
		T(lines_of_two_threads_do_not_mix),
		T(case_97_a_million_messages_pass_as_a_few),
		T(case_97_sources_have_limits_of_their_own),
		T(case_97_after_a_pause_the_dropped_are_counted),
		T(case_97_guest_messages_are_silent_below_warnings),
		T(case_97_a_storm_of_threads_keeps_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
