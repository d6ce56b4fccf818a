/* SPDX-License-Identifier: MIT */
#include "devices/vga/vga_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/vga/vga.h"
#include "vmm/log.h"
#include "vmm/util.h"

static int memory_make_fd(uint64_t len)
{
	int fd = memfd_create("vga", MFD_CLOEXEC | MFD_ALLOW_SEALING), ret;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, len) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* NULL after an error. */
static void *memory_map(const struct vga_memory *m, uint64_t at, uint64_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, at);

	return p == MAP_FAILED ? NULL : p;
}

int vga_memory_create(struct vga_memory *m, uint64_t vram_len)
{
	int ret = 0;

	/* A picture of 8 bits a pixel needs four times its vram; half of vram may be one. */
	*m = (struct vga_memory){
		.vram_len = vram_len,
		.canvas_at = vram_len,
		.canvas_len = MAX(2 * vram_len, (uint64_t)align_up(VGA_MIN_CANVAS, VGA_PAGE)),
	};
	pthread_mutex_init(&m->lock, NULL);
	m->fd = memory_make_fd(m->canvas_at + m->canvas_len);
	if (m->fd < 0) {
		ret = m->fd;
	} else {
		m->vram = memory_map(m, 0, m->vram_len);
		m->guest = m->vram ? memory_map(m, 0, m->vram_len) : NULL;
		m->canvas = m->guest ? memory_map(m, m->canvas_at, m->canvas_len) : NULL;
		ret = m->canvas ? 0 : -errno;
	}
	if (ret < 0) {
		log_error("memory of the VGA card: %s", strerror(-ret));
		vga_memory_finish(m);
	}
	return ret;
}

void vga_memory_finish(struct vga_memory *m)
{
	if (!m->vram_len)
		return;
	if (m->canvas)
		munmap(m->canvas, m->canvas_len);
	if (m->guest)
		munmap(m->guest, m->vram_len);
	if (m->vram)
		munmap(m->vram, m->vram_len);
	if (m->fd >= 0)
		close(m->fd);
	pthread_mutex_destroy(&m->lock);
	*m = (struct vga_memory){ .fd = -1 };
}

void vga_memory_watch(struct vga_memory *m)
{
	pthread_mutex_lock(&m->lock);
	/* If it cannot be, the guest's next pixel waits for something else to happen. */
	m->watched = mprotect(m->guest, m->vram_len, PROT_READ) == 0;
	pthread_mutex_unlock(&m->lock);
}

bool vga_memory_repair(struct vga_memory *m)
{
	bool was;

	pthread_mutex_lock(&m->lock);
	was = m->watched;
	if (was)
		mprotect(m->guest, m->vram_len, PROT_READ | PROT_WRITE);
	m->watched = false;
	pthread_mutex_unlock(&m->lock);
	return was;
}

void vga_memory_clear(struct vga_memory *m)
{
	uint64_t len = m->canvas_at + m->canvas_len;

	vga_memory_repair(m);
	if (fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, len) < 0)
		log_warn("giving back memory of the VGA card: %m");
}
