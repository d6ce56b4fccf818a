/* SPDX-License-Identifier: MIT */
/* What the parts of a disk share, and tests that put an engine of their own under one. */
#ifndef MICROVM_DISK_IMPL_H
#define MICROVM_DISK_IMPL_H

#include <pthread.h>

#include "devices/backend/disk.h"
#include "vmm/log.h"

struct disk_list {
	struct disk_request *head, **tail;
};

void disk_list_init(struct disk_list *list);
void disk_list_add(struct disk_list *list, struct disk_request *req);
/* The first one, or all of them, linked; NULL: it is empty. */
struct disk_request *disk_list_take(struct disk_list *list);
struct disk_request *disk_list_take_all(struct disk_list *list);

/* Who does the work. Loop thread. */
struct disk_engine_ops {
	const char *name;
	int (*start)(struct disk *disk);	/* 0 or negative errno, without a word */
	void (*stop)(struct disk *disk);	/* nothing is in flight */
	/* Takes @req, and makes disk->done_fd readable when it is done. */
	void (*submit)(struct disk *disk, struct disk_request *req);
	void (*commit)(struct disk *disk);	/* may be NULL */
	/* Adds what is done to @done, with ret set. */
	void (*reap)(struct disk *disk, struct disk_list *done);
};

extern const struct disk_engine_ops disk_uring_ops, disk_threads_ops;

struct disk_file {
	int fd;			/* -1: none, for an engine of a test */
	char *path;		/* for messages */
	bool is_block_device;
	bool direct;		/* fd is O_DIRECT and takes memory aligned to... */
	uint32_t mem_align;
};

struct disk {
	struct disk_info info;
	struct disk_file file;
	const struct disk_engine_ops *ops;
	void *engine;		/* the engine's own */
	struct loop *loop;
	struct log_rate rate;

	int done_fd;		/* an eventfd */
	struct loop_fd done_src;
	void (*done)(void *arg, struct disk_request *batch);
	void *done_arg;
	struct disk_list refused;	/* done before an engine saw them */
	unsigned n_in_flight;
	int flush_error;	/* of the first flush that failed */
};

/*
 * A disk on an engine that is given: what disk_open() ends with. It owns what
 * is in @file from then on. 0, or negative errno without a word, and then it
 * does not.
 */
int disk_create(struct disk **out, struct loop *loop, const struct disk_engine_ops *ops,
		void *engine, const struct disk_file *file, const struct disk_info *info);
void disk_file_finish(struct disk_file *file);

/*
 * disk_lock.c: 0, also after a warning where the file system has no locks, or
 * -EBUSY after a line in the log. The lock goes with the last descriptor of
 * this open file.
 */
int disk_lock(int fd, const char *path, bool readonly);

/* --- disk_sync.c: work that blocks, on any thread ----------------------- */

/* A thread's memory for what is copied or zeroed; zeroed before the first use. */
struct disk_scratch {
	void *buf;
};

void disk_scratch_finish(struct disk_scratch *scratch);
/* Whether the kernel takes @req as it is: only direct I/O asks for anything. */
bool disk_is_aligned(const struct disk *disk, const struct disk_request *req);
/* 0 or negative errno. */
int disk_perform(const struct disk *disk, struct disk_request *req, struct disk_scratch *scratch);
/* Of @req, its first @n bytes are done. */
void disk_advance(struct disk_request *req, size_t n);

/* --- disk_threads.c: threads that perform, made when there is work ------ */

#define DISK_POOL_THREADS 8

struct disk_pool {
	struct disk *disk;
	pthread_mutex_t lock;	/* of all below */
	pthread_cond_t work;
	struct disk_list todo, done;
	unsigned n_todo, n_threads, n_idle;
	bool stop;
	pthread_t threads[DISK_POOL_THREADS];
};

void disk_pool_init(struct disk_pool *pool, struct disk *disk);
void disk_pool_finish(struct disk_pool *pool);	/* nothing is in flight */
void disk_pool_submit(struct disk_pool *pool, struct disk_request *req);
void disk_pool_reap(struct disk_pool *pool, struct disk_list *done);

#endif
