/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a peer on a control socket, with commands of every kind of field: what
 * they are taken for, and that every answer is a line of JSON.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/handover.h"
#include "devices/control/control.h"
#include "vmm/util.h"

static void run_echo(void *ctx, struct control_call *call)
{
	const char *text = control_text(call, "text");
	struct json_out *o = control_answer(call);

	json_out_text(o, "text", text ? text : "");
	json_out_number(o, "n", control_number(call, "n", 7));
	control_send(call);
}

static void run_refuse(void *ctx, struct control_call *call)
{
	control_refuse(call, "%s", control_text(call, "text"));
}

static const struct control_field fields[] = {
	{ "text", JSON_TEXT, false, 0, 0 }, { "n", JSON_NUMBER, false, -5, 5 }, { 0 }
};
static const struct control_field needed[] = { { "text", JSON_TEXT, true, 0, 0 }, { 0 } };
static const struct control_command commands[] = {
	{ "echo", fields, run_echo }, { "refuse", needed, run_refuse }, { 0 }
};
static const struct control_ops ops = { .commands = commands };

/* Whatever came back is whole lines, each an object that says whether it went well. */
static void check_answers(char *text, size_t len)
{
	while (len) {
		char *end = memchr(text, '\n', len);
		const char *why;
		struct json j;

		if (!end || json_parse(&j, text, end - text, &why) < 0 || !json_find(&j, "ok"))
			abort();
		len -= end + 1 - text;
		text = end + 1;
	}
}

static void drain(int fd)
{
	static char buf[1 << 18];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(buf) && (n = recv(fd, buf + len, sizeof(buf) - len, MSG_DONTWAIT)) > 0)
		len += n;
	check_answers(buf, len);
}

/* The first byte says how long the pieces are in which the others arrive. */
static void talk(struct loop *loop, int fd, const uint8_t *data, size_t size)
{
	size_t piece = size ? 1 + data[0] * 16 : 1;

	for (size_t at = 1; at < size; at += piece) {
		if (send(fd, data + at, MIN(piece, size - at), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		loop_run_once(loop, 0);
		drain(fd);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control *c;
	struct loop *loop;
	int port[2], peer[2];

	if (size > 1 << 15 || loop_create(&loop) < 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, port) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, peer) < 0 ||
	    control_create(&c, loop, &ops, NULL) < 0 || control_port(c, port[1]) < 0 ||
	    handover_send(port[0], peer[1]) < 0)
		abort();
	close(peer[1]);
	loop_run_once(loop, 0);
	talk(loop, peer[0], data, size);
	close(peer[0]);
	loop_run_once(loop, 0);
	control_destroy(c);
	close(port[0]);
	loop_destroy(loop);
	return 0;
}
