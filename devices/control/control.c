/* SPDX-License-Identifier: MIT */
#include "devices/control/control.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/handover.h"
#include "devices/backend/unixsock.h"
#include "vmm/opts.h"
#include "vmm/util.h"

#define ACCEPT_PAUSE_NS 100000000ull
#define MAX_COMMANDS 32

/* A connection, and the request of it that is being served. */
struct control_call {
	struct control *c;
	struct control_call *next;
	struct loop_fd src;
	uint64_t used;		/* the control's clock at the last sign of life */
	int passed;		/* descriptor, -1 none */
	bool busy;		/* a request waits for its answer */
	bool pumping;		/* inside pump() */
	bool dead;		/* to be closed there */
	void (*cancel)(void *arg);
	void *cancel_arg;

	size_t n_in;
	char in[CONTROL_MAX_LINE + 1];

	size_t line_len;
	char line[CONTROL_MAX_LINE + 1], words[CONTROL_MAX_LINE + 1];
	struct json json;	/* points into words */
	struct json_out answer;
};

struct control {
	struct loop *loop;
	const struct control_ops *ops;
	void *ctx;
	struct control_call *peers;
	unsigned n_peers;
	uint64_t clock;
	bool listens;
	struct unixsock sock;
	struct loop_fd src;
	struct loop_timer pause;	/* of accepting */
	struct handover port;
};

/* --- peers ------------------------------------------------------------------------- */

static void peer_close(struct control_call *p)
{
	struct control_call **link = &p->c->peers;

	if (p->busy && p->cancel)
		p->cancel(p->cancel_arg);
	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	p->c->n_peers--;
	loop_remove(p->c->loop, &p->src);
	close(p->src.fd);
	if (p->passed >= 0)
		close(p->passed);
	free(p);
}

/* Answers are far smaller than a socket's buffer: a peer in whose way they are does not read. */
static void peer_send(struct control_call *p, const char *text, size_t len)
{
	ssize_t n = send(p->src.fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n != (ssize_t)len)
		p->dead = true;
}

/* --- requests ------------------------------------------------------------------------ */

static const char *command_name(const struct control_call *p)
{
	const struct json_field *f = json_find(&p->json, "cmd");

	return f && f->type == JSON_TEXT ? f->text : NULL;
}

static const struct control_command *find_command(const struct control_call *p)
{
	const struct control_command *command = p->c->ops->commands;

	while (command->name && strcmp(command->name, command_name(p)))
		command++;
	return command->name ? command : NULL;
}

static bool id_valid(const struct json_field *id)
{
	return !id || id->type == JSON_NUMBER ||
	       (id->type == JSON_TEXT && strlen(id->text) <= CONTROL_MAX_ID);
}

static bool field_check(struct control_call *p, const struct control_field *want)
{
	const struct json_field *f = json_find(&p->json, want->name);
	bool number = want->type == JSON_NUMBER;

	if (!f && !want->needed)
		return true;
	if (!f)
		control_refuse(p, "'%s' is missing", want->name);
	else if (f->type != want->type)
		control_refuse(p, "'%s' is not a %s", want->name, number ? "number" : "string");
	else if (number && (f->number < want->min || f->number > want->max))
		control_refuse(p, "'%s' is not from %lld to %lld", want->name,
			       (long long)want->min, (long long)want->max);
	else
		return true;
	return false;
}

static bool field_known(const struct control_field *fields, const char *name)
{
	for (; fields && fields->name; fields++)
		if (!strcmp(fields->name, name))
			return true;
	return !strcmp(name, "id") || !strcmp(name, "cmd");
}

static bool fields_check(struct control_call *p, const struct control_field *fields)
{
	for (unsigned i = 0; i < p->json.n; i++)
		if (!field_known(fields, p->json.fields[i].name)) {
			control_refuse(p, "'%.40s' is no field of this command",
				       p->json.fields[i].name);
			return false;
		}
	for (; fields && fields->name; fields++)
		if (!field_check(p, fields))
			return false;
	return true;
}

