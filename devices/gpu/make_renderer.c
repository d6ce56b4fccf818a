/* SPDX-License-Identifier: MIT */
#include "devices/gpu/make_renderer.h"

#include "devices/gpu/gpu_virgl.h"
#include "vmm/log.h"

int make_renderer(struct gpu_renderer **out, const struct gpu_option_device *d,
		  const struct gl_provider *gl)
{
	const struct gpu_virgl_params params = {
		.rendernode = d->in_3d.rendernode,
		.gl = d->in_3d.rendernode ? (struct gl_provider){ 0 } : *gl,
		.patience_ns = d->in_3d.patience * 1000000000ull,
		.venus = d->in_3d.venus,
	};
	char why[300];
	int ret = d->in_3d.virgl ? gpu_virgl_create(out, &params, why, sizeof(why)) : 0;

	if (ret == 0)
		return 0;
	log_msg(params.rendernode ? LOG_ERROR : LOG_WARN, "%s: %s%s", d->label, why,
		params.rendernode ? "" : "; there is 2D only");
	return params.rendernode ? ret : 0;
}
