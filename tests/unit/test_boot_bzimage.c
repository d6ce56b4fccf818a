/* SPDX-License-Identifier: MIT */
/* Kernels of the boot protocol, and everything about files that formats share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/x86/boot_int.h"
#include "arch/x86/layout.h"
#include "tests/boot_fixture.h"
#include "vmm/util.h"

#define PREF BZIMAGE_PREF
#define INIT_SIZE BZIMAGE_INIT_SIZE

static const struct boot_params *zero_page(struct boot_fixture *f)
{
	return gmem_ptr(&f->mem, X86_ZERO_PAGE_GPA, sizeof(struct boot_params));
}

static void assert_image_at(struct boot_fixture *f, uint64_t gpa)
{
	uint8_t bytes[BZIMAGE_IMAGE_LEN];

	assert_int_equal(gmem_read(&f->mem, gpa, bytes, sizeof(bytes)), 0);
	assert_memory_equal(bytes, f->img.bytes + BZIMAGE_SETUP_LEN, BZIMAGE_IMAGE_LEN);
	assert_int_equal(f->entry.mode, X86_ENTRY_LONG);
	assert_int_equal(f->entry.rip, gpa + 0x200);
	assert_int_equal(f->entry.arg, X86_ZERO_PAGE_GPA);
}

/* --- what a good kernel gets --------------------------------------------------- */

static void kernel_lies_at_its_preferred_address(void **state)
{
	struct boot_fixture *f = *state;

	boot_fixture_assert_loads(f);
	assert_image_at(f, PREF);
}

static void zero_page_tells_what_the_protocol_asks_for(void **state)
{
	struct boot_fixture *f = *state;
	const struct boot_params *bp;

	f->img.hdr->setup_data = 0xdead;
	f->img.hdr->ramdisk_image = 0xdead;
	f->img.bytes[0x1ef] = 0xff;	/* the sentinel, which must not be copied */
	boot_fixture_assert_loads(f);
	bp = zero_page(f);
	assert_int_equal(bp->hdr.header, 0x53726448);
	assert_int_equal(bp->hdr.version, 0x020f);
	assert_int_equal(bp->hdr.type_of_loader, 0xff);
	assert_int_equal(bp->hdr.loadflags, LOADED_HIGH);
	assert_int_equal(bp->hdr.code32_start, PREF);
	assert_int_equal(bp->hdr.cmd_line_ptr, X86_CMDLINE_GPA);
	assert_int_equal(bp->hdr.setup_data, 0);
	assert_int_equal(bp->hdr.ramdisk_image, 0);
	assert_int_equal(bp->hdr.ramdisk_size, 0);
	assert_int_equal(bp->acpi_rsdp_addr, 0xe0000);
	assert_int_equal(bp->sentinel, 0);
}

static void command_line_is_where_the_zero_page_says(void **state)
{
	struct boot_fixture *f = *state;

	f->boot.cmdline = "console=ttyS0 quiet";
	boot_fixture_assert_loads(f);
	assert_string_equal(gmem_ptr(&f->mem, zero_page(f)->hdr.cmd_line_ptr, 64),
			    "console=ttyS0 quiet");
}

static void no_command_line_is_an_empty_one(void **state)
{
	struct boot_fixture *f = *state;

	boot_fixture_assert_loads(f);
	assert_string_equal(gmem_ptr(&f->mem, X86_CMDLINE_GPA, 64), "");
}

static void gdt_has_the_segments_of_the_64_bit_entry(void **state)
{
	struct boot_fixture *f = *state;
	const uint64_t *gdt;

	boot_fixture_assert_loads(f);
	gdt = gmem_ptr(&f->mem, X86_GDT_GPA, X86_GDT_LIMIT + 1);
	assert_int_equal(gdt[0], 0);
	assert_int_equal(gdt[X86_BOOT_CS64 / 8], 0x00af9b000000ffff);
	assert_int_equal(gdt[X86_BOOT_DS / 8], 0x00cf93000000ffff);
	assert_int_equal(gdt[X86_BOOT_CS32 / 8], 0x00cf9b000000ffff);
}

