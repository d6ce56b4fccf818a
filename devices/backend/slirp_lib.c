/* SPDX-License-Identifier: MIT */
#include "devices/backend/slirp_lib.h"

#include <dlfcn.h>

#include "devices/dynlib.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define SLIRP_SONAME "libslirp.so.0"

int slirp_lib_load(struct slirp_lib *lib)
{
	const struct dynlib_symbol symbols[] = {
		{ "slirp_new", &lib->create },
		{ "slirp_cleanup", &lib->cleanup },
		{ "slirp_input", &lib->input },
		{ "slirp_pollfds_fill", &lib->fill },
		{ "slirp_pollfds_poll", &lib->poll },
		{ "slirp_handle_timer", &lib->handle_timer },
		{ "slirp_add_hostxfwd", &lib->add_hostxfwd },
	};
	const char *missing;
	int ret = dynlib_load(SLIRP_SONAME, symbols, ARRAY_SIZE(symbols), &missing);

	if (ret < 0 && missing)
		log_error("--net user: %s is older than 4.7", SLIRP_SONAME);
	else if (ret < 0)
		log_error("--net user: %s; install libslirp, or use --net none", dlerror());
	return ret;
}
