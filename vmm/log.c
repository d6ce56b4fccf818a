/* SPDX-License-Identifier: MIT */
#include "vmm/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "vmm/util.h"

#define LOG_LINE_MAX 1024
#define LOG_GUEST_WINDOW_NS 60000000000ull

static enum log_level log_level = LOG_WARN;
static const char *log_program = "microvm";
static atomic_bool log_crlf;

void log_set_level(enum log_level level)
{
	log_level = level;
}

void log_set_program(const char *name)
{
	log_program = name;
}

enum log_level log_get_level(void)
{
	return log_level;
}

void log_set_crlf(_Bool on)
{
	log_crlf = on;
}

__attribute__((format(printf, 1, 0)))
static void log_write(const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];
	int len = snprintf(line, sizeof(line), "%s: ", log_program), saved = errno;

	len += vsnprintf(line + len, sizeof(line) - len - 2, fmt, ap);
	if (len > LOG_LINE_MAX - 3)
		len = LOG_LINE_MAX - 3;
	/* What came from a file or a guest may hold anything; a terminal must not see it. */
	for (int i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	if (log_crlf)
		line[len++] = '\r';
	line[len++] = '\n';
	/* Nobody can be told of an error here; the caller's own is still to be returned. */
	if (write(STDERR_FILENO, line, len) < 0)
		errno = saved;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > log_level)
		return;
	va_start(ap, fmt);
	log_write(fmt, ap);
	va_end(ap);
}

static uint64_t log_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* Whether a new window began; exactly one of several threads is told so. */
static bool log_window_turn(struct log_rate *rate)
{
	uint64_t now = log_now_ns(), start = atomic_load(&rate->window_start_ns);

	if (start && now - start < LOG_GUEST_WINDOW_NS)
		return false;
	return atomic_compare_exchange_strong(&rate->window_start_ns, &start, now);
}

void log_guest(struct log_rate *rate, const char *fmt, ...)
{
	va_list ap;

	if (log_level < LOG_WARN)
		return;
	if (log_window_turn(rate)) {
		unsigned dropped = atomic_exchange(&rate->dropped, 0);

		atomic_store(&rate->used, 0);
		if (dropped)
			log_msg(LOG_WARN, "%u messages about the guest were dropped", dropped);
	}
	/* Cheap once the limit is reached: a storm costs two atomic operations a message. */
	if (atomic_load(&rate->used) >= LOG_GUEST_BURST ||
	    atomic_fetch_add(&rate->used, 1) >= LOG_GUEST_BURST) {
		atomic_fetch_add(&rate->dropped, 1);
		return;
	}
	va_start(ap, fmt);
	log_write(fmt, ap);
	va_end(ap);
}
