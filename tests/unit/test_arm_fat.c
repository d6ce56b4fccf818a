/* SPDX-License-Identifier: MIT */
/* Files of SD cards' images and of directories; and cards that lie. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/arm/boot_fat.h"
#include "arch/arm/boot_source.h"
#include "tests/capture.h"
#include "tests/fat_image.h"
#include "vmm/util.h"

#define BIG 100001u
#define MAX_TEXT (1u << 20)
#define PARTITION (1u << 20)	/* where one begins */

static const unsigned all_bits[] = { 12, 16, 32 };

struct card {
	struct fat_image fat;
	uint8_t big[BIG];
	uint32_t big_cluster, dir_cluster, text_cluster;
	unsigned behind;	/* bytes of the image that are no volume's */
	char path[32];
	int fd;
};

static void card_init(struct card *c, unsigned bits)
{
	for (unsigned i = 0; i < BIG; i++)
		c->big[i] = i * 7 >> 3;
	c->fd = -1;
	c->behind = 0;
	fat_image_init(&c->fat, bits);
	c->text_cluster = c->fat.next;
	fat_image_text(&c->fat, FAT_ROOT, "CONFIG.TXT", "kernel=x\n");
	c->dir_cluster = fat_image_dir(&c->fat, FAT_ROOT, "Over-Lays");
	c->big_cluster = fat_image_file(&c->fat, c->dir_cluster,
					"a name that is longer than thirteen letters.dtbo", c->big, BIG);
	fat_image_file(&c->fat, FAT_ROOT, "EMPTY", "", 0);
}

static void card_finish(struct card *c)
{
	if (c->fd >= 0)
		close(c->fd);
	fat_image_finish(&c->fat);
}

static int card_open(struct card *c, struct boot_source *s)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = fat_image_save(&c->fat, 0, c->path);
	assert_int_equal(ftruncate(c->fd, c->fat.len + c->behind), 0);
	return boot_source_open(s, c->path);
}

/* The answer to reading @name of the card as it is now; what was read is @want. */
static int card_read(struct card *c, const char *name, const void *want, size_t want_len)
{
	struct boot_source s;
	char *text;
	size_t len;
	int ret = card_open(c, &s);

	if (ret < 0)
		return ret;
	ret = boot_source_read(&s, name, MAX_TEXT, &text, &len);
	boot_source_close(&s);
	if (ret < 0)
		return ret;
	if (want) {
		assert_int_equal(len, want_len);
		assert_memory_equal(text, want, want_len);
	}
	free(text);
	return 0;
}

#define BIG_NAME "over-lays/A Name That Is Longer Than Thirteen Letters.DTBO"

/* --- what is sound -------------------------------------------------------------------- */

static void files_are_found_and_whole_in_every_kind(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all_bits); i++) {
		struct card c;

		card_init(&c, all_bits[i]);
		assert_int_equal(card_read(&c, "config.txt", "kernel=x\n", 9), 0);
		assert_int_equal(card_read(&c, "/Config.TXT", "kernel=x\n", 9), 0);
		assert_int_equal(card_read(&c, BIG_NAME, c.big, BIG), 0);
		assert_int_equal(card_read(&c, "empty", "", 0), 0);
		card_finish(&c);
	}
}

static void what_is_not_there_is_silently_missing(void **state)
{
	static const char *const names[] = {
		"config.tx", "config.txt2", "config.txt/x", "nowhere/config.txt", "over-lays/x",
		"a name that is longer than thirteen letters.dtbo",
	};
	struct card c;

	card_init(&c, 16);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(card_read(&c, names[i], NULL, 0), -ENOENT);
	card_finish(&c);
}

static void a_directory_is_no_file(void **state)
{
	struct card c;

	card_init(&c, 32);
	assert_int_equal(card_read(&c, "over-lays", NULL, 0), -EISDIR);
	assert_int_equal(card_read(&c, "/", NULL, 0), -EISDIR);
	card_finish(&c);
}

static void what_is_too_long_to_be_read_is_refused(void **state)
{
	struct boot_source s;
	struct card c;
	char *text;
	size_t len;

	card_init(&c, 16);
	assert_int_equal(card_open(&c, &s), 0);
	assert_int_equal(boot_source_read(&s, "config.txt", 8, &text, &len), -EFBIG);
	boot_source_close(&s);
	card_finish(&c);
}

