/* SPDX-License-Identifier: MIT */
/*
 * libslirp, loaded when it is first needed. It brings GLib along, which a
 * machine without such a network neither waits nor pays for.
 */
#ifndef MICROVM_SLIRP_LIB_H
#define MICROVM_SLIRP_LIB_H

#include <slirp/libslirp.h>

struct slirp_lib {
	__typeof__(slirp_new) *create;
	__typeof__(slirp_cleanup) *cleanup;
	__typeof__(slirp_input) *input;
	__typeof__(slirp_pollfds_fill) *fill;
	__typeof__(slirp_pollfds_poll) *poll;
	__typeof__(slirp_handle_timer) *handle_timer;
	__typeof__(slirp_add_hostxfwd) *add_hostxfwd;
};

/* Stays loaded. 0, or -ENOENT after one line in the log. */
int slirp_lib_load(struct slirp_lib *lib);

#endif
