/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>

#include "devices/backend/netaddr.h"
#include "vmm/util.h"

/* --- hardware addresses ------------------------------------------------------ */

static void mac_is_read_in_either_case(void **state)
{
	uint8_t mac[NETADDR_MAC_LEN];

	assert_null(netaddr_parse_mac(mac, "02:ab:CD:ef:00:9F"));
	assert_memory_equal(mac, "\x02\xab\xcd\xef\x00\x9f", 6);
	assert_null(netaddr_parse_mac(mac, "00:00:00:00:00:01"));
	assert_null(netaddr_parse_mac(mac, "fe:ff:ff:ff:ff:ff"));
}

static void mac_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"", ":", "02", "02:", "02:00:00:00:00", "02:00:00:00:00:", "02:00:00:00:00:0",
		"02:00:00:00:00:00:", "02:00:00:00:00:00:00", "02:00:00:00:00:000",
		"2:00:00:00:00:00", "02-00-00-00-00-00", "02:00:00:00:00:0g", "020000000000",
		" 02:00:00:00:00:00", "02:00:00:00:00:00 ", "0x:00:00:00:00:00", "02:0 :00:00:00:01",
		"@2:00:00:00:00:00", "02:00:00:00:00:0`", "02:00:00:00:00:0G",
	};
	uint8_t mac[NETADDR_MAC_LEN] = { 9, 9, 9, 9, 9, 9 };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *why = netaddr_parse_mac(mac, bad[i]);

		assert_non_null(why);
		assert_non_null(strstr(why, "six bytes"));
	}
	assert_memory_equal(mac, "\x9\x9\x9\x9\x9\x9", 6);
}

static void mac_of_a_group_or_of_nobody_is_refused(void **state)
{
	uint8_t mac[NETADDR_MAC_LEN];

	assert_non_null(strstr(netaddr_parse_mac(mac, "01:00:5e:00:00:01"), "group"));
	assert_non_null(strstr(netaddr_parse_mac(mac, "ff:ff:ff:ff:ff:ff"), "group"));
	assert_non_null(strstr(netaddr_parse_mac(mac, "00:00:00:00:00:00"), "zeros"));
}

static void default_mac_is_stable_local_and_one_of_a_kind(void **state)
{
	static const struct { const char *guest; unsigned index; const char *where; } cards[] = {
		{ "microvm", 0, "user" }, { "microvm", 1, "user" }, { "microvm", 0, "tap0" },
		{ "microvm", 0, "tap1" }, { "other", 0, "user" }, { "", 0, "" }, { "a", 0, "bc" },
		{ "ab", 0, "c" }, { "microvm", 256, "user" }, { "microvm", 65536, "user" },
	};
	uint8_t macs[ARRAY_SIZE(cards)][NETADDR_MAC_LEN], again[NETADDR_MAC_LEN];

	for (unsigned i = 0; i < ARRAY_SIZE(cards); i++) {
		netaddr_default_mac(macs[i], cards[i].guest, cards[i].index, cards[i].where);
		netaddr_default_mac(again, cards[i].guest, cards[i].index, cards[i].where);
		assert_memory_equal(macs[i], again, 6);
		assert_int_equal(macs[i][0], 0x02);
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(macs[i], macs[k], 6);
	}
	/* Written down: a guest's address must not change with a version of this program. */
	assert_memory_equal(macs[0], "\x02\x91\xae\xfd\x8e\x12", 6);
}

/* --- forwarded ports --------------------------------------------------------- */

static void assert_addr(const union netaddr *addr, const char *text, unsigned port)
{
	char got[INET6_ADDRSTRLEN];
	bool v6 = strchr(text, ':');

	assert_int_equal(addr->sa.sa_family, v6 ? AF_INET6 : AF_INET);
	inet_ntop(addr->sa.sa_family, v6 ? (const void *)&addr->in6.sin6_addr : &addr->in.sin_addr,
		  got, sizeof(got));
	assert_string_equal(got, text);
	assert_int_equal(ntohs(v6 ? addr->in6.sin6_port : addr->in.sin_port), port);
	assert_int_equal(netaddr_len(addr), v6 ? sizeof(addr->in6) : sizeof(addr->in));
}

static void assert_fwd(const char *text, bool udp, const char *host, unsigned host_port,
		       const char *guest, unsigned guest_port)
{
	struct net_fwd fwd;

	memset(&fwd, 0xee, sizeof(fwd));
	assert_null(netaddr_parse_fwd(&fwd, text));
	assert_int_equal(fwd.udp, udp);
	assert_addr(&fwd.host, host, host_port);
	assert_addr(&fwd.guest, guest, guest_port);
}

static void fwd_takes_both_protocols_and_families(void **state)
{
	assert_fwd("tcp:127.0.0.1:2222:22", false, "127.0.0.1", 2222, "0.0.0.0", 22);
	assert_fwd("udp:0.0.0.0:1:65535", true, "0.0.0.0", 1, "0.0.0.0", 65535);
	assert_fwd("tcp:[::1]:2222:22", false, "::1", 2222, "::", 22);
	assert_fwd("udp:[::]:53:5353", true, "::", 53, "::", 5353);
}

static void fwd_may_name_the_guest(void **state)
{
	assert_fwd("tcp:127.0.0.1:80:10.0.2.99:8080", false, "127.0.0.1", 80, "10.0.2.99", 8080);
	assert_fwd("udp:[::1]:80:[fec0::99]:8080", true, "::1", 80, "fec0::99", 8080);
}

