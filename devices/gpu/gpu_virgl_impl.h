/* SPDX-License-Identifier: MIT */
/*
 * What the files of gpu_virgl share. Here, and nowhere else, virglrenderer's header
 * comes in; where it is not installed all of these files are empty but for
 * gpu_virgl_create(), which says so.
 */
#ifndef MICROVM_GPU_VIRGL_IMPL_H
#define MICROVM_GPU_VIRGL_IMPL_H

#include "devices/gpu/gpu_virgl.h"

#if __has_include(<virgl/virglrenderer.h>)
#define GPU_VIRGL_BUILT 1

/* What 0.10 calls unstable of fences of contexts is stable since 1.0, and the same. */
#define VIRGL_RENDERER_UNSTABLE_APIS
#include <virgl/virglrenderer.h>

#include <errno.h>
#include <stdlib.h>

#include "devices/gpu/timelines.h"
#include "devices/gpu/virgl_shaders.h"
#include "devices/gpu/watchdog.h"
#include "devices/ui/gl_lib.h"
#include "vmm/util.h"

/* Of virtio 1.3; headers before Linux 6.6 do not have it. */
#ifndef VIRTIO_GPU_CAPSET_VENUS
#define VIRTIO_GPU_CAPSET_VENUS 4
#endif

/* virgl_hw.h */
#define VIRGL_TARGET_2D 2
#define VIRGL_TARGET_3D 3

/* The header names it, and leaves it to others to say what it is. */
struct virgl_box {
	uint32_t x, y, z, w, h, d;
};

#define VIRGL_FUNCTIONS(F)                                                                         \
	F(init) F(cleanup) F(poll) F(get_poll_fd) F(create_fence) F(force_ctx_0)                   \
	F(get_cap_set) F(fill_caps) F(resource_get_info)                                           \
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
	__typeof__(virgl_renderer_execute) *execute;
	/* NULL: all, or none of them */
	__typeof__(virgl_renderer_resource_export_blob) *resource_export_blob;
	__typeof__(virgl_renderer_resource_get_map_info) *resource_get_map_info;
	__typeof__(virgl_renderer_context_poll) *context_poll;
	__typeof__(virgl_renderer_context_get_poll_fd) *context_get_poll_fd;
};

/* Programs of the guest that use Vulkan; each has fences of its own. */
#define VIRGL_MAX_VENUS 64
struct virgl_venus {
	uint32_t ctx_id;	/* 0: none */
	int fd;			/* the library's; in gpu_virgl.poll */
};

struct gpu_virgl {
	struct gpu_renderer base;
	struct virgl_lib lib;
	struct virgl_renderer_callbacks callbacks;
	const char *rendernode;		/* while init() runs; NULL: none */
	struct gl_provider gl;		/* zeros: the library's own contexts */
	struct gpu_renderer *software;	/* for blobs of guest memory */
	uint32_t capsets[3];
	unsigned n_capsets;
	uint32_t default_capset;	/* of contexts that do not say */
	bool venus;			/* wanted; after the start: had */
	struct virgl_venus contexts[VIRGL_MAX_VENUS];
	const struct gpu_fence *asking;	/* while a context's fence is made... */
	bool asking_done;		/* ...which has come by now */
	int poll;			/* an epoll of all that there is to wait for; -1: none */
	uint64_t last_fence;		/* of the card's timeline */
	bool open_fence;		/* it has not come yet */
	struct gl_lib egl;		/* what the library itself draws with */
	bool has_egl;
	struct watchdog *dog;
	struct timelines timelines;	/* of contexts */
	struct virgl_shaders shaders;
};

/* A resource of 2D or 3D: what of it is in res->shadow. */
struct virgl_image {
	struct gpu_virgl *v;
	struct gpu_resource *res;
	struct gpu_create_3d args;
	struct display_rect stale;	/* of the shadow, which a display has to see anew */
	bool exported;			/* whether it can be is known */
	struct display_dmabuf dmabuf;	/* n_planes 0: it cannot */
};

static inline struct gpu_virgl *virgl_of(struct gpu_renderer *r)
{
	return container_of(r, struct gpu_virgl, base);
}

/* The library has errnos of either sign, and few of them. */
static inline int virgl_error(int ret)
{
	return ret == 0 ? 0 : abs(ret) == ENOMEM ? -ENOMEM : -EINVAL;
}

/* A call that may make the driver wait for what guests have drawn. */
static inline void virgl_begin(struct gpu_virgl *v)
{
	watchdog_begin(v->dog, WATCHDOG_CALL);
}

