/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/loop.h"
#include "vmm/util.h"

#define N 4

/* A source of each kind that counts, and may do something to the others. */
struct src {
	struct loop *loop;
	struct loop_fd fd;
	struct loop_timer timer;
	struct loop_work work;
	int efd;
	unsigned fd_calls, timer_calls, work_calls;
	uint32_t events;
	void (*action)(struct src *src);	/* after counting; may be NULL */
	struct src *other;
	unsigned *order, stamp;		/* a shared counter, and its value at the last call */
};

static void src_called(struct src *src)
{
	if (src->order)
		src->stamp = ++*src->order;
	if (src->action)
		src->action(src);
}

static void src_fd(void *arg, uint32_t events)
{
	struct src *src = arg;
	eventfd_t n;

	eventfd_read(src->efd, &n);
	src->fd_calls++;
	src->events = events;
	src_called(src);
}

static void src_timer(void *arg)
{
	struct src *src = arg;

	src->timer_calls++;
	src_called(src);
}

static void src_work(void *arg)
{
	struct src *src = arg;

	src->work_calls++;
	src_called(src);
}

struct fixture {
	struct loop *loop;
	struct src srcs[N];
	unsigned order;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (loop_create(&f->loop) < 0)
		return -1;
	for (unsigned i = 0; i < N; i++) {
		struct src *src = &f->srcs[i];

		src->loop = f->loop;
		src->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		src->timer.cb = src_timer;
		src->work.cb = src_work;
		src->timer.arg = src->work.arg = src;
		src->other = &f->srcs[(i + 1) % N];
		src->order = &f->order;
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < N; i++) {
		loop_remove(f->loop, &f->srcs[i].fd);
		close(f->srcs[i].efd);
	}
	loop_destroy(f->loop);
	free(f);
	return 0;
}

static void watch(struct src *src)
{
	assert_int_equal(loop_add(src->loop, &src->fd, src->efd, EPOLLIN, src_fd, src), 0);
}

static void turn(struct fixture *f)
{
	loop_run_once(f->loop, 0);
}

/* --- file descriptors ------------------------------------------------------------ */

static void readable_fd_calls_back_once_a_turn(void **state)
{
	struct fixture *f = *state;
	struct src *src = &f->srcs[0];

	watch(src);
	turn(f);
	assert_int_equal(src->fd_calls, 0);
	eventfd_write(src->efd, 5);
	turn(f);
	turn(f);
	assert_int_equal(src->fd_calls, 1);
	assert_int_equal(src->events, EPOLLIN);
}

static void modify_changes_what_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct src *src = &f->srcs[0];

	watch(src);
	assert_int_equal(loop_modify(f->loop, &src->fd, 0), 0);
	eventfd_write(src->efd, 1);
	turn(f);
	assert_int_equal(src->fd_calls, 0);
	assert_int_equal(loop_modify(f->loop, &src->fd, EPOLLOUT), 0);
	turn(f);
	assert_int_equal(src->events, EPOLLOUT);
	loop_remove(f->loop, &src->fd);
	assert_int_equal(loop_modify(f->loop, &src->fd, EPOLLIN), -ENOENT);
}

static void hang_up_is_reported(void **state)
{
	struct fixture *f = *state;
	struct src *src = &f->srcs[0];
	int pipefd[2];

	assert_int_equal(pipe(pipefd), 0);
	assert_int_equal(loop_add(f->loop, &src->fd, pipefd[0], EPOLLIN, src_fd, src), 0);
	close(pipefd[1]);
	turn(f);
	assert_int_equal(src->events, EPOLLHUP);
	loop_remove(f->loop, &src->fd);
	close(pipefd[0]);
}

static void add_refuses_files_and_closed_fds(void **state)
{
	struct fixture *f = *state;
	struct src *src = &f->srcs[0];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(loop_add(f->loop, &src->fd, fd, EPOLLIN, src_fd, src), -EPERM);
	loop_remove(f->loop, &src->fd);
	close(fd);
	assert_int_equal(loop_add(f->loop, &src->fd, fd, EPOLLIN, src_fd, src), -EBADF);
	watch(src);
	assert_int_equal(loop_add(f->loop, &src->other->fd, src->efd, EPOLLIN, src_fd, src),
			 -EEXIST);
}

