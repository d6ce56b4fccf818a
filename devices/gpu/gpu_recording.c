/* SPDX-License-Identifier: MIT */
#include "devices/gpu/gpu_recording.h"

#include <errno.h>
#include <linux/virtio_gpu.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "devices/gpu/gpu_pages.h"
#include "devices/virtio/gpu_proto.h"
#include "vmm/util.h"

/* --- files -------------------------------------------------------------------- */

/* What gzip's own end is missing is like a record whose end is. */
static ssize_t read_file(void *ctx, void *buf, size_t len)
{
	int got = gzread(ctx, buf, len), error;

	if (got >= 0)
		return got;
	gzerror(ctx, &error);
	if (error == Z_BUF_ERROR)
		return 0;
	return error == Z_ERRNO && errno ? -errno : -EINVAL;
}

int gpu_recording_open_fd(struct gpu_recording *r, int fd)
{
	gzFile file = gzdopen(fd, "rb");
	int ret;

	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	ret = gpu_recording_open(r, read_file, file);
	if (ret < 0)
		gzclose_r(file);
	return ret;
}

/* --- records ------------------------------------------------------------------- */

int gpu_recording_open(struct gpu_recording *r, ssize_t (*read)(void *ctx, void *buf, size_t len),
		       void *ctx)
{
	ssize_t got;

	*r = (struct gpu_recording){ .read = read, .ctx = ctx };
	got = read(ctx, &r->file, sizeof(r->file));
	if (got < 0)
		return got;
	if ((size_t)got < sizeof(r->file) ||
	    memcmp(r->file.magic, GPU_RECORD_MAGIC, sizeof(r->file.magic)) ||
	    !memchr(r->file.renderer, '\0', sizeof(r->file.renderer)))
		return -EINVAL;
	if (r->file.version != GPU_RECORD_VERSION)
		return -ENOTSUP;
	if (!r->file.n_outputs || r->file.n_outputs > DISPLAY_MAX_OUTPUTS)
		return -EINVAL;
	/* Pages of it that no record needs are never touched. */
	r->payload = malloc(GPU_RECORD_MAX_PAYLOAD);
	return r->payload ? 0 : -ENOMEM;
}

void gpu_recording_close(struct gpu_recording *r)
{
	if (r->read == read_file)
		gzclose_r(r->ctx);
	free(r->payload);
	*r = (struct gpu_recording){ 0 };
}

static bool is_pages(uint64_t gpa, uint64_t len)
{
	return len && !((gpa | len) % GPU_PAGE) && len <= UINT64_MAX - gpa;
}

static bool is_pages_record(const struct gpu_recording *r, uint32_t len)
{
	return len > sizeof(uint64_t) &&
	       is_pages(load_le(r->payload, sizeof(uint64_t)), len - sizeof(uint64_t));
}

static bool is_zeros_record(const struct gpu_recording *r, uint32_t len)
{
	struct gmem_range range;

	if (len != sizeof(range))
		return false;
	memcpy(&range, r->payload, sizeof(range));
	return is_pages(range.gpa, range.len);
}

static bool is_record(const struct gpu_recording *r)
{
	uint32_t len = r->head.len;

	if (r->head.type != GPU_RECORD_COMMAND && r->head.arg)
		return false;
	switch (r->head.type) {
	case GPU_RECORD_MEMORY:
		return len && len % sizeof(struct gmem_range) == 0 &&
		       len / sizeof(struct gmem_range) <= GPU_RECORD_REGIONS;
	case GPU_RECORD_START:
		return len == sizeof(uint64_t);
	case GPU_RECORD_PAGES:
		return is_pages_record(r, len);
	case GPU_RECORD_ZEROS:
		return is_zeros_record(r, len);
	case GPU_RECORD_COMMAND:
		return r->head.arg < GPU_QUEUES && len >= sizeof(struct virtio_gpu_ctrl_hdr);
	case GPU_RECORD_REFUSED:
		return len == sizeof(uint32_t);
	default:
		return false;
	}
}

int gpu_recording_next(struct gpu_recording *r)
{
	ssize_t got = r->read(r->ctx, &r->head, sizeof(r->head));

	if (got <= 0)
		return got;
	if ((size_t)got == sizeof(r->head)) {
		if (r->head.len > GPU_RECORD_MAX_PAYLOAD)
			return -EINVAL;
		got = r->read(r->ctx, r->payload, r->head.len);
		if (got < 0)
			return got;
		if ((size_t)got == r->head.len)
			return is_record(r) ? 1 : -EINVAL;
	}
	r->cut = true;
	return 0;
}
