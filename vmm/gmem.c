/* SPDX-License-Identifier: MIT */
#include "vmm/gmem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

#define GMEM_PAGE 4096ull
#define GMEM_HUGE_PAGE (2 * MiB)

static bool gmem_ranges_valid(const struct gmem_range *ranges, unsigned n)
{
	uint64_t floor = 0;

	if (n == 0 || n > GMEM_MAX_REGIONS)
		return false;
	for (unsigned i = 0; i < n; i++) {
		uint64_t gpa = ranges[i].gpa, len = ranges[i].len;

		if ((gpa | len) % GMEM_PAGE || len == 0 || gpa < floor || gpa + len < gpa)
			return false;
		floor = gpa + len;
	}
	return true;
}

/* A memfd of @size bytes that can neither shrink nor grow. */
static int gmem_create_fd(uint64_t size)
{
	int fd = memfd_create("guest-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0) {
		log_error("memfd_create for guest memory: %m");
		return -errno;
	}
	if (ftruncate(fd, size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int err = errno;

		log_error("guest memory of %llu MiB: %m", (unsigned long long)(size / MiB));
		close(fd);
		return -err;
	}
	return fd;
}

/*
 * Address space of @len bytes where guest and host addresses agree below
 * GMEM_HUGE_PAGE, without which nothing can be mapped by huge pages. MAP_FAILED
 * when there is none.
 */
static void *gmem_reserve(uint64_t gpa, uint64_t len)
{
	uint64_t size = len + GMEM_HUGE_PAGE, head;
	char *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return p;
	head = (gpa - (uintptr_t)p) & (GMEM_HUGE_PAGE - 1);
	if (head)
		munmap(p, head);
	munmap(p + head + len, size - head - len);
	return p + head;
}

/*
 * Where a range goes that is put behind @end bytes of the memfd: for huge pages
 * file, guest and host have to agree, so that a guest whose RAM has a hole for VGA
 * has one in its file.
 */
static uint64_t gmem_offset(const struct gmem_range *range, uint64_t end)
{
	if (range->len < GMEM_HUGE_PAGE)
		return end;
	return end + ((range->gpa - end) & (GMEM_HUGE_PAGE - 1));
}

static int gmem_map(struct gmem *mem, const struct gmem_range *range, uint64_t offset)
{
	struct gmem_region *r = &mem->regions[mem->n_regions];
	int kind = mem->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	void *host = gmem_reserve(range->gpa, range->len);

	if (host != MAP_FAILED)
		host = mmap(host, range->len, PROT_READ | PROT_WRITE,
			    kind | MAP_FIXED | MAP_NORESERVE, mem->fd, mem->fd >= 0 ? offset : 0);
	if (host == MAP_FAILED) {
		log_error("mmap of %llu MiB of guest memory: %m",
			  (unsigned long long)(range->len / MiB));
		return -errno;
	}
	/* One fault instead of 512 where the host grants it. */
	madvise(host, range->len, MADV_HUGEPAGE);
	*r = (struct gmem_region){ range->gpa, range->len, offset, host };
	mem->n_regions++;
	return 0;
}

static int gmem_init_as(struct gmem *mem, const struct gmem_range *ranges, unsigned n, bool shared)
{
	uint64_t size = 0, offset = 0;

	*mem = (struct gmem){ .fd = -1 };
	if (!gmem_ranges_valid(ranges, n))
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		size = gmem_offset(&ranges[i], size);
		if (__builtin_add_overflow(size, ranges[i].len, &size) || size > INT64_MAX)
			return -EINVAL;
	}
	if (shared)
		mem->fd = gmem_create_fd(size);
	if (shared && mem->fd < 0)
		return mem->fd;
	for (unsigned i = 0; i < n; i++) {
		int ret;

		offset = gmem_offset(&ranges[i], offset);
		ret = gmem_map(mem, &ranges[i], offset);
		if (ret < 0) {
			gmem_finish(mem);
			return ret;
		}
		offset += ranges[i].len;
	}
	return 0;
}

int gmem_init(struct gmem *mem, const struct gmem_range *ranges, unsigned n)
{
	return gmem_init_as(mem, ranges, n, true);
}

int gmem_init_private(struct gmem *mem, const struct gmem_range *ranges, unsigned n)
{
	return gmem_init_as(mem, ranges, n, false);
}

int gmem_init_foreign(struct gmem *mem, const struct gmem_region *regions, unsigned n)
{
	struct gmem_range ranges[GMEM_MAX_REGIONS];

	*mem = (struct gmem){ .fd = -1, .foreign = true };
	if (n == 0 || n > GMEM_MAX_REGIONS)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		unsigned k = i;

		for (; k > 0 && mem->regions[k - 1].gpa > regions[i].gpa; k--)
			mem->regions[k] = mem->regions[k - 1];
		mem->regions[k] = regions[i];
	}
	for (unsigned i = 0; i < n; i++)
		ranges[i] = (struct gmem_range){ mem->regions[i].gpa, mem->regions[i].len };
	if (!gmem_ranges_valid(ranges, n))
		return -EINVAL;
	mem->n_regions = n;
	return 0;
}

void gmem_finish(struct gmem *mem)
{
	for (unsigned i = 0; i < mem->n_regions && !mem->foreign; i++)
		munmap(mem->regions[i].host, mem->regions[i].len);
	if (mem->fd >= 0)
		close(mem->fd);
	*mem = (struct gmem){ .fd = -1 };
}

