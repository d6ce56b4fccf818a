/* SPDX-License-Identifier: MIT */
/*
 * What a payload says and how it ends: characters, checks and the result go
 * through the test device: by its ports where there are any.
 *
 * A failed check prints file, line and what was wrong, and ends the VM with
 * result PAYLOAD_FAIL. Any processor may call these; lines of two of them at
 * once may mix.
 */
#ifndef PAYLOAD_REPORT_H
#define PAYLOAD_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#define PAYLOAD_GOOD 0
#define PAYLOAD_FAIL 1
#define PAYLOAD_SKIP 2		/* what it needs is not there; the runner reports a skip */

/* A payload is one function; what it returns is the VM's result. */
int payload(void);

/* %s %c %d %u %x with ll (64 bits; on a 64-bit machine l, too), 0 and a width; %%. */
__attribute__((format(printf, 1, 2)))
void print(const char *fmt, ...);

__attribute__((noreturn))
void result(unsigned code);
__attribute__((noreturn, format(printf, 3, 4)))
void fail(const char *file, int line, const char *fmt, ...);

#define CHECK(cond) \
	do { \
		if (!(cond)) \
			fail(__FILE__, __LINE__, "%s", #cond); \
	} while (0)

#define CHECK_EQ(got, want) \
	do { \
		uint64_t got_ = (got), want_ = (want); \
		if (got_ != want_) \
			fail(__FILE__, __LINE__, "%s is 0x%llx, not 0x%llx", #got, \
			     (unsigned long long)got_, (unsigned long long)want_); \
	} while (0)

#define FAIL(...) fail(__FILE__, __LINE__, __VA_ARGS__)

/*
 * Waits until @cond holds. A turn costs an exit to the VMM, so the bound is
 * seconds on any machine; reaching it fails the payload.
 */
#define WAIT_MAX 3000000
#define WAIT_FOR(cond) \
	do { \
		unsigned turns_ = 0; \
		while (!(cond)) { \
			if (turns_++ == WAIT_MAX) \
				fail(__FILE__, __LINE__, "waited in vain for %s", #cond); \
			wait_turn(); \
		} \
	} while (0)
void wait_turn(void);

#endif
