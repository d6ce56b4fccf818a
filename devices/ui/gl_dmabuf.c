/* SPDX-License-Identifier: MIT */
#include "devices/ui/gl_dmabuf.h"

#include <errno.h>
#include <fcntl.h>
#include <libdrm/drm_fourcc.h>
#include <string.h>
#include <unistd.h>

#include "devices/ui/surface.h"
#include "vmm/util.h"

/* Six attributes of the image, five of each plane, and the end. */
#define MAX_ATTRIBUTES (2 * (3 + 5 * DISPLAY_MAX_PLANES) + 1)

typedef void (*texture_from_image)(GLenum target, void *image);

/* NULL: there is none. */
static void *find(const struct gl_lib *gl, const char *name)
{
	__eglMustCastToProperFunctionPointerType f = gl->egl.GetProcAddress(name);
	void *address;

	memcpy(&address, &f, sizeof(address));
	return address;
}

static bool can(const struct gl_lib *gl, const char *extension)
{
	EGLDisplay display = gl->egl.GetCurrentDisplay();

	return display && gl_lib_has(gl->egl.QueryString(display, EGL_EXTENSIONS), extension);
}

/* --- what is one ------------------------------------------------------------------ */

static bool first_of_its_file(const struct display_dmabuf *d, unsigned plane)
{
	unsigned i = 0;

	while (d->fds[i] != d->fds[plane])
		i++;
	return i == plane;
}

void gl_dmabuf_close(struct display_dmabuf *d)
{
	for (unsigned i = d->n_planes; i > 0; i--)
		if (d->fds[i - 1] >= 0 && first_of_its_file(d, i - 1))
			close(d->fds[i - 1]);
	d->n_planes = 0;
}

/* How rows lie is known of linear images alone; of others not even the planes' order. */
static bool plane_fits(const struct display_dmabuf *d, unsigned i, uint32_t width, uint32_t height)
{
	off_t size = lseek(d->fds[i], 0, SEEK_END);

	if (size < 0 || d->offsets[i] >= (uint64_t)size)
		return false;
	if (d->modifier != DRM_FORMAT_MOD_LINEAR)
		return true;
	return d->strides[i] >= 4ull * width &&
	       range_fits(d->offsets[i], d->strides[i] * (height - 1ull) + 4ull * width, size);
}

int gl_dmabuf_check(const struct display_dmabuf *d, uint32_t width, uint32_t height)
{
	if (d->n_planes < 1 || d->n_planes > DISPLAY_MAX_PLANES ||
	    !surface_format_valid(d->fourcc) || !width || width > DISPLAY_MAX_SIZE || !height ||
	    height > DISPLAY_MAX_SIZE)
		return -EINVAL;
	for (unsigned i = 0; i < d->n_planes; i++)
		if (d->fds[i] < 0 || !plane_fits(d, i, width, height))
			return -EINVAL;
	return 0;
}

/* --- export ----------------------------------------------------------------------- */

static int query(const struct gl_lib *gl, EGLImageKHR image, struct display_dmabuf *d)
{
	PFNEGLEXPORTDMABUFIMAGEQUERYMESAPROC ask = find(gl, "eglExportDMABUFImageQueryMESA");
	EGLDisplay display = gl->egl.GetCurrentDisplay();
	EGLuint64KHR modifiers[DISPLAY_MAX_PLANES];
	int fourcc = 0, n = 0;

	if (!ask || !ask(display, image, &fourcc, &n, NULL) || n < 1 || n > DISPLAY_MAX_PLANES ||
	    !ask(display, image, &fourcc, &n, modifiers))
		return -ENOTSUP;
	d->fourcc = fourcc;
	d->n_planes = n;
	d->modifier = modifiers[0];
	return 0;
}

/* A plane in the file of the one before it comes without a descriptor. */
static void share_files(struct display_dmabuf *d)
{
	for (unsigned i = 1; i < d->n_planes; i++)
		if (d->fds[i] < 0)
			d->fds[i] = d->fds[i - 1];
	for (unsigned i = 0; i < d->n_planes; i++)
		if (d->fds[i] >= 0)
			fcntl(d->fds[i], F_SETFD, FD_CLOEXEC);
}

static int export(const struct gl_lib *gl, EGLImageKHR image, struct display_dmabuf *d)
{
	PFNEGLEXPORTDMABUFIMAGEMESAPROC get = find(gl, "eglExportDMABUFImageMESA");
	EGLint strides[DISPLAY_MAX_PLANES] = { 0 }, offsets[DISPLAY_MAX_PLANES] = { 0 };
	int ret = query(gl, image, d);

	if (ret < 0 || !get ||
	    !get(gl->egl.GetCurrentDisplay(), image, d->fds, strides, offsets)) {
		d->n_planes = 0;
		return -ENOTSUP;
	}
	for (unsigned i = 0; i < d->n_planes; i++) {
		d->strides[i] = strides[i];
		d->offsets[i] = offsets[i];
	}
	share_files(d);
	return 0;
}

