/* SPDX-License-Identifier: MIT */
/* The ARM loader: kernels that are made here, and what is wrong with others. */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "arch/arm/boot.h"
#include "arch/arm/fdt.h"
#include "tests/expect.h"
#include "vmm/util.h"

#define RAM_GPA 0x40000000ull
#define RAM_LEN (256 * MiB)
#define LOW_GPA 0x0ull
#define LOW_LEN (4 * MiB)

struct fixture {
	struct gmem mem;
	struct arm_boot boot;
	struct arm_entry entry;
	char kernel_path[32], initrd_path[32];
	int kernel_fd, initrd_fd;
	uint8_t bytes[65536];	/* a kernel whose bytes tell their place */
	size_t len;
};

static int make_file(char *path, size_t size)
{
	int fd = memfd_create("boot", MFD_CLOEXEC);

	assert_true(fd >= 0);
	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd;
}

static void set_ram(struct fixture *f, uint64_t gpa, uint64_t len)
{
	struct gmem_range ranges[] = { { LOW_GPA, LOW_LEN }, { gpa, len } };

	if (f->mem.n_regions)
		gmem_finish(&f->mem);
	assert_int_equal(gmem_init(&f->mem, ranges, 2), 0);
	f->boot.ram = ranges[1];
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->kernel_fd = make_file(f->kernel_path, sizeof(f->kernel_path));
	f->initrd_fd = make_file(f->initrd_path, sizeof(f->initrd_path));
	f->boot = (struct arm_boot){ .kernel = f->kernel_path, .raw_dtb_gpa = UINT64_MAX };
	set_ram(f, RAM_GPA, RAM_LEN);
	for (size_t i = 0; i < sizeof(f->bytes); i++)
		f->bytes[i] = i * 7 + (i >> 8);
	f->len = sizeof(f->bytes);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->kernel_fd);
	close(f->initrd_fd);
	gmem_finish(&f->mem);
	free(f);
	return 0;
}

static void put(struct fixture *f, size_t off, unsigned size, uint64_t value)
{
	store_le(f->bytes + off, size, value);
}

static void write_kernel(struct fixture *f, const void *data, size_t len)
{
	assert_int_equal(ftruncate(f->kernel_fd, 0), 0);
	assert_int_equal(pwrite(f->kernel_fd, data, len, 0), len);
}

static void want_initrd(struct fixture *f, uint64_t len)
{
	assert_int_equal(ftruncate(f->initrd_fd, len), 0);
	assert_int_equal(pwrite(f->initrd_fd, "initrd", 6, 0), 6);
	f->boot.initrd = f->initrd_path;
}

static void loads(struct fixture *f)
{
	struct capture c;
	int ret;

	assert_int_equal(gmem_discard(&f->mem), 0);
	capture_begin(&c, STDERR_FILENO);
	ret = arm_boot_load(&f->mem, &f->boot, &f->entry);
	expect_silence(&c);
	assert_int_equal(ret, 0);
}

static void refused(struct fixture *f, const char *words)
{
	struct capture c;
	int ret;

	assert_int_equal(gmem_discard(&f->mem), 0);
	capture_begin(&c, STDERR_FILENO);
	ret = arm_boot_load(&f->mem, &f->boot, &f->entry);
	expect_line(&c, words);
	assert_true(ret < 0);
}

/* The file as it stands in f->bytes. */
static void kernel_loads(struct fixture *f)
{
	write_kernel(f, f->bytes, f->len);
	loads(f);
}

static void kernel_refused(struct fixture *f, const char *words)
{
	write_kernel(f, f->bytes, f->len);
	refused(f, words);
}

static void assert_ram(struct fixture *f, uint64_t gpa, const void *data, size_t len)
{
	const void *p = gmem_ptr(&f->mem, gpa, len);

	assert_non_null(p);
	assert_memory_equal(p, data, len);
}

static void assert_probe(struct fixture *f, bool aarch32, bool raw)
{
	struct arm_probe probe;

	assert_int_equal(arm_boot_probe(&f->boot, &probe), 0);
	assert_int_equal(probe.aarch32, aarch32);
	assert_int_equal(probe.raw, raw);
}

/* --- Image --------------------------------------------------------------------------- */

