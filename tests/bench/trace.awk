# SPDX-License-Identifier: MIT
# One run in the kernel's trace -> "vmm round name=value...". -v vmm= round= binary= (the VMM's path)
# exec: the VMM starts. run: the first KVM_RUN enters the guest. kernel: the first exit at a kernel's virtual address,
# which on every x86 processor is one of start_kernel's first CPUIDs, on ARM the first access of new memory with the MMU
# on. init: our init writes to the test device's mark. Of guest/payload/kick.c there are just two marks.

function stamp() { return match($0, /[0-9]+\.[0-9]+: /) ? substr($0, RSTART, RLENGTH - 2) * 1000 : 0 }

function marked() { return / kvm_pio: pio_write at 0x5e8 / || / kvm_mmio: mmio write .* gpa 0x9050008 / }

kicks { # -v kicks=N: how many are between the marks
	if (marked()) mark[++marks] = stamp()
	next
}
/ sched_process_exec: / && index($0, "filename=" binary " ") { if (!exec) exec = stamp() }
!exec || init { next }
/ kvm_entry: / { if (!run) run = stamp() }
/ kvm_exit: / {
	exits++
	if (match($0, /reason [^ ]+/)) reason[tolower(substr($0, RSTART + 7, RLENGTH - 7))]++
	else if (/ IRQ: /) reason["irq"]++
	else if (match($0, /\([A-Z0-9_]+\)/)) reason[tolower(substr($0, RSTART + 1, RLENGTH - 2))]++
	if (!kernel && /rip 0xffffffff[89ab]|PC: 0xffff/) kernel = stamp()
}
/ kvm_userspace_exit: / { if (match($0, /KVM_EXIT_[A-Z_]+/)) user[tolower(substr($0, RSTART + 9, RLENGTH - 9))]++; users++ }
marked() { init = stamp() }

END {
	if (kicks) {
		if (marks != 2) exit 1
		printf "%s %d kick_us=%.3f\n", vmm, round, (mark[2] - mark[1]) * 1000 / kicks
		exit
	}
	if (!init || !kernel) exit 1
	printf "%s %d run_ms=%.3f kernel_ms=%.3f init_ms=%.3f exits=%d user_exits=%d", vmm, round, run - exec, kernel - exec, init - exec, exits, users
	for (r in reason) printf " exit_%s=%d", r, reason[r]
	for (r in user) printf " user_%s=%d", r, user[r]
	print ""
}
