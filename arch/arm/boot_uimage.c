/* SPDX-License-Identifier: MIT */
/* U-Boot's legacy image: one header in front of a kernel (U-Boot, include/image.h). */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "arch/arm/boot_int.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define UIMAGE_MAGIC 0x27051956u
#define UIMAGE_ARCH_ARM 2
#define UIMAGE_ARCH_ARM64 22
#define UIMAGE_TYPE_KERNEL 2
#define UIMAGE_TYPE_KERNEL_NOLOAD 14
#define UIMAGE_COMP_NONE 0
#define UIMAGE_COMP_GZIP 1

/* Big-endian. */
struct uimage {
	uint32_t magic, hcrc, time, size, load, entry, dcrc;
	uint8_t os, arch, type, comp;
	char name[32];
};
_Static_assert(sizeof(struct uimage) == 64, "as it is in the file");

bool boot_is_uimage(const struct payload *p)
{
	return load_le(p->head, 4) == htobe32(UIMAGE_MAGIC);
}

static int uimage_refuse(const struct boot_file *file, const char *why)
{
	log_error("%s: %s", file->path, why);
	return -EINVAL;
}

static int uimage_check_header(const struct boot_file *file, const struct uimage *h)
{
	struct uimage copy = *h;

	copy.hcrc = 0;
	if (crc32(0, (const void *)&copy, sizeof(copy)) != be32toh(h->hcrc))
		return uimage_refuse(file, "is damaged: the CRC of its uImage header is wrong");
	if (h->arch != UIMAGE_ARCH_ARM && h->arch != UIMAGE_ARCH_ARM64)
		return uimage_refuse(file, "is a uImage for another architecture, not for ARM");
	if (h->type != UIMAGE_TYPE_KERNEL && h->type != UIMAGE_TYPE_KERNEL_NOLOAD)
		return uimage_refuse(file, "is a uImage, but of no kernel: a kernel is needed");
	if (h->comp != UIMAGE_COMP_NONE && h->comp != UIMAGE_COMP_GZIP)
		return uimage_refuse(file, "is a uImage packed by something other than gzip: pack "
				     "it anew (mkimage -C gzip)");
	if (be32toh(h->size) == 0 ||
	    !range_fits(sizeof(*h), be32toh(h->size), file->size)) {
		log_error("%s: is truncated: its uImage header speaks of %u bytes, it has %" PRIu64,
			  file->path, be32toh(h->size), file->size - sizeof(*h));
		return -EINVAL;
	}
	return 0;
}

static int uimage_check_data(const struct boot_file *file, const struct uimage *h)
{
	uint64_t off = sizeof(*h), left = be32toh(h->size);
	uint8_t buf[16384];
	uLong crc = 0;

	while (left) {
		size_t n = MIN(left, sizeof(buf));
		int ret = boot_file_read(file, off, buf, n);

		if (ret < 0)
			return ret;
		crc = crc32(crc, buf, n);
		off += n;
		left -= n;
	}
	if (crc != be32toh(h->dcrc))
		return uimage_refuse(file, "is damaged: the CRC of its uImage data is wrong");
	return 0;
}

int boot_open_uimage(struct kernel *kernel, const struct boot_file *file, bool crc)
{
	struct uimage h;
	int ret = boot_file_read(file, 0, &h, sizeof(h));

	if (ret == 0)
		ret = uimage_check_header(file, &h);
	if (ret == 0 && crc)
		ret = uimage_check_data(file, &h);
	if (ret < 0)
		return ret;
	kernel->kind = KERNEL_AT_ADDRESS;
	kernel->aarch32 = h.arch == UIMAGE_ARCH_ARM;
	kernel->load = be32toh(h.load);
	kernel->entry = be32toh(h.entry);
	return payload_open(&kernel->payload, file, sizeof(h), be32toh(h.size),
			    h.comp == UIMAGE_COMP_GZIP);
}
