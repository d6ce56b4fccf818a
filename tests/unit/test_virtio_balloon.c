/* SPDX-License-Identifier: MIT */
#include <linux/virtio_balloon.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "devices/registry.h"
#include "devices/virtio/balloon.h"
#include "tests/vrig.h"

#define PAGE 4096ull
#define FEATURES                                                                                   \
	(BIT(VIRTIO_BALLOON_F_REPORTING) | BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |                  \
	 VIRTIO_COMMON_FEATURES)
#define STATS_FEATURE BIT(VIRTIO_BALLOON_F_STATS_VQ)
/* Of a driver without statistics; with them, reporting has the next number. */
enum { INFLATE, DEFLATE, REPORTING, STATS = REPORTING };

struct t {
	struct vrig r;
	struct virtio_device *v;
};

static int create(struct t *t, const char *text)
{
	struct virtio_env env = { .loop = t->r.fake.loop, .mem = &t->r.fake.mem };
	struct opt_value opts;
	int ret;

	if (opt_value_parse(&opts, "--balloon", text, virtio_balloon_model.keys) < 0)
		abort();
	ret = virtio_balloon_model.create(&t->v, &env, &opts);
	opt_value_finish(&opts);
	return ret;
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	if (create(t, "take=64K") < 0)
		abort();
	vrig_plug(&t->r, t->v);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	vrig_unplug(&t->r);
	virtio_balloon_model.destroy(t->v);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

static void touch(struct t *t, uint64_t gpa, uint64_t len)
{
	for (uint64_t off = 0; off < len; off += PAGE)
		memset(gmem_ptr(&t->r.fake.mem, gpa + off, PAGE), 0x55, PAGE);
}

static bool is_zero(struct t *t, uint64_t gpa)
{
	const uint8_t *p = gmem_ptr(&t->r.fake.mem, gpa, PAGE);

	for (unsigned i = 0; i < PAGE; i++)
		if (p[i])
			return false;
	return true;
}

/* Memory that the host holds for the guest. */
static uint64_t held(struct t *t)
{
	struct stat st;

	assert_int_equal(fstat(t->r.fake.mem.fd, &st), 0);
	return st.st_blocks * 512ull;
}

static void start(struct t *t)
{
	vdrv_start(&t->r.d, FEATURES);
}

static int pages(struct t *t, unsigned q, const uint32_t *pfns, unsigned n)
{
	return vrig_request(&t->r, q, pfns, n * sizeof(*pfns), NULL, 0);
}

/* Reports buffers; 0, or -1 when they did not come back. */
static int report(struct t *t, const struct vdrv_buf *bufs, unsigned n)
{
	struct vdrv_ring *ring = &t->r.d.rings[REPORTING];
	int head = vdrv_add(ring, bufs, n);

	vdrv_kick(&t->r.d, REPORTING);
	fake_settle(&t->r.fake);
	return vdrv_used(ring, NULL) == head ? 0 : -1;
}

/* --- what it is for ------------------------------------------------------------ */

static void device_presents_itself(void **state)
{
	struct t *t = *state;

	assert_true(vdrv_device_features(&t->r.d) == (FEATURES | STATS_FEATURE));
	assert_int_equal(t->r.d.n_queues, 4);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), 16);
	assert_int_equal(vdrv_config_read(&t->r.d, 4, 4), 0);
}

static void driver_says_how_much_it_gave(void **state)
{
	struct t *t = *state;

	vdrv_config_write(&t->r.d, 4, 4, 7);
	assert_int_equal(vdrv_config_read(&t->r.d, 4, 4), 7);
	/* It cannot change what it is asked for. */
	vdrv_config_write(&t->r.d, 0, 4, 9);
	vdrv_config_write(&t->r.d, 4, 1, 9);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), 16);
	assert_int_equal(vdrv_config_read(&t->r.d, 4, 4), 7);
	vdrv_reset(&t->r.d);
	assert_int_equal(vdrv_config_read(&t->r.d, 4, 4), 0);
}

