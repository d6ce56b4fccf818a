/* SPDX-License-Identifier: MIT */
/* What can be said of a chardev's specification without opening anything. */
#include <string.h>

#include "devices/backend/chardev_kinds.h"
#include "vmm/util.h"

enum path_rule { PATH_NONE, PATH_OPTIONAL, PATH_NEEDED };

static const struct spec_form {
	const char *kind;
	enum path_rule path;
} spec_forms[] = {
	{ "stdio", PATH_NONE },
	{ "null", PATH_NONE },
	{ "file", PATH_NEEDED },
	{ "pty", PATH_OPTIONAL },
	{ "unix", PATH_NEEDED },
};

bool chardev_is_kind(const char *spec, const char *kind)
{
	size_t len = strcspn(spec, ":");

	return strlen(kind) == len && !memcmp(kind, spec, len);
}

static bool spec_is_known(const char *spec)
{
	const char *colon = strchr(spec, ':');

	for (unsigned i = 0; i < ARRAY_SIZE(spec_forms); i++)
		if (chardev_is_kind(spec, spec_forms[i].kind))
			return colon ? spec_forms[i].path != PATH_NONE && colon[1]
				     : spec_forms[i].path != PATH_NEEDED;
	return false;
}

const char *chardev_path(const char *spec)
{
	const char *colon = strchr(spec, ':');

	return colon && spec_is_known(spec) ? colon + 1 : NULL;
}

const char *chardev_check(const char *spec)
{
	if (!spec_is_known(spec))
		return "one of stdio, null, pty[:LINK], unix:PATH and file:PATH";
	if (chardev_is_kind(spec, "unix") && strlen(chardev_path(spec)) > CHARDEV_UNIX_PATH_MAX)
		return "a socket's path has 107 bytes at most";
	return NULL;
}
