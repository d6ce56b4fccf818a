/* SPDX-License-Identifier: MIT */
/*
 * What is left of a process that serves a hostile guest, or hears what such a process
 * says: files that it needs, and system calls that it makes. Main thread, before guests
 * can say anything:
 *
 *     sandbox_files()	before anything is opened, and any thread is made
 *     sandbox_calls()	when all is set up; for all threads
 *
 * Without windows, a call that is on no list is the end of the process (SIGSYS):
 * everything in it is ours. Libraries of the desktop and of graphics cards try
 * much that they can do without: with windows such a call just fails, and only
 * those that nobody has a use for, such as execve(), are the end.
 */
#ifndef MICROVM_SANDBOX_H
#define MICROVM_SANDBOX_H

#include <stdbool.h>

/*
 * Landlock, where the kernel has it: no files but what a desktop's libraries read,
 * if there are @windows, and the directories of @sockets (ended by NULL), in which
 * we listen and clean up, for want of a VMM that does. What is open already, or handed over, is not concerned. Libraries
 * are told by the environment to do without what they would not get. 0, or negative errno
 * after one line in the log.
 */
int sandbox_files(bool windows, const char *const *sockets);
/* The same for one that makes files in the directory @out, NULL: in none; and has no sockets. */
int sandbox_files_out(bool windows, const char *out);

/* No new privileges, limits, and a seccomp filter. As above. */
int sandbox_calls(bool windows);

#endif
