/* SPDX-License-Identifier: MIT */
/* A graphics card whose guest is recorded, into a directory of its own. */
#ifndef MICROVM_TESTS_RECORD_RIG_H
#define MICROVM_TESTS_RECORD_RIG_H

#include "devices/gpu/gpu_record.h"
#include "tests/gpu_rig.h"

/* What record_rig_show() shows is as large. */
#define RECORD_W 64u
#define RECORD_H 32u
#define RECORD_ALL VGPU_RECT(0, 0, RECORD_W, RECORD_H)
#define RECORD_LIMIT (64 * MiB)

struct record_rig {
	struct gpu_rig rig;
	struct gpu_record *record;	/* while there is a card */
	char dir[64], path[80];		/* of the recording; the next one has ".1" behind it */
};

void record_rig_init(struct record_rig *t);
/* A card with two outputs, both plugged in. @renderer: NULL: of 2D. */
void record_rig_begin(struct record_rig *t, struct gpu_renderer *renderer, uint64_t limit);
/* All pixels at @gpa. */
void record_rig_paint(struct record_rig *t, uint64_t gpa, uint32_t colour);
/* A picture of one colour goes all the way to the display. */
void record_rig_show(struct record_rig *t, uint32_t id, uint64_t gpa, uint32_t colour);
/* The recording is complete. */
void record_rig_end(struct record_rig *t);
/* Removes the directory, and up to four recordings in it. */
void record_rig_finish(struct record_rig *t);

#endif
