/* SPDX-License-Identifier: MIT */
/*
 * bars WIDTHxHEIGHT+FROM WIDTHxHEIGHT FILE.png: what modetest shows on a monitor: the columns from FROM on of the colour
 * bars, like those of SMPTE EG 1, that it draws for all monitors together, of the second size.
 */
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SIDE_MAX 16384

static int write_png(const char *path, const uint8_t *rgb, unsigned width, unsigned height)
{
	png_image image = {
		.version = PNG_IMAGE_VERSION, .width = width, .height = height,
		.format = PNG_FORMAT_RGB,
	};

	if (png_image_write_to_file(&image, path, 0, rgb, 0, NULL))
		return 0;
	fprintf(stderr, "bars: %s: %s\n", path, image.message);
	return 1;
}

static uint32_t bar(unsigned x, unsigned y, unsigned w, unsigned h)
{
	static const uint32_t top[] = {
		0xc0c0c0, 0xc0c000, 0x00c0c0, 0x00c000, 0xc000c0, 0xc00000, 0x0000c0,
	};
	static const uint32_t middle[] = {
		0x0000c0, 0x131313, 0xc000c0, 0x131313, 0x00c0c0, 0x131313, 0xc0c0c0,
	};
	static const uint32_t left[] = { 0x00214c, 0xffffff, 0x32006a, 0x131313 };
	static const uint32_t pluge[] = { 0x090909, 0x131313, 0x1d1d1d, 0x131313 };

	if (y < h * 6 / 9)
		return top[x * 7 / w];
	if (y < h * 7 / 9)
		return middle[x * 7 / w];
	if (x < w * 5 / 7)
		return left[x * 4 / (w * 5 / 7)];
	if (x < w * 6 / 7)
		return pluge[(x - w * 5 / 7) * 3 / (w / 7)];
	return 0x131313;
}

int main(int argc, char **argv)
{
	unsigned width, height, from, all_width, all_height;
	uint8_t *rgb, *p;
	int status;

	if (argc != 4 || sscanf(argv[1], "%ux%u+%u", &width, &height, &from) != 3 ||
	    sscanf(argv[2], "%ux%u", &all_width, &all_height) != 2 ||
	    all_width < 7 || all_width > SIDE_MAX || all_height > SIDE_MAX ||
	    from > all_width || width > all_width - from || height > all_height)
		return 2;
	p = rgb = malloc(3ul * width * height);
	for (unsigned y = 0; rgb && y < height; y++)
		for (unsigned x = 0; x < width; x++) {
			uint32_t c = bar(from + x, y, all_width, all_height);

			*p++ = c >> 16;
			*p++ = c >> 8;
			*p++ = c;
		}
	status = rgb ? write_png(argv[3], rgb, width, height) : 1;
	free(rgb);
	return status;
}
