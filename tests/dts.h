/* SPDX-License-Identifier: MIT */
/* Device trees as text, for tests: compiled and read back by dtc. One thread. */
#ifndef MICROVM_TESTS_DTS_H
#define MICROVM_TESTS_DTS_H

#include <stddef.h>

/* @source without its "/dts-v1/;". Aborts when dtc refuses it. The size; *@blob to be freed. */
size_t dts_compile(const char *source, void **blob);
/* What dtc has to say about a blob, "" when it is content; to be freed. */
char *dts_complaints(const void *blob, size_t len);

#endif
