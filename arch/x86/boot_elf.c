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

struct elf_segment {
	uint32_t type;
	uint64_t off, paddr, filesz, memsz;
};

/* A file's headers, the same for both classes. */
struct elf {
	bool is64, pvh;
	uint64_t entry, phoff;
	unsigned phnum, phentsize;
	struct elf_segment segments[BOOT_MAX_SEGMENTS];
};

bool boot_elf_probe(const uint8_t *head, size_t len)
{
	return len >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0;
}

/* --- headers ---------------------------------------------------------------- */

static int elf_check_ident(const struct boot_file *f, const uint8_t *head, size_t len,
			   struct elf *elf)
{
	size_t need;

	elf->is64 = len > EI_CLASS && head[EI_CLASS] == ELFCLASS64;
	need = elf->is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
	if (len < need) {
		log_error("%s: is truncated within its ELF header", f->path);
		return -EINVAL;
	}
	if (head[EI_CLASS] != ELFCLASS64 && head[EI_CLASS] != ELFCLASS32) {
		log_error("%s: ELF class %u is neither 32 nor 64 bit", f->path, head[EI_CLASS]);
		return -ENOEXEC;
	}
	if (head[EI_DATA] != ELFDATA2LSB) {
		log_error("%s: is a big-endian ELF file, not a kernel for x86", f->path);
		return -ENOEXEC;
	}
	return 0;
}

static int elf_check_machine(const struct boot_file *f, const struct elf *elf, unsigned machine,
			     unsigned type)
{
	if (machine != (elf->is64 ? EM_X86_64 : EM_386)) {
		log_error("%s: is an ELF file for machine %u, not for x86", f->path, machine);
		return -ENOEXEC;
	}
	if (type != ET_EXEC) {
		log_error("%s: is an ELF file of type %u: an executable linked to a fixed "
			  "address is needed", f->path, type);
		return -ENOEXEC;
	}
	return 0;
}

static int elf_get_header(const struct boot_file *f, const uint8_t *head, size_t len,
			  struct elf *elf)
{
	unsigned machine, type;
	int ret = elf_check_ident(f, head, len, elf);

	if (ret < 0)
		return ret;
	if (elf->is64) {
		Elf64_Ehdr e;

		memcpy(&e, head, sizeof(e));
		elf->entry = e.e_entry, elf->phoff = e.e_phoff;
		elf->phnum = e.e_phnum, elf->phentsize = e.e_phentsize;
		machine = e.e_machine, type = e.e_type;
	} else {
		Elf32_Ehdr e;

		memcpy(&e, head, sizeof(e));
		elf->entry = e.e_entry, elf->phoff = e.e_phoff;
		elf->phnum = e.e_phnum, elf->phentsize = e.e_phentsize;
		machine = e.e_machine, type = e.e_type;
	}
	return elf_check_machine(f, elf, machine, type);
}

static struct elf_segment elf64_segment(const uint8_t *raw)
{
	Elf64_Phdr p;

	memcpy(&p, raw, sizeof(p));
	return (struct elf_segment){ p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz };
}

static struct elf_segment elf32_segment(const uint8_t *raw)
{
	Elf32_Phdr p;

	memcpy(&p, raw, sizeof(p));
	return (struct elf_segment){ p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz };
}

static int elf_get_segments(const struct boot_file *f, struct elf *elf)
{
	uint8_t raw[BOOT_MAX_SEGMENTS * sizeof(Elf64_Phdr)];
	size_t size = elf->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	int ret;

	if (elf->phnum == 0 || elf->phnum > BOOT_MAX_SEGMENTS || elf->phentsize != size) {
		log_error("%s: %u program headers of %u bytes: 1 to %u of %zu bytes are expected",
			  f->path, elf->phnum, elf->phentsize, BOOT_MAX_SEGMENTS, size);
		return -EINVAL;
	}
	ret = boot_file_read(f, elf->phoff, raw, elf->phnum * size);
	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < elf->phnum; i++)
		elf->segments[i] = elf->is64 ? elf64_segment(raw + i * size) :
					       elf32_segment(raw + i * size);
	return 0;
}

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
	elf->entry = load_le(desc, len);
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

static int elf_read_notes(const struct boot_file *f, const struct elf_segment *s, struct elf *elf)
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

static int elf_load_segment(struct boot *boot, const struct elf_segment *s, unsigned index)
{
	const struct boot_file *f = &boot->kernel;
	int ret;

	if (s->memsz < s->filesz) {
		log_error("%s: segment %u has more bytes in the file than in memory", f->path,
			  index);
		return -EINVAL;
	}
	if (!range_fits(s->off, s->filesz, f->size)) {
		log_error("%s: is truncated: segment %u lies beyond its %" PRIu64 " bytes", f->path,
			  index, f->size);
		return -EINVAL;
	}
	if (s->memsz == 0)
		return 0;
	ret = boot_claim(boot, "segment", index, s->paddr, s->memsz);
	if (ret < 0)
		return ret;
	/* What the file does not fill is zero already: RAM is fresh. */
	return boot_file_load(f, s->off, boot->mem, s->paddr, s->filesz);
}

static bool elf_entry_loaded(const struct elf *elf)
{
	for (unsigned i = 0; i < elf->phnum; i++) {
		const struct elf_segment *s = &elf->segments[i];

		if (s->type == PT_LOAD && elf->entry >= s->paddr &&
		    elf->entry - s->paddr < s->filesz)
			return true;
	}
	return false;
}

static int elf_check_entry(const struct boot_file *f, const struct elf *elf)
{
	if (!elf->is64 && !elf->pvh) {
		log_error("%s: is a 32-bit ELF file without a PVH entry: a 64-bit kernel, or a "
			  "PVH note is needed", f->path);
		return -ENOEXEC;
	}
	if (elf->entry >= X86_HIGH_RAM_BASE || !elf_entry_loaded(elf)) {
		log_error("%s: its entry %#" PRIx64 " is not in a segment that is loaded below "
			  "4 GiB", f->path, elf->entry);
		return -EINVAL;
	}
	return 0;
}

static int elf_load_file(struct boot *boot, struct elf *elf)
{
	int ret = 0;

	for (unsigned i = 0; i < elf->phnum && ret == 0; i++)
		if (elf->segments[i].type == PT_NOTE)
			ret = elf_read_notes(&boot->kernel, &elf->segments[i], elf);
	if (ret == 0)
		ret = elf_check_entry(&boot->kernel, elf);
	for (unsigned i = 0; i < elf->phnum && ret == 0; i++)
		if (elf->segments[i].type == PT_LOAD)
			ret = elf_load_segment(boot, &elf->segments[i], i);
	return ret;
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
		.rip = elf->entry,
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
		.rip = elf->entry,
		.arg = X86_ZERO_PAGE_GPA,
	};
	return boot_write_zero_page(boot, &hdr);
}

int boot_elf_load(struct boot *boot, const uint8_t *head, size_t len, struct x86_entry *entry)
{
	struct elf elf = { 0 };
	int ret = elf_get_header(&boot->kernel, head, len, &elf);

	if (ret == 0)
		ret = elf_get_segments(&boot->kernel, &elf);
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
