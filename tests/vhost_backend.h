/* SPDX-License-Identifier: MIT */
/*
 * A vhost-user back end for tests, on a thread of its own: an echo device (each
 * chain's readable bytes are copied to its writable ones) with a configuration
 * space of memory. A connection can be told to misbehave at one request.
 */
#ifndef MICROVM_TESTS_VHOST_BACKEND_H
#define MICROVM_TESTS_VHOST_BACKEND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "devices/virtio/vhost_user_frontend.h"

#define VB_CONFIG_LEN 12
#define VB_QUEUES 2
#define VB_MAX_CONNECTIONS 64

enum vb_mode {
	VB_GOOD,
	VB_DIE,			/* hangs up instead */
	VB_SILENT,		/* never answers */
	VB_NACK,		/* says that it failed */
	VB_WRONG_REQUEST,
	VB_NO_REPLY_FLAG,
	VB_WRONG_VERSION,
	VB_SHORT, VB_LONG,	/* payload of another size */
	VB_HUGE,		/* size 2^32 - 1 */
	VB_PARTIAL,		/* half a header, then nothing */
	VB_FDS,			/* descriptors with it */
	VB_MANY_FDS,		/* more than anybody has room for */
	VB_MODES
};

struct vhost_backend {
	uint64_t features, protocol;	/* offered */
	uint64_t n_queues;		/* as answered */
	uint8_t config[VB_CONFIG_LEN];	/* under lock */
	uint8_t shm_id;			/* of a shared-memory region... */
	_Atomic uint64_t shm_len;	/* ...this long */
	/* what goes wrong, for the first so many connections */
	_Atomic uint32_t bad_request;
	enum vb_mode mode;
	unsigned bad_connections;
	bool refuse;			/* dial() finds nobody */

	pthread_mutex_t lock;
	atomic_uint dials, hang_ups;
	atomic_uint seen[64];		/* by request */
	_Atomic uint64_t set_features;
	pthread_t threads[VB_MAX_CONNECTIONS];
	unsigned n_threads;
	atomic_int conn;		/* of the last connection */
	atomic_int channel;		/* to the front end, -1 none */
	atomic_int err;
};

extern const struct vhost_user_source_ops vb_source;	/* its ctx: the back end */

void vb_init(struct vhost_backend *b);
/* Waits for the threads: the front end has closed its connections. */
void vb_finish(struct vhost_backend *b);
/* Serves @fd, which it takes, as if it had been dialled. */
void vb_serve_conn(struct vhost_backend *b, int fd);
/* The process that is behind the last connection dies. */
void vb_kill(struct vhost_backend *b);

#endif
