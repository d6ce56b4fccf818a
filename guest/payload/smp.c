/* SPDX-License-Identifier: MIT */
/*
 * Each processor that the MADT lists starts by INIT and SIPI, finds its own
 * APIC id and counts beside the others, atomically.
 *
 * ALSO ON: arm64
 * RUN: --cpus 4
 */
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/smp.h"

#define MAX_CPUS 16
#define ROUNDS 1000

static volatile unsigned ids[MAX_CPUS];
static volatile bool done[MAX_CPUS];
static unsigned counter;	/* of all processors */
static volatile bool go;

static void count(unsigned cpu)
{
	while (!go)
		cpu_pause();
	for (unsigned n = 0; n < ROUNDS; n++)
		__atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
	done[cpu] = true;
}

static void ap(void *arg)
{
	unsigned cpu = gpa_of(arg);

	ids[cpu] = smp_self();
	count(cpu);
}

int payload(void)
{
	unsigned cpus = smp_count();

	CHECK_EQ(smp_self(), 0);
	CHECK(cpus > 1 && cpus <= MAX_CPUS);
	for (unsigned n = 1; n < cpus; n++) {
		if (!smp_start(n, ap, ptr(n)))
			FAIL("processor %u of %u does not start", n, cpus);
		CHECK_EQ(ids[n], n);
	}
	go = true;
	count(0);
	for (unsigned n = 1; n < cpus; n++)
		WAIT_FOR(done[n]);
	CHECK_EQ(counter, cpus * ROUNDS);
	print("%u processors\n", cpus);
	return PAYLOAD_GOOD;
}
