/* SPDX-License-Identifier: MIT */
/*
 * Tells virgl_test_server what is in a recording, without a card: the few commands that a
 * program which draws needs, from the control queue and one context. What cannot be told
 * aborts.
 */
#ifndef MICROVM_TESTS_VTEST_PLAY_H
#define MICROVM_TESTS_VTEST_PLAY_H

#include "devices/gpu/gpu_recording.h"
#include "tests/vtest.h"

struct vtest_play {
	/*
	 * Frame @n of the recording, counted from 1 with those that were not drawn, is the
	 * resource @id; upside down if @y_0_top. NULL: nobody looks.
	 */
	void (*frame)(void *ctx, uint64_t n, uint32_t id, bool y_0_top);
	void *ctx;
};

void vtest_play(struct vtest *server, struct gpu_recording *r, const struct vtest_play *play);

#endif
