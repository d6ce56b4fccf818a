/* SPDX-License-Identifier: MIT */
/*
 * virgl_bench [ROUNDS [TRIPS]]: 3D without a guest. The time from an empty command
 * buffer to its fence, by microvm-gpu and by the back end of QEMU where that is
 * installed, with the same driver, library and OpenGL; and how long microvm-gpu takes
 * to play a recorded kmscube, beside virgl_test_server where that is. Prints medians;
 * JSON to build/bench/virgl.json.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "devices/virtio/gpu.h"
#include "devices/virtio/gpu_proto.h"
#include "tests/have_gl.h"
#include "tests/must.h"
#include "tests/samples.h"
#include "tests/vgpu.h"
#include "tests/vhost_peer.h"
#include "tests/vhost_process.h"
#include "tests/vtest_play.h"

#define OURS "build/release/microvm-gpu"
#define QEMUS "/usr/lib/qemu/vhost-user-gpu"
#define RECORDING "tests/recordings/kmscube.gz"
#define NODE "/dev/dri/renderD128"
#define MEMORY (16 * MiB)
#define FEATURES (BIT(VIRTIO_GPU_F_VIRGL) | BIT(VIRTIO_F_VERSION_1))
#define OK VIRTIO_GPU_RESP_OK_NODATA
#define WARM_UP 100

struct figures {
	struct samples p50_us, p99_us;
	struct samples cpu_us, sleeps;	/* of the process, a round trip */
};

struct target {
	const char *name, *path;
	const char *needs;	/* without which it does not start; NULL: nothing */
	char *const *argv;
	struct figures figures;
	struct vgpu g;
	struct vhost_peer p;
	struct vhost_process process;
};

