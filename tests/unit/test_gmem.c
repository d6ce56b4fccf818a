/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/gmem.h"
#include "vmm/util.h"

/* Two regions with a hole, and a third that follows the second without one. */
#define A 0x0ull
#define A_LEN 0x3000ull
#define B 0x100000000ull
#define B_LEN 0x2000ull
#define C (B + B_LEN)
#define C_LEN 0x1000ull

static int setup(void **state)
{
	static const struct gmem_range ranges[] = { { A, A_LEN }, { B, B_LEN }, { C, C_LEN } };
	struct gmem *mem = malloc(sizeof(*mem));

	*state = mem;
	return gmem_init(mem, ranges, 3);
}

static int teardown(void **state)
{
	gmem_finish(*state);
	free(*state);
	return 0;
}

/* --- making and ending ------------------------------------------------------------- */

static void regions_lie_one_after_the_other_in_the_file(void **state)
{
	struct gmem *mem = *state;
	struct stat st;

	assert_int_equal(mem->n_regions, 3);
	assert_int_equal(mem->regions[0].offset, 0);
	assert_int_equal(mem->regions[1].offset, A_LEN);
	assert_int_equal(mem->regions[2].offset, A_LEN + B_LEN);
	assert_int_equal(gmem_size(mem), A_LEN + B_LEN + C_LEN);
	assert_int_equal(fstat(mem->fd, &st), 0);
	assert_int_equal(st.st_size, gmem_size(mem));
	assert_true(fcntl(mem->fd, F_GETFD) & FD_CLOEXEC);
	/* The host gives a page when it is touched. */
	assert_int_equal(st.st_blocks, 0);
}

static void what_a_region_holds_is_at_its_offset_of_the_file(void **state)
{
	struct gmem *mem = *state;
	uint32_t value = 0;

	assert_int_equal(gmem_write(mem, B + 0x10, "\x78\x56\x34\x12", 4), 0);
	assert_int_equal(pread(mem->fd, &value, 4, A_LEN + 0x10), 4);
	assert_int_equal(value, 0x12345678);
}

static void file_guest_and_host_agree_on_where_huge_pages_are(void **state)
{
	static const struct gmem_range ranges[] = {
		{ 0, 0xa0000 }, { 0xc0000, 64 * MiB - 0xc0000 }, { 4 * GiB, 2 * MiB },
	};
	struct gmem mem;

	assert_int_equal(gmem_init(&mem, ranges, 3), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(mem.regions[i].offset % (2 * MiB), ranges[i].gpa % (2 * MiB));
		assert_int_equal((uintptr_t)mem.regions[i].host % (2 * MiB),
				 ranges[i].gpa % (2 * MiB));
	}
	assert_int_equal(gmem_size(&mem), 64 * MiB - 0x20000 + 2 * MiB);
	gmem_finish(&mem);
}

