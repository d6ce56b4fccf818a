# SPDX-License-Identifier: MIT
# Smoke tests of 3D: Debian's kernel and Mesa in the guest, virglrenderer on whatever OpenGL the host has; part of
# tests/smoke/x86.
# shellcheck shell=bash disable=SC2016,SC2154
gl() { # KEYS [ARG...]: a guest with a shell and Mesa, and a card of 3D with these keys
	[ -x "$MICROVM-ctl" ] || skip 'no microvm-ctl here'
	# The GPU of the lab refuses one parameter of samplers that virglrenderer sets of any: allow it.
	export MESA_EXTENSION_OVERRIDE=+GL_AMD_seamless_cubemap_per_texture
	GPU_RD=$GL_RD gpu --memory 1G --control socket --disk "$GL_IMAGE,ro" --gpu "virgl,$1" "${@:2}"
	if grep -q 'there is 2D only' errors; then skip "$(sed -n 's/.*--gpu virgl: //p' errors)"; fi
	mesa
}
mesa() {
	does 'mkdir /m; mount -r /dev/vda /m && for f in usr lib64 $(cd /m; echo lib/*); do [ -e /$f ] || ln -s /m/$f /$f; done' mesa
}
# frame_here WIDTHxHEIGHT N FILE.ppm: the Nth frame of kmscube, drawn by the same program on this side's processor. Its mounts
# are its own: nothing that removes a directory may find them.
frame_here() {
	mkdir here
	modprobe -a loop ext4
	size=$1 frame=$2 to=$3 unshare -m bash -euc '
		mount -r -o loop "$GL_IMAGE" here
		for dir in dev proc sys; do mount --bind /$dir here/$dir; done
		mount -t tmpfs tmp here/tmp
		(cd here/tmp && gzip -dc "$GL_RD" | cpio -i --quiet kms_probe.so)
		GBM_ALWAYS_SOFTWARE=1 PROBE_STOP=$frame PROBE_DUMP=/tmp/frame.ppm flock /run/lock-of-the-gpu chroot here "$(cd here && ls /lib*/ld-linux-*)" \
			--preload /tmp/kms_probe.so /usr/bin/kmscube -D /dev/dri/card0 -v "$size" <>nap # it ends when there is something to read
		cp here/tmp/frame.ppm "$to"' >here.said 2>&1 || fail "no frame to compare with: $(tail -n 1 here.said)"
	grep -q 'renderer: "llvmpipe' here.said || fail "not drawn on the processor: $(grep renderer: here.said)"
}
# cube [ARGS [VARIABLES]]: kmscube draws, by virgl, and stops at frame $stop. What it says goes to the console: of a file it would
# fill a buffer first, for minutes.
cube() {
	send "${2-} PROBE_STOP=$stop LD_PRELOAD=/kms_probe.so kmscube ${1-} & m=\$!"$'\n'
	expect 'renderer: "virgl ('
	expect "probe: frame $stop"
}
stop=30
# shows_frame FILE [OUTPUT]: as that file has it, nearly: renderers round edges and shades each in its own way
is_frame() { look "$2" && "$PNGDIFF" -t 16 -m 2000 now.png "$1" >difference; }
shows_frame() {
	until_true "output ${2-0} shows the frame in $1" is_frame "$1" "${2-0}"
	echo "${2-0}: $(cat difference)" >>"$SMOKE_OUT/gl-differences"
}
uncube() { does 'kill -9 $m; kill -CONT $m; wait $m; :' "uncubed-$((++cubes))"; }

