/* SPDX-License-Identifier: MIT */
/* Sections are named as in Motorola's MC146818A data sheet. */
#include "devices/rtc_cmos.h"

#include <time.h>

#include "devices/byte_regs.h"
#include "vmm/util.h"

#define NS_PER_S 1000000000ll

enum {
	RTC_SECONDS, RTC_SECONDS_ALARM, RTC_MINUTES, RTC_MINUTES_ALARM, RTC_HOURS,
	RTC_HOURS_ALARM, RTC_DAY_OF_WEEK, RTC_DAY_OF_MONTH, RTC_MONTH, RTC_YEAR,
	RTC_A, RTC_B, RTC_C, RTC_D,
};

#define A_UIP 0x80		/* update in progress */
#define A_DV 0x70		/* divider; 11x holds it in reset */
#define A_DV_RESET 0x60
#define A_DV_32KHZ 0x20
#define A_RS 0x0f		/* rate of the periodic interrupt */
#define A_RS_1024HZ 0x06
#define B_SET 0x80		/* updates stopped, the guest sets the time */
#define B_SQWE 0x08
#define B_BINARY 0x04
#define B_24H 0x02
#define C_IRQF 0x80
#define C_PF 0x40		/* flags, and in register B their interrupt enables */
#define C_AF 0x20
#define C_UF 0x10
#define C_FLAGS (C_PF | C_AF | C_UF)
#define D_VRT 0x80		/* battery good */

#define ALARM_ANY 0xc0		/* both bits: any value matches */
#define HOURS_PM 0x80

/* Update cycle: UIP is seen this long before the time changes ("Update Cycle"). */
#define UIP_LEAD_NS 244000

/* --- the registers' code ------------------------------------------------- */

static uint8_t rtc_encode(const struct rtc_cmos *rtc, unsigned value)
{
	if (rtc->ram[RTC_B] & B_BINARY)
		return value;
	return (value / 10 % 10) << 4 | value % 10;
}

static unsigned rtc_decode(const struct rtc_cmos *rtc, uint8_t code)
{
	if (rtc->ram[RTC_B] & B_BINARY)
		return code;
	return (code >> 4) * 10 + (code & 0xf);
}

static uint8_t rtc_encode_hour(const struct rtc_cmos *rtc, unsigned hour)
{
	if (rtc->ram[RTC_B] & B_24H)
		return rtc_encode(rtc, hour);
	return rtc_encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOURS_PM : 0);
}

static unsigned rtc_decode_hour(const struct rtc_cmos *rtc, uint8_t code)
{
	if (rtc->ram[RTC_B] & B_24H)
		return rtc_decode(rtc, code);
	return rtc_decode(rtc, code & ~HOURS_PM) % 12 + (code & HOURS_PM ? 12 : 0);
}

/* --- the time ------------------------------------------------------------ */

/* Whether the guest, or register A's divider, holds the clock. */
static bool rtc_stopped(const struct rtc_cmos *rtc)
{
	return (rtc->ram[RTC_B] & B_SET) || (rtc->ram[RTC_A] & A_DV_RESET) == A_DV_RESET;
}

static struct timespec rtc_now(const struct rtc_cmos *rtc)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += rtc->offset_s;
	ts.tv_nsec += rtc->offset_ns;
	if (ts.tv_nsec >= NS_PER_S) {
		ts.tv_nsec -= NS_PER_S;
		ts.tv_sec++;
	}
	return ts;
}

static void rtc_set_now(struct rtc_cmos *rtc, int64_t seconds, int64_t ns)
{
	struct timespec host;

	clock_gettime(CLOCK_REALTIME, &host);
	rtc->offset_s = seconds - host.tv_sec;
	ns -= host.tv_nsec;
	if (ns < 0) {
		ns += NS_PER_S;
		rtc->offset_s--;
	}
	rtc->offset_ns = ns;
	rtc->seen_second = seconds;
}

/* The time as registers. */
static void rtc_latch(struct rtc_cmos *rtc)
{
	time_t now = rtc_now(rtc).tv_sec;
	unsigned year;
	struct tm tm;

	gmtime_r(&now, &tm);
	year = MAX(tm.tm_year + 1900, 0);
	rtc->ram[RTC_SECONDS] = rtc_encode(rtc, tm.tm_sec);
	rtc->ram[RTC_MINUTES] = rtc_encode(rtc, tm.tm_min);
	rtc->ram[RTC_HOURS] = rtc_encode_hour(rtc, tm.tm_hour);
	rtc->ram[RTC_DAY_OF_WEEK] = rtc_encode(rtc, tm.tm_wday + 1);
	rtc->ram[RTC_DAY_OF_MONTH] = rtc_encode(rtc, tm.tm_mday);
	rtc->ram[RTC_MONTH] = rtc_encode(rtc, tm.tm_mon + 1);
	rtc->ram[RTC_YEAR] = rtc_encode(rtc, year % 100);
	rtc->ram[RTC_CMOS_CENTURY] = rtc_encode(rtc, year / 100 % 100);
}

