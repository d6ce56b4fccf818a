# SPDX-License-Identifier: MIT
# Smoke tests of a guest's screen before it has a driver, and of who shows what after that; part of tests/smoke/x86. The
# kernel is started by its bzImage: PVH has no words for a screen. Pictures are compared, to the pixel, with what a person has
# looked at, in tests/golden/vga.
# shellcheck shell=bash disable=SC2016,SC2154
vga() { # MODE ARG...
	[ -x "$MICROVM-ctl" ] || skip 'no microvm-ctl here'
	vm --kernel "$BZIMAGE" --initrd "$VGA_RD" --gpu "2d,vga=$1,display=none" --control socket \
		--append 'console=tty0 console=ttyS0 panic=-1' "${@:2}"
}
# of this size is what output 0 shows
vga_is() { "$MICROVM-ctl" socket output 2>>refused | grep -q "\"width\": ${1%x*}, \"height\": ${1#*x}[,}]"; }
vga_golden() { look 0 && "$PNGDIFF" -t 0 -m 0 "$tests/../golden/vga/$1.png" now.png >difference; }
vga_keep() { shot "$SMOKE_OUT/vga-$1.png"; }
# A page of text on the console, and nothing else there.
vga_page() { does 'dmesg -n 1; printf "\033[2J\033[H\033[?25l\033[1;33;44m microvm \033[0m VGA text, \033[31mred\033[0m and \033[7mreverse\033[0m\n\nThe quick brown fox\njumps over the lazy dog.\n" >/dev/tty1' "page-$1"; }

# The kernel's first lines are there before any driver is; then the driver has the screen, until it goes or the guest reboots.
test_vga() {
	vga on,size=1920x1080 --stats stats
	expect 'console [tty0] enabled'
	until_true 'text is shown' vga_is 720x400
	vga_keep early
	expect 'guest# '
	vga_page one
	until_true 'the page is shown' vga_golden console
	does 'modprobe virtio_gpu; [ -c /dev/dri/card0 ]' driver
	until_true 'the driver shows its picture' vga_is 1920x1080
	vga_keep driver
	# A console without a cursor draws nothing by itself; what is written behind the driver's back is seen all the same.
	does 'echo 0 >/sys/class/graphics/fbcon/cursor_blink; sleep 2; printf "P\117a\117n\117i\117c\117" | dd of=/dev/mem bs=2 seek=$((0xb8000 / 2)) conv=notrunc' written
	until_true 'text over a silent driver is shown' vga_is 720x400
	vga_keep panic
	does 'echo alive >/dev/tty1' drawn
	until_true 'the driver draws again' vga_is 1920x1080
	# Without its driver the card is a VGA card again.
	does 'cd /sys/bus/virtio/drivers/virtio_gpu; n=$(echo virtio*); for c in /sys/class/vtconsole/vtcon*; do grep -q frame $c/name && echo 0 >$c/bind; done; echo $n >unbind; cd /' unbound
	until_true 'VGA is back' vga_is 720x400
	send $'modprobe virtio_gpu; echo $n >/sys/bus/virtio/drivers/virtio_gpu/bind\n'
	until_true 'the driver is back' vga_is 1920x1080
	send $'reboot -f\n'
	expect 'console [tty0] enabled'
	until_true 'text is shown after a reboot' vga_is 720x400
	expect 'guest# '
	vga_page two
	until_true 'the page is shown again' vga_golden console

	# Bochs' driver has never heard of virtio.
	does 'echo 0000:00:01.0 >/sys/bus/pci/drivers/virtio-pci/unbind; modprobe bochs; echo 1af4 1050 >/sys/bus/pci/drivers/bochs-drm/new_id; [ -c /dev/dri/card0 ]' bochs
	does 'grep -qx 1920x1080 /sys/class/drm/card0-Virtual-1/modes && [ $(wc -c </sys/class/drm/card0-Virtual-1/edid) -ge 128 ]' edid
	send $'mkfifo /keys; sleep 100000 >/keys & modetest -M bochs-drm -s Virtual-1:1920x1080 </keys >/said 2>&1 &\n'
	"$BARS" 1920x1080+0 1920x1080 want.png
	until_true 'colour bars of 1920x1080' eval 'look 0 && "$PNGDIFF" -t 0 -m 0 now.png want.png >difference'
	send $'poweroff -f\n'
	ended 0
	grep -q '"vga-window"' stats || fail "no VGA in the statistics: $(cat stats)"
}

# A framebuffer that is there from the start, for kernels without a driver, until there is one, and after a reboot again.
test_vga_linear() {
	vga 1024x768,vram=4M --append quiet # lines that scroll take long here
	expect 'guest# '
	does 'grep -q VESA /proc/fb && [ "$(cat /sys/class/graphics/fb0/virtual_size)" = 1024,768 ]' framebuffer
	vga_page one
	nap 1
	vga_keep linear
	does 'tr "\000" "\252" </dev/zero | head -c 3145728 >/dev/fb0' grey
	until_true 'all of it is grey' vga_golden grey
	does 'modprobe virtio_gpu; [ -c /dev/dri/card0 ] && ! grep VESA /proc/fb' driver
	until_true 'the driver shows its picture' vga_is 1280x800
	send $'reboot -f\n'
	expect 'microvm guest: up'
	until_true 'the framebuffer is shown after a reboot' vga_is 1024x768
	expect 'guest# '
	does 'grep -q VESA /proc/fb' again
	vga_page two
	does 'tr "\000" "\252" </dev/zero | head -c 3145728 >/dev/fb0' grey-again
	until_true 'all of it is grey again' vga_golden grey
	send $'poweroff -f\n'
	ended 0
}

# Sixteen colours in planes, and Linux's driver for that, which first saves 100000 bytes of the window, each by an exit.
test_vga_planar() {
	vga planar,vram=256K
	until_true 'mode 12h is shown' vga_is 640x480
	expect 'guest# '
	send $'modprobe vga16fb && grep "VGA16 VGA" /proc/fb; echo loaded-$?\n'
	expect 'loaded-0' 600
	vga_page one
	until_true 'the page is shown' vga_golden planar
	"$MICROVM-ctl" socket quit
	ended 0
}
all_vga="vga vga-linear vga-planar"
