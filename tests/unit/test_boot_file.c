/* SPDX-License-Identifier: MIT */
/* What the loader does about files, whatever their format. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/x86/boot_int.h"
#include "arch/x86/layout.h"
#include "tests/boot_fixture.h"
#include "tests/expect.h"
#include "vmm/util.h"

#define PREF BZIMAGE_PREF
#define INIT_SIZE BZIMAGE_INIT_SIZE

static void case_96_initrd_is_empty(void **state)
{
	struct boot_fixture *f = *state;

	boot_fixture_initrd(f, "", 0);
	assert_true(boot_fixture_load_img(f) < 0);
	boot_fixture_assert_said(f, f->initrd_path, "is empty");
}

static void case_96_initrd_larger_than_ram(void **state)
{
	struct boot_fixture *f = *state;
	static const uint64_t sizes[] = { BOOT_FIXTURE_RAM + 1, 1ull << 40, INT64_MAX };

	boot_fixture_initrd(f, "", 0);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(ftruncate(f->initrd_fd, sizes[i]), 0);
		assert_true(boot_fixture_load_img(f) < 0);
		boot_fixture_assert_said(f, f->initrd_path, "finds no room");
	}
}

static void case_96_initrd_and_kernel_do_not_both_fit(void **state)
{
	struct boot_fixture *f = *state;

	boot_fixture_initrd(f, "", 0);
	assert_int_equal(ftruncate(f->initrd_fd, BOOT_FIXTURE_RAM - PREF - INIT_SIZE), 0);
	boot_fixture_assert_loads(f);
	assert_int_equal(ftruncate(f->initrd_fd, BOOT_FIXTURE_RAM - PREF - INIT_SIZE + 1), 0);
	assert_true(boot_fixture_load_img(f) < 0);
	boot_fixture_assert_said(f, f->initrd_path, "finds no room");
}

static void case_96_kernel_is_empty(void **state)
{
	struct boot_fixture *f = *state;

	assert_true(boot_fixture_load(f) < 0);
	boot_fixture_assert_said(f, f->kernel_path, "is empty");
}

static void case_96_kernel_is_8_eib_of_nothing(void **state)
{
	struct boot_fixture *f = *state;

	assert_int_equal(ftruncate(f->kernel_fd, INT64_MAX), 0);
	assert_true(boot_fixture_load(f) < 0);
	boot_fixture_assert_said(f, f->kernel_path, "neither a bzImage nor an ELF file");
}

static void case_96_command_line_too_long_for_the_kernel(void **state)
{
	struct boot_fixture *f = *state;
	char line[101];

	memset(line, 'x', 100);
	line[100] = 0;
	f->boot.cmdline = line;
	f->img.hdr->cmdline_size = 100;
	boot_fixture_assert_loads(f);
	f->img.hdr->cmdline_size = 99;
	boot_fixture_assert_refused(f, "a command line of 100 characters, the kernel takes 99");
}

static void case_96_command_line_too_long_for_its_place(void **state)
{
	struct boot_fixture *f = *state;
	char *line = malloc(X86_CMDLINE_MAX + 1);

	memset(line, 'x', X86_CMDLINE_MAX);
	line[X86_CMDLINE_MAX] = 0;
	f->boot.cmdline = line;
	f->img.hdr->cmdline_size = UINT32_MAX;
	boot_fixture_assert_refused(f, "of 65536 characters, the kernel takes 65535");
	line[X86_CMDLINE_MAX - 1] = 0;
	boot_fixture_assert_loads(f);
	free(line);
}

static void assert_path_refused(struct boot_fixture *f, const char *path, const char *words)
{
	f->boot.kernel = path;
	assert_true(boot_fixture_load(f) < 0);
	boot_fixture_assert_said(f, path, words);
	f->boot.kernel = f->kernel_path;
	f->boot.initrd = path;
	assert_true(boot_fixture_load_img(f) < 0);
	boot_fixture_assert_said(f, path, words);
}

static void case_96_no_regular_file(void **state)
{
	struct boot_fixture *f = *state;
	char dir[] = "/tmp/boot.XXXXXX", fifo[64];

	assert_path_refused(f, "/nonexistent/kernel", "No such file or directory");
	assert_path_refused(f, "/", "is a directory, a regular file is needed");
	assert_path_refused(f, "/dev/zero", "is a character device");
	assert_non_null(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_path_refused(f, fifo, "is a FIFO");	/* and nobody waited for a writer */
	unlink(fifo);
	rmdir(dir);
}

