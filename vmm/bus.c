/* SPDX-License-Identifier: MIT */
#include "vmm/bus.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>

#include "vmm/util.h"

void bus_init(struct bus *bus, uint64_t size)
{
	*bus = (struct bus){ .size = size };
	pthread_mutex_init(&bus->lock, NULL);
}

void bus_finish(struct bus *bus)
{
	bus_set_hook(bus, NULL, NULL);
	pthread_mutex_destroy(&bus->lock);
}

static bool region_covers(const struct io_region *r, uint64_t addr)
{
	return addr >= r->base && addr - r->base < r->len;
}

/* The region that owns @addr: the first that covers it. Lock held. */
static struct io_region *bus_owner(const struct bus *bus, uint64_t addr)
{
	for (unsigned i = 0; i < bus->n_regions; i++)
		if (region_covers(bus->regions[i], addr))
			return bus->regions[i];
	return NULL;
}

/*
 * Hands the doorbells of @r that lie in @within to the hook, or takes them
 * back. Those that another region hides are not the hook's: the kernel would
 * serve them where bus_write() would not.
 */
static void bus_hook_doorbells(struct bus *bus, const struct io_region *r,
			       const struct io_region *within, bool bind)
{
	if (!bus->hook)
		return;
	for (unsigned i = 0; i < r->n_doorbells; i++) {
		uint64_t addr = r->base + r->doorbells[i].off;

		if (!region_covers(within, addr) || bus_owner(bus, addr) != r)
			continue;
		if (bind)
			bus->hook->bind(bus->hook_ctx, addr, &r->doorbells[i]);
		else
			bus->hook->unbind(bus->hook_ctx, addr, &r->doorbells[i]);
	}
}

/* Memory of @r to the hook, or back. The kernel refuses what lies over other memory. */
static void bus_hook_memory(struct bus *bus, struct io_region *r, bool map)
{
	if (!bus->hook || !bus->hook->map || !r->memory)
		return;
	if (map)
		r->served = bus->hook->map(bus->hook_ctx, r) == 0;
	else if (r->served)
		bus->hook->unmap(bus->hook_ctx, r);
	r->lost |= r->served && !map;
	r->served &= map;
}

static bool bus_holds(const struct bus *bus, uint64_t base, uint64_t len)
{
	uint64_t last;

	if (len == 0 || __builtin_add_overflow(base, len - 1, &last))
		return false;
	return bus->size == 0 || last < bus->size;
}

int bus_add(struct bus *bus, struct io_region *region, uint64_t base)
{
	unsigned pos;

	assert(!region->mapped);
	if (!bus_holds(bus, base, region->len))
		return -EINVAL;
	pthread_mutex_lock(&bus->lock);
	if (bus->n_regions == BUS_MAX_REGIONS) {
		pthread_mutex_unlock(&bus->lock);
		return -ENOSPC;
	}
	region->base = base;
	region->mapped = true;
	/* Behind all of its prio: the first match of a lookup is the one that wins. */
	for (pos = bus->n_regions; pos > 0 && bus->regions[pos - 1]->prio > region->prio; pos--)
		bus_hook_doorbells(bus, bus->regions[pos - 1], region, false);
	memmove(&bus->regions[pos + 1], &bus->regions[pos],
		(bus->n_regions - pos) * sizeof(bus->regions[0]));
	bus->regions[pos] = region;
	bus->n_regions++;
	bus_hook_doorbells(bus, region, region, true);
	bus_hook_memory(bus, region, true);
	pthread_mutex_unlock(&bus->lock);
	return 0;
}

/* Memory that lay over other memory, and did not get a place, may have one now. */
static void bus_hook_rest(struct bus *bus)
{
	for (unsigned i = 0; i < bus->n_regions; i++)
		if (!bus->regions[i]->served)
			bus_hook_memory(bus, bus->regions[i], true);
}

static void bus_take_out(struct bus *bus, unsigned pos)
{
	struct io_region *region = bus->regions[pos];

	bus_hook_memory(bus, region, false);
	bus_hook_doorbells(bus, region, region, false);
	bus->n_regions--;
	memmove(&bus->regions[pos], &bus->regions[pos + 1],
		(bus->n_regions - pos) * sizeof(bus->regions[0]));
	for (unsigned i = pos; i < bus->n_regions; i++)
		bus_hook_doorbells(bus, bus->regions[i], region, true);
	region->mapped = false;
	if (region->memory)
		bus_hook_rest(bus);
}

