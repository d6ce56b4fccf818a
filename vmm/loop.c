/* SPDX-License-Identifier: MIT */
#include "vmm/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

#define LOOP_BATCH 32

struct loop {
	int epfd, wakefd;
	struct loop_fd wake_src;
	const struct loop_wait_ops *wait_ops;
	void *wait_ctx;
	struct loop_timer *timers;
	atomic_bool quit;

	/* what epoll gave and has not been served yet */
	struct epoll_event events[LOOP_BATCH];
	int n_events;

	pthread_mutex_t lock;	/* of the work list and the thread's identity */
	pthread_cond_t call_cond;	/* a call was served */
	struct loop_work *work_head, **work_tail;
	unsigned n_work;
	pthread_t thread;	/* that runs the loop, or ran it last */
	bool has_thread, turning;
};

uint64_t loop_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* --- sleeping and waking ------------------------------------------------ */

static void loop_wake(struct loop *loop)
{
	eventfd_write(loop->wakefd, 1);
	if (loop->wait_ops)
		loop->wait_ops->wake(loop->wait_ctx);
}

static void loop_woken(void *arg, uint32_t events)
{
	struct loop *loop = arg;
	eventfd_t n;

	eventfd_read(loop->wakefd, &n);
}

static int loop_wait(struct loop *loop, int timeout_ms)
{
	int n;

	if (loop->wait_ops && timeout_ms != 0) {
		loop->wait_ops->wait(loop->wait_ctx, loop->epfd, timeout_ms);
		timeout_ms = 0;
	}
	n = epoll_wait(loop->epfd, loop->events, LOOP_BATCH, timeout_ms);
	return n < 0 ? 0 : n;
}

void loop_set_wait(struct loop *loop, const struct loop_wait_ops *ops, void *ctx)
{
	loop->wait_ops = ops;
	loop->wait_ctx = ctx;
}

/* --- file descriptors ---------------------------------------------------- */

int loop_add(struct loop *loop, struct loop_fd *src, int fd, uint32_t events,
	     void (*cb)(void *arg, uint32_t events), void *arg)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*src = (struct loop_fd){ .cb = cb, .arg = arg, .fd = fd, .added = true };
	return 0;
}

int loop_modify(struct loop *loop, struct loop_fd *src, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	return epoll_ctl(loop->epfd, EPOLL_CTL_MOD, src->fd, &ev) < 0 ? -errno : 0;
}

void loop_remove(struct loop *loop, struct loop_fd *src)
{
	if (!src->added)
		return;
	epoll_ctl(loop->epfd, EPOLL_CTL_DEL, src->fd, NULL);
	src->added = false;
	for (int i = 0; i < loop->n_events; i++)
		if (loop->events[i].data.ptr == src)
			loop->events[i].data.ptr = NULL;
}

static void loop_serve_fds(struct loop *loop)
{
	for (int i = 0; i < loop->n_events; i++) {
		struct loop_fd *src = loop->events[i].data.ptr;

		if (src)
			src->cb(src->arg, loop->events[i].events);
	}
	loop->n_events = 0;
}

/* --- timers ---------------------------------------------------------------- */

void loop_timer_disarm(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer **p = &loop->timers;

	if (!timer->armed)
		return;
	while (*p != timer)
		p = &(*p)->next;
	*p = timer->next;
	timer->armed = false;
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, uint64_t ns)
{
	struct loop_timer **p = &loop->timers;

	loop_timer_disarm(loop, timer);
	if (__builtin_add_overflow(loop_now_ns(), ns, &timer->due_ns))
		timer->due_ns = UINT64_MAX;
	while (*p && (*p)->due_ns <= timer->due_ns)
		p = &(*p)->next;
	timer->next = *p;
	*p = timer;
	timer->armed = true;
}

static void loop_serve_timers(struct loop *loop)
{
	uint64_t now;

	if (!loop->timers)
		return;
	/* One look at the clock: a timer that arms itself anew waits for the next turn. */
	now = loop_now_ns();
	while (loop->timers && loop->timers->due_ns <= now) {
		struct loop_timer *timer = loop->timers;

		loop->timers = timer->next;
		timer->armed = false;
		timer->cb(timer->arg);
	}
}

/* Milliseconds until the first timer, rounded up, and at most @limit (-1: none). */
static int loop_timeout(const struct loop *loop, int limit)
{
	uint64_t now, ms;

	if (!loop->timers)
		return limit;
	now = loop_now_ns();
	if (loop->timers->due_ns <= now)
		return 0;
	ms = (loop->timers->due_ns - now + 999999) / 1000000;
	ms = MIN(ms, (uint64_t)INT32_MAX);
	return limit >= 0 && (uint64_t)limit < ms ? limit : (int)ms;
}

/* --- work from other threads ----------------------------------------------- */