static void make_image(struct fixture *f, uint64_t text_offset, uint64_t image_size)
{
	memset(f->bytes, 0, 64);
	put(f, 8, 8, text_offset);
	put(f, 16, 8, image_size);
	put(f, 24, 8, 0xa);
	put(f, 56, 4, 0x644d5241);
}

static void image_goes_above_a_multiple_of_2_mib(void **state)
{
	struct fixture *f = *state;

	make_image(f, 0, 0x200000);
	kernel_loads(f);
	assert_false(f->entry.aarch32);
	assert_int_equal(f->entry.pc, RAM_GPA);
	assert_ram(f, RAM_GPA, f->bytes, f->len);
	assert_probe(f, false, false);
	make_image(f, 0x80000, 0x200000);
	kernel_loads(f);
	assert_int_equal(f->entry.pc, RAM_GPA + 0x80000);
	set_ram(f, RAM_GPA + MiB, RAM_LEN);
	kernel_loads(f);
	assert_int_equal(f->entry.pc, RAM_GPA + 2 * MiB + 0x80000);
}

static void tree_is_8_byte_aligned_and_crosses_no_2_mib(void **state)
{
	struct fixture *f = *state;
	static const uint64_t lens[] = { 0, 1, 4096, 70000, ARM_FDT_MAX };

	make_image(f, 0, 0x200000);
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		uint64_t len = lens[i] ? lens[i] : ARM_FDT_MAX;

		f->boot.dtb_len = lens[i];
		kernel_loads(f);
		assert_int_equal(f->entry.dtb_gpa % 4096, 0);
		assert_int_equal(f->entry.dtb_gpa / (2 * MiB),
				 (f->entry.dtb_gpa + len - 1) / (2 * MiB));
		assert_true(gmem_contains(&f->mem, f->entry.dtb_gpa, len));
		assert_true(f->entry.dtb_gpa >= RAM_GPA + 0x200000);
	}
}

static void nothing_overlaps(void **state)
{
	struct fixture *f = *state;
	const struct arm_entry *e = &f->entry;

	make_image(f, 0x1000, 3 * MiB);
	want_initrd(f, 100 * MiB + 5);
	kernel_loads(f);
	assert_int_equal(e->initrd_len, 100 * MiB + 5);
	assert_ram(f, e->initrd_gpa, "initrd", 6);
	assert_false(ranges_overlap(e->initrd_gpa, e->initrd_len, e->pc, 3 * MiB));
	assert_false(ranges_overlap(e->initrd_gpa, e->initrd_len, e->dtb_gpa, ARM_FDT_MAX));
	assert_false(ranges_overlap(e->dtb_gpa, ARM_FDT_MAX, e->pc, 3 * MiB));
}

static void kernel_stays_off_reserved_memory(void **state)
{
	struct fixture *f = *state;
	struct gmem_range reserved[] = { { RAM_GPA + 0x1000, 0x1000 }, { RAM_GPA + 3 * MiB, MiB },
					 { UINT64_MAX - 10, UINT64_MAX }, { 0, 0 } };

	f->boot.reserved = reserved;
	f->boot.n_reserved = ARRAY_SIZE(reserved);
	make_image(f, 0, 0x200000);
	kernel_loads(f);
	assert_int_equal(f->entry.pc, RAM_GPA + 4 * MiB);
	f->boot.n_reserved = ARM_BOOT_MAX_RESERVED + 1;
	refused(f, "33 reserved ranges of memory, at most 32");
}

/* Behind which it would begin at 0 again, where RAM is. */
static void case_95_memory_reserved_to_the_end_of_addresses(void **state)
{
	struct gmem_range ranges[] = { { 0, RAM_LEN } }, reserved[] = { { 0x1000, UINT64_MAX } };
	struct fixture *f = *state;

	gmem_finish(&f->mem);
	assert_int_equal(gmem_init(&f->mem, ranges, 1), 0);
	f->boot.ram = ranges[0];
	f->boot.reserved = reserved;
	f->boot.n_reserved = 1;
	make_image(f, 0, 0x200000);
	kernel_refused(f, "which the guest's 256 MiB of RAM do not have free");
}

static void case_94_image_that_does_not_fit(void **state)
{
	struct fixture *f = *state;

	make_image(f, 0, RAM_LEN);
	kernel_refused(f, "the device tree finds no room");
	make_image(f, 0, RAM_LEN + 1);
	kernel_refused(f, "needs 257 MiB at a multiple of 2 MiB");
	make_image(f, 0x1000, UINT64_MAX);
	kernel_refused(f, "give it more --memory");
	make_image(f, 0, RAM_LEN - ARM_FDT_MAX);
	kernel_loads(f);
}

