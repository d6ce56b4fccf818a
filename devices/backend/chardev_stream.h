/* SPDX-License-Identifier: MIT */
/* The kinds of chardev that are files of the host; for chardev.c. */
#ifndef MICROVM_CHARDEV_STREAM_H
#define MICROVM_CHARDEV_STREAM_H

#include "devices/backend/chardev.h"

/* 0, or negative errno after one line in the log. */
int chardev_stream_open_stdio(struct chardev **out, struct loop *loop, struct term *term);
int chardev_stream_open_file(struct chardev **out, struct loop *loop, const char *path);

#endif
