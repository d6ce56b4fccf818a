/* SPDX-License-Identifier: MIT */
/*
 * A framebuffer of a VMM on a screen: the link, what it is connected to in microvm-gpu,
 * and the graphics card with which that shares the screen.
 */
#include <errno.h>
#include <fcntl.h>
#include <libdrm/drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/display_link.h"
#include "devices/backend/handover.h"
#include "devices/gpu/framebuffer.h"
#include "devices/ui/display_proto.h"
#include "tests/capture.h"
#include "tests/fake_display.h"
#include "tests/link_source.h"
#include "tests/until.h"
#include "vmm/util.h"

#define WIDTH 64
#define HEIGHT 48
#define LEN (4ull * WIDTH * HEIGHT)
#define RED 0xff0000

struct t {
	struct loop *loop;
	/* the VMM's */
	struct display_link *link;
	struct link_source from;
	struct display device;
	int memfd;
	uint32_t *pixels;
	struct iovec piece;
	unsigned n_plug, n_configure, n_frame_done;
	bool plugged;
	/* microvm-gpu's */
	struct framebuffer *framebuffer;
	struct mux mux;
	struct fake_display screen;
	unsigned n_left, card_frames;
	struct capture cap;
};

/* --- the device ----------------------------------------------------------- */

static void plug(void *ctx, unsigned output, bool on)
{
	struct t *t = ctx;

	t->n_plug++;
	t->plugged = on;
}

static void configure(void *ctx, unsigned output, const struct display_output *what)
{
	struct t *t = ctx;

	t->n_configure += what->width == 1024;
}

static void frame_done(void *ctx, unsigned output)
{
	((struct t *)ctx)->n_frame_done++;
}

static const struct display_sink_ops device_sink = { configure, plug, frame_done };

static void set(struct t *t, uint32_t width)
{
	const struct display_surface s = {
		.fourcc = DRM_FORMAT_XRGB8888, .width = width, .height = HEIGHT,
		.pixels = {
			.pieces = &t->piece, .n_pieces = 1, .stride = 4 * WIDTH,
			.shared = true, .fd = t->memfd,
		},
	};

	t->device.ops->mode(t->device.ctx, 0, width, HEIGHT);
	t->device.ops->set(t->device.ctx, 0, &s);
}

static void draw(struct t *t, uint32_t x, uint32_t y, uint32_t colour)
{
	const struct display_rect r = { x, y, 1, 1 };

	t->pixels[y * WIDTH + x] = colour;
	assert_false(t->device.ops->flush(t->device.ctx, 0, &r));
}

/* --- the other side ------------------------------------------------------- */

static void left(void *ctx)
{
	((struct t *)ctx)->n_left++;
}

static void card_frame_done(void *ctx, unsigned output)
{
	((struct t *)ctx)->card_frames++;
}

static const struct display_sink_ops card_sink = { configure, plug, card_frame_done };

static const struct fake_output *shown(const struct t *t)
{
	return &t->screen.outputs[0];
}

static uint32_t pixel(const struct t *t, uint32_t x, uint32_t y)
{
	return fake_display_pixel(&t->screen, 0, x, y);
}

static void serve(struct t *t)
{
	const struct display screen = fake_display(&t->screen);

	mux_init(&t->mux, t->loop);
	mux_set_display(&t->mux, &screen);
	assert_int_equal(framebuffer_create(&t->framebuffer, t->loop,
					    link_source_listen(&t->from), &t->mux, left, t), 0);
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	struct display_link_params params = { .sink = { &device_sink, t } };

	link_source_init(&t->from);
	t->plugged = true;
	assert_int_equal(loop_create(&t->loop), 0);
	t->memfd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(t->memfd, LEN), 0);
	assert_int_equal(fcntl(t->memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	t->pixels = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, t->memfd, 0);
	t->piece = (struct iovec){ t->pixels, LEN };
	params.loop = t->loop;
	params.source = &t->from.source;
	assert_int_equal(display_link_create(&t->link, &params), 0);
	t->device = display_link_display(t->link);
	capture_begin(&t->cap, STDERR_FILENO);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	display_link_destroy(t->link);
	framebuffer_destroy(t->framebuffer);
	if (t->mux.loop)
		mux_finish(&t->mux);
	free(capture_end(&t->cap));
	link_source_finish(&t->from);
	munmap(t->pixels, LEN);
	close(t->memfd);
	loop_destroy(t->loop);
	free(t);
	return 0;
}

/* --- pictures ------------------------------------------------------------- */

