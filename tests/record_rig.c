/* SPDX-License-Identifier: MIT */
#include "tests/record_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/capture.h"
#include "tests/must.h"

void record_rig_init(struct record_rig *t)
{
	t->record = NULL;
	snprintf(t->dir, sizeof(t->dir), "/tmp/test_record.XXXXXX");
	must(mkdtemp(t->dir));
	snprintf(t->path, sizeof(t->path), "%s/rec", t->dir);
}

void record_rig_begin(struct record_rig *t, struct gpu_renderer *renderer, uint64_t limit)
{
	struct gpu_params params = { .n_outputs = 2, .n_plugged = 2, .renderer = renderer };
	struct capture cap;

	/* That something is recorded is said. */
	capture_begin(&cap, STDERR_FILENO);
	must(gpu_record_create(&t->record, t->path, limit) == 0);
	free(capture_end(&cap));
	params.record = t->record;
	gpu_rig_init(&t->rig, VRIG_MMIO, &params);
}

void record_rig_paint(struct record_rig *t, uint64_t gpa, uint32_t colour)
{
	uint32_t *p = gmem_ptr(&t->rig.r.fake.mem, gpa, 4 * RECORD_W * RECORD_H);

	must(p);
	for (unsigned i = 0; i < RECORD_W * RECORD_H; i++)
		p[i] = colour;
}

void record_rig_show(struct record_rig *t, uint32_t id, uint64_t gpa, uint32_t colour)
{
	record_rig_paint(t, gpa, colour);
	must(vgpu_transfer(&t->rig.g, id, RECORD_ALL, 0) == VIRTIO_GPU_RESP_OK_NODATA);
	must(vgpu_flush(&t->rig.g, id, RECORD_ALL) == VIRTIO_GPU_RESP_OK_NODATA);
}

void record_rig_end(struct record_rig *t)
{
	gpu_rig_finish(&t->rig);
	gpu_record_destroy(t->record);
	t->record = NULL;
}

void record_rig_finish(struct record_rig *t)
{
	char path[100];

	unlink(t->path);
	for (unsigned i = 1; i < 4; i++) {
		snprintf(path, sizeof(path), "%s.%u", t->path, i);
		unlink(path);
	}
	rmdir(t->dir);
}
