/* SPDX-License-Identifier: MIT */
/* What the library of this machine can do, for people who ask. */
#include "devices/gpu/gpu_virgl_impl.h"

#include <stdio.h>

#include "vmm/log.h"

#if GPU_VIRGL_BUILT

#include <linux/virtio_gpu.h>

#define TRIAL_CONTEXT 1

/* Capability sets (virtio 1.3, 5.7.6.8) that guests' drivers of other kinds want. */
static const struct {
	uint32_t id;
	const char *name, *what;
} others[] = {
	{ 3, "gfxstream", "Vulkan for Android" },
	{ 5, "cross-domain", "windows on the host's desktop" },
	{ 6, "drm", "the GPU's own driver in the guest" },
};

/* There may be a set, and no context for it. */
static bool works(struct gpu_virgl *v, uint32_t capset)
{
	uint32_t version, size = 0;

	v->lib.get_cap_set(capset, &version, &size);
	if (!size || v->lib.context_create_with_flags(TRIAL_CONTEXT, capset, 5, "trial") != 0)
		return false;
	v->lib.context_destroy(TRIAL_CONTEXT);
	return true;
}

static void describe(struct gpu_virgl *v)
{
	char text[200];

	v->lib.force_ctx_0();
	gpu_virgl_lib_draws(v, text, sizeof(text));
	printf("  virgl         %s\n", text);
	printf("  virgl,venus   %s\n", v->venus ? "Vulkan as well, with memory in the guest" :
	       "no: the library has no Vulkan");
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		printf("  %-13s no: %s: %s\n", others[i].name, others[i].what,
		       works(v, others[i].id) ? "the library can, this program does not ask it" :
						"the library offers none");
}

#endif

void gpu_virgl_describe(void)
{
	const struct gpu_virgl_params params = { .venus = true };
	struct gpu_renderer *r;
	char why[300];

	log_set_level(LOG_ERROR);
	printf("On this machine:\n  2d            pixels, copied by the processor\n");
	if (gpu_virgl_create(&r, &params, why, sizeof(why)) < 0) {
		printf("  virgl         no: %s\n", why);
		return;
	}
#if GPU_VIRGL_BUILT
	describe(virgl_of(r));
#endif
	r->ops->destroy(r);
}
