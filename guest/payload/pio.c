/* SPDX-License-Identifier: MIT */
/*
 * Port I/O: each size, the test device's scratch register, ports where nothing
 * is, accesses that straddle a window's end, string instructions of 64 KiB
 * (case 36).
 *
 * RUN:
 */
#include "arch/x86/layout.h"
#include "devices/testdev_regs.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"

#define BASE X86_TESTDEV_PORT
#define SCRATCH (BASE + TESTDEV_SCRATCH)
#define END (BASE + TESTDEV_LEN)
#define NOWHERE 0xa000		/* no device of ours */
#define MANY 65536

static uint8_t buf[MANY];

static void test_sizes(void)
{
	CHECK_EQ(inl(BASE + TESTDEV_ID), TESTDEV_MAGIC);
	outl(SCRATCH, 0x44332211);
	outl(SCRATCH + 4, 0x88776655);
	CHECK_EQ(inl(SCRATCH), 0x44332211);
	CHECK_EQ(inw(SCRATCH + 4), 0x6655);
	CHECK_EQ(inb(SCRATCH + 7), 0x88);
	outb(SCRATCH + 1, 0xaa);
	outw(SCRATCH + 6, 0xbbcc);
	CHECK_EQ(inl(SCRATCH), 0x4433aa11);
	CHECK_EQ(inl(SCRATCH + 4), 0xbbcc6655);
	CHECK_EQ(inl(SCRATCH + 2), 0x66554433);	/* unaligned, but all of it inside */
}

static void test_unclaimed(void)
{
	outb(NOWHERE, 1);
	outw(NOWHERE, 2);
	outl(NOWHERE, 3);
	CHECK_EQ(inb(NOWHERE), 0xff);
	CHECK_EQ(inw(NOWHERE), 0xffff);
	CHECK_EQ(inl(NOWHERE), 0xffffffff);
	CHECK_EQ(inl(0xfffe), 0xffffffff);	/* ends past the last port */
	outl(0xfffe, 4);
}

static void test_straddling(void)
{
	outl(SCRATCH, 0x44332211);
	CHECK_EQ(inl(BASE - 2), 0xffffffff);
	CHECK_EQ(inl(END - 2), 0xffffffff);
	CHECK_EQ(inw(END - 1), 0xffff);
	outl(END - 2, 0);
	outl(BASE - 3, 0);
	CHECK_EQ(inl(SCRATCH), 0x44332211);
}

static void test_strings(void)
{
	for (unsigned n = 0; n < MANY; n++)
		buf[n] = n ^ n >> 8;
	rep_outsb(SCRATCH, buf, MANY);
	CHECK_EQ(inb(SCRATCH), buf[MANY - 1]);
	rep_outsb(NOWHERE, buf, 5000);
	outl(SCRATCH, 0xddccbbaa);
	rep_insb(SCRATCH + 2, buf, MANY);
	for (unsigned n = 0; n < MANY; n++) {
		if (buf[n] != 0xcc)
			FAIL("byte %u of rep insb is 0x%x", n, buf[n]);
	}
	rep_insb(NOWHERE, buf, 5000);
	CHECK_EQ(buf[0], 0xff);
	CHECK_EQ(buf[4999], 0xff);
	CHECK_EQ(buf[5000], 0xcc);
	rep_insl(SCRATCH, buf, 1000);
	CHECK_EQ(buf[3996], 0xaa);
	CHECK_EQ(buf[3999], 0xdd);
	CHECK_EQ(buf[4000], 0xff);
	rep_outsl(END - 2, buf, MANY / 4);
	CHECK_EQ(inl(SCRATCH), 0xddccbbaa);
}

int payload(void)
{
	test_sizes();
	test_unclaimed();
	test_straddling();
	test_strings();
	return PAYLOAD_GOOD;
}
