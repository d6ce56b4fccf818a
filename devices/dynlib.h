/* SPDX-License-Identifier: MIT */
/*
 * Libraries that are loaded when an option wants them: what nobody uses costs
 * nothing, and need not be installed. Before any thread of ours runs; they stay
 * for the life of the process.
 */
#ifndef MICROVM_DYNLIB_H
#define MICROVM_DYNLIB_H

#include <stddef.h>

struct dynlib_symbol {
	const char *name;
	void *to;	/* a function pointer of that function's type */
};

/*
 * Sets the @n functions. 0; or -ENOENT: with *@missing NULL there is no such
 * library and dlerror() says why, otherwise it lacks that one.
 */
int dynlib_load(const char *soname, const struct dynlib_symbol *symbols, unsigned n,
		const char **missing);
/*
 * The same, and in @why what to do about it: @package has the library, of @since or later.
 */
int dynlib_load_why(const char *soname, const struct dynlib_symbol *symbols, unsigned n,
		    const char *since, const char *package, char *why, size_t len);

#endif
