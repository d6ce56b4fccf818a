/* SPDX-License-Identifier: MIT */
#include "devices/bcm283x_regs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "devices/reg32.h"
#include "devices/uncached.h"
#include "vmm/util.h"

static struct io_region regs_region(const char *name, const struct io_ops *ops, void *dev,
				    uint64_t len, pthread_mutex_t *lock)
{
	pthread_mutex_init(lock, NULL);
	return (struct io_region){ .name = name, .ops = ops, .dev = dev, .len = len, .lock = lock };
}

#define REGS_OPS(name)                                                                             \
	static uint64_t name##_read(void *dev, uint64_t off, unsigned size)                        \
	{                                                                                          \
		return reg32_read(name##_read32, dev, off, size);                                  \
	}                                                                                          \
	static void name##_write(void *dev, uint64_t off, unsigned size, uint64_t value)           \
	{                                                                                          \
		reg32_write(name##_write32, dev, off, size, value);                                \
	}                                                                                          \
	static const struct io_ops name##_ops = { name##_read, name##_write }

/* --- clocks --------------------------------------------------------------------- */

#define CM_OSCCOUNT 0x100
#define CM_LOCK 0x114
#define CM_LAST_CTL 0x1d0	/* controls and dividers take turns, but between 0x100 and 0x120 */
#define CM_ENABLE BIT(4)
#define CM_BUSY BIT(7)
#define CM_LOCKED 0x1f00	/* all five PLLs */
#define CM_PASSWORD 0x5a
#define CM_VALUE 0x00ffffff

/*
 * PLLs at 2 GHz and less, made of 19.2 MHz: control with the integer part, fraction in
 * 1/2^20, dividers; then peripherals' clocks. UART 48 MHz, VPU 250 MHz, EMMC 50 MHz.
 */
static const struct {
	uint16_t reg;
	uint32_t value;
} cprman_firmware[] = {
	{ 0x1140, 104 | 1 << 12 | 1 << 17 }, { 0x1240, 174763 }, { 0x1540, 4 }, { 0x1440, 4 },
	{ 0x1120, 52 | 1 << 12 | 1 << 17 }, { 0x1220, 87381 }, { 0x1320, 2 }, { 0x1420, 2 },
	{ 0x1520, 2 }, { 0x1620, 2 },
	{ 0x11e0, 93 | 1 << 12 | 1 << 17 }, { 0x12e0, 786432 }, { 0x13e0, 2 },
	{ 0x008, 0x16 }, { 0x00c, 2 << 12 },
	{ 0x0f0, 0x16 }, { 0x0f4, 42667 },
	{ 0x1c0, 0x16 }, { 0x1c4, 10 << 12 },
	{ 0x0e0, 0x11 }, { 0x0e4, 10 << 12 },
};

static bool cprman_is_ctl(unsigned reg)
{
	return reg <= CM_LAST_CTL && reg % 8 == 0 && (reg < CM_OSCCOUNT || reg >= 0x120);
}

static uint32_t cprman_read32(void *dev, unsigned reg)
{
	struct bcm283x_cprman *cprman = dev;

	return cprman->regs[reg / 4];
}

static void cprman_set(struct bcm283x_cprman *cprman, unsigned reg, uint32_t value)
{
	/* A generator starts and stops at once. */
	if (cprman_is_ctl(reg))
		value = (value & ~(uint32_t)CM_BUSY) | (value & CM_ENABLE ? CM_BUSY : 0);
	/* Once, as the guest may be reading. */
	__atomic_store_n(&cprman->regs[reg / 4], value, __ATOMIC_RELAXED);
}

static void cprman_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_cprman *cprman = dev;

	if (value >> 24 != CM_PASSWORD || reg == CM_OSCCOUNT || reg == CM_LOCK)
		return;
	cprman_set(cprman, reg, value & CM_VALUE);
	uncached_sync(&cprman->regs[reg / 4], sizeof(value));
}

REGS_OPS(cprman);

static void cprman_power_on(struct bcm283x_cprman *cprman)
{
	for (unsigned reg = 0; reg < BCM283X_CPRMAN_LEN; reg += 4)
		cprman_set(cprman, reg, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(cprman_firmware); i++)
		cprman_set(cprman, cprman_firmware[i].reg, cprman_firmware[i].value);
	cprman_set(cprman, CM_LOCK, CM_LOCKED);
	uncached_sync(cprman->regs, BCM283X_CPRMAN_LEN);
}

int bcm283x_cprman_init(struct bcm283x_cprman *cprman)
{
	cprman->regs = aligned_alloc(BUS_PAGE, BCM283X_CPRMAN_LEN);
	if (!cprman->regs)
		return -ENOMEM;
	cprman->region = regs_region("bcm283x-cprman", &cprman_ops, cprman, BCM283X_CPRMAN_LEN,
				     &cprman->lock);
	cprman->region.memory = cprman->regs;
	cprman->region.read_only = true;
	cprman_power_on(cprman);
	return 0;
}

void bcm283x_cprman_finish(struct bcm283x_cprman *cprman)
{
	free(cprman->regs);
	pthread_mutex_destroy(&cprman->lock);
}

void bcm283x_cprman_reset(struct bcm283x_cprman *cprman)
{
	pthread_mutex_lock(&cprman->lock);
	cprman_power_on(cprman);
	pthread_mutex_unlock(&cprman->lock);
}

/* --- random numbers ------------------------------------------------------------------ */

#define RNG_CTRL 0x0
#define RNG_STATUS 0x4
#define RNG_DATA 0x8
#define RNG_INT_MASK 0xc
#define RNG_ENABLE 1
#define RNG_WARMUP 0xfffff
#define RNG_COUNT_SHIFT 24

/* The host's pool is ready long before a VM runs: no waiting. */
static void rng_refill(struct bcm283x_rng *rng)
{
	if (!rng->left && getrandom(rng->words, sizeof(rng->words), GRND_NONBLOCK) ==
			  (ssize_t)sizeof(rng->words))
		rng->left = ARRAY_SIZE(rng->words);
}

static uint32_t rng_data(struct bcm283x_rng *rng)
{
	rng_refill(rng);
	return rng->left ? rng->words[--rng->left] : 0;
}

static uint32_t rng_read32(void *dev, unsigned reg)
{
	struct bcm283x_rng *rng = dev;
	bool on = rng->ctrl & RNG_ENABLE;

	switch (reg) {
	case RNG_CTRL:
		return rng->ctrl;
	case RNG_STATUS:
		if (on)
			rng_refill(rng);
		return rng->warmup | (on ? rng->left << RNG_COUNT_SHIFT : 0);
	case RNG_DATA:
		return on ? rng_data(rng) : 0;
	case RNG_INT_MASK:
		return rng->mask;
	default:
		return 0;
	}
}

/* Its interrupt is not modelled: no driver for this chip has it enabled. */
static void rng_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_rng *rng = dev;

	if (reg == RNG_CTRL)
		rng->ctrl = value & 3;
	else if (reg == RNG_STATUS)
		rng->warmup = value & RNG_WARMUP;
	else if (reg == RNG_INT_MASK)
		rng->mask = value & 1;
}

