/* SPDX-License-Identifier: MIT */
/*
 * virgl_test_server (Debian's virgl-server): the same virglrenderer behind nothing but a
 * socket, to tell its bugs from ours. Version 0 of its protocol (vtest_protocol.h of
 * virglrenderer and Mesa): one context, in which are all resources; what they hold goes by
 * the socket. Misuse, and a server that gives up, abort.
 */
#ifndef MICROVM_TESTS_VTEST_H
#define MICROVM_TESTS_VTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "devices/gpu/renderer.h"

struct vtest {
	pid_t pid;
	int fd;
	char dir[32];
};

bool vtest_is_there(void);	/* installed */
/* False: it is not. */
bool vtest_start(struct vtest *t);
void vtest_stop(struct vtest *t);

void vtest_create(struct vtest *t, uint32_t id, const struct gpu_create_3d *args);
void vtest_unref(struct vtest *t, uint32_t id);
/* @len bytes: as many as the box has, with the strides of @x; its offset does not matter. */
void vtest_put(struct vtest *t, uint32_t id, const struct gpu_transfer *x, const void *data,
	       uint32_t len);
void vtest_get(struct vtest *t, uint32_t id, const struct gpu_transfer *x, void *data,
	       uint32_t len);
void vtest_submit(struct vtest *t, const uint32_t *words, uint32_t n);

#endif
