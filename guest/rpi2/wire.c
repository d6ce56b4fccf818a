/* SPDX-License-Identifier: MIT */
/*
 * The interrupts of a Raspberry Pi 2's CPUs, without an operating system: a wake-up that is
 * lost stops this for good. Tokens go round the CPUs by mailbox, some one way and some
 * the other, and each CPU sleeps until it has one; without timers first, for they would
 * hide what is lost, then with them, then with timers alone; with interrupts masked, where
 * WFI alone is woken, and taken. Then what the controller masks and routes.
 *
 * rounds=N on the command line: of each token (100). Says WIRE OK at its end.
 */
#include <stdbool.h>
#include <stdint.h>

#define CPUS 4
#define TOKENS 4
#define LOCAL 0x40000000u
#define TIMER_CONTROL(cpu) (LOCAL + 0x40 + 4 * (cpu))
#define MAILBOX_CONTROL(cpu) (LOCAL + 0x50 + 4 * (cpu))
#define IRQ_PENDING(cpu) (LOCAL + 0x60 + 4 * (cpu))
#define FIQ_PENDING(cpu) (LOCAL + 0x70 + 4 * (cpu))
#define MAIL_SET(cpu, n) (LOCAL + 0x80 + 16 * (cpu) + 4 * (n))
#define MAIL_CLEAR(cpu, n) (LOCAL + 0xc0 + 16 * (cpu) + 4 * (n))
#define CNTV 3
#define PENDING_CNTV (1u << CNTV)
#define PENDING_MAIL(n) (0x10u << (n))
#define END(token) (0x10000u << (token))
#define ENDS 0xf0000u

#define UART 0x3f201000u

/* Written by its own CPU alone. */
struct cpu {
	volatile uint32_t phase, ticks, hops, idle, fiqs, ends, rounds;
	volatile bool timers;
};

uint32_t dtb;
static struct cpu cpus[CPUS];
static volatile unsigned n_cpus;
static uint32_t rounds = 100, hz;

void cpu_main(unsigned self);
void on_irq(void);
void on_fiq(void);
void on_trap(uint32_t pc);
void secondary(void);
void power_off(void) __attribute__((noreturn));
int raise(int sig);

/* --- the machine ---------------------------------------------------------------------- */

/* By instructions that a hypervisor is told of: no update of the base, one register. */
static uint32_t in(uint32_t at)
{
	uint32_t value;

	__asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(at) : "memory");
	return value;
}

static void out(uint32_t at, uint32_t value)
{
	__asm__ volatile("dsb; str %0, [%1]" : : "r"(value), "r"(at) : "memory");
}

static void say(const char *text)
{
	while (*text)
		out(UART, *text++);
}

static void say_number(const char *what, uint32_t value)
{
	char digits[12], *p = digits + sizeof(digits) - 1;

	for (*p = 0; p == digits + sizeof(digits) - 1 || value; value /= 10)
		*--p = '0' + value % 10;
	say(what);
	say(p);
}

static void fail(const char *why)
{
	say("WIRE FAILED: ");
	say(why);
	say("\n");
	power_off();
}

/* libgcc's, of a division by zero. */
int raise(int sig)
{
	fail("a division by zero");
	return sig;
}

void on_trap(uint32_t pc)
{
	say_number("trap at ", pc);
	fail("an exception");
}

static unsigned this_cpu(void)
{
	uint32_t mpidr;

	__asm__ volatile("mrc p15, 0, %0, c0, c0, 5" : "=r"(mpidr));
	return mpidr & 3;
}

#define irqs_off() __asm__ volatile("cpsid if" : : : "memory")
#define irqs_on() __asm__ volatile("cpsie if; isb" : : : "memory")
#define wait_for_irq() __asm__ volatile("dsb; wfi" : : : "memory")
#define pause() __asm__ volatile("dsb; wfe" : : : "memory")

/* CNTV_TVAL and CNTV_CTL. */
static void timer_start(uint32_t ticks)
{
	__asm__ volatile("mcr p15, 0, %0, c14, c3, 0; mcr p15, 0, %1, c14, c3, 1; isb"
			 : : "r"(ticks), "r"(1));
}

static void timer_stop(void)
{
	__asm__ volatile("mcr p15, 0, %0, c14, c3, 1; isb" : : "r"(0));
}

static uint64_t now(void)
{
	uint32_t low, high;

	__asm__ volatile("isb; mrrc p15, 1, %0, %1, c14" : "=r"(low), "=r"(high));
	return (uint64_t)high << 32 | low;
}

static void spin_ms(unsigned ms)
{
	uint64_t start = now();

	while (now() - start < hz / 1000 * ms)
		;
}

