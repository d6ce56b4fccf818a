/* SPDX-License-Identifier: MIT */
#include "arch/arm/boot.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "arch/arm/boot_int.h"
#include "arch/arm/fdt.h"
#include "vmm/boot_elf.h"
#include "vmm/log.h"
#include "vmm/util.h"

/* Boot loaders move themselves and their heaps to the end of RAM: U-Boot takes 21 MiB. */
#define BOOT_RAW_TOP (64 * MiB)
#define BOOT_RAW_MIN (4 * BOOT_RAW_TOP)

#define BOOT_PAGE 4096ull
#define BOOT_RAW_SUFFIX ".bin"
/* 32-bit payloads and firmware: what an MMU without LPAE can map. */
#define BOOT_LIMIT_32 (4 * GiB)

/* --- which kernel it is ------------------------------------------------------------ */

/* Files that people take for an ARM kernel, and what to do about it. */
static const struct boot_stranger boot_strangers[] = {
	{ 0, 4, "\xd0\x0d\xfe\xed", "is a device tree, or a FIT image of U-Boot: a tree is for "
	  "--dtb, of a FIT image unpack the kernel (dumpimage)" },
	{ 4, 4, "zimg", "is an EFI zboot image: unpack the kernel that is in it" },
	{ 0x202, 4, "HdrS", "is a kernel for x86, not for ARM" },
	{ 0, 2, "MZ", "is an EFI program: the Image or zImage that may be in it is needed" },
	{ 0, 0, "", "is no ARM kernel: neither Image, zImage, uImage nor ELF (firmware that is "
	  "entered at its first byte is to be named *" BOOT_RAW_SUFFIX ")" },
};

static bool boot_is_gzip(const struct payload *p)
{
	return p->head[0] == 0x1f && p->head[1] == 0x8b;
}

static const char *boot_name(const struct arm_boot *cfg)
{
	return cfg->kernel_name ? cfg->kernel_name : cfg->kernel;
}

static bool boot_is_raw(const struct arm_boot *cfg)
{
	const char *path = boot_name(cfg);
	size_t len = strlen(path), suffix = strlen(BOOT_RAW_SUFFIX);

	return cfg->raw ||
	       (len >= suffix && strcmp(path + len - suffix, BOOT_RAW_SUFFIX) == 0);
}

/* Among the kinds that may be packed; false: none of them. */
static bool boot_tell_kind(struct kernel *k)
{
	if (boot_is_image(&k->payload)) {
		k->kind = KERNEL_IMAGE;
		k->aarch32 = false;
	} else if (boot_is_zimage(&k->payload)) {
		k->kind = KERNEL_ZIMAGE;
		k->aarch32 = true;
	} else {
		return false;
	}
	return true;
}

static int boot_tell_other(struct kernel *k, const struct arm_boot *cfg)
{
	const struct payload *p = &k->payload;

	if (boot_elf_probe(p->head, p->head_len)) {
		k->kind = KERNEL_ELF;
		k->aarch32 = p->head[EI_CLASS] == ELFCLASS32;
		return 0;
	}
	if (!boot_is_raw(cfg))
		return boot_refuse_stranger(p->file, boot_strangers, p->head, sizeof(p->head));
	k->kind = KERNEL_RAW;
	k->aarch32 = cfg->width == ARM_WIDTH_32 || (cfg->width == ARM_WIDTH_AUTO && cfg->raw32);
	return 0;
}

static int boot_tell_uimage(struct kernel *k, const struct boot_file *file, bool crc)
{
	bool aarch32;
	int ret = boot_open_uimage(k, file, crc);

	if (ret < 0)
		return ret;
	aarch32 = k->aarch32;
	boot_tell_kind(k);
	if (aarch32 == k->aarch32)
		return 0;
	log_error("%s: a uImage for %d-bit ARM with a kernel for %d-bit in it", file->path,
		  aarch32 ? 32 : 64, k->aarch32 ? 32 : 64);
	return -ENOEXEC;
}

static int boot_tell_gzip(struct kernel *k, const struct boot_file *file)
{
	int ret = payload_open(&k->payload, file, 0, file->size, true);

	if (ret < 0 || boot_tell_kind(k))
		return ret;
	log_error("%s: is gzip-compressed, but neither an Image nor a zImage is in it: unpack it "
		  "first (gunzip)", file->path);
	return -ENOEXEC;
}

static int boot_check_width(const struct kernel *k, const struct arm_boot *cfg)
{
	if (cfg->width == ARM_WIDTH_AUTO || (cfg->width == ARM_WIDTH_32) == k->aarch32)
		return 0;
	log_error("%s: is a %d-bit kernel, and %d-bit CPUs are asked for", boot_name(cfg),
		  k->aarch32 ? 32 : 64, k->aarch32 ? 64 : 32);
	return -EINVAL;
}

