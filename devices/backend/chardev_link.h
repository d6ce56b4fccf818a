/* SPDX-License-Identifier: MIT */
/*
 * The chardevs whose other end comes and goes, as far as they are alike:
 * chardev_unix.c and chardev_pty.c. A link is a descriptor with somebody at its
 * other end, or nobody:
 *
 *     LINK_OFF      nobody: output is dropped
 *     LINK_ON       somebody: both ways, each with back-pressure
 *     LINK_LEAVING  has hung up: output is dropped, but what was sent before that
 *                   is read as the front end has room for it
 *
 * A link that is not LINK_ON is not watched: a descriptor that has hung up
 * wakes whoever watches it, again and again.
 */
#ifndef MICROVM_CHARDEV_LINK_H
#define MICROVM_CHARDEV_LINK_H

#include "devices/backend/chardev.h"
#include "devices/backend/hostfd.h"
#include "vmm/util.h"

enum link_state { LINK_OFF, LINK_ON, LINK_LEAVING };

struct chardev_link {
	struct chardev chr;
	struct loop *loop;
	struct hostfd fd;
	void (*changed)(struct chardev_link *l);	/* the state, just now */

	/* chardev_link.c's own, but for reading */
	enum link_state state;
	bool eof;		/* it sends no more, and may still read */
	bool full;		/* a write was short: drained() is due */
	struct loop_fd src;
	uint32_t events;	/* that src is watched for */
	struct loop_work read_on, tell;
};

void link_init(struct chardev_link *l, struct loop *loop, const struct chardev_ops *ops,
	       void (*changed)(struct chardev_link *l));
void link_finish(struct chardev_link *l);	/* closes the descriptor */

/* Somebody is at the other end of l->fd. */
void link_begin(struct chardev_link *l);
/* It hung up: to LINK_LEAVING, and to LINK_OFF when all is read. No-op unless LINK_ON. */
void link_hang_up(struct chardev_link *l);
/* What it sent and nobody has read yet is given up: LINK_OFF. */
void link_drop(struct chardev_link *l);
/* Watches what is to be watched now; after attached() too. */
void link_watch(struct chardev_link *l);

/* For the table of operations. */
size_t link_write(struct chardev *chr, const void *data, size_t len);
void link_kick_input(struct chardev *chr);
void link_wait(struct chardev *chr, int timeout_ms);
bool link_connected(struct chardev *chr);

static inline struct chardev_link *link_of(struct chardev *chr)
{
	return container_of(chr, struct chardev_link, chr);
}

#endif
