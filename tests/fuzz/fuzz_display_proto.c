/* SPDX-License-Identifier: MIT */
/*
 * Both ends of the display protocol, each against a peer that sends what it likes, with
 * descriptors: bytes as they are, or messages that are nearly right. What is
 * checked: nothing is read that is not there, and every descriptor is closed.
 */
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "devices/ui/display_memory.h"
#include "tests/fuzz/input.h"
#include "tests/must.h"
#include "tests/view_rig.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define MAX_PACKETS 64
#define MEMORY_BYTES 65536

static unsigned lowest_fd(void)
{
	int fd = dup(STDIN_FILENO);

	must(fd >= 0);
	close(fd);
	return fd;
}

/* Memory will do for a dma-buf, which few hosts let one make. */
int fstatfs(int fd, struct statfs *st)
{
	*st = (struct statfs){ .f_type = DMA_BUF_MAGIC };
	return 0;
}

static void mend_dmabuf(struct display_msg_scanout *s, unsigned n_fds)
{
	s->flags &= DISPLAY_SCANOUT_FLIPPED;
	s->n_planes = n_fds;
	for (unsigned i = 0; i < DISPLAY_MAX_PLANES; i++) {
		s->offsets[i] = i < n_fds ? (uint32_t)s->offsets[i] : 0;
		s->strides[i] = i < n_fds ? (s->strides[i] | 1) & INT32_MAX : 0;
	}
}

/* Enough of a message that the checks behind the first one are reached too. */
static void mend(union display_msg *m, unsigned n_fds, enum display_end from)
{
	m->head.output %= VIEW_RIG_OUTPUTS + 1;
	if (m->head.type == DISPLAY_MSG_HELLO) {
		m->hello.magic = DISPLAY_PROTO_MAGIC;
		m->hello.version = DISPLAY_PROTO_VERSION;
		memset(m->hello.name, 0, sizeof(m->hello.name));
		if (from == DISPLAY_VIEWER)
			m->hello.n_outputs = m->hello.inputs = m->hello.width = m->hello.height = 0;
	}
	if (m->head.type == DISPLAY_MSG_SCANOUT)
		m->scanout.fourcc = 0x34325258;	/* XR24 */
	if (m->head.type == DISPLAY_MSG_SCANOUT && m->scanout.kind == DISPLAY_SCANOUT_DMABUF)
		mend_dmabuf(&m->scanout, n_fds);
	if (m->head.type == DISPLAY_MSG_INPUT) {
		m->input.n %= DISPLAY_PROTO_MAX_EVENTS + 1;
		if (m->input.n)
			m->input.events[m->input.n - 1] = (struct display_msg_event){ 0 };
	}
	if (m->head.type == DISPLAY_MSG_CURSOR) {
		m->cursor.width %= DISPLAY_MAX_CURSOR + 1;
		m->cursor.height %= DISPLAY_MAX_CURSOR + 1;
	}
}

/* One packet: how it is made, its descriptors, its length or type, its bytes. */
static void send_packet(struct input *in, int sock, int fd, enum display_end from)
{
	unsigned how = take(in, 1), n_fds = how >> 1 & 7;
	union display_msg m = { 0 };
	size_t len = take(in, 1) * 4;
	char control[CMSG_SPACE(7 * sizeof(int))] = { 0 };
	struct iovec iov = { &m, len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[7] = { fd, fd, fd, fd, fd, fd, fd };

	for (size_t at = 0; at < MIN(len, in->left); at++)
		((unsigned char *)&m)[at] = in->data[at];
	in->data += MIN(len, in->left);
	in->left -= MIN(len, in->left);
	if (how & 1) {
		m.head.type = m.head.type % (DISPLAY_MSG_TYPES - 1) + 1;
		mend(&m, n_fds, from);
		iov.iov_len = display_msg_len(&m);
	}
	if (n_fds) {
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		*CMSG_FIRSTHDR(&h) = (struct cmsghdr){ CMSG_LEN(n_fds * sizeof(int)), SOL_SOCKET,
						       SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&h)), fds, n_fds * sizeof(int));
	}
	sendmsg(sock, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void drain(int sock, enum display_end from)
{
	struct display_packet p;
	int ret;

	/* What our ends send is always valid. */
	while ((ret = display_proto_recv(sock, &p, from)) == 0)
		display_packet_drop(&p);
	must(ret != -EPROTO);
}

static void talk(struct view_rig *r, struct input *in, int sock, int fd, enum display_end from)
{
	for (unsigned i = 0; i < MAX_PACKETS && in->left; i++) {
		send_packet(in, sock, fd, from);
		loop_run_once(r->loop, 0);
		if (from == DISPLAY_VIEWER && i % 4 == 3)
			view_rig_show(r, i / 4 % 2, i);
		drain(sock, from == DISPLAY_VIEWER ? DISPLAY_SOURCE : DISPLAY_VIEWER);
	}
	loop_run_once(r->loop, 0);
}

static void fuzz_view(struct input *in, int fd)
{
	struct view_rig r;
	int sock;

	view_rig_init(&r);
	view_rig_show(&r, 0, 1);
	sock = view_rig_dial(&r);
	talk(&r, in, sock, fd, DISPLAY_VIEWER);
	close(sock);
	loop_run_once(r.loop, 0);
	view_rig_finish(&r);
}

static void fuzz_receiver(struct input *in, int fd)
{
	struct view_rig_viewer v;
	struct view_rig r;
	int socks[2];

	view_rig_init(&r);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) == 0);
	view_rig_viewer_on(r.loop, &v, socks[1], take(in, 1) & DISPLAY_HELLO_DMABUF);
	v.display.paced = take(in, 1) & 1;
	talk(&r, in, socks[0], fd, DISPLAY_SOURCE);
	close(socks[0]);
	view_rig_viewer_finish(&v);
	view_rig_finish(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned before = lowest_fd();
	struct display_memory memory;

	log_set_level(LOG_ERROR);
	must(display_memory_create(&memory, MEMORY_BYTES) == 0);
	if (take(&in, 1) & 1)
		fuzz_view(&in, memory.fd);
	else
		fuzz_receiver(&in, memory.fd);
	display_memory_close(&memory);
	must(lowest_fd() == before);
	return 0;
}
