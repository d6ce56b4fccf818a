#!/bin/bash
# SPDX-License-Identifier: MIT
# initramfs.sh VARIANT KERNEL OUT: an initramfs for a guest with Debian's kernel, whose unpacked package is KERNEL.
#   shell   guest/init.c, busybox and the modules of our devices: a shell on the console; on ARM, not loaded, those of USB
#   disk    the same with what a file system on a disk, or shared, needs
#   share   the same with the drivers of devices whose queues others serve
#   gpu     the same with the drivers of a graphics card and of input devices
#   tools   the same with Debian's programs that look at these; not compressed, for it boots faster so
#   gl      the same with the drivers of gpu and of disks: for programs that draw by OpenGL, which are on a disk of 300 MB;
#           and kms_probe.c
#   vga     the same, with drivers of VGA cards, and none of graphics cards loaded
#   smoke   guest/init.c and those modules: runs what smoke= on the kernel's command line names
#   bench   guest/init.c alone: marks the time and ends
# For another architecture CC, OBJCOPY and BUSYBOX name the tools and a busybox.
set -eu
variant=$1 kernel=$2 out=$3
busybox=${BUSYBOX:-/bin/busybox}
here=$(cd "$(dirname "$0")" && pwd)
version=$(basename "$kernel"/lib/modules/*)
sd= usb= later=
case $(${CC:-gcc} -dumpmachine) in
x86_64*) platform="button pvpanic-mmio" flags= ;;
arm-*) platform="gpio_keys bcm2835_wdt" sd="bcm2835 mmc_block" usb="phy-generic dwc2 usbhid hid-generic smsc95xx" flags="-marm -mcpu=cortex-a7" ;; # with instructions that divide
*) platform="gpio_keys" flags= ;;
esac
case $variant in
bench) modules= ;;
smoke) modules="virtio_pci virtio_mmio virtio-rng virtio_console virtio_net evdev $platform" ;;
shell) modules="virtio_pci virtio_mmio virtio-rng virtio_console virtio_net evdev $platform" later=$usb ;;
share) modules="virtio_pci virtio_mmio virtiofs virtio_balloon vmw_vsock_virtio_transport virtio_blk $platform" ;;
gl) modules="virtio_pci virtio_mmio virtio_gpu virtio_input evdev virtio_blk ext4 $platform" ;;
gpu | tools) modules="virtio_pci virtio_mmio virtio_gpu virtio_input evdev $platform" ;;
vga) modules="virtio_pci evdev $platform" later="virtio_gpu bochs vga16fb" ;;
disk) modules="virtio_pci virtio_mmio virtio_blk ext4 virtiofs virtio_net $sd $platform" ;;
*) echo "initramfs.sh: unknown variant '$variant'" >&2; exit 2 ;;
esac

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir"/{bin,dev,proc,sys,tmp,modules}
${CC:-gcc} -std=gnu2x -Os -Wall -Wextra -Wno-unused-parameter -Werror -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables \
	$flags -static -nostdlib -no-pie -s -Wl,--build-id=none -Wl,-z,noseparate-code -o "$dir/init" "$here/init.c"
for m in $modules $later; do
	modprobe -d "$kernel" -S "$version" --show-depends "$m" | sed -n 's/^insmod \([^ ]*\).*/\1/p' | while read -r f; do
		to=/lib/modules/$version/${f##*/}
		# without debugging and type information a module is half as long
		[ -e "$dir$to" ] || { mkdir -p "$dir/${to%/*}" && "${OBJCOPY:-objcopy}" -g -R .BTF "$f" "$dir$to"; }
		echo "$to"
	done >"$dir/modules/$m"
done
for m in $later; do rm "$dir/modules/$m"; done
# QEMU's TCG tells KVM of the wrong register when an armv7 guest reads a device by r14. This driver does so where it reads what
# the controller is (ldr lr, [r3, #72]); here by r6, which is free there.
for f in "$dir"/lib/modules/*/dwc2.ko; do
	[ ! -e "$f" ] || perl -0777 -pi -e 's/\x48\xe0\x93\xe5(.{16})\x3e\xef\xbf\x16/\x48\x60\x93\xe5$1\x06\xe0\xa0\xe1/s' "$f"
done
if [ "$variant" != smoke ] && [ "$variant" != bench ]; then
	cp "$busybox" "$dir/bin/busybox"
	# this machine's own knows the same applets, whatever the other one is for
	/bin/busybox --list | while read -r applet; do [ "$applet" = busybox ] || ln -s busybox "$dir/bin/$applet"; done
	depmod -b "$dir" "$version" 2>/dev/null
fi
[ "$variant" != gl ] || ${CC:-gcc} -std=gnu2x -Os -Wall -Wextra -Werror -D_GNU_SOURCE -I/usr/include/libdrm -fPIC -fno-stack-protector \
	-shared -nostdlib -s -o "$dir/kms_probe.so" "$here/kms_probe.c"
pack='gzip -n'
if [ "$variant" = tools ] || [ "$variant" = vga ]; then
	"$here/tools.sh" tools "${version##*-}" "$dir"
	pack=cat
fi
(cd "$dir" && find . | LC_ALL=C sort | cpio -o -H newc --quiet --owner 0:0 --reproducible) | $pack >"$out"
