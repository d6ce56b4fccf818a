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
