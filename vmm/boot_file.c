/* SPDX-License-Identifier: MIT */
#include "vmm/boot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

static const char *boot_file_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFCHR:
		return "a character device";
	case S_IFBLK:
		return "a block device";
	default:
		return "no file";
	}
}

/* By errno. */
static int boot_file_failed(const struct boot_file *file, const char *call)
{
	int err = errno;

	log_error("%s: %s: %m", file->path, call);
	return -err;
}

static int boot_file_check(struct boot_file *file)
{
	struct stat st;

	if (fstat(file->fd, &st) < 0)
		return boot_file_failed(file, "fstat");
	if (!S_ISREG(st.st_mode)) {
		log_error("%s: is %s, a regular file is needed", file->path,
			  boot_file_type(st.st_mode));
		return -EINVAL;
	}
	if (st.st_size <= 0) {
		log_error("%s: is empty", file->path);
		return -EINVAL;
	}
	file->size = st.st_size;
	return 0;
}

int boot_file_open(struct boot_file *file, const char *path)
{
	return boot_file_open_as(file, path, NULL);
}

int boot_file_open_as(struct boot_file *file, const char *path, const char *name)
{
	int ret;

	/* O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever (case 96). */
	*file = (struct boot_file){ .path = name ? name : path };
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (file->fd < 0)
		return boot_file_failed(file, "open");
	ret = boot_file_check(file);
	if (ret < 0)
		boot_file_close(file);
	return ret;
}

void boot_file_close(struct boot_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

static int boot_file_ended(const struct boot_file *file, uint64_t off)
{
	if (off >= file->size)
		log_error("%s: is truncated: it ends at byte %" PRIu64, file->path, file->size);
	else
		log_error("%s: changed while it was loaded: try again", file->path);
	return -EINVAL;
}

int boot_file_read(const struct boot_file *file, uint64_t off, void *buf, size_t len)
{
	uint8_t *p = buf;

	/* No offset that pread() would take for negative. */
	if (!range_fits(off, len, file->size))
		return boot_file_ended(file, file->size);
	while (len) {
		ssize_t n = pread(file->fd, p, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return boot_file_failed(file, "read");
		if (n == 0)
			return boot_file_ended(file, off);
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

int boot_file_load(const struct boot_file *file, uint64_t off, struct gmem *mem, uint64_t gpa,
		   uint64_t len)
{
	int ret;

	if (!range_fits(off, len, file->size))
		return boot_file_ended(file, file->size);
	ret = gmem_read_file(mem, gpa, file->fd, off, len);
	if (ret == -ENODATA)
		return boot_file_ended(file, off);
	if (ret == 0)
		return 0;
	errno = -ret;
	return boot_file_failed(file, "read");
}

static const struct boot_stranger boot_packed[] = {
	{ 0, 6, "\xfd" "7zXZ\0", "is xz-compressed: unpack it first (unxz)" },
	{ 0, 3, "BZh", "is bzip2-compressed: unpack it first (bunzip2)" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "is zstd-compressed: unpack it first (unzstd)" },
	{ 0, 4, "\x02\x21\x4c\x18", "is lz4-compressed: unpack it first (unlz4)" },
	{ 0, 4, "\x04\x22\x4d\x18", "is lz4-compressed: unpack it first (unlz4)" },
	{ 0, 6, "070701", "is a cpio archive: is it the initrd?" },
	{ 0, 0, NULL, NULL },
};

/* The first whose magic fits, or the last one, which has none. */
static const struct boot_stranger *boot_find_stranger(const struct boot_stranger *s,
						      const uint8_t *head, size_t len)
{
	while (s->len && (s->off + s->len > len || memcmp(head + s->off, s->magic, s->len)))
		s++;
	return s;
}

int boot_refuse_stranger(const struct boot_file *file, const struct boot_stranger *own,
			 const uint8_t *head, size_t len)
{
	const struct boot_stranger *s = boot_find_stranger(boot_packed, head, len);

	if (!s->what)
		s = boot_find_stranger(own, head, len);
	log_error("%s: %s", file->path, s->what);
	return -ENOEXEC;
}

int boot_file_unchanged(const struct boot_file *file)
{
	struct stat st;

	if (fstat(file->fd, &st) < 0 || (uint64_t)st.st_size != file->size)
		return boot_file_ended(file, 0);
	return 0;
}
