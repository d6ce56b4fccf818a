/* SPDX-License-Identifier: MIT */
/*
 * A file that a user hands over to be loaded: a kernel, an initrd, a device tree.
 * Every byte of it may be a lie, and it may change meanwhile (case 96). For the
 * loaders of all architectures; main thread.
 */
#ifndef MICROVM_BOOT_FILE_H
#define MICROVM_BOOT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/gmem.h"

struct boot_file {
	const char *path;	/* owned by the caller; for messages */
	int fd;
	uint64_t size;
};

/*
 * Regular files that are not empty; never waits for one. All return 0, or
 * negative errno after a line in the log.
 */
int boot_file_open(struct boot_file *file, const char *path);
/* Messages say @name, the caller's, unless it is NULL. */
int boot_file_open_as(struct boot_file *file, const char *path, const char *name);
void boot_file_close(struct boot_file *file);
int boot_file_read(const struct boot_file *file, uint64_t off, void *buf, size_t len);
/* Straight into guest memory, region by region. */
int boot_file_load(const struct boot_file *file, uint64_t off, struct gmem *mem, uint64_t gpa,
		   uint64_t len);

/* A kind of file that people take for a kernel, by the @len bytes at @off; what to do about it. */
struct boot_stranger {
	unsigned off, len;
	const char *magic, *what;
};

/*
 * -ENOEXEC after a line in the log that says what @file is, whose first @len bytes are
 * @head: packed, an archive, or one of @own, whose last entry has no magic and so fits
 * every file.
 */
int boot_refuse_stranger(const struct boot_file *file, const struct boot_stranger *own,
			 const uint8_t *head, size_t len);
/* Whether it still is what boot_file_open() saw; to be asked after the last read. */
int boot_file_unchanged(const struct boot_file *file);

#endif
