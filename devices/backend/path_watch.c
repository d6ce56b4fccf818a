/* SPDX-License-Identifier: MIT */
#include "devices/backend/path_watch.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "vmm/log.h"

#define SETTLE_NS 100000000ull
#define WATCHED (IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* @dir: a path, which becomes that of its folder. False: it was the outermost one. */
static bool go_up(char *dir)
{
	char *slash = strrchr(dir, '/');

	if (!strcmp(dir, "/") || !strcmp(dir, "."))
		return false;
	if (!slash)
		strcpy(dir, ".");
	else if (slash == dir)
		dir[1] = '\0';
	else
		*slash = '\0';
	return true;
}

static int watch_nearest(struct path_watch *w)
{
	char dir[PATH_MAX];

	if (strlen(w->path) >= sizeof(dir))
		return -ENAMETOOLONG;
	strcpy(dir, w->path);
	while (go_up(dir))
		if (inotify_add_watch(w->fd, dir, WATCHED) >= 0)
			return 0;
	return -ENOENT;
}

static void watch_end(struct path_watch *w)
{
	loop_remove(w->loop, &w->src);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

static void watch_event(void *arg, uint32_t events);

/* From scratch: which folders there are may have changed. */
static int watch_begin(struct path_watch *w)
{
	int ret;

	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	ret = w->fd < 0 ? -errno : watch_nearest(w);
	if (ret == 0)
		ret = loop_add(w->loop, &w->src, w->fd, EPOLLIN, watch_event, w);
	if (ret < 0)
		watch_end(w);
	return ret;
}

/* Not later for what happens meanwhile, or a busy folder would put it off for ever. */
static void watch_look_soon(struct path_watch *w)
{
	if (!w->due)
		loop_timer_arm(w->loop, &w->settle, SETTLE_NS);
	w->due = true;
}

static void watch_event(void *arg, uint32_t events)
{
	struct path_watch *w = arg;
	int ret;

	/* What happened is not asked: the new watch comes first, then the look. */
	watch_end(w);
	ret = watch_begin(w);
	if (ret < 0)
		log_error("%s: cannot wait for it: %s", w->path, strerror(-ret));
	watch_look_soon(w);
}

static void watch_settled(void *arg)
{
	struct path_watch *w = arg;

	w->due = false;
	w->changed(w->arg);
}

int path_watch_start(struct path_watch *w, struct loop *loop, const char *path,
		     void (*changed)(void *arg), void *arg)
{
	int ret;

	*w = (struct path_watch){
		.loop = loop,
		.path = path,
		.changed = changed,
		.arg = arg,
		.settle = { .cb = watch_settled, .arg = w },
		.fd = -1,
	};
	ret = watch_begin(w);
	if (ret == 0)
		watch_look_soon(w);
	return ret;
}

void path_watch_stop(struct path_watch *w)
{
	if (!w->loop)
		return;
	watch_end(w);
	loop_timer_disarm(w->loop, &w->settle);
	w->loop = NULL;
}
