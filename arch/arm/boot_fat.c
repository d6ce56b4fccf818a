/* SPDX-License-Identifier: MIT */
#include "arch/arm/boot_fat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

#define SECTOR_MIN 512u
#define SECTOR_MAX 4096u
#define CLUSTER_MAX (256u << 10)	/* bytes */
#define FAT12_CLUSTERS 4085		/* fewer: FAT12, fewer than the next: FAT16 */
#define FAT16_CLUSTERS 65525
#define FIRST_CLUSTER 2u

#define ENTRY_LEN 32u
#define ENTRY_END 0
#define ENTRY_FREE 0xe5
#define ENTRY_E5 0x05			/* the name begins with 0xe5 */
#define ATTR_VOLUME 0x08
#define ATTR_DIR 0x10
#define ATTR_LONG 0x0f
#define LONG_LAST 0x40
#define LONG_UNITS 13			/* of UTF-16, in an entry */
#define LONG_ENTRIES 20
#define NAME_MAX_UTF8 (LONG_ENTRIES * LONG_UNITS * 3 + 1)

__attribute__((format(printf, 2, 3)))
static int fat_damaged(const struct boot_fat *fat, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("%s: the FAT file system at byte %" PRIu64 " is damaged: %s", fat->file->path,
		  fat->base, text);
	return -EINVAL;
}

/* --- the boot sector ------------------------------------------------------------------- */

struct fat_bpb {
	uint32_t sector, per_cluster, reserved, n_tables, root_entries, sectors, table_sectors;
	bool fat32;
};

static void fat_read_bpb(const uint8_t *s, struct fat_bpb *b)
{
	uint32_t table16 = load_le(s + 22, 2), sectors16 = load_le(s + 19, 2);

	*b = (struct fat_bpb){
		.sector = load_le(s + 11, 2),
		.per_cluster = s[13],
		.reserved = load_le(s + 14, 2),
		.n_tables = s[16],
		.root_entries = load_le(s + 17, 2),
		.sectors = sectors16 ? sectors16 : load_le(s + 32, 4),
		.table_sectors = table16 ? table16 : load_le(s + 36, 4),
		.fat32 = !table16,
	};
}

static bool is_power_of_2(uint32_t n)
{
	return n && !(n & (n - 1));
}

static bool fat_bpb_sound(const struct fat_bpb *b)
{
	return is_power_of_2(b->sector) && b->sector >= SECTOR_MIN && b->sector <= SECTOR_MAX &&
	       is_power_of_2(b->per_cluster) && b->sector * b->per_cluster <= CLUSTER_MAX &&
	       b->reserved && b->n_tables && b->n_tables <= 4 && b->sectors && b->table_sectors &&
	       !b->fat32 == !!b->root_entries;
}

bool boot_fat_probe(const uint8_t sector[512])
{
	struct fat_bpb b;

	fat_read_bpb(sector, &b);
	return (sector[0] == 0xeb || sector[0] == 0xe9) && load_le(sector + 510, 2) == 0xaa55 &&
	       fat_bpb_sound(&b);
}

static int fat_lay_out(struct boot_fat *fat, const struct fat_bpb *b, uint64_t len)
{
	uint64_t root = b->reserved + (uint64_t)b->n_tables * b->table_sectors;
	uint64_t root_sectors = ((uint64_t)b->root_entries * ENTRY_LEN + b->sector - 1) / b->sector;
	uint64_t data = root + root_sectors;

	if (data >= b->sectors)
		return fat_damaged(fat, "no room is left for data");
	if ((uint64_t)b->sectors * b->sector > len)
		return fat_damaged(fat, "%" PRIu64 " bytes of a volume, where there are %" PRIu64,
				   (uint64_t)b->sectors * b->sector, len);
	fat->cluster_len = b->sector * b->per_cluster;
	fat->n_clusters = (b->sectors - data) / b->per_cluster;
	fat->bits = b->fat32 ? 32 : fat->n_clusters < FAT12_CLUSTERS ? 12 : 16;
	fat->table = fat->base + (uint64_t)b->reserved * b->sector;
	fat->table_len = (uint64_t)b->table_sectors * b->sector;
	fat->root = fat->base + root * b->sector;
	fat->root_entries = b->root_entries;
	fat->data = fat->base + data * b->sector;
	if (!b->fat32 && fat->n_clusters >= FAT16_CLUSTERS)
		return fat_damaged(fat, "more clusters than its table has numbers for");
	if (((uint64_t)fat->n_clusters + FIRST_CLUSTER) * fat->bits > fat->table_len * 8)
		return fat_damaged(fat, "its table is too short");
	return 0;
}

