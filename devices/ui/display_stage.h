/* SPDX-License-Identifier: MIT */
/*
 * What there is to be seen of a card by other processes: of each output its
 * monitor, its picture, and where that lies in memory that can be shared. Pixels
 * that cannot be are copied into such memory, what was damaged of them, and
 * only when somebody asks. Loop thread.
 */
#ifndef MICROVM_DISPLAY_STAGE_H
#define MICROVM_DISPLAY_STAGE_H

#include "devices/ui/display_memory.h"
#include "devices/ui/picture.h"

struct display_stage_output {
	bool plugged;
	uint32_t mode_width, mode_height;	/* the guest's; 0, 0: none yet */
	struct picture picture;

	struct display_memory copy;
	uint32_t fourcc, width, height;	/* of the copy */
	uint64_t copy_id;		/* of all outputs' copies, never the same again; not 0 */
	struct display_rect stale;	/* what the copy lacks; empty: nothing */
};

struct display_stage {
	unsigned n;
	uint64_t n_copies;
	uint64_t copied;		/* bytes */
	struct display_stage_output outputs[DISPLAY_MAX_OUTPUTS];
};

/* Where the picture's pixels are, up to date: row y begins at @offset + y * @stride. */
struct display_stage_memory {
	int fd;			/* the stage's or the card's */
	uint64_t offset;
	uint32_t stride;
	uint64_t id;		/* the same number: nothing of this has changed; 0: may have */
};

void display_stage_init(struct display_stage *s, unsigned n_outputs);
void display_stage_finish(struct display_stage *s);

/*
 * What the display_ops of these names do. The rest of them is picture.h's. set()
 * returns whether it has the size and format of the one before.
 */
bool display_stage_set(struct display_stage *s, unsigned output,
		       const struct display_surface *surface);
void display_stage_flush(struct display_stage *s, unsigned output,
			 const struct display_rect *damage);
void display_stage_off(struct display_stage *s, unsigned output);

/* Of a picture that is shown. 0 or negative errno. */
int display_stage_share(struct display_stage *s, unsigned output,
			struct display_stage_memory *out);
/* Nobody looks any more: copies go. */
void display_stage_forget(struct display_stage *s);

/* The smallest that has both in it; an empty one adds nothing. */
struct display_rect display_rect_join(const struct display_rect *a, const struct display_rect *b);

#endif
