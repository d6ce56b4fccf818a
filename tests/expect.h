/* SPDX-License-Identifier: MIT */
/* What a call under test says on stderr, for cmocka. One thread. */
#ifndef MICROVM_TESTS_EXPECT_H
#define MICROVM_TESTS_EXPECT_H

#include "tests/capture.h"

/* Ends the capture: nothing was said. */
void expect_silence(struct capture *c);
/* Ends the capture: it was one line, which has @words in it. */
void expect_line(struct capture *c, const char *words);

#endif