int boot_fat_open(struct boot_fat *fat, const struct boot_file *file, uint64_t off, uint64_t len)
{
	uint8_t sector[SECTOR_MIN];
	struct fat_bpb b;
	int ret;

	memset(fat, 0, sizeof(*fat));
	fat->file = file;
	fat->base = off;
	if (!range_fits(off, len, file->size) || len < sizeof(sector))
		return fat_damaged(fat, "it would end beyond the image's last byte");
	ret = boot_file_read(file, off, sector, sizeof(sector));
	if (ret < 0)
		return ret;
	if (!boot_fat_probe(sector))
		return fat_damaged(fat, "it has no boot sector");
	fat_read_bpb(sector, &b);
	fat->root_cluster = b.fat32 ? load_le(sector + 44, 4) : 0;
	return fat_lay_out(fat, &b, len);
}

/* --- chains of clusters ------------------------------------------------------------------- */

/* @len bytes of the table, 4 at most. */
static int fat_table_read(struct boot_fat *fat, uint64_t off, void *buf, unsigned len)
{
	uint64_t at = fat->table + off;

	if (!range_fits(off, len, fat->table_len))
		return fat_damaged(fat, "an entry is not in its table");
	if (at < fat->window_off || at + len > fat->window_off + fat->window_len) {
		uint32_t n = MIN((uint64_t)BOOT_FAT_WINDOW, fat->table_len - off);
		int ret = boot_file_read(fat->file, at, fat->window, n);

		fat->window_len = 0;
		if (ret < 0)
			return ret;
		fat->window_off = at;
		fat->window_len = n;
	}
	memcpy(buf, fat->window + (at - fat->window_off), len);
	return 0;
}

static bool fat_is_cluster(const struct boot_fat *fat, uint32_t cluster)
{
	return cluster >= FIRST_CLUSTER && cluster - FIRST_CLUSTER < fat->n_clusters;
}

static int fat_entry(struct boot_fat *fat, uint32_t cluster, uint32_t *next)
{
	uint8_t raw[4] = { 0 };
	unsigned len = fat->bits == 32 ? 4 : 2;
	int ret = fat_table_read(fat, (uint64_t)cluster * fat->bits / 8, raw, len);

	*next = load_le(raw, len);
	if (fat->bits == 12)
		*next = cluster & 1 ? *next >> 4 : *next & 0xfff;
	*next &= 0x0fffffff;
	return ret;
}

/*
 * A position in a chain. One that goes round comes back to @mark, which waits for twice
 * as long each time (Brent).
 */
struct fat_chain {
	uint32_t cluster;	/* 0: past the end */
	uint32_t mark, steps, limit;
};

static void fat_chain_begin(struct fat_chain *c, uint32_t cluster)
{
	*c = (struct fat_chain){ .cluster = cluster, .mark = cluster, .limit = 1 };
}

static int fat_chain_next(struct boot_fat *fat, struct fat_chain *c)
{
	uint32_t end = fat->bits == 12 ? 0xff8 : fat->bits == 16 ? 0xfff8 : 0x0ffffff8, next;
	int ret = fat_entry(fat, c->cluster, &next);

	if (ret < 0)
		return ret;
	if (next >= end)
		next = 0;
	else if (!fat_is_cluster(fat, next))
		return fat_damaged(fat, "cluster %u is followed by %u, which there is not",
				   c->cluster, next);
	else if (next == c->mark)
		return fat_damaged(fat, "a chain of clusters comes back to %u", next);
	if (++c->steps == c->limit) {
		c->mark = next;
		c->steps = 0;
		c->limit *= 2;
	}
	c->cluster = next;
	return 0;
}

static uint64_t fat_cluster_off(const struct boot_fat *fat, uint32_t cluster)
{
	return fat->data + (uint64_t)(cluster - FIRST_CLUSTER) * fat->cluster_len;
}

