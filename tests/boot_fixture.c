/* SPDX-License-Identifier: MIT */
#include "tests/boot_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/capture.h"

static int boot_fixture_file(char *path, size_t size)
{
	int fd = memfd_create("boot", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd;
}

static void boot_fixture_write(int fd, const void *data, size_t len)
{
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
		abort();
}

static void bzimage_init(struct bzimage *img)
{
	for (unsigned i = 0; i < BZIMAGE_IMAGE_LEN; i++)
		img->bytes[BZIMAGE_SETUP_LEN + i] = i * 7 + (i >> 8);
	img->hdr = (struct setup_header *)(img->bytes + 0x1f1);
	*img->hdr = (struct setup_header){
		.setup_sects = 4,
		.syssize = BZIMAGE_IMAGE_LEN / 16,
		.boot_flag = 0xaa55,
		.jump = 0x66eb,		/* jmp 0x268 */
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH | CAN_USE_HEAP,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 2047,
		.pref_address = BZIMAGE_PREF,
		.init_size = BZIMAGE_INIT_SIZE,
	};
}

void boot_fixture_init(struct boot_fixture *f)
{
	static const struct gmem_range ram = { 0, BOOT_FIXTURE_RAM };

	memset(f, 0, sizeof(*f));
	if (gmem_init(&f->mem, &ram, 1) < 0)
		abort();
	f->kernel_fd = boot_fixture_file(f->kernel_path, sizeof(f->kernel_path));
	f->initrd_fd = boot_fixture_file(f->initrd_path, sizeof(f->initrd_path));
	bzimage_init(&f->img);
	f->boot = (struct x86_boot){ .kernel = f->kernel_path, .rsdp_gpa = 0xe0000 };
}

void boot_fixture_finish(struct boot_fixture *f)
{
	close(f->initrd_fd);
	close(f->kernel_fd);
	gmem_finish(&f->mem);
}

void boot_fixture_ram(struct boot_fixture *f, const struct gmem_range *ranges, unsigned n)
{
	gmem_finish(&f->mem);
	if (gmem_init(&f->mem, ranges, n) < 0)
		abort();
}

void boot_fixture_kernel(struct boot_fixture *f, const void *data, size_t len)
{
	boot_fixture_write(f->kernel_fd, data, len);
}

void boot_fixture_initrd(struct boot_fixture *f, const void *data, size_t len)
{
	boot_fixture_write(f->initrd_fd, data, len);
	f->boot.initrd = f->initrd_path;
}

static int boot_fixture_do_load(void *arg)
{
	struct boot_fixture *f = arg;

	return x86_boot_load(&f->mem, &f->boot, &f->entry);
}

int boot_fixture_load(struct boot_fixture *f)
{
	if (gmem_discard(&f->mem) < 0)
		abort();
	return boot_fixture_logged(f, boot_fixture_do_load, f);
}

int boot_fixture_logged(struct boot_fixture *f, int (*fn)(void *arg), void *arg)
{
	struct capture c;
	char *text;
	int ret;

	capture_begin(&c, STDERR_FILENO);
	ret = fn(arg);
	text = capture_end(&c);
	snprintf(f->log, sizeof(f->log), "%s", text);
	free(text);
	return ret;
}

int boot_fixture_load_img(struct boot_fixture *f)
{
	boot_fixture_kernel(f, f->img.bytes, BZIMAGE_LEN);
	return boot_fixture_load(f);
}

void boot_fixture_assert_loads(struct boot_fixture *f)
{
	int ret = boot_fixture_load_img(f);

	assert_string_equal(f->log, "");
	assert_int_equal(ret, 0);
}

void boot_fixture_assert_said(const struct boot_fixture *f, const char *path, const char *words)
{
	const char *end = strchr(f->log, '\n');

	if (!strstr(f->log, path) || !strstr(f->log, words))
		fail_msg("expected '%s: %s', got '%s'", path, words, f->log);
	if (!end || end[1])
		fail_msg("expected one line, got '%s'", f->log);
}

void boot_fixture_assert_refused(struct boot_fixture *f, const char *words)
{
	assert_true(boot_fixture_load_img(f) < 0);
	boot_fixture_assert_said(f, f->kernel_path, words);
}

int boot_fixture_setup(void **state)
{
	struct boot_fixture *f = malloc(sizeof(*f));

	if (!f)
		return -1;
	boot_fixture_init(f);
	*state = f;
	return 0;
}

int boot_fixture_teardown(void **state)
{
	boot_fixture_finish(*state);
	free(*state);
	return 0;
}
