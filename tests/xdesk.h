/* SPDX-License-Identifier: MIT */
/*
 * A desktop of X11 for tests of windows: an Xvfb of its own without a window
 * manager, looked at by a connection of its own, used by xdotool. One thread.
 */
#ifndef MICROVM_TESTS_XDESK_H
#define MICROVM_TESTS_XDESK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct xdesk {
	pid_t pid;
	void *display;			/* Xlib's */
	unsigned long other;		/* a window that takes the focus away */
};

#define XDESK_WIDTH 1280
#define XDESK_HEIGHT 1024

/* Of a test program; from xdesk_group_begin() on. */
extern struct xdesk desk;

/* Whether there are Xvfb and xdotool, or MICROVM_XVFB says so; else it says that there are not. */
bool xdesk_is_there(void);
/* Windows are drawn by the processor, whatever this machine has. */
void xdesk_by_processor(void);
/* For cmocka_run_group_tests(). DISPLAY is that desktop from now on. */
int xdesk_group_begin(void **state);
int xdesk_group_end(void **state);

/* A visible window whose title begins with @title; 0: none. */
unsigned long xdesk_find(struct xdesk *d, const char *title);
/* Windows that have come into sight since it was last asked. */
unsigned xdesk_appeared(struct xdesk *d);
bool xdesk_title_has(struct xdesk *d, unsigned long window, const char *text);
void xdesk_size(struct xdesk *d, unsigned long window, unsigned *width, unsigned *height);
bool xdesk_focused(struct xdesk *d, unsigned long window);
/* As 0xRRGGBB; -1: cannot be read. */
int64_t xdesk_pixel(struct xdesk *d, unsigned long window, int x, int y);
/* What a window manager's close button sends. */
void xdesk_close_button(struct xdesk *d, unsigned long window);
/* Gives the keyboard to @window; 0: to one that is nobody's. */
void xdesk_focus(struct xdesk *d, unsigned long window);
/* Makes scroll lock a lock, as caps lock is; most desktops leave it a key. */
void xdesk_add_scroll_lock(struct xdesk *d);
/* xdotool @args, such as "key a"; waits for its end. */
__attribute__((format(printf, 1, 2)))
void xdesk_tool(const char *args, ...);

#endif
