# SPDX-License-Identifier: MIT
# Smoke tests of 3D: Debian's kernel and Mesa in the guest, virglrenderer on whatever OpenGL the host has; part of
# tests/smoke/x86.
# shellcheck shell=bash disable=SC2016,SC2154
gl() { # a guest with a shell and Mesa, and a card of 3D
	[ -x "$MICROVM-ctl" ] || skip 'no microvm-ctl here'
	GPU_RD=$GL_RD gpu --memory 1500M --control socket --gpu virgl,size=640x480
	if grep -q 'there is 2D only' errors; then skip "$(sed -n 's/.*--gpu virgl: //p' errors)"; fi
}
# It shows something else than before, of which a blinking cursor is not enough.
is_new() { look 0 && ! "$PNGDIFF" -t 20 -m 0 now.png before.png >difference && [ "$(sed 's/ of .*//' difference)" -gt 2000 ]; }

cube() { # WORD: kmscube draws, by virgl
	send $'kmscube >/said 2>&1 & m=$!\n'
	does 'until grep -q "Rendered [1-9]" /said; do kill -0 $m || break; sleep 1; done; cat /said; grep -q "renderer: *\"virgl (" /said' "$1"
	look 0 || fail 'no screenshot'
	cp now.png before.png
	until_true 'the cube turns' is_new
}

test_kmscube() {
	gl
	does '[ -c /dev/dri/renderD128 ] && ! dmesg | grep "ERROR"' node
	cube first
	cp now.png "$SMOKE_OUT/kmscube.png"
	does '! dmesg | grep -e ERROR -e "WARNING: CPU"' silent

	# microvm-gpu dies while the guest draws, and after a new start of the guest there is 3D again
	kill -9 "$(gpu_process)"
	send $'reboot -f\n'
	expect 'microvm guest: up' 300
	expect 'guest# '
	cube again
	send $'poweroff -f\n'
	ended 0
}
all_gl="kmscube"
