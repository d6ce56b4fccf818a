/* SPDX-License-Identifier: MIT */
/*
 * The terminal microvm was started from: stdin, stdout, raw mode and the
 * escape keys. ctrl-a is the prefix, then
 *
 *     x  end the VM         h, ?  list the keys     p  press the power button
 *     r  reset the VM       b     send a break      ctrl-a  send ctrl-a itself
 *
 * Works with pipes, files and /dev/null as stdin and stdout: raw mode only
 * where stdin is a terminal, and the keys there only; a pipe's bytes go through
 * untouched. End of file on stdin ends input, not the VM. A terminal whose
 * foreground belongs to another job is neither changed nor read until a
 * SIGCONT says that it is ours.
 *
 * term_create() and term_restore() may be called before and after the loop
 * runs; term_restore() is async-signal-safe and idempotent, for fatal signals.
 * The rest on the loop thread.
 */
#ifndef MICROVM_TERM_H
#define MICROVM_TERM_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/loop.h"

enum term_key { TERM_QUIT, TERM_POWER, TERM_RESET };

struct term;

/*
 * Does not touch the terminal yet: raw mode begins when the "stdio" chardev is
 * attached to a front end. @key is told of the keys that concern the VM. Before
 * any other thread starts: blocks SIGWINCH and SIGCONT, which come by the loop.
 */
int term_create(struct term **out, struct loop *loop, void (*key)(void *ctx, enum term_key key),
		void *ctx);
void term_destroy(struct term *term);	/* restores; NULL is legal */
void term_restore(struct term *term);	/* NULL is legal */

/* --- for the "stdio" chardev, and tests ------------------------------------- */

enum term_act { TERM_PASS, TERM_BREAK, TERM_EAT };

/* With other descriptors than stdin, stdout and stderr (for help). */
int term_create_on(struct term **out, struct loop *loop, const int fds[3],
		   void (*key)(void *ctx, enum term_key key), void *ctx);
/* One user at a time, else -EBUSY. @changed: of size, or whether it may be read. */
int term_claim(struct term *term, void (*changed)(void *arg), void *arg);
void term_release(struct term *term);	/* restores */
void term_begin(struct term *term);	/* raw mode */
int term_input_fd(const struct term *term);
int term_output_fd(const struct term *term);
/* Whether stdin is a terminal, and so the escape keys are looked for. */
bool term_has_keys(const struct term *term);
bool term_may_read(const struct term *term);
/* What is to be done with a byte that was read; serves the keys. */
enum term_act term_filter(struct term *term, uint8_t byte);
/* 0 or -ENOTTY. */
int term_size(const struct term *term, unsigned *cols, unsigned *rows);

#endif
