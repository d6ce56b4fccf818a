/* SPDX-License-Identifier: MIT */
/* Console device (virtio 1.2, 5.3) with one port, connected to a chardev. */
#ifndef MICROVM_VIRTIO_CONSOLE_DEV_H
#define MICROVM_VIRTIO_CONSOLE_DEV_H

#include "devices/backend/chardev.h"
#include "devices/virtio/virtio.h"

#define CONSOLE_QUEUE_SIZE 64
#define CONSOLE_RX_BYTES 1024	/* of input wait for the guest at most */
#define CONSOLE_TX_BYTES 4096	/* of output for the host */

/* Owns @chr from then on. 0 or negative errno, and then it does not. Loop thread. */
int virtio_console_create(struct virtio_device **out, struct loop *loop, const struct gmem *mem,
			  struct chardev *chr);
void virtio_console_destroy(struct virtio_device *v);

#endif