static void case_94_image_with_an_absurd_text_offset(void **state)
{
	struct fixture *f = *state;

	make_image(f, 2 * MiB, 0x200000);
	kernel_refused(f, "wants to be 0x200000 bytes above a multiple of 2 MiB");
	make_image(f, UINT64_MAX, 0x200000);
	kernel_refused(f, "its header is damaged");
}

static void case_94_image_smaller_than_its_file(void **state)
{
	struct fixture *f = *state;

	make_image(f, 0, f->len - 1);
	kernel_refused(f, "its header speaks of 65535 bytes, it has 65536");
}

static void case_94_big_endian_image(void **state)
{
	struct fixture *f = *state;

	make_image(f, 0, 0x200000);
	put(f, 24, 8, 0xb);
	kernel_refused(f, "is a big-endian kernel");
}

static void image_of_old_has_no_size(void **state)
{
	struct fixture *f = *state;

	make_image(f, 0x123456, 0);
	kernel_loads(f);
	assert_int_equal(f->entry.pc, RAM_GPA + 0x80000);
	assert_ram(f, f->entry.pc, f->bytes, f->len);
}

static void a_kernel_of_the_other_width_is_refused(void **state)
{
	struct fixture *f = *state;

	make_image(f, 0, 0x200000);
	f->boot.width = ARM_WIDTH_64;
	kernel_loads(f);
	f->boot.width = ARM_WIDTH_32;
	kernel_refused(f, "is a 64-bit kernel, and 32-bit CPUs are asked for");
}

/* --- gzip -------------------------------------------------------------------------------- */

