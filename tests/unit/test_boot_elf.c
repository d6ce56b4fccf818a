/* SPDX-License-Identifier: MIT */
/* ELF kernels: the entry by PVH and the 64-bit one. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/x86/boot_int.h"
#include "arch/x86/layout.h"
#include "tests/boot_fixture.h"
#include "vmm/util.h"

#define LOAD 0x1000000ull
#define TEXT_OFF 0x1000
#define TEXT_LEN 0x2000
#define NOTE_OFF 0x800
#define DATA_GPA (LOAD + 0x4000)
#define DATA_OFF (TEXT_OFF + TEXT_LEN)
#define DATA_LEN 0x100
#define DATA_MEM 0x3000
#define FILE_LEN (DATA_OFF + DATA_LEN)

/* 64-bit, text, data with bss, and a segment for notes; pvh: with the note. */
struct elf64 {
	uint8_t bytes[FILE_LEN];
	Elf64_Ehdr *e;
	Elf64_Phdr *text, *data, *note;
};

struct pvh_note {
	Elf32_Nhdr n;
	char name[4];
	uint64_t entry;
};

static void elf64_init(struct elf64 *elf, bool pvh)
{
	struct pvh_note *note = (struct pvh_note *)(elf->bytes + NOTE_OFF);

	memset(elf, 0, sizeof(*elf));
	for (unsigned i = TEXT_OFF; i < FILE_LEN; i++)
		elf->bytes[i] = i * 7 + (i >> 8);
	elf->e = (Elf64_Ehdr *)elf->bytes;
	*elf->e = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = LOAD + 0x10,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	};
	elf->text = (Elf64_Phdr *)(elf->bytes + sizeof(Elf64_Ehdr));
	elf->data = elf->text + 1;
	elf->note = elf->text + 2;
	*elf->text = (Elf64_Phdr){ PT_LOAD, PF_R, TEXT_OFF, 0, LOAD, TEXT_LEN, TEXT_LEN, 1 };
	*elf->data = (Elf64_Phdr){ PT_LOAD, PF_R, DATA_OFF, 0, DATA_GPA, DATA_LEN, DATA_MEM, 1 };
	*elf->note = (Elf64_Phdr){ PT_NOTE, PF_R, NOTE_OFF, 0, 0, sizeof(*note), sizeof(*note), 4 };
	*note = (struct pvh_note){ { 4, 8, pvh ? 18 : 17 }, "Xen", LOAD + 0x20 };
}

struct elf_state {
	struct boot_fixture f;
	struct elf64 elf;
};

static int setup_elf(void **state)
{
	struct elf_state *s = malloc(sizeof(*s));

	if (!s)
		return -1;
	boot_fixture_init(&s->f);
	elf64_init(&s->elf, false);
	*state = s;
	return 0;
}

static int teardown_elf(void **state)
{
	struct elf_state *s = *state;

	boot_fixture_finish(&s->f);
	free(s);
	return 0;
}

static int load(struct elf_state *s)
{
	boot_fixture_kernel(&s->f, s->elf.bytes, FILE_LEN);
	return boot_fixture_load(&s->f);
}

static void assert_loads(struct elf_state *s)
{
	int ret = load(s);

	assert_string_equal(s->f.log, "");
	assert_int_equal(ret, 0);
}

static void assert_refused(struct elf_state *s, const char *words)
{
	assert_true(load(s) < 0);
	boot_fixture_assert_said(&s->f, s->f.kernel_path, words);
}

/* --- what a good kernel gets -------------------------------------------------- */

static void segments_lie_at_their_physical_addresses(void **state)
{
	struct elf_state *s = *state;
	uint8_t zeros[DATA_MEM - DATA_LEN] = { 0 };

	assert_loads(s);
	assert_memory_equal(gmem_ptr(&s->f.mem, LOAD, TEXT_LEN), s->elf.bytes + TEXT_OFF, TEXT_LEN);
	assert_memory_equal(gmem_ptr(&s->f.mem, DATA_GPA, DATA_LEN), s->elf.bytes + DATA_OFF,
			    DATA_LEN);
	assert_memory_equal(gmem_ptr(&s->f.mem, DATA_GPA + DATA_LEN, sizeof(zeros)), zeros,
			    sizeof(zeros));
}

