/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing a descriptor without ever blocking, also one that was
 * inherited and is shared with other processes, the shell for one: O_NONBLOCK
 * belongs to the open file, not to the descriptor, so it must not be set there.
 * One thread at a time.
 */
#ifndef MICROVM_HOSTFD_H
#define MICROVM_HOSTFD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum hostfd_how {
	HOSTFD_NONE,	/* closed */
	HOSTFD_DIRECT,	/* a regular file, or a device that poll() does not know: never waits */
	HOSTFD_OWN,	/* an open file of our own with O_NONBLOCK */
	HOSTFD_SOCKET,	/* MSG_DONTWAIT does it */
	HOSTFD_SHARED,	/* could not be opened anew: poll(), then little at a time */
};

struct hostfd {
	int fd;
	enum hostfd_how how;
	bool owned;
};

/* @fd is one of ours by inheritance, @flags O_RDONLY or O_WRONLY. A closed one is HOSTFD_NONE. */
void hostfd_open_inherited(struct hostfd *h, int fd, int flags);
/* For output: creates or truncates @path. 0 or negative errno. */
int hostfd_open_output(struct hostfd *h, const char *path);
void hostfd_close(struct hostfd *h);

/* Bytes; 0 at the end of the file; -EAGAIN when there is nothing now; negative errno. */
ssize_t hostfd_read(const struct hostfd *h, void *buf, size_t len);
/* Bytes, perhaps less than @len; -EAGAIN; negative errno. */
ssize_t hostfd_write(const struct hostfd *h, const void *buf, size_t len);

#endif
