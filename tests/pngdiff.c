/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/pngdiff.h"
#include "vmm/util.h"

#define THRESHOLD 32u
#define MILLION 1000000u

static uint8_t *read_png(const char *path, unsigned *width, unsigned *height)
{
	png_image image = { .version = PNG_IMAGE_VERSION };
	uint8_t *rgb = NULL;

	if (png_image_begin_read_from_file(&image, path)) {
		image.format = PNG_FORMAT_RGB;
		rgb = malloc(PNG_IMAGE_SIZE(image));
	}
	if (rgb && !png_image_finish_read(&image, NULL, rgb, 0, NULL)) {
		free(rgb);
		rgb = NULL;
	}
	*width = image.width;
	*height = image.height;
	png_image_free(&image);
	return rgb;
}

/* Portable pixmap, which is what a program writes that has no library for pictures. */
static uint8_t *read_ppm(const char *path, unsigned *width, unsigned *height)
{
	FILE *file = fopen(path, "r");
	uint8_t *rgb = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (fscanf(file, "P6 %5u %5u 255", width, height) == 2 && fgetc(file) == '\n') {
		size = (size_t)*width * *height * 3;
		rgb = malloc(size);
	}
	if (rgb && fread(rgb, 1, size, file) != size) {
		free(rgb);
		rgb = NULL;
	}
	fclose(file);
	return rgb;
}

/* 8-bit RGB whatever the file has, which is then the caller's; NULL if it is no picture. */
static uint8_t *read_rgb(const char *path, unsigned *width, unsigned *height)
{
	uint8_t *rgb = read_ppm(path, width, height);

	return rgb ? rgb : read_png(path, width, height);
}

static bool is_skipped(const struct pngdiff *d, unsigned x, unsigned y)
{
	for (unsigned i = 0; i < d->n_skip; i++) {
		const struct pngdiff_region *r = &d->skip[i];

		if (x >= r->x && x - r->x < r->width && y >= r->y && y - r->y < r->height)
			return true;
	}
	return false;
}

static void compare(struct pngdiff *d, const uint8_t *a, const uint8_t *b, unsigned width, unsigned height)
{
	for (unsigned y = 0; y < height; y++) {
		for (unsigned x = 0; x < width; x++, a += 3, b += 3) {
			unsigned off = 0;

			if (is_skipped(d, x, y))
				continue;
			for (unsigned c = 0; c < 3; c++)
				off = MAX(off, (unsigned)abs(a[c] - b[c]));
			d->pixels++;
			d->differing += off > d->threshold;
			d->worst = MAX(d->worst, off);
		}
	}
}

int pngdiff_files(struct pngdiff *d, const char *a, const char *b)
{
	unsigned width[2], height[2];
	uint8_t *rgb[2] = { read_rgb(a, &width[0], &height[0]), read_rgb(b, &width[1], &height[1]) };
	int rc = 0;

	d->pixels = d->differing = d->worst = 0;
	if (!rgb[0] || !rgb[1])
		rc = -EBADMSG;
	else if (width[0] != width[1] || height[0] != height[1])
		rc = -EINVAL;
	else
		compare(d, rgb[0], rgb[1], width[0], height[0]);
	free(rgb[0]);
	free(rgb[1]);
	return rc;
}

static int usage(void)
{
	fprintf(stderr, "usage: pngdiff [-t THRESHOLD] [-m MOST] [-x X,Y,WIDTH,HEIGHT]... A B, PNG or PPM\n");
	return 2;
}

static bool parse_number(const char *text, unsigned most, unsigned *n)
{
	char rest;

	return sscanf(text, "%u%c", n, &rest) == 1 && *n <= most;
}

static bool parse_region(const char *text, struct pngdiff *d)
{
	struct pngdiff_region r;
	char rest;

	if (d->n_skip == PNGDIFF_SKIPS ||
	    sscanf(text, "%u,%u,%u,%u%c", &r.x, &r.y, &r.width, &r.height, &rest) != 4)
		return false;
	d->skip[d->n_skip++] = r;
	return true;
}

static int judge(const struct pngdiff *d, unsigned most)
{
	/* Nothing that was looked at is nothing that is known to be right. */
	bool alike = d->pixels > 0 && d->differing * MILLION <= d->pixels * most;

	printf("%llu of %llu pixels are off by more than %u, the worst by %u; %u in a million may be\n",
	       (unsigned long long)d->differing, (unsigned long long)d->pixels, d->threshold, d->worst, most);
	return !alike;
}

int pngdiff_main(int argc, char **argv)
{
	struct pngdiff d = { .threshold = THRESHOLD };
	unsigned most = 0;
	bool good = true;
	int c;

	optind = 0; /* several times in one program */
	while ((c = getopt(argc, argv, "t:m:x:")) != -1) {
		if (c == 't')
			good &= parse_number(optarg, 255, &d.threshold);
		else if (c == 'm')
			good &= parse_number(optarg, MILLION, &most);
		else
			good &= c == 'x' && parse_region(optarg, &d);
	}
	if (!good || argc - optind != 2)
		return usage();
	switch (pngdiff_files(&d, argv[optind], argv[optind + 1])) {
	case 0:
		return judge(&d, most);
	case -EINVAL:
		printf("not of the same size\n");
		return 1;
	default:
		fprintf(stderr, "pngdiff: %s, %s: not both pictures\n", argv[optind], argv[optind + 1]);
		return 2;
	}
}
