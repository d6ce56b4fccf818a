# SPDX-License-Identifier: MIT
# Smoke tests of graphics cards and input devices; part of tests/smoke/x86 and arm64. microvm-gpu serves them, without a window.
# shellcheck shell=bash disable=SC2016,SC2154
gpu() { # ARG...: a guest with a shell and the drivers
	[ -x "$MICROVM-gpu" ] || skip 'no microvm-gpu here'
	vm --kernel "$VMLINUX" --initrd "$GPU_RD" --append "$quiet" "$@"
	expect 'guest# '
}
# shot FILE [OUTPUT]: what the card shows, if that is a picture
shot() { "$MICROVM-ctl" socket screenshot "$1" "${2-0}" 2>>refused; }
# The same for loops: if it is another picture than the last one since `looked` was emptied. To pack and to compare a picture
# is dear in the lab, whose processor the guest needs to draw the one that is waited for.
new_shot() {
	local now
	now="${2-0} $("$MICROVM-ctl" socket output "${2-0}" 2>>refused)" || return
	[ "$now" != "${looked-}" ] && shot "$@" && looked=$now
}
# blobs KEYS ARG...: the same, and memory of the host's for /blob_guest, with words that else are for Vulkan
blobs() {
	cat "$BLOBS/blob_guest.cpio" "$GPU_RD" >rd
	GPU_RD=rd gpu --gpu "virgl,venus,hostmem=3M,program=$BLOBS/blob/microvm-gpu,$1" "${@:2}"
}
gpu_process() { pgrep -P "$vm" -x microvm-gpu; }
resized() { does "until head -n 1 /sys/class/drm/card0-Virtual-1/modes | grep -qx $1; do sleep 0.1; done" "resized-$1"; }
# It says what is typed on its console. What comes before somebody has opened that is lost.
hears_a_line() {
	does 'exec 3</dev/tty1' listening
	send $'read -r l <&3; echo "got=$l"\n'
}

# The drivers find what was asked for, and have nothing to complain of. What they did is played again without them: with
# the same answers, and the same picture in the end, but for a cursor.
test_gpu() {
	local process frames
	gpu --gpu 2d,size=800x600,outputs=2,record=rec --control socket
	does '[ -c /dev/dri/card0 ] && [ "$(cat /sys/class/graphics/fb0/virtual_size)" = 800,600 ]' card
	does 'cat /proc/bus/input/devices; ls /dev/input' inputs
	grep -q 'Name="microvm keyboard"' console && grep -q 'Name="microvm tablet"' console || fail 'an input device is missing'
	does 'echo 0x038000 0x090000 0x090200 >/w; for c in $(cat /w); do grep -qx $c /sys/bus/pci/devices/*/class || exit; done' classes
	does 'cat /sys/class/drm/card0-Virtual-1/modes | grep -qx 800x600' modes
	does '[ $(wc -c </sys/class/drm/card0-Virtual-1/edid) -ge 128 ]' edid
	does '[ $(cat /sys/class/drm/card0-Virtual-?/status | grep -cx connected) = 2 ]' outputs
	does 'for i in $(seq 200); do echo line $i; done >/dev/tty1; sleep 1; ! dmesg | grep "ERROR"' drawn
	process=$(gpu_process) || fail 'no microvm-gpu'
	[ ! -x "$MICROVM-ctl" ] || "$MICROVM-ctl" socket screenshot now.png || fail 'no screenshot'
	send $'poweroff -f\n'
	ended 0
	! kill -0 "$process" 2>/dev/null || fail 'microvm-gpu is still there'
	"$MICROVM-gpu" --replay rec >played 2>>errors || fail 'it is not played as it was recorded'
	frames=$(sed 's/^rec: \([0-9]*\) frames.*/\1/' played)
	"$MICROVM-gpu" --replay rec --png . --frames $((frames - 1))-"$frames" >played 2>>errors || fail 'no frames'
	[ ! -f now.png ] || "$PNGDIFF" -t 0 -m 2000 now.png 0*[0-9][0-9].png >difference || fail 'the last frame is another one'
}

# On the other bus, with the inputs that are named and no others. What was in the host's memory is not there after a reboot.
test_gpu_mmio() {
	blobs bus=mmio --input mouse,bus=mmio --input multitouch,bus=mmio
	does '[ -c /dev/dri/card0 ] && ! grep "microvm keyboard" /proc/bus/input/devices' card
	does 'grep -q "microvm mouse" /proc/bus/input/devices && grep -q "microvm touch screen" /proc/bus/input/devices' inputs
	does '/blob_guest | grep "blobs ok"' blobs
	does '! dmesg | grep "ERROR"' silent
	send $'reboot -f\n'
	expect 'microvm guest: up'
	expect 'guest# '
	does '[ -c /dev/dri/card0 ] && [ -c /dev/input/event1 ] && /blob_guest | grep "blobs ok" && ! dmesg | grep "ERROR"' again
	send $'poweroff -f\n'
	ended 0
}

