/* SPDX-License-Identifier: MIT */
/* Console device (virtio 1.2, 5.3): ports of a guest, each connected to a chardev. */
#ifndef MICROVM_VIRTIO_CONSOLE_DEV_H
#define MICROVM_VIRTIO_CONSOLE_DEV_H

#include "devices/backend/chardev.h"
#include "devices/virtio/virtio.h"

#define CONSOLE_QUEUE_SIZE 64
#define CONSOLE_CONTROL_QUEUE_SIZE 32
#define CONSOLE_MAX_PORTS 31	/* two queues each, and two for control messages */
#define CONSOLE_NAME_MAX 64	/* bytes */
#define CONSOLE_RX_BYTES 1024	/* of input wait for the guest at most */
#define CONSOLE_TX_BYTES 4096	/* of output for the host */

struct console_port_params {
	struct chardev *chr;
	const char *name;	/* NULL: none; CONSOLE_NAME_MAX at most */
};

/*
 * The first port is the console, the others are for programs. One port without
 * a name does without VIRTIO_CONSOLE_F_MULTIPORT, its queues and messages.
 * Owns the chardevs from then on. 0 or negative errno, and then it does not.
 * Loop thread.
 */
int virtio_console_create(struct virtio_device **out, struct loop *loop, const struct gmem *mem,
			  const struct console_port_params *ports, unsigned n_ports);
void virtio_console_destroy(struct virtio_device *v);

#endif