/* As the CPU walks: PML4, PDPT, page directory, a large page. */
static uint64_t walk(const struct gmem *mem, uint64_t va)
{
	uint64_t table = X86_PAGE_TABLES_GPA;

	for (unsigned shift = 39; shift >= 21; shift -= 9) {
		const uint64_t *e = gmem_ptr(mem, table + ((va >> shift) & 511) * 8, 8);

		if (!e || (*e & 3) != 3)
			return UINT64_MAX;
		assert_int_equal(!!(*e & 0x80), shift == 21);
		table = *e & 0xffffffffff000;
	}
	return table | (va & 0x1fffff);
}

static void page_tables_map_4_gib_one_to_one(void **state)
{
	struct boot_fixture *f = *state;

	boot_fixture_assert_loads(f);
	for (uint64_t va = 0; va < X86_HIGH_RAM_BASE; va += 0x1fff01)
		assert_int_equal(walk(&f->mem, va), va);
	assert_int_equal(walk(&f->mem, X86_HIGH_RAM_BASE - 1), X86_HIGH_RAM_BASE - 1);
	assert_int_equal(walk(&f->mem, X86_HIGH_RAM_BASE), UINT64_MAX);
}

static void assert_e820(const struct boot_e820_entry *e, uint64_t start, uint64_t end,
			uint32_t type)
{
	assert_int_equal(e->addr, start);
	assert_int_equal(e->addr + e->size, end);
	assert_int_equal(e->type, type);
}

static void memory_map_of_a_small_guest(void **state)
{
	struct boot_fixture *f = *state;
	const struct boot_params *bp;

	boot_fixture_assert_loads(f);
	bp = zero_page(f);
	assert_int_equal(bp->e820_entries, 5);
	assert_e820(&bp->e820_table[0], 0, X86_EBDA_GPA, BOOT_E820_RAM);
	assert_e820(&bp->e820_table[1], X86_EBDA_GPA, 1 * MiB, BOOT_E820_RESERVED);
	assert_e820(&bp->e820_table[2], 1 * MiB, BOOT_FIXTURE_RAM, BOOT_E820_RAM);
	assert_e820(&bp->e820_table[3], X86_ECAM_GPA, X86_ECAM_GPA + MiB, BOOT_E820_RESERVED);
	assert_e820(&bp->e820_table[4], X86_IDENTITY_MAP_GPA, X86_TSS_GPA + 0x3000,
		    BOOT_E820_RESERVED);
}

static void memory_map_of_a_guest_with_ram_above_the_hole(void **state)
{
	struct boot_fixture *f = *state;
	const struct gmem_range ram[] = { { 0, X86_LOW_RAM_MAX }, { X86_HIGH_RAM_BASE, 5 * GiB } };
	const struct boot_params *bp;

	boot_fixture_ram(f, ram, 2);
	boot_fixture_assert_loads(f);
	bp = zero_page(f);
	assert_int_equal(bp->e820_entries, 6);
	assert_e820(&bp->e820_table[2], 1 * MiB, X86_LOW_RAM_MAX, BOOT_E820_RAM);
	assert_e820(&bp->e820_table[5], X86_HIGH_RAM_BASE, 9 * GiB, BOOT_E820_RAM);
}

static void memory_map_of_a_guest_with_a_hole_for_vga(void **state)
{
	struct boot_fixture *f = *state;
	const struct gmem_range ram[] = {
		{ 0, X86_VGA_HOLE_GPA }, { X86_VGA_HOLE_END, 64 * MiB - X86_VGA_HOLE_END },
	};
	const struct boot_params *bp;

	boot_fixture_ram(f, ram, 2);
	boot_fixture_assert_loads(f);
	bp = zero_page(f);
	assert_int_equal(bp->e820_entries, 6);
	assert_e820(&bp->e820_table[0], 0, X86_EBDA_GPA, BOOT_E820_RAM);
	assert_e820(&bp->e820_table[1], X86_EBDA_GPA, X86_VGA_HOLE_GPA, BOOT_E820_RESERVED);
	assert_e820(&bp->e820_table[2], X86_VGA_HOLE_END, 1 * MiB, BOOT_E820_RESERVED);
	assert_e820(&bp->e820_table[3], 1 * MiB, 64 * MiB, BOOT_E820_RAM);
}

