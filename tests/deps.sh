#!/bin/bash
# SPDX-License-Identifier: MIT
# deps.sh [-n] PURPOSE...: install the Debian packages that a purpose still lacks. Does and says nothing when all is
# there; -n only names what is missing, and then exits 1. Purposes: build, cross, lab, lab-arm64, test, bench, demo, gl, all.
set -eu

die() { echo "deps.sh: $*" >&2; exit 1; }

packages() {
	case $1 in
	build) echo gcc libc6-dev make acpica-tools liburing-dev libslirp-dev libdrm-dev libpng-dev libevdev-dev libsdl2-dev libvirglrenderer-dev libseccomp-dev libfdt-dev zlib1g-dev ;;
	cross) echo gcc-aarch64-linux-gnu mmdebstrap make acpica-tools ;;
	lab) echo qemu-system-x86 mmdebstrap busybox-static cpio kmod xz-utils e2fsprogs procps gcc libc6-dev libdrm-dev ;;
	lab-x86) packages lab ;;
	lab-arm64) packages lab; packages cross; echo qemu-system-arm libc6-dev-arm64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross dosfstools mtools fdisk device-tree-compiler u-boot-tools ;;
	test) packages build; packages lab-arm64; packages gl; echo libcmocka-dev clang libclang-rt-dev edid-decode device-tree-compiler xvfb weston openbox xdotool libx11-dev libegl1 libegl-mesa0 libgl1-mesa-dri virgl-server evtest ;;
	bench) packages build; packages lab; packages gl; echo iperf3 iproute2 xserver-xorg-core libegl1 libegl-mesa0 virgl-server ;;
	demo) packages build; packages lab ;;
	gl) packages lab; echo qemu-system-gui xvfb libgl1-mesa-dri xserver-xorg-core ;;
	all) packages test; packages gl ;;
	*) die "unknown purpose '$1' (build, cross, lab, lab-arm64, test, bench, demo, gl, all)" ;;
	esac
}

dry=
[ "${1-}" != -n ] || { dry=1; shift; }
[ $# -gt 0 ] || set -- build
command -v dpkg-query >/dev/null || die "no dpkg here: install by hand what the lists in $0 name"

want=$(for p in "$@"; do packages "$p"; done | tr ' ' '\n' | sort -u) || exit 1
# shellcheck disable=SC2086 # a list of words
have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $want 2>/dev/null | sed -n 's/ installed$//p' | sort -u)
miss=$(comm -23 <(echo "$want") <(echo "$have") | tr '\n' ' ')
[ -n "${miss% }" ] || exit 0

[ -z "$dry" ] || { echo "deps.sh: missing for $*: $miss(tests/deps.sh $* installs them)" >&2; exit 1; }
echo "deps.sh: installing for $*: $miss" >&2
command -v apt-get >/dev/null || die "no apt-get here: install them by hand"
[ "$(id -u)" = 0 ] || die "not root: run 'apt-get install --no-install-recommends $miss' first"

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { apt-get -y -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null; }
# The package lists may be absent (a fresh machine) or older than the archive: refresh them only when it matters.
# shellcheck disable=SC2086
apt install --no-install-recommends $miss || { apt update && apt install --no-install-recommends $miss; } ||
	{ grep -E '^(E|Err|W):?' "$log" >&2 || tail -n 5 "$log" >&2; die "apt-get could not install: $miss"; }
