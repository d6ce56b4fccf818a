/* SPDX-License-Identifier: MIT */
/*
 * zImage, of 32-bit kernels: "booting.rst" is Documentation/arm/booting.rst of
 * Linux; the header is that of arch/arm/boot/compressed/head.S.
 */
#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>

#include "arch/arm/boot_int.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define ZIMAGE_MAGIC_OFF 0x24
#define ZIMAGE_MAGIC 0x016f2818u
#define ZIMAGE_START 0x28
#define ZIMAGE_END 0x2c
#define ZIMAGE_HEADER_LEN 0x34
/* A table of tags, each with its length in words (compressed/vmlinux.lds.S). */
#define ZIMAGE_TABLE_MAGIC_OFF 0x34
#define ZIMAGE_TABLE_MAGIC 0x45454545u
#define ZIMAGE_TABLE 0x38
#define ZIMAGE_TAG_SIZES 0x5a534c4bu	/* "KLSZ" */
#define ZIMAGE_TAG_MIN 4		/* words */
#define ZIMAGE_MAX_TAGS 16

/* booting.rst, 4: above 32 MiB it need not move itself before it unpacks. */
#define ZIMAGE_OFFSET (32 * MiB)
#define ZIMAGE_TEXT_OFFSET 0x208000	/* the highest of a multiplatform kernel... */
#define ZIMAGE_TABLES 0x4000		/* ...and the lowest, with the tables below it */
#define ZIMAGE_RATIO 5			/* unpacked, if the header does not tell */
#define ZIMAGE_HEAP MiB			/* behind it: tables, stack, heap */

struct zimage {
	uint64_t size;		/* of the file's part */
	uint64_t unpacked;
};

bool boot_is_zimage(const struct payload *p)
{
	uint32_t magic = load_le(p->head + ZIMAGE_MAGIC_OFF, 4);

	return magic == ZIMAGE_MAGIC || magic == __builtin_bswap32(ZIMAGE_MAGIC);
}

static int zimage_refuse(const struct boot *boot, uint64_t start, uint64_t end, uint64_t len)
{
	log_error("%s: is damaged: its header speaks of bytes %#" PRIx64 " to %#" PRIx64
		  ", it has %" PRIu64, boot->file.path, start, end, len);
	return -EINVAL;
}

/* A tree behind the kernel is one for a board whose boot loader has none. */
static void zimage_note_tree(const struct boot *boot, const struct payload *p, uint64_t size,
			     uint64_t len)
{
	uint8_t magic[4];

	if (p->gzip || len - size < sizeof(magic) ||
	    boot_file_read(p->file, p->off + size, magic, sizeof(magic)) < 0)
		return;
	if (fdt32_ld((const fdt32_t *)(const void *)magic) == FDT_MAGIC)
		log_info("%s: the device tree behind the kernel is left off: --dtb names one",
			 boot->file.path);
}

/*
 * A little-endian word of the kernel at @off; false where that is not in it, or
 * cannot be known. Whatever it says is a hint only.
 */
static bool zimage_word(const struct payload *p, const struct zimage *z, uint64_t off,
			uint32_t *value)
{
	uint8_t word[4];

	if (!range_fits(off, sizeof(word), z->size))
		return false;
	if (range_fits(off, sizeof(word), p->head_len))
		memcpy(word, p->head + off, sizeof(word));
	else if (p->gzip || boot_file_read(p->file, p->off + off, word, sizeof(word)) < 0)
		return false;
	*value = load_le(word, sizeof(word));
	return true;
}

/* Bytes of the kernel unpacked and of its bss; 0 if the table does not tell. */
static uint64_t zimage_told_size(const struct payload *p, const struct zimage *z)
{
	uint32_t magic, table, words = 0, tag, at, size, bss;

	if (!zimage_word(p, z, ZIMAGE_TABLE_MAGIC_OFF, &magic) || magic != ZIMAGE_TABLE_MAGIC ||
	    !zimage_word(p, z, ZIMAGE_TABLE, &table))
		return 0;
	for (uint64_t off = table, i = 0; i < ZIMAGE_MAX_TAGS; i++, off += words * 4ull) {
		if (!zimage_word(p, z, off, &words) || words < 2 ||
		    !zimage_word(p, z, off + 4, &tag))
			return 0;
		if (tag != ZIMAGE_TAG_SIZES || words < ZIMAGE_TAG_MIN)
			continue;
		if (!zimage_word(p, z, off + 8, &at) || !zimage_word(p, z, at, &size) ||
		    !zimage_word(p, z, off + 12, &bss))
			return 0;
		return (uint64_t)size + bss;
	}
	return 0;
}

static int zimage_check(const struct boot *boot, const struct payload *p, struct zimage *z)
{
	uint32_t start = load_le(p->head + ZIMAGE_START, 4);
	uint32_t end = load_le(p->head + ZIMAGE_END, 4);
	uint64_t len;
	int ret;

	if (load_le(p->head + ZIMAGE_MAGIC_OFF, 4) != ZIMAGE_MAGIC) {
		log_error("%s: is a big-endian kernel: a little-endian one is needed",
			  boot->file.path);
		return -ENOEXEC;
	}
	ret = payload_measure(p, boot->cfg->ram.len, &len);
	if (ret < 0)
		return ret;
	if (end < start || end - start < ZIMAGE_HEADER_LEN || end - start > len)
		return zimage_refuse(boot, start, end, len);
	z->size = end - start;
	zimage_note_tree(boot, p, z->size, len);
	z->unpacked = MAX(zimage_told_size(p, z), z->size);
	if (z->unpacked == z->size)
		z->unpacked *= ZIMAGE_RATIO;
	return 0;
}

/*
 * It unpacks the kernel to the beginning of RAM, of which it keeps 128 MiB apart
 * to find it (AUTO_ZRELADDR), and moves itself behind that first if it would be
 * overwritten. *@used: how much of RAM that takes.
 */
static int zimage_place(const struct boot *boot, const struct zimage *z, uint64_t *offset,
			uint64_t *used)
{
	const struct gmem_range *ram = &boot->cfg->ram;

	*offset = MIN(ZIMAGE_OFFSET, align_down(ram->len / 2, MiB));
	*used = MAX(*offset, ZIMAGE_TEXT_OFFSET + z->unpacked) + z->size + ZIMAGE_HEAP;
	if (*used <= ram->len)
		return 0;
	log_error("%s: needs %" PRIu64 " MiB to unpack itself, the guest's RAM has %" PRIu64
		  ": give it more --memory", boot->file.path, boot_mib(*used), boot_mib(ram->len));
	return -ENOMEM;
}

int boot_load_zimage(struct boot *boot, uint64_t *pc)
{
	const struct gmem_range *ram = &boot->cfg->ram;
	struct zimage z;
	uint64_t offset, used;
	int ret = zimage_check(boot, &boot->kernel.payload, &z);

	if (ret == 0)
		ret = zimage_place(boot, &z, &offset, &used);
	if (ret == 0)
		ret = boot_claims_add(&boot->claims, "the kernel", -1, ram->gpa + ZIMAGE_TABLES,
				      used - ZIMAGE_TABLES);
	if (ret < 0)
		return ret;
	*pc = ram->gpa + offset;
	boot->dtb_limit = boot->initrd_limit = ram->gpa + BOOT_LOWMEM;
	return payload_load(&boot->kernel.payload, boot->mem, *pc, z.size);
}
