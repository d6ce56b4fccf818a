/* SPDX-License-Identifier: MIT */
#include "devices/gpu/mux.h"

/* --- who is shown --------------------------------------------------------- */

static void tell_plug(struct mux *m)
{
	const struct display_sink *s = &m->sinks[MUX_FRAMEBUFFER];

	if (s->ops)
		s->ops->plug(s->ctx, 0, m->shown == MUX_FRAMEBUFFER);
}

/* Who waits for a frame of what is not shown any more waits no longer. */
static void frame_done(struct mux *m)
{
	const struct display_sink *s = &m->sinks[m->shown];

	if (m->due && s->ops)
		s->ops->frame_done(s->ctx, 0);
	m->due = false;
}

static void show(struct mux *m, enum mux_who who)
{
	if (m->shown == who)
		return;
	/* Of a card that has switched its picture off, nobody waits. */
	if (m->shown == MUX_FRAMEBUFFER || m->has_card)
		frame_done(m);
	m->due = m->has_framebuffer = false;
	m->shown = who;
	tell_plug(m);
}

/* Each of the two knows only what it has said of sizes itself. */
static void tell_mode(struct mux *m, uint32_t width, uint32_t height)
{
	if (!m->out.ops || !m->out.ops->mode || (width == m->width && height == m->height))
		return;
	m->width = width;
	m->height = height;
	m->out.ops->mode(m->out.ctx, 0, width, height);
}

static void tell_set(struct mux *m, const struct display_surface *surface)
{
	tell_mode(m, surface->width, surface->height);
	if (m->out.ops)
		m->out.ops->set(m->out.ctx, 0, surface);
}

static void drawn(struct mux *m)
{
	m->drawn_ns = loop_now_ns();
	loop_timer_disarm(m->loop, &m->silence);
}

static void on_silence(void *arg)
{
	struct mux *m = arg;

	if (m->shown == MUX_FRAMEBUFFER)
		return;
	if (m->has_card && m->out.ops)
		m->out.ops->off(m->out.ctx, 0);
	show(m, MUX_FRAMEBUFFER);
}

void mux_insist(struct mux *m)
{
	uint64_t silent = loop_now_ns() - m->drawn_ns;

	if (m->shown == MUX_CARD && !m->silence.armed)
		loop_timer_arm(m->loop, &m->silence,
			       silent < MUX_SILENCE_NS ? MUX_SILENCE_NS - silent : 0);
}

/* --- the card ------------------------------------------------------------- */

static void card_mode(void *ctx, unsigned output, uint32_t width, uint32_t height)
{
	struct mux *m = ctx;

	/* Of output 0 it is told with the picture. */
	if (output && m->out.ops && m->out.ops->mode)
		m->out.ops->mode(m->out.ctx, output, width, height);
}

static void card_set(void *ctx, unsigned output, const struct display_surface *surface)
{
	struct mux *m = ctx;

	if (output) {
		if (m->out.ops)
			m->out.ops->set(m->out.ctx, output, surface);
		return;
	}
	m->card = *surface;
	m->has_card = true;
	drawn(m);
	show(m, MUX_CARD);
	tell_set(m, surface);
}

/* It draws again, and had been taken for dead. */
static void card_returns(struct mux *m)
{
	show(m, MUX_CARD);
	tell_set(m, &m->card);
}

static bool card_flush(void *ctx, unsigned output, const struct display_rect *damage)
{
	struct mux *m = ctx;
	bool later;

	if (output == 0) {
		drawn(m);
		if (m->shown == MUX_FRAMEBUFFER)
			card_returns(m);
	}
	later = m->out.ops && m->out.ops->flush(m->out.ctx, output, damage);
	if (output == 0)
		m->due = later;
	return later;
}

static void card_off(void *ctx, unsigned output)
{
	struct mux *m = ctx;

	if (output == 0) {
		m->has_card = false;
		loop_timer_disarm(m->loop, &m->silence);
	}
	/* What is shown in its place stays. */
	if (m->out.ops && (output || m->shown == MUX_CARD))
		m->out.ops->off(m->out.ctx, output);
	if (output == 0)
		show(m, MUX_FRAMEBUFFER);
}

static void card_cursor(void *ctx, unsigned output, const struct display_cursor *cursor)
{
	struct mux *m = ctx;

	if (m->out.ops)
		m->out.ops->cursor(m->out.ctx, output, cursor);
}

static void card_cursor_move(void *ctx, unsigned output, int32_t x, int32_t y)
{
	struct mux *m = ctx;

	if (m->out.ops)
		m->out.ops->cursor_move(m->out.ctx, output, x, y);
}