static void refuse_unknown(struct control_call *p)
{
	const char *words[MAX_COMMANDS + 1], *near;
	unsigned n = 0;

	for (const struct control_command *c = p->c->ops->commands; c->name; c++)
		if (n < MAX_COMMANDS)
			words[n++] = c->name;
	words[n] = NULL;
	near = opts_nearest(command_name(p), words);
	control_refuse(p, "no command is called '%.40s'%s%s%s", command_name(p),
		       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static void request_run(struct control_call *p)
{
	const struct control_command *command;

	if (!id_valid(json_find(&p->json, "id"))) {
		p->json.n = 0;
		control_refuse(p, "'id' is neither a number nor a string of up to %d bytes",
			       CONTROL_MAX_ID);
		return;
	}
	if (!command_name(p)) {
		control_refuse(p, "'cmd' is missing or not a string");
		return;
	}
	command = find_command(p);
	if (!command && p->c->ops->other)
		p->c->ops->other(p->c->ctx, p);
	else if (!command)
		refuse_unknown(p);
	else if (fields_check(p, command->fields))
		command->run(p->c->ctx, p);
}

static void request_begin(struct control_call *p)
{
	const char *why;

	p->busy = true;
	p->cancel = NULL;
	memcpy(p->words, p->line, p->line_len);
	if (json_parse(&p->json, p->words, p->line_len, &why) == 0) {
		request_run(p);
		return;
	}
	p->json.n = 0;
	control_refuse(p, "not a request in JSON: %s", why);
}

/* --- lines ----------------------------------------------------------------------------- */

static void refuse_long(struct control_call *p)
{
	p->busy = true;
	p->cancel = NULL;
	p->json.n = 0;
	control_refuse(p, "a line of more than %d bytes", CONTROL_MAX_LINE);
	p->dead = true;
}

/* Whether there was a line at @from; it may be an empty one. */
static bool take_line(struct control_call *p, size_t *from)
{
	const char *begin = p->in + *from;
	const char *end = memchr(begin, '\n', p->n_in - *from);

	if (!end)
		return false;
	p->line_len = end - begin;
	memcpy(p->line, begin, p->line_len);
	p->line[p->line_len] = '\0';
	*from += p->line_len + 1;
	return true;
}

/* Serves what has arrived, up to a request that takes longer. @p may be gone afterwards. */
static void pump(struct control_call *p)
{
	size_t from = 0;

	p->pumping = true;
	while (!p->busy && !p->dead && take_line(p, &from))
		if (p->line_len)
			request_begin(p);
	p->n_in -= from;
	memmove(p->in, p->in + from, p->n_in);
	if (!p->busy && !p->dead && p->n_in == sizeof(p->in))
		refuse_long(p);
	p->pumping = false;
	if (p->dead)
		peer_close(p);
	else
		loop_modify(p->c->loop, &p->src, p->busy ? 0 : EPOLLIN);
}

/* One at most: there is room for no more, the kernel closes the others. */
static void take_passed(struct control_call *p, struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return;
	if (p->passed >= 0)
		close(p->passed);
	memcpy(&p->passed, CMSG_DATA(c), sizeof(p->passed));
}

static ssize_t peer_receive(struct control_call *p)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = p->in + p->n_in, .iov_len = sizeof(p->in) - p->n_in };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t n = recvmsg(p->src.fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	take_passed(p, &m);
	return n;
}

static void peer_event(void *arg, uint32_t events)
{
	struct control_call *p = arg;
	ssize_t n;

	p->used = ++p->c->clock;
	if (p->busy) {
		if (events & (EPOLLHUP | EPOLLERR))
			peer_close(p);
		return;
	}
	n = peer_receive(p);
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0) {
		peer_close(p);
		return;
	}
	p->n_in += n;
	pump(p);
}

/* --- connections ------------------------------------------------------------------------- */

/* The one that has been idle for longest; NULL: none is. */
static struct control_call *find_idle(struct control *c)
{
	struct control_call *idle = NULL;

	for (struct control_call *p = c->peers; p; p = p->next)
		if (!p->busy && !p->pumping && (!idle || p->used < idle->used))
			idle = p;
	return idle;
}

