/* SPDX-License-Identifier: MIT */
#include "devices/ui/display_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/util.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010	/* <linux/fcntl.h> */
#endif

/* Ours to write by the mapping that we have; nobody makes another one. */
static int seal(int fd)
{
	const int must = F_SEAL_SHRINK | F_SEAL_GROW;

	if (fcntl(fd, F_ADD_SEALS, must) < 0)
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0 && errno != EINVAL)
		return -errno;
	return 0;
}

int display_memory_create(struct display_memory *m, size_t len)
{
	int ret = 0;

	*m = (struct display_memory){ .len = align_up(len, 4096) };
	m->fd = memfd_create("microvm-picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (m->fd < 0)
		return -errno;
	if (ftruncate(m->fd, m->len) < 0)
		ret = -errno;
	if (ret == 0) {
		m->map = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
		if (m->map == MAP_FAILED) {
			ret = -errno;
			m->map = NULL;
		}
	}
	if (ret == 0)
		ret = seal(m->fd);
	if (ret < 0)
		display_memory_close(m);
	return ret;
}

int display_memory_open(struct display_memory *m, int fd, uint64_t offset, uint64_t len,
			const void **at)
{
	/* Of memfds only (EINVAL), and it cannot be taken back. */
	int seals = fcntl(fd, F_GET_SEALS);
	uint64_t from = align_down(offset, 4096);
	struct stat st;
	void *map;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0 || !len ||
	    !range_fits(offset, len, st.st_size))
		return -EPROTO;
	/* An offset of huge pages' memory has to be a multiple of theirs: all of it then. */
	map = mmap(NULL, offset - from + len, PROT_READ, MAP_SHARED, fd, from);
	if (map == MAP_FAILED && errno == EINVAL && from) {
		from = 0;
		map = mmap(NULL, offset + len, PROT_READ, MAP_SHARED, fd, 0);
	}
	if (map == MAP_FAILED)
		return -errno;
	*m = (struct display_memory){ fd, map, offset - from + len };
	*at = (const char *)map + (offset - from);
	return 0;
}

bool display_memory_read_only(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
}

void display_memory_close(struct display_memory *m)
{
	if (m->map)
		munmap(m->map, m->len);
	if (m->fd >= 0)
		close(m->fd);
	*m = (struct display_memory)DISPLAY_MEMORY_NONE;
}
