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
