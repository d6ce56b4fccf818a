/* SPDX-License-Identifier: MIT */
/*
 * The display protocol, version 1: pictures of a guest's outputs one way, what
 * is done in front of them the other, between two processes of one machine.
 *
 *     source: has pictures                         viewer: shows them
 *     a microvm-gpu without windows                microvm-view, or yours
 *     a VMM with a VGA card or a framebuffer       microvm-gpu with its window
 *     a VMM with a keyboard, no pictures           microvm-gpu with its window
 *
 * This header is all that another viewer or source needs. Ours are
 * ui_view.h and display_receiver.h, which are made of the functions at the end
 * of it.
 *
 * Transport: a UNIX socket of type SOCK_SEQPACKET, a message a packet, of
 * exactly the length that its type says; file descriptors with SCM_RIGHTS, in the
 * packet of the message that they belong to. Integers are of the machine's byte
 * order, structs have no padding, fields and bits that are not named are 0.
 * A process that receives what is not as it is written here closes the socket
 * (and every descriptor that came). So does one that has had enough; nothing
 * is said at an end.
 *
 * Beginning: the source sends HELLO, the viewer answers HELLO, and neither
 * sends anything else before. Both must be of the same version. Then the source
 * tells of every output's monitor (OUTPUT), picture (SCANOUT) and pointer
 * (CURSOR, CURSOR_MOVE) there is, and of CONTROL, and from then on of changes.
 *
 * Several viewers may watch one source. One of them controls: its INPUT,
 * CONFIGURE, PLUG and CLOSE count, and guests are paced by its FRAME_DONE; those
 * of others are heard and ignored.
 *
 *  from    message       says
 *  both    HELLO         who we are
 *  source  OUTPUT        a monitor was plugged in or out; the guest's mode on it
 *  source  SCANOUT       from now on this is the output's picture
 *  source  FLUSH         a rectangle of it has changed
 *  source  OFF           the output has no picture any more
 *  source  CURSOR        the pointer's image; none hides it
 *  source  CURSOR_MOVE   where it is
 *  source  CONTROL       this viewer controls, or not any more
 *  source  CLOSE         a viewer's CLOSE was heard, the guest is asked to shut down
 *  both    INPUT         from a viewer: keys, motion, touches; from a source: LEDs
 *  viewer  FRAME_DONE    what was flushed is on the screen
 *  viewer  CONFIGURE     a monitor changed, a window was resized
 *  viewer  PLUG          a monitor was plugged in or out
 *  viewer  CLOSE         a window's close button
 *  viewer  CONTROL       would like to control, or not any more
 *  viewer  NO_DMABUF     cannot show dma-bufs: memory from now on
 *
 * Pictures are shared, not sent. A viewer reads pixels from SCANOUT to the
 * next SCANOUT or OFF of the output; after a FLUSH it reads what it needs, draws,
 * and says FRAME_DONE when that is to be seen. After a FLUSH a source sends neither
 * FLUSH nor SCANOUT for the output before the FRAME_DONE with the FLUSH's
 * serial: changes are put together meanwhile, and a viewer that is slow gets
 * fewer frames, not a queue of them. OFF may come at any time, and FRAME_DONE
 * of what was off by then is sent all the same. A SCANOUT is followed by a FLUSH: of
 * all of it, unless it has the size and format of the one before, for guests that
 * flip between buffers; then what FLUSHes leave out looks as it did. The guest may
 * draw at any time; what is looked at between FLUSH and FRAME_DONE is best left
 * alone by it, no more than that is promised.
 */
#ifndef MICROVM_DISPLAY_PROTO_H
#define MICROVM_DISPLAY_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/ui/display.h"

#define DISPLAY_PROTO_MAGIC 0x4956564d	/* "MVVI" in memory */
#define DISPLAY_PROTO_VERSION 1
#define DISPLAY_PROTO_MAX_FDS DISPLAY_MAX_PLANES
#define DISPLAY_PROTO_MAX_EVENTS 64

enum display_msg_type {
	DISPLAY_MSG_HELLO = 1,
	DISPLAY_MSG_OUTPUT,
	DISPLAY_MSG_SCANOUT,
	DISPLAY_MSG_FLUSH,
	DISPLAY_MSG_OFF,
	DISPLAY_MSG_CURSOR,
	DISPLAY_MSG_CURSOR_MOVE,
	DISPLAY_MSG_CONTROL,
	DISPLAY_MSG_INPUT,
	DISPLAY_MSG_FRAME_DONE,
	DISPLAY_MSG_CONFIGURE,
	DISPLAY_MSG_PLUG,
	DISPLAY_MSG_CLOSE,
	DISPLAY_MSG_NO_DMABUF,
	DISPLAY_MSG_TYPES
};

