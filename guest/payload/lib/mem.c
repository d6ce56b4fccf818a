/* SPDX-License-Identifier: MIT */
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"

#define GIB (1ull << 30)
#define LARGE_PAGE (2ull << 20)
#define PTE_TABLE 0x03		/* present, writable */
#define PTE_PAGE_2M 0x83

extern uint64_t boot_pdpt[512];
extern uint64_t start_info_gpa;

static uint64_t directories[16][512] __attribute__((aligned(PAGE_SIZE)));
static unsigned directories_used;

static char pool[512 << 10] __attribute__((aligned(PAGE_SIZE)));
static size_t pool_used;

static void map_gib(unsigned n)
{
	uint64_t *pd;

	if (boot_pdpt[n])
		return;
	CHECK(directories_used < ARRAY_SIZE(directories));
	pd = directories[directories_used++];
	for (unsigned i = 0; i < 512; i++)
		pd[i] = (n * GIB + i * LARGE_PAGE) | PTE_PAGE_2M;
	boot_pdpt[n] = gpa_of(pd) | PTE_TABLE;
}

void mem_map(uint64_t gpa, uint64_t len)
{
	CHECK(len && gpa < 512 * GIB && len <= 512 * GIB - gpa);
	for (unsigned n = gpa / GIB; n <= (gpa + len - 1) / GIB; n++)
		map_gib(n);
	cpu_flush_tlb();
}

void *mem_alloc(size_t size, size_t align)
{
	uint64_t start = (gpa_of(pool) + pool_used + align - 1) & ~(uint64_t)(align - 1);
	size_t at = start - gpa_of(pool);

	CHECK(at <= sizeof(pool) && size <= sizeof(pool) - at);
	pool_used = at + size;
	return pool + at;
}

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

const struct pvh_start_info *start_info(void)
{
	const struct pvh_start_info *info = ptr(start_info_gpa);

	CHECK_EQ(info->magic, PVH_MAGIC);
	return info;
}

const struct pvh_memmap_entry *start_memmap(unsigned n)
{
	const struct pvh_start_info *info = start_info();
	const struct pvh_memmap_entry *map = ptr(info->memmap);

	return info->version >= 1 && n < info->memmap_entries ? &map[n] : NULL;
}

bool start_is_ram(uint64_t gpa, uint64_t len)
{
	const struct pvh_memmap_entry *e;

	for (unsigned n = 0; (e = start_memmap(n)); n++) {
		if (e->type == PVH_MEMMAP_RAM && gpa >= e->addr && gpa - e->addr < e->size &&
		    len <= e->size - (gpa - e->addr))
			return true;
	}
	return false;
}

uint64_t start_low_ram_end(void)
{
	const struct pvh_memmap_entry *e;
	uint64_t end = 0;

	for (unsigned n = 0; (e = start_memmap(n)); n++) {
		if (e->type == PVH_MEMMAP_RAM && e->addr < 4 * GIB && e->addr + e->size > end)
			end = e->addr + e->size;
	}
	return end;
}