static void inflated_pages_go_back_to_the_host(void **state)
{
	struct t *t = *state;
	const uint32_t pfns[] = { 0x80, 0x81, 0x82, 0x90, 0xa3, 0xa2, 0xa1, 0x210 };
	uint64_t before;

	start(t);
	touch(t, 0x80 * PAGE, 0x40 * PAGE);
	touch(t, 0x210 * PAGE, PAGE);
	before = held(t);
	assert_int_equal(pages(t, INFLATE, pfns, ARRAY_SIZE(pfns)), 0);
	assert_true(before - held(t) == ARRAY_SIZE(pfns) * PAGE);
	for (unsigned i = 0; i < ARRAY_SIZE(pfns); i++)
		assert_true(is_zero(t, pfns[i] * PAGE));
	assert_false(is_zero(t, 0x83 * PAGE));
	assert_false(is_zero(t, 0x8f * PAGE));
	assert_false(is_zero(t, 0x91 * PAGE));
	assert_false(is_zero(t, 0xa0 * PAGE));
	assert_false(is_zero(t, 0xa4 * PAGE));
}

static void deflated_pages_are_only_taken_note_of(void **state)
{
	struct t *t = *state;
	const uint32_t pfns[] = { 0x80, 0x81 };

	start(t);
	touch(t, 0x80 * PAGE, 2 * PAGE);
	assert_int_equal(pages(t, DEFLATE, pfns, 2), 0);
	assert_false(is_zero(t, 0x80 * PAGE));
}

static void reported_memory_goes_back_to_the_host(void **state)
{
	struct t *t = *state;
	const struct vdrv_buf bufs[] = {
		VDRV_IN(0x80 * PAGE, 16 * PAGE), VDRV_IN(0x210 * PAGE, 2 * PAGE),
	};
	uint64_t before;

	start(t);
	touch(t, 0x80 * PAGE, 17 * PAGE);
	touch(t, 0x210 * PAGE, 2 * PAGE);
	before = held(t);
	assert_int_equal(report(t, bufs, 2), 0);
	assert_true(before - held(t) == 18 * PAGE);
	assert_true(is_zero(t, 0x80 * PAGE));
	assert_true(is_zero(t, 0x211 * PAGE));
	assert_false(is_zero(t, 0x90 * PAGE));
	/* And is there again when the guest wants it. */
	touch(t, 0x80 * PAGE, PAGE);
	assert_false(is_zero(t, 0x80 * PAGE));
}

static void parts_of_pages_stay(void **state)
{
	struct t *t = *state;
	const struct vdrv_buf bufs[] = {
		VDRV_IN(0x80 * PAGE + 1, 2 * PAGE), VDRV_IN(0x90 * PAGE, PAGE - 1),
	};

	start(t);
	touch(t, 0x80 * PAGE, 17 * PAGE);
	assert_int_equal(report(t, bufs, 2), 0);
	assert_false(is_zero(t, 0x80 * PAGE));
	assert_true(is_zero(t, 0x81 * PAGE));
	assert_false(is_zero(t, 0x82 * PAGE));
	assert_false(is_zero(t, 0x90 * PAGE));
}

/* --- and what it is not ----------------------------------------------------------- */

