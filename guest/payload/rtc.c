/* SPDX-License-Identifier: MIT */
/*
 * The MC146818A clock: a plausible time that goes on, both number formats,
 * setting it, RAM, the flags of periodic and update-ended interrupts, and the
 * interrupt in the local APIC.
 *
 * RUN:
 */
#include "lib/acpi.h"
#include "lib/apic.h"
#include "lib/cmos.h"
#include "lib/mem.h"
#include "lib/report.h"

enum { SECONDS = 0, MINUTES = 2, HOURS = 4, DAY = 7, MONTH = 8, YEAR = 9,
       A = 10, B = 11, C = 12, D = 13 };
#define A_UIP 0x80
#define A_32KHZ 0x20
#define A_1024HZ 0x06
#define B_SET 0x80
#define B_PIE 0x40
#define B_UIE 0x10
#define B_BINARY 0x04
#define B_24H 0x02
#define C_IRQF 0x80
#define C_PF 0x40
#define C_UF 0x10
#define D_VRT 0x80

static unsigned from_bcd(uint8_t v)
{
	CHECK((v & 15) < 10 && v >> 4 < 10);
	return (v >> 4) * 10 + (v & 15);
}

static unsigned century(void)
{
	const struct acpi_fadt *fadt = acpi_find("FACP");

	CHECK(fadt->century);
	return fadt->century;
}

static void test_time(void)
{
	unsigned year;

	CHECK(cmos_read(D) & D_VRT);
	cmos_write(B, B_24H);
	WAIT_FOR(!(cmos_read(A) & A_UIP));
	year = from_bcd(cmos_read(century())) * 100 + from_bcd(cmos_read(YEAR));
	print("%04u-%02x-%02x %02x:%02x:%02x\n", year, cmos_read(MONTH), cmos_read(DAY),
	      cmos_read(HOURS), cmos_read(MINUTES), cmos_read(SECONDS));
	CHECK(year >= 2020 && year < 2100);
	CHECK(from_bcd(cmos_read(SECONDS)) < 60);
	CHECK(from_bcd(cmos_read(MINUTES)) < 60);
	CHECK(from_bcd(cmos_read(HOURS)) < 24);
	CHECK(from_bcd(cmos_read(DAY)) >= 1 && from_bcd(cmos_read(DAY)) <= 31);
	CHECK(from_bcd(cmos_read(MONTH)) >= 1 && from_bcd(cmos_read(MONTH)) <= 12);
}

static void test_goes_on(void)
{
	uint8_t was = cmos_read(SECONDS);

	WAIT_FOR(cmos_read(SECONDS) != was);
}

/* While SET holds it, the clock is what is written to it. */
static void test_setting(void)
{
	cmos_write(B, B_SET | B_24H | B_BINARY);
	cmos_write(YEAR, 37);
	cmos_write(MONTH, 12);
	cmos_write(DAY, 31);
	cmos_write(HOURS, 23);
	cmos_write(MINUTES, 59);
	cmos_write(SECONDS, 59);
	CHECK_EQ(cmos_read(HOURS), 23);
	CHECK_EQ(cmos_read(SECONDS), 59);
	cmos_write(B, B_24H | B_BINARY);
	WAIT_FOR(cmos_read(YEAR) == 38);
	CHECK_EQ(cmos_read(MONTH), 1);
	CHECK_EQ(cmos_read(DAY), 1);
	CHECK_EQ(cmos_read(HOURS), 0);
	/* Dates that no calendar has, and bytes that are no numbers. */
	cmos_write(B, B_SET);
	for (unsigned n = SECONDS; n <= YEAR; n++)
		cmos_write(n, 0xff);
	cmos_write(B, B_24H);
	cmos_read(HOURS);
	cmos_write(B, B_SET | B_24H);
	for (unsigned n = SECONDS; n <= YEAR; n++)
		cmos_write(n, 1);
	cmos_write(B, B_24H);
}

static void test_ram(void)
{
	for (unsigned n = 0x40; n < 0x80; n++)
		cmos_write(n, n ^ 0xa5);
	for (unsigned n = 0x40; n < 0x80; n++)
		CHECK_EQ(cmos_read(n), n ^ 0xa5);
	CHECK_EQ(cmos_read(0x80 | 0x41), 0x41 ^ 0xa5);	/* bit 7 masks NMI */
}

static void test_interrupt(uint8_t enable, uint8_t flag)
{
	unsigned vector = apic_new_vector();

	cmos_write(B, B_24H);
	cmos_read(C);
	ioapic_route(X86_RTC_GSI, vector);
	CHECK(!lapic_requested(vector));
	cmos_write(B, B_24H | enable);
	WAIT_FOR(lapic_requested(vector));
	CHECK_EQ(cmos_read(C) & (C_IRQF | flag), C_IRQF | flag);
	cmos_write(B, B_24H);
	ioapic_mask(X86_RTC_GSI);
}

int payload(void)
{
	lapic_enable();
	test_time();
	test_goes_on();
	test_ram();
	cmos_write(A, A_32KHZ | A_1024HZ);
	test_interrupt(B_PIE, C_PF);
	test_interrupt(B_UIE, C_UF);
	test_setting();
	return PAYLOAD_GOOD;
}
