/* SPDX-License-Identifier: MIT */
#include "tests/vhost_peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/must.h"

#define PATIENCE_NS 20000000000ull
#define TURNS 200	/* of a loop that is turned here, without anything to come of it */

void vp_init(struct vhost_peer *p, int fd, struct loop *loop)
{
	memset(p, 0, sizeof(*p));
	p->fd = fd;
	p->loop = loop;
	p->channel = -1;
	p->mem.fd = -1;
	p->heap = 4096;
	for (unsigned i = 0; i < VP_QUEUES; i++) {
		p->q[i].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		p->q[i].call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		p->q[i].err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		must(p->q[i].kick >= 0 && p->q[i].call >= 0 && p->q[i].err >= 0);
	}
}

void vp_finish(struct vhost_peer *p)
{
	for (unsigned i = 0; i < VP_QUEUES; i++) {
		close(p->q[i].kick);
		close(p->q[i].call);
		close(p->q[i].err);
	}
	if (p->fd >= 0)
		close(p->fd);
	if (p->channel >= 0)
		close(p->channel);
	gmem_finish(&p->mem);
}

/* --- messages ------------------------------------------------------------------ */

bool vp_send(struct vhost_peer *p, uint32_t request, struct vhost_user_msg *msg, uint32_t size,
	     const int *fds, unsigned n_fds)
{
	msg->h.request = request;
	msg->h.flags |= VHOST_USER_VERSION;
	msg->h.size = size;
	return vhost_user_send(p->fd, msg, fds, n_fds, loop_now_ns() + PATIENCE_NS) == 0;
}

int vp_recv(struct vhost_peer *p, struct vhost_user_msg *msg)
{
	int ret = -EAGAIN;

	for (unsigned i = 0; p->loop && i < TURNS && ret == -EAGAIN; i++) {
		loop_run_once(p->loop, 0);
		ret = vhost_user_recv(p->fd, msg, 0);
	}
	return p->loop ? ret : vhost_user_recv(p->fd, msg, loop_now_ns() + PATIENCE_NS);
}

bool vp_is_hung_up(struct vhost_peer *p)
{
	struct vhost_user_msg msg;
	int ret = vp_recv(p, &msg);

	return ret == -ECONNRESET || ret == -EPIPE;
}

uint64_t vp_ask(struct vhost_peer *p, uint32_t request)
{
	struct vhost_user_msg msg = { 0 };

	must(vp_send(p, request, &msg, 0, NULL, 0) && vp_recv(p, &msg) == 0);
	must(msg.h.request == request && msg.h.size == sizeof(msg.u64) &&
	     msg.h.flags == (VHOST_USER_VERSION | VHOST_USER_REPLY));
	return msg.u64;
}

uint64_t vp_do(struct vhost_peer *p, uint32_t request, const struct vhost_user_msg *msg,
	       uint32_t size, const int *fds, unsigned n_fds)
{
	struct vhost_user_msg m = *msg;

	m.h.flags = VHOST_USER_NEED_REPLY;
	if (!vp_send(p, request, &m, size, fds, n_fds) || vp_recv(p, &m) < 0)
		return UINT64_MAX;
	must(m.h.request == request && m.h.size == sizeof(m.u64));
	return m.u64;
}

uint64_t vp_do_u64(struct vhost_peer *p, uint32_t request, uint64_t value, int fd)
{
	return vp_do(p, request, &(struct vhost_user_msg){ .u64 = value }, 8, &fd, fd >= 0);
}

uint64_t vp_do_state(struct vhost_peer *p, uint32_t request, uint32_t index, uint32_t num)
{
	return vp_do(p, request, &(struct vhost_user_msg){ .state = { index, num } }, 8, NULL, 0);
}

/* --- as a front end does --------------------------------------------------------- */

void vp_negotiate(struct vhost_peer *p, uint64_t features)
{
	uint64_t protocol;
	int pair[2];

	must(vp_ask(p, VHOST_USER_GET_FEATURES) & BIT(VHOST_USER_F_PROTOCOL_FEATURES));
	protocol = vp_ask(p, VHOST_USER_GET_PROTOCOL_FEATURES);
	/* No answer to this one: only from now on are there such. */
	must(vp_send(p, VHOST_USER_SET_PROTOCOL_FEATURES,
		     &(struct vhost_user_msg){ .u64 = protocol }, 8, NULL, 0));
	must(vp_do(p, VHOST_USER_SET_OWNER, &(struct vhost_user_msg){ 0 }, 0, NULL, 0) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	must(vp_do(p, VHOST_USER_SET_BACKEND_REQ_FD, &(struct vhost_user_msg){ 0 }, 0, &pair[1],
		   1) == 0);
	close(pair[1]);
	if (p->channel >= 0)
		close(p->channel);
	p->channel = pair[0];
	must(vp_do_u64(p, VHOST_USER_SET_FEATURES,
		       features | BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES),
		       -1) == 0);
}

