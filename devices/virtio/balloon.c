/* SPDX-License-Identifier: MIT */
/*
 * Memory balloon (virtio 1.2, 5.5): pages that the guest has no use for, because
 * it was asked to give some up or because they are free (reporting), go back
 * to the host. The guest takes any of them again by writing to it. Statistics of its
 * memory it tells when it is asked.
 */
#include "devices/virtio/balloon.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/registry.h"
#include "devices/virtio/virtio.h"

enum { INFLATE, DEFLATE, STATS, REPORTING, BALLOON_QUEUES };

#define BALLOON_QUEUE_SIZE 128
#define BALLOON_PAGE (1u << VIRTIO_BALLOON_PFN_SHIFT)
/* For one turn of the loop; what a chain has beyond that stays with the guest. */
#define BALLOON_TURN_PFNS 4096
#define BALLOON_TURN_BYTES (256 * MiB)
/* Of an answer; there are ten kinds of statistics, some of them newer than our headers. */
#define BALLOON_MAX_STATS 64
#define BALLOON_CONFIG_LEN offsetof(struct virtio_balloon_config, free_page_hint_cmd_id)

struct balloon {
	struct virtio_device v;
	uint32_t num_pages;	/* that the guest is asked for */
	uint32_t actual;	/* that it says it has given */
	/* The guest's buffer: handed back, it comes again with new ones. */
	struct virtq_chain *stats_chain;
	uint32_t known;
	uint64_t values[VIRTIO_BALLOON_S_NR];
	struct loop_work tell;
	void (*told)(void *ctx);	/* the loop's thread's, and... */
	void *told_ctx;			/* ...this */
	bool failed;		/* to give memory back, and that was logged */
};

static struct balloon *balloon_of(struct virtio_device *v)
{
	return container_of(v, struct balloon, v);
}

static void balloon_discard(struct balloon *b, uint64_t gpa, uint64_t len)
{
	int ret = gmem_discard_range(b->v.mem, gpa, len);

	if (ret == -EFAULT) {
		log_guest(&b->v.rate, "virtio-balloon: %#llx is not RAM", (unsigned long long)gpa);
	} else if (ret < 0 && !b->failed) {
		b->failed = true;
		log_warn("virtio-balloon: giving back guest memory: %s", strerror(-ret));
	}
}

/* --- inflating (5.5.6) ----------------------------------------------------- */

/* Neighbours go in one piece; the guest's free list gives them in either order. */
struct run {
	uint64_t start, end;	/* page numbers; empty when equal */
};

static bool run_extend(struct run *run, uint64_t pfn)
{
	if (run->start == run->end)
		*run = (struct run){ pfn, pfn + 1 };
	else if (pfn == run->end)
		run->end++;
	else if (pfn + 1 == run->start)
		run->start--;
	else
		return false;
	return true;
}

static void run_discard(struct balloon *b, struct run *run)
{
	if (run->start != run->end)
		balloon_discard(b, run->start * BALLOON_PAGE,
				(run->end - run->start) * BALLOON_PAGE);
	*run = (struct run){ 0 };
}

/* The number of pages, at most @max. */
static unsigned balloon_inflate(struct balloon *b, const struct virtq_chain *chain, unsigned max)
{
	unsigned n = MIN(chain->readable / sizeof(uint32_t), (size_t)max);
	struct run run = { 0 };

	for (unsigned i = 0; i < n; i++) {
		uint32_t pfn;

		chain_read(chain, i * sizeof(pfn), &pfn, sizeof(pfn));
		if (run_extend(&run, pfn))
			continue;
		run_discard(b, &run);
		run_extend(&run, pfn);
	}
	run_discard(b, &run);
	return n;
}

/* --- reporting (5.5.6.7) ---------------------------------------------------- */

/* The number of bytes, at most @max. They are the guest's again when the chain is. */
static uint64_t balloon_report(struct balloon *b, const struct virtq_chain *chain, uint64_t max)
{
	struct iovec iov[BALLOON_QUEUE_SIZE + GMEM_MAX_REGIONS];
	uint64_t len = MIN((uint64_t)chain->writable, max);
	unsigned n = chain_iov(chain, true, 0, len, iov, ARRAY_SIZE(iov));

	for (unsigned i = 0; i < n; i++) {
		uint64_t gpa;

		if (gmem_gpa(b->v.mem, iov[i].iov_base, &gpa))
			balloon_discard(b, gpa, iov[i].iov_len);
	}
	return len;
}

/* --- statistics (5.5.6.3) --------------------------------------------------- */

static void balloon_note(struct balloon *b, const struct virtq_chain *chain)
{
	struct virtio_balloon_stat stat;

	for (unsigned i = 0; i < BALLOON_MAX_STATS; i++) {
		if (chain_read(chain, i * sizeof(stat), &stat, sizeof(stat)) < sizeof(stat))
			return;
		if (stat.tag >= VIRTIO_BALLOON_S_NR)
			continue;
		b->values[stat.tag] = stat.val;
		b->known |= BIT(stat.tag);
	}
}

/* The driver has one buffer: any other goes back at once. */
static void balloon_hear(struct balloon *b, unsigned q, struct virtq_chain *chain)
{
	balloon_note(b, chain);
	if (b->stats_chain)
		virtq_push(virtio_queue(&b->v, q), chain, 0);
	else
		b->stats_chain = chain;
	loop_post(b->v.loop, &b->tell);
}

static void balloon_tell(void *arg)
{
	struct balloon *b = arg;

	if (b->told)
		b->told(b->told_ctx);
}

