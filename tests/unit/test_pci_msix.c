/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/pci_guest.h"
#include "vmm/util.h"

#define ENABLE PCI_MSIX_FLAGS_ENABLE
#define MASKALL PCI_MSIX_FLAGS_MASKALL

static int setup(void **state)
{
	*state = malloc(sizeof(struct pci_guest));
	pg_init(*state);
	pg_command(*state, PCI_COMMAND_MASTER);
	return 0;
}

static int teardown(void **state)
{
	struct pci_guest *g = *state;

	pg_finish(g);
	assert_int_equal(g->fake.msi.routes, 0);
	free(g);
	return 0;
}

/* How often a vector's eventfd was written since the last look. */
static unsigned fired(struct pci_guest *g, unsigned vector)
{
	eventfd_t n;
	int fd = g->dev.msix.vectors[vector].fd;

	return fd >= 0 && eventfd_read(fd, &n) == 0 ? n : 0;
}

static uint64_t pba(struct pci_guest *g)
{
	return pci_msix_pba_read(&g->dev.msix, 0, 8);
}

static void notify(struct pci_guest *g, unsigned vector)
{
	pci_msix_notify(&g->dev.msix, vector);
}

/* Vectors 0 and 1 ready. */
static void start(struct pci_guest *g)
{
	pg_msix_set(g, 0, 0xfee00000, 0x30, false);
	pg_msix_set(g, 1, 0xfee01000, 0x31, false);
	pg_msix_flags(g, ENABLE);
}

static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* --- delivery ------------------------------------------------------------------ */

static void notify_writes_the_eventfd_of_its_vector(void **state)
{
	struct pci_guest *g = *state;

	start(g);
	notify(g, 0);
	notify(g, 1);
	notify(g, 1);
	assert_int_equal(fired(g, 0), 1);
	assert_int_equal(fired(g, 1), 2);
	assert_int_equal(g->fake.msi.sent, 0);
	assert_int_equal(g->fake.msi.routes, 2);
	assert_int_equal(pba(g), 0);
}

static void no_route_is_taken_before_a_vector_delivers(void **state)
{
	struct pci_guest *g = *state;

	start(g);
	for (unsigned i = 0; i < 100; i++)
		pg_msix_set(g, 0, 0xfee00000, i, i & 1);
	assert_int_equal(g->fake.msi.routes, 0);
}

static void masked_vector_is_pending_until_unmasked(void **state)
{
	struct pci_guest *g = *state;

	start(g);
	pg_msix_mask(g, 1, true);
	notify(g, 1);
	notify(g, 1);
	assert_int_equal(fired(g, 1), 0);
	assert_int_equal(pba(g), 2);
	pg_msix_mask(g, 1, false);
	assert_int_equal(fired(g, 1), 1);
	assert_int_equal(pba(g), 0);
	pg_msix_mask(g, 1, true);
	pg_msix_mask(g, 1, false);
	assert_int_equal(fired(g, 1), 0);
}

static void function_mask_holds_all_vectors_back(void **state)
{
	struct pci_guest *g = *state;

	start(g);
	pg_msix_flags(g, ENABLE | MASKALL);
	notify(g, 0);
	notify(g, 1);
	pg_msix_mask(g, 1, true);
	assert_int_equal(pba(g), 3);
	pg_msix_flags(g, ENABLE);
	assert_int_equal(fired(g, 0), 1);
	assert_int_equal(fired(g, 1), 0);
	assert_int_equal(pba(g), 2);
}

static void unmasking_under_the_function_mask_stays_pending(void **state)
{
	struct pci_guest *g = *state;

	start(g);
	pg_msix_flags(g, ENABLE | MASKALL);
	pg_msix_mask(g, 0, true);
	notify(g, 0);
	pg_msix_mask(g, 0, false);
	assert_int_equal(pba(g), 1);
	pg_msix_flags(g, ENABLE);
	assert_int_equal(fired(g, 0), 1);
}

static void nothing_is_sent_or_pending_while_msix_is_off(void **state)
{
	struct pci_guest *g = *state;

	start(g);
	pg_msix_flags(g, 0);
	assert_false(pci_msix_enabled(&g->dev.msix));
	notify(g, 0);
	assert_int_equal(pba(g), 0);
	pg_msix_flags(g, ENABLE);
	assert_true(pci_msix_enabled(&g->dev.msix));
	assert_int_equal(fired(g, 0), 0);
}

