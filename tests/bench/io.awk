# SPDX-License-Identifier: MIT
# Lines of VMM ROUND NAME=VALUE: for each name the median of both VMMs, and of the ratios of each round its median, least
# and largest. -v rounds=N -v title=TEXT
function sorted_at(list, n, q,  i, j, t) {
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && list[j] < list[j - 1]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
	return list[int((n - 1) * q) + 1]
}
{
	split($3, kv, "=")
	if (!(kv[1] in known)) { known[kv[1]] = 1; names[++n_names] = kv[1] }
	value[$1, $2, kv[1]] = kv[2]
}
END {
	printf "%-24s %12s %12s   %s\n", title, "microvm", "QEMU", "microvm to QEMU: median [least..largest]"
	for (i = 1; i <= n_names; i++) {
		delete a; delete b; delete r
		n = 0
		for (k = 1; k <= rounds; k++) {
			if (!value["microvm", k, names[i]] || !value["qemu", k, names[i]]) continue
			a[++n] = value["microvm", k, names[i]] + 0
			b[n] = value["qemu", k, names[i]] + 0
			r[n] = a[n] / b[n]
		}
		if (!n) { printf "%-24s nothing measured\n", names[i]; continue }
		printf "%-24s %12d %12d   %.2f [%.2f..%.2f]\n", names[i], sorted_at(a, n, 0.5), sorted_at(b, n, 0.5), sorted_at(r, n, 0.5), sorted_at(r, n, 0), sorted_at(r, n, 1)
	}
}
