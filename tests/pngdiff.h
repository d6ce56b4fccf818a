/* SPDX-License-Identifier: MIT */
/*
 * How far two pictures are from each other: screenshots and what they should look like.
 * Blocks; any thread.
 */
#ifndef MICROVM_TESTS_PNGDIFF_H
#define MICROVM_TESTS_PNGDIFF_H

#include <stdint.h>

#define PNGDIFF_SKIPS 8u	/* regions that one comparison can leave out */

struct pngdiff_region {
	unsigned x, y, width, height;	/* in pixels; what lies outside of the picture does not matter */
};

struct pngdiff {
	/* asked for */
	unsigned threshold;		/* up to this, 0 to 255, a channel may be off */
	struct pngdiff_region skip[PNGDIFF_SKIPS];
	unsigned n_skip;
	/* found */
	uint64_t pixels, differing;	/* looked at, and of these more than threshold off */
	unsigned worst;			/* the largest difference of a channel */
};

/*
 * Compares two PNG files. 0; -EINVAL when their sizes are not the same, -EBADMSG when one
 * cannot be read as a picture; then @d has found nothing.
 */
int pngdiff_files(struct pngdiff *d, const char *a, const char *b);

/*
 * The program tests/smoke/pngdiff: [-t THRESHOLD] [-m MOST] [-x X,Y,WIDTH,HEIGHT]... A B, where
 * MOST is how many of a million pixels may differ. Prints a line with figures, returns the
 * exit status: 0 alike, 1 not, 2 arguments or files that are no good.
 */
int pngdiff_main(int argc, char **argv);

#endif
