/* SPDX-License-Identifier: MIT */
/* Waiting in a test of cmocka: for things, however slow the machine, never for times. */
#ifndef MICROVM_TESTS_UNTIL_H
#define MICROVM_TESTS_UNTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vmm/loop.h"

#define UNTIL_NS 100000000000ull

static inline void until_turn(struct loop *loop, uint64_t from, const char *what)
{
	loop_run_once(loop, 10);
	if (loop_now_ns() - from > UNTIL_NS)
		fail_msg("never: %s", what);
}

/* Turns @loop until it is so; says what never came to be. */
#define UNTIL_IN(loop, cond)                                                                       \
	for (uint64_t from_ = loop_now_ns(); !(cond);)                                             \
		until_turn((loop), from_, #cond)

#endif
