/* SPDX-License-Identifier: MIT */
#include "tests/weston.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/until.h"
#include "tests/xdesk.h"

#define SOCKET "wayland-t"

bool weston_is_there(void)
{
	return system("command -v weston >/dev/null") == 0;
}

static void run(const struct weston *w, unsigned scale)
{
	char width[20], height[20], factor[20];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("XDG_RUNTIME_DIR", w->dir, 1);
	snprintf(width, sizeof(width), "--width=%u", 640 / scale);
	snprintf(height, sizeof(height), "--height=%u", 480 / scale);
	snprintf(factor, sizeof(factor), "--scale=%u", scale);
	execlp("weston", "weston", "--backend=x11-backend.so", "--use-pixman",
	       "--shell=kiosk-shell.so", "--socket=" SOCKET, "--no-config", "--idle-time=0",
	       width, height, factor, NULL);
	_exit(127);
}

void weston_begin(struct weston *w, struct loop *loop, unsigned scale)
{
	char path[64];

	*w = (struct weston){ .dir = "/tmp/test-wayland-XXXXXX" };
	assert_non_null(mkdtemp(w->dir));
	w->pid = fork();
	if (w->pid == 0)
		run(w, scale);
	assert_true(w->pid > 0);
	snprintf(path, sizeof(path), "%s/" SOCKET, w->dir);
	UNTIL_IN(loop, access(path, F_OK) == 0);
	UNTIL_IN(loop, (w->window = xdesk_find(&desk, "Weston")));
}

void weston_end(struct weston *w, struct loop *loop)
{
	char command[64];

	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	UNTIL_IN(loop, !xdesk_find(&desk, "Weston"));
	snprintf(command, sizeof(command), "rm -r %s", w->dir);
	assert_int_equal(system(command), 0);
}

void weston_enter(struct weston *w)
{
	w->display = strdup(getenv("DISPLAY"));
	setenv("XDG_RUNTIME_DIR", w->dir, 1);
	setenv("WAYLAND_DISPLAY", SOCKET, 1);
	unsetenv("DISPLAY");
	unsetenv("SDL_RENDER_DRIVER");
}

void weston_leave(struct weston *w)
{
	setenv("DISPLAY", w->display, 1);
	setenv("SDL_RENDER_DRIVER", "software", 1);
	unsetenv("WAYLAND_DISPLAY");
	free(w->display);
}
