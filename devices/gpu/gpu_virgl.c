/* SPDX-License-Identifier: MIT */
/*
 * virglrenderer behind gpu_renderer_ops. Textures are on the host's GPU; what a
 * display reads of one is a copy in memory, made when it is looked at and the
 * guest has drawn since.
 */
#include "devices/gpu/gpu_virgl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<virgl/virglrenderer.h>)

#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <stdarg.h>
#include <unistd.h>
/* What 0.10 calls unstable of fences of contexts is stable since 1.0, and the same. */
#define VIRGL_RENDERER_UNSTABLE_APIS
#include <virgl/virglrenderer.h>

#include "devices/dynlib.h"
#include "devices/gpu/virgl_stream.h"
#include "devices/gpu/watchdog.h"
#include "devices/ui/surface.h"
#include "devices/virtio/gpu_proto.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define VIRGL_SONAME "libvirglrenderer.so.1"
#define FIRST_RENDERNODE 128
#define RENDERNODES 64

/* virgl_hw.h */
#define TARGET_2D 2
#define TARGET_3D 3
#define BIND_OF_2D (VIRGL_RES_BIND_RENDER_TARGET | VIRGL_RES_BIND_SAMPLER_VIEW)

/* The header names it, and leaves it to others to say what it is. */
struct virgl_box {
	uint32_t x, y, z, w, h, d;
};

#define VIRGL_FUNCTIONS(F)                                                                         \
	F(init) F(cleanup) F(poll) F(get_poll_fd) F(create_fence) F(force_ctx_0)                   \
	F(get_cap_set) F(fill_caps)                                                                \
	F(context_create_with_flags) F(context_destroy) F(submit_cmd)                              \
	F(ctx_attach_resource) F(ctx_detach_resource)                                              \
	F(resource_create) F(resource_create_blob) F(resource_unref)                               \
	F(resource_attach_iov) F(resource_detach_iov) F(transfer_read_iov) F(transfer_write_iov)

struct virgl_lib {
#define VIRGL_FIELD(name) __typeof__(virgl_renderer_##name) *name;
	VIRGL_FUNCTIONS(VIRGL_FIELD)
#undef VIRGL_FIELD
	/* NULL: it has none */
	__typeof__(virgl_renderer_context_create_fence) *context_create_fence;
	__typeof__(virgl_set_debug_callback) *set_debug_callback;
};

struct gpu_virgl {
	struct gpu_renderer base;
	struct virgl_lib lib;
	struct virgl_renderer_callbacks callbacks;
	const char *rendernode;		/* while init() runs; NULL: none */
	struct gpu_renderer *software;	/* for blobs of guest memory */
	uint32_t capsets[2];
	unsigned n_capsets;
	uint64_t last_fence;		/* of the card's timeline */
	bool open_fence;		/* it has not come yet */
	struct watchdog *dog;
};

/* A resource of 2D or 3D: what of it is in res->shadow. */
struct virgl_image {
	struct gpu_virgl *v;
	struct gpu_resource *res;
	struct gpu_create_3d args;
	struct display_rect stale;	/* of the shadow, which a display has to see anew */
};

static struct gpu_virgl *virgl_of(struct gpu_renderer *r)
{
	return container_of(r, struct gpu_virgl, base);
}

/* The library has errnos of either sign, and few of them. */
static int virgl_error(int ret)
{
	return ret == 0 ? 0 : abs(ret) == ENOMEM ? -ENOMEM : -EINVAL;
}

/* A call that may make the driver wait for what guests have drawn. */
static void virgl_begin(struct gpu_virgl *v)
{
	watchdog_begin(v->dog, WATCHDOG_CALL);
}

static int virgl_end(struct gpu_virgl *v, int ret)
{
	watchdog_end(v->dog, WATCHDOG_CALL);
	return virgl_error(ret);
}

/* --- capability sets ------------------------------------------------------ */

