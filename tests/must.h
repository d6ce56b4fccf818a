/* SPDX-License-Identifier: MIT */
#ifndef MICROVM_TESTS_MUST_H
#define MICROVM_TESTS_MUST_H

#include <stdio.h>
#include <stdlib.h>

/* What a test needs before it can test. Not assert(): it must hold in every build. */
#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);         \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