/* All have come here, and see what the others did before. */
static void meet(unsigned self)
{
	uint32_t phase = ++cpus[self].phase;

	for (unsigned i = 0; i < n_cpus; i++)
		while ((int32_t)(cpus[i].phase - phase) < 0)
			pause();
	__asm__ volatile("dsb" : : : "memory");
}

/* --- tokens ----------------------------------------------------------------------------- */

static void send(unsigned self, unsigned token)
{
	unsigned next = (self + (token & 1 ? n_cpus - 1 : 1)) % n_cpus;

	cpus[self].hops++;
	out(MAIL_SET(next, 0), 1u << token);
}

static void take(unsigned self, unsigned token)
{
	if (self != token % n_cpus || ++cpus[self].rounds < rounds) {
		send(self, token);
		return;
	}
	cpus[self].rounds = 0;
	for (unsigned i = 0; i < n_cpus; i++)
		out(MAIL_SET(i, 0), END(token));
}

static void serve(unsigned self)
{
	uint32_t pending = in(IRQ_PENDING(self)), mail;

	if (!pending)
		cpus[self].idle++;
	if (pending & PENDING_CNTV) {
		cpus[self].ticks++;
		if (cpus[self].timers)
			timer_start(hz / 1000 * (1 + (cpus[self].ticks + self) % 4));
		else
			timer_stop();
	}
	if (!(pending & PENDING_MAIL(0)))
		return;
	mail = in(MAIL_CLEAR(self, 0));
	if (!mail)
		fail("a mailbox interrupts and is empty");
	out(MAIL_CLEAR(self, 0), mail);
	cpus[self].ends |= mail & ENDS;
	for (unsigned token = 0; token < TOKENS; token++)
		if (mail & 1u << token)
			take(self, token);
}

void on_irq(void)
{
	serve(this_cpu());
}

static void wait(unsigned self, bool taken)
{
	wait_for_irq();
	if (taken) {
		irqs_on();
		irqs_off();
	} else {
		serve(self);
	}
}

/* Token n is at home on CPU n, so that a CPU has one to count at most. */
static void pass_tokens(unsigned self, bool timers, bool taken)
{
	unsigned n = n_cpus < TOKENS ? n_cpus : TOKENS;
	uint32_t all = ENDS & (END(n) - 1);

	cpus[self].ends = 0;
	cpus[self].timers = timers;
	out(MAILBOX_CONTROL(self), 1);
	out(TIMER_CONTROL(self), timers ? PENDING_CNTV : 0);
	meet(self);
	if (timers)
		timer_start(hz / 1000);
	if (self < n)
		send(self, self);
	while (cpus[self].ends != all)
		wait(self, taken);
	timer_stop();
	meet(self);
}

static void tick(unsigned self, bool taken)
{
	uint32_t end = cpus[self].ticks + rounds;

	cpus[self].timers = true;
	out(TIMER_CONTROL(self), PENDING_CNTV);
	meet(self);
	timer_start(hz / 1000);
	while ((int32_t)(cpus[self].ticks - end) < 0)
		wait(self, taken);
	timer_stop();
	meet(self);
}

/* --- masks and routes ----------------------------------------------------------------------- */

static void taken_for(unsigned ms)
{
	irqs_on();
	spin_ms(ms);
	irqs_off();
}

static void check_mask(void)
{
	uint32_t ticks = cpus[0].ticks, idle = cpus[0].idle;

	cpus[0].timers = false;
	out(TIMER_CONTROL(0), 0);
	timer_start(hz / 1000);
	taken_for(20);
	if (cpus[0].ticks != ticks || cpus[0].idle != idle)
		fail("a timer that is masked interrupts");
	if (in(IRQ_PENDING(0)))
		fail("a timer that is masked is pending");
	out(TIMER_CONTROL(0), PENDING_CNTV);
	if (in(IRQ_PENDING(0)) != PENDING_CNTV)
		fail("a timer that is not masked any more is not pending");
	taken_for(20);
	if (cpus[0].ticks != ticks + 1)
		fail("a timer that is not masked any more does not interrupt");
}

/*
 * Without a GIC, KVM says of a timer whose CPU is busy that it has stopped when the host's next
 * tick comes.
 */
static bool becomes_pending(unsigned cpu, uint32_t pending)
{
	uint64_t end = now() + hz;

	while (in(IRQ_PENDING(cpu)) != pending)
		if (now() > end)
			return false;
	return true;
}

