// SPDX-License-Identifier: MIT
/*
 * Loaded before a program that draws by EGL and shows it by KMS (LD_PRELOAD), as kmscube does:
 *
 *	PROBE_STOP=N	it stops (SIGSTOP) when its Nth frame is on the screen, and says so; continued, N frames later again
 *	PROBE_DUMP=FILE	of the frame that it would stop at, the pixels as it reads them itself, as a PPM; then it ends
 *	PROBE_POINTER=1	a red pointer of 64x64 pixels, at 16,16
 *	PROBE_MIRROR=1	what it shows is on every other output that has such a mode, too
 *	PROBE_MODE=NAME	monitors have this one of their modes, such as 640x480, and no other
 *	PROBE_PACE=MS	it waits for so long before each page flip
 *	PROBE_TIMES=N	of N page flips, the time from one to the next in microseconds: half of them take no more than p50
 *
 * Built without a libc: it is found in the program.
 */
#include <dlfcn.h>
#include <drm.h>
#include <drm_mode.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define GL_RGBA 0x1908
#define GL_UNSIGNED_BYTE 0x1401
#define GL_VIEWPORT 0x0ba2
#define POINTER 64

static long frames;

static long number(const char *name)
{
	const char *text = getenv(name);

	return text ? atol(text) : 0;
}
static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

/* ---- frames ---- */

static void dump(const char *path)
{
	void (*get)(unsigned, int *) = dlsym(RTLD_DEFAULT, "glGetIntegerv");
	void (*read)(int, int, int, int, unsigned, unsigned, void *) = dlsym(RTLD_DEFAULT, "glReadPixels");
	FILE *file = fopen(path, "w");
	uint8_t *pixels;
	int at[4];

	get(GL_VIEWPORT, at);
	pixels = malloc(4ul * at[2] * at[3]);
	read(0, 0, at[2], at[3], GL_RGBA, GL_UNSIGNED_BYTE, pixels);
	fprintf(file, "P6 %d %d 255\n", at[2], at[3]);
	for (int y = at[3] - 1; y >= 0; y--)
		for (int x = 0; x < at[2]; x++)
			fwrite(pixels + 4ul * (y * at[2] + x), 3, 1, file);
	fclose(file);
	exit(0);
}

/* The first frame has been shown when the second one is drawn, of which it is asked here. */
unsigned eglSwapBuffers(void *display, void *surface)
{
	unsigned (*swap)(void *, void *) = next("eglSwapBuffers");
	long stop = number("PROBE_STOP");

	if (stop && frames && frames % stop == 0) {
		printf("probe: frame %ld\n", frames);
		fflush(stdout);
		raise(SIGSTOP);
	}
	frames++;
	if (stop && frames == stop && getenv("PROBE_DUMP"))
		dump(getenv("PROBE_DUMP"));
	return swap(display, surface);
}

/* ---- outputs ---- */

static void show_pointer(int fd, uint32_t crtc)
{
	int (*control)(int, unsigned long, void *) = next("drmIoctl");
	struct drm_mode_create_dumb dumb = { .width = POINTER, .height = POINTER, .bpp = 32 };
	struct drm_mode_map_dumb map = { 0 };
	struct drm_mode_cursor2 cursor = {
		.flags = DRM_MODE_CURSOR_BO | DRM_MODE_CURSOR_MOVE,
		.crtc_id = crtc,
		.x = 16,
		.y = 16,
		.width = POINTER,
		.height = POINTER,
	};
	uint32_t *pixels;

	if (control(fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb))
		return perror("probe: pointer");
	map.handle = dumb.handle;
	control(fd, DRM_IOCTL_MODE_MAP_DUMB, &map);
	pixels = mmap(NULL, dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, map.offset);
	for (int i = 0; i < POINTER * POINTER; i++)
		pixels[i] = 0xffff0000;
	cursor.handle = dumb.handle;
	if (control(fd, DRM_IOCTL_MODE_CURSOR2, &cursor))
		perror("probe: pointer");
}

/* those of libdrm's that are used, as xf86drmMode.h has them */
struct resources {
	int n_fbs;
	uint32_t *fbs;
	int n_crtcs;
	uint32_t *crtcs;
	int n_connectors;
	uint32_t *connectors;
};

struct connector {
	uint32_t id, encoder, type, type_id, connection, width, height, subpixel;
	int n_modes;
	struct drm_mode_modeinfo *modes;
	/* more follows */
};

struct connector *drmModeGetConnector(int fd, uint32_t id)
{
	struct connector *(*get)(int, uint32_t) = next("drmModeGetConnector");
	struct connector *c = get(fd, id);
	const char *name = getenv("PROBE_MODE");

	for (int i = 0; c && name && i < c->n_modes; i++)
		if (!strcmp(c->modes[i].name, name)) {
			c->modes[0] = c->modes[i];
			c->n_modes = 1;
		}
	return c;
}

static uint32_t other_crtc;

/* Output I has its own controller, and of the same mode a number of its own or none: modes are given by their timings. */
static void mirror(int fd, uint32_t crtc, uint32_t fb, const void *mode)
{
	struct resources *(*get)(int) = next("drmModeGetResources");
	int (*set)(int, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t *, int, const void *) = next("drmModeSetCrtc");
	struct resources *all = get(fd);

	for (int i = 0; i < all->n_crtcs && i < all->n_connectors; i++)
		if (all->crtcs[i] != crtc && !set(fd, all->crtcs[i], fb, 0, 0, &all->connectors[i], 1, mode))
			other_crtc = all->crtcs[i];
	if (!other_crtc)
		puts("probe: no second output");
}

int drmModeSetCrtc(int fd, uint32_t crtc, uint32_t fb, uint32_t x, uint32_t y, uint32_t *connectors, int count, const void *mode)
{
	int (*set)(int, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t *, int, const void *) = next("drmModeSetCrtc");
	int r = set(fd, crtc, fb, x, y, connectors, count, mode);

	if (!r && number("PROBE_POINTER"))
		show_pointer(fd, crtc);
	if (!r && number("PROBE_MIRROR"))
		mirror(fd, crtc, fb, mode);
	return r;
}

/* ---- times ---- */

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint64_t last_flip;
static uint32_t *flips;
static long n_flips;

static int by_size(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void count_flip(long want)
{
	uint64_t time = now();

	if (!flips)
		flips = calloc(want, sizeof(*flips));
	else if (n_flips < want)
		flips[n_flips++] = (time - last_flip) / 1000;
	last_flip = time;
	if (n_flips < want)
		return;
	qsort(flips, n_flips, sizeof(*flips), by_size);
	printf("probe: %ld flips, p50 %u p99 %u us\n", n_flips, flips[n_flips / 2], flips[n_flips * 99 / 100]);
	fflush(stdout);
	n_flips = 0;
}

int drmModePageFlip(int fd, uint32_t crtc, uint32_t fb, uint32_t flags, void *data)
{
	int (*flip)(int, uint32_t, uint32_t, uint32_t, void *) = next("drmModePageFlip");
	long times = number("PROBE_TIMES"), pace = number("PROBE_PACE");

	if (pace)
		nanosleep(&(struct timespec){ pace / 1000, pace % 1000 * 1000000 }, NULL);
	if (times)
		count_flip(times);
	if (other_crtc)
		flip(fd, other_crtc, fb, 0, NULL);
	return flip(fd, crtc, fb, flags, data);
}
