/* SPDX-License-Identifier: MIT */
/*
 * A helper program beside this one: started, listened to, and ended with us.
 *
 * Main thread, which is the loop's. The child is killed by the kernel when this
 * thread ends, has its own session (no signals from the terminal), nothing open
 * but standard input (/dev/null), output and error (lines in our log, behind
 * its name), and the descriptors that it is given.
 */
#ifndef MICROVM_CHILD_H
#define MICROVM_CHILD_H

#include <stdbool.h>

#include "vmm/loop.h"

struct log_rate;

/* The first descriptor that a child is given, and how many it may be. */
#define CHILD_FD 3
#define CHILD_MAX_FDS 32

struct child_spec {
	const char *name;	/* in the log; outlives the child */
	char *const *argv;	/* the program's absolute path first; ended by NULL */
	const int *fds;		/* to be CHILD_FD, CHILD_FD + 1, ... */
	unsigned n_fds;
	bool as_root;		/* without privileges, root of a user namespace of its own */
	const char *read_only;	/* a directory that it shall see read-only; NULL none */
	struct log_rate *rate;	/* of its lines, with those before it; NULL: of its own; kept */
};

struct child;

/* 0 or negative errno, after one line in the log. What fails later is in the log too. */
int child_start(struct child **out, struct loop *loop, const struct child_spec *spec);
/* Kills it if need be; its last words are logged. NULL is legal. */
void child_end(struct child *child);

#endif
