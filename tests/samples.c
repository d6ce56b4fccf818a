/* SPDX-License-Identifier: MIT */
#include "tests/samples.h"

#include <stdio.h>
#include <stdlib.h>

#include "vmm/util.h"

void samples_add(struct samples *s, double value)
{
	if (s->n < SAMPLES_MAX)
		s->v[s->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double samples_at(const struct samples *s, unsigned percent)
{
	struct samples sorted = *s;

	if (!s->n)
		return 0;
	qsort(sorted.v, sorted.n, sizeof(*sorted.v), compare);
	return sorted.v[(s->n - 1) * percent / 100];
}

struct samples samples_ratio(const struct samples *a, const struct samples *b)
{
	struct samples r = { 0 };

	for (unsigned i = 0; i < MIN(a->n, b->n); i++)
		samples_add(&r, b->v[i] > 0 ? a->v[i] / b->v[i] : 0);
	return r;
}

const char *samples_text(const struct samples *s, int digits, char *text, size_t len)
{
	snprintf(text, len, "%.*f [%.*f..%.*f]", digits, samples_at(s, 50), digits,
		 samples_at(s, 0), digits, samples_at(s, 100));
	return text;
}

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void samples_print_latency(const char *what, uint64_t *ns, unsigned n, unsigned target_us,
			   const char *json)
{
	double p50, p99;
	FILE *f = fopen(json, "w");

	qsort(ns, n, sizeof(*ns), compare_ns);
	p50 = ns[n / 2] / 1e3;
	p99 = ns[n * 99ull / 100] / 1e3;
	printf("%s: p50 %.1f us, p99 %.1f us, longest %.1f us (%u; target: p99 below %u us)\n",
	       what, p50, p99, ns[n - 1] / 1e3, n, target_us);
	if (f) {
		fprintf(f, "{\"n\": %u, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", n, p50, p99);
		fclose(f);
	}
}
