/* SPDX-License-Identifier: MIT */
#include "tests/fake_renderer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static void must(bool cond)
{
	if (!cond)
		abort();
}

static struct fake_renderer *fake_of(struct gpu_renderer *r)
{
	return container_of(r, struct fake_renderer, base);
}

static int take_error(struct gpu_renderer *r)
{
	int error = fake_of(r)->error;

	fake_of(r)->error = 0;
	return error;
}

static uint64_t fake_features(struct gpu_renderer *r)
{
	return FAKE_RENDERER_FEATURES;
}

/* --- capability sets ------------------------------------------------------ */

static unsigned fake_n_capsets(struct gpu_renderer *r)
{
	return fake_of(r)->n_capsets;
}

static int fake_capset_info(struct gpu_renderer *r, unsigned index, struct gpu_capset_info *info)
{
	*info = (struct gpu_capset_info){ .id = index + 1, .max_version = 2, .max_size = 100 };
	return take_error(r);
}

static int fake_capset(struct gpu_renderer *r, uint32_t id, uint32_t version, void *buf, size_t len)
{
	must(len == 100);
	memset(buf, id, 50);
	return take_error(r);
}

/* --- resources ------------------------------------------------------------ */

static int fake_create_2d(struct gpu_renderer *r, struct gpu_resource *res)
{
	int error = take_error(r);

	fake_of(r)->resources += error == 0;
	return error;
}

static int fake_create_3d(struct gpu_renderer *r, struct gpu_resource *res,
			  const struct gpu_create_3d *args)
{
	must(res->kind == GPU_RESOURCE_3D && res->width == args->width && res->host_bytes);
	fake_of(r)->create = *args;
	return fake_create_2d(r, res);
}

static int fake_create_blob(struct gpu_renderer *r, struct gpu_resource *res, uint32_t ctx_id)
{
	must(!!res->n_iov == (res->blob_mem != VIRTIO_GPU_BLOB_MEM_HOST3D));
	return fake_create_2d(r, res);
}

static void fake_destroy_resource(struct gpu_renderer *r, struct gpu_resource *res)
{
	must(!res->n_iov && !res->scanouts && !res->priv && fake_of(r)->resources);
	fake_of(r)->resources--;
}

static int fake_attach(struct gpu_renderer *r, struct gpu_resource *res)
{
	int error = take_error(r);

	must(res->n_iov);
	fake_of(r)->attached += error == 0;
	return error;
}

static void fake_detach(struct gpu_renderer *r, struct gpu_resource *res)
{
	must(res->n_iov);
	fake_of(r)->attached--;
}

/* Of a piece of the backing, that much at each end is looked at: they may be gigabytes. */
#define LOOK 8192u

static uint8_t look(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	for (size_t k = 0; k < len; k++)
		sum += p[k];
	return sum;
}

/* Reads, or writes, the backing. */
static int fake_transfer(struct gpu_renderer *r, struct gpu_resource *res,
			 const struct gpu_transfer *t, uint64_t *copied)
{
	struct fake_renderer *f = fake_of(r);
	uint8_t sum = 0;

	must(res->n_iov);
	/* Of 2D, backing may be too short for anything (case 46). */
	must(res->kind == GPU_RESOURCE_2D || t->offset <= res->backing_bytes);
	f->transfer = *t;
	f->transfers++;
	for (unsigned i = 0; i < res->n_iov; i++) {
		uint8_t *first = res->iov[i].iov_base;
		size_t n = MIN(res->iov[i].iov_len, LOOK);
		uint8_t *last = first + res->iov[i].iov_len - n;

		if (t->to_host) {
			sum += look(first, n) + look(last, n);
		} else {
			memset(first, 0x5a, n);
			memset(last, 0x5a, n);
		}
		*copied += res->iov[i].iov_len;
	}
	f->submit_sum += sum;
	return take_error(r);
}

