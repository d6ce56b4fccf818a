/* SPDX-License-Identifier: MIT */
#include "tests/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A test that cannot be set up says so and ends. */
static int must(int ret, const char *what)
{
	if (ret < 0) {
		perror(what);
		abort();
	}
	return ret;
}

void capture_begin(struct capture *c, int fd)
{
	fflush(NULL);
	c->fd = fd;
	c->saved = must(dup(fd), "dup");
	c->file = must(memfd_create("capture", MFD_CLOEXEC), "memfd_create");
	must(dup2(c->file, fd), "dup2");
}

char *capture_end(struct capture *c)
{
	off_t len;
	char *text;

	fflush(NULL);
	must(dup2(c->saved, c->fd), "dup2");
	close(c->saved);
	len = must(lseek(c->file, 0, SEEK_END), "lseek");
	text = calloc(1, len + 1);
	must(text ? 0 : -1, "calloc");
	must(pread(c->file, text, len, 0), "pread");
	close(c->file);
	return text;
}

bool capture_end_has(struct capture *c, const char *text)
{
	char *all = capture_end(c);
	bool has = strstr(all, text);

	if (!has)
		fprintf(stderr, "'%s' is not in: %s", text, all);
	free(all);
	return has;
}
