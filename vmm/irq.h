/* SPDX-License-Identifier: MIT */
/*
 * Interrupts as values that are handed to a device.
 *
 * A device gets an irq_line (a wire with a level) or reaches an msi_sink
 * through its PCI function; what is behind them, the kernel's interrupt
 * controllers, one modelled in user space or a test's counter, it cannot tell.
 * All functions may be called from any thread and with a device's lock held;
 * they take no lock that is held while a device is called (order: device ->
 * irq).
 */
#ifndef MICROVM_IRQ_H
#define MICROVM_IRQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct irq_line {
	void (*set)(void *ctx, unsigned n, bool level);	/* NULL: not connected */
	void *ctx;
	unsigned n;		/* gsi, or whatever @ctx counts in */
};

static inline void irq_set(const struct irq_line *line, bool level)
{
	if (line->set)
		line->set(line->ctx, line->n, level);
}

/* An edge: up and down again. */
static inline void irq_pulse(const struct irq_line *line)
{
	irq_set(line, true);
	irq_set(line, false);
}

/*
 * Message-signalled interrupts. A message is the (addr, data) pair that the
 * guest wrote into an MSI-X table entry; garbage in it is the guest's own
 * loss and only ever an error return here (case 34). Some interrupt controllers
 * go by the sender as well.
 */
struct msi_message {
	uint64_t addr;
	uint32_t data;
	uint32_t devid;		/* PCI requester id: bus, slot, function */
};

struct msi_ops {
	/* Delivers one message now. 0 or negative errno. */
	int (*send)(void *ctx, const struct msi_message *msg);
	/*
	 * Binds a message to an eventfd that delivers it when written, from any
	 * process. *@route is -1 for a new one, else the earlier handle, which
	 * then stands for the new message. Returns the eventfd (owned by the
	 * sink) or negative errno: the caller falls back to send().
	 */
	int (*route)(void *ctx, int *route, const struct msi_message *msg);
	/* Releases a handle; -1 is legal. */
	void (*unroute)(void *ctx, int route);
	/*
	 * Has eventfd @fd, which others own and write, deliver the message of @route
	 * as well (@on), or no longer: after that nothing of it is under way. An fd
	 * is attached to one route at a time. 0 or negative errno. May be NULL: the
	 * owner of @fd watches it.
	 */
	int (*attach)(void *ctx, int route, int fd, bool on);
};

struct msi_sink {
	const struct msi_ops *ops;
	void *ctx;
};

#endif
