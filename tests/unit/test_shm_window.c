/* SPDX-License-Identifier: MIT */
/* Shared-memory windows: what may be put into them, where, and what is left afterwards. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/virtio/shm_window.h"
#include "vmm/util.h"

#define PAGE SHM_PAGE
#define LEN (64 * PAGE)

static int setup(void **state)
{
	struct shm_window *w = calloc(1, sizeof(*w));

	assert_int_equal(shm_window_init(w, 1, LEN), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	shm_window_finish(*state);
	shm_window_finish(*state);
	free(*state);
	return 0;
}

/* A memfd of @pages, each filled with its number + @first. */
static int make_file(unsigned pages, unsigned first, unsigned seals)
{
	int fd = memfd_create("piece", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char page[PAGE];

	assert_true(fd >= 0);
	for (unsigned i = 0; i < pages; i++) {
		memset(page, first + i, sizeof(page));
		assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	}
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int map(struct shm_window *w, int fd, uint64_t fd_off, uint64_t off, uint64_t len)
{
	const struct shm_map m = {
		.fd = fd, .fd_off = fd_off, .off = off, .len = len, .writable = true,
	};

	return shm_window_map(w, &m);
}

static volatile uint8_t *at(struct shm_window *w, uint64_t off)
{
	return (volatile uint8_t *)w->host + off;
}

static void piece_is_seen_where_it_was_put(void **state)
{
	struct shm_window *w = *state;
	int fd = make_file(4, 10, F_SEAL_SHRINK);
	uint8_t byte = 0;

	assert_int_equal(map(w, fd, PAGE, 8 * PAGE, 2 * PAGE), 0);
	assert_int_equal(*at(w, 7 * PAGE), 0);
	assert_int_equal(*at(w, 8 * PAGE), 11);
	assert_int_equal(*at(w, 9 * PAGE), 12);
	assert_int_equal(*at(w, 10 * PAGE), 0);
	*at(w, 9 * PAGE) = 99;
	assert_int_equal(pread(fd, &byte, 1, 2 * PAGE), 1);
	assert_int_equal(byte, 99);
	close(fd);
	assert_int_equal(*at(w, 9 * PAGE), 99);
	assert_int_equal(shm_window_unmap(w, 8 * PAGE, 2 * PAGE), 0);
	assert_int_equal(*at(w, 9 * PAGE), 0);
}

static void what_is_only_to_be_read_is_copied_when_it_is_written(void **state)
{
	struct shm_window *w = *state;
	int fd = make_file(1, 10, F_SEAL_SHRINK | F_SEAL_WRITE);
	struct shm_map m = { .fd = fd, .len = PAGE };
	uint8_t byte = 0;

	assert_int_equal(map(w, fd, 0, 0, PAGE), -EPERM);
	assert_int_equal(shm_window_map(w, &m), 0);
	assert_int_equal(*at(w, 0), 10);
	*at(w, 0) = 99;
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 10);
	close(fd);
}

static void window_without_pieces_is_memory_until_it_is_cleared(void **state)
{
	struct shm_window *w = *state;
	int fd = make_file(1, 10, F_SEAL_SHRINK);

	*at(w, 5 * PAGE) = 1;
	assert_int_equal(map(w, fd, 0, 6 * PAGE, PAGE), 0);
	assert_int_equal(*at(w, 5 * PAGE), 1);
	shm_window_clear(w);
	assert_int_equal(*at(w, 5 * PAGE), 0);
	assert_int_equal(*at(w, 6 * PAGE), 0);
	assert_int_equal(w->n_pieces, 0);
	assert_int_equal(map(w, fd, 0, 6 * PAGE, PAGE), 0);
	close(fd);
}

static void windows_of_no_length_or_half_pages_are_none(void **state)
{
	struct shm_window w;

	assert_int_equal(shm_window_init(&w, 1, 0), -EINVAL);
	assert_int_equal(shm_window_init(&w, 1, PAGE + 1), -EINVAL);
	assert_int_equal(shm_window_init(&w, 1, SHM_MAX_LEN + PAGE), -EINVAL);
	assert_int_equal(shm_window_init(&w, 1, UINT64_MAX & ~(PAGE - 1ull)), -EINVAL);
	shm_window_finish(&w);
}

static void case_75_outside_of_the_window_or_not_of_pages(void **state)
{
	static const uint64_t offs[] = {
		1, PAGE - 1, LEN, LEN - PAGE + 1, LEN + PAGE, 1ull << 63, -(uint64_t)PAGE,
		UINT64_MAX,
	};
	static const uint64_t lens[] = { 0, 1, PAGE + 1, LEN + PAGE, 1ull << 63,
					 -(uint64_t)PAGE, UINT64_MAX };
	struct shm_window *w = *state;
	int fd = make_file(64, 0, F_SEAL_SHRINK);

	for (unsigned i = 0; i < ARRAY_SIZE(offs); i++)
		assert_int_equal(map(w, fd, 0, offs[i], PAGE), -EINVAL);
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++)
		assert_int_equal(map(w, fd, 0, 0, lens[i]), -EINVAL);
	assert_int_equal(map(w, fd, 0, LEN - PAGE, 2 * PAGE), -EINVAL);
	assert_int_equal(map(w, fd, 1, 0, PAGE), -EINVAL);
	assert_int_equal(map(w, fd, 64 * PAGE, 0, PAGE), -EINVAL);
	assert_int_equal(map(w, fd, 63 * PAGE, 0, 2 * PAGE), -EINVAL);
	assert_int_equal(map(w, fd, -(uint64_t)PAGE, 0, 2 * PAGE), -EINVAL);
	assert_int_equal(w->n_pieces, 0);
	assert_int_equal(map(w, fd, 0, 0, LEN), 0);
	close(fd);
}

