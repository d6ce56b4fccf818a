/* SPDX-License-Identifier: MIT */
#include "tests/have_gl.h"

#include <stdio.h>
#include <stdlib.h>

#include "devices/gpu/gpu_virgl.h"

bool have_gl(int *status)
{
	const struct gpu_virgl_params params = { 0 };
	struct gpu_renderer *r;
	char why[300] = "";

	*status = 0;
#ifdef __SANITIZE_THREAD__
	puts("Mesa is not built for the thread sanitizer: skipped");
	return false;
#endif
	if (gpu_virgl_create(&r, &params, why, sizeof(why)) == 0) {
		r->ops->destroy(r);
		return true;
	}
	*status = getenv("MICROVM_GL") != NULL;
	printf("%s: %s\n", *status ? "FAILED" : "skipped", why);
	return false;
}