/* What every message begins with. */
struct display_msg_head {
	uint32_t type;		/* enum display_msg_type */
	uint32_t output;	/* from 0; 0 where a message is about none */
};

/* CLOSE (its output is the window's) and NO_DMABUF have nothing more. So has OFF. */

/*
 * Of HELLO. A viewer can show DISPLAY_SCANOUT_DMABUF, a source may have such to show to
 * who can; a viewer would like to control.
 */
#define DISPLAY_HELLO_DMABUF 1u
#define DISPLAY_HELLO_CONTROL 2u
#define DISPLAY_HELLO_NAME 64

struct display_msg_hello {
	struct display_msg_head head;
	uint32_t magic;		/* DISPLAY_PROTO_MAGIC */
	uint32_t version;	/* DISPLAY_PROTO_VERSION */
	uint32_t flags;		/* DISPLAY_HELLO_... */
	uint32_t n_outputs;	/* a source's: 1 ... DISPLAY_MAX_OUTPUTS; a viewer's: 0 */
	/*
	 * A source's: bit n says that the guest has a device that takes INPUT of kind
	 * n; a viewer's: 0.
	 */
	uint32_t inputs;
	/* A source's: how large output 0's picture is, for a first window; 0: not known. */
	uint32_t width, height;
	char name[DISPLAY_HELLO_NAME];	/* a source's: the guest's, UTF-8, ended by NUL; "" */
};

struct display_msg_output {
	struct display_msg_head head;
	uint32_t plugged;	/* 0 or 1: there is a monitor, so show a window */
	uint32_t width, height;	/* the guest's mode, up to DISPLAY_MAX_SIZE; 0, 0: none yet */
};

enum display_scanout_kind {
	/*
	 * One descriptor, of a memfd that is sealed against shrinking (F_SEAL_SHRINK,
	 * which the viewer checks) and can perhaps not be mapped for writing.
	 */
	DISPLAY_SCANOUT_MEMORY = 1,
	/* As many descriptors as planes. Only to viewers that said DISPLAY_HELLO_DMABUF. */
	DISPLAY_SCANOUT_DMABUF,
};

/* Of flags: the buffer's first row in memory is its lowest one, as OpenGL draws. */
#define DISPLAY_SCANOUT_FLIPPED 1u

struct display_msg_scanout {
	struct display_msg_head head;
	uint32_t kind;		/* enum display_scanout_kind */
	uint32_t flags;		/* of a dma-buf: DISPLAY_SCANOUT_FLIPPED; of memory: 0 */
	uint32_t fourcc;	/* one of eight of <libdrm/drm_fourcc.h>, see surface.h */
	uint32_t n_planes;	/* 1 ... DISPLAY_MAX_PLANES; of memory: 1 */
	uint32_t width, height;	/* of the picture, 1 ... DISPLAY_MAX_SIZE */
	/*
	 * Where the picture's top left corner is in the buffer, as that looks the right
	 * way up, and how large that is: up to DISPLAY_MAX_SIZE. Memory: 0, 0, and the
	 * picture's.
	 */
	uint32_t x, y, buffer_width, buffer_height;
	/* DRM_FORMAT_MOD_..., _INVALID: the driver knows; memory: _LINEAR */
	uint64_t modifier;
	/*
	 * By plane, those that are not there 0. Bytes, strides of 1 ... INT32_MAX, offsets
	 * of a dma-buf within 32 bits. Row y of memory is at offsets[0] + y * strides[0]
	 * with a stride of 4 * width or more, and all of it within the file.
	 */
	uint64_t offsets[DISPLAY_MAX_PLANES];
	uint32_t strides[DISPLAY_MAX_PLANES];
};

struct display_msg_flush {
	struct display_msg_head head;
	uint32_t x, y, width, height;	/* not empty, within the picture */
	uint32_t serial;	/* any */
};

struct display_msg_frame_done {
	struct display_msg_head head;
	uint32_t serial;	/* of the last FLUSH of this output */
};

#define DISPLAY_CURSOR_PIXELS (DISPLAY_MAX_CURSOR * DISPLAY_MAX_CURSOR)

