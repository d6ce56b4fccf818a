/* SPDX-License-Identifier: MIT */
/*
 * A control socket: requests and answers are objects of JSON, a line each
 * (microvm-ctl(1) describes them). This part knows lines, fields and peers, but
 * no command.
 *
 *     control_create()
 *     control_listen(), control_port(): where connections come from
 *     ... command->run() is called for each request, and answers it
 *     control_destroy()
 *
 * Peers are not trusted: a line has a limit, so has the number of connections
 * (the one that was idle for longest gives way), and a peer that does not take its
 * answers is hung up on. One request of a connection is served at a time, what
 * follows stays in the socket. Nothing here waits. Loop thread.
 */
#ifndef MICROVM_CONTROL_H
#define MICROVM_CONTROL_H

#include "devices/control/json.h"
#include "vmm/loop.h"

#define CONTROL_MAX_LINE 8192	/* bytes, the newline not counted */
#define CONTROL_MAX_PEERS 16
#define CONTROL_MAX_ID 64	/* bytes of an id that is a string */

struct control;

/* A request that was not answered yet. */
struct control_call;

struct control_field {
	const char *name;	/* NULL ends a list */
	enum json_type type;	/* JSON_NUMBER or JSON_TEXT */
	bool needed;
	int64_t min, max;	/* of a number */
};

struct control_command {
	const char *name;	/* NULL ends a list */
	const struct control_field *fields;	/* NULL: none beside id and cmd */
	/*
	 * The fields are there and in range. Answers by one of the functions below, now
	 * or later; after control_later(), @cancel says that nobody wants an answer any
	 * more: the call is gone when that returns.
	 */
	void (*run)(void *ctx, struct control_call *call);
};

struct control_ops {
	const struct control_command *commands;
	/* For commands that are not among them; NULL: refused. */
	void (*other)(void *ctx, struct control_call *call);
};

/* 0 or -ENOMEM. */
int control_create(struct control **out, struct loop *loop, const struct control_ops *ops,
		   void *ctx);
void control_destroy(struct control *c);	/* NULL is legal; calls are cancelled */

/* Listens at @path, for its owner only. 0, or negative errno as unixsock_listen(). */
int control_listen(struct control *c, const char *path);
/* Takes @fd, through which connections are handed over (handover.h). 0 or negative errno. */
int control_port(struct control *c, int fd);

/* --- calls ------------------------------------------------------------------------- */

/* NULL or @fallback: the field is not there. */
const char *control_text(const struct control_call *call, const char *name);
int64_t control_number(const struct control_call *call, const char *name, int64_t fallback);
/* The descriptor that came with the request, now the caller's; -1: none. */
int control_take_fd(struct control_call *call);
/* The request as it came, without the newline; valid until it is answered. */
const char *control_line(const struct control_call *call, size_t *len);

void control_later(struct control_call *call, void (*cancel)(void *arg), void *arg);

/* Each is the end of @call. */
void control_done(struct control_call *call);
__attribute__((format(printf, 2, 3)))
void control_refuse(struct control_call *call, const char *fmt, ...);
/* An answer with fields: those added to control_answer()'s between the two. */
struct json_out *control_answer(struct control_call *call);
void control_send(struct control_call *call);
/* An answer made elsewhere, newline included. */
void control_relay(struct control_call *call, const char *line, size_t len);

#endif