static void without_the_pvh_note_it_is_entered_in_64_bit_mode(void **state)
{
	struct elf_state *s = *state;
	const struct boot_params *bp;

	s->f.boot.cmdline = "a=b";
	boot_fixture_initrd(&s->f, "initrd", 6);
	assert_loads(s);
	assert_int_equal(s->f.entry.mode, X86_ENTRY_LONG);
	assert_int_equal(s->f.entry.rip, LOAD + 0x10);
	assert_int_equal(s->f.entry.arg, X86_ZERO_PAGE_GPA);
	bp = gmem_ptr(&s->f.mem, X86_ZERO_PAGE_GPA, sizeof(*bp));
	assert_int_equal(bp->hdr.header, 0x53726448);
	assert_int_equal(bp->hdr.type_of_loader, 0xff);
	assert_int_equal(bp->hdr.ramdisk_image, BOOT_FIXTURE_RAM - 0x1000);
	assert_int_equal(bp->hdr.ramdisk_size, 6);
	assert_int_equal(bp->acpi_rsdp_addr, 0xe0000);
	assert_int_equal(bp->e820_entries, 5);
	assert_string_equal(gmem_ptr(&s->f.mem, bp->hdr.cmd_line_ptr, 16), "a=b");
}

static uint64_t start_info(struct elf_state *s, unsigned off, unsigned size)
{
	return load_le(gmem_ptr(&s->f.mem, X86_PVH_INFO_GPA + off, size), size);
}

/* public/arch-x86/hvm/start_info.h, by offset. */
static void with_the_pvh_note_it_is_entered_with_a_start_info(void **state)
{
	struct elf_state *s = *state;

	elf64_init(&s->elf, true);
	assert_loads(s);
	assert_int_equal(s->f.entry.mode, X86_ENTRY_PVH);
	assert_int_equal(s->f.entry.rip, LOAD + 0x20);
	assert_int_equal(s->f.entry.arg, X86_PVH_INFO_GPA);
	assert_int_equal(start_info(s, 0, 4), 0x336ec578);
	assert_int_equal(start_info(s, 4, 4), 1);
	assert_int_equal(start_info(s, 8, 4), 0);
	assert_int_equal(start_info(s, 12, 4), 0);
	assert_int_equal(start_info(s, 16, 8), 0);
	assert_int_equal(start_info(s, 24, 8), X86_CMDLINE_GPA);
	assert_int_equal(start_info(s, 32, 8), 0xe0000);
	assert_int_equal(start_info(s, 48, 4), 5);
}

static void start_info_lists_the_initrd(void **state)
{
	struct elf_state *s = *state;
	const uint64_t *module;

	elf64_init(&s->elf, true);
	boot_fixture_initrd(&s->f, "initrd", 6);
	assert_loads(s);
	assert_int_equal(start_info(s, 12, 4), 1);
	module = gmem_ptr(&s->f.mem, start_info(s, 16, 8), 32);
	assert_int_equal(module[0], BOOT_FIXTURE_RAM - 0x1000);
	assert_int_equal(module[1], 6);
	assert_int_equal(module[2], 0);
}

static void start_info_maps_the_memory(void **state)
{
	struct elf_state *s = *state;
	const uint64_t *map;

	elf64_init(&s->elf, true);
	assert_loads(s);
	map = gmem_ptr(&s->f.mem, start_info(s, 40, 8), 5 * 24);
	assert_int_equal(map[0], 0);
	assert_int_equal(map[1], X86_EBDA_GPA);
	assert_int_equal(map[2], BOOT_E820_RAM);
	assert_int_equal(map[6], 1 * MiB);
	assert_int_equal(map[7], BOOT_FIXTURE_RAM - MiB);
	assert_int_equal(map[8], BOOT_E820_RAM);
}

static void pvh_note_of_4_bytes_will_do(void **state)
{
	struct elf_state *s = *state;
	struct pvh_note *note = (struct pvh_note *)(s->elf.bytes + NOTE_OFF);

	elf64_init(&s->elf, true);
	note->n.n_descsz = 4;
	s->elf.note->p_filesz = sizeof(*note) - 4;
	assert_loads(s);
	assert_int_equal(s->f.entry.rip, LOAD + 0x20);
}

