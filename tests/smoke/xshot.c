/* SPDX-License-Identifier: MIT */
/* xshot WINDOW FILE.png: what a visible window of the X server shows, as it is there. */
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int save(XImage *x, const char *path)
{
	png_image png = { .version = PNG_IMAGE_VERSION, .width = x->width, .height = x->height, .format = PNG_FORMAT_RGB };
	uint8_t *rgb = malloc(PNG_IMAGE_SIZE(png)), *p = rgb;
	int ok;

	if (!rgb)
		return 0;
	for (int i = 0; i < x->width * x->height; i++) {
		unsigned long pixel = XGetPixel(x, i % x->width, i / x->width);

		*p++ = pixel >> 16;
		*p++ = pixel >> 8;
		*p++ = pixel;
	}
	ok = png_image_write_to_file(&png, path, 0, rgb, 0, NULL);
	free(rgb);
	return ok;
}

int main(int argc, char **argv)
{
	Display *display = argc == 3 ? XOpenDisplay(NULL) : NULL;
	XWindowAttributes a;
	XImage *x = NULL;
	int ok;

	if (!display) {
		fprintf(stderr, "usage: xshot WINDOW FILE.png, on a display\n");
		return 2;
	}
	if (XGetWindowAttributes(display, strtoul(argv[1], NULL, 0), &a) && a.map_state == IsViewable)
		x = XGetImage(display, strtoul(argv[1], NULL, 0), 0, 0, a.width, a.height, AllPlanes, ZPixmap);
	ok = x && save(x, argv[2]);
	if (x)
		XDestroyImage(x);
	XCloseDisplay(display);
	return !ok;
}
