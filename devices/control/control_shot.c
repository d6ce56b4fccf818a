/* SPDX-License-Identifier: MIT */
/* Pictures of a seat: screenshots, their sizes, and waiting until they stand still. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/control/control_seat_impl.h"
#include "devices/ui/screenshot.h"
#include "devices/ui/surface.h"

#define STABLE_MS 1000
#define LIMIT_MS 60000
#define LOOK_NS 20000000ull	/* between two looks at a picture */

/* --- screenshots ------------------------------------------------------------------- */

/*
 * Used by the loop and by a thread, freed by the second of them that is done. A
 * thread whose file never answers outlives all else, so it has no part in that.
 */
struct shot {
	/* both */
	atomic_uint users;
	int error;		/* the thread's, read after done */
	int done;		/* eventfd */
	/* the thread's */
	int fd;
	struct picture picture;
	struct iovec piece;
	/* the loop's */
	struct control_seat *seat;	/* NULL: gone, nobody wants to know */
	struct control_call *call;
	struct loop_fd src;
};

static void shot_put(struct shot *shot)
{
	if (atomic_fetch_sub(&shot->users, 1) > 1)
		return;
	close(shot->done);
	close(shot->fd);
	free(shot->piece.iov_base);
	free(shot);
}

static void *shot_run(void *arg)
{
	struct shot *shot = arg;

	shot->error = screenshot_write(&shot->picture, shot->fd);
	eventfd_write(shot->done, 1);
	shot_put(shot);
	return NULL;
}

static void shot_leave(struct shot *shot)
{
	loop_remove(shot->seat->loop, &shot->src);
	shot->seat->n_shots--;
	shot_put(shot);
}

static void shot_done(void *arg, uint32_t events)
{
	struct shot *shot = arg;
	struct control_call *call = shot->call;
	uint32_t width = shot->picture.surface.width, height = shot->picture.surface.height;
	struct json_out *o;
	eventfd_t n;
	int error;

	if (eventfd_read(shot->done, &n) < 0)
		return;
	error = shot->error;
	shot_leave(shot);
	if (error < 0) {
		control_refuse(call, "writing the picture: %s", strerror(-error));
		return;
	}
	o = control_answer(call);
	json_out_number(o, "width", width);
	json_out_number(o, "height", height);
	control_send(call);
}

static void shot_cancel(void *arg)
{
	shot_leave(arg);
}

/* A copy of what @from shows, as the guest goes on drawing. False: no memory. */
static bool copy_picture(struct shot *shot, const struct picture *from)
{
	const struct display_surface *s = &from->surface;
	const struct display_rect all = { .width = s->width, .height = s->height };
	size_t stride = s->width * 4ul;

	shot->picture = *from;
	shot->piece = (struct iovec){ malloc(stride * s->height), stride * s->height };
	if (!shot->piece.iov_base)
		return false;
	surface_read(s, &all, shot->piece.iov_base, stride);
	shot->picture.surface.pixels = (struct display_pixels){
		.pieces = &shot->piece, .n_pieces = 1, .stride = stride,
	};
	return true;
}

/* Of signals, the thread takes none: it inherits that all are blocked. */
static int start_thread(struct shot *shot)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = pthread_create(&thread, &attr, shot_run, shot);
	pthread_attr_destroy(&attr);
	return -ret;
}

/* Takes @fd. 0 or negative errno. */
static int shot_start(struct control_seat *s, struct control_call *call,
		      const struct picture *picture, int fd)
{
	struct shot *shot = calloc(1, sizeof(*shot));
	int ret = -ENOMEM;

	if (!shot) {
		close(fd);
		return ret;
	}
	*shot = (struct shot){ .users = 1, .fd = fd, .seat = s, .call = call };
	s->n_shots++;
	shot->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (shot->done < 0)
		ret = -errno;
	else if (copy_picture(shot, picture))
		ret = loop_add(s->loop, &shot->src, shot->done, EPOLLIN, shot_done, shot);
	if (ret == 0) {
		atomic_store(&shot->users, 2);
		ret = start_thread(shot);
		if (ret < 0)
			atomic_store(&shot->users, 1);
	}
	if (ret < 0)
		shot_leave(shot);
	else
		control_later(call, shot_cancel, shot);
	return ret;
}