static void zero_page_says_what_the_screen_shows(void **state)
{
	struct boot_fixture *f = *state;
	const struct screen_info *si;

	boot_fixture_assert_loads(f);
	si = &zero_page(f)->screen_info;
	/* Nothing: no kernel looks for VGA. */
	assert_int_equal(si->orig_video_isVGA, 0);
	assert_int_equal(si->orig_video_lines, 0);
	f->boot.screen = (struct x86_screen){ .there = true, .base = 0xc0000000, .size = 4 * MiB };
	boot_fixture_assert_loads(f);
	assert_int_equal(si->orig_video_isVGA, 1);
	assert_int_equal(si->orig_video_mode, 3);
	assert_int_equal(si->orig_video_cols, 80);
	assert_int_equal(si->orig_video_lines, 25);
	assert_int_equal(si->orig_video_points, 16);
	f->boot.screen.planar = true;
	boot_fixture_assert_loads(f);
	assert_int_equal(si->orig_video_isVGA, VIDEO_TYPE_VGAC);
	assert_int_equal(si->orig_video_mode, 0x12);
	assert_int_equal(si->orig_video_cols, 80);
	assert_int_equal(si->orig_video_lines, 30);
	assert_int_equal(si->orig_video_points, 16);
	assert_int_equal(si->lfb_base, 0);
	f->boot.screen.planar = false;
	f->boot.screen.width = 1024;
	f->boot.screen.height = 768;
	boot_fixture_assert_loads(f);
	assert_int_equal(si->orig_video_isVGA, VIDEO_TYPE_VLFB);
	assert_int_equal(si->lfb_width, 1024);
	assert_int_equal(si->lfb_height, 768);
	assert_int_equal(si->lfb_depth, 32);
	assert_int_equal(si->lfb_linelength, 4096);
	assert_int_equal(si->lfb_base, 0xc0000000);
	assert_int_equal(si->lfb_size, 4 * MiB >> 16);
	assert_int_equal(si->red_pos, 16);
}

static void relocatable_kernel_is_aligned_up(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->pref_address = PREF + 0x1000;
	f->img.hdr->kernel_alignment = 0x400000;
	boot_fixture_assert_loads(f);
	assert_image_at(f, PREF + 0x400000);
}

static void relocatable_kernel_that_prefers_low_memory_goes_above_1_mib(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->pref_address = 0x1000;
	boot_fixture_assert_loads(f);
	assert_image_at(f, 0x200000);
}

static void kernel_that_cannot_be_relocated_stays_where_it_wants_to_be(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->relocatable_kernel = 0;
	f->img.hdr->kernel_alignment = 0;
	f->img.hdr->pref_address = PREF + 0x1000;
	boot_fixture_assert_loads(f);
	assert_image_at(f, PREF + 0x1000);
}

static void setup_sects_of_0_means_4(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->setup_sects = 0;
	boot_fixture_assert_loads(f);
	assert_image_at(f, PREF);
}

static void bytes_after_the_image_are_not_loaded(void **state)
{
	struct boot_fixture *f = *state;
	const uint8_t *after;

	/* A signature, for instance. */
	f->img.hdr->syssize -= 1;
	boot_fixture_assert_loads(f);
	after = gmem_ptr(&f->mem, PREF + BZIMAGE_IMAGE_LEN - 16, 16);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(after[i], 0);
}

static void header_that_ends_early_reads_as_zeros(void **state)
{
	struct boot_fixture *f = *state;

	/* Up to and with init_size. */
	f->img.hdr->jump = (0x264 - 0x202) << 8 | 0xeb;
	f->img.hdr->handover_offset = 0xdead;
	boot_fixture_assert_loads(f);
	assert_int_equal(zero_page(f)->hdr.handover_offset, 0);
	assert_int_equal(zero_page(f)->hdr.init_size, INIT_SIZE);
}