static void a_deleted_name_and_a_label_are_nothing(void **state)
{
	struct card c;

	card_init(&c, 16);
	fat_image_entry(&c.fat, c.text_cluster)[0] = 0xe5;
	assert_int_equal(card_read(&c, "config.txt", NULL, 0), -ENOENT);
	card_finish(&c);
	card_init(&c, 16);
	fat_image_entry(&c.fat, c.text_cluster)[11] = 0x08;
	assert_int_equal(card_read(&c, "config.txt", NULL, 0), -ENOENT);
	card_finish(&c);
}

static void a_long_name_whose_sum_is_wrong_does_not_count(void **state)
{
	struct card c;
	uint8_t *e;

	card_init(&c, 16);
	e = fat_image_entry(&c.fat, c.big_cluster);
	e[0]++;
	assert_int_equal(card_read(&c, BIG_NAME, NULL, 0), -ENOENT);
	e[0]--;
	e[-32]++;	/* the order of its parts */
	assert_int_equal(card_read(&c, BIG_NAME, NULL, 0), -ENOENT);
	card_finish(&c);
}

static void a_name_may_have_letters_of_others(void **state)
{
	struct card c;
	char alias[32];
	uint8_t *e;

	card_init(&c, 16);
	fat_image_file(&c.fat, FAT_ROOT, "xyz of Zoe.txt", "zoe", 3);
	e = fat_image_entry(&c.fat, c.fat.next - 1);
	assert_int_equal(card_read(&c, "XYZ OF ZOE.TXT", "zoe", 3), 0);
	assert_int_equal(card_read(&c, "XYZ OF ZOE.TXT2", NULL, 0), -ENOENT);
	/* Its short name counts as well. */
	snprintf(alias, sizeof(alias), "f%06u.~1", c.fat.next - 1);
	assert_int_equal(card_read(&c, alias, "zoe", 3), 0);
	store_le(e - 32 + 1, 2, 0xe9);
	store_le(e - 32 + 3, 2, 0x20ac);
	store_le(e - 32 + 5, 2, 0x7ff);
	assert_int_equal(card_read(&c, "\xc3\xa9\xe2\x82\xac\xdf\xbf OF ZOE.TXT", "zoe", 3), 0);
	/* One whose first byte says otherwise that it is free. */
	e = fat_image_entry(&c.fat, c.text_cluster);
	e[0] = 0x05;
	assert_int_equal(card_read(&c, "\xe5onfig.txt", "kernel=x\n", 9), 0);
	e[0] = 0xe5;
	assert_int_equal(card_read(&c, "\xe5onfig.txt", NULL, 0), -ENOENT);
	card_finish(&c);
}

static void the_first_of_two_files_of_a_name_counts(void **state)
{
	struct card c;

	card_init(&c, 16);
	fat_image_file(&c.fat, FAT_ROOT, "CONFIG.TXT", "other", 5);
	assert_int_equal(card_read(&c, "config.txt", "kernel=x\n", 9), 0);
	/* And none behind the end of the directory. */
	fat_image_entry(&c.fat, c.text_cluster)[0] = 0;
	assert_int_equal(card_read(&c, "config.txt", NULL, 0), -ENOENT);
	card_finish(&c);
}

/* Fills the cluster or the root that is at @p with deleted names, but for its last entry. */
static void move_to_end(uint8_t *p, size_t len, const uint8_t *entry)
{
	uint8_t last[32];

	memcpy(last, entry, sizeof(last));
	memset(p, 0xe5, len - sizeof(last));
	memcpy(p + len - sizeof(last), last, sizeof(last));
}