/*
 * The registers as time. Any bytes make some time: what no calendar knows,
 * such as 31 February, is carried over by timegm().
 */
static int64_t rtc_registers_time(const struct rtc_cmos *rtc)
{
	struct tm tm = {
		.tm_sec = rtc_decode(rtc, rtc->ram[RTC_SECONDS]),
		.tm_min = rtc_decode(rtc, rtc->ram[RTC_MINUTES]),
		.tm_hour = rtc_decode_hour(rtc, rtc->ram[RTC_HOURS]),
		.tm_mday = rtc_decode(rtc, rtc->ram[RTC_DAY_OF_MONTH]),
		.tm_mon = (int)rtc_decode(rtc, rtc->ram[RTC_MONTH]) - 1,
		.tm_year = (int)(rtc_decode(rtc, rtc->ram[RTC_CMOS_CENTURY]) * 100 +
				 rtc_decode(rtc, rtc->ram[RTC_YEAR])) - 1900,
	};

	return timegm(&tm);
}

static bool rtc_is_time(unsigned reg)
{
	return reg == RTC_SECONDS || reg == RTC_MINUTES || reg == RTC_HOURS ||
	       (reg >= RTC_DAY_OF_WEEK && reg <= RTC_YEAR) || reg == RTC_CMOS_CENTURY;
}

/* --- what is due ---------------------------------------------------------- */

/*
 * The periodic interrupt's rate as a shift of the 32768 Hz time base: 2^shift
 * cycles a period; 0 is none ("Periodic Interrupt Rate"). Rates 1 and 2 repeat 8 and 9.
 */
static unsigned rtc_period_shift(const struct rtc_cmos *rtc)
{
	unsigned rs = rtc->ram[RTC_A] & A_RS;

	if (rs == 0 || (rtc->ram[RTC_A] & A_DV_RESET) == A_DV_RESET)
		return 0;
	return rs <= 2 ? rs + 6 : rs - 1;
}

/* Cycles of the 32768 Hz time base since some point; not disturbed by steps of the host's clock. */
static uint64_t rtc_cycles(void)
{
	uint64_t now = loop_now_ns();

	return now / NS_PER_S * 32768 + now % NS_PER_S * 32768 / NS_PER_S;
}

static uint64_t rtc_ns_to_period(uint64_t period, unsigned shift)
{
	uint64_t cycle = period << shift, now = loop_now_ns();
	uint64_t due = cycle / 32768 * NS_PER_S + (cycle % 32768 * NS_PER_S + 32767) / 32768;

	return due > now ? due - now : 0;
}

static bool rtc_alarm_matches(uint8_t alarm, uint8_t code)
{
	return (alarm & ALARM_ANY) == ALARM_ANY || alarm == code;
}

/* Whether any minute, or second, has that code. */
static bool rtc_alarm_possible(const struct rtc_cmos *rtc, uint8_t alarm)
{
	unsigned n = 0;

	while (n < 60 && !rtc_alarm_matches(alarm, rtc_encode(rtc, n)))
		n++;
	return n < 60;
}

/*
 * Seconds from @after to the next alarm, 1..86400; 0 if no time of day ever
 * matches what the guest wrote. At most 24 + 60 + 60 steps, once it is known that
 * there are such minutes and seconds.
 */
static unsigned rtc_seconds_to_alarm(const struct rtc_cmos *rtc, int64_t after)
{
	int64_t start = ((after + 1) % 86400 + 86400) % 86400;
	unsigned d = 0;

	if (!rtc_alarm_possible(rtc, rtc->ram[RTC_MINUTES_ALARM]) ||
	    !rtc_alarm_possible(rtc, rtc->ram[RTC_SECONDS_ALARM]))
		return 0;
	while (d < 86400) {
		unsigned t = (start + d) % 86400, s = t % 60, m = t / 60 % 60;

		if (!rtc_alarm_matches(rtc->ram[RTC_HOURS_ALARM], rtc_encode_hour(rtc, t / 3600)))
			d += 3600 - t % 3600;
		else if (!rtc_alarm_matches(rtc->ram[RTC_MINUTES_ALARM], rtc_encode(rtc, m)))
			d += 60 - s;
		else if (!rtc_alarm_matches(rtc->ram[RTC_SECONDS_ALARM], rtc_encode(rtc, s)))
			d++;
		else
			return d + 1;
	}
	return 0;
}

