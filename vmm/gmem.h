/* SPDX-License-Identifier: MIT */
/*
 * Guest memory: RAM as a few regions, of one sealed memfd where another process
 * serves a device, else of private memory.
 *
 * gmem_ptr() is the only way from a guest-physical address (gpa) to a host
 * pointer, and it answers only when the whole range lies in one region. RAM
 * regions never move or shrink while the guest runs, so a pointer stays valid
 * until gmem_finish(); what it points to may be rewritten by the guest at any
 * time: copy once, then look at the copy.
 *
 * gmem_init() before any thread starts, gmem_finish() after the last one has
 * ended; everything between is read-only on struct gmem and may be called from
 * any thread. The memfd is sealed against shrinking and growing, so that a
 * process it is handed to cannot turn our accesses into SIGBUS (case 77).
 */
#ifndef MICROVM_GMEM_H
#define MICROVM_GMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GMEM_MAX_REGIONS 8

struct gmem_range {
	uint64_t gpa;		/* page aligned */
	uint64_t len;		/* bytes, a multiple of the page size */
};

struct gmem_region {
	uint64_t gpa;
	uint64_t len;
	uint64_t offset;	/* in the memfd */
	uint8_t *host;
};

struct gmem {
	int fd;			/* memfd; -1: private */
	bool foreign;		/* gmem_init_foreign() */
	unsigned n_regions;
	struct gmem_region regions[GMEM_MAX_REGIONS];	/* ascending by gpa */
};

/*
 * Allocates RAM for @n ranges, ascending and disjoint. Pages are not touched:
 * the host gives them when the guest first writes. Returns 0, or -EINVAL for
 * ranges that are unaligned, overlapping or wrap, or the errno of
 * memfd_create(2), ftruncate(2), mmap(2).
 */
int gmem_init(struct gmem *mem, const struct gmem_range *ranges, unsigned n);
/*
 * The same without a memfd, for a guest whose devices are all in this process:
 * hosts give huge pages to private memory as a rule and to shared memory hardly
 * ever, and a guest that boots on small pages takes twenty thousand more nested
 * page faults.
 */
int gmem_init_private(struct gmem *mem, const struct gmem_range *ranges, unsigned n);
/*
 * Memory that somebody else has mapped, and unmaps after gmem_finish(): @regions
 * with gpa, len and host, in any order. It is not discarded. 0, or -EINVAL for
 * regions that are unaligned, overlap or wrap, or are none or too many.
 */
int gmem_init_foreign(struct gmem *mem, const struct gmem_region *regions, unsigned n);
void gmem_finish(struct gmem *mem);

/* Gives all pages back to the host: RAM reads as zeros again. No vCPU may run. */
int gmem_discard(struct gmem *mem);

/*
 * Gives the pages that lie wholly in [gpa, gpa + len) back to the host while
 * the guest runs: they read as zeros until written. 0; -EFAULT when any of it
 * is not RAM, and nothing happened; or the errno of fallocate(2).
 */
int gmem_discard_range(const struct gmem *mem, uint64_t gpa, uint64_t len);

/* Sum of all regions in bytes. */
uint64_t gmem_size(const struct gmem *mem);

/*
 * Host address of [gpa, gpa + len), or NULL unless all of it lies in one
 * region. A @len of 0 is never valid.
 */
void *gmem_ptr(const struct gmem *mem, uint64_t gpa, uint64_t len);

/*
 * Length of the piece of [gpa, gpa + len) that starts at @gpa and lies in one
 * region, its host address in *@host; 0 when @gpa is not RAM. For walking a
 * buffer that spans regions (case 9).
 */
uint64_t gmem_piece(const struct gmem *mem, uint64_t gpa, uint64_t len, void **host);

/* Whether all of [gpa, gpa + len) is RAM, in one region or several; true for no bytes. */
bool gmem_contains(const struct gmem *mem, uint64_t gpa, uint64_t len);

/* The reverse of gmem_ptr(); false when @host is not in RAM. */
bool gmem_gpa(const struct gmem *mem, const void *host, uint64_t *gpa);

/*
 * Copies that may span regions. 0, or -EFAULT when any byte lies outside RAM;
 * then nothing was copied.
 */
int gmem_read(const struct gmem *mem, uint64_t gpa, void *dst, uint64_t len);
int gmem_write(const struct gmem *mem, uint64_t gpa, const void *src, uint64_t len);

/*
 * Copies @len bytes from @off of a regular file into RAM, which they must fit
 * wholly; once, inside the kernel. Main thread. 0, -EFAULT, -ENODATA when the
 * file ends before, or the errno of sendfile(2) or pread(2); on error RAM may
 * have been written.
 */
int gmem_read_file(const struct gmem *mem, uint64_t gpa, int fd, uint64_t off, uint64_t len);

#endif