static void a_directory_may_be_full(void **state)
{
	/* Each of these ends a chain. */
	static const uint32_t ends[][2] = {
		{ 12, 0xff8 }, { 12, 0xfff }, { 16, 0xfff8 }, { 16, 0xffff },
		{ 32, 0x0ffffff8 }, { 32, 0xffffffff },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		struct card c;
		uint8_t *root;

		card_init(&c, ends[i][0]);
		root = c.fat.p + (c.fat.bits == 32 ? c.fat.data : c.fat.root);
		move_to_end(root, c.fat.data - c.fat.root + (c.fat.bits == 32 ? FAT_CLUSTER : 0),
			    fat_image_entry(&c.fat, c.text_cluster));
		if (c.fat.bits == 32)
			fat_image_link(&c.fat, 2, ends[i][1]);
		assert_int_equal(card_read(&c, "config.txt", "kernel=x\n", 9), 0);
		assert_int_equal(card_read(&c, "config.tx", NULL, 0), -ENOENT);
		card_finish(&c);
		card_init(&c, ends[i][0]);
		fat_image_link(&c.fat, c.dir_cluster, ends[i][1]);
		while (fat_image_file(&c.fat, c.dir_cluster, "X", "", 0),
		       c.fat.p[c.fat.data + (c.dir_cluster - 1) * FAT_CLUSTER - 32] == 0)
			;
		assert_int_equal(card_read(&c, "over-lays/y", NULL, 0), -ENOENT);
		card_finish(&c);
	}
}

static void what_is_reserved_does_not_count(void **state)
{
	struct card c;

	/* The upper half of a cluster's number, where there is none. */
	card_init(&c, 16);
	store_le(fat_image_entry(&c.fat, c.text_cluster) + 20, 2, 7);
	assert_int_equal(card_read(&c, "config.txt", "kernel=x\n", 9), 0);
	card_finish(&c);
	card_init(&c, 32);
	c.behind = 256u << 20;
	store_le(fat_image_entry(&c.fat, c.text_cluster) + 20, 2, 1);
	assert_int_equal(card_read(&c, "config.txt", NULL, 0), -EINVAL);
	/* The uppermost four bits of an entry. */
	fat_image_link(&c.fat, c.big_cluster, 0xf0000000 | (c.big_cluster + 1));
	assert_int_equal(card_read(&c, BIG_NAME, c.big, BIG), 0);
	card_finish(&c);
}

static void a_table_may_have_just_enough_entries(void **state)
{
	struct card c;
	struct boot_source s;

	card_init(&c, 16);
	/* 20 sectors of 256 entries, two of which are no clusters'. */
	store_le(c.fat.p + 32, 4, c.fat.data / 512 + 4 * (20 * 256 - 2));
	c.behind = 4 << 20;
	assert_int_equal(card_open(&c, &s), 0);
	boot_source_close(&s);
	store_le(c.fat.p + 32, 4, c.fat.data / 512 + 4 * (20 * 256 - 1));
	assert_int_equal(card_open(&c, &s), -EINVAL);
	card_finish(&c);
}

/* --- case 94: cards that lie ------------------------------------------------------------- */

static void case_94_chains_that_go_round_are_refused(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all_bits); i++) {
		struct card c;

		card_init(&c, all_bits[i]);
		fat_image_link(&c.fat, c.big_cluster + 9, c.big_cluster + 2);
		assert_int_equal(card_read(&c, BIG_NAME, NULL, 0), -EINVAL);
		fat_image_link(&c.fat, c.big_cluster + 9, c.big_cluster + 9);
		assert_int_equal(card_read(&c, BIG_NAME, NULL, 0), -EINVAL);
		card_finish(&c);
		/* A directory that is full, and followed by itself. */
		card_init(&c, all_bits[i]);
		fat_image_link(&c.fat, c.dir_cluster, c.dir_cluster);
		for (unsigned n = 0; n < 61; n++)
			fat_image_file(&c.fat, c.dir_cluster, "X", "", 0);
		assert_int_equal(card_read(&c, "over-lays/y", NULL, 0), -EINVAL);
		card_finish(&c);
	}
}

