/* SPDX-License-Identifier: MIT */
#include "arch/x86/boot.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86/boot_int.h"
#include "devices/acpi_ged.h"
#include "arch/x86/layout.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define BOOT_PAGE 4096ull
#define BOOT_HEAD_LEN 4096	/* of the kernel's file, to tell formats apart */
#define BOOT_PAGE_TABLES 6	/* PML4, PDPT, 4 page directories */

/*
 * What the loader itself puts into guest memory. The first that matches gives
 * a conflict its name; the last is X86_KERNEL_MIN_GPA as a claim.
 */
static const struct boot_claim boot_fixed_claims[] = {
	{ "the GDT", -1, X86_GDT_GPA, 0x1000 - X86_GDT_GPA },
	{ "the PVH start info", -1, X86_PVH_INFO_GPA, BOOT_PAGE },
	{ "the boot parameters", -1, X86_ZERO_PAGE_GPA, BOOT_PAGE },
	{ "the boot stack", -1, X86_ZERO_PAGE_GPA + BOOT_PAGE, BOOT_PAGE },
	{ "the page tables", -1, X86_PAGE_TABLES_GPA, BOOT_PAGE_TABLES * BOOT_PAGE },
	{ "the command line", -1, X86_CMDLINE_GPA, X86_CMDLINE_MAX },
	{ "the ACPI tables", -1, X86_ACPI_GPA, X86_ACPI_MAX },
	{ "the reset vector", -1, X86_RESET_VECTOR_GPA, 16 },
	{ "the first MiB", -1, 0, X86_KERNEL_MIN_GPA },
};

/* --- initrd and command line ---------------------------------------------- */

int boot_load_initrd(struct boot *boot, uint64_t low_end, bool may_be_high)
{
	const struct boot_file *f = &boot->initrd;
	uint64_t gpa;
	int ret;

	if (!boot->cfg->initrd)
		return 0;
	gpa = boot_claims_find(&boot->claims, MIN(low_end, X86_HIGH_RAM_BASE), f->size, BOOT_PAGE);
	if (!gpa && may_be_high)
		gpa = boot_claims_find(&boot->claims, UINT64_MAX, f->size, BOOT_PAGE);
	if (!gpa) {
		log_error("%s: an initrd of %" PRIu64 " MiB finds no room beside the kernel in the "
			  "guest's %" PRIu64 " MiB of RAM: give it more", f->path,
			  boot_mib(f->size), boot_mib(gmem_size(boot->mem)));
		return -ENOMEM;
	}
	ret = boot_claims_add(&boot->claims, "the initrd", -1, gpa, f->size);
	if (ret < 0)
		return ret;
	ret = boot_file_load(f, 0, boot->mem, gpa, f->size);
	if (ret < 0)
		return ret;
	boot->initrd_gpa = gpa;
	return boot_file_unchanged(f);
}

int boot_load_cmdline(struct boot *boot, uint64_t max)
{
	const char *s = boot->cfg->cmdline ? boot->cfg->cmdline : "";
	size_t len = strlen(s);

	max = MIN(max, X86_CMDLINE_MAX - 1);
	if (len > max) {
		log_error("%s: a command line of %zu characters, the kernel takes %" PRIu64,
			  boot->kernel.path, len, max);
		return -E2BIG;
	}
	return gmem_write(boot->mem, X86_CMDLINE_GPA, s, len + 1);
}

/* --- memory map ------------------------------------------------------------ */

struct boot_map {
	struct boot_e820_entry *e;
	unsigned n;
};

static void boot_map_add(struct boot_map *map, uint64_t start, uint64_t end, uint32_t type)
{
	if (start < end)
		map->e[map->n++] = (struct boot_e820_entry){ start, end - start, type };
}

/* One region; what lies between conventional RAM and 1 MiB is the firmware's, on a PC. */
static void boot_map_add_region(struct boot_map *map, const struct gmem_region *r)
{
	uint64_t end = r->gpa + r->len;

	boot_map_add(map, r->gpa, MIN(end, X86_EBDA_GPA), BOOT_E820_RAM);
	boot_map_add(map, MAX(r->gpa, X86_EBDA_GPA), MIN(end, X86_KERNEL_MIN_GPA),
		     BOOT_E820_RESERVED);
	boot_map_add(map, MAX(r->gpa, X86_KERNEL_MIN_GPA), end, BOOT_E820_RAM);
}

