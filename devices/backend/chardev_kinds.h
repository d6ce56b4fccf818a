/* SPDX-License-Identifier: MIT */
/* What chardev.c makes the kinds of chardev by that have a file of their own. */
#ifndef MICROVM_CHARDEV_KINDS_H
#define MICROVM_CHARDEV_KINDS_H

#include "devices/backend/chardev.h"

/* Of a UNIX socket; what fits into struct sockaddr_un. */
#define CHARDEV_UNIX_PATH_MAX 107

/* Whether @spec, which chardev_check() took, is "kind" or "kind:...". */
bool chardev_is_kind(const char *spec, const char *kind);

/*
 * @path is what follows the kind and a colon, NULL if nothing does; each uses
 * what it needs. 0, or negative errno after one line in the log.
 */
int chardev_stdio_open(struct chardev **out, const char *path, struct loop *loop,
		       struct term *term);
int chardev_file_open(struct chardev **out, const char *path, struct loop *loop,
		      struct term *term);
int chardev_pty_open(struct chardev **out, const char *path, struct loop *loop,
		     struct term *term);
int chardev_unix_open(struct chardev **out, const char *path, struct loop *loop,
		      struct term *term);

#endif
