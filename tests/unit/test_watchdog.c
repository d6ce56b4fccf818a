/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/gpu/watchdog.h"
#include "tests/capture.h"
#include "vmm/log.h"

#define SHORT_NS 20000000ull
#define LONG_NS 3600000000000ull

/* What a process that does @what ends with. */
static int status_of(void (*what)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		what();
		_exit(77);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void hang(void)
{
	struct watchdog *w;

	if (watchdog_create(&w, SHORT_NS) < 0)
		_exit(1);
	watchdog_begin(w, WATCHDOG_CALL);
	watchdog_end(w, WATCHDOG_CALL);
	watchdog_begin(w, WATCHDOG_FENCE);
	for (;;)
		pause();
}

static void case_70_what_never_ends_ends_the_process(void **state)
{
	struct capture cap;
	char *text;

	capture_begin(&cap, STDERR_FILENO);
	assert_int_equal(status_of(hang), WATCHDOG_STATUS);
	text = capture_end(&cap);
	assert_non_null(strstr(text, "the GPU has been busy"));
	free(text);
}

/* Many things one after the other, none of which takes long; asleep in between, and not. */
static void work(void)
{
	struct watchdog *w;

	if (watchdog_create(&w, LONG_NS) < 0)
		_exit(1);
	for (unsigned i = 0; i < 1000; i++) {
		watchdog_begin(w, i % WATCHDOG_KINDS);
		watchdog_begin(w, i % WATCHDOG_KINDS);
		watchdog_end(w, i % WATCHDOG_KINDS);
	}
	watchdog_destroy(w);
	if (watchdog_create(&w, SHORT_NS) < 0)
		_exit(1);
	usleep(3 * SHORT_NS / 1000);	/* nothing to watch */
	watchdog_destroy(w);
	watchdog_begin(NULL, WATCHDOG_CALL);
	watchdog_end(NULL, WATCHDOG_CALL);
	watchdog_destroy(NULL);
}

static void what_ends_is_left_alone(void **state)
{
	assert_int_equal(status_of(work), 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_70_what_never_ends_ends_the_process),
		cmocka_unit_test(what_ends_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
