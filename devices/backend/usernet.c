/* SPDX-License-Identifier: MIT */
/*
 * libslirp says before each sleep which sockets it waits for, and after it asks
 * which are ready. Between the two stands a slot a socket, which epoll hears of
 * only when its events change. Whatever happens posts one piece of work,
 * settle(), which runs when the loop has served all that was ready: the library
 * is asked once a turn, however many frames and sockets there were in it.
 */
#include "devices/backend/usernet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "devices/backend/slirp_lib.h"
#include "vmm/log.h"
#include "vmm/util.h"

/* What libslirp answers when it waits for sockets alone. */
#define TIMEOUT_NONE_MS 1000
/*
 * With listening sockets it always wants a tick of half a second. When there is
 * no other socket, and for longer than it keeps pieces of packets nothing has
 * happened, it gets none.
 */
#define IDLE_NS (60 * 1000000000ull)
/* Its clock stands still between ticks: put it right before a frame if it is late. */
#define CLOCK_LATE_NS 100000000ull

struct slot {
	struct usernet *net;
	struct loop_fd src;
	int fd;
	uint32_t events;	/* what epoll waits for; 0: it does not have src */
	uint32_t wanted, ready;
	struct slot *next;	/* of those with events or wanted */
	bool linked;
};

struct usernet_timer {
	struct usernet *net;
	struct loop_timer timer;
	SlirpTimerId id;
	void *opaque;
};

struct usernet {
	struct slirp_lib lib;
	Slirp *slirp;
	struct loop *loop;
	void (*output)(void *ctx, const uint8_t *frame, size_t len);
	void *ctx;
	bool hold;
	struct log_rate rate;

	struct slot **slots;	/* by descriptor */
	unsigned n_slots;
	struct slot *linked;
	unsigned n_sockets, n_polled, n_fwds;

	struct loop_work settle;
	struct loop_timer tick;
	bool poll_due;
	uint64_t polled_ns, active_ns;	/* when last */
};

/* --- sockets --------------------------------------------------------------- */

static struct slot *slot_get(struct usernet *net, int fd)
{
	if ((unsigned)fd >= net->n_slots) {
		unsigned n = MAX(net->n_slots * 2, (unsigned)fd + 64);
		struct slot **slots = realloc(net->slots, n * sizeof(*slots));

		if (!slots)
			return NULL;
		memset(slots + net->n_slots, 0, (n - net->n_slots) * sizeof(*slots));
		net->slots = slots;
		net->n_slots = n;
	}
	if (!net->slots[fd]) {
		net->slots[fd] = calloc(1, sizeof(struct slot));
		if (!net->slots[fd])
			return NULL;
		net->slots[fd]->net = net;
		net->slots[fd]->fd = fd;
	}
	return net->slots[fd];
}

static void slot_ready(void *arg, uint32_t events)
{
	struct slot *slot = arg;
	struct usernet *net = slot->net;

	slot->ready |= events;
	net->poll_due = true;
	net->active_ns = loop_now_ns();
	loop_post(net->loop, &net->settle);
}

/* Makes epoll wait for what is wanted. */
static void slot_watch(struct slot *slot)
{
	struct loop *loop = slot->net->loop;
	int ret = 0;

	if (slot->wanted == slot->events)
		return;
	if (!slot->wanted)
		loop_remove(loop, &slot->src);
	else if (slot->events)
		ret = loop_modify(loop, &slot->src, slot->wanted);
	else
		ret = loop_add(loop, &slot->src, slot->fd, slot->wanted, slot_ready, slot);
	if (ret < 0)
		log_error("--net user: cannot watch a socket: %s", strerror(-ret));
	slot->events = ret < 0 ? 0 : slot->wanted;
}

static void slot_forget(struct slot *slot)
{
	slot->wanted = slot->ready = 0;
	slot_watch(slot);
}

/* Brings epoll up to date with all slots, and unlinks those that nobody wants. */
static void watch_slots(struct usernet *net)
{
	struct slot **p = &net->linked;

	while (*p) {
		struct slot *slot = *p;

		slot_watch(slot);
		slot->ready = 0;
		if (slot->events) {
			p = &slot->next;
		} else {
			*p = slot->next;
			slot->linked = false;
		}
	}
}

/* --- what libslirp calls --------------------------------------------------- */

static int cb_add_poll(int fd, int events, void *opaque)
{
	struct usernet *net = opaque;
	struct slot *slot = slot_get(net, fd);
	uint32_t wanted = 0;

	if (!slot)
		return -1;
	if (events & SLIRP_POLL_IN && !net->hold)
		wanted |= EPOLLIN;
	if (events & SLIRP_POLL_PRI && !net->hold)
		wanted |= EPOLLPRI;
	if (events & SLIRP_POLL_OUT)
		wanted |= EPOLLOUT;
	slot->wanted = wanted;
	if (wanted && !slot->linked) {
		slot->linked = true;
		slot->next = net->linked;
		net->linked = slot;
	}
	net->n_polled++;
	return fd;
}

