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
 * untouched. End of file on stdin ends input, not the VM.
 *
 * term_create() and term_restore() may be called before and after the loop
 * runs; term_restore() is async-signal-safe and idempotent, for fatal signals.
 * The rest on the loop thread.
 */
#ifndef MICROVM_TERM_H
#define MICROVM_TERM_H

#include <stdbool.h>

#include "vmm/loop.h"

enum term_key { TERM_QUIT, TERM_POWER, TERM_RESET };

struct term;

/*
 * Does not touch the terminal yet: raw mode begins when the "stdio" chardev is
 * attached to a front end. @key is told of the keys that concern the VM.
 */
int term_create(struct term **out, struct loop *loop, void (*key)(void *ctx, enum term_key key),
		void *ctx);
void term_destroy(struct term *term);	/* restores; NULL is legal */
void term_restore(struct term *term);

#endif
