/* SPDX-License-Identifier: MIT */
/* The device tree, for the one thing that is asked of it: where RAM is (DTSpec 5). */
#include "lib/board.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/start.h"

#define FDT_MAGIC 0xd00dfeed
#define FDT_STRUCT 8		/* offsets in the header */
#define FDT_STRINGS 12
#define FDT_BEGIN_NODE 1
#define FDT_END_NODE 2
#define FDT_PROP 3
#define FDT_NOP 4

extern uint64_t start_dtb;

static uint32_t cell(uint64_t at)
{
	return __builtin_bswap32(read32(at));
}

static unsigned text_len(uint64_t at)
{
	unsigned len = 0;

	while (read8(at + len))
		len++;
	return len;
}

/* Whether the string at @at begins with @word. */
static bool begins(uint64_t at, const char *word)
{
	while (*word) {
		if (read8(at++) != (uint8_t)*word++)
			return false;
	}
	return true;
}

/* The first range of the first node called memory; both are of two cells. */
static void find_memory(uint64_t *gpa, uint64_t *len)
{
	uint64_t at = start_dtb + cell(start_dtb + FDT_STRUCT);
	uint64_t strings = start_dtb + cell(start_dtb + FDT_STRINGS);
	bool inside = false;

	CHECK_EQ(cell(start_dtb), FDT_MAGIC);
	for (;;) {
		uint32_t token = cell(at), size;

		at += 4;
		switch (token) {
		case FDT_BEGIN_NODE:
			inside = begins(at, "memory");
			at = (at + text_len(at) + 4) & ~3ull;
			break;
		case FDT_PROP:
			size = cell(at);
			if (inside && size >= 16 && begins(strings + cell(at + 4), "reg")) {
				*gpa = (uint64_t)cell(at + 8) << 32 | cell(at + 12);
				*len = (uint64_t)cell(at + 16) << 32 | cell(at + 20);
				return;
			}
			at = (at + 8 + size + 3) & ~3ull;
			break;
		case FDT_END_NODE:
		case FDT_NOP:
			break;
		default:
			FAIL("no memory in the device tree");
		}
	}
}

bool start_is_ram(uint64_t gpa, uint64_t len)
{
	uint64_t ram, ram_len;

	find_memory(&ram, &ram_len);
	return gpa >= ram && gpa - ram < ram_len && len <= ram_len - (gpa - ram);
}

/* What the hypervisor keeps for a 64-bit guest right behind its RAM is memory to devices, too. */
uint64_t start_low_ram_end(void)
{
	uint64_t ram, ram_len;

	find_memory(&ram, &ram_len);
	return ram + ram_len + (sizeof(void *) == 8 ? VIRT_PVTIME_SIZE : 0);
}
