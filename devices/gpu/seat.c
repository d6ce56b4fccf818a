/* SPDX-License-Identifier: MIT */
#include "devices/gpu/seat.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/gpu_process.h"
#include "devices/backend/handover.h"
#include "devices/backend/unixsock.h"
#include "devices/gpu/framebuffer.h"
#include "devices/gpu/input_link.h"
#include "devices/gpu/mux.h"
#include "devices/virtio/input.h"
#include "devices/virtio/vhost_user_backend.h"

#define BACKLOG 4
#define LABEL_LEN 64

struct seat_device {
	struct seat *seat;
	char label[LABEL_LEN];	/* "--input keyboard" */
	struct vhost_user_backend b;
	struct virtio_device *v;	/* NULL: none yet, or @link */
	struct input_link *link;	/* it is the VMM's */
	struct gpu *gpu;		/* it is one */
	enum input_kind kind;		/* or one of these */
	struct input_sink feedback;	/* who listens to what the guest sends it */
	struct unixsock sock;		/* addr.sun_path "": none */
	struct handover handover;
	bool comes_once;		/* its only front end is here from the start */
};

struct seat {
	struct loop *loop;
	unsigned n;
	struct seat_device devices[SEAT_MAX_DEVICES];
	struct mux mux;
	struct framebuffer *framebuffer;	/* NULL: none */
	unsigned n_waiting;	/* devices whose front end, or the next one, may come yet */
};

/* --- where front ends come from ---------------------------------------------------- */

/* When all that we were started for have gone, so do we. */
static void one_less(struct seat *seat)
{
	if (--seat->n_waiting == 0)
		loop_quit(seat->loop);
}

static void front_end_left(void *ctx)
{
	struct seat_device *d = ctx;

	if (d->comes_once)
		one_less(d->seat);
}

static void handed_over(void *ctx, int fd)
{
	struct seat_device *d = ctx;

	if (fd < 0)
		one_less(d->seat);
	else
		vhost_user_backend_connect(&d->b, fd);
}