static void initrd_goes_to_the_end_of_ram(void **state)
{
	struct boot_fixture *f = *state;
	const char data[] = "an initrd";

	boot_fixture_initrd(f, data, sizeof(data));
	boot_fixture_assert_loads(f);
	assert_int_equal(zero_page(f)->hdr.ramdisk_image, BOOT_FIXTURE_RAM - 0x1000);
	assert_int_equal(zero_page(f)->hdr.ramdisk_size, sizeof(data));
	assert_int_equal(zero_page(f)->ext_ramdisk_image, 0);
	assert_string_equal(gmem_ptr(&f->mem, BOOT_FIXTURE_RAM - 0x1000, sizeof(data)), data);
}

static void initrd_stays_below_the_kernels_limit(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->initrd_addr_max = 0x1ffffff;
	boot_fixture_initrd(f, "x", 1);
	boot_fixture_assert_loads(f);
	assert_int_equal(zero_page(f)->hdr.ramdisk_image, 0x1fff000);
}

static void initrd_goes_below_a_kernel_that_takes_the_end_of_ram(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->init_size = BOOT_FIXTURE_RAM - PREF;
	boot_fixture_initrd(f, "x", 1);
	boot_fixture_assert_loads(f);
	assert_int_equal(zero_page(f)->hdr.ramdisk_image, PREF - 0x1000);
}

static const struct gmem_range low_and_high[] = {
	{ 0, 0x1300000 },
	{ X86_HIGH_RAM_BASE, 32 * MiB },
};

static void initrd_goes_above_4_gib_when_the_kernel_can_and_must(void **state)
{
	struct boot_fixture *f = *state;
	uint64_t gpa;

	boot_fixture_ram(f, low_and_high, 2);
	f->img.hdr->xloadflags |= XLF_CAN_BE_LOADED_ABOVE_4G;
	boot_fixture_initrd(f, "", 0);
	assert_int_equal(ftruncate(f->initrd_fd, 20 * MiB), 0);
	boot_fixture_assert_loads(f);
	gpa = zero_page(f)->hdr.ramdisk_image | (uint64_t)zero_page(f)->ext_ramdisk_image << 32;
	assert_int_equal(gpa, X86_HIGH_RAM_BASE + 12 * MiB);
}

static void initrd_for_a_kernel_that_needs_it_low_is_refused_high(void **state)
{
	struct boot_fixture *f = *state;

	boot_fixture_ram(f, low_and_high, 2);
	boot_fixture_initrd(f, "", 0);
	assert_int_equal(ftruncate(f->initrd_fd, 20 * MiB), 0);
	assert_true(boot_fixture_load_img(f) < 0);
	boot_fixture_assert_said(f, f->initrd_path, "initrd of 20 MiB finds no room");
}

static void kernel_may_span_adjoining_regions(void **state)
{
	struct boot_fixture *f = *state;
	const struct gmem_range ram[] = { { 0, PREF + 0x3000 }, { PREF + 0x3000, 16 * MiB } };

	boot_fixture_ram(f, ram, 2);
	boot_fixture_assert_loads(f);
	assert_image_at(f, PREF);
}

static void kernel_must_not_span_a_hole(void **state)
{
	struct boot_fixture *f = *state;
	const struct gmem_range ram[] = { { 0, PREF + 0x3000 }, { PREF + 0x4000, 16 * MiB } };

	boot_fixture_ram(f, ram, 2);
	boot_fixture_assert_refused(f, "the kernel at 0x1000000-0x11fffff is not in "
				    "the guest's 33 MiB of RAM");
}

/* --- hostile kernels -------------------------------------------------------------- */

static void case_91_truncated_anywhere(void **state)
{
	struct boot_fixture *f = *state;

	for (size_t len = 0; len < BZIMAGE_LEN; len += len < 0x300 ? 1 : 61) {
		boot_fixture_kernel(f, f->img.bytes, len);
		assert_true(boot_fixture_load(f) < 0);
		boot_fixture_assert_said(f, f->kernel_path, "");
	}
}

