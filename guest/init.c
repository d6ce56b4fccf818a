// SPDX-License-Identifier: MIT
/*
 * The first and only program of our test guests. No libc: it starts at once, its start costs no CPUID exits, and it
 * builds with any gcc. What it does is chosen on the kernel's command line, whose unknown NAME=VALUE words the kernel
 * hands to init as its environment:
 *
 *	smoke=A[:ARG],B,...	do these one after the other, then power off; each prints `SMOKE name ok|fail detail`
 *	bench=end, bench=wait	write a byte to port 0x5e8 (on ARM: address 0x9050008), nothing else; then power off,
 *				or wait for ever
 *
 * With neither it loads every module that /modules names, and runs a busybox shell on the console.
 */
#include <asm/unistd.h>
#include <fcntl.h>
#include <linux/input.h>
#include <linux/reboot.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>

/* ---- system calls and the few library functions that are needed ---- */

static long syscall6(long n, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return n;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
		      x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
#elif defined(__arm__)
	register long r7 __asm__("r7") = n, r0 __asm__("r0") = a, r1 __asm__("r1") = b, r2 __asm__("r2") = c,
		      r3 __asm__("r3") = d, r4 __asm__("r4") = e, r5 __asm__("r5") = f;
	__asm__ volatile("svc #0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
	return r0;
#else
#error "no system calls written for this architecture yet"
#endif
}
#define SYS(n, a, b, c, d, e, f, ...) syscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define sys(name, ...) SYS(__NR_##name, __VA_ARGS__ __VA_OPT__(, ) 0, 0, 0, 0, 0, 0, 0)

#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x0, sp\n bl start\n");
#else
__asm__(".globl _start\n_start: mov r0, sp\n bic sp, sp, #7\n bl start\n");
#endif
#ifndef __NR_fork
#define __NR_fork __NR_clone
#define FORK 17 /* SIGCHLD, of the first argument's flags */
#else
#define FORK 0
#endif

/* gcc calls these by itself */
void *memset(void *p, int c, size_t n)
{
	for (char *q = p; n--;)
		*q++ = c;
	return p;
}
void *memcpy(void *to, const void *from, size_t n)
{
	const char *f = from;
	for (char *t = to; n--;)
		*t++ = *f++;
	return to;
}

static size_t length(const char *s)
{
	size_t n = 0;
	while (s[n])
		n++;
	return n;
}
/* how much of PREFIX S begins with: all of it, or nothing */
static size_t begins(const char *s, const char *prefix)
{
	size_t n = 0;
	for (; prefix[n]; n++)
		if (s[n] != prefix[n])
			return 0;
	return n;
}
static const char *find(const char *s, const char *what)
{
	for (; *s; s++)
		if (begins(s, what))
			return s;
	return NULL;
}
static long number(const char *s)
{
	long n = 0;
	while (*s == ' ')
		s++;
	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + *s - '0';
	return n;
}

static char *append(char *to, char *end, const char *s)
{
	while (*s && to < end - 1)
		*to++ = *s++;
	*to = 0;
	return to;
}
/* %s and %ld only */
static void format(char *out, size_t size, const char *f, va_list ap)
{
	char *to = out, *end = out + size, digits[24], *d;

	*to = 0;
	for (; *f; f++) {
		if (f[0] != '%') {
			to = append(to, end, (char[]){*f, 0});
		} else if (f[1] == 's') {
			to = append(to, end, va_arg(ap, const char *));
			f++;
		} else {
			long n = va_arg(ap, long);
			unsigned long u = n < 0 ? -(unsigned long)n : (unsigned long)n;
			d = digits + sizeof(digits) - 1;
			*d = 0;
			do
				*--d = '0' + u % 10;
			while (u /= 10);
			if (n < 0)
				*--d = '-';
			to = append(to, end, d);
			f += 2;
		}
	}
}
__attribute__((format(printf, 1, 2))) static void say(const char *f, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, f);
	format(line, sizeof(line), f, ap);
	va_end(ap);
	sys(write, 1, line, length(line));
}

/* ---- files, modules ---- */

static char text[1 << 18]; /* what load_text read last */

