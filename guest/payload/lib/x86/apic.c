/* SPDX-License-Identifier: MIT */
#include "arch/x86/layout.h"
#include "lib/apic.h"
#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/report.h"

#define LAPIC_ID 0x020
#define LAPIC_SPURIOUS 0x0f0
#define LAPIC_IRR 0x200		/* 8 registers, 16 bytes apart */
#define LAPIC_ICR_LOW 0x300
#define LAPIC_ICR_HIGH 0x310

#define SPURIOUS_ENABLE 0x100
#define ICR_INIT 0x500
#define ICR_STARTUP 0x600
#define ICR_PENDING 0x1000
#define ICR_ASSERT 0x4000

#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_REDIRECTION 0x10	/* two registers a pin */
#define REDIRECTION_MASKED 0x10000

static uint32_t lapic_read(unsigned reg)
{
	return read32(X86_LAPIC_GPA + reg);
}

static void lapic_write(unsigned reg, uint32_t value)
{
	write32(X86_LAPIC_GPA + reg, value);
}

void lapic_enable(void)
{
	lapic_write(LAPIC_SPURIOUS, SPURIOUS_ENABLE | 0xff);
}

unsigned lapic_id(void)
{
	return lapic_read(LAPIC_ID) >> 24;
}

bool lapic_requested(unsigned vector)
{
	return lapic_read(LAPIC_IRR + vector / 32 * 16) >> (vector % 32) & 1;
}

uint64_t msi_address(unsigned apic_id)
{
	return X86_LAPIC_GPA | apic_id << 12;
}

static void lapic_send(unsigned apic_id, uint32_t command)
{
	lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
	lapic_write(LAPIC_ICR_LOW, command);
	WAIT_FOR(!(lapic_read(LAPIC_ICR_LOW) & ICR_PENDING));
}

void lapic_send_init(unsigned apic_id)
{
	lapic_send(apic_id, ICR_INIT | ICR_ASSERT);
}

void lapic_send_startup(unsigned apic_id, unsigned page)
{
	lapic_send(apic_id, ICR_STARTUP | ICR_ASSERT | page);
}

unsigned apic_new_vector(void)
{
	static unsigned next = 0x30;

	CHECK(next < 0xf0);
	return next++;
}

uint32_t ioapic_read(unsigned reg)
{
	write32(X86_IOAPIC_GPA + IOAPIC_SELECT, reg);
	return read32(X86_IOAPIC_GPA + IOAPIC_WINDOW);
}

void ioapic_write(unsigned reg, uint32_t value)
{
	write32(X86_IOAPIC_GPA + IOAPIC_SELECT, reg);
	write32(X86_IOAPIC_GPA + IOAPIC_WINDOW, value);
}

void ioapic_mask(unsigned gsi)
{
	ioapic_write(IOAPIC_REDIRECTION + 2 * gsi, REDIRECTION_MASKED);
}

void ioapic_route(unsigned gsi, unsigned vector)
{
	ioapic_mask(gsi);
	ioapic_write(IOAPIC_REDIRECTION + 2 * gsi + 1, lapic_id() << 24);
	ioapic_write(IOAPIC_REDIRECTION + 2 * gsi, vector);
}

static unsigned watched;	/* the vector of the line that is watched */

void irq_watch(unsigned gsi)
{
	lapic_enable();
	watched = apic_new_vector();
	ioapic_route(gsi, watched);
}

bool irq_came(unsigned gsi)
{
	return lapic_requested(watched);
}

void irq_unwatch(unsigned gsi)
{
	ioapic_mask(gsi);
}
