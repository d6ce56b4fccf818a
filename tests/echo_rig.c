/* SPDX-License-Identifier: MIT */
#include "tests/echo_rig.h"

#include <stdlib.h>
#include <string.h>

struct echo_rig *echo_rig_create(enum vrig_kind kind)
{
	struct echo_rig *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	vrig_init(&t->r, kind);
	echo_init(&t->e, t->r.fake.loop, &t->r.fake.mem);
	vrig_plug(&t->r, &t->e.v);
	return t;
}

void echo_rig_destroy(struct echo_rig *t)
{
	vrig_unplug(&t->r);
	echo_finish(&t->e);
	vrig_finish(&t->r);
	free(t);
}

int echo_rig_setup(void **state)
{
	*state = echo_rig_create(*(const enum vrig_kind *)*state);
	return 0;
}

int echo_rig_teardown(void **state)
{
	echo_rig_destroy(*state);
	return 0;
}

bool echo_rig_works(struct echo_rig *t)
{
	char in[8] = "";

	return vrig_request(&t->r, 0, "hello", 6, in, sizeof(in)) == 6 && !strcmp(in, "hello") &&
	       vrig_take_queue_irq(&t->r, 0);
}

bool echo_rig_restarts(struct echo_rig *t, uint64_t features)
{
	vdrv_start(&t->r.d, features);
	vrig_take_config_irq(&t->r);
	vrig_take_queue_irq(&t->r, 0);
	return echo_rig_works(t);
}
