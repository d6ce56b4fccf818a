/* SPDX-License-Identifier: MIT */
/*
 * microvm-gpu as a process that we start: one for the graphics card and the
 * input devices of a guest, each of which it serves by vhost-user.
 *
 *     gpu_process_create()
 *     gpu_process_add() for each device, then
 *     gpu_process_dial() whenever one needs a connection, which starts it
 *     gpu_process_hung_up() when such a connection was lost
 *     gpu_process_destroy()
 *
 * A connection that is lost means that something is wrong with the process: it
 * is ended, which the other devices notice by the loss of theirs, and the next
 * dial starts another; at first at once, but one that ends again and again, since the
 * guest or the host makes it, only so often. Main thread, which is the loop's.
 */
#ifndef MICROVM_GPU_PROCESS_H
#define MICROVM_GPU_PROCESS_H

#include "vmm/loop.h"

/* As many as a seat has, and a control socket. */
#define GPU_PROCESS_MAX_DEVICES 25

/*
 * Option of what is no device of the guest's: a framebuffer of ours that is shown
 * (backend/display_link.h). Its connections are SOCK_SEQPACKET.
 */
#define GPU_PROCESS_FRAMEBUFFER "framebuffer"

/*
 * The same of an input device of ours, whose events come from there; value: its kind.
 */
#define GPU_PROCESS_EVENTS "events"

/* The word (handover.h) of the graphics card, or else of the framebuffer: somebody
 * closed a window. */
#define GPU_PROCESS_CLOSED 'x'

/* Between two starts in the long run, and how many may go ahead of that. */
#define GPU_PROCESS_START_NS 10000000000ull
#define GPU_PROCESS_START_BURST 6

struct gpu_process;

/* @guest: its name. 0 or -ENOMEM. */
int gpu_process_create(struct gpu_process **out, struct loop *loop, const char *guest);
void gpu_process_destroy(struct gpu_process *p);	/* NULL is legal */

/*
 * The program, NULL: microvm-gpu beside this one, in ../libexec or in PATH; and
 * the value of its --display, NULL: what it does by itself. Copied. 0 or -ENOMEM.
 */
int gpu_process_set(struct gpu_process *p, const char *program, const char *display);
/*
 * Where its viewers find it (--display egl), from now on: a socket of ours at @path, at which
 * one process after the other listens. It is removed at the end. 0, or negative errno after
 * one line in the log.
 */
int gpu_process_listen(struct gpu_process *p, const char *path);
/* Has the program say on standard output what graphics there are here (--describe). */
void gpu_process_describe(void);
/*
 * @closed is called when somebody closes a window of the guest, @again: soon after
 * the last time (devices/ui/close_button.h). At most ten times a second.
 */
void gpu_process_on_close(struct gpu_process *p, void (*closed)(void *ctx, bool again),
			  void *ctx);
/*
 * Before the first dial: "--@option @value,fd=N" is one of its arguments. The
 * number of the device, from 0; or negative errno after one line in the log.
 */
int gpu_process_add(struct gpu_process *p, const char *option, const char *value);

/* The first device of @option, in the order of gpu_process_add(), that nobody took; -ENOENT. */
int gpu_process_take(struct gpu_process *p, const char *option);

/* For tests: in place of GPU_PROCESS_START_NS. */
void gpu_process_set_start_ns(struct gpu_process *p, uint64_t ns);

/*
 * A connected socket; -EAGAIN: it was started too often of late, to be tried again later;
 * or another negative errno, after one line in the log.
 */
int gpu_process_dial(struct gpu_process *p, unsigned device);
/*
 * The same for a connection that the process can be without: starts and ends none.
 * -ENOTCONN: there is none; -EAGAIN: it has yet to take those before.
 */
int gpu_process_visit(struct gpu_process *p, unsigned device);
void gpu_process_hung_up(struct gpu_process *p, unsigned device);

#endif