static void remove_other_and_self(struct src *src)
{
	loop_remove(src->loop, &src->other->fd);
	loop_remove(src->loop, &src->fd);
	/* Nobody may look at it any more. */
	memset(&src->other->fd, 0xa5, sizeof(src->other->fd));
	src->other->fd.added = false;
}

static void a_callback_removes_its_neighbours_of_the_same_turn(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		f->srcs[i].other = &f->srcs[1 - i];
		f->srcs[i].action = remove_other_and_self;
		watch(&f->srcs[i]);
		eventfd_write(f->srcs[i].efd, 1);
	}
	turn(f);
	turn(f);
	assert_int_equal(f->srcs[0].fd_calls + f->srcs[1].fd_calls, 1);
}

static void remove_other_add_anew(struct src *src)
{
	loop_remove(src->loop, &src->other->fd);
	watch(src->other);
	src->action = src->other->action = NULL;
}

static void a_source_that_is_added_anew_within_the_turn_is_served_once(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		f->srcs[i].other = &f->srcs[1 - i];
		f->srcs[i].action = remove_other_add_anew;
		watch(&f->srcs[i]);
		eventfd_write(f->srcs[i].efd, 1);
	}
	for (unsigned i = 0; i < 4; i++)
		turn(f);
	assert_int_equal(f->srcs[0].fd_calls, 1);
	assert_int_equal(f->srcs[1].fd_calls, 1);
}

static void more_fds_than_a_batch_are_all_served(void **state)
{
	struct fixture *f = *state;
	enum { MANY = 100 };
	struct src *many = calloc(MANY, sizeof(*many));

	for (unsigned i = 0; i < MANY; i++) {
		many[i].loop = f->loop;
		many[i].efd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		watch(&many[i]);
	}
	for (unsigned i = 0; i < 8; i++)
		turn(f);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(many[i].fd_calls, 1);
		loop_remove(f->loop, &many[i].fd);
		close(many[i].efd);
	}
	free(many);
}

/* --- timers ---------------------------------------------------------------------- */

static void timers_fire_in_the_order_they_are_due(void **state)
{
	struct fixture *f = *state;
	static const unsigned ms[] = { 3, 1, 2, 1 };

	for (unsigned i = 0; i < N; i++)
		loop_timer_arm(f->loop, &f->srcs[i].timer, ms[i] * 1000000ull);
	while (f->order < N)
		loop_run_once(f->loop, -1);
	assert_int_equal(f->srcs[1].stamp, 1);
	assert_int_equal(f->srcs[3].stamp, 2);
	assert_int_equal(f->srcs[2].stamp, 3);
	assert_int_equal(f->srcs[0].stamp, 4);
	turn(f);
	assert_int_equal(f->order, N);
}

static void a_timer_never_fires_early(void **state)
{
	struct fixture *f = *state;
	uint64_t start = loop_now_ns();

	loop_timer_arm(f->loop, &f->srcs[0].timer, 2500000);
	while (!f->srcs[0].timer_calls)
		loop_run_once(f->loop, -1);
	assert_true(loop_now_ns() - start >= 2500000);
}

static void arming_again_moves_a_timer(void **state)
{
	struct fixture *f = *state;
	struct src *src = &f->srcs[0];

	loop_timer_arm(f->loop, &src->timer, 0);
	loop_timer_arm(f->loop, &src->timer, 3600000000000ull);
	loop_timer_arm(f->loop, &src->other->timer, 0);
	turn(f);
	assert_int_equal(src->timer_calls, 0);
	assert_int_equal(src->other->timer_calls, 1);
	loop_timer_arm(f->loop, &src->timer, 0);
	turn(f);
	assert_int_equal(src->timer_calls, 1);
	assert_false(src->timer.armed);
}

static void a_time_beyond_the_clock_is_never(void **state)
{
	struct fixture *f = *state;

	loop_timer_arm(f->loop, &f->srcs[0].timer, UINT64_MAX);
	loop_timer_arm(f->loop, &f->srcs[1].timer, 0);
	turn(f);
	turn(f);
	assert_int_equal(f->srcs[0].timer_calls, 0);
	loop_timer_disarm(f->loop, &f->srcs[0].timer);
	loop_timer_disarm(f->loop, &f->srcs[0].timer);
}

static void disarm_other(struct src *src)
{
	loop_timer_disarm(src->loop, &src->other->timer);
}

