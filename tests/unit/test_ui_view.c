/* SPDX-License-Identifier: MIT */
/* Both ends of the display protocol, against each other and those that do as they please. */
#include <errno.h>
#include <fcntl.h>
#include <libdrm/drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/ui/display_memory.h"
#include "tests/must.h"
#include "tests/open_fds.h"
#include "tests/until.h"
#include "tests/view_rig.h"
#include "vmm/util.h"

#define RED 0xff0000u
#define GREEN 0x00ff00u
#define BLUE 0x0000ffu
#define CONTROL DISPLAY_HELLO_CONTROL

struct t {
	struct view_rig r;
	struct view_rig_viewer v, other;
	struct display_packet packet;
	unsigned fds;
};

#define UNTIL(t, cond) VIEW_RIG_UNTIL(&(t)->r, cond)

static int setup(void **state)
{
	static struct t t;

	memset(&t, 0, sizeof(t));
	t.fds = open_fds();
	view_rig_init(&t.r);
	*state = &t;
	return 0;
}

/* Whatever a test did, nothing is left open. */
static int teardown(void **state)
{
	struct t *t = *state;

	view_rig_viewer_finish(&t->v);
	view_rig_viewer_finish(&t->other);
	view_rig_finish(&t->r);
	return open_fds() == t->fds ? 0 : -1;
}

static uint32_t pixel(const struct view_rig_viewer *v, uint32_t x, uint32_t y)
{
	return v->display.outputs[0].picture.shown ? fake_display_pixel(&v->display, 0, x, y) : 1;
}

static const struct ui_view_stats *stats(struct t *t)
{
	return ui_view_stats(t->r.view);
}

static const struct display_ops *ops(struct t *t)
{
	return t->r.display.ops;
}

static void *card(struct t *t)
{
	return t->r.display.ctx;
}

/* Who keeps to the protocol sees a picture: the view lives. */
static void assert_serves(struct t *t)
{
	struct view_rig_viewer v;

	view_rig_viewer_init(&t->r, &v, 0);
	view_rig_show(&t->r, 0, BLUE);
	UNTIL(t, pixel(&v, 9, 9) == BLUE);
	view_rig_viewer_finish(&v);
	UNTIL(t, stats(t)->viewers == 0);
}

/* --- pictures ------------------------------------------------------------------- */

static void a_picture_is_seen_and_then_its_changes(void **state)
{
	struct t *t = *state;
	const struct display_rect corner = { 60, 30, 4, 2 };

	view_rig_viewer_init(&t->r, &t->v, CONTROL);
	view_rig_show(&t->r, 0, GREEN);
	UNTIL(t, pixel(&t->v, 63, 31) == GREEN);
	assert_string_equal(t->v.hello.name, "guest of views");
	assert_int_equal(t->v.hello.n_outputs, 2);
	assert_int_equal(t->v.hello.inputs, 1u << INPUT_KEYBOARD | 1u << INPUT_TABLET);
	UNTIL(t, t->r.frames[0] == 1);
	assert_int_equal(stats(t)->copied, 4 * 64 * 32);
	view_rig_draw(&t->r, 0, corner, RED);
	UNTIL(t, t->v.display.outputs[0].n_flush == 2);
	assert_int_equal(pixel(&t->v, 60, 30), RED);
	assert_int_equal(pixel(&t->v, 59, 30), GREEN);
	assert_memory_equal(&t->v.display.outputs[0].damage, &corner, sizeof(corner));
	assert_int_equal(stats(t)->copied, 4 * 64 * 32 + 4 * 4 * 2);
	assert_int_equal(stats(t)->memories, 1);
	ops(t)->off(card(t), 0);
	UNTIL(t, !t->v.display.outputs[0].picture.shown);
}

static void who_comes_late_sees_what_there_is(void **state)
{
	struct t *t = *state;
	static const uint32_t image[4] = { 0xff123456, 0xff123456, 0xff123456, 0xff123456 };
	const struct display_cursor cursor = { 2, 2, 1, 1, image };

	view_rig_show(&t->r, 0, GREEN);
	ops(t)->cursor(card(t), 0, &cursor);
	ops(t)->cursor_move(card(t), 0, 5, 6);
	ui_view_plug(t->r.view, 1, false);
	input_send(&(struct input_sink){ ui_view_feedback(t->r.view).event,
					 ui_view_feedback(t->r.view).ctx }, EV_LED, LED_NUML, 1);
	view_rig_viewer_init(&t->r, &t->v, 0);
	UNTIL(t, t->v.display.outputs[0].n_move && pixel(&t->v, 0, 0) == GREEN);
	assert_int_equal(pixel(&t->v, 5, 6), 0x123456);
	assert_int_equal(t->v.hello.width, 64);
	assert_int_equal(t->v.unplugged, 2);
	UNTIL(t, t->v.leds[LED_NUML]);
	ops(t)->cursor(card(t), 0, NULL);
	UNTIL(t, pixel(&t->v, 5, 6) == GREEN);
}