static int cb_get_revents(int fd, void *opaque)
{
	struct usernet *net = opaque;
	uint32_t ready;

	if (fd < 0 || (unsigned)fd >= net->n_slots || !net->slots[fd])
		return 0;
	ready = net->slots[fd]->ready;
	return (ready & EPOLLIN ? SLIRP_POLL_IN : 0) | (ready & EPOLLOUT ? SLIRP_POLL_OUT : 0) |
	       (ready & EPOLLPRI ? SLIRP_POLL_PRI : 0) | (ready & EPOLLERR ? SLIRP_POLL_ERR : 0) |
	       (ready & EPOLLHUP ? SLIRP_POLL_HUP : 0);
}

static ssize_t cb_send_packet(const void *buf, size_t len, void *opaque)
{
	struct usernet *net = opaque;

	net->output(net->ctx, buf, len);
	return len;
}

static void cb_guest_error(const char *msg, void *opaque)
{
	struct usernet *net = opaque;

	log_guest(&net->rate, "--net user: %s", msg);
}

static int64_t cb_clock(void *opaque)
{
	return loop_now_ns();
}

static void cb_register(int fd, void *opaque)
{
	struct usernet *net = opaque;

	net->n_sockets++;
	/* libslirp leaves those of UDP as they are, and would wait for a full one. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void cb_unregister(int fd, void *opaque)
{
	struct usernet *net = opaque;

	if (net->n_sockets)
		net->n_sockets--;
	/* The next socket may get the same number. */
	if (fd >= 0 && (unsigned)fd < net->n_slots && net->slots[fd])
		slot_forget(net->slots[fd]);
}

static void cb_notify(void *opaque)
{
	struct usernet *net = opaque;

	loop_post(net->loop, &net->settle);
}

static void timer_due(void *arg)
{
	struct usernet_timer *timer = arg;
	struct usernet *net = timer->net;

	net->lib.handle_timer(net->slirp, timer->id, timer->opaque);
	loop_post(net->loop, &net->settle);
}

static void *cb_timer_new(SlirpTimerId id, void *timer_opaque, void *opaque)
{
	struct usernet_timer *timer = calloc(1, sizeof(*timer));

	/* libslirp cannot do without, and what it allocates itself ends the program too. */
	if (!timer)
		abort();
	timer->net = opaque;
	timer->timer = (struct loop_timer){ .cb = timer_due, .arg = timer };
	timer->id = id;
	timer->opaque = timer_opaque;
	return timer;
}

static void cb_timer_free(void *arg, void *opaque)
{
	struct usernet *net = opaque;
	struct usernet_timer *timer = arg;

	if (timer)
		loop_timer_disarm(net->loop, &timer->timer);
	free(timer);
}

static void cb_timer_mod(void *arg, int64_t expire_ms, void *opaque)
{
	struct usernet *net = opaque;
	struct usernet_timer *timer = arg;
	int64_t left = expire_ms * 1000000 - (int64_t)loop_now_ns();

	loop_timer_arm(net->loop, &timer->timer, MAX(left, (int64_t)0));
}

static const SlirpCb callbacks = {
	.send_packet = cb_send_packet,
	.guest_error = cb_guest_error,
	.clock_get_ns = cb_clock,
	.timer_free = cb_timer_free,
	.timer_mod = cb_timer_mod,
	.register_poll_fd = cb_register,
	.unregister_poll_fd = cb_unregister,
	.notify = cb_notify,
	.timer_new_opaque = cb_timer_new,
};

/* --- turning it ------------------------------------------------------------ */

static void arm_tick(struct usernet *net, uint32_t ms)
{
	bool idle = !net->n_sockets && net->n_polled <= net->n_fwds &&
		    loop_now_ns() - net->active_ns > IDLE_NS;

	if (ms >= TIMEOUT_NONE_MS || (ms > 2 && idle))
		loop_timer_disarm(net->loop, &net->tick);
	else
		loop_timer_arm(net->loop, &net->tick, ms * 1000000ull);
}

static void settle(void *arg)
{
	struct usernet *net = arg;
	uint32_t ms = UINT32_MAX;

	if (net->poll_due) {
		net->poll_due = false;
		net->polled_ns = loop_now_ns();
		net->lib.poll(net->slirp, 0, cb_get_revents, net);
	}
	for (struct slot *slot = net->linked; slot; slot = slot->next)
		slot->wanted = 0;
	net->n_polled = 0;
	net->lib.fill(net->slirp, &ms, cb_add_poll, net);
	watch_slots(net);
	arm_tick(net, ms);
}

