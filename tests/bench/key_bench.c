/* SPDX-License-Identifier: MIT */
/*
 * key_bench [KEYS]: how long a key takes from a program of the host, by microvm-gpu's
 * control socket and over vhost-user, to the guest's used ring: key and SYN_REPORT,
 * one at a time, each after a pause, as keys come. The driver's side looks at the
 * ring all the time. Prints microseconds, and JSON to build/bench/key.json.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "devices/backend/handover.h"
#include "devices/virtio/input.h"
#include "tests/samples.h"
#include "tests/vhost_peer.h"
#include "tests/vhost_process.h"

#define PROGRAM "build/release/microvm-gpu"
#define PAUSE_NS 200000
#define TARGET_US 100
#define PATIENCE_NS 10000000000ull
#define EVENTQ 0
/* Down and up, each with its SYN_REPORT. */
#define EVENTS 4

struct bench {
	struct vhost_process process;
	struct vhost_peer p;
	int control;
	uint64_t events;	/* guest memory */
};

static void give(struct bench *b)
{
	struct vdrv_ring *ring = &b->p.q[EVENTQ].ring;

	for (unsigned i = 0; i < EVENTS; i++)
		vdrv_add(ring, &(struct vdrv_buf)VDRV_IN(b->events + 8 * i, 8), 1);
	vp_kick(&b->p, EVENTQ);
}

static void bench_init(struct bench *b)
{
	char *argv[] = { PROGRAM, "--input", "keyboard,fd=3", "--control", "fd=4", NULL };
	const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	int pair[2];

	vhost_process_start(&b->process, argv, types, 2);
	vp_init(&b->p, b->process.fds[0], NULL);
	vp_start(&b->p, 0, 2, INPUT_QUEUE_SIZE);
	b->events = vp_alloc(&b->p, 8 * EVENTS);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    handover_send(b->process.fds[1], pair[1]) < 0)
		abort();
	close(pair[1]);
	b->control = pair[0];
}

static void bench_finish(struct bench *b)
{
	vhost_process_end(&b->process);
	vp_finish(&b->p);
	close(b->process.fds[1]);
	close(b->control);
}

static void wait_used(struct bench *b, unsigned n)
{
	uint64_t start = loop_now_ns();

	while (n) {
		n -= vdrv_used(&b->p.q[EVENTQ].ring, NULL) >= 0;
		if (loop_now_ns() - start > PATIENCE_NS)
			abort();
	}
}

/* Nanoseconds until the key that goes down is all there. */
static uint64_t one_key(struct bench *b)
{
	static const char request[] = "{\"cmd\":\"key\",\"keys\":\"a\",\"delay_ms\":0}\n";
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	char answer[100];
	uint64_t start, end;

	give(b);
	nanosleep(&pause, NULL);
	start = loop_now_ns();
	if (send(b->control, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		abort();
	wait_used(b, EVENTS / 2);
	end = loop_now_ns();
	wait_used(b, EVENTS / 2);
	if (recv(b->control, answer, sizeof(answer), 0) < 1 || !memmem(answer, 20, "true", 4))
		abort();
	return end - start;
}

int main(int argc, char **argv)
{
	unsigned n = argc > 1 ? strtoul(argv[1], NULL, 10) : 5000;
	uint64_t *ns = calloc(n, sizeof(*ns));
	struct bench b;

	if (!ns || !n)
		return 2;
	bench_init(&b);
	for (unsigned i = 0; i < n; i++)
		ns[i] = one_key(&b);
	bench_finish(&b);
	samples_print_latency("key by microvm-gpu to the guest's used ring", ns, n, TARGET_US,
			      "build/bench/key.json");
	free(ns);
	return 0;
}
