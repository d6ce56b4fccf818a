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
#include "tests/capture.h"
#include "vmm/log.h"

struct t {
	struct loop *loop;
	struct gpu_process *p;
	char script[64];
	struct capture cap;
};

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	FILE *f;
	int fd;

	strcpy(t->script, "/tmp/test-gpu-process-XXXXXX");
	fd = mkstemp(t->script);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	fputs("#!/bin/sh\necho \"started with $*\"\nexec sleep 1000\n", f);
	fchmod(fd, 0700);
	fclose(f);
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

#define until(t, cond)                                                                             \
	do {                                                                                       \
		for (unsigned turns_ = 0; !(cond); turns_++) {                                     \
			assert_true(turns_ < 1000);                                                \
			loop_run_once((t)->loop, 10);                                              \
		}                                                                                  \
	} while (0)

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
	add_three(t);
	a = gpu_process_dial(t->p, 0);
	assert_true(a >= 0);
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

static void program_that_is_not_there_is_named(void **state)
{
	struct t *t = *state;

	assert_int_equal(gpu_process_set(t->p, "/nonexistent/microvm-gpu", NULL), 0);
	add_three(t);
	assert_int_equal(gpu_process_dial(t->p, 0), -ENOENT);
	assert_int_equal(count_logged(t, "/nonexistent/microvm-gpu: No such file"), 1);
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
		TEST(program_that_is_not_there_is_named),
		TEST(too_many_devices_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