static uint64_t virgl_features(struct gpu_renderer *r)
{
	return BIT(VIRTIO_GPU_F_VIRGL) | BIT(VIRTIO_GPU_F_CONTEXT_INIT);
}

static unsigned virgl_n_capsets(struct gpu_renderer *r)
{
	return virgl_of(r)->n_capsets;
}

static int virgl_capset_info(struct gpu_renderer *r, unsigned index, struct gpu_capset_info *info)
{
	struct gpu_virgl *v = virgl_of(r);

	info->id = v->capsets[index];
	v->lib.get_cap_set(info->id, &info->max_version, &info->max_size);
	return 0;
}

static int virgl_capset(struct gpu_renderer *r, uint32_t id, uint32_t version, void *buf,
			size_t len)
{
	virgl_of(r)->lib.fill_caps(id, version, buf);
	return 0;
}

static void virgl_find_capsets(struct gpu_virgl *v)
{
	static const uint32_t ids[] = { VIRTIO_GPU_CAPSET_VIRGL, VIRTIO_GPU_CAPSET_VIRGL2 };

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		uint32_t version = 0, size = 0;

		v->lib.get_cap_set(ids[i], &version, &size);
		if (size)
			v->capsets[v->n_capsets++] = ids[i];
	}
}

/* --- resources ------------------------------------------------------------ */

static int virgl_create(struct gpu_virgl *v, struct gpu_resource *res,
			const struct gpu_create_3d *a)
{
	struct virgl_renderer_resource_create_args args = {
		.handle = res->id, .target = a->target, .format = a->format, .bind = a->bind,
		.width = a->width, .height = a->height, .depth = a->depth,
		.array_size = a->array_size, .last_level = a->last_level,
		.nr_samples = a->nr_samples, .flags = a->flags,
	};
	struct virgl_image *image = calloc(1, sizeof(*image));
	int ret = image ? v->lib.resource_create(&args, NULL, 0) : -ENOMEM;

	if (ret != 0) {
		free(image);
		return virgl_error(ret);
	}
	*image = (struct virgl_image){ .v = v, .res = res, .args = *a };
	res->priv = image;
	return 0;
}

static int virgl_create_2d(struct gpu_renderer *r, struct gpu_resource *res)
{
	const struct gpu_create_3d args = {
		.target = TARGET_2D, .format = res->format, .bind = BIND_OF_2D,
		.width = res->width, .height = res->height, .depth = 1, .array_size = 1,
		.flags = VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP,
	};

	return virgl_create(virgl_of(r), res, &args);
}

static int virgl_create_3d(struct gpu_renderer *r, struct gpu_resource *res,
			   const struct gpu_create_3d *args)
{
	return virgl_create(virgl_of(r), res, args);
}

static int virgl_create_blob(struct gpu_renderer *r, struct gpu_resource *res, uint32_t ctx_id)
{
	const struct virgl_renderer_resource_create_blob_args args = {
		.res_handle = res->id, .ctx_id = ctx_id, .blob_mem = res->blob_mem,
		.blob_flags = res->blob_flags, .blob_id = res->blob_id, .size = res->blob_size,
		.iovecs = res->iov, .num_iovs = res->n_iov,
	};

	return virgl_error(virgl_of(r)->lib.resource_create_blob(&args));
}

static void virgl_destroy_resource(struct gpu_renderer *r, struct gpu_resource *res)
{
	struct gpu_virgl *v = virgl_of(r);

	virgl_begin(v);
	v->lib.resource_unref(res->id);
	virgl_end(v, 0);
	free(res->priv);
	free(res->shadow.iov_base);
	res->priv = NULL;
	res->shadow = (struct iovec){ 0 };
}

static int virgl_attach(struct gpu_renderer *r, struct gpu_resource *res)
{
	return virgl_error(virgl_of(r)->lib.resource_attach_iov(res->id, res->iov, res->n_iov));
}

