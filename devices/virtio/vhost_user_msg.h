/* SPDX-License-Identifier: MIT */
/*
 * The messages of the vhost-user protocol (QEMU, docs/interop/vhost-user.rst)
 * and how they travel: over a stream socket, with descriptors beside them. The
 * other side may send anything and may never send anything.
 *
 * Any thread; for one socket, one call at a time. All waiting ends at a
 * deadline (loop_now_ns()).
 */
#ifndef MICROVM_VHOST_USER_MSG_H
#define MICROVM_VHOST_USER_MSG_H

#include <stddef.h>
#include <stdint.h>

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_GPU_SET_SOCKET = 33,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_GET_SHMEM_CONFIG = 44,
};

/* Sent by the back end, on the channel of SET_BACKEND_REQ_FD. */
#define VHOST_USER_BACKEND_CONFIG_CHANGE 2
#define VHOST_USER_BACKEND_SHMEM_MAP 9
#define VHOST_USER_BACKEND_SHMEM_UNMAP 10

/* SET_VRING_KICK, _CALL and _ERR: a ring's number, and that no descriptor comes with it. */
#define VHOST_USER_RING_MASK 0xffu
#define VHOST_USER_RING_NO_FD 0x100u

#define VHOST_USER_F_PROTOCOL_FEATURES 30	/* among the device's features */

#define VHOST_USER_PROTOCOL_F_MQ 0
#define VHOST_USER_PROTOCOL_F_REPLY_ACK 3
#define VHOST_USER_PROTOCOL_F_BACKEND_REQ 5
#define VHOST_USER_PROTOCOL_F_CONFIG 9
#define VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD 10
#define VHOST_USER_PROTOCOL_F_RESET_DEVICE 13
/*
 * Shared-memory regions. The number is that of QEMU 11.1 and of rust-vmm's vhost 0.17,
 * which older drafts have used for something else, and something else for this.
 */
#define VHOST_USER_PROTOCOL_F_SHMEM 22

#define VHOST_USER_VERSION 1
#define VHOST_USER_VERSION_MASK 3
#define VHOST_USER_REPLY 4
#define VHOST_USER_NEED_REPLY 8

#define VHOST_USER_MAX_REGIONS 8
#define VHOST_USER_MAX_FDS 8
#define VHOST_USER_CONFIG_MAX 256
#define VHOST_USER_SHM_IDS 256

struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;		/* of the payload */
};

struct vhost_user_state {
	uint32_t index, num;
};

struct vhost_user_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct vhost_user_region {
	uint64_t gpa, len;
	uint64_t user;		/* address by which rings are named */
	uint64_t offset;	/* in the descriptor */
};

struct vhost_user_memory {
	uint32_t n_regions, padding;
	struct vhost_user_region regions[VHOST_USER_MAX_REGIONS];
};

struct vhost_user_config {
	uint32_t offset, size, flags;
	uint8_t data[VHOST_USER_CONFIG_MAX];
};

#define VHOST_USER_CONFIG_HEADER offsetof(struct vhost_user_config, data)

/* Lengths of shared-memory regions by their ids, 0: there is none. */
struct vhost_user_shm_config {
	uint32_t n_regions, padding;
	uint64_t len[VHOST_USER_SHM_IDS];
};

#define VHOST_USER_SHM_WRITABLE 1u

/* A piece of a shared-memory region; UNMAP names all of one that was mapped. */
struct vhost_user_shm {
	uint8_t id, padding[7];
	uint64_t fd_off, off, len;
	uint64_t flags;		/* VHOST_USER_SHM_... */
};

struct vhost_user_msg {
	uint32_t unused;	/* aligns the payload, which follows the header at once */
	struct vhost_user_header h;
	union {
		uint64_t u64;
		struct vhost_user_state state;
		struct vhost_user_addr addr;
		struct vhost_user_memory memory;
		struct vhost_user_config config;
		struct vhost_user_shm_config shm_config;
		struct vhost_user_shm shm;
	};
};

_Static_assert(offsetof(struct vhost_user_msg, u64) == offsetof(struct vhost_user_msg, h) + 12,
	       "as on the wire");
_Static_assert(sizeof(struct vhost_user_addr) == 40, "as on the wire");
_Static_assert(sizeof(struct vhost_user_region) == 32, "as on the wire");
_Static_assert(sizeof(struct vhost_user_shm_config) == 2056, "as on the wire");
_Static_assert(sizeof(struct vhost_user_shm) == 40, "as on the wire");

#define VHOST_USER_PAYLOAD_MAX                                                                     \
	(sizeof(struct vhost_user_msg) - offsetof(struct vhost_user_msg, u64))

/*
 * Sends @msg with @n_fds descriptors. 0, -ETIMEDOUT, or negative errno (-EPIPE
 * when the other side has gone); after an error the socket is of no use.
 */
int vhost_user_send(int fd, const struct vhost_user_msg *msg, const int *fds, unsigned n_fds,
		    uint64_t deadline);
/*
 * Receives one message. 0; -EAGAIN when none has begun to arrive at the
 * deadline, -ETIMEDOUT when one is incomplete then; -ECONNRESET at the end;
 * -EPROTO for another version, more payload than there is room for, or
 * descriptors, which no message that we ask for has. After any error but
 * -EAGAIN the socket is of no use.
 */
int vhost_user_recv(int fd, struct vhost_user_msg *msg, uint64_t deadline);

/* A message on its way in, piece by piece; all zeros at first. */
struct vhost_user_in {
	struct vhost_user_msg msg;
	size_t got;		/* bytes of it, the header's included */
	int fds[VHOST_USER_MAX_FDS];
	unsigned n_fds;
};

/*
 * Takes what is there of one message, without waiting. 0: it is complete, and
 * its descriptors are the caller's, who begins another with
 * vhost_user_in_finish(); -EAGAIN: not yet; otherwise as vhost_user_recv(), but
 * that up to VHOST_USER_MAX_FDS descriptors may come with it.
 */
int vhost_user_in_step(int fd, struct vhost_user_in *in);
/*
 * vhost_user_recv() of a message that may have descriptors, which are then as after
 * vhost_user_in_step(). @in is all zeros.
 */
int vhost_user_recv_in(int fd, struct vhost_user_in *in, uint64_t deadline);
/* Closes the descriptors that are left (-1: taken) and forgets all of it. */
void vhost_user_in_finish(struct vhost_user_in *in);

#endif
