/* SPDX-License-Identifier: MIT */
/*
 * gpu_bench [ROUNDS [FRAMES]]: what a picture of 1920 x 1080 costs on its way from
 * guest memory in scattered pages to what is shown: a transfer and a flush for
 * each frame, of all of it and of a tenth. In each round the card is driven in
 * this process, in microvm-gpu, and in the back end of QEMU where that is
 * installed, all by the same driver. Prints commands and CPU time, beside one
 * plain memcpy of the damaged bytes, and memory; JSON to build/bench/gpu.json.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "devices/ui/ui_null.h"
#include "devices/virtio/gpu.h"
#include "devices/virtio/gpu_proto.h"
#include "devices/virtio/virtio_mmio.h"
#include "tests/fake.h"
#include "tests/must.h"
#include "tests/samples.h"
#include "tests/vgpu.h"
#include "tests/vhost_peer.h"
#include "tests/vhost_process.h"

#define OURS "build/release/microvm-gpu"
#define QEMUS "/usr/lib/qemu/vhost-user-gpu"

#define W 1920u
#define H 1080u
#define PAGE 4096u
#define PAGES ((W * H * 4 + PAGE - 1) / PAGE)
#define MEMORY (64 * MiB)
#define PICTURE (32 * MiB)	/* guest address; its pages are anywhere behind */
#define IN_FLIGHT 64		/* frames: one that waits for the display holds up no other */

#define TARGET_COPY 1.2		/* bytes moved for a damaged byte, at most */

enum { FULL, TENTH, DAMAGES };

struct figures {
	struct samples commands;	/* a second */
	struct samples cpu_ms;		/* a frame */
	struct samples copies;		/* the same in memcpys */
	double copied;			/* bytes for a damaged byte; 0: not known */
};

/* Who is measured: rings and memory of a driver, and whoever serves them. */
struct target {
	const char *name;
	struct vgpu g;
	uint64_t commands;		/* guest memory: a transfer, a flush, an answer */
	clockid_t clock;		/* its CPU time */
	struct figures figures[DAMAGES];
	struct samples own_mib, rss_mib;

	/* in this process */
	struct gmem mem;
	struct loop *loop;
	struct bus bus;
	struct fake_irq irq;
	struct virtio_mmio mmio;
	struct gpu *gpu;
	struct ui_null *ui;
	struct vdrv d;

	/* in another */
	struct vhost_peer p;
	struct vhost_process process;
	int display;			/* our end of what QEMU's shows pictures over */
	pthread_t viewer;
};

struct result {
	double seconds, cpu;		/* of all frames */
	double copied;			/* bytes per damaged byte; 0: not known */
	unsigned frames;
};