/* The message ends with its last pixel. */
struct display_msg_cursor {
	struct display_msg_head head;
	uint32_t width, height;	/* 1 ... DISPLAY_MAX_CURSOR; both 0: hidden */
	uint32_t hot_x, hot_y;	/* within it; 0, 0 when hidden */
	/* DRM_FORMAT_ARGB8888, alpha premultiplied, rows without gaps */
	uint32_t pixels[DISPLAY_CURSOR_PIXELS];
};

struct display_msg_cursor_move {
	struct display_msg_head head;
	int32_t x, y;		/* of the image's top left corner, in pixels of the picture */
};

struct display_msg_control {
	struct display_msg_head head;
	uint32_t on;		/* 0 or 1 */
};

/* As struct input_event of <linux/input.h>, without the time. */
struct display_msg_event {
	uint16_t type, code;
	int32_t value;
};

/*
 * One packet of evdev, or several, in full: the last event is SYN_REPORT. From a
 * viewer, EV_KEY (1 and 0, no repetition), EV_REL, EV_ABS; from a source to the
 * keyboard of a viewer, EV_LED. The message ends with its last event.
 */
struct display_msg_input {
	struct display_msg_head head;
	/*
	 * 0: a keyboard. 1: a mouse, relative. 2: a tablet, of which ABS_X and ABS_Y go
	 * from 0 to 32767 over all monitors side by side, or over the one there
	 * is. 3: a touch screen of 10 fingers, multitouch protocol B, the same way.
	 */
	uint32_t kind;
	uint32_t n;		/* 1 ... DISPLAY_PROTO_MAX_EVENTS */
	struct display_msg_event events[DISPLAY_PROTO_MAX_EVENTS];
};

/* As struct display_output: 0 leaves a value as it is; not more than DISPLAY_MAX_SIZE pixels. */
struct display_msg_configure {
	struct display_msg_head head;
	uint32_t width, height;
	uint32_t width_mm, height_mm;
	uint32_t refresh_mhz;
};

struct display_msg_plug {
	struct display_msg_head head;
	uint32_t on;		/* 0 or 1 */
};

union display_msg {
	struct display_msg_head head;
	struct display_msg_hello hello;
	struct display_msg_output output;
	struct display_msg_scanout scanout;
	struct display_msg_flush flush;
	struct display_msg_frame_done frame_done;
	struct display_msg_cursor cursor;
	struct display_msg_cursor_move cursor_move;
	struct display_msg_control control;
	struct display_msg_input input;
	struct display_msg_configure configure;
	struct display_msg_plug plug;
};

/* --- functions for both ends: pure, or one system call that does not wait ------- */

/* Who has sent a message. */
enum display_end { DISPLAY_SOURCE, DISPLAY_VIEWER };

/*
 * Whether all of a message of @len bytes is as it is written above, with that
 * many descriptors, from @from. What it takes to judge beyond a single
 * message is left: the order, the number of outputs, what a descriptor is.
 */
bool display_msg_valid(const union display_msg *m, size_t len, unsigned n_fds,
		       enum display_end from);
/* How long @m is; of CURSOR and INPUT by what it says of itself, which is in range. */
size_t display_msg_len(const union display_msg *m);

/*
 * SCANOUT of @s on @output, whose first row begins at byte @offset of the memory that is
 * to go with it, rows @stride bytes apart.
 */
union display_msg display_msg_memory(unsigned output, const struct display_surface *s,
				     uint64_t offset, uint32_t stride);

/* A message as it came, with the descriptors that the receiver has not taken yet. */
struct display_packet {
	union display_msg msg;
	int fds[DISPLAY_PROTO_MAX_FDS];
	unsigned n_fds;
};

/*
 * 0 and a valid message from @from in @p; or negative errno and no descriptor: -EAGAIN,
 * there is none yet; -ECONNRESET, the end; -EPROTO, not a message.
 */
int display_proto_recv(int sock, struct display_packet *p, enum display_end from);
/* Closes those of @p's descriptors that are left. */
void display_packet_drop(struct display_packet *p);
/*
 * Sends @m, which is valid, and @fds, which stay the caller's. 0 or negative
 * errno: -EAGAIN, and nothing was sent, when the other end does not read; any
 * other is the end.
 */
int display_proto_send(int sock, const union display_msg *m, const int *fds, unsigned n_fds);

#endif