uint64_t gmem_size(const struct gmem *mem)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < mem->n_regions; i++)
		size += mem->regions[i].len;
	return size;
}

/* Whole pages of a region. */
static int gmem_punch(const struct gmem *mem, const struct gmem_region *r, uint64_t off,
		      uint64_t len)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, ret;

	if (mem->foreign)
		return -EOPNOTSUPP;
	if (mem->fd >= 0)
		ret = fallocate(mem->fd, mode, r->offset + off, len);
	else
		ret = madvise(r->host + off, len, MADV_DONTNEED);
	return ret < 0 ? -errno : 0;
}

int gmem_discard(struct gmem *mem)
{
	int ret = 0;

	for (unsigned i = 0; i < mem->n_regions && ret == 0; i++)
		ret = gmem_punch(mem, &mem->regions[i], 0, mem->regions[i].len);
	return ret;
}

uint64_t gmem_piece(const struct gmem *mem, uint64_t gpa, uint64_t len, void **host)
{
	for (unsigned i = 0; i < mem->n_regions; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t off = gpa - r->gpa;

		if (gpa >= r->gpa && off < r->len) {
			*host = r->host + off;
			return MIN(len, r->len - off);
		}
	}
	*host = NULL;
	return 0;
}

void *gmem_ptr(const struct gmem *mem, uint64_t gpa, uint64_t len)
{
	void *host;

	if (len == 0 || gmem_piece(mem, gpa, len, &host) != len)
		return NULL;
	return host;
}

bool gmem_contains(const struct gmem *mem, uint64_t gpa, uint64_t len)
{
	while (len) {
		void *host;
		uint64_t piece = gmem_piece(mem, gpa, len, &host);

		if (piece == 0)
			return false;
		/* A region ends below 2^64, so this wraps only when len becomes 0. */
		gpa += piece;
		len -= piece;
	}
	return true;
}

bool gmem_gpa(const struct gmem *mem, const void *host, uint64_t *gpa)
{
	for (unsigned i = 0; i < mem->n_regions; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t off = (uintptr_t)host - (uintptr_t)r->host;

		if (off < r->len) {
			*gpa = r->gpa + off;
			return true;
		}
	}
	return false;
}

static int gmem_punch_inner(const struct gmem *mem, const struct gmem_region *r, uint64_t off,
			    uint64_t len)
{
	uint64_t start = align_up(off, GMEM_PAGE), end = align_down(off + len, GMEM_PAGE);

	return start < end ? gmem_punch(mem, r, start, end - start) : 0;
}

int gmem_discard_range(const struct gmem *mem, uint64_t gpa, uint64_t len)
{
	int ret = 0;

	if (!gmem_contains(mem, gpa, len))
		return -EFAULT;
	for (unsigned i = 0; i < mem->n_regions && len && ret == 0; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t piece;

		if (gpa < r->gpa || gpa - r->gpa >= r->len)
			continue;
		piece = MIN(len, r->len - (gpa - r->gpa));
		ret = gmem_punch_inner(mem, r, gpa - r->gpa, piece);
		gpa += piece;
		len -= piece;
	}
	return ret;
}

int gmem_read(const struct gmem *mem, uint64_t gpa, void *dst, uint64_t len)
{
	uint8_t *p = dst;

	if (!gmem_contains(mem, gpa, len))
		return -EFAULT;
	while (len) {
		void *host;
		uint64_t piece = gmem_piece(mem, gpa, len, &host);

		memcpy(p, host, piece);
		p += piece;
		gpa += piece;
		len -= piece;
	}
	return 0;
}

int gmem_write(const struct gmem *mem, uint64_t gpa, const void *src, uint64_t len)
{
	const uint8_t *p = src;

	if (!gmem_contains(mem, gpa, len))
		return -EFAULT;
	while (len) {
		void *host;
		uint64_t piece = gmem_piece(mem, gpa, len, &host);

		memcpy(host, p, piece);
		p += piece;
		gpa += piece;
		len -= piece;
	}
	return 0;
}

/* One call's worth of a file to @off of a region: bytes, 0 at the end of the file, -1. */
static ssize_t gmem_read_some(const struct gmem *mem, const struct gmem_region *r, uint64_t to,
			      int fd, off_t off, uint64_t len)
{
	if (mem->fd < 0)
		return pread(fd, r->host + to, len, off);
	/* Into the page cache of the memfd, whose file position only this function uses. */
	if (lseek(mem->fd, r->offset + to, SEEK_SET) < 0)
		return -1;
	return sendfile(mem->fd, fd, &off, len);
}

static int gmem_read_piece(const struct gmem *mem, const struct gmem_region *r, uint64_t to, int fd,
			   off_t off, uint64_t len)
{
	while (len) {
		ssize_t n = gmem_read_some(mem, r, to, fd, off, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}

int gmem_read_file(const struct gmem *mem, uint64_t gpa, int fd, uint64_t off, uint64_t len)
{
	if (!gmem_contains(mem, gpa, len) || !range_fits(off, len, INT64_MAX))
		return -EFAULT;
	for (unsigned i = 0; i < mem->n_regions && len; i++) {
		const struct gmem_region *r = &mem->regions[i];
		uint64_t piece;
		int ret;

		if (gpa < r->gpa || gpa - r->gpa >= r->len)
			continue;
		piece = MIN(len, r->len - (gpa - r->gpa));
		ret = gmem_read_piece(mem, r, gpa - r->gpa, fd, off, piece);
		if (ret < 0)
			return ret;
		gpa += piece;
		off += piece;
		len -= piece;
	}
	return 0;
}
