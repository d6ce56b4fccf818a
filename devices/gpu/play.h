/* SPDX-License-Identifier: MIT */
/* microvm-gpu --replay: a recording from start to end, its frames into files, and figures. */
#ifndef MICROVM_PLAY_H
#define MICROVM_PLAY_H

#include "devices/gpu/options.h"

/*
 * Plays o->replay on this thread. The program's exit status: 0, or 1 after a line in the
 * log when something was wrong or answers were not as recorded. Figures go to standard
 * output, in one line.
 */
int play_main(const struct gpu_options *o);

#endif