static void case_94_chains_that_lead_nowhere_are_refused(void **state)
{
	static const uint32_t nowhere[] = { 0, 1, 302, 303, 0xff7 };

	for (unsigned i = 0; i < ARRAY_SIZE(nowhere); i++) {
		struct card c;

		card_init(&c, 12);
		c.behind = 16 << 20;
		fat_image_link(&c.fat, c.big_cluster + 3, nowhere[i]);
		assert_int_equal(card_read(&c, BIG_NAME, NULL, 0), -EINVAL);
		card_finish(&c);
		card_init(&c, 32);
		c.behind = 16 << 20;
		store_le(fat_image_entry(&c.fat, c.dir_cluster) + 26, 2, nowhere[i]);
		assert_int_equal(card_read(&c, "over-lays/x", NULL, 0), i ? -EINVAL : -ENOENT);
		store_le(fat_image_entry(&c.fat, c.text_cluster) + 26, 2, nowhere[i]);
		assert_int_equal(card_read(&c, "config.txt", NULL, 0), -EINVAL);
		store_le(c.fat.p + 44, 4, 1000);	/* the root */
		assert_int_equal(card_read(&c, "config.txt", NULL, 0), -EINVAL);
		card_finish(&c);
	}
}

static void case_94_a_file_longer_than_its_chain_is_refused(void **state)
{
	struct card c;

	card_init(&c, 16);
	store_le(fat_image_entry(&c.fat, c.text_cluster) + 28, 4, FAT_CLUSTER + 1);
	assert_int_equal(card_read(&c, "config.txt", NULL, 0), -EINVAL);
	store_le(fat_image_entry(&c.fat, c.text_cluster) + 28, 4, 5000 * FAT_CLUSTER + 1);
	assert_int_equal(card_read(&c, "config.txt", NULL, 0), -EINVAL);
	store_le(fat_image_entry(&c.fat, c.text_cluster) + 28, 4, UINT32_MAX);
	assert_int_equal(card_read(&c, "config.txt", NULL, 0), -EFBIG);
	card_finish(&c);
}

/* Of these the sector itself tells that it is none. */
static void case_94_what_is_no_boot_sector_is_not_taken_for_one(void **state)
{
	static const struct {
		unsigned off, len;
		uint32_t value;
	} lies[] = {
		{ 11, 2, 0 }, { 11, 2, 256 }, { 11, 2, 8192 }, { 11, 2, 513 }, { 11, 2, 1536 },
		{ 13, 1, 0 }, { 13, 1, 3 }, { 14, 2, 0 }, { 16, 1, 0 }, { 16, 1, 5 },
		{ 17, 2, 0 }, { 22, 2, 0 }, { 32, 4, 0 }, { 0, 1, 0 }, { 0, 1, 0xea },
		{ 510, 2, 0 }, { 510, 2, 0xaa56 },
	};
	struct card c;
	uint8_t s[512];

	card_init(&c, 16);
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		memcpy(s, c.fat.p, sizeof(s));
		store_le(s + lies[i].off, lies[i].len, lies[i].value);
		if (boot_fat_probe(s))
			fail_msg("byte %u of the boot sector may be %u", lies[i].off, lies[i].value);
	}
	/* The largest of all; the other jump; four tables. */
	memcpy(s, c.fat.p, sizeof(s));
	s[0] = 0xe9;
	s[16] = 4;
	store_le(s + 11, 2, 4096);
	s[13] = 64;
	assert_true(boot_fat_probe(s));
	s[13] = 128;
	assert_false(boot_fat_probe(s));
	card_finish(&c);
	card_init(&c, 32);
	store_le(c.fat.p + 36, 4, 0);
	assert_false(boot_fat_probe(c.fat.p));
	card_finish(&c);
}

static void case_94_what_is_before_the_data_is_longer_than_all(void **state)
{
	struct boot_source s;
	struct card c;

	/* A table that has numbers for as many clusters as are left: less than none. */
	card_init(&c, 32);
	store_le(c.fat.p + 36, 4, 0x04000000);
	assert_int_equal(card_open(&c, &s), -EINVAL);
	card_finish(&c);
	/* No cluster at all. */
	card_init(&c, 32);
	store_le(c.fat.p + 32, 4, c.fat.data / 512);
	assert_int_equal(card_open(&c, &s), -EINVAL);
	card_finish(&c);
}

static void case_94_more_clusters_than_16_bits_number_are_refused(void **state)
{
	static const unsigned clusters[] = { 65524, 65525 };

	for (unsigned i = 0; i < ARRAY_SIZE(clusters); i++) {
		struct boot_source s;
		struct card c;
		uint32_t before = 32 + 2 * 1000 + 32;

		card_init(&c, 16);
		store_le(c.fat.p + 22, 2, 1000);
		c.fat.p[13] = 1;
		store_le(c.fat.p + 32, 4, before + clusters[i]);
		c.behind = 64 << 20;
		assert_int_equal(card_open(&c, &s), i ? -EINVAL : 0);
		if (!i)
			boot_source_close(&s);
		card_finish(&c);
	}
}

