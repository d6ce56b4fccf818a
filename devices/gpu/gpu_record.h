/* SPDX-License-Identifier: MIT */
/*
 * A recording of what a guest asks of its graphics card: the commands of both queues,
 * and what guest memory they read. microvm-gpu --replay plays it without a guest
 * (gpu_replay.h), by the card that a guest has.
 *
 * The file is little-endian: struct gpu_record_file, then records of a struct
 * gpu_record_head and its payload, without gaps. Whoever reads one takes gzip's
 * format too. One that ends within a record was ended by force; what is before
 * that is good. Records come in this order:
 *
 *     MEMORY	where guest RAM is; all of it reads as zeros from then on
 *     START	the driver starts, after a reset of the card
 *     PAGES	what is in these pages now...
 *     ZEROS	...or that there is nothing in them
 *     COMMAND	a command, which may read what came before it
 *     REFUSED	the answer to that one was an error; without this, it was none
 *
 * and over again. MEMORY may come again at any time, START after it or by itself.
 *
 * Memory is captured at the moment before the card reads it: for a transfer to the host
 * from the transfer's offset on, for SUBMIT_3D that of resources which its stream
 * transfers (virgl_stream_transfers()), for a flush, a scanout or a pointer that of a
 * blob that is looked at in place, and for DETACH_BACKING, where virglrenderer takes
 * over what is in a buffer. Of that only pages that are not as they were last recorded,
 * by their hashes. What a guest changes while a command is at work, what it writes
 * to memory of the host that it has mapped, and what other capability sets than
 * virgl's read of it is not in a recording.
 *
 * A recording ends, with one line in the log, when its file can take no more, at its
 * limit, or when resources have been made of more than GPU_PAGES_MAX pages; the guest
 * does not notice. The recorder's memory is that of gpu_pages.h. It hashes what may be
 * read and waits for the file, on the loop's thread: recording takes time.
 *
 * Pixels and whatever else a guest's programs showed are in the file: it is the
 * user's alone (mode 0600).
 *
 * Threads: that of the card's loop, with the card's lock.
 */
#ifndef MICROVM_GPU_RECORD_H
#define MICROVM_GPU_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/gmem.h"

#define GPU_RECORD_MAGIC "mvgpurec"
#define GPU_RECORD_VERSION 1
/* Regions of MEMORY: one less than there may be, the other is the player's own. */
#define GPU_RECORD_REGIONS (GMEM_MAX_REGIONS - 1)
#define GPU_RECORD_MAX_PAYLOAD (4u << 20)
#define GPU_RECORD_DEFAULT_LIMIT (1ull << 30)

struct gpu_record_file {
	char magic[8];
	uint32_t version;
	uint32_t n_outputs;	/* of the card */
	char renderer[16];	/* gpu_renderer_ops.name; zeros behind it */
};

enum gpu_record_type {
	GPU_RECORD_MEMORY = 1,	/* 1 ... GPU_RECORD_REGIONS of struct gmem_range */
	GPU_RECORD_START,	/* uint64_t: features that the driver took */
	GPU_RECORD_PAGES,	/* uint64_t: their address; then whole pages */
	GPU_RECORD_ZEROS,	/* struct gmem_range */
	GPU_RECORD_COMMAND,	/* as the driver wrote it; arg: enum gpu_queue */
	GPU_RECORD_REFUSED,	/* uint32_t: VIRTIO_GPU_RESP_ERR_... */
};

struct gpu_record_head {
	uint16_t type, arg;
	uint32_t len;		/* bytes of payload, up to GPU_RECORD_MAX_PAYLOAD */
	uint64_t time_ns;	/* since the first record */
};

struct gpu_record;

/*
 * A new file by this name; an old one stays, and the new one is FILE.1, or a higher
 * number: a card that dies and is started again does not write over why it died. Up to
 * @limit bytes. 0, after one line in the log that names it, or negative errno after one.
 */
int gpu_record_create(struct gpu_record **out, const char *path, uint64_t limit);
/* NULL is legal, here and below: nothing is recorded. */
void gpu_record_destroy(struct gpu_record *r);

/* Whether there is anything to record for; what comes after its end is dropped. */
bool gpu_record_active(const struct gpu_record *r);

/* The driver has, or will have, started anew; guest memory is, or will be, another. */
void gpu_record_forget_start(struct gpu_record *r);
void gpu_record_forget_memory(struct gpu_record *r);

/* Before a command; what was recorded already, and not forgotten, is not recorded again. */
struct gpu_record_card {
	const char *renderer;
	unsigned n_outputs;
	uint64_t features;
	const struct gmem *mem;
};
void gpu_record_begin(struct gpu_record *r, const struct gpu_record_card *card);
/* What is in [gpa, gpa + len) and not known yet; whole pages of RAM. */
void gpu_record_memory(struct gpu_record *r, const struct gmem *mem, uint64_t gpa, uint64_t len);
void gpu_record_command(struct gpu_record *r, unsigned queue, const void *bytes, size_t len);
void gpu_record_refused(struct gpu_record *r, uint32_t answer);

/*
 * Pieces of guest memory that a command of @len bytes makes a resource of: calls @each
 * until it returns anything but 0, and returns that. -ENOSPC: more than there can be.
 */
int gpu_record_entries(const void *command, size_t len,
		       int (*each)(void *ctx, uint64_t gpa, uint64_t len), void *ctx);

#endif
