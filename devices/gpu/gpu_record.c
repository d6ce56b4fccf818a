/* SPDX-License-Identifier: MIT */
#include "devices/gpu/gpu_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices/gpu/gpu_pages.h"
#include "devices/virtio/gpu_proto.h"
#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/util.h"

#define MAX_NAMES 100		/* FILE, FILE.1 ... */
#define RUN_BYTES (1u << 20)	/* of one PAGES; less than GPU_RECORD_MAX_PAYLOAD */

/* Pages next to each other that are to be written. */
struct run {
	uint64_t gpa, len;
	const char *host;
	bool zeros;
};

struct gpu_record {
	int fd;			/* -1: it has ended */
	char *path;
	uint64_t limit, size;
	uint64_t begun_ns;	/* 0: nothing is written yet */
	bool told_memory, told_start;
	struct gpu_pages pages;
	struct run run;
};

/* --- the file --------------------------------------------------------------- */

static int new_file(char **path, const char *name)
{
	int fd = -1;

	for (unsigned i = 0; i < MAX_NAMES; i++) {
		int n = i ? asprintf(path, "%s.%u", name, i) : asprintf(path, "%s", name);

		if (n < 0)
			return -ENOMEM;
		fd = open(*path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0)
			return fd;
		fd = -errno;
		free(*path);
		if (fd != -EEXIST)
			break;
	}
	return fd;
}

int gpu_record_create(struct gpu_record **out, const char *path, uint64_t limit)
{
	struct gpu_record *r = calloc(1, sizeof(*r));
	int ret = r ? new_file(&r->path, path) : -ENOMEM;

	if (ret < 0) {
		log_error("record=%s: %s", path, strerror(-ret));
		free(r);
		return ret;
	}
	r->fd = ret;
	r->limit = limit;
	log_msg(LOG_WARN, "what the guest asks of the card is recorded in %s", r->path);
	*out = r;
	return 0;
}

/* What was written last may be a part of something: it goes. */
static void end_with(struct gpu_record *r, const char *why)
{
	if (r->fd < 0)
		return;
	log_warn("%s: the recording ends after %llu MiB: %s", r->path,
		 (unsigned long long)(r->size / MiB), why);
	if (ftruncate(r->fd, r->size) < 0)
		log_debug("%s: ftruncate: %m", r->path);
	close(r->fd);
	r->fd = -1;
	gpu_pages_finish(&r->pages);
}

void gpu_record_destroy(struct gpu_record *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	gpu_pages_finish(&r->pages);
	free(r->path);
	free(r);
}

bool gpu_record_active(const struct gpu_record *r)
{
	return r && r->fd >= 0;
}

