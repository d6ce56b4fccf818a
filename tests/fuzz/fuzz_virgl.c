/* SPDX-License-Identifier: MIT */
/*
 * Command streams to the real virglrenderer, on the OpenGL that is here: a smoke fuzz of
 * what stands between guests and the library (gpu_virgl*.c, virgl_stream.c). The library is
 * used by a child, which draws for as many inputs as it survives. That it crashes in there is
 * the library's matter, which costs a guest its card until the next reset: it is counted, and
 * no finding; nor is a stream that the watchdog ends. What sanitizers find in our own code
 * is one. FUZZ_VIRGL_DEATHS=DIRECTORY keeps what it died of. Nothing is done where there is no
 * OpenGL.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/gpu/gpu_virgl.h"
#include "devices/gpu/watchdog.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)

#define MAX_STREAM 16384u
#define BACKING 65536u
#define NO_GL 77		/* exit statuses of the child */
#define FOUND 99
/* With the start of a child before it, still well below what a fuzzer lets an input take. */
#define PATIENCE_NS 3000000000ull
#define RESOURCES 4

/* Signals are how the library dies; ours are found by what was built in. Mesa leaks. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:"
	       "detect_leaks=0:exitcode=99:allocator_may_return_null=1";
}

struct child {
	pid_t pid;		/* 0: none */
	int fd;			/* a byte each way for each input */
	bool no_gl;
	uint32_t *stream;	/* shared: bytes, then words */
	unsigned deaths;
};

/* --- the child ------------------------------------------------------------------- */

static void fence_done(void *ctx, const struct gpu_fence *fence)
{
}

static void make_resources(struct gpu_renderer *r, struct gpu_resource *res)
{
	/* A picture, a buffer of vertices, a cube, results of queries. */
	static const struct gpu_create_3d args[RESOURCES] = {
		{ .target = 2, .format = 2, .bind = 2 | 8, .width = 64, .height = 32, .depth = 1,
		  .array_size = 1 },
		{ .target = 0, .format = 64, .bind = 16, .width = 256, .height = 1, .depth = 1,
		  .array_size = 1 },
		{ .target = 4, .format = 1, .bind = 8, .width = 16, .height = 16, .depth = 1,
		  .array_size = 6 },
		{ .target = 0, .format = 64, .bind = 1 << 17, .width = 256, .height = 1, .depth = 1,
		  .array_size = 1 },
	};

	for (unsigned i = 0; i < RESOURCES; i++) {
		static struct iovec iov[RESOURCES];

		res[i] = (struct gpu_resource){
			.id = i + 1, .kind = GPU_RESOURCE_3D, .width = args[i].width,
			.height = args[i].height, .format = args[i].format, .iov = &iov[i],
			.n_iov = 1, .backing_bytes = BACKING,
		};
		iov[i] = (struct iovec){ calloc(1, BACKING), BACKING };
		CHECK(iov[i].iov_base && r->ops->create_3d(r, &res[i], &args[i]) == 0);
		CHECK(r->ops->attach(r, &res[i]) == 0);
	}
}

/* What a bad stream leaves behind goes with its context. */
static void run_stream(struct gpu_renderer *r, struct gpu_resource *res, const uint32_t *stream)
{
	/* Exactly as long as it says, for who looks past its end. */
	void *words = malloc(stream[0]);

	CHECK(words && r->ops->ctx_create(r, 1, 0, "fuzz") == 0);
	memcpy(words, stream + 1, stream[0]);
	for (unsigned i = 0; i < RESOURCES; i++)
		r->ops->ctx_attach(r, 1, &res[i]);
	if (r->ops->submit(r, 1, words, stream[0]) == 0)
		r->ops->fence(r, &(struct gpu_fence){ .seq = 1 });
	r->ops->poll(r);
	r->ops->ctx_destroy(r, 1);
	free(words);
}

