/* SPDX-License-Identifier: MIT */
#ifndef MICROVM_TESTS_HAVE_GL_H
#define MICROVM_TESTS_HAVE_GL_H

#include <stdbool.h>

/*
 * Whether 3D can be tested here. If not, says why, and *@status is what the test
 * exits with: 0, or 1 when the environment has MICROVM_GL. Not with the thread
 * sanitizer, which takes Mesa's threads, not built for it, for racing ones.
 */
bool have_gl(int *status);

#endif
