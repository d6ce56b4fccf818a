/* SPDX-License-Identifier: MIT */
/* The EMMC host of a BCM283x, with a card; its guest in a thread of its own in one test. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/bcm283x_sdhci.h"
#include "tests/fake.h"
#include "tests/mem_disk.h"
#include "tests/until.h"
#include "vmm/util.h"

#define HOST 0x3f300000
#define DISK_LEN (1u << 20)

#define R2 (1u << 16)
#define R1 (2u << 16)
#define R1B (3u << 16)
#define DATA (1u << 21)
#define READ 0x10
#define MULTI 0x22

struct fixture {
	struct fake f;
	struct fake_irq irq;
	struct mem_disk disk;
	struct bcm283x_sdhci host;
	uint32_t rca;
	atomic_bool done;
};

static uint32_t in(struct fixture *t, unsigned reg)
{
	uint64_t v = 0;

	bus_read(&t->f.mmio, HOST + reg, 4, &v);
	return v;
}

static void out(struct fixture *t, unsigned reg, uint32_t value)
{
	bus_write(&t->f.mmio, HOST + reg, 4, value);
}

static int setup_card(void **state, bool readonly)
{
	const struct disk_info info = { DISK_LEN, 512, 512, 0, readonly };
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	mem_disk_init(&t->disk, t->f.loop, &info);
	for (unsigned i = 0; i < DISK_LEN; i++)
		t->disk.data[i] = i * 5 + i / 512;
	bcm283x_sdhci_init(&t->host, fake_irq_line(&t->irq));
	assert_int_equal(bcm283x_sdhci_insert(&t->host, t->f.loop, t->disk.disk), 0);
	assert_int_equal(bus_add(&t->f.mmio, &t->host.region, HOST), 0);
	out(t, 0x34, ~0u);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return setup_card(state, false);
}

static int setup_locked(void **state)
{
	return setup_card(state, true);
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	mem_disk_release(&t->disk);
	bcm283x_sdhci_finish(&t->host);
	mem_disk_finish(&t->disk);
	fake_finish(&t->f);
	free(t);
	return 0;
}

/* Whether it was answered. */
static bool cmd(struct fixture *t, unsigned index, uint32_t arg, uint32_t flags)
{
	uint32_t status;

	out(t, 0x08, arg);
	out(t, 0x0c, index << 24 | flags);
	status = in(t, 0x30);
	out(t, 0x30, status & (1 | 0xffff0000));
	return (status & 1) && !(status & 1 << 15);
}

static bool acmd(struct fixture *t, unsigned index, uint32_t arg, uint32_t flags)
{
	return cmd(t, 55, t->rca << 16, R1) && cmd(t, index, arg, flags);
}

static void identify(struct fixture *t)
{
	assert_true(cmd(t, 0, 0, 0));
	assert_true(cmd(t, 8, 0x1aa, R1));
	assert_true(acmd(t, 41, 0x40ff8000, R1));
	assert_true(cmd(t, 2, 0, R2));
	assert_int_equal(in(t, 0x1c), 0x004d56);
	assert_int_equal(in(t, 0x18) >> 24, 'M');
	assert_true(cmd(t, 3, 0, R1));
	t->rca = in(t, 0x10) >> 16;
	assert_true(cmd(t, 7, t->rca << 16, R1B));
	assert_int_equal(in(t, 0x30), 2);
	out(t, 0x30, 2);
}

static unsigned card_state(struct fixture *t)
{
	assert_true(cmd(t, 13, t->rca << 16, R1));
	return in(t, 0x10) >> 9 & 0xf;
}

static void a_guest_sees_a_card_and_what_the_host_can(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(in(t, 0x24) >> 16 & 0xf, 0xf);
	assert_int_equal(in(t, 0xfc) >> 16 & 0xff, 2);
	assert_int_equal(in(t, 0x40) & (7u << 19 | 1 << 22), 1 << 21);
	out(t, 0x2c, 0xff01);
	assert_int_equal(in(t, 0x2c), 0xff03);
	/* A reset has ended when it is looked at, and a clock that is off is not stable. */
	out(t, 0x2c, 3u << 25 | 0xff02);
	assert_int_equal(in(t, 0x2c), 0xff00);
}

static void a_card_that_is_locked_shows_it(void **state)
{
	assert_int_equal(in(*state, 0x24) >> 16 & 0xf, 7);
}

