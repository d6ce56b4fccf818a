/* SPDX-License-Identifier: MIT */
/*
 * Kernels as they are in files or packed by gzip (RFC 1952). What is unpacked
 * goes straight to its place and never grows beyond what was claimed there, so
 * that a small file cannot make much of itself (case 96).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "arch/arm/boot_int.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define GZIP_WINDOW (15 + 16)	/* the largest; a gzip header is wanted */
#define GZIP_OUT_STEP (64u << 20)

struct unpack {
	const struct payload *p;
	z_stream z;
	uint64_t pos;		/* in the file, of what is read next */
	bool ended;
	uint8_t in[16384];
};

static int unpack_begin(struct unpack *u, const struct payload *p)
{
	u->p = p;
	u->pos = 0;
	u->ended = false;
	u->z = (z_stream){ 0 };
	return inflateInit2(&u->z, GZIP_WINDOW) == Z_OK ? 0 : -ENOMEM;
}

static int unpack_refuse(const struct unpack *u, const char *why)
{
	log_error("%s: its gzip data is damaged: %s", u->p->file->path, why);
	return -EINVAL;
}

static int unpack_fill(struct unpack *u)
{
	size_t n = MIN(u->p->len - u->pos, sizeof(u->in));
	int ret;

	if (n == 0)
		return unpack_refuse(u, "the file ends too early");
	ret = boot_file_read(u->p->file, u->p->off + u->pos, u->in, n);
	u->pos += n;
	u->z.next_in = u->in;
	u->z.avail_in = n;
	return ret;
}

/* Up to @len bytes; fewer only at the end: u->ended. How many, or negative errno. */
static int64_t unpack_some(struct unpack *u, void *out, size_t len)
{
	u->z.next_out = out;
	u->z.avail_out = len;
	while (u->z.avail_out && !u->ended) {
		int ret = u->z.avail_in ? 0 : unpack_fill(u);

		if (ret < 0)
			return ret;
		ret = inflate(&u->z, Z_NO_FLUSH);
		if (ret == Z_STREAM_END)
			u->ended = true;
		else if (ret == Z_MEM_ERROR)
			return -ENOMEM;
		else if (ret != Z_OK)
			return unpack_refuse(u, u->z.msg ? u->z.msg : zError(ret));
	}
	return len - u->z.avail_out;
}

/* Whether there is more, or negative errno from the checks that come at the end. */
static int unpack_more(struct unpack *u)
{
	uint8_t more;

	return u->ended ? 0 : unpack_some(u, &more, 1);
}

/* --- payloads -------------------------------------------------------------------- */

static int payload_head(struct payload *p)
{
	struct unpack u;
	int64_t n;
	int ret;

	if (!p->gzip) {
		p->head_len = MIN(p->len, sizeof(p->head));
		return boot_file_read(p->file, p->off, p->head, p->head_len);
	}
	ret = unpack_begin(&u, p);
	if (ret < 0)
		return ret;
	n = unpack_some(&u, p->head, sizeof(p->head));
	inflateEnd(&u.z);
	p->head_len = MAX(n, 0);
	return MIN(n, 0);
}

int payload_open(struct payload *p, const struct boot_file *file, uint64_t off, uint64_t len,
		 bool gzip)
{
	p->file = file;
	p->off = off;
	p->len = len;
	p->gzip = gzip;
	memset(p->head, 0, sizeof(p->head));
	return payload_head(p);
}

static int payload_too_long(const struct payload *p, uint64_t max)
{
	log_error("%s: is larger than %" PRIu64 " bytes, for which there is room", p->file->path,
		  max);
	return -EFBIG;
}

int payload_measure(const struct payload *p, uint64_t max, uint64_t *len)
{
	uint8_t out[16384];
	struct unpack u;
	int64_t n = 0;
	int ret;

	*len = p->len;
	if (!p->gzip)
		return p->len <= max ? 0 : payload_too_long(p, max);
	ret = unpack_begin(&u, p);
	if (ret < 0)
		return ret;
	for (*len = 0; !u.ended && n >= 0 && *len <= max; *len += MAX(n, 0))
		n = unpack_some(&u, out, sizeof(out));
	inflateEnd(&u.z);
	if (n < 0)
		return n;
	return *len <= max ? 0 : payload_too_long(p, max);
}

/* Unpacks @max bytes at most, *@got in the end. Whether there are others, or negative errno. */
static int payload_unpack(const struct payload *p, struct gmem *mem, uint64_t gpa, uint64_t max,
			  uint64_t *got)
{
	struct unpack u;
	int64_t n = 0;
	int ret = unpack_begin(&u, p);

	*got = 0;
	if (ret < 0)
		return ret;
	while (*got < max && !u.ended && n >= 0) {
		void *host;
		/* What is claimed may be in several regions. */
		uint64_t room = gmem_piece(mem, gpa + *got, max - *got, &host);

		n = room ? unpack_some(&u, host, MIN(room, GZIP_OUT_STEP)) : -EFAULT;
		*got += MAX(n, 0);
	}
	n = n < 0 ? n : unpack_more(&u);
	inflateEnd(&u.z);
	return n;
}

int payload_load(const struct payload *p, struct gmem *mem, uint64_t gpa, uint64_t len)
{
	uint64_t got;
	int ret;

	if (!p->gzip)
		return boot_file_load(p->file, p->off, mem, gpa, len);
	ret = payload_unpack(p, mem, gpa, len, &got);
	if (ret < 0 || got == len)
		return MIN(ret, 0);
	log_error("%s: is truncated: it unpacks to %" PRIu64 " bytes instead of %" PRIu64,
		  p->file->path, got, len);
	return -EINVAL;
}

int payload_load_all(const struct payload *p, struct gmem *mem, uint64_t gpa, uint64_t max)
{
	uint64_t got;
	int ret;

	if (!p->gzip)
		return p->len <= max ? boot_file_load(p->file, p->off, mem, gpa, p->len) :
				       payload_too_long(p, max);
	ret = payload_unpack(p, mem, gpa, max, &got);
	return ret > 0 ? payload_too_long(p, max) : ret;
}