static void case_94_parts_of_names_that_make_none(void **state)
{
	/* What the first entry of the name says: the number of parts, and more than fit. */
	static const uint8_t orders[] = { 0x40, 0x41, 0x43, 0x45, 0x54, 0x55, 0x7f, 0x04, 0x24 };
	struct card c;
	uint8_t *e;

	card_init(&c, 16);
	e = fat_image_entry(&c.fat, c.big_cluster);
	assert_int_equal(e[-4 * 32], 0x44);
	for (unsigned i = 0; i < ARRAY_SIZE(orders); i++) {
		e[-4 * 32] = orders[i];
		assert_int_equal(card_read(&c, BIG_NAME, NULL, 0), -ENOENT);
	}
	e[-4 * 32] = 0x44;
	assert_int_equal(card_read(&c, BIG_NAME, c.big, BIG), 0);
	for (unsigned part = 1; part <= 4; part++) {
		e[-32 * (int)part + 13]++;		/* of another name */
		assert_int_equal(card_read(&c, BIG_NAME, NULL, 0), -ENOENT);
		e[-32 * (int)part + 13]--;
	}
	/* Deleted, and then another file whose name has the same sum. */
	fat_image_file(&c.fat, c.dir_cluster, "X", "x", 1);
	memcpy(e + 32, e, 11);
	e[32] = 0;
	for (uint8_t sum = !e[-32 + 13]; sum != e[-32 + 13];) {
		e[32]++;
		sum = 0;
		for (unsigned i = 0; i < 11; i++)
			sum = (sum >> 1 | sum << 7) + e[32 + i];
	}
	e[0] = 0xe5;
	assert_int_equal(card_read(&c, BIG_NAME, NULL, 0), -ENOENT);
	/* Nothing but spaces. */
	memset(e + 32, ' ', 11);
	assert_int_equal(card_read(&c, BIG_NAME, NULL, 0), -ENOENT);
	card_finish(&c);
}

static void case_94_a_directory_without_an_end_is_refused(void **state)
{
	struct card c;
	uint32_t n = BOOT_FAT_MAX_DIR * 32 / FAT_CLUSTER;

	card_init(&c, 16);
	for (unsigned over = 0; over <= 1; over++) {
		uint32_t first = c.fat.next;

		c.fat.next += n + over;
		memset(c.fat.p + c.fat.data + (first - 2) * FAT_CLUSTER, 0xe5,
		       (n + over) * FAT_CLUSTER);
		for (uint32_t i = 0; i < n + over; i++)
			fat_image_link(&c.fat, first + i, i + 1 < n + over ? first + i + 1 : 0xffff);
		fat_image_link(&c.fat, c.dir_cluster, first);
		store_le(fat_image_entry(&c.fat, c.dir_cluster) + 26, 2, first);
		c.dir_cluster = first;
		assert_int_equal(card_read(&c, "over-lays/x", NULL, 0), over ? -EINVAL : -ENOENT);
	}
	card_finish(&c);
}

