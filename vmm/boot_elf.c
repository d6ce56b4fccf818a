/* SPDX-License-Identifier: MIT */
#include "vmm/boot_elf.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/log.h"
#include "vmm/util.h"

bool boot_elf_probe(const uint8_t *head, size_t len)
{
	return len >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0;
}

/* --- headers ---------------------------------------------------------------- */

static int elf_check_ident(const struct boot_file *f, const struct boot_elf_want *want,
			   const uint8_t *head, size_t len, struct boot_elf *elf)
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
		log_error("%s: is a big-endian ELF file, not a kernel for %s", f->path,
			  want->arch);
		return -ENOEXEC;
	}
	return 0;
}

static int elf_check_machine(const struct boot_file *f, const struct boot_elf_want *want,
			     const struct boot_elf *elf, unsigned machine, unsigned type)
{
	if (machine != (elf->is64 ? want->machine64 : want->machine32)) {
		log_error("%s: is an ELF file for machine %u, not for %s", f->path, machine,
			  want->arch);
		return -ENOEXEC;
	}
	if (type != ET_EXEC) {
		log_error("%s: is an ELF file of type %u: an executable linked to a fixed "
			  "address is needed", f->path, type);
		return -ENOEXEC;
	}
	return 0;
}

static int elf_get_header(const struct boot_file *f, const struct boot_elf_want *want,
			  const uint8_t *head, size_t len, struct boot_elf *elf)
{
	unsigned machine, type;
	int ret = elf_check_ident(f, want, head, len, elf);

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
	return elf_check_machine(f, want, elf, machine, type);
}

static struct boot_elf_segment elf64_segment(const uint8_t *raw)
{
	Elf64_Phdr p;

	memcpy(&p, raw, sizeof(p));
	return (struct boot_elf_segment){ p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz };
}

static struct boot_elf_segment elf32_segment(const uint8_t *raw)
{
	Elf32_Phdr p;

	memcpy(&p, raw, sizeof(p));
	return (struct boot_elf_segment){ p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz };
}

static int elf_get_segments(const struct boot_file *f, struct boot_elf *elf)
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

int boot_elf_read(const struct boot_file *f, const struct boot_elf_want *want,
		  const uint8_t *head, size_t len, struct boot_elf *elf)
{
	int ret;

	*elf = (struct boot_elf){ 0 };
	ret = elf_get_header(f, want, head, len, elf);
	return ret < 0 ? ret : elf_get_segments(f, elf);
}

/* --- loading ------------------------------------------------------------------- */

static int elf_load_segment(const struct boot_file *f, struct boot_claims *claims,
			    const struct boot_elf_segment *s, unsigned index)
{
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
	ret = boot_claims_add(claims, "segment", index, s->paddr, s->memsz);
	if (ret < 0)
		return ret;
	/* What the file does not fill is zero already: RAM is fresh. */
	return boot_file_load(f, s->off, claims->mem, s->paddr, s->filesz);
}

bool boot_elf_entry_loaded(const struct boot_elf *elf)
{
	for (unsigned i = 0; i < elf->phnum; i++) {
		const struct boot_elf_segment *s = &elf->segments[i];

		if (s->type == PT_LOAD && elf->entry >= s->paddr &&
		    elf->entry - s->paddr < s->filesz)
			return true;
	}
	return false;
}

int boot_elf_load(const struct boot_elf *elf, const struct boot_file *f,
		  struct boot_claims *claims)
{
	int ret = 0;

	for (unsigned i = 0; i < elf->phnum && ret == 0; i++)
		if (elf->segments[i].type == PT_LOAD)
			ret = elf_load_segment(f, claims, &elf->segments[i], i);
	return ret;
}
