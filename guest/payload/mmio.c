/* SPDX-License-Identifier: MIT */
/*
 * Device memory: each size at the test device, addresses where nothing is,
 * accesses that straddle a window's end, string moves (case 36); the window
 * and the ports lead to the same registers.
 *
 * ALSO ON: arm64
 * RUN:
 */
#include "devices/testdev_regs.h"
#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"

#define BASE BOARD_TESTDEV_GPA
#define SCRATCH (BASE + TESTDEV_SCRATCH)
#define END (BASE + TESTDEV_LEN)
#define NOWHERE (BASE - 0x8000)

static void test_sizes(void)
{
	CHECK_EQ(read32(BASE + TESTDEV_ID), TESTDEV_MAGIC);
	write64(SCRATCH, 0x8877665544332211);
	CHECK_EQ(read64(SCRATCH), 0x8877665544332211);
	CHECK_EQ(read32(SCRATCH + 4), 0x88776655);
	CHECK_EQ(read16(SCRATCH + 2), 0x4433);
	CHECK_EQ(read8(SCRATCH + 7), 0x88);
	write32(SCRATCH + 4, 0xdeadbeef);
	write16(SCRATCH + 2, 0x1234);
	write8(SCRATCH, 0x99);
	CHECK_EQ(read64(SCRATCH), 0xdeadbeef12342299);
	CHECK_EQ(read32(SCRATCH + 3), 0xadbeef12);	/* unaligned, but all of it inside */
#ifdef __x86_64__
	CHECK_EQ(inl(X86_TESTDEV_PORT + TESTDEV_SCRATCH), 0x12342299);
#endif
}

static void test_nowhere(uint64_t gpa)
{
	write8(gpa, 1);
	write16(gpa, 2);
	write32(gpa, 3);
	write64(gpa, 4);
	CHECK_EQ(read8(gpa), 0xff);
	CHECK_EQ(read16(gpa), 0xffff);
	CHECK_EQ(read32(gpa), 0xffffffff);
	CHECK_EQ(read64(gpa), UINT64_MAX);
}

static void test_straddling(void)
{
	write64(SCRATCH, 0x8877665544332211);
	CHECK_EQ(read64(END - 4), UINT64_MAX);
	CHECK_EQ(read32(END - 1), UINT32_MAX);
	CHECK_EQ(read16(END - 1), UINT16_MAX);
	write64(END - 4, 0);
#ifdef __x86_64__
	/* Across a page the processor makes two accesses: the second one hits. */
	CHECK_EQ(read64(BASE - 4), (uint64_t)TESTDEV_MAGIC << 32 | UINT32_MAX);
#endif
	CHECK_EQ(read64(SCRATCH), 0x8877665544332211);
}

#ifdef __x86_64__
static void test_strings(void)
{
	uint8_t *buf = mem_alloc(PAGE_SIZE, PAGE_SIZE);

	for (unsigned n = 0; n < 8; n++)
		buf[n] = 0x30 + n;
	rep_movsb(SCRATCH, gpa_of(buf), 8);
	CHECK_EQ(read64(SCRATCH), 0x3736353433323130);
	rep_movsb(gpa_of(buf) + 100, BASE, TESTDEV_LEN);
	CHECK_EQ(read64(gpa_of(buf) + 100 + TESTDEV_SCRATCH), 0x3736353433323130);
	rep_movsb(gpa_of(buf), NOWHERE, PAGE_SIZE);
	CHECK_EQ(buf[0], 0xff);
	CHECK_EQ(buf[PAGE_SIZE - 1], 0xff);
	rep_movsb(NOWHERE, gpa_of(buf), PAGE_SIZE);
}
#else
static void test_strings(void)
{
}
#endif

static void test_doorbell(void)
{
	uint32_t before = read32(BASE + TESTDEV_DOORBELL);

	/* Kicks that come close together may count as one, never as none. */
	for (unsigned n = 0; n < 3; n++)
		write32(BASE + TESTDEV_DOORBELL, n);
	WAIT_FOR(read32(BASE + TESTDEV_DOORBELL) != before);
	before = read32(BASE + TESTDEV_DOORBELL);
	CHECK(before <= 3);
}

int payload(void)
{
	test_sizes();
	test_nowhere(NOWHERE);
	test_nowhere(start_low_ram_end());
	test_nowhere(END);
	test_straddling();
	test_strings();
	test_doorbell();
	return PAYLOAD_GOOD;
}