static uint64_t cpu_ns(const struct target *t)
{
	struct timespec ts;
	clockid_t clock;

	must(clock_getcpuclockid(t->process.pid, &clock) == 0 && clock_gettime(clock, &ts) == 0);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* How often its threads have gone to sleep. */
static uint64_t sleeps(const struct target *t)
{
	char path[300], line[200];
	uint64_t sum = 0, n;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", t->process.pid);
	dir = opendir(path);
	must(dir);
	while ((e = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/status", t->process.pid, e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
				sum += n;
		if (f)
			fclose(f);
	}
	closedir(dir);
	return sum;
}

/* --- the driver ----------------------------------------------------------------- */

static void kick(void *ctx, unsigned q)
{
	struct target *t = ctx;

	vp_kick(&t->p, q);
}

static void wait_for_it(void *ctx, unsigned q)
{
	struct target *t = ctx;
	const struct vdrv_ring *ring = &t->p.q[q].ring;
	struct pollfd fd = { .fd = t->p.q[q].call, .events = POLLIN };
	eventfd_t n;

	while (__atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) == ring->used_idx) {
		must(poll(&fd, 1, 20000) > 0);
		eventfd_read(fd.fd, &n);
	}
}

static void start(struct target *t)
{
	const struct gmem_range range = { 0, MEMORY };
	const struct vgpu_port port = { kick, wait_for_it, t };
	const int type = SOCK_STREAM;

	vhost_process_start(&t->process, t->argv, &type, 1);
	vp_init(&t->p, t->process.fds[0], NULL);
	must(gmem_init(&t->p.mem, &range, 1) == 0);
	vp_negotiate(&t->p, FEATURES);
	must(vp_share_memory(&t->p) == 0);
	vp_set_ring(&t->p, 0, GPU_QUEUE_SIZE, 0);
	vp_set_ring(&t->p, 1, GPU_CURSOR_QUEUE_SIZE, 0);
	must(vp_enable(&t->p, 0, true) == 0 && vp_enable(&t->p, 1, true) == 0);
	vgpu_init(&t->g, &t->p.mem, &t->p.q[0].ring, &t->p.q[1].ring,
		  vp_alloc(&t->p, VGPU_AREA_BYTES), port);
	must(vgpu_ctx_create(&t->g, 1, 0, "bench") == OK);
}

static void stop(struct target *t)
{
	vhost_process_end(&t->process);
	vp_finish(&t->p);
}

static uint64_t trip(struct target *t)
{
	const uint32_t nop = 0;
	uint64_t from = loop_now_ns();

	t->g.next.flags = VIRTIO_GPU_FLAG_FENCE;
	t->g.next.fence_id++;
	must(vgpu_submit(&t->g, 1, &nop, sizeof(nop), sizeof(nop)) == OK);
	return loop_now_ns() - from;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool is_there(const struct target *t)
{
	return access(t->path, X_OK) == 0 && (!t->needs || access(t->needs, R_OK | W_OK) == 0);
}

static void bench_trips(struct target *t, unsigned n)
{
	uint64_t *ns = calloc(n, sizeof(*ns)), cpu, slept;
	struct figures *f = &t->figures;

	must(ns);
	start(t);
	for (unsigned i = 0; i < WARM_UP; i++)
		trip(t);
	cpu = cpu_ns(t);
	slept = sleeps(t);
	for (unsigned i = 0; i < n; i++)
		ns[i] = trip(t);
	samples_add(&f->sleeps, (double)(sleeps(t) - slept) / n);
	samples_add(&f->cpu_us, (cpu_ns(t) - cpu) / 1e3 / n);
	qsort(ns, n, sizeof(*ns), compare);
	samples_add(&f->p50_us, ns[n / 2] / 1e3);
	samples_add(&f->p99_us, ns[n * 99 / 100] / 1e3);
	stop(t);
	free(ns);
}

static void report_trips(const struct target *t, FILE *json)
{
	const struct figures *f = &t->figures;
	char p50[60], p99[60], cpu[60], slept[60];

	if (!f->p50_us.n) {
		printf("%-12s is not there, or no GPU for it\n", t->name);
		return;
	}
	printf("%-12s %24s %26s %24s %20s\n", t->name,
	       samples_text(&f->p50_us, 1, p50, sizeof(p50)),
	       samples_text(&f->p99_us, 1, p99, sizeof(p99)),
	       samples_text(&f->cpu_us, 1, cpu, sizeof(cpu)),
	       samples_text(&f->sleeps, 2, slept, sizeof(slept)));
	fprintf(json, " {\"who\": \"%s\", \"p50_us\": %.1f, \"p99_us\": %.1f, \"cpu_us\": %.1f,"
		" \"sleeps\": %.2f},\n", t->name, samples_at(&f->p50_us, 50),
		samples_at(&f->p99_us, 50), samples_at(&f->cpu_us, 50),
		samples_at(&f->sleeps, 50));
}

/* --- a recording ---------------------------------------------------------------- */

/* Of the line that --replay prints: "... of memory in 0.123 s: ...". */
static double play(void)
{
	FILE *f = popen(OURS " --replay " RECORDING " 2>/dev/null", "r");
	char line[500] = "";
	const char *in;

	must(f && fgets(line, sizeof(line), f) && pclose(f) == 0);
	in = strstr(line, " memory in ");
	must(in);
	return strtod(in + strlen(" memory in "), NULL);
}

#define LAST_FRAME 108

/* All that was drawn before is drawn by then. */
static void await_last(void *ctx, uint64_t n, uint32_t id, bool y_0_top)
{
	const struct gpu_transfer one = { .box = { .w = 1, .h = 1, .d = 1 }, .stride = 4 };
	uint32_t pixel;

	if (n == LAST_FRAME)
		vtest_get(ctx, id, &one, &pixel, sizeof(pixel));
}

/* The same by virgl_test_server, which is there. */
static double play_beside(void)
{
	struct vtest server;
	const struct vtest_play how = { .frame = await_last, .ctx = &server };
	struct gpu_recording r;
	uint64_t from;

	must(vtest_start(&server));
	must(gpu_recording_open_fd(&r, open(RECORDING, O_RDONLY)) == 0);
	from = loop_now_ns();
	vtest_play(&server, &r, &how);
	from = loop_now_ns() - from;
	gpu_recording_close(&r);
	vtest_stop(&server);
	return from / 1e9;
}

static void report_plays(const struct samples *ours, const struct samples *theirs, FILE *json)
{
	char text[60];

	printf("a recorded kmscube, 16 frames of 320 x 240: played in %s s\n",
	       samples_text(ours, 3, text, sizeof(text)));
	if (theirs->n)
		printf("...and by virgl_test_server, with its start: %s s\n",
		       samples_text(theirs, 3, text, sizeof(text)));
	fprintf(json, " {\"what\": \"replay\", \"seconds\": %.3f, \"vtest_seconds\": %.3f}]\n",
		samples_at(ours, 50), samples_at(theirs, 50));
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
	unsigned trips = argc > 2 ? strtoul(argv[2], NULL, 10) : 3000;
	static char *const our_argv[] = { OURS, "--gpu", "virgl,fd=3", "--display", "none", NULL };
	static char *const qemus_argv[] = { QEMUS, "--virgl", "--fd=3", NULL };
	static struct target targets[] = {
		{ .name = "microvm-gpu", .path = OURS, .argv = our_argv },
		{ .name = "QEMU's", .path = QEMUS, .needs = NODE, .argv = qemus_argv },
	};
	struct samples seconds = { 0 }, beside = { 0 };
	FILE *json;
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!have_gl(&status))
		return status;
	for (unsigned i = 0; i < rounds; i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(targets); k++)
			if (is_there(&targets[k]))
				bench_trips(&targets[k], trips);
		samples_add(&seconds, play());
		if (vtest_is_there())
			samples_add(&beside, play_beside());
	}
	json = fopen("build/bench/virgl.json", "w");
	must(json);
	fputs("[", json);
	printf("an empty command buffer and its fence, medians of %u [min..max]\n"
	       "%-12s %24s %26s %24s %20s\n", rounds, "", "p50 us", "p99 us", "CPU us", "sleeps");
	for (unsigned k = 0; k < ARRAY_SIZE(targets); k++)
		report_trips(&targets[k], json);
	report_plays(&seconds, &beside, json);
	fclose(json);
	return 0;
}
