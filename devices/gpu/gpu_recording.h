/* SPDX-License-Identifier: MIT */
/*
 * Reads a recording (gpu_record.h), from which nothing is believed: every record that
 * comes out has the length and the numbers that its type may have. What a command
 * says in it is the card's to judge, where pages are the player's. Memory: one record.
 */
#ifndef MICROVM_GPU_RECORDING_H
#define MICROVM_GPU_RECORDING_H

#include <sys/types.h>

#include "devices/gpu/gpu_record.h"

struct gpu_recording {
	struct gpu_record_file file;
	struct gpu_record_head head;	/* of the record that came last... */
	uint8_t *payload;		/* ...aligned as malloc() does */
	bool cut;			/* the end came within a record */

	/* gpu_recording.c's own */
	ssize_t (*read)(void *ctx, void *buf, size_t len);
	void *ctx;
};

/*
 * @read: up to @len bytes, fewer only at the end; or a negative errno. 0, -EINVAL: not
 * a recording, -ENOTSUP: of another version (in r->file), -ENOMEM, or what @read
 * returned; and then there is nothing to close.
 */
int gpu_recording_open(struct gpu_recording *r, ssize_t (*read)(void *ctx, void *buf, size_t len),
		       void *ctx);
/* The same for a file, as it is or by gzip; @fd is closed in the end, or at once on an error. */
int gpu_recording_open_fd(struct gpu_recording *r, int fd);
void gpu_recording_close(struct gpu_recording *r);

/* 1: a record; 0: the end; -EINVAL: no record that there can be; or a negative errno. */
int gpu_recording_next(struct gpu_recording *r);

#endif