static void virgl_detach(struct gpu_renderer *r, struct gpu_resource *res)
{
	struct iovec *iov;
	int n;

	virgl_of(r)->lib.resource_detach_iov(res->id, &iov, &n);
}

static uint32_t level_size(uint32_t size, uint32_t level)
{
	return MAX(size >> level, 1u);
}

/* Whether a box lies in a level of what it is a box of, which 0.10 only half checks (case 65). */
static bool virgl_box_valid(const struct gpu_create_3d *a, const struct gpu_transfer *t)
{
	uint32_t depth = a->target == TARGET_3D ? level_size(a->depth, t->level) :
						  MAX(a->array_size, 1u);

	return t->level <= a->last_level && t->box.w && t->box.h && t->box.d &&
	       range_fits(t->box.x, t->box.w, level_size(a->width, t->level)) &&
	       range_fits(t->box.y, t->box.h, level_size(a->height, t->level)) &&
	       range_fits(t->box.z, t->box.d, depth);
}

/* S3TC, RGTC, LATC, ETC and BPTC; what came after them is ETC2, ASTC and few others. */
static bool virgl_in_blocks(uint32_t format)
{
	return (format >= 105 && format <= 116) || (format >= 143 && format <= 146) ||
	       format == 226 || (format >= 255 && format <= 258) || format > 268;
}

/* Whether the last row begins in the backing: 0.10 adds in 32 bits. Blocks have 12 rows at most. */
static bool virgl_rows_fit(const struct gpu_resource *res, uint32_t format,
			   const struct gpu_transfer *t)
{
	uint64_t rows = (t->box.h - 1) / (virgl_in_blocks(format) ? 12 : 1);
	uint64_t span = rows * t->stride, layers = (uint64_t)(t->box.d - 1) * t->layer_stride;

	return range_fits(t->offset, span, res->backing_bytes) &&
	       range_fits(t->offset + span, layers, res->backing_bytes);
}

static int virgl_transfer(struct gpu_renderer *r, struct gpu_resource *res,
			  const struct gpu_transfer *t, uint64_t *copied)
{
	struct gpu_virgl *v = virgl_of(r);
	const struct virgl_lib *lib = &v->lib;
	const struct virgl_image *image = res->priv;
	struct virgl_box box = { t->box.x, t->box.y, t->box.z, t->box.w, t->box.h, t->box.d };
	int ret;

	if (image && !(virgl_box_valid(&image->args, t) &&
		       virgl_rows_fit(res, image->args.format, t)))
		return -EINVAL;
	virgl_begin(v);
	ret = t->to_host ? lib->transfer_write_iov(res->id, t->ctx_id, t->level, t->stride,
						   t->layer_stride, &box, t->offset, NULL, 0) :
			   lib->transfer_read_iov(res->id, t->ctx_id, t->level, t->stride,
						  t->layer_stride, &box, t->offset, NULL, 0);
	*copied = 4ull * box.w * box.h * box.d;
	return virgl_end(v, ret);
}

/* --- contexts ------------------------------------------------------------- */

static int virgl_ctx_create(struct gpu_renderer *r, uint32_t ctx_id, uint32_t capset,
			    const char *name)
{
	struct gpu_virgl *v = virgl_of(r);

	if (!capset)
		capset = v->capsets[v->n_capsets - 1];
	return virgl_error(v->lib.context_create_with_flags(ctx_id, capset, strlen(name), name));
}

static void virgl_ctx_destroy(struct gpu_renderer *r, uint32_t ctx_id)
{
	struct gpu_virgl *v = virgl_of(r);

	virgl_begin(v);
	v->lib.context_destroy(ctx_id);
	virgl_end(v, 0);
}

static int virgl_ctx_attach(struct gpu_renderer *r, uint32_t ctx_id, struct gpu_resource *res)
{
	virgl_of(r)->lib.ctx_attach_resource(ctx_id, res->id);
	return 0;
}

