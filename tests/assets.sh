#!/bin/bash
# SPDX-License-Identifier: MIT
# assets.sh [--refresh] NAME...: print the path of each asset, making what the cache lacks.
#   kernel-amd64           Debian's kernel as it is shipped (bzImage)
#   kernel-amd64-modules   directory that holds its lib/modules (for modprobe -d)
#   kernel-amd64-version   its release, as uname -r says it
#   kernel-arm64wfi        the last of Debian's whose KVM lets CPUs sleep that have interrupt controllers in user space; for labs
#   kernel-armmp-rpi2      device tree of a Raspberry Pi 2, as it comes with the kernel
#   vmlinux-amd64          the ELF inside that bzImage
#   initramfs-amd64        guest with a busybox shell; initramfs-amd64-disk, -share, -gpu, -tools, -vga, -gl, -smoke,
#                          -bench: see
#                          guest/initramfs.sh
#   gl-amd64               image of an ext4 file system with what initramfs-amd64-gl lacks: kmscube, glmark2, Mesa
#   rootfs-amd64           image of an ext4 file system: Debian with fio, gcc and make
#   sdcard-armmp           image of an SD card for a Raspberry Pi 2: config.txt, kernel and U-Boot, and a little Debian
#   uboot-armmp            U-Boot for a Raspberry Pi 2
#   lab-amd64              the lab's own initramfs
#   sysroot-arm64          what programs for arm64 are linked with, the root of its lab; sysroot-arm64-peer has QEMU, too, -gl OpenGL
#   installer-amd64-kernel, installer-amd64-initrd    Debian 12's installer, as it boots from a network: graphical, of armhf in text
#   installer-amd64-version                           which one
# Nothing is installed: packages are fetched and unpacked into ${MICROVM_CACHE:-~/.cache/microvm}, where everything
# appears by a rename, so that an interrupted run leaves nothing half made. A kernel once fetched is kept until
# --refresh asks apt for the current one; whatever is built is named after the hash of what it is built from.
set -eu
cd "$(dirname "$0")/.."
src=$PWD
cache=${MICROVM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/microvm}
refresh=

say() { echo "assets.sh: $*" >&2; }
die() { say "$*"; exit 1; }

native=$(dpkg --print-architecture)

# Of a kernel: the architecture that it is for, as Debian names it, and the package that follows it.
arch_of() { case $1 in armmp) echo armhf ;; arm64wfi) echo arm64 ;; *) echo "$1" ;; esac; }
kernel_package() {
	case $1 in
	amd64 | arm64 | armmp) echo "linux-image-$1" ;;
	armhf) echo linux-image-armmp-lpae ;;
	arm64wfi) echo 'kernel for arm64 of 6.1.0-49 or before, in which KVM has the fault that a test is for' ;;
	*) die "no kernel known for '$1'" ;;
	esac
}

lock() { exec 9>"$cache/lock" && flock 9; }

# apt_for ARCH: sets apt_options. For one that this machine's apt has no lists of there are lists in the cache, of the
# archive proper alone: what is newer of other architectures is at times only half there.
apt_for() {
	local dir=$cache/apt-$1
	apt_options=(-o APT::Sandbox::User=root)
	[ "$1" != "$native" ] || return 0
	apt_options+=(-o "APT::Architecture=$1" -o "APT::Architectures::=$1" -o Dir::State::status=/dev/null
		-o "Dir::State::Lists=$dir" -o "Dir::Cache=$dir/cache" -o "Dir::Etc::SourceList=$dir.list" -o Dir::Etc::SourceParts=-)
	[ -n "$refresh" ] || ! compgen -G "$dir/*Packages*" >/dev/null || return 0
	"$src/tests/sysroot.sh" --sources >"$dir.list" || exit 1
	mkdir -p "$dir/cache"
	apt_update
}
apt_update() {
	[ "${#apt_options[@]}" -gt 2 ] || [ "$(id -u)" = 0 ] || return 0
	apt-get "${apt_options[@]}" -o Acquire::Languages=none -qq update >/dev/null 2>&1 || true
}
apt_depends() { apt-cache "${apt_options[@]}" show --no-all-versions "$1" 2>/dev/null | sed -n 's/^Depends: \([^ ,]*\).*/\1/p'; }
# The package of a kernel, which is the one that another follows; of arm64wfi the last before that was mended, in 6.1.0-50.
apt_kernel() { # NAME
	case $1 in
	arm64wfi)
		apt-cache "${apt_options[@]}" pkgnames linux-image-6.1.0- 2>/dev/null |
			sed -n 's/^linux-image-6\.1\.0-\([1-4]\?[0-9]\)-arm64$/\1 &/p' | sort -n | tail -n 1 | cut -d ' ' -f 2 ;;
	*) apt_depends "$(kernel_package "$1")" ;;
	esac
}

