/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "arch/x86/layout.h"
#include "arch/x86/place.h"
#include "vmm/util.h"

#define WINDOW X86_PCI_MEM64_SIZE

static void a_window_lies_above_ram_and_room_between(void **state)
{
	struct x86_above a;

	assert_true(x86_place_above(&a, 5 * GiB, 46));
	assert_int_equal(a.shm_room.gpa, 5 * GiB);
	assert_int_equal(a.shm_room.len, WINDOW - 5 * GiB);
	assert_int_equal(a.mem64.gpa, WINDOW);
	assert_int_equal(a.mem64.len, WINDOW);
	assert_true(x86_place_above(&a, WINDOW, 46));
	assert_int_equal(a.shm_room.len, 0);
	assert_int_equal(a.mem64.gpa, WINDOW);
}

static void a_cpu_of_few_bits_has_no_window(void **state)
{
	struct x86_above a;

	assert_true(x86_place_above(&a, 5 * GiB, 36));
	assert_int_equal(a.mem64.len, WINDOW);
	assert_true(x86_place_above(&a, WINDOW + GiB, 36));
	assert_int_equal(a.mem64.len, 0);
	assert_int_equal(a.shm_room.gpa, WINDOW + GiB);
	assert_int_equal(a.shm_room.len, WINDOW - GiB);
	assert_true(x86_place_above(&a, 4 * GiB, 32));
	assert_int_equal(a.mem64.len | a.shm_room.len, 0);
}

static void ram_ends_where_the_cpu_does(void **state)
{
	struct x86_above a;

	assert_true(x86_place_above(&a, BIT(39), 39));
	assert_false(x86_place_above(&a, BIT(39) + 1, 39));
	assert_false(x86_place_above(&a, 5 * GiB, 32));
	/* What is beyond the hole below 4 GiB. */
	assert_int_equal(x86_max_memory(39), 511 * GiB);
	assert_int_equal(x86_max_memory(32), 3 * GiB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_lies_above_ram_and_room_between),
		cmocka_unit_test(a_cpu_of_few_bits_has_no_window),
		cmocka_unit_test(ram_ends_where_the_cpu_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
