/* SPDX-License-Identifier: MIT */
#include "tests/dts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int dts_file(const void *data, size_t len)
{
	int fd = memfd_create("dts", MFD_CLOEXEC);

	if (fd < 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
		abort();
	return fd;
}

/* All that a command writes to its standard output, with a NUL behind it. */
static size_t dts_run(const char *command, char **out)
{
	size_t len = 0, n;
	FILE *f = popen(command, "r");

	*out = malloc(1);
	while (f && *out && (*out = realloc(*out, len + 4097)) != NULL &&
	       (n = fread(*out + len, 1, 4096, f)) > 0)
		len += n;
	if (!f || !*out)
		abort();
	(*out)[len] = 0;
	pclose(f);
	return len;
}

size_t dts_compile(const char *source, void **blob)
{
	char command[128], *text, *out;
	size_t len;
	int fd;

	if (asprintf(&text, "/dts-v1/;\n%s", source) < 0)
		abort();
	fd = dts_file(text, strlen(text));
	snprintf(command, sizeof(command), "dtc -qq -f -I dts -O dtb /proc/%d/fd/%d 2>/dev/null",
		 getpid(), fd);
	len = dts_run(command, &out);
	if (len == 0) {
		fprintf(stderr, "dtc refuses:\n%s\n", text);
		abort();
	}
	close(fd);
	free(text);
	*blob = out;
	return len;
}

char *dts_complaints(const void *blob, size_t len)
{
	char command[128], *out;
	int fd = dts_file(blob, len);

	snprintf(command, sizeof(command), "dtc -I dtb -O dts -o /dev/null /proc/%d/fd/%d 2>&1",
		 getpid(), fd);
	dts_run(command, &out);
	close(fd);
	return out;
}
