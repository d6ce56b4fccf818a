#!/bin/bash
# SPDX-License-Identifier: MIT
# sdcard.sh KERNEL INITRD SMALL UBOOT OUT: an image of an SD card for a Raspberry Pi 2, as distributions have them: a FAT
# partition with Debian's kernel (whose unpacked package is KERNEL), device tree, initramfs, U-Boot and config.txt, and an
# ext4 partition with a little Debian. From the archive that tests/sysroot.sh --sources names. U-Boot finds a script, which
# only looks around, and then what to boot: the kernel with the initramfs SMALL, for U-Boot reads slowly.
set -eu
kernel=$1 initrd=$2 small=$3 uboot=$4 out=$5
boot_mib=40 root_mib=150
here=$(cd "$(dirname "$0")" && pwd)
trap 'rm -rf "$out".{d,list,fat,ext4,boot,scr}' EXIT

"$here/../tests/sysroot.sh" --sources >"$out.list"
not=(doc man locale info lintian zoneinfo)
mmdebstrap --quiet --variant=extract --architectures=armhf --include=bash,dash,coreutils,util-linux,mount,e2fsprogs,grep,busybox-static \
	--aptopt='APT::Install-Recommends "false"' --aptopt='APT::Sandbox::User "root"' --aptopt='Acquire::Languages "none"' \
	"${not[@]/#/--dpkgopt=path-exclude=/usr/share/}" --skip=check/empty --format=directory '' "$out.d" "$out.list" >&2
rm -rf "$out.d"/var/cache/apt/* "$out.d"/var/lib/apt/lists/* "$out.d"/usr/lib/arm-linux-gnueabihf/{gconv,perl*}
mkdir -p "$out.d"/{dev,proc,sys,root,mnt}
[ -e "$out.d/bin/sh" ] || ln -s dash "$out.d/bin/sh"
cat >"$out.d/sbin/init" <<-'END'
	#!/bin/busybox sh
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux PS1='debian# '
	[ -e /proc/mounts ] || mount -t proc proc /proc
	exec busybox setsid busybox cttyhack bash --noprofile --norc -i
END
chmod +x "$out.d/sbin/init"
mkfs.ext4 -q -L root -d "$out.d" "$out.ext4" ${root_mib}M >&2

mkdir "$out.boot"
cp "$kernel/vmlinuz" "$out.boot/vmlinuz-${kernel##*/linux-image-}"
cp "$initrd" "$out.boot/initrd.img-${kernel##*/linux-image-}"
cp "$uboot" "$out.boot"
cp "$kernel"/usr/lib/linux-image-*/bcm2836-rpi-2-b.dtb "$out.boot"
echo 'console=serial0,115200 quiet panic=-1 words-of=cmdline.txt' >"$out.boot/cmdline.txt"
cat >"$out.boot/config.txt" <<-END
	# What the firmware of another model reads
	[pi3]
	kernel=vmlinuz-for-another
	[pi4]
	arm_64bit=1
	[pi2]
	kernel=vmlinuz-${kernel##*/linux-image-}
	initramfs initrd.img-${kernel##*/linux-image-} followkernel
	[all]
	initial_turbo=30
	dtparam=audio=on
	dtoverlay=act-led,gpio=21
	include more.txt
END
echo 'framebuffer_depth=16' >"$out.boot/more.txt"
cat >"$out.scr" <<-'END'
	load ${devtype} ${devnum}:${distro_bootpart} ${ramdisk_addr_r} small.img
	fdt addr ${fdt_addr}
	fdt print /chosen bootargs
END
mkimage -A arm -T script -C none -d "$out.scr" "$out.boot/boot.scr" >&2
cp "$small" "$out.boot/small.img"
mkdir -p "$out.boot/boot/extlinux"
cat >"$out.boot/boot/extlinux/extlinux.conf" <<-END
	default debian
	label debian
	kernel /vmlinuz-${kernel##*/linux-image-}
	initrd /small.img
END
mkdir "$out.boot/overlays"
dtc -q -@ -I dts -O dtb -o "$out.boot/overlays/act-led.dtbo" - <<-'END'
	/dts-v1/;
	/plugin/;
	/ {
		compatible = "brcm,bcm2835";
		fragment@0 {
			target-path = "/leds";
			__overlay__ {
				led: led-extra { label = "extra"; gpios = <&gpio 16 0>; };
			};
		};
		__overrides__ { gpio = <&led>,"gpios:4"; };
	};
END
truncate -s ${boot_mib}M "$out.fat"
mkfs.vfat -n BOOT "$out.fat" >&2
mcopy -s -i "$out.fat" "$out.boot"/* ::

truncate -s $((boot_mib + root_mib + 2))M "$out"
printf 'label: dos\nlabel-id: 0x50495f32\nstart=2048,size=%d,type=c\nstart=%d,type=83\n' $((boot_mib * 2048)) $(((boot_mib + 1) * 2048)) |
	sfdisk -q "$out" >&2
dd if="$out.fat" of="$out" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$out.ext4" of="$out" bs=1M seek=$((boot_mib + 1)) conv=notrunc,sparse status=none
