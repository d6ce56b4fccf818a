/* SPDX-License-Identifier: MIT */
/*
 * Waits for a file to come (back): tells, by inotify(7) on the nearest folder of
 * its path that there is, that somebody should look again. Loop thread.
 */
#ifndef MICROVM_PATH_WATCH_H
#define MICROVM_PATH_WATCH_H

#include "vmm/loop.h"

struct path_watch {
	struct loop *loop;
	const char *path;
	void (*changed)(void *arg);	/* may end the watch */
	void *arg;
	struct loop_timer settle;
	struct loop_fd src;
	int fd;			/* -1: not watching */
	bool due;		/* to look again */
};

/*
 * @path outlives the watch. changed() comes once soon after, and again, a while
 * after each sign of a change, when whoever makes the file has also set its
 * permissions. 0 or negative errno.
 */
int path_watch_start(struct path_watch *w, struct loop *loop, const char *path,
		     void (*changed)(void *arg), void *arg);
/* No-op when it is zeroed or has ended. */
void path_watch_stop(struct path_watch *w);

#endif
