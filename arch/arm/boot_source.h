/* SPDX-License-Identifier: MIT */
/*
 * Where a Raspberry Pi's firmware finds its files: the first FAT partition of an SD card's
 * image (by an MBR or a GPT, or the image as a whole), or a directory. Names are data of
 * others: none leads out of either. Main thread.
 */
#ifndef MICROVM_ARM_BOOT_SOURCE_H
#define MICROVM_ARM_BOOT_SOURCE_H

#include "arch/arm/boot_fat.h"

struct boot_source {
	const char *path;	/* the caller's */
	int dir;		/* -1: an image */
	struct boot_file image;
	struct boot_fat fat;
};

/* A directory, a regular file or a block device. 0, or negative errno after one line. */
int boot_source_open(struct boot_source *s, const char *path);
void boot_source_close(struct boot_source *s);
/*
 * Appends the bytes of the file @name, with '/' between directories, to the file @fd, 1 GiB
 * of which are all that there may be. 0; -ENOENT silently; other negative errno after one line.
 */
int boot_source_copy(struct boot_source *s, const char *name, int fd);
/* 0 if it is there, or as above. */
int boot_source_has(struct boot_source *s, const char *name);
/*
 * The same into new memory, with a NUL behind it; -EFBIG for one of more than @max
 * bytes. To be freed by the caller.
 */
int boot_source_read(struct boot_source *s, const char *name, size_t max, char **text, size_t *len);

#endif