/* A field of the boot sector, and values that it must not have. */
static void case_94_boot_sectors_that_cannot_be_are_refused(void **state)
{
	static const struct {
		unsigned off, len;
		uint32_t value;
	} lies[] = {
		{ 11, 2, 0 }, { 11, 2, 256 }, { 11, 2, 8192 }, { 11, 2, 513 }, { 13, 1, 0 },
		{ 13, 1, 3 }, { 14, 2, 0 }, { 16, 1, 0 }, { 16, 1, 200 }, { 17, 2, 0 },
		{ 22, 2, 0 }, { 22, 2, 1 }, { 22, 2, 0xffff }, { 32, 4, 0 }, { 32, 4, 1 },
		{ 32, 4, 0xffffffff }, { 0, 1, 0 }, { 510, 2, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		struct boot_source s;
		struct card c;

		card_init(&c, 16);
		assert_true(boot_fat_probe(c.fat.p));
		store_le(c.fat.p + lies[i].off, lies[i].len, lies[i].value);
		if (card_open(&c, &s) != -EINVAL)
			fail_msg("byte %u of the boot sector may be %u", lies[i].off, lies[i].value);
		card_finish(&c);
	}
}

static void case_94_a_volume_behind_the_images_end_is_refused(void **state)
{
	struct boot_source s;
	struct card c;

	card_init(&c, 16);
	c.fat.len -= 512;
	assert_int_equal(card_open(&c, &s), -EINVAL);
	c.fat.len = 100;
	assert_int_equal(card_open(&c, &s), -EINVAL);
	card_finish(&c);
}

/* --- partitions ------------------------------------------------------------------------------ */

static void mbr_entry(uint8_t mbr[512], unsigned n, uint8_t type, uint32_t lba, uint32_t count)
{
	uint8_t *e = mbr + 446 + n * 16;

	e[4] = type;
	store_le(e + 8, 4, lba);
	store_le(e + 12, 4, count);
	store_le(mbr + 510, 2, 0xaa55);
}

static int open_with(struct card *c, const void *table, size_t len)
{
	struct boot_source s;
	int ret;

	c->fd = fat_image_save(&c->fat, PARTITION, c->path);
	assert_int_equal(pwrite(c->fd, table, len, 0), len);
	ret = boot_source_open(&s, c->path);
	if (ret == 0) {
		ret = boot_source_has(&s, "config.txt");
		boot_source_close(&s);
	}
	close(c->fd);
	c->fd = -1;
	return ret;
}

static void the_first_fat_partition_counts(void **state)
{
	uint8_t mbr[512] = { 0 };
	struct card c;

	card_init(&c, 16);
	mbr_entry(mbr, 0, 0x83, 1, 100);
	mbr_entry(mbr, 2, 0x0c, PARTITION / 512, c.fat.len / 512);
	mbr_entry(mbr, 3, 0x0c, 1, 100);
	assert_int_equal(open_with(&c, mbr, sizeof(mbr)), 0);
	card_finish(&c);
}

static void a_fat_partition_is_known_by_its_type(void **state)
{
	static const uint8_t types[] = { 0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e, 0xef }, others[] = {
		0x00, 0x05, 0x07, 0x0f, 0x1c, 0x82, 0x83, 0xfd
	};
	struct card c;

	card_init(&c, 16);
	for (unsigned i = 0; i < ARRAY_SIZE(types) + ARRAY_SIZE(others); i++) {
		bool fat = i < ARRAY_SIZE(types);
		uint8_t mbr[512] = { 0 };

		mbr_entry(mbr, 0, fat ? types[i] : others[i - ARRAY_SIZE(types)], PARTITION / 512,
			  c.fat.len / 512);
		assert_int_equal(open_with(&c, mbr, sizeof(mbr)), fat ? 0 : -EINVAL);
	}
	card_finish(&c);
}

static void case_94_partition_tables_that_lie_are_refused(void **state)
{
	uint8_t mbr[512] = { 0 };
	struct card c;

	card_init(&c, 16);
	assert_int_equal(open_with(&c, mbr, sizeof(mbr)), -EINVAL);	/* no table */
	mbr_entry(mbr, 0, 0x83, PARTITION / 512, 1);			/* none of FAT */
	assert_int_equal(open_with(&c, mbr, sizeof(mbr)), -EINVAL);
	mbr_entry(mbr, 0, 0x0c, PARTITION / 512, 0xffffffff);
	assert_int_equal(open_with(&c, mbr, sizeof(mbr)), -EINVAL);
	mbr_entry(mbr, 0, 0x0c, 0xffffffff, 0xffffffff);
	assert_int_equal(open_with(&c, mbr, sizeof(mbr)), -EINVAL);
	mbr_entry(mbr, 0, 0x0c, PARTITION / 512, 1);			/* too short */
	assert_int_equal(open_with(&c, mbr, sizeof(mbr)), -EINVAL);
	mbr_entry(mbr, 0, 0x0c, PARTITION / 512, 0);
	assert_int_equal(open_with(&c, mbr, sizeof(mbr)), -EINVAL);
	card_finish(&c);
}

#define GPT_LEN 8192

static void gpt(uint8_t table[GPT_LEN], const struct card *c)
{
	uint8_t *e = table + 1024 + 128;

	memset(table, 0, GPT_LEN);
	mbr_entry(table, 0, 0xee, 1, 0xffffffff);
	memcpy(table + 512, "EFI PART", 8);
	store_le(table + 512 + 72, 8, 2);
	store_le(table + 512 + 80, 4, 128);
	store_le(table + 512 + 84, 4, 128);
	e[0] = 1;
	store_le(e + 32, 8, PARTITION / 512);
	store_le(e + 40, 8, PARTITION / 512 + c->fat.len / 512 - 1);
}

static void a_gpt_has_partitions_as_well(void **state)
{
	uint8_t table[GPT_LEN];
	struct card c;

	card_init(&c, 32);
	gpt(table, &c);
	assert_int_equal(open_with(&c, table, sizeof(table)), 0);
	card_finish(&c);
}

static void a_hybrid_has_its_fat_in_the_older_table(void **state)
{
	uint8_t table[GPT_LEN];
	struct card c;

	card_init(&c, 32);
	gpt(table, &c);
	mbr_entry(table, 1, 0x0c, PARTITION / 512, c.fat.len / 512);
	memset(table + 512, 0, sizeof(table) - 512);	/* of which there is nothing left */
	assert_int_equal(open_with(&c, table, sizeof(table)), 0);
	card_finish(&c);
}

static void case_94_partitions_that_lie_are_passed_over(void **state)
{
	const uint64_t at = PARTITION / 512;
	const uint64_t lies[][2] = {
		{ at, at - 1 }, { at + 1, at + 100 }, { at, 1 << 20 }, { at, UINT64_MAX },
		{ UINT64_MAX, UINT64_MAX }, { UINT64_MAX / 512 + 1, 1 << 20 }, { 0, 10 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		uint8_t table[GPT_LEN];
		struct card c;

		card_init(&c, 32);
		gpt(table, &c);
		table[1024] = 1;
		store_le(table + 1024 + 32, 8, lies[i][0]);
		store_le(table + 1024 + 40, 8, lies[i][1]);
		assert_int_equal(open_with(&c, table, sizeof(table)), 0);
		card_finish(&c);
	}
}

static void case_94_gpts_that_lie_are_refused(void **state)
{
	static const struct {
		unsigned off, len;
		uint64_t value;
	} lies[] = {
		{ 512, 1, 'X' }, { 512 + 72, 8, UINT64_MAX }, { 512 + 72, 8, 1 << 20 },
		{ 512 + 84, 4, 0 }, { 512 + 84, 4, UINT32_MAX }, { 512 + 80, 4, 1 },
		{ 1024 + 128 + 32, 8, UINT64_MAX }, { 1024 + 128 + 40, 8, UINT64_MAX },
		{ 1024 + 128 + 40, 8, 0 }, { 1024 + 128, 1, 0 }, { 1024 + 128 + 32, 8, 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		uint8_t table[GPT_LEN];
		struct card c;

		card_init(&c, 32);
		gpt(table, &c);
		store_le(table + lies[i].off, lies[i].len, lies[i].value);
		assert_int_equal(open_with(&c, table, sizeof(table)), -EINVAL);
		card_finish(&c);
	}
}

/* --- directories ------------------------------------------------------------------------------- */

static void a_directory_has_files_and_none_of_others(void **state)
{
	char dir[] = "/tmp/fat.XXXXXX", name[64], *text;
	struct boot_source s;
	size_t len;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	snprintf(name, sizeof(name), "%s/config.txt", dir);
	f = fopen(name, "w");
	fputs("hello", f);
	fclose(f);
	snprintf(name, sizeof(name), "%s/out", dir);
	assert_int_equal(symlink("/etc/passwd", name), 0);
	snprintf(name, sizeof(name), "%s/fifo", dir);
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_int_equal(boot_source_open(&s, dir), 0);
	assert_int_equal(boot_source_read(&s, "/config.txt", 100, &text, &len), 0);
	assert_string_equal(text, "hello");
	free(text);
	assert_int_equal(boot_source_has(&s, "config.txt"), 0);
	assert_int_equal(boot_source_has(&s, "nothing"), -ENOENT);
	assert_int_equal(boot_source_has(&s, "config.txt/x"), -ENOENT);
	assert_int_equal(boot_source_has(&s, "out"), -EINVAL);
	assert_int_equal(boot_source_has(&s, "../passwd"), -EINVAL);
	assert_int_equal(boot_source_has(&s, "fifo"), -EINVAL);
	assert_int_equal(boot_source_has(&s, ""), -EINVAL);
	boot_source_close(&s);
	unlink(name);
	snprintf(name, sizeof(name), "%s/out", dir);
	unlink(name);
	snprintf(name, sizeof(name), "%s/config.txt", dir);
	unlink(name);
	rmdir(dir);
}

/* Cards are downloaded so. */
static void what_has_to_be_unpacked_first_is_told_from_other_files(void **state)
{
	static const struct {
		const char *bytes, *text;
	} files[] = {
		{ "\xfd" "7zXZ", "is xz-compressed: unpack it first (unxz)" },
		{ "\x1f\x8b\x08", "is gzip-compressed" }, { "PK\3\4", "is a zip archive" },
		{ "QFI\xfb", "is a qcow2 image" }, { "hello", "has no FAT partition" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		struct capture said;
		struct card c;

		card_init(&c, 16);
		capture_begin(&said, STDERR_FILENO);
		assert_int_equal(open_with(&c, files[i].bytes, strlen(files[i].bytes) + 1), -EINVAL);
		assert_true(capture_end_has(&said, files[i].text));
		card_finish(&c);
	}
}

static void what_is_neither_card_nor_directory_is_refused(void **state)
{
	struct boot_source s;

	assert_int_equal(boot_source_open(&s, "/dev/null"), -EINVAL);
	assert_int_equal(boot_source_open(&s, "/nowhere"), -ENOENT);
	assert_int_equal(boot_source_open(&s, "/proc/self/exe"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_found_and_whole_in_every_kind),
		cmocka_unit_test(what_is_not_there_is_silently_missing),
		cmocka_unit_test(a_directory_is_no_file),
		cmocka_unit_test(what_is_too_long_to_be_read_is_refused),
		cmocka_unit_test(a_deleted_name_and_a_label_are_nothing),
		cmocka_unit_test(a_long_name_whose_sum_is_wrong_does_not_count),
		cmocka_unit_test(a_name_may_have_letters_of_others),
		cmocka_unit_test(the_first_of_two_files_of_a_name_counts),
		cmocka_unit_test(a_directory_may_be_full),
		cmocka_unit_test(what_is_reserved_does_not_count),
		cmocka_unit_test(a_table_may_have_just_enough_entries),
		cmocka_unit_test(case_94_chains_that_go_round_are_refused),
		cmocka_unit_test(case_94_chains_that_lead_nowhere_are_refused),
		cmocka_unit_test(case_94_a_file_longer_than_its_chain_is_refused),
		cmocka_unit_test(case_94_what_is_no_boot_sector_is_not_taken_for_one),
		cmocka_unit_test(case_94_what_is_before_the_data_is_longer_than_all),
		cmocka_unit_test(case_94_more_clusters_than_16_bits_number_are_refused),
		cmocka_unit_test(case_94_parts_of_names_that_make_none),
		cmocka_unit_test(case_94_a_directory_without_an_end_is_refused),
		cmocka_unit_test(case_94_boot_sectors_that_cannot_be_are_refused),
		cmocka_unit_test(case_94_a_volume_behind_the_images_end_is_refused),
		cmocka_unit_test(the_first_fat_partition_counts),
		cmocka_unit_test(a_fat_partition_is_known_by_its_type),
		cmocka_unit_test(case_94_partition_tables_that_lie_are_refused),
		cmocka_unit_test(a_gpt_has_partitions_as_well),
		cmocka_unit_test(a_hybrid_has_its_fat_in_the_older_table),
		cmocka_unit_test(case_94_partitions_that_lie_are_passed_over),
		cmocka_unit_test(case_94_gpts_that_lie_are_refused),
		cmocka_unit_test(a_directory_has_files_and_none_of_others),
		cmocka_unit_test(what_has_to_be_unpacked_first_is_told_from_other_files),
		cmocka_unit_test(what_is_neither_card_nor_directory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
