/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/bus.h"
#include "vmm/util.h"

/* Reads give 0x11 * id in each byte; the last access is kept. */
struct dev {
	struct io_region region;
	struct io_doorbell doorbell;
	unsigned id;
	uint64_t off, value;
	unsigned size;
	atomic_uint writes;
};

static uint64_t dev_read(void *opaque, uint64_t off, unsigned size)
{
	struct dev *dev = opaque;

	dev->off = off;
	dev->size = size;
	return 0x1111111111111111ull * dev->id;
}

static void dev_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	struct dev *dev = opaque;

	dev->off = off;
	dev->size = size;
	dev->value = value;
	dev->writes++;
}

static const struct io_ops dev_ops = { dev_read, dev_write };

static struct dev make(unsigned id, uint64_t len, enum io_prio prio)
{
	return (struct dev){ .id = id, .region = { .name = "dev", .ops = &dev_ops, .len = len,
						   .prio = prio } };
}

static int add(struct bus *bus, struct dev *dev, uint64_t base)
{
	dev->region.dev = dev;
	return bus_add(bus, &dev->region, base);
}

static void add_doorbell(struct dev *dev, uint32_t off)
{
	dev->doorbell = (struct io_doorbell){ .off = off,
					      .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	dev->region.doorbells = &dev->doorbell;
	dev->region.n_doorbells = 1;
}

static unsigned kicks(const struct dev *dev)
{
	eventfd_t n;

	return eventfd_read(dev->doorbell.fd, &n) == 0 ? n : 0;
}

static int setup(void **state)
{
	*state = malloc(sizeof(struct bus));
	bus_init(*state, 0);
	return 0;
}

static int teardown(void **state)
{
	bus_finish(*state);
	free(*state);
	return 0;
}

/* Which device answers at @addr; 0 nobody. */
static unsigned who(struct bus *bus, uint64_t addr)
{
	uint64_t value;

	return bus_read(bus, addr, 1, &value) ? value / 0x11 : 0;
}

/* --- lookup --------------------------------------------------------------------- */

static void access_reaches_the_handler_with_offset_size_and_value(void **state)
{
	struct bus *bus = *state;
	struct dev dev = make(1, 0x10, IO_PRIO_PLATFORM);
	uint64_t value;

	assert_int_equal(add(bus, &dev, 0x1000), 0);
	for (unsigned size = 1; size <= 8; size *= 2) {
		assert_true(bus_read(bus, 0x1008, size, &value));
		assert_true(value == (0x1111111111111111ull & all_ones(size)));
		assert_int_equal(dev.off, 8);
		assert_int_equal(dev.size, size);
		assert_true(bus_write(bus, 0x1004, size, 0x8877665544332211ull));
		assert_int_equal(dev.off, 4);
		assert_int_equal(dev.size, size);
		assert_true(dev.value == (0x8877665544332211ull & all_ones(size)));
	}
	bus_remove(bus, &dev.region);
}

static void case_36_unclaimed_reads_all_ones_of_the_size(void **state)
{
	struct bus *bus = *state;
	uint64_t value;

	for (unsigned size = 1; size <= 8; size *= 2) {
		assert_false(bus_read(bus, 0x1000, size, &value));
		assert_true(value == all_ones(size));
		assert_false(bus_write(bus, 0x1000, size, 0));
	}
}

static void case_36_access_straddling_an_end_goes_nowhere(void **state)
{
	struct bus *bus = *state;
	struct dev a = make(1, 0x10, IO_PRIO_PLATFORM), b = make(2, 0x10, IO_PRIO_PLATFORM);
	uint64_t value;

	add(bus, &a, 0x1000);
	add(bus, &b, 0x1010);
	assert_false(bus_read(bus, 0x100e, 4, &value));
	assert_true(value == 0xffffffff);
	assert_false(bus_write(bus, 0x100e, 4, 0));
	assert_false(bus_read(bus, 0x0fff, 2, &value));
	assert_false(bus_read(bus, 0x101f, 2, &value));
	assert_int_equal(a.writes + b.writes, 0);
	assert_true(bus_read(bus, 0x100c, 4, &value));
	bus_remove(bus, &a.region);
	bus_remove(bus, &b.region);
}

static void accesses_are_counted_by_region(void **state)
{
	struct bus *bus = *state;
	struct dev a = make(1, 0x10, IO_PRIO_BAR), b = make(2, 0x10, IO_PRIO_BAR);
	struct io_usage u;
	uint64_t v;

	add(bus, &a, 0x1000);
	add(bus, &b, 0x2000);
	bus_read(bus, 0x2000, 4, &v);
	bus_read(bus, 0x2004, 4, &v);
	bus_write(bus, 0x2000, 4, 0);
	bus_read(bus, 0x200e, 4, &v);		/* beyond its end */
	assert_true(bus_usage(bus, 0, &u));
	assert_int_equal(u.reads + u.writes, 0);
	assert_true(bus_usage(bus, 1, &u));
	assert_int_equal(u.reads, 2);
	assert_int_equal(u.writes, 1);
	assert_false(bus_usage(bus, 2, &u));
	bus_remove(bus, &a.region);
	bus_remove(bus, &b.region);
}

static void region_of_one_byte_takes_one_byte(void **state)
{
	struct bus *bus = *state;
	struct dev dev = make(1, 1, IO_PRIO_PLATFORM);
	uint64_t value;

	add(bus, &dev, 0x1000);
	assert_true(bus_read(bus, 0x1000, 1, &value));
	assert_false(bus_read(bus, 0x1000, 2, &value));
	bus_remove(bus, &dev.region);
}

/* --- where a region may lie ------------------------------------------------------- */

static void case_29_windows_that_wrap_or_are_empty_are_refused(void **state)
{
	struct bus *bus = *state;
	struct dev dev = make(1, 0x1000, IO_PRIO_BAR), empty = make(2, 0, IO_PRIO_BAR);

	assert_int_equal(add(bus, &dev, 0ull - 0xfff), -EINVAL);
	assert_int_equal(add(bus, &dev, UINT64_MAX), -EINVAL);
	assert_int_equal(add(bus, &empty, 0x1000), -EINVAL);
	assert_false(dev.region.mapped);
	assert_int_equal(bus->n_regions, 0);
}

static void case_29_window_at_the_very_top_works(void **state)
{
	struct bus *bus = *state;
	struct dev dev = make(1, 0x1000, IO_PRIO_BAR);
	uint64_t value;

	assert_int_equal(add(bus, &dev, 0ull - 0x1000), 0);
	assert_int_equal(who(bus, UINT64_MAX), 1);
	assert_int_equal(who(bus, 0), 0);
	assert_true(bus_read(bus, UINT64_MAX - 7, 8, &value));
	assert_false(bus_read(bus, UINT64_MAX - 3, 8, &value));
	bus_remove(bus, &dev.region);
}

static void window_above_the_bus_is_refused(void **state)
{
	struct dev dev = make(1, 8, IO_PRIO_PLATFORM);
	struct bus pio;

	bus_init(&pio, 1 << 16);
	assert_int_equal(add(&pio, &dev, 0xfff9), -EINVAL);
	assert_int_equal(add(&pio, &dev, 0x10000), -EINVAL);
	assert_int_equal(add(&pio, &dev, 0xfff8), 0);
	bus_remove(&pio, &dev.region);
	bus_finish(&pio);
}

static void full_bus_refuses_and_takes_again_after_a_removal(void **state)
{
	struct bus *bus = *state;
	struct dev *devs = calloc(BUS_MAX_REGIONS + 1, sizeof(*devs));

	for (unsigned i = 0; i <= BUS_MAX_REGIONS; i++) {
		devs[i] = make(i % 15 + 1, 1, i & 1 ? IO_PRIO_BAR : IO_PRIO_PLATFORM);
		assert_int_equal(add(bus, &devs[i], i), i < BUS_MAX_REGIONS ? 0 : -ENOSPC);
	}
	assert_false(devs[BUS_MAX_REGIONS].region.mapped);
	for (unsigned i = 0; i < BUS_MAX_REGIONS; i++)
		assert_int_equal(who(bus, i), i % 15 + 1);
	bus_remove(bus, &devs[7].region);
	assert_int_equal(add(bus, &devs[BUS_MAX_REGIONS], 7), 0);
	for (unsigned i = 0; i <= BUS_MAX_REGIONS; i++)
		bus_remove(bus, &devs[i].region);
	assert_int_equal(bus->n_regions, 0);
	free(devs);
}

static void removing_what_is_not_there_is_a_no_op(void **state)
{
	struct bus *bus = *state;
	struct dev a = make(1, 4, IO_PRIO_BAR), b = make(2, 4, IO_PRIO_BAR);

	add(bus, &a, 0x1000);
	bus_remove(bus, &b.region);
	assert_int_equal(who(bus, 0x1000), 1);
	bus_remove(bus, &a.region);
	bus_remove(bus, &a.region);
	assert_int_equal(who(bus, 0x1000), 0);
}

/* --- overlaps ---------------------------------------------------------------------- */

static void case_29_platform_wins_over_a_bar_whatever_came_first(void **state)
{
	struct bus *bus = *state;
	struct dev bar = make(1, 0x1000, IO_PRIO_BAR), uart = make(2, 8, IO_PRIO_PLATFORM);

	add(bus, &bar, 0x1000);
	add(bus, &uart, 0x1100);
	assert_int_equal(who(bus, 0x10ff), 1);
	assert_int_equal(who(bus, 0x1100), 2);
	assert_int_equal(who(bus, 0x1107), 2);
	assert_int_equal(who(bus, 0x1108), 1);
	bus_remove(bus, &bar.region);
	add(bus, &bar, 0x1000);
	assert_int_equal(who(bus, 0x1100), 2);
	bus_remove(bus, &uart.region);
	assert_int_equal(who(bus, 0x1100), 1);
	bus_remove(bus, &bar.region);
}

static void case_29_among_bars_the_first_one_there_wins(void **state)
{
	struct bus *bus = *state;
	struct dev a = make(1, 0x1000, IO_PRIO_BAR), b = make(2, 0x1000, IO_PRIO_BAR);

	add(bus, &a, 0x1000);
	add(bus, &b, 0x1800);
	assert_int_equal(who(bus, 0x1fff), 1);
	assert_int_equal(who(bus, 0x2000), 2);
	bus_remove(bus, &a.region);
	assert_int_equal(who(bus, 0x1fff), 2);
	add(bus, &a, 0x1000);
	assert_int_equal(who(bus, 0x1fff), 2);
	assert_int_equal(who(bus, 0x17ff), 1);
	bus_remove(bus, &a.region);
	bus_remove(bus, &b.region);
}

/* --- doorbells --------------------------------------------------------------------- */

static void doorbell_kicks_without_a_hook_and_spares_the_handler(void **state)
{
	struct bus *bus = *state;
	struct dev dev = make(1, 0x10, IO_PRIO_BAR);

	add_doorbell(&dev, 4);
	add(bus, &dev, 0x1000);
	for (unsigned size = 1; size <= 8; size *= 2)
		assert_true(bus_write(bus, 0x1004, size, size));
	assert_int_equal(kicks(&dev), 4);
	assert_int_equal(dev.writes, 0);
	bus_write(bus, 0x1003, 2, 0);
	bus_write(bus, 0x1005, 1, 0);
	assert_int_equal(kicks(&dev), 0);
	assert_int_equal(dev.writes, 2);
	bus_remove(bus, &dev.region);
	bus_write(bus, 0x1004, 4, 0);
	assert_int_equal(kicks(&dev), 0);
	close(dev.doorbell.fd);
}

static void doorbell_of_one_size_and_value_lets_others_through(void **state)
{
	struct bus *bus = *state;
	struct dev dev = make(1, 0x10, IO_PRIO_BAR);

	add_doorbell(&dev, 0);
	dev.doorbell.size = 4;
	dev.doorbell.match = true;
	dev.doorbell.value = 3;
	add(bus, &dev, 0x1000);
	bus_write(bus, 0x1000, 2, 3);
	bus_write(bus, 0x1000, 4, 2);
	assert_int_equal(dev.writes, 2);
	assert_int_equal(kicks(&dev), 0);
	bus_write(bus, 0x1000, 4, 0xff00000003ull);
	assert_int_equal(dev.writes, 2);
	assert_int_equal(kicks(&dev), 1);
	bus_remove(bus, &dev.region);
	close(dev.doorbell.fd);
}

static void reading_a_doorbell_is_the_handlers(void **state)
{
	struct bus *bus = *state;
	struct dev dev = make(1, 0x10, IO_PRIO_BAR);
	uint64_t value;

	add_doorbell(&dev, 0);
	add(bus, &dev, 0x1000);
	assert_true(bus_read(bus, 0x1000, 4, &value));
	assert_int_equal(value, 0x11111111);
	assert_int_equal(kicks(&dev), 0);
	bus_remove(bus, &dev.region);
	close(dev.doorbell.fd);
}

/* A kernel that serves doorbells: at most one at an address, like KVM. */
#define HOOK_MAX 8

struct hook {
	struct { uint64_t addr; const struct io_doorbell *db; } bound[HOOK_MAX];
	unsigned n, refused;
	bool fail;
};

static int hook_bind(void *ctx, uint64_t addr, const struct io_doorbell *db)
{
	struct hook *h = ctx;

	for (unsigned i = 0; i < h->n; i++)
		if (h->bound[i].addr == addr)
			h->fail = true;
	if (h->fail) {
		h->refused++;
		return -EEXIST;
	}
	h->bound[h->n].addr = addr;
	h->bound[h->n++].db = db;
	return 0;
}

static void hook_unbind(void *ctx, uint64_t addr, const struct io_doorbell *db)
{
	struct hook *h = ctx;

	for (unsigned i = 0; i < h->n; i++)
		if (h->bound[i].addr == addr && h->bound[i].db == db) {
			h->bound[i] = h->bound[--h->n];
			return;
		}
}

static const struct bus_hook hook_ops = { .bind = hook_bind, .unbind = hook_unbind };

/* The device whose doorbell the kernel would ring for a write to @addr. */
static const struct dev *rings(const struct hook *h, uint64_t addr)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->bound[i].addr == addr)
			return container_of(h->bound[i].db, struct dev, doorbell);
	return NULL;
}

