/* SPDX-License-Identifier: MIT */
/*
 * The back end of vhost-user (QEMU, docs/interop/vhost-user.rst): a transport,
 * as virtio_pci and virtio_mmio are, for a device in a process beside the VMM.
 * Its registers are messages on a socket, its doorbells and interrupts are
 * eventfds, guest memory is what the front end hands over.
 *
 *     vhost_user_backend_init(&b, loop, name)
 *     create the device on loop and &b.mem, which is empty for now
 *     vhost_user_backend_attach(&b, v, &params)
 *     vhost_user_backend_listen(&b, fd) or _connect(&b, fd)
 *     ...
 *     vhost_user_backend_finish(&b)
 *     destroy the device
 *
 * The front end is not trusted further than with its own guest: what it sends
 * is checked, nothing waits for it, and one that breaks the protocol is hung up
 * on. When it leaves, for whatever reason, the device is reset, guest memory is
 * unmapped, and another one may come. Memory has to be a memfd that is sealed
 * against shrinking: other memory could be taken away while it is in use, and
 * that would end the process (case 77).
 *
 * Rings start when they have a kick descriptor and are enabled. When one stops
 * or memory changes while others go on, a device with params.memory_leave keeps
 * its state; any other is reset, and goes on with the rings that are left. When
 * all have stopped, it keeps its state until rings start anew at index 0, which
 * is what another driver does, or until RESET_DEVICE.
 *
 * A device with a shared-memory region asks for pieces to be mapped by the front end,
 * and is told when that has been done. Nothing waits meanwhile; a front end that
 * does not answer in VHOST_USER_SHM_TIMEOUT_NS is hung up on.
 *
 * All calls on the loop's thread, without any lock.
 */
#ifndef MICROVM_VHOST_USER_BACKEND_H
#define MICROVM_VHOST_USER_BACKEND_H

#include "devices/virtio/vhost_user_mem.h"
#include "devices/virtio/vhost_user_msg.h"
#include "devices/virtio/virtio.h"

/* Requests of ours that may wait for an answer: they fit into any socket. */
#define VHOST_USER_SHM_MAX_ASKED 16
/* A VMM may be stopped for a while, by a debugger. */
#define VHOST_USER_SHM_TIMEOUT_NS 30000000000ull

struct vhost_user_backend;

struct vhost_user_backend_params {
	/*
	 * For a device that can: with all its queues unready, it forgets all chains
	 * and pointers into guest memory, but nothing else; then memory is there
	 * again. Both or none.
	 */
	void (*memory_leave)(void *ctx);
	void (*memory_enter)(void *ctx);
	/*
	 * A shared-memory region, of whole pages, that the device has pieces mapped into;
	 * 0: it has none. One that is there is of use only to front ends that know of such.
	 */
	uint64_t shm_len;
	uint8_t shm_id;
	uint64_t shm_timeout_ns;	/* 0: VHOST_USER_SHM_TIMEOUT_NS */
	/* The front end has left, and all is as it was. May be NULL; may not finish @b. */
	void (*left)(void *ctx);
	void *ctx;
};

/* A ring as the front end has set it up. */
struct vhost_user_ring {
	struct vhost_user_backend *b;
	unsigned index;
	uint32_t num;		/* entries, 0: not set */
	uint16_t base;
	bool addressed;		/* @addr is set */
	struct vhost_user_addr addr;
	struct loop_fd kick;	/* -1 fd: the ring is not started */
	int call, err;		/* -1: none */
	bool enabled;
	bool refused;		/* cannot be served as it is set up */
	bool live;		/* the device serves it */
};

struct vhost_user_backend {
	const char *name;	/* for messages; the caller's */
	struct loop *loop;
	struct gmem mem;	/* what the front end shares; for the device */
	struct virtio_device *v;
	struct vhost_user_backend_params p;

	struct loop_fd listener, conn;
	struct loop_timer retry;	/* accept() failed */
	struct vhost_user_in in;
	struct vhost_user_map map;
	uint64_t features, protocol;	/* as the front end acknowledged them */
	bool active;		/* the device is past DRIVER_OK */
	bool held;		/* between memory_leave() and memory_enter() */
	bool paused;		/* active, and no ring is started */
	int channel;		/* for requests of ours; -1: none. v->lock, as are call and err */
	struct loop_fd answers;	/* the same, where it is watched */
	struct vhost_user_in answer;
	struct loop_timer answer_timer;	/* armed while one is waited for */
	unsigned shm_asked, shm_void;	/* requests without an answer; the first so many are void */
	int display;		/* VHOST_USER_GPU_SET_SOCKET's, held open; -1: none */
	const char *why;	/* a request was refused */
	struct vhost_user_ring rings[VIRTIO_MAX_QUEUES];
	struct log_rate rate;
};

void vhost_user_backend_init(struct vhost_user_backend *b, struct loop *loop, const char *name);
void vhost_user_backend_attach(struct vhost_user_backend *b, struct virtio_device *v,
			       const struct vhost_user_backend_params *params);
/*
 * Takes @fd: a socket that listens, at which one front end after the other is
 * served, or one that is connected to a front end, in place of any that is
 * there. 0 or negative errno, after which @fd is closed.
 */
int vhost_user_backend_listen(struct vhost_user_backend *b, int fd);
int vhost_user_backend_connect(struct vhost_user_backend *b, int fd);
/* Hangs up and lets go of all of it, with a reset of the device. */
void vhost_user_backend_finish(struct vhost_user_backend *b);

#endif