/* Nothing is copied when nobody looks, nor what is shared already. */
static void memory_that_is_shared_is_not_copied(void **state)
{
	struct t *t = *state;
	struct display_memory m;
	struct iovec piece;
	struct display_surface s = {
		.fourcc = DRM_FORMAT_XRGB8888, .width = 8, .height = 8,
		.pixels = { .pieces = &piece, .n_pieces = 1, .offset = 4096, .stride = 64,
			    .shared = true, .fd_offset = 4096 },
	};
	const struct display_rect all = { 0, 0, 8, 8 };

	view_rig_show(&t->r, 0, GREEN);
	UNTIL(t, t->r.frames[0] == 1);
	assert_int_equal(stats(t)->copied, 0);
	assert_int_equal(display_memory_create(&m, 16384), 0);
	piece = (struct iovec){ (char *)m.map + 4096, 12288 };
	s.pixels.fd = m.fd;
	((uint32_t *)m.map)[8192 / 4 + 7 * 16 + 7] = RED;
	ops(t)->mode(card(t), 0, 8, 8);
	ops(t)->set(card(t), 0, &s);
	ops(t)->flush(card(t), 0, &all);
	view_rig_viewer_init(&t->r, &t->v, 0);
	UNTIL(t, pixel(&t->v, 7, 7) == RED);
	assert_int_equal(stats(t)->copied, 0);
	assert_int_equal(stats(t)->memories, 1);
	ops(t)->off(card(t), 0);
	view_rig_show(&t->r, 0, GREEN);
	display_memory_close(&m);
	UNTIL(t, pixel(&t->v, 7, 7) == GREEN);
}

/* A guest's own memory, say. */
static void case_99_memory_that_a_viewer_could_write_is_copied(void **state)
{
	struct t *t = *state;
	int fd = memfd_create("ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct display_surface s = {
		.fourcc = DRM_FORMAT_XRGB8888, .width = 8, .height = 8,
		.pixels = { .pieces = t->r.pieces, .n_pieces = 1, .stride = 32, .shared = true,
			    .fd = fd },
	};

	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	t->r.pixels[0][0] = RED;
	ops(t)->mode(card(t), 0, 8, 8);
	ops(t)->set(card(t), 0, &s);
	view_rig_viewer_init(&t->r, &t->v, 0);
	UNTIL(t, pixel(&t->v, 0, 0) == RED);
	assert_int_equal(stats(t)->copied, 4 * 8 * 8);
	ops(t)->off(card(t), 0);
	close(fd);
}

static void a_guest_that_flips_is_told_once_of_memory(void **state)
{
	struct t *t = *state;
	unsigned flushes;

	view_rig_viewer_init(&t->r, &t->v, CONTROL);
	for (unsigned i = 0; i < 10; i++) {
		flushes = t->v.display.outputs[0].n_flush;
		view_rig_show(&t->r, i % 2, i % 2 ? RED : GREEN);
		UNTIL(t, t->v.display.outputs[0].n_flush > flushes);
		assert_int_equal(pixel(&t->v, 1, 1), i % 2 ? RED : GREEN);
	}
	assert_int_equal(stats(t)->memories, 1);
}

/* --- control -------------------------------------------------------------------- */

static void press(struct view_rig_viewer *v, unsigned code, int value)
{
	struct input_sink keys = display_receiver_input(v->receiver, INPUT_KEYBOARD);

	input_send(&keys, EV_KEY, code, value);
	input_sync(&keys);
}

static void assert_event(struct t *t, unsigned n, unsigned type, unsigned code, int value)
{
	const struct view_rig_event *e = &t->r.events[n];

	UNTIL(t, t->r.n_events > n);
	assert_int_equal(e->kind, INPUT_KEYBOARD);
	assert_int_equal(e->type, type);
	assert_int_equal(e->code, code);
	assert_int_equal(e->value, value);
}