static void hook_gets_doorbells_that_are_there_and_that_come(void **state)
{
	struct bus *bus = *state;
	struct dev a = make(1, 0x10, IO_PRIO_BAR), b = make(2, 0x10, IO_PRIO_BAR);
	struct hook h = { .n = 0 };

	add_doorbell(&a, 4);
	add_doorbell(&b, 8);
	add(bus, &a, 0x1000);
	bus_set_hook(bus, &hook_ops, &h);
	assert_ptr_equal(rings(&h, 0x1004), &a);
	add(bus, &b, 0x2000);
	assert_ptr_equal(rings(&h, 0x2008), &b);
	bus_remove(bus, &a.region);
	assert_int_equal(h.n, 1);
	bus_set_hook(bus, NULL, NULL);
	assert_int_equal(h.n, 0);
	bus_write(bus, 0x2008, 4, 0);
	assert_int_equal(kicks(&b), 1);
	bus_remove(bus, &b.region);
	assert_int_equal(h.n + h.refused, 0);
	close(a.doorbell.fd);
	close(b.doorbell.fd);
}

static void doorbell_that_the_hook_refuses_still_kicks(void **state)
{
	struct bus *bus = *state;
	struct dev dev = make(1, 0x10, IO_PRIO_BAR);
	struct hook h = { .fail = true };

	add_doorbell(&dev, 0);
	bus_set_hook(bus, &hook_ops, &h);
	assert_int_equal(add(bus, &dev, 0x1000), 0);
	assert_int_equal(h.refused, 1);
	bus_write(bus, 0x1000, 4, 0);
	assert_int_equal(kicks(&dev), 1);
	bus_remove(bus, &dev.region);
	bus_set_hook(bus, NULL, NULL);
	close(dev.doorbell.fd);
}

