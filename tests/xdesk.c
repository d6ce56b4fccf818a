/* SPDX-License-Identifier: MIT */
#include "tests/xdesk.h"

#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <X11/keysym.h>
#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct xdesk desk;

#define ATTEMPTS 20
#define TEXT(x) #x
#define SIZE(w, h) TEXT(w) "x" TEXT(h) "x24"

/* A window that went away meanwhile is no reason to die. */
static int ignore_error(Display *display, XErrorEvent *e)
{
	return 0;
}

static void run_xvfb(int fd)
{
	char number[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(number, sizeof(number), "%d", fd);
	if (!freopen("/dev/null", "w", stderr))
		_exit(127);
	execlp("Xvfb", "Xvfb", "-displayfd", number, "-screen", "0",
	       SIZE(XDESK_WIDTH, XDESK_HEIGHT), "-nolisten", "tcp", "-noreset", NULL);
	_exit(127);
}

/* What comes up to a new line, which takes several writes. */
static bool read_line(int fd, char *line, size_t len)
{
	for (size_t i = 0; i < len && read(fd, line + i, 1) == 1; i++)
		if (line[i] == '\n') {
			line[i] = '\0';
			return i > 0;
		}
	return false;
}

/* The number of its display once it is there. */
static bool start_xvfb(struct xdesk *d, char *number, size_t len)
{
	int pipefd[2];
	bool there;

	if (pipe(pipefd) < 0)
		return false;
	d->pid = fork();
	if (d->pid == 0)
		run_xvfb(pipefd[1]);
	close(pipefd[1]);
	there = d->pid > 0 && read_line(pipefd[0], number, len);
	close(pipefd[0]);
	if (there)
		return true;
	if (d->pid > 0) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
	}
	d->pid = 0;
	return false;
}

static bool start(struct xdesk *d)
{
	char name[16] = ":";
	unsigned i = 0;

	*d = (struct xdesk){ 0 };
	/* Two that start at once may want the same number: one of them ends then. */
	while (i < ATTEMPTS && !start_xvfb(d, name + 1, sizeof(name) - 1))
		i++;
	if (i == ATTEMPTS)
		return false;
	setenv("DISPLAY", name, 1);
	unsetenv("WAYLAND_DISPLAY");
	XSetErrorHandler(ignore_error);
	d->display = XOpenDisplay(name);
	assert(d->display);
	d->other = XCreateSimpleWindow(d->display, DefaultRootWindow(d->display),
				       XDESK_WIDTH - 10, XDESK_HEIGHT - 10, 10, 10, 0, 0, 0);
	XMapWindow(d->display, d->other);
	XSelectInput(d->display, DefaultRootWindow(d->display), SubstructureNotifyMask);
	XSync(d->display, True);
	return true;
}

static void stop(struct xdesk *d)
{
	if (d->display)
		XCloseDisplay(d->display);
	if (d->pid > 0) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
	}
	unsetenv("DISPLAY");
}

bool xdesk_is_there(void)
{
	bool is = getenv("MICROVM_XVFB") ||
		  system("command -v Xvfb >/dev/null && command -v xdotool >/dev/null") == 0;

	if (!is)
		puts("no Xvfb or no xdotool: skipped");
	return is;
}

void xdesk_by_processor(void)
{
	setenv("SDL_RENDER_DRIVER", "software", 1);
	setenv("LIBGL_ALWAYS_SOFTWARE", "1", 1);
	unsetenv("SDL_VIDEODRIVER");
}

int xdesk_group_begin(void **state)
{
	return start(&desk) ? 0 : -1;
}

int xdesk_group_end(void **state)
{
	stop(&desk);
	return 0;
}

static bool get_title(struct xdesk *d, Window w, char *title, size_t len)
{
	XTextProperty name = { 0 };
	Atom other = XInternAtom(d->display, "_NET_WM_NAME", False);
	bool ret = (XGetWMName(d->display, w, &name) ||
		    XGetTextProperty(d->display, w, &name, other)) && name.value;

	if (ret)
		snprintf(title, len, "%s", (const char *)name.value);
	XFree(name.value);
	return ret;
}

static bool visible(struct xdesk *d, Window w)
{
	XWindowAttributes a;

	return XGetWindowAttributes(d->display, w, &a) && a.map_state == IsViewable;
}

unsigned long xdesk_find(struct xdesk *d, const char *title)
{
	Window root, parent, *children = NULL, found = 0;
	unsigned n = 0;
	char name[256];

	XQueryTree(d->display, DefaultRootWindow(d->display), &root, &parent, &children, &n);
	for (unsigned i = 0; i < n; i++)
		if (get_title(d, children[i], name, sizeof(name)) && visible(d, children[i]) &&
		    !strncmp(name, title, strlen(title)))
			found = children[i];
	XFree(children);
	return found;
}

unsigned xdesk_appeared(struct xdesk *d)
{
	unsigned n = 0;
	XEvent e;

	XSync(d->display, False);
	while (XPending(d->display)) {
		XNextEvent(d->display, &e);
		n += e.type == MapNotify;
	}
	return n;
}

bool xdesk_title_has(struct xdesk *d, unsigned long window, const char *text)
{
	char title[256];

	return get_title(d, window, title, sizeof(title)) && strstr(title, text);
}

void xdesk_size(struct xdesk *d, unsigned long window, unsigned *width, unsigned *height)
{
	XWindowAttributes a = { 0 };

	XGetWindowAttributes(d->display, window, &a);
	*width = a.width;
	*height = a.height;
}

bool xdesk_focused(struct xdesk *d, unsigned long window)
{
	Window focus;
	int revert;

	XGetInputFocus(d->display, &focus, &revert);
	return focus == window;
}

int64_t xdesk_pixel(struct xdesk *d, unsigned long window, int x, int y)
{
	XImage *image = XGetImage(d->display, window, x, y, 1, 1, AllPlanes, ZPixmap);
	int64_t pixel = -1;

	if (image) {
		pixel = XGetPixel(image, 0, 0) & 0xffffff;
		XDestroyImage(image);
	}
	return pixel;
}

void xdesk_close_button(struct xdesk *d, unsigned long window)
{
	XEvent e = { .xclient = {
		.type = ClientMessage,
		.window = window,
		.message_type = XInternAtom(d->display, "WM_PROTOCOLS", False),
		.format = 32,
	} };

	e.xclient.data.l[0] = XInternAtom(d->display, "WM_DELETE_WINDOW", False);
	XSendEvent(d->display, window, False, NoEventMask, &e);
	XSync(d->display, False);
}

void xdesk_focus(struct xdesk *d, unsigned long window)
{
	XSetInputFocus(d->display, window ? window : d->other, RevertToNone, CurrentTime);
	XSync(d->display, False);
}

void xdesk_add_scroll_lock(struct xdesk *d)
{
	XModifierKeymap *map = XGetModifierMapping(d->display);

	map = XInsertModifiermapEntry(map, XKeysymToKeycode(d->display, XK_Scroll_Lock),
				      Mod3MapIndex);
	XSetModifierMapping(d->display, map);
	XFreeModifiermap(map);
	XSync(d->display, False);
}

void xdesk_tool(const char *args, ...)
{
	char command[256] = "xdotool ";
	size_t len = strlen(command);
	va_list ap;
	int ret;

	va_start(ap, args);
	vsnprintf(command + len, sizeof(command) - len, args, ap);
	va_end(ap);
	ret = system(command);
	assert(ret == 0);
}
