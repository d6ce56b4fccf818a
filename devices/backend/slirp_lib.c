/* SPDX-License-Identifier: MIT */
#include "devices/backend/slirp_lib.h"

#include <dlfcn.h>
#include <errno.h>

#include "vmm/log.h"
#include "vmm/util.h"

#define SLIRP_SONAME "libslirp.so.0"

int slirp_lib_load(struct slirp_lib *lib)
{
	const struct { const char *name; void *to; } symbols[] = {
		{ "slirp_new", &lib->create },
		{ "slirp_cleanup", &lib->cleanup },
		{ "slirp_input", &lib->input },
		{ "slirp_pollfds_fill", &lib->fill },
		{ "slirp_pollfds_poll", &lib->poll },
		{ "slirp_handle_timer", &lib->handle_timer },
		{ "slirp_add_hostxfwd", &lib->add_hostxfwd },
	};
	/* GLib does not survive being unloaded. */
	void *handle = dlopen(SLIRP_SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!handle) {
		log_error("--net user: %s; install libslirp, or use --net none", dlerror());
		return -ENOENT;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(symbols); i++) {
		void *address = dlsym(handle, symbols[i].name);

		if (!address) {
			log_error("--net user: %s is older than 4.7", SLIRP_SONAME);
			return -ENOENT;
		}
		/* POSIX's way from an object pointer to a function's, see dlopen(3). */
		memcpy(symbols[i].to, &address, sizeof(address));
	}
	return 0;
}