/* With a hook as without: the region that would get the access gets the kick. */
static void case_29_hidden_doorbells_are_not_the_kernels(void **state)
{
	struct bus *bus = *state;
	struct dev bar = make(1, 0x1000, IO_PRIO_BAR), over = make(2, 0x100, IO_PRIO_PLATFORM);
	struct hook h = { .n = 0 };

	add_doorbell(&bar, 0x10);
	bus_set_hook(bus, &hook_ops, &h);
	add(bus, &bar, 0x1000);
	assert_ptr_equal(rings(&h, 0x1010), &bar);
	add(bus, &over, 0x1000);
	assert_null(rings(&h, 0x1010));
	bus_write(bus, 0x1010, 4, 0);
	assert_int_equal(over.writes, 1);
	/* The BAR moves under it again, and away. */
	bus_remove(bus, &bar.region);
	add(bus, &bar, 0x1000);
	assert_null(rings(&h, 0x1010));
	bus_remove(bus, &bar.region);
	add(bus, &bar, 0x3000);
	assert_ptr_equal(rings(&h, 0x3010), &bar);
	bus_remove(bus, &over.region);
	assert_int_equal(h.n, 1);
	bus_remove(bus, &bar.region);
	assert_int_equal(h.n + h.refused, 0);
	bus_set_hook(bus, NULL, NULL);
	close(bar.doorbell.fd);
}