static int virgl_ctx_detach(struct gpu_renderer *r, uint32_t ctx_id, struct gpu_resource *res)
{
	virgl_of(r)->lib.ctx_detach_resource(ctx_id, res->id);
	return 0;
}

static int virgl_submit(struct gpu_renderer *r, uint32_t ctx_id, void *commands, size_t len)
{
	struct gpu_virgl *v = virgl_of(r);

	if (!virgl_stream_valid(commands, len / 4))
		return -EINVAL;
	virgl_begin(v);
	return virgl_end(v, v->lib.submit_cmd(commands, ctx_id, len / 4));
}

/* --- fences --------------------------------------------------------------- */

static int virgl_fence(struct gpu_renderer *r, const struct gpu_fence *fence)
{
	struct gpu_virgl *v = virgl_of(r);
	int ret;

	if (fence->ctx_id && !v->lib.context_create_fence)
		return -ENOTSUP;
	if (fence->ctx_id)
		return virgl_error(v->lib.context_create_fence(fence->ctx_id,
						VIRGL_RENDERER_FENCE_FLAG_MERGEABLE,
						fence->ring_idx, fence->seq));
	ret = virgl_error(v->lib.create_fence((int)(uint32_t)fence->seq, 0));
	if (ret < 0)
		return ret;
	if (!v->open_fence)
		watchdog_begin(v->dog, WATCHDOG_FENCE);
	v->last_fence = fence->seq;
	v->open_fence = true;
	return 0;
}

/* Of a number's lower half, which is all that the library keeps, the last that it may be. */
static void virgl_write_fence(void *cookie, uint32_t low)
{
	struct gpu_virgl *v = cookie;
	const struct gpu_fence fence = {
		.seq = v->last_fence - (uint32_t)((uint32_t)v->last_fence - low),
	};

	v->open_fence = fence.seq != v->last_fence;
	if (v->open_fence)
		watchdog_begin(v->dog, WATCHDOG_FENCE);
	else
		watchdog_end(v->dog, WATCHDOG_FENCE);
	v->base.host.fence_done(v->base.host.ctx, &fence);
}

static void virgl_write_context_fence(void *cookie, uint32_t ctx_id, uint32_t ring_idx,
				      uint64_t seq)
{
	struct gpu_virgl *v = cookie;
	const struct gpu_fence fence = { .ctx_id = ctx_id, .ring_idx = ring_idx, .seq = seq };

	v->base.host.fence_done(v->base.host.ctx, &fence);
}

static int virgl_poll_fd(struct gpu_renderer *r)
{
	return virgl_of(r)->lib.get_poll_fd();
}

static void virgl_poll(struct gpu_renderer *r)
{
	virgl_of(r)->lib.poll();
}

/* --- scanouts ------------------------------------------------------------- */

/* Rows of @r from the texture to the shadow, which is all of it without gaps. */
static int virgl_read_back(struct gpu_virgl *v, struct gpu_resource *res,
			   const struct display_rect *r)
{
	struct virgl_box box = { .x = r->x, .y = r->y, .w = r->width, .h = r->height, .d = 1 };
	uint32_t stride = 4 * res->width;

	virgl_begin(v);
	return virgl_end(v, v->lib.transfer_read_iov(res->id, 0, 0, stride, 0, &box,
						     (uint64_t)r->y * stride + 4ull * r->x,
						     &res->shadow, 1));
}

/* Somebody is about to look at the picture. */
static void virgl_refresh(void *ctx)
{
	struct virgl_image *image = ctx;

	if (!image->stale.width)
		return;
	virgl_read_back(image->v, image->res, &image->stale);
	image->stale = (struct display_rect){ 0 };
}

static void virgl_make_stale(struct virgl_image *image, const struct display_rect *r)
{
	struct display_rect *s = &image->stale;
	uint32_t right = MAX(s->x + s->width, r->x + r->width);
	uint32_t bottom = MAX(s->y + s->height, r->y + r->height);

	if (!s->width) {
		*s = *r;
		return;
	}
	s->x = MIN(s->x, r->x);
	s->y = MIN(s->y, r->y);
	s->width = right - s->x;
	s->height = bottom - s->y;
}