static const char *load_text(const char *path)
{
	long fd = sys(openat, AT_FDCWD, path, O_RDONLY), n, at = 0;

	while (fd >= 0 && (n = sys(read, fd, text + at, sizeof(text) - 1 - at)) > 0)
		at += n;
	text[at] = 0;
	sys(close, fd);
	return text;
}

static bool line_of(const char **at, char *line, size_t size)
{
	size_t n = 0;

	if (!**at)
		return false;
	for (; **at && **at != '\n'; ++*at)
		if (n < size - 1)
			line[n++] = **at;
	line[n] = 0;
	*at += **at == '\n';
	return true;
}

/* /modules/NAME lists the files to insert, in order (guest/initramfs.sh wrote it) */
static bool load(const char *name)
{
	static char list[4096];
	char path[128];
	const char *at = list;
	bool ok;

	append(append(path, path + sizeof(path), "/modules/"), path + sizeof(path), name);
	append(list, list + sizeof(list), load_text(path));
	ok = list[0];
	while (line_of(&at, path, sizeof(path))) {
		long fd = sys(openat, AT_FDCWD, path, O_RDONLY), r = sys(finit_module, fd, "", 0);

		ok &= fd >= 0 && (r == 0 || r == -17 /* EEXIST: another one needed it too */);
		sys(close, fd);
	}
	return ok;
}

/* names in a directory, one at a time; *STATE is 0 at first */
struct listing {
	long fd, have, at;
	char buf[2048];
};
static const char *next_name(struct listing *l, const char *dir)
{
	struct entry {
		uint64_t ino, off;
		uint16_t len;
		uint8_t type;
		char name[];
	} *e;

	if (!l->fd)
		l->fd = sys(openat, AT_FDCWD, dir, O_RDONLY | O_DIRECTORY);
	do {
		if (l->at >= l->have) {
			l->have = sys(getdents64, l->fd, l->buf, sizeof(l->buf));
			l->at = 0;
			if (l->have <= 0) {
				sys(close, l->fd);
				return NULL;
			}
		}
		e = (struct entry *)(l->buf + l->at);
		l->at += e->len;
	} while (e->name[0] == '.');
	return e->name;
}
static const char *load_at(const char *dir, const char *name, const char *file)
{
	char path[256], *end = path + sizeof(path);

	append(append(append(append(append(path, end, dir), end, "/"), end, name), end, "/"), end, file);
	return load_text(path);
}

/* ---- what a smoke test may ask for ---- */

static void pause_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	sys(nanosleep, &t, 0);
}
/* how many of the N are ready, 0 when none becomes so in time */
static long ready(struct pollfd *fds, int n, long seconds)
{
	struct timespec t = {seconds, 0};

	return sys(ppoll, fds, n, &t, 0);
}
static void reboot(unsigned how)
{
	sys(sync);
	sys(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, how, 0);
}
static void verdict(const char *name, bool ok, const char *detail) { say("SMOKE %s %s %s\n", name, ok ? "ok" : "fail", detail); }

static char detail[256];
__attribute__((format(printf, 1, 2))) static const char *with(const char *f, ...)
{
	va_list ap;

	va_start(ap, f);
	format(detail, sizeof(detail), f, ap);
	va_end(ap);
	return detail;
}

static long count(const char *in, const char *what)
{
	long n = 0;

	while ((in = find(in, what))) {
		n++;
		in += length(what);
	}
	return n;
}

static void smoke_cpus(const char *arg)
{
	long n = count(load_text("/proc/cpuinfo"), "processor\t");

	verdict("cpus", n > 0, with("%ld", n));
}

static void smoke_cmdline(const char *arg) { verdict("cmdline", true, load_text("/proc/cmdline")); }

static long map_as(size_t size, int how)
{
#ifdef __NR_mmap
	return sys(mmap, 0, size, PROT_READ | PROT_WRITE, how | MAP_ANONYMOUS, -1, 0);
#else
	return sys(mmap2, 0, size, PROT_READ | PROT_WRITE, how | MAP_ANONYMOUS, -1, 0);
#endif
}
static long map(size_t size) { return map_as(size, MAP_PRIVATE); }

