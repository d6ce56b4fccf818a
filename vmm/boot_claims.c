/* SPDX-License-Identifier: MIT */
#include "vmm/boot_claims.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "vmm/log.h"
#include "vmm/util.h"

uint64_t boot_mib(uint64_t bytes)
{
	return bytes / MiB + (bytes % MiB != 0);
}

static void boot_claim_name(const struct boot_claim *c, char *name, size_t size)
{
	if (c->index < 0)
		snprintf(name, size, "%s", c->what);
	else
		snprintf(name, size, "%s %d", c->what, c->index);
}

const struct boot_claim *boot_claims_at(const struct boot_claims *claims, uint64_t gpa,
					uint64_t len)
{
	for (unsigned i = 0; i < claims->n; i++)
		if (ranges_overlap(gpa, len, claims->claims[i].gpa, claims->claims[i].len))
			return &claims->claims[i];
	return NULL;
}

void boot_claims_keep(struct boot_claims *claims, const char *what, uint64_t gpa, uint64_t len)
{
	assert(claims->n < BOOT_MAX_CLAIMS && gpa + len >= gpa);
	claims->claims[claims->n++] = (struct boot_claim){ what, -1, gpa, len };
}

int boot_claims_add(struct boot_claims *claims, const char *what, int index, uint64_t gpa,
		    uint64_t len)
{
	struct boot_claim new = { what, index, gpa, len };
	const struct boot_claim *old = NULL;
	uint64_t end;
	char name[48], other[48];

	boot_claim_name(&new, name, sizeof(name));
	if (__builtin_add_overflow(gpa, len, &end)) {
		log_error("%s: %s wraps: %#" PRIx64 " bytes at %#" PRIx64, claims->path, name,
			  len, gpa);
		return -EINVAL;
	}
	old = boot_claims_at(claims, gpa, len);
	if (old) {
		boot_claim_name(old, other, sizeof(other));
		log_error("%s: %s at %#" PRIx64 "-%#" PRIx64 " overlaps %s at %#" PRIx64
			  "-%#" PRIx64, claims->path, name, gpa, end - 1, other, old->gpa,
			  old->gpa + old->len - 1);
		return -EINVAL;
	}
	if (!gmem_contains(claims->mem, gpa, len)) {
		log_error("%s: %s at %#" PRIx64 "-%#" PRIx64 " is not in the guest's %" PRIu64
			  " MiB of RAM", claims->path, name, gpa, end - 1,
			  boot_mib(gmem_size(claims->mem)));
		return -EINVAL;
	}
	if (claims->n == BOOT_MAX_CLAIMS) {
		log_error("%s: no room is left to note where %s is: at most %d parts are possible",
			  claims->path, name, BOOT_MAX_CLAIMS);
		return -EINVAL;
	}
	claims->claims[claims->n++] = new;
	return 0;
}

/* The highest free place of @len bytes in [floor, end); 0 when there is none. */
static uint64_t boot_find_free(const struct boot_claims *claims, uint64_t floor, uint64_t end,
			       uint64_t len, uint64_t align)
{
	/* Each turn goes below a claim, so there are at most n + 1. */
	while (end >= len && end - len >= floor) {
		uint64_t gpa = align_down(end - len, align);
		const struct boot_claim *c;

		if (gpa < floor)
			break;
		c = boot_claims_at(claims, gpa, len);
		if (!c)
			return gpa;
		end = c->gpa;
	}
	return 0;
}

uint64_t boot_claims_find(const struct boot_claims *claims, uint64_t limit, uint64_t len,
			  uint64_t align)
{
	for (unsigned i = claims->mem->n_regions; i-- > 0;) {
		const struct gmem_region *r = &claims->mem->regions[i];
		uint64_t gpa = boot_find_free(claims, r->gpa, MIN(r->gpa + r->len, limit), len,
					      align);

		if (gpa)
			return gpa;
	}
	return 0;
}