uint64_t vp_share_memory(struct vhost_peer *p)
{
	struct vhost_user_msg msg = { 0 };
	int fds[VHOST_USER_MAX_REGIONS];

	if (p->mem.fd < 0)
		must(gmem_init(&p->mem, &(struct gmem_range){ 0, VP_MEMORY }, 1) == 0);
	msg.memory.n_regions = p->mem.n_regions;
	for (unsigned i = 0; i < p->mem.n_regions; i++) {
		const struct gmem_region *r = &p->mem.regions[i];

		fds[i] = p->mem.fd;
		msg.memory.regions[i] = (struct vhost_user_region){
			.gpa = r->gpa, .len = r->len, .user = VP_USER + r->gpa, .offset = r->offset,
		};
	}
	return vp_do(p, VHOST_USER_SET_MEM_TABLE, &msg,
		     offsetof(struct vhost_user_memory, regions[p->mem.n_regions]), fds,
		     p->mem.n_regions);
}

uint64_t vp_alloc(struct vhost_peer *p, uint64_t len)
{
	uint64_t gpa = align_up(p->heap, 4096);

	p->heap = gpa + len;
	must(gmem_ptr(&p->mem, gpa, len));
	return gpa;
}

void vp_set_ring(struct vhost_peer *p, unsigned q, uint16_t size, uint16_t base)
{
	struct vdrv_ring *r = &p->q[q].ring;
	struct vhost_user_msg msg;

	if (base == 0)
		vdrv_ring_init(r, &p->mem, size, vp_alloc(p, vdrv_ring_bytes(size)));
	msg = (struct vhost_user_msg){ .addr = {
		.index = q,
		.desc = VP_USER + r->desc_gpa,
		.used = VP_USER + r->used_gpa,
		.avail = VP_USER + r->avail_gpa,
	} };
	must(vp_do_state(p, VHOST_USER_SET_VRING_NUM, q, r->size) == 0);
	must(vp_do_state(p, VHOST_USER_SET_VRING_BASE, q, base) == 0);
	must(vp_do(p, VHOST_USER_SET_VRING_ADDR, &msg, sizeof(msg.addr), NULL, 0) == 0);
	must(vp_do_u64(p, VHOST_USER_SET_VRING_CALL, q, p->q[q].call) == 0);
	must(vp_do_u64(p, VHOST_USER_SET_VRING_ERR, q, p->q[q].err) == 0);
	must(vp_do_u64(p, VHOST_USER_SET_VRING_KICK, q, p->q[q].kick) == 0);
}

uint64_t vp_enable(struct vhost_peer *p, unsigned q, bool on)
{
	return vp_do_state(p, VHOST_USER_SET_VRING_ENABLE, q, on);
}

uint16_t vp_stop_ring(struct vhost_peer *p, unsigned q)
{
	struct vhost_user_msg msg = { .state = { .index = q } };

	must(vp_send(p, VHOST_USER_GET_VRING_BASE, &msg, sizeof(msg.state), NULL, 0));
	must(vp_recv(p, &msg) == 0 && msg.h.size == sizeof(msg.state) && msg.state.index == q);
	must(msg.state.num <= UINT16_MAX);
	return msg.state.num;
}

void vp_start(struct vhost_peer *p, uint64_t features, unsigned n, uint16_t size)
{
	vp_negotiate(p, features);
	must(vp_share_memory(p) == 0);
	for (unsigned i = 0; i < n; i++)
		vp_set_ring(p, i, size, 0);
	for (unsigned i = 0; i < n; i++)
		must(vp_enable(p, i, true) == 0);
}

/* --- rings ------------------------------------------------------------------------- */

void vp_kick(struct vhost_peer *p, unsigned q)
{
	eventfd_write(p->q[q].kick, 1);
}

int vp_used(struct vhost_peer *p, unsigned q)
{
	struct pollfd poll_call = { .fd = p->q[q].call, .events = POLLIN };
	uint32_t len;

	for (unsigned i = 0; i < TURNS; i++) {
		if (vdrv_used(&p->q[q].ring, &len) >= 0)
			return len;
		if (p->loop)
			loop_run_once(p->loop, 0);
		else
			poll(&poll_call, 1, 100);
	}
	return -1;
}

bool vp_take_irq(struct vhost_peer *p, unsigned q)
{
	eventfd_t n;

	return eventfd_read(p->q[q].call, &n) == 0;
}
