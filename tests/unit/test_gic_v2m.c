/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/gic_v2m.h"
#include "tests/fake.h"

#define BASE 0x8020000ull
#define TYPER 0x008
#define FIRST 96
#define N 32
#define LINE 1000		/* of interrupt FIRST */

struct fixture {
	struct fake f;
	struct gic_v2m v2m;
	unsigned up, down, last;
};

static void line_set(void *ctx, unsigned n, bool level)
{
	struct fixture *t = ctx;

	t->last = n;
	t->up += level;
	t->down += !level;
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	gic_v2m_init(&t->v2m, (struct irq_line){ line_set, t, LINE }, FIRST, N);
	assert_int_equal(bus_add(&t->f.mmio, &t->v2m.region, BASE), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	fake_finish(&t->f);
	free(t);
	return 0;
}

static uint64_t rd(struct fixture *t, uint64_t off, unsigned size)
{
	uint64_t value = 0;

	assert_true(bus_read(&t->f.mmio, BASE + off, size, &value));
	return value;
}

static void wr(struct fixture *t, uint64_t off, unsigned size, uint64_t value)
{
	assert_true(bus_write(&t->f.mmio, BASE + off, size, value));
}

static void the_type_register_names_the_range(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(rd(t, TYPER, 4), FIRST << 16 | N);
}

static void a_message_is_an_edge_on_its_wire(void **state)
{
	struct fixture *t = *state;

	wr(t, GIC_V2M_SETSPI, 4, FIRST);
	assert_int_equal(t->last, LINE);
	wr(t, GIC_V2M_SETSPI, 2, FIRST + N - 1);
	assert_int_equal(t->last, LINE + N - 1);
	assert_int_equal(t->up, 2);
	assert_int_equal(t->down, 2);
}

static void case_34_messages_outside_the_range_go_nowhere(void **state)
{
	struct fixture *t = *state;

	wr(t, GIC_V2M_SETSPI, 4, 0);
	wr(t, GIC_V2M_SETSPI, 4, FIRST - 1);
	wr(t, GIC_V2M_SETSPI, 4, FIRST + N);
	wr(t, GIC_V2M_SETSPI, 4, 0xffffffff);
	assert_int_equal(t->up, 0);
}

static void case_36_other_registers_and_sizes_do_nothing(void **state)
{
	struct fixture *t = *state;

	for (unsigned size = 1; size <= 8; size *= 2)
		for (uint64_t off = 0; off < GIC_V2M_LEN; off += size) {
			if (off == GIC_V2M_SETSPI && (size == 2 || size == 4))
				continue;
			wr(t, off, size, FIRST);
			if (off != TYPER || size != 4)
				assert_int_equal(rd(t, off, size), 0);
		}
	assert_int_equal(t->up, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_type_register_names_the_range),
		T(a_message_is_an_edge_on_its_wire),
		T(case_34_messages_outside_the_range_go_nowhere),
		T(case_36_other_registers_and_sizes_do_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
