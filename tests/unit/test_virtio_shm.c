/* SPDX-License-Identifier: MIT */
/* Shared-memory regions as drivers find them, on PCI and MMIO. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_mmio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/virtio/shm_window.h"
#include "tests/echo_rig.h"

#define SHM_ID 7
#define SHM_LEN (5 * MiB)	/* no power of two */

struct t {
	struct echo_rig rig;
	struct shm_window window;
	unsigned lost;
	struct virtio_ops ops;
};

static struct t *the_t;

static void count_lost(struct virtio_device *v)
{
	the_t->lost++;
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	struct vrig *r = &t->rig.r;

	assert_non_null(t);
	vrig_init(r, *(const enum vrig_kind *)*state);
	echo_init(&t->rig.e, r->fake.loop, &r->fake.mem);
	assert_int_equal(shm_window_init(&t->window, SHM_ID, SHM_LEN), 0);
	t->ops = *t->rig.e.v.ops;
	t->ops.shm_lost = count_lost;
	t->rig.e.v.ops = &t->ops;
	t->rig.e.v.shm = &t->window;
	vrig_plug(r, &t->rig.e.v);
	the_t = t;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	vrig_unplug(&t->rig.r);
	echo_finish(&t->rig.e);
	shm_window_finish(&t->window);
	vrig_finish(&t->rig.r);
	free(t);
	return 0;
}

static void region_is_where_the_driver_is_told(void **state)
{
	struct t *t = *state;
	struct vrig *r = &t->rig.r;
	uint64_t gpa, len;

	assert_true(vdrv_find_shm(&r->d, SHM_ID, &gpa, &len));
	assert_int_equal(len, SHM_LEN);
	assert_ptr_equal(vrig_memory(r, gpa), t->window.host);
	assert_ptr_equal(vrig_memory(r, gpa + len - 1), (char *)t->window.host + len - 1);
	assert_null(vrig_memory(r, gpa + len));
	for (unsigned id = 0; id < 256; id++)
		if (id != SHM_ID)
			assert_false(vdrv_find_shm(&r->d, id, &gpa, &len));
	vdrv_start(&r->d, 0);
	assert_true(echo_rig_works(&t->rig));
}

/* It is no RAM: a device that is told to use it finds none. */
static void case_9_buffers_in_shared_memory_are_nowhere(void **state)
{
	struct t *t = *state;
	struct vrig *r = &t->rig.r;
	struct vdrv_buf buf = { .len = 16, .write = true };
	uint64_t gpa, len;

	assert_true(vdrv_find_shm(&r->d, SHM_ID, &gpa, &len));
	assert_null(gmem_ptr(&r->fake.mem, gpa, 16));
	vdrv_start(&r->d, 0);
	buf.gpa = gpa;
	vdrv_add(&r->d.rings[0], &buf, 1);
	vdrv_kick(&r->d, 0);
	fake_settle(&r->fake);
	assert_true(vdrv_get(&r->d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(*(char *)t->window.host, 0);
}

static void memory_that_the_kernel_does_not_serve_reads_as_zeros(void **state)
{
	struct t *t = *state;
	struct bus *bus = &t->rig.r.fake.mmio;
	uint64_t gpa, len, value;

	assert_true(vdrv_find_shm(&t->rig.r.d, SHM_ID, &gpa, &len));
	memset(t->window.host, 1, 64);
	assert_true(bus_write(bus, gpa, 4, 5));
	assert_true(bus_read(bus, gpa, 4, &value));
	assert_int_equal(value, 0);
	assert_int_equal(*(char *)t->window.host, 1);
}

static void case_77_pieces_that_are_gone_empty_the_window(void **state)
{
	struct t *t = *state;
	struct bus *bus = &t->rig.r.fake.mmio;
	int fd = memfd_create("piece", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct shm_map m = { .fd = fd, .off = MiB, .len = SHM_PAGE, .writable = true };

	assert_true(bus_repair(bus));
	assert_int_equal(t->lost, 0);
	assert_int_equal(ftruncate(fd, SHM_PAGE), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(shm_window_map(&t->window, &m), 0);
	close(fd);
	assert_true(bus_repair(bus));
	assert_int_equal(t->lost, 1);
	assert_int_equal(t->window.n_pieces, 0);
	assert_true(bus_repair(bus));
	assert_int_equal(t->lost, 1);
}

int main(void)
{
	static enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_INTX };
#define T(f)                                                                                       \
	cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, &kinds[0]),                   \
		cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, &kinds[1])
	const struct CMUnitTest tests[] = {
		T(region_is_where_the_driver_is_told),
		T(case_9_buffers_in_shared_memory_are_nowhere),
		T(memory_that_the_kernel_does_not_serve_reads_as_zeros),
		T(case_77_pieces_that_are_gone_empty_the_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
