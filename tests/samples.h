/* SPDX-License-Identifier: MIT */
/* Measured values: the middle one, and how far they are apart. */
#ifndef MICROVM_TESTS_SAMPLES_H
#define MICROVM_TESTS_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#define SAMPLES_MAX 64

struct samples {
	unsigned n;
	double v[SAMPLES_MAX];
};

/* What is more than SAMPLES_MAX is left out. */
void samples_add(struct samples *s, double value);
/* @percent of them are at most that, 50: the median; 0 when there are none. */
double samples_at(const struct samples *s, unsigned percent);
/* a / b, value by value, as measured in the same round. */
struct samples samples_ratio(const struct samples *a, const struct samples *b);
/* "12.3 [11.9..15.0]", with @digits behind the point; returns @text. */
const char *samples_text(const struct samples *s, int digits, char *text, size_t len);

/*
 * Prints "@what: p50 ... us, p99 ... us" of @n times, which are sorted, with the target of
 * @target_us for the latter; and to the file @json.
 */
void samples_print_latency(const char *what, uint64_t *ns, unsigned n, unsigned target_us,
			   const char *json);

#endif