static void the_first_controls_and_the_next_takes_over(void **state)
{
	struct t *t = *state;

	view_rig_viewer_init(&t->r, &t->v, CONTROL);
	UNTIL(t, t->v.controls);
	view_rig_viewer_init(&t->r, &t->other, CONTROL);
	UNTIL(t, stats(t)->viewers == 2);
	press(&t->other, KEY_B, 1);
	display_receiver_close(t->other.receiver, 0);
	press(&t->v, KEY_A, 1);
	assert_event(t, 0, EV_KEY, KEY_A, 1);
	assert_event(t, 1, EV_SYN, SYN_REPORT, 0);
	assert_false(t->other.controls);
	assert_int_equal(t->r.n_closes, 0);
	/* What it holds is let go of. */
	view_rig_viewer_finish(&t->v);
	assert_event(t, 2, EV_KEY, KEY_A, 0);
	assert_event(t, 3, EV_SYN, SYN_REPORT, 0);
	UNTIL(t, t->other.controls);
	press(&t->other, KEY_C, 1);
	assert_event(t, 4, EV_KEY, KEY_C, 1);
	display_receiver_want_control(t->other.receiver, false);
	assert_event(t, 6, EV_KEY, KEY_C, 0);
	UNTIL(t, !t->other.controls);
}

static void who_only_watches_never_controls(void **state)
{
	struct t *t = *state;

	view_rig_viewer_init(&t->r, &t->v, 0);
	view_rig_viewer_init(&t->r, &t->other, CONTROL);
	UNTIL(t, t->other.controls);
	assert_false(t->v.controls);
	view_rig_viewer_finish(&t->other);
	UNTIL(t, stats(t)->viewers == 1);
	display_receiver_want_control(t->v.receiver, true);
	UNTIL(t, t->v.controls);
}

static void sizes_plugs_and_close_buttons_reach_the_card(void **state)
{
	struct t *t = *state;
	const struct display_output what = { 800, 600, 200, 150, 75000 };
	struct display_sink sink;

	view_rig_viewer_init(&t->r, &t->v, CONTROL);
	UNTIL(t, t->v.controls);
	sink = display_receiver_sink(t->v.receiver);
	sink.ops->configure(sink.ctx, 1, &what);
	UNTIL(t, t->r.n_configures == 1);
	assert_memory_equal(&t->r.configured, &what, sizeof(what));
	sink.ops->plug(sink.ctx, 1, false);
	UNTIL(t, t->r.n_plugs == 1 && t->v.unplugged == 2);
	display_receiver_close(t->v.receiver, 0);
	UNTIL(t, t->r.n_closes == 1);
	ui_view_closing(t->r.view);
	UNTIL(t, t->v.n_closing == 1);
	/* Outputs that the source has not. */
	sink.ops->configure(sink.ctx, 2, &what);
	sink.ops->plug(sink.ctx, DISPLAY_MAX_OUTPUTS, false);
	sink.ops->frame_done(sink.ctx, 7);
	display_receiver_close(t->v.receiver, 2);
	press(&t->v, KEY_A, 1);
	assert_event(t, 0, EV_KEY, KEY_A, 1);
	assert_int_equal(t->r.n_configures, 1);
}

/* --- pace ----------------------------------------------------------------------- */

static void a_guest_is_paced_by_who_controls(void **state)
{
	struct t *t = *state;
	struct display_sink sink;

	view_rig_viewer_init(&t->r, &t->v, CONTROL);
	t->v.display.paced = true;
	view_rig_show(&t->r, 0, GREEN);
	UNTIL(t, t->v.display.due);
	sink = display_receiver_sink(t->v.receiver);
	fake_display_frame(&t->v.display, 0, sink);
	UNTIL(t, t->r.frames[0] == 1);
	/* Changes meanwhile are one frame. */
	view_rig_draw(&t->r, 0, (struct display_rect){ 0, 0, 1, 1 }, RED);
	UNTIL(t, t->v.display.due);
	view_rig_draw(&t->r, 0, (struct display_rect){ 1, 0, 1, 1 }, RED);
	view_rig_draw(&t->r, 0, (struct display_rect){ 5, 5, 2, 2 }, RED);
	fake_display_frame(&t->v.display, 0, sink);
	UNTIL(t, t->v.display.outputs[0].n_flush == 3);
	assert_int_equal(t->v.display.outputs[0].damage.x, 1);
	assert_int_equal(t->v.display.outputs[0].damage.y, 0);
	assert_int_equal(t->v.display.outputs[0].damage.width, 6);
	assert_int_equal(t->v.display.outputs[0].damage.height, 7);
	fake_display_frame(&t->v.display, 0, sink);
	UNTIL(t, t->r.frames[0] >= 2);
}

