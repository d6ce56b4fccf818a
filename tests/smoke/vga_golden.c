/* SPDX-License-Identifier: MIT */
/*
 * vga_golden PICTURE FILE.png: what guest/payload/vga.c draws, as it ought to look; knows
 * nothing of the card but what its documentation says.
 */
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct image {
	uint32_t width, height;
	uint32_t pixels[1024 * 768];	/* 0xRRGGBB */
};

/* Six bits of a DAC to eight. */
static uint32_t dac(unsigned r, unsigned g, unsigned b)
{
	return (r << 2 | r >> 4) << 16 | (g << 2 | g >> 4) << 8 | (b << 2 | b >> 4);
}

/* The 16 colours of a text mode: I, R, G, B; brown is no dark yellow. */
static uint32_t text_colour(unsigned i)
{
	unsigned light = i & 8 ? 21 : 0;

	return i == 6 ? dac(42, 21, 0) :
			dac((i & 4 ? 42 : 0) + light, (i & 2 ? 42 : 0) + light, (i & 1 ? 42 : 0) + light);
}

/* 80 x 25 characters of 9 x 16 dots: the ninth is empty but for the line graphics, 0xc0-0xdf. */
static void font(struct image *im)
{
	im->width = 720;
	im->height = 400;
	for (unsigned y = 0; y < 400; y++)
		for (unsigned x = 0; x < 720; x++) {
			unsigned i = y / 16 * 80 + x / 9, dot = x % 9;
			uint8_t ch = i, attr = i * 3 + i / 80, bits = ch * 7 + y % 16 * 29;
			unsigned on = dot < 8 ? bits >> (7 - dot) & 1 :
				      ch >= 0xc0 && ch <= 0xdf ? bits & 1 : 0;

			/* Blinking is off: bit 7 is the background's. */
			im->pixels[y * 720 + x] = text_colour(on ? attr & 15 : attr >> 4);
		}
}

/*
 * The palette is one to one, and the DAC's first 64 colours are EGA's: bit 0-2 BGR of two
 * thirds, bit 3-5 of one third.
 */
static uint32_t ega_colour(unsigned i)
{
	return dac((i & 4 ? 42 : 0) + (i & 32 ? 21 : 0), (i & 2 ? 42 : 0) + (i & 16 ? 21 : 0),
		   (i & 1 ? 42 : 0) + (i & 8 ? 21 : 0));
}

static void planes(struct image *im)
{
	im->width = 640;
	im->height = 480;
	for (unsigned y = 0; y < 480; y++)
		for (unsigned x = 0; x < 640; x++) {
			unsigned colour = (x / 8 ^ y / 8) & 15;

			if (x == 323 || x == 324)
				colour = 15;
			im->pixels[y * 640 + x] = ega_colour(colour);
		}
}

/* 320 x 200, every dot and line twice. */
static void colours(struct image *im)
{
	im->width = 640;
	im->height = 400;
	for (unsigned y = 0; y < 400; y++)
		for (unsigned x = 0; x < 640; x++) {
			uint8_t c = x / 2 + y / 2;

			im->pixels[y * 640 + x] = dac((c >> 5) * 9, (c >> 2 & 7) * 9, (c & 3) * 21);
		}
}

static uint32_t linear_pixel(unsigned x, unsigned y)
{
	unsigned even = x & ~1u;

	return even / 4 << 16 | (y & 255) << 8 | ((even ^ y) & 254) | (x & 1);
}

static void linear(struct image *im, unsigned top, int dot)
{
	im->width = 1024;
	im->height = 768;
	for (unsigned y = 0; y < 768; y++)
		for (unsigned x = 0; x < 1024; x++)
			im->pixels[y * 1024 + x] = y + top < 768 ? linear_pixel(x, y + top) : 0;
	if (dot)
		im->pixels[(300 - top) * 1024 + 500] = 0xffffff;
}

static int draw(struct image *im, const char *name)
{
	if (!strcmp(name, "font") || !strcmp(name, "again"))
		font(im);
	else if (!strcmp(name, "planes"))
		planes(im);
	else if (!strcmp(name, "colours"))
		colours(im);
	else if (!strcmp(name, "linear"))
		linear(im, 0, 0);
	else if (!strcmp(name, "dot"))
		linear(im, 0, 1);
	else if (!strcmp(name, "panned"))
		linear(im, 100, 1);
	else
		return -1;
	return 0;
}

int main(int argc, char **argv)
{
	static struct image im;
	png_image png = { .version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_BGRA };

	if (argc != 3 || draw(&im, argv[1]) < 0)
		return 2;
	for (uint32_t i = 0; i < im.width * im.height; i++)
		im.pixels[i] |= 0xff000000;
	png.width = im.width;
	png.height = im.height;
	return !png_image_write_to_file(&png, argv[2], 0, im.pixels, 0, NULL);
}