static void registers_are_kept_until_a_reset(void **state)
{
	static const uint8_t kept[] = { 0x00, 0x04, 0x08, 0x28, 0x2c, 0x34, 0x38 };
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
		out(t, kept[i], 0x80220000 | kept[i]);
		assert_int_equal(in(t, kept[i]), 0x80220000 | kept[i]);
	}
	assert_false(cmd(t, 5, 1, R1));
	assert_int_equal(in(t, 0x0c), 5u << 24 | R1);
	assert_int_equal(in(t, 0x44), 0);
	assert_false(cmd(t, 0, 0, 0));
	out(t, 0x34, ~0u);
	identify(t);
	out(t, 0x2c, 1 << 24);
	for (unsigned reg = 0; reg < 0x40; reg += 4)
		assert_int_equal(in(t, reg), reg == 0x24 ? 0x01ff0000 : 0);
}

static void without_a_card_nobody_answers(void **state)
{
	static const struct disk_info small = { 256 << 10, 512, 512, 0, false };
	struct fixture *t = *state;
	struct bcm283x_sdhci *empty = calloc(1, sizeof(*empty));
	struct mem_disk disk = { 0 };

	mem_disk_init(&disk, t->f.loop, &small);
	bcm283x_sdhci_init(empty, fake_irq_line(&t->irq));
	assert_int_equal(bcm283x_sdhci_insert(empty, t->f.loop, disk.disk), -EINVAL);
	bus_remove(&t->f.mmio, &t->host.region);
	assert_int_equal(bus_add(&t->f.mmio, &empty->region, HOST), 0);
	assert_int_equal(in(t, 0x24), 0x01f00000);
	out(t, 0x34, ~0u);
	assert_false(cmd(t, 0, 0, 0));
	out(t, 0x04, 512);
	assert_false(cmd(t, 17, 0, R1 | DATA | READ));
	assert_int_equal(in(t, 0x20), 0);
	assert_int_equal(in(t, 0x30), 0);
	bcm283x_sdhci_reset(empty);
	bus_remove(&t->f.mmio, &empty->region);
	bcm283x_sdhci_finish(empty);
	disk_close(disk.disk);
	mem_disk_finish(&disk);
	free(empty);
}

static void the_capacity_is_read_without_a_checksum(void **state)
{
	struct fixture *t = *state;

	assert_true(cmd(t, 0, 0, 0));
	assert_true(cmd(t, 8, 0x1aa, R1));
	assert_true(acmd(t, 41, 0x40ff8000, R1));
	assert_true(cmd(t, 2, 0, R2));
	assert_true(cmd(t, 3, 0, R1));
	assert_true(cmd(t, 9, in(t, 0x10), R2));
	assert_int_equal(((in(t, 0x14) >> 8 & 0x3fffff) + 1) * 512u << 10, DISK_LEN);
}

static void nobody_answers_what_no_card_knows(void **state)
{
	struct fixture *t = *state;

	identify(t);
	out(t, 0x38, ~0u);
	out(t, 0x08, 0);
	out(t, 0x0c, 5u << 24 | R1);
	assert_int_equal(in(t, 0x30), 1 << 16 | 1 << 15);
	assert_int_equal(t->irq.level, 1);
	/* The bit that sums the errors up goes with them. */
	out(t, 0x30, 1 << 16);
	assert_int_equal(in(t, 0x30), 0);
	assert_int_equal(t->irq.level, 0);
}

static void blocks_are_read_one_by_one(void **state)
{
	struct fixture *t = *state;
	uint8_t data[512];

	identify(t);
	out(t, 0x04, 3 << 16 | 512);
	assert_true(cmd(t, 18, 7, R1 | DATA | READ | MULTI | 1 << 2));
	for (unsigned b = 0; b < 3; b++) {
		UNTIL_IN(t->f.loop, in(t, 0x30) & 1 << 5);
		out(t, 0x30, 1 << 5);
		/* Of each block once. */
		assert_int_equal(in(t, 0x30), 0);
		assert_int_equal(in(t, 0x24) & 0xf02, 1 << 11 | 1 << 9 | 2);
		for (unsigned i = 0; i < 512; i += 4) {
			out(t, 0x20, 0x5555);
			assert_int_equal(in(t, 0x30), 0);
			store_le(data + i, 4, in(t, 0x20));
		}
		assert_memory_equal(data, t->disk.data + (7 + b) * 512, 512);
	}
	UNTIL_IN(t->f.loop, in(t, 0x30) & 2);
	assert_int_equal(in(t, 0x24) & 3, 0);
	out(t, 0x30, 2);
	assert_int_equal(card_state(t), 4);
	assert_int_equal(in(t, 0x30), 0);
}