static void case_99_a_viewer_that_never_shows_a_frame_holds_up_nobody(void **state)
{
	struct t *t = *state;
	int sock = view_rig_dial_hello(&t->r, CONTROL);

	UNTIL(t, stats(t)->viewers == 1);
	view_rig_viewer_init(&t->r, &t->other, CONTROL);
	for (unsigned i = 1; i <= 5; i++) {
		view_rig_show(&t->r, 0, i);
		UNTIL(t, t->r.frames[0] == i && pixel(&t->other, 3, 3) == i);
	}
	close(sock);
	UNTIL(t, t->other.controls);
}

static void a_picture_that_goes_owes_no_frame(void **state)
{
	struct t *t = *state;

	view_rig_viewer_init(&t->r, &t->v, CONTROL);
	t->v.display.paced = true;
	view_rig_show(&t->r, 0, GREEN);
	UNTIL(t, t->v.display.due);
	ops(t)->off(card(t), 0);
	UNTIL(t, !t->v.display.due);
	assert_int_equal(t->r.frames[0], 0);
	/* And the next one is shown all the same. */
	view_rig_show(&t->r, 1, RED);
	UNTIL(t, t->v.display.due && pixel(&t->v, 0, 0) == RED);
}

/* --- viewers that do as they please --------------------------------------------- */

static const union display_msg output_2 = { .configure = {
	.head = { DISPLAY_MSG_CONFIGURE, VIEW_RIG_OUTPUTS }, .width = 1, .height = 1,
} };
static const union display_msg from_source = { .head = { DISPLAY_MSG_OFF, 0 } };
static const union display_msg hello_again = { .hello = {
	.head.type = DISPLAY_MSG_HELLO, .magic = DISPLAY_PROTO_MAGIC,
	.version = DISPLAY_PROTO_VERSION,
} };
static const union display_msg version_2 = { .hello = {
	.head.type = DISPLAY_MSG_HELLO, .magic = DISPLAY_PROTO_MAGIC, .version = 2,
} };

static void case_99_nonsense_ends_a_viewer_and_nothing_else(void **state)
{
	static const struct { const union display_msg *m; bool early; } bad[] = {
		{ &output_2, false }, { &from_source, false }, { &hello_again, false },
		{ &version_2, true }, { &from_source, true }, { &output_2, true },
	};
	struct t *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		int sock = bad[i].early ? view_rig_dial(&t->r) :
					  view_rig_dial_hello(&t->r, CONTROL);

		assert_int_equal(send(sock, bad[i].m, display_msg_len(bad[i].m), 0),
				 display_msg_len(bad[i].m));
		UNTIL(t, view_rig_hung_up(&t->r, sock));
		close(sock);
	}
	assert_int_equal(stats(t)->refused, ARRAY_SIZE(bad));
	assert_serves(t);
}

static void case_99_bytes_of_every_length(void **state)
{
	struct t *t = *state;
	char *bytes = test_malloc(sizeof(union display_msg) + 2);

	for (size_t len = 0; len < sizeof(union display_msg) + 2; len += len < 99 ? 1 : 1999) {
		int sock = view_rig_dial(&t->r);

		memset(bytes, len, len);
		send(sock, bytes, len, 0);
		UNTIL(t, view_rig_hung_up(&t->r, sock));
		close(sock);
	}
	test_free(bytes);
	assert_serves(t);
}

/* As many as the kernel takes, four times. */
static void case_99_a_thousand_descriptors(void **state)
{
	struct t *t = *state;
	unsigned before;

	for (unsigned i = 0; i < 4; i++) {
		int sock = view_rig_dial_hello(&t->r, CONTROL), fds[253];
		char control[CMSG_SPACE(sizeof(fds))] = { 0 };
		struct iovec iov = { (void *)&hello_again, sizeof(hello_again.hello) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				    .msg_controllen = sizeof(control) };

		UNTIL(t, stats(t)->viewers == 1);
		before = open_fds();
		for (unsigned n = 0; n < ARRAY_SIZE(fds); n++)
			fds[n] = sock;
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ CMSG_LEN(sizeof(fds)), SOL_SOCKET,
						       SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, sizeof(fds));
		assert_int_equal(sendmsg(sock, &m, 0), sizeof(hello_again.hello));
		UNTIL(t, view_rig_hung_up(&t->r, sock));
		assert_int_equal(open_fds(), before - 1);
		close(sock);
	}
	assert_serves(t);
}

