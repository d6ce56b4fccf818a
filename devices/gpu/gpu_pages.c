/* SPDX-License-Identifier: MIT */
#include "devices/gpu/gpu_pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BITS 8
#define ODD 0x9e3779b97f4a7c15ull

/* Open addressing; there is always a free slot. */
static struct gpu_page *gpu_pages_slot(const struct gpu_pages *p, uint64_t key)
{
	uint64_t mask = (1ull << p->bits) - 1, i = key * ODD >> (64 - p->bits);

	while (p->slots[i].key && p->slots[i].key != key)
		i = (i + 1) & mask;
	return &p->slots[i];
}

static int gpu_pages_grow(struct gpu_pages *p)
{
	struct gpu_pages larger = { .bits = p->bits ? p->bits + 1 : FIRST_BITS, .n = p->n };

	larger.slots = calloc(1ull << larger.bits, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (uint64_t i = 0; p->bits && i < 1ull << p->bits; i++)
		if (p->slots[i].key)
			*gpu_pages_slot(&larger, p->slots[i].key) = p->slots[i];
	free(p->slots);
	*p = larger;
	return 0;
}

int gpu_pages_get(struct gpu_pages *p, uint64_t number, struct gpu_page **out)
{
	int ret = 0;

	/* Half of them are free. */
	if (!p->bits || p->n >= 1u << (p->bits - 1))
		ret = p->n < GPU_PAGES_MAX ? gpu_pages_grow(p) : 0;
	if (ret < 0)
		return ret;
	*out = gpu_pages_slot(p, number + 1);
	if ((*out)->key)
		return 1;
	if (p->n == GPU_PAGES_MAX)
		return -ENOSPC;
	**out = (struct gpu_page){ .key = number + 1 };
	p->n++;
	return 0;
}

int gpu_pages_name(struct gpu_pages *p, uint64_t gpa, uint64_t len)
{
	struct gpu_page *page;
	int ret = 0;

	if (!len || len - 1 > UINT64_MAX - gpa)
		return 0;
	for (uint64_t n = gpa / GPU_PAGE; n <= (gpa + len - 1) / GPU_PAGE && ret >= 0; n++)
		ret = gpu_pages_get(p, n, &page);
	return ret < 0 ? ret : 0;
}

void gpu_pages_finish(struct gpu_pages *p)
{
	free(p->slots);
	*p = (struct gpu_pages){ 0 };
}

/* Four at once, so that multiplications do not wait for each other. */
uint64_t gpu_page_hash(const void *page)
{
	uint64_t lanes[4] = { 1, 2, 3, 4 }, hash = 0;
	const char *bytes = page;

	for (unsigned i = 0; i < GPU_PAGE; i += sizeof(lanes)) {
		for (unsigned k = 0; k < 4; k++) {
			uint64_t word;

			memcpy(&word, bytes + i + k * sizeof(word), sizeof(word));
			lanes[k] = (lanes[k] ^ word) * ODD;
			lanes[k] ^= lanes[k] >> 29;
		}
	}
	for (unsigned k = 0; k < 4; k++)
		hash = (hash ^ lanes[k]) * ODD;
	return hash ^ hash >> 32;
}

bool gpu_page_is_zero(const void *page)
{
	const char *bytes = page;

	return !bytes[0] && !memcmp(bytes, bytes + 1, GPU_PAGE - 1);
}
