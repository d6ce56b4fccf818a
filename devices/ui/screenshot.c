/* SPDX-License-Identifier: MIT */
#include "devices/ui/screenshot.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/util.h"

#define SHOT_LEVEL 3	/* of zlib: half the time of its default, a tenth more bytes */

struct shot {
	const struct picture *picture;
	int fd;
	int error;		/* negative errno of what made libpng give up */
	uint32_t *row;		/* a row of pixels; turned into bytes in place */
};

static void shot_put(png_structp png, png_bytep data, size_t len)
{
	struct shot *shot = png_get_io_ptr(png);

	while (len) {
		ssize_t n = write(shot->fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			shot->error = n < 0 ? -errno : -EIO;
			png_error(png, "write");
		}
		data += n;
		len -= n;
	}
}

static void shot_flush(png_structp png)
{
}

static void shot_error(png_structp png, png_const_charp text)
{
	struct shot *shot = png_get_error_ptr(png);

	if (!shot->error)
		shot->error = -ENOMEM;	/* all else that can go wrong is our own doing */
	png_longjmp(png, 1);
}

static void shot_warning(png_structp png, png_const_charp text)
{
}

/* Three bytes from every four, front to back. */
static void shot_pack(uint32_t *row, uint32_t width)
{
	uint8_t *to = (uint8_t *)row;

	for (uint32_t i = 0; i < width; i++) {
		uint32_t p = row[i];

		*to++ = p >> 16;
		*to++ = p >> 8;
		*to++ = p;
	}
}

/* Everything that libpng may leave by longjmp; nothing of it is needed afterwards. */
static void shot_encode(struct shot *shot, png_structp png, png_infop info)
{
	const struct display_surface *s = &shot->picture->surface;

	if (setjmp(png_jmpbuf(png)))
		return;
	png_set_write_fn(png, shot, shot_put, shot_flush);
	png_set_user_limits(png, DISPLAY_MAX_SIZE, DISPLAY_MAX_SIZE);
	png_set_compression_level(png, SHOT_LEVEL);
	png_set_IHDR(png, info, s->width, s->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
		     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
	png_write_info(png, info);
	for (uint32_t y = 0; y < s->height; y++) {
		picture_row(shot->picture, y, shot->row);
		shot_pack(shot->row, s->width);
		png_write_row(png, (png_const_bytep)shot->row);
	}
	png_write_end(png, info);
}

int screenshot_write(const struct picture *p, int fd)
{
	struct shot shot = { .picture = p, .fd = fd };
	png_structp png;
	png_infop info;

	if (!p->shown)
		return -ENODATA;
	shot.row = malloc(4ull * p->surface.width);
	png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &shot, shot_error, shot_warning);
	info = png ? png_create_info_struct(png) : NULL;
	if (shot.row && info)
		shot_encode(&shot, png, info);
	else
		shot.error = -ENOMEM;
	png_destroy_write_struct(&png, &info);
	free(shot.row);
	return shot.error;
}
