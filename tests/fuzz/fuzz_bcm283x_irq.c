/* SPDX-License-Identifier: MIT */
/*
 * The interrupt controllers of a BCM2836: whatever is written to them and driven, a CPU's line
 * is up when the registers say that something is pending for it, and each change is told.
 */
#include <stdlib.h>

#include "devices/bcm283x_armctrl.h"
#include "devices/bcm283x_local.h"
#include "tests/fake.h"
#include "tests/fuzz/input.h"
#include "vmm/util.h"

#define LOCAL 0x40000000u
#define ARMCTRL 0x3f00b200u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct target {
	struct fake f;
	struct bcm283x_local local;
	struct bcm283x_armctrl ic;
	bool lines[BCM283X_CPUS][2];
};

static void set(void *ctx, unsigned cpu, bool fiq, bool level)
{
	struct target *t = ctx;

	if (t->lines[cpu][fiq] == level)
		abort();
	t->lines[cpu][fiq] = level;
}

static void check(struct target *t)
{
	for (unsigned cpu = 0; cpu < BCM283X_CPUS; cpu++) {
		uint64_t irq, fiq;

		bus_read(&t->f.mmio, LOCAL + 0x60 + 4 * cpu, 4, &irq);
		bus_read(&t->f.mmio, LOCAL + 0x70 + 4 * cpu, 4, &fiq);
		if (t->lines[cpu][0] != !!irq || t->lines[cpu][1] != !!fiq)
			abort();
		/* A mailbox or a timer is the one or the other. */
		if (irq & fiq & 0xff)
			abort();
	}
}

static void drive(struct target *t, struct input *in)
{
	unsigned what = take(in, 1), n = take(in, 1);
	struct irq_line line;

	switch (what >> 1 & 3) {
	case 0:
		bcm283x_local_set_timer(&t->local, n, n >> 4, what & 1);
		return;
	case 1:
		line = bcm283x_local_pmu(&t->local, n);
		break;
	default:
		if (!bcm283x_armctrl_line(&t->ic, n >> 6, n & 0x3f, &line))
			return;
	}
	irq_set(&line, what & 1);
}

static void step(struct target *t, struct input *in)
{
	unsigned what = take(in, 1), size = 1u << (what >> 4 & 3), off;
	uint64_t v;

	switch (what & 7) {
	case 0:
		off = take(in, 1);
		bus_write(&t->f.mmio, ARMCTRL + (off << 1), size, take(in, 4));
		break;
	case 1:
		off = take(in, 1);
		bus_read(&t->f.mmio, LOCAL + off, size, &v);
		bus_read(&t->f.mmio, ARMCTRL + off, size, &v);
		break;
	case 2:
	case 3:
		drive(t, in);
		break;
	case 4:
		if (what >> 6 == 3)
			bcm283x_local_reset(&t->local);
		else if (what >> 6 == 2)
			bcm283x_armctrl_reset(&t->ic);
		break;
	default:
		off = take(in, 1);
		bus_write(&t->f.mmio, LOCAL + off, size, take(in, 4));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct target *t = calloc(1, sizeof(*t));
	struct input in = { data, len };

	if (!t)
		return 0;
	fake_init(&t->f);
	bcm283x_local_init(&t->local, &(struct bcm283x_cpus){ .set = set, .ctx = t });
	bcm283x_armctrl_init(&t->ic, bcm283x_local_gpu(&t->local, false),
			     bcm283x_local_gpu(&t->local, true));
	bus_add(&t->f.mmio, &t->local.region, LOCAL);
	bus_add(&t->f.mmio, &t->ic.region, ARMCTRL);
	while (in.left) {
		step(t, &in);
		check(t);
	}
	bcm283x_armctrl_finish(&t->ic);
	bcm283x_local_finish(&t->local);
	fake_finish(&t->f);
	free(t);
	return 0;
}