static void rtc_update_flags(struct rtc_cmos *rtc)
{
	int64_t second = rtc_now(rtc).tv_sec;
	unsigned shift = rtc_period_shift(rtc), d;
	uint64_t period;

	/* A host's clock that was set back makes no update, and the wait starts anew. */
	if (!rtc_stopped(rtc) && second != rtc->seen_second) {
		d = rtc_seconds_to_alarm(rtc, rtc->seen_second);
		if (second > rtc->seen_second)
			rtc->ram[RTC_C] |= C_UF;
		if (d && second - rtc->seen_second >= d)
			rtc->ram[RTC_C] |= C_AF;
		rtc->seen_second = second;
	}
	if (shift) {
		period = rtc_cycles() >> shift;
		if (period != rtc->seen_period)
			rtc->ram[RTC_C] |= C_PF;
		rtc->seen_period = period;
	}
}

static bool rtc_irq_pending(const struct rtc_cmos *rtc)
{
	return rtc->ram[RTC_C] & rtc->ram[RTC_B] & C_FLAGS;
}

/*
 * Nanoseconds until an enabled interrupt newly raises the line, UINT64_MAX for
 * never. While the line is up nothing can, until the guest reads register C.
 */
static uint64_t rtc_ns_to_irq(const struct rtc_cmos *rtc)
{
	uint8_t enabled = rtc->ram[RTC_B] & C_FLAGS;
	unsigned shift = rtc_period_shift(rtc), d;
	uint64_t ns = UINT64_MAX;
	struct timespec now;

	if (!enabled || rtc_irq_pending(rtc))
		return ns;
	if ((enabled & C_PF) && shift)
		ns = rtc_ns_to_period(rtc->seen_period + 1, shift);
	if (rtc_stopped(rtc))
		return ns;
	now = rtc_now(rtc);
	if (enabled & C_UF)
		ns = MIN(ns, (uint64_t)(NS_PER_S - now.tv_nsec));
	d = enabled & C_AF ? rtc_seconds_to_alarm(rtc, now.tv_sec) : 0;
	if (d)
		ns = MIN(ns, (uint64_t)(d * NS_PER_S - now.tv_nsec));
	return ns;
}

/* Loop thread: after the timer, and after a vCPU changed what is due. */
static void rtc_serve(void *arg)
{
	struct rtc_cmos *rtc = arg;
	uint64_t ns;

	pthread_mutex_lock(&rtc->lock);
	rtc_update_flags(rtc);
	irq_set(&rtc->irq, rtc_irq_pending(rtc));
	ns = rtc_ns_to_irq(rtc);
	pthread_mutex_unlock(&rtc->lock);
	if (ns == UINT64_MAX)
		loop_timer_disarm(rtc->loop, &rtc->timer);
	else
		/* A step of the host's clock shows within a minute. */
		loop_timer_arm(rtc->loop, &rtc->timer, MIN(ns, (uint64_t)(60 * NS_PER_S)));
}

static void rtc_post_rearm(struct rtc_cmos *rtc)
{
	if (rtc->ram[RTC_B] & C_FLAGS)
		loop_post(rtc->loop, &rtc->rearm);
}

/* --- registers ------------------------------------------------------------- */

static uint8_t rtc_read_a(const struct rtc_cmos *rtc)
{
	bool uip = !rtc_stopped(rtc) && rtc_now(rtc).tv_nsec >= NS_PER_S - UIP_LEAD_NS;

	return rtc->ram[RTC_A] | (uip ? A_UIP : 0);
}

static uint8_t rtc_read_c(struct rtc_cmos *rtc)
{
	uint8_t value;

	rtc_update_flags(rtc);
	value = rtc->ram[RTC_C] | (rtc_irq_pending(rtc) ? C_IRQF : 0);
	rtc->ram[RTC_C] = 0;
	irq_set(&rtc->irq, false);
	rtc_post_rearm(rtc);
	return value;
}

static uint8_t rtc_read_data(struct rtc_cmos *rtc)
{
	unsigned reg = rtc->index;

	if (reg == RTC_A)
		return rtc_read_a(rtc);
	if (reg == RTC_C)
		return rtc_read_c(rtc);
	if (rtc_is_time(reg) && !rtc_stopped(rtc))
		rtc_latch(rtc);
	return rtc->ram[reg];
}

/*
 * Registers A and B stop and start the clock. What was stopped goes on from the
 * time that stands in the registers: half a second before the next update when
 * the divider was in reset, else in step with the seconds as they were
 * ("Divider Control").
 */
