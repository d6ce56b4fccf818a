/* SPDX-License-Identifier: MIT */
#include "tests/fat_image.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/must.h"
#include "vmm/util.h"

#define SECTOR 512u
#define RESERVED 32u
#define ROOT_ENTRIES 512u
#define PIECE 16384u		/* that is written at once */

void fat_image_init(struct fat_image *f, unsigned bits)
{
	uint32_t root_sectors = bits == 32 ? 0 : ROOT_ENTRIES * 32 / SECTOR, table_sectors, sectors;

	memset(f, 0, sizeof(*f));
	f->bits = bits;
	f->n_clusters = bits == 16 ? 5000 : 300;
	table_sectors = ((f->n_clusters + 2) * bits / 8 + SECTOR) / SECTOR;
	sectors = RESERVED + 2 * table_sectors + root_sectors +
		  f->n_clusters * FAT_CLUSTER / SECTOR;
	f->len = sectors * SECTOR;
	f->p = calloc(1, f->len);
	must(f->p);
	f->table = RESERVED * SECTOR;
	f->table_len = table_sectors * SECTOR;
	f->root = f->table + 2 * f->table_len;
	f->data = f->root + root_sectors * SECTOR;
	f->next = 2;
	memcpy(f->p, "\xeb\x3c\x90mkfs", 7);
	store_le(f->p + 11, 2, SECTOR);
	f->p[13] = FAT_CLUSTER / SECTOR;
	store_le(f->p + 14, 2, RESERVED);
	f->p[16] = 2;
	store_le(f->p + 17, 2, bits == 32 ? 0 : ROOT_ENTRIES);
	store_le(f->p + 32, 4, sectors);
	store_le(f->p + (bits == 32 ? 36 : 22), bits == 32 ? 4 : 2, table_sectors);
	store_le(f->p + 510, 2, 0xaa55);
	if (bits == 32) {
		store_le(f->p + 44, 4, f->next);
		fat_image_link(f, f->next++, UINT32_MAX);
	}
}

void fat_image_finish(struct fat_image *f)
{
	free(f->p);
}

void fat_image_link(struct fat_image *f, uint32_t cluster, uint32_t next)
{
	uint8_t *e = f->p + f->table + cluster * f->bits / 8;
	uint32_t old = load_le(e, 2);

	if (f->bits != 12)
		store_le(e, f->bits / 8, next);
	else if (cluster & 1)
		store_le(e, 2, (old & 0xf) | next << 4);
	else
		store_le(e, 2, (old & 0xf000) | (next & 0xfff));
}

static uint8_t *cluster_at(struct fat_image *f, uint32_t cluster)
{
	return f->p + f->data + (size_t)(cluster - 2) * FAT_CLUSTER;
}

static uint8_t *directory(struct fat_image *f, uint32_t parent)
{
	if (parent)
		return cluster_at(f, parent);
	return f->bits == 32 ? cluster_at(f, 2) : f->p + f->root;
}

static uint8_t *free_entry(struct fat_image *f, uint32_t parent)
{
	uint8_t *e = directory(f, parent);

	while (*e)
		e += 32;
	must(e < f->p + f->len);
	return e;
}

static bool is_short(const char *name)
{
	size_t base = strcspn(name, ".");

	return base <= 8 && strlen(name) <= base + 4 && strlen(name) == strcspn(name,
		"abcdefghijklmnopqrstuvwxyz -");
}

static void put_short(uint8_t name[11], const char *text)
{
	const char *dot = strchr(text, '.');
	size_t base = dot ? (size_t)(dot - text) : strlen(text);

	memset(name, ' ', 11);
	memcpy(name, text, MIN(base, (size_t)8));
	if (dot)
		memcpy(name + 8, dot + 1, MIN(strlen(dot + 1), (size_t)3));
}

static void put_long(struct fat_image *f, uint32_t parent, const char *text, const uint8_t name[11])
{
	static const uint8_t at[] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
	size_t len = strlen(text), parts = len / 13 + 1;
	uint8_t sum = 0;

	for (unsigned i = 0; i < 11; i++)
		sum = (sum >> 1 | sum << 7) + name[i];
	for (size_t part = parts; part > 0; part--) {
		uint8_t *e = free_entry(f, parent);

		e[0] = part | (part == parts ? 0x40 : 0);
		e[11] = 0x0f;
		e[13] = sum;
		for (unsigned i = 0; i < 13; i++) {
			size_t n = (part - 1) * 13 + i;

			store_le(e + at[i], 2, n < len ? (uint8_t)text[n] : n == len ? 0 : 0xffff);
		}
	}
}

static void put_entry(struct fat_image *f, uint32_t parent, const char *text, uint8_t attr,
		      uint32_t cluster, uint32_t size)
{
	uint8_t name[11], *e;
	char made[16];

	snprintf(made, sizeof(made), "F%06u.~%u", cluster % 1000000, 1u);
	put_short(name, is_short(text) ? text : made);
	if (!is_short(text))
		put_long(f, parent, text, name);
	e = free_entry(f, parent);
	memcpy(e, name, 11);
	e[11] = attr;
	store_le(e + 20, 2, cluster >> 16);
	store_le(e + 26, 2, cluster);
	store_le(e + 28, 4, size);
}

uint32_t fat_image_dir(struct fat_image *f, uint32_t parent, const char *name)
{
	uint32_t cluster = f->next++;

	fat_image_link(f, cluster, UINT32_MAX);
	put_entry(f, parent, name, 0x10, cluster, 0);
	return cluster;
}

uint32_t fat_image_file(struct fat_image *f, uint32_t parent, const char *name, const void *data,
			size_t len)
{
	uint32_t n = (len + FAT_CLUSTER - 1) / FAT_CLUSTER, first = n ? f->next : 0;

	must(f->next + n <= f->n_clusters + 2);
	for (uint32_t i = 0; i < n; i++)
		fat_image_link(f, first + i, i + 1 < n ? first + i + 1 : UINT32_MAX);
	if (len)
		memcpy(cluster_at(f, first), data, len);
	f->next += n;
	put_entry(f, parent, name, 0x20, first, len);
	return first;
}

void fat_image_text(struct fat_image *f, uint32_t parent, const char *name, const char *text)
{
	fat_image_file(f, parent, name, text, strlen(text));
}

static uint8_t *find_in(uint8_t *e, uint32_t cluster)
{
	for (; *e; e += 32)
		if (e[11] != 0x0f && load_le(e + 26, 2) == (cluster & 0xffff))
			return e;
	return NULL;
}

uint8_t *fat_image_entry(struct fat_image *f, uint32_t cluster)
{
	uint8_t *e = find_in(directory(f, FAT_ROOT), cluster);

	for (uint8_t *dir = directory(f, FAT_ROOT); !e && *dir; dir += 32)
		if (dir[11] == 0x10)
			e = find_in(cluster_at(f, load_le(dir + 26, 2)), cluster);
	must(e);
	return e;
}

int fat_image_save(const struct fat_image *f, size_t offset, char path[32])
{
	int fd = memfd_create("fat", MFD_CLOEXEC);
	size_t n;

	must(fd >= 0 && ftruncate(fd, offset + f->len) == 0);
	/* Most of it is free, and a hole reads as that. */
	for (size_t at = 0; at < f->len; at += n) {
		const uint8_t *p = f->p + at;

		n = MIN(f->len - at, (size_t)PIECE);
		if (p[0] || memcmp(p, p + 1, n - 1))
			must(pwrite(fd, p, n, offset + at) == (ssize_t)n);
	}
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}
