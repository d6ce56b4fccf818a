/* SPDX-License-Identifier: MIT */
/* arm64's Image: "booting.rst" is Documentation/arm64/booting.rst of Linux. */
#include <errno.h>
#include <inttypes.h>

#include "arch/arm/boot_int.h"
#include "vmm/log.h"
#include "vmm/util.h"

/* booting.rst, 4: the header. */
#define IMAGE_TEXT_OFFSET 8
#define IMAGE_SIZE 16
#define IMAGE_FLAGS 24
#define IMAGE_MAGIC_OFF 56
#define IMAGE_MAGIC 0x644d5241	/* "ARM\x64" */
#define IMAGE_FLAG_BE BIT(0)

#define IMAGE_ALIGN (2 * MiB)
#define IMAGE_OLD_TEXT_OFFSET 0x80000	/* where image_size is 0 */
/* Before 4.2 the tree had to be near; the initrd is within a window of 32 GiB. */
#define IMAGE_DTB_WITHIN (512 * MiB)
#define IMAGE_INITRD_WITHIN (32 * GiB)

struct image {
	uint64_t text_offset, size;
};

bool boot_is_image(const struct payload *p)
{
	return load_le(p->head + IMAGE_MAGIC_OFF, 4) == IMAGE_MAGIC;
}

static int image_check(const struct boot *boot, const struct payload *p, struct image *img)
{
	const char *path = boot->file.path;

	if (load_le(p->head + IMAGE_FLAGS, 8) & IMAGE_FLAG_BE) {
		log_error("%s: is a big-endian kernel: a little-endian one is needed", path);
		return -ENOEXEC;
	}
	img->text_offset = load_le(p->head + IMAGE_TEXT_OFFSET, 8);
	img->size = load_le(p->head + IMAGE_SIZE, 8);
	if (img->size == 0) {
		/* booting.rst: a kernel before 3.17, whose text_offset may be in any order. */
		img->text_offset = IMAGE_OLD_TEXT_OFFSET;
		return payload_measure(p, boot->cfg->ram.len, &img->size);
	}
	if (img->text_offset >= IMAGE_ALIGN) {
		log_error("%s: wants to be %#" PRIx64 " bytes above a multiple of 2 MiB: its "
			  "header is damaged", path, img->text_offset);
		return -EINVAL;
	}
	if (!p->gzip && img->size < p->len) {
		log_error("%s: its header speaks of %" PRIu64 " bytes, it has %" PRIu64, path,
			  img->size, p->len);
		return -EINVAL;
	}
	return 0;
}

/* The lowest place for @len bytes at @offset above a multiple of 2 MiB; false: none. */
static bool image_place(const struct boot *boot, const struct image *img, uint64_t *gpa)
{
	const struct gmem_range *ram = &boot->cfg->ram;
	uint64_t base = align_up(ram->gpa, IMAGE_ALIGN), used;

	/* Each turn goes past a claim; one that reaches the end of addresses is the last. */
	while (!__builtin_add_overflow(img->text_offset, img->size, &used) &&
	       base >= ram->gpa && range_fits(base - ram->gpa, used, ram->len)) {
		const struct boot_claim *c = boot_claims_at(&boot->claims, base + img->text_offset,
							    img->size);

		*gpa = base + img->text_offset;
		if (!c)
			return true;
		base = align_up(c->gpa + c->len, IMAGE_ALIGN);
		if (!base)
			return false;
	}
	return false;
}

int boot_load_image(struct boot *boot, uint64_t *pc)
{
	const struct payload *p = &boot->kernel.payload;
	struct image img;
	int ret = image_check(boot, p, &img);

	if (ret < 0)
		return ret;
	if (!image_place(boot, &img, pc)) {
		log_error("%s: needs %" PRIu64 " MiB at a multiple of 2 MiB, which the guest's %"
			  PRIu64 " MiB of RAM do not have free: give it more --memory",
			  boot->file.path, boot_mib(img.size), boot_mib(boot->cfg->ram.len));
		return -ENOMEM;
	}
	ret = boot_claims_add(&boot->claims, "the kernel", -1, *pc, img.size);
	if (ret < 0)
		return ret;
	boot->dtb_limit = *pc + IMAGE_DTB_WITHIN;
	boot->initrd_limit = align_down(*pc, GiB) + IMAGE_INITRD_WITHIN;
	return payload_load_all(p, boot->mem, *pc, img.size);
}