/* The last CPU's timer is up, and the first one looks. */
static void check_other(unsigned self)
{
	unsigned last = n_cpus - 1;

	if (self == last) {
		out(TIMER_CONTROL(self), PENDING_CNTV);
		timer_start(1);
		spin_ms(10);
	}
	meet(self);
	if (self == 0 && !becomes_pending(last, PENDING_CNTV))
		fail("another CPU's timer is not seen");
	meet(self);
	if (self == last)
		timer_stop();
	meet(self);
	if (self == 0 && !becomes_pending(last, 0))
		fail("another CPU's timer is seen that has stopped");
	meet(self);
}

void on_fiq(void)
{
	unsigned self = this_cpu();
	uint32_t pending = in(FIQ_PENDING(self));

	cpus[self].fiqs += !!pending;
	if (pending & PENDING_CNTV)
		timer_stop();
	if (pending & PENDING_MAIL(1))
		out(MAIL_CLEAR(self, 1), ~0u);
}

/* An IRQ that nobody takes does not keep the FIQ away. */
static void check_fiq(void)
{
	out(MAILBOX_CONTROL(0), 0x20 | 1);
	out(TIMER_CONTROL(0), 0);
	out(MAIL_SET(0, 0), ENDS);
	out(MAIL_SET(0, 1), 1);
	if (in(IRQ_PENDING(0)) != PENDING_MAIL(0) || in(FIQ_PENDING(0)) != PENDING_MAIL(1))
		fail("mailboxes are not pending where they are routed");
	__asm__ volatile("cpsie f; isb" : : : "memory");
	spin_ms(20);
	irqs_off();
	say_number("mailbox as FIQ: ", cpus[0].fiqs);
	out(MAIL_CLEAR(0, 1), ~0u);
	out(MAIL_CLEAR(0, 0), ~0u);
	cpus[0].fiqs = 0;
	out(TIMER_CONTROL(0), 0x80);
	timer_start(hz / 1000);
	__asm__ volatile("cpsie f; isb" : : : "memory");
	spin_ms(20);
	irqs_off();
	say_number(", timer as FIQ: ", cpus[0].fiqs);
	say("\n");
	timer_stop();
	out(TIMER_CONTROL(0), 0);
}

/* --- all of it --------------------------------------------------------------------------- */

static void report(const char *what, uint64_t *start)
{
	uint32_t hops = 0, ticks = 0, idle = 0;

	for (unsigned i = 0; i < n_cpus; i++) {
		hops += cpus[i].hops;
		ticks += cpus[i].ticks;
		idle += cpus[i].idle;
		cpus[i].hops = cpus[i].ticks = cpus[i].idle = 0;
	}
	say(what);
	say_number(": hops ", hops);
	say_number(", ticks ", ticks);
	say_number(", for nothing ", idle);
	say_number(", ms ", (now() - *start) / (hz / 1000));
	say("\n");
	*start = now();
}

static void run(unsigned self)
{
	static const char *const names[] = { "tokens", "tokens, taken", "tokens and timers",
		"tokens and timers, taken", "timers", "timers, taken" };
	uint64_t start = now();

	for (unsigned i = 0; i < 6; i++) {
		if (i < 4)
			pass_tokens(self, i / 2, i & 1);
		else
			tick(self, i & 1);
		if (self == 0)
			report(names[i], &start);
		meet(self);
	}
	if (self == 0)
		check_mask();
	meet(self);
	if (n_cpus > 1)
		check_other(self);
	if (self == 0) {
		check_fiq();
		say("WIRE OK\n");
		power_off();
	}
}

/* What follows @word anywhere in the tree; its text is the command line's alone. */
static uint32_t option(const char *word, uint32_t value)
{
	const char *p = (const char *)dtb, *end = p + __builtin_bswap32(in(dtb + 4));

	for (; p < end; p++) {
		unsigned n = 0;

		while (word[n] && p[n] == word[n])
			n++;
		if (word[n])
			continue;
		for (value = 0, p += n; *p >= '0' && *p <= '9'; p++)
			value = value * 10 + *p - '0';
		return value;
	}
	return value;
}

static void start_others(void)
{
	n_cpus = option("cpus=", CPUS);
	rounds = option("rounds=", rounds);
	out(UART + 0x30, 0x301);
	say_number("CPUs ", n_cpus);
	say_number(", rounds ", rounds);
	say("\n");
	for (unsigned i = 1; i < n_cpus; i++)
		out(MAIL_SET(i, 3), (uint32_t)secondary);
}

void cpu_main(unsigned self)
{
	__asm__ volatile("mrc p15, 0, %0, c14, c0, 0" : "=r"(hz));
	if (self == 0)
		start_others();
	meet(self);
	run(self);
}