# unpack a package without installing it: fetch PACKAGE DIR
fetch() {
	(cd "$2" && { apt-get "${apt_options[@]}" download "$1" >log 2>&1 ||
		{ apt_update; apt-get "${apt_options[@]}" download "$1" >log 2>&1; }; }) ||
		{ grep -m1 '^E:' "$2/log" >&2; die "could not download $1"; }
	dpkg -x "$2"/*.deb "$2"
	rm -f "$2"/*.deb "$2/log"
}
# unpacked PACKAGE ARCH: the directory of a package that changes seldom
unpacked() {
	local dir=$cache/$1-$2
	if [ ! -d "$dir" ]; then
		say "fetching $1 for $2"
		apt_for "$2"
		mkdir "$cache/tmp.$$"
		fetch "$1" "$cache/tmp.$$"
		mv "$cache/tmp.$$" "$dir"
	fi
	echo "$dir"
}
busybox() { if [ "$1" = "$native" ]; then echo /bin/busybox; else echo "$(unpacked busybox-static "$1")/bin/busybox"; fi; }
# how the names of the tools begin that make programs for it
cross() {
	case $1 in
	"$native") ;;
	amd64) echo x86_64-linux-gnu- ;;
	arm64) echo aarch64-linux-gnu- ;;
	armhf) echo arm-linux-gnueabihf- ;;
	esac
}

# make sure that $cache/kernel-NAME leads to the unpacked kernel
kernel() {
	local link=$cache/kernel-$1 what pkg tmp
	[ -n "$refresh" ] || [ ! -e "$link" ] || return 0
	what=$(kernel_package "$1")
	apt_for "$(arch_of "$1")"
	pkg=$(apt_kernel "$1")
	[ -n "$pkg" ] || { apt_update; pkg=$(apt_kernel "$1"); }
	[ -n "$pkg" ] || die "apt knows no $what: run apt-get update"
	if [ ! -d "$cache/$pkg" ]; then
		say "fetching $pkg"
		tmp=$cache/tmp.$$
		mkdir "$tmp"
		fetch "$pkg" "$tmp"
		mv "$tmp"/boot/vmlinuz-* "$tmp/vmlinuz"
		mv "$tmp"/boot/config-* "$tmp/config"
		rm -rf "$tmp/boot" "$tmp/usr/share"
		depmod -b "$tmp" "${pkg#linux-image-}"
		mv "$tmp" "$cache/$pkg"
	fi
	ln -sfn "$pkg" "$link.$$" && mv -T "$link.$$" "$link"
}

# make sure that $cache/installer-ARCH leads to the kernel and the initrd of Debian's installer
installer() {
	local link=$cache/installer-$1 pkg=debian-installer-12-netboot-$1 images version tmp
	[ -n "$refresh" ] || [ ! -e "$link" ] || return 0
	apt_for "$1"
	say "fetching $pkg"
	tmp=$cache/tmp.$$
	mkdir "$tmp"
	fetch "$pkg" "$tmp"
	images=$(echo "$tmp"/usr/lib/debian-installer/images/*/"$1")
	if [ -d "$images/gtk" ]; then images+=/gtk; else images+=/text; fi
	version=$(sed -n 's/^Installer build: *//p' "$images/version.info")
	[ -n "$version" ] || die "$pkg is not laid out as it was"
	mv "$images/debian-installer/$1"/{initrd.gz,linux,vmlinuz} "$tmp" 2>/dev/null || true # the kernel by either name
	[ ! -e "$tmp/vmlinuz" ] || mv "$tmp/vmlinuz" "$tmp/linux"
	rm -rf "$tmp/usr"
	echo "$version" >"$tmp/version"
	[ -d "$cache/installer-$1-$version" ] || mv "$tmp" "$cache/installer-$1-$version" # which may be in use
	ln -sfn "installer-$1-$version" "$link.$$" && mv -T "$link.$$" "$link"
}