static void case_99_a_thousand_viewers_come_and_go(void **state)
{
	struct t *t = *state;
	unsigned before;

	view_rig_show(&t->r, 0, GREEN);
	before = open_fds();
	for (unsigned i = 0; i < 1000; i++) {
		int sock = i % 2 ? view_rig_dial(&t->r) : view_rig_dial_hello(&t->r, CONTROL);

		if (i % 4 == 0)
			view_rig_hear(&t->r, sock, DISPLAY_MSG_SCANOUT, &t->packet);
		display_packet_drop(&t->packet);
		close(sock);
		if (i % 3)
			loop_run_once(t->r.loop, 0);
	}
	UNTIL(t, open_fds() == before);
	assert_int_equal(stats(t)->connections, 1000);
	assert_serves(t);
}

static void case_99_who_says_nothing_keeps_nobody_out(void **state)
{
	struct t *t = *state;
	int silent[UI_VIEW_MAX_VIEWERS], more;

	for (unsigned i = 0; i < UI_VIEW_MAX_VIEWERS; i++)
		silent[i] = view_rig_dial(&t->r);
	view_rig_viewer_init(&t->r, &t->v, CONTROL);
	UNTIL(t, t->v.controls);
	assert_true(view_rig_hung_up(&t->r, silent[0]));
	for (unsigned i = 0; i < UI_VIEW_MAX_VIEWERS; i++)
		close(silent[i]);
	/* Those who said it are not pushed aside. */
	for (unsigned i = 0; i < UI_VIEW_MAX_VIEWERS - 1; i++)
		silent[i] = view_rig_dial_hello(&t->r, 0);
	UNTIL(t, stats(t)->viewers == UI_VIEW_MAX_VIEWERS);
	more = view_rig_dial(&t->r);
	assert_true(view_rig_hung_up(&t->r, more));
	close(more);
	press(&t->v, KEY_A, 1);
	assert_event(t, 0, EV_KEY, KEY_A, 1);
	for (unsigned i = 0; i < UI_VIEW_MAX_VIEWERS - 1; i++)
		close(silent[i]);
	UNTIL(t, stats(t)->viewers == 1);
}

static void case_99_a_storm_of_sizes_is_a_few(void **state)
{
	struct t *t = *state;
	int sock = view_rig_dial_hello(&t->r, CONTROL);
	union display_msg m = { .configure = { .head.type = DISPLAY_MSG_CONFIGURE } };

	for (unsigned i = 1; i <= 10000; i++) {
		m.configure.width = m.configure.height = i;
		while (display_proto_send(sock, &m, NULL, 0) == -EAGAIN)
			loop_run_once(t->r.loop, 0);
	}
	UNTIL(t, t->r.configured.width == 10000);
	assert_true(t->r.n_configures < 10000);
	close(sock);
}

/* It has the latest of everything when it reads again, and not what was in between. */
static void case_99_a_viewer_that_does_not_read_gets_the_latest(void **state)
{
	static uint32_t image[DISPLAY_CURSOR_PIXELS];
	struct t *t = *state;
	int sock = view_rig_dial_hello(&t->r, CONTROL);
	const struct display_cursor cursor = { 64, 64, 0, 0, image };
	unsigned n = 0;

	UNTIL(t, stats(t)->viewers == 1);
	for (unsigned i = 1; i <= 3000; i++) {
		image[0] = i;
		ops(t)->cursor(card(t), 0, &cursor);
		ops(t)->cursor_move(card(t), 0, i, i);
		if (i % 100 == 0)
			view_rig_show(&t->r, i / 100 % 2, i);
		loop_run_once(t->r.loop, 0);
	}
	do {
		view_rig_hear(&t->r, sock, DISPLAY_MSG_CURSOR, &t->packet);
		n++;
	} while (t->packet.msg.cursor.pixels[0] != 3000);
	assert_true(n < 3000);
	do
		view_rig_hear(&t->r, sock, DISPLAY_MSG_CURSOR_MOVE, &t->packet);
	while (t->packet.msg.cursor_move.x != 3000);
	assert_true(stats(t)->frames <= 1);
	close(sock);
	assert_serves(t);
}

/* --- dma-bufs ------------------------------------------------------------------- */