REGS_OPS(rng);

void bcm283x_rng_init(struct bcm283x_rng *rng)
{
	*rng = (struct bcm283x_rng){ .ctrl = 0 };
	rng->region = regs_region("bcm283x-rng", &rng_ops, rng, BCM283X_RNG_LEN, &rng->lock);
}

void bcm283x_rng_finish(struct bcm283x_rng *rng)
{
	pthread_mutex_destroy(&rng->lock);
}

void bcm283x_rng_reset(struct bcm283x_rng *rng)
{
	pthread_mutex_lock(&rng->lock);
	rng->ctrl = rng->warmup = rng->mask = 0;
	rng->left = 0;
	pthread_mutex_unlock(&rng->lock);
}

/* --- thermal sensor -------------------------------------------------------------------- */

#define TSENS_CTL 0
#define TSENS_STAT 4
#define TSENS_VALID BIT(10)
/* The sensor of a BCM2836: 407 degrees less 0.538 a step, as in the tree's coefficients. */
#define TSENS_STEPS ((407000 - BCM283X_TEMPERATURE) / 538)

static uint32_t thermal_read32(void *dev, unsigned reg)
{
	struct bcm283x_thermal *thermal = dev;

	if (reg == TSENS_STAT)
		return TSENS_VALID | TSENS_STEPS;
	return reg == TSENS_CTL ? thermal->ctl : 0;
}

static void thermal_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_thermal *thermal = dev;

	if (reg == TSENS_CTL)
		thermal->ctl = value;
}

REGS_OPS(thermal);

void bcm283x_thermal_init(struct bcm283x_thermal *thermal)
{
	thermal->ctl = 0;
	thermal->region = regs_region("bcm283x-thermal", &thermal_ops, thermal,
				      BCM283X_THERMAL_LEN, &thermal->lock);
}

void bcm283x_thermal_finish(struct bcm283x_thermal *thermal)
{
	pthread_mutex_destroy(&thermal->lock);
}

void bcm283x_thermal_reset(struct bcm283x_thermal *thermal)
{
	pthread_mutex_lock(&thermal->lock);
	thermal->ctl = 0;
	pthread_mutex_unlock(&thermal->lock);
}

/* --- auxiliary peripherals: "BCM2835 ARM Peripherals", 2.1 ----------------------------- */

#define AUX_IRQ 0
#define AUX_ENABLES 4

static uint32_t aux_read32(void *dev, unsigned reg)
{
	struct bcm283x_aux *aux = dev;

	if (reg == AUX_IRQ)
		return aux->pending;
	return reg == AUX_ENABLES ? aux->enabled : 0;
}

static void aux_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_aux *aux = dev;

	if (reg == AUX_ENABLES)
		aux->enabled = value & (BIT(BCM283X_AUX_CHILDREN) - 1);
}

REGS_OPS(aux);

static void aux_set(void *ctx, unsigned n, bool level)
{
	struct bcm283x_aux *aux = ctx;

	pthread_mutex_lock(&aux->lock);
	aux->pending = (aux->pending & ~BIT(n)) | (level ? BIT(n) : 0);
	irq_set(&aux->outs[n], level);
	pthread_mutex_unlock(&aux->lock);
}

struct irq_line bcm283x_aux_line(struct bcm283x_aux *aux, unsigned n, struct irq_line out)
{
	aux->outs[n % BCM283X_AUX_CHILDREN] = out;
	return (struct irq_line){ aux_set, aux, n % BCM283X_AUX_CHILDREN };
}

void bcm283x_aux_init(struct bcm283x_aux *aux)
{
	*aux = (struct bcm283x_aux){ .enabled = 0 };
	aux->region = regs_region("bcm283x-aux", &aux_ops, aux, BCM283X_AUX_LEN, &aux->lock);
}

void bcm283x_aux_finish(struct bcm283x_aux *aux)
{
	pthread_mutex_destroy(&aux->lock);
}

void bcm283x_aux_reset(struct bcm283x_aux *aux)
{
	pthread_mutex_lock(&aux->lock);
	aux->enabled = 0;
	pthread_mutex_unlock(&aux->lock);
}