static void a_message_names_the_function_that_sends_it(void **state)
{
	struct pci_guest *g = *state;

	start(g);
	notify(g, 0);
	assert_int_equal(g->fake.msi.last_devid, g->dev.pci.slot << 3);
	g->fake.msi.last_devid = 0;
	g->fake.msi.fail_routes = 1;
	notify(g, 1);
	assert_int_equal(g->fake.msi.sent, 1);
	assert_int_equal(g->fake.msi.last_devid, g->dev.pci.slot << 3);
}

static void an_8_byte_write_sets_data_before_it_unmasks(void **state)
{
	struct pci_guest *g = *state;

	start(g);
	g->fake.msi.fail_routes = 1;
	pg_msix_set(g, 0, 0xfee00000, 0x30, true);
	notify(g, 0);
	pg_msix_set(g, 0, 0x1fee02000ull, 0x99, false);
	assert_int_equal(g->fake.msi.sent, 1);
	assert_true(g->fake.msi.last_addr == 0x1fee02000ull);
	assert_int_equal(g->fake.msi.last_data, 0x99);
}

static void messages_wait_for_bus_mastering(void **state)
{
	struct pci_guest *g = *state;
	struct pci_msix_feed feed = { .fd = 77, .vector = PCI_MSIX_NO_VECTOR };

	start(g);
	pci_msix_set_feed(&g->dev.msix, &feed, 1);
	assert_true(feed.attached);
	pg_command(g, 0);
	assert_false(feed.attached);
	notify(g, 0);
	assert_int_equal(fired(g, 0), 0);
	assert_int_equal(pba(g), 1);
	pg_command(g, PCI_COMMAND_MASTER);
	assert_true(feed.attached);
	assert_int_equal(fired(g, 0), 1);
	assert_int_equal(pba(g), 0);
	pci_msix_set_feed(&g->dev.msix, &feed, PCI_MSIX_NO_VECTOR);
}

static void a_changed_message_takes_over_the_old_route(void **state)
{
	struct pci_guest *g = *state;
	int fd;

	start(g);
	notify(g, 0);
	fd = g->dev.msix.vectors[0].fd;
	pg_msix_set(g, 0, 0xfee03000, 0x55, false);
	notify(g, 0);
	assert_int_equal(g->dev.msix.vectors[0].fd, fd);
	assert_true(g->dev.msix.vectors[0].bound_addr == 0xfee03000);
	assert_int_equal(g->dev.msix.vectors[0].bound_data, 0x55);
	pg_msix_set(g, 0, 0xfee03000, 0x56, false);
	notify(g, 0);
	assert_int_equal(g->dev.msix.vectors[0].bound_data, 0x56);
	assert_int_equal(g->fake.msi.routes, 1);
	assert_int_equal(fired(g, 0), 3);
}

static void a_sink_without_route_sends(void **state)
{
	struct pci_guest *g = *state;
	struct msi_ops ops = *g->dev.pci.msi.ops;
	struct msi_sink sink = g->dev.pci.msi;

	ops.route = NULL;
	g->dev.pci.msi.ops = &ops;
	start(g);
	notify(g, 1);
	assert_int_equal(g->fake.msi.sent, 1);
	assert_int_equal(g->fake.msi.last_data, 0x31);
	g->dev.pci.msi = sink;
}

static void routes_that_run_out_later_leave_the_bound_ones_working(void **state)
{
	struct pci_guest *g = *state;

	start(g);
	notify(g, 0);
	g->fake.msi.fail_routes = 1;
	notify(g, 0);
	notify(g, 1);
	assert_int_equal(fired(g, 0), 2);
	assert_int_equal(g->fake.msi.sent, 1);
	/* Vector 0 gets a message that cannot be bound, then one that can. */
	pg_msix_set(g, 0, 0xfee04000, 1, false);
	notify(g, 0);
	assert_int_equal(g->fake.msi.sent, 2);
	g->fake.msi.fail_routes = 0;
	notify(g, 0);
	assert_int_equal(g->fake.msi.sent, 3);
	pg_msix_set(g, 0, 0xfee05000, 1, false);
	notify(g, 0);
	assert_int_equal(fired(g, 0), 1);
	assert_int_equal(g->fake.msi.routes, 1);
}