static void a_timer_disarms_the_next_of_the_same_turn(void **state)
{
	struct fixture *f = *state;

	f->srcs[0].action = disarm_other;
	loop_timer_arm(f->loop, &f->srcs[0].timer, 0);
	loop_timer_arm(f->loop, &f->srcs[1].timer, 0);
	loop_timer_arm(f->loop, &f->srcs[2].timer, 0);
	turn(f);
	turn(f);
	assert_int_equal(f->srcs[0].timer_calls, 1);
	assert_int_equal(f->srcs[1].timer_calls, 0);
	assert_int_equal(f->srcs[2].timer_calls, 1);
}

static void rearm_now(struct src *src)
{
	loop_timer_arm(src->loop, &src->timer, 0);
}

static void a_timer_that_arms_itself_does_not_starve_fds(void **state)
{
	struct fixture *f = *state;

	f->srcs[0].action = rearm_now;
	loop_timer_arm(f->loop, &f->srcs[0].timer, 0);
	watch(&f->srcs[1]);
	eventfd_write(f->srcs[1].efd, 1);
	for (unsigned i = 0; i < 3; i++)
		turn(f);
	assert_int_equal(f->srcs[1].fd_calls, 1);
	assert_true(f->srcs[0].timer_calls >= 1 && f->srcs[0].timer_calls <= 3);
	loop_timer_disarm(f->loop, &f->srcs[0].timer);
}

/* --- work ------------------------------------------------------------------------ */

static void posted_work_runs_once_in_order(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = N; i-- > 0;) {
		loop_post(f->loop, &f->srcs[i].work);
		loop_post(f->loop, &f->srcs[i].work);
	}
	loop_run_once(f->loop, -1);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(f->srcs[i].work_calls, 1);
		assert_int_equal(f->srcs[i].stamp, N - i);
	}
	turn(f);
	assert_int_equal(f->order, N);
}

static void cancelled_work_does_not_run(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < N; i++)
		loop_post(f->loop, &f->srcs[i].work);
	loop_cancel(f->loop, &f->srcs[3].work);
	loop_cancel(f->loop, &f->srcs[0].work);
	loop_cancel(f->loop, &f->srcs[0].work);
	loop_post(f->loop, &f->srcs[3].work);
	loop_cancel(f->loop, &f->srcs[1].work);
	turn(f);
	assert_int_equal(f->srcs[0].work_calls + f->srcs[1].work_calls, 0);
	assert_int_equal(f->srcs[2].work_calls, 1);
	assert_int_equal(f->srcs[3].work_calls, 1);
	/* The list is whole. */
	loop_post(f->loop, &f->srcs[0].work);
	loop_run_once(f->loop, -1);
	assert_int_equal(f->srcs[0].work_calls, 1);
}

static void cancel_other_work(struct src *src)
{
	loop_cancel(src->loop, &src->other->work);
}

static void work_cancels_the_next_of_the_same_turn(void **state)
{
	struct fixture *f = *state;

	f->srcs[0].action = cancel_other_work;
	for (unsigned i = 0; i < 3; i++)
		loop_post(f->loop, &f->srcs[i].work);
	turn(f);
	assert_int_equal(f->srcs[1].work_calls, 0);
	assert_int_equal(f->srcs[2].work_calls, 1);
}

static void post_self(struct src *src)
{
	loop_post(src->loop, &src->work);
}

static void work_that_posts_itself_runs_each_turn_and_starves_nobody(void **state)
{
	struct fixture *f = *state;

	f->srcs[0].action = post_self;
	watch(&f->srcs[1]);
	loop_post(f->loop, &f->srcs[0].work);
	turn(f);
	eventfd_write(f->srcs[1].efd, 1);
	loop_run_once(f->loop, -1);
	loop_run_once(f->loop, -1);
	assert_int_equal(f->srcs[0].work_calls, 3);
	assert_int_equal(f->srcs[1].fd_calls, 1);
}

static void post_other(struct src *src)
{
	loop_post(src->loop, &src->other->work);
}

static void work_posted_by_an_fd_callback_runs_in_the_same_turn(void **state)
{
	struct fixture *f = *state;

	f->srcs[0].action = post_other;
	watch(&f->srcs[0]);
	eventfd_write(f->srcs[0].efd, 1);
	turn(f);
	assert_int_equal(f->srcs[1].work_calls, 1);
}

