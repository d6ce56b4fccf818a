/* SPDX-License-Identifier: MIT */
#include "arch/arm/boot_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

#define SECTOR 512u
#define MBR_TABLE 446
#define MBR_ENTRIES 4
#define MBR_ENTRY_LEN 16
#define MBR_GPT 0xee
#define GPT_HEADER_OFF SECTOR
#define GPT_MAX_ENTRIES 128
#define GPT_ENTRY_MIN 128
#define GPT_ENTRY_MAX 4096
#define COPY_MAX (1ull << 30)	/* bytes of all that goes into one file: such a board's memory */

static int source_failed(const struct boot_source *s, const char *what)
{
	int err = errno;

	log_error("%s: %s: %m", s->path, what);
	return -err;
}

/* --- partitions (UEFI Specification 2.10, 5) ------------------------------------------- */

static bool mbr_is_fat(uint8_t type)
{
	static const uint8_t types[] = { 0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e, 0xef };

	return memchr(types, type, sizeof(types)) != NULL;
}

/* @entry of a GPT; false: there is no FAT where it says. */
static bool gpt_is_fat(const struct boot_source *s, const uint8_t *entry, uint64_t *off,
		       uint64_t *len)
{
	static const uint8_t unused[16];
	uint64_t first = load_le(entry + 32, 8), last = load_le(entry + 40, 8);
	uint8_t sector[SECTOR];

	if (!memcmp(entry, unused, sizeof(unused)) || last < first ||
	    last >= s->image.size / SECTOR)
		return false;
	*off = first * SECTOR;
	*len = (last - first + 1) * SECTOR;
	return boot_file_read(&s->image, *off, sector, SECTOR) == 0 && boot_fat_probe(sector);
}

static int source_find_in_gpt(const struct boot_source *s, uint64_t *off, uint64_t *len)
{
	uint8_t header[SECTOR], entry[GPT_ENTRY_MIN];
	uint64_t table;
	uint32_t n, size;

	if (boot_file_read(&s->image, GPT_HEADER_OFF, header, SECTOR) < 0)
		return -EINVAL;
	table = load_le(header + 72, 8);
	n = MIN(load_le(header + 80, 4), (uint64_t)GPT_MAX_ENTRIES);
	size = load_le(header + 84, 4);
	if (memcmp(header, "EFI PART", 8) || size < GPT_ENTRY_MIN || size > GPT_ENTRY_MAX ||
	    table >= s->image.size / SECTOR ||
	    !range_fits(table * SECTOR, (uint64_t)n * size, s->image.size)) {
		log_error("%s: its partition table, a GPT, is damaged", s->path);
		return -EINVAL;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (boot_file_read(&s->image, table * SECTOR + i * size, entry, sizeof(entry)) < 0)
			return -EINVAL;
		if (gpt_is_fat(s, entry, off, len))
			return 0;
	}
	return -ENOENT;
}

/* One that has both tables, a hybrid, has its FAT in this one for those who know no GPT. */
static int source_find_in_mbr(const struct boot_source *s, const uint8_t *mbr, uint64_t *off,
			      uint64_t *len)
{
	bool gpt = false;

	for (unsigned i = 0; i < MBR_ENTRIES; i++) {
		const uint8_t *e = mbr + MBR_TABLE + i * MBR_ENTRY_LEN;

		gpt |= e[4] == MBR_GPT;
		if (!mbr_is_fat(e[4]))
			continue;
		*off = load_le(e + 8, 4) * SECTOR;
		*len = load_le(e + 12, 4) * SECTOR;
		if (range_fits(*off, *len, s->image.size))
			return 0;
		log_error("%s: is truncated: its partition %u ends at byte %" PRIu64 ", it has %"
			  PRIu64, s->path, i + 1, *off + *len, s->image.size);
		return -EINVAL;
	}
	return gpt ? source_find_in_gpt(s, off, len) : -ENOENT;
}

/* What people have who downloaded a card, before they unpack it. */
static const struct boot_stranger source_strangers[] = {
	{ 0, 2, "\x1f\x8b", "is gzip-compressed: unpack it first (gunzip)" },
	{ 0, 4, "PK\3\4", "is a zip archive: unpack it first (unzip)" },
	{ 0, 4, "QFI\xfb", "is a qcow2 image: convert it first (qemu-img convert -O raw)" },
	{ 0, 0, NULL, "has no FAT partition, which is what a Raspberry Pi boots from" },
};

static int source_open_fat(struct boot_source *s)
{
	uint64_t off = 0, len = s->image.size;
	uint8_t first[SECTOR];
	int ret;

	if (s->image.size < SECTOR) {
		log_error("%s: is no image of an SD card: it has %" PRIu64 " bytes", s->path,
			  s->image.size);
		return -EINVAL;
	}
	ret = boot_file_read(&s->image, 0, first, SECTOR);
	if (ret == 0 && !boot_fat_probe(first))
		ret = load_le(first + 510, 2) == 0xaa55 ?
		      source_find_in_mbr(s, first, &off, &len) : -ENOENT;
	if (ret == -ENOENT) {
		boot_refuse_stranger(&s->image, source_strangers, first, SECTOR);
		return -EINVAL;
	}
	return ret < 0 ? ret : boot_fat_open(&s->fat, &s->image, off, len);
}