# microvm-gpu dies while the guest draws, and looks at memory of that process, which is gone: the guest lives, and a driver that
# is bound anew finds another.
test_gpu_killed() {
	local first
	blobs bus=pci
	first=$(gpu_process) || fail 'no microvm-gpu'
	send $'while echo line; do :; done >/dev/tty1 &\n'
	does '/blob_guest | grep "blobs ok"' blobs
	send $'/blob_guest hold &\n'
	expect 'blob held'
	kill -9 "$first"
	expect 'blob gone'
	does 'kill %1; cd /sys/bus/virtio/drivers/virtio_gpu; n=$(echo virtio*); echo $n >unbind; echo $n >bind; cd /' rebound
	does '[ -c /dev/dri/card0 ] && /blob_guest | grep "blobs ok"' card
	does 'cd /sys/bus/virtio/drivers/virtio_input; n=$(echo virtio*); for i in $n; do echo $i >unbind; echo $i >bind; done; cd /' inputs
	does 'grep -q "microvm keyboard" /proc/bus/input/devices' keyboard
	[ "$(gpu_process)" != "$first" ] || fail 'the same microvm-gpu'
	grep -q 'virtio-gpu: --gpu virgl: the back end has gone: it needs a reset' errors || fail 'the log does not say so'
	send $'poweroff -f\n'
	ended 0
}

# Another VMM takes the same devices by their sockets, and again after the guest's reboot.
test_gpu_qemu() {
	local dev process args=()
	type qemu-system-x86_64 >/dev/null 2>&1 || skip 'no QEMU here'
	"$MICROVM-gpu" --gpu socket=gpu,size=800x600 --input keyboard,socket=keyboard --input tablet,socket=tablet 2>>errors &
	process=$!
	mkfifo nap mon.in mon.out
	until [ -S gpu ] && [ -S tablet ]; do nap 0.1; done
	for dev in gpu keyboard tablet; do
		args+=(-chardev "socket,id=$dev,path=$PWD/$dev")
		[ $dev = gpu ] || args+=(-device "vhost-user-input-pci,chardev=$dev")
	done
	MICROVM=qemu-system-x86_64 vm -M q35,memory-backend=m -object memory-backend-memfd,id=m,size=512M,share=on -m 512 \
		-accel kvm -cpu host -nodefaults -no-user-config -display none -serial stdio "${args[@]}" \
		-device vhost-user-gpu-pci,chardev=gpu -chardev pipe,id=mon,path=mon -mon mon -kernel "$VMLINUX" -initrd "$GPU_RD" -append "console=ttyS0 $quiet"
	for dev in first again; do
		expect 'microvm guest: up'
		expect 'guest# '
		does '[ "$(cat /sys/class/graphics/fb0/virtual_size)" = 800,600 ]' card-$dev
		does 'grep -q "microvm keyboard" /proc/bus/input/devices && grep -q "microvm tablet" /proc/bus/input/devices' inputs-$dev
		does 'for i in $(seq 200); do echo line $i; done >/dev/tty1; sleep 1; ! dmesg | grep "ERROR"' drawn-$dev
		echo stop >mon.in # and with that, all rings
		nap 0.5
		echo cont >mon.in
		does 'for i in $(seq 200); do echo line $i; done >/dev/tty1; sleep 1; ! dmesg | grep "ERROR"' after-pause-$dev
		[ $dev = again ] || send $'reboot -f\n'
	done
	send $'poweroff -f\n'
	ended 0
	kill $process || fail 'microvm-gpu has ended'
	[ ! -s errors ] || fail "complaints: $(head -n 3 errors)"
}

# A script looks at the screen, types, points, resizes the window that there is not, and ends the guest.
test_gpu_control() {
	[ -x "$MICROVM-ctl" ] || skip 'no microvm-ctl here'
	gpu --gpu 2d,size=800x600 --control socket
	does 'echo 0 >/sys/class/graphics/fbcon/cursor_blink; for i in $(seq 20); do echo line $i; done >/dev/tty1' drawn
	ctl wait-stable 300
	ctl screenshot first.png
	[ "$(head -c 24 first.png | tail -c 8 | od -An -tx1 | tr -d ' ')" = 0000032000000258 ] || fail 'not a PNG of 800x600'
	hears_a_line
	ctl type $'Typed: {"a~b"}\n'
	expect 'got=Typed: {"a~b"}'
	ctl wait-stable 300
	ctl screenshot second.png
	cp second.png "$SMOKE_OUT/gpu-control.png"
	! cmp -s first.png second.png || fail 'typing changed no picture'
	"$MICROVM-ctl" socket status | grep -q '"ok": true.*"cpus": 1' || fail 'no status'
	code=0
	"$MICROVM-ctl" socket key ctrl-alt-f99 2>said || code=$?
	[ $code = 1 ] && grep -q "no key is called 'f99'" said || fail 'a key that there is not'
	# Smaller: the kernel's own console takes no mode that its memory has no room for.
	ctl resize 640x480
	resized 640x480
	ctl quit
	ended 0
	[ ! -e socket ] || fail 'the socket is still there'
}
all_gpu="gpu gpu-mmio gpu-killed gpu-qemu gpu-control"
