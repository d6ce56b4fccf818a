/* SPDX-License-Identifier: MIT */
#include "devices/gpu/replay_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "devices/gpu/gpu_replay.h"
#include "vmm/util.h"

static void *map_memory(uint64_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
}

/* All but our own. */
static void unmap_memory(struct replay_memory *m)
{
	const struct gmem_region own = m->regions[m->n_regions - 1];

	for (unsigned i = 0; i + 1 < m->n_regions; i++)
		munmap(m->regions[i].host, m->regions[i].len);
	m->regions[0] = own;
	m->n_regions = 1;
	gpu_pages_finish(&m->pages);
}

static int map_regions(struct replay_memory *m, const struct gmem_range *ranges, unsigned n)
{
	const struct gmem_region own = m->regions[0];
	uint64_t left = GPU_REPLAY_MAX_RAM;

	for (unsigned i = 0; i < n; i++) {
		struct gmem_region *r = &m->regions[i];

		if (!ranges[i].len || ranges[i].len > left)
			return -EINVAL;
		left -= ranges[i].len;
		*r = (struct gmem_region){ .gpa = ranges[i].gpa, .len = ranges[i].len };
		r->host = map_memory(r->len);
		if (r->host == MAP_FAILED) {
			*r = own;
			return -ENOMEM;
		}
		m->regions[++m->n_regions - 1] = own;
	}
	return 0;
}

int replay_memory_set(struct replay_memory *m, const struct gmem_range *ranges, unsigned n)
{
	int ret;

	unmap_memory(m);
	ret = map_regions(m, ranges, n);
	if (ret == 0)
		ret = gmem_init_foreign(&m->mem, m->regions, m->n_regions);
	if (ret < 0) {
		unmap_memory(m);
		gmem_init_foreign(&m->mem, m->regions, m->n_regions);
	}
	return ret;
}

int replay_memory_name(struct replay_memory *m, uint64_t gpa, uint64_t len)
{
	if (len > (uint64_t)GPU_PAGES_MAX * GPU_PAGE || len > UINT64_MAX - gpa)
		return -ENOSPC;
	return gpu_pages_name(&m->pages, gpa, len);
}

/* NULL: not all of it is the guest's. */
static void *guest_ptr(const struct replay_memory *m, uint64_t gpa, uint64_t len)
{
	return gpa < REPLAY_OWN_GPA ? gmem_ptr(&m->mem, gpa, len) : NULL;
}

int replay_memory_write(struct replay_memory *m, uint64_t gpa, const void *data, uint64_t len)
{
	void *host = guest_ptr(m, gpa, len);
	int ret = host ? replay_memory_name(m, gpa, len) : -EINVAL;

	if (ret == 0)
		memcpy(host, data, len);
	return ret;
}

/* Given back. */
int replay_memory_clear(struct replay_memory *m, uint64_t gpa, uint64_t len)
{
	void *host = guest_ptr(m, gpa, len);

	if (!host)
		return -EINVAL;
	return madvise(host, len, MADV_DONTNEED) < 0 ? -errno : 0;
}

void *replay_memory_own(const struct replay_memory *m)
{
	return m->regions[m->n_regions - 1].host;
}

int replay_memory_init(struct replay_memory *m, uint64_t own_len)
{
	struct gmem_region own = { .gpa = REPLAY_OWN_GPA, .len = own_len };

	*m = (struct replay_memory){ 0 };
	own.host = map_memory(own_len);
	if (own.host == MAP_FAILED)
		return -ENOMEM;
	m->regions[0] = own;
	m->n_regions = 1;
	return gmem_init_foreign(&m->mem, m->regions, m->n_regions);
}

void replay_memory_finish(struct replay_memory *m)
{
	unmap_memory(m);
	munmap(m->regions[0].host, m->regions[0].len);
}