static void pictures_of_a_framebuffer_are_shown(void **state)
{
	struct t *t = *state;

	serve(t);
	t->pixels[5] = RED;
	set(t, WIDTH);
	UNTIL_IN(t->loop, shown(t)->picture.shown && shown(t)->n_flush);
	assert_int_equal(shown(t)->mode_width, WIDTH);
	assert_int_equal(pixel(t, 5, 0), RED);
	draw(t, 7, 9, RED);
	UNTIL_IN(t->loop, shown(t)->n_flush > 1);
	assert_int_equal(pixel(t, 7, 9), RED);
	assert_int_equal(shown(t)->damage.x, 7);
	assert_int_equal(shown(t)->damage.y, 9);
	set(t, WIDTH / 2);
	UNTIL_IN(t->loop, shown(t)->mode_width == WIDTH / 2);
	t->device.ops->off(t->device.ctx, 0);
	UNTIL_IN(t->loop, shown(t)->n_off);
	assert_int_equal(t->from.n_dial, 1);
	assert_int_equal(t->n_frame_done, 0);
}

static void a_slow_screen_gets_changes_together(void **state)
{
	struct t *t = *state;

	serve(t);
	t->screen.paced = true;
	set(t, WIDTH);
	UNTIL_IN(t->loop, shown(t)->n_flush == 1);
	for (unsigned i = 1; i < 10; i++)
		draw(t, 2 * i, 3 * i, RED);
	loop_run_once(t->loop, 10);
	assert_int_equal(shown(t)->n_flush, 1);
	fake_display_frame(&t->screen, 0, mux_sink(&t->mux));
	UNTIL_IN(t->loop, shown(t)->n_flush == 2);
	assert_int_equal(shown(t)->damage.x, 2);
	assert_int_equal(shown(t)->damage.width, 17);
	assert_int_equal(shown(t)->damage.height, 25);
	assert_int_equal(pixel(t, 18, 27), RED);
}

/* --- who is shown --------------------------------------------------------- */

static void card_draws(struct t *t, uint32_t *colour)
{
	static struct iovec piece;
	const struct display card = mux_display(&t->mux, MUX_CARD);
	const struct display_rect all = { 0, 0, 1, 1 };
	struct display_surface s = {
		.fourcc = DRM_FORMAT_XRGB8888, .width = 1, .height = 1,
		.pixels = { .pieces = &piece, .n_pieces = 1, .stride = 4 },
	};

	piece = (struct iovec){ colour, 4 };
	card.ops->mode(card.ctx, 0, 1, 1);
	card.ops->set(card.ctx, 0, &s);
	card.ops->flush(card.ctx, 0, &all);
}

static void card_stops(struct t *t)
{
	const struct display card = mux_display(&t->mux, MUX_CARD);

	card.ops->off(card.ctx, 0);
}

static void case_89_a_framebuffer_does_not_disturb_a_driver(void **state)
{
	const struct display_sink sink = { &card_sink, *state };
	struct t *t = *state;
	uint32_t blue = 0xff;
	unsigned n;

	serve(t);
	mux_set_sink(&t->mux, MUX_CARD, &sink);
	set(t, WIDTH);
	UNTIL_IN(t->loop, shown(t)->n_flush == 1);
	card_draws(t, &blue);
	assert_int_equal(shown(t)->mode_width, 1);
	UNTIL_IN(t->loop, t->n_plug && !t->plugged);
	n = shown(t)->n_set;
	/* It draws all the same. */
	draw(t, 1, 1, RED);
	set(t, WIDTH / 2);
	draw(t, 1, 2, RED);
	for (unsigned i = 0; i < 5; i++)
		loop_run_once(t->loop, 5);
	assert_int_equal(shown(t)->n_set, n);
	assert_int_equal(shown(t)->n_off, 0);
	assert_int_equal(pixel(t, 0, 0), 0xff);
	/* And begins anew when the driver has gone. */
	card_stops(t);
	assert_false(shown(t)->picture.shown);
	UNTIL_IN(t->loop, t->plugged);
	set(t, WIDTH);
	UNTIL_IN(t->loop, shown(t)->picture.shown);
	assert_int_equal(pixel(t, 1, 2), RED);
}

static void a_frame_that_is_due_does_not_hold_up_who_comes_back(void **state)
{
	struct t *t = *state;
	uint32_t blue = 0xff;

	serve(t);
	t->screen.paced = true;
	set(t, WIDTH);
	UNTIL_IN(t->loop, shown(t)->n_flush == 1);
	/* Its flush has not been answered. */
	card_draws(t, &blue);
	UNTIL_IN(t->loop, t->n_plug && !t->plugged);
	card_stops(t);
	UNTIL_IN(t->loop, t->plugged);
	set(t, WIDTH / 2);
	UNTIL_IN(t->loop, shown(t)->mode_width == WIDTH / 2);
}