# The kernel proper lies compressed in the bzImage: the boot header says where (Documentation/x86/boot.rst,
# payload_offset and payload_length, counted from the end of the setup sectors), its first bytes say by what.
extract_vmlinux() {
	local start length unpack
	num() { od -An -v -tu"$2" -j "$(($1))" -N "$2" "$3" | tr -d ' '; }
	start=$((($(num 0x1f1 1 "$1") + 1) * 512 + $(num 0x248 4 "$1")))
	length=$(num 0x24c 4 "$1")
	case $(od -An -v -tx1 -j "$start" -N 4 "$1" | tr -d ' ') in
	1f8b*) unpack='gzip -dcq' ;;
	fd377a58) unpack='xz -dcq' ;;
	28b52ffd) unpack='zstd -dcq' ;;
	02214c18) unpack='lz4 -dcq' ;;
	*) die "$1: its compression is not known here" ;;
	esac
	# Every format but gzip is followed by four bytes of our length, which its tool would call trailing rubbish.
	[ "${unpack%% *}" = gzip ] || length=$((length - 4))
	tail -c +$((start + 1)) "$1" | head -c "$length" | $unpack
}

# built NAME INPUT... : path of a file named after its inputs, made by `make_NAME ARCH OUTPUT` when it is missing
built() {
	local name=$1 arch=$2 hash out
	shift 2
	hash=$(cat "$@" "$0" | sha256sum | cut -c1-12)
	out=$cache/$name-$arch-$(basename "$(readlink -f "$cache/kernel-$arch")" | sed 's/linux-image-//')-$hash
	if [ ! -e "$out" ]; then
		say "making $name-$arch"
		"make_${name%%-*}" "$arch" "$cache/tmp.$$" "${name#*-}"
		# what an older recipe made may be in use this moment
		find "$cache" -maxdepth 1 -name "$name-$arch-*" -mtime +7 -delete
		mv "$cache/tmp.$$" "$out"
	fi
	echo "$out"
}
make_vmlinux() { extract_vmlinux "$cache/kernel-$1/vmlinuz" >"$2"; }
make_initramfs() { tools "$1" "$src/guest/initramfs.sh" "$3" "$cache/kernel-$1" "$2"; }
make_gl() {
	rm -rf "$2.d"
	"$src/guest/tools.sh" gl "$1" "$2.d"
	mkfs.ext4 -q -m 0 -O ^has_journal -d "$2.d" "$2" 500M >&2
	rm -rf "$2.d"
}
make_rootfs() { "$src/guest/rootfs.sh" "$1" "$2"; }
make_sdcard() { "$src/guest/sdcard.sh" "$(readlink -f "$cache/kernel-$1")" "$sd_initrd" "$sd_small" "$sd_uboot" "$2"; }
make_lab() { tools "$1" "$src/tests/lab/initramfs.sh" "$1" "$cache/kernel-$1" "$2"; }
tools() { # KERNEL COMMAND...: which find the tools for its architecture in their environment
	local arch prefix bb
	arch=$(arch_of "$1")
	prefix=$(cross "$arch")
	bb=$(busybox "$arch")
	[ -z "$prefix" ] || local CC=${prefix}gcc
	CC=${CC-} OBJCOPY=${prefix}objcopy BUSYBOX=$bb "${@:2}"
}