static void refuse_peer(int fd)
{
	static const char text[] = "{\"ok\": false, \"error\": \"too many connections\"}\n";

	if (send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		errno = 0;	/* then it learns by the end of the connection */
	close(fd);
}

static void peer_add(struct control *c, int fd)
{
	struct control_call *p, *idle;

	if (c->n_peers == CONTROL_MAX_PEERS && (idle = find_idle(c)))
		peer_close(idle);
	p = c->n_peers < CONTROL_MAX_PEERS ? calloc(1, sizeof(*p)) : NULL;
	if (!p) {
		refuse_peer(fd);
		return;
	}
	p->c = c;
	p->passed = -1;
	p->used = ++c->clock;
	if (loop_add(c->loop, &p->src, fd, EPOLLIN, peer_event, p) < 0) {
		close(fd);
		free(p);
		return;
	}
	p->next = c->peers;
	c->peers = p;
	c->n_peers++;
}

static void on_handover(void *ctx, int fd)
{
	if (fd >= 0)
		peer_add(ctx, fd);
}

static void on_connection(void *arg, uint32_t events)
{
	struct control *c = arg;
	int fd = accept4(c->sock.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0) {
		peer_add(c, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* Out of descriptors or memory: the connection stays where it is. */
		loop_modify(c->loop, &c->src, 0);
		loop_timer_arm(c->loop, &c->pause, ACCEPT_PAUSE_NS);
	}
}

static void on_pause_end(void *arg)
{
	struct control *c = arg;

	loop_modify(c->loop, &c->src, EPOLLIN);
}

int control_listen(struct control *c, const char *path)
{
	int ret = unixsock_listen(&c->sock, path, CONTROL_MAX_PEERS);

	if (ret < 0)
		return ret;
	ret = loop_add(c->loop, &c->src, c->sock.fd, EPOLLIN, on_connection, c);
	if (ret < 0)
		unixsock_close(&c->sock);
	else
		c->listens = true;
	return ret;
}

int control_port(struct control *c, int fd)
{
	return handover_init(&c->port, c->loop, fd, on_handover, c);
}

/* --- life ----------------------------------------------------------------------------------- */

int control_create(struct control **out, struct loop *loop, const struct control_ops *ops,
		   void *ctx)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->ops = ops;
	c->ctx = ctx;
	c->pause = (struct loop_timer){ .cb = on_pause_end, .arg = c };
	*out = c;
	return 0;
}

void control_destroy(struct control *c)
{
	if (!c)
		return;
	while (c->peers)
		peer_close(c->peers);
	handover_finish(&c->port);
	if (c->listens) {
		loop_timer_disarm(c->loop, &c->pause);
		loop_remove(c->loop, &c->src);
		unixsock_close(&c->sock);
	}
	free(c);
}

/* --- calls ---------------------------------------------------------------------------------- */

const char *control_text(const struct control_call *call, const char *name)
{
	const struct json_field *f = json_find(&call->json, name);

	return f ? f->text : NULL;
}

int64_t control_number(const struct control_call *call, const char *name, int64_t fallback)
{
	const struct json_field *f = json_find(&call->json, name);

	return f ? f->number : fallback;
}

int control_take_fd(struct control_call *call)
{
	int fd = call->passed;

	call->passed = -1;
	return fd;
}

const char *control_line(const struct control_call *call, size_t *len)
{
	*len = call->line_len;
	return call->line;
}

void control_later(struct control_call *call, void (*cancel)(void *arg), void *arg)
{
	call->cancel = cancel;
	call->cancel_arg = arg;
}

static void answer_begin(struct control_call *call, bool ok)
{
	const struct json_field *id = json_find(&call->json, "id");

	json_out_begin(&call->answer);
	if (id && id->type == JSON_NUMBER)
		json_out_number(&call->answer, "id", id->number);
	else if (id)
		json_out_text(&call->answer, "id", id->text);
	json_out_bool(&call->answer, "ok", ok);
}

struct json_out *control_answer(struct control_call *call)
{
	answer_begin(call, true);
	return &call->answer;
}

void control_relay(struct control_call *call, const char *line, size_t len)
{
	assert(call->busy);
	call->busy = false;
	call->cancel = NULL;
	peer_send(call, line, len);
	if (!call->pumping)
		pump(call);
}

void control_send(struct control_call *call)
{
	json_out_end(&call->answer);
	control_relay(call, call->answer.text, call->answer.len);
}

void control_done(struct control_call *call)
{
	control_answer(call);
	control_send(call);
}

void control_refuse(struct control_call *call, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	answer_begin(call, false);
	json_out_text(&call->answer, "error", text);
	control_send(call);
}
