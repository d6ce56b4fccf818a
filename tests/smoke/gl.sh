# SPDX-License-Identifier: MIT
# Smoke tests of 3D: Debian's kernel and Mesa in the guest, virglrenderer on whatever OpenGL the host has; part of
# tests/smoke/x86.
# shellcheck shell=bash disable=SC2016,SC2154
gl() { # KEYS: a guest with a shell and Mesa, and a card of 3D with these keys
	[ -x "$MICROVM-ctl" ] || skip 'no microvm-ctl here'
	GPU_RD=$GL_RD gpu --memory 1G --control socket --disk "$GL_IMAGE,ro" --gpu "virgl,$1"
	mesa
	if grep -q 'there is 2D only' errors; then skip "$(sed -n 's/.*--gpu virgl: //p' errors)"; fi
}
mesa() {
	does 'mkdir /m; mount -r /dev/vda /m && for f in usr lib64 $(cd /m; echo lib/*); do [ -e /$f ] || ln -s /m/$f /$f; done' mesa
}
# It shows something else than before, of which a blinking cursor is not enough.
is_new() { look 0 && ! "$PNGDIFF" -t 20 -m 0 now.png before.png >difference && [ "$(sed 's/ of .*//' difference)" -gt 2000 ]; }

# WORD: kmscube draws, by virgl. What it says goes to the console: of a file it would fill a buffer first, for minutes.
cube() {
	send $'kmscube & m=$!\n'
	expect 'renderer: "virgl ('
	expect 'Rendered '
	look 0 || fail 'no screenshot'
	cp now.png before.png
	until_true "the cube turns ($1)" is_new
}

test_gl_cube() {
	gl size=640x480
	does '[ -c /dev/dri/renderD128 ] && ! dmesg | grep "ERROR"' node
	cube first
	cp now.png "$SMOKE_OUT/kmscube.png"
	does '! dmesg | grep -e ERROR -e "WARNING: CPU"' silent

	# microvm-gpu dies while the guest draws, and after a new start of the guest there is 3D again
	kill -9 "$(gpu_process)"
	send $'reboot -f\n'
	expect 'microvm guest: up' 300
	expect 'guest# '
	mesa
	cube again
	send $'poweroff -f\n'
	ended 0
}
all_gl="gl-cube"