static int give_two_planes(void *ctx, struct display_dmabuf *out)
{
	int *fds = ctx;

	*out = (struct display_dmabuf){
		.n_planes = 2, .fds = { fds[0], fds[1] }, .offsets = { 0, 64 },
		.strides = { 256, 16 }, .fourcc = DRM_FORMAT_ABGR8888, .modifier = 9,
	};
	return fds[0] < 0 ? -ENOTSUP : 0;
}

static void show_image(struct t *t, int *fds)
{
	const struct display_surface s = {
		.fourcc = DRM_FORMAT_XRGB8888, .width = 32, .height = 16,
		.pixels = { .pieces = t->r.pieces, .n_pieces = 1, .stride = 256 },
		.image = { .width = 64, .height = 32, .x = 1, .y = 2, .flipped = true,
			   .dmabuf = give_two_planes, .ctx = fds },
	};

	ops(t)->mode(card(t), 0, 32, 16);
	ops(t)->set(card(t), 0, &s);
	ops(t)->flush(card(t), 0, &(struct display_rect){ 0, 0, 32, 16 });
}

static void dma_bufs_go_to_who_can_show_them(void **state)
{
	struct t *t = *state;
	int fds[2] = { memfd_create("0", MFD_CLOEXEC), memfd_create("1", MFD_CLOEXEC) };
	int none[2] = { -1, -1 }, sock = view_rig_dial_hello(&t->r, DISPLAY_HELLO_DMABUF);
	const struct display_msg_scanout *s = &t->packet.msg.scanout;
	const union display_msg no_dmabuf = { .head.type = DISPLAY_MSG_NO_DMABUF };
	union display_msg done = { .frame_done.head.type = DISPLAY_MSG_FRAME_DONE };

	view_rig_viewer_init(&t->r, &t->v, 0);
	show_image(t, fds);
	view_rig_hear(&t->r, sock, DISPLAY_MSG_SCANOUT, &t->packet);
	assert_int_equal(s->kind, DISPLAY_SCANOUT_DMABUF);
	assert_int_equal(s->flags, DISPLAY_SCANOUT_FLIPPED);
	assert_int_equal(s->fourcc, DRM_FORMAT_ABGR8888);
	assert_int_equal(s->n_planes, 2);
	assert_int_equal(s->modifier, 9);
	assert_int_equal(s->x, 1);
	assert_int_equal(s->buffer_height, 32);
	assert_int_equal(s->strides[1], 16);
	display_packet_drop(&t->packet);
	/* The other one sees memory, which is all that is copied. */
	UNTIL(t, t->v.display.outputs[0].n_flush == 1);
	assert_int_equal(stats(t)->dmabufs, 1);
	assert_int_equal(stats(t)->memories, 1);
	view_rig_hear(&t->r, sock, DISPLAY_MSG_FLUSH, &t->packet);
	done.frame_done.serial = t->packet.msg.flush.serial;
	assert_int_equal(display_proto_send(sock, &done, NULL, 0), 0);
	assert_int_equal(display_proto_send(sock, &no_dmabuf, NULL, 0), 0);
	view_rig_hear(&t->r, sock, DISPLAY_MSG_SCANOUT, &t->packet);
	assert_int_equal(s->kind, DISPLAY_SCANOUT_MEMORY);
	assert_int_equal(s->fourcc, DRM_FORMAT_XRGB8888);
	display_packet_drop(&t->packet);
	close(sock);
	/* One that cannot be exported. */
	sock = view_rig_dial_hello(&t->r, DISPLAY_HELLO_DMABUF);
	show_image(t, none);
	view_rig_hear(&t->r, sock, DISPLAY_MSG_SCANOUT, &t->packet);
	display_packet_drop(&t->packet);
	close(sock);
	ops(t)->off(card(t), 0);
	close(fds[0]);
	close(fds[1]);
}

/* --- sources that do as they please --------------------------------------------- */

struct source {
	struct t *t;
	int sock;
};

static struct source source_begin(struct t *t, uint32_t flags)
{
	const union display_msg hello = { .hello = {
		.head.type = DISPLAY_MSG_HELLO, .magic = DISPLAY_PROTO_MAGIC,
		.version = DISPLAY_PROTO_VERSION, .n_outputs = 1,
	} };
	struct source s = { t, -1 };
	int socks[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) == 0);
	s.sock = socks[0];
	view_rig_viewer_on(t->r.loop, &t->v, socks[1], flags);
	must(display_proto_send(s.sock, &hello, NULL, 0) == 0);
	UNTIL(t, t->v.n_hellos == 1);
	return s;
}

