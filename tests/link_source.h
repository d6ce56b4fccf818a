/* SPDX-License-Identifier: MIT */
/*
 * Whom a link of the VMM's dials (devices/backend/display_link.h): a port of microvm-gpu's in
 * the same test, or the test itself. One thread.
 */
#ifndef MICROVM_TESTS_LINK_SOURCE_H
#define MICROVM_TESTS_LINK_SOURCE_H

#include <stdbool.h>

#include "devices/backend/display_link.h"

struct link_source {
	struct display_link_source source;	/* for the link */
	int port;		/* that connections are handed over to; -1: none. Owned, as the next */
	int peer;		/* the last one's other end, if it is the test's; -1 */
	bool by_hand;		/* it is */
	bool refuse;		/* nobody answers */
	unsigned n_dial, n_hung_up;
};

void link_source_init(struct link_source *s);
/* Makes the port: the end where connections come out. */
int link_source_listen(struct link_source *s);
void link_source_finish(struct link_source *s);

#endif