/* Formats of 32 bits have the same numbers in both protocols; there are no scanouts of others. */
static int virgl_shadow(struct gpu_resource *res)
{
	const struct virgl_image *image = res->priv;
	uint64_t bytes = gpu_image_bytes(res->width, res->height);

	if (!gpu_fourcc(res->format) || image->args.target != TARGET_2D)
		return -EINVAL;
	if (!res->shadow.iov_base) {
		res->shadow.iov_base = calloc(1, bytes);
		res->shadow.iov_len = bytes;
	}
	return res->shadow.iov_base ? 0 : -ENOMEM;
}

static int virgl_surface(struct gpu_renderer *r, struct gpu_resource *res,
			 const struct gpu_scanout_view *view, struct display_surface *out)
{
	struct gpu_renderer *software = virgl_of(r)->software;
	struct gpu_scanout_view all = *view;
	struct virgl_image *image = res->priv;
	int ret;

	if (!image)
		return software->ops->surface(software, res, view, out);
	ret = virgl_shadow(res);
	if (ret < 0)
		return ret;
	all.fourcc = gpu_fourcc(res->format);
	all.stride = 4 * res->width;
	ret = software->ops->surface(software, res, &all, out);
	out->pixels.refresh = virgl_refresh;
	out->pixels.refresh_ctx = image;
	virgl_make_stale(image, &(struct display_rect){ .width = res->width,
							.height = res->height });
	return ret;
}

static void virgl_flush(struct gpu_renderer *r, struct gpu_resource *res,
			const struct display_rect *rect)
{
	if (res->priv)
		virgl_make_stale(res->priv, rect);
}

static int virgl_read_cursor(struct gpu_renderer *r, struct gpu_resource *res, uint32_t *out)
{
	const struct display_rect all = { .width = GPU_CURSOR_SIZE, .height = GPU_CURSOR_SIZE };
	struct gpu_renderer *software = virgl_of(r)->software;
	int ret;

	if (!res->priv)
		return software->ops->read_cursor(software, res, out);
	if (res->width != GPU_CURSOR_SIZE || res->height != GPU_CURSOR_SIZE)
		return -EINVAL;
	ret = virgl_shadow(res);
	if (ret == 0)
		ret = virgl_read_back(virgl_of(r), res, &all);
	if (ret == 0)
		surface_to_argb(gpu_fourcc(res->format), res->shadow.iov_base, out,
				GPU_CURSOR_SIZE * GPU_CURSOR_SIZE);
	return ret;
}

/* --- the library ---------------------------------------------------------- */

static int virgl_get_drm_fd(void *cookie)
{
	const struct gpu_virgl *v = cookie;

	return v->rendernode ? open(v->rendernode, O_RDWR | O_CLOEXEC) : -1;
}

/* What the library says, of which lines have an end that ours bring themselves. */
__attribute__((format(printf, 3, 0)))
static void virgl_text(char *text, size_t len, const char *fmt, va_list ap)
{
	vsnprintf(text, len, fmt, ap);
	text[strcspn(text, "\n")] = '\0';
}

__attribute__((format(printf, 1, 0)))
static void virgl_says_of_gl(const char *fmt, va_list ap)
{
	char text[200];

	virgl_text(text, sizeof(text), fmt, ap);
	log_debug("virglrenderer: %s", text);
}

/* The library is one for the process, and a call does not say whose it is. */
__attribute__((format(printf, 1, 0)))
static void virgl_says_of_guest(const char *fmt, va_list ap)
{
	static struct log_rate rate;
	char text[200];

	virgl_text(text, sizeof(text), fmt, ap);
	log_guest(&rate, "virglrenderer: %s", text);
}

