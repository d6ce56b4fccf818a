/* SPDX-License-Identifier: MIT */
/* Sections are those of Broadcom's "BCM2835 ARM Peripherals", 7.5. */
#include "devices/bcm283x_armctrl.h"

#include "devices/reg32.h"
#include "vmm/util.h"

/* From the node's reg on, which is 0x200 behind the datasheet's base. */
#define PENDING_BASIC 0x00
#define PENDING_1 0x04
#define PENDING_2 0x08
#define FIQ_CONTROL 0x0c
#define ENABLE_1 0x10
#define ENABLE_2 0x14
#define ENABLE_BASIC 0x18
#define DISABLE_1 0x1c
#define DISABLE_2 0x20
#define DISABLE_BASIC 0x24

#define BANK0_MASK 0xff
#define BASIC_MORE_1 BIT(8)
#define BASIC_MORE_2 BIT(9)
#define BASIC_SHORTCUT 10
#define FIQ_ENABLE 0x80
#define FIQ_SOURCE 0x7f

/* --- what is pending ----------------------------------------------------------- */

static uint32_t armctrl_pending(const struct bcm283x_armctrl *ic, unsigned bank)
{
	return ic->levels[bank] & ic->enables[bank];
}

/* "Basic pending": some GPU lines have a bit of their own here. */
static uint32_t armctrl_basic(const struct bcm283x_armctrl *ic)
{
	static const uint8_t shortcuts[] = { 7, 9, 10, 18, 19, 53, 54, 55, 56, 57, 62 };
	uint32_t basic = armctrl_pending(ic, 0);

	for (unsigned i = 0; i < ARRAY_SIZE(shortcuts); i++)
		if (armctrl_pending(ic, 1 + shortcuts[i] / 32) & BIT(shortcuts[i] % 32))
			basic |= BIT(BASIC_SHORTCUT + i);
	return basic | (armctrl_pending(ic, 1) ? BASIC_MORE_1 : 0) |
	       (armctrl_pending(ic, 2) ? BASIC_MORE_2 : 0);
}

/* "FIQ register": sources 0 to 63 are the GPU's, then come the ARM's. */
static bool armctrl_is_fiq(const struct bcm283x_armctrl *ic)
{
	unsigned source = ic->fiq_control & FIQ_SOURCE;
	unsigned bank = source < 64 ? 1 + source / 32 : 0;

	if (!(ic->fiq_control & FIQ_ENABLE) || source >= 64 + 8)
		return false;
	return ic->levels[bank] & BIT(source % 32);
}

static void armctrl_update(struct bcm283x_armctrl *ic)
{
	bool irq = armctrl_basic(ic), fiq = armctrl_is_fiq(ic);

	if (irq != ic->irq_level)
		irq_set(&ic->irq, irq);
	if (fiq != ic->fiq_level)
		irq_set(&ic->fiq, fiq);
	ic->irq_level = irq;
	ic->fiq_level = fiq;
}

static void armctrl_set(void *ctx, unsigned n, bool level)
{
	struct bcm283x_armctrl *ic = ctx;
	uint32_t bit = BIT(n % 32);

	pthread_mutex_lock(&ic->lock);
	ic->levels[n / 32] = (ic->levels[n / 32] & ~bit) | (level ? bit : 0);
	armctrl_update(ic);
	pthread_mutex_unlock(&ic->lock);
}

bool bcm283x_armctrl_line(struct bcm283x_armctrl *ic, unsigned bank, unsigned n,
			  struct irq_line *line)
{
	if (bank >= BCM283X_ARMCTRL_BANKS || n >= (bank ? 32u : 8u))
		return false;
	*line = (struct irq_line){ armctrl_set, ic, bank * 32 + n };
	return true;
}

/* --- registers ------------------------------------------------------------------ */

static uint32_t armctrl_read32(void *dev, unsigned reg)
{
	struct bcm283x_armctrl *ic = dev;

	switch (reg) {
	case PENDING_BASIC:
		return armctrl_basic(ic);
	case PENDING_1:
	case PENDING_2:
		return armctrl_pending(ic, reg / 4);
	case FIQ_CONTROL:
		return ic->fiq_control;
	case ENABLE_1:
	case DISABLE_1:
		return ic->enables[1];
	case ENABLE_2:
	case DISABLE_2:
		return ic->enables[2];
	case ENABLE_BASIC:
	case DISABLE_BASIC:
		return ic->enables[0];
	default:
		return 0;
	}
}

static void armctrl_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_armctrl *ic = dev;

	switch (reg) {
	case FIQ_CONTROL:
		ic->fiq_control = value & (FIQ_ENABLE | FIQ_SOURCE);
		break;
	case ENABLE_1:
	case ENABLE_2:
		ic->enables[1 + (reg - ENABLE_1) / 4] |= value;
		break;
	case ENABLE_BASIC:
		ic->enables[0] |= value & BANK0_MASK;
		break;
	case DISABLE_1:
	case DISABLE_2:
		ic->enables[1 + (reg - DISABLE_1) / 4] &= ~value;
		break;
	case DISABLE_BASIC:
		ic->enables[0] &= ~value;
		break;
	default:
		return;
	}
	armctrl_update(ic);
}

static uint64_t armctrl_read(void *dev, uint64_t off, unsigned size)
{
	return reg32_read(armctrl_read32, dev, off, size);
}

static void armctrl_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(armctrl_write32, dev, off, size, value);
}

static const struct io_ops armctrl_ops = {
	.read = armctrl_read,
	.write = armctrl_write,
};

/* --- life ------------------------------------------------------------------------- */

void bcm283x_armctrl_init(struct bcm283x_armctrl *ic, struct irq_line irq, struct irq_line fiq)
{
	*ic = (struct bcm283x_armctrl){
		.irq = irq,
		.fiq = fiq,
		.region = {
			.name = "bcm283x-armctrl",
			.ops = &armctrl_ops,
			.dev = ic,
			.len = BCM283X_ARMCTRL_LEN,
			.lock = &ic->lock,
		},
	};
	pthread_mutex_init(&ic->lock, NULL);
}

void bcm283x_armctrl_finish(struct bcm283x_armctrl *ic)
{
	pthread_mutex_destroy(&ic->lock);
}

void bcm283x_armctrl_reset(struct bcm283x_armctrl *ic)
{
	pthread_mutex_lock(&ic->lock);
	memset(ic->enables, 0, sizeof(ic->enables));
	ic->fiq_control = 0;
	armctrl_update(ic);
	pthread_mutex_unlock(&ic->lock);
}
