# SPDX-License-Identifier: MIT
# Smoke tests of graphics cards and input devices by Debian's own tools in the guest: modetest, evtest, libinput, udev;
# part of tests/smoke/x86.
# shellcheck shell=bash disable=SC2016,SC2154
tools() { # ARG...: a guest with a shell, the drivers and these
	[ -x "$MICROVM-ctl" ] || skip 'no microvm-ctl here'
	GPU_RD=$TOOLS_RD gpu --control socket "$@"
	# events DEVICE: of evtest's output, each as TYPE CODE VALUE and a comma; but no keys that the kernel repeats by itself
	send $'events() { awk \'/^Event.*EV_KEY.*value 2$/ {r=1; next} /^Event.*SYN_REPORT/ {if (!r) printf "0 0 0,"; r=0; next} /^Event/ {printf "%s %s %s,", $5, $8, $NF}\' /raw-$1; }\n'
}
until_true() { # WHAT COMMAND...
	local limit=$((SECONDS + 120)) looked=
	until "${@:2}"; do
		running || fail "ended before $1"
		[ "$SECONDS" -lt "$limit" ] || fail "not within two minutes: $1"
		nap 0.3
	done
}

# ---- modetest ----

# pattern ARG...: modetest's colour bars instead of those that it shows; -s MONITOR:MODE for each monitor
pattern() { does "kill \$m; wait \$m; modetest -M virtio_gpu $* </keys >/said 2>&1 & m=\$!" "$((++patterns))"; }
look() { new_shot now.png "$1"; }
is_pattern() { look "$1" && "$PNGDIFF" -t 0 -m 0 now.png want.png >difference; }
# OUTPUT WIDTHxHEIGHT+X WIDTHxHEIGHT: of all that modetest draws, the second size, it shows this part
shows() {
	"$BARS" "$2" "$3" want.png || fail "no picture of $2"
	until_true "output $1 shows colour bars of $2" is_pattern "$1"
}
with_pointer() { look 0 && ! "$PNGDIFF" -t 0 -m 0 now.png want.png >difference && grep -q '^4096 of ' difference; }

test_modetest() {
	local size patterns=0
	tools --gpu 2d,size=1280x720,outputs=2
	send $': & m=$!; mkfifo /keys; sleep 100000 >/keys &\n'
	does 'modetest -M virtio_gpu -c >/t; [ $(grep -c "#0 1280x720 60.00 .*preferred" /t) = 2 ] && [ $(grep -c "#1 800x600 60.32 " /t) = 2 ]' modes
	for size in 800x600 1280x720 640x480; do
		pattern -s "Virtual-1:$size"
		shows 0 "$size+0" "$size"
	done
	does 'cat /said; ! grep -i "failed to [^s]" /said' no-complaints

	# its pointer is a grey square of 64x64 pixels, and walks about
	pattern -C -s Virtual-1:800x600
	"$BARS" 800x600+0 800x600 want.png
	until_true 'there is a pointer' with_pointer
	cp now.png then.png
	until_true 'the pointer has moved' eval 'with_pointer && ! cmp -s now.png then.png'
	cp now.png "$SMOKE_OUT/modetest-pointer.png"

	# at the pace of a monitor, though the guest has no signal that it could wait for
	pattern -v -s Virtual-1:640x480
	does 'until grep -q freq /said; do sleep 1; done; kill $m; wait $m; sed -n "s/freq: \([0-9]*\).*/\1/p" /said >/f; cat /said; : & m=$!; [ $(head -n 1 /f) -le 70 ]' pace

	pattern -s Virtual-1:800x600 -s Virtual-2:640x480
	shows 0 800x600+0 1440x600
	shows 1 640x480+800 1440x600
	cp now.png "$SMOKE_OUT/modetest-second.png"

	# a monitor goes and comes back, larger
	send $'udevadm monitor -k -s drm >/u & cd /sys/class/drm/card0-Virtual-2; kill $m; : & m=$!\n'
	does 'grep -qx connected status' connected
	ctl unplug 1
	does 'until grep -qx disconnected status; do sleep 0.2; done; modetest -M virtio_gpu -c | grep "disconnected.*Virtual-2"' unplugged
	ctl resize 1600x900 1
	ctl plug 1
	# the kernel's console takes no mode that its memory has no room for, and lists none
	does 'until grep -qx connected status; do sleep 0.2; done; modetest -M virtio_gpu -c | grep -A4 Virtual-2 | grep "#0 1600x900 60.00 .*preferred"' plugged
	does 'until grep -q "KERNEL.*change.*card0 (drm)" /u; do sleep 0.2; done; kill %udevadm' told
	pattern -s Virtual-2:1600x900
	shows 1 1600x900+0 1600x900
	does '! dmesg | grep -e ERROR -e "WARNING: CPU" -e "drm.*fail"' silent
	send $'poweroff -f\n'
	ended 0
}