static void pvh_note_is_found_behind_others(void **state)
{
	struct elf_state *s = *state;
	uint8_t *notes = s->elf.bytes + NOTE_OFF;
	Elf32_Nhdr build_id = { 4, 5, 3 }, linux_note = { 6, 0, 18 };
	struct pvh_note pvh = { { 4, 8, 18 }, "Xen", LOAD + 0x30 };

	/* Names and descriptions are padded to 4 bytes; type 18 of others is not ours. */
	memset(notes, 0, 0x100);
	memcpy(notes, &build_id, 12), memcpy(notes + 12, "GNU", 4);
	memcpy(notes + 24, &linux_note, 12), memcpy(notes + 36, "Linux", 6);
	memcpy(notes + 44, &pvh, sizeof(pvh));
	s->elf.note->p_filesz = 44 + 24;
	assert_loads(s);
	assert_int_equal(s->f.entry.mode, X86_ENTRY_PVH);
	assert_int_equal(s->f.entry.rip, LOAD + 0x30);
}

/* The smallest payload: ELF32, one segment, one note. */
static size_t elf32_build(uint8_t *bytes, bool pvh)
{
	Elf32_Ehdr e = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_phoff = sizeof(e),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 2,
	};
	Elf32_Phdr p[2] = {
		{ PT_LOAD, 0x200, 0, LOAD, 0x100, 0x1000, PF_R | PF_X, 1 },
		{ PT_NOTE, 0x100, 0, 0, 20, 20, PF_R, 4 },
	};
	struct pvh_note note = { { 4, 4, pvh ? 18 : 17 }, "Xen", LOAD };

	memset(bytes, 0xcc, 0x300);
	memcpy(bytes, &e, sizeof(e));
	memcpy(bytes + sizeof(e), p, sizeof(p));
	memcpy(bytes + 0x100, &note, 20);
	return 0x300;
}

static void pvh_payload_may_be_elf32(void **state)
{
	struct elf_state *s = *state;
	uint8_t bytes[0x300];

	boot_fixture_kernel(&s->f, bytes, elf32_build(bytes, true));
	assert_int_equal(boot_fixture_load(&s->f), 0);
	assert_int_equal(s->f.entry.mode, X86_ENTRY_PVH);
	assert_int_equal(s->f.entry.rip, LOAD);
	assert_memory_equal(gmem_ptr(&s->f.mem, LOAD, 0x100), bytes + 0x200, 0x100);
}

static void elf32_without_pvh_has_no_entry(void **state)
{
	struct elf_state *s = *state;
	uint8_t bytes[0x300];

	boot_fixture_kernel(&s->f, bytes, elf32_build(bytes, false));
	assert_int_equal(boot_fixture_load(&s->f), -ENOEXEC);
	boot_fixture_assert_said(&s->f, s->f.kernel_path, "32-bit ELF file without a PVH entry");
}

static void segment_without_memory_is_skipped(void **state)
{
	struct elf_state *s = *state;

	s->elf.data->p_filesz = 0;
	s->elf.data->p_memsz = 0;
	s->elf.data->p_paddr = 0;
	assert_loads(s);
}

static void segments_may_lie_above_4_gib(void **state)
{
	struct elf_state *s = *state;
	const struct gmem_range ram[] = { { 0, 32 * MiB }, { X86_HIGH_RAM_BASE, 32 * MiB } };

	boot_fixture_ram(&s->f, ram, 2);
	s->elf.data->p_paddr = X86_HIGH_RAM_BASE;
	assert_loads(s);
	assert_memory_equal(gmem_ptr(&s->f.mem, X86_HIGH_RAM_BASE, DATA_LEN),
			    s->elf.bytes + DATA_OFF, DATA_LEN);
}

/* --- hostile ones ----------------------------------------------------------------- */

