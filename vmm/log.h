/* SPDX-License-Identifier: MIT */
/*
 * Messages for the person at the terminal, on stderr, a line each.
 *
 * Any thread may log; a line is written by one write(2) and so never mixes
 * with another. Nothing here allocates. The level is process wide and set once
 * by main.c, before the first thread starts.
 *
 * What the guest can trigger goes through log_guest(), which lets a few lines
 * through and then counts: a guest cannot fill the log (hostile case 97).
 */
#ifndef MICROVM_LOG_H
#define MICROVM_LOG_H

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Messages above @level are dropped; LOG_WARN until set. */
void log_set_level(enum log_level level);
/* What lines begin with, "microvm" until set; the string stays. Before the first thread. */
void log_set_program(const char *name);
enum log_level log_get_level(void);

/*
 * Raw terminals need a carriage return before the newline; main.c says so
 * while the terminal is raw.
 */
void log_set_crlf(_Bool on);

__attribute__((format(printf, 2, 3)))
void log_msg(enum log_level level, const char *fmt, ...);

#define log_error(...) log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_msg(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)

/*
 * How often one source (a device, usually) has spoken about its guest. Zeroed
 * is ready for use. At most LOG_GUEST_BURST lines a minute pass; the first
 * line after a pause says how many were dropped.
 */
#define LOG_GUEST_BURST 8

struct log_rate {
	atomic_uint used;
	atomic_uint dropped;
	_Atomic uint64_t window_start_ns;
};

__attribute__((format(printf, 2, 3)))
void log_guest(struct log_rate *rate, const char *fmt, ...);

#endif