# ---- evtest and libinput ----

udev() { does '/usr/lib/systemd/systemd-udevd --daemon && udevadm trigger -s input && udevadm settle' udev; }
# DEVICE...: evtest listens, to /dev/DEVICE into /raw-DEVICE
listen() { does "for i in $*; do evtest /dev/\$i >/raw-\$i & until grep -qs interrupt /raw-\$i; do sleep 0.1; done; done" listening; }
# DEVICE EVENTS: exactly these have come, the last of them at last
heard_by() {
	[ -z "$2" ] || send "until events $1 | grep -q '${2: -9}\$'; do sleep 0.2; done"$'\n'
	send "events $1 >/$1"$'\n'
	heard "$1" "$2"
}
# WHAT TEXT: what the guest prints of it, between brackets
heard() {
	send "echo $1=\"[\$(cat /$1)]\""$'\n'
	expect "$1=[" # not so in what it echoes
	expect ']'
	local text
	text=$(tr -d '\r' <console)
	text=${text##*"$1=["}
	[ "${text%%]*}" = "$2" ] || fail "$1: heard ${text%%]*} instead of $2"
}

test_evtest() {
	local device text
	tools --gpu 2d,size=800x600 --input keyboard --input mouse --input tablet --input multitouch
	udev
	does 'for i in 0 1 2 3; do n=$(cat /sys/class/input/event$i/device/name); ln -s input/event$i "/dev/${n#microvm }"; done; mv "/dev/touch screen" /dev/touch' names
	# as udev and libinput take them
	for text in keyboard:KEYBOARD mouse:MOUSE tablet:MOUSE touch:TOUCHSCREEN; do
		does "udevadm info /dev/${text%:*} | grep -qx 'E: ID_INPUT_${text#*:}=1'" "${text%:*}"
	done
	send $'libinput list-devices | awk -F ": *" \'/^Dev/ {d=$2} /^Cap/ {print d "/" $2}\' | grep micro | sort | tr "\\n" "," | tr -d " " >/list\n'
	heard list 'microvmkeyboard/keyboard,microvmmouse/pointer,microvmtablet/pointer,microvmtouchscreen/touch,'

	send $'libinput debug-events --show-keycodes >/raw-libinput 2>&1 &\n'
	listen keyboard mouse tablet touch
	does 'until [ $(grep -c "DEVICE_ADDED *microvm" /raw-libinput) = 4 ]; do sleep 0.1; done' listening-too
	ctl type aB
	ctl move 100 50
	ctl move 799 599
	ctl click left
	ctl click extra
	does 'until grep -q "BTN_EXTRA.*released" /raw-libinput; do sleep 0.1; done' clicked # it waits whether a button bounces
	ctl scroll 1
	ctl scroll -2 3
	heard_by keyboard '1 30 1,0 0 0,1 30 0,0 0 0,1 42 1,0 0 0,1 48 1,0 0 0,1 48 0,0 0 0,1 42 0,0 0 0,'
	text='3 0 4101,3 1 2735,0 0 0,3 0 32767,3 1 32767,0 0 0,1 272 1,0 0 0,1 272 0,0 0 0,1 276 1,0 0 0,1 276 0,0 0 0,'
	heard_by tablet "$text"'2 8 1,2 11 120,0 0 0,2 8 -2,2 11 -240,2 6 3,2 12 360,0 0 0,'
	heard_by mouse ''
	heard_by touch ''
	does 'until [ $(grep -c SCROLL /raw-libinput) = 3 ]; do sleep 0.1; done; sed "s/^[- ]*//" /raw-libinput | grep -v -e DEVICE_ADDED -e "your system is too slow" | while read d t w x; do echo $t $x; done | tr "\t\n" " ," >/libinput' libinput
	text='KEYBOARD_KEY KEY_A (30) pressed,KEYBOARD_KEY KEY_A (30) released,KEYBOARD_KEY KEY_LEFTSHIFT (42) pressed,'
	text+='KEYBOARD_KEY KEY_B (48) pressed,KEYBOARD_KEY KEY_B (48) released,KEYBOARD_KEY KEY_LEFTSHIFT (42) released,'
	text+='POINTER_MOTION_ABSOLUTE 12.52/ 8.35,POINTER_MOTION_ABSOLUTE 100.00/100.00,' # per cent of the screen
	for device in LEFT:272 EXTRA:276; do
		text+="POINTER_BUTTON BTN_${device%:*} (${device#*:}) pressed, seat count: 1,POINTER_BUTTON BTN_${device%:*} (${device#*:}) released, seat count: 0,"
	done
	text+='POINTER_SCROLL_WHEEL vert -15.00/-120.0* horiz 0.00/0.0 (wheel),POINTER_SCROLL_WHEEL vert 30.00/240.0* horiz 0.00/0.0 (wheel),'
	heard libinput "$text"'POINTER_SCROLL_WHEEL vert 0.00/0.0 horiz 45.00/360.0* (wheel),'
	does '! dmesg | grep -e ERROR -e "WARNING: CPU"' silent
	send $'poweroff -f\n'
	ended 0
}
# What evtest says of a device before it listens; but not what is so at the moment
traits='sed -n "/^Input device ID/,/^Testing/{/^ *Value/d;s/ state [01]//;p}"'
# NODE: the same on this side, into the file KIND.traits
traits_of() {
	local evtest
	evtest "$1" </dev/null >"$2.raw" 2>&1 &
	evtest=$!
	until_true "evtest of $1" grep -q interrupt "$2.raw"
	kill $evtest
	eval "$traits" <"$2.raw" >"$2.traits"
}

# Devices of the host are the same in the guest, to evtest; they are unplugged and come back.
test_evtest_host() {
	local node kind keyboard mouse touch pid_mouse uinputs args=() old
	type evtest >/dev/null 2>&1 || skip 'no evtest here'
	for kind in keyboard mouse touch; do
		uinput $kind
		vm=$$ traits_of "$node" $kind
		args+=(--input "evdev=$node")
		[ $kind != mouse ] || old=$node
	done
	tools --gpu 2d "${args[@]}"
	does 'for i in 0 1 2; do n=$(cat /sys/class/input/event$i/device/name); ln -s input/event$i "/dev/${n#Host }"; done' names
	listen keyboard mouse touch
	for kind in keyboard mouse touch; do
		does "$traits /raw-$kind >/traits; md5sum </traits; [ \"\$(md5sum </traits)\" = \"$(md5sum <$kind.traits)\" ] || { cat /traits; false; }" "$kind"
	done

	does_event "$keyboard" '1 30 1' '0 0 0' '1 30 0' '0 0 0'
	does_event "$mouse" '2 0 5' '2 1 -3' '0 0 0' '2 8 -1' '0 0 0' '1 273 1' '0 0 0' '1 273 0' '0 0 0'
	does_event "$touch" '3 47 0' '3 57 8' '3 53 10' '3 54 20' '3 47 1' '3 57 9' '3 53 -7' '3 54 5' '1 330 1' '0 0 0' \
		'3 47 0' '3 54 21' '0 0 0' '3 57 -1' '3 47 1' '3 57 -1' '1 330 0' '0 0 0'
	heard_by keyboard '1 30 1,0 0 0,1 30 0,0 0 0,'
	heard_by mouse '2 0 5,2 1 -3,0 0 0,2 8 -1,0 0 0,1 273 1,0 0 0,1 273 0,0 0 0,'
	heard_by touch '3 57 8,3 53 10,3 54 20,3 47 1,3 57 9,3 53 -7,3 54 5,1 330 1,0 0 0,3 47 0,3 54 21,0 0 0,3 57 -1,3 47 1,3 57 -1,1 330 0,0 0 0,'

	# the guest's console answers caps lock by the light
	does_event "$keyboard" '1 58 1' '0 0 0' '1 58 0' '0 0 0'
	until_true 'the light goes on' grep -qx '17 1 1' keyboard
	does_event "$keyboard" '1 58 1' '0 0 0' '1 58 0' '0 0 0'
	until_true 'the light goes off' grep -qx '17 1 0' keyboard

	# unplugged with a button down
	does_event "$mouse" '1 272 1' '0 0 0'
	does 'until events mouse | grep -q "1 272 1,0 0 0,$"; do sleep 0.2; done' pressed
	kill "$pid_mouse"
	until_true 'it is unplugged' grep -q 'Host mouse): unplugged' errors
	does 'until events mouse | grep -q "1 272 0,0 0 0,$"; do sleep 0.2; done' released
	rm mouse mouse.in
	uinput mouse
	[ "$node" = "$old" ] || fail "$old came back as $node"
	until_true 'it is there again' grep -q 'Host mouse): plugged in again' errors
	does_event "$mouse" '2 0 7' '0 0 0'
	heard_by mouse '2 0 5,2 1 -3,0 0 0,2 8 -1,0 0 0,1 273 1,0 0 0,1 273 0,0 0 0,1 272 1,0 0 0,1 272 0,0 0 0,2 0 7,0 0 0,'
	send $'poweroff -f\n'
	ended 0
	# nobody holds them any more
	evtest --grab "$node" </dev/null >after 2>&1 &
	until grep -q interrupt after; do nap 0.2; done
	! grep -q 'grabbed by another' after || fail 'it is still grabbed'
	# shellcheck disable=SC2086 # a list
	kill $! $uinputs || : # one is gone
}

# ---- a window: desktop and shown are window.sh's ----

find_window() { window=$(xdotool search --onlyvisible --name '^microvm' 2>/dev/null | head -n 1) && [ -n "$window" ]; }

# Somebody resizes the window, and uses keyboard and pointer in it.
test_window_follows() {
	local window size
	desktop
	tools --gpu 2d,size=800x600,display=sdl --input keyboard --input tablet
	until_true 'there is a window' find_window
	xdotool windowmove "$window" 0 0 # no part of it may be outside of the desktop
	# a guest that follows its monitor; modes are looked for anew for whoever has the screen
	send $'mkfifo /keys; sleep 100000 >/keys &\n'
	send $': & m=$!; while :; do e=$(md5sum </sys/class/drm/card0-Virtual-1/edid); [ "$e" = "$o" ] || { o=$e; kill $m; wait $m; n=$(modetest -M virtio_gpu -c | sed -n "s/^  #0 \\([0-9x]*\\) .*/\\1/p"); modetest -M virtio_gpu -s Virtual-1:$n </keys & m=$!; }; sleep 0.2; done >/said 2>&1 &\n'
	for size in 800x600 640x480 1000x700; do
		[ $size = 800x600 ] || xdotool windowsize "$window" ${size/x/ }
		shows 0 "$size+0" "$size"
		shown "$window" "follows-$size"
	done
	does 'for i in 0 1; do n=$(cat /sys/class/input/event$i/device/name); ln -s input/event$i "/dev/${n#microvm }"; done' names
	listen keyboard tablet
	xdotool windowfocus "$window" mousemove --window "$window" 100 50
	xdotool click 1 key a click 4
	heard_by keyboard '1 30 1,0 0 0,1 30 0,0 0 0,'
	heard_by tablet '3 0 3279,3 1 2343,0 0 0,1 272 1,0 0 0,1 272 0,0 0 0,2 8 1,2 11 120,0 0 0,'
	does '! dmesg | grep -e ERROR -e "WARNING: CPU"' silent
	send $'poweroff -f\n'
	ended 0
}
all_tools="modetest evtest evtest-host window-follows"