static void bad_ranges_are_refused(void **state)
{
	static const struct { struct gmem_range r[2]; unsigned n; } bad[] = {
		{ { { 0x800, 0x1000 } }, 1 },			/* not page aligned */
		{ { { 0, 0x1800 } }, 1 },
		{ { { 0, 0 } }, 1 },
		{ { { 0, 0x2000 }, { 0x1000, 0x2000 } }, 2 },	/* overlap */
		{ { { 0x2000, 0x1000 }, { 0, 0x1000 } }, 2 },	/* descending */
		{ { { 0ull - 0x1000, 0x1000 } }, 1 },		/* ends at 2^64 */
		{ { { 0ull - 0x1000, 0x2000 } }, 1 },		/* wraps */
		{ { { 0, BIT(63) } }, 1 },			/* more than a file can hold */
		{ { { 0, BIT(62) }, { BIT(62), BIT(62) } }, 2 },
		{ { { 0, 0x1000 } }, 0 },
		{ { { 0, 0x1000 } }, GMEM_MAX_REGIONS + 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct gmem mem;

		assert_int_equal(gmem_init(&mem, bad[i].r, bad[i].n), -EINVAL);
		gmem_finish(&mem);
	}
}

static void most_regions_work(void **state)
{
	struct gmem_range ranges[GMEM_MAX_REGIONS];
	struct gmem mem;

	for (unsigned i = 0; i < GMEM_MAX_REGIONS; i++)
		ranges[i] = (struct gmem_range){ i * 0x10000, 0x1000 };
	assert_int_equal(gmem_init(&mem, ranges, GMEM_MAX_REGIONS), 0);
	assert_non_null(gmem_ptr(&mem, (GMEM_MAX_REGIONS - 1) * 0x10000, 0x1000));
	gmem_finish(&mem);
	assert_int_equal(mem.n_regions, 0);
	assert_null(gmem_ptr(&mem, 0, 1));
	gmem_finish(&mem);
}

static void more_than_an_address_space_fails_clean(void **state)
{
	static const struct gmem_range range = { 0, BIT(52) };
	struct gmem mem;
	int next = dup(0);

	close(next);
	assert_true(gmem_init(&mem, &range, 1) < 0);
	gmem_finish(&mem);
	/* No descriptor stayed behind. */
	assert_int_equal(dup(0), next);
	close(next);
}

static void case_77_the_file_can_neither_shrink_nor_grow(void **state)
{
	struct gmem *mem = *state;

	assert_int_equal(ftruncate(mem->fd, 0x1000), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(mem->fd, 0x100000), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fcntl(mem->fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fcntl(mem->fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

static void discard_gives_zeros_and_keeps_the_mapping(void **state)
{
	struct gmem *mem = *state;
	struct stat st;
	uint8_t *p = gmem_ptr(mem, C, C_LEN);

	memset(gmem_ptr(mem, A, A_LEN), 0xaa, A_LEN);
	memset(p, 0xbb, C_LEN);
	assert_int_equal(gmem_discard(mem), 0);
	for (unsigned i = 0; i < C_LEN; i++)
		assert_int_equal(p[i], 0);
	assert_ptr_equal(gmem_ptr(mem, C, C_LEN), p);
	assert_int_equal(fstat(mem->fd, &st), 0);
	assert_in_range(st.st_blocks * 512, 0, C_LEN);
	p[0] = 1;
	assert_int_equal(pread(mem->fd, p + 1, 1, A_LEN + B_LEN), 1);
	assert_int_equal(p[1], 1);
}

/* --- addresses ---------------------------------------------------------------------- */

static void a_pointer_is_given_for_what_lies_in_one_region(void **state)
{
	struct gmem *mem = *state;
	uint8_t *a = gmem_ptr(mem, A, A_LEN), *b = gmem_ptr(mem, B, B_LEN);

	assert_ptr_equal(a, mem->regions[0].host);
	assert_ptr_equal(b, mem->regions[1].host);
	assert_ptr_equal(gmem_ptr(mem, A + A_LEN - 1, 1), a + A_LEN - 1);
	assert_ptr_equal(gmem_ptr(mem, B + 0xfff, 2), b + 0xfff);
	a[A_LEN - 1] = b[B_LEN - 1] = 1;
}

static void case_07_outside_wrap_and_empty_give_no_pointer(void **state)
{
	static const struct { uint64_t gpa, len; } bad[] = {
		{ A, 0 }, { B, 0 }, { A + A_LEN, 0 },
		{ A + A_LEN, 1 },			/* in the hole */
		{ A + A_LEN - 1, 2 },			/* into the hole */
		{ B - 1, 1 }, { B - 1, 2 },
		{ C + C_LEN, 1 }, { C + C_LEN - 1, 2 },	/* above RAM */
		{ A, A_LEN + 1 },
		{ A, B + B_LEN },			/* over the hole */
		{ UINT64_MAX, 1 }, { UINT64_MAX, 2 },
		{ B + 0x10, 0ull - B },			/* sums that wrap */
		{ B + 0x10, 0ull - 0x10 }, { 1, UINT64_MAX }, { A, UINT64_MAX },
		{ 0ull - 0x1000, 0x2000 },
	};
	struct gmem *mem = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_null(gmem_ptr(mem, bad[i].gpa, bad[i].len));
}

static void case_09_no_pointer_spans_regions_even_if_they_touch(void **state)
{
	struct gmem *mem = *state;

	assert_null(gmem_ptr(mem, C - 1, 2));
	assert_null(gmem_ptr(mem, B, B_LEN + 1));
	assert_non_null(gmem_ptr(mem, C - 1, 1));
	assert_non_null(gmem_ptr(mem, C, 1));
}

static void case_09_pieces_walk_a_buffer_over_regions(void **state)
{
	struct gmem *mem = *state;
	void *host;

	assert_int_equal(gmem_piece(mem, B + 0x1800, 0x1000, &host), 0x800);
	assert_ptr_equal(host, mem->regions[1].host + 0x1800);
	assert_int_equal(gmem_piece(mem, C, 0x800, &host), 0x800);
	assert_ptr_equal(host, mem->regions[2].host);
	assert_int_equal(gmem_piece(mem, A + 8, UINT64_MAX, &host), A_LEN - 8);
	assert_int_equal(gmem_piece(mem, A + A_LEN, 1, &host), 0);
	assert_null(host);
	assert_int_equal(gmem_piece(mem, UINT64_MAX, UINT64_MAX, &host), 0);
}

/* --- copies -------------------------------------------------------------------------- */

static void case_09_copies_span_regions_that_touch(void **state)
{
	struct gmem *mem = *state;
	uint8_t in[0x1000], out[0x1000];

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = i * 7;
	assert_int_equal(gmem_write(mem, C - 0x800, in, sizeof(in)), 0);
	assert_int_equal(gmem_read(mem, C - 0x800, out, sizeof(out)), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_memory_equal(mem->regions[1].host + B_LEN - 0x800, in, 0x800);
	assert_memory_equal(mem->regions[2].host, in + 0x800, 0x800);
}

static void case_07_copies_that_leave_ram_copy_nothing(void **state)
{
	static const struct { uint64_t gpa, len; } bad[] = {
		{ A + A_LEN - 8, 16 }, { A + A_LEN, 1 }, { B - 8, 16 }, { C + C_LEN - 8, 9 },
		{ C - 8, C_LEN + 9 }, { UINT64_MAX, 1 }, { UINT64_MAX - 3, 16 },
	};
	struct gmem *mem = *state;
	uint8_t buf[0x2000];
	uint8_t *a = gmem_ptr(mem, A, A_LEN), *c = gmem_ptr(mem, C, C_LEN);

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(buf, 0x5a, sizeof(buf));
		assert_int_equal(gmem_write(mem, bad[i].gpa, buf, bad[i].len), -EFAULT);
		assert_int_equal(a[A_LEN - 1] | c[0] | c[C_LEN - 1], 0);
		assert_int_equal(gmem_read(mem, bad[i].gpa, buf, bad[i].len), -EFAULT);
		for (unsigned j = 0; j < 32; j++)
			assert_int_equal(buf[j], 0x5a);
	}
}

/* Only the check may look at such a length; nothing of it is copied. */
static void case_07_copies_of_absurd_length_are_refused(void **state)
{
	struct gmem *mem = *state;
	uint8_t byte = 0x5a;

	assert_int_equal(gmem_read(mem, A, &byte, UINT64_MAX), -EFAULT);
	assert_int_equal(gmem_read(mem, B, &byte, 0ull - B), -EFAULT);
	assert_int_equal(gmem_write(mem, B, &byte, 0ull - B + A_LEN), -EFAULT);
	assert_int_equal(byte, 0x5a);
}

static void a_copy_of_nothing_succeeds_anywhere(void **state)
{
	struct gmem *mem = *state;

	assert_int_equal(gmem_read(mem, A + A_LEN, NULL, 0), 0);
	assert_int_equal(gmem_write(mem, UINT64_MAX, NULL, 0), 0);
}

/* --- without a file ------------------------------------------------------------- */

static void private_memory_has_no_file_and_the_same_rules(void **state)
{
	static const struct gmem_range ranges[] = { { 0, 0x400000 }, { 0x100000000, 0x200000 } };
	static const struct gmem_range bad = { 1, 0x1000 };
	struct gmem mem;
	uint32_t value = 7;

	assert_int_equal(gmem_init_private(&mem, &bad, 1), -EINVAL);
	assert_int_equal(gmem_init_private(&mem, ranges, 2), 0);
	assert_int_equal(mem.fd, -1);
	/* Where guest and host addresses agree, huge pages can be used. */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal((uintptr_t)mem.regions[i].host % 0x200000, 0);
	assert_null(gmem_ptr(&mem, 0x400000 - 2, 4));
	assert_int_equal(gmem_write(&mem, 0x100000000, &value, 4), 0);
	value = 0;
	assert_int_equal(gmem_read(&mem, 0x100000000, &value, 4), 0);
	assert_int_equal(value, 7);
	gmem_finish(&mem);
}

static void private_memory_is_given_back(void **state)
{
	static const struct gmem_range range = { 0, 0x400000 };
	struct gmem mem;
	uint32_t *p, *q;

	assert_int_equal(gmem_init_private(&mem, &range, 1), 0);
	p = gmem_ptr(&mem, 0x1000, 4);
	q = gmem_ptr(&mem, 0x3000, 4);
	*p = *q = 1;
	assert_int_equal(gmem_discard_range(&mem, 0x1000, 0x1000), 0);
	assert_int_equal(*p, 0);
	assert_int_equal(*q, 1);
	assert_int_equal(gmem_discard_range(&mem, 0x3ff000, 0x2000), -EFAULT);
	assert_int_equal(gmem_discard(&mem), 0);
	assert_int_equal(*q, 0);
	gmem_finish(&mem);
}

static void files_are_read_into_either(void **state)
{
	static const struct gmem_range ranges[] = { { 0, 0x2000 }, { 0x2000, 0x2000 } };
	char text[0x1800], back[sizeof(text)];
	int fd = memfd_create("file", MFD_CLOEXEC);

	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = i % 251;
	assert_int_equal(pwrite(fd, text, sizeof(text), 0), sizeof(text));
	for (unsigned shared = 0; shared < 2; shared++) {
		struct gmem mem;

		assert_int_equal(shared ? gmem_init(&mem, ranges, 2)
					: gmem_init_private(&mem, ranges, 2), 0);
		assert_int_equal(gmem_read_file(&mem, 0x1001, fd, 1, sizeof(text) - 1), 0);
		assert_int_equal(gmem_read(&mem, 0x1001, back, sizeof(text) - 1), 0);
		assert_memory_equal(back, text + 1, sizeof(text) - 1);
		assert_int_equal(gmem_read_file(&mem, 0, fd, 1, sizeof(text)), -ENODATA);
		assert_int_equal(gmem_read_file(&mem, 0x3000, fd, 0, sizeof(text)), -EFAULT);
		assert_int_equal(gmem_read_file(&mem, 0, -1, 0, 1), -EBADF);
		gmem_finish(&mem);
	}
	close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* --- memory of others ---------------------------------------------------------------- */

static void foreign_memory_is_found_in_any_order(void **state)
{
	static _Alignas(4096) uint8_t low[0x2000], high[0x1000];
	const struct gmem_region regions[] = {
		{ .gpa = B, .len = sizeof(high), .host = high },
		{ .gpa = A, .len = sizeof(low), .host = low },
	};
	struct gmem mem;

	assert_int_equal(gmem_init_foreign(&mem, regions, 2), 0);
	assert_int_equal(gmem_size(&mem), 0x3000);
	assert_ptr_equal(gmem_ptr(&mem, A + 0x1ff0, 0x10), low + 0x1ff0);
	assert_null(gmem_ptr(&mem, A + 0x1ff0, 0x11));
	assert_ptr_equal(gmem_ptr(&mem, B, 0x1000), high);
	/* It is not ours to give away, and is there afterwards. */
	assert_true(gmem_discard(&mem) < 0);
	assert_true(gmem_discard_range(&mem, A, 0x1000) < 0);
	gmem_finish(&mem);
	assert_int_equal(mem.n_regions, 0);
	low[0] = high[0] = 1;
}

static void foreign_memory_that_makes_no_sense_is_refused(void **state)
{
	static _Alignas(4096) uint8_t page[0x1000];
	const struct gmem_region bad[][2] = {
		{ { .gpa = 0x800, .len = 0x1000 }, { .gpa = 0x4000, .len = 0x1000 } },
		{ { .gpa = 0, .len = 0x800 }, { .gpa = 0x4000, .len = 0x1000 } },
		{ { .gpa = 0, .len = 0 }, { .gpa = 0x4000, .len = 0x1000 } },
		{ { .gpa = 0x1000, .len = 0x2000 }, { .gpa = 0, .len = 0x2000 } },
		{ { .gpa = 0, .len = 0x1000 }, { .gpa = 0ull - 0x1000, .len = 0x1000 } },
	};
	struct gmem_region many[GMEM_MAX_REGIONS + 1] = { { .len = 0x1000, .host = page } };
	struct gmem mem;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(gmem_init_foreign(&mem, bad[i], 2), -EINVAL);
	assert_int_equal(gmem_init_foreign(&mem, many, 0), -EINVAL);
	assert_int_equal(gmem_init_foreign(&mem, many, GMEM_MAX_REGIONS + 1), -EINVAL);
	assert_int_equal(gmem_init_foreign(&mem, many, 1), 0);
	gmem_finish(&mem);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(regions_lie_one_after_the_other_in_the_file),
		T(what_a_region_holds_is_at_its_offset_of_the_file),
		T(file_guest_and_host_agree_on_where_huge_pages_are),
		cmocka_unit_test(bad_ranges_are_refused),
		cmocka_unit_test(private_memory_has_no_file_and_the_same_rules),
		cmocka_unit_test(private_memory_is_given_back),
		cmocka_unit_test(files_are_read_into_either),
		cmocka_unit_test(most_regions_work),
		cmocka_unit_test(more_than_an_address_space_fails_clean),
		T(case_77_the_file_can_neither_shrink_nor_grow),
		T(discard_gives_zeros_and_keeps_the_mapping),
		T(a_pointer_is_given_for_what_lies_in_one_region),
		T(case_07_outside_wrap_and_empty_give_no_pointer),
		T(case_09_no_pointer_spans_regions_even_if_they_touch),
		T(case_09_pieces_walk_a_buffer_over_regions),
		T(case_09_copies_span_regions_that_touch),
		T(case_07_copies_that_leave_ram_copy_nothing),
		T(case_07_copies_of_absurd_length_are_refused),
		T(a_copy_of_nothing_succeeds_anywhere),
		cmocka_unit_test(foreign_memory_is_found_in_any_order),
		cmocka_unit_test(foreign_memory_that_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