/* --- life ------------------------------------------------------------------------------- */

static int source_open_image(struct boot_source *s)
{
	off_t size = lseek(s->image.fd, 0, SEEK_END);

	if (size < 0)
		return source_failed(s, "lseek");
	s->image.size = size;
	return source_open_fat(s);
}

int boot_source_open(struct boot_source *s, const char *path)
{
	struct stat st;
	int ret;

	memset(s, 0, sizeof(*s));
	s->path = path;
	s->dir = -1;
	s->image = (struct boot_file){ .path = path };
	s->image.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (s->image.fd < 0)
		return source_failed(s, "open");
	if (fstat(s->image.fd, &st) < 0) {
		ret = source_failed(s, "fstat");
	} else if (S_ISDIR(st.st_mode)) {
		s->dir = s->image.fd;
		s->image.fd = -1;
		return 0;
	} else if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) {
		ret = source_open_image(s);
	} else {
		log_error("%s: is neither a directory nor an SD card or its image", path);
		ret = -EINVAL;
	}
	if (ret < 0)
		boot_source_close(s);
	return ret;
}

void boot_source_close(struct boot_source *s)
{
	if (s->dir >= 0)
		close(s->dir);
	s->dir = -1;
	boot_file_close(&s->image);
}

/* --- files of a directory ----------------------------------------------------------------- */

/* The descriptor of a regular file, or negative errno as above. */
static int source_open_in_dir(const struct boot_source *s, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	struct stat st;
	int fd;

	name += strspn(name, "/");
	fd = syscall(SYS_openat2, s->dir, *name ? name : ".", &how, sizeof(how));
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return -ENOENT;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= (off_t)COPY_MAX)
		return fd;
	if (fd >= 0) {
		close(fd);
		log_error("%s: %.80s is no file that can be booted", s->path, name);
		return -EINVAL;
	}
	if (errno == EXDEV)
		log_error("%s: %.80s leads out of it", s->path, name);
	else
		log_error("%s: %.80s: open: %m", s->path, name);
	return -EINVAL;
}

/* How much may come behind what is in @fd already. */
static uint64_t source_room(int fd)
{
	off_t at = lseek(fd, 0, SEEK_CUR);

	return at < 0 || (uint64_t)at > COPY_MAX ? 0 : COPY_MAX - at;
}

static int source_too_long(const struct boot_source *s, const char *name)
{
	log_error("%s: %.80s makes more than %llu MiB of what is to be loaded", s->path, name,
		  COPY_MAX / MiB);
	return -EFBIG;
}

static int source_copy_from_dir(const struct boot_source *s, const char *name, int fd)
{
	uint64_t left = source_room(fd);
	int ret = 0, from = source_open_in_dir(s, name);
	struct stat st;
	ssize_t n = 1;

	if (from < 0)
		return from;
	if (fstat(from, &st) < 0 || (uint64_t)st.st_size > left)
		ret = source_too_long(s, name);
	while (left && n > 0 && ret == 0) {
		n = sendfile(fd, from, NULL, left);
		if (n < 0)
			ret = source_failed(s, "sendfile");
		left -= MAX(n, 0);
	}
	close(from);
	return ret;
}

/* --- files ----------------------------------------------------------------------------------- */

int boot_source_copy(struct boot_source *s, const char *name, int fd)
{
	struct boot_fat_node node;
	int ret;

	if (s->dir >= 0)
		return source_copy_from_dir(s, name, fd);
	ret = boot_fat_find(&s->fat, name, &node);
	if (ret < 0)
		return ret;
	return node.size <= source_room(fd) ? boot_fat_copy(&s->fat, &node, name, fd) :
					      source_too_long(s, name);
}

int boot_source_has(struct boot_source *s, const char *name)
{
	struct boot_fat_node node;
	int fd;

	if (s->dir < 0)
		return boot_fat_find(&s->fat, name, &node);
	fd = source_open_in_dir(s, name);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int source_slurp(const struct boot_source *s, const char *name, int fd, size_t max,
			char **text, size_t *len)
{
	struct boot_file file = { .path = s->path, .fd = fd };
	off_t size = lseek(fd, 0, SEEK_END);
	int ret;

	if (size < 0 || (uint64_t)size > max) {
		log_error("%s: %.80s has more than %zu bytes", s->path, name, max);
		return -EFBIG;
	}
	*text = malloc(size + 1);
	if (!*text)
		return -ENOMEM;
	file.size = *len = size;
	(*text)[size] = '\0';
	ret = boot_file_read(&file, 0, *text, size);
	if (ret < 0)
		free(*text);
	return ret;
}

int boot_source_read(struct boot_source *s, const char *name, size_t max, char **text, size_t *len)
{
	int ret, fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0)
		return source_failed(s, "memfd_create");
	ret = boot_source_copy(s, name, fd);
	if (ret == 0)
		ret = source_slurp(s, name, fd, max, text, len);
	close(fd);
	return ret;
}
