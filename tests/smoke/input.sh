# SPDX-License-Identifier: MIT
# Smoke tests of the host's input devices in a guest; part of tests/smoke/x86. The devices are uinput's.
# shellcheck shell=bash disable=SC2016,SC2154
# KIND: its node in $node, its process in $pid_KIND; >&$KIND says what happens, file $KIND has what the guest said to it
uinput() {
	local fd
	modprobe -q -a uinput evdev 2>/dev/null || true
	[ -w /dev/uinput ] || skip 'no uinput here'
	[ -x uinput ] || gcc -static -O2 -o uinput "$tests/uinput.c" || fail 'gcc'
	mkfifo "$1.in"
	exec {fd}<>"$1.in"
	./uinput "$1" <&"$fd" >"$1" {fd}>&- &
	uinputs="${uinputs-} $!"
	printf -v "pid_$1" %s $!
	mkfifo nap 2>/dev/null || true
	while ! read -r node <"$1"; do
		kill -0 $! 2>/dev/null || fail 'uinput made no device'
		nap 0.1
	done
	printf -v "$1" %s "$fd"
}
does_event() { printf '%s\n' "${@:2}" >&"$1"; } # FD 'TYPE CODE VALUE'...
# NODE N: N events as the guest's evdev has them, each TYPE CODE VALUE and a comma
reads() {
	send "echo open-\$((0)); dd bs=24 count=$2 if=/dev/input/$1 2>/dev/null | od -v -An -t d2 -w24 | "
	send $'while read a b c d e f g h t k v x; do echo -n "$t $k $v,"; done; echo read\n'
	expect 'open-0'
	nap 3
}

# A keyboard with lights and a touch screen are in the guest what they are on the host, and back with the host by a chord.
test_input_host() {
	local node kbd_node keyboard touch uinputs
	uinput keyboard
	kbd_node=$node
	uinput touch
	vm --kernel "$VMLINUX" --initrd "$GPU_RD" --append "$quiet" --input "evdev=$kbd_node" --input "evdev=$node,bus=mmio"
	expect 'guest# '
	does 'grep -A9 "Host keyboard" /proc/bus/input/devices | grep -q "EV=120003" && grep -q "Bus=0003 Vendor=1234 Product=5678 Version=9abc" /proc/bus/input/devices' keyboard
	does 'grep -A9 "Host touch" /proc/bus/input/devices | grep -q "PROP=2"' touch
	does 'for i in event0 event1; do n=$(cat /sys/class/input/$i/device/name); ln -s $i /dev/input/${n#Host }; done' names
	reads keyboard 4
	does_event "$keyboard" '1 30 1' '0 0 0' '1 30 0' '0 0 0'
	expect '1 30 1,0 0 0,1 30 0,0 0 0,read'
	reads touch 8
	does_event "$touch" '3 47 3' '3 57 9' '3 53 -7' '3 54 5' '1 330 1' '0 0 0' '3 57 -1' '0 0 0'
	expect '3 47 3,3 57 9,3 53 -7,3 54 5,1 330 1,0 0 0,3 57 -1,0 0 0,read'
	# a light, told by the guest
	send $'for n in /sys/class/leds/*::capslock; do echo 1 >$n/brightness; done\n'
	until_true 'the light is on' grep -qx '17 1 1' keyboard
	# ctrl-alt-g: nothing after that reaches the guest
	does_event "$keyboard" '1 29 1' '0 0 0' '1 56 1' '0 0 0' '1 34 1' '0 0 0' '1 34 0' '0 0 0' '1 56 0' '0 0 0' '1 29 0' '0 0 0'
	until_true 'the light is off' grep -qx '17 1 0' keyboard
	send $'poweroff -f\n'
	ended 0
	# shellcheck disable=SC2086
	kill $uinputs
}
all_input="input-host"