static void a_block_that_comes_interrupts(void **state)
{
	struct fixture *t = *state;

	identify(t);
	out(t, 0x38, 1 << 5);
	out(t, 0x04, 512);
	mem_disk_hold(&t->disk);
	assert_true(cmd(t, 17, 7, R1 | DATA | READ));
	fake_settle(&t->f);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, 0x24) & 0xf02, 1 << 9 | 2);
	assert_int_equal(in(t, 0x20), 0);
	mem_disk_release(&t->disk);
	UNTIL_IN(t->f.loop, t->irq.level);
	/* The next one comes, too, when this is not wanted any more. */
	assert_true(cmd(t, 12, 0, R1));
	out(t, 0x30, ~0u);
	assert_int_equal(in(t, 0x20), 0);
	assert_int_equal(in(t, 0x24) & 0xf02, 0);
	assert_true(cmd(t, 17, 8, R1 | DATA | READ));
	UNTIL_IN(t->f.loop, t->irq.level);
	assert_int_equal(in(t, 0x20), load_le(t->disk.data + 8 * 512, 4));
	/* And a card that starts anew has none. */
	assert_true(cmd(t, 0, 0, 0));
	assert_int_equal(in(t, 0x24) & 0xf02, 0);
	bcm283x_sdhci_reset(&t->host);
	assert_int_equal(t->irq.level, 0);
}

static void one_block_is_one_whatever_the_count_says(void **state)
{
	static const uint32_t modes[] = { 0, 0x02, 0x20 };	/* MULTI needs both bits */
	struct fixture *t = *state;

	identify(t);
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		out(t, 0x04, 3 << 16 | 512);
		assert_true(cmd(t, 17, 7, R1 | DATA | READ | modes[i]));
		UNTIL_IN(t->f.loop, in(t, 0x30) & 1 << 5);
		/* Another length is for the next transfer. */
		out(t, 0x04, 8);
		assert_int_equal(in(t, 0x04), 3 << 16 | 512);
		for (unsigned n = 0; n < 512; n += 4)
			in(t, 0x20);
		assert_int_equal(in(t, 0x30), 1 << 5 | 2);
		out(t, 0x30, 1 << 5 | 2);
	}
}

static void without_automatic_stop_the_card_goes_on(void **state)
{
	struct fixture *t = *state;

	identify(t);
	out(t, 0x04, 512);
	assert_true(cmd(t, 18, 7, R1 | DATA | READ));
	UNTIL_IN(t->f.loop, in(t, 0x30) & 1 << 5);
	for (unsigned i = 0; i < 512; i += 4)
		in(t, 0x20);
	assert_int_equal(in(t, 0x30), 1 << 5 | 2);
	assert_int_equal(card_state(t), 5);
	assert_true(cmd(t, 12, 0, R1));
	assert_int_equal(card_state(t), 4);
}

static void blocks_are_written_and_the_end_waits_for_the_disk(void **state)
{
	struct fixture *t = *state;

	identify(t);
	out(t, 0x04, 2 << 16 | 512);
	assert_true(cmd(t, 25, 11, R1 | DATA | MULTI));
	mem_disk_hold(&t->disk);
	for (unsigned b = 0; b < 2; b++) {
		UNTIL_IN(t->f.loop, in(t, 0x30) & 1 << 4);
		out(t, 0x30, 1 << 4);
		assert_int_equal(in(t, 0x24) & 0xf02, 1 << 10 | 1 << 8 | 2);
		for (unsigned i = 0; i < 512; i += 4) {
			assert_int_equal(in(t, 0x20), 0);
			out(t, 0x20, 0x01010101 * (b + 1));
		}
	}
	fake_settle(&t->f);
	assert_int_equal(in(t, 0x30) & 2, 0);
	assert_int_equal(in(t, 0x24) & 0xf02, 2);
	mem_disk_release(&t->disk);
	UNTIL_IN(t->f.loop, in(t, 0x30) & 2);
	assert_int_equal(t->disk.data[11 * 512], 1);
	assert_int_equal(t->disk.data[12 * 512 + 511], 2);
}

