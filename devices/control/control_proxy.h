/* SPDX-License-Identifier: MIT */
/*
 * Requests that another process answers: each is given to it, with the
 * descriptor that came with it, on a connection of its own; the line that comes
 * back goes to whoever asked. Waits for nobody. Loop thread.
 */
#ifndef MICROVM_CONTROL_PROXY_H
#define MICROVM_CONTROL_PROXY_H

#include "devices/control/control.h"

/*
 * Passes @call on through the connected socket @fd, which it takes, to a
 * process that is called @name in messages and outlives this.
 */
void control_forward(struct control_call *call, struct loop *loop, int fd, const char *name);

#endif