static size_t pack(const void *data, size_t len, uint8_t *out, size_t max)
{
	z_stream z = { .next_in = (void *)(uintptr_t)data, .avail_in = len, .next_out = out,
		       .avail_out = max };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static size_t write_packed(struct fixture *f)
{
	uint8_t out[2 * sizeof(f->bytes)];
	size_t len = pack(f->bytes, f->len, out, sizeof(out));

	write_kernel(f, out, len);
	return len;
}

static void image_gz_is_unpacked_into_its_place(void **state)
{
	struct fixture *f = *state;

	make_image(f, 0, 0x200000);
	write_packed(f);
	loads(f);
	assert_int_equal(f->entry.pc, RAM_GPA);
	assert_ram(f, RAM_GPA, f->bytes, f->len);
	assert_probe(f, false, false);
}

static void image_gz_of_old(void **state)
{
	struct fixture *f = *state;

	make_image(f, 0, 0);
	write_packed(f);
	loads(f);
	assert_ram(f, RAM_GPA + 0x80000, f->bytes, f->len);
}

static void case_96_gzip_bomb(void **state)
{
	struct fixture *f = *state;
	size_t len = 64 * MiB, max = MiB;
	uint8_t *zeros = calloc(1, len), *out = malloc(max);

	/* The header speaks of 2 MiB, and there are 64. */
	make_image(f, 0, 0x200000);
	memcpy(zeros, f->bytes, 64);
	write_kernel(f, out, pack(zeros, len, out, max));
	refused(f, "is larger than 2097152 bytes, for which there is room");
	/* One whose header does not say. */
	make_image(f, 0, 0);
	memcpy(zeros, f->bytes, 64);
	write_kernel(f, out, pack(zeros, len, out, max));
	set_ram(f, RAM_GPA, 32 * MiB);
	refused(f, "is larger than 33554432 bytes");
	free(zeros);
	free(out);
}

static void case_96_damaged_gzip(void **state)
{
	struct fixture *f = *state;
	size_t len;

	make_image(f, 0, 0x200000);
	len = write_packed(f);
	assert_int_equal(ftruncate(f->kernel_fd, len - 9), 0);
	refused(f, "its gzip data is damaged: the file ends too early");
	write_packed(f);
	assert_int_equal(pwrite(f->kernel_fd, "\xff\xff\xff\xff", 4, len - 8), 4);
	refused(f, "its gzip data is damaged: incorrect data check");
	write_packed(f);
	assert_int_equal(pwrite(f->kernel_fd, "\xff", 1, 10), 1);
	refused(f, "its gzip data is damaged: invalid block type");
	assert_int_equal(ftruncate(f->kernel_fd, 5), 0);
	refused(f, "the file ends too early");
}

static void gzip_of_something_else(void **state)
{
	struct fixture *f = *state;

	write_packed(f);
	refused(f, "is gzip-compressed, but neither an Image nor a zImage is in it");
}

/* --- zImage ------------------------------------------------------------------------------- */

static void make_zimage(struct fixture *f, uint32_t start, uint32_t end)
{
	memset(f->bytes, 0, 0x40);
	put(f, 0x24, 4, 0x016f2818);
	put(f, 0x28, 4, start);
	put(f, 0x2c, 4, end);
	put(f, 0x30, 4, 0x04030201);
}

/* The table at 0x100 that tells the size of the unpacked kernel. */
static void tell_size(struct fixture *f, uint32_t size, uint32_t bss)
{
	put(f, 0x34, 4, 0x45454545);
	put(f, 0x38, 4, 0x100);
	put(f, 0x100, 4, 2);
	put(f, 0x104, 4, 0x12345678);
	put(f, 0x108, 4, 4);
	put(f, 0x10c, 4, 0x5a534c4b);
	put(f, 0x110, 4, f->len - 4);
	put(f, 0x114, 4, bss);
	put(f, f->len - 4, 4, size);
}

static void zimage_goes_32_mib_up(void **state)
{
	struct fixture *f = *state;

	make_zimage(f, 0, f->len);
	want_initrd(f, 10 * MiB);
	kernel_loads(f);
	assert_true(f->entry.aarch32);
	assert_int_equal(f->entry.pc, RAM_GPA + 32 * MiB);
	assert_ram(f, f->entry.pc, f->bytes, f->len);
	assert_true(f->entry.initrd_gpa > RAM_GPA + 34 * MiB);
	assert_true(f->entry.dtb_gpa > RAM_GPA + 34 * MiB);
	assert_probe(f, true, false);
}

static void zimage_leaves_room_for_what_it_unpacks(void **state)
{
	struct fixture *f = *state;
	uint64_t used = 0x208000 + 100 * MiB + 20 * MiB + f->len + MiB;

	make_zimage(f, 0, f->len);
	tell_size(f, 100 * MiB, 20 * MiB);
	want_initrd(f, RAM_LEN - align_up(used, 4096) - ARM_FDT_MAX);
	kernel_loads(f);
	want_initrd(f, RAM_LEN - align_up(used, 4096) - ARM_FDT_MAX + 4096);
	refused(f, "finds no room beside the kernel");
}

static void zimage_in_much_ram_has_its_initrd_in_lowmem(void **state)
{
	struct fixture *f = *state;

	set_ram(f, RAM_GPA, 3 * GiB);
	make_zimage(f, 0, f->len);
	want_initrd(f, 10 * MiB);
	kernel_loads(f);
	assert_true(f->entry.initrd_gpa + 10 * MiB <= RAM_GPA + 512 * MiB);
	assert_true(f->entry.dtb_gpa + ARM_FDT_MAX <= RAM_GPA + 512 * MiB);
}

static void case_94_zimage_whose_table_lies(void **state)
{
	struct fixture *f = *state;

	make_zimage(f, 0, f->len);
	tell_size(f, 0xffffffff, 0xffffffff);
	kernel_refused(f, "needs 8196 MiB to unpack itself, the guest's RAM has 256");
	tell_size(f, 1, 1);
	kernel_loads(f);
	/* Beyond the file it says nothing. */
	tell_size(f, 0xffffffff, 0xffffffff);
	put(f, 0x110, 4, f->len - 3);
	kernel_loads(f);
	put(f, 0x38, 4, 0xfffffffe);
	kernel_loads(f);
	put(f, 0x38, 4, 0x100);
	put(f, 0x100, 4, 0xffffffff);
	kernel_loads(f);
	put(f, 0x100, 4, 0);
	kernel_loads(f);
}

static void case_94_zimage_start_and_end(void **state)
{
	struct fixture *f = *state;

	make_zimage(f, 0x100, 0x80);
	kernel_refused(f, "its header speaks of bytes 0x100 to 0x80, it has 65536");
	make_zimage(f, 0, f->len + 1);
	kernel_refused(f, "0 to 0x10001, it has 65536");
	make_zimage(f, 0, 0x33);
	kernel_refused(f, "is damaged");
	make_zimage(f, 0x60008000, 0x60008000 + f->len);
	kernel_loads(f);
}

static void case_94_big_endian_zimage(void **state)
{
	struct fixture *f = *state;

	make_zimage(f, 0, f->len);
	put(f, 0x24, 4, 0x18286f01);
	kernel_refused(f, "is a big-endian kernel");
}

static void zimage_with_a_tree_behind_it(void **state)
{
	struct fixture *f = *state;
	static const uint8_t magic[4] = { 0xd0, 0x0d, 0xfe, 0xed }, zeros[4];

	make_zimage(f, 0, f->len - 64);
	memcpy(f->bytes + f->len - 64, magic, 4);
	kernel_loads(f);
	/* Which is left off: ours is what it is to find. */
	assert_ram(f, f->entry.pc + f->len - 64, zeros, 4);
}

static void zimage_in_little_ram(void **state)
{
	struct fixture *f = *state;

	set_ram(f, RAM_GPA, 16 * MiB);
	make_zimage(f, 0, f->len);
	kernel_loads(f);
	assert_int_equal(f->entry.pc, RAM_GPA + 8 * MiB);
	set_ram(f, RAM_GPA, 2 * MiB);
	refused(f, "needs 4 MiB to unpack itself, the guest's RAM has 2");
}

static void zimage_packed_once_more(void **state)
{
	struct fixture *f = *state;

	make_zimage(f, 0, f->len);
	write_packed(f);
	loads(f);
	assert_ram(f, f->entry.pc, f->bytes, f->len);
	make_zimage(f, 0, f->len + 1);
	write_packed(f);
	refused(f, "0 to 0x10001, it has 65536");
}

/* --- uImage --------------------------------------------------------------------------------- */

struct uimage {
	uint32_t magic, hcrc, time, size, load, entry, dcrc;
	uint8_t os, arch, type, comp;
	char name[32];
};

static void seal_uimage(struct uimage *h)
{
	h->hcrc = 0;
	h->hcrc = htobe32(crc32(0, (const void *)h, sizeof(*h)));
}

static struct uimage make_uimage(const void *data, size_t len, unsigned arch, unsigned comp)
{
	struct uimage h = {
		.magic = htobe32(0x27051956),
		.size = htobe32(len),
		.load = htobe32(RAM_GPA + 0x100000),
		.entry = htobe32(RAM_GPA + 0x100040),
		.dcrc = htobe32(crc32(0, data, len)),
		.os = 5,
		.arch = arch,
		.type = 2,
		.comp = comp,
	};

	seal_uimage(&h);
	return h;
}

static void write_uimage(struct fixture *f, const struct uimage *h, const void *data, size_t len)
{
	write_kernel(f, h, sizeof(*h));
	assert_int_equal(pwrite(f->kernel_fd, data, len, sizeof(*h)), len);
}

static void uimage_of_a_zimage_goes_where_a_zimage_goes(void **state)
{
	struct fixture *f = *state;
	struct uimage h;

	make_zimage(f, 0, f->len);
	h = make_uimage(f->bytes, f->len, 2, 0);
	h.load = h.entry = htobe32(0x8000);
	seal_uimage(&h);
	write_uimage(f, &h, f->bytes, f->len);
	loads(f);
	assert_true(f->entry.aarch32);
	assert_int_equal(f->entry.pc, RAM_GPA + 32 * MiB);
	assert_ram(f, f->entry.pc, f->bytes, f->len);
	assert_probe(f, true, false);
}

static void uimage_of_a_packed_image(void **state)
{
	struct fixture *f = *state;
	uint8_t out[2 * sizeof(f->bytes)];
	struct uimage h;
	size_t len;

	make_image(f, 0, 0x200000);
	len = pack(f->bytes, f->len, out, sizeof(out));
	h = make_uimage(out, len, 22, 1);
	write_uimage(f, &h, out, len);
	loads(f);
	assert_false(f->entry.aarch32);
	assert_ram(f, RAM_GPA, f->bytes, f->len);
}

static void uimage_of_anything_goes_where_it_says(void **state)
{
	struct fixture *f = *state;
	struct uimage h = make_uimage(f->bytes, f->len, 22, 0);

	write_uimage(f, &h, f->bytes, f->len);
	loads(f);
	assert_int_equal(f->entry.pc, RAM_GPA + 0x100040);
	assert_ram(f, RAM_GPA + 0x100000, f->bytes, f->len);
	h.entry = htobe32(RAM_GPA + 0x100000 - 1);
	seal_uimage(&h);
	write_uimage(f, &h, f->bytes, f->len);
	refused(f, "its entry 0x400fffff is not in the 65536 bytes that it loads at 0x40100000");
	h.entry = htobe32(RAM_GPA + 0x100000 + f->len);
	seal_uimage(&h);
	write_uimage(f, &h, f->bytes, f->len);
	refused(f, "is not in the 65536 bytes");
	h.load = h.entry = htobe32(0x80000000);
	seal_uimage(&h);
	write_uimage(f, &h, f->bytes, f->len);
	refused(f, "is not in the guest's 260 MiB of RAM");
}

static void uimage_of_32_bits_in_much_ram_has_its_initrd_in_lowmem(void **state)
{
	struct fixture *f = *state;
	struct uimage h = make_uimage(f->bytes, f->len, 2, 0);

	set_ram(f, RAM_GPA, 3 * GiB);
	write_uimage(f, &h, f->bytes, f->len);
	want_initrd(f, 10 * MiB);
	loads(f);
	assert_true(f->entry.initrd_gpa + 10 * MiB <= RAM_GPA + 512 * MiB);
	assert_true(f->entry.dtb_gpa + ARM_FDT_MAX <= RAM_GPA + 512 * MiB);
}

static void refuse_uimage(struct fixture *f, struct uimage h, bool seal, const char *words)
{
	if (seal)
		seal_uimage(&h);
	write_uimage(f, &h, f->bytes, f->len);
	refused(f, words);
}

static void case_94_uimage_headers_that_lie(void **state)
{
	struct fixture *f = *state;
	struct uimage good = make_uimage(f->bytes, f->len, 2, 0), h;

	h = good, h.hcrc ^= 1;
	refuse_uimage(f, h, false, "the CRC of its uImage header is wrong");
	h = good, h.dcrc ^= 1;
	refuse_uimage(f, h, true, "the CRC of its uImage data is wrong");
	h = good, h.size = htobe32(f->len + 1);
	refuse_uimage(f, h, true, "its uImage header speaks of 65537 bytes, it has 65536");
	h = good, h.size = 0;
	refuse_uimage(f, h, true, "is truncated");
	h = good, h.arch = 3;
	refuse_uimage(f, h, true, "is a uImage for another architecture");
	h = good, h.type = 3;
	refuse_uimage(f, h, true, "is a uImage, but of no kernel");
	h = good, h.comp = 3;
	refuse_uimage(f, h, true, "packed by something other than gzip");
	h = good, h.comp = 1;
	refuse_uimage(f, h, true, "its gzip data is damaged");
	write_kernel(f, &good, 40);
	refused(f, "is truncated");
}

static void case_94_uimage_of_the_wrong_width(void **state)
{
	struct fixture *f = *state;
	struct uimage h;

	make_image(f, 0, 0x200000);
	h = make_uimage(f->bytes, f->len, 2, 0);
	write_uimage(f, &h, f->bytes, f->len);
	refused(f, "a uImage for 32-bit ARM with a kernel for 64-bit in it");
}

/* --- ELF --------------------------------------------------------------------------------- */

static void make_elf32(struct fixture *f, uint32_t paddr, uint32_t entry)
{
	Elf32_Ehdr e = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, 1 },
		.e_type = ET_EXEC, .e_machine = EM_ARM, .e_version = 1, .e_entry = entry,
		.e_phoff = 0x100, .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = 1,
	};
	Elf32_Phdr p = { .p_type = PT_LOAD, .p_offset = 0x1000, .p_paddr = paddr,
			 .p_filesz = 0x2000, .p_memsz = 0x3000 };

	memcpy(f->bytes, &e, sizeof(e));
	memcpy(f->bytes + 0x100, &p, sizeof(p));
}