static void case_92_truncated_anywhere(void **state)
{
	struct elf_state *s = *state;

	elf64_init(&s->elf, true);
	for (size_t len = 4; len < FILE_LEN; len += len < 0x100 ? 1 : 37) {
		boot_fixture_kernel(&s->f, s->elf.bytes, len);
		assert_true(boot_fixture_load(&s->f) < 0);
		boot_fixture_assert_said(&s->f, s->f.kernel_path, "");
	}
}

static void case_92_wrong_class_endian_machine_type(void **state)
{
	struct elf_state *s = *state;

	s->elf.e->e_ident[EI_CLASS] = 3;
	assert_refused(s, "ELF class 3 is neither 32 nor 64 bit");
	s->elf.e->e_ident[EI_CLASS] = ELFCLASS32;
	assert_refused(s, "is an ELF file for machine 62, not for x86");
	s->elf.e->e_ident[EI_CLASS] = ELFCLASS64;
	s->elf.e->e_ident[EI_DATA] = ELFDATA2MSB;
	assert_refused(s, "is a big-endian ELF file");
	s->elf.e->e_ident[EI_DATA] = ELFDATA2LSB;
	s->elf.e->e_machine = EM_AARCH64;
	assert_refused(s, "is an ELF file for machine 183, not for x86");
	s->elf.e->e_machine = EM_X86_64;
	s->elf.e->e_type = ET_DYN;
	assert_refused(s, "an executable linked to a fixed address is needed");
}

static void case_92_program_headers_outside_the_file(void **state)
{
	struct elf_state *s = *state;
	static const uint64_t offsets[] = { FILE_LEN - 167, FILE_LEN, INT64_MAX, UINT64_MAX - 167,
					    UINT64_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
		s->elf.e->e_phoff = offsets[i];
		assert_refused(s, "is truncated");
	}
}

static void case_92_number_and_size_of_program_headers(void **state)
{
	struct elf_state *s = *state;
	static const unsigned numbers[] = { 0, BOOT_MAX_SEGMENTS + 1, 65535 };

	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		s->elf.e->e_phnum = numbers[i];
		assert_refused(s, "program headers of 56 bytes: 1 to 64 of 56 bytes are expected");
	}
	s->elf.e->e_phnum = 3;
	s->elf.e->e_phentsize = 32;
	assert_refused(s, "3 program headers of 32 bytes");
	s->elf.e->e_phentsize = 0;
	assert_refused(s, "3 program headers of 0 bytes");
}

static void case_92_segment_data_outside_the_file(void **state)
{
	struct elf_state *s = *state;
	static const uint64_t offsets[] = { FILE_LEN - DATA_LEN + 1, UINT64_MAX - DATA_LEN + 1,
					    UINT64_MAX, INT64_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
		s->elf.data->p_offset = offsets[i];
		assert_refused(s, "is truncated: segment 1 lies beyond its 12544 bytes");
	}
}

static void case_92_filesz_above_memsz(void **state)
{
	struct elf_state *s = *state;

	s->elf.data->p_memsz = DATA_LEN - 1;
	assert_refused(s, "segment 1 has more bytes in the file than in memory");
	s->elf.data->p_memsz = 0;
	assert_refused(s, "segment 1 has more bytes in the file than in memory");
}

static void case_92_segment_outside_ram(void **state)
{
	struct elf_state *s = *state;

	s->elf.data->p_paddr = BOOT_FIXTURE_RAM - DATA_MEM + 1;
	assert_refused(s, "segment 1 at 0x3ffd001-0x4000000 is not in the guest's 64 MiB of RAM");
	s->elf.data->p_paddr = X86_PCI_MEM32_BASE;
	assert_refused(s, "segment 1 at 0xc0000000-0xc0002fff is not in");
	s->elf.data->p_paddr = DATA_GPA;
	s->elf.data->p_memsz = UINT64_MAX - DATA_GPA;
	assert_refused(s, "is not in the guest's 64 MiB of RAM");
}

static void case_92_segment_wraps(void **state)
{
	struct elf_state *s = *state;

	s->elf.data->p_memsz = UINT64_MAX;
	assert_refused(s, "segment 1 wraps");
	s->elf.data->p_memsz = DATA_MEM;
	s->elf.data->p_paddr = UINT64_MAX - DATA_MEM + 1;
	assert_refused(s, "segment 1 wraps");
}

