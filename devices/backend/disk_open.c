/* SPDX-License-Identifier: MIT */
/* From a path to a disk: what can be opened, and what the host says about it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "devices/backend/disk_impl.h"
#include "vmm/util.h"

#define SECTOR 512u
#define PAGE 4096u
#define MAX_BLOCK (64u << 10)

/* --- the file ---------------------------------------------------------------- */

static int open_file(struct disk_file *file, const struct disk_params *p)
{
	struct stat st;
	int flags = O_CLOEXEC | (p->readonly ? O_RDONLY : O_RDWR), ret;

	/* Before open(), which waits for a pipe's other end and rewinds tapes. */
	if (stat(p->path, &st) < 0) {
		ret = -errno;
		log_error("disk %s: %s", p->path, strerror(-ret));
		return ret;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		log_error("disk %s: neither a regular file nor a block device", p->path);
		return -EINVAL;
	}
	file->is_block_device = S_ISBLK(st.st_mode);
	/* On a block device O_EXCL refuses one that the host has mounted. */
	if (file->is_block_device && !p->readonly)
		flags |= O_EXCL;
	file->fd = open(p->path, flags);
	if (file->fd >= 0)
		return 0;
	ret = -errno;
	if (ret == -EBUSY)
		log_error("disk %s: in use by the host (mounted?) or by another VM", p->path);
	else
		log_error("disk %s: %s%s", p->path, strerror(-ret),
			  !p->readonly && eaccess(p->path, R_OK) == 0 ? " (,ro opens it read-only)" : "");
	return ret;
}

/* --- direct I/O ------------------------------------------------------------------ */

/* Whether [@off, @off + @len) can be read into memory at @mem. */
static bool direct_reads(int fd, uint8_t *mem, uint64_t off, uint32_t len)
{
	return pread(fd, mem, len, off) == (ssize_t)len;
}

/* By trying: not all kernels and file systems say what they want (STATX_DIOALIGN). */
static bool direct_probe(struct disk_file *file, const struct disk_info *info)
{
	uint32_t block = info->block_size;
	uint64_t off = info->size >= 2 * (uint64_t)block ? block : 0;
	uint8_t *mem = aligned_alloc(PAGE, 2 * MAX_BLOCK);
	bool works = mem && direct_reads(file->fd, mem, off, block);

	if (works)
		file->mem_align = direct_reads(file->fd, mem + SECTOR, off, block) ? SECTOR : PAGE;
	free(mem);
	return works;
}

/* Not all file systems can, and not all in blocks as small as the guest's. */
static void go_direct(struct disk_file *file, const struct disk_info *info)
{
	int flags = fcntl(file->fd, F_GETFL);

	if (fcntl(file->fd, F_SETFL, flags | O_DIRECT) == 0 && direct_probe(file, info)) {
		file->direct = true;
		return;
	}
	fcntl(file->fd, F_SETFL, flags);
	log_warn("disk %s: no direct I/O in blocks of %u bytes there: cache=writeback instead",
		 file->path, info->block_size);
}

/* --- what it is like ----------------------------------------------------------- */

static uint32_t sane_block(uint64_t size, uint32_t fallback)
{
	return is_pow2(size) && size >= SECTOR && size <= MAX_BLOCK ? size : fallback;
}

/* A number of the device's, or of the disk's that it is a partition of; 0: unknown. */
static uint64_t queue_limit(dev_t dev, const char *name)
{
	static const char *const dirs[] = { "", "/.." };
	unsigned long long value = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(dirs); i++) {
		char path[128];
		FILE *f;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u%s/queue/%s", major(dev),
			 minor(dev), dirs[i], name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &value) != 1)
			value = 0;
		fclose(f);
		break;
	}
	return value;
}

static int measure_block_device(const struct disk_file *file, const struct stat *st,
				struct disk_info *info)
{
	unsigned physical = 0;
	int logical = 0;

	if (ioctl(file->fd, BLKGETSIZE64, &info->size) < 0 ||
	    ioctl(file->fd, BLKSSZGET, &logical) < 0) {
		log_error("disk %s: asking for its size: %m", file->path);
		return -errno;
	}
	ioctl(file->fd, BLKPBSZGET, &physical);
	info->block_size = sane_block(logical, SECTOR);
	info->physical_block_size = sane_block(physical, info->block_size);
	if (queue_limit(st->st_rdev, "discard_max_bytes"))
		info->discard_granularity =
			sane_block(queue_limit(st->st_rdev, "discard_granularity"),
				   info->physical_block_size);
	return 0;
}

/* Guests' partition tables count blocks: an image has those of 512 bytes wherever it lies. */
static void measure_file(const struct disk_file *file, const struct stat *st,
			 struct disk_info *info)
{
	info->size = st->st_size;
	info->block_size = SECTOR;
	info->physical_block_size = sane_block(st->st_blksize, PAGE);
	/* Behind its end there is nothing to lose. */
	if (!info->readonly &&
	    fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      align_up(st->st_size, MAX_BLOCK), MAX_BLOCK) == 0)
		info->discard_granularity = info->physical_block_size;
}

static int measure(const struct disk_file *file, struct disk_info *info)
{
	struct stat st;
	uint64_t rest;
	int ret = 0;

	if (fstat(file->fd, &st) < 0)
		return -errno;
	if (file->is_block_device)
		ret = measure_block_device(file, &st, info);
	else
		measure_file(file, &st, info);
	if (ret < 0)
		return ret;
	info->physical_block_size = MAX(info->physical_block_size, info->block_size);
	rest = info->size % info->block_size;
	info->size -= rest;
	if (!info->size) {
		log_error("disk %s: too small: not even one block of %u bytes", file->path,
			  info->block_size);
		return -EINVAL;
	}
	if (rest)
		log_warn("disk %s: the last %llu bytes are no whole block: the guest does not see them",
			 file->path, (unsigned long long)rest);
	return 0;
}

static void warn_format(const struct disk_file *file)
{
	char magic[4];

	if (pread(file->fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	    !memcmp(magic, "QFI\xfb", sizeof(magic)))
		log_warn("disk %s: looks like qcow2, but the guest gets its bytes as they are: convert it "
			 "with qemu-img convert -O raw", file->path);
}

/* --- all together ---------------------------------------------------------------- */

static int start(struct disk **out, struct loop *loop, enum disk_engine engine,
		 const struct disk_file *file, const struct disk_info *info)
{
	int ret = -ENOSYS;

	if (engine != DISK_ENGINE_THREADS)
		ret = disk_create(out, loop, &disk_uring_ops, NULL, file, info);
	if (ret < 0 && engine != DISK_ENGINE_URING)
		ret = disk_create(out, loop, &disk_threads_ops, NULL, file, info);
	if (ret < 0)
		log_error("disk %s: %s", file->path, strerror(-ret));
	else
		log_debug("disk %s: %llu bytes, by %s", file->path, (unsigned long long)info->size,
			  (*out)->ops->name);
	return ret;
}

int disk_open(struct disk **out, struct loop *loop, const struct disk_params *p)
{
	struct disk_info info = { .readonly = p->readonly };
	struct disk_file file = { .fd = -1, .path = strdup(p->path) };
	int ret = file.path ? open_file(&file, p) : -ENOMEM;

	if (ret == 0)
		ret = disk_lock(file.fd, file.path, p->readonly);
	if (ret == 0)
		ret = measure(&file, &info);
	if (ret == 0) {
		warn_format(&file);
		if (p->cache == DISK_NONE)
			go_direct(&file, &info);
		ret = start(out, loop, p->engine, &file, &info);
	}
	if (ret < 0)
		disk_file_finish(&file);
	return ret;
}
