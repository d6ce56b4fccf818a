/* SPDX-License-Identifier: MIT */
#include "devices/ui/ui_null.h"

#include <errno.h>
#include <stdlib.h>

struct ui_null {
	struct loop *loop;
	struct display_sink sink;
	uint64_t period_ns;		/* 0: no pace */
	uint64_t next_ns;		/* the frame after the last one */
	struct loop_timer timer;	/* armed while a frame is due */
	uint32_t due;			/* outputs */
	struct picture pictures[DISPLAY_MAX_OUTPUTS];
};

static void ui_null_set(void *ctx, unsigned output, const struct display_surface *surface)
{
	struct ui_null *ui = ctx;

	picture_set(&ui->pictures[output], surface);
}

/* Frames are multiples of a period apart, as a monitor's are, however late one comes. */
static uint64_t ui_null_until_frame(struct ui_null *ui)
{
	uint64_t now = loop_now_ns();

	if (now >= ui->next_ns)
		ui->next_ns += ((now - ui->next_ns) / ui->period_ns + 1) * ui->period_ns;
	return ui->next_ns - now;
}

static bool ui_null_flush(void *ctx, unsigned output, const struct display_rect *damage)
{
	struct ui_null *ui = ctx;

	picture_flush(&ui->pictures[output]);
	if (!ui->period_ns || !ui->sink.ops)
		return false;
	if (!ui->due)
		loop_timer_arm(ui->loop, &ui->timer, ui_null_until_frame(ui));
	ui->due |= 1u << output;
	return true;
}

static void ui_null_frame(void *arg)
{
	struct ui_null *ui = arg;
	uint32_t due = ui->due;

	ui->due = 0;
	for (unsigned i = 0; i < DISPLAY_MAX_OUTPUTS; i++)
		if (due & 1u << i)
			ui->sink.ops->frame_done(ui->sink.ctx, i);
}

static void ui_null_off(void *ctx, unsigned output)
{
	struct ui_null *ui = ctx;

	picture_off(&ui->pictures[output]);
	ui->due &= ~(1u << output);
	if (!ui->due)
		loop_timer_disarm(ui->loop, &ui->timer);
}

static void ui_null_cursor(void *ctx, unsigned output, const struct display_cursor *cursor)
{
	struct ui_null *ui = ctx;

	picture_cursor(&ui->pictures[output], cursor);
}

static void ui_null_cursor_move(void *ctx, unsigned output, int32_t x, int32_t y)
{
	struct ui_null *ui = ctx;

	picture_cursor_move(&ui->pictures[output], x, y);
}

static const struct display_ops ui_null_ops = {
	.set = ui_null_set,
	.flush = ui_null_flush,
	.off = ui_null_off,
	.cursor = ui_null_cursor,
	.cursor_move = ui_null_cursor_move,
};

int ui_null_create(struct ui_null **out, struct loop *loop, uint32_t refresh_mhz)
{
	struct ui_null *ui = calloc(1, sizeof(*ui));

	if (!ui)
		return -ENOMEM;
	ui->loop = loop;
	ui->period_ns = refresh_mhz ? 1000000000000ull / refresh_mhz : 0;
	ui->timer = (struct loop_timer){ .cb = ui_null_frame, .arg = ui };
	*out = ui;
	return 0;
}

void ui_null_destroy(struct ui_null *ui)
{
	if (!ui)
		return;
	loop_timer_disarm(ui->loop, &ui->timer);
	free(ui);
}

struct display ui_null_display(struct ui_null *ui)
{
	return (struct display){ &ui_null_ops, ui };
}

void ui_null_set_sink(struct ui_null *ui, struct display_sink sink)
{
	ui->sink = sink;
}

const struct picture *ui_null_picture(const struct ui_null *ui, unsigned output)
{
	return &ui->pictures[output];
}
