/* SPDX-License-Identifier: MIT */
/* pngdiff: whether a screenshot looks as it should. */
#include "tests/pngdiff.h"

int main(int argc, char **argv)
{
	return pngdiff_main(argc, argv);
}