static inline int virgl_end(struct gpu_virgl *v, int ret)
{
	watchdog_end(v->dog, WATCHDOG_CALL);
	return virgl_error(ret);
}

/* Functions of these names are those of gpu_renderer_ops. */

/* --- gpu_virgl_lib.c ---------------------------------------------------------------- */

/* Loads the library and starts it. 0, or negative errno and the reason in @why. */
int gpu_virgl_lib_open(struct gpu_virgl *v, const struct gpu_virgl_params *params, char *why,
		       size_t len);
/* Who draws by OpenGL, and which version of it. */
void gpu_virgl_lib_draws(struct gpu_virgl *v, char *text, size_t len);

/* --- gpu_virgl_resource.c ----------------------------------------------------------- */

int gpu_virgl_create_2d(struct gpu_renderer *r, struct gpu_resource *res);
int gpu_virgl_create_3d(struct gpu_renderer *r, struct gpu_resource *res,
			const struct gpu_create_3d *args);
int gpu_virgl_create_blob(struct gpu_renderer *r, struct gpu_resource *res, uint32_t ctx_id);
void gpu_virgl_destroy_resource(struct gpu_renderer *r, struct gpu_resource *res);
int gpu_virgl_attach(struct gpu_renderer *r, struct gpu_resource *res);
void gpu_virgl_detach(struct gpu_renderer *r, struct gpu_resource *res);
int gpu_virgl_transfer(struct gpu_renderer *r, struct gpu_resource *res,
		       const struct gpu_transfer *t, uint64_t *copied);

/* --- gpu_virgl_context.c ------------------------------------------------------------ */

int gpu_virgl_ctx_create(struct gpu_renderer *r, uint32_t ctx_id, uint32_t capset,
			 const char *name);
void gpu_virgl_ctx_destroy(struct gpu_renderer *r, uint32_t ctx_id);
int gpu_virgl_ctx_attach(struct gpu_renderer *r, uint32_t ctx_id, struct gpu_resource *res);
int gpu_virgl_ctx_detach(struct gpu_renderer *r, uint32_t ctx_id, struct gpu_resource *res);
int gpu_virgl_submit(struct gpu_renderer *r, uint32_t ctx_id, void *commands, size_t len);

int gpu_virgl_fence(struct gpu_renderer *r, const struct gpu_fence *fence);
int gpu_virgl_poll_fd(struct gpu_renderer *r);
void gpu_virgl_poll(struct gpu_renderer *r);
/* virgl_renderer_callbacks */
void gpu_virgl_write_fence(void *cookie, uint32_t low);
void gpu_virgl_write_context_fence(void *cookie, uint32_t ctx_id, uint32_t ring_idx, uint64_t seq);

/* --- gpu_virgl_venus.c -------------------------------------------------------------- */

/* Before the library starts: what it is to be told (flags), 0: nothing. */
int gpu_virgl_venus_flags(struct gpu_virgl *v);
/* It has started with these flags: whether there are contexts of venus. */
bool gpu_virgl_venus_works(struct gpu_virgl *v);
void gpu_virgl_venus_finish(struct gpu_virgl *v);
bool gpu_virgl_venus_has(const struct gpu_virgl *v, uint32_t ctx_id);
int gpu_virgl_venus_create(struct gpu_virgl *v, uint32_t ctx_id, const char *name);
/* No-op for others. */
void gpu_virgl_venus_forget(struct gpu_virgl *v, uint32_t ctx_id);
void gpu_virgl_venus_poll(struct gpu_virgl *v);

bool gpu_virgl_can_map(struct gpu_renderer *r);
int gpu_virgl_map(struct gpu_renderer *r, struct gpu_resource *res, struct gpu_map *out);
void gpu_virgl_unmap(struct gpu_renderer *r, struct gpu_resource *res);

/* --- gpu_virgl_scanout.c ------------------------------------------------------------ */

int gpu_virgl_surface(struct gpu_renderer *r, struct gpu_resource *res,
		      const struct gpu_scanout_view *view, struct display_surface *out);
void gpu_virgl_flush(struct gpu_renderer *r, struct gpu_resource *res,
		     const struct display_rect *rect);
int gpu_virgl_read_cursor(struct gpu_renderer *r, struct gpu_resource *res, uint32_t *out);

/* --- gpu_virgl_dmabuf.c ------------------------------------------------------------- */

/* display_image.dmabuf, of a struct virgl_image. */
int gpu_virgl_dmabuf(void *ctx, struct display_dmabuf *out);
/* What was drawn so far is on its way to who has them, if they were exported. */
void gpu_virgl_dmabuf_flush(struct virgl_image *image);

#else
#define GPU_VIRGL_BUILT 0
#endif

#endif
