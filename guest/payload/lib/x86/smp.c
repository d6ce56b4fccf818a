/* SPDX-License-Identifier: MIT */
#include "lib/acpi.h"
#include "lib/apic.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/smp.h"
#include "lib/start.h"

#define TRAMPOLINE_PAGE 0x10	/* at 64 KiB, where nothing of a PVH boot lies */
#define STACK_SIZE 8192
#define INIT_TURNS 1000		/* milliseconds */
#define SIPIS 100
#define SIPI_TURNS 20000

static struct {
	void (*fn)(void *arg);
	void *arg;
	volatile bool arrived;
} starting;

unsigned smp_count(void)
{
	const struct acpi_header *madt = acpi_find("APIC");
	uint32_t off = ACPI_MADT_HEADER;
	unsigned count = 0;

	while (off + sizeof(struct acpi_madt_entry) <= madt->length) {
		const struct acpi_madt_entry *e = ptr(gpa_of(madt) + off);

		if (e->type == ACPI_MADT_LAPIC && e->flags & ACPI_MADT_ENABLED)
			count++;
		CHECK(e->length >= 2);
		off += e->length;
	}
	return count;
}

unsigned smp_self(void)
{
	return lapic_id();
}

static void ap_main(void)
{
	void (*fn)(void *arg) = starting.fn;
	void *arg = starting.arg;

	cpu_catch_traps();
	lapic_enable();
	starting.arrived = true;
	fn(arg);
	for (;;)
		cpu_halt();
}

static bool wait_arrived(unsigned turns)
{
	while (turns-- && !starting.arrived)
		wait_turn();
	return starting.arrived;
}

bool smp_start(unsigned apic_id, void (*fn)(void *arg), void *arg)
{
	starting.fn = fn;
	starting.arg = arg;
	starting.arrived = false;
	cpu_stack = (char *)mem_alloc(STACK_SIZE, 16) + STACK_SIZE;
	cpu_entry = ap_main;
	memcpy(ptr(TRAMPOLINE_PAGE * PAGE_SIZE), ap_trampoline, ap_trampoline_end - ap_trampoline);
	/* KVM knows no destination by its id until some processor has enabled its APIC. */
	lapic_enable();
	lapic_send_init(apic_id);
	wait_arrived(INIT_TURNS);
	/* One that comes too early is lost, one that comes late is ignored. */
	for (unsigned n = 0; n < SIPIS && !starting.arrived; n++) {
		lapic_send_startup(apic_id, TRAMPOLINE_PAGE);
		wait_arrived(SIPI_TURNS);
	}
	return starting.arrived;
}
