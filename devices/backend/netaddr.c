/* SPDX-License-Identifier: MIT */
#include "devices/backend/netaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "vmm/opts.h"
#include "vmm/util.h"

/* --- hardware addresses ---------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' ^ 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *netaddr_parse_mac(uint8_t mac[NETADDR_MAC_LEN], const char *text)
{
	static const char form[] = "six bytes such as 02:00:00:12:34:56";
	uint8_t bytes[NETADDR_MAC_LEN], sum = 0;

	for (unsigned i = 0; i < NETADDR_MAC_LEN; i++) {
		int high = hex_digit(*text), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || text[2] != (i < NETADDR_MAC_LEN - 1 ? ':' : '\0'))
			return form;
		bytes[i] = high << 4 | low;
		sum |= bytes[i];
		text += 3;
	}
	if (bytes[0] & 1)
		return "that is a group's address: its first byte has to be even";
	if (!sum)
		return "all zeros is no card's address";
	memcpy(mac, bytes, sizeof(bytes));
	return NULL;
}

/* FNV-1a; the 0 that ends a text is part of it, so that "a","bc" is not "ab","c". */
static uint64_t hash_text(uint64_t h, const char *text)
{
	do {
		h = (h ^ (uint8_t)*text) * 0x100000001b3;
	} while (*text++);
	return h;
}

void netaddr_default_mac(uint8_t mac[NETADDR_MAC_LEN], const char *guest, unsigned index,
			 const char *where)
{
	uint64_t h = hash_text(hash_text(0xcbf29ce484222325, guest), where);

	h = (h ^ index) * 0x100000001b3;
	/* The high bits have seen all of the text. */
	h ^= h >> 40;
	mac[0] = 0x02;
	for (unsigned i = 1; i < NETADDR_MAC_LEN; i++)
		mac[i] = h >> (8 * (i - 1));
}

/* --- forwarded ports ------------------------------------------------------- */

socklen_t netaddr_len(const union netaddr *addr)
{
	return addr->sa.sa_family == AF_INET6 ? sizeof(addr->in6) : sizeof(addr->in);
}

#define PART_MAX 64

/*
 * Takes what stands before the next ':' off *@text, or before the end; [] may
 * stand around it, and then *@v6 says so. False when it is too long.
 */
static bool take_part(const char **text, char part[PART_MAX], bool *v6)
{
	const char *start = *text, *end;

	*v6 = *start == '[';
	end = *v6 ? strchr(start, ']') : strchrnul(start, ':');
	if (!end)
		return false;
	start += *v6;
	if (end - start >= PART_MAX)
		return false;
	memcpy(part, start, end - start);
	part[end - start] = '\0';
	end += *v6;
	if (*end && *end != ':')
		return false;
	*text = *end ? end + 1 : end;
	return true;
}

static bool set_addr(union netaddr *addr, const char *text, bool v6)
{
	netaddr_init(addr, v6);
	if (v6)
		return inet_pton(AF_INET6, text, &addr->in6.sin6_addr) == 1;
	return inet_pton(AF_INET, text, &addr->in.sin_addr) == 1;
}

static bool set_port(union netaddr *addr, const char *text)
{
	uint64_t port;

	if (opt_parse_number(text, 1, 65535, &port) < 0)
		return false;
	/* The same place in both. */
	_Static_assert(offsetof(struct sockaddr_in, sin_port) ==
		       offsetof(struct sockaddr_in6, sin6_port), "ports");
	addr->in.sin_port = htons(port);
	return true;
}

static const char *parse_guest(union netaddr *guest, const char *text, bool host_v6)
{
	char part[PART_MAX];
	bool v6;

	netaddr_init(guest, host_v6);
	if (strchr(text, ':')) {
		if (!take_part(&text, part, &v6) || !set_addr(guest, part, v6))
			return "the guest's address is not one, such as 10.0.2.15 or [fec0::15]";
		if (v6 != host_v6)
			return "addresses of the host and of the guest are of different families";
	}
	return set_port(guest, text) ? NULL : "the guest's port is not one from 1 to 65535";
}

const char *netaddr_parse_fwd(struct net_fwd *fwd, const char *text)
{
	char part[PART_MAX];
	bool v6, bracketed;

	if (strncmp(text, "tcp:", 4) && strncmp(text, "udp:", 4))
		return "it begins with tcp: or udp:, as in tcp:127.0.0.1:2222:22";
	fwd->udp = *text == 'u';
	text += 4;
	if (!take_part(&text, part, &v6) || !set_addr(&fwd->host, part, v6))
		return "the host's address is not one, such as 127.0.0.1, 0.0.0.0 or [::1]";
	if (!take_part(&text, part, &bracketed) || bracketed || !set_port(&fwd->host, part))
		return "the host's port is not one from 1 to 65535";
	return parse_guest(&fwd->guest, text, v6);
}

/* --- interfaces ------------------------------------------------------------ */

bool netaddr_is_ifname(const char *text)
{
	size_t len = strlen(text);

	/* What the kernel refuses, and what its names for new interfaces expand. */
	return len && len < IFNAMSIZ && strcmp(text, ".") && strcmp(text, "..") &&
	       !strpbrk(text, "/: \t%");
}