/* @crc: also that of data, which takes a look at all of it. */
static int boot_tell(struct kernel *k, const struct boot_file *file, const struct arm_boot *cfg,
		     bool crc)
{
	int ret = payload_open(&k->payload, file, 0, file->size, false);

	if (ret < 0)
		return ret;
	if (boot_is_uimage(&k->payload))
		ret = boot_tell_uimage(k, file, crc);
	else if (boot_is_gzip(&k->payload))
		ret = boot_tell_gzip(k, file);
	else if (!boot_tell_kind(k))
		ret = boot_tell_other(k, cfg);
	return ret < 0 ? ret : boot_check_width(k, cfg);
}

int arm_boot_probe(const struct arm_boot *cfg, struct arm_probe *probe)
{
	struct kernel kernel = { 0 };
	struct boot_file file;
	int ret = boot_file_open_as(&file, cfg->kernel, cfg->kernel_name);

	if (ret < 0)
		return ret;
	ret = boot_tell(&kernel, &file, cfg, false);
	boot_file_close(&file);
	probe->aarch32 = kernel.aarch32;
	probe->raw = kernel.kind == KERNEL_RAW;
	return ret;
}

/* --- kernels that are told where to be ------------------------------------------------- */

static int boot_load_elf(struct boot *boot, uint64_t *pc)
{
	static const struct boot_elf_want want = { "ARM", EM_ARM, EM_AARCH64 };
	const struct payload *p = &boot->kernel.payload;
	struct boot_elf elf;
	int ret = boot_elf_read(&boot->file, &want, p->head, p->head_len, &elf);

	if (ret < 0)
		return ret;
	*pc = elf.entry;
	/* Of 32-bit CPUs bit 0 is the Thumb state. */
	if (!elf.is64)
		elf.entry &= ~1ull;
	if (!boot_elf_entry_loaded(&elf)) {
		log_error("%s: its entry %#" PRIx64 " is at no physical address that it loads: of "
			  "a kernel the Image or zImage is needed", boot->file.path, elf.entry);
		return -EINVAL;
	}
	return boot_elf_load(&elf, &boot->file, &boot->claims);
}

static int boot_load_raw(struct boot *boot, uint64_t *pc)
{
	const struct gmem_range *ram = &boot->cfg->ram;
	uint64_t len = boot->file.size;
	int ret;

	*pc = boot->cfg->raw_gpa;
	if (ram->len >= BOOT_RAW_MIN)
		boot->initrd_limit = MIN(boot->initrd_limit, ram->gpa + ram->len - BOOT_RAW_TOP);
	ret = boot_claims_add(&boot->claims, "the firmware", -1, *pc, len);
	return ret < 0 ? ret : payload_load(&boot->kernel.payload, boot->mem, *pc, len);
}

/* A uImage of neither Image nor zImage: its header is all there is. */
static int boot_load_at(struct boot *boot, uint64_t *pc)
{
	const struct kernel *k = &boot->kernel;
	uint64_t len;
	int ret = payload_measure(&k->payload, gmem_size(boot->mem), &len);

	if (ret < 0)
		return ret;
	*pc = k->entry;
	if (k->entry < k->load || k->entry - k->load >= len) {
		log_error("%s: its entry %#x is not in the %" PRIu64 " bytes that it loads at %#x",
			  boot->file.path, k->entry, len, k->load);
		return -EINVAL;
	}
	if (k->aarch32)
		boot->dtb_limit = boot->initrd_limit = boot->cfg->ram.gpa + BOOT_LOWMEM;
	ret = boot_claims_add(&boot->claims, "the kernel", -1, k->load, len);
	return ret < 0 ? ret : payload_load(&k->payload, boot->mem, k->load, len);
}

static int boot_load_kernel(struct boot *boot, uint64_t *pc)
{
	const struct gmem_range *ram = &boot->cfg->ram;

	boot->initrd_limit = boot->kernel.aarch32 ? BOOT_LIMIT_32 : ram->gpa + ram->len;
	boot->dtb_limit = boot->initrd_limit;
	switch (boot->kernel.kind) {
	case KERNEL_IMAGE:
		return boot_load_image(boot, pc);
	case KERNEL_ZIMAGE:
		return boot_load_zimage(boot, pc);
	case KERNEL_ELF:
		return boot_load_elf(boot, pc);
	case KERNEL_RAW:
		return boot_load_raw(boot, pc);
	default:
		return boot_load_at(boot, pc);
	}
}

/* --- initrd and tree -------------------------------------------------------------------- */

/* The highest free place in the guest's own RAM; 0: none. */
static uint64_t boot_find(const struct boot *boot, uint64_t limit, uint64_t len, uint64_t align)
{
	const struct gmem_range *ram = &boot->cfg->ram;

	return boot_claims_find(&boot->claims, MIN(limit, ram->gpa + ram->len), len, align);
}

