/* SPDX-License-Identifier: MIT */
#include "devices/bcm283x_pm.h"

#include "devices/reg32.h"
#include "vmm/util.h"

#define RSTC 0x1c
#define RSTS 0x20
#define WDOG 0x24
#define IMAGE 0x108
#define GRAFX 0x10c
#define PROC 0x110
#define ASB_BRIDGE_ID 0x20

#define PASSWORD 0x5a		/* in the highest byte of what is written */
#define VALUE_MASK 0x00ffffff

#define RSTC_RESET 0x102
#define RSTC_WRCFG 0x30
#define RSTC_WRCFG_FULL 0x20
#define RSTS_POWER_ON 0x1000
#define RSTS_PARTITION 0x555	/* its bits, which are all set for 63 */
#define WDOG_MASK 0xfffff	/* 1/65536 s */
#define WDOG_HZ 65536

#define DOMAIN_POWUP BIT(0)
#define DOMAIN_POWOK BIT(1)
#define DOMAIN_MEMREP BIT(3)
#define DOMAIN_MRDONE BIT(4)

#define ASB_STOP BIT(0)
#define ASB_STOPPED BIT(1)
#define ASB_ID 0x62726467	/* "brdg" */

#define NS_PER_S 1000000000ull

/* --- the watchdog --------------------------------------------------------------- */

static bool pm_watched(const struct bcm283x_pm *pm)
{
	return (pm->regs[RSTC / 4] & RSTC_WRCFG) == RSTC_WRCFG_FULL;
}

static uint32_t pm_ticks_left(const struct bcm283x_pm *pm)
{
	uint64_t now = loop_now_ns();

	if (!pm_watched(pm))
		return pm->regs[WDOG / 4];
	return now < pm->due_ns ? (pm->due_ns - now) * WDOG_HZ / NS_PER_S : 0;
}

static void pm_start(struct bcm283x_pm *pm)
{
	pm->due_ns = loop_now_ns() + pm->regs[WDOG / 4] * NS_PER_S / WDOG_HZ;
	loop_post(pm->loop, &pm->rearm);
}

static void pm_expired(struct bcm283x_pm *pm)
{
	bool halt = (pm->regs[RSTS / 4] & RSTS_PARTITION) == RSTS_PARTITION;

	/* Once. */
	pm->regs[RSTC / 4] &= ~RSTC_WRCFG;
	power_event(&pm->power, halt ? POWER_OFF : POWER_RESET, 0);
}

/* Loop thread. */
static void pm_serve(void *arg)
{
	struct bcm283x_pm *pm = arg;
	uint64_t now, left = 0;

	pthread_mutex_lock(&pm->lock);
	now = loop_now_ns();
	if (pm_watched(pm) && now >= pm->due_ns)
		pm_expired(pm);
	else if (pm_watched(pm))
		left = pm->due_ns - now;
	pthread_mutex_unlock(&pm->lock);
	if (left)
		loop_timer_arm(pm->loop, &pm->watchdog, left);
	else
		loop_timer_disarm(pm->loop, &pm->watchdog);
}

/* --- registers ------------------------------------------------------------------- */

static uint32_t pm_read32(void *dev, unsigned reg)
{
	struct bcm283x_pm *pm = dev;

	return reg == WDOG ? pm_ticks_left(pm) : pm->regs[reg / 4];
}

/* Domains have power as soon as it is asked for, and memories that are repaired. */
static uint32_t pm_domain(uint32_t value)
{
	value &= ~(DOMAIN_POWOK | DOMAIN_MRDONE);
	return value | (value & DOMAIN_POWUP ? DOMAIN_POWOK : 0) |
	       (value & DOMAIN_MEMREP ? DOMAIN_MRDONE : 0);
}

static void pm_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_pm *pm = dev;
	bool watched = pm_watched(pm);

	if (value >> 24 != PASSWORD)
		return;
	value &= VALUE_MASK;
	switch (reg) {
	case WDOG:
		pm->regs[WDOG / 4] = value & WDOG_MASK;
		if (watched)
			pm_start(pm);
		break;
	case RSTC:
		pm->regs[RSTC / 4] = value;
		if (pm_watched(pm) && !watched)
			pm_start(pm);
		break;
	case IMAGE:
	case GRAFX:
	case PROC:
		pm->regs[reg / 4] = pm_domain(value);
		break;
	default:
		pm->regs[reg / 4] = value;
	}
}

static uint32_t asb_read32(void *dev, unsigned reg)
{
	struct bcm283x_pm *pm = dev;

	return reg == ASB_BRIDGE_ID ? ASB_ID : pm->bridges[reg / 4];
}

static void asb_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_pm *pm = dev;

	if (value >> 24 != PASSWORD || reg == ASB_BRIDGE_ID)
		return;
	value &= VALUE_MASK & ~ASB_STOPPED;
	pm->bridges[reg / 4] = value | (value & ASB_STOP ? ASB_STOPPED : 0);
}

static uint64_t pm_read(void *dev, uint64_t off, unsigned size)
{
	return reg32_read(pm_read32, dev, off, size);
}

static void pm_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(pm_write32, dev, off, size, value);
}

static uint64_t asb_read(void *dev, uint64_t off, unsigned size)
{
	return reg32_read(asb_read32, dev, off, size);
}

static void asb_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(asb_write32, dev, off, size, value);
}

static const struct io_ops pm_ops = { .read = pm_read, .write = pm_write };
static const struct io_ops asb_ops = { .read = asb_read, .write = asb_write };

/* --- life --------------------------------------------------------------------------- */

static void pm_power_on(struct bcm283x_pm *pm)
{
	memset(pm->regs, 0, sizeof(pm->regs));
	memset(pm->bridges, 0, sizeof(pm->bridges));
	pm->regs[RSTC / 4] = RSTC_RESET;
	pm->regs[RSTS / 4] = RSTS_POWER_ON;
}

void bcm283x_pm_init(struct bcm283x_pm *pm, struct loop *loop, struct power_sink power)
{
	*pm = (struct bcm283x_pm){
		.power = power,
		.loop = loop,
		.watchdog = { .cb = pm_serve, .arg = pm },
		.rearm = { .cb = pm_serve, .arg = pm },
		.region = {
			.name = "bcm283x-pm",
			.ops = &pm_ops,
			.dev = pm,
			.len = BCM283X_PM_LEN,
			.lock = &pm->lock,
		},
		.asb = {
			.name = "bcm283x-asb",
			.ops = &asb_ops,
			.dev = pm,
			.len = BCM283X_ASB_LEN,
			.lock = &pm->lock,
		},
	};
	pthread_mutex_init(&pm->lock, NULL);
	pm_power_on(pm);
}

void bcm283x_pm_finish(struct bcm283x_pm *pm)
{
	loop_cancel(pm->loop, &pm->rearm);
	loop_timer_disarm(pm->loop, &pm->watchdog);
	pthread_mutex_destroy(&pm->lock);
}

void bcm283x_pm_reset(struct bcm283x_pm *pm)
{
	pthread_mutex_lock(&pm->lock);
	pm_power_on(pm);
	loop_post(pm->loop, &pm->rearm);
	pthread_mutex_unlock(&pm->lock);
}
