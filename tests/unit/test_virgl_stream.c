/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "devices/gpu/virgl_stream.h"
#include "vmm/util.h"

static void whole_packets(void **state)
{
	static const uint32_t words[] = { 0, 1u << 16, 7, 0xffff, 3u << 16 | 1, 1, 2, 3 };

	assert_true(virgl_stream_valid(words, 0));
	assert_true(virgl_stream_valid(words, 1));
	assert_true(virgl_stream_valid(words, 3));
	assert_true(virgl_stream_valid(words, 4));
	assert_true(virgl_stream_valid(words, ARRAY_SIZE(words)));
}

static void case_58_packets_past_the_end(void **state)
{
	static const uint32_t words[] = { 0, 1u << 16, 7, 3u << 16, 1, 2, 3 };
	uint32_t last = UINT32_MAX;

	assert_false(virgl_stream_valid(words, 2));
	for (unsigned n = 4; n < ARRAY_SIZE(words); n++)
		assert_false(virgl_stream_valid(words, n));
	assert_false(virgl_stream_valid(&last, 1));
}

static void case_57_resources_that_nobody_counts(void **state)
{
	static const uint32_t words[] = { 0, 2u << 16 | 43, 48, 48, 1u << 16 | 48, 7 };

	assert_false(virgl_stream_makes_resources(words, 0));
	assert_false(virgl_stream_makes_resources(words, 4));
	assert_true(virgl_stream_makes_resources(words, ARRAY_SIZE(words)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_packets),
		cmocka_unit_test(case_58_packets_past_the_end),
		cmocka_unit_test(case_57_resources_that_nobody_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
