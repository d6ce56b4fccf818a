/* SPDX-License-Identifier: MIT */
/* Inside the commands of a seat. */
#ifndef MICROVM_CONTROL_SEAT_IMPL_H
#define MICROVM_CONTROL_SEAT_IMPL_H

#include "devices/control/control_seat.h"

struct control_seat {
	struct loop *loop;
	struct control_seat_params p;
	unsigned n_shots;
	struct input_wheel wheel;
};

/* control_shot.c: screenshots, and waiting for pictures. */
void control_seat_screenshot(void *ctx, struct control_call *call);
void control_seat_wait_stable(void *ctx, struct control_call *call);
void control_seat_output(void *ctx, struct control_call *call);
/* The field "output", 0 unless given; -1: refused, there is none such. */
int control_seat_pick_output(struct control_seat *s, struct control_call *call);

/* control_input.c: keys and pointers. */
void control_seat_type(void *ctx, struct control_call *call);
void control_seat_key(void *ctx, struct control_call *call);
void control_seat_move(void *ctx, struct control_call *call);
void control_seat_click(void *ctx, struct control_call *call);
void control_seat_scroll(void *ctx, struct control_call *call);

#endif
