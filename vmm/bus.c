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

static void bus_bind(struct bus *bus, struct io_region *r)
{
	if (!bus->hook)
		return;
	for (unsigned i = 0; i < r->n_doorbells; i++)
		bus->hook->bind(bus->hook_ctx, r->base + r->doorbells[i].off, &r->doorbells[i]);
}

static void bus_unbind(struct bus *bus, struct io_region *r)
{
	if (!bus->hook)
		return;
	for (unsigned i = 0; i < r->n_doorbells; i++)
		bus->hook->unbind(bus->hook_ctx, r->base + r->doorbells[i].off, &r->doorbells[i]);
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
	/* Behind all of its prio: the first match of a lookup is the one that wins. */
	for (pos = bus->n_regions; pos > 0 && bus->regions[pos - 1]->prio > region->prio; pos--)
		bus->regions[pos] = bus->regions[pos - 1];
	bus->regions[pos] = region;
	bus->n_regions++;
	region->base = base;
	region->mapped = true;
	bus_bind(bus, region);
	pthread_mutex_unlock(&bus->lock);
	return 0;
}

void bus_remove(struct bus *bus, struct io_region *region)
{
	pthread_mutex_lock(&bus->lock);
	for (unsigned i = 0; i < bus->n_regions; i++) {
		if (bus->regions[i] != region)
			continue;
		bus_unbind(bus, region);
		bus->n_regions--;
		memmove(&bus->regions[i], &bus->regions[i + 1],
			(bus->n_regions - i) * sizeof(bus->regions[0]));
		region->mapped = false;
		break;
	}
	pthread_mutex_unlock(&bus->lock);
}

void bus_set_hook(struct bus *bus, const struct bus_hook *hook, void *ctx)
{
	pthread_mutex_lock(&bus->lock);
	for (unsigned i = 0; i < bus->n_regions; i++)
		bus_unbind(bus, bus->regions[i]);
	bus->hook = hook;
	bus->hook_ctx = ctx;
	for (unsigned i = 0; i < bus->n_regions; i++)
		bus_bind(bus, bus->regions[i]);
	pthread_mutex_unlock(&bus->lock);
}

/*
 * The region that the first byte of an access belongs to and the offset in it;
 * NULL when there is none or the access does not end in it.
 */
static struct io_region *bus_find(struct bus *bus, uint64_t addr, unsigned size, uint64_t *off)
{
	struct io_region *found = NULL;

	pthread_mutex_lock(&bus->lock);
	for (unsigned i = 0; i < bus->n_regions; i++) {
		struct io_region *r = bus->regions[i];

		if (addr < r->base || addr - r->base >= r->len)
			continue;
		*off = addr - r->base;
		if (range_fits(*off, size, r->len))
			found = r;
		break;
	}
	pthread_mutex_unlock(&bus->lock);
	return found;
}

bool bus_read(struct bus *bus, uint64_t addr, unsigned size, uint64_t *value)
{
	uint64_t off;
	struct io_region *r = bus_find(bus, addr, size, &off);

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
	struct io_region *r = bus_find(bus, addr, size, &off);
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