static void case_91_truncated_header(void **state)
{
	struct boot_fixture *f = *state;

	boot_fixture_kernel(f, f->img.bytes, 0x210);
	assert_true(boot_fixture_load(f) < 0);
	boot_fixture_assert_said(f, f->kernel_path, "is truncated within its header");
}

static void case_91_setup_sects_past_the_end(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->setup_sects = 0xff;
	boot_fixture_assert_refused(f, "its header speaks of 163840 bytes, it has 35328");
}

static void case_91_syssize_past_the_end(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->syssize = UINT32_MAX;
	boot_fixture_assert_refused(f, "is truncated");
	f->img.hdr->syssize = BZIMAGE_IMAGE_LEN / 16 + 1;
	boot_fixture_assert_refused(f, "is truncated");
}

static void case_91_image_too_short_for_its_entry(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->syssize = 0x200 / 16;
	boot_fixture_assert_refused(f, "is truncated");
	f->img.hdr->syssize = 0;
	boot_fixture_assert_refused(f, "is truncated");
}

static void case_91_no_hdrs(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->header ^= 1;
	boot_fixture_assert_refused(f, "neither a bzImage nor an ELF file");
}

static void case_91_no_boot_flag(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->boot_flag = 0;
	boot_fixture_assert_refused(f, "boot flag 0 instead of 0xaa55");
}

static void case_91_old_protocol(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->version = 0x020b;
	boot_fixture_assert_refused(f, "boot protocol 2.11 is too old");
	f->img.hdr->version = 0;
	boot_fixture_assert_refused(f, "boot protocol 0.00 is too old");
}

static void case_91_zimage(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->loadflags = 0;
	boot_fixture_assert_refused(f, "a bzImage is needed");
}

static void case_91_32_bit_kernel(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->xloadflags = XLF_CAN_BE_LOADED_ABOVE_4G;
	boot_fixture_assert_refused(f, "is a 32-bit kernel");
}

static void case_91_init_size_above_ram(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->init_size = BOOT_FIXTURE_RAM - PREF + 1;
	boot_fixture_assert_refused(f, "is not in the guest's 64 MiB of RAM");
	f->img.hdr->init_size = UINT32_MAX;
	boot_fixture_assert_refused(f, "does not end below 4 GiB");
}

static void case_91_image_larger_than_init_size(void **state)
{
	struct boot_fixture *f = *state;

	/* The file is what counts then: its end must not reach over RAM's. */
	f->img.hdr->relocatable_kernel = 0;
	f->img.hdr->pref_address = BOOT_FIXTURE_RAM - 0x1000;
	f->img.hdr->init_size = 0x1000;
	boot_fixture_assert_refused(f, "is not in the guest's 64 MiB of RAM");
}

static void case_91_pref_address_above_ram(void **state)
{
	struct boot_fixture *f = *state;
	static const uint64_t addresses[] = {
		BOOT_FIXTURE_RAM, 0xfffff000, X86_HIGH_RAM_BASE, UINT64_MAX, UINT64_MAX - 0xfff,
		INT64_MAX,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
		for (unsigned relocatable = 0; relocatable < 2; relocatable++) {
			f->img.hdr->relocatable_kernel = relocatable;
			f->img.hdr->pref_address = addresses[i];
			assert_true(boot_fixture_load_img(f) < 0);
			boot_fixture_assert_said(f, f->kernel_path, "");
		}
	}
}

static void case_91_alignment_is_no_power_of_two(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->kernel_alignment = 0x300000;
	boot_fixture_assert_refused(f, "its alignment 0x300000 is no power of two");
	f->img.hdr->kernel_alignment = 0;
	boot_fixture_assert_refused(f, "its alignment 0 is no power of two");
}

static void case_91_alignment_beyond_ram(void **state)
{
	struct boot_fixture *f = *state;

	f->img.hdr->kernel_alignment = 1u << 31;
	boot_fixture_assert_refused(f, "the kernel at 0x80000000-0x801fffff is not in");
}