static union display_msg memory_scanout(uint32_t width, uint32_t height)
{
	return (union display_msg){ .scanout = {
		.head.type = DISPLAY_MSG_SCANOUT, .kind = DISPLAY_SCANOUT_MEMORY,
		.fourcc = DRM_FORMAT_XRGB8888, .n_planes = 1, .width = width, .height = height,
		.buffer_width = width, .buffer_height = height, .strides = { 4 * width },
	} };
}

static void send_ok(struct source *s, const union display_msg *m, const int *fds, unsigned n)
{
	assert_int_equal(display_proto_send(s->sock, m, fds, n), 0);
}

/* The viewer hangs up, and everything it got is closed. */
static void assert_refused(struct source *s, unsigned fds)
{
	struct t *t = s->t;

	UNTIL(t, t->v.n_gone == 1);
	assert_int_equal(t->v.error, -EPROTO);
	assert_false(t->v.display.outputs[0].picture.shown);
	view_rig_viewer_finish(&t->v);
	close(s->sock);
	assert_int_equal(open_fds(), fds);
}

static const union display_msg flush_4x4 = { .flush = {
	.head.type = DISPLAY_MSG_FLUSH, .width = 4, .height = 4, .serial = 1,
} };

static void case_77_a_source_whose_memory_is_too_short_or_could_shrink(void **state)
{
	struct t *t = *state;
	unsigned fds = open_fds();
	union display_msg m = memory_scanout(64, 64);
	struct display_memory mem;
	struct source s;
	int open_memfd;

	/* One byte less than it takes. */
	assert_int_equal(display_memory_create(&mem, 16384), 0);
	s = source_begin(t, 0);
	m.scanout.offsets[0] = 1;
	send_ok(&s, &m, &mem.fd, 1);
	display_memory_close(&mem);
	assert_refused(&s, fds);
	open_memfd = memfd_create("m", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(open_memfd, 1 << 20), 0);
	s = source_begin(t, 0);
	send_ok(&s, &m, &open_memfd, 1);
	close(open_memfd);
	assert_refused(&s, fds);
}

static void case_99_a_source_keeps_to_the_order(void **state)
{
	struct t *t = *state;
	unsigned fds = open_fds();
	const union display_msg m = memory_scanout(4, 4);
	union display_msg bad = flush_4x4;
	struct display_memory mem;
	struct source s;

	/* FLUSH without a picture. */
	s = source_begin(t, 0);
	send_ok(&s, &flush_4x4, NULL, 0);
	assert_refused(&s, fds);
	/* FLUSH outside of it. */
	s = source_begin(t, 0);
	assert_int_equal(display_memory_create(&mem, 64), 0);
	send_ok(&s, &m, &mem.fd, 1);
	bad.flush.y = 1;
	send_ok(&s, &bad, NULL, 0);
	display_memory_close(&mem);
	assert_refused(&s, fds);
	/* FLUSH, and another one that does not wait. */
	s = source_begin(t, 0);
	t->v.display.paced = true;
	assert_int_equal(display_memory_create(&mem, 64), 0);
	send_ok(&s, &m, &mem.fd, 1);
	send_ok(&s, &flush_4x4, NULL, 0);
	UNTIL(t, t->v.display.due);
	send_ok(&s, &flush_4x4, NULL, 0);
	display_memory_close(&mem);
	assert_refused(&s, fds);
	/* An output that it has not. */
	s = source_begin(t, 0);
	send_ok(&s, &(union display_msg){ .head = { DISPLAY_MSG_OFF, 1 } }, NULL, 0);
	assert_refused(&s, fds);
}

static void case_72_a_source_whose_dma_bufs_are_none(void **state)
{
	struct t *t = *state;
	unsigned fds = open_fds();
	union display_msg m = memory_scanout(4, 4);
	struct display_memory mem;
	struct source s;

	m.scanout.kind = DISPLAY_SCANOUT_DMABUF;
	for (unsigned flags = 0; flags <= DISPLAY_HELLO_DMABUF; flags++) {
		s = source_begin(t, flags);
		assert_int_equal(display_memory_create(&mem, 64), 0);
		send_ok(&s, &m, &mem.fd, 1);
		display_memory_close(&mem);
		assert_refused(&s, fds);
	}
}