static void case_75_over_another_piece(void **state)
{
	struct shm_window *w = *state;
	int fd = make_file(8, 10, F_SEAL_SHRINK);

	assert_int_equal(map(w, fd, 0, 4 * PAGE, 4 * PAGE), 0);
	assert_int_equal(map(w, fd, 0, 4 * PAGE, 4 * PAGE), -EINVAL);
	assert_int_equal(map(w, fd, 0, 3 * PAGE, 2 * PAGE), -EINVAL);
	assert_int_equal(map(w, fd, 0, 7 * PAGE, 2 * PAGE), -EINVAL);
	assert_int_equal(map(w, fd, 0, 5 * PAGE, PAGE), -EINVAL);
	assert_int_equal(map(w, fd, 0, 3 * PAGE, 8 * PAGE), -EINVAL);
	assert_int_equal(*at(w, 4 * PAGE), 10);
	assert_int_equal(*at(w, 7 * PAGE), 13);
	/* Neighbours are none. */
	assert_int_equal(map(w, fd, 0, 3 * PAGE, PAGE), 0);
	assert_int_equal(map(w, fd, 0, 8 * PAGE, PAGE), 0);
	assert_int_equal(w->n_pieces, 3);
	close(fd);
}

static void case_76_only_what_was_mapped_is_unmapped_and_once(void **state)
{
	struct shm_window *w = *state;
	int fd = make_file(8, 10, F_SEAL_SHRINK);

	assert_int_equal(shm_window_unmap(w, 0, PAGE), -ENOENT);
	assert_int_equal(map(w, fd, 0, 4 * PAGE, 4 * PAGE), 0);
	assert_int_equal(shm_window_unmap(w, 4 * PAGE, PAGE), -ENOENT);
	assert_int_equal(shm_window_unmap(w, 5 * PAGE, 3 * PAGE), -ENOENT);
	assert_int_equal(shm_window_unmap(w, 4 * PAGE, 5 * PAGE), -ENOENT);
	assert_int_equal(shm_window_unmap(w, 0, LEN), -ENOENT);
	assert_int_equal(shm_window_unmap(w, UINT64_MAX, UINT64_MAX), -ENOENT);
	assert_int_equal(*at(w, 5 * PAGE), 11);
	assert_int_equal(shm_window_unmap(w, 4 * PAGE, 4 * PAGE), 0);
	assert_int_equal(shm_window_unmap(w, 4 * PAGE, 4 * PAGE), -ENOENT);
	close(fd);
}

