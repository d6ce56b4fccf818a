/* SPDX-License-Identifier: MIT */
/*
 * A UNIX socket that listens at a path, for its owner only. One that
 * nobody listens at any more is replaced, anything else is not touched.
 *
 * Main thread; those that take a path may wait a second for somebody who does the same.
 */
#ifndef MICROVM_UNIXSOCK_H
#define MICROVM_UNIXSOCK_H

#include <sys/stat.h>
#include <sys/un.h>

#define UNIXSOCK_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

struct unixsock {
	int fd;			/* non-blocking */
	struct sockaddr_un addr;
	struct stat st;		/* of our socket in the file system */
};

/*
 * A stream socket that listens at @path, of at most UNIXSOCK_PATH_MAX bytes. 0, or negative errno:
 * -EEXIST something else is there, -EADDRINUSE another process listens there.
 */
int unixsock_listen(struct unixsock *s, const char *path, int backlog);
/* The same with SOCK_SEQPACKET. */
int unixsock_listen_packets(struct unixsock *s, const char *path, int backlog);
/* Closes the socket and removes it, unless another one is there by now. */
void unixsock_close(struct unixsock *s);
/* Removes it without closing it, which somebody else does. */
void unixsock_unlink(const struct unixsock *s);
/* Of a socket that somebody handed over: what SOL_SOCKET's @option is, or negative errno. */
int unixsock_option(int fd, int option);
/* What to say of an error of unixsock_listen(). */
const char *unixsock_error(int error);

#endif
