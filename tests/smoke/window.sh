# SPDX-License-Identifier: MIT
# Smoke test of a guest in a window on a desktop, which is an Xvfb; part of tests/smoke/x86.
# shellcheck shell=bash disable=SC2016,SC2154
desktop() {
	[ -x "${XSHOT-}" ] && type Xvfb xdotool >/dev/null 2>&1 || skip 'no Xvfb, xdotool or xshot here'
	mkfifo nap
	setpriv --pdeathsig KILL Xvfb -displayfd 3 -screen 0 1024x768x24 -nolisten tcp 3>display 2>/dev/null &
	until [ -n "$(cat display)" ]; do nap 0.1; done
	DISPLAY=:$(cat display)
	export DISPLAY
	unset WAYLAND_DISPLAY
}
# What the window shows is what the guest draws, dot for dot.
shown() { # WINDOW WHAT
	local limit=$((SECONDS + 60))
	until "$XSHOT" "$1" window.png 2>>refused && "$MICROVM-ctl" socket screenshot guest.png 2>>refused &&
		"$PNGDIFF" -t 0 window.png guest.png >difference; do
		[ "$SECONDS" -lt "$limit" ] || {
			cp window.png guest.png "$SMOKE_OUT"
			fail "$2: the window shows another picture: $(cat difference)"
		}
		nap 0.5
	done
	cp window.png "$SMOKE_OUT/gpu-window-$2.png"
}

test_gpu_window() {
	local window
	desktop
	gpu --gpu 2d,size=800x600,display=sdl --control socket
	does 'echo 0 >/sys/class/graphics/fbcon/cursor_blink; for i in $(seq 40); do echo line $i; done >/dev/tty1' drawn
	window=$(xdotool search --onlyvisible --name '^microvm') || fail 'no window'
	shown "$window" first
	xdotool windowfocus "$window"
	send $'read -r l </dev/tty1; echo "got=$l"\n'
	xdotool type --delay 30 'by hand'
	xdotool key Return
	expect 'got=by hand'
	shown "$window" typed
	xdotool windowsize "$window" 640 480
	does 'for i in $(seq 100); do head -n 1 /sys/class/drm/card0-Virtual-1/modes | grep -qx 640x480 && break; sleep 0.1; done; [ $i != 100 ]' resized
	shown "$window" resized
	send $'poweroff -f\n'
	ended 0
	[ ! -s errors ] || fail "complaints: $(head -n 3 errors)"
}
all_window="gpu-window"