static double now_s(clockid_t clock)
{
	struct timespec ts;

	must(clock_gettime(clock, &ts) == 0);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* --- in this process ------------------------------------------------------ */

static void local_kick(void *ctx, unsigned q)
{
	struct target *t = ctx;

	vdrv_kick(&t->d, q);
}

static void local_wait(void *ctx, unsigned q)
{
	struct target *t = ctx;

	/* A turn that finds nothing to do would wait. */
	loop_run_once(t->loop, 0);
}

static void local_init(struct target *t)
{
	const struct gmem_range range = { 0, MEMORY };
	const struct gpu_params params = { .n_outputs = 1, .n_plugged = 1 };
	const struct vgpu_port port = { local_kick, local_wait, t };
	struct display display;

	bus_init(&t->bus, 0);
	must(gmem_init(&t->mem, &range, 1) == 0 && loop_create(&t->loop) == 0);
	must(gpu_create(&t->gpu, t->loop, &t->mem, &params) == 0);
	must(ui_null_create(&t->ui, t->loop, 0) == 0);
	display = ui_null_display(t->ui);
	gpu_set_display(t->gpu, &display);
	must(virtio_mmio_init(&t->mmio, gpu_device(t->gpu), &t->bus, 0xd0000000,
			      fake_irq_line(&t->irq)) == 0);
	vdrv_init_mmio(&t->d, &t->bus, &t->mem, 0x1000, 0xd0000000);
	vdrv_start(&t->d, VIRTIO_COMMON_FEATURES);
	vgpu_init(&t->g, &t->mem, &t->d.rings[0], &t->d.rings[1],
		  vdrv_alloc(&t->d, VGPU_AREA_BYTES, PAGE), port);
	t->commands = vdrv_alloc(&t->d, PAGE, PAGE);
	t->clock = CLOCK_THREAD_CPUTIME_ID;
}

static void local_finish(struct target *t)
{
	virtio_mmio_finish(&t->mmio, &t->bus);
	gpu_destroy(t->gpu);
	ui_null_destroy(t->ui);
	loop_destroy(t->loop);
	bus_finish(&t->bus);
	gmem_finish(&t->mem);
}

/* --- in another process --------------------------------------------------- */

static void remote_kick(void *ctx, unsigned q)
{
	struct target *t = ctx;

	vp_kick(&t->p, q);
}

/* Until something was used: QEMU's also calls when a ring is made. */
static void remote_wait(void *ctx, unsigned q)
{
	struct target *t = ctx;
	const struct vdrv_ring *ring = &t->p.q[q].ring;
	struct pollfd fd = { .fd = t->p.q[q].call, .events = POLLIN };
	eventfd_t n;

	while (__atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) == ring->used_idx) {
		must(poll(&fd, 1, 10000) > 0);
		eventfd_read(fd.fd, &n);
	}
}

static void remote_exec(struct target *t, const char *path, const char *how)
{
	char *argv[] = { (char *)path, "--gpu", "fd=3", "--display", "none", NULL };
	char *const peers[] = { (char *)path, "--fd=3", NULL };
	const int type = SOCK_STREAM;

	vhost_process_start(&t->process, *how ? peers : argv, &type, 1);
	vp_init(&t->p, t->process.fds[0], NULL);
}

/* docs/interop/vhost-user-gpu.rst */
enum { VUG_GET_PROTOCOL_FEATURES = 1, VUG_GET_DISPLAY_INFO = 3, VUG_GET_EDID = 11 };

struct vug_header {
	uint32_t request, flags, size;
};

static bool read_all(int fd, void *buf, size_t len)
{
	for (ssize_t n; len; len -= n, buf = (char *)buf + n) {
		n = recv(fd, buf, len, MSG_WAITALL);
		if (n <= 0)
			return false;
	}
	return true;
}

/* A viewer that looks at nothing: answers questions, and takes pictures off the socket. */
static void *view(void *arg)
{
	static char payload[16 << 20];
	struct target *t = arg;
	struct vug_header h;

	while (read_all(t->display, &h, sizeof(h)) && h.size <= sizeof(payload) &&
	       read_all(t->display, payload, h.size)) {
		uint32_t answer = h.request == VUG_GET_PROTOCOL_FEATURES ? 8 :
				  h.request == VUG_GET_DISPLAY_INFO ?
				  sizeof(struct virtio_gpu_resp_display_info) :
				  h.request == VUG_GET_EDID ?
				  sizeof(struct virtio_gpu_resp_edid) : 0;

		if (!answer)
			continue;
		h.flags = 4;
		h.size = answer;
		memset(payload, 0, answer);
		if (send(t->display, &h, sizeof(h), MSG_NOSIGNAL) < 0 ||
		    send(t->display, payload, answer, MSG_NOSIGNAL) < 0)
			break;
	}
	return NULL;
}

static void remote_view(struct target *t)
{
	struct vhost_user_msg msg = { 0 };
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	t->display = pair[0];
	must(vp_send(&t->p, VHOST_USER_GPU_SET_SOCKET, &msg, 0, &pair[1], 1));
	close(pair[1]);
	must(pthread_create(&t->viewer, NULL, view, t) == 0);
}