static int inherit(struct seat_device *d, int fd)
{
	int type = unixsock_option(fd, SO_TYPE), listens = unixsock_option(fd, SO_ACCEPTCONN);

	if (type < 0 || listens < 0 || unixsock_option(fd, SO_DOMAIN) != AF_UNIX) {
		log_error("%s: fd=%d: %s", d->label, fd,
			  type < 0 ? strerror(-type) : "not a UNIX socket");
		return -EINVAL;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (listens)
		return vhost_user_backend_listen(&d->b, fd);
	if (type == SOCK_SEQPACKET)
		return handover_init(&d->handover, d->seat->loop, fd, handed_over, d);
	d->comes_once = true;
	return vhost_user_backend_connect(&d->b, fd);
}

static int listen_at(struct seat_device *d, const char *path)
{
	int ret = unixsock_listen(&d->sock, path, BACKLOG);

	if (ret < 0) {
		d->sock.addr.sun_path[0] = '\0';
		log_error("%s: %s: %s", d->label, path, unixsock_error(ret));
		return ret;
	}
	return vhost_user_backend_listen(&d->b, d->sock.fd);
}

static int open_socket(struct seat_device *d, const struct seat_socket *socket)
{
	int ret = socket->path ? listen_at(d, socket->path) : inherit(d, socket->fd);

	if (ret == 0)
		d->seat->n_waiting++;
	return ret;
}

/* --- devices --------------------------------------------------------------------------- */

static void device_close(struct seat_device *d)
{
	handover_finish(&d->handover);
	input_link_destroy(d->link);
	if (d->sock.addr.sun_path[0])
		unixsock_unlink(&d->sock);
	if (d->gpu) {
		gpu_set_display(d->gpu, NULL);
		mux_set_sink(&d->seat->mux, MUX_CARD, NULL);
	}
	if (d->v)
		vhost_user_backend_finish(&d->b);
	if (d->gpu)
		gpu_destroy(d->gpu);
	else if (d->v)
		input_destroy(d->v);
}

/* Room for one more, which device_close() may be called for. */
static struct seat_device *device_begin(struct seat *seat, const char *label)
{
	struct seat_device *d = &seat->devices[seat->n];

	if (seat->n == SEAT_MAX_DEVICES) {
		log_error("%s: more than %d devices", label, SEAT_MAX_DEVICES);
		return NULL;
	}
	*d = (struct seat_device){ .seat = seat, .handover.port.fd = -1, .kind = INPUT_KINDS };
	snprintf(d->label, sizeof(d->label), "%s", label);
	vhost_user_backend_init(&d->b, seat->loop, d->label);
	return d;
}

/* With its virtio device, or with the error that there is none. */
static int device_end(struct seat_device *d, const struct vhost_user_backend_params *params,
		      const struct seat_socket *socket, int ret)
{
	if (ret == 0)
		vhost_user_backend_attach(&d->b, d->v, params);
	if (ret == 0)
		ret = open_socket(d, socket);
	if (ret < 0)
		device_close(d);
	else
		d->seat->n++;
	return ret;
}

static void gpu_memory_leaves(void *ctx)
{
	struct seat_device *d = ctx;

	gpu_memory_leave(d->gpu);
}

static void gpu_memory_enters(void *ctx)
{
	struct seat_device *d = ctx;

	gpu_memory_enter(d->gpu);
}

int seat_add_gpu(struct seat *seat, const char *label, const struct seat_socket *socket,
		 const struct gpu_params *params)
{
	struct seat_device *d = device_begin(seat, label);
	const struct vhost_user_backend_params backend = {
		.memory_leave = gpu_memory_leaves,
		.memory_enter = gpu_memory_enters,
		.shm_id = VIRTIO_GPU_SHM_ID_HOST_VISIBLE,
		.shm_len = params->hostmem,
		.left = front_end_left,
		.ctx = d,
	};
	struct display_sink sink;
	int ret;

	if (!d)
		return -ENOSPC;
	if (seat_gpu(seat)) {
		log_error("%s: a seat has one graphics card", label);
		return -EEXIST;
	}
	ret = gpu_create(&d->gpu, seat->loop, &d->b.mem, params);
	if (ret == 0) {
		d->v = gpu_device(d->gpu);
		sink = gpu_sink(d->gpu);
		mux_set_sink(&seat->mux, MUX_CARD, &sink);
	}
	return device_end(d, &backend, socket, ret);
}

static void feed_back(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct seat_device *d = ctx;

	input_send(&d->feedback, type, code, value);
}

int seat_add_input(struct seat *seat, const char *label, const struct seat_socket *socket,
		   const struct seat_input *input)
{
	struct seat_device *d = device_begin(seat, label);
	const struct vhost_user_backend_params backend = { .left = front_end_left, .ctx = d };
	const struct input_params params = {
		.kind = input->kind,
		.name = input->name,
		.serial = input->serial,
		.feedback = { .event = feed_back, .ctx = d },
	};
	int ret;

	if (!d)
		return -ENOSPC;
	assert(input->kind < INPUT_HOST);
	d->kind = input->kind;
	ret = input_create(&d->v, seat->loop, &d->b.mem, &params);
	return device_end(d, &backend, socket, ret);
}

/* --- what is the VMM's ------------------------------------------------------------------------ */

static void vmm_left(void *ctx)
{
	one_less(ctx);
}

int seat_add_events(struct seat *seat, const char *label, const struct seat_socket *socket,
		    enum input_kind kind)
{
	struct seat_device *d = device_begin(seat, label);
	struct input_link_params params = { .kind = kind, .left = vmm_left, .ctx = seat };
	int ret;

	if (!d)
		return -ENOSPC;
	if (socket->path) {
		log_error("%s: by fd=N", label);
		return -EINVAL;
	}
	d->kind = kind;
	params.feedback = (struct input_sink){ feed_back, d };
	ret = input_link_create(&d->link, seat->loop, socket->fd, &params);
	if (ret < 0) {
		log_error("%s: fd=%d: %s", label, socket->fd, strerror(-ret));
		return ret;
	}
	seat->n++;
	seat->n_waiting++;
	return 0;
}

int seat_add_framebuffer(struct seat *seat, const char *label, const struct seat_socket *socket)
{
	int ret;

	if (socket->path || seat->framebuffer) {
		log_error("%s: one, by fd=N", label);
		return -EINVAL;
	}
	ret = framebuffer_create(&seat->framebuffer, seat->loop, socket->fd, &seat->mux,
				 vmm_left, seat);
	if (ret < 0)
		log_error("%s: fd=%d: %s", label, socket->fd, strerror(-ret));
	else
		seat->n_waiting++;
	return ret;
}

/* --- what is there ------------------------------------------------------------------------ */

struct gpu *seat_gpu(struct seat *seat)
{
	for (unsigned i = 0; i < seat->n; i++)
		if (seat->devices[i].gpu)
			return seat->devices[i].gpu;
	return NULL;
}

void seat_set_display(struct seat *seat, const struct display *display)
{
	const struct display card = mux_display(&seat->mux, MUX_CARD);
	struct gpu *gpu = seat_gpu(seat);

	if (gpu)
		gpu_set_display(gpu, NULL);
	mux_set_display(&seat->mux, display);
	if (gpu && display)
		gpu_set_display(gpu, &card);
}

struct display_sink seat_display_sink(struct seat *seat)
{
	return mux_sink(&seat->mux);
}

static struct seat_device *find_input(struct seat *seat, enum input_kind kind)
{
	for (unsigned i = 0; i < seat->n; i++)
		if (!seat->devices[i].gpu && seat->devices[i].kind == kind)
			return &seat->devices[i];
	return NULL;
}

bool seat_has(struct seat *seat, enum input_kind kind)
{
	return find_input(seat, kind);
}

struct input_sink seat_sink(struct seat *seat, enum input_kind kind)
{
	struct seat_device *d = find_input(seat, kind);

	if (!d)
		return (struct input_sink){ 0 };
	return d->link ? input_link_sink(d->link) : input_device_sink(d->v);
}

int seat_closed(struct seat *seat)
{
	for (unsigned i = 0; i < seat->n; i++)
		if (seat->devices[i].gpu)
			return handover_tell(&seat->devices[i].handover, GPU_PROCESS_CLOSED);
	return seat->framebuffer ? framebuffer_tell(seat->framebuffer, GPU_PROCESS_CLOSED) :
				   -ENOTCONN;
}

void seat_set_feedback(struct seat *seat, enum input_kind kind, const struct input_sink *sink)
{
	for (unsigned i = 0; i < seat->n; i++)
		if (!seat->devices[i].gpu && seat->devices[i].kind == kind)
			seat->devices[i].feedback = *sink;
}

/* --- life ------------------------------------------------------------------------------------ */

int seat_create(struct seat **out, struct loop *loop)
{
	struct seat *seat = calloc(1, sizeof(*seat));

	if (!seat)
		return -ENOMEM;
	seat->loop = loop;
	mux_init(&seat->mux, loop);
	*out = seat;
	return 0;
}

void seat_destroy(struct seat *seat)
{
	if (!seat)
		return;
	framebuffer_destroy(seat->framebuffer);
	for (unsigned i = seat->n; i > 0; i--)
		device_close(&seat->devices[i - 1]);
	mux_finish(&seat->mux);
	free(seat);
}
