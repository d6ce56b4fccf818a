/* SPDX-License-Identifier: MIT */
/*
 * An event loop: file descriptors, timers, and work from other threads.
 *
 * One thread runs a loop. loop_post(), loop_call() and loop_quit() may be
 * called from any thread; everything else on the loop's own thread, or before
 * it runs. Callbacks run on the loop's thread, one at a time, without any lock
 * held, and may add, change and remove sources, themselves included.
 *
 * Sources are embedded in their owners; removal is immediate: no callback of a
 * source runs after it was removed.
 */
#ifndef MICROVM_LOOP_H
#define MICROVM_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

struct loop_fd {
	void (*cb)(void *arg, uint32_t events);	/* EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP */
	void *arg;
	int fd;			/* owned by the caller */
	bool added;		/* the loop's own */
};

struct loop_timer {
	void (*cb)(void *arg);
	void *arg;

	/* the loop's own */
	uint64_t due_ns;	/* CLOCK_MONOTONIC */
	struct loop_timer *next;	/* ascending by due_ns */
	bool armed;
};

/* One piece of work; posting it again before it has run is a no-op. */
struct loop_work {
	void (*cb)(void *arg);
	void *arg;

	/* the loop's own */
	struct loop_work *next;
	bool queued;
};

/*
 * What the loop sleeps in, replaceable for programs whose sleep belongs to a
 * toolkit. wait() returns after @timeout_ms (-1: no limit) at the latest, or
 * when fd @epfd is readable, or soon after wake(). wake() is the only one of
 * the two that may be called from any thread.
 */
struct loop_wait_ops {
	void (*wait)(void *ctx, int epfd, int timeout_ms);
	void (*wake)(void *ctx);
};

/* 0 or negative errno. */
int loop_create(struct loop **out);
void loop_destroy(struct loop *loop);	/* NULL is legal */
void loop_set_wait(struct loop *loop, const struct loop_wait_ops *ops, void *ctx);

/* @fd is not owned. 0 or negative errno; -EPERM for a regular file (epoll(7)). */
int loop_add(struct loop *loop, struct loop_fd *src, int fd, uint32_t events,
	     void (*cb)(void *arg, uint32_t events), void *arg);
int loop_modify(struct loop *loop, struct loop_fd *src, uint32_t events);
void loop_remove(struct loop *loop, struct loop_fd *src);	/* no-op when not added */

/* One-shot, @ns from now; arming again moves it. */
void loop_timer_arm(struct loop *loop, struct loop_timer *timer, uint64_t ns);
void loop_timer_disarm(struct loop *loop, struct loop_timer *timer);

void loop_post(struct loop *loop, struct loop_work *work);
/* Unqueues work that has not run. Loop thread. */
void loop_cancel(struct loop *loop, struct loop_work *work);
/*
 * Runs @fn on the loop's thread and waits; runs it here when this is that
 * thread, or when none has run the loop yet. A loop belongs to the thread that
 * ran it last: after loop_run() it turns the loop until nobody can call any more.
 */
void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg);

/* Serves sources until loop_quit(). */
void loop_run(struct loop *loop);
/* One turn: waits @timeout_ms at most, serves what is ready. For tests. */
void loop_run_once(struct loop *loop, int timeout_ms);
void loop_quit(struct loop *loop);

uint64_t loop_now_ns(void);	/* CLOCK_MONOTONIC */

#endif