static int boot_place_dtb(struct boot *boot, struct arm_entry *entry)
{
	uint64_t len = boot->cfg->dtb_len ? boot->cfg->dtb_len : ARM_FDT_MAX, align = BOOT_PAGE;
	bool told = boot->kernel.kind == KERNEL_RAW && boot->cfg->raw_dtb_gpa != UINT64_MAX;

	/* So that it crosses no multiple of 2 MiB, as arm64 kernels want it. */
	while (align < len)
		align *= 2;
	entry->dtb_gpa = told ? boot->cfg->raw_dtb_gpa :
				boot_find(boot, boot->dtb_limit, len, align);
	if (!told && !entry->dtb_gpa) {
		log_error("%s: the device tree finds no room beside the kernel in the guest's %"
			  PRIu64 " MiB of RAM: give it more --memory", boot->file.path,
			  boot_mib(boot->cfg->ram.len));
		return -ENOMEM;
	}
	return boot_claims_add(&boot->claims, "the device tree", -1, entry->dtb_gpa, len);
}

static int boot_place_initrd(struct boot *boot, const struct boot_file *f,
			     struct arm_entry *entry)
{
	int ret;

	entry->initrd_gpa = boot_find(boot, boot->initrd_limit, f->size, BOOT_PAGE);
	entry->initrd_len = f->size;
	if (!entry->initrd_gpa) {
		log_error("%s: an initrd of %" PRIu64 " MiB finds no room beside the kernel in the "
			  "guest's %" PRIu64 " MiB of RAM: give it more --memory", f->path,
			  boot_mib(f->size), boot_mib(boot->cfg->ram.len));
		return -ENOMEM;
	}
	ret = boot_claims_add(&boot->claims, "the initrd", -1, entry->initrd_gpa, f->size);
	if (ret == 0)
		ret = boot_file_load(f, 0, boot->mem, entry->initrd_gpa, f->size);
	return ret < 0 ? ret : boot_file_unchanged(f);
}

static int boot_load_initrd(struct boot *boot, struct arm_entry *entry)
{
	struct boot_file f;
	int ret;

	if (!boot->cfg->initrd)
		return 0;
	ret = boot_file_open_as(&f, boot->cfg->initrd, boot->cfg->initrd_name);
	if (ret < 0)
		return ret;
	ret = boot_place_initrd(boot, &f, entry);
	boot_file_close(&f);
	return ret;
}

/* --- from a file to an entry -------------------------------------------------------------- */

static void boot_keep(struct boot *boot, const char *what, uint64_t gpa, uint64_t end)
{
	if (gpa < end)
		boot_claims_keep(&boot->claims, what, gpa, end - gpa);
}

static int boot_keep_reserved(struct boot *boot)
{
	const struct arm_boot *cfg = boot->cfg;

	if (cfg->n_reserved > ARM_BOOT_MAX_RESERVED) {
		log_error("%s: %u reserved ranges of memory, at most %d are possible", boot_name(cfg),
			  cfg->n_reserved, ARM_BOOT_MAX_RESERVED);
		return -EINVAL;
	}
	for (unsigned i = 0; i < cfg->n_reserved; i++) {
		const struct gmem_range *r = &cfg->reserved[i];

		boot_keep(boot, "reserved memory", r->gpa, r->gpa + MIN(r->len, ~r->gpa));
	}
	return 0;
}

/* Memory that is not the guest's RAM is for what was told to be there, which now is. */
static void boot_keep_other(struct boot *boot)
{
	const struct gmem_range *ram = &boot->cfg->ram;

	for (unsigned i = 0; i < boot->mem->n_regions; i++) {
		const struct gmem_region *r = &boot->mem->regions[i];
		uint64_t end = r->gpa + r->len, ram_end = ram->gpa + ram->len;

		boot_keep(boot, "other memory", r->gpa, MIN(end, MAX(ram->gpa, r->gpa)));
		boot_keep(boot, "other memory", MAX(r->gpa, ram_end), end);
	}
}

static int boot_load_files(struct boot *boot, struct arm_entry *entry)
{
	int ret = boot_tell(&boot->kernel, &boot->file, boot->cfg, true);

	if (ret == 0)
		ret = boot_keep_reserved(boot);
	if (ret == 0)
		ret = boot_load_kernel(boot, &entry->pc);
	if (ret == 0)
		ret = boot_file_unchanged(&boot->file);
	if (ret < 0)
		return ret;
	boot_keep_other(boot);
	entry->aarch32 = boot->kernel.aarch32;
	ret = boot_place_dtb(boot, entry);
	return ret < 0 ? ret : boot_load_initrd(boot, entry);
}

int arm_boot_load(struct gmem *mem, const struct arm_boot *cfg, struct arm_entry *entry)
{
	struct boot boot = {
		.mem = mem,
		.cfg = cfg,
		.claims = { .mem = mem, .path = boot_name(cfg) },
	};
	int ret = boot_file_open_as(&boot.file, cfg->kernel, cfg->kernel_name);

	if (ret < 0)
		return ret;
	*entry = (struct arm_entry){ 0 };
	ret = boot_load_files(&boot, entry);
	boot_file_close(&boot.file);
	return ret;
}
