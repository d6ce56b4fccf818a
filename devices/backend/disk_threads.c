/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "devices/backend/disk_impl.h"

/* --- a pool ------------------------------------------------------------------ */

/* Waits; NULL: it is over. Lock held. */
static struct disk_request *pool_next(struct disk_pool *pool)
{
	pool->n_idle++;
	while (!pool->todo.head && !pool->stop)
		pthread_cond_wait(&pool->work, &pool->lock);
	pool->n_idle--;
	if (!pool->todo.head)
		return NULL;
	pool->n_todo--;
	return disk_list_take(&pool->todo);
}

static void *pool_thread(void *arg)
{
	struct disk_pool *pool = arg;
	struct disk_scratch scratch = { 0 };
	struct disk_request *req;

	pthread_setname_np(pthread_self(), "disk");
	pthread_mutex_lock(&pool->lock);
	while ((req = pool_next(pool))) {
		bool first;

		pthread_mutex_unlock(&pool->lock);
		req->ret = disk_perform(pool->disk, req, &scratch);
		pthread_mutex_lock(&pool->lock);
		first = !pool->done.head;
		disk_list_add(&pool->done, req);
		if (first)
			eventfd_write(pool->disk->done_fd, 1);
	}
	pthread_mutex_unlock(&pool->lock);
	disk_scratch_finish(&scratch);
	return NULL;
}

/* One more thread, which takes no signals. Lock held. */
static int pool_grow(struct disk_pool *pool)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&pool->threads[pool->n_threads], NULL, pool_thread, pool);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret == 0)
		pool->n_threads++;
	return -ret;
}

void disk_pool_init(struct disk_pool *pool, struct disk *d)
{
	*pool = (struct disk_pool){ .disk = d };
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	disk_list_init(&pool->todo);
	disk_list_init(&pool->done);
}

void disk_pool_finish(struct disk_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->n_threads; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
}

void disk_pool_submit(struct disk_pool *pool, struct disk_request *req)
{
	int ret = 0;

	pthread_mutex_lock(&pool->lock);
	if (pool->n_todo >= pool->n_idle && pool->n_threads < DISK_POOL_THREADS)
		ret = pool_grow(pool);
	if (pool->n_threads) {
		disk_list_add(&pool->todo, req);
		pool->n_todo++;
		pthread_cond_signal(&pool->work);
	} else {
		req->ret = ret;
		disk_list_add(&pool->done, req);
		eventfd_write(pool->disk->done_fd, 1);
	}
	pthread_mutex_unlock(&pool->lock);
}

void disk_pool_reap(struct disk_pool *pool, struct disk_list *done)
{
	struct disk_request *req;

	pthread_mutex_lock(&pool->lock);
	while ((req = disk_list_take(&pool->done)))
		disk_list_add(done, req);
	pthread_mutex_unlock(&pool->lock);
}

/* --- an engine of nothing else -------------------------------------------------- */

static int threads_start(struct disk *d)
{
	struct disk_pool *pool = malloc(sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	disk_pool_init(pool, d);
	d->engine = pool;
	return 0;
}

static void threads_stop(struct disk *d)
{
	disk_pool_finish(d->engine);
	free(d->engine);
}

static void threads_submit(struct disk *d, struct disk_request *req)
{
	disk_pool_submit(d->engine, req);
}

static void threads_reap(struct disk *d, struct disk_list *done)
{
	disk_pool_reap(d->engine, done);
}

const struct disk_engine_ops disk_threads_ops = {
	.name = "threads",
	.start = threads_start,
	.stop = threads_stop,
	.submit = threads_submit,
	.reap = threads_reap,
};