unsigned boot_e820(const struct gmem *mem, struct boot_e820_entry e820[BOOT_MAX_E820])
{
	struct boot_map map = { e820, 0 };
	unsigned i = 0;

	for (; i < mem->n_regions && mem->regions[i].gpa < X86_HIGH_RAM_BASE; i++)
		boot_map_add_region(&map, &mem->regions[i]);
	boot_map_add(&map, X86_ECAM_GPA, X86_ECAM_GPA + MiB, BOOT_E820_RESERVED);
	/* The host's KVM keeps an identity map and a TSS for real mode there. */
	boot_map_add(&map, X86_IDENTITY_MAP_GPA, X86_TSS_GPA + 3 * BOOT_PAGE, BOOT_E820_RESERVED);
	for (; i < mem->n_regions; i++)
		boot_map_add_region(&map, &mem->regions[i]);
	return map.n;
}

/* --- what the CPU and the kernel find at the entry -------------------------- */

static int boot_write_gdt(struct gmem *mem)
{
	/* Flat segments, accessed (Intel SDM 3A, 3.4.5), where X86_BOOT_* say. */
	static const uint64_t gdt[] = {
		[X86_BOOT_CS64 / 8] = 0x00af9b000000ffff,
		[X86_BOOT_DS / 8] = 0x00cf93000000ffff,
		[X86_BOOT_CS32 / 8] = 0x00cf9b000000ffff,
	};

	return gmem_write(mem, X86_GDT_GPA, gdt, sizeof(gdt));
}

/* The first 4 GiB, one to one, in pages of 2 MiB (Intel SDM 3A, 4.5). */
static int boot_write_page_tables(struct gmem *mem)
{
	const uint64_t present_rw = 0x03, large = 0x80, pages = 512;
	uint64_t table[512] = { (X86_PAGE_TABLES_GPA + BOOT_PAGE) | present_rw };
	uint64_t gpa = X86_PAGE_TABLES_GPA;
	int ret = gmem_write(mem, gpa, table, sizeof(table));

	for (unsigned i = 0; i < 4; i++)
		table[i] = (gpa + (2 + i) * BOOT_PAGE) | present_rw;
	ret = ret < 0 ? ret : gmem_write(mem, gpa + BOOT_PAGE, table, sizeof(table));
	for (unsigned d = 0; d < 4 && ret == 0; d++) {
		for (unsigned i = 0; i < pages; i++)
			table[i] = ((d * pages + i) * 2 * MiB) | present_rw | large;
		ret = gmem_write(mem, gpa + (2 + d) * BOOT_PAGE, table, sizeof(table));
	}
	return ret;
}

/*
 * What a jump to the firmware that is not there does: it resets the machine.
 * Linux ends there when ACPI is hardware-reduced and there is no EFI to ask
 * (arch/x86/kernel/reboot.c, BOOT_BIOS).
 */
static int boot_write_reset_vector(struct gmem *mem)
{
	static const uint8_t code[] = {
		0xba, (X86_GED_PORT + ACPI_GED_RESET) & 0xff,	/* mov dx, port */
		(X86_GED_PORT + ACPI_GED_RESET) >> 8,
		0xb0, ACPI_GED_RESET_VALUE,			/* mov al, value */
		0xee,						/* out dx, al */
		0xf4,						/* hlt */
		0xeb, 0xfd,					/* jmp to the hlt */
	};

	return gmem_write(mem, X86_RESET_VECTOR_GPA, code, sizeof(code));
}

/* Documentation/x86/zero-page.rst; include/uapi/linux/screen_info.h. */
static void boot_screen_info(struct screen_info *si, const struct x86_screen *screen)
{
	/* As a BIOS's function 0x12 answers: colour, 256 KiB. */
	*si = (struct screen_info){ .orig_video_ega_bx = 3 };
	if (!screen->width) {
		si->orig_video_mode = screen->planar ? 0x12 : 3;
		si->orig_video_isVGA = screen->planar ? VIDEO_TYPE_VGAC : 1;
		si->orig_video_cols = 80;
		si->orig_video_lines = screen->planar ? 30 : 25;
		si->orig_video_points = 16;
		return;
	}
	si->orig_video_isVGA = VIDEO_TYPE_VLFB;
	si->lfb_width = screen->width;
	si->lfb_height = screen->height;
	si->lfb_depth = 32;
	si->lfb_base = screen->base;
	si->lfb_size = screen->size >> 16;
	si->lfb_linelength = 4 * screen->width;
	si->red_size = si->green_size = si->blue_size = si->rsvd_size = 8;
	si->red_pos = 16;
	si->green_pos = 8;
	si->rsvd_pos = 24;
	si->pages = 1;
}