static void child_main(int fd, const uint32_t *stream)
{
	const struct gpu_virgl_params params = { .patience_ns = PATIENCE_NS };
	struct gpu_resource res[RESOURCES];
	struct gpu_renderer *r;
	/* A fuzzer listens to these. */
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM };
	char why[300], byte = 0;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < ARRAY_SIZE(fatal); i++)
		signal(fatal[i], SIG_DFL);
	log_set_level(LOG_ERROR);
	if (gpu_virgl_create(&r, &params, why, sizeof(why)) < 0)
		_exit(NO_GL);
	/* The library says what it thinks of each of them. */
	null = open("/dev/null", O_WRONLY);
	dup2(null, 1);
	r->host.fence_done = fence_done;
	make_resources(r, res);
	do {
		if (write(fd, &byte, 1) != 1)
			break;
		if (read(fd, &byte, 1) != 1)
			break;
		run_stream(r, res, stream);
	} while (true);
	_exit(0);
}

/* --- the parent ------------------------------------------------------------------ */

static void start(struct child *c)
{
	int pair[2];

	if (!c->stream) {
		c->stream = mmap(NULL, MAX_STREAM + 4096, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		CHECK(c->stream != MAP_FAILED);
	}
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	c->pid = fork();
	CHECK(c->pid >= 0);
	if (!c->pid) {
		close(pair[0]);
		child_main(pair[1], c->stream);
	}
	close(pair[1]);
	c->fd = pair[0];
}

/* The stream, in the directory that FUZZ_VIRGL_DEATHS names. */
static void keep(const struct child *c, int status)
{
	char path[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/death-%d-%u", getenv("FUZZ_VIRGL_DEATHS"), getpid(),
		 c->deaths);
	fprintf(stderr, "%s: status %#x\n", path, status);
	f = fopen(path, "w");
	CHECK(f && fwrite(c->stream + 1, 1, c->stream[0], f) == c->stream[0] && fclose(f) == 0);
}

static void bury(struct child *c)
{
	int status;

	close(c->fd);
	while (waitpid(c->pid, &status, 0) < 0)
		CHECK(errno == EINTR);
	c->pid = 0;
	c->no_gl = WIFEXITED(status) && WEXITSTATUS(status) == NO_GL;
	if (c->no_gl)
		return;
	if (!WIFSIGNALED(status) && WEXITSTATUS(status) != WATCHDOG_STATUS) {
		fprintf(stderr, "the child: exit status %d\n", WEXITSTATUS(status));
		abort();
	}
	c->deaths++;
	if (getenv("FUZZ_VIRGL_DEATHS"))
		keep(c, status);
}

/* Until it is ready for another stream; false: it died. */
static bool await(struct child *c)
{
	ssize_t got;
	char byte;

	/* A fuzzer has a timer. */
	do
		got = read(c->fd, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got == 1)
		return true;
	bury(c);
	return false;
}

/*
 * A fuzzer does not see what the child covers: it is told which commands there are in a row,
 * and how many words each has.
 */
#define COUNTERS 32768
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static void note_packets(const uint32_t *words, size_t n)
{
	uint32_t before = 0;

	while (n && words[0] >> 16 < n) {
		uint32_t what = (words[0] & 63) * 16 + (words[0] >> 8 & 15), len = words[0] >> 16;

		counters[what]++;
		counters[1024 + (words[0] & 63) * 32 + MIN(len, 31u)]++;
		counters[4096 + (before & 63) * 64 + (words[0] & 63)]++;
		before = words[0];
		words += 1 + len;
		n -= 1 + len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct child c;
	char byte = 0;

#ifdef __SANITIZE_THREAD__
	/* Which Mesa is not built for. */
	c.no_gl = true;
#endif
	size = MIN(align_down(size, 4), MAX_STREAM);
	if (!size || c.no_gl)
		return 0;
	if (!c.pid) {
		start(&c);
		if (!await(&c))
			return 0;
	}
	c.stream[0] = size;
	memcpy(c.stream + 1, data, size);
	note_packets(c.stream + 1, size / 4);
	/* What a stream made other threads of the library do may have ended it since. */
	if (send(c.fd, &byte, 1, MSG_NOSIGNAL) == 1)
		await(&c);
	else
		bury(&c);
	return 0;
}
