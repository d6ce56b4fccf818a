/* SPDX-License-Identifier: MIT */
/*
 * An address space of device registers: one struct bus for MMIO, one for PIO.
 *
 * A device embeds an io_region for each window it has, fills in name, ops, dev
 * and len, and adds it to a bus at a base. A vCPU's access is looked up under
 * the bus lock; that lock is dropped, the region's own lock (if it has one) is
 * taken, and the handler is called with the offset into the window. Handlers
 * get sizes of 1, 2, 4 or 8 and must answer every offset below len; an access
 * that does not lie wholly in one region reads all ones and writes nothing
 * (case 36).
 *
 * A region may be memory (@memory): where the bus has a hook the kernel then
 * serves its accesses, and the handlers see those for which that failed.
 *
 * Regions may overlap, since a guest may move a BAR anywhere (case 29): the
 * lower prio wins, among equals the one that was added first. RAM always wins
 * over both buses, since such accesses never leave the vCPU; so does a region of
 * memory that the kernel serves.
 *
 * A region that is removed can still be in a call on another vCPU when
 * bus_remove() returns; devices live as long as the VM, so that is harmless.
 *
 * Any thread. Order of locks: device -> bus.
 */
#ifndef MICROVM_BUS_H
#define MICROVM_BUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define BUS_MAX_REGIONS 256

enum io_prio { IO_PRIO_PLATFORM, IO_PRIO_BAR };

struct io_ops {
	uint64_t (*read)(void *dev, uint64_t off, unsigned size);
	void (*write)(void *dev, uint64_t off, unsigned size, uint64_t value);
};

/*
 * A register whose writes are nothing but a kick of an eventfd: a doorbell.
 * Writes that hit it never reach ops->write: the eventfd is written instead,
 * by the kernel where the bus has a hook (ioeventfd), else by bus_write().
 */
struct io_doorbell {
	uint32_t off;		/* in the region */
	uint8_t size;		/* of the access; 0 = any */
	bool match;		/* only if the value written equals @value */
	uint32_t value;
	int fd;			/* eventfd, owned by the device */
};

struct io_region {
	const char *name;
	const struct io_ops *ops;
	void *dev;
	uint64_t len;				/* bytes, at least 1 */
	enum io_prio prio;
	pthread_mutex_t *lock;			/* held around ops; may be NULL */
	const struct io_doorbell *doorbells;	/* fixed while on a bus */
	unsigned n_doorbells;
	/*
	 * len bytes of this process, whole pages, or NULL. Fixed and mapped while on a
	 * bus; what is mapped there may change at any time.
	 */
	void *memory;
	/*
	 * Of @memory the kernel serves reads alone: it holds what ops->read would give, and
	 * writes come to ops. Where pages of the kernel are larger, so do reads.
	 */
	bool read_only;
	/*
	 * Some of @memory may be gone, without which a vCPU cannot go on: puts something
	 * else there. A vCPU thread, no lock held. NULL: it is there to stay.
	 */
	void (*repair)(void *dev);
	bool logged;		/* bus_collect() says which pages of @memory were written */

	/* owned by the bus */
	uint64_t base;
	bool mapped;
	bool served;		/* memory: the hook has it */
	bool lost;		/* it had, and what was written is not known any more */
	uint64_t reads, writes;			/* so far, doorbells not counted */
};

/*
 * Lets the kernel serve doorbells and memory. Called with the bus lock held, and
 * only for doorbells that no other region hides, so that it makes no difference
 * to the guest. unmap() returns when the kernel has let go of the memory.
 */
struct bus_hook {
	int (*bind)(void *ctx, uint64_t addr, const struct io_doorbell *db);
	void (*unbind)(void *ctx, uint64_t addr, const struct io_doorbell *db);
	int (*map)(void *ctx, const struct io_region *region);		/* may be NULL... */
	void (*unmap)(void *ctx, const struct io_region *region);	/* ...and then both */
	/* Of a logged region that is mapped: bus_collect(). 0 or negative errno. */
	int (*collect)(void *ctx, const struct io_region *region, uint64_t *pages);
};

struct bus {
	pthread_mutex_t lock;
	uint64_t size;				/* addresses are below this */
	struct io_region *regions[BUS_MAX_REGIONS];	/* by prio, then age */
	unsigned n_regions;
	const struct bus_hook *hook;
	void *hook_ctx;
};

/* @size: one past the highest address (1 << 16 for PIO); 0 means 2^64. */
void bus_init(struct bus *bus, uint64_t size);
void bus_finish(struct bus *bus);

/*
 * 0; -EINVAL when the window is empty, wraps or ends above the bus; -ENOSPC
 * when the bus is full. The region must not be on a bus.
 */
int bus_add(struct bus *bus, struct io_region *region, uint64_t base);
/* No-op for a region that is not mapped. */
void bus_remove(struct bus *bus, struct io_region *region);

/*
 * Hands all doorbells and memory, present and future, to @hook; NULL takes them back.
 * A doorbell whose bind() fails keeps working by way of bus_write().
 */
void bus_set_hook(struct bus *bus, const struct bus_hook *hook, void *ctx);

/*
 * One access by a vCPU; @size is 1, 2, 4 or 8. bus_read() gives all ones and
 * bus_write() drops the value when nothing is there; false says so.
 */
bool bus_read(struct bus *bus, uint64_t addr, unsigned size, uint64_t *value);
bool bus_write(struct bus *bus, uint64_t addr, unsigned size, uint64_t value);

#define BUS_PAGE 4096
/*
 * Which pages of a logged region the guest has written without its handlers: sets
 * bit n % 64 of word n / 64 of @pages for page n of BUS_PAGE bytes and leaves other
 * bits; each write is told once. All pages after the region has moved.
 */
void bus_collect(struct bus *bus, struct io_region *region, uint64_t *pages);

/* A vCPU met memory that is not there: false when no region has any that could be gone. */
bool bus_repair(struct bus *bus);

/* For statistics: accesses of the regions that are mapped now; false behind the last. */
struct io_usage {
	const char *name;
	uint64_t reads, writes;
};
bool bus_usage(struct bus *bus, unsigned i, struct io_usage *usage);

#endif
