/* SPDX-License-Identifier: MIT */
/*
 * An interrupt line through the IOAPIC into the local APIC: edges, the mask,
 * level triggering with remote IRR, and another processor as destination.
 *
 * RUN: --cpus 2
 */
#include "arch/x86/layout.h"
#include "devices/testdev_regs.h"
#include "lib/apic.h"
#include "lib/cpu.h"
#include "lib/report.h"
#include "lib/smp.h"

#define PIN X86_TESTDEV_GSI
#define REDIRECTION (0x10 + 2 * PIN)
#define REMOTE_IRR 0x4000
#define LEVEL 0x8000

static volatile unsigned wanted;	/* vector, of the other processor */
static volatile bool ready, seen;

static void set_line(bool level)
{
	write32(X86_TESTDEV_GPA + TESTDEV_IRQ, level);
}

static void test_edges(void)
{
	unsigned vector = apic_new_vector();

	set_line(false);
	ioapic_route(PIN, vector);
	CHECK(!lapic_requested(vector));
	set_line(true);
	WAIT_FOR(lapic_requested(vector));
	vector = apic_new_vector();
	ioapic_mask(PIN);
	set_line(false);
	ioapic_route(PIN, vector);
	set_line(true);
	WAIT_FOR(lapic_requested(vector));
	set_line(false);
	/* The ports lead to the same line. */
	vector = apic_new_vector();
	ioapic_route(PIN, vector);
	outl(X86_TESTDEV_PORT + TESTDEV_IRQ, 1);
	WAIT_FOR(lapic_requested(vector));
	outl(X86_TESTDEV_PORT + TESTDEV_IRQ, 0);
}

static void test_level(void)
{
	unsigned vector = apic_new_vector();

	ioapic_mask(PIN);
	set_line(true);
	CHECK(!lapic_requested(vector));
	ioapic_write(REDIRECTION + 1, lapic_id() << 24);
	ioapic_write(REDIRECTION, vector | LEVEL);
	WAIT_FOR(lapic_requested(vector));
	CHECK(ioapic_read(REDIRECTION) & REMOTE_IRR);
	set_line(false);
	ioapic_mask(PIN);
}

static void wait_for_vector(void *arg)
{
	ready = true;
	while (!wanted || !lapic_requested(wanted))
		wait_turn();
	seen = true;
}

static void test_other_processor(void)
{
	unsigned vector = apic_new_vector();

	CHECK(smp_start(1, wait_for_vector, NULL));
	WAIT_FOR(ready);
	ioapic_mask(PIN);
	ioapic_write(REDIRECTION + 1, 1u << 24);
	ioapic_write(REDIRECTION, vector);
	wanted = vector;
	set_line(true);
	WAIT_FOR(seen);
	CHECK(!lapic_requested(vector));
	set_line(false);
}

int payload(void)
{
	lapic_enable();
	test_edges();
	test_level();
	test_other_processor();
	return PAYLOAD_GOOD;
}
