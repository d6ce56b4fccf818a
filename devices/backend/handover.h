/* SPDX-License-Identifier: MIT */
/*
 * Connections by post: a process hands sockets that are connected already to
 * another, one at a time, over a SOCK_SEQPACKET socket that both have from the
 * start. In place of a name to connect to, which others would find as well. The
 * other way go words of one byte.
 */
#ifndef MICROVM_HANDOVER_H
#define MICROVM_HANDOVER_H

#include "vmm/loop.h"

/* Gives @fd, which stays the caller's, away through @port. 0 or negative errno. No waiting. */
int handover_send(int port, int fd);

struct handover {
	struct loop *loop;
	struct loop_fd port;	/* -1: it has ended */
	/* Takes @fd; -1: none will come any more. On the loop's thread. */
	void (*cb)(void *ctx, int fd);
	void *ctx;
};

/* Takes @port. 0, or negative errno after which it is closed. */
int handover_init(struct handover *h, struct loop *loop, int port,
		  void (*cb)(void *ctx, int fd), void *ctx);
void handover_finish(struct handover *h);	/* again: no-op */

/* From who takes to who gives. 0 or negative errno, -ENOTCONN: nobody gives. No waiting. */
int handover_tell(struct handover *h, char word);
/*
 * Takes a word off @port; 0: none, or one that is no byte; negative errno: the
 * other side has gone. Whatever comes with it is closed. No waiting.
 */
int handover_hear(int port);

#endif
