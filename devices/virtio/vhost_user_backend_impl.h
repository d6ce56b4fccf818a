/* SPDX-License-Identifier: MIT */
/*
 * The parts of the vhost-user back end, to each other: connections
 * (vhost_user_backend.c), requests (_serve.c), rings (_rings.c), shared memory (_shm.c).
 */
#ifndef MICROVM_VHOST_USER_BACKEND_IMPL_H
#define MICROVM_VHOST_USER_BACKEND_IMPL_H

#include "devices/virtio/vhost_user_backend.h"

/* --- _serve.c */

/*
 * Does what the message in b->in asks for, and answers. 0, or negative errno
 * when the front end is to be hung up on; b->why then says more, or is NULL.
 */
int vhost_user_backend_serve(struct vhost_user_backend *b);

/* --- vhost_user_backend.c */

/* Hangs up. */
void vhost_user_backend_leave(struct vhost_user_backend *b, const char *why);

/* --- _shm.c */

void vhost_user_shm_init(struct vhost_user_backend *b);
/* Protocol features that a region takes; 0: there is none. */
uint64_t vhost_user_shm_protocol(const struct vhost_user_backend *b);
/* The channel is another one, or none (-1), from now on; takes @fd. 0 or negative errno. */
int vhost_user_shm_set_channel(struct vhost_user_backend *b, int fd);
/* The device has been reset: it does not want to hear of what it asked for. */
void vhost_user_shm_reset(struct vhost_user_backend *b);

int vhost_user_shm_map(void *ctx, const struct shm_map *map);
int vhost_user_shm_unmap(void *ctx, uint64_t off, uint64_t len);
unsigned vhost_user_shm_room(void *ctx);

/* --- _rings.c */

extern const struct virtio_transport_ops vhost_user_backend_transport;

void vhost_user_rings_init(struct vhost_user_backend *b);
/* Starts and stops rings until those are live that should be. */
void vhost_user_rings_update(struct vhost_user_backend *b);
/* Stops those that are live and resets the device. They start anew at the next update. */
void vhost_user_rings_reset(struct vhost_user_backend *b);
/*
 * Around a change of memory or features: what is live is stopped, the device
 * holds nothing. Ended by vhost_user_rings_update().
 */
void vhost_user_rings_hold(struct vhost_user_backend *b);
/* All as at first, descriptors closed; after vhost_user_rings_reset(). */
void vhost_user_rings_forget(struct vhost_user_backend *b);

/* Replaces a descriptor that interrupts of the device use; takes @fd. */
void vhost_user_set_fd(struct vhost_user_backend *b, int *slot, int fd);
/* The ring starts by @fd, which it takes; -1: it is stopped. 0 or negative errno. */
int vhost_user_ring_set_kick(struct vhost_user_ring *r, int fd);

#endif
