/* SPDX-License-Identifier: MIT */
/*
 * A guest with a memory balloon: the input is a sequence of pages that it gives up, by their
 * numbers or as free ranges, of statistics, of questions of the host's, of resets and of rings
 * scribbled on. Pages that were not named keep what is in them, and those that were are
 * zeros when the guest has its buffer back.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/registry.h"
#include "devices/virtio/balloon.h"
#include "tests/fuzz/input.h"
#include "tests/vrig.h"
#include "vmm/log.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)
#define PAGE 4096ull
/* Rings, numbers and statistics are in the first region; what is looked at is the second. */
#define OUT 0x80000ull
#define FIRST (FAKE_RAM2_GPA / PAGE)
#define PAGES (FAKE_RAM2_LEN / PAGE)
/* As the number of a page, no RAM; with another beside it, or unaligned, too. */
#define CONTENT 0xf5
#define TAKE 16
#define STEPS 64
#define MAX_PFNS 256
#define FEATURES (BIT(VIRTIO_BALLOON_F_REPORTING) | BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM))
#define STATS_FEATURE BIT(VIRTIO_BALLOON_F_STATS_VQ)

enum { INFLATE, DEFLATE, STATS, REPORTING };

struct guest {
	struct vrig r;
	struct virtio_device *v;
	bool stats;		/* negotiated */
	bool odd;		/* rings were scribbled on: what is named, nobody knows */
	bool gone[PAGES];	/* the host may have taken it */
	unsigned told;
};

