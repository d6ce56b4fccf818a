/* SPDX-License-Identifier: MIT */
#include "devices/virtio/vhost_user_mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/util.h"

#define PAGE 4096ull

_Static_assert(VHOST_USER_MAX_REGIONS == GMEM_MAX_REGIONS, "a table is guest memory");

/* Ranges that end within 64 bits, so that what follows may add. */
static const char *check_table(const struct vhost_user_memory *table)
{
	if (table->n_regions == 0 || table->n_regions > VHOST_USER_MAX_REGIONS)
		return "number of memory regions";
	for (unsigned i = 0; i < table->n_regions; i++) {
		const struct vhost_user_region *r = &table->regions[i];

		if ((r->gpa | r->len | r->user | r->offset) % PAGE)
			return "memory region that is not of whole pages";
		if (!r->len || !range_fits(r->gpa, r->len, UINT64_MAX) ||
		    !range_fits(r->user, r->len, UINT64_MAX) ||
		    !range_fits(r->offset, r->len, INT64_MAX))
			return "memory region that is empty or does not end";
		for (unsigned k = 0; k < i; k++) {
			const struct vhost_user_region *o = &table->regions[k];

			if (ranges_overlap(r->gpa, r->len, o->gpa, o->len) ||
			    ranges_overlap(r->user, r->len, o->user, o->len))
				return "memory regions that overlap";
		}
	}
	return NULL;
}

static const char *check_file(const struct vhost_user_region *r, int fd, struct stat *st)
{
	int seals;

	if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))
		return "memory that is no memfd";
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return "memory that could shrink: it has to be a memfd with F_SEAL_SHRINK "
		       "(QEMU: memory-backend-memfd)";
	if (!range_fits(r->offset, r->len, st->st_size))
		return "memory region beyond the end of its memfd";
	return NULL;
}

static const char *map_one(struct vhost_user_map *map, const struct vhost_user_region *r, int fd)
{
	struct stat st;
	const char *why = check_file(r, fd, &st);
	void *host;

	if (why)
		return why;
	host = mmap(NULL, r->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		    r->offset);
	if (host == MAP_FAILED)
		return "memory that cannot be mapped";
	/* What a crash leaves behind is to tell of us, not of the guest. */
	madvise(host, r->len, MADV_DONTDUMP);
	map->regions[map->n].r = *r;
	map->regions[map->n].dev = st.st_dev;
	map->regions[map->n].ino = st.st_ino;
	map->regions[map->n++].host = host;
	return NULL;
}

const char *vhost_user_map_init(struct vhost_user_map *map, const struct vhost_user_memory *table,
				const int *fds, unsigned n_fds)
{
	const char *why = check_table(table);

	*map = (struct vhost_user_map){ 0 };
	if (!why && n_fds != table->n_regions)
		why = "number of descriptors of memory";
	for (unsigned i = 0; !why && i < table->n_regions; i++)
		why = map_one(map, &table->regions[i], fds[i]);
	if (why)
		vhost_user_map_finish(map);
	return why;
}

void vhost_user_map_finish(struct vhost_user_map *map)
{
	for (unsigned i = 0; i < map->n; i++)
		munmap(map->regions[i].host, map->regions[i].r.len);
	map->n = 0;
}

bool vhost_user_map_same(const struct vhost_user_map *a, const struct vhost_user_map *b)
{
	for (unsigned i = 0; i < a->n && i < b->n; i++)
		if (memcmp(&a->regions[i].r, &b->regions[i].r, sizeof(a->regions[i].r)) ||
		    a->regions[i].dev != b->regions[i].dev ||
		    a->regions[i].ino != b->regions[i].ino)
			return false;
	return a->n == b->n;
}

void vhost_user_map_gmem(const struct vhost_user_map *map, struct gmem *mem)
{
	struct gmem_region regions[GMEM_MAX_REGIONS];
	int ret;

	gmem_finish(mem);
	if (map->n == 0)
		return;
	for (unsigned i = 0; i < map->n; i++)
		regions[i] = (struct gmem_region){
			.gpa = map->regions[i].r.gpa,
			.len = map->regions[i].r.len,
			.host = map->regions[i].host,
		};
	ret = gmem_init_foreign(mem, regions, map->n);
	/* The table was checked for all of that. */
	assert(ret == 0);
	(void)ret;
}

bool vhost_user_map_gpa(const struct vhost_user_map *map, uint64_t user, uint64_t *gpa)
{
	for (unsigned i = 0; i < map->n; i++) {
		const struct vhost_user_region *r = &map->regions[i].r;

		if (user >= r->user && user - r->user < r->len) {
			*gpa = r->gpa + (user - r->user);
			return true;
		}
	}
	return false;
}
