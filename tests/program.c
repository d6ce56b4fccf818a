/* SPDX-License-Identifier: MIT */
#include "tests/program.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void program_path(char path[PATH_MAX], const char *name)
{
	char self[PATH_MAX - 64] = "";
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert(len > 0);
	for (unsigned i = 0; i < 3; i++)
		*strrchr(self, '/') = '\0';
	snprintf(path, PATH_MAX, "%s/%s", self, name);
}
