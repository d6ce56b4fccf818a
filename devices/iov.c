/* SPDX-License-Identifier: MIT */
#include "devices/iov.h"

#include "vmm/util.h"

/* A place in the pieces that only moves on, so that a picture is walked through once. */
struct iov_cursor {
	const struct iovec *piece, *end;
	uint64_t start;		/* of the piece */
};

static void iov_seek(struct iov_cursor *c, uint64_t off)
{
	while (c->piece < c->end && off - c->start >= c->piece->iov_len)
		c->start += c->piece++->iov_len;
}

static size_t iov_read(struct iov_cursor *c, uint64_t off, char *dst, size_t len)
{
	size_t done = 0;

	for (iov_seek(c, off); done < len && c->piece < c->end; iov_seek(c, off + done)) {
		size_t at = off + done - c->start;
		size_t n = MIN(len - done, c->piece->iov_len - at);

		memcpy(dst + done, (const char *)c->piece->iov_base + at, n);
		done += n;
	}
	return done;
}

uint64_t iov_read_rows(const struct iovec *iov, unsigned n, const struct iov_rows *from,
		       void *dst, size_t dst_stride)
{
	struct iov_cursor c = { .piece = iov, .end = iov + n };
	uint64_t done = 0;

	/* Rows without gaps on either side are one run. */
	if (from->len == from->stride && from->len == dst_stride)
		return iov_read(&c, from->off, dst, from->len * from->rows);
	for (uint32_t i = 0; i < from->rows && c.piece < c.end; i++)
		done += iov_read(&c, from->off + i * from->stride, (char *)dst + i * dst_stride,
				 from->len);
	return done;
}