static void an_error_of_the_disk_is_a_timeout_of_data(void **state)
{
	struct fixture *t = *state;

	identify(t);
	t->disk.error = -EIO;
	out(t, 0x04, 512);
	assert_true(cmd(t, 17, 0, R1 | DATA | READ));
	UNTIL_IN(t->f.loop, in(t, 0x30) & 1 << 20);
	assert_int_equal(in(t, 0x24) & 2, 0);
	/* Once, and the transfer has no other end. */
	out(t, 0x30, 1 << 20);
	assert_int_equal(in(t, 0x30), 0);
	t->disk.error = 0;
}

/* The vCPU's side of a few reads, while the loop turns elsewhere: for TSan. */
static void *guest(void *arg)
{
	struct fixture *t = arg;

	for (unsigned n = 0; n < 20; n++) {
		cmd(t, 17, n, R1 | DATA | READ);
		while (!(in(t, 0x24) & 1 << 11))
			sched_yield();
		for (unsigned i = 0; i < 128; i++)
			in(t, 0x20);
	}
	atomic_store(&t->done, true);
	return NULL;
}

static void a_vcpu_reads_while_the_loop_turns(void **state)
{
	struct fixture *t = *state;
	pthread_t thread;

	identify(t);
	out(t, 0x04, 512);
	pthread_create(&thread, NULL, guest, t);
	UNTIL_IN(t->f.loop, atomic_load(&t->done));
	pthread_join(thread, NULL);
	assert_int_equal(t->disk.n[DISK_READ], 20);
}

static void a_reset_of_the_data_line_ends_the_transfer(void **state)
{
	struct fixture *t = *state;

	identify(t);
	out(t, 0x04, 512);
	mem_disk_hold(&t->disk);
	assert_true(cmd(t, 24, 11, R1 | DATA));
	UNTIL_IN(t->f.loop, in(t, 0x30) & 1 << 4);
	for (unsigned i = 0; i < 512; i += 4)
		out(t, 0x20, 0);
	out(t, 0x2c, 1 << 25);
	assert_int_equal(in(t, 0x24) & 2, 2);
	out(t, 0x2c, 1 << 26);
	assert_int_equal(in(t, 0x24) & 2, 0);
	mem_disk_release(&t->disk);
	fake_settle(&t->f);
	assert_int_equal(in(t, 0x30), 1 << 4);
	/* What is not enabled is not shown either. */
	out(t, 0x34, 0);
	assert_int_equal(in(t, 0x30), 0);
}

static void a_reset_forgets_the_transfer(void **state)
{
	struct fixture *t = *state;

	identify(t);
	out(t, 0x04, 512);
	assert_true(cmd(t, 24, 0, R1 | DATA));
	bcm283x_sdhci_reset(&t->host);
	assert_int_equal(in(t, 0x24) & 2, 0);
	fake_settle(&t->f);
	out(t, 0x34, ~0u);
	/* The card lost its address. */
	assert_false(cmd(t, 13, t->rca << 16, R1));
	t->rca = 0;
	identify(t);
}

static void case_36_every_offset_and_size_is_answered(void **state)
{
	struct fixture *t = *state;
	uint64_t v;

	identify(t);
	for (unsigned size = 1; size <= 8; size *= 2)
		for (unsigned off = 0; off + size <= 0x100; off++) {
			bus_write(&t->f.mmio, HOST + off, size, 0x1932ff2f1232ull);
			bus_read(&t->f.mmio, HOST + off, size, &v);
			bus_write(&t->f.mmio, HOST + off, size, ~0ull);
		}
	fake_settle(&t->f);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_guest_sees_a_card_and_what_the_host_can),
		cmocka_unit_test_setup_teardown(a_card_that_is_locked_shows_it, setup_locked,
						teardown),
		T(registers_are_kept_until_a_reset),
		T(without_a_card_nobody_answers),
		T(the_capacity_is_read_without_a_checksum),
		T(nobody_answers_what_no_card_knows),
		T(blocks_are_read_one_by_one),
		T(a_block_that_comes_interrupts),
		T(one_block_is_one_whatever_the_count_says),
		T(without_automatic_stop_the_card_goes_on),
		T(blocks_are_written_and_the_end_waits_for_the_disk),
		T(an_error_of_the_disk_is_a_timeout_of_data),
		T(a_vcpu_reads_while_the_loop_turns),
		T(a_reset_of_the_data_line_ends_the_transfer),
		T(a_reset_forgets_the_transfer),
		T(case_36_every_offset_and_size_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