static bool broken(struct guest *g)
{
	return vdrv_get(&g->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* --- pages ---------------------------------------------------------------------------- */

static bool is_filled(struct guest *g, unsigned page, uint8_t content)
{
	const uint8_t *p = vdrv_ptr(&g->r.d, (FIRST + page) * PAGE, PAGE);

	return p[0] == content && !memcmp(p, p + 1, PAGE - 1);
}

static void check_pages(struct guest *g)
{
	for (unsigned i = 0; i < PAGES && !g->odd; i++)
		CHECK(is_filled(g, i, g->gone[i] ? 0 : CONTENT));
}

/* The guest uses again what it has given up. */
static void refill(struct guest *g)
{
	memset(vdrv_ptr(&g->r.d, FAKE_RAM2_GPA, FAKE_RAM2_LEN), CONTENT, FAKE_RAM2_LEN);
	memset(g->gone, 0, sizeof(g->gone));
}

/* Those that lie in [gpa, gpa + len) as a whole, which is RAM. */
static void name(struct guest *g, uint64_t gpa, uint64_t len)
{
	uint64_t first = MAX(align_up(gpa, PAGE) / PAGE, FIRST), end = (gpa + len) / PAGE;

	for (uint64_t page = first; page < end; page++)
		g->gone[page - FIRST] = true;
}

/* --- requests --------------------------------------------------------------------------- */

/* Whether the device gave back the one chain that there is. */
static bool settle(struct guest *g, unsigned q)
{
	bool used = false;

	vdrv_kick(&g->r.d, q);
	fake_settle(&g->r.fake);
	while (!g->odd && !broken(g) && vdrv_used(&g->r.d.rings[q], NULL) >= 0)
		used = true;
	return used;
}

/* Numbers of pages, up or down from one of them, some of them of any kind. */
static unsigned take_pfns(struct input *in, uint32_t *pfns)
{
	unsigned how = take(in, 1), n = 1 + take(in, 1) % MAX_PFNS;
	uint32_t pfn = how & 1 ? FIRST + take(in, 1) : take(in, 4);

	for (unsigned i = 0; i < n; i++) {
		pfns[i] = pfn;
		pfn += how & 2 ? 1 : -1;
		if (how & 4)
			pfn = FIRST + take(in, 1);
		if (how & 8 && take(in, 1) >= 0xf0)
			pfn = take(in, 4);
	}
	return n;
}

/* Neighbours go in one piece, which nothing becomes of if a part of it is no RAM. */
static void name_pfns(struct guest *g, const uint32_t *pfns, unsigned n)
{
	bool all = true;

	/* With the page that they are in the numbers behind them go, too. */
	for (unsigned i = 0; i < n; i++)
		all &= pfns[i] != OUT / PAGE &&
		       gmem_contains(&g->r.fake.mem, pfns[i] * PAGE, PAGE);
	for (unsigned i = 0; i < n; i++)
		if (all)
			name(g, pfns[i] * PAGE, PAGE);
	g->odd |= !all;
}

/* In one piece or two, cut anywhere. */
static void send_pfns(struct guest *g, struct input *in, unsigned q)
{
	uint32_t pfns[MAX_PFNS];
	uint32_t len = take_pfns(in, pfns) * sizeof(pfns[0]), cut = take(in, 2) % (len + 1);
	const struct vdrv_buf bufs[] = { VDRV_OUT(OUT, cut), VDRV_OUT(OUT + cut, len - cut) };

	memcpy(vdrv_ptr(&g->r.d, OUT, len), pfns, len);
	CHECK(vdrv_add(&g->r.d.rings[q], bufs, 2) >= 0);
	if (q == INFLATE)
		name_pfns(g, pfns, len / sizeof(pfns[0]));
	CHECK(settle(g, q) || g->odd || broken(g));
	check_pages(g);
	refill(g);
}

static void report(struct guest *g, struct input *in)
{
	unsigned q = g->stats ? REPORTING : STATS, n = 1 + take(in, 1) % 8;
	struct vdrv_buf bufs[8];

	for (unsigned i = 0; i < n; i++) {
		uint64_t gpa = FAKE_RAM2_GPA + take(in, 3) % FAKE_RAM2_LEN;
		uint32_t len = take(in, 1) & 1 ? take(in, 1) * PAGE : take(in, 2);

		len = MIN(len, FAKE_RAM2_GPA + FAKE_RAM2_LEN - gpa);
		bufs[i] = (struct vdrv_buf)VDRV_IN(gpa, len);
	}
	CHECK(vdrv_add(&g->r.d.rings[q], bufs, n) >= 0);
	for (unsigned i = 0; i < n; i++)
		name(g, bufs[i].gpa, bufs[i].len);
	CHECK(settle(g, q) || g->odd);
	check_pages(g);
	refill(g);
}

static void send_stats(struct guest *g, struct input *in)
{
	uint32_t len = take(in, 1);
	uint8_t *p = vdrv_ptr(&g->r.d, OUT, 256);

	for (unsigned i = 0; i < len; i++)
		p[i] = take(in, 1);
	/* The first waits for a question. */
	if (g->stats)
		vdrv_add(&g->r.d.rings[STATS], &(struct vdrv_buf)VDRV_OUT(OUT, len), 1);
	settle(g, STATS);
}

/* --- the host ----------------------------------------------------------------------------- */

static void told(void *ctx)
{
	((struct guest *)ctx)->told++;
}

static void ask(struct guest *g)
{
	struct balloon_stats stats;

	virtio_balloon_ask(g->v);
	virtio_balloon_stats(g->v, &stats);
	CHECK(stats.taken == vdrv_config_read(&g->r.d, 4, 4) * PAGE);
	CHECK(stats.known < BIT(VIRTIO_BALLOON_S_NR));
}

/* --- the rest ------------------------------------------------------------------------------ */

static void restart(struct guest *g, bool stats)
{
	vdrv_start(&g->r.d, FEATURES | VIRTIO_COMMON_FEATURES | (stats ? STATS_FEATURE : 0));
	fake_settle(&g->r.fake);
	g->stats = stats;
	g->odd = false;
	refill(g);
}

static void scribble(struct guest *g, struct input *in)
{
	struct vdrv_ring *ring = &g->r.d.rings[take(in, 1) % 4];
	uint64_t off = take(in, 2) % vdrv_ring_bytes(ring->size);

	memset(vdrv_ptr(&g->r.d, ring->desc_gpa + off, 1), take(in, 1), 1);
	g->odd = true;
	for (unsigned q = 0; q < 4; q++)
		vdrv_kick(&g->r.d, q);
	fake_settle(&g->r.fake);
}

static void config(struct guest *g, struct input *in)
{
	unsigned off = take(in, 1) % 16, size = 1u << (take(in, 1) & 3);

	vdrv_config_write(&g->r.d, off, size, take(in, 8));
	vdrv_config_read(&g->r.d, off, size);
	CHECK(vdrv_config_read(&g->r.d, 0, 4) == TAKE);
}

static void step(struct guest *g, struct input *in)
{
	unsigned what = take(in, 1);

	if (g->odd || broken(g))
		restart(g, what & 0x80);
	switch (what & 7) {
	case 0:
	case 1:
		send_pfns(g, in, INFLATE);
		break;
	case 2:
		send_pfns(g, in, DEFLATE);
		break;
	case 3:
		report(g, in);
		break;
	case 4:
		send_stats(g, in);
		break;
	case 5:
		ask(g);
		break;
	case 6:
		config(g, in);
		break;
	case 7:
		if (what & 0x40)
			restart(g, what & 0x80);
		else
			scribble(g, in);
		break;
	}
}

static void plug(struct guest *g)
{
	struct virtio_env env = { .loop = g->r.fake.loop, .mem = &g->r.fake.mem };
	struct opt_value opts;

	CHECK(opt_value_parse(&opts, "--balloon", "take=64K", virtio_balloon_model.keys) == 0);
	CHECK(virtio_balloon_model.create(&g->v, &env, &opts) == 0);
	opt_value_finish(&opts);
	virtio_balloon_watch(g->v, told, g);
	vrig_plug(&g->r, g->v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest *g;
	struct input in = { data, size };

	log_set_level(LOG_ERROR);
	if (!g) {
		g = calloc(1, sizeof(*g));
		CHECK(g);
		vrig_init(&g->r, VRIG_MMIO);
		plug(g);
	}
	restart(g, true);
	for (unsigned i = 0; i < STEPS && in.left; i++)
		step(g, &in);
	return 0;
}
