/* SPDX-License-Identifier: MIT */
/*
 * What RESOURCE_CREATE_3D may ask for. Targets and formats have the numbers of
 * virgl's protocol, which are those of Gallium in Mesa.
 */
#include "devices/virtio/gpu_proto.h"

enum virgl_target {
	TARGET_BUFFER, TARGET_1D, TARGET_2D, TARGET_3D, TARGET_CUBE, TARGET_RECT, TARGET_1D_ARRAY,
	TARGET_2D_ARRAY, TARGET_CUBE_ARRAY, TARGETS,
};

/* What a target has beside a width. */
static const struct target_rules {
	bool height, depth, layers, levels, samples, cube;
} target_rules[TARGETS] = {
	[TARGET_BUFFER] = { 0 },
	[TARGET_1D] = { .levels = true },
	[TARGET_2D] = { .height = true, .levels = true, .samples = true },
	[TARGET_3D] = { .height = true, .depth = true, .levels = true },
	[TARGET_CUBE] = { .height = true, .levels = true, .cube = true },
	[TARGET_RECT] = { .height = true },
	[TARGET_1D_ARRAY] = { .layers = true, .levels = true },
	[TARGET_2D_ARRAY] = { .height = true, .layers = true, .levels = true, .samples = true },
	[TARGET_CUBE_ARRAY] = { .height = true, .layers = true, .levels = true, .cube = true },
};

static bool size_valid(uint32_t size, bool has)
{
	return has ? size >= 1 && size <= GPU_MAX_3D_SIZE : size == 1;
}

/* A cube is six layers, and drivers say so; of others that have none they say 0 or 1. */
static bool layers_valid(const struct target_rules *rules, uint32_t layers)
{
	if (layers > GPU_MAX_3D_SIZE)
		return false;
	if (rules->cube)
		return rules->layers ? layers && layers % 6 == 0 : layers == 6;
	return rules->layers ? layers : layers <= 1;
}

static bool levels_valid(const struct target_rules *rules,
			 const struct virtio_gpu_resource_create_3d *c)
{
	/* Has the highest bit of the largest of them. */
	uint32_t any = c->width | c->height | c->depth;

	return !c->last_level ||
	       (rules->levels && c->last_level < 32 && any >> c->last_level);
}

static bool samples_valid(const struct target_rules *rules,
			  const struct virtio_gpu_resource_create_3d *c)
{
	return c->nr_samples <= 1 ||
	       (rules->samples && c->nr_samples <= GPU_MAX_SAMPLES && !c->last_level);
}

bool gpu_create_3d_valid(const struct virtio_gpu_resource_create_3d *c)
{
	const struct target_rules *rules;

	if (c->target >= TARGETS || !c->width)
		return false;
	rules = &target_rules[c->target];
	return (c->target == TARGET_BUFFER || c->width <= GPU_MAX_3D_SIZE) &&
	       size_valid(c->height, rules->height) && size_valid(c->depth, rules->depth) &&
	       (!rules->cube || c->width == c->height) && layers_valid(rules, c->array_size) &&
	       levels_valid(rules, c) && samples_valid(rules, c);
}

/* Formats of more than four bytes a pixel: of 1 ... 4 components in turn, or all alike. */
static const struct wide_formats {
	uint16_t first, last;
	uint8_t component;
	bool alike;
} wide_formats[] = {
	{ 24, 27, 8, false },	/* R64_FLOAT ... */
	{ 28, 47, 4, false },	/* R32_FLOAT, _UNORM, _USCALED, _SNORM, _SSCALED ... */
	{ 48, 63, 2, false },	/* R16_UNORM, _USCALED, _SNORM, _SSCALED ... */
	{ 87, 90, 4, false },	/* R32_FIXED ... */
	{ 91, 94, 2, false },	/* R16_FLOAT ... */
	{ 126, 126, 8, true },	/* Z32_FLOAT_S8X24_UINT */
	{ 138, 138, 8, true },	/* X32_S8X24_UINT */
	{ 161, 161, 8, true },	/* L32A32_FLOAT */
	{ 185, 192, 2, false },	/* R16_UINT, _SINT ... */
	{ 193, 200, 4, false },	/* R32_UINT, _SINT ... */
	{ 220, 220, 8, true },	/* L32A32_UINT */
	{ 224, 224, 8, true },	/* L32A32_SINT */
	{ 234, 238, 8, true },	/* R16G16B16X16 */
	{ 239, 241, 16, true },	/* R32G32B32X32 */
	{ 246, 246, 8, true },	/* R32A32_FLOAT */
	{ 251, 252, 8, true },	/* R32A32_UINT, _SINT */
};

static unsigned format_bytes(uint32_t format)
{
	for (unsigned i = 0; i < ARRAY_SIZE(wide_formats); i++) {
		const struct wide_formats *w = &wide_formats[i];

		if (format >= w->first && format <= w->last)
			return MAX(4u, w->alike ? w->component :
					w->component * (1 + (format - w->first) % 4));
	}
	return 4;
}

static uint64_t level_size(uint32_t size, unsigned level)
{
	return MAX(size >> level, 1u);
}

/* At most 2^14 cubed, 2^14 layers, 2^5 samples and 2^5 bytes: wider than 64 bits. */
uint64_t gpu_create_3d_bytes(const struct virtio_gpu_resource_create_3d *c)
{
	uint64_t texels = 0, bytes;

	if (c->target == TARGET_BUFFER)
		return c->width;
	for (unsigned i = 0; i <= c->last_level; i++)
		texels += level_size(c->width, i) * level_size(c->height, i) *
			  level_size(c->depth, i);
	if (__builtin_mul_overflow(texels, MAX(c->array_size, 1u), &bytes) ||
	    __builtin_mul_overflow(bytes, MAX(c->nr_samples, 1u), &bytes) ||
	    __builtin_mul_overflow(bytes, format_bytes(c->format), &bytes))
		return UINT64_MAX;
	return bytes;
}