static void rtc_write_control(struct rtc_cmos *rtc, unsigned reg, uint8_t value)
{
	bool was_stopped = rtc_stopped(rtc);
	bool divider_reset = (rtc->ram[RTC_A] & A_DV_RESET) == A_DV_RESET;

	rtc_update_flags(rtc);
	/* In the code that is in force until now. */
	if (!was_stopped)
		rtc_latch(rtc);
	rtc->ram[reg] = value;
	if (was_stopped && !rtc_stopped(rtc))
		rtc_set_now(rtc, rtc_registers_time(rtc),
			    divider_reset ? NS_PER_S / 2 : rtc_now(rtc).tv_nsec);
	rtc->seen_period = rtc_cycles() >> rtc_period_shift(rtc);
	irq_set(&rtc->irq, rtc_irq_pending(rtc));
	/* Even with no interrupt enabled any more: a timer may be armed. */
	loop_post(rtc->loop, &rtc->rearm);
}

static void rtc_write_time(struct rtc_cmos *rtc, unsigned reg, uint8_t value)
{
	if (rtc_stopped(rtc)) {
		rtc->ram[reg] = value;
		return;
	}
	rtc_update_flags(rtc);
	rtc_latch(rtc);
	rtc->ram[reg] = value;
	rtc_set_now(rtc, rtc_registers_time(rtc), rtc_now(rtc).tv_nsec);
	rtc_post_rearm(rtc);
}

static void rtc_write_data(struct rtc_cmos *rtc, uint8_t value)
{
	unsigned reg = rtc->index;

	switch (reg) {
	case RTC_A:
		rtc_write_control(rtc, reg, value & ~A_UIP);
		break;
	case RTC_B:
		/* SET going high clears the update-ended enable ("Register B"). */
		if (value & ~rtc->ram[RTC_B] & B_SET)
			value &= ~C_UF;
		rtc_write_control(rtc, reg, value);
		break;
	case RTC_C:
	case RTC_D:
		break;
	case RTC_SECONDS_ALARM:
	case RTC_MINUTES_ALARM:
	case RTC_HOURS_ALARM:
		rtc_update_flags(rtc);
		rtc->ram[reg] = value;
		rtc_post_rearm(rtc);
		break;
	default:
		if (rtc_is_time(reg))
			rtc_write_time(rtc, reg, value);
		else
			rtc->ram[reg] = value;
	}
}

static uint8_t rtc_read_byte(void *arg, unsigned off)
{
	struct rtc_cmos *rtc = arg;

	return off == 0 ? rtc->index : rtc_read_data(rtc);
}

static void rtc_write_byte(void *arg, unsigned off, uint8_t value)
{
	struct rtc_cmos *rtc = arg;

	/* Bit 7 of the index masks the NMI, which nothing here raises. */
	if (off == 0)
		rtc->index = value & 0x7f;
	else
		rtc_write_data(rtc, value);
}

static uint64_t rtc_read(void *dev, uint64_t off, unsigned size)
{
	return byte_regs_read(rtc_read_byte, dev, off, size);
}

static void rtc_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	byte_regs_write(rtc_write_byte, dev, off, size, value);
}

static const struct io_ops rtc_ops = {
	.read = rtc_read,
	.write = rtc_write,
};

/* --- life ------------------------------------------------------------------ */

void rtc_cmos_init(struct rtc_cmos *rtc, struct loop *loop, struct irq_line irq)
{
	*rtc = (struct rtc_cmos){
		.irq = irq,
		.loop = loop,
		.timer = { .cb = rtc_serve, .arg = rtc },
		.rearm = { .cb = rtc_serve, .arg = rtc },
		.region = {
			.name = "rtc-cmos",
			.ops = &rtc_ops,
			.dev = rtc,
			.len = RTC_CMOS_LEN,
			.lock = &rtc->lock,
		},
	};
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->ram[RTC_A] = A_DV_32KHZ | A_RS_1024HZ;
	rtc->ram[RTC_B] = B_24H;
	rtc->ram[RTC_D] = D_VRT;
	rtc->seen_second = rtc_now(rtc).tv_sec;
	rtc->seen_period = rtc_cycles() >> rtc_period_shift(rtc);
}

void rtc_cmos_finish(struct rtc_cmos *rtc)
{
	loop_cancel(rtc->loop, &rtc->rearm);
	loop_timer_disarm(rtc->loop, &rtc->timer);
	pthread_mutex_destroy(&rtc->lock);
}

void rtc_cmos_reset(struct rtc_cmos *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	if ((rtc->ram[RTC_A] & A_DV_RESET) == A_DV_RESET)
		rtc_write_control(rtc, RTC_A, A_DV_32KHZ | A_RS_1024HZ);
	/* The reset pin clears the enables; firmware would restart the clock. */
	rtc_write_control(rtc, RTC_B, rtc->ram[RTC_B] & ~(C_FLAGS | B_SQWE | B_SET));
	rtc->ram[RTC_C] = 0;
	irq_set(&rtc->irq, false);
	rtc->index = 0;
	pthread_mutex_unlock(&rtc->lock);
}
