/* SPDX-License-Identifier: MIT */
/*
 * A vhost-user device in a fake machine, with its driver before it and a back end of
 * tests/vhost_backend.h behind it. The loop is turned by the test.
 */
#ifndef MICROVM_TESTS_VHOST_RIG_H
#define MICROVM_TESTS_VHOST_RIG_H

#include "tests/vhost_backend.h"
#include "tests/vrig.h"

#define VHOST_RIG_PATIENCE_NS 20000000000ull	/* for a back end that lives, on a busy machine */

struct vhost_rig {
	struct vrig r;
	struct vhost_backend b;
	struct vhost_user u;
	struct vhost_user_params p;	/* of what is made: an echo device */
	bool made;
};

void vhost_rig_init(struct vhost_rig *t, enum vrig_kind kind);
/* Of @t->p, plugged in; or the error of vhost_user_init(). */
int vhost_rig_make(struct vhost_rig *t);
void vhost_rig_finish(struct vhost_rig *t);

#endif
