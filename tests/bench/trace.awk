# SPDX-License-Identifier: MIT
# One run in the kernel's trace -> "vmm round name=value...". -v vmm= round= binary= (the VMM's path)
# exec: the VMM starts. run: the first KVM_RUN enters the guest. kernel: the first exit at a kernel's virtual address,
# which on every processor is one of start_kernel's first CPUIDs. init: our init writes to port 0x5e8.

function stamp() { return match($0, /[0-9]+\.[0-9]+: /) ? substr($0, RSTART, RLENGTH - 2) * 1000 : 0 }

/ sched_process_exec: / && index($0, "filename=" binary " ") { if (!exec) exec = stamp() }
!exec || init { next }
/ kvm_entry: / { if (!run) run = stamp() }
/ kvm_exit: / {
	exits++
	if (match($0, /reason [^ ]+/)) reason[tolower(substr($0, RSTART + 7, RLENGTH - 7))]++
	if (!kernel && /rip 0xffffffff[89ab]/) kernel = stamp()
}
/ kvm_userspace_exit: / { if (match($0, /KVM_EXIT_[A-Z_]+/)) user[tolower(substr($0, RSTART + 9, RLENGTH - 9))]++; users++ }
/ kvm_pio: pio_write at 0x5e8 / { init = stamp() }

END {
	if (!init || !kernel) exit 1
	printf "%s %d run_ms=%.3f kernel_ms=%.3f init_ms=%.3f exits=%d user_exits=%d", vmm, round, run - exec, kernel - exec, init - exec, exits, users
	for (r in reason) printf " exit_%s=%d", r, reason[r]
	for (r in user) printf " user_%s=%d", r, user[r]
	print ""
}
