/* SPDX-License-Identifier: MIT */
/* A device that echoes, behind a transport, with a driver: what transports are tested with. */
#ifndef MICROVM_TESTS_ECHO_RIG_H
#define MICROVM_TESTS_ECHO_RIG_H

#include "tests/echo_dev.h"
#include "tests/vrig.h"

struct echo_rig {
	struct vrig r;
	struct echo_dev e;
};

struct echo_rig *echo_rig_create(enum vrig_kind kind);
void echo_rig_destroy(struct echo_rig *t);
/* For cmocka: the kind is where @state points. */
int echo_rig_setup(void **state);
int echo_rig_teardown(void **state);

/* Whether a request is echoed, with its interrupt: the strongest sign of life. */
bool echo_rig_works(struct echo_rig *t);
/* Whether it is after a driver begins anew and acknowledges @features. */
bool echo_rig_restarts(struct echo_rig *t, uint64_t features);

#endif
