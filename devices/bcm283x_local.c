/* SPDX-License-Identifier: MIT */
/* Chapters are those of Broadcom's "ARM Quad A7 core", QA7_rev3.4. */
#include "devices/bcm283x_local.h"

#include "devices/reg32.h"
#include "vmm/util.h"

#define CONTROL 0x00
#define PRESCALER 0x08
#define GPU_ROUTING 0x0c
#define PM_ROUTING_SET 0x10
#define PM_ROUTING_CLEAR 0x14
#define TIMER_CONTROL 0x40	/* a register each CPU, as the next three */
#define MAILBOX_CONTROL 0x50
#define IRQ_PENDING 0x60
#define FIQ_PENDING 0x70
#define MAILBOX_SET 0x80	/* four registers each CPU */
#define MAILBOX_CLEAR 0xc0

#define CONTROL_MASK 0x300
#define GPU_ROUTING_MASK 0xf
#define RELEASE_MAILBOX 3

/* --- what is pending ------------------------------------------------------------ */

/* 4.6, 4.7: four enables of the IRQ, then four of the FIQ, which wins. */
static uint32_t local_routed(uint32_t control, uint32_t levels, bool fiq)
{
	uint32_t to_fiq = control >> 4 & 0xf;

	return levels & (fiq ? to_fiq : control & 0xf & ~to_fiq);
}

static uint32_t local_mail(const struct bcm283x_local *local, unsigned cpu)
{
	uint32_t levels = 0;

	for (unsigned i = 0; i < BCM283X_MAILBOXES; i++)
		levels |= local->mailboxes[cpu][i] ? BIT(i) : 0;
	return levels;
}

/* 4.10, but for the timers. */
static uint32_t local_pending(const struct bcm283x_local *local, unsigned cpu, bool fiq)
{
	unsigned gpu_cpu = local->gpu_routing >> (fiq ? 2 : 0) & 3;
	uint32_t pending = local_routed(local->mailbox_control[cpu], local_mail(local, cpu), fiq)
			   << BCM283X_LOCAL_MAILBOX;

	/* 4.4: a bit each CPU, again four and four. */
	if (local_routed(local->pm_routing, local->pmu, fiq) & BIT(cpu))
		pending |= BIT(BCM283X_LOCAL_PMU);
	if (local->gpu[fiq] && gpu_cpu == cpu)
		pending |= BIT(BCM283X_LOCAL_GPU);
	return pending;
}

static uint32_t local_pending_timers(const struct bcm283x_local *local, unsigned cpu, bool fiq)
{
	uint32_t which = local_routed(local->timer_control[cpu], 0xf, fiq);

	if (!local->cpus.timers)
		return local->timers[cpu] & which;
	return which ? local->cpus.timers(local->cpus.ctx, cpu, which) & which : 0;
}

static void local_update_line(struct bcm283x_local *local, unsigned cpu, bool fiq)
{
	bool level = local_pending(local, cpu, fiq);

	if (!local->cpus.timers)
		level |= !!local_pending_timers(local, cpu, fiq);
	if (level != local->out[cpu][fiq] && local->cpus.set)
		local->cpus.set(local->cpus.ctx, cpu, fiq, level);
	local->out[cpu][fiq] = level;
}

static void local_update_cpu(struct bcm283x_local *local, unsigned cpu)
{
	local_update_line(local, cpu, false);
	local_update_line(local, cpu, true);
}

static void local_route_timers(struct bcm283x_local *local, unsigned cpu)
{
	uint32_t control = local->timer_control[cpu];

	if (local->cpus.route)
		local->cpus.route(local->cpus.ctx, cpu, local_routed(control, 0xf, false),
				  local_routed(control, 0xf, true));
}

static void local_update(struct bcm283x_local *local)
{
	for (unsigned cpu = 0; cpu < BCM283X_CPUS; cpu++)
		local_update_cpu(local, cpu);
}

/* --- registers ------------------------------------------------------------------- */

static uint32_t local_read_cpu_reg(struct bcm283x_local *local, unsigned reg)
{
	unsigned cpu = reg / 4 % BCM283X_CPUS;

	switch (reg & ~0xfu) {
	case TIMER_CONTROL:
		return local->timer_control[cpu];
	case MAILBOX_CONTROL:
		return local->mailbox_control[cpu];
	case IRQ_PENDING:
		return local_pending(local, cpu, false) | local_pending_timers(local, cpu, false);
	case FIQ_PENDING:
		return local_pending(local, cpu, true) | local_pending_timers(local, cpu, true);
	}
	/* What sets a mailbox cannot be read. */
	return reg < MAILBOX_CLEAR ? 0 : local->mailboxes[(reg - MAILBOX_CLEAR) / 0x10][cpu];
}

static uint32_t local_read32(void *arg, unsigned reg)
{
	struct bcm283x_local *local = arg;

	switch (reg) {
	case CONTROL:
		return local->control;
	case PRESCALER:
		return local->prescaler;
	case GPU_ROUTING:
		return local->gpu_routing;
	case PM_ROUTING_SET:
		return local->pm_routing;
	default:
		return local_read_cpu_reg(local, reg);
	}
}