sysroot() { # NAME ARCH [PACKAGE,...]
	local out
	out=$cache/$1-$(sha256sum <"$src/tests/sysroot.sh" | cut -c1-12)
	if [ ! -e "$out" ]; then
		say "making $1"
		"$src/tests/sysroot.sh" "$2" "$cache/tmp.$$" "${3-}"
		find "$cache" -maxdepth 1 -name "$1-????????????" -ctime +7 -exec rm -rf {} +
		mv "$cache/tmp.$$" "$out"
	fi
	echo "$out"
}

asset() {
	local arch bb variant probe
	arch=$(sed -E 's/^[a-z]+-([a-z0-9]+).*/\1/' <<<"$1")
	case $1 in
	sysroot-"$arch") sysroot "$1" "$arch"; return ;;
	sysroot-arm64-gl) sysroot "$1" arm64 libgl1-mesa-dri,libegl1,libegl-mesa0,libgles2,cpio,gzip; return ;;
	sysroot-arm64-peer) sysroot "$1" arm64 qemu-system-arm,libc-bin,binutils; return ;;
	uboot-armmp) echo "$(unpacked u-boot-rpi armhf)/usr/lib/u-boot/rpi_2/u-boot.bin"; return ;;
	uboot-arm64) echo "$(unpacked u-boot-qemu arm64)/usr/lib/u-boot/qemu_arm64/u-boot.bin"; return ;;
	esac
	case $1 in
	installer-*) installer "$arch" ;;
	*) kernel "$arch" ;;
	esac
	case $1 in
	kernel-"$arch") echo "$cache/kernel-$arch/vmlinuz" ;;
	kernel-"$arch"-modules) readlink -f "$cache/kernel-$arch" ;;
	kernel-armmp-rpi2) readlink -f "$cache"/kernel-armmp/usr/lib/linux-image-*/bcm2836-rpi-2-b.dtb ;;
	kernel-"$arch"-version) basename "$cache/kernel-$arch"/lib/modules/* ;;
	vmlinux-amd64) built vmlinux "$arch" ;;
	initramfs-"$arch"-smoke | initramfs-"$arch"-bench)
		built "initramfs-${1##*-}" "$arch" guest/initramfs.sh guest/init.c ;;
	initramfs-amd64-tools | initramfs-amd64-vga)
		built "initramfs-${1##*-}" "$arch" guest/initramfs.sh guest/tools.sh guest/init.c /bin/busybox ;;
	initramfs-"$arch" | initramfs-"$arch"-disk | initramfs-"$arch"-share | initramfs-"$arch"-gpu | initramfs-"$arch"-gl)
		bb=$(busybox "$(arch_of "$arch")")
		variant=${1#initramfs-"$arch"}
		[ "$variant" != -gl ] || probe=guest/kms_probe.c
		built "initramfs${variant:--shell}" "$arch" guest/initramfs.sh guest/init.c ${probe-} "$bb" ;;
	gl-"$arch") built gl "$arch" guest/tools.sh ;;
	sdcard-armmp)
		sd_initrd=$(asset initramfs-armmp-disk) sd_small=$(asset initramfs-armmp-bench) sd_uboot=$(asset uboot-armmp)
		built sdcard armmp guest/sdcard.sh "$sd_initrd" "$sd_small" "$sd_uboot" ;;
	rootfs-"$arch") built rootfs "$arch" guest/rootfs.sh ;;
	lab-"$arch")
		bb=$(busybox "$(arch_of "$arch")")
		built lab "$arch" tests/lab/initramfs.sh "$bb" ;;
	installer-"$arch"-kernel) readlink -f "$cache/installer-$arch/linux" ;;
	installer-"$arch"-initrd) readlink -f "$cache/installer-$arch/initrd.gz" ;;
	installer-"$arch"-version) cat "$cache/installer-$arch/version" ;;
	*) die "unknown asset '$1'" ;;
	esac
}

[ "${1-}" != --refresh ] || { refresh=1; shift; }
[ $# -gt 0 ] || { sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 2; }
mkdir -p "$cache"
lock
trap 'rm -rf "$cache/tmp.$$"*' EXIT
for name in "$@"; do asset "$name"; done