static void virgl_listen(struct gpu_virgl *v, virgl_debug_callback_type says)
{
	if (v->lib.set_debug_callback)
		v->lib.set_debug_callback(says);
}

static int virgl_load(struct virgl_lib *lib, char *why, size_t len)
{
	const struct dynlib_symbol symbols[] = {
#define VIRGL_SYMBOL(name) { "virgl_renderer_" #name, &lib->name },
		VIRGL_FUNCTIONS(VIRGL_SYMBOL)
#undef VIRGL_SYMBOL
	};
	const struct dynlib_symbol fences[] = {
		{ "virgl_renderer_context_create_fence", &lib->context_create_fence },
	};
	const struct dynlib_symbol says[] = {
		{ "virgl_set_debug_callback", &lib->set_debug_callback },
	};
	const char *missing;
	int ret = dynlib_load(VIRGL_SONAME, symbols, ARRAY_SIZE(symbols), &missing);

	if (ret < 0 && missing)
		snprintf(why, len, "%s has no %s: older than 0.10", VIRGL_SONAME, missing);
	else if (ret < 0)
		snprintf(why, len, "%s; install libvirglrenderer1", dlerror());
	if (ret < 0)
		return ret;
	dynlib_load(VIRGL_SONAME, fences, 1, &missing);
	dynlib_load(VIRGL_SONAME, says, 1, &missing);
	return 0;
}

static int virgl_init_on(struct gpu_virgl *v, const char *rendernode)
{
	int flags = VIRGL_RENDERER_USE_EGL | VIRGL_RENDERER_THREAD_SYNC;

	v->callbacks = (struct virgl_renderer_callbacks){
		.version = v->lib.context_create_fence ? 3 : 2,
		.write_fence = virgl_write_fence,
		.get_drm_fd = rendernode ? virgl_get_drm_fd : NULL,
		.write_context_fence = virgl_write_context_fence,
	};
	v->rendernode = rendernode;
	if (!rendernode)
		flags |= VIRGL_RENDERER_USE_SURFACELESS;
	return v->lib.init(v, flags, &v->callbacks);
}

/* GL, as far as who draws can be asked for it; the library's context is the current one. */
static const char *gl_string(unsigned name)
{
	const unsigned char *(*get_string)(unsigned) = NULL;
	void *(*get_address)(const char *) = NULL;
	const struct dynlib_symbol egl[] = { { "eglGetProcAddress", &get_address } };
	const char *missing, *text = NULL;
	void *address;

	if (dynlib_load("libEGL.so.1", egl, 1, &missing) == 0) {
		address = get_address("glGetString");
		memcpy(&get_string, &address, sizeof(address));
	}
	if (get_string)
		text = (const char *)get_string(name);
	return text ? text : "unknown";
}

#define GL_RENDERER 0x1f01
#define GL_VERSION 0x1f02

static void virgl_say_what_draws(struct gpu_virgl *v, const char *rendernode)
{
	v->lib.force_ctx_0();
	log_msg(LOG_WARN, "--gpu virgl: %s, OpenGL %s%s%s", gl_string(GL_RENDERER),
		gl_string(GL_VERSION), rendernode ? ", " : "", rendernode ? rendernode : "");
}

/* The first node that the library takes; else none, which is what Mesa chooses by itself. */
static int virgl_init_any(struct gpu_virgl *v)
{
	char node[32];

	for (unsigned i = 0; i < RENDERNODES; i++) {
		snprintf(node, sizeof(node), "/dev/dri/renderD%u", FIRST_RENDERNODE + i);
		if (access(node, R_OK | W_OK) == 0 && virgl_init_on(v, node) == 0) {
			virgl_say_what_draws(v, node);
			return 0;
		}
	}
	if (virgl_init_on(v, NULL) != 0)
		return -ENODEV;
	virgl_say_what_draws(v, NULL);
	return 0;
}

