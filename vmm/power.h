/* SPDX-License-Identifier: MIT */
/*
 * How a device tells the machine that the guest wants to end, to restart or
 * has crashed, without knowing what a VM is. Any thread; returns at once: the
 * machine stops the vCPUs later, so the device still finishes its access.
 */
#ifndef MICROVM_POWER_H
#define MICROVM_POWER_H

enum power_event {
	POWER_OFF,		/* the guest switched itself off */
	POWER_RESET,		/* the guest asked for a reset */
	POWER_PANIC,		/* the guest's kernel reports a panic */
	POWER_RESULT,		/* a payload reports @code, 0 = good */
	POWER_MARK,		/* a payload passes time mark @code; runs on */
};

struct power_sink {
	void (*event)(void *ctx, enum power_event ev, unsigned code);
	void *ctx;
};

static inline void power_event(const struct power_sink *sink, enum power_event ev, unsigned code)
{
	if (sink->event)
		sink->event(sink->ctx, ev, code);
}

#endif
