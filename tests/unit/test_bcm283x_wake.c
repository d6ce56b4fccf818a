/* SPDX-License-Identifier: MIT */
/*
 * Four threads are the CPUs of a BCM2836 and sleep until their line is up: who misses an
 * interrupt sleeps for good. The wire tells whenever it does not say what is pending.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/bcm283x_armctrl.h"
#include "devices/bcm283x_local.h"
#include "tests/fake.h"
#include "vmm/util.h"

#define LOCAL 0x40000000u
#define ARMCTRL 0x3f00b200u
#define ROUNDS 300u
#define TIMER 3
#define END(cpu) (0x10000u << (cpu))
#define ENDS 0xf0000u
#define DEVICE_LINE 5		/* of bank 1 */

struct cpu {
	pthread_t thread;
	struct wake *wake;
	unsigned id, rounds, ticks, idle;
	uint32_t ends;
	/* under the wire's lock */
	pthread_mutex_t lock;
	pthread_cond_t up;
	bool level;
};

struct wake {
	struct fake f;
	struct bcm283x_local local;
	struct bcm283x_armctrl ic;
	struct irq_line device;
	struct cpu cpus[BCM283X_CPUS];
	atomic_uint wrong, served;
	atomic_bool over;
};

static uint32_t in(struct wake *w, uint64_t gpa)
{
	uint64_t v = 0;

	bus_read(&w->f.mmio, gpa, 4, &v);
	return v;
}

static void out(struct wake *w, uint64_t gpa, uint32_t value)
{
	bus_write(&w->f.mmio, gpa, 4, value);
}

/* What the documentation says of it, from the registers; the device's lock is held. */
static bool is_pending(const struct bcm283x_local *local, unsigned cpu)
{
	bool mail = false;

	for (unsigned i = 0; i < BCM283X_MAILBOXES; i++)
		mail |= local->mailboxes[cpu][i] && (local->mailbox_control[cpu] >> i & 1);
	return mail || (local->timers[cpu] & local->timer_control[cpu]) ||
	       (local->gpu[0] && (local->gpu_routing & 3) == cpu);
}

static void wire_set(void *ctx, unsigned cpu, bool fiq, bool level)
{
	struct wake *w = ctx;
	struct cpu *c = &w->cpus[cpu];

	if (fiq || level != is_pending(&w->local, cpu))
		w->wrong++;
	pthread_mutex_lock(&c->lock);
	if (c->level == level)
		w->wrong++;
	c->level = level;
	if (level)
		pthread_cond_signal(&c->up);
	pthread_mutex_unlock(&c->lock);
}