static void remote_init(struct target *t, const char *path, const char *how)
{
	const struct gmem_range range = { 0, MEMORY };
	const struct vgpu_port port = { remote_kick, remote_wait, t };

	remote_exec(t, path, how);
	must(gmem_init(&t->p.mem, &range, 1) == 0);
	remote_view(t);
	vp_negotiate(&t->p, 0);
	must(vp_share_memory(&t->p) == 0);
	vp_set_ring(&t->p, 0, GPU_QUEUE_SIZE, 0);
	vp_set_ring(&t->p, 1, GPU_CURSOR_QUEUE_SIZE, 0);
	must(vp_enable(&t->p, 0, true) == 0 && vp_enable(&t->p, 1, true) == 0);
	vgpu_init(&t->g, &t->p.mem, &t->p.q[0].ring, &t->p.q[1].ring,
		  vp_alloc(&t->p, VGPU_AREA_BYTES), port);
	t->commands = vp_alloc(&t->p, PAGE);
	must(clock_getcpuclockid(t->process.pid, &t->clock) == 0);
}

static void remote_finish(struct target *t)
{
	vhost_process_end(&t->process);
	vp_finish(&t->p);
	shutdown(t->display, SHUT_RDWR);
	pthread_join(t->viewer, NULL);
	close(t->display);
}

/* --- the driver ----------------------------------------------------------- */

/* Pages of the picture, one after the other nowhere. */
static void make_picture(struct target *t)
{
	struct virtio_gpu_mem_entry *entries = calloc(PAGES, sizeof(*entries));
	const uint32_t places = 4096;	/* 16 MiB of them */

	must(entries);
	for (uint32_t i = 0; i < PAGES; i++) {
		entries[i].addr = PICTURE + (uint64_t)(i * 1777 % places) * PAGE;
		entries[i].length = PAGE;
		memset(gmem_ptr(t->g.mem, entries[i].addr, PAGE), i, PAGE);
	}
	must(vgpu_create_2d(&t->g, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, W, H) ==
	     VIRTIO_GPU_RESP_OK_NODATA);
	must(vgpu_attach(&t->g, 1, entries, PAGES, PAGES) == VIRTIO_GPU_RESP_OK_NODATA);
	must(vgpu_set_scanout(&t->g, 0, 1, VGPU_RECT(0, 0, W, H)) == VIRTIO_GPU_RESP_OK_NODATA);
	free(entries);
}

#define FLUSH_AT 256u
#define ANSWER_AT 512u

static void put_commands(struct target *t, const struct virtio_gpu_rect *r)
{
	const struct virtio_gpu_transfer_to_host_2d transfer = {
		.hdr.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
		.r = *r, .offset = (r->y * W + r->x) * 4, .resource_id = 1,
	};
	const struct virtio_gpu_resource_flush flush = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH, .r = *r, .resource_id = 1,
	};

	must(gmem_write(t->g.mem, t->commands, &transfer, sizeof(transfer)) == 0);
	must(gmem_write(t->g.mem, t->commands + FLUSH_AT, &flush, sizeof(flush)) == 0);
}

static void add_frame(struct target *t)
{
	struct vdrv_ring *ring = t->g.rings[0];
	const uint64_t answer = t->commands + ANSWER_AT;
	const struct vdrv_buf transfer[] = {
		VDRV_OUT(t->commands, sizeof(struct virtio_gpu_transfer_to_host_2d)),
		VDRV_IN(answer, sizeof(struct virtio_gpu_ctrl_hdr)),
	};
	const struct vdrv_buf flush[] = {
		VDRV_OUT(t->commands + FLUSH_AT, sizeof(struct virtio_gpu_resource_flush)),
		VDRV_IN(answer, sizeof(struct virtio_gpu_ctrl_hdr)),
	};

	must(vdrv_add(ring, transfer, 2) >= 0 && vdrv_add(ring, flush, 2) >= 0);
}

static void run_frames(struct target *t, unsigned frames)
{
	struct vdrv_ring *ring = t->g.rings[0];
	const struct virtio_gpu_ctrl_hdr *answer = gmem_ptr(t->g.mem, t->commands + ANSWER_AT, 24);
	unsigned sent = 0, done = 0;

	while (done < 2 * frames) {
		while (sent < frames && 2 * sent - done < 2 * IN_FLIGHT - 1) {
			add_frame(t);
			sent++;
		}
		if (vdrv_wants_kick(ring))
			t->g.port.kick(t->g.port.ctx, 0);
		t->g.port.wait(t->g.port.ctx, 0);
		while (vdrv_used(ring, NULL) >= 0)
			done++;
	}
	must(answer->type == VIRTIO_GPU_RESP_OK_NODATA);
}

