/* SPDX-License-Identifier: MIT */
#include "tests/fake.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void fake_init(struct fake *f)
{
	static const struct gmem_range ranges[] = {
		{ 0, FAKE_RAM_LEN },
		{ FAKE_RAM2_GPA, FAKE_RAM2_LEN },
	};

	memset(f, 0, sizeof(*f));
	if (gmem_init(&f->mem, ranges, 2) < 0 || loop_create(&f->loop) < 0)
		abort();
	bus_init(&f->mmio, 0);
	bus_init(&f->pio, 1 << 16);
}

void fake_finish(struct fake *f)
{
	bus_finish(&f->pio);
	bus_finish(&f->mmio);
	loop_destroy(f->loop);
	gmem_finish(&f->mem);
}

static void fake_irq_set(void *ctx, unsigned n, bool level)
{
	struct fake_irq *irq = ctx;

	(void)n;
	if (level && !atomic_exchange(&irq->level, 1))
		irq->edges++;
	else if (!level)
		irq->level = 0;
}

struct irq_line fake_irq_line(struct fake_irq *irq)
{
	return (struct irq_line){ .set = fake_irq_set, .ctx = irq };
}

static int fake_msi_send(void *ctx, const struct msi_message *msg)
{
	struct fake_msi *msi = ctx;

	msi->sent++;
	msi->last_addr = msg->addr;
	msi->last_data = msg->data;
	msi->last_devid = msg->devid;
	return 0;
}

/* A route is the eventfd itself, so tests see what was signalled by reading it. */
static int fake_msi_route(void *ctx, int *route, const struct msi_message *msg)
{
	struct fake_msi *msi = ctx;

	if (msi->fail_routes)
		return -ENOSPC;
	msi->last_devid = msg->devid;
	if (*route < 0) {
		*route = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		msi->routes++;
	}
	return *route;
}

static void fake_msi_unroute(void *ctx, int route)
{
	struct fake_msi *msi = ctx;

	if (route < 0)
		return;
	close(route);
	msi->routes--;
}

static int fake_msi_slot(const struct fake_msi *msi, int fd)
{
	for (int i = 0; i < FAKE_ATTACHED; i++)
		if (msi->attached[i] == fd)
			return i;
	return -1;
}

int fake_msi_attached(const struct fake *f, int fd)
{
	int i = fake_msi_slot(&f->msi, fd);

	return i < 0 ? -1 : f->msi.attached_to[i];
}

static int fake_msi_attach(void *ctx, int route, int fd, bool on)
{
	struct fake_msi *msi = ctx;
	int i = fake_msi_slot(msi, on ? 0 : fd);

	/* On twice, off when it was not on, or too many for this. */
	if (i < 0 || route < 0 || (on ? fake_msi_slot(msi, fd) >= 0 : msi->attached_to[i] != route))
		abort();
	msi->attached[i] = on ? fd : 0;
	msi->attached_to[i] = route;
	return 0;
}

static const struct msi_ops fake_msi_ops = {
	.send = fake_msi_send,
	.route = fake_msi_route,
	.unroute = fake_msi_unroute,
	.attach = fake_msi_attach,
};

struct msi_sink fake_msi_sink(struct fake *f)
{
	return (struct msi_sink){ .ops = &fake_msi_ops, .ctx = &f->msi };
}

static void fake_power_event(void *ctx, enum power_event ev, unsigned code)
{
	struct fake_power *power = ctx;

	power->count[ev]++;
	power->last_code = code;
}

struct power_sink fake_power_sink(struct fake *f)
{
	return (struct power_sink){ .event = fake_power_event, .ctx = &f->power };
}

void fake_settle(struct fake *f)
{
	/* A turn serves all that is ready; what that made ready is served by the next. */
	for (int i = 0; i < 4; i++)
		loop_run_once(f->loop, 0);
}