static void make_elf64(struct fixture *f, uint64_t paddr, uint64_t entry, unsigned machine)
{
	Elf64_Ehdr e = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
		.e_type = ET_EXEC, .e_machine = machine, .e_version = 1, .e_entry = entry,
		.e_phoff = 0x100, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1,
	};
	Elf64_Phdr p = { .p_type = PT_LOAD, .p_offset = 0x1000, .p_paddr = paddr,
			 .p_filesz = 0x2000, .p_memsz = 0x3000 };

	memcpy(f->bytes, &e, sizeof(e));
	memcpy(f->bytes + 0x100, &p, sizeof(p));
}

static void elf_goes_to_its_physical_addresses(void **state)
{
	struct fixture *f = *state;

	make_elf64(f, RAM_GPA + 0x10000, RAM_GPA + 0x10004, EM_AARCH64);
	kernel_loads(f);
	assert_false(f->entry.aarch32);
	assert_int_equal(f->entry.pc, RAM_GPA + 0x10004);
	assert_ram(f, RAM_GPA + 0x10000, f->bytes + 0x1000, 0x2000);
	assert_probe(f, false, false);
	make_elf32(f, RAM_GPA, RAM_GPA + 1);
	kernel_loads(f);
	assert_true(f->entry.aarch32);
	assert_int_equal(f->entry.pc, RAM_GPA + 1);	/* Thumb */
	assert_probe(f, true, false);
}

