/* SPDX-License-Identifier: MIT */
/*
 * A small FAT file system in memory, for tests to damage: clusters of 2 KiB, directories of
 * one of them. One thread.
 */
#ifndef MICROVM_TESTS_FAT_IMAGE_H
#define MICROVM_TESTS_FAT_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define FAT_CLUSTER 2048u
#define FAT_ROOT 0u		/* as a parent */

struct fat_image {
	uint8_t *p;		/* owned */
	size_t len;
	unsigned bits;
	uint32_t n_clusters, next;	/* next free cluster */
	size_t table, table_len, root, data;
};

/* 12, 16 or 32 bits an entry. */
void fat_image_init(struct fat_image *f, unsigned bits);
void fat_image_finish(struct fat_image *f);
/* The first cluster of what was made; a name of the form 8.3 in capitals has no long one. */
uint32_t fat_image_dir(struct fat_image *f, uint32_t parent, const char *name);
uint32_t fat_image_file(struct fat_image *f, uint32_t parent, const char *name, const void *data,
			size_t len);
void fat_image_text(struct fat_image *f, uint32_t parent, const char *name, const char *text);
/* What follows @cluster. */
void fat_image_link(struct fat_image *f, uint32_t cluster, uint32_t next);
/* The directory entry of @cluster, 32 bytes. */
uint8_t *fat_image_entry(struct fat_image *f, uint32_t cluster);
/* Into a new file, at @offset; its descriptor. */
int fat_image_save(const struct fat_image *f, size_t offset, char path[32]);

#endif