static const struct display_ops card_ops = {
	.mode = card_mode,
	.set = card_set,
	.flush = card_flush,
	.off = card_off,
	.cursor = card_cursor,
	.cursor_move = card_cursor_move,
};

/* --- the framebuffer ------------------------------------------------------ */

/* What it says of a picture that it has had before does not count. */
static bool framebuffer_shown(const struct mux *m, unsigned output)
{
	return output == 0 && m->has_framebuffer && m->out.ops;
}

static void framebuffer_set(void *ctx, unsigned output, const struct display_surface *surface)
{
	struct mux *m = ctx;

	if (output || m->shown != MUX_FRAMEBUFFER || !m->out.ops)
		return;
	tell_set(m, surface);
	m->has_framebuffer = true;
}

static bool framebuffer_flush(void *ctx, unsigned output, const struct display_rect *damage)
{
	struct mux *m = ctx;

	if (!framebuffer_shown(m, output))
		return false;
	m->due = m->out.ops->flush(m->out.ctx, 0, damage);
	return m->due;
}

static void framebuffer_off(void *ctx, unsigned output)
{
	struct mux *m = ctx;

	if (!framebuffer_shown(m, output))
		return;
	m->out.ops->off(m->out.ctx, 0);
	m->due = m->has_framebuffer = false;
}

/* A framebuffer has no pointer of its own. */
static void framebuffer_cursor(void *ctx, unsigned output, const struct display_cursor *cursor)
{
}

static void framebuffer_cursor_move(void *ctx, unsigned output, int32_t x, int32_t y)
{
}

/* Of sizes, the screen is told with the picture. */
static const struct display_ops framebuffer_ops = {
	.set = framebuffer_set,
	.flush = framebuffer_flush,
	.off = framebuffer_off,
	.cursor = framebuffer_cursor,
	.cursor_move = framebuffer_cursor_move,
};

struct display mux_display(struct mux *m, enum mux_who who)
{
	return (struct display){ who == MUX_CARD ? &card_ops : &framebuffer_ops, m };
}

/* --- the screen ----------------------------------------------------------- */

static void screen_configure(void *ctx, unsigned output, const struct display_output *what)
{
	struct mux *m = ctx;

	for (unsigned i = 0; i < 2; i++)
		if (m->sinks[i].ops && (i == MUX_CARD || output == 0))
			m->sinks[i].ops->configure(m->sinks[i].ctx, output, what);
}

static void screen_plug(void *ctx, unsigned output, bool on)
{
	struct mux *m = ctx;
	const struct display_sink *card = &m->sinks[MUX_CARD];

	if (card->ops)
		card->ops->plug(card->ctx, output, on);
}

static void screen_frame_done(void *ctx, unsigned output)
{
	struct mux *m = ctx;
	const struct display_sink *card = &m->sinks[MUX_CARD];

	if (output == 0)
		frame_done(m);
	else if (card->ops)
		card->ops->frame_done(card->ctx, output);
}

static const struct display_sink_ops screen_ops = {
	.configure = screen_configure,
	.plug = screen_plug,
	.frame_done = screen_frame_done,
};

struct display_sink mux_sink(struct mux *m)
{
	return (struct display_sink){ &screen_ops, m };
}

/* --- life ----------------------------------------------------------------- */

void mux_init(struct mux *m, struct loop *loop)
{
	*m = (struct mux){ .shown = MUX_FRAMEBUFFER, .loop = loop };
	m->silence = (struct loop_timer){ .cb = on_silence, .arg = m };
}

void mux_finish(struct mux *m)
{
	loop_timer_disarm(m->loop, &m->silence);
}

void mux_set_sink(struct mux *m, enum mux_who who, const struct display_sink *sink)
{
	m->sinks[who] = sink ? *sink : (struct display_sink){ 0 };
	if (who == MUX_FRAMEBUFFER && m->shown != who)
		tell_plug(m);
}

void mux_set_display(struct mux *m, const struct display *display)
{
	frame_done(m);
	m->out = display ? *display : (struct display){ 0 };
	m->width = m->height = 0;
	m->has_framebuffer = false;
	if (m->shown != MUX_FRAMEBUFFER || !m->sinks[MUX_FRAMEBUFFER].ops)
		return;
	/* Away and back: it begins with a set(). */
	m->sinks[MUX_FRAMEBUFFER].ops->plug(m->sinks[MUX_FRAMEBUFFER].ctx, 0, false);
	tell_plug(m);
}