void virtio_balloon_watch(struct virtio_device *v, void (*told)(void *ctx), void *ctx)
{
	struct balloon *b = balloon_of(v);

	b->told = told;
	b->told_ctx = ctx;
}

bool virtio_balloon_ask(struct virtio_device *v)
{
	struct balloon *b = balloon_of(v);
	bool asked;

	pthread_mutex_lock(&v->lock);
	asked = virtio_running(v) && b->stats_chain;
	if (asked) {
		virtq_push(virtio_queue(v, STATS), b->stats_chain, 0);
		b->stats_chain = NULL;
		virtio_signal(v, STATS);
	}
	pthread_mutex_unlock(&v->lock);
	return asked;
}

void virtio_balloon_stats(struct virtio_device *v, struct balloon_stats *stats)
{
	const struct balloon *b = balloon_of(v);

	pthread_mutex_lock(&v->lock);
	stats->taken = (uint64_t)b->actual * BALLOON_PAGE;
	stats->known = b->known;
	memcpy(stats->values, b->values, sizeof(stats->values));
	pthread_mutex_unlock(&v->lock);
}

/* --- the device ------------------------------------------------------------ */

/* Queues that a driver does without have no numbers (5.5.2, as Linux counts). */
static unsigned balloon_queue(const struct virtio_device *v, unsigned q)
{
	return q >= STATS && !virtio_has_feature(v, VIRTIO_BALLOON_F_STATS_VQ) ? q + 1 : q;
}

static void balloon_notify(struct virtio_device *v, unsigned q)
{
	struct balloon *b = balloon_of(v);
	unsigned chains = BALLOON_QUEUE_SIZE, pfns = BALLOON_TURN_PFNS;
	uint64_t bytes = BALLOON_TURN_BYTES;
	struct virtq_chain *chain = NULL;
	unsigned kind = balloon_queue(v, q);

	while (chains && pfns && bytes && (chain = virtio_pop(v, q))) {
		chains--;
		if (kind == STATS) {
			balloon_hear(b, q, chain);
			continue;
		}
		if (kind == INFLATE)
			pfns -= balloon_inflate(b, chain, pfns);
		else if (kind == REPORTING)
			bytes -= balloon_report(b, chain, bytes);
		virtq_push(virtio_queue(v, q), chain, 0);
	}
	virtio_signal(v, q);
	if (chain)
		virtio_kick(v, q);
}

static void balloon_config_read(struct virtio_device *v, uint32_t off, void *buf, uint32_t len)
{
	struct balloon *b = balloon_of(v);
	struct virtio_balloon_config config = { .num_pages = b->num_pages, .actual = b->actual };

	memcpy(buf, (uint8_t *)&config + off, len);
}

/* The driver writes one field, which is for people to look at. */
static void balloon_config_write(struct virtio_device *v, uint32_t off, const void *buf,
				 uint32_t len)
{
	if (off == offsetof(struct virtio_balloon_config, actual) && len == sizeof(uint32_t))
		balloon_of(v)->actual = load_le(buf, len);
}

static void balloon_reset(struct virtio_device *v)
{
	struct balloon *b = balloon_of(v);

	b->actual = b->known = 0;
	b->stats_chain = NULL;
}

static const struct virtio_ops balloon_ops = {
	.name = "virtio-balloon",
	.id = VIRTIO_ID_BALLOON,
	.pci_class = 0x050000,	/* memory controller, RAM */
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.notify = balloon_notify,
	.reset = balloon_reset,
};

static int balloon_parse_size(const struct virtio_env *env, const struct opt_value *opts,
			      uint64_t *size)
{
	const char *text = opt_value_get(opts, "take");

	*size = 0;
	if (!text || (opt_parse_size(text, size) == 0 && *size < gmem_size(env->mem)))
		return 0;
	log_error("--balloon: take=%.40s: not a size below that of the guest's memory", text);
	return -EINVAL;
}

static int balloon_create(struct virtio_device **out, const struct virtio_env *env,
			  const struct opt_value *opts)
{
	static const uint16_t sizes[BALLOON_QUEUES] = {
		BALLOON_QUEUE_SIZE, BALLOON_QUEUE_SIZE, BALLOON_QUEUE_SIZE, BALLOON_QUEUE_SIZE,
	};
	struct balloon *b;
	uint64_t size;
	int ret = balloon_parse_size(env, opts, &size);

	if (ret < 0)
		return ret;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->num_pages = size / BALLOON_PAGE;
	b->tell = (struct loop_work){ .cb = balloon_tell, .arg = b };
	ret = virtio_init(&b->v, &balloon_ops, env->loop, env->mem, sizes, BALLOON_QUEUES,
			  BIT(VIRTIO_BALLOON_F_STATS_VQ) | BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
			  BIT(VIRTIO_BALLOON_F_REPORTING),
			  BALLOON_CONFIG_LEN);
	if (ret < 0) {
		free(b);
		return ret;
	}
	*out = &b->v;
	return 0;
}

static void balloon_destroy(struct virtio_device *v)
{
	loop_cancel(v->loop, &balloon_of(v)->tell);
	virtio_finish(v);
	free(balloon_of(v));
}

const struct virtio_model virtio_balloon_model = {
	.name = "balloon",
	.arg = "on|off",
	.help = "gives memory that the guest does not use back to the host",
	.keys = (const struct opt_key[]){
		{ "take", "SIZE", "ask the guest for so much at its start" },
		{ 0 },
	},
	.create = balloon_create,
	.destroy = balloon_destroy,
};
