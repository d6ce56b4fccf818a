/* SPDX-License-Identifier: MIT */
#include "tests/link_source.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/handover.h"
#include "tests/must.h"

static int dial(void *ctx)
{
	struct link_source *s = ctx;
	int pair[2];

	s->n_dial++;
	if (s->refuse || (s->port < 0 && !s->by_hand))
		return -ENOENT;
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	if (s->by_hand) {
		if (s->peer >= 0)
			close(s->peer);
		s->peer = pair[1];
	} else {
		must(handover_send(s->port, pair[1]) == 0);
		close(pair[1]);
	}
	return pair[0];
}

static void hung_up(void *ctx)
{
	((struct link_source *)ctx)->n_hung_up++;
}

void link_source_init(struct link_source *s)
{
	*s = (struct link_source){ .source = { dial, hung_up, s }, .port = -1, .peer = -1 };
}

int link_source_listen(struct link_source *s)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	s->port = pair[0];
	return pair[1];
}

void link_source_finish(struct link_source *s)
{
	if (s->port >= 0)
		close(s->port);
	if (s->peer >= 0)
		close(s->peer);
}
