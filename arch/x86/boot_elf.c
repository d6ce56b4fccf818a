/* SPDX-License-Identifier: MIT */
/*
 * ELF kernels and payloads: System V ABI, "Object Files", and for PVH Xen's
 * docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/boot_int.h"
#include "arch/x86/layout.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define ELF_NOTES_MAX (64 * KiB)	/* of one segment; vmlinux has 0.5 KiB */
#define ELF_NOTE_PHYS32_ENTRY 18	/* XEN_ELFNOTE_PHYS32_ENTRY, public/elfnote.h */
#define PVH_MAGIC 0x336ec578		/* XEN_HVM_START_MAGIC_VALUE */

/* What is needed of a file, and whether it has a PVH entry. */
struct elf {
	struct boot_elf file;
	bool pvh;
};

/* --- the PVH note ------------------------------------------------------------- */

/* Where the next note begins; past @len when this one does not fit. */
static size_t elf_note_end(const uint8_t *note, size_t len, Elf32_Nhdr *n, size_t *desc)
{
	if (len < sizeof(*n))
		return SIZE_MAX;
	memcpy(n, note, sizeof(*n));
	*desc = sizeof(*n) + align_up(n->n_namesz, 4);
	return *desc + align_up(n->n_descsz, 4);
}

/* Linux writes the address with the size of a pointer, others with 4 bytes. */
static int elf_take_pvh_entry(const struct boot_file *f, const uint8_t *desc, size_t len,
			      struct elf *elf)
{
	if (len != 4 && len != 8) {
		log_error("%s: its PVH note has %zu bytes instead of 4 or 8", f->path, len);
		return -EINVAL;
	}
	elf->pvh = true;
	elf->file.entry = load_le(desc, len);
	return 0;
}

static int elf_parse_notes(const struct boot_file *f, const uint8_t *notes, size_t len,
			   struct elf *elf)
{
	for (size_t pos = 0; pos < len;) {
		Elf32_Nhdr n = { 0 };
		size_t desc = 0, end = elf_note_end(notes + pos, len - pos, &n, &desc);

		/* The last one may do without its padding. */
		if (end == SIZE_MAX || !range_fits(desc, n.n_descsz, len - pos)) {
			log_error("%s: a note does not fit in its segment", f->path);
			return -EINVAL;
		}
		if (n.n_type == ELF_NOTE_PHYS32_ENTRY && n.n_namesz == 4 &&
		    memcmp(notes + pos + sizeof(n), "Xen", 4) == 0)
			return elf_take_pvh_entry(f, notes + pos + desc, n.n_descsz, elf);
		pos += end;
	}
	return 0;
}

static int elf_read_notes(const struct boot_file *f, const struct boot_elf_segment *s, struct elf *elf)
{
	uint8_t *notes;
	int ret;

	if (s->filesz == 0 || elf->pvh)
		return 0;
	if (s->filesz > ELF_NOTES_MAX) {
		log_error("%s: %" PRIu64 " bytes of notes, at most %llu are expected", f->path,
			  s->filesz, ELF_NOTES_MAX);
		return -EINVAL;
	}
	notes = malloc(s->filesz);
	if (!notes)
		return -ENOMEM;
	ret = boot_file_read(f, s->off, notes, s->filesz);
	if (ret == 0)
		ret = elf_parse_notes(f, notes, s->filesz, elf);
	free(notes);
	return ret;
}

/* --- loading ------------------------------------------------------------------- */

static int elf_check_entry(const struct boot_file *f, const struct elf *elf)
{
	if (!elf->file.is64 && !elf->pvh) {
		log_error("%s: is a 32-bit ELF file without a PVH entry: a 64-bit kernel, or a "
			  "PVH note is needed", f->path);
		return -ENOEXEC;
	}
	if (elf->file.entry >= X86_HIGH_RAM_BASE || !boot_elf_entry_loaded(&elf->file)) {
		log_error("%s: its entry %#" PRIx64 " is not in a segment that is loaded below "
			  "4 GiB", f->path, elf->file.entry);
		return -EINVAL;
	}
	return 0;
}