/* Posting between two turns must wake the second: nothing else will. */
static void work_posted_by_the_owner_between_turns_wakes_the_loop(void **state)
{
	struct fixture *f = *state;

	turn(f);
	loop_post(f->loop, &f->srcs[0].work);
	loop_run_once(f->loop, -1);
	assert_int_equal(f->srcs[0].work_calls, 1);
}

/* --- threads --------------------------------------------------------------------- */

static void *run_loop(void *loop)
{
	loop_run(loop);
	return NULL;
}

static void quit_before_run_ends_it_at_once(void **state)
{
	struct fixture *f = *state;

	loop_quit(f->loop);
	loop_run(f->loop);
}

static void quit_loop(struct src *src)
{
	loop_quit(src->loop);
}

static void quit_from_a_callback_finishes_the_turn(void **state)
{
	struct fixture *f = *state;

	f->srcs[0].action = quit_loop;
	loop_post(f->loop, &f->srcs[0].work);
	loop_post(f->loop, &f->srcs[1].work);
	loop_run(f->loop);
	assert_int_equal(f->srcs[1].work_calls, 1);
	/* And once more: a quit counts for one run. */
	f->srcs[1].action = quit_loop;
	loop_post(f->loop, &f->srcs[1].work);
	loop_run(f->loop);
	assert_int_equal(f->srcs[1].work_calls, 2);
}

struct counter {
	struct loop *loop;
	struct loop_work work;
	atomic_uint posted, seen, runs;
};

static void counter_run(void *arg)
{
	struct counter *c = arg;

	c->seen = c->posted;
	c->runs++;
}

static void *post_storm(void *arg)
{
	struct counter *c = arg;

	for (unsigned i = 0; i < 20000; i++) {
		c->posted++;
		loop_post(c->loop, &c->work);
		if (i % 100 == 0)
			sched_yield();
	}
	return NULL;
}

/* Merging posts must never lose the last one. */
static void posts_of_several_threads_are_merged_but_not_lost(void **state)
{
	struct fixture *f = *state;
	struct counter c[3];
	pthread_t poster[6], runner;

	for (unsigned i = 0; i < 3; i++)
		c[i] = (struct counter){ .loop = f->loop, .work = { .cb = counter_run,
								     .arg = &c[i] } };
	pthread_create(&runner, NULL, run_loop, f->loop);
	for (unsigned i = 0; i < 6; i++)
		pthread_create(&poster[i], NULL, post_storm, &c[i / 2]);
	for (unsigned i = 0; i < 6; i++)
		pthread_join(poster[i], NULL);
	for (unsigned i = 0; i < 3; i++)
		while (c[i].seen != 40000)
			sched_yield();
	loop_quit(f->loop);
	pthread_join(runner, NULL);
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(c[i].runs, 1, 40000);
}

static void note_thread(void *arg)
{
	*(pthread_t *)arg = pthread_self();
}

static void call_runs_on_the_loops_thread_and_waits(void **state)
{
	struct fixture *f = *state;
	pthread_t runner, seen;

	/* No loop thread yet: here. */
	loop_call(f->loop, note_thread, &seen);
	assert_true(pthread_equal(seen, pthread_self()));
	pthread_create(&runner, NULL, run_loop, f->loop);
	do
		loop_call(f->loop, note_thread, &seen);
	while (pthread_equal(seen, pthread_self()));
	assert_true(pthread_equal(seen, runner));
	loop_quit(f->loop);
	pthread_join(runner, NULL);
}

static void call_within(struct src *src)
{
	pthread_t seen;

	loop_call(src->loop, note_thread, &seen);
	assert_true(pthread_equal(seen, pthread_self()));
}

static void call_from_the_loops_own_thread_runs_here(void **state)
{
	struct fixture *f = *state;

	f->srcs[0].action = call_within;
	loop_post(f->loop, &f->srcs[0].work);
	turn(f);
	assert_int_equal(f->srcs[0].work_calls, 1);
	call_within(&f->srcs[0]);
}

struct caller {
	struct loop *loop;
	pthread_t thread;
	unsigned calls, wrong;
	pthread_t expected;
	atomic_bool done;
};