static void case_07_pages_outside_ram_are_refused(void **state)
{
	struct t *t = *state;
	/* The hole, above RAM, as high as a number goes; and one that is good. */
	const uint32_t pfns[] = { 0x100, 0x1ff, 0x300, UINT32_MAX, 0x80 };

	start(t);
	touch(t, 0x80 * PAGE, PAGE);
	assert_int_equal(pages(t, INFLATE, pfns, ARRAY_SIZE(pfns)), 0);
	assert_true(is_zero(t, 0x80 * PAGE));
	assert_false(vdrv_get(&t->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* A run that begins in RAM and ends outside. */
static void case_09_run_over_the_end_of_ram_is_refused(void **state)
{
	struct t *t = *state;
	const uint32_t pfns[] = { 0xfe, 0xff, 0x100, 0x101 };

	start(t);
	touch(t, 0xfe * PAGE, 2 * PAGE);
	assert_int_equal(pages(t, INFLATE, pfns, ARRAY_SIZE(pfns)), 0);
	assert_false(is_zero(t, 0xfe * PAGE));
}

static void case_19_chains_of_the_wrong_kind_come_back(void **state)
{
	struct t *t = *state;
	char in[16];

	start(t);
	/* Nothing to read, nothing to write, an odd number of bytes. */
	assert_int_equal(vrig_request(&t->r, INFLATE, NULL, 0, in, sizeof(in)), 0);
	assert_int_equal(vrig_request(&t->r, REPORTING, in, sizeof(in), NULL, 0), 0);
	memset(in, 0xff, sizeof(in));
	assert_int_equal(vrig_request(&t->r, INFLATE, in, 7, NULL, 0), 0);
}

static void case_21_chain_of_a_million_pages_is_bounded(void **state)
{
	struct t *t = *state;
	struct vdrv_buf bufs[8];

	start(t);
	/* The same 512 KiB of page numbers eight times. */
	touch(t, 0x80 * PAGE, 0x80 * PAGE);
	for (unsigned i = 0; i < 8; i++)
		bufs[i] = (struct vdrv_buf)VDRV_OUT(0x80 * PAGE, 0x80 * PAGE);
	vdrv_add(&t->r.d.rings[INFLATE], bufs, 8);
	vdrv_kick(&t->r.d, INFLATE);
	fake_settle(&t->r.fake);
	assert_true(vdrv_used(&t->r.d.rings[INFLATE], NULL) >= 0);
}

static void more_than_one_turns_work_is_done_in_several(void **state)
{
	struct t *t = *state;
	uint64_t gpa;

	start(t);
	gpa = vdrv_alloc(&t->r.d, 2048 * 4, 4);
	for (unsigned i = 0; i < 2048; i++)
		store_le(vdrv_ptr(&t->r.d, gpa + 4 * i, 4), 4, 0x200 + i % 2 * 8);
	for (unsigned i = 0; i < 6; i++)
		vdrv_add(&t->r.d.rings[INFLATE],
			 &(struct vdrv_buf)VDRV_OUT(gpa, 2048 * 4), 1);
	vdrv_kick(&t->r.d, INFLATE);
	for (unsigned i = 0; i < 6; i++)
		fake_settle(&t->r.fake);
	for (unsigned i = 0; i < 6; i++)
		assert_true(vdrv_used(&t->r.d.rings[INFLATE], NULL) >= 0);
}

static void size_to_take_is_less_than_there_is(void **state)
{
	struct t t = { 0 };

	fake_init(&t.r.fake);
	assert_true(create(&t, "take=2M") < 0);
	assert_true(create(&t, "take=much") < 0);
	assert_int_equal(create(&t, "on,take=1M"), 0);
	virtio_balloon_model.destroy(t.v);
	fake_finish(&t.r.fake);
}

/* --- statistics ------------------------------------------------------------------------ */

static void told(void *ctx)
{
	++*(unsigned *)ctx;
}

static void start_with_stats(struct t *t)
{
	vdrv_start(&t->r.d, FEATURES | STATS_FEATURE);
}

/* Makes the driver's buffer of statistics available: the head. */
static int give(struct t *t, const void *data, uint32_t len)
{
	uint64_t gpa = vdrv_alloc(&t->r.d, len + 1, 16);
	int head;

	memcpy(vdrv_ptr(&t->r.d, gpa, len + 1), data, len);
	head = vdrv_add(&t->r.d.rings[STATS], &(struct vdrv_buf)VDRV_OUT(gpa, len), 1);
	vdrv_kick(&t->r.d, STATS);
	fake_settle(&t->r.fake);
	return head;
}

static void statistics_come_when_they_are_asked_for(void **state)
{
	struct virtio_balloon_stat stats[] = { { VIRTIO_BALLOON_S_MEMFREE, 5 * PAGE },
					       { VIRTIO_BALLOON_S_MEMTOT, 9 * PAGE } };
	struct balloon_stats seen;
	struct t *t = *state;
	unsigned n = 0;
	int head;

	virtio_balloon_watch(t->v, told, &n);
	start_with_stats(t);
	assert_false(virtio_balloon_ask(t->v));
	head = give(t, stats, sizeof(stats));
	assert_int_equal(n, 1);
	/* The device keeps the buffer until it wants others. */
	assert_int_equal(vdrv_used(&t->r.d.rings[STATS], NULL), -1);
	vdrv_config_write(&t->r.d, 4, 4, 7);
	virtio_balloon_stats(t->v, &seen);
	assert_int_equal(seen.known, BIT(VIRTIO_BALLOON_S_MEMFREE) | BIT(VIRTIO_BALLOON_S_MEMTOT));
	assert_int_equal(seen.values[VIRTIO_BALLOON_S_MEMFREE], 5 * PAGE);
	assert_int_equal(seen.taken, 7 * PAGE);
	assert_true(virtio_balloon_ask(t->v));
	assert_false(virtio_balloon_ask(t->v));
	assert_int_equal(vdrv_used(&t->r.d.rings[STATS], NULL), head);
	stats[0].val = 4 * PAGE;
	give(t, stats, sizeof(stats[0]));
	assert_int_equal(n, 2);
	virtio_balloon_stats(t->v, &seen);
	assert_int_equal(seen.values[VIRTIO_BALLOON_S_MEMFREE], 4 * PAGE);
	assert_int_equal(seen.values[VIRTIO_BALLOON_S_MEMTOT], 9 * PAGE);
	vdrv_reset(&t->r.d);
	virtio_balloon_stats(t->v, &seen);
	assert_int_equal(seen.known | seen.taken, 0);
	assert_false(virtio_balloon_ask(t->v));
	start_with_stats(t);
	give(t, stats, sizeof(stats));
	assert_true(virtio_balloon_ask(t->v));
}

static void reporting_moves_up_behind_statistics(void **state)
{
	struct t *t = *state;
	struct vdrv_ring *ring = &t->r.d.rings[REPORTING + 1];

	start_with_stats(t);
	touch(t, 0x80000, PAGE);
	vdrv_add(ring, &(struct vdrv_buf)VDRV_IN(0x80000, PAGE), 1);
	vdrv_kick(&t->r.d, REPORTING + 1);
	fake_settle(&t->r.fake);
	assert_true(vdrv_used(ring, NULL) >= 0);
	assert_true(is_zero(t, 0x80000));
}

static void case_21_statistics_that_are_none(void **state)
{
	struct virtio_balloon_stat many[200] = { { 0xffff, 1 }, { VIRTIO_BALLOON_S_NR, 2 } };
	struct balloon_stats seen;
	struct t *t = *state;

	start_with_stats(t);
	many[ARRAY_SIZE(many) - 1].tag = VIRTIO_BALLOON_S_AVAIL;
	for (unsigned i = 2; i < ARRAY_SIZE(many) - 1; i++)
		many[i].tag = VIRTIO_BALLOON_S_NR;
	give(t, many, sizeof(many));
	virtio_balloon_stats(t->v, &seen);
	assert_int_equal(seen.known, 0);
	/* A second buffer comes back at once, and so does each that follows. */
	for (unsigned i = 0; i < 300; i++) {
		int head = give(t, many, 9);

		assert_int_equal(vdrv_used(&t->r.d.rings[STATS], NULL), head);
	}
	assert_true(virtio_balloon_ask(t->v));
}

#define ON(kind, f) { #f " on " #kind, f, setup, teardown, (void *)&kinds[VRIG_##kind] }
#define ON_ALL(f) ON(MMIO, f), ON(PCI_INTX, f), ON(PCI_MSIX, f)

int main(void)
{
	static const enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_INTX, VRIG_PCI_MSIX };
	const struct CMUnitTest tests[] = {
		ON_ALL(device_presents_itself),
		ON_ALL(driver_says_how_much_it_gave),
		ON_ALL(inflated_pages_go_back_to_the_host),
		ON(MMIO, deflated_pages_are_only_taken_note_of),
		ON_ALL(reported_memory_goes_back_to_the_host),
		ON(MMIO, parts_of_pages_stay),
		ON(MMIO, case_07_pages_outside_ram_are_refused),
		ON(MMIO, case_09_run_over_the_end_of_ram_is_refused),
		ON(MMIO, case_19_chains_of_the_wrong_kind_come_back),
		ON(MMIO, case_21_chain_of_a_million_pages_is_bounded),
		ON(MMIO, more_than_one_turns_work_is_done_in_several),
		ON_ALL(statistics_come_when_they_are_asked_for),
		ON_ALL(reporting_moves_up_behind_statistics),
		ON(MMIO, case_21_statistics_that_are_none),
		cmocka_unit_test(size_to_take_is_less_than_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
