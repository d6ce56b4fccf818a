/* SPDX-License-Identifier: MIT */
/*
 * A desktop of Wayland for tests of windows: weston in a window of that of X11 (xdesk.h),
 * which xdesk_pixel() and xdotool see. Of cmocka's tests; one thread.
 */
#ifndef MICROVM_TESTS_WESTON_H
#define MICROVM_TESTS_WESTON_H

#include <stdbool.h>
#include <sys/types.h>

#include "vmm/loop.h"

struct weston {
	pid_t pid;
	char dir[32];		/* XDG_RUNTIME_DIR */
	unsigned long window;
	char *display;		/* DISPLAY, while others are to find this desktop */
};

bool weston_is_there(void);
/*
 * In a window of 640 x 480 pixels, each @scale pixels wide; every window in it fills
 * all of it. Turns @loop until it is there.
 */
void weston_begin(struct weston *w, struct loop *loop, unsigned scale);
void weston_end(struct weston *w, struct loop *loop);
/* Programs that are started find that desktop alone, and draw as they like... */
void weston_enter(struct weston *w);
/* ...and that of X11 again, where windows are drawn by the processor. */
void weston_leave(struct weston *w);

#endif
