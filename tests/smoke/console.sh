# SPDX-License-Identifier: MIT
# Smoke tests of consoles and ports whose other end is another program of the host; part of tests/smoke/x86 and arm64.
# shellcheck shell=bash disable=SC2016,SC2154
console() { # ARG...: a guest with a shell and the drivers
	vm --kernel "$VMLINUX" --initrd "$SHELL_RD" --append "$quiet" "$@"
	expect 'guest# '
}
sum() { md5sum | cut -c1-32; }

# client SOCKET <INPUT: sends it, and prints what comes back, until that is as much
client() {
	perl -MIO::Socket::UNIX -e '
		my ($in, $out, $left) = (do { local $/; <STDIN> }, "");
		my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\n";
		alarm 60;
		$s->blocking(0);
		for (my $at = 0; length $out < length $in;) {
			vec(my $r = "", fileno $s, 1) = 1;
			my $w = $at < length $in ? $r : "";
			select $r, $w, undef, undef;
			$at += syswrite($s, $in, 4096, $at) // 0 if $w =~ /[^\0]/;
			defined sysread($s, $out, 65536, length $out) or $!{EAGAIN} or die "$!\n";
		}
		print $out;' "$1"
}

ports() { # KEYS
	head -c 1M /dev/urandom >data
	console --console "stdio,port=unix:agent,name=org.test.agent,port=pty:tty,$1"
	does 'cd /sys/class/virtio-ports; p=$(echo *p0); p=/dev/${p%0}; [ $(ls | wc -l) = 3 ]' listed
	does '[ "$(cat *p1/name)" = org.test.agent ] && [ ! -s *p2/name ]' named
	[ "$(stat -c %a agent)" = 600 ] || fail 'the socket is not for its owner only'

	# the socket: what is sent comes back, for one client after the other
	send $'(exec 3<>${p}1; while :; do cat <&3 >&3; sleep 1; done) &\n'
	for words in 'a few words' 'and others'; do
		[ "$(client agent <<<"$words")" = "$words" ] || fail "the guest did not echo '$words'"
	done
	client agent <data | cmp - data || fail 'the echo of 1 MiB is another one'

	# the terminal: 1 MiB in, 1 MiB out
	exec {tty}<>tty
	send $'head -c 1048576 <${p}2 >/d && md5sum /d\n'
	cat data >&"$tty"
	expect "$(sum <data)"
	does 'head -c 1048576 /dev/urandom >/e; (cat /e >${p}2) & md5sum /e | sed s/^/sum-/' sending
	head -c 1048576 <&"$tty" >echoed
	grep -q "sum-$(sum <echoed)" console || fail 'what came out of the guest is not what went in'
	exec {tty}>&-

	# without somebody at the other end a writer waits, and the console goes on
	does '(echo late >${p}2) & sleep 1' goes-on
	exec {tty}<>tty
	read -rt 30 -u "$tty" line && [ "$line" = late ] || fail "the terminal said '$line'"
	send $'poweroff -f\n'
	ended 0
	[ ! -e agent ] && [ ! -L tty ] || fail 'microvm left its socket or its link behind'
}
test_ports_pci() { ports bus=pci; }
test_ports_mmio() { ports bus=mmio,packed; }

test_serial_pty() { # a login as over a serial cable
	vm --kernel "$VMLINUX" --initrd "$SHELL_RD" --append "$quiet" --serial pty:tty
	until [ -L tty ]; do running || fail 'no terminal'; nap 0.05; done
	exec {tty}<>tty
	cat <&"$tty" >>console &
	expect 'guest# '
	echo 'echo $((6 * 7)) answers' >&"$tty"
	expect '42 answers'
	echo 'poweroff -f' >&"$tty"
	ended 0
	wait $! # it ends with the terminal
	[ ! -L tty ] || fail 'microvm left its link behind'
}
test_serial_unix() { # the guest boots whether or not somebody looks on, and goes on when he leaves
	stdin=/dev/null vm --kernel "$VMLINUX" --initrd "$SHELL_RD" --append "$quiet" --serial unix:ttyS0
	nap 1
	until [ -S ttyS0 ]; do running || fail 'no socket'; nap 0.05; done
	look() { perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\n";
		alarm 90;
		for (my $quiet = 1;;) {
			syswrite $s, $ARGV[1] if $quiet;
			vec(my $r = "", fileno $s, 1) = 1;
			next if $quiet = !select $r, undef, undef, 3;
			sysread $s, $all, 4096, length $all or last;
			last if $all =~ /$ARGV[2]/;
		}
		print $all;' ttyS0 "$@"; }
	look $'\n' 'guest#' | grep -q 'guest#' || fail 'no shell at the socket'
	look $'echo $((6 * 7)) answers\n' '42 answers' | grep -q '42 answers' || fail 'the second client was not served'
	look $'poweroff -f\n' 'never said' >/dev/null
	ended 0
	[ ! -e ttyS0 ] || fail 'microvm left its socket behind'
}
all_console="ports-pci ports-mmio serial-pty serial-unix"