static void case_29_doorbells_at_one_address_take_turns(void **state)
{
	struct bus *bus = *state;
	struct dev a = make(1, 0x100, IO_PRIO_BAR), b = make(2, 0x100, IO_PRIO_BAR);
	struct hook h = { .n = 0 };

	add_doorbell(&a, 0x10);
	add_doorbell(&b, 0x10);
	bus_set_hook(bus, &hook_ops, &h);
	add(bus, &a, 0x1000);
	add(bus, &b, 0x1000);
	assert_ptr_equal(rings(&h, 0x1010), &a);
	bus_remove(bus, &a.region);
	assert_ptr_equal(rings(&h, 0x1010), &b);
	add(bus, &a, 0x1000);
	assert_ptr_equal(rings(&h, 0x1010), &b);
	bus_remove(bus, &b.region);
	assert_ptr_equal(rings(&h, 0x1010), &a);
	bus_remove(bus, &a.region);
	assert_int_equal(h.n + h.refused, 0);
	bus_set_hook(bus, NULL, NULL);
	close(a.doorbell.fd);
	close(b.doorbell.fd);
}

static void hook_set_late_gets_no_hidden_doorbell(void **state)
{
	struct bus *bus = *state;
	struct dev bar = make(1, 0x100, IO_PRIO_BAR), over = make(2, 0x100, IO_PRIO_PLATFORM);
	struct hook h = { .n = 0 };

	add_doorbell(&bar, 0x10);
	add(bus, &bar, 0x1000);
	add(bus, &over, 0x1000);
	bus_set_hook(bus, &hook_ops, &h);
	assert_int_equal(h.n, 0);
	bus_remove(bus, &over.region);
	assert_ptr_equal(rings(&h, 0x1010), &bar);
	bus_set_hook(bus, NULL, NULL);
	bus_remove(bus, &bar.region);
	close(bar.doorbell.fd);
}