static void local_post(struct bcm283x_local *local, unsigned cpu, unsigned n, uint32_t value)
{
	const struct bcm283x_cpus *cpus = &local->cpus;

	if (n == RELEASE_MAILBOX && value && cpus->release &&
	    cpus->release(cpus->ctx, cpu, local->mailboxes[cpu][n] | value))
		local->mailboxes[cpu][n] = 0;
	else
		local->mailboxes[cpu][n] |= value;
	local_update_cpu(local, cpu);
}

static void local_write_cpu_reg(struct bcm283x_local *local, unsigned reg, uint32_t value)
{
	unsigned n = reg / 4 % 4, cpu = reg / 0x10 % 4;

	switch (reg & ~0xfu) {
	case TIMER_CONTROL:
		local->timer_control[n] = value & 0xff;
		local_route_timers(local, n);
		local_update_cpu(local, n);
		return;
	case MAILBOX_CONTROL:
		local->mailbox_control[n] = value & 0xff;
		local_update_cpu(local, n);
		return;
	}
	if (reg >= MAILBOX_CLEAR) {
		local->mailboxes[cpu][n] &= ~value;
		local_update_cpu(local, cpu);
	} else if (reg >= MAILBOX_SET) {
		local_post(local, cpu, n, value);
	}
}

static void local_write32(void *arg, unsigned reg, uint32_t value)
{
	struct bcm283x_local *local = arg;

	switch (reg) {
	case CONTROL:
		local->control = value & CONTROL_MASK;
		break;
	case PRESCALER:
		local->prescaler = value;
		break;
	case GPU_ROUTING:
		local->gpu_routing = value & GPU_ROUTING_MASK;
		local_update(local);
		break;
	case PM_ROUTING_SET:
		local->pm_routing |= value & 0xff;
		local_update(local);
		break;
	case PM_ROUTING_CLEAR:
		local->pm_routing &= ~value;
		local_update(local);
		break;
	default:
		local_write_cpu_reg(local, reg, value);
	}
}

static uint64_t local_read(void *dev, uint64_t off, unsigned size)
{
	return reg32_read(local_read32, dev, off, size);
}

static void local_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(local_write32, dev, off, size, value);
}

static const struct io_ops local_ops = {
	.read = local_read,
	.write = local_write,
};

/* --- lines in ------------------------------------------------------------------------ */

static void local_set_gpu(void *ctx, unsigned fiq, bool level)
{
	struct bcm283x_local *local = ctx;

	pthread_mutex_lock(&local->lock);
	local->gpu[fiq] = level;
	local_update(local);
	pthread_mutex_unlock(&local->lock);
}

struct irq_line bcm283x_local_gpu(struct bcm283x_local *local, bool fiq)
{
	return (struct irq_line){ local_set_gpu, local, fiq };
}

static void local_set_pmu(void *ctx, unsigned cpu, bool level)
{
	struct bcm283x_local *local = ctx;

	pthread_mutex_lock(&local->lock);
	local->pmu = (local->pmu & ~BIT(cpu)) | (level ? BIT(cpu) : 0);
	local_update_cpu(local, cpu);
	pthread_mutex_unlock(&local->lock);
}

struct irq_line bcm283x_local_pmu(struct bcm283x_local *local, unsigned cpu)
{
	return (struct irq_line){ local_set_pmu, local, cpu % BCM283X_CPUS };
}

void bcm283x_local_set_timer(struct bcm283x_local *local, unsigned cpu, unsigned timer, bool level)
{
	uint8_t bit = BIT(timer % BCM283X_TIMERS);

	cpu %= BCM283X_CPUS;
	pthread_mutex_lock(&local->lock);
	local->timers[cpu] = (local->timers[cpu] & ~bit) | (level ? bit : 0);
	local_update_cpu(local, cpu);
	pthread_mutex_unlock(&local->lock);
}

/* --- life ------------------------------------------------------------------------------ */

void bcm283x_local_init(struct bcm283x_local *local, const struct bcm283x_cpus *cpus)
{
	*local = (struct bcm283x_local){
		.cpus = *cpus,
		.region = {
			.name = "bcm283x-local",
			.ops = &local_ops,
			.dev = local,
			.len = BCM283X_LOCAL_LEN,
			.lock = &local->lock,
		},
	};
	pthread_mutex_init(&local->lock, NULL);
}

void bcm283x_local_finish(struct bcm283x_local *local)
{
	pthread_mutex_destroy(&local->lock);
}

void bcm283x_local_connect(struct bcm283x_local *local, const struct bcm283x_cpus *cpus)
{
	pthread_mutex_lock(&local->lock);
	local->cpus = *cpus;
	memset(local->out, 0, sizeof(local->out));
	for (unsigned cpu = 0; cpu < BCM283X_CPUS; cpu++)
		local_route_timers(local, cpu);
	local_update(local);
	pthread_mutex_unlock(&local->lock);
}

void bcm283x_local_reset(struct bcm283x_local *local)
{
	pthread_mutex_lock(&local->lock);
	local->control = local->prescaler = local->gpu_routing = local->pm_routing = 0;
	memset(local->timer_control, 0, sizeof(local->timer_control));
	memset(local->mailbox_control, 0, sizeof(local->mailbox_control));
	memset(local->mailboxes, 0, sizeof(local->mailboxes));
	for (unsigned cpu = 0; cpu < BCM283X_CPUS; cpu++)
		local_route_timers(local, cpu);
	local_update(local);
	pthread_mutex_unlock(&local->lock);
}
