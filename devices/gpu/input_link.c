/* SPDX-License-Identifier: MIT */
#include "devices/gpu/input_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/handover.h"
#include "devices/ui/display_receiver.h"
#include "vmm/log.h"
#include "vmm/util.h"

struct input_link {
	struct loop *loop;
	struct input_link_params params;
	struct handover handover;
	struct display_receiver *receiver;	/* NULL: nobody is connected */
};

static void drop(struct input_link *l)
{
	display_receiver_destroy(l->receiver);
	l->receiver = NULL;
}

/* Pictures it may have, too, but nobody looks. */
static int hello(void *ctx, const struct display_msg_hello *m)
{
	struct input_link *l = ctx;

	return m->inputs == BIT(l->params.kind) ? (int)DISPLAY_HELLO_CONTROL : -EPROTO;
}

static void gone(void *ctx, int error)
{
	struct input_link *l = ctx;

	if (error != -ECONNRESET)
		log_warn("an input device's VMM: %s", strerror(-error));
	drop(l);
}

static void handed_over(void *ctx, int fd)
{
	struct input_link *l = ctx;
	const struct display_receiver_params params = {
		.hello = hello, .feedback = l->params.feedback, .gone = gone, .ctx = l,
	};
	int ret;

	drop(l);
	if (fd < 0) {
		l->params.left(l->params.ctx);
		return;
	}
	ret = display_receiver_create(&l->receiver, l->loop, fd, &params);
	if (ret < 0) {
		log_error("a connection for an input device: %s", strerror(-ret));
		l->receiver = NULL;
	}
}

static void event(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct input_link *l = ctx;
	struct input_sink sink = { 0 };

	if (l->receiver)
		sink = display_receiver_input(l->receiver, l->params.kind);
	input_send(&sink, type, code, value);
}

struct input_sink input_link_sink(struct input_link *l)
{
	return (struct input_sink){ event, l };
}

int input_link_create(struct input_link **out, struct loop *loop, int port,
		      const struct input_link_params *params)
{
	struct input_link *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return -ENOMEM;
	*l = (struct input_link){ .loop = loop, .params = *params };
	ret = handover_init(&l->handover, loop, port, handed_over, l);
	if (ret < 0)
		free(l);
	else
		*out = l;
	return ret;
}

void input_link_destroy(struct input_link *l)
{
	if (!l)
		return;
	drop(l);
	handover_finish(&l->handover);
	free(l);
}