static void case_92_entry_outside(void **state)
{
	struct elf_state *s = *state;
	static const uint64_t entries[] = {
		0, LOAD - 1, LOAD + TEXT_LEN, DATA_GPA + DATA_LEN, BOOT_FIXTURE_RAM,
		X86_HIGH_RAM_BASE + LOAD, UINT64_MAX,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
		elf64_init(&s->elf, true);
		memcpy(s->elf.bytes + NOTE_OFF + 16, &entries[i], 8);
		assert_refused(s, "is not in a segment that is loaded below 4 GiB");
		elf64_init(&s->elf, false);
		s->elf.e->e_entry = entries[i];
		assert_refused(s, "is not in a segment that is loaded below 4 GiB");
	}
}

static void case_92_entry_in_a_segment_above_4_gib(void **state)
{
	struct elf_state *s = *state;
	const struct gmem_range ram[] = { { 0, 32 * MiB }, { X86_HIGH_RAM_BASE, 32 * MiB } };

	boot_fixture_ram(&s->f, ram, 2);
	s->elf.text->p_paddr = X86_HIGH_RAM_BASE;
	s->elf.e->e_entry = X86_HIGH_RAM_BASE;
	assert_refused(s, "its entry 0x100000000 is not in a segment that is loaded below 4 GiB");
}

static void case_92_no_segment_is_loaded(void **state)
{
	struct elf_state *s = *state;

	s->elf.text->p_type = PT_NULL;
	s->elf.data->p_type = PT_NULL;
	assert_refused(s, "is not in a segment");
}

static void case_92_pvh_note_of_a_wrong_size(void **state)
{
	struct elf_state *s = *state;
	struct pvh_note *note = (struct pvh_note *)(s->elf.bytes + NOTE_OFF);
	static const unsigned sizes[] = { 0, 1, 3, 5, 7 };

	elf64_init(&s->elf, true);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		note->n.n_descsz = sizes[i];
		assert_refused(s, "bytes instead of 4 or 8");
	}
}

