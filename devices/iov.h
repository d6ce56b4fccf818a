/* SPDX-License-Identifier: MIT */
/*
 * Reading bytes that lie in pieces, as guests lay out their pictures: pages from
 * anywhere, one after the other. Any thread; no state.
 */
#ifndef MICROVM_IOV_H
#define MICROVM_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* A rectangle of bytes in pieces. */
struct iov_rows {
	uint64_t off;		/* of the first row */
	uint64_t stride;	/* from row to row, at least len */
	size_t len;		/* of each */
	uint32_t rows;
};

/*
 * Copies @from of the @n pieces to @dst, rows @dst_stride bytes apart. Stops
 * where the pieces end: the number of bytes copied.
 */
uint64_t iov_read_rows(const struct iovec *iov, unsigned n, const struct iov_rows *from,
		       void *dst, size_t dst_stride);

#endif
