/* SPDX-License-Identifier: MIT */
#include "devices/dynlib.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int dynlib_load(const char *soname, const struct dynlib_symbol *symbols, unsigned n,
		const char **missing)
{
	/* Not every library survives being unloaded: GLib does not. */
	void *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	*missing = NULL;
	if (!handle)
		return -ENOENT;
	for (unsigned i = 0; i < n; i++) {
		void *address = dlsym(handle, symbols[i].name);

		if (!address) {
			*missing = symbols[i].name;
			return -ENOENT;
		}
		/* POSIX's way from an object pointer to a function's, see dlopen(3). */
		memcpy(symbols[i].to, &address, sizeof(address));
	}
	return 0;
}

int dynlib_load_why(const char *soname, const struct dynlib_symbol *symbols, unsigned n,
		    const char *since, const char *package, char *why, size_t len)
{
	const char *missing;
	int ret = dynlib_load(soname, symbols, n, &missing);

	if (ret < 0 && missing)
		snprintf(why, len, "%s has no %s: older than %s", soname, missing, since);
	else if (ret < 0)
		snprintf(why, len, "%s; install %s", dlerror(), package);
	return ret;
}