static void elf_may_use_memory_that_is_no_ram(void **state)
{
	struct fixture *f = *state;

	make_elf64(f, LOW_GPA, 0x10, EM_AARCH64);
	kernel_loads(f);
	assert_ram(f, LOW_GPA, f->bytes + 0x1000, 0x2000);
	assert_true(f->entry.dtb_gpa >= RAM_GPA);
}

static void case_94_elf_of_virtual_addresses(void **state)
{
	struct fixture *f = *state;

	make_elf64(f, 0xffff800008000000, 0xffff800008000000, EM_AARCH64);
	kernel_refused(f, "is not in the guest's 260 MiB of RAM");
	make_elf64(f, RAM_GPA, 0xffff800008000000, EM_AARCH64);
	kernel_refused(f, "is at no physical address that it loads: of a kernel the Image");
	make_elf64(f, RAM_GPA, RAM_GPA, EM_X86_64);
	kernel_refused(f, "is an ELF file for machine 62, not for ARM");
}

/* --- firmware ------------------------------------------------------------------------------- */

static void firmware_goes_where_the_board_says(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/boot.XXXXXX.bin";
	int fd = mkstemps(path, 4), memfd = f->kernel_fd;

	assert_true(fd >= 0);
	f->kernel_fd = fd;
	f->boot.kernel = path;
	f->boot.raw_gpa = LOW_GPA;
	f->boot.raw_dtb_gpa = RAM_GPA;
	kernel_loads(f);
	assert_false(f->entry.aarch32);
	assert_int_equal(f->entry.pc, LOW_GPA);
	assert_int_equal(f->entry.dtb_gpa, RAM_GPA);
	assert_ram(f, LOW_GPA, f->bytes, f->len);
	assert_probe(f, false, true);
	f->boot.width = ARM_WIDTH_32;
	f->boot.raw_dtb_gpa = UINT64_MAX;
	kernel_loads(f);
	assert_true(f->entry.aarch32);
	assert_true(f->entry.dtb_gpa > RAM_GPA);
	assert_probe(f, true, true);
	/* It moves to the end of RAM, and is not to overwrite that. */
	want_initrd(f, MiB);
	kernel_loads(f);
	assert_int_equal(f->entry.initrd_gpa, RAM_GPA + RAM_LEN - 65 * MiB);
	set_ram(f, RAM_GPA, RAM_LEN / 2);
	kernel_loads(f);
	assert_true(f->entry.initrd_gpa > RAM_GPA + RAM_LEN / 2 - 4 * MiB);
	set_ram(f, RAM_GPA, RAM_LEN);
	f->boot.initrd = NULL;
	f->boot.raw_gpa = LOW_LEN;
	refused(f, "the firmware at 0x400000-0x40ffff is not in the guest's");
	/* A .bin that is a kernel is a kernel. */
	f->boot.width = ARM_WIDTH_AUTO;
	make_image(f, 0, 0x200000);
	kernel_loads(f);
	assert_int_equal(f->entry.pc, RAM_GPA);
	f->kernel_fd = memfd;
	close(fd);
	unlink(path);
}