static void case_96_compressed_or_foreign_kernels(void **state)
{
	struct boot_fixture *f = *state;
	static const struct {
		unsigned off, len;
		const char *magic, *words;
	} files[] = {
		{ 0, 3, "\x1f\x8b\x08", "is gzip-compressed: unpack it first (gunzip)" },
		{ 0, 6, "\xfd" "7zXZ\0", "(unxz)" },
		{ 0, 4, "BZh9", "(bunzip2)" },
		{ 0, 4, "\x28\xb5\x2f\xfd", "(unzstd)" },
		{ 0, 4, "\x02\x21\x4c\x18", "(unlz4)" },
		{ 0, 4, "\x04\x22\x4d\x18", "(unlz4)" },
		{ 0, 6, "070701", "is it the initrd?" },
		{ 4, 4, "zimg", "is an EFI zboot image" },
		{ 0x24, 4, "\x18\x28\x6f\x01", "is an ARM zImage" },
		{ 0x38, 4, "ARM\x64", "is an arm64 Image" },
		{ 0, 2, "MZ", "is an EFI program" },
		{ 0, 4, "#!/b", "neither a bzImage nor an ELF file" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		uint8_t bytes[0x300] = { 0 };

		memcpy(bytes + files[i].off, files[i].magic, files[i].len);
		boot_fixture_kernel(f, bytes, sizeof(bytes));
		assert_int_equal(boot_fixture_load(f), -ENOEXEC);
		boot_fixture_assert_said(f, f->kernel_path, files[i].words);
		/* Shorter than the magic's place: no byte past the end is looked at. */
		boot_fixture_kernel(f, bytes, files[i].off + 1);
		assert_int_equal(boot_fixture_load(f), -ENOEXEC);
	}
}

/* A file that someone changes between two reads. */
struct changing {
	struct boot_file file;
	uint64_t off;
	uint8_t buf[64];
	struct gmem *mem;
};

static int read_file(void *arg)
{
	struct changing *c = arg;

	return boot_file_read(&c->file, c->off, c->buf, sizeof(c->buf));
}

static int load_file(void *arg)
{
	struct changing *c = arg;

	return boot_file_load(&c->file, 0, c->mem, PREF, 64);
}

static int file_unchanged(void *arg)
{
	struct changing *c = arg;

	return boot_file_unchanged(&c->file);
}

static void case_96_file_shrinks_while_it_is_loaded(void **state)
{
	struct boot_fixture *f = *state;
	struct changing c = { .mem = &f->mem };

	boot_fixture_kernel(f, f->img.bytes, 100);
	assert_int_equal(boot_file_open(&c.file, f->kernel_path), 0);
	assert_int_equal(ftruncate(f->kernel_fd, 63), 0);
	assert_int_equal(boot_fixture_logged(f, read_file, &c), -EINVAL);
	boot_fixture_assert_said(f, f->kernel_path, "changed while it was loaded");
	assert_int_equal(boot_fixture_logged(f, load_file, &c), -EINVAL);
	boot_fixture_assert_said(f, f->kernel_path, "changed while it was loaded");
	assert_int_equal(boot_fixture_logged(f, file_unchanged, &c), -EINVAL);
	boot_fixture_assert_said(f, f->kernel_path, "changed while it was loaded");
	boot_file_close(&c.file);
}

static void case_96_file_grows_while_it_is_loaded(void **state)
{
	struct boot_fixture *f = *state;
	struct changing c = { .mem = &f->mem };

	boot_fixture_kernel(f, f->img.bytes, 100);
	assert_int_equal(boot_file_open(&c.file, f->kernel_path), 0);
	assert_int_equal(boot_fixture_logged(f, file_unchanged, &c), 0);
	assert_int_equal(ftruncate(f->kernel_fd, 101), 0);
	assert_int_equal(boot_fixture_logged(f, file_unchanged, &c), -EINVAL);
	boot_fixture_assert_said(f, f->kernel_path, "changed while it was loaded");
	boot_file_close(&c.file);
}

static void case_96_offsets_that_wrap_are_past_the_end(void **state)
{
	struct boot_fixture *f = *state;
	static const uint64_t offsets[] = { 37, INT64_MAX, UINT64_MAX - 63, UINT64_MAX };
	struct changing c = { .mem = &f->mem };

	boot_fixture_kernel(f, f->img.bytes, 100);
	assert_int_equal(boot_file_open(&c.file, f->kernel_path), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
		c.off = offsets[i];
		assert_int_equal(boot_fixture_logged(f, read_file, &c), -EINVAL);
		boot_fixture_assert_said(f, f->kernel_path, "it ends at byte 100");
	}
	c.off = 36;
	assert_int_equal(boot_fixture_logged(f, read_file, &c), 0);
	boot_file_close(&c.file);
}

static void guest_without_a_mib_is_refused(void **state)
{
	struct boot_fixture *f = *state;
	const struct gmem_range ram = { 0, 0xff000 };

	boot_fixture_ram(f, &ram, 1);
	boot_fixture_assert_refused(f, "");
	boot_fixture_assert_said(f, f->kernel_path, "more than 1 MiB of RAM");
}

static unsigned open_files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void no_file_stays_open(void **state)
{
	struct boot_fixture *f = *state;
	unsigned before = open_files();

	boot_fixture_initrd(f, "x", 1);
	boot_fixture_assert_loads(f);
	f->img.hdr->version = 0;
	assert_true(boot_fixture_load_img(f) < 0);
	assert_int_equal(open_files(), before);
}

/* More than any loader asks for, as of now; each page is a part. */
static void more_parts_than_can_be_noted_are_refused(void **state)
{
	struct boot_fixture *f = *state;
	struct boot_claims claims = { .mem = &f->mem, .path = "kernel" };
	struct capture c;
	int ret;

	for (int i = 0; i < BOOT_MAX_CLAIMS; i++)
		assert_int_equal(boot_claims_add(&claims, "part", i, i * 4096ull, 4096), 0);
	capture_begin(&c, STDERR_FILENO);
	ret = boot_claims_add(&claims, "part", 96, BOOT_MAX_CLAIMS * 4096ull, 4096);
	expect_line(&c, "part 96 is: at most 96 parts");
	assert_int_equal(ret, -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOOT_TEST(case_96_initrd_is_empty),
		BOOT_TEST(case_96_initrd_larger_than_ram),
		BOOT_TEST(case_96_initrd_and_kernel_do_not_both_fit),
		BOOT_TEST(case_96_kernel_is_empty),
		BOOT_TEST(case_96_kernel_is_8_eib_of_nothing),
		BOOT_TEST(case_96_command_line_too_long_for_the_kernel),
		BOOT_TEST(case_96_command_line_too_long_for_its_place),
		BOOT_TEST(case_96_no_regular_file),
		BOOT_TEST(case_96_compressed_or_foreign_kernels),
		BOOT_TEST(case_96_file_shrinks_while_it_is_loaded),
		BOOT_TEST(case_96_file_grows_while_it_is_loaded),
		BOOT_TEST(case_96_offsets_that_wrap_are_past_the_end),
		BOOT_TEST(guest_without_a_mib_is_refused),
		BOOT_TEST(no_file_stays_open),
		BOOT_TEST(more_parts_than_can_be_noted_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
