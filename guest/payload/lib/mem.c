/* SPDX-License-Identifier: MIT */
#include "lib/mem.h"
#include "lib/report.h"

static char pool[512 << 10] __attribute__((aligned(PAGE_SIZE)));
static size_t pool_used;

void *mem_alloc(size_t size, size_t align)
{
	uint64_t start = (gpa_of(pool) + pool_used + align - 1) & ~(uint64_t)(align - 1);
	size_t at = start - gpa_of(pool);

	CHECK(at <= sizeof(pool) && size <= sizeof(pool) - at);
	pool_used = at + size;
	return pool + at;
}

#ifdef __x86_64__
/* A string instruction is one instruction to a KVM that emulates them. */
void *memset(void *dst, int c, size_t n)
{
	void *to = dst;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return dst;
}

void *memcpy(void *dst, const void *src, size_t n)
{
	void *to = dst;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(n) : : "memory");
	return dst;
}

#else
void *memset(void *dst, int c, size_t n)
{
	for (char *to = dst; n--; to++)
		*to = c;
	return dst;
}

void *memcpy(void *dst, const void *src, size_t n)
{
	const char *from = src;

	for (char *to = dst; n--; to++)
		*to = *from++;
	return dst;
}
#endif

void *memmove(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if (d <= s || d >= s + n)
		return memcpy(dst, src, n);
	while (n--)
		d[n] = s[n];
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}
