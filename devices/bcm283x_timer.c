/* SPDX-License-Identifier: MIT */
/* Sections are those of Broadcom's "BCM2835 ARM Peripherals", chapter 12. */
#include "devices/bcm283x_timer.h"

#include "devices/reg32.h"
#include "vmm/util.h"

#define CS 0x00
#define CLO 0x04
#define CHI 0x08
#define C0 0x0c
#define C3 0x18

#define NS_PER_US 1000u

/* --- the time ------------------------------------------------------------------ */

static uint64_t systimer_now(const struct bcm283x_timer *t)
{
	return (loop_now_ns() - t->start_ns) / NS_PER_US;
}

/* A channel matches when the counter passes its value, looked at or not. */
static uint32_t systimer_update(struct bcm283x_timer *t)
{
	uint32_t now = systimer_now(t), passed = now - t->seen;

	for (unsigned i = 0; i < BCM283X_TIMER_CHANNELS; i++)
		if (t->compare[i] - t->seen - 1 < passed)
			t->matched |= BIT(i);
	t->seen = now;
	return now;
}

static void systimer_update_irqs(struct bcm283x_timer *t)
{
	uint8_t changed = t->matched ^ t->raised;

	t->raised = t->matched;
	for (unsigned i = 0; i < BCM283X_TIMER_CHANNELS; i++)
		if (changed & BIT(i))
			irq_set(&t->irqs[i], t->matched & BIT(i));
}

/* Loop thread: when something is due, and after a vCPU changed what is. */
static void systimer_serve(void *arg)
{
	struct bcm283x_timer *t = arg;
	uint64_t us = UINT64_MAX;

	pthread_mutex_lock(&t->lock);
	systimer_update(t);
	systimer_update_irqs(t);
	for (unsigned i = 0; i < BCM283X_TIMER_CHANNELS; i++) {
		/* One that was just passed comes again in 71 minutes. */
		uint64_t left = (uint64_t)(uint32_t)(t->compare[i] - t->seen - 1) + 1;

		if (!(t->matched & BIT(i)))
			us = MIN(us, left);
	}
	pthread_mutex_unlock(&t->lock);
	if (us == UINT64_MAX)
		loop_timer_disarm(t->loop, &t->timer);
	else
		loop_timer_arm(t->loop, &t->timer, us * NS_PER_US);
}

/* --- registers ------------------------------------------------------------------ */

static uint32_t systimer_read32(void *dev, unsigned reg)
{
	struct bcm283x_timer *t = dev;

	switch (reg) {
	case CS:
		systimer_update(t);
		return t->matched;
	case CLO:
		return systimer_now(t);
	case CHI:
		return systimer_now(t) >> 32;
	default:
		return reg >= C0 && reg <= C3 ? t->compare[(reg - C0) / 4] : 0;
	}
}

static void systimer_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_timer *t = dev;
	uint32_t now = systimer_update(t);

	if (reg == CS) {
		t->matched &= ~value;
	} else if (reg >= C0 && reg <= C3) {
		t->compare[(reg - C0) / 4] = value;
		t->matched |= value == now ? BIT((reg - C0) / 4) : 0;
	} else {
		return;
	}
	loop_post(t->loop, &t->rearm);
}

/* CLO alone is a clock that guests read often: nothing else happens then. */
static uint64_t systimer_read(void *dev, uint64_t off, unsigned size)
{
	uint64_t value = reg32_read(systimer_read32, dev, off, size);

	if (off < CLO)
		systimer_update_irqs(dev);
	return value;
}

static void systimer_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(systimer_write32, dev, off, size, value);
	systimer_update_irqs(dev);
}

static const struct io_ops systimer_ops = {
	.read = systimer_read,
	.write = systimer_write,
};

/* --- life -------------------------------------------------------------------------- */

void bcm283x_timer_init(struct bcm283x_timer *t, struct loop *loop,
			const struct irq_line irqs[BCM283X_TIMER_CHANNELS])
{
	*t = (struct bcm283x_timer){
		.loop = loop,
		.timer = { .cb = systimer_serve, .arg = t },
		.rearm = { .cb = systimer_serve, .arg = t },
		.start_ns = loop_now_ns(),
		.region = {
			.name = "bcm283x-timer",
			.ops = &systimer_ops,
			.dev = t,
			.len = BCM283X_TIMER_LEN,
			.lock = &t->lock,
		},
	};
	memcpy(t->irqs, irqs, sizeof(t->irqs));
	pthread_mutex_init(&t->lock, NULL);
}

void bcm283x_timer_finish(struct bcm283x_timer *t)
{
	loop_cancel(t->loop, &t->rearm);
	loop_timer_disarm(t->loop, &t->timer);
	pthread_mutex_destroy(&t->lock);
}

void bcm283x_timer_reset(struct bcm283x_timer *t)
{
	pthread_mutex_lock(&t->lock);
	memset(t->compare, 0, sizeof(t->compare));
	t->start_ns = loop_now_ns();
	t->seen = 0;
	t->matched = 0;
	systimer_update_irqs(t);
	loop_post(t->loop, &t->rearm);
	pthread_mutex_unlock(&t->lock);
}
