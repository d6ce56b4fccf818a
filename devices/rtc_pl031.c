/* SPDX-License-Identifier: MIT */
/* Registers are those of ARM DDI 0224C, "PrimeCell Real Time Clock (PL031)", 3.3. */
#include "devices/rtc_pl031.h"

#include <time.h>

#include "devices/reg32.h"
#include "vmm/util.h"

#define DR 0x00
#define MR 0x04
#define LR 0x08
#define CR 0x0c
#define IMSC 0x10
#define RIS 0x14
#define MIS 0x18
#define ICR 0x1c

#define PL031_PERIPH_ID 0x00041031

#define NS_PER_S 1000000000ull
/* A step of the host's clock shows within a minute. */
#define PL031_LOOK_NS (60 * NS_PER_S)

/* --- the time ------------------------------------------------------------------- */

static uint32_t pl031_now(const struct rtc_pl031 *rtc, uint64_t *ns_left)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ns_left)
		*ns_left = NS_PER_S - ts.tv_nsec;
	return (uint32_t)ts.tv_sec + rtc->offset;
}

/* What the counter has passed since it was looked at last; a clock set back passes nothing. */
static void pl031_update_raw(struct rtc_pl031 *rtc)
{
	uint32_t now = pl031_now(rtc, NULL), passed = now - rtc->seen;
	uint32_t to_match = rtc->match - rtc->seen;

	if (passed <= INT32_MAX && to_match != 0 && to_match <= passed)
		rtc->raw = true;
	rtc->seen = now;
}

static void pl031_update_irq(struct rtc_pl031 *rtc)
{
	bool level = rtc->raw && rtc->mask;

	if (level != rtc->irq_level)
		irq_set(&rtc->irq, level);
	rtc->irq_level = level;
}

/* Nanoseconds until the match raises the line; UINT64_MAX: it does not. */
static uint64_t pl031_ns_to_irq(const struct rtc_pl031 *rtc)
{
	uint64_t ns_left;
	uint32_t to_match = rtc->match - pl031_now(rtc, &ns_left);

	/* A time that is past comes again in 136 years. */
	if (!rtc->mask || rtc->raw || to_match == 0 || to_match > INT32_MAX)
		return UINT64_MAX;
	return (to_match - 1) * NS_PER_S + ns_left;
}

/* Loop thread: after the timer, and after a vCPU changed what is due. */
static void pl031_serve(void *arg)
{
	struct rtc_pl031 *rtc = arg;
	uint64_t ns;

	pthread_mutex_lock(&rtc->lock);
	pl031_update_raw(rtc);
	pl031_update_irq(rtc);
	ns = pl031_ns_to_irq(rtc);
	pthread_mutex_unlock(&rtc->lock);
	if (ns == UINT64_MAX)
		loop_timer_disarm(rtc->loop, &rtc->timer);
	else
		loop_timer_arm(rtc->loop, &rtc->timer, MIN(ns, PL031_LOOK_NS));
}

/* --- registers ------------------------------------------------------------------- */

static uint32_t pl031_read32(void *arg, unsigned reg)
{
	struct rtc_pl031 *rtc = arg;

	pl031_update_raw(rtc);
	switch (reg) {
	case DR:
		return rtc->seen;
	case MR:
		return rtc->match;
	case LR:
		return rtc->load;
	case CR:
		return 1;	/* runs, as after firmware */
	case IMSC:
		return rtc->mask;
	case RIS:
		return rtc->raw;
	case MIS:
		return rtc->raw && rtc->mask;
	default:
		return reg >= PRIMECELL_ID ? primecell_id(reg, PL031_PERIPH_ID) : 0;
	}
}

static void pl031_set_time(struct rtc_pl031 *rtc, uint32_t value)
{
	rtc->load = value;
	rtc->offset += value - rtc->seen;
	rtc->seen = value;
	rtc->raw |= rtc->match == value;
}

static void pl031_write_reg(struct rtc_pl031 *rtc, unsigned reg, uint32_t value)
{
	switch (reg) {
	case MR:
		rtc->match = value;
		rtc->raw |= value == rtc->seen;
		break;
	case LR:
		pl031_set_time(rtc, value);
		break;
	case IMSC:
		rtc->mask = value & 1;
		break;
	case ICR:
		rtc->raw &= !(value & 1);
		break;
	default:
		return;
	}
	/* Even if nothing is due any more: the timer may be armed. */
	loop_post(rtc->loop, &rtc->rearm);
}

static void pl031_write32(void *arg, unsigned reg, uint32_t value)
{
	struct rtc_pl031 *rtc = arg;

	pl031_update_raw(rtc);
	pl031_write_reg(rtc, reg, value);
}

static uint64_t pl031_read(void *arg, uint64_t off, unsigned size)
{
	struct rtc_pl031 *rtc = arg;
	uint64_t value = reg32_read(pl031_read32, rtc, off, size);

	pl031_update_irq(rtc);
	return value;
}

static void pl031_write(void *arg, uint64_t off, unsigned size, uint64_t value)
{
	struct rtc_pl031 *rtc = arg;

	reg32_write(pl031_write32, rtc, off, size, value);
	pl031_update_irq(rtc);
}

static const struct io_ops pl031_ops = {
	.read = pl031_read,
	.write = pl031_write,
};

/* --- life ------------------------------------------------------------------------- */

void rtc_pl031_init(struct rtc_pl031 *rtc, struct loop *loop, struct irq_line irq)
{
	*rtc = (struct rtc_pl031){
		.irq = irq,
		.loop = loop,
		.timer = { .cb = pl031_serve, .arg = rtc },
		.rearm = { .cb = pl031_serve, .arg = rtc },
		.region = {
			.name = "rtc-pl031",
			.ops = &pl031_ops,
			.dev = rtc,
			.len = RTC_PL031_LEN,
			.lock = &rtc->lock,
		},
	};
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->seen = pl031_now(rtc, NULL);
}

void rtc_pl031_finish(struct rtc_pl031 *rtc)
{
	loop_cancel(rtc->loop, &rtc->rearm);
	loop_timer_disarm(rtc->loop, &rtc->timer);
	pthread_mutex_destroy(&rtc->lock);
}

void rtc_pl031_reset(struct rtc_pl031 *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	rtc->match = rtc->load = 0;
	rtc->raw = rtc->mask = false;
	pl031_update_irq(rtc);
	loop_post(rtc->loop, &rtc->rearm);
	pthread_mutex_unlock(&rtc->lock);
}
