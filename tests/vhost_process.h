/* SPDX-License-Identifier: MIT */
/* A vhost-user back end in a process of its own, for benchmarks. */
#ifndef MICROVM_TESTS_VHOST_PROCESS_H
#define MICROVM_TESTS_VHOST_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

#define VHOST_PROCESS_FDS 4

struct vhost_process {
	pid_t pid;
	int fds[VHOST_PROCESS_FDS];	/* our ends */
};

/*
 * Starts @argv with the other ends as its descriptors 3, 4, ...: of @n socket
 * pairs of @types. Ends with us. Aborts when that cannot be.
 */
void vhost_process_start(struct vhost_process *p, char *const argv[], const int types[],
			 unsigned n);
/* Kills it; our ends are the caller's. */
void vhost_process_end(struct vhost_process *p);
/* A line of /proc/PID/status, such as "RssAnon", in KiB; 0: there is none. */
double vhost_process_status(const struct vhost_process *p, const char *name);

#endif
