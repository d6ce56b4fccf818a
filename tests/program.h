/* SPDX-License-Identifier: MIT */
/* Programs of the same build as the test, build/VARIANT/NAME. */
#ifndef MICROVM_TESTS_PROGRAM_H
#define MICROVM_TESTS_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

/* Where @name is, for a test in build/VARIANT/tests/unit. */
void program_path(char path[PATH_MAX], const char *name);

#endif