static void case_99_a_source_that_does_not_read_loses_motion_and_no_keys(void **state)
{
	struct t *t = *state;
	struct source s = source_begin(t, 0);
	struct input_sink tablet = display_receiver_input(t->v.receiver, INPUT_TABLET);
	struct input_state at;
	unsigned n = 0;

	input_state_init(&at, 0);
	for (int i = 0; i < 20000; i++) {
		input_send(&tablet, EV_ABS, ABS_X, i % 32768);
		input_send(&tablet, EV_KEY, BTN_LEFT, i % 2);
		input_sync(&tablet);
	}
	press(&t->v, KEY_A, 1);
	do {
		int ret = display_proto_recv(s.sock, &t->packet, DISPLAY_VIEWER);
		const struct display_msg_input *in = &t->packet.msg.input;

		assert_true(ret == 0 || ret == -EAGAIN);
		if (ret < 0)
			loop_run_once(t->r.loop, 1);
		if (ret < 0 || in->head.type != DISPLAY_MSG_INPUT)
			continue;
		n++;
		for (unsigned i = 0; i < in->n; i++)
			input_state_apply(&at, in->events[i].type, in->events[i].code,
					  in->events[i].value);
	} while (!input_state_key(&at, BTN_LEFT) || !input_state_key(&at, KEY_A) ||
		 at.abs[ABS_X] != 19999);
	assert_true(n < 20000);
	close(s.sock);
	UNTIL(t, t->v.n_gone == 1);
	assert_int_equal(t->v.error, -ECONNRESET);
}

/* More than fits into a message. */
static void a_hundred_keys_at_once_all_arrive(void **state)
{
	struct t *t = *state;
	struct input_sink keys;
	unsigned down = 0;

	view_rig_viewer_init(&t->r, &t->v, CONTROL);
	UNTIL(t, t->v.controls);
	keys = display_receiver_input(t->v.receiver, INPUT_KEYBOARD);
	for (unsigned i = 1; i <= 60; i++)
		input_send(&keys, EV_KEY, i, 1);
	input_send(&keys, EV_MSC, MSC_SCAN, 1);
	input_sync(&keys);
	UNTIL(t, t->r.n_events == 61);
	for (unsigned i = 61; i <= 130; i++)
		input_send(&keys, EV_KEY, i, 1);
	input_sync(&keys);
	UNTIL(t, t->r.n_events == 61 + 72);
	for (unsigned i = 0; i < VIEW_RIG_EVENTS; i++)
		down += t->r.events[i].type == EV_KEY && t->r.events[i].value == 1;
	assert_true(down >= VIEW_RIG_EVENTS - 3);
}

static void a_socket_in_the_file_system(void **state)
{
	struct t *t = *state;
	char dir[] = "/tmp/view-XXXXXX", path[64];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/view", dir);
	strcpy(addr.sun_path, path);
	assert_int_equal(ui_view_listen(t->r.view, path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(connect(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	view_rig_viewer_on(t->r.loop, &t->v, sock, CONTROL);
	UNTIL(t, t->v.controls);
	ui_view_destroy(t->r.view);
	t->r.view = NULL;
	UNTIL(t, t->v.n_gone == 1);
	assert_int_equal(t->v.error, -ECONNRESET);
	assert_int_equal(rmdir(dir), 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_picture_is_seen_and_then_its_changes),
		test(who_comes_late_sees_what_there_is),
		test(memory_that_is_shared_is_not_copied),
		test(case_99_memory_that_a_viewer_could_write_is_copied),
		test(a_guest_that_flips_is_told_once_of_memory),
		test(dma_bufs_go_to_who_can_show_them),
		test(the_first_controls_and_the_next_takes_over),
		test(who_only_watches_never_controls),
		test(sizes_plugs_and_close_buttons_reach_the_card),
		test(a_guest_is_paced_by_who_controls),
		test(case_99_a_viewer_that_never_shows_a_frame_holds_up_nobody),
		test(a_picture_that_goes_owes_no_frame),
		test(case_99_nonsense_ends_a_viewer_and_nothing_else),
		test(case_99_bytes_of_every_length),
		test(case_99_a_thousand_descriptors),
		test(case_99_a_thousand_viewers_come_and_go),
		test(case_99_who_says_nothing_keeps_nobody_out),
		test(case_99_a_storm_of_sizes_is_a_few),
		test(case_99_a_viewer_that_does_not_read_gets_the_latest),
		test(case_77_a_source_whose_memory_is_too_short_or_could_shrink),
		test(case_99_a_source_keeps_to_the_order),
		test(case_72_a_source_whose_dma_bufs_are_none),
		test(case_99_a_source_that_does_not_read_loses_motion_and_no_keys),
		test(a_hundred_keys_at_once_all_arrive),
		test(a_socket_in_the_file_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
