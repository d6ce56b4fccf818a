/* SPDX-License-Identifier: MIT */
/*
 * Pictures in memory that two processes share: memfds that cannot shrink
 * (fcntl(2), "File Sealing"), so that reading them is safe whoever the other
 * one is. Any thread.
 */
#ifndef MICROVM_DISPLAY_MEMORY_H
#define MICROVM_DISPLAY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct display_memory {
	int fd;		/* -1: none */
	void *map;	/* page aligned; NULL: none */
	size_t len;	/* of the mapping */
};

#define DISPLAY_MEMORY_NONE { .fd = -1 }

/*
 * @len zeroed bytes of our own, which we can write and whoever gets the
 * descriptor can only read, where the kernel (5.1) knows how. 0 or negative errno.
 */
int display_memory_create(struct display_memory *m, size_t len);
/*
 * Somebody else's: maps [@offset, @offset + @len) of @fd to be read. 0, and @fd is
 * @m's from now on, its pixels at *@at; -EPROTO: no memfd, one that can shrink, or too
 * short; another negative errno: the host's. After an error @fd is the caller's still.
 */
int display_memory_open(struct display_memory *m, int fd, uint64_t offset, uint64_t len,
			const void **at);
/* Whether who gets @fd, a memfd, can only read what is in it. */
bool display_memory_read_only(int fd);
void display_memory_close(struct display_memory *m);	/* again: no-op */

#endif
