/* SPDX-License-Identifier: MIT */
/*
 * What a network makes of text and of frames before anything else does: the
 * first byte chooses which.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/backend/netaddr.h"
#include "devices/backend/netdns.h"
#include "devices/backend/netframe.h"
#include "vmm/util.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)

static void try_fwd(const char *text)
{
	struct net_fwd fwd;

	if (netaddr_parse_fwd(&fwd, text))
		return;
	CHECK(fwd.host.sa.sa_family == fwd.guest.sa.sa_family);
	CHECK(fwd.host.in.sin_port && fwd.guest.in.sin_port);
	CHECK(fwd.udp == (*text == 'u'));
}

static void try_mac(const char *text)
{
	uint8_t mac[NETADDR_MAC_LEN];

	if (netaddr_parse_mac(mac, text))
		return;
	CHECK(strlen(text) == 17 && !(mac[0] & 1));
}

static void try_servers(const char *text)
{
	union netaddr servers[NETDNS_MAX_SERVERS];
	unsigned n = netdns_parse_servers(servers, text, 53);

	CHECK(n >= 1 && n <= NETDNS_MAX_SERVERS);
}

static void try_question(const uint8_t *data, size_t len)
{
	size_t n = netdns_question_len(data, len);

	CHECK(n <= len && n <= NETDNS_QUESTION_MAX);
}

static void try_frame(const uint8_t *data, size_t len)
{
	struct netframe f;

	if (!netframe_parse(&f, data, len))
		return;
	CHECK(f.data <= f.end && f.end <= len);
}

static void try_rdnss(const uint8_t *data, size_t len)
{
	uint8_t *frame = malloc(len + 24);
	static const struct in6_addr dns = { .s6_addr = { 0xfe, 0xc0, [15] = 3 } };
	size_t longer;

	memcpy(frame, data, len);
	longer = netframe_add_rdnss(frame, len, &dns);
	CHECK(longer == len || longer == len + 24);
	/* And then it is there. */
	if (longer == len + 24) {
		uint8_t *again = malloc(longer + 24);

		memcpy(again, frame, longer);
		CHECK(netframe_add_rdnss(again, longer, &dns) == longer);
		free(again);
	}
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (!size)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	switch (data[0] % 7) {
	case 0: try_fwd(text); break;
	case 1: try_mac(text); break;
	case 2: try_servers(text); break;
	case 3: try_question(data + 1, size - 1); break;
	case 4: try_frame(data + 1, size - 1); break;
	case 5: try_rdnss(data + 1, size - 1); break;
	case 6: netaddr_is_ifname(text); break;
	}
	free(text);
	return 0;
}
