/* SPDX-License-Identifier: MIT */
/*
 * The simplest virtio device that does all a device may do, for testing what
 * is beneath devices:
 *
 *     queue 0    copies each chain's readable bytes to its writable ones
 *     queue 1    keeps chains and gives all back zeroed, last one first, when 4 are there
 *     queue 2    looks at its chain and puts it back
 *     config     ECHO_CONFIG_LEN bytes of memory
 *     features   bits 0 and 40
 */
#ifndef MICROVM_TESTS_ECHO_DEV_H
#define MICROVM_TESTS_ECHO_DEV_H

#include "devices/virtio/virtio.h"

#define ECHO_ID 0x3e
#define ECHO_CLASS 0xff0000
#define ECHO_FEATURES (BIT(0) | BIT(40))
#define ECHO_CONFIG_LEN 10
#define ECHO_QUEUES 3
#define ECHO_QUEUE_SIZE 16
#define ECHO_PARK 4
#define ECHO_MAX 4096	/* bytes of one chain */

struct echo_dev {
	struct virtio_device v;
	uint8_t config[ECHO_CONFIG_LEN];
	struct virtq_chain *parked[ECHO_PARK];
	unsigned n_parked;
	unsigned activations, resets, notifies[ECHO_QUEUES];
};

/* Aborts when it cannot. */
void echo_init(struct echo_dev *e, struct loop *loop, const struct gmem *mem);
void echo_finish(struct echo_dev *e);

#endif
