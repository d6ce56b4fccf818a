/* SPDX-License-Identifier: MIT */
/* The other processors, by PSCI 0.2 and later (DEN0022), by hvc. */
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/smp.h"
#include "lib/start.h"

#define STACK_SIZE 8192
#define PSCI_SUCCESS 0
#ifdef __aarch64__
#define PSCI_CPU_ON 0xc4000003ul
#define PSCI_AFFINITY_INFO 0xc4000004ul
#else
#define PSCI_CPU_ON 0x84000003ul
#define PSCI_AFFINITY_INFO 0x84000004ul
#endif

extern const char start_secondary[];

static struct {
	void (*fn)(void *arg);
	void *arg;
	volatile bool arrived;
} starting;

static long psci(unsigned long fn, unsigned long a, unsigned long b, unsigned long c)
{
#ifdef __aarch64__
	register unsigned long r0 __asm__("x0") = fn, r1 __asm__("x1") = a, r2 __asm__("x2") = b,
			       r3 __asm__("x3") = c;

	__asm__ volatile("hvc #0" : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3) : : "memory");
#else
	register unsigned long r0 __asm__("r0") = fn, r1 __asm__("r1") = a, r2 __asm__("r2") = b,
			       r3 __asm__("r3") = c;

	__asm__ volatile(".arch_extension virt; hvc #0"
			 : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3) : : "memory");
#endif
	return r0;
}

/* It reads them before its MMU is on, past the caches. */
static void clean(const volatile void *p)
{
#ifdef __aarch64__
	__asm__ volatile("dc cvac, %0; dsb sy" : : "r"(p) : "memory");
#else
	__asm__ volatile("mcr p15, 0, %0, c7, c10, 1; dsb" : : "r"(p) : "memory");
#endif
}

unsigned smp_count(void)
{
	unsigned n = 0;

	while (psci(PSCI_AFFINITY_INFO, n, 0, 0) >= 0)
		n++;
	return n;
}

unsigned smp_self(void)
{
	unsigned long mpidr;

#ifdef __aarch64__
	__asm__("mrs %0, mpidr_el1" : "=r"(mpidr));
#else
	__asm__("mrc p15, 0, %0, c0, c0, 5" : "=r"(mpidr));
#endif
	return mpidr & 0xff;
}

static void secondary(void)
{
	void (*fn)(void *arg) = starting.fn;
	void *arg = starting.arg;

	starting.arrived = true;
	fn(arg);
	for (;;)
		cpu_halt();
}

bool smp_start(unsigned n, void (*fn)(void *arg), void *arg)
{
	starting.fn = fn;
	starting.arg = arg;
	starting.arrived = false;
	cpu_stack = (char *)mem_alloc(STACK_SIZE, 16) + STACK_SIZE;
	cpu_entry = secondary;
	clean(&cpu_stack);
	clean(&cpu_entry);
	if (psci(PSCI_CPU_ON, n, gpa_of(start_secondary), 0) != PSCI_SUCCESS)
		return false;
	WAIT_FOR(starting.arrived);
	return true;
}
