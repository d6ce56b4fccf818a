#!/bin/bash
# SPDX-License-Identifier: MIT
# demo.sh: Debian 12's graphical installer. In a window, to be used by keyboard and pointer, where there is a display and
# a KVM; otherwise its first page becomes the picture build/demo/installer.png. MICROVM is the program (./microvm).
set -eu
cd "$(dirname "$0")/.."
out=build/demo
say() { echo "demo: $*"; }
die() { echo "demo: $*" >&2; exit 1; }

# picture FILE ARG...: start the installer, wait for its first page, keep that
picture() {
	# shellcheck source=tests/smoke/lib.sh
	. tests/smoke/lib.sh
	# shellcheck source=tests/smoke/gpu.sh
	. tests/smoke/gpu.sh
	# shellcheck source=tests/smoke/installer.sh disable=SC2154
	. tests/smoke/installer.sh
	local file=$1 first=$PWD/tests/golden/$pages/language.png start=$SECONDS still=$SECONDS told=$SECONDS
	dir=$(mktemp -d)
	trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT
	cd "$dir"
	vm "${@:2}" --control socket
	# Either this is the page we know, or another version's: then all that can be said is that it stays.
	until shot now.png && { alike now.png "$first" || [ $((SECONDS - still)) -ge 120 ]; }; do
		running || die "it has ended: $(tail -n 3 errors)"
		cmp -s now.png before.png || still=$SECONDS
		[ ! -e now.png ] || cp now.png before.png
		[ $((SECONDS - told)) -lt 20 ] || { told=$SECONDS; say "$((told - start)) s, the installer is starting"; }
		nap 1
	done
	cp now.png "$file"
	"$MICROVM-ctl" socket quit
	ended 0
}

MICROVM=$(realpath -- "${MICROVM:-./microvm}")
export MICROVM PNGDIFF=$PWD/build/release/tests/smoke/pngdiff
[ "${1-}" != picture ] || { picture "${@:2}"; exit 0; }

[ -x "$MICROVM" ] && [ -x "$PNGDIFF" ] || die "not built: 'make demo' does that"
tests/deps.sh demo
assets=$(tests/assets.sh installer-amd64-kernel installer-amd64-initrd installer-amd64-version) || exit 1
{ read -r kernel; read -r initrd; read -r version; } <<<"$assets"
args=(--config "$PWD/configs/debian-installer.conf" --kernel "$kernel" --initrd "$initrd")
headless=(--gpu 2d,size=800x600,display=none)
display=${WAYLAND_DISPLAY-}${DISPLAY-}
mkdir -p "$out"

say "Debian's graphical installer, $version"
case $(tests/where) in
kvm)
	if [ -n "$display" ]; then
		say "in a window; the installer does nothing to this machine; closing the window twice ends it"
		exec "$MICROVM" "${args[@]}"
	fi
	say "there is no display (DISPLAY, WAYLAND_DISPLAY): a picture instead of a window"
	tests/demo.sh picture "$PWD/$out/installer.png" "${args[@]}" "${headless[@]}"
	;;
lab)
	say "this machine's processor offers no virtualisation: in a machine that QEMU emulates, which takes a minute or two"
	say "a window cannot come out of that: a picture instead of it"
	tests/lab/lab --smp 1 --time 1800 --out "$out" -- tests/demo.sh picture /out/installer.png "${args[@]}" "${headless[@]}"
	;;
esac
say "what is on its screen: $PWD/$out/installer.png"
