/* SPDX-License-Identifier: MIT */
/*
 * A shared-memory region of a virtio device (virtio 1.3, 2.10), as a window:
 * address space of this process that a transport shows the guest at one place,
 * and into which pieces of others' files are put and taken out again.
 *
 *     device          shm_window_init(), virtio_device.shm, map and unmap
 *     transport       one io_region of memory over all of it
 *     KVM             one slot, whatever is mapped: no guest can use slots up
 *
 * The window is mapped from init to finish: where no piece is, there are zeros
 * that the guest may write and that are gone with the next piece, or with a
 * reset. No page is ever unmapped, only replaced, so that the kernel's slot never
 * lies over nothing (case 76). A guest can make the host keep as much memory for
 * what is not a piece as the window is long.
 *
 * Nobody in this process looks at a piece: it may be taken away at any time, and
 * then only a vCPU notices (io_region.repair). It is no guest memory either:
 * other devices that are told to use it see an address that is not RAM.
 *
 * One call at a time; of a device with its lock held.
 */
#ifndef MICROVM_SHM_WINDOW_H
#define MICROVM_SHM_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define SHM_PAGE 4096u
/* Pieces of one window: two mappings each, of 65530 that a process has by default. */
#define SHM_MAX_PIECES 8192
#define SHM_MAX_LEN (1ull << 40)

struct shm_piece {
	uint64_t off, len;
};

struct shm_window {
	uint8_t id;		/* the guest's name of it */
	uint64_t len;		/* bytes, whole pages */
	void *host;
	struct shm_piece *pieces;	/* by offset */
	unsigned n_pieces, room;
};

/* What is to be mapped. Offsets and lengths in bytes, all whole pages. */
struct shm_map {
	int fd;			/* the caller's */
	uint64_t fd_off, off, len;
	bool writable;		/* else what the guest writes is its own copy */
};

/* 0; -EINVAL for a length that is 0, not of whole pages or above SHM_MAX_LEN; or mmap(2)'s. */
int shm_window_init(struct shm_window *w, uint8_t id, uint64_t len);
/* No transport shows it any more. Zeroed or again: no-op. */
void shm_window_finish(struct shm_window *w);

/*
 * 0; -EINVAL: not in the window, not of whole pages, over another piece, or not in
 * the file; -EPERM: a file that could shrink (case 77: it has to be a dma-buf, or
 * a memfd with F_SEAL_SHRINK); -ENOSPC: too many pieces; or the errno of mmap(2).
 * After an error nothing has changed.
 */
int shm_window_map(struct shm_window *w, const struct shm_map *map);
/* One piece, all of it. 0, or -ENOENT: there is none just there (case 76). */
int shm_window_unmap(struct shm_window *w, uint64_t off, uint64_t len);
/* All pieces, and what the guest has written between them. */
void shm_window_clear(struct shm_window *w);

#endif
