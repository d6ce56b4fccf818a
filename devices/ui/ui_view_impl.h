/* SPDX-License-Identifier: MIT */
/* What the files of ui_view share: the view, and a viewer each. */
#ifndef MICROVM_UI_VIEW_IMPL_H
#define MICROVM_UI_VIEW_IMPL_H

#include "devices/backend/unixsock.h"
#include "devices/ui/display_proto.h"
#include "devices/ui/display_stage.h"
#include "devices/ui/ui_view.h"
#include "vmm/log.h"

/* What a viewer has not been told yet of an output. */
#define VIEW_OUTPUT 1u
#define VIEW_PICTURE 2u		/* another one, or none */
#define VIEW_CURSOR 4u
#define VIEW_CURSOR_MOVE 8u
#define VIEW_ALL 15u

struct view_peer_output {
	unsigned news;			/* VIEW_... */
	struct display_rect damage;	/* empty: none */
	bool shown;			/* it has a picture, of ... */
	uint32_t kind, fourcc, width, height;
	uint64_t memory_id;		/* of that picture; 0: to be told again */
	bool in_flight;			/* a FLUSH without its FRAME_DONE */
	uint32_t serial;		/* of that one */
};

struct view_peer {
	struct ui_view *view;
	struct loop_fd sock;
	bool hello;			/* the viewer has said it */
	bool dmabuf;			/* it can show them */
	bool wants_control;
	bool tell_control, tell_closing, tell_leds;
	bool blocked;			/* it does not read: wait for EPOLLOUT */
	bool broken;			/* its socket's event will end it */
	struct view_peer_output outputs[DISPLAY_MAX_OUTPUTS];
};

struct ui_view {
	struct loop *loop;
	struct ui_view_params params;
	char name[DISPLAY_HELLO_NAME];
	struct display_sink sink;
	struct ui_view_stats stats;
	struct display_stage stage;
	struct display_packet packet;	/* of whoever is heard right now */
	struct loop_work tell;		/* viewers what is new */

	struct view_peer *peers[UI_VIEW_MAX_VIEWERS];	/* the oldest first */
	unsigned n_peers;
	struct unixsock sock;
	struct loop_fd listener;
	struct loop_timer retry;	/* armed while we cannot accept */
	struct log_rate rate;

	uint64_t period_ns;		/* 0: no pace */
	uint64_t next_ns;		/* the frame after the last one, without viewers */
	uint32_t due;			/* outputs that owe a frame_done() */
	struct loop_timer frame;	/* armed while due: nobody is waited for longer */

	struct view_peer *controller;	/* NULL: nobody */
	bool late;			/* it owed a frame for too long, and still does */
	struct input_state held[INPUT_HOST];
	bool leds[LED_CNT];
	struct loop_timer changed;	/* armed while a change of monitors waits for the next */
	uint32_t configured, plugged;	/* outputs with such a change */
	struct display_output configure[DISPLAY_MAX_OUTPUTS];
	bool plug[DISPLAY_MAX_OUTPUTS];
};

/* --- ui_view_peer.c: what goes to a viewer -------------------------------------- */

/* 0 or negative errno; takes @fd. */
int view_peer_create(struct view_peer **out, struct ui_view *view, int fd);
void view_peer_destroy(struct view_peer *p);
void view_peer_hello(struct view_peer *p);
/* All that it has not been told, as far as it reads. */
void view_peer_tell(struct view_peer *p);
/* EPOLLOUT: it reads again. */
void view_peer_unblock(struct view_peer *p);

/* --- ui_view_seat.c: what comes from one ---------------------------------------- */

void view_seat_init(struct ui_view *view);
void view_seat_finish(struct ui_view *view);
/* Of the message in view->packet: 0, or -EPROTO. */
int view_seat_message(struct view_peer *p);
/* It goes: what it held is let go of, somebody else may control. */
void view_seat_left(struct view_peer *p);

/* --- ui_view.c ------------------------------------------------------------------ */

/* Whatever is new to viewers is told soon. */
void view_news(struct ui_view *view);
/* @what is new of @output, to all of them. */
void view_output_news(struct ui_view *view, unsigned output, unsigned what);
/* All that was flushed of @output is to be seen, or nobody is waited for. */
void view_frame_done(struct ui_view *view, unsigned output);
/* Who controls has changed: somebody else is waited for. */
void view_pace_anew(struct ui_view *view);

#endif
