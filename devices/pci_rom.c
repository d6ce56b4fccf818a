/* SPDX-License-Identifier: MIT */
#include "devices/pci_rom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

#define ROM_MIN 2048		/* of a BAR */
#define ROM_BLOCK 512		/* what the header counts its length in */
#define ROM_ERASED 0xff		/* behind the file's end */

/* 6.3.1.1: 55 AA, the length of this image in blocks. What is behind it may be another image. */
static const char *rom_fault(const uint8_t *bytes, uint64_t len)
{
	if (len < ROM_BLOCK || bytes[0] != 0x55 || bytes[1] != 0xaa)
		return "is no option ROM: it does not begin with 55 AA";
	if (!bytes[2] || bytes[2] * ROM_BLOCK > len)
		return "is truncated: its header speaks of more bytes";
	return NULL;
}

static uint64_t rom_read(void *dev, uint64_t off, unsigned size)
{
	const struct pci_rom *rom = dev;

	return load_le(rom->bytes + off, size);
}

static void rom_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
}

static const struct io_ops rom_ops = { rom_read, rom_write };

static uint64_t rom_size(uint64_t len)
{
	uint64_t size = ROM_MIN;

	while (size < len)
		size *= 2;
	return size;
}

/* All of a file, which does not change meanwhile. 0 or negative errno. */
static int rom_take(struct pci_rom *rom, int fd, uint64_t len)
{
	uint64_t done = 0;

	rom->size = rom_size(len);
	rom->bytes = malloc(rom->size);
	if (!rom->bytes)
		return -ENOMEM;
	memset(rom->bytes, ROM_ERASED, rom->size);
	while (done < len) {
		ssize_t n = read(fd, rom->bytes + done, len - done);

		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		done += n;
	}
	return 0;
}

static int rom_open(struct pci_rom *rom, const char *path, const char **fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret = -errno;
	struct stat st;

	if (fd < 0)
		return ret;
	ret = fstat(fd, &st) < 0 ? -errno : 0;
	if (ret == 0 && !S_ISREG(st.st_mode))
		*fault = "is no plain file";
	else if (ret == 0 && st.st_size > PCI_ROM_MAX)
		*fault = "is too large for an option ROM, which has 1 MiB at most";
	else if (ret == 0)
		ret = rom_take(rom, fd, st.st_size);
	close(fd);
	if (ret == 0 && !*fault)
		*fault = rom_fault(rom->bytes, st.st_size);
	return ret == 0 && *fault ? -EINVAL : ret;
}

int pci_rom_load(struct pci_rom *rom, const char *label, const char *path)
{
	const char *fault = NULL;
	int ret;

	*rom = (struct pci_rom){ 0 };
	if (!path)
		return 0;
	ret = rom_open(rom, path, &fault);
	if (ret < 0) {
		log_error("%s: %s: %s", label, path, fault ? fault : strerror(-ret));
		pci_rom_finish(rom);
		return ret;
	}
	rom->region = (struct io_region){
		.name = "rom", .ops = &rom_ops, .dev = rom, .len = rom->size,
	};
	return 0;
}

void pci_rom_finish(struct pci_rom *rom)
{
	free(rom->bytes);
	rom->bytes = NULL;
}