/* Why no screenshot can be had; NULL: it can. */
static const char *shot_obstacle(const struct control_seat *s, const struct picture *picture,
				 int fd)
{
	struct stat st;

	if (fd < 0)
		return "no descriptor of a file came with the request";
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return "the descriptor is not one of a plain file";
	if (!picture->shown)
		return "the output shows no picture";
	if (s->n_shots == CONTROL_MAX_SHOTS)
		return "too many screenshots at the same time";
	return NULL;
}

void control_seat_screenshot(void *ctx, struct control_call *call)
{
	struct control_seat *s = ctx;
	int fd = control_take_fd(call), output = control_seat_pick_output(s, call), ret;
	const struct picture *picture;
	const char *why;

	if (output < 0) {
		if (fd >= 0)
			close(fd);
		return;
	}
	picture = s->p.picture(s->p.ctx, output);
	why = shot_obstacle(s, picture, fd);
	if (why) {
		if (fd >= 0)
			close(fd);
		control_refuse(call, "%s", why);
		return;
	}
	ret = shot_start(s, call, picture, fd);
	if (ret < 0)
		control_refuse(call, "%s", strerror(-ret));
}

/* --- pictures that stand still --------------------------------------------------------- */

struct stable {
	struct control_seat *seat;
	struct control_call *call;
	struct loop_timer timer;
	unsigned output;
	uint64_t changes, since_ns, begin_ns, still_ns, limit_ns;
};

static void stable_free(struct stable *w)
{
	loop_timer_disarm(w->seat->loop, &w->timer);
	free(w);
}

static void stable_cancel(void *arg)
{
	stable_free(arg);
}

static void stable_look(void *arg)
{
	struct stable *w = arg;
	struct control_call *call = w->call;
	const struct picture *picture = w->seat->p.picture(w->seat->p.ctx, w->output);
	uint64_t now = loop_now_ns();

	if (!picture->shown || picture->changes != w->changes) {
		w->changes = picture->changes;
		w->since_ns = now;
	}
	if (picture->shown && now - w->since_ns >= w->still_ns) {
		stable_free(w);
		control_done(call);
	} else if (now - w->begin_ns >= w->limit_ns) {
		bool shown = picture->shown;

		stable_free(w);
		control_refuse(call, shown ? "the picture still changes" : "there is no picture");
	} else {
		loop_timer_arm(w->seat->loop, &w->timer, LOOK_NS);
	}
}

void control_seat_wait_stable(void *ctx, struct control_call *call)
{
	struct control_seat *s = ctx;
	int output = control_seat_pick_output(s, call);
	struct stable *w = output < 0 ? NULL : calloc(1, sizeof(*w));

	if (output < 0)
		return;
	if (!w) {
		control_refuse(call, "out of memory");
		return;
	}
	*w = (struct stable){
		.seat = s,
		.call = call,
		.timer = { .cb = stable_look, .arg = w },
		.output = output,
		.changes = s->p.picture(s->p.ctx, output)->changes,
		.since_ns = loop_now_ns(),
		.begin_ns = loop_now_ns(),
		.still_ns = control_number(call, "ms", STABLE_MS) * 1000000ull,
		.limit_ns = control_number(call, "limit_ms", LIMIT_MS) * 1000000ull,
	};
	control_later(call, stable_cancel, w);
	loop_timer_arm(s->loop, &w->timer, 0);
}

void control_seat_output(void *ctx, struct control_call *call)
{
	struct control_seat *s = ctx;
	int output = control_seat_pick_output(s, call);
	const struct picture *picture;
	struct json_out *o;

	if (output < 0)
		return;
	picture = s->p.picture(s->p.ctx, output);
	o = control_answer(call);
	json_out_number(o, "outputs", s->p.n_outputs);
	json_out_bool(o, "shown", picture->shown);
	if (picture->shown) {
		json_out_number(o, "width", picture->surface.width);
		json_out_number(o, "height", picture->surface.height);
	}
	json_out_number(o, "changes", picture->changes);
	control_send(call);
}