static void wait_for_irq(struct cpu *c)
{
	pthread_mutex_lock(&c->lock);
	while (!c->level)
		pthread_cond_wait(&c->up, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

/* Token n goes round by bit n, odd ones backwards, until CPU n has seen it often enough. */
static void take_token(struct cpu *c, unsigned token)
{
	unsigned next = (c->id + (token & 1 ? BCM283X_CPUS - 1 : 1)) % BCM283X_CPUS;

	if (c->id != token || ++c->rounds < ROUNDS) {
		out(c->wake, LOCAL + 0x80 + 16 * next, BIT(token));
		return;
	}
	for (unsigned i = 0; i < BCM283X_CPUS; i++)
		out(c->wake, LOCAL + 0x80 + 16 * i, END(token));
}

static void serve_mail(struct cpu *c)
{
	uint32_t mail = in(c->wake, LOCAL + 0xc0 + 16 * c->id);

	out(c->wake, LOCAL + 0xc0 + 16 * c->id, mail);
	c->ends |= mail & ENDS;
	for (unsigned i = 0; i < BCM283X_CPUS; i++)
		if (mail & BIT(i))
			take_token(c, i);
}

/* The interrupt of a device wanders on to the next CPU each time. */
static void serve_device(struct cpu *c)
{
	if (in(c->wake, ARMCTRL + 4) & BIT(DEVICE_LINE)) {
		irq_set(&c->wake->device, false);
		c->wake->served++;
	}
	out(c->wake, LOCAL + 0x0c, (c->id + 1) % BCM283X_CPUS);
}

static void *cpu_run(void *arg)
{
	struct cpu *c = arg;

	while (c->ends != ENDS) {
		uint32_t pending;

		wait_for_irq(c);
		pending = in(c->wake, LOCAL + 0x60 + 4 * c->id);
		c->idle += !pending;
		if (pending & BIT(TIMER)) {
			bcm283x_local_set_timer(&c->wake->local, c->id, TIMER, false);
			c->ticks++;
		}
		if (pending & BIT(BCM283X_LOCAL_GPU))
			serve_device(c);
		if (pending & BIT(BCM283X_LOCAL_MAILBOX))
			serve_mail(c);
	}
	return NULL;
}

/* The host: timers that are due, and a device that wants something again. */
static void *host_run(void *arg)
{
	struct wake *w = arg;

	for (unsigned i = 0; !w->over; i++) {
		bcm283x_local_set_timer(&w->local, i % BCM283X_CPUS, TIMER, true);
		irq_set(&w->device, true);
		sched_yield();
	}
	return NULL;
}

static int setup(void **state)
{
	struct wake *w = calloc(1, sizeof(*w));

	fake_init(&w->f);
	for (unsigned i = 0; i < BCM283X_CPUS; i++) {
		w->cpus[i].wake = w;
		w->cpus[i].id = i;
		pthread_mutex_init(&w->cpus[i].lock, NULL);
		pthread_cond_init(&w->cpus[i].up, NULL);
	}
	bcm283x_local_init(&w->local, &(struct bcm283x_cpus){ .set = wire_set, .ctx = w });
	bcm283x_armctrl_init(&w->ic, bcm283x_local_gpu(&w->local, false),
			     bcm283x_local_gpu(&w->local, true));
	assert_true(bcm283x_armctrl_line(&w->ic, 1, DEVICE_LINE, &w->device));
	assert_int_equal(bus_add(&w->f.mmio, &w->local.region, LOCAL), 0);
	assert_int_equal(bus_add(&w->f.mmio, &w->ic.region, ARMCTRL), 0);
	for (unsigned i = 0; i < BCM283X_CPUS; i++)
		out(w, LOCAL + 0x50 + 4 * i, 1);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct wake *w = *state;

	bcm283x_armctrl_finish(&w->ic);
	bcm283x_local_finish(&w->local);
	for (unsigned i = 0; i < BCM283X_CPUS; i++) {
		pthread_cond_destroy(&w->cpus[i].up);
		pthread_mutex_destroy(&w->cpus[i].lock);
	}
	fake_finish(&w->f);
	free(w);
	return 0;
}

static void pass_tokens(struct wake *w)
{
	for (unsigned i = 0; i < BCM283X_CPUS; i++)
		assert_int_equal(pthread_create(&w->cpus[i].thread, NULL, cpu_run, &w->cpus[i]), 0);
	for (unsigned i = 0; i < BCM283X_CPUS; i++)
		out(w, LOCAL + 0x80 + 16 * i, BIT(i));
	for (unsigned i = 0; i < BCM283X_CPUS; i++)
		pthread_join(w->cpus[i].thread, NULL);
}

/* All threads have ended. */
static void check_lines(struct wake *w)
{
	assert_int_equal(w->wrong, 0);
	for (unsigned i = 0; i < BCM283X_CPUS; i++)
		assert_int_equal(w->cpus[i].level, is_pending(&w->local, i));
}

/* Nothing else wakes a CPU here. */
static void no_mail_is_missed_by_a_cpu_that_sleeps(void **state)
{
	struct wake *w = *state;

	pass_tokens(w);
	check_lines(w);
	/* A line is up only while its CPU has something to do, and it alone takes that away. */
	for (unsigned i = 0; i < BCM283X_CPUS; i++)
		assert_int_equal(w->cpus[i].idle, 0);
}

static void nor_while_timers_and_a_device_interrupt_too(void **state)
{
	struct wake *w = *state;
	pthread_t host;

	out(w, ARMCTRL + 0x10, BIT(DEVICE_LINE));
	for (unsigned i = 0; i < BCM283X_CPUS; i++)
		out(w, LOCAL + 0x40 + 4 * i, BIT(TIMER));
	irq_set(&w->device, true);
	assert_int_equal(pthread_create(&host, NULL, host_run, w), 0);
	pass_tokens(w);
	w->over = true;
	pthread_join(host, NULL);
	check_lines(w);
	assert_true(w->served > 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(no_mail_is_missed_by_a_cpu_that_sleeps),
		T(nor_while_timers_and_a_device_interrupt_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