static int virgl_init(struct gpu_virgl *v, const char *rendernode, char *why, size_t len)
{
	int ret;

	if (!rendernode) {
		ret = virgl_init_any(v);
		if (ret < 0)
			snprintf(why, len, "no OpenGL by EGL, neither on /dev/dri/renderD* nor "
				 "without a GPU; install libegl1 libegl-mesa0 libgl1-mesa-dri");
		return ret;
	}
	if (access(rendernode, R_OK | W_OK) < 0) {
		ret = -errno;
		snprintf(why, len, "%.100s: %s", rendernode, strerror(-ret));
		return ret;
	}
	if (virgl_init_on(v, rendernode) != 0) {
		snprintf(why, len, "%.100s: no OpenGL by GBM and EGL; install libgbm1 "
			 "libegl-mesa0 libgl1-mesa-dri", rendernode);
		return -ENODEV;
	}
	virgl_say_what_draws(v, rendernode);
	return 0;
}

/* --- life ----------------------------------------------------------------- */

static void virgl_reset(struct gpu_renderer *r)
{
	/* Nothing is left but the context of the library's own. */
	virgl_of(r)->lib.force_ctx_0();
}

static void virgl_free(struct gpu_virgl *v)
{
	if (v->software)
		v->software->ops->destroy(v->software);
	watchdog_destroy(v->dog);
	free(v);
}

static void virgl_destroy(struct gpu_renderer *r)
{
	struct gpu_virgl *v = virgl_of(r);

	v->lib.cleanup(v);
	virgl_free(v);
}

static const struct gpu_renderer_ops virgl_ops = {
	.name = "virgl",
	.features = virgl_features,
	.n_capsets = virgl_n_capsets,
	.capset_info = virgl_capset_info,
	.capset = virgl_capset,
	.create_2d = virgl_create_2d,
	.create_3d = virgl_create_3d,
	.create_blob = virgl_create_blob,
	.destroy_resource = virgl_destroy_resource,
	.attach = virgl_attach,
	.detach = virgl_detach,
	.transfer = virgl_transfer,
	.ctx_create = virgl_ctx_create,
	.ctx_destroy = virgl_ctx_destroy,
	.ctx_attach = virgl_ctx_attach,
	.ctx_detach = virgl_ctx_detach,
	.submit = virgl_submit,
	.fence = virgl_fence,
	.poll_fd = virgl_poll_fd,
	.poll = virgl_poll,
	.surface = virgl_surface,
	.flush = virgl_flush,
	.read_cursor = virgl_read_cursor,
	.reset = virgl_reset,
	.destroy = virgl_destroy,
};

int gpu_virgl_create(struct gpu_renderer **out, const struct gpu_virgl_params *params, char *why,
		     size_t len)
{
	struct gpu_virgl *v = calloc(1, sizeof(*v));
	int ret = v ? gpu_2d_create(&v->software) : -ENOMEM;

	if (ret < 0) {
		snprintf(why, len, "%s", strerror(-ret));
		free(v);
		return ret;
	}
	v->base.ops = &virgl_ops;
	ret = virgl_load(&v->lib, why, len);
	if (ret == 0 && params->patience_ns) {
		ret = watchdog_create(&v->dog, params->patience_ns);
		if (ret < 0)
			snprintf(why, len, "%s", strerror(-ret));
	}
	if (ret == 0) {
		virgl_listen(v, virgl_says_of_gl);
		ret = virgl_init(v, params->rendernode, why, len);
	}
	if (ret < 0) {
		virgl_free(v);
		return ret;
	}
	virgl_listen(v, virgl_says_of_guest);
	virgl_find_capsets(v);
	*out = &v->base;
	return 0;
}

#else

int gpu_virgl_create(struct gpu_renderer **out, const struct gpu_virgl_params *params, char *why,
		     size_t len)
{
	snprintf(why, len, "built without it; install libvirglrenderer-dev and build again");
	return -ENOSYS;
}

#endif
