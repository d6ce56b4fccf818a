# SPDX-License-Identifier: MIT
# Smoke tests of network cards; part of tests/smoke/x86 and arm64. Everything on the host's side is on the loopback interface, or on
# a tap interface, of a network namespace made for the test: nothing is sent anywhere else.
# shellcheck shell=bash disable=SC2016,SC2034,SC2154

# namespace: makes one, for which nobody but root needs users of its own; `inside` runs commands there
namespace() {
	local own=(-n -m) make=(-nm --propagation unchanged)
	mkfifo nap
	[ "$(id -u)" = 0 ] || own+=(-U --preserve-credentials) make=(-rnm)
	unshare "${make[@]}" setpriv --pdeathsig KILL sleep 600 &
	inside=(nsenter -t $! "${own[@]}" -r -w)
	while [ "$(readlink /proc/$!/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do nap 0.1; done
	inside busybox ip link set lo up || skip 'no network namespace can be made here'
	printf '#!/bin/bash\nexec %s "$@"\n' "${inside[*]@Q} ${MICROVM@Q}" >in-namespace
	chmod +x in-namespace
	MICROVM=./in-namespace
}
inside() { "${inside[@]}" "$@"; }
# what runs inside ends with the test
serve() { inside setpriv --pdeathsig KILL "$@" & }
file() { # BYTES: for the guest to fetch
	mkdir -p www
	head -c "$1" /dev/urandom >www/file
	sum=$(sha256sum <www/file | cut -c1-64)
}

# A name server that knows of every name that it is at the host's loopback, as guests see that.
name_server() {
	echo 'nameserver 127.0.0.1' >resolv.conf
	inside mount --bind resolv.conf /etc/resolv.conf
	serve perl -MSocket -e '
		socket(S, PF_INET, SOCK_DGRAM, 17) && bind(S, sockaddr_in(53, INADDR_LOOPBACK)) or die "bind: $!";
		while (my $from = recv(S, my $q, 512, 0)) {
			my $end = index($q, "\0", 12) + 5;
			my %a = (1 => pack("C4", 10, 0, 2, 2), 28 => pack("n8", 0xfec0, (0) x 6, 2));
			my $a = $a{unpack("n", substr($q, $end - 4, 2))};
			send(S, substr($q, 0, 2) . pack("n5", 0x8180, 1, $a ? 1 : 0, 0, 0) . substr($q, 12, $end - 12) .
				($a ? pack("n", 0xc00c) . substr($q, $end - 4, 4) . pack("Nn", 60, length $a) . $a : ""), 0, $from);
		}'
}

# Of the guest's interface $1: a file from the host's loopback, which is $2
fetch() { does "rm -f /f; wget -qO /f http://$2:8000/file && [ \$(sha256sum </f | cut -c1-64) = $sum ]" "$1-$3"; }
ipv4_only() {
	does "echo 1 >/proc/sys/net/ipv6/conf/$1/disable_ipv6; ip link set $1 up" "$1-up"
	does "udhcpc -qni $1 >/dev/null && ip a add 10.0.2.15/24 dev $1" "$1-dhcp"
	fetch "$1" 10.0.2.2 ipv4
}
ipv6_only() {
	does "ip -4 a flush dev $1; echo 0 >/proc/sys/net/ipv6/conf/$1/disable_ipv6" "$1-no-ipv4"
	does "until ip a show dev $1 | grep 'inet6 fec0::.*dynamic'; do usleep 200000; done" "$1-slaac"
	fetch "$1" '[fec0::2]' ipv6
}

test_net_user() {
	namespace
	file 1000000
	name_server
	serve busybox httpd -f -p 127.0.0.1:8000 -h www
	serve busybox httpd -f -p '[::1]:8000' -h www
	shell --net 'user,mac=02:00:00:00:00:01,fwd=tcp:127.0.0.1:2222:22,fwd=tcp:[::1]:2223:22' --net user,bus=mmio
	expect 'guest# '
	does 'grep 02:00:00:00:00:01 /sys/class/net/eth0/address' mac
	does 'while :; do echo hello from the guest | nc -l -p 22; done & true' listening
	ipv4_only eth0
	does 'nslookup -type=a web.test 10.0.2.3 | grep 10.0.2.2' dns4
	ipv6_only eth0
	does 'nslookup -type=aaaa web.test fec0::3 | grep -i fec0::2' dns6
	does 'ip a add 10.0.2.15/24 dev eth0' both
	fetch eth0 10.0.2.2 both4
	fetch eth0 '[fec0::2]' both6
	# From outside, by both families. The other end may close before this one has sent all of nothing.
	for to in '127.0.0.1 2222' '::1 2223'; do
		# shellcheck disable=SC2086
		[ "$(inside timeout 20 busybox nc $to </dev/null)" = 'hello from the guest' ] || fail "no answer from $to"
	done
	does 'ip link set eth0 down' down
	ipv4_only eth1
	ipv6_only eth1
	send $'poweroff -f\n'
	ended 0
}

# Of the guest's interface $1, whose host is 10.9.$2.1: a file there and back
tap_net() {
	local i=$1 host=10.9.$2.1
	does "ip a add 10.9.$2.2/24 dev $i; ip link set $i up" "$i-up"
	does "wget -qO /f http://$host:8000/file && [ \$(sha256sum </f | cut -c1-64) = $sum ]" "$i-in"
	# "<>": its input must not end, or it ends the connection
	inside setpriv --pdeathsig KILL busybox nc -l -p 900"$2" <>nap | sha256sum | cut -c1-64 >"sum$2" & local nc=$!
	does "until nc $host 900$2 </f; do usleep 200000; done; rm /f" "$i-out"
	wait $nc
	[ "$(cat "sum$2")" = "$sum" ] || fail "what $i sent arrived as something else"
}

test_net_tap() {
	[ "$(id -u)" != 0 ] || modprobe tun 2>/dev/null
	[ -w /dev/net/tun ] || skip '/dev/net/tun cannot be used'
	namespace
	file 20000000
	shell --cpus 2 --memory 1G --net tap=t1,queues=2,packed --net tap=t2,bus=mmio
	expect 'guest# '
	inside busybox ip a add 10.9.1.1/24 dev t1
	inside busybox ip a add 10.9.2.1/24 dev t2
	serve busybox httpd -f -p 8000 -h www
	does '[ $(ls -d /sys/class/net/eth0/queues/tx-* | wc -l) = 2 ]' queues
	tap_net eth0 1
	file 10000000
	tap_net eth1 2
	send $'poweroff -f\n'
	ended 0
}

all_net="net-tap net-user"