/* --- registers -------------------------------------------------------------------- */

static void table_reads_back_what_was_written(void **state)
{
	struct pci_guest *g = *state;
	struct pci_msix *msix = &g->dev.msix;

	assert_true(pci_msix_table_read(msix, 8, 8) == 1ull << 32);
	pci_msix_table_write(msix, 0x30, 4, 0xfee00003);
	pci_msix_table_write(msix, 0x34, 4, 0x12);
	pci_msix_table_write(msix, 0x38, 4, 0xdeadbeef);
	pci_msix_table_write(msix, 0x3c, 4, ~0u);
	assert_true(pci_msix_table_read(msix, 0x30, 8) == 0x12fee00000ull);
	assert_int_equal(pci_msix_table_read(msix, 0x34, 4), 0x12);
	assert_true(pci_msix_table_read(msix, 0x38, 8) == 0x1deadbeefull);
	pci_msix_table_write(msix, 0x3c, 4, ~1u);
	assert_int_equal(pci_msix_table_read(msix, 0x3c, 4), 0);
}

static void pba_reads_by_dword_and_qword(void **state)
{
	struct pci_guest *g = *state;

	start(g);
	pg_msix_flags(g, ENABLE | MASKALL);
	notify(g, 3);
	assert_int_equal(pci_msix_pba_read(&g->dev.msix, 0, 4), 8);
	assert_int_equal(pci_msix_pba_read(&g->dev.msix, 4, 4), 0);
	assert_int_equal(pci_msix_pba_read(&g->dev.msix, 8, 8), 0);
}

static void the_full_number_of_vectors_works(void **state)
{
	struct pci_guest *g = *state;
	static const struct pci_id id = { .vendor = 1 };
	struct pci_dev dev;
	struct pci_msix *msix = malloc(sizeof(*msix));

	pci_dev_init(&dev, "many", NULL, &id);
	pci_msix_init(msix, &dev, PCI_MSIX_MAX_VECTORS, 0, 0, 0x800);
	assert_int_equal(pci_bus_add(&g->bus, &dev), 0);
	pci_config_write(&g->bus, 2, 0, msix->cap + PCI_MSIX_FLAGS, 2, ENABLE);
	pci_msix_notify(msix, PCI_MSIX_MAX_VECTORS - 1);
	pci_msix_notify(msix, PCI_MSIX_MAX_VECTORS);
	assert_true(pci_msix_pba_read(msix, 0, 8) == BIT(63));
	assert_int_equal(pci_msix_pba_read(msix, 4, 4), 0x80000000);
	for (unsigned i = 0; i < PCI_MSIX_MAX_VECTORS; i++)
		pci_msix_notify(msix, i);
	assert_true(pci_msix_pba_read(msix, 0, 8) == UINT64_MAX);
	for (unsigned off = 1; off < 16; off++) {
		assert_int_equal(pci_msix_pba_read(msix, off, 8), 0);
		assert_int_equal(pci_msix_pba_read(msix, off, 4), off == 4 ? ~0u : 0);
		assert_int_equal(pci_msix_pba_read(msix, off, 2), 0);
	}
	pci_bus_remove(&dev);
	pci_msix_finish(msix);
	free(msix);
}

/* --- hostile ----------------------------------------------------------------------- */

static void case_32_table_accesses_that_do_not_count(void **state)
{
	static const struct { uint64_t off; unsigned size; } bad[] = {
		{ 0, 1 }, { 0, 2 }, { 3, 1 }, { 2, 4 }, { 1, 8 }, { 4, 8 }, { 12, 8 }, { 14, 4 },
		{ 0, 3 }, { 0, 16 }, { 0, 0 },
		{ PG_VECTORS * 16, 4 }, { PG_VECTORS * 16, 8 }, { PG_VECTORS * 16 - 4, 8 },
		{ 0xff8, 8 }, { 0xffffffff0ull, 8 }, { ~7ull, 8 }, { ~3ull, 4 },
	};
	struct pci_guest *g = *state;
	uint64_t before[PG_VECTORS * 2];

	for (unsigned i = 0; i < ARRAY_SIZE(before); i++)
		before[i] = pci_msix_table_read(&g->dev.msix, 8 * i, 8);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		pci_msix_table_write(&g->dev.msix, bad[i].off, bad[i].size, 0x5555555555555555ull);
		assert_true(pci_msix_table_read(&g->dev.msix, bad[i].off, bad[i].size) == 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(before); i++)
		assert_true(pci_msix_table_read(&g->dev.msix, 8 * i, 8) == before[i]);
}