static void assert_fwd_refused(const char *text, const char *why)
{
	struct net_fwd fwd;
	const char *got = netaddr_parse_fwd(&fwd, text);

	assert_non_null(got);
	if (!strstr(got, why))
		fail_msg("'%s': %s", text, got);
}

static void fwd_without_a_protocol_is_refused(void **state)
{
	static const char *const bad[] = { "", "tcp", "udp", "icmp:1.2.3.4:1:1", "TCP:1.2.3.4:1:1",
					   "127.0.0.1:2222:22", ":127.0.0.1:2222:22" };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_fwd_refused(bad[i], "begins with tcp: or udp:");
}

static void fwd_with_a_bad_host_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"tcp:", "tcp::2222:22", "tcp:localhost:2222:22", "tcp:1.2.3:2222:22", "tcp:2222:22",
		"tcp:::1:2222:22", "tcp:[::1:2222:22", "tcp:[]:1:1", "tcp:[::1]x:1:1",
		"tcp:[127.0.0.1]:1:1", "tcp:256.0.0.1:1:1", "tcp:1.2.3.4.5:1:1", "tcp:[::g]:1:1",
		"tcp: 127.0.0.1:1:1", "tcp:[fe80::1%lo]:1:1",
		"tcp:00000000000000000000000000000000000000000000000000000000000000000000.0.0.1:1:1",
		"tcp:[0000000000000000000000000000000000000000000000000000000000000000000::1]:1:1",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_fwd_refused(bad[i], "host's address");
}

static void fwd_with_a_bad_host_port_is_refused(void **state)
{
	static const char *const bad[] = {
		"tcp:1.2.3.4", "tcp:1.2.3.4:", "tcp:1.2.3.4::22", "tcp:1.2.3.4:0:22",
		"tcp:1.2.3.4:65536:22", "tcp:1.2.3.4:-1:22", "tcp:1.2.3.4:+1:22", "tcp:1.2.3.4:ssh:22",
		"tcp:1.2.3.4:1 :22", "tcp:1.2.3.4:0x10:22", "tcp:1.2.3.4:[80]:22",
		"tcp:1.2.3.4:18446744073709551617:22",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_fwd_refused(bad[i], "host's port");
}

static void fwd_with_a_bad_guest_is_refused(void **state)
{
	assert_fwd_refused("tcp:1.2.3.4:1", "guest's port");
	assert_fwd_refused("tcp:1.2.3.4:1:", "guest's port");
	assert_fwd_refused("tcp:1.2.3.4:1:0", "guest's port");
	assert_fwd_refused("tcp:1.2.3.4:1:65536", "guest's port");
	assert_fwd_refused("tcp:1.2.3.4:1:22 ", "guest's port");
	assert_fwd_refused("tcp:1.2.3.4:1:22x", "guest's port");
	assert_fwd_refused("tcp:1.2.3.4:1:22:", "guest's address");
	assert_fwd_refused("tcp:1.2.3.4:1:10.0.2.15:", "guest's port");
	assert_fwd_refused("tcp:1.2.3.4:1:10.0.2.15:22:22", "guest's port");
	assert_fwd_refused("tcp:1.2.3.4:1:10.0.2:22", "guest's address");
	assert_fwd_refused("tcp:1.2.3.4:1::22", "guest's address");
	assert_fwd_refused("tcp:[::1]:1:[fec0::1:22", "guest's address");
	assert_fwd_refused("tcp:1.2.3.4:1:[fec0::1]:22", "different families");
	assert_fwd_refused("tcp:[::1]:1:10.0.2.15:22", "different families");
}

/* --- interfaces -------------------------------------------------------------- */

static void interface_names_are_what_the_kernel_takes(void **state)
{
	assert_true(netaddr_is_ifname("tap0"));
	assert_true(netaddr_is_ifname("a"));
	assert_true(netaddr_is_ifname("fifteen-letters"));
	assert_true(netaddr_is_ifname("..."));
	assert_false(netaddr_is_ifname(""));
	assert_false(netaddr_is_ifname("sixteen-letters-"));
	assert_false(netaddr_is_ifname("."));
	assert_false(netaddr_is_ifname(".."));
	assert_false(netaddr_is_ifname("a/b"));
	assert_false(netaddr_is_ifname("a:1"));
	assert_false(netaddr_is_ifname("a b"));
	assert_false(netaddr_is_ifname("tap%d"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mac_is_read_in_either_case),
		cmocka_unit_test(mac_that_is_none_is_refused),
		cmocka_unit_test(mac_of_a_group_or_of_nobody_is_refused),
		cmocka_unit_test(default_mac_is_stable_local_and_one_of_a_kind),
		cmocka_unit_test(fwd_takes_both_protocols_and_families),
		cmocka_unit_test(fwd_may_name_the_guest),
		cmocka_unit_test(fwd_without_a_protocol_is_refused),
		cmocka_unit_test(fwd_with_a_bad_host_address_is_refused),
		cmocka_unit_test(fwd_with_a_bad_host_port_is_refused),
		cmocka_unit_test(fwd_with_a_bad_guest_is_refused),
		cmocka_unit_test(interface_names_are_what_the_kernel_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
