# SPDX-License-Identifier: MIT
# Lines "vmm round name=value..." -> a table, and JSON. -v vmms= (in the table's order) what= where= rounds= json=
# A ratio is taken in each round, the first VMM's value over the other's: what slows a round down slows all of it down.

{
	for (i = 3; i <= NF; i++) {
		split($i, kv, "=")
		value[$1, kv[1], ++n[$1, kv[1]]] = kv[2]
		if (!(kv[1] in seen)) { seen[kv[1]] = 1; names[++count] = kv[1] }
	}
}

function stats(v, name,   k, j, x) { # sets lo, mid, hi
	k = n[v, name]
	for (j = 1; j <= k; j++) s[j] = value[v, name, j] + 0
	return sorted(k)
}
function sorted(k,   i, j, x) {
	for (i = 2; i <= k; i++) {
		x = s[i]
		for (j = i - 1; j > 0 && s[j] > x; j--) s[j + 1] = s[j]
		s[j + 1] = x
	}
	lo = s[1]; hi = s[k]; mid = k % 2 ? s[(k + 1) / 2] : (s[k / 2] + s[k / 2 + 1]) / 2
	return k
}
function ratios(v, name,   k, j) {
	k = n[v, name]
	for (j = 1; j <= k; j++) {
		if (!(value[v, name, j] + 0)) return 0
		s[j] = value[vmm[1], name, j] / value[v, name, j]
	}
	return sorted(k)
}
function cell(x) { return x >= 1000 || x == int(x) ? sprintf("%d", x + 0.5) : sprintf("%.1f", x) }
function row(title, name,   i, line, k) {
	line = sprintf("%-26s", title)
	for (i = 1; i <= many; i++) {
		k = stats(vmm[i], name)
		line = line sprintf("%26s", !k ? "-" : k == 1 ? cell(mid) : cell(mid) " [" cell(lo) ".." cell(hi) "]")
	}
	print line
	if (n[vmm[1], name] < 2) return
	line = sprintf("%-26s%26s", "    microvm's share", "")
	for (i = 2; i <= many; i++)
		line = line sprintf("%26s", ratios(vmm[i], name) ? sprintf("%.2f [%.2f..%.2f]", mid, lo, hi) : "-")
	print line
}

function target(title, got, most) { printf "    %-40s%10.2f of %.2f: %s\n", title, got, most, got <= most ? "met" : "missed" }
function targets() {
	print "Targets for microvm" (where ~ /lab/ ? " (times of an emulated processor; ratios count)" : "") ":"
	if (many > 1 && ratios(vmm[2], "init_ms")) target("exec to init, share of " vmm[2] "'s", mid, 0.8)
	stats(vmm[1], "run_ms"); target("exec to KVM_RUN, ms", mid, 5)
	stats(vmm[1], "rss_kib"); target("RSS without guest RAM, MiB", mid / 1024, 3)
}

END {
	many = split(vmms, vmm, " ")
	print "Boot of " what "; " rounds " rounds on " where
	printf "%-26s", "median [min..max]"
	for (i = 1; i <= many; i++) printf "%26s", vmm[i]
	print ""
	row("exec to KVM_RUN, ms", "run_ms")
	row("exec to kernel proper, ms", "kernel_ms")
	row("exec to init, ms", "init_ms")
	row("exits until init", "exits")
	row("  of them to the VMM", "user_exits")
	row("RSS without guest RAM, KiB", "rss_kib")
	row("PSS without guest RAM, KiB", "pss_kib")
	row("stripped binary, KiB", "binary_kib")
	if (n[vmm[1], "kick_us"]) row("virtio kick by MMIO, us", "kick_us")
	targets()

	printf("{\n \"what\": \"%s\",\n \"where\": \"%s\",\n \"rounds\": %d,\n \"vmms\": {", what, where, rounds) >json
	for (i = 1; i <= many; i++) {
		printf("%s\n  \"%s\": {", i > 1 ? "," : "", vmm[i]) >json
		first = 1
		for (c = 1; c <= count; c++)
			if (stats(vmm[i], names[c])) {
				printf("%s\n   \"%s\": {\"min\": %.3f, \"median\": %.3f, \"max\": %.3f", first ? "" : ",", names[c], lo, mid, hi) >json
				if (i > 1 && n[vmm[1], names[c]] == n[vmm[i], names[c]] && ratios(vmm[i], names[c]))
					printf(", \"ratio\": {\"min\": %.3f, \"median\": %.3f, \"max\": %.3f}", lo, mid, hi) >json
				printf "}" >json
				first = 0
			}
		printf "\n  }" >json
	}
	print "\n }\n}" >json
}
