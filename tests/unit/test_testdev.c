/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "devices/testdev.h"
#include "tests/capture.h"
#include "tests/fake.h"

#define PIO 0xd00
#define MMIO 0xfec80000ull

struct fixture {
	struct fake f;
	struct fake_irq irq;
	struct testdev dev;
};

static uint64_t in(struct fixture *t, unsigned off, unsigned size)
{
	uint64_t v, same;

	assert_true(bus_read(&t->f.pio, PIO + off, size, &v));
	assert_true(bus_read(&t->f.mmio, MMIO + off, size, &same));
	assert_int_equal(v, same);
	return v;
}

static void out(struct fixture *t, unsigned off, unsigned size, uint64_t value)
{
	assert_true(bus_write(&t->f.pio, PIO + off, size, value));
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	assert_int_equal(testdev_init(&t->dev, t->f.loop, fake_irq_line(&t->irq),
				      fake_power_sink(&t->f)), 0);
	assert_int_equal(bus_add(&t->f.pio, &t->dev.pio, PIO), 0);
	assert_int_equal(bus_add(&t->f.mmio, &t->dev.mmio, MMIO), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	bus_remove(&t->f.pio, &t->dev.pio);
	bus_remove(&t->f.mmio, &t->dev.mmio);
	testdev_finish(&t->dev);
	fake_finish(&t->f);
	free(t);
	return 0;
}

static void magic_is_read_only(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(in(t, TESTDEV_ID, 4), TESTDEV_MAGIC);
	out(t, TESTDEV_ID, 4, 0);
	assert_int_equal(in(t, TESTDEV_ID, 4), TESTDEV_MAGIC);
}

static void results_and_marks_go_to_the_machine(void **state)
{
	struct fixture *t = *state;

	out(t, TESTDEV_MARK, 4, 7);
	assert_int_equal(t->f.power.count[POWER_MARK], 1);
	assert_int_equal(t->f.power.last_code, 7);
	assert_true(bus_write(&t->f.mmio, MMIO + TESTDEV_RESULT, 4, 3));
	assert_int_equal(t->f.power.count[POWER_RESULT], 1);
	assert_int_equal(t->f.power.last_code, 3);
}

static void scratch_of_any_size(void **state)
{
	struct fixture *t = *state;

	out(t, TESTDEV_SCRATCH, 8, 0x8877665544332211);
	assert_int_equal(in(t, TESTDEV_SCRATCH, 8), 0x8877665544332211);
	assert_int_equal(in(t, TESTDEV_SCRATCH + 3, 2), 0x5544);
	out(t, TESTDEV_SCRATCH + 7, 1, 0xff);
	assert_int_equal(in(t, TESTDEV_SCRATCH + 4, 4), 0xff776655);
}

static void interrupt_line_follows_bit_0(void **state)
{
	struct fixture *t = *state;

	out(t, TESTDEV_IRQ, 4, 1);
	assert_int_equal(t->irq.level, 1);
	out(t, TESTDEV_IRQ, 4, 2);
	assert_int_equal(t->irq.level, 0);
}

static void doorbells_are_counted_by_the_loop(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(in(t, TESTDEV_DOORBELL, 4), 0);
	for (int i = 0; i < 5; i++)
		out(t, TESTDEV_DOORBELL, 4, i);
	assert_true(bus_write(&t->f.mmio, MMIO + TESTDEV_DOORBELL, 4, 0));
	assert_int_equal(in(t, TESTDEV_DOORBELL, 4), 0);
	fake_settle(&t->f);
	assert_int_equal(in(t, TESTDEV_DOORBELL, 4), 6);
}

static void text_comes_out_by_the_line_without_control_characters(void **state)
{
	struct fixture *t = *state;
	struct capture c;
	char *text;

	capture_begin(&c, STDERR_FILENO);
	for (const char *p = "one\r\n\ntwo\033[2J\n"; *p; p++)
		out(t, TESTDEV_PUTC, 1, *p);
	text = capture_end(&c);
	assert_string_equal(text, "microvm: guest: one\nmicrovm: guest: two?[2J\n");
	free(text);
}

static void an_unfinished_line_comes_out_with_the_result(void **state)
{
	struct fixture *t = *state;
	struct capture c;
	char *text;

	capture_begin(&c, STDERR_FILENO);
	out(t, TESTDEV_PUTC, 1, 'x');
	out(t, TESTDEV_RESULT, 4, 0);
	text = capture_end(&c);
	assert_string_equal(text, "microvm: guest: x\n");
	free(text);
}

static void case_97_a_line_without_end_is_cut(void **state)
{
	struct fixture *t = *state;
	struct capture c;
	char *text;

	capture_begin(&c, STDERR_FILENO);
	for (int i = 0; i < 1000; i++)
		out(t, TESTDEV_PUTC, 1, 'x');
	text = capture_end(&c);
	assert_int_equal(strlen(text), 3 * (sizeof("microvm: guest: \n") - 1 + 256));
	free(text);
	/* what is left of it */
	capture_begin(&c, STDERR_FILENO);
	testdev_reset(&t->dev);
	free(capture_end(&c));
}

static void case_24_other_offsets_and_sizes_do_nothing(void **state)
{
	struct fixture *t = *state;

	for (unsigned size = 1; size <= 8; size *= 2)
		for (unsigned off = 0; off + size <= TESTDEV_LEN; off++) {
			bool scratch = off >= TESTDEV_SCRATCH && off + size <= TESTDEV_IRQ;

			if (scratch || (size == 4 && off % 4 == 0) ||
			    (size == 1 && off == TESTDEV_PUTC))
				continue;
			out(t, off, size, UINT64_MAX);
			assert_int_equal(in(t, off, size), 0);
		}
	fake_settle(&t->f);
	assert_int_equal(t->dev.line_len, 0);
	assert_int_equal(in(t, TESTDEV_SCRATCH, 8), 0);
	assert_int_equal(in(t, TESTDEV_DOORBELL, 4), 0);
	assert_int_equal(t->irq.edges, 0);
	assert_int_equal(t->f.power.count[POWER_RESULT] + t->f.power.count[POWER_MARK], 0);
}

static void reset_clears_all(void **state)
{
	struct fixture *t = *state;

	out(t, TESTDEV_SCRATCH, 8, UINT64_MAX);
	out(t, TESTDEV_IRQ, 4, 1);
	out(t, TESTDEV_DOORBELL, 4, 0);
	fake_settle(&t->f);
	out(t, TESTDEV_DOORBELL, 4, 0);
	testdev_reset(&t->dev);
	fake_settle(&t->f);
	assert_int_equal(in(t, TESTDEV_SCRATCH, 8), 0);
	assert_int_equal(in(t, TESTDEV_DOORBELL, 4), 0);
	assert_int_equal(t->irq.level, 0);
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void finishing_says_the_last_line_and_leaves_nothing_open(void **state)
{
	struct fixture *t = *state;
	unsigned fds = open_fds();
	struct testdev dev;
	struct capture c;
	char *text;

	assert_int_equal(testdev_init(&dev, t->f.loop, (struct irq_line){ 0 },
				      fake_power_sink(&t->f)), 0);
	assert_int_equal(bus_add(&t->f.pio, &dev.pio, 0xe00), 0);
	assert_true(bus_write(&t->f.pio, 0xe00 + TESTDEV_PUTC, 1, 'x'));
	bus_remove(&t->f.pio, &dev.pio);
	capture_begin(&c, STDERR_FILENO);
	testdev_finish(&dev);
	text = capture_end(&c);
	assert_string_equal(text, "microvm: guest: x\n");
	free(text);
	assert_int_equal(open_fds(), fds);
}

static void a_host_without_descriptors_is_an_error(void **state)
{
	struct fixture *t = *state;
	struct rlimit old, none;
	struct testdev dev;
	int ret;

	getrlimit(RLIMIT_NOFILE, &old);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	ret = testdev_init(&dev, t->f.loop, (struct irq_line){ 0 }, fake_power_sink(&t->f));
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(ret, -EMFILE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(magic_is_read_only),
		TEST(results_and_marks_go_to_the_machine),
		TEST(scratch_of_any_size),
		TEST(interrupt_line_follows_bit_0),
		TEST(doorbells_are_counted_by_the_loop),
		TEST(text_comes_out_by_the_line_without_control_characters),
		TEST(an_unfinished_line_comes_out_with_the_result),
		TEST(case_97_a_line_without_end_is_cut),
		TEST(case_24_other_offsets_and_sizes_do_nothing),
		TEST(reset_clears_all),
		TEST(finishing_says_the_last_line_and_leaves_nothing_open),
		TEST(a_host_without_descriptors_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