static void both_hear_of_the_monitor_and_each_of_its_frames(void **state)
{
	const struct display_sink sink = { &card_sink, *state };
	const struct display_output what = { .width = 1024, .height = 768 };
	struct t *t = *state;
	struct display_sink screen;
	uint32_t blue = 0xff;

	serve(t);
	screen = mux_sink(&t->mux);
	mux_set_sink(&t->mux, MUX_CARD, &sink);
	t->screen.paced = true;
	set(t, WIDTH);
	UNTIL_IN(t->loop, shown(t)->n_flush == 1);
	screen.ops->configure(screen.ctx, 0, &what);
	UNTIL_IN(t->loop, t->n_configure == 2);
	fake_display_frame(&t->screen, 0, screen);
	assert_int_equal(t->card_frames, 0);
	card_draws(t, &blue);
	fake_display_frame(&t->screen, 0, screen);
	assert_int_equal(t->card_frames, 1);
}

static void a_framebuffer_that_comes_while_a_driver_draws_waits(void **state)
{
	struct t *t = *state;
	uint32_t blue = 0xff;

	serve(t);
	card_draws(t, &blue);
	set(t, WIDTH);
	UNTIL_IN(t->loop, t->n_plug && !t->plugged);
	assert_int_equal(pixel(t, 0, 0), 0xff);
	assert_int_equal(shown(t)->mode_width, 1);
}

static void a_framebuffer_that_insists_takes_over_from_a_driver_that_is_silent(void **state)
{
	const struct display_rect all = { 0, 0, 1, 1 };
	struct t *t = *state;
	struct display again;
	uint32_t blue = 0xff;
	unsigned n;

	serve(t);
	set(t, WIDTH);
	UNTIL_IN(t->loop, shown(t)->n_flush == 1);
	/* It has its screen. */
	display_link_insist(t->link);
	card_draws(t, &blue);
	UNTIL_IN(t->loop, !t->plugged);
	n = t->n_plug;
	for (unsigned i = 0; i < 5; i++)
		loop_run_once(t->loop, 5);
	assert_int_equal(pixel(t, 0, 0), 0xff);
	display_link_insist(t->link);
	UNTIL_IN(t->loop, t->plugged);
	assert_int_equal(t->n_plug, n + 1);
	assert_true(loop_now_ns() - t->mux.drawn_ns >= MUX_SILENCE_NS);
	t->pixels[0] = RED;
	set(t, WIDTH);
	UNTIL_IN(t->loop, shown(t)->picture.shown && pixel(t, 0, 0) == RED);
	/* The driver was not dead. */
	again = mux_display(&t->mux, MUX_CARD);
	again.ops->flush(again.ctx, 0, &all);
	assert_int_equal(shown(t)->mode_width, 1);
	assert_int_equal(pixel(t, 0, 0), 0xff);
	UNTIL_IN(t->loop, !t->plugged);
	/* Insists in vain: it draws meanwhile. */
	n = t->n_plug;
	display_link_insist(t->link);
	UNTIL_IN(t->loop, t->mux.silence.armed);
	again.ops->flush(again.ctx, 0, &all);
	assert_false(t->mux.silence.armed);
	assert_int_equal(t->n_plug, n);
	/* And goes while it insists. */
	display_link_insist(t->link);
	UNTIL_IN(t->loop, t->mux.silence.armed);
	card_stops(t);
	assert_false(t->mux.silence.armed);
	UNTIL_IN(t->loop, t->plugged);
}

/* --- connections ---------------------------------------------------------- */

static void a_screen_that_has_died_is_followed_by_another(void **state)
{
	struct t *t = *state;

	serve(t);
	t->pixels[0] = RED;
	set(t, WIDTH);
	UNTIL_IN(t->loop, shown(t)->n_flush == 1);
	framebuffer_destroy(t->framebuffer);
	close(t->from.port);
	UNTIL_IN(t->loop, t->from.n_hung_up == 1);
	assert_false(shown(t)->picture.shown);
	serve(t);
	UNTIL_IN(t->loop, shown(t)->picture.shown && shown(t)->n_flush == 2);
	assert_int_equal(pixel(t, 0, 0), RED);
	assert_int_equal(t->from.n_dial, 2);
}

static void who_cannot_be_had_is_asked_again(void **state)
{
	struct t *t = *state;

	set(t, WIDTH);
	set(t, WIDTH);
	draw(t, 0, 0, RED);
	assert_int_equal(t->from.n_dial, 1);
	serve(t);
	UNTIL_IN(t->loop, shown(t)->picture.shown);
	assert_int_equal(t->from.n_dial, 2);
}

static void nothing_to_show_needs_no_screen(void **state)
{
	struct t *t = *state;

	t->device.ops->off(t->device.ctx, 0);
	loop_run_once(t->loop, 0);
	assert_int_equal(t->from.n_dial, 0);
}