static int elf_load_file(struct boot *boot, struct elf *elf)
{
	int ret = 0;

	for (unsigned i = 0; i < elf->file.phnum && ret == 0; i++)
		if (elf->file.segments[i].type == PT_NOTE)
			ret = elf_read_notes(&boot->kernel, &elf->file.segments[i], elf);
	if (ret == 0)
		ret = elf_check_entry(&boot->kernel, elf);
	return ret < 0 ? ret : boot_elf_load(&elf->file, &boot->kernel, &boot->claims);
}

/* --- what the kernel is told ----------------------------------------------------- */

/* One page at X86_PVH_INFO_GPA: public/arch-x86/hvm/start_info.h, version 1. */
struct pvh_info {
	struct pvh_start {
		uint32_t magic, version, flags, nr_modules;
		uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
		uint32_t memmap_entries, reserved;
	} start;
	struct pvh_module {
		uint64_t paddr, size, cmdline_paddr, reserved;
	} initrd;
	struct pvh_memory {
		uint64_t addr, size;
		uint32_t type, reserved;
	} memory[BOOT_MAX_E820];
};
_Static_assert(sizeof(struct pvh_start) == 56 && sizeof(struct pvh_memory) == 24 &&
	       sizeof(struct pvh_info) <= 4096, "the start info's layout");

static int pvh_write_info(struct boot *boot)
{
	struct boot_e820_entry e820[BOOT_MAX_E820];
	unsigned n = boot_e820(boot->mem, e820);
	struct pvh_info info = {
		.start = {
			.magic = PVH_MAGIC,
			.version = 1,
			.cmdline_paddr = X86_CMDLINE_GPA,
			.rsdp_paddr = boot->cfg->rsdp_gpa,
			.memmap_paddr = X86_PVH_INFO_GPA + offsetof(struct pvh_info, memory),
			.memmap_entries = n,
		},
	};

	if (boot->initrd_gpa) {
		info.start.nr_modules = 1;
		info.start.modlist_paddr = X86_PVH_INFO_GPA + offsetof(struct pvh_info, initrd);
		info.initrd.paddr = boot->initrd_gpa;
		info.initrd.size = boot->initrd.size;
	}
	for (unsigned i = 0; i < n; i++)
		info.memory[i] = (struct pvh_memory){ e820[i].addr, e820[i].size, e820[i].type, 0 };
	return gmem_write(boot->mem, X86_PVH_INFO_GPA, &info, sizeof(info));
}

static int elf_enter_pvh(struct boot *boot, const struct elf *elf, struct x86_entry *entry)
{
	*entry = (struct x86_entry){
		.mode = X86_ENTRY_PVH,
		.rip = elf->file.entry,
		.arg = X86_PVH_INFO_GPA,
	};
	return pvh_write_info(boot);
}

/* An ELF file has no setup header: say as much as a kernel looks at. */
static int elf_enter_long(struct boot *boot, const struct elf *elf, struct x86_entry *entry)
{
	static const struct setup_header hdr = {
		.boot_flag = 0xaa55,
		.header = 0x53726448,	/* "HdrS" */
		.version = 0x020c,
		.loadflags = LOADED_HIGH,
		.cmdline_size = X86_CMDLINE_MAX - 1,
	};

	*entry = (struct x86_entry){
		.mode = X86_ENTRY_LONG,
		.rip = elf->file.entry,
		.arg = X86_ZERO_PAGE_GPA,
	};
	return boot_write_zero_page(boot, &hdr);
}

int x86_elf_load(struct boot *boot, const uint8_t *head, size_t len, struct x86_entry *entry)
{
	static const struct boot_elf_want want = { "x86", EM_386, EM_X86_64 };
	struct elf elf = { 0 };
	int ret = boot_elf_read(&boot->kernel, &want, head, len, &elf.file);

	if (ret == 0)
		ret = elf_load_file(boot, &elf);
	if (ret == 0)
		ret = boot_load_cmdline(boot, X86_CMDLINE_MAX - 1);
	if (ret == 0)
		ret = boot_load_initrd(boot, X86_HIGH_RAM_BASE, false);
	if (ret < 0)
		return ret;
	return elf.pvh ? elf_enter_pvh(boot, &elf, entry) : elf_enter_long(boot, &elf, entry);
}