void loop_post(struct loop *loop, struct loop_work *work)
{
	bool wake = false;

	pthread_mutex_lock(&loop->lock);
	if (!work->queued) {
		work->queued = true;
		work->next = NULL;
		/*
		 * Whoever made the list non-empty has woken the loop already, and a
		 * callback of the loop's own is followed by a look at the list.
		 */
		wake = loop->n_work++ == 0 &&
		       !(loop->turning && pthread_equal(loop->thread, pthread_self()));
		*loop->work_tail = work;
		loop->work_tail = &work->next;
	}
	pthread_mutex_unlock(&loop->lock);
	if (wake)
		loop_wake(loop);
}

/* Takes the head off the list; NULL when it is empty. */
static struct loop_work *loop_take_work(struct loop *loop)
{
	struct loop_work *work;

	pthread_mutex_lock(&loop->lock);
	work = loop->work_head;
	if (work) {
		loop->work_head = work->next;
		if (!loop->work_head)
			loop->work_tail = &loop->work_head;
		loop->n_work--;
		work->queued = false;
	}
	pthread_mutex_unlock(&loop->lock);
	return work;
}

void loop_cancel(struct loop *loop, struct loop_work *work)
{
	struct loop_work **p = &loop->work_head;

	pthread_mutex_lock(&loop->lock);
	if (work->queued) {
		while (*p != work)
			p = &(*p)->next;
		*p = work->next;
		if (loop->work_tail == &work->next)
			loop->work_tail = p;
		loop->n_work--;
		work->queued = false;
	}
	pthread_mutex_unlock(&loop->lock);
}

static unsigned loop_pending_work(struct loop *loop)
{
	unsigned n;

	pthread_mutex_lock(&loop->lock);
	n = loop->n_work;
	pthread_mutex_unlock(&loop->lock);
	return n;
}

static void loop_serve_work(struct loop *loop)
{
	/* Only what is there now: work that posts itself must not starve the rest. */
	unsigned n = loop_pending_work(loop);

	while (n--) {
		struct loop_work *work = loop_take_work(loop);

		if (!work)
			return;
		work->cb(work->arg);
	}
	/* Work left over was posted to a non-empty list and so woke nobody. */
	if (loop_pending_work(loop))
		loop_wake(loop);
}

struct loop_call_ctx {
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	bool done;	/* under the loop's lock */
};

static void loop_call_work(void *arg)
{
	struct loop_call_ctx *call = arg;
	struct loop *loop = call->loop;

	call->fn(call->arg);
	pthread_mutex_lock(&loop->lock);
	call->done = true;
	pthread_cond_broadcast(&loop->call_cond);
	pthread_mutex_unlock(&loop->lock);
}

static bool loop_is_current(struct loop *loop)
{
	bool ret;

	pthread_mutex_lock(&loop->lock);
	ret = !loop->has_thread || pthread_equal(loop->thread, pthread_self());
	pthread_mutex_unlock(&loop->lock);
	return ret;
}

void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct loop_call_ctx call = { .loop = loop, .fn = fn, .arg = arg };
	struct loop_work work = { .cb = loop_call_work, .arg = &call };

	if (loop_is_current(loop)) {
		fn(arg);
		return;
	}
	loop_post(loop, &work);
	pthread_mutex_lock(&loop->lock);
	while (!call.done)
		pthread_cond_wait(&loop->call_cond, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
}

/* --- running --------------------------------------------------------------- */

int loop_create(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int ret;

	if (!loop)
		return -ENOMEM;
	loop->work_tail = &loop->work_head;
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->call_cond, NULL);
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	loop->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epfd < 0 || loop->wakefd < 0)
		ret = -errno;
	else
		ret = loop_add(loop, &loop->wake_src, loop->wakefd, EPOLLIN, loop_woken, loop);
	if (ret < 0) {
		loop_destroy(loop);
		return ret;
	}
	*out = loop;
	return 0;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->epfd >= 0)
		close(loop->epfd);
	if (loop->wakefd >= 0)
		close(loop->wakefd);
	pthread_cond_destroy(&loop->call_cond);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

static void loop_enter(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->thread = pthread_self();
	loop->has_thread = loop->turning = true;
	pthread_mutex_unlock(&loop->lock);
}

/* The loop stays this thread's: calls wait until it, or another, turns the loop again. */
static void loop_leave(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->turning = false;
	pthread_mutex_unlock(&loop->lock);
}

static void loop_turn(struct loop *loop, int timeout_ms)
{
	loop->n_events = loop_wait(loop, loop_timeout(loop, timeout_ms));
	loop_serve_fds(loop);
	loop_serve_timers(loop);
	loop_serve_work(loop);
}

void loop_run_once(struct loop *loop, int timeout_ms)
{
	loop_enter(loop);
	loop_turn(loop, timeout_ms);
	loop_leave(loop);
}

void loop_run(struct loop *loop)
{
	loop_enter(loop);
	while (!atomic_exchange(&loop->quit, false))
		loop_turn(loop, -1);
	loop_leave(loop);
}

void loop_quit(struct loop *loop)
{
	loop->quit = true;
	loop_wake(loop);
}