static void case_93_kernel_over_what_the_loader_writes(void **state)
{
	struct boot_fixture *f = *state;
	static const struct {
		uint64_t gpa;
		const char *what;
	} places[] = {
		{ X86_GDT_GPA, "the GDT" },
		{ X86_PVH_INFO_GPA, "the PVH start info" },
		{ X86_ZERO_PAGE_GPA, "the boot parameters" },
		{ 0x8000, "the boot stack" },
		{ X86_PAGE_TABLES_GPA, "the page tables" },
		{ X86_PAGE_TABLES_GPA + 0x5000, "the page tables" },
		{ X86_CMDLINE_GPA, "the command line" },
		{ X86_ACPI_GPA + X86_ACPI_MAX - 1, "the ACPI tables" },
		{ X86_EBDA_GPA, "the first MiB" },
	};

	f->img.hdr->relocatable_kernel = 0;
	f->img.hdr->init_size = 0x100;
	f->img.hdr->syssize = 0x210 / 16;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		char words[64];

		f->img.hdr->pref_address = places[i].gpa;
		snprintf(words, sizeof(words), "overlaps %s at", places[i].what);
		boot_fixture_assert_refused(f, words);
		assert_non_null(strstr(f->log, "the kernel at"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOOT_TEST(kernel_lies_at_its_preferred_address),
		BOOT_TEST(zero_page_tells_what_the_protocol_asks_for),
		BOOT_TEST(command_line_is_where_the_zero_page_says),
		BOOT_TEST(no_command_line_is_an_empty_one),
		BOOT_TEST(gdt_has_the_segments_of_the_64_bit_entry),
		BOOT_TEST(page_tables_map_4_gib_one_to_one),
		BOOT_TEST(memory_map_of_a_small_guest),
		BOOT_TEST(memory_map_of_a_guest_with_ram_above_the_hole),
		BOOT_TEST(memory_map_of_a_guest_with_a_hole_for_vga),
		BOOT_TEST(zero_page_says_what_the_screen_shows),
		BOOT_TEST(relocatable_kernel_is_aligned_up),
		BOOT_TEST(relocatable_kernel_that_prefers_low_memory_goes_above_1_mib),
		BOOT_TEST(kernel_that_cannot_be_relocated_stays_where_it_wants_to_be),
		BOOT_TEST(setup_sects_of_0_means_4),
		BOOT_TEST(bytes_after_the_image_are_not_loaded),
		BOOT_TEST(header_that_ends_early_reads_as_zeros),
		BOOT_TEST(initrd_goes_to_the_end_of_ram),
		BOOT_TEST(initrd_stays_below_the_kernels_limit),
		BOOT_TEST(initrd_goes_below_a_kernel_that_takes_the_end_of_ram),
		BOOT_TEST(initrd_goes_above_4_gib_when_the_kernel_can_and_must),
		BOOT_TEST(initrd_for_a_kernel_that_needs_it_low_is_refused_high),
		BOOT_TEST(kernel_may_span_adjoining_regions),
		BOOT_TEST(kernel_must_not_span_a_hole),
		BOOT_TEST(case_91_truncated_anywhere),
		BOOT_TEST(case_91_truncated_header),
		BOOT_TEST(case_91_setup_sects_past_the_end),
		BOOT_TEST(case_91_syssize_past_the_end),
		BOOT_TEST(case_91_image_too_short_for_its_entry),
		BOOT_TEST(case_91_no_hdrs),
		BOOT_TEST(case_91_no_boot_flag),
		BOOT_TEST(case_91_old_protocol),
		BOOT_TEST(case_91_zimage),
		BOOT_TEST(case_91_32_bit_kernel),
		BOOT_TEST(case_91_init_size_above_ram),
		BOOT_TEST(case_91_image_larger_than_init_size),
		BOOT_TEST(case_91_pref_address_above_ram),
		BOOT_TEST(case_91_alignment_is_no_power_of_two),
		BOOT_TEST(case_91_alignment_beyond_ram),
		BOOT_TEST(case_93_kernel_over_what_the_loader_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
