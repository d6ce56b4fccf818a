/* SPDX-License-Identifier: MIT */
#include "tests/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void expect_silence(struct capture *c)
{
	char *text = capture_end(c);

	if (*text)
		fail_msg("expected no word, got '%s'", text);
	free(text);
}

void expect_line(struct capture *c, const char *words)
{
	char *text = capture_end(c), *end = strchr(text, '\n');

	if (!strstr(text, words))
		fail_msg("expected '%s', got '%s'", words, text);
	if (!end || end[1])
		fail_msg("expected one line, got '%s'", text);
	free(text);
}
