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
	hears_a_line
	xdotool type --delay 30 'by hand'
	xdotool key Return
	expect 'got=by hand'
	shown "$window" typed
	xdotool windowsize "$window" 640 480
	resized 640x480
	shown "$window" resized
	send $'poweroff -f\n'
	ended 0
	[ ! -s errors ] || fail "complaints: $(head -n 3 errors)"
}
# Windows of another program, which comes and goes.
view() { # ARG...: a viewer, whose process is $viewer
	"$MICROVM-view" --verbose "$@" pictures 2>>viewed &
	viewer=$!
	until_true 'the viewer has a window' find_window
}

test_gpu_view() {
	local window viewer
	desktop
	gpu --gpu 2d,size=800x600,socket=pictures --control socket
	does 'echo 0 >/sys/class/graphics/fbcon/cursor_blink; for i in $(seq 40); do echo line $i; done >/dev/tty1' drawn
	view --watch
	shown "$window" watched
	kill -9 "$viewer"
	until_true 'its window has gone' eval '! find_window'
	view
	shown "$window" viewed
	xdotool windowfocus "$window"
	hears_a_line
	xdotool type --delay 30 'by hand'
	xdotool key Return
	expect 'got=by hand'
	shown "$window" view-typed
	xdotool windowsize "$window" 640 480
	resized 640x480
	shown "$window" view-resized
	send $'poweroff -f\n'
	ended 0
	wait "$viewer" || fail "microvm-view ended with status $?"
	grep -q 'the machine has gone' viewed || fail "the viewer does not say that the machine has gone: $(tail -n 3 viewed)"
	[ ! -s errors ] || fail "complaints: $(head -n 3 errors)"
}
# On the lab's GPU: what the guest draws by virgl comes to the viewer as dma-bufs, and is drawn from these.
test_gl_view() {
	local window viewer stop=8
	type Xorg xdotool >/dev/null 2>&1 && [ -x "${XSHOT-}" ] || skip 'no Xorg, xdotool or xshot here'
	mkfifo nap
	"$tests/../lab/desktop" "$PWD/xorg.log" >display &
	until [ -s display ]; do kill -0 $! || fail "no X server: $(grep -m1 '(EE)' xorg.log)"; nap 0.1; done
	DISPLAY=:$(cat display)
	export DISPLAY
	unset WAYLAND_DISPLAY
	gl size=640x480,socket=pictures --input keyboard
	view
	cube
	shown "$window" gl-view
	does 'ln -s input/event$(cd /sys/class/input; grep -l "microvm keyboard" event*/device/name | tr -dc 0-9) /dev/keyboard' keyboard
	send $'dd bs=24 count=1 if=/dev/keyboard 2>/dev/null | wc -c | sed "s/^/came: /" &\n'
	xdotool windowfocus --sync "$window"
	until_true 'a key comes' eval 'xdotool key a && grep -q "came: 24" console'
	kill "$viewer"
	wait "$viewer" || fail "microvm-view ended with status $?"
	grep -Eq 'pictures: [1-9][0-9]* by dma-buf, 0 by memory; drawn from dma-bufs: [1-9][0-9]*, copied: 0' viewed ||
		fail "the viewer says: $(tail -n 1 viewed)"
	tail -n 1 viewed >"$SMOKE_OUT/gl-view.said"
	send $'poweroff -f\n'
	ended 0
}
all_window="gpu-window gpu-view gl-view"
