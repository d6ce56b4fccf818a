/* SPDX-License-Identifier: MIT */
/* Fences of contexts under a watchdog; each in a process that it may end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/gpu/timelines.h"
#include "tests/capture.h"
#include "vmm/util.h"

#define SHORT_NS 20000000ull

static struct timelines lines;

static void asked(struct watchdog *w, uint32_t ctx, uint32_t ring, uint64_t seq)
{
	timelines_asked(&lines, w, &(struct gpu_fence){ ctx, ring, seq });
}

static void done(struct watchdog *w, uint32_t ctx, uint32_t ring, uint64_t seq)
{
	timelines_done(&lines, w, &(struct gpu_fence){ ctx, ring, seq });
}

/* Two rings of one, and one that is done. */
static void all_come(struct watchdog *w)
{
	asked(w, 7, 0, 1);
	asked(w, 7, 0, 2);
	asked(w, 7, 63, 3);
	asked(w, UINT32_MAX, 1, 4);
	done(w, UINT32_MAX, 1, 4);
	done(w, 7, 63, 3);
	done(w, 7, 0, 2);
}

static void one_goes(struct watchdog *w)
{
	asked(w, 7, 0, 1);
	asked(w, 8, 0, 2);
	timelines_forget(&lines, w, 7);
	timelines_forget(&lines, w, 9);
	done(w, 8, 0, 2);
	/* What comes late, or was never asked for. */
	done(w, 7, 0, 1);
	done(w, 8, 5, 1);
	done(w, 8, 64, 1);
	done(w, 10, 0, 1);
}

static void one_is_missing(struct watchdog *w)
{
	asked(w, 7, 0, 1);
	asked(w, 7, 0, 2);
	asked(w, 8, 0, 3);
	done(w, 8, 0, 3);
	done(w, 7, 0, 1);
}

static void one_ring_is_missing(struct watchdog *w)
{
	asked(w, 7, 0, 1);
	asked(w, 7, 1, 2);
	done(w, 7, 1, 2);
}

static void another_has_the_place(struct watchdog *w)
{
	for (uint32_t ctx = 1; ctx <= WATCHDOG_CONTEXTS; ctx++)
		asked(w, ctx, 0, ctx);
	/* One more than there can be. */
	asked(w, 1000, 0, 1000);
	for (uint32_t ctx = 1; ctx <= WATCHDOG_CONTEXTS; ctx++)
		timelines_forget(&lines, w, ctx);
	asked(w, 1001, 0, 1001);
}

/* What a process that does @what ends with. */
static int status_of(void (*what)(struct watchdog *w))
{
	struct capture cap;
	int status;
	pid_t pid;

	capture_begin(&cap, STDERR_FILENO);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct watchdog *w;

		if (watchdog_create(&w, SHORT_NS) < 0)
			_exit(1);
		what(w);
		for (;;)
			pause();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	free(capture_end(&cap));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void case_70_fence_that_never_comes(void **state)
{
	(void)state;
	assert_int_equal(status_of(one_is_missing), WATCHDOG_STATUS);
	assert_int_equal(status_of(one_ring_is_missing), WATCHDOG_STATUS);
	assert_int_equal(status_of(another_has_the_place), WATCHDOG_STATUS);
}

/* Whether a fence of any context is waited for. */
static bool waits(void)
{
	for (unsigned i = 0; i < WATCHDOG_CONTEXTS; i++)
		if (lines.contexts[i].open)
			return true;
	return false;
}

static void fences_that_come(void **state)
{
	(void)state;
	all_come(NULL);
	assert_false(waits());
	one_goes(NULL);
	assert_false(waits());
	one_is_missing(NULL);
	assert_true(waits());
}

static void case_70_rings_that_no_context_has(void **state)
{
	static const uint32_t rings[] = { TIMELINES_RINGS, UINT32_MAX };

	(void)state;
	memset(&lines, 0, sizeof(lines));
	for (unsigned i = 0; i < ARRAY_SIZE(rings); i++) {
		asked(NULL, 7, rings[i], 1);
		assert_false(waits());
		asked(NULL, 7, 0, 5);
		done(NULL, 7, rings[i], UINT64_MAX);
		assert_true(waits());
		done(NULL, 7, 0, 5);
		assert_false(waits());
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_70_fence_that_never_comes),
		cmocka_unit_test(fences_that_come),
		cmocka_unit_test(case_70_rings_that_no_context_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
