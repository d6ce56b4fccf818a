/* SPDX-License-Identifier: MIT */
/*
 * The guest resets itself by the register that the FADT names, by the keyboard
 * controller and by the chipset's port: each time it starts anew with clear RAM, its data as loaded and
 * its devices as they were, but for the clock's battery-backed bytes, which
 * count the starts. A second processor is busy meanwhile.
 *
 * RUN: --cpus 2 --rng on,bus=pci
 */
#include "arch/x86/layout.h"
#include "devices/testdev_regs.h"
#include "lib/acpi.h"
#include "lib/cmos.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/pci.h"
#include "lib/report.h"
#include "lib/rng.h"
#include "lib/smp.h"

#define COUNT 0x51		/* a byte that means nothing to anyone */
#define COUNT_CHECK 0x52

#define I8042_COMMAND 0x64
#define I8042_PULSE_RESET 0xfe

static volatile unsigned starts = 1;

/* How often we were here before. */
static unsigned count(void)
{
	uint8_t n = cmos_read(COUNT);

	if ((cmos_read(COUNT_CHECK) ^ n) != 0xff)
		n = 0;
	cmos_write(COUNT, n + 1);
	cmos_write(COUNT_CHECK, (n + 1) ^ 0xff);
	return n;
}

static void spin(void *arg)
{
	for (;;)
		cpu_pause();
}

/* The state of a machine that has just been switched on; then it is spoilt. */
static void check_fresh(void)
{
	volatile uint64_t *ram = ptr(start_low_ram_end() - PAGE_SIZE);
	struct virtio v;
	struct virtq q;

	CHECK_EQ(starts, 1);
	starts++;
	CHECK_EQ(*ram, 0);
	*ram = 0x5eed;
	CHECK_EQ(read64(X86_TESTDEV_GPA + TESTDEV_SCRATCH), 0);
	write64(X86_TESTDEV_GPA + TESTDEV_SCRATCH, 1);
	if (!virtio_find_pci(&v, VIRTIO_ID_RNG, 0))
		FAIL("no entropy device");
	CHECK_EQ(v.t->status(&v), 0);
	virtq_alloc(&q, &v, 0);
	rng_start(&q, RNG_FEATURES);
	rng_check_works(&q);
	pci_bar_set(v.slot, 0, 0xc0000000 + (1 << 24));
	if (!smp_start(1, spin, NULL))
		FAIL("the other processor does not start");
}

int payload(void)
{
	const struct acpi_fadt *fadt = acpi_find("FACP");
	unsigned n = count();

	print("start %u\n", n);
	check_fresh();
	switch (n) {
	case 0:
		CHECK(fadt->flags & ACPI_FADT_RESET_REG);
		acpi_write(&fadt->reset_reg, fadt->reset_value);
		break;
	case 1:
		outb(I8042_COMMAND, I8042_PULSE_RESET);
		break;
	case 2:
		outb(X86_RESET_PORT, 0x02);
		outb(X86_RESET_PORT, 0x06);
		break;
	case 3:
		return PAYLOAD_GOOD;
	}
	for (unsigned turns = 0; turns < WAIT_MAX; turns++)
		wait_turn();
	FAIL("still here after reset %u", n);
}
