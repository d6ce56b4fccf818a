/* SPDX-License-Identifier: MIT */
/*
 * A card without a card, a view of it (devices/ui/ui_view.h), and viewers: ours,
 * on a fake display, and bare sockets for those that do as they please. One loop.
 */
#ifndef MICROVM_TESTS_VIEW_RIG_H
#define MICROVM_TESTS_VIEW_RIG_H

#include "devices/ui/display_proto.h"
#include "devices/ui/display_receiver.h"
#include "devices/ui/ui_view.h"
#include "tests/fake_display.h"

#define VIEW_RIG_OUTPUTS 2
#define VIEW_RIG_WIDTH 64
#define VIEW_RIG_HEIGHT 32
#define VIEW_RIG_EVENTS 64

struct view_rig_event {
	enum input_kind kind;
	uint16_t type, code;
	int32_t value;
};

/* One that keeps to the protocol. */
struct view_rig_viewer {
	struct display_receiver *receiver;
	struct fake_display display;
	uint32_t flags;			/* of its hello */
	struct display_msg_hello hello;	/* the source's */
	unsigned n_hellos, n_gone, n_closing;
	int error;			/* that it ended with */
	bool controls;
	uint32_t unplugged;
	bool leds[LED_CNT];
};

struct view_rig {
	struct loop *loop;
	struct ui_view *view;
	struct display display;		/* the view's */
	/* what the card was told */
	unsigned frames[DISPLAY_MAX_OUTPUTS], n_configures, n_plugs, n_closes;
	struct display_output configured;
	struct view_rig_event events[VIEW_RIG_EVENTS];
	unsigned n_events;		/* may be more */
	/* what it shows */
	uint32_t pixels[2][VIEW_RIG_WIDTH * VIEW_RIG_HEIGHT];
	struct iovec pieces[2];
};

#define VIEW_RIG_UNTIL(r, cond) UNTIL_IN((r)->loop, cond)

void view_rig_init(struct view_rig *r);
void view_rig_finish(struct view_rig *r);
/* Buffer @n, all of a colour, is what output 0 shows from now on. */
void view_rig_show(struct view_rig *r, unsigned n, uint32_t colour);
/* Writes a colour to a rectangle of buffer @n and flushes it. */
void view_rig_draw(struct view_rig *r, unsigned n, struct display_rect where, uint32_t colour);

/* A socket of which the view has the other end. */
int view_rig_dial(struct view_rig *r);
/* And which has said hello. */
int view_rig_dial_hello(struct view_rig *r, uint32_t flags);
/* Waits for a message of @type from the view at the bare socket, and leaves out others. */
void view_rig_hear(struct view_rig *r, int sock, enum display_msg_type type,
		   struct display_packet *p);
/* Whether the view has hung up; takes whatever came before. */
bool view_rig_hung_up(struct view_rig *r, int sock);

void view_rig_viewer_init(struct view_rig *r, struct view_rig_viewer *v, uint32_t flags);
/* On a socket to any source. */
void view_rig_viewer_on(struct loop *loop, struct view_rig_viewer *v, int sock, uint32_t flags);
void view_rig_viewer_finish(struct view_rig_viewer *v);

#endif
