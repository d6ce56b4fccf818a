/* SPDX-License-Identifier: MIT */
/*
 * A guest's RAM and kernel files that are made on the spot, for the tests of
 * the x86 loader. What the loader logs ends up in a buffer.
 */
#ifndef MICROVM_TESTS_BOOT_FIXTURE_H
#define MICROVM_TESTS_BOOT_FIXTURE_H

#include <asm/bootparam.h>

#include "arch/x86/boot.h"
#include "vmm/gmem.h"

#define BOOT_FIXTURE_RAM (64ull << 20)

/* A bzImage with a header like Linux 6.1's. */
#define BZIMAGE_PREF 0x1000000ull
#define BZIMAGE_INIT_SIZE 0x200000u
#define BZIMAGE_SETUP_LEN (5 * 512)
#define BZIMAGE_IMAGE_LEN 0x8000u
#define BZIMAGE_LEN (BZIMAGE_SETUP_LEN + BZIMAGE_IMAGE_LEN)

struct bzimage {
	uint8_t bytes[BZIMAGE_LEN];
	struct setup_header *hdr;	/* in bytes */
};

struct boot_fixture {
	struct gmem mem;
	struct x86_boot boot;
	struct x86_entry entry;
	char kernel_path[32], initrd_path[32];
	int kernel_fd, initrd_fd;
	struct bzimage img;
	char log[4096];
};

/*
 * RAM of BOOT_FIXTURE_RAM bytes at 0, both files empty, no initrd asked for,
 * img a good kernel whose bytes tell their place.
 */
void boot_fixture_init(struct boot_fixture *f);
void boot_fixture_finish(struct boot_fixture *f);
/* Other RAM instead. */
void boot_fixture_ram(struct boot_fixture *f, const struct gmem_range *ranges, unsigned n);
void boot_fixture_kernel(struct boot_fixture *f, const void *data, size_t len);
/* Asks for one. */
void boot_fixture_initrd(struct boot_fixture *f, const void *data, size_t len);
/* x86_boot_load(); RAM is all zeros before. */
int boot_fixture_load(struct boot_fixture *f);
/* Runs fn(arg) with stderr going to f->log. */
int boot_fixture_logged(struct boot_fixture *f, int (*fn)(void *arg), void *arg);
/* Loads @f->img. */
int boot_fixture_load_img(struct boot_fixture *f);
/* The same; it works, and says nothing. */
void boot_fixture_assert_loads(struct boot_fixture *f);
/* The log is one line, which names @path and has @words. */
void boot_fixture_assert_said(const struct boot_fixture *f, const char *path, const char *words);
/* @f->img is refused with a line that names it and has @words. */
void boot_fixture_assert_refused(struct boot_fixture *f, const char *words);

/* For cmocka: *state is a struct boot_fixture. */
int boot_fixture_setup(void **state);
int boot_fixture_teardown(void **state);
#define BOOT_TEST(name) \
	cmocka_unit_test_setup_teardown(name, boot_fixture_setup, boot_fixture_teardown)

#endif
