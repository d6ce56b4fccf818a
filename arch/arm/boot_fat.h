/* SPDX-License-Identifier: MIT */
/*
 * Files of a FAT file system (Microsoft's "FAT: General Overview of On-Disk Format",
 * 1.03; FAT12, FAT16 and FAT32, long names), to be read: the first partition of a Raspberry
 * Pi's SD card. Every number in it is taken for a lie until checked; a chain of clusters
 * that goes round is refused, and nothing outside of the volume is read.
 *
 * Main thread. All return 0, or negative errno: -ENOENT silently, any other after a line
 * in the log that names the image.
 */
#ifndef MICROVM_ARM_BOOT_FAT_H
#define MICROVM_ARM_BOOT_FAT_H

#include <stdbool.h>

#include "vmm/boot_file.h"

#define BOOT_FAT_WINDOW 4096	/* bytes of the table that are kept */
#define BOOT_FAT_MAX_DIR 65536	/* entries of a directory */

struct boot_fat {
	const struct boot_file *file;
	uint64_t base;		/* of the volume in the file */
	unsigned bits;		/* of an entry of the table: 12, 16 or 32 */
	uint32_t cluster_len;	/* bytes */
	uint32_t n_clusters;	/* numbered from 2 on */
	uint64_t table, table_len, root, data;	/* in the file; root: of FAT12 and FAT16 */
	uint32_t root_entries, root_cluster;
	uint64_t window_off;	/* in the file */
	uint32_t window_len;
	uint8_t window[BOOT_FAT_WINDOW];
};

struct boot_fat_node {
	bool dir;
	uint32_t cluster;	/* the first; 0: none, or the root of FAT12 and FAT16 */
	uint32_t size;		/* of a file */
};

/* The volume of @len bytes at @off of @file, which outlives it. */
int boot_fat_open(struct boot_fat *fat, const struct boot_file *file, uint64_t off, uint64_t len);
/* Whether there may be one, by its boot sector: for tables of partitions. Never logs. */
bool boot_fat_probe(const uint8_t sector[512]);
/* By path from the root, with '/'; case does not count among ASCII's letters. */
int boot_fat_find(struct boot_fat *fat, const char *path, struct boot_fat_node *node);
/* Appends the bytes of @node, which is a file, to the file @fd; @path is for messages. */
int boot_fat_copy(struct boot_fat *fat, const struct boot_fat_node *node, const char *path, int fd);

#endif