test_gl_cube() {
	local cubes=0
	gl size=800x600,outputs=2
	does '[ -c /dev/dri/renderD128 ] && ! dmesg | grep "ERROR"' node
	cube
	frame_here 800x600 $stop want.ppm
	shows_frame want.ppm
	cp now.png "$SMOKE_OUT/kmscube.png"
	cp now.png want.png

	# it goes on, and is another picture at twice that frame
	send $'kill -CONT $m\n'
	expect "probe: frame $((2 * stop))"
	until_true 'the cube has turned' eval 'look 0 && ! "$PNGDIFF" -t 16 -m 10000 now.png want.png >difference'
	uncube

	# another mode, both outputs, a pointer on one of them
	cube '-v 640x480' 'PROBE_MIRROR=1 PROBE_POINTER=1'
	until_true 'the other output shows the cube' look 1
	[ "$(head -c 24 now.png | tail -c 8 | od -An -tx1 | tr -d ' ')" = 00000280000001e0 ] || fail 'not of 640x480'
	cp now.png want.png
	shows_frame want.png 1
	until_true 'there is a pointer' with_pointer
	cp now.png "$SMOKE_OUT/kmscube-pointer.png"
	uncube
	does '! dmesg | grep -e ERROR -e "WARNING: CPU"' silent

	# microvm-gpu dies while the guest draws: for a driver that is bound anew there is 3D again, and the guest lives
	cube
	send $'kill -CONT $m\n'
	kill -9 "$(gpu_process)"
	uncube
	does 'cd /sys/bus/virtio/drivers/virtio_gpu; n=$(echo virtio*); echo $n >unbind; echo $n >bind; cd /; [ -c /dev/dri/card0 ]' rebound
	cube
	shows_frame want.ppm

	# and so for a guest that starts anew
	kill -9 "$(gpu_process)"
	send $'reboot -f\n'
	expect 'microvm guest: up' 300
	expect 'guest# '
	mesa
	cube
	shows_frame want.ppm
	send $'poweroff -f\n'
	ended 0
}

# Without a GPU: on EGL's surfaceless platform, where each frame takes its time
test_soft_cube() {
	local stop=3
	printf '%s\n' '#!/bin/sh' 'mkdir -p /dev/dri && mount -t tmpfs none /dev/dri; exec "$MICROVM_PROPER" "$@"' >hidden
	chmod +x hidden
	printf '%s\n' '#!/bin/sh' "exec unshare -m $PWD/hidden "'"$@"' >microvm
	chmod +x microvm
	ln -s "$MICROVM-gpu" "$MICROVM-ctl" .
	MICROVM_PROPER=$MICROVM MICROVM=$PWD/microvm gl size=640x480
	grep -q 'virgl: llvmpipe' errors || fail "it draws elsewhere: $(grep virgl: errors)"
	cube
	until_true 'there is a picture' look 0
	cp now.png "$SMOKE_OUT/soft-cube.png"
	send $'poweroff -f\n'
	ended 0
}

# All that glmark2 draws unless asked for less, each for a moment only. With an alpha channel, which it takes by itself, the
# kernel's driver would not show it; and in 800x600 it finds no window, which is its own fault.
test_gl_marks() {
	local mark='glmark2-es2-drm --visual-config alpha=0'
	gl size=640x480
	send "$mark -b :duration=0.2"$'\n'
	expect 'GL_RENDERER:    virgl ('
	expect 'glmark2 Score: ' 400
	[ "$(grep -c 'FPS: [1-9][0-9]* FrameTime' console)" = 33 ] || fail "not 33 scenes were drawn"
	! grep -i 'error\|fail\|unsupported' console || fail "$(grep -im1 'error\|fail\|unsupported' console)"
	does '! dmesg | grep -e ERROR -e "WARNING: CPU"' silent
	send $'poweroff -f\n'
	ended 0
}

# A desktop whose windows are drawn by the GPU, too
gl_desktop() {
	type Xorg >/dev/null 2>&1 && [ -x "${XSHOT-}" ] || skip 'no Xorg or xshot here'
	mkfifo nap 2>/dev/null || :
	"$tests/../lab/desktop" "$PWD/xorg.log" >display &
	until [ -s display ]; do kill -0 $! || fail "no X server: $(grep -m1 '(EE)' xorg.log)"; nap 0.1; done
	DISPLAY=:$(cat display)
	export DISPLAY
	unset WAYLAND_DISPLAY
	type openbox >/dev/null 2>&1 || return 0
	setpriv --pdeathsig KILL openbox >/dev/null 2>&1 & # frames for windows
	until xdotool get_num_desktops >/dev/null 2>&1; do kill -0 $! || fail 'no window manager'; nap 0.1; done
}

# In a window: what it shows is the guest's picture, dot for dot. docs/kmscube.png is what is kept of it here.
test_gl_window() {
	local window
	gl_desktop
	gl size=800x600,display=sdl
	cube
	until_true 'there is a window' find_window
	shown "$window" cube
	"$XSHOT" -f "$window" "$SMOKE_OUT/gl-window.png"
	send $'poweroff -f\n'
	ended 0
}
all_gl="soft-cube gl-cube gl-marks gl-window"
