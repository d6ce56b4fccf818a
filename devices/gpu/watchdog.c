/* SPDX-License-Identifier: MIT */
#include "devices/gpu/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/util.h"

struct watchdog {
	uint64_t patience_ns;
	_Atomic uint64_t begun[WATCHDOG_KINDS];	/* loop_now_ns(); 0: nothing to watch */
	atomic_bool asleep;			/* until it is woken */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool quit;
};

/* When the first of them has taken too long; UINT64_MAX: nothing to watch. */
static uint64_t watchdog_due(struct watchdog *w)
{
	uint64_t due = UINT64_MAX;

	for (unsigned i = 0; i < WATCHDOG_KINDS; i++) {
		uint64_t begun = atomic_load(&w->begun[i]);

		if (begun)
			due = MIN(due, begun + w->patience_ns);
	}
	return due;
}

static void watchdog_sleep(struct watchdog *w)
{
	atomic_store(&w->asleep, true);
	/* What began before we said that we sleep woke nobody. */
	if (watchdog_due(w) == UINT64_MAX)
		pthread_cond_wait(&w->wake, &w->lock);
	atomic_store(&w->asleep, false);
}

static void watchdog_wait(struct watchdog *w, uint64_t due)
{
	const struct timespec at = { .tv_sec = due / 1000000000, .tv_nsec = due % 1000000000 };

	pthread_cond_timedwait(&w->wake, &w->lock, &at);
}

static void *watchdog_main(void *arg)
{
	struct watchdog *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->quit) {
		uint64_t due = watchdog_due(w);

		if (due == UINT64_MAX) {
			watchdog_sleep(w);
		} else if (loop_now_ns() < due) {
			watchdog_wait(w, due);
		} else {
			log_error("the GPU has been busy for %llu s with one thing: giving up",
				  (unsigned long long)(w->patience_ns / 1000000000));
			_exit(WATCHDOG_STATUS);
		}
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

void watchdog_begin(struct watchdog *w, enum watchdog_what what)
{
	if (!w)
		return;
	atomic_store(&w->begun[what], loop_now_ns());
	if (!atomic_load(&w->asleep))
		return;
	pthread_mutex_lock(&w->lock);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void watchdog_end(struct watchdog *w, enum watchdog_what what)
{
	if (w)
		atomic_store(&w->begun[what], 0);
}

int watchdog_create(struct watchdog **out, uint64_t patience_ns)
{
	struct watchdog *w = calloc(1, sizeof(*w));
	pthread_condattr_t monotonic;
	int ret;

	if (!w)
		return -ENOMEM;
	w->patience_ns = patience_ns;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	ret = pthread_create(&w->thread, NULL, watchdog_main, w);
	if (ret) {
		free(w);
		return -ret;
	}
	pthread_setname_np(w->thread, "watchdog");
	*out = w;
	return 0;
}

void watchdog_destroy(struct watchdog *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