/* All of @iov, which it changes. */
static int write_parts(int fd, struct iovec *iov, int n)
{
	while (n) {
		ssize_t done = writev(fd, iov, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		while (n && (size_t)done >= iov->iov_len) {
			done -= iov->iov_len;
			iov++;
			n--;
		}
		if (n) {
			iov->iov_base = (char *)iov->iov_base + done;
			iov->iov_len -= done;
		}
	}
	return 0;
}

static void put(struct gpu_record *r, struct iovec *iov, int n)
{
	uint64_t len = 0;
	int ret;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (len > r->limit - r->size) {
		end_with(r, "its limit (record-limit=)");
		return;
	}
	ret = write_parts(r->fd, iov, n);
	if (ret < 0)
		end_with(r, strerror(-ret));
	else
		r->size += len;
}

/* A record; @first and @second: its payload. */
static void put_record(struct gpu_record *r, unsigned type, unsigned arg, const void *first,
		       size_t first_len, const void *second, size_t second_len)
{
	struct gpu_record_head head = {
		.type = type, .arg = arg, .len = first_len + second_len,
		.time_ns = loop_now_ns() - r->begun_ns,
	};
	struct iovec iov[] = {
		{ &head, sizeof(head) },
		{ (void *)first, first_len },
		{ (void *)second, second_len },
	};

	if (r->fd >= 0)
		put(r, iov, ARRAY_SIZE(iov));
}

/* --- what is told once -------------------------------------------------------- */

void gpu_record_forget_start(struct gpu_record *r)
{
	if (r)
		r->told_start = false;
}

void gpu_record_forget_memory(struct gpu_record *r)
{
	if (!r)
		return;
	r->told_memory = false;
	gpu_pages_finish(&r->pages);
}

static void tell_file(struct gpu_record *r, const struct gpu_record_card *card)
{
	struct gpu_record_file file = {
		.magic = GPU_RECORD_MAGIC,
		.version = GPU_RECORD_VERSION,
		.n_outputs = card->n_outputs,
	};
	struct iovec iov = { &file, sizeof(file) };

	snprintf(file.renderer, sizeof(file.renderer), "%s", card->renderer);
	r->begun_ns = loop_now_ns();
	put(r, &iov, 1);
}

static void tell_memory(struct gpu_record *r, const struct gmem *mem)
{
	struct gmem_range ranges[GPU_RECORD_REGIONS];

	if (mem->n_regions > ARRAY_SIZE(ranges)) {
		end_with(r, "guest memory is in too many pieces");
		return;
	}
	for (unsigned i = 0; i < mem->n_regions; i++)
		ranges[i] = (struct gmem_range){ mem->regions[i].gpa, mem->regions[i].len };
	put_record(r, GPU_RECORD_MEMORY, 0, ranges, mem->n_regions * sizeof(ranges[0]), NULL, 0);
	r->told_memory = true;
}

void gpu_record_begin(struct gpu_record *r, const struct gpu_record_card *card)
{
	if (gpu_record_active(r) && !r->begun_ns)
		tell_file(r, card);
	if (gpu_record_active(r) && !r->told_memory)
		tell_memory(r, card->mem);
	if (gpu_record_active(r) && !r->told_start)
		put_record(r, GPU_RECORD_START, 0, &card->features, sizeof(card->features), NULL, 0);
	if (r)
		r->told_start = true;
}

/* --- memory ------------------------------------------------------------------- */

static void put_run(struct gpu_record *r)
{
	const struct run *run = &r->run;
	const struct gmem_range zeros = { run->gpa, run->len };

	if (run->len && run->zeros)
		put_record(r, GPU_RECORD_ZEROS, 0, &zeros, sizeof(zeros), NULL, 0);
	else if (run->len)
		put_record(r, GPU_RECORD_PAGES, 0, &run->gpa, sizeof(run->gpa), run->host,
			   run->len);
	r->run.len = 0;
}

static void add_to_run(struct gpu_record *r, uint64_t gpa, const char *host, bool zeros)
{
	struct run *run = &r->run;

	if (!run->len || run->gpa + run->len != gpa || run->host + run->len != host ||
	    run->zeros != zeros || run->len == RUN_BYTES) {
		put_run(r);
		*run = (struct run){ .gpa = gpa, .host = host, .zeros = zeros };
	}
	run->len += GPU_PAGE;
}

static const char *no_room(int ret)
{
	return ret == -ENOSPC ? "the guest has shown the card too much of its memory" :
				strerror(-ret);
}

static void look_at(struct gpu_record *r, uint64_t gpa, const char *host)
{
	uint64_t hash = gpu_page_hash(host);
	struct gpu_page *page;
	int known = gpu_pages_get(&r->pages, gpa / GPU_PAGE, &page);
	bool zeros, was_recorded;

	if (known < 0) {
		end_with(r, no_room(known));
		return;
	}
	if (known && page->hash == hash)
		return;
	was_recorded = page->hash;
	page->hash = hash;
	zeros = gpu_page_is_zero(host);
	/* A player's memory is zeros in the beginning. */
	if (was_recorded || !zeros)
		add_to_run(r, gpa, host, zeros);
}

void gpu_record_memory(struct gpu_record *r, const struct gmem *mem, uint64_t gpa, uint64_t len)
{
	uint64_t at = align_down(gpa, GPU_PAGE), end = gpa + len;

	while (gpu_record_active(r) && at < end) {
		const char *host = gmem_ptr(mem, at, GPU_PAGE);

		if (host)
			look_at(r, at, host);
		at += GPU_PAGE;
	}
	if (gpu_record_active(r))
		put_run(r);
}

/* A player needs room for these pages, whatever is in them. */
static int name_piece(void *ctx, uint64_t gpa, uint64_t len)
{
	struct gpu_record *r = ctx;

	return gpu_pages_name(&r->pages, gpa, len);
}

/* --- commands ------------------------------------------------------------------- */

/* Where entries begin in a command, and how many there are to be; 0: it has none. */
static size_t entries_at(const void *command, size_t len, uint32_t *n)
{
	const union gpu_command *c = command;
	size_t size = gpu_command_size(GPU_CONTROLQ, c->hdr.type);

	if (!size || len < size)
		return 0;
	switch (c->hdr.type) {
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		*n = c->attach.nr_entries;
		return size;
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		*n = c->create_blob.nr_entries;
		return size;
	default:
		return 0;
	}
}

int gpu_record_entries(const void *command, size_t len,
		       int (*each)(void *ctx, uint64_t gpa, uint64_t len), void *ctx)
{
	uint32_t n = 0;
	size_t off = entries_at(command, len, &n);
	uint64_t sum = 0;
	int ret = 0;

	while (n && ret == 0 && range_fits(off, sizeof(struct virtio_gpu_mem_entry), len)) {
		struct virtio_gpu_mem_entry entry;

		memcpy(&entry, (const char *)command + off, sizeof(entry));
		/* The same pages again and again. */
		sum += entry.length;
		if (sum > (uint64_t)GPU_PAGES_MAX * GPU_PAGE)
			return -ENOSPC;
		ret = each(ctx, entry.addr, entry.length);
		off += sizeof(entry);
		n--;
	}
	return ret;
}

void gpu_record_command(struct gpu_record *r, unsigned queue, const void *bytes, size_t len)
{
	int ret = gpu_record_active(r) && queue == GPU_CONTROLQ ?
		  gpu_record_entries(bytes, len, name_piece, r) : 0;

	if (ret < 0)
		end_with(r, no_room(ret));
	if (gpu_record_active(r) && len <= GPU_RECORD_MAX_PAYLOAD)
		put_record(r, GPU_RECORD_COMMAND, queue, bytes, len, NULL, 0);
}

void gpu_record_refused(struct gpu_record *r, uint32_t answer)
{
	if (gpu_record_active(r))
		put_record(r, GPU_RECORD_REFUSED, 0, &answer, sizeof(answer), NULL, 0);
}
