/* SPDX-License-Identifier: MIT */
/*
 * Small helpers that C lacks: sizes, alignment, little-endian access.
 * Header only; every function is pure and may be called from any thread.
 */
#ifndef MICROVM_UTIL_H
#define MICROVM_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1ull << (n))
#define KiB (1ull << 10)
#define MiB (1ull << 20)
#define GiB (1ull << 30)

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define MIN(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define MAX(a, b) ({ __typeof__(a) x_ = (a); __typeof__(b) y_ = (b); x_ > y_ ? x_ : y_; })

/* @align is a power of two. align_up() wraps to 0 at the top of the range. */
static inline uint64_t align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

static inline uint64_t align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline bool is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* Whether [off, off + len) lies within [0, size); never wraps. */
static inline bool range_fits(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

/* Whether [a, a + alen) and [b, b + blen) share a byte; neither may wrap. */
static inline bool ranges_overlap(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
	return alen && blen && a < b + blen && b < a + alen;
}

/*
 * Little-endian values of 1, 2, 4 or 8 bytes at any alignment. Every guest
 * that we run and every host that we build for is little-endian; these say so
 * where it matters and keep unaligned access legal.
 */
static inline uint64_t load_le(const void *p, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static inline void store_le(void *p, unsigned size, uint64_t v)
{
	memcpy(p, &v, size);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian hosts only");

/* All ones in the low @size bytes: what a bus without a device answers. */
static inline uint64_t all_ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : BIT(size * 8) - 1;
}

#endif
