/* SPDX-License-Identifier: MIT */
/*
 * A display that nobody sees: it knows what each output shows, for screenshots,
 * and gives the guest frames at a monitor's pace. Nothing is copied. Loop
 * thread.
 */
#ifndef MICROVM_UI_NULL_H
#define MICROVM_UI_NULL_H

#include "devices/ui/display.h"
#include "devices/ui/picture.h"
#include "vmm/loop.h"

struct ui_null;

/* @refresh_mhz: frames of all outputs, thousandths of a hertz; 0: flushes are answered at once. */
int ui_null_create(struct ui_null **out, struct loop *loop, uint32_t refresh_mhz);
void ui_null_destroy(struct ui_null *ui);	/* NULL is legal */

struct display ui_null_display(struct ui_null *ui);
/* Before the first flush, if there is a pace. */
void ui_null_set_sink(struct ui_null *ui, struct display_sink sink);

/* What output 0 ... DISPLAY_MAX_OUTPUTS - 1 shows. */
const struct picture *ui_null_picture(const struct ui_null *ui, unsigned output);

#endif
