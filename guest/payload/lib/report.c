/* SPDX-License-Identifier: MIT */
#include <stdarg.h>

#include "devices/testdev_regs.h"
#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/report.h"

static void put_char(char c)
{
	board_testdev_putc(c);
}

static void put_string(const char *s)
{
	while (*s)
		put_char(*s++);
}

static void put_number(uint64_t v, unsigned base, unsigned width, char pad)
{
	char buf[24];
	unsigned n = 0;

	do {
		buf[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	for (; width > n; width--)
		put_char(pad);
	while (n)
		put_char(buf[--n]);
}

static void put_signed(int64_t v, unsigned width, char pad)
{
	if (v < 0)
		put_char('-');
	put_number(v < 0 ? -(uint64_t)v : (uint64_t)v, 10, width, pad);
}

/* Prints the argument for the conversion at @fmt, returns what follows it. */
static const char *put_conversion(const char *fmt, va_list *args)
{
	char pad = *fmt == '0' ? '0' : ' ';
	unsigned width = 0;
	bool wide = false;

	while (*fmt >= '0' && *fmt <= '9')
		width = width * 10 + (*fmt++ - '0');
	for (; *fmt == 'l'; fmt++)
		wide = true;
	switch (*fmt) {
	case 's':
		put_string(va_arg(*args, const char *));
		break;
	case 'c':
		put_char(va_arg(*args, int));
		break;
	case 'd':
		put_signed(wide ? va_arg(*args, int64_t) : va_arg(*args, int), width, pad);
		break;
	case 'u':
	case 'x':
		put_number(wide ? va_arg(*args, uint64_t) : va_arg(*args, unsigned),
			   *fmt == 'x' ? 16 : 10, width, pad);
		break;
	default:
		put_char(*fmt);
	}
	return fmt + 1;
}

static void vprint(const char *fmt, va_list *args)
{
	while (*fmt) {
		if (*fmt == '%') {
			fmt = put_conversion(fmt + 1, args);
		} else {
			put_char(*fmt++);
		}
	}
}

void print(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprint(fmt, &args);
	va_end(args);
}

void result(unsigned code)
{
	board_testdev_write(TESTDEV_RESULT, code);
	for (;;)
		cpu_halt();
}

void fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	print("%s:%d: ", file, line);
	va_start(args, fmt);
	vprint(fmt, &args);
	va_end(args);
	put_char('\n');
	result(PAYLOAD_FAIL);
}

void wait_turn(void)
{
	board_testdev_read(TESTDEV_ID);
}