bool gl_dmabuf_exportable(const struct gl_lib *gl)
{
	return can(gl, "EGL_MESA_image_dma_buf_export");
}

int gl_dmabuf_export(const struct gl_lib *gl, unsigned texture, uint32_t width, uint32_t height,
		     struct display_dmabuf *out)
{
	PFNEGLCREATEIMAGEKHRPROC create = find(gl, "eglCreateImageKHR");
	PFNEGLDESTROYIMAGEKHRPROC destroy = find(gl, "eglDestroyImageKHR");
	EGLDisplay display = gl->egl.GetCurrentDisplay();
	EGLImageKHR image;
	int ret;

	*out = (struct display_dmabuf){ .fds = { -1, -1, -1, -1 } };
	if (!create || !destroy || !gl_dmabuf_exportable(gl))
		return -ENOTSUP;
	image = create(display, gl->egl.GetCurrentContext(), EGL_GL_TEXTURE_2D_KHR,
		       (EGLClientBuffer)(uintptr_t)texture, NULL);
	if (!image)
		return -ENOTSUP;
	ret = export(gl, image, out);
	destroy(display, image);
	if (ret == 0 && gl_dmabuf_check(out, width, height) < 0) {
		gl_dmabuf_close(out);
		ret = -ENOTSUP;
	}
	return ret;
}

/* --- import ----------------------------------------------------------------------- */

bool gl_dmabuf_importable(const struct gl_lib *gl)
{
	return can(gl, "EGL_EXT_image_dma_buf_import") &&
	       find(gl, "glEGLImageTargetTexture2DOES") && find(gl, "eglCreateImageKHR") &&
	       find(gl, "eglDestroyImageKHR");
}

static unsigned describe_plane(const struct display_dmabuf *d, unsigned i, bool modifier,
			       EGLint *to)
{
	static const EGLint names[DISPLAY_MAX_PLANES][5] = {
#define PLANE(n)                                                                                   \
	{ EGL_DMA_BUF_PLANE##n##_FD_EXT, EGL_DMA_BUF_PLANE##n##_OFFSET_EXT,                        \
	  EGL_DMA_BUF_PLANE##n##_PITCH_EXT, EGL_DMA_BUF_PLANE##n##_MODIFIER_LO_EXT,                \
	  EGL_DMA_BUF_PLANE##n##_MODIFIER_HI_EXT }
		PLANE(0), PLANE(1), PLANE(2), PLANE(3),
#undef PLANE
	};
	const EGLint values[5] = {
		d->fds[i], d->offsets[i], d->strides[i], (uint32_t)d->modifier, d->modifier >> 32,
	};
	unsigned n = modifier ? 5 : 3;

	for (unsigned j = 0; j < n; j++) {
		to[2 * j] = names[i][j];
		to[2 * j + 1] = values[j];
	}
	return 2 * n;
}

static void describe(const struct gl_lib *gl, const struct display_dmabuf *d, uint32_t width,
		     uint32_t height, EGLint *to)
{
	const EGLint image[] = {
		EGL_WIDTH, width, EGL_HEIGHT, height, EGL_LINUX_DRM_FOURCC_EXT, d->fourcc,
	};
	bool modifier = d->modifier != DRM_FORMAT_MOD_INVALID &&
			can(gl, "EGL_EXT_image_dma_buf_import_modifiers");

	memcpy(to, image, sizeof(image));
	to += ARRAY_SIZE(image);
	for (unsigned i = 0; i < d->n_planes; i++)
		to += describe_plane(d, i, modifier, to);
	*to = EGL_NONE;
}

static unsigned make_texture(const struct gl_lib *gl, EGLImageKHR image)
{
	texture_from_image target = find(gl, "glEGLImageTargetTexture2DOES");
	unsigned texture;

	gl_lib_clear_errors(gl);
	gl->GenTextures(1, &texture);
	gl->BindTexture(GL_TEXTURE_2D, texture);
	target(GL_TEXTURE_2D, image);
	if (gl->GetError() != GL_NO_ERROR) {
		gl->DeleteTextures(1, &texture);
		texture = 0;
	}
	return texture;
}

unsigned gl_dmabuf_import(const struct gl_lib *gl, const struct display_dmabuf *d, uint32_t width,
			  uint32_t height)
{
	PFNEGLCREATEIMAGEKHRPROC create = find(gl, "eglCreateImageKHR");
	PFNEGLDESTROYIMAGEKHRPROC destroy = find(gl, "eglDestroyImageKHR");
	EGLDisplay display = gl->egl.GetCurrentDisplay();
	EGLint attributes[MAX_ATTRIBUTES];
	EGLImageKHR image;
	unsigned texture;

	if (!gl_dmabuf_importable(gl) || gl_dmabuf_check(d, width, height) < 0)
		return 0;
	describe(gl, d, width, height, attributes);
	image = create(display, EGL_NO_CONTEXT, EGL_LINUX_DMA_BUF_EXT, NULL, attributes);
	if (!image)
		return 0;
	texture = make_texture(gl, image);
	destroy(display, image);
	return texture;
}
