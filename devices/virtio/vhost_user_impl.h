/* SPDX-License-Identifier: MIT */
/*
 * What the front end's files need of each other: vhost_user_link.c makes and watches
 * connections on the loop, vhost_user_frontend.c talks on them, vhost_user_channel.c
 * does what the back end asks for. All with v->lock held.
 */
#ifndef MICROVM_VHOST_USER_IMPL_H
#define MICROVM_VHOST_USER_IMPL_H

#include "devices/virtio/vhost_user_frontend.h"

static inline struct vhost_user *vhost_user_of(struct virtio_device *v)
{
	return container_of(v, struct vhost_user, v);
}

/* Ends the connection; the loop sees it hung up and closes it. */
void vhost_user_drop(struct vhost_user *u);
/* The same, once, for a reason that is logged and makes a device in use need a reset. */
void vhost_user_lose(struct vhost_user *u, const char *why);
const char *vhost_user_reason(int error);

/* FRESH to READY; false when the connection was lost. */
bool vhost_user_negotiate(struct vhost_user *u);
/* The features that the guest is offered. */
uint64_t vhost_user_offered(const struct vhost_user *u);
/* One message of the back end's channel that has come, done and answered; negative errno: lost. */
int vhost_user_channel_step(struct vhost_user *u, uint64_t deadline);
/* RUNNING to READY, or DOWN when it was lost. */
void vhost_user_stop(struct vhost_user *u);

#endif
