#!/bin/bash
# SPDX-License-Identifier: MIT
# tools.sh tools|gl ARCH DIR: programs of Debian, with the libraries and rules that these need, as a tree for an initramfs.
# From where this machine's apt has its own packages; for another architecture from the archive proper alone.
#   tools  those that look at graphics cards and input devices: modetest, evtest, libinput, udev. libinput's tools come
#          without their dependencies, most of which are for the one with a window.
#   gl     those that draw by OpenGL: kmscube, glmark2; modetest; and Mesa's drivers, of virgl and of none
set -eu
set=$1 arch=$2 to=$3
case $set in
tools) packages=libdrm-tests,evtest,libinput10,udev ;;
gl) packages=kmscube,glmark2-es2-drm,libdrm-tests,libgl1-mesa-dri,libegl-mesa0,libegl1,libgles2,libgbm1 ;;
esac
all=$(mktemp -d)
trap 'rm -rf "$all"' EXIT
if [ "$arch" = "$(dpkg --print-architecture)" ]; then
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
		sort -u >"$all/list"
else "$(dirname "$0")/../tests/sysroot.sh" --sources >"$all/list"; fi
[ -s "$all/list" ] || { echo "tools.sh: apt knows of no Debian archive: run apt-get update" >&2; exit 1; }
mmdebstrap --quiet --architectures="$arch" --variant=extract --include="$packages" \
	--aptopt='APT::Install-Recommends "false"' --aptopt='APT::Sandbox::User "root"' --format=directory '' "$all/root" "$all/list" >&2
[ "$set" != tools ] || (cd "$all" && apt-get -qq -o APT::Sandbox::User=root download "libinput-tools:$arch" >&2 && dpkg -x ./*.deb root)

keep() { # PATH: to the same place
	[ ! -e "$to/$1" ] || return 0
	mkdir -p "$to/${1%/*}"
	cp -rL "$all/root/$1" "$to/$1"
}
keep_program() { # PATH: and what its dynamic section names
	local lib path
	keep "$1"
	readelf -d "$to/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r lib; do
		for path in "$all"/root/{lib,usr/lib}{64,/*-linux-gnu}/"$lib"; do
			[ ! -e "$path" ] || [ -e "$to/${path#"$all"/root/}" ] || keep_program "${path#"$all"/root/}"
		done
	done
}
for f in "$all"/root/{lib64,lib}/ld-*; do [ ! -e "$f" ] || keep "${f#"$all"/root/}"; done
if [ "$set" = gl ]; then
	lib=$(cd "$all/root" && echo usr/lib/*-linux-gnu)
	# what is opened by name, not linked
	for f in usr/bin/{kmscube,glmark2-es2-drm,modetest} "$lib"/lib{EGL_mesa,glapi}.so.0 "$lib"/libGLESv2.so.2 "$lib/dri/virtio_gpu_dri.so"; do
		keep_program "$f"
	done
	ln "$to/$lib/dri/virtio_gpu_dri.so" "$to/$lib/dri/kms_swrast_dri.so"
	mkdir "$to"/{dev,proc,sys,tmp} # to change the root to it
	keep usr/share/glvnd/egl_vendor.d
	keep usr/share/glmark2
	exit
fi
for f in usr/bin/{modetest,evtest,libinput} usr/libexec/libinput/libinput-{list-devices,debug-events} bin/udevadm \
	lib/udev/libinput-{device-group,fuzz-extract}; do
	keep_program "$f"
done
keep lib/udev/rules.d
keep usr/share/libinput
mkdir -p "$to/usr/lib/systemd" "$to/etc/udev" "$to/run"
ln -s /bin/udevadm "$to/usr/lib/systemd/systemd-udevd"
