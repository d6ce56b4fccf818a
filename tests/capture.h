/* SPDX-License-Identifier: MIT */
/*
 * What a call writes to a file descriptor, for tests of messages and help. One
 * thread; not nested for the same descriptor.
 */
#ifndef MICROVM_TESTS_CAPTURE_H
#define MICROVM_TESTS_CAPTURE_H

#include <stdbool.h>

struct capture {
	int fd, saved, file;
};

/* From now on @fd (1: stdout, 2: stderr) goes to memory. */
void capture_begin(struct capture *c, int fd);
/* Back to where it went; the text, to be freed. */
char *capture_end(struct capture *c);

/* Whether @text is in it, which is freed, and said on standard error if not. */
bool capture_end_has(struct capture *c, const char *text);

#endif
