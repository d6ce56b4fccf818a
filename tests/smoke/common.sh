# SPDX-License-Identifier: MIT
# Smoke tests that are the same on every architecture; part of tests/smoke/x86 and tests/smoke/arm64. $VMLINUX is the
# kernel in the form in which it starts at once, $SMOKE_RD and $SHELL_RD are initramfs for it.
# shellcheck shell=bash disable=SC2154
# A guest that panics ends its life by a reboot, and that ends microvm: no test waits for what cannot come.
quiet="quiet panic=-1"
# --append adds up
shell() { vm --kernel "$VMLINUX" --initrd "$SHELL_RD" --append "$quiet" "$@"; }
smoke() { vm --kernel "$VMLINUX" --initrd "$SMOKE_RD" --append "$quiet smoke=$1" --no-reboot "${@:2}"; }
says_on() { # RESULT...: each expected, in this order
	local line
	for line in "$@"; do expect "SMOKE $line"; done
}
says() { says_on "$@"; ended 0; } # and then an orderly end

# ---- what a guest finds; several in one boot, a boot costs seconds in the lab ----

test_shell() {
	shell
	expect 'guest# '
	send $'echo $((6 * 7)) answers\n'
	expect '42 answers'
	send $'poweroff -f\n'
	ended 0
}
hvc() { # BUS INTERRUPT
	smoke hvc --console "stdio,bus=$1"
	expect 'SMOKE hvc ready'
	send $'over the console\n'
	expect 'heard over the console'
	says "hvc ok $1 $2"
}
test_hvc_pci() { hvc pci msi; }
test_hvc_mmio() { hvc mmio line; }

# ---- the ways in which a guest and microvm end ----

test_reboot() {
	shell
	expect 'guest# '
	send $'reboot -f\n'
	expect 'microvm guest: up'
	expect 'guest# '
	send $'exit\n'
	ended 0
}
test_no_reboot() { smoke reboot; expect 'microvm guest: up'; ended 0; }
test_button() {
	smoke button
	expect 'SMOKE button ready'
	kill -TERM "$vm"
	expect 'SMOKE button ok'
	ended 0
}
test_stop() { # the end of its standard input is no end of the guest; it does not care for its power button either
	smoke hang
	expect 'SMOKE hang ready'
	exec {in}>&-
	nap 1
	running || fail 'ended with its standard input'
	kill -TERM "$vm"
	nap 2
	running || fail 'ended at the first SIGTERM'
	kill -TERM "$vm"
	ended 7
}
test_timeout() { smoke hang --timeout 2; ended 6; }
test_testdev() {
	smoke result:5 --testdev --stats stats
	expect 'SMOKE result ok'
	ended 37
	grep -q '"t_first_run_ns"' stats || fail "no t_first_run_ns in the statistics: $(head -c 200 stats)"
	grep -q '"exits"' stats || fail 'no exits in the statistics'
	grep -q '"testdev[-a-z]*": {"reads": [1-9]' stats || fail "no devices in the statistics: $(cat stats)"
}
test_usage() {
	head -c 100000 /dev/urandom >noise.img
	vm --kernel /nonexistent; ended 2
	vm --no-such-option; ended 2
	vm --kernel noise.img; ended 2
	vm --kernel "$VMLINUX" --memory 1; ended 2
	vm --kernel "$VMLINUX" --cpus 0; ended 2
	[ "$(wc -l <errors)" -ge 5 ] || fail "some error was not reported"
	! grep -qv . errors || fail 'empty lines among the errors'
}
all_common="reboot shell button hvc-pci hvc-mmio stop no-reboot testdev timeout usage"

# main ALL [--list] [TEST...]: runs the tests named, or ALL
main() {
	local all=$1 list= name
	shift
	[ "${1-}" != --list ] || { list=1; shift; }
	for name in "$@"; do
		declare -F "test_${name//-/_}" >/dev/null || { echo "${0##*/}: no test '$name'; there are: $all" >&2; exit 2; }
	done
	# shellcheck disable=SC2086 # names
	if [ -n "$list" ]; then echo ${*:-$all}; else run_all ${*:-$all}; fi
}