static void the_end_of_the_port_is_told(void **state)
{
	struct t *t = *state;

	serve(t);
	close(t->from.port);
	t->from.port = -1;
	UNTIL_IN(t->loop, t->n_left == 1);
}

/* Reads a message as the viewer. */
static uint32_t hear(struct t *t)
{
	struct display_packet p;
	uint32_t type;

	UNTIL_IN(t->loop, display_proto_recv(t->from.peer, &p, DISPLAY_SOURCE) == 0);
	type = p.msg.head.type;
	display_packet_drop(&p);
	return type;
}

static void say(struct t *t, union display_msg *m, uint32_t type)
{
	m->head.type = type;
	assert_int_equal(display_proto_send(t->from.peer, m, NULL, 0), 0);
}

static void hello(struct t *t)
{
	union display_msg m = {
		.hello = { .magic = DISPLAY_PROTO_MAGIC, .version = DISPLAY_PROTO_VERSION },
	};

	t->from.by_hand = true;
	set(t, WIDTH);
	assert_int_equal(hear(t), DISPLAY_MSG_HELLO);
	say(t, &m, DISPLAY_MSG_HELLO);
	assert_int_equal(hear(t), DISPLAY_MSG_CONTROL);
}

static void what_is_said_keeps_to_the_protocol(void **state)
{
	union display_msg m = { .frame_done = { .serial = 99 } };
	struct t *t = *state;

	hello(t);
	assert_int_equal(hear(t), DISPLAY_MSG_OUTPUT);
	assert_int_equal(hear(t), DISPLAY_MSG_SCANOUT);
	assert_int_equal(hear(t), DISPLAY_MSG_FLUSH);
	/* Another picture waits for the FRAME_DONE; that of another FLUSH is none. */
	set(t, WIDTH);
	say(t, &m, DISPLAY_MSG_FRAME_DONE);
	loop_run_once(t->loop, 10);
	assert_int_equal(recv(t->from.peer, &m, sizeof(m), MSG_DONTWAIT), -1);
	/* The end of it does not. */
	t->device.ops->off(t->device.ctx, 0);
	assert_int_equal(hear(t), DISPLAY_MSG_OFF);
	m = (union display_msg){ .frame_done = { .serial = 1 } };
	set(t, WIDTH);
	say(t, &m, DISPLAY_MSG_FRAME_DONE);
	assert_int_equal(hear(t), DISPLAY_MSG_SCANOUT);
}

static void nonsense_ends_the_connection(void **state)
{
	union display_msg m = { .plug = { .head.output = 1, .on = 1 } };
	struct t *t = *state;

	hello(t);
	say(t, &m, DISPLAY_MSG_PLUG);
	UNTIL_IN(t->loop, t->from.n_hung_up == 1);
}

static void a_viewer_that_says_hello_twice_is_left(void **state)
{
	union display_msg m = {
		.hello = { .magic = DISPLAY_PROTO_MAGIC, .version = DISPLAY_PROTO_VERSION },
	};
	struct t *t = *state;

	hello(t);
	say(t, &m, DISPLAY_MSG_HELLO);
	UNTIL_IN(t->loop, t->from.n_hung_up == 1);
}

static void two_outputs_are_no_framebuffer(void **state)
{
	union display_msg m = {
		.hello = { .magic = DISPLAY_PROTO_MAGIC, .version = DISPLAY_PROTO_VERSION,
			   .n_outputs = 2 },
	};
	struct t *t = *state;
	int pair[2];

	serve(t);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(handover_send(t->from.port, pair[1]), 0);
	close(pair[1]);
	t->from.peer = pair[0];
	say(t, &m, DISPLAY_MSG_HELLO);
	UNTIL_IN(t->loop, recv(t->from.peer, &m, sizeof(m), MSG_DONTWAIT) == 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pictures_of_a_framebuffer_are_shown),
		T(a_slow_screen_gets_changes_together),
		T(case_89_a_framebuffer_does_not_disturb_a_driver),
		T(a_frame_that_is_due_does_not_hold_up_who_comes_back),
		T(both_hear_of_the_monitor_and_each_of_its_frames),
		T(a_framebuffer_that_insists_takes_over_from_a_driver_that_is_silent),
		T(a_framebuffer_that_comes_while_a_driver_draws_waits),
		T(a_screen_that_has_died_is_followed_by_another),
		T(who_cannot_be_had_is_asked_again),
		T(nothing_to_show_needs_no_screen),
		T(the_end_of_the_port_is_told),
		T(what_is_said_keeps_to_the_protocol),
		T(nonsense_ends_the_connection),
		T(a_viewer_that_says_hello_twice_is_left),
		T(two_outputs_are_no_framebuffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
