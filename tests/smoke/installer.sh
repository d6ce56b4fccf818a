# SPDX-License-Identifier: MIT
# Smoke test of Debian 12's graphical installer, used by keyboard and pointer; part of tests/smoke/x86 and arm64. What it shows is
# kept in $SMOKE_OUT/$pages and has to look like tests/golden/$pages; with SMOKE_LEARN=1 it is taken as it comes.
# shellcheck shell=bash disable=SC2154
pages=installer
# 19 pixels of 800x600 may differ, less than a letter. Text cursors blink, but it is not looked at once only.
alike() { "$PNGDIFF" -t 48 -m 40 "$1" "$2" >difference; }

# page NAME [SECONDS]: the screen looks as it should, at last; nothing here takes the same time everywhere
page() {
	local picture=$SMOKE_OUT/$pages/$1.png golden=$tests/../golden/$pages limit=$((SECONDS + ${2:-300})) looked=
	[ -z "${SMOKE_LEARN-}" ] || { learn "$picture"; return; }
	until new_shot "$picture" && alike "$picture" "$golden/$1.png"; do
		running || fail "ended before $1 was to be seen"
		[ "$SECONDS" -lt "$limit" ] || fail "after ${2:-300} s it does not look like $1.png: $(cat difference)
    of $pages/$1.png. This is installer $INSTALLER_VERSION, the references are of $(cat "$golden/version");
    see \"Pictures\" in HACKING.md if it is the installer that has changed"
		nap 1
	done
}
# Whatever is another picture than the one before, and stays for 30 s
learn() {
	local since=$SECONDS
	until [ $((SECONDS - since)) -ge 30 ] && ! { [ -e last.png ] && alike last.png still.png; }; do
		running || fail "ended before $1 was to be seen"
		nap 1
		shot now.png || { since=$SECONDS; continue; }
		if ! [ -e still.png ] || ! "$PNGDIFF" -m 500 still.png now.png >difference; then
			since=$SECONDS
			mv now.png still.png
		fi
	done
	cp still.png last.png
	cp still.png "$1"
}
# and leave the pointer where it was at first
click() { ctl move "$1" "$2"; ctl click left; ctl move 400 300; }
proceed() { click 740 574; } # the button "Continue"

installer() { # up to its first page
	[ -x "$MICROVM-ctl" ] && [ -x "$MICROVM-gpu" ] || skip 'no microvm-ctl or microvm-gpu here'
	mkdir -p "$SMOKE_OUT/$pages"
	fail() { shot "$SMOKE_OUT/$pages/failed.png"; echo "$*" >why; exit 1; }
	vm --kernel "$INSTALLER_KERNEL" --initrd "$INSTALLER_RD" --memory 1G --append 'console=tty0 quiet' \
		--gpu 2d,size=800x600,display=none --net user --control socket
	page language 900
}
test_installer() {
	installer
	click 100 384 # the line under English
	page esperanto
	ctl key up
	page language
	proceed
	page location
	ctl key enter
	page keyboard
	proceed
	page hostname 600 # an address from the network, and no name for it
	ctl type lighthouse
	page named
	proceed
	page domain
	# Its second console
	ctl key ctrl-alt-f2
	page console
	ctl key enter
	page shell
	ctl type $'ip -4 -o addr show >/dev/ttyS0\n'
	expect 'inet 10.0.2.15/'
	ctl type $'dmesg | grep "drm.*ERROR" >/dev/ttyS0; echo "complaints: $?" >/dev/ttyS0\n'
	expect 'complaints: 1'
	ctl key ctrl-alt-f5
	page domain
	ctl quit
	ended 0
	[ ! -s errors ] || fail "complaints: $(head -n 3 errors)"
}
all_installer="installer"