static void case_32_notify_out_of_range_is_dropped(void **state)
{
	struct pci_guest *g = *state;

	start(g);
	notify(g, PG_VECTORS);
	notify(g, PCI_MSIX_MAX_VECTORS);
	notify(g, PCI_MSIX_NO_VECTOR);
	notify(g, ~0u);
	assert_int_equal(pba(g), 0);
	assert_false(g->dev.msix.vectors[PG_VECTORS].pending);
	assert_int_equal(g->fake.msi.sent + g->fake.msi.routes, 0);
}

static void case_32_table_size_and_place_cannot_be_written(void **state)
{
	struct pci_guest *g = *state;
	unsigned cap = g->dev.msix.cap;

	for (unsigned off = 2; off < PCI_CAP_MSIX_SIZEOF; off++)
		pg_ecam_write(g, 1, cap + off, 1, 0xff);
	assert_int_equal(pg_ecam_read(g, 1, cap + PCI_MSIX_FLAGS, 2),
			 ENABLE | MASKALL | (PG_VECTORS - 1));
	assert_int_equal(pg_ecam_read(g, 1, cap + PCI_MSIX_TABLE, 4), PG_TABLE | PG_BAR_MEM64);
	assert_int_equal(pg_ecam_read(g, 1, cap + PCI_MSIX_PBA, 4), PG_PBA | PG_BAR_MEM64);
}

static void case_33_pba_ignores_writes_and_odd_reads(void **state)
{
	static const struct { uint64_t off; unsigned size; } bad[] = {
		{ 0, 1 }, { 0, 2 }, { 2, 4 }, { 4, 8 }, { 1, 8 }, { 8, 4 }, { ~7ull, 8 }, { 0, 0 },
	};
	struct pci_guest *g = *state;

	start(g);
	pg_msix_flags(g, ENABLE | MASKALL);
	notify(g, 0);
	notify(g, 1);
	pg_command(g, PCI_COMMAND_MEMORY);
	pg_mmio_write(g, PG_MEM64 + PG_PBA, 8, 0);
	pg_mmio_write(g, PG_MEM64 + PG_PBA, 4, ~0u);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pci_msix_pba_read(&g->dev.msix, bad[i].off, bad[i].size), 0);
	assert_int_equal(pg_mmio_read(g, PG_MEM64 + PG_PBA, 8), 3);
}

static void case_34_storm_of_masks_and_messages_keeps_routes_constant(void **state)
{
	struct pci_guest *g = *state;
	unsigned fds;

	start(g);
	notify(g, 0);
	notify(g, 1);
	fds = open_fds();
	for (unsigned i = 0; i < 1000000; i++) {
		pg_msix_mask(g, i & 1, true);
		notify(g, i & 1);
		if (i % 16 == 0)
			pg_msix_set(g, i & 1, 0xfee00000ull << (i % 32), i, true);
		pg_msix_mask(g, i & 1, false);
	}
	assert_int_equal(g->fake.msi.routes, 2);
	assert_int_equal(open_fds(), fds);
	assert_int_equal(fired(g, 0) + fired(g, 1), 1000002);
	assert_int_equal(pba(g), 0);
}