static uint64_t copied_by(struct target *t)
{
	struct gpu_stats stats = { 0 };

	if (t->gpu)
		gpu_get_stats(t->gpu, &stats);
	return stats.bytes_copied;
}

static struct result measure(struct target *t, const struct virtio_gpu_rect *r, unsigned frames)
{
	struct result res = { .frames = frames };
	uint64_t copied;
	double start, cpu;

	put_commands(t, r);
	run_frames(t, frames / 10 + 2);
	copied = copied_by(t);
	start = now_s(CLOCK_MONOTONIC);
	cpu = now_s(t->clock);
	run_frames(t, frames);
	res.cpu = now_s(t->clock) - cpu;
	res.seconds = now_s(CLOCK_MONOTONIC) - start;
	res.copied = (double)(copied_by(t) - copied) / frames / (4.0 * r->width * r->height);
	return res;
}

/* --- a plain copy --------------------------------------------------------- */

static double copy_seconds(const struct virtio_gpu_rect *r, unsigned frames)
{
	char *from = malloc(4 * W * H), *to = malloc(4 * W * H);
	double start;

	must(from && to);
	memset(from, 1, 4 * W * H);
	memset(to, 2, 4 * W * H);
	start = now_s(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; i < frames; i++) {
		if (r->width == W)
			memcpy(to, from, 4 * W * H);
		for (uint32_t y = 0; r->width < W && y < r->height; y++)
			memcpy(to + 4 * ((r->y + y) * W + r->x), from + 4 * ((r->y + y) * W + r->x),
			       4 * r->width);
		/* Nobody looks at it: lest it is left out. */
		__asm__ volatile("" : : "r"(to) : "memory");
	}
	start = now_s(CLOCK_THREAD_CPUTIME_ID) - start;
	free(from);
	free(to);
	return start / frames;
}

/* --- what comes of it ----------------------------------------------------- */

static double ms(double seconds)
{
	return 1e3 * seconds;
}

static void note(struct figures *f, const struct result *r, double copy)
{
	samples_add(&f->commands, 2 * r->frames / r->seconds);
	samples_add(&f->cpu_ms, ms(r->cpu / r->frames));
	samples_add(&f->copies, r->cpu / r->frames / copy);
	f->copied = MAX(f->copied, r->copied);
}

/* What is its own beside the copy of the picture; the guest's pages are the guest's. */
static void note_memory(struct target *t)
{
	double anon = vhost_process_status(&t->process, "RssAnon") - W * H * 4 / 1024.0;

	samples_add(&t->own_mib, anon / 1024);
	samples_add(&t->rss_mib, (anon + vhost_process_status(&t->process, "RssFile")) / 1024);
}

static void bench(struct target *t, unsigned frames)
{
	static const struct virtio_gpu_rect rects[DAMAGES] = {
		{ 0, 0, W, H }, { 401, 303, 607, 342 },
	};

	make_picture(t);
	for (unsigned d = 0; d < DAMAGES; d++) {
		unsigned n = d ? 10 * frames : frames;
		struct result r = measure(t, &rects[d], n);

		note(&t->figures[d], &r, copy_seconds(&rects[d], n));
	}
	if (t->process.pid)
		note_memory(t);
}