/* --- names ----------------------------------------------------------------------------------- */

/* Collects the entries of a long name, which come last part first. */
struct fat_name {
	unsigned expect;	/* parts still to come; 0: there is no long name */
	bool whole;
	uint8_t sum;
	uint16_t units[LONG_ENTRIES * LONG_UNITS];
};

static void fat_name_add(struct fat_name *n, const uint8_t *e)
{
	static const uint8_t at[LONG_UNITS] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
	unsigned order = e[0] & (LONG_LAST - 1);

	if (e[0] & LONG_LAST) {
		memset(n, 0, sizeof(*n));
		n->expect = order <= LONG_ENTRIES ? order : 0;
		n->sum = e[13];
	}
	if (!order || order != n->expect || e[13] != n->sum) {
		n->expect = 0;
		n->whole = false;
		return;
	}
	for (unsigned i = 0; i < LONG_UNITS; i++)
		n->units[(order - 1) * LONG_UNITS + i] = load_le(e + at[i], 2);
	n->expect--;
	n->whole = n->expect == 0;
}

static uint8_t fat_short_sum(const uint8_t *name)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < 11; i++)
		sum = (sum >> 1 | sum << 7) + name[i];
	return sum;
}

static char *put_utf8(char *p, uint32_t c)
{
	if (c < 0x80) {
		*p++ = c;
	} else if (c < 0x800) {
		*p++ = 0xc0 | c >> 6;
		*p++ = 0x80 | (c & 0x3f);
	} else {
		*p++ = 0xe0 | c >> 12;
		*p++ = 0x80 | (c >> 6 & 0x3f);
		*p++ = 0x80 | (c & 0x3f);
	}
	return p;
}

static void fat_long_text(const struct fat_name *n, char text[NAME_MAX_UTF8])
{
	for (unsigned i = 0; i < ARRAY_SIZE(n->units) && n->units[i] && n->units[i] != 0xffff; i++)
		text = put_utf8(text, n->units[i]);
	*text = '\0';
}

