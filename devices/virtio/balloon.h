/* SPDX-License-Identifier: MIT */
/* What else the balloon knows of the guest: statistics of its memory (virtio 1.2, 5.5.6.3). */
#ifndef MICROVM_VIRTIO_BALLOON_DEV_H
#define MICROVM_VIRTIO_BALLOON_DEV_H

#include <linux/virtio_balloon.h>
#include <stdbool.h>
#include <stdint.h>

struct virtio_device;
struct virtio_model;

extern const struct virtio_model virtio_balloon_model;

/* As the guest says; VIRTIO_BALLOON_S_... it has not spoken of are not in @known. */
struct balloon_stats {
	uint64_t taken;		/* bytes that the guest does without */
	uint32_t known;		/* bits by tag */
	uint64_t values[VIRTIO_BALLOON_S_NR];
};

/* Loop thread, all three. @told: virtio_balloon_ask() was answered; on the loop, without a lock. */
void virtio_balloon_watch(struct virtio_device *v, void (*told)(void *ctx), void *ctx);
/* Asks for new ones. False: nobody is there to answer, or the last answer is still to come. */
bool virtio_balloon_ask(struct virtio_device *v);
void virtio_balloon_stats(struct virtio_device *v, struct balloon_stats *stats);

#endif