/* Reports MiB, and writes and reads back 64 of them: Linux hands out the highest memory first. */
static void smoke_memory(const char *arg)
{
	const char *total = find(load_text("/proc/meminfo"), "MemTotal:");
	size_t words = (64 << 20) / 8;
	uint64_t *p = (uint64_t *)map(words * 8);
	bool ok = (unsigned long)p < -4096ul;

	for (size_t i = 0; ok && i < words; i += 512)
		p[i] = ~i;
	for (size_t i = 0; ok && i < words; i += 512)
		ok = p[i] == ~i;
	verdict("memory", ok && total, with("%ld", total ? number(total + 9) / 1024 : 0));
}

/* One device of the bus: how it is attached, and whether its interrupts arrive. */
static const char *virtio_path(const char *driver)
{
	static char path[256];
	char dev[256], *end = dev + sizeof(dev);
	struct listing l = {0};
	const char *name;

	while ((name = next_name(&l, "/sys/bus/virtio/devices"))) {
		char *at = append(append(dev, end, "/sys/bus/virtio/devices/"), end, name);
		long n;

		append(at, end, "/driver");
		n = sys(readlinkat, AT_FDCWD, dev, path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = 0;
		if (!find(path, driver))
			continue;
		*at = 0;
		n = sys(readlinkat, AT_FDCWD, dev, path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = 0;
		return path;
	}
	return NULL;
}
static void smoke_virtio(const char *name, const char *driver, bool works, const char *why)
{
	const char *path = virtio_path(driver), *at, *dev = "";
	char line[512];
	long interrupts = 0;
	bool msi = false;

	if (!path) {
		verdict(name, false, "no device bound to the driver");
		return;
	}
	for (const char *p = path; *p; p++)
		if (*p == '/')
			dev = p + 1;
	at = load_text("/proc/interrupts");
	/* "virtio0" of mmio, "virtio0-config" and "virtio0-input" of PCI with MSI-X */
	while (line_of(&at, line, sizeof(line))) {
		const char *p = find(line, dev);

		if (!p || (p[length(dev)] && p[length(dev)] != '-'))
			continue;
		msi |= !!find(line, "MSI");
		for (p = find(line, ":") + 1; *p == ' ' || (*p >= '0' && *p <= '9');) {
			while (*p == ' ')
				p++;
			interrupts += number(p);
			while (*p >= '0' && *p <= '9')
				p++;
		}
	}
	verdict(name, works && interrupts,
		with("%s %s %ld interrupts%s%s", find(path, "/pci") ? "pci" : "mmio", msi ? "msi" : "line", interrupts,
		     works ? "" : ": ", works ? "" : why));
}
static void load_transports(void)
{
	load("virtio_pci");
	load("virtio_mmio");
}

static void smoke_rng(const char *arg)
{
	uint64_t a[4] = {0}, b[4] = {0};
	long fd, n, m;

	load_transports();
	load("virtio-rng");
	fd = sys(openat, AT_FDCWD, "/dev/hwrng", O_RDONLY);
	n = sys(read, fd, a, sizeof(a));
	m = sys(read, fd, b, sizeof(b));
	smoke_virtio("rng", "virtio_rng",
		     find(load_text("/sys/class/misc/hw_random/rng_current"), "virtio_rng") && n > 0 && m > 0 && a[0] &&
			     a[0] != b[0],
		     with("read %ld and %ld bytes", n, m));
}

static void raw(long fd)
{
	struct {
		uint32_t iflag, oflag, cflag, lflag;
		unsigned char rest[64];
	} t; /* the kernel's struct termios, which libc's is not */

	sys(ioctl, fd, 0x5401 /* TCGETS */, &t);
	t.iflag = 0;
	t.lflag &= ~(ICANON | ECHO | ISIG);
	sys(ioctl, fd, 0x5402 /* TCSETS */, &t);
}

/* Reads bytes up to a newline and says them back: the console works in both directions. */
static void echo_line(const char *name, long fd)
{
	char line[200] = "";
	long n = 0;

	raw(fd);
	say("SMOKE %s ready\n", name);
	while (n < (long)sizeof(line) - 1 && sys(read, fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = 0;
	sys(write, fd, "heard ", 6);
	sys(write, fd, line, n);
	sys(write, fd, "\r\n", 2);
}
static void smoke_hvc(const char *arg)
{
	long fd;

	load_transports();
	load("virtio_console");
	fd = sys(openat, AT_FDCWD, "/dev/hvc0", O_RDWR | O_NOCTTY);
	if (fd >= 0)
		echo_line("hvc", fd);
	smoke_virtio("hvc", "virtio_console", fd >= 0, "no /dev/hvc0");
}
/* ARG bytes are to come; prints how many came and their sum: a pipe into the console loses nothing. */
static void smoke_input(const char *arg)
{
	long want = number(arg), have = 0, n, sum = 0;
	unsigned char buf[512];
	struct pollfd in = {0, POLLIN, 0};

	raw(0);
	say("SMOKE input ready\n");
	while (have < want && ready(&in, 1, 10) == 1) {
		n = sys(read, 0, buf, sizeof(buf));
		for (long i = 0; i < n; i++)
			sum += buf[i];
		have += n;
	}
	verdict("input", have == want, with("%ld of %ld bytes, sum %ld", have, want, sum));
}

static void smoke_button(const char *arg)
{
	struct pollfd fds[8];
	struct input_event e;
	struct listing l = {0};
	const char *name;
	int n = 0;

	load("button");
	load("gpio_keys");
	load("evdev");
	while (n < 8 && (name = next_name(&l, "/sys/class/input"))) {
		char path[64];

		const char *is;

		if (!begins(name, "event"))
			continue;
		is = load_at("/sys/class/input", name, "device/name");
		if (!find(is, "Power Button") && !find(is, "gpio-keys"))
			continue;
		append(append(path, path + sizeof(path), "/dev/input/"), path + sizeof(path), name);
		fds[n++] = (struct pollfd){sys(openat, AT_FDCWD, path, O_RDONLY), POLLIN, 0};
	}
	if (!n) {
		verdict("button", false, "no power button");
		return;
	}
	say("SMOKE button ready\n");
	while (ready(fds, n, 60) > 0)
		for (int i = 0; i < n; i++)
			while (fds[i].revents && sys(read, fds[i].fd, &e, sizeof(e)) == sizeof(e))
				if (e.type == EV_KEY && e.code == KEY_POWER && e.value) {
					verdict("button", true, "pressed");
					return;
				}
	verdict("button", false, "not pressed within a minute");
}

/* A timer that works: a sleep takes what it should, by the clock that the kernel chose. */
static void smoke_clock(const char *arg)
{
	struct timespec a, b;
	char line[64];
	const char *at;
	long ms;

	sys(clock_gettime, CLOCK_MONOTONIC, &a);
	pause_ms(200);
	sys(clock_gettime, CLOCK_MONOTONIC, &b);
	ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	at = load_text("/sys/devices/system/clocksource/clocksource0/current_clocksource");
	line_of(&at, line, sizeof(line));
	verdict("clock", ms >= 200 && ms < 2000, with("%s %ld ms", line, ms));
}

/* Errors and complaints about the firmware in the kernel's log: our tables and devices cause none. */
static void smoke_log(const char *arg)
{
	static const char *const bad[] = {"[Firmware Bug]", "ACPI Error", "ACPI BIOS", "ACPI Warning", "ACPI Exception",
					  "WARNING: CPU", "Call Trace", "BUG:", "irq", "can't claim", "no compatible bridge"};
	static char rec[1024];
	long fd = sys(openat, AT_FDCWD, "/dev/kmsg", O_RDONLY | O_NONBLOCK), n, found = 0;

	while ((n = sys(read, fd, rec, sizeof(rec) - 1)) > 0) {
		const char *msg;
		bool hit;

		rec[n] = 0;
		msg = find(rec, ";");
		hit = (number(rec) & 7) <= 3;
		for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
			if (!begins(bad[i], "irq"))
				hit |= !!find(rec, bad[i]);
			else
				hit |= find(rec, "irq ") && find(rec, "nobody cared");
		if (hit && msg && ++found <= 5)
			say("SMOKE log has: %s", msg + 1);
	}
	verdict("log", fd >= 0 && !found, with("%ld complaints", found));
	sys(close, fd);
}

/*
 * Bytes go round the processors by pipes, so that each wakes the next one, and every so often whoever has one sleeps
 * by a timer: for ARG seconds. Reports how far each processor's process came, and for how many seconds at most one of
 * them stood still: that is the guest's time, on a busy host all of them may for a while.
 */
#define STRESS_CPUS 16
#define STRESS_STILL 60
static void stress_one(unsigned cpu, int from, int to, volatile uint32_t *steps)
{
	unsigned long mask = 1ul << cpu;
	char byte;

	sys(sched_setaffinity, 0, sizeof(mask), &mask);
	while (sys(read, from, &byte, 1) == 1) {
		if (++*steps % 64 == 0)
			pause_ms(1);
		sys(write, to, &byte, 1);
	}
}
static void smoke_stress(const char *arg)
{
	volatile uint32_t *steps = (volatile uint32_t *)map_as(4096, MAP_SHARED);
	long cpus = count(load_text("/proc/cpuinfo"), "processor\t"), seconds = number(arg), worst = 0;
	uint32_t seen[STRESS_CPUS] = {0};
	long still[STRESS_CPUS] = {0};
	int pipes[STRESS_CPUS][2];

	cpus = cpus > STRESS_CPUS ? STRESS_CPUS : cpus;
	for (long i = 0; i < cpus; i++)
		sys(pipe2, pipes[i], 0);
	for (long i = 0; i < cpus; i++)
		if (sys(fork, FORK) == 0)
			stress_one(i, pipes[i][0], pipes[(i + 1) % cpus][1], &steps[i * 16]);
	for (long i = 0; i < cpus; i++)
		sys(write, pipes[i][1], "xy", i & 1 ? 1 : 2);
	for (long s = 0; s < seconds && worst < STRESS_STILL; s++) {
		pause_ms(1000);
		for (long i = 0; i < cpus; i++) {
			still[i] = steps[i * 16] == seen[i] ? still[i] + 1 : 0;
			seen[i] = steps[i * 16];
			worst = still[i] > worst ? still[i] : worst;
		}
		if (s % 60 == 59)
			say("SMOKE stress: %ld s, steps of the first %ld, still for %ld s at most\n", s + 1, (long)seen[0], worst);
	}
	for (long i = 0; i < cpus; i++)
		say("SMOKE stress: processor %ld: steps %ld\n", i, (long)seen[i]);
	verdict("stress", worst < STRESS_STILL, with("%ld processors, still for %ld s at most", cpus, worst));
}

static void smoke_pci(const char *arg)
{
	struct listing l = {0};
	long n = 0;

	while (next_name(&l, "/sys/bus/pci/devices"))
		n++;
	verdict("pci", true, with("%ld functions", n));
}

static void smoke_reboot(const char *arg) { reboot(LINUX_REBOOT_CMD_RESTART); }
static void smoke_halt(const char *arg) { reboot(LINUX_REBOOT_CMD_HALT); }
static void smoke_panic(const char *arg)
{
	long fd;

	if (!load("pvpanic-mmio"))
		verdict("panic", false, "no pvpanic module");
	fd = sys(openat, AT_FDCWD, "/proc/sysrq-trigger", O_WRONLY);
	sys(write, fd, "c", 1);
}
static void smoke_hang(const char *arg)
{
	say("SMOKE hang ready\n");
	for (;;)
		pause_ms(1000);
}

/* ---- the test device: registers at these offsets (devices/testdev_regs.h) ---- */

enum { TESTDEV_ID = 0, TESTDEV_RESULT = 4, TESTDEV_MARK = 8 };
#if defined(__x86_64__)
#define TESTDEV_PORT 0x5e0
static uint32_t testdev_read(int reg)
{
	uint32_t value;

	sys(ioperm, TESTDEV_PORT, 0x20, 1);
	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"((uint16_t)(TESTDEV_PORT + reg)));
	return value;
}
static void testdev_write(int reg, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"((uint16_t)(TESTDEV_PORT + reg)));
}
/* By /dev/port, not by instructions of our own: TCG forgets a guest's I/O permissions when a VMM has set its registers. */
static void testdev_mark(void)
{
	long fd;

	sys(mknodat, AT_FDCWD, "/port", 0020600 /* character device */, 1 << 8 | 4);
	fd = sys(openat, AT_FDCWD, "/port", O_WRONLY);
	sys(pwrite64, fd, "\1", 1, TESTDEV_PORT + TESTDEV_MARK);
}
#else
#define TESTDEV_PAGE 0x9050ul /* where the virt machine has it, in pages (arch/arm/layout.h) */
static volatile uint32_t *testdev(int reg)
{
	long fd, page;

	sys(mknodat, AT_FDCWD, "/mem", 0020600 /* character device */, 1 << 8 | 1);
	fd = sys(openat, AT_FDCWD, "/mem", O_RDWR | O_SYNC);
#ifdef __NR_mmap
	page = sys(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, TESTDEV_PAGE << 12);
#else
	page = sys(mmap2, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, TESTDEV_PAGE);
#endif
	return (volatile uint32_t *)(page + reg);
}
static uint32_t testdev_read(int reg) { return *testdev(reg); }
static void testdev_write(int reg, uint32_t value) { *testdev(reg) = value; }
static void testdev_mark(void) { testdev_write(TESTDEV_MARK, 1); }
#endif

static void smoke_result(const char *arg)
{
	verdict("result", testdev_read(TESTDEV_ID) == 0x6474766d, arg);
	testdev_write(TESTDEV_RESULT, number(arg));
}
static void smoke_insmod(const char *arg) { verdict("insmod", load(arg), arg); }

static const struct {
	const char *name;
	void (*run)(const char *arg);
} actions[] = {
	{"cpus", smoke_cpus},	    {"memory", smoke_memory}, {"rng", smoke_rng},	{"hvc", smoke_hvc},
	{"input", smoke_input},	    {"button", smoke_button}, {"clock", smoke_clock},	{"log", smoke_log},
	{"pci", smoke_pci},	    {"reboot", smoke_reboot}, {"halt", smoke_halt},	{"panic", smoke_panic},
	{"hang", smoke_hang},	    {"result", smoke_result}, {"insmod", smoke_insmod},
	{"stress", smoke_stress},   {"cmdline", smoke_cmdline},
};

static void smoke(char *list)
{
	while (*list) {
		char *name = list, *arg = "";
		size_t i;

		for (; *list && *list != ','; list++)
			if (*list == ':') {
				*list = 0;
				arg = list + 1;
			}
		if (*list)
			*list++ = 0;
		for (i = 0; i < sizeof(actions) / sizeof(*actions); i++)
			if (length(name) == length(actions[i].name) && begins(name, actions[i].name))
				break;
		if (i < sizeof(actions) / sizeof(*actions))
			actions[i].run(arg);
		else
			verdict(name, false, "no such action");
	}
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
}

/* ---- the other two lives ---- */

static void bench(bool wait)
{
	testdev_mark();
	while (wait)
		pause_ms(1000);
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
}

static void shell(void)
{
	static char *const argv[] = {"sh", "-l", NULL}, *const env[] = {"PATH=/bin:/usr/bin", "HOME=/", "TERM=linux", "PS1=guest# ", NULL};
	struct listing l = {0};
	const char *name;
	long pid, status;

	while ((name = next_name(&l, "/modules")))
		load(name);
	pid = sys(fork, FORK);
	if (!pid) {
		sys(setsid);
		sys(ioctl, 0, 0x540e /* TIOCSCTTY */, 0);
		sys(execve, "/bin/busybox", argv, env);
		sys(exit, 1);
	}
	while (sys(wait4, -1, &status, 0, 0) != pid)
		;
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
}

/* The kernel could not give us a console whose driver is a module: load it, and try again. */
static void open_console(void)
{
	long fd = sys(openat, AT_FDCWD, "/dev/console", O_RDWR);

	if (fd < 0) {
		load_transports();
		load("virtio_console");
		for (int i = 0; i < 100 && (fd = sys(openat, AT_FDCWD, "/dev/console", O_RDWR)) < 0; i++)
			pause_ms(10);
	}
	for (int i = 0; i < 3; i++)
		sys(dup3, fd, i, 0);
	if (fd > 2)
		sys(close, fd);
}

__attribute__((used)) static void start(long *stack)
{
	char **env = (char **)(stack + 1 + stack[0] + 1), *list = NULL;

	for (; *env; env++) {
		if (begins(*env, "bench="))
			bench(find(*env, "wait"));
		if (begins(*env, "smoke="))
			list = *env + length("smoke=");
	}
	sys(mount, "dev", "/dev", "devtmpfs", 0, 0);
	sys(mount, "proc", "/proc", "proc", 0, 0);
	sys(mount, "sys", "/sys", "sysfs", 0, 0);
	open_console();
	say("microvm guest: up\n");
	if (list)
		smoke(list);
	shell();
}