static void case_92_notes_that_do_not_fit(void **state)
{
	struct elf_state *s = *state;
	struct pvh_note *note = (struct pvh_note *)(s->elf.bytes + NOTE_OFF);
	static const Elf32_Nhdr notes[] = {
		{ 4, 9, 18 }, { 4, UINT32_MAX, 18 }, { 5, 8, 18 }, { UINT32_MAX, 8, 18 },
		{ UINT32_MAX, UINT32_MAX, 1 }, { UINT32_MAX - 2, 0, 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(notes); i++) {
		note->n = notes[i];
		assert_refused(s, "a note does not fit in its segment");
	}
	elf64_init(&s->elf, true);
	for (unsigned len = 1; len < sizeof(*note); len++) {
		s->elf.note->p_filesz = len;
		assert_refused(s, "a note does not fit in its segment");
	}
}

static void case_92_notes_without_end(void **state)
{
	struct elf_state *s = *state;

	/* A sparse file of empty notes: neither memory nor time by its numbers. */
	s->elf.note->p_offset = FILE_LEN;
	s->elf.note->p_filesz = 5000 * sizeof(Elf32_Nhdr);
	boot_fixture_kernel(&s->f, s->elf.bytes, FILE_LEN);
	assert_int_equal(ftruncate(s->f.kernel_fd, INT64_MAX), 0);
	assert_int_equal(boot_fixture_load(&s->f), 0);
	s->elf.note->p_filesz = INT64_MAX - FILE_LEN;
	boot_fixture_kernel(&s->f, s->elf.bytes, FILE_LEN);
	assert_int_equal(ftruncate(s->f.kernel_fd, INT64_MAX), 0);
	assert_true(boot_fixture_load(&s->f) < 0);
	boot_fixture_assert_said(&s->f, s->f.kernel_path, "bytes of notes, at most 65536");
}

static void case_92_notes_outside_the_file(void **state)
{
	struct elf_state *s = *state;

	s->elf.note->p_offset = FILE_LEN - 1;
	assert_refused(s, "is truncated");
	s->elf.note->p_offset = UINT64_MAX;
	assert_refused(s, "is truncated");
}

static void case_93_segments_overlap_each_other(void **state)
{
	struct elf_state *s = *state;

	s->elf.data->p_paddr = LOAD + TEXT_LEN - 1;
	assert_refused(s, "segment 1 at 0x1001fff-0x1004ffe overlaps "
			  "segment 0 at 0x1000000-0x1001fff");
	s->elf.data->p_paddr = LOAD - DATA_MEM + 1;
	assert_refused(s, "segment 1 at 0xffd001-0x1000000 overlaps segment 0");
	s->elf.data->p_paddr = LOAD + TEXT_LEN;
	assert_loads(s);
}

static void case_93_segments_over_what_the_loader_writes(void **state)
{
	struct elf_state *s = *state;
	static const struct {
		uint64_t gpa;
		const char *words;
	} places[] = {
		{ X86_PVH_INFO_GPA - DATA_MEM + 1, "segment 1 at 0x3001-0x6000 overlaps the PVH" },
		{ X86_ZERO_PAGE_GPA, "overlaps the boot parameters at 0x7000-0x7fff" },
		{ X86_PAGE_TABLES_GPA, "overlaps the page tables at 0x9000-0xefff" },
		{ X86_CMDLINE_GPA, "overlaps the command line at 0x20000-0x2ffff" },
		{ X86_ACPI_GPA, "overlaps the ACPI tables at 0xe0000-0xfffef" },
		{ X86_RESET_VECTOR_GPA, "overlaps the reset vector at 0xffff0-0xfffff" },
		{ 0xa0000, "overlaps the first MiB" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		s->elf.data->p_paddr = places[i].gpa;
		assert_refused(s, places[i].words);
	}
}

static void case_93_initrd_is_never_put_over_a_segment(void **state)
{
	struct elf_state *s = *state;
	const struct boot_params *bp;

	/* Text at the very end, data a page below it: the initrd goes below both. */
	s->elf.text->p_paddr = BOOT_FIXTURE_RAM - TEXT_LEN;
	s->elf.e->e_entry = s->elf.text->p_paddr;
	s->elf.data->p_paddr = s->elf.text->p_paddr - 0x1000 - DATA_MEM;
	boot_fixture_initrd(&s->f, "", 0);
	assert_int_equal(ftruncate(s->f.initrd_fd, 0x1001), 0);
	assert_loads(s);
	bp = gmem_ptr(&s->f.mem, X86_ZERO_PAGE_GPA, sizeof(*bp));
	assert_int_equal(bp->hdr.ramdisk_image, s->elf.data->p_paddr - 0x2000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_elf, teardown_elf)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(segments_lie_at_their_physical_addresses),
		TEST(without_the_pvh_note_it_is_entered_in_64_bit_mode),
		TEST(with_the_pvh_note_it_is_entered_with_a_start_info),
		TEST(start_info_lists_the_initrd),
		TEST(start_info_maps_the_memory),
		TEST(pvh_note_of_4_bytes_will_do),
		TEST(pvh_note_is_found_behind_others),
		TEST(pvh_payload_may_be_elf32),
		TEST(elf32_without_pvh_has_no_entry),
		TEST(segment_without_memory_is_skipped),
		TEST(segments_may_lie_above_4_gib),
		TEST(case_92_truncated_anywhere),
		TEST(case_92_wrong_class_endian_machine_type),
		TEST(case_92_program_headers_outside_the_file),
		TEST(case_92_number_and_size_of_program_headers),
		TEST(case_92_segment_data_outside_the_file),
		TEST(case_92_filesz_above_memsz),
		TEST(case_92_segment_outside_ram),
		TEST(case_92_segment_wraps),
		TEST(case_92_entry_outside),
		TEST(case_92_entry_in_a_segment_above_4_gib),
		TEST(case_92_no_segment_is_loaded),
		TEST(case_92_pvh_note_of_a_wrong_size),
		TEST(case_92_notes_that_do_not_fit),
		TEST(case_92_notes_without_end),
		TEST(case_92_notes_outside_the_file),
		TEST(case_93_segments_overlap_each_other),
		TEST(case_93_segments_over_what_the_loader_writes),
		TEST(case_93_initrd_is_never_put_over_a_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