static void fat_short_text(const uint8_t *e, char text[NAME_MAX_UTF8])
{
	unsigned base = 8, ext = 3, n = 0;

	while (base && e[base - 1] == ' ')
		base--;
	while (ext && e[8 + ext - 1] == ' ')
		ext--;
	for (unsigned i = 0; i < base; i++)
		text[n++] = i == 0 && e[0] == ENTRY_E5 ? (char)ENTRY_FREE : (char)e[i];
	if (ext)
		text[n++] = '.';
	for (unsigned i = 0; i < ext; i++)
		text[n++] = (char)e[8 + i];
	text[n] = '\0';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool same_name(const char *name, const char *wanted, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (lower(name[i]) != lower(wanted[i]))
			return false;
	return !name[len];
}

/* --- directories -------------------------------------------------------------------------------- */

struct fat_search {
	const char *wanted;
	size_t len;
	struct fat_name name;
	struct boot_fat_node *found;
};

/* 1: it is the one, or there are no more (found->cluster tells); 0: not yet. */
static int fat_look(const struct boot_fat *fat, struct fat_search *s, const uint8_t *e, bool *found)
{
	char text[NAME_MAX_UTF8];
	bool fits = false;

	if (e[0] == ENTRY_END)
		return 1;
	if (e[0] != ENTRY_FREE && (e[11] & 0x3f) == ATTR_LONG) {
		fat_name_add(&s->name, e);
		return 0;
	}
	if (e[0] != ENTRY_FREE && !(e[11] & ATTR_VOLUME)) {
		fat_short_text(e, text);
		fits = same_name(text, s->wanted, s->len);
		if (!fits && s->name.whole && s->name.sum == fat_short_sum(e)) {
			fat_long_text(&s->name, text);
			fits = same_name(text, s->wanted, s->len);
		}
	}
	s->name.expect = 0;
	s->name.whole = false;
	if (!fits)
		return 0;
	*found = true;
	*s->found = (struct boot_fat_node){
		.dir = e[11] & ATTR_DIR,
		.cluster = load_le(e + 26, 2) | (fat->bits == 32 ? load_le(e + 20, 2) << 16 : 0),
		.size = load_le(e + 28, 4),
	};
	return 1;
}

/* Entries that lie in one piece, @len bytes at @off. */
static int fat_search_piece(struct boot_fat *fat, struct fat_search *s, uint64_t off, uint32_t len,
			    bool *found)
{
	uint8_t buf[SECTOR_MIN];
	int ret = 0;

	for (uint32_t done = 0; done < len && ret == 0; done += sizeof(buf)) {
		uint32_t n = MIN(len - done, (uint32_t)sizeof(buf));

		ret = boot_file_read(fat->file, off + done, buf, n);
		for (uint32_t i = 0; i < n / ENTRY_LEN && ret == 0; i++)
			ret = fat_look(fat, s, buf + i * ENTRY_LEN, found);
	}
	return ret;
}

static int fat_search_chain(struct boot_fat *fat, struct fat_search *s, uint32_t first, bool *found)
{
	uint32_t entries = fat->cluster_len / ENTRY_LEN, seen = 0;
	struct fat_chain c;
	int ret = 0;

	if (!fat_is_cluster(fat, first))
		return fat_damaged(fat, "a directory begins at cluster %u, which there is not",
				   first);
	for (fat_chain_begin(&c, first); c.cluster && ret == 0; seen += entries) {
		if (seen >= BOOT_FAT_MAX_DIR)
			return fat_damaged(fat, "a directory has no end");
		ret = fat_search_piece(fat, s, fat_cluster_off(fat, c.cluster), fat->cluster_len,
				       found);
		if (ret == 0)
			ret = fat_chain_next(fat, &c);
	}
	return ret;
}

static int fat_search(struct boot_fat *fat, const struct boot_fat_node *dir, const char *name,
		      size_t len, struct boot_fat_node *node)
{
	struct fat_search s = { .wanted = name, .len = len, .found = node };
	uint32_t first = dir->cluster ? dir->cluster : fat->root_cluster;
	bool found = false;
	int ret;

	if (first)
		ret = fat_search_chain(fat, &s, first, &found);
	else
		ret = fat_search_piece(fat, &s, fat->root, fat->root_entries * ENTRY_LEN, &found);
	if (ret < 0)
		return ret;
	return found ? 0 : -ENOENT;
}

int boot_fat_find(struct boot_fat *fat, const char *path, struct boot_fat_node *node)
{
	struct boot_fat_node dir = { .dir = true };

	for (path += strspn(path, "/"); *path;) {
		size_t len = strcspn(path, "/");
		int ret = dir.dir ? fat_search(fat, &dir, path, len, node) : -ENOENT;

		if (ret < 0)
			return ret;
		dir = *node;
		path += len;
		path += strspn(path, "/");
	}
	*node = dir;
	return 0;
}

/* --- files ------------------------------------------------------------------------------------------ */

static int fat_append(const struct boot_fat *fat, int fd, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = errno;

			log_error("%s: copying a file out of it: write: %m", fat->file->path);
			return -err;
		}
		p += n;
		len -= n;
	}
	return 0;
}

static int fat_copy_chain(struct boot_fat *fat, const struct boot_fat_node *node, uint8_t *buf,
			  int fd, const char *path)
{
	struct fat_chain c;
	uint32_t left = node->size;
	int ret = 0;

	for (fat_chain_begin(&c, node->cluster); left && ret == 0;) {
		uint32_t n = MIN(left, fat->cluster_len);

		if (!fat_is_cluster(fat, c.cluster))
			return fat_damaged(fat, "%s: %u of %u bytes are in no cluster", path, left,
					   node->size);
		ret = boot_file_read(fat->file, fat_cluster_off(fat, c.cluster), buf, n);
		if (ret == 0)
			ret = fat_append(fat, fd, buf, n);
		left -= n;
		if (ret == 0 && left)
			ret = fat_chain_next(fat, &c);
	}
	return ret;
}

int boot_fat_copy(struct boot_fat *fat, const struct boot_fat_node *node, const char *path, int fd)
{
	uint8_t *buf;
	int ret;

	if (node->dir) {
		log_error("%s: %s is a directory", fat->file->path, path);
		return -EISDIR;
	}
	buf = malloc(fat->cluster_len);
	if (!buf)
		return -ENOMEM;
	ret = fat_copy_chain(fat, node, buf, fd, path);
	free(buf);
	return ret;
}
