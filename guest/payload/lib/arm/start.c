/* SPDX-License-Identifier: MIT */
/*
 * The address space of a payload: everything onto itself; memory below 1 GiB and
 * above 4 GiB as normal, not cached, so that any access of a device is possible
 * that a guest can make, RAM as cached. Arm ARM: D8.3 and B3.5.1 (short descriptors).
 */
#include "lib/board.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/start.h"

#define STACK_SIZE 16384

static char first_stack[STACK_SIZE] __attribute__((aligned(16)));

void *cpu_stack = first_stack + STACK_SIZE;
void (*cpu_entry)(void) = payload_start;
uint64_t start_dtb;

void cpu_enable_mmu(void);
__attribute__((noreturn))
void trap_report(unsigned long syndrome, unsigned long pc, unsigned long addr);

void trap_report(unsigned long syndrome, unsigned long pc, unsigned long addr)
{
	print("exception, syndrome 0x%x, at 0x%x, address 0x%llx\n", (unsigned)syndrome,
	      (unsigned)pc, (unsigned long long)addr);
	result(PAYLOAD_FAIL);
}

static bool is_device(uint64_t gpa)
{
	return gpa < VIRT_RAM_GPA || gpa >> 32;
}

#ifdef __aarch64__
#define GIB_SHIFT 30
#define BLOCK 1
#define ATTR(n) ((n) << 2)
#define INNER_SHAREABLE (3 << 8)
#define ACCESSED (1 << 10)
#define MAIR 0x44ff			/* 0: write-back, 1: not cached */
/* 39 bits by TTBR0 alone, 4 KiB pages, inner shareable write-back walks, 40-bit addresses */
#define TCR (25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2ull << 32)
#define SCTLR_M_C_I (1 | 1 << 2 | 1 << 12)
#define SCTLR_A (1 << 1)

static uint64_t table[512] __attribute__((aligned(PAGE_SIZE)));

void cpu_enable_mmu(void)
{
	uint64_t sctlr;

	for (uint64_t n = 0; n < ARRAY_SIZE(table); n++)
		table[n] = n << GIB_SHIFT | BLOCK | INNER_SHAREABLE | ACCESSED |
			   ATTR(is_device(n << GIB_SHIFT) ? 1 : 0);
	__asm__ volatile("msr mair_el1, %0; msr tcr_el1, %1; msr ttbr0_el1, %2; dsb sy; isb"
			 : : "r"((uint64_t)MAIR), "r"((uint64_t)TCR), "r"(table) : "memory");
	__asm__ volatile("tlbi vmalle1; dsb sy; isb; mrs %0, sctlr_el1" : "=r"(sctlr) : : "memory");
	__asm__ volatile("msr sctlr_el1, %0; isb" : : "r"((sctlr | SCTLR_M_C_I) & ~SCTLR_A) : "memory");
}
#else
#define MIB_SHIFT 20
#define SECTION 2
#define READ_WRITE (3 << 10)
#define SHAREABLE (1 << 16)
#define WRITE_BACK (1 << 12 | 3 << 2)
#define NOT_CACHED (1 << 12)
#define SCTLR_M_C_I (1 | 1 << 2 | 1 << 12)
#define SCTLR_A (1 << 1)

static uint32_t table[4096] __attribute__((aligned(16384)));

void cpu_enable_mmu(void)
{
	uint32_t sctlr;

	for (uint32_t n = 0; n < ARRAY_SIZE(table); n++)
		table[n] = n << MIB_SHIFT | SECTION | READ_WRITE | SHAREABLE |
			   (is_device(n << MIB_SHIFT) ? NOT_CACHED : WRITE_BACK);
	/* TTBCR, TTBR0, DACR: domain 0 a client */
	__asm__ volatile("mcr p15, 0, %0, c2, c0, 2; mcr p15, 0, %1, c2, c0, 0; mcr p15, 0, %2, c3, c0, 0"
			 : : "r"(0), "r"(table), "r"(1) : "memory");
	__asm__ volatile("dsb; mcr p15, 0, %0, c8, c7, 0; dsb; isb" : : "r"(0) : "memory");
	__asm__ volatile("mrc p15, 0, %0, c1, c0, 0" : "=r"(sctlr));
	sctlr = (sctlr | SCTLR_M_C_I) & ~SCTLR_A;
	__asm__ volatile("mcr p15, 0, %0, c1, c0, 0; isb" : : "r"(sctlr) : "memory");
}

/* libgcc's division would raise SIGFPE by this. */
int raise(int sig);
int raise(int sig)
{
	FAIL("division by zero");
}
#endif

void mem_map(uint64_t gpa, uint64_t len)
{
	CHECK(len && gpa < 1ull << 39 && len <= (1ull << 39) - gpa);
	CHECK(sizeof(void *) == 8 || gpa + len <= 1ull << 32);
}

/* Where start.S leads the first processor. */
void payload_start(void)
{
	result(payload());
}
