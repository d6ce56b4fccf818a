# SPDX-License-Identifier: MIT
# Lines "board cpus name=value..." -> a table of medians, then by the .stats that are named, what the devices cost.
FILENAME ~ /\.stats$/ {
	board = FILENAME
	sub(/.*\//, "", board)
	sub(/\.stats$/, "", board)
	while (match($0, /"[^"]+": \{"reads": [0-9]+, "writes": [0-9]+/)) {
		part = substr($0, RSTART + 1, RLENGTH - 1)
		$0 = substr($0, RSTART + RLENGTH)
		split(part, f, "\"")
		gsub(/[^0-9 ]/, "", part)
		n = split(f[4] f[5] f[6] f[7], v, /[^0-9]+/)
		used[board] = used[board] sprintf("%s%s %d+%d", used[board] ? ", " : "", f[1], v[2], v[3])
	}
	if (!(board in order)) { order[board] = ++boards; at[boards] = board }
	next
}
{
	key = $1 " " $2
	if (!(key in seen)) { seen[key] = ++keys; name[keys] = key }
	for (i = 3; i <= NF; i++) { split($i, kv, "="); val[key, kv[1], ++cnt[key, kv[1]]] = kv[2] }
}
function median(key, what,   k, i, j, x, s) {
	k = cnt[key, what]
	for (i = 1; i <= k; i++) {
		x = val[key, what, i] + 0
		for (j = i - 1; j > 0 && s[j] > x; j--) s[j + 1] = s[j]
		s[j + 1] = x
	}
	return s[int((k + 1) / 2)]
}
END {
	printf "%-14s%12s%12s%12s%12s%12s%12s%12s   (%s, rounds: %d)\n", "board, CPUs", "boot ms", "exits", "to us",
		"interrupts", "idle: exits", "to us", "irqs a s", where, cnt[name[1], "boot_ms"]
	for (i = 1; i <= keys; i++)
		printf "%-14s%12d%12d%12d%12d%12d%12d%12d\n", name[i], median(name[i], "boot_ms"), median(name[i], "boot_exits"),
			median(name[i], "boot_user"), median(name[i], "boot_irqs"), median(name[i], "idle_exits"),
			median(name[i], "idle_user"), median(name[i], "idle_irqs")
	print "accesses by device, reads+writes:"
	for (i = 1; i <= boards; i++) printf "  %s: %s\n", at[i], used[at[i]]
}