/* A memfd that says whose it is: "blob" and the id of the blob. */
static int fake_map(struct gpu_renderer *r, struct gpu_resource *res, struct gpu_map *out)
{
	struct fake_renderer *f = fake_of(r);
	int error = take_error(r), fd;
	char text[32];

	must(res->kind == GPU_RESOURCE_BLOB && res->blob_size);
	if (error)
		return error;
	fd = memfd_create("blob", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	snprintf(text, sizeof(text), "blob %llu", (unsigned long long)res->blob_id);
	must(fd >= 0 && ftruncate(fd, res->blob_size) == 0);
	must(pwrite(fd, text, sizeof(text), 0) == sizeof(text));
	must(fcntl(fd, F_ADD_SEALS, f->map_seals ? f->map_seals : F_SEAL_SHRINK) == 0);
	*out = (struct gpu_map){
		.fd = fd, .size = res->blob_size - f->map_short,
		.info = VIRTIO_GPU_MAP_CACHE_CACHED,
	};
	f->mapped++;
	res->priv = f;
	return 0;
}

static void fake_unmap(struct gpu_renderer *r, struct gpu_resource *res)
{
	must(res->priv == r && fake_of(r)->mapped);
	res->priv = NULL;
	fake_of(r)->mapped--;
}

/* --- contexts ------------------------------------------------------------- */

static uint32_t *find_context(struct fake_renderer *f, uint32_t id)
{
	for (unsigned i = 0; i < FAKE_RENDERER_CONTEXTS; i++)
		if (f->ctx_ids[i] == id)
			return &f->ctx_ids[i];
	return NULL;
}

static int fake_ctx_create(struct gpu_renderer *r, uint32_t ctx_id, uint32_t capset,
			   const char *name)
{
	struct fake_renderer *f = fake_of(r);
	int error = take_error(r);

	must(ctx_id && !find_context(f, ctx_id) && find_context(f, 0));
	f->ctx_capset = capset;
	snprintf(f->ctx_name, sizeof(f->ctx_name), "%s", name);
	if (error == 0) {
		*find_context(f, 0) = ctx_id;
		f->contexts++;
	}
	return error;
}

static void fake_ctx_destroy(struct gpu_renderer *r, uint32_t ctx_id)
{
	struct fake_renderer *f = fake_of(r);

	must(ctx_id && find_context(f, ctx_id));
	*find_context(f, ctx_id) = 0;
	f->contexts--;
}

static int fake_ctx_attach(struct gpu_renderer *r, uint32_t ctx_id, struct gpu_resource *res)
{
	must(find_context(fake_of(r), ctx_id) && res);
	fake_of(r)->ctx_attached++;
	return take_error(r);
}

static int fake_ctx_detach(struct gpu_renderer *r, uint32_t ctx_id, struct gpu_resource *res)
{
	must(find_context(fake_of(r), ctx_id) && res);
	fake_of(r)->ctx_attached--;
	return take_error(r);
}

/* Looks at all of it, and changes it. */
static int fake_submit(struct gpu_renderer *r, uint32_t ctx_id, void *commands, size_t len)
{
	struct fake_renderer *f = fake_of(r);
	uint32_t *words = commands;

	must(find_context(f, ctx_id) && len && len % 4 == 0 && (uintptr_t)commands % 4 == 0);
	f->submit_ctx = ctx_id;
	f->submit_len = len;
	f->submit_sum = 0;
	f->submits++;
	for (size_t i = 0; i < len / 4; i++) {
		f->submit_sum += words[i];
		words[i] = 0;
	}
	return take_error(r);
}

/* --- fences --------------------------------------------------------------- */

static int fake_fence(struct gpu_renderer *r, const struct gpu_fence *fence)
{
	struct fake_renderer *f = fake_of(r);

	must(!fence->ctx_id || find_context(f, fence->ctx_id));
	must(fence->ctx_id || !fence->ring_idx);
	if (fence->ring_idx >= FAKE_RENDERER_RINGS)
		return -EINVAL;
	f->asked = *fence;
	return f->fence_now;
}

static int fake_poll_fd(struct gpu_renderer *r)
{
	return fake_of(r)->fd;
}

static void fake_poll(struct gpu_renderer *r)
{
	struct fake_renderer *f = fake_of(r);
	eventfd_t n;

	if (f->fd >= 0)
		eventfd_read(f->fd, &n);
	if (f->done_due)
		r->host.fence_done(r->host.ctx, &f->done);
	f->done_due = false;
}

/* --- scanouts ------------------------------------------------------------- */

static int fake_surface(struct gpu_renderer *r, struct gpu_resource *res,
			const struct gpu_scanout_view *view, struct display_surface *out)
{
	*out = (struct display_surface){
		.fourcc = view->fourcc, .width = view->rect.width, .height = view->rect.height,
		.pixels = { .pieces = res->iov, .n_pieces = res->n_iov, .stride = view->stride },
	};
	return take_error(r);
}

static int fake_read_cursor(struct gpu_renderer *r, struct gpu_resource *res, uint32_t *out)
{
	return take_error(r);
}

/* --- life ----------------------------------------------------------------- */

static void fake_reset(struct gpu_renderer *r)
{
	must(!fake_of(r)->resources && !fake_of(r)->contexts);
	fake_of(r)->resets++;
}

static void fake_destroy(struct gpu_renderer *r)
{
	if (fake_of(r)->fd >= 0)
		close(fake_of(r)->fd);
	free(fake_of(r));
}

static const struct gpu_renderer_ops fake_ops = {
	.name = "fake",
	.features = fake_features,
	.n_capsets = fake_n_capsets,
	.capset_info = fake_capset_info,
	.capset = fake_capset,
	.create_2d = fake_create_2d,
	.create_3d = fake_create_3d,
	.create_blob = fake_create_blob,
	.destroy_resource = fake_destroy_resource,
	.attach = fake_attach,
	.detach = fake_detach,
	.transfer = fake_transfer,
	.map = fake_map,
	.unmap = fake_unmap,
	.ctx_create = fake_ctx_create,
	.ctx_destroy = fake_ctx_destroy,
	.ctx_attach = fake_ctx_attach,
	.ctx_detach = fake_ctx_detach,
	.submit = fake_submit,
	.fence = fake_fence,
	.poll_fd = fake_poll_fd,
	.poll = fake_poll,
	.surface = fake_surface,
	.read_cursor = fake_read_cursor,
	.reset = fake_reset,
	.destroy = fake_destroy,
};

struct fake_renderer *fake_renderer_create(int fd)
{
	struct fake_renderer *f = calloc(1, sizeof(*f));

	must(f);
	f->base.ops = &fake_ops;
	f->fd = fd;
	f->n_capsets = 2;
	return f;
}
