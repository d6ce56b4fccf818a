#!/bin/bash
# SPDX-License-Identifier: MIT
# demo-shell.sh: boot Debian's kernel with microvm and show its console. On a terminal it is yours; otherwise a few commands
# are typed and it ends by itself. MICROVM is the program (./microvm).
set -eu
cd "$(dirname "$0")/.."
die() { echo "demo-shell: $*" >&2; exit 1; }

if [ "${1-}" = play ]; then # type commands, in a directory of our own
	# shellcheck source=tests/smoke/lib.sh
	. tests/smoke/lib.sh
	dir=$(mktemp -d)
	trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$dir"' EXIT
	cd "$dir"
	: >console
	tail -s 0.1 -f console | sed -u 's/\x1b\[6n//' & # without the shell's question how wide the terminal is
	(
		vm "${@:2}"
		expect 'guest# '
		for line in 'uname -sr' 'head -n 1 /proc/meminfo' 'ls /sys/bus/virtio/devices' 'poweroff -f'; do
			send "$line"$'\n'
			expect "$line"
			[ "$line" = 'poweroff -f' ] || expect 'guest# '
		done
		ended 0
	) || die "$(cat why errors)"
	nap 0.5
	exit 0
fi

MICROVM=$(realpath -- "${MICROVM:-./microvm}")
export MICROVM
[ -x "$MICROVM" ] || die "$MICROVM: not there; build it first"
tests/deps.sh demo
assets=$(tests/assets.sh kernel-amd64 initramfs-amd64 kernel-amd64-version) || exit 1
{ read -r kernel; read -r initrd; read -r version; } <<<"$assets"
run=("$MICROVM")
tty=
if [ -t 0 ] && [ -t 1 ]; then tty=--tty; else run=(tests/demo-shell.sh play); fi
run+=(--kernel "$kernel" --initrd "$initrd" --append "panic=-1")

case $(tests/where) in
kvm)
	echo "demo: Debian's kernel $version on this machine's KVM${tty:+; ctrl-a x quits}"
	"${run[@]}"
	;;
lab)
	echo "demo: this machine's processor offers no virtualisation: in a machine that QEMU emulates, some twenty seconds"
	echo "demo: Debian's kernel $version${tty:+; ctrl-a x quits}"
	tests/lab/lab ${tty:+"$tty"} -- "${run[@]}" --append quiet # each character of the console costs time there
	;;
esac
