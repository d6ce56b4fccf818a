/* SPDX-License-Identifier: MIT */
#ifndef MICROVM_TESTS_OPEN_FDS_H
#define MICROVM_TESTS_OPEN_FDS_H

#include <sys/types.h>

/* How many descriptors this process has open; or process @pid. */
unsigned open_fds(void);
unsigned open_fds_of(pid_t pid);

#endif
