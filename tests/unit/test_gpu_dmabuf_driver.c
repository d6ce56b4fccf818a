/* SPDX-License-Identifier: MIT */
/*
 * What a guest draws, exported by the GPU's driver and imported again, as a viewer does.
 * Skipped where there is no such driver, unless MICROVM_DMABUF is set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/gpu/gpu_virgl_impl.h"
#include "devices/ui/gl_dmabuf.h"
#include "devices/virtio/gpu_proto.h"
#include "tests/gpu_rig.h"
#include "tests/have_gl.h"
#include "tests/virgl.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define W 128u
#define H 64u
#define BYTES (W * H * 4)
#define ALL VGPU_RECT(0, 0, W, H)

#if GPU_VIRGL_BUILT

struct t {
	struct gpu_rig rig;
	struct gpu_virgl *v;
	uint32_t pixels[W * H];	/* of what was imported, red in the lowest byte */
};

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	t->v = virgl_of(gpu_rig_init_virgl(&t->rig));
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	vdrv_reset(&t->rig.r.d);
	gpu_rig_finish(&t->rig);
	free(t);
	return 0;
}

/* Texture 1 in context 1, shown, of which row y is of colour 0x400000 + y. */
static void draw(struct t *t, uint32_t flags)
{
	const struct virtio_gpu_resource_create_3d c = {
		.resource_id = 1, .target = 2, .format = XRGB, .bind = 2 | 8 | 1 << 18, .width = W,
		.height = H, .depth = 1, .array_size = 1, .flags = flags,
	};
	const struct virtio_gpu_transfer_host_3d all = {
		.box = { .w = W, .h = H, .d = 1 }, .resource_id = 1, .stride = 4 * W,
	};
	struct vgpu *g = &t->rig.g;

	for (uint32_t i = 0; i < W * H; i++)
		t->rig.fb[i] = 0x400000 + i / W;
	assert_int_equal(vgpu_ctx_create(g, 1, 0, "test"), OK);
	assert_int_equal(vgpu_create_3d(g, c), OK);
	assert_int_equal(vgpu_attach_range(g, 1, GPU_RIG_FB, BYTES), OK);
	assert_int_equal(vgpu_ctx_command(g, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 1), OK);
	assert_int_equal(vgpu_transfer_3d(g, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 1, all), OK);
	assert_int_equal(vgpu_set_scanout(g, 0, 1, ALL), OK);
	assert_int_equal(vgpu_flush(g, 1, ALL), OK);
}

/* Of the texture that the current context has by that name, from its first row on. */
static void read_texture(struct t *t, unsigned texture)
{
	const struct gl_lib *gl = &t->v->egl;
	__typeof__(glReadPixels) *read_pixels;
	__eglMustCastToProperFunctionPointerType f = gl->egl.GetProcAddress("glReadPixels");
	unsigned fb;

	memcpy(&read_pixels, &f, sizeof(f));
	gl->GenFramebuffers(1, &fb);
	gl->BindFramebuffer(GL_READ_FRAMEBUFFER, fb);
	gl->FramebufferTexture2D(GL_READ_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture,
				 0);
	assert_int_equal(gl->CheckFramebufferStatus(GL_READ_FRAMEBUFFER),
			 GL_FRAMEBUFFER_COMPLETE);
	read_pixels(0, 0, W, H, GL_RGBA, GL_UNSIGNED_BYTE, t->pixels);
	gl->DeleteFramebuffers(1, &fb);
}

static const struct display_image *shown(struct t *t)
{
	return &t->rig.display.outputs[0].picture.surface.image;
}

static void exported_texture_is_the_picture(struct t *t, uint32_t flags)
{
	const struct display_image *image;
	struct display_dmabuf d, again;
	unsigned texture;

	draw(t, flags);
	image = shown(t);
	assert_int_equal(image->flipped, flags);
	assert_int_equal(image->dmabuf(image->ctx, &d), 0);
	assert_int_equal(image->dmabuf(image->ctx, &again), 0);
	assert_int_equal(d.fds[0], again.fds[0]);
	texture = gl_dmabuf_import(&t->v->egl, &d, image->width, image->height);
	assert_int_not_equal(texture, 0);
	read_texture(t, texture);
	for (uint32_t y = 0; y < H; y++)
		assert_int_equal(t->pixels[(image->flipped ? H - 1 - y : y) * W + 5] & 0xffffff,
				 0x40 | y << 16);
	t->v->egl.DeleteTextures(1, &texture);
}

static void exported_rows_are_in_their_order(void **state)
{
	exported_texture_is_the_picture(*state, 0);
}

static void exported_rows_may_begin_at_the_bottom(void **state)
{
	exported_texture_is_the_picture(*state, VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP);
}

static void what_is_drawn_later_is_there_too(void **state)
{
	struct t *t = *state;
	const struct display_image *image;
	struct virgl_stream s = { .n = 0 };
	struct display_dmabuf d;
	uint64_t read_backs;
	unsigned texture;

	draw(t, 0);
	read_backs = t->v->base.read_backs;
	image = shown(t);
	assert_int_equal(image->dmabuf(image->ctx, &d), 0);
	texture = gl_dmabuf_import(&t->v->egl, &d, W, H);
	virgl_surface(&s, 1, 1, XRGB);
	virgl_framebuffer(&s, 1);
	virgl_clear(&s, 0, 1, 0, 1);
	assert_int_equal(vgpu_submit(&t->rig.g, 1, s.words, 4 * s.n, 4 * s.n), OK);
	assert_int_equal(vgpu_flush(&t->rig.g, 1, ALL), OK);
	t->v->lib.force_ctx_0();
	read_texture(t, texture);
	assert_int_equal(t->pixels[0] & 0xffffff, 0x00ff00);
	assert_int_equal(t->pixels[W * H - 1] & 0xffffff, 0x00ff00);
	t->v->egl.DeleteTextures(1, &texture);
	assert_int_equal(t->v->base.read_backs, read_backs);
}

static bool driver_exports(void)
{
	struct display_dmabuf d;
	void *state;
	struct t *t;
	bool ret;

	setup(&state);
	t = state;
	draw(t, 0);
	ret = shown(t)->dmabuf(shown(t)->ctx, &d) == 0;
	teardown(&state);
	return ret;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(exported_rows_are_in_their_order),
		T(exported_rows_may_begin_at_the_bottom),
		T(what_is_drawn_later_is_there_too),
	};
	int status;

	if (!have_gl(&status))
		return status;
	if (!getenv("MICROVM_DMABUF") && !driver_exports()) {
		puts("no driver here that exports dma-bufs: skipped");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("built without virglrenderer: skipped");
	return 0;
}

#endif