static void report(const struct target *t, FILE *json)
{
	static const char *const damages[DAMAGES] = { "full", "10%" };
	char commands[60], cpu[60], copies[60];

	for (unsigned d = 0; d < DAMAGES; d++) {
		const struct figures *f = &t->figures[d];

		printf("%-12s %-4s %26s %26s %24s", t->name, damages[d],
		       samples_text(&f->commands, 0, commands, sizeof(commands)),
		       samples_text(&f->cpu_ms, 3, cpu, sizeof(cpu)),
		       samples_text(&f->copies, 2, copies, sizeof(copies)));
		if (f->copied > 0)
			printf(" %8.2f", f->copied);
		printf("\n");
		fprintf(json, "%s{\"who\": \"%s\", \"damage\": \"%s\", \"commands_per_s\": %.0f,"
			" \"cpu_ms_per_frame\": %.4f, \"memcpys\": %.3f, \"copied\": %.3f}",
			ftell(json) > 1 ? ",\n " : "", t->name, damages[d],
			samples_at(&f->commands, 50), samples_at(&f->cpu_ms, 50),
			samples_at(&f->copies, 50), f->copied);
	}
}

static void report_memory(const struct target *t, FILE *json)
{
	char own[60], rss[60];

	printf("%-12s RSS beside picture and guest: %s MiB, of it private: %s MiB\n", t->name,
	       samples_text(&t->rss_mib, 1, rss, sizeof(rss)),
	       samples_text(&t->own_mib, 1, own, sizeof(own)));
	fprintf(json, ",\n {\"who\": \"%s\", \"rss_mib\": %.1f, \"own_mib\": %.1f}", t->name,
		samples_at(&t->rss_mib, 50), samples_at(&t->own_mib, 50));
}

static void report_ratio(const struct target *a, const struct target *b, FILE *json)
{
	for (unsigned d = 0; d < DAMAGES; d++) {
		struct samples commands = samples_ratio(&a->figures[d].commands,
							&b->figures[d].commands);
		struct samples cpu = samples_ratio(&b->figures[d].cpu_ms, &a->figures[d].cpu_ms);
		char one[60], two[60];

		printf("%s : %s, %s: %s x the commands, CPU time a frame 1/%s (target: 2)\n",
		       a->name, b->name, d ? "10%" : "full",
		       samples_text(&commands, 2, one, sizeof(one)),
		       samples_text(&cpu, 2, two, sizeof(two)));
		fprintf(json, ",\n {\"damage\": \"%s\", \"ratio_commands\": %.2f,"
			" \"ratio_cpu\": %.2f}", d ? "10%" : "full", samples_at(&commands, 50),
			samples_at(&cpu, 50));
	}
}

static void report_all(const struct target *local, const struct target *ours,
		       const struct target *qemus)
{
	FILE *json = fopen("build/bench/gpu.json", "w");

	must(json);
	fputs("[", json);
	printf("1920 x 1080, medians of %u [min..max]\n%-12s %-4s %26s %26s %24s %8s\n",
	       local->figures[0].commands.n, "", "", "commands/s", "CPU ms a frame",
	       "in memcpys (target 1.2)", "copied");
	report(local, json);
	if (ours->own_mib.n)
		report(ours, json);
	if (qemus->own_mib.n)
		report(qemus, json);
	if (ours->own_mib.n)
		report_memory(ours, json);
	if (qemus->own_mib.n)
		report_memory(qemus, json);
	if (ours->own_mib.n && qemus->own_mib.n)
		report_ratio(ours, qemus, json);
	else
		printf("%s is not there to compare with: package qemu-system-gui\n", QEMUS);
	fputs("]\n", json);
	fclose(json);
}

static void bench_remote(struct target *t, const char *path, const char *how, unsigned frames)
{
	if (access(path, X_OK) < 0)
		return;
	remote_init(t, path, how);
	bench(t, frames);
	remote_finish(t);
}

/* Exit status 1: what does not depend on the machine, bytes copied, is too much. */
int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
	unsigned frames = argc > 2 ? strtoul(argv[2], NULL, 10) : 200;
	static struct target local = { .name = "in-process" }, ours = { .name = "microvm-gpu" },
			     qemus = { .name = "QEMU's" };

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < rounds; i++) {
		local_init(&local);
		bench(&local, frames);
		local_finish(&local);
		bench_remote(&ours, OURS, "", frames);
		bench_remote(&qemus, QEMUS, "--fd", frames);
	}
	report_all(&local, &ours, &qemus);
	return MAX(local.figures[0].copied, local.figures[1].copied) > TARGET_COPY;
}
