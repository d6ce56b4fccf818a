/* SPDX-License-Identifier: MIT */
/* Requests done by system calls that wait, on threads that have nothing else to do. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/backend/disk_impl.h"
#include "vmm/util.h"

#define SCRATCH_BYTES (256u << 10)
#define SCRATCH_ALIGN 4096u

void disk_advance(struct disk_request *req, size_t n)
{
	assert(n <= req->len);
	req->off += n;
	req->len -= n;
	while (n) {
		size_t piece = MIN(n, req->iov->iov_len);

		req->iov->iov_base = (char *)req->iov->iov_base + piece;
		req->iov->iov_len -= piece;
		n -= piece;
		if (!req->iov->iov_len) {
			req->iov++;
			req->n_iov--;
		}
	}
}

bool disk_is_aligned(const struct disk *d, const struct disk_request *req)
{
	uintptr_t bits = 0;

	if (!d->file.direct)
		return true;
	for (unsigned i = 0; i < req->n_iov; i++)
		bits |= (uintptr_t)req->iov[i].iov_base % d->file.mem_align |
			req->iov[i].iov_len % d->info.block_size;
	return bits == 0;
}

/* --- scratch ----------------------------------------------------------------- */

static void *scratch_get(struct disk_scratch *scratch)
{
	if (!scratch->buf)
		scratch->buf = aligned_alloc(SCRATCH_ALIGN, SCRATCH_BYTES);
	return scratch->buf;
}

void disk_scratch_finish(struct disk_scratch *scratch)
{
	free(scratch->buf);
	scratch->buf = NULL;
}

/* --- reading and writing ------------------------------------------------------- */

/* One system call; the bytes done, or negative errno. */
static ssize_t rw_once(const struct disk *d, const struct disk_request *req,
		       const struct iovec *iov, unsigned n)
{
	int flags = req->op != DISK_READ && req->stable ? RWF_DSYNC : 0;
	ssize_t done;

	do
		done = req->op == DISK_READ ? preadv2(d->file.fd, iov, n, req->off, flags)
					    : pwritev2(d->file.fd, iov, n, req->off, flags);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return -errno;
	/* The image became shorter under our hands. */
	return done ? done : -EIO;
}

/* The first @len bytes of what @req points to, from or to @buf. */
static void gather(const struct disk_request *req, uint8_t *buf, size_t len, bool scatter)
{
	for (const struct iovec *v = req->iov; len; v++) {
		size_t piece = MIN(len, v->iov_len);

		if (scatter)
			memcpy(v->iov_base, buf, piece);
		else
			memcpy(buf, v->iov_base, piece);
		buf += piece;
		len -= piece;
	}
}

/* As rw_once(), by way of memory that direct I/O takes. */
static ssize_t rw_bounced(const struct disk *d, const struct disk_request *req,
			  struct disk_scratch *scratch)
{
	struct iovec v = { scratch_get(scratch), MIN(req->len, (uint64_t)SCRATCH_BYTES) };
	ssize_t done;

	if (!v.iov_base)
		return -ENOMEM;
	if (req->op == DISK_WRITE)
		gather(req, v.iov_base, v.iov_len, false);
	done = rw_once(d, req, &v, 1);
	if (done > 0 && req->op == DISK_READ)
		gather(req, v.iov_base, done, true);
	return done;
}

static int perform_rw(const struct disk *d, struct disk_request *req,
		      struct disk_scratch *scratch)
{
	while (req->len) {
		ssize_t done = disk_is_aligned(d, req) ? rw_once(d, req, req->iov, req->n_iov)
						       : rw_bounced(d, req, scratch);

		if (done < 0)
			return done;
		disk_advance(req, done);
	}
	return 0;
}

/* --- discarding and zeroing ------------------------------------------------------ */

static bool is_unsupported(int error)
{
	return error == -EOPNOTSUPP || error == -ENOSYS || error == -ENOTTY || error == -EINVAL;
}

static int allocate(const struct disk *d, const struct disk_request *req, int mode)
{
	int ret;

	do
		ret = fallocate(d->file.fd, mode | FALLOC_FL_KEEP_SIZE, req->off, req->len);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : 0;
}

/* A hint: where nothing can be given back, nothing is. */
static int perform_discard(const struct disk *d, const struct disk_request *req)
{
	uint64_t range[2] = { req->off, req->len };
	int ret = 0;

	if (!req->len)
		return 0;
	if (!d->file.is_block_device)
		ret = allocate(d, req, FALLOC_FL_PUNCH_HOLE);
	else if (ioctl(d->file.fd, BLKDISCARD, range) < 0)
		ret = -errno;
	return is_unsupported(ret) ? 0 : ret;
}

static int write_zeros(const struct disk *d, struct disk_request *req,
		       struct disk_scratch *scratch)
{
	struct iovec v = { .iov_base = scratch_get(scratch) };

	if (!v.iov_base)
		return -ENOMEM;
	memset(v.iov_base, 0, SCRATCH_BYTES);
	while (req->len) {
		ssize_t done;

		v.iov_len = MIN(req->len, (uint64_t)SCRATCH_BYTES);
		done = rw_once(d, req, &v, 1);
		if (done < 0)
			return done;
		req->off += done;
		req->len -= done;
	}
	return 0;
}

static int perform_flush(const struct disk *d)
{
	return fdatasync(d->file.fd) < 0 ? -errno : 0;
}

/* fallocate(2) does it on block devices too, and writes what the hardware cannot zero. */
static int perform_zero(const struct disk *d, struct disk_request *req,
			struct disk_scratch *scratch)
{
	int ret = -EOPNOTSUPP;

	if (!req->len)
		return 0;
	if (req->unmap)
		ret = allocate(d, req, FALLOC_FL_PUNCH_HOLE);
	if (is_unsupported(ret))
		ret = allocate(d, req, FALLOC_FL_ZERO_RANGE);
	if (is_unsupported(ret))
		return write_zeros(d, req, scratch);
	return ret == 0 && req->stable ? perform_flush(d) : ret;
}

int disk_perform(const struct disk *d, struct disk_request *req, struct disk_scratch *scratch)
{
	switch (req->op) {
	case DISK_READ:
	case DISK_WRITE:
		return perform_rw(d, req, scratch);
	case DISK_FLUSH:
		return perform_flush(d);
	case DISK_DISCARD:
		return perform_discard(d, req);
	case DISK_ZERO:
		return perform_zero(d, req, scratch);
	}
	return -EINVAL;
}