/* --- files ----------------------------------------------------------------------------------- */

static void case_96_foreign_kernels(void **state)
{
	struct fixture *f = *state;
	static const struct {
		unsigned off, len;
		const char *magic, *words;
	} files[] = {
		{ 0, 6, "\xfd" "7zXZ\0", "(unxz)" },
		{ 0, 4, "BZh9", "(bunzip2)" },
		{ 0, 4, "\x28\xb5\x2f\xfd", "(unzstd)" },
		{ 0, 4, "\x02\x21\x4c\x18", "(unlz4)" },
		{ 0, 6, "070701", "is it the initrd?" },
		{ 0, 4, "\xd0\x0d\xfe\xed", "is a device tree" },
		{ 4, 4, "zimg", "is an EFI zboot image" },
		{ 0x202, 4, "HdrS", "is a kernel for x86" },
		{ 0, 2, "MZ", "is an EFI program" },
		{ 0, 1, "x", "is no ARM kernel: neither Image, zImage, uImage nor ELF" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		memset(f->bytes, 0, 4096);
		memcpy(f->bytes + files[i].off, files[i].magic, files[i].len);
		kernel_refused(f, files[i].words);
		write_kernel(f, f->bytes, files[i].off + files[i].len);
		refused(f, files[i].words);
	}
}

static void case_96_files_that_are_none(void **state)
{
	struct fixture *f = *state;

	refused(f, "is empty");
	f->boot.kernel = "/nonexistent";
	refused(f, "No such file or directory");
	f->boot.kernel = "/";
	refused(f, "is a directory");
	f->boot.kernel = f->kernel_path;
	make_image(f, 0, 0x200000);
	f->boot.initrd = "/dev/zero";
	kernel_refused(f, "/dev/zero: is a character device");
	f->boot.initrd = f->initrd_path;
	refused(f, "is empty");
	assert_int_equal(ftruncate(f->initrd_fd, INT64_MAX), 0);
	refused(f, "finds no room beside the kernel");
}

static void case_96_a_probe_that_fails_says_so(void **state)
{
	struct fixture *f = *state;
	struct arm_probe probe;
	struct capture c;
	int ret;

	write_kernel(f, "hello", 5);
	capture_begin(&c, STDERR_FILENO);
	ret = arm_boot_probe(&f->boot, &probe);
	expect_line(&c, "is no ARM kernel");
	assert_int_equal(ret, -ENOEXEC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(image_goes_above_a_multiple_of_2_mib),
		TEST(tree_is_8_byte_aligned_and_crosses_no_2_mib),
		TEST(nothing_overlaps),
		TEST(kernel_stays_off_reserved_memory),
		TEST(case_95_memory_reserved_to_the_end_of_addresses),
		TEST(case_94_image_that_does_not_fit),
		TEST(case_94_image_with_an_absurd_text_offset),
		TEST(case_94_image_smaller_than_its_file),
		TEST(case_94_big_endian_image),
		TEST(image_of_old_has_no_size),
		TEST(a_kernel_of_the_other_width_is_refused),
		TEST(image_gz_is_unpacked_into_its_place),
		TEST(image_gz_of_old),
		TEST(case_96_gzip_bomb),
		TEST(case_96_damaged_gzip),
		TEST(gzip_of_something_else),
		TEST(zimage_goes_32_mib_up),
		TEST(zimage_leaves_room_for_what_it_unpacks),
		TEST(zimage_in_much_ram_has_its_initrd_in_lowmem),
		TEST(case_94_zimage_whose_table_lies),
		TEST(case_94_zimage_start_and_end),
		TEST(case_94_big_endian_zimage),
		TEST(zimage_with_a_tree_behind_it),
		TEST(zimage_in_little_ram),
		TEST(zimage_packed_once_more),
		TEST(uimage_of_a_zimage_goes_where_a_zimage_goes),
		TEST(uimage_of_a_packed_image),
		TEST(uimage_of_anything_goes_where_it_says),
		TEST(uimage_of_32_bits_in_much_ram_has_its_initrd_in_lowmem),
		TEST(case_94_uimage_headers_that_lie),
		TEST(case_94_uimage_of_the_wrong_width),
		TEST(elf_goes_to_its_physical_addresses),
		TEST(elf_may_use_memory_that_is_no_ram),
		TEST(case_94_elf_of_virtual_addresses),
		TEST(firmware_goes_where_the_board_says),
		TEST(case_96_foreign_kernels),
		TEST(case_96_files_that_are_none),
		TEST(case_96_a_probe_that_fails_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