static void tick(void *arg)
{
	struct usernet *net = arg;

	net->poll_due = true;
	settle(net);
}

void usernet_input(struct usernet *net, const uint8_t *frame, size_t len)
{
	net->active_ns = loop_now_ns();
	if (net->active_ns - net->polled_ns > CLOCK_LATE_NS) {
		net->polled_ns = net->active_ns;
		/* An error of poll(2), as far as it knows: the clock, but no sockets. */
		net->lib.poll(net->slirp, 1, cb_get_revents, net);
	}
	net->lib.input(net->slirp, frame, len);
	loop_post(net->loop, &net->settle);
}

void usernet_hold(struct usernet *net, bool on)
{
	if (net->hold == on)
		return;
	net->hold = on;
	loop_post(net->loop, &net->settle);
}

unsigned usernet_sockets(const struct usernet *net)
{
	return net->n_sockets;
}

/* --- life ------------------------------------------------------------------ */

static int add_fwd(struct usernet *net, const struct net_fwd *fwd)
{
	int flags = SLIRP_HOSTFWD_V6ONLY | (fwd->udp ? SLIRP_HOSTFWD_UDP : 0);
	char host[INET6_ADDRSTRLEN] = "?";
	bool v6 = fwd->host.sa.sa_family == AF_INET6;

	errno = 0;
	if (net->lib.add_hostxfwd(net->slirp, &fwd->host.sa, netaddr_len(&fwd->host),
				  &fwd->guest.sa, netaddr_len(&fwd->guest), flags) == 0)
		return 0;
	inet_ntop(fwd->host.sa.sa_family,
		  v6 ? (const void *)&fwd->host.in6.sin6_addr : &fwd->host.in.sin_addr, host,
		  sizeof(host));
	log_error("--net user: cannot forward %s port %u of %s: %m", fwd->udp ? "UDP" : "TCP",
		  ntohs(fwd->host.in.sin_port), host);
	return errno ? -errno : -EIO;
}

static int make_slirp(struct usernet *net, const struct usernet_params *params)
{
	SlirpConfig cfg = {
		.version = 4,
		.restricted = params->restricted,
		.in_enabled = true,
		.vnetwork.s_addr = inet_addr("10.0.2.0"),
		.vnetmask.s_addr = inet_addr("255.255.255.0"),
		.vhost.s_addr = inet_addr("10.0.2.2"),
		.in6_enabled = true,
		.vprefix_len = 64,
		.vdhcp_start.s_addr = inet_addr("10.0.2.15"),
		.vnameserver.s_addr = inet_addr(USERNET_DNS4),
		.if_mtu = params->mtu,
		.if_mru = params->mtu,
	};

	inet_pton(AF_INET6, "fec0::", &cfg.vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &cfg.vhost6);
	inet_pton(AF_INET6, USERNET_DNS6, &cfg.vnameserver6);
	net->slirp = net->lib.create(&cfg, &callbacks, net);
	if (net->slirp)
		return 0;
	log_error("--net user: libslirp does not like its configuration");
	return -EINVAL;
}

int usernet_create(struct usernet **out, struct loop *loop, const struct usernet_params *params,
		   void (*output)(void *ctx, const uint8_t *frame, size_t len), void *ctx)
{
	struct usernet *net = calloc(1, sizeof(*net));
	int ret;

	if (!net)
		return -ENOMEM;
	net->loop = loop;
	net->output = output;
	net->ctx = ctx;
	net->n_fwds = params->n_fwds;
	net->settle = (struct loop_work){ .cb = settle, .arg = net };
	net->tick = (struct loop_timer){ .cb = tick, .arg = net };
	net->active_ns = loop_now_ns();
	ret = slirp_lib_load(&net->lib);
	if (ret == 0)
		ret = make_slirp(net, params);
	for (unsigned i = 0; ret == 0 && i < params->n_fwds; i++)
		ret = add_fwd(net, &params->fwds[i]);
	if (ret < 0) {
		usernet_destroy(net);
		return ret;
	}
	/* Whether those that listen were counted depends on libslirp's version. */
	net->n_sockets = 0;
	loop_post(loop, &net->settle);
	*out = net;
	return 0;
}

void usernet_destroy(struct usernet *net)
{
	if (!net)
		return;
	if (net->slirp)
		net->lib.cleanup(net->slirp);
	loop_cancel(net->loop, &net->settle);
	loop_timer_disarm(net->loop, &net->tick);
	for (unsigned i = 0; i < net->n_slots; i++) {
		if (net->slots[i])
			loop_remove(net->loop, &net->slots[i]->src);
		free(net->slots[i]);
	}
	free(net->slots);
	free(net);
}
