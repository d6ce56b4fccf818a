/* SPDX-License-Identifier: MIT */
#include "devices/virtio/shm_window.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

#define FIRST_ROOM 64

/* --- files (case 77) --------------------------------------------------------- */

/* Bytes of a dma-buf, which no one can change; -1: it is none. */
static int64_t dma_buf_size(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != DMA_BUF_MAGIC)
		return -1;
	return lseek(fd, 0, SEEK_END);
}

static int file_size(int fd, uint64_t *size)
{
	int64_t dma_buf = dma_buf_size(fd);
	struct stat st;
	int seals;

	if (dma_buf >= 0) {
		*size = dma_buf;
		return 0;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EPERM;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EPERM;
	*size = st.st_size;
	return 0;
}

/* --- pieces -------------------------------------------------------------------- */

/* How many pieces begin before @off. */
static unsigned pieces_before(const struct shm_window *w, uint64_t off)
{
	unsigned low = 0, high = w->n_pieces;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (w->pieces[mid].off < off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_free(const struct shm_window *w, unsigned at, uint64_t off, uint64_t len)
{
	const struct shm_piece *p = w->pieces;

	return (at == 0 || p[at - 1].off + p[at - 1].len <= off) &&
	       (at == w->n_pieces || off + len <= p[at].off);
}

static int make_room(struct shm_window *w)
{
	unsigned room = w->room ? 2 * w->room : FIRST_ROOM;
	struct shm_piece *pieces;

	if (w->n_pieces < w->room)
		return 0;
	if (w->n_pieces >= SHM_MAX_PIECES)
		return -ENOSPC;
	pieces = realloc(w->pieces, room * sizeof(*pieces));
	if (!pieces)
		return -ENOMEM;
	w->pieces = pieces;
	w->room = room;
	return 0;
}

/* --- mappings ------------------------------------------------------------------ */

/* Zeros that cost nothing until they are written, in place of what is there. */
static int put_zeros(struct shm_window *w, uint64_t off, uint64_t len)
{
	void *at = (char *)w->host + off;

	if (mmap(at, len, PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		return -errno;
	/* A byte is to cost a page. */
	madvise(at, len, MADV_NOHUGEPAGE);
	madvise(at, len, MADV_DONTDUMP);
	return 0;
}

/* An address without a mapping could become anything, and the guest's with it. */
static void take_out(struct shm_window *w, uint64_t off, uint64_t len)
{
	if (put_zeros(w, off, len) == 0)
		return;
	log_error("shared memory cannot be taken out of the guest: %m");
	abort();
}

/*
 * What cannot be mapped is to show while the place is not touched: a mapping that
 * fails leaves a hole where another one was.
 */
static int put_file(struct shm_window *w, const struct shm_map *m)
{
	int flags = m->writable ? MAP_SHARED : MAP_PRIVATE, ret;
	void *at = (char *)w->host + m->off;
	void *trial = mmap(NULL, m->len, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, m->fd,
			   m->fd_off);

	if (trial == MAP_FAILED)
		return -errno;
	munmap(trial, m->len);
	if (mmap(at, m->len, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE, m->fd,
		 m->fd_off) != MAP_FAILED) {
		madvise(at, m->len, MADV_DONTDUMP);
		return 0;
	}
	ret = -errno;
	take_out(w, m->off, m->len);
	return ret;
}

int shm_window_map(struct shm_window *w, const struct shm_map *m)
{
	unsigned at = pieces_before(w, m->off);
	uint64_t size;
	int ret;

	if (!m->len || (m->off | m->len | m->fd_off) % SHM_PAGE ||
	    !range_fits(m->off, m->len, w->len) || !is_free(w, at, m->off, m->len))
		return -EINVAL;
	ret = file_size(m->fd, &size);
	if (ret == 0 && !range_fits(m->fd_off, m->len, align_up(size, SHM_PAGE)))
		ret = -EINVAL;
	if (ret == 0)
		ret = make_room(w);
	if (ret == 0)
		ret = put_file(w, m);
	if (ret < 0)
		return ret;
	memmove(&w->pieces[at + 1], &w->pieces[at], (w->n_pieces - at) * sizeof(w->pieces[0]));
	w->pieces[at] = (struct shm_piece){ m->off, m->len };
	w->n_pieces++;
	return 0;
}

int shm_window_unmap(struct shm_window *w, uint64_t off, uint64_t len)
{
	unsigned at = pieces_before(w, off);

	if (at == w->n_pieces || w->pieces[at].off != off || w->pieces[at].len != len)
		return -ENOENT;
	take_out(w, off, len);
	w->n_pieces--;
	memmove(&w->pieces[at], &w->pieces[at + 1], (w->n_pieces - at) * sizeof(w->pieces[0]));
	return 0;
}

void shm_window_clear(struct shm_window *w)
{
	take_out(w, 0, w->len);
	w->n_pieces = 0;
}

/* --- life ------------------------------------------------------------------------ */

int shm_window_init(struct shm_window *w, uint8_t id, uint64_t len)
{
	int ret;

	*w = (struct shm_window){ 0 };
	if (!len || len % SHM_PAGE || len > SHM_MAX_LEN)
		return -EINVAL;
	w->host = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (w->host == MAP_FAILED) {
		w->host = NULL;
		return -errno;
	}
	w->id = id;
	w->len = len;
	ret = put_zeros(w, 0, len);
	if (ret < 0)
		shm_window_finish(w);
	return ret;
}

void shm_window_finish(struct shm_window *w)
{
	if (w->host)
		munmap(w->host, w->len);
	free(w->pieces);
	*w = (struct shm_window){ 0 };
}
