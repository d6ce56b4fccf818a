/* SPDX-License-Identifier: MIT */
/*
 * blob_guest [hold]: in a guest, memory of blob_renderer.c's by way of Linux's driver, in a
 * window of the host's that has room for three pieces. "blobs ok": it comes as zeros, each
 * is its own, what was written is at the host and comes back from there, and is the same in
 * another place, in which another's was. hold: until it is gone, and nothing of it left.
 */
#include <errno.h>
#include <libdrm/virtgpu_drm.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* Linux has these since 5.11, not so all copies of its header in libdrm. */
struct create_blob {
	uint32_t blob_mem, blob_flags, bo_handle, res_handle;
	uint64_t size;
	uint32_t pad, cmd_size;
	uint64_t cmd, blob_id;
};

#define IOCTL_CREATE_BLOB DRM_IOWR(DRM_COMMAND_BASE + 0x0a, struct create_blob)
#define MEM_HOST3D 2
#define USE_MAPPABLE 1

#define SIZE 0x100000u
#define WORDS (SIZE / 4)
#define STEP 1024u	/* one a page */

struct blob {
	uint32_t id, handle;
	volatile uint32_t *mem;
};

static int card;

static void fail(const char *what)
{
	printf("blobs: %s: %m\n", what);
	exit(1);
}

static void ask(const char *what, unsigned long request, void *arg)
{
	if (ioctl(card, request, arg) < 0)
		fail(what);
}

/* What was dropped makes room when the host has said that it is unmapped. */
static void create(struct blob *b)
{
	struct create_blob c;

	do {
		c = (struct create_blob){
			.blob_mem = MEM_HOST3D, .blob_flags = USE_MAPPABLE, .size = SIZE,
			.blob_id = b->id,
		};
		if (ioctl(card, IOCTL_CREATE_BLOB, &c) == 0)
			break;
		sched_yield();
	} while (errno == ENOSPC);
	if (!c.bo_handle)
		fail("VIRTGPU_RESOURCE_CREATE_BLOB");
	b->handle = c.bo_handle;
}

static struct blob make(uint32_t id)
{
	struct blob b = { .id = id };
	struct drm_virtgpu_map m = { 0 };

	create(&b);
	m.handle = b.handle;
	ask("VIRTGPU_MAP", DRM_IOCTL_VIRTGPU_MAP, &m);
	b.mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, card, m.offset);
	if (b.mem == MAP_FAILED)
		fail("mmap");
	return b;
}

static void drop(struct blob *b)
{
	struct drm_gem_close c = { .handle = b->handle };

	munmap((void *)b->mem, SIZE);
	ask("GEM_CLOSE", DRM_IOCTL_GEM_CLOSE, &c);
}

static uint32_t mark(const struct blob *b, unsigned i)
{
	return b->id << 28 | i;
}

static void write_marks(const struct blob *b)
{
	for (unsigned i = 0; i < WORDS; i += STEP)
		b->mem[i] = mark(b, i);
}

/* All of it: @factor times the marks, and @add. */
static void check(const char *what, const struct blob *b, uint32_t factor, uint32_t add)
{
	for (unsigned i = 0; i < WORDS; i += STEP) {
		if (b->mem[i] == factor * mark(b, i) + add)
			continue;
		printf("blobs: %s: blob %u has %#x at %u\n", what, b->id, b->mem[i], i);
		exit(1);
	}
}

/* By the host, which goes from the beginning to the end. */
static void invert(struct blob *b)
{
	struct drm_virtgpu_execbuffer e = {
		.size = sizeof(b->id), .command = (uintptr_t)&b->id,
	};
	uint32_t old = b->mem[WORDS - 1];

	ask("VIRTGPU_EXECBUFFER", DRM_IOCTL_VIRTGPU_EXECBUFFER, &e);
	while (b->mem[WORDS - 1] == old)
		sched_yield();
}

static void hold(void)
{
	struct blob b = make(5);

	check("old data", &b, 0, 0);
	write_marks(&b);
	printf("blob held\n");
	while (b.mem[STEP])
		sched_yield();
	check("not all gone", &b, 0, 0);
	printf("blob gone\n");
}

static void use(void)
{
	struct blob b[] = { make(1), make(2), make(3) };

	for (unsigned i = 0; i < 3; i++) {
		check("old data", &b[i], 0, 0);
		write_marks(&b[i]);
	}
	for (unsigned i = 0; i < 3; i++) {
		check("not what was written", &b[i], 1, 0);
		invert(&b[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		check("not what the host wrote", &b[i], -1u, -1u);
	for (unsigned i = 0; i < 3; i++)
		drop(&b[i]);
	for (unsigned i = 0; i < 3; i++) {
		b[i] = make(4 - i);
		check("in another place", &b[i], i ? -1u : 0, i ? -1u : 0);
	}
	printf("blobs ok\n");
}

int main(int argc, char **argv)
{
	setlinebuf(stdout);
	card = open("/dev/dri/renderD128", O_RDWR);
	if (card < 0)
		fail("/dev/dri/renderD128");
	if (argc > 1 && !strcmp(argv[1], "hold"))
		hold();
	else
		use();
	return 0;
}