/* What is written to stderr while @run runs, counted in lines. */
static unsigned log_lines(struct pci_guest *g, void (*run)(struct pci_guest *g))
{
	FILE *f = tmpfile();
	int saved = dup(STDERR_FILENO), c;
	unsigned lines = 0;

	dup2(fileno(f), STDERR_FILENO);
	run(g);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(f);
	while ((c = fgetc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

static int send_fails(void *ctx, const struct msi_message *msg)
{
	return -EINVAL;
}

static void garbage_storm(struct pci_guest *g)
{
	for (unsigned i = 0; i < 100000; i++) {
		pg_msix_set(g, i % PG_VECTORS, 0xdeadbeef00ull * i, ~i, false);
		notify(g, i % PG_VECTORS);
	}
}

static void case_34_failing_routes_are_logged_once(void **state)
{
	struct pci_guest *g = *state;

	g->fake.msi.fail_routes = 1;
	pg_msix_flags(g, ENABLE);
	assert_int_equal(log_lines(g, garbage_storm), 1);
	assert_int_equal(g->fake.msi.sent, 100000);
	assert_int_equal(g->fake.msi.routes, 0);
}

static void case_34_failing_sends_are_rate_limited(void **state)
{
	struct pci_guest *g = *state;
	struct msi_ops ops = { .send = send_fails, .unroute = g->dev.pci.msi.ops->unroute };
	struct msi_sink sink = g->dev.pci.msi;

	g->dev.pci.msi.ops = &ops;
	pg_msix_flags(g, ENABLE);
	assert_in_range(log_lines(g, garbage_storm), 2, 2 + 2 * LOG_GUEST_BURST);
	g->dev.pci.msi = sink;
}

/* Signals, the table and the capability from three threads; for TSan mostly. */
struct racer {
	struct pci_guest *g;
	pthread_t thread;
	unsigned rounds;
};

static void *race_notify(void *arg)
{
	struct racer *r = arg;

	for (unsigned i = 0; i < r->rounds; i++) {
		notify(r->g, i % PG_VECTORS);
		pci_msix_enabled(&r->g->dev.msix);
		pci_intx_set(&r->g->dev.pci, i & 1);
	}
	return NULL;
}

static void *race_table(void *arg)
{
	struct racer *r = arg;

	for (unsigned i = 0; i < r->rounds; i++) {
		pg_msix_set(r->g, i % PG_VECTORS, 0xfee00000, i % 3, i & 1);
		pba(r->g);
	}
	return NULL;
}

static void case_34_storm_from_several_threads_loses_no_interrupt(void **state)
{
	struct pci_guest *g = *state;
	struct racer a = { .g = g, .rounds = 20000 }, b = a;

	pg_msix_flags(g, ENABLE);
	for (unsigned i = 0; i < PG_VECTORS; i++) {
		pg_msix_mask(g, i, false);
		notify(g, i);
	}
	pthread_create(&a.thread, NULL, race_notify, &a);
	pthread_create(&b.thread, NULL, race_table, &b);
	for (unsigned i = 0; i < 5000; i++) {
		pg_msix_flags(g, ENABLE | (i & 1 ? MASKALL : 0));
		if (i % 100 == 0) {
			pg_msix_flags(g, 0);
			sched_yield();
		}
	}
	pthread_join(a.thread, NULL);
	pthread_join(b.thread, NULL);
	pg_msix_flags(g, ENABLE);
	for (unsigned i = 0; i < PG_VECTORS; i++) {
		pg_msix_mask(g, i, false);
		fired(g, i);
		notify(g, i);
		assert_int_equal(fired(g, i), 1);
	}
	assert_int_equal(pba(g), 0);
	assert_int_equal(g->fake.msi.routes, PG_VECTORS);
	pci_intx_set(&g->dev.pci, false);
	assert_int_equal(g->intx[1].level, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(notify_writes_the_eventfd_of_its_vector),
		T(no_route_is_taken_before_a_vector_delivers),
		T(masked_vector_is_pending_until_unmasked),
		T(function_mask_holds_all_vectors_back),
		T(unmasking_under_the_function_mask_stays_pending),
		T(nothing_is_sent_or_pending_while_msix_is_off),
		T(a_message_names_the_function_that_sends_it),
		T(an_8_byte_write_sets_data_before_it_unmasks),
		T(messages_wait_for_bus_mastering),
		T(a_changed_message_takes_over_the_old_route),
		T(a_sink_without_route_sends),
		T(routes_that_run_out_later_leave_the_bound_ones_working),
		T(table_reads_back_what_was_written),
		T(pba_reads_by_dword_and_qword),
		T(the_full_number_of_vectors_works),
		T(case_32_table_accesses_that_do_not_count),
		T(case_32_notify_out_of_range_is_dropped),
		T(case_32_table_size_and_place_cannot_be_written),
		T(case_33_pba_ignores_writes_and_odd_reads),
		T(case_34_storm_of_masks_and_messages_keeps_routes_constant),
		T(case_34_failing_routes_are_logged_once),
		T(case_34_failing_sends_are_rate_limited),
		T(case_34_storm_from_several_threads_loses_no_interrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
