/* SPDX-License-Identifier: MIT */
/* xshot [-f] WINDOW FILE.png: what a visible window of the X server shows, as it is there; -f: with its frame. */
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The window of a window manager that this one is in: the last before the root. */
static Window frame_of(Display *display, Window window)
{
	Window root, parent = window, *children;
	unsigned n;

	do {
		window = parent;
		if (!XQueryTree(display, window, &root, &parent, &children, &n))
			break;
		XFree(children);
	} while (parent != root && parent != None);
	return window;
}

int main(int argc, char **argv)
{
	int framed = argc > 1 && !strcmp(argv[1], "-f");
	Display *display = argc == 3 + framed ? XOpenDisplay(NULL) : NULL;
	Window window = None;
	XWindowAttributes a;
	XImage *x = NULL;
	int ok;

	if (!display) {
		fprintf(stderr, "usage: xshot [-f] WINDOW FILE.png, on a display\n");
		return 2;
	}
	argv += framed;
	window = strtoul(argv[1], NULL, 0);
	if (framed)
		window = frame_of(display, window);
	if (XGetWindowAttributes(display, window, &a) && a.map_state == IsViewable)
		x = XGetImage(display, window, 0, 0, a.width, a.height, AllPlanes, ZPixmap);
	ok = x && save(x, argv[2]);
	if (x)
		XDestroyImage(x);
	XCloseDisplay(display);
	return !ok;
}