/* Lines of /proc/self/maps that are the window's. */
static unsigned count_mappings(const struct shm_window *w)
{
	uintptr_t from = (uintptr_t)w->host;
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[512];
	unsigned n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2)
			n += start < from + w->len && end > from;
	fclose(f);
	return n;
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void case_76_mapping_and_unmapping_without_end_costs_nothing(void **state)
{
	struct shm_window *w = *state;
	int fd = make_file(8, 10, F_SEAL_SHRINK);
	unsigned fds = count_fds(), mappings = count_mappings(w);

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t off = i % 60 * PAGE, len = (1 + i % 4) * PAGE;

		assert_int_equal(map(w, fd, 0, off, len), 0);
		assert_int_equal(shm_window_unmap(w, off, len), 0);
	}
	assert_int_equal(count_fds(), fds);
	assert_true(count_mappings(w) <= mappings + 1);
	close(fd);
}

static void case_76_pieces_are_limited(void **state)
{
	int fd = make_file(1, 10, F_SEAL_SHRINK);
	struct shm_window w;

	assert_int_equal(shm_window_init(&w, 1, 2ull * (SHM_MAX_PIECES + 1) * PAGE), 0);
	for (unsigned i = 0; i < SHM_MAX_PIECES; i++)
		assert_int_equal(map(&w, fd, 0, 2ull * i * PAGE, PAGE), 0);
	assert_int_equal(map(&w, fd, 0, 2ull * SHM_MAX_PIECES * PAGE, PAGE), -ENOSPC);
	assert_int_equal(shm_window_unmap(&w, 2 * PAGE, PAGE), 0);
	assert_int_equal(map(&w, fd, 0, 2ull * SHM_MAX_PIECES * PAGE, PAGE), 0);
	shm_window_clear(&w);
	assert_int_equal(count_mappings(&w), 1);
	shm_window_finish(&w);
	close(fd);
}

static void case_77_only_memory_that_cannot_shrink(void **state)
{
	struct shm_window *w = *state;
	char path[] = "/tmp/shm-window-XXXXXX";
	int pipes[2], fds[8], n = 0;

	fds[n++] = make_file(1, 1, 0);
	fds[n++] = make_file(1, 1, F_SEAL_GROW | F_SEAL_WRITE);
	fds[n++] = mkstemp(path);
	unlink(path);
	assert_int_equal(ftruncate(fds[n - 1], LEN), 0);
	assert_int_equal(pipe(pipes), 0);
	fds[n++] = pipes[0];
	fds[n++] = pipes[1];
	fds[n++] = eventfd(0, 0);
	fds[n++] = open("/dev/zero", O_RDWR);
	fds[n++] = open("/proc/self/mem", O_RDWR);
	for (int i = 0; i < n; i++) {
		assert_true(fds[i] >= 0);
		assert_int_equal(map(w, fds[i], 0, 0, PAGE), -EPERM);
		close(fds[i]);
	}
	assert_int_equal(map(w, -1, 0, 0, PAGE), -EPERM);
	assert_int_equal(count_mappings(w), 1);
}

static void case_75_writing_takes_the_right_to(void **state)
{
	struct shm_window *w = *state;
	int fd = make_file(1, 1, F_SEAL_SHRINK), ro;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	assert_true(ro >= 0);
	assert_int_equal(map(w, ro, 0, 0, PAGE), -EACCES);
	assert_int_equal(*at(w, 0), 0);
	assert_int_equal(map(w, fd, 0, 0, PAGE), 0);
	close(ro);
	close(fd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(piece_is_seen_where_it_was_put),
		T(what_is_only_to_be_read_is_copied_when_it_is_written),
		T(window_without_pieces_is_memory_until_it_is_cleared),
		T(windows_of_no_length_or_half_pages_are_none),
		T(case_75_outside_of_the_window_or_not_of_pages),
		T(case_75_over_another_piece),
		T(case_75_writing_takes_the_right_to),
		T(case_76_only_what_was_mapped_is_unmapped_and_once),
		T(case_76_mapping_and_unmapping_without_end_costs_nothing),
		T(case_76_pieces_are_limited),
		T(case_77_only_memory_that_cannot_shrink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
