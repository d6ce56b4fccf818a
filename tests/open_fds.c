/* SPDX-License-Identifier: MIT */
#include "tests/open_fds.h"

#include <dirent.h>
#include <stdio.h>

#include "tests/must.h"

static unsigned count(const char *path)
{
	struct dirent *e;
	unsigned n = 0;
	DIR *dir;

	must(dir = opendir(path));
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

unsigned open_fds_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	return count(path);
}

/* Without the one that it takes to look. */
unsigned open_fds(void)
{
	return count("/proc/self/fd") - 1;
}