int boot_write_zero_page(struct boot *boot, const struct setup_header *hdr)
{
	uint64_t initrd = boot->initrd_gpa, initrd_len = boot->initrd.size;
	struct boot_params bp = { .hdr = *hdr };

	if (boot->cfg->screen.there)
		boot_screen_info(&bp.screen_info, &boot->cfg->screen);
	bp.acpi_rsdp_addr = boot->cfg->rsdp_gpa;
	bp.e820_entries = boot_e820(boot->mem, bp.e820_table);
	bp.hdr.type_of_loader = 0xff;	/* without a number of its own */
	bp.hdr.vid_mode = 0xffff;	/* "normal" */
	bp.hdr.cmd_line_ptr = X86_CMDLINE_GPA;
	bp.hdr.setup_data = 0;		/* the loader's to fill, not the file's */
	if (initrd) {
		bp.hdr.ramdisk_image = (uint32_t)initrd;
		bp.hdr.ramdisk_size = (uint32_t)initrd_len;
		bp.ext_ramdisk_image = initrd >> 32;
		bp.ext_ramdisk_size = initrd_len >> 32;
	} else {
		bp.hdr.ramdisk_image = 0;
		bp.hdr.ramdisk_size = 0;
	}
	return gmem_write(boot->mem, X86_ZERO_PAGE_GPA, &bp, sizeof(bp));
}

/* --- from a file to an entry ------------------------------------------------ */

/* Files that people take for an x86 kernel, and what to do about it. */
static const struct boot_stranger boot_strangers[] = {
	{ 0, 2, "\x1f\x8b", "is gzip-compressed: unpack it first (gunzip)" },
	{ 4, 4, "zimg", "is an EFI zboot image, not a kernel for x86" },
	{ 0x24, 4, "\x18\x28\x6f\x01", "is an ARM zImage, not a kernel for x86" },
	{ 0x38, 4, "ARM\x64", "is an arm64 Image, not a kernel for x86" },
	{ 0, 2, "MZ", "is an EFI program: the bzImage that may be in it is needed" },
	{ 0x202, 0, "", "is no x86 kernel: neither a bzImage nor an ELF file" },
};

static int boot_load_kernel(struct boot *boot, struct x86_entry *entry)
{
	uint8_t head[BOOT_HEAD_LEN];
	size_t len = MIN(boot->kernel.size, sizeof(head));
	int ret = boot_file_read(&boot->kernel, 0, head, len);

	if (ret < 0)
		return ret;
	if (boot_elf_probe(head, len))
		ret = x86_elf_load(boot, head, len, entry);
	else if (boot_bzimage_probe(head, len))
		ret = boot_bzimage_load(boot, head, len, entry);
	else
		ret = boot_refuse_stranger(&boot->kernel, boot_strangers, head, len);
	return ret < 0 ? ret : boot_file_unchanged(&boot->kernel);
}

static int boot_prepare(struct boot *boot)
{
	if (!gmem_contains(boot->mem, 0, X86_VGA_HOLE_GPA) ||
	    !gmem_contains(boot->mem, X86_VGA_HOLE_END, X86_KERNEL_MIN_GPA - X86_VGA_HOLE_END)) {
		log_error("%s: a guest needs more than 1 MiB of RAM", boot->cfg->kernel);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(boot_fixed_claims); i++)
		boot_claims_keep(&boot->claims, boot_fixed_claims[i].what,
				 boot_fixed_claims[i].gpa, boot_fixed_claims[i].len);
	return 0;
}

int x86_boot_load(struct gmem *mem, const struct x86_boot *cfg, struct x86_entry *entry)
{
	struct boot boot = {
		.mem = mem,
		.cfg = cfg,
		.kernel.fd = -1,
		.initrd.fd = -1,
		.claims = { .mem = mem, .path = cfg->kernel },
	};
	int ret = boot_prepare(&boot);

	if (ret == 0)
		ret = boot_file_open(&boot.kernel, cfg->kernel);
	if (ret == 0 && cfg->initrd)
		ret = boot_file_open(&boot.initrd, cfg->initrd);
	if (ret == 0)
		ret = boot_load_kernel(&boot, entry);
	if (ret == 0)
		ret = boot_write_gdt(mem);
	if (ret == 0)
		ret = boot_write_page_tables(mem);
	if (ret == 0)
		ret = boot_write_reset_vector(mem);
	boot_file_close(&boot.initrd);
	boot_file_close(&boot.kernel);
	return ret;
}