static void *call_storm(void *arg)
{
	struct caller *c = arg;

	for (; c->calls < 1000; c->calls++) {
		pthread_t seen;

		loop_call(c->loop, note_thread, &seen);
		c->wrong += !pthread_equal(seen, c->expected);
	}
	c->done = true;
	return NULL;
}

/* What a machine does when it stops: the loop has ended, threads that may call have not. */
static void calls_after_run_are_served_by_turning_the_loop(void **state)
{
	struct fixture *f = *state;
	struct caller a = { .loop = f->loop, .expected = pthread_self() }, b = a;

	turn(f);
	pthread_create(&a.thread, NULL, call_storm, &a);
	pthread_create(&b.thread, NULL, call_storm, &b);
	loop_quit(f->loop);
	loop_run(f->loop);
	while (!a.done || !b.done)
		loop_run_once(f->loop, 1);
	pthread_join(a.thread, NULL);
	pthread_join(b.thread, NULL);
	assert_int_equal(a.wrong + b.wrong, 0);
}

/* --- a sleep of another toolkit's --------------------------------------------------- */

struct toolkit {
	int wake_fd;
	atomic_uint waits, wakes;
};

static void toolkit_wait(void *ctx, int epfd, int timeout_ms)
{
	struct toolkit *t = ctx;
	struct pollfd fds[2] = { { .fd = t->wake_fd, .events = POLLIN },
				 { .fd = epfd, .events = POLLIN } };
	eventfd_t n;

	t->waits++;
	poll(fds, 2, timeout_ms);
	eventfd_read(t->wake_fd, &n);
}

static void toolkit_wake(void *ctx)
{
	struct toolkit *t = ctx;

	t->wakes++;
	eventfd_write(t->wake_fd, 1);
}

static void a_replaced_wait_serves_fds_timers_and_posts(void **state)
{
	static const struct loop_wait_ops ops = { toolkit_wait, toolkit_wake };
	struct fixture *f = *state;
	struct toolkit t = { .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };

	loop_set_wait(f->loop, &ops, &t);
	watch(&f->srcs[0]);
	eventfd_write(f->srcs[0].efd, 1);
	loop_run_once(f->loop, -1);
	assert_int_equal(f->srcs[0].fd_calls, 1);
	loop_timer_arm(f->loop, &f->srcs[1].timer, 1000000);
	while (!f->srcs[1].timer_calls)
		loop_run_once(f->loop, -1);
	loop_post(f->loop, &f->srcs[2].work);
	loop_run_once(f->loop, -1);
	assert_int_equal(f->srcs[2].work_calls, 1);
	assert_int_equal(t.wakes, 1);
	assert_true(t.waits >= 3);
	loop_run_once(f->loop, 0);
	loop_set_wait(f->loop, NULL, NULL);
	close(t.wake_fd);
}

static void destroying_nothing_is_legal(void **state)
{
	loop_destroy(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(readable_fd_calls_back_once_a_turn),
		T(modify_changes_what_is_waited_for),
		T(hang_up_is_reported),
		T(add_refuses_files_and_closed_fds),
		T(a_callback_removes_its_neighbours_of_the_same_turn),
		T(a_source_that_is_added_anew_within_the_turn_is_served_once),
		T(more_fds_than_a_batch_are_all_served),
		T(timers_fire_in_the_order_they_are_due),
		T(a_timer_never_fires_early),
		T(arming_again_moves_a_timer),
		T(a_time_beyond_the_clock_is_never),
		T(a_timer_disarms_the_next_of_the_same_turn),
		T(a_timer_that_arms_itself_does_not_starve_fds),
		T(posted_work_runs_once_in_order),
		T(cancelled_work_does_not_run),
		T(work_cancels_the_next_of_the_same_turn),
		T(work_that_posts_itself_runs_each_turn_and_starves_nobody),
		T(work_posted_by_an_fd_callback_runs_in_the_same_turn),
		T(work_posted_by_the_owner_between_turns_wakes_the_loop),
		T(quit_before_run_ends_it_at_once),
		T(quit_from_a_callback_finishes_the_turn),
		T(posts_of_several_threads_are_merged_but_not_lost),
		T(call_runs_on_the_loops_thread_and_waits),
		T(call_from_the_loops_own_thread_runs_here),
		T(calls_after_run_are_served_by_turning_the_loop),
		T(a_replaced_wait_serves_fds_timers_and_posts),
		cmocka_unit_test(destroying_nothing_is_legal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
