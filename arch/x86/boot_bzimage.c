/* SPDX-License-Identifier: MIT */
/*
 * bzImage by the 64-bit entry of the Linux boot protocol: "boot.rst" here is
 * Documentation/x86/boot.rst of Linux.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "arch/x86/boot_int.h"
#include "arch/x86/layout.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define BZIMAGE_HDR_OFF offsetof(struct boot_params, hdr)
#define BZIMAGE_JUMP_OFF 0x200		/* "jmp"; its operand says where the header ends */
#define BZIMAGE_MAGIC_OFF 0x202
#define BZIMAGE_MAGIC 0x53726448	/* "HdrS" */
#define BZIMAGE_BOOT_FLAG 0xaa55
#define BZIMAGE_VERSION_MIN 0x020c	/* the first with xloadflags */
#define BZIMAGE_SECTOR 512
#define BZIMAGE_ENTRY64 0x200		/* boot.rst, "64-bit BOOT PROTOCOL" */

bool boot_bzimage_probe(const uint8_t *head, size_t len)
{
	return len >= BZIMAGE_MAGIC_OFF + 4 &&
	       load_le(head + BZIMAGE_MAGIC_OFF, 4) == BZIMAGE_MAGIC;
}

/* The header may be shorter than ours (then zeros follow) or longer. */
static int bzimage_get_header(const struct boot *boot, const uint8_t *head, size_t len,
			      struct setup_header *hdr)
{
	size_t end = BZIMAGE_MAGIC_OFF + head[BZIMAGE_JUMP_OFF + 1];

	memset(hdr, 0, sizeof(*hdr));
	if (end > len) {
		log_error("%s: is truncated within its header", boot->kernel.path);
		return -EINVAL;
	}
	memcpy(hdr, head + BZIMAGE_HDR_OFF, MIN(end - BZIMAGE_HDR_OFF, sizeof(*hdr)));
	return 0;
}

static int bzimage_check_header(const struct boot *boot, const struct setup_header *hdr)
{
	const char *path = boot->kernel.path;

	if (hdr->boot_flag != BZIMAGE_BOOT_FLAG) {
		log_error("%s: is no bzImage: boot flag %#x instead of 0xaa55", path,
			  hdr->boot_flag);
		return -ENOEXEC;
	}
	if (hdr->version < BZIMAGE_VERSION_MIN) {
		log_error("%s: boot protocol %u.%02u is too old: 2.12 (Linux 3.8) is needed", path,
			  hdr->version >> 8, hdr->version & 0xff);
		return -ENOEXEC;
	}
	if (!(hdr->loadflags & LOADED_HIGH)) {
		log_error("%s: is a zImage that loads low: a bzImage is needed", path);
		return -ENOEXEC;
	}
	if (!(hdr->xloadflags & XLF_KERNEL_64)) {
		log_error("%s: is a 32-bit kernel: a 64-bit one is needed", path);
		return -ENOEXEC;
	}
	return 0;
}

/* Where the kernel goes: pref_address unless it is relocatable and wants to be aligned. */
static int bzimage_place(const struct boot *boot, const struct setup_header *hdr, uint64_t *load)
{
	*load = hdr->pref_address;
	if (!hdr->relocatable_kernel)
		return 0;
	if (!is_pow2(hdr->kernel_alignment)) {
		log_error("%s: its alignment %#x is no power of two", boot->kernel.path,
			  hdr->kernel_alignment);
		return -EINVAL;
	}
	/*
	 * Never below pref_address: the kernel would move itself back up, to
	 * where nobody checked that there is RAM.
	 */
	*load = MAX(*load, X86_KERNEL_MIN_GPA);
	if (*load < X86_HIGH_RAM_BASE)
		*load = align_up(*load, hdr->kernel_alignment);
	return 0;
}

static int bzimage_load_image(struct boot *boot, const struct setup_header *hdr, uint64_t *load)
{
	const struct boot_file *f = &boot->kernel;
	/* boot.rst, "THE REAL-MODE KERNEL HEADER": 0 sectors mean 4; syssize counts 16 bytes. */
	uint64_t setup = ((hdr->setup_sects ?: 4) + 1) * BZIMAGE_SECTOR;
	uint64_t image = hdr->syssize * 16ull, need = MAX(image, hdr->init_size);
	int ret;

	if (image <= BZIMAGE_ENTRY64 || !range_fits(setup, image, f->size)) {
		log_error("%s: is truncated: its header speaks of %" PRIu64 " bytes, it has %"
			  PRIu64, f->path, setup + image, f->size);
		return -EINVAL;
	}
	ret = bzimage_place(boot, hdr, load);
	if (ret < 0)
		return ret;
	/* Paging at the entry covers 4 GiB. */
	if (!range_fits(*load, need, X86_HIGH_RAM_BASE)) {
		log_error("%s: wants %" PRIu64 " MiB at %#" PRIx64
			  ", which does not end below 4 GiB", f->path, boot_mib(need), *load);
		return -EINVAL;
	}
	ret = boot_claims_add(&boot->claims, "the kernel", -1, *load, need);
	if (ret < 0)
		return ret;
	return boot_file_load(f, setup, boot->mem, *load, image);
}

int boot_bzimage_load(struct boot *boot, const uint8_t *head, size_t len, struct x86_entry *entry)
{
	struct setup_header hdr;
	uint64_t load = 0;
	int ret = bzimage_get_header(boot, head, len, &hdr);

	if (ret == 0)
		ret = bzimage_check_header(boot, &hdr);
	if (ret == 0)
		ret = boot_load_cmdline(boot, hdr.cmdline_size);
	if (ret == 0)
		ret = bzimage_load_image(boot, &hdr, &load);
	if (ret == 0)
		ret = boot_load_initrd(boot, hdr.initrd_addr_max + 1ull,
				       hdr.xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G);
	if (ret < 0)
		return ret;
	hdr.code32_start = load;
	hdr.loadflags &= ~(CAN_USE_HEAP | KEEP_SEGMENTS);
	*entry = (struct x86_entry){
		.mode = X86_ENTRY_LONG,
		.rip = load + BZIMAGE_ENTRY64,
		.arg = X86_ZERO_PAGE_GPA,
	};
	return boot_write_zero_page(boot, &hdr);
}