void bus_remove(struct bus *bus, struct io_region *region)
{
	pthread_mutex_lock(&bus->lock);
	for (unsigned i = 0; i < bus->n_regions; i++)
		if (bus->regions[i] == region)
			bus_take_out(bus, i);
	pthread_mutex_unlock(&bus->lock);
}

void bus_set_hook(struct bus *bus, const struct bus_hook *hook, void *ctx)
{
	pthread_mutex_lock(&bus->lock);
	for (unsigned i = 0; i < bus->n_regions; i++) {
		bus_hook_doorbells(bus, bus->regions[i], bus->regions[i], false);
		bus_hook_memory(bus, bus->regions[i], false);
	}
	bus->hook = hook;
	bus->hook_ctx = ctx;
	for (unsigned i = 0; i < bus->n_regions; i++) {
		bus_hook_doorbells(bus, bus->regions[i], bus->regions[i], true);
		bus_hook_memory(bus, bus->regions[i], true);
	}
	pthread_mutex_unlock(&bus->lock);
}

/* The region that an access goes to and the offset in it; NULL when it does not end there. */
static struct io_region *bus_find(struct bus *bus, uint64_t addr, unsigned size, bool write,
				  uint64_t *off)
{
	struct io_region *r;

	pthread_mutex_lock(&bus->lock);
	r = bus_owner(bus, addr);
	if (r) {
		*off = addr - r->base;
		if (!range_fits(*off, size, r->len))
			r = NULL;
		else if (write)
			r->writes++;
		else
			r->reads++;
	}
	pthread_mutex_unlock(&bus->lock);
	return r;
}

bool bus_read(struct bus *bus, uint64_t addr, unsigned size, uint64_t *value)
{
	uint64_t off;
	struct io_region *r = bus_find(bus, addr, size, false, &off);

	if (!r) {
		*value = all_ones(size);
		return false;
	}
	if (r->lock)
		pthread_mutex_lock(r->lock);
	*value = r->ops->read(r->dev, off, size) & all_ones(size);
	if (r->lock)
		pthread_mutex_unlock(r->lock);
	return true;
}

static const struct io_doorbell *bus_doorbell(const struct io_region *r, uint64_t off,
					      unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < r->n_doorbells; i++) {
		const struct io_doorbell *db = &r->doorbells[i];

		if (db->off == off && (!db->size || db->size == size) &&
		    (!db->match || db->value == value))
			return db;
	}
	return NULL;
}

bool bus_write(struct bus *bus, uint64_t addr, unsigned size, uint64_t value)
{
	uint64_t off;
	struct io_region *r = bus_find(bus, addr, size, true, &off);
	const struct io_doorbell *db;

	if (!r)
		return false;
	value &= all_ones(size);
	db = bus_doorbell(r, off, size, value);
	if (db) {
		/* A full counter is a kick that is pending anyway. */
		eventfd_write(db->fd, 1);
		return true;
	}
	if (r->lock)
		pthread_mutex_lock(r->lock);
	r->ops->write(r->dev, off, size, value);
	if (r->lock)
		pthread_mutex_unlock(r->lock);
	return true;
}

void bus_collect(struct bus *bus, struct io_region *region, uint64_t *pages)
{
	bool all;

	assert(region->memory && region->logged);
	pthread_mutex_lock(&bus->lock);
	all = region->lost;
	region->lost = false;
	if (region->served && bus->hook->collect(bus->hook_ctx, region, pages) < 0)
		all = true;
	pthread_mutex_unlock(&bus->lock);
	for (uint64_t i = 0; all && i < region->len / BUS_PAGE; i++)
		pages[i / 64] |= BIT(i % 64);
}

bool bus_repair(struct bus *bus)
{
	bool any = false;

	for (unsigned i = 0;; i++) {
		struct io_region *r = NULL;

		/* Its device takes locks of its own, which come before the bus's. */
		pthread_mutex_lock(&bus->lock);
		if (i < bus->n_regions)
			r = bus->regions[i];
		pthread_mutex_unlock(&bus->lock);
		if (!r)
			return any;
		if (!r->memory || !r->repair)
			continue;
		r->repair(r->dev);
		any = true;
	}
}

bool bus_usage(struct bus *bus, unsigned i, struct io_usage *usage)
{
	bool there;

	pthread_mutex_lock(&bus->lock);
	there = i < bus->n_regions;
	if (there)
		*usage = (struct io_usage){ bus->regions[i]->name, bus->regions[i]->reads,
					    bus->regions[i]->writes };
	pthread_mutex_unlock(&bus->lock);
	return there;
}