/* --- threads ------------------------------------------------------------------------ */

struct locked_dev {
	struct io_region region;
	pthread_mutex_t lock;
	unsigned counter;	/* under the region's lock */
};

static uint64_t locked_read(void *opaque, uint64_t off, unsigned size)
{
	return ((struct locked_dev *)opaque)->counter++;
}

static void locked_write(void *opaque, uint64_t off, unsigned size, uint64_t value)
{
	((struct locked_dev *)opaque)->counter++;
}

static const struct io_ops locked_ops = { locked_read, locked_write };

struct accessor {
	struct bus *bus;
	pthread_t thread;
	atomic_bool stop;
	unsigned done;
};

static void *access_loop(void *arg)
{
	struct accessor *a = arg;

	while (!a->stop) {
		uint64_t value;

		a->done += bus_read(a->bus, 0x1000, 4, &value);
		a->done += bus_write(a->bus, 0x1004, 4, 0);
		sched_yield();
	}
	return NULL;
}

static void region_lock_is_held_and_removal_during_access_is_clean(void **state)
{
	struct bus *bus = *state;
	struct locked_dev dev = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct accessor a = { .bus = bus }, b = { .bus = bus };

	dev.region = (struct io_region){ .ops = &locked_ops, .dev = &dev, .len = 8,
					 .lock = &dev.lock };
	pthread_create(&a.thread, NULL, access_loop, &a);
	pthread_create(&b.thread, NULL, access_loop, &b);
	for (unsigned i = 0; i < 20000; i++) {
		assert_int_equal(bus_add(bus, &dev.region, 0x1000), 0);
		if (i % 64 == 0)
			sched_yield();
		bus_remove(bus, &dev.region);
	}
	a.stop = b.stop = true;
	pthread_join(a.thread, NULL);
	pthread_join(b.thread, NULL);
	assert_int_equal(dev.counter, a.done + b.done);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* --- memory ---------------------------------------------------------------------- */

/* A kernel that has memory: no two regions of it over each other, like KVM. */
static int memory_map(void *ctx, const struct io_region *r)
{
	const struct io_region **slots = ctx;

	for (unsigned i = 0; i < HOOK_MAX; i++)
		if (slots[i] && ranges_overlap(slots[i]->base, slots[i]->len, r->base, r->len))
			return -EEXIST;
	for (unsigned i = 0; i < HOOK_MAX; i++) {
		if (slots[i])
			continue;
		slots[i] = r;
		return 0;
	}
	return -ENOSPC;
}

static void memory_unmap(void *ctx, const struct io_region *r)
{
	const struct io_region **slots = ctx;

	for (unsigned i = 0; i < HOOK_MAX; i++) {
		if (slots[i] != r)
			continue;
		slots[i] = NULL;
		return;
	}
	fail_msg("memory was taken back that was never given");
}

static const struct bus_hook memory_ops = { hook_bind, hook_unbind, memory_map, memory_unmap,
					    NULL };

static void add_memory(struct dev *dev)
{
	static char bytes[0x1000];

	dev->region.memory = bytes;
}

static void hook_gets_memory_that_is_there_and_that_comes(void **state)
{
	const struct io_region *slots[HOOK_MAX] = { NULL };
	struct dev a = make(1, 0x1000, IO_PRIO_BAR), b = make(2, 0x1000, IO_PRIO_BAR);
	struct bus *bus = *state;

	add_memory(&a);
	add_memory(&b);
	add(bus, &a, 0x1000);
	bus_set_hook(bus, &memory_ops, slots);
	assert_ptr_equal(slots[0], &a.region);
	add(bus, &b, 0x2000);
	assert_ptr_equal(slots[1], &b.region);
	bus_remove(bus, &a.region);
	assert_null(slots[0]);
	bus_set_hook(bus, NULL, NULL);
	assert_null(slots[1]);
	bus_remove(bus, &b.region);
}

static void case_29_memory_over_memory_waits_for_its_place(void **state)
{
	const struct io_region *slots[HOOK_MAX] = { NULL };
	struct dev a = make(1, 0x1000, IO_PRIO_BAR), b = make(2, 0x1000, IO_PRIO_BAR);
	struct bus *bus = *state;
	uint64_t value;

	add_memory(&a);
	add_memory(&b);
	bus_set_hook(bus, &memory_ops, slots);
	add(bus, &a, 0x1000);
	add(bus, &b, 0x1800);
	assert_null(slots[1]);
	/* Where the first does not hide it, its handlers answer. */
	assert_true(bus_read(bus, 0x2000, 4, &value));
	assert_int_equal(value, 0x22222222);
	bus_remove(bus, &a.region);
	assert_ptr_equal(slots[0], &b.region);
	bus_remove(bus, &b.region);
	assert_null(slots[0]);
	bus_set_hook(bus, NULL, NULL);
}

static void count_repair(void *dev)
{
	((struct dev *)dev)->writes++;
}

static void case_77_memory_that_is_gone_is_repaired_by_its_owner(void **state)
{
	struct dev a = make(1, 0x1000, IO_PRIO_BAR), b = make(2, 0x1000, IO_PRIO_BAR);
	struct bus *bus = *state;

	add_memory(&a);
	add_memory(&b);
	add(bus, &a, 0x1000);
	assert_false(bus_repair(bus));
	b.region.repair = count_repair;
	add(bus, &b, 0x2000);
	assert_true(bus_repair(bus));
	assert_int_equal(b.writes, 1);
	bus_remove(bus, &b.region);
	assert_false(bus_repair(bus));
	bus_remove(bus, &a.region);
}

static int memory_collect(void *ctx, const struct io_region *r, uint64_t *pages)
{
	unsigned *failing = ctx;

	pages[0] |= 4;
	return *failing ? -EIO : 0;
}

static int memory_map_any(void *ctx, const struct io_region *r)
{
	return 0;
}

static void memory_unmap_any(void *ctx, const struct io_region *r)
{
}

static const struct bus_hook log_ops = { NULL, NULL, memory_map_any, memory_unmap_any,
					 memory_collect };

static uint64_t collected(struct bus *bus, struct dev *dev)
{
	uint64_t pages = 0x8000;

	bus_collect(bus, &dev->region, &pages);
	return pages;
}

static void written_pages_are_the_hooks_or_all_after_a_move(void **state)
{
	struct dev a = make(1, 4 * BUS_PAGE, IO_PRIO_BAR);
	struct bus *bus = *state;
	unsigned failing = 0;

	add_memory(&a);
	a.region.logged = true;
	add(bus, &a, 0x1000);
	assert_int_equal(collected(bus, &a), 0x8000);
	bus_set_hook(bus, &log_ops, &failing);
	assert_int_equal(collected(bus, &a), 0x8004);
	bus_remove(bus, &a.region);
	assert_int_equal(collected(bus, &a), 0x800f);
	assert_int_equal(collected(bus, &a), 0x8000);
	add(bus, &a, 0x8000);
	assert_int_equal(collected(bus, &a), 0x8004);
	failing = 1;
	assert_int_equal(collected(bus, &a), 0x800f);
	bus_remove(bus, &a.region);
	bus_set_hook(bus, NULL, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(access_reaches_the_handler_with_offset_size_and_value),
		T(case_36_unclaimed_reads_all_ones_of_the_size),
		T(case_36_access_straddling_an_end_goes_nowhere),
		T(accesses_are_counted_by_region),
		T(region_of_one_byte_takes_one_byte),
		T(case_29_windows_that_wrap_or_are_empty_are_refused),
		T(case_29_window_at_the_very_top_works),
		T(window_above_the_bus_is_refused),
		T(full_bus_refuses_and_takes_again_after_a_removal),
		T(removing_what_is_not_there_is_a_no_op),
		T(case_29_platform_wins_over_a_bar_whatever_came_first),
		T(case_29_among_bars_the_first_one_there_wins),
		T(doorbell_kicks_without_a_hook_and_spares_the_handler),
		T(doorbell_of_one_size_and_value_lets_others_through),
		T(reading_a_doorbell_is_the_handlers),
		T(hook_gets_doorbells_that_are_there_and_that_come),
		T(doorbell_that_the_hook_refuses_still_kicks),
		T(case_29_hidden_doorbells_are_not_the_kernels),
		T(case_29_doorbells_at_one_address_take_turns),
		T(hook_gets_memory_that_is_there_and_that_comes),
		T(case_29_memory_over_memory_waits_for_its_place),
		T(case_77_memory_that_is_gone_is_repaired_by_its_owner),
		T(written_pages_are_the_hooks_or_all_after_a_move),
		T(hook_set_late_gets_no_hidden_doorbell),
		T(region_lock_is_held_and_removal_during_access_is_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
