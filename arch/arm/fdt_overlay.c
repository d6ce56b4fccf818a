/* SPDX-License-Identifier: MIT */
/*
 * Overlays: libfdt merges them, in copies, for it spoils both trees when it fails. An
 * overlay is no tree that a machine could have, so that only its form is checked; what
 * comes of it is checked as any tree from a file.
 */
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arm/fdt_int.h"
#include "arch/arm/overlay.h"
#include "vmm/log.h"
#include "vmm/util.h"

/*
 * Where parameters set aliases, the node has a phandle. What libfdt would make of a path by
 * that name are its four bytes at most, and so a name that is none of these.
 */
static bool overlay_is_phandle(const char *name, int len)
{
	return len == 4 && (!strcmp(name, "phandle") || !strcmp(name, "linux,phandle"));
}

/* libfdt follows an alias wherever a path does not begin with '/', and one that is its own. */
static bool overlay_aliases_sound(const struct arm_fdt *fdt)
{
	int prop, len, node = fdt_subnode_offset(fdt->blob, 0, "aliases");
	const char *name;

	if (node < 0)
		return true;
	fdt_for_each_property_offset(prop, fdt->blob, node) {
		const char *value = fdt_getprop_by_offset(fdt->blob, prop, &name, &len);

		if (!value || (!overlay_is_phandle(name, len) && (len < 1 || value[0] != '/')))
			return false;
	}
	return true;
}

/* libfdt goes down by recursion, and looks for names again and again. */
static bool overlay_is_small(const struct arm_fdt *fdt)
{
	int depth = 0, n = 0;

	for (int node = 0; node >= 0 && depth >= 0; node = fdt_next_node(fdt->blob, node, &depth))
		if (++n > ARM_OVERLAY_MAX_NODES || depth > ARM_FDT_MAX_DEPTH)
			return false;
	return true;
}

int arm_overlay_open(struct arm_fdt *overlay, const void *blob, size_t len, const char *name)
{
	int ret;

	if (len > ARM_OVERLAY_MAX) {
		log_error("%s: has %zu bytes: an overlay may have %u", name, len, ARM_OVERLAY_MAX);
		return -EFBIG;
	}
	ret = tree_open_form(overlay, blob, len, name);
	if (ret < 0)
		return ret;
	if (overlay_is_small(overlay) && overlay_aliases_sound(overlay))
		return 0;
	log_error("%s: is too large an overlay, or has aliases that are no paths", name);
	arm_fdt_close(overlay);
	return -EINVAL;
}

/* --- labels of an overlay ------------------------------------------------------------- */

/* The phandles that fragments' contents have. */
struct contents {
	unsigned n;
	uint32_t phandles[ARM_OVERLAY_MAX_NODES];
};

static void overlay_see_contents(const void *blob, struct contents *c)
{
	int node, body;

	c->n = 0;
	fdt_for_each_subnode(node, blob, 0) {
		body = fdt_subnode_offset(blob, node, "__overlay__");
		if (body >= 0 && fdt_get_phandle(blob, body) && c->n < ARRAY_SIZE(c->phandles))
			c->phandles[c->n++] = fdt_get_phandle(blob, body);
	}
}

static bool is_content(const struct contents *c, uint32_t phandle)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->phandles[i] == phandle)
			return true;
	return false;
}

/* Whether a cell of @node that the local fixups at @fixups name is one of them. */
static bool overlay_prop_refers(const void *blob, const struct contents *c, int node, int fixups)
{
	const char *name;
	int prop, len, offs_len;

	fdt_for_each_property_offset(prop, blob, fixups) {
		const uint8_t *offs = fdt_getprop_by_offset(blob, prop, &name, &offs_len);
		const uint8_t *value = fdt_getprop(blob, node, name, &len);

		for (int i = 0; offs && value && i + 4 <= offs_len; i += 4) {
			uint64_t off = tree_cells(offs + i, 1);

			if (range_fits(off, 4, len) && is_content(c, tree_cells(value + off, 1)))
				return true;
		}
	}
	return false;
}

/* Parameters are no longer of interest. */
static bool overlay_refers_to_content(const void *blob)
{
	static const char root[] = "/__local_fixups__";
	char path[ARM_FDT_MAX_PATH];
	int depth = 0, node = fdt_path_offset(blob, root);
	struct contents c;

	for (overlay_see_contents(blob, &c); c.n && node >= 0 && depth >= 0;
	     node = fdt_next_node(blob, node, &depth)) {
		const char *of = path + sizeof(root) - 1;

		if (fdt_get_path(blob, node, path, sizeof(path)) < 0)
			return true;
		if (!strncmp(path, root, sizeof(root) - 1) && strcmp(of, "/__overrides__") &&
		    overlay_prop_refers(blob, &c, fdt_path_offset(blob, *of ? of : "/"), node))
			return true;
	}
	return false;
}

/*
 * They are the overlay's own, unless it exports them (2.3). One of a fragment's content,
 * which is there for parameters, gives that a phandle: it would replace the target's, and
 * libfdt find the target no more.
 */
static int overlay_drop_labels(struct arm_fdt *part)
{
	int node, body;

	if (overlay_refers_to_content(part->blob)) {
		log_error("%s: refers to the content of its own fragments, which is not known here",
			  part->name);
		return -EINVAL;
	}
	fdt_for_each_subnode(node, part->blob, 0) {
		body = fdt_subnode_offset(part->blob, node, "__overlay__");
		if (body < 0)
			continue;
		fdt_delprop(part->blob, body, "phandle");
		fdt_delprop(part->blob, body, "linux,phandle");
	}
	node = fdt_subnode_offset(part->blob, 0, "__symbols__");
	if (node >= 0 && fdt_subnode_offset(part->blob, 0, "__exports__") < 0)
		fdt_del_node(part->blob, node);
	return 0;
}

/* --- words for the kernel -------------------------------------------------------------- */

/* The tree's own, which are taken out of it; NULL: there are none. */
static char *overlay_take_words(struct arm_fdt *fdt)
{
	int chosen = arm_fdt_find(fdt, "/chosen");
	const char *own = chosen < 0 ? NULL : arm_fdt_string(fdt, chosen, "bootargs");
	char *words = own ? strdup(own) : NULL;

	if (words)
		fdt_delprop(fdt->blob, chosen, "bootargs");
	return words;
}

/* The overlay's come behind them, for which the firmware makes an exception among properties. */
static int overlay_put_words(struct arm_fdt *fdt, const char *own)
{
	int chosen = arm_fdt_find(fdt, "/chosen"), ret;
	const char *more = chosen < 0 ? NULL : arm_fdt_string(fdt, chosen, "bootargs");
	char *text;

	if (chosen < 0)
		return 0;
	if (asprintf(&text, "%s%s%s", own, *own && more && *more ? " " : "", more ? more : "") < 0)
		return -ENOMEM;
	ret = tree_set_string(fdt, chosen, "bootargs", text);
	free(text);
	return ret;
}

/* --- merging ---------------------------------------------------------------------------- */

/* A label that the overlay needs and the tree does not have; NULL: there is none. */
static const char *overlay_lacks(const struct arm_fdt *fdt, const struct arm_fdt *overlay)
{
	int fixups = arm_fdt_find(overlay, "/__fixups__"), prop;
	int symbols = arm_fdt_find(fdt, "/__symbols__");
	const char *label;

	if (fixups < 0)
		return NULL;
	fdt_for_each_property_offset(prop, overlay->blob, fixups)
		if (fdt_getprop_by_offset(overlay->blob, prop, &label, NULL) &&
		    (symbols < 0 || !fdt_getprop(fdt->blob, symbols, label, NULL)))
			return label;
	return NULL;
}

static int overlay_check_labels(const struct arm_fdt *fdt, const struct arm_fdt *overlay)
{
	const char *label = overlay_lacks(fdt, overlay);

	if (!label)
		return 0;
	log_error("%s: does not fit %s, which has no label %.40s", overlay->name, fdt->name, label);
	return -EINVAL;
}

static int overlay_merge(struct arm_fdt *merged, const struct arm_fdt *overlay)
{
	struct arm_fdt part = { 0 };
	char *words = overlay_take_words(merged);
	int err, ret = overlay_check_labels(merged, overlay);

	if (ret == 0)
		ret = tree_grow(merged, overlay->size + 1024);
	if (ret == 0)
		ret = arm_fdt_copy(&part, overlay);
	if (ret == 0)
		ret = overlay_drop_labels(&part);
	err = ret == 0 ? fdt_overlay_apply(merged->blob, part.blob) : 0;
	if (err) {
		log_error("%s: does not fit %s: %s", overlay->name, merged->name,
			  fdt_strerror(err));
		ret = -EINVAL;
	}
	if (ret == 0 && words)
		ret = overlay_put_words(merged, words);
	free(words);
	arm_fdt_close(&part);
	return ret < 0 ? ret : tree_shrink(merged);
}

int arm_overlay_apply(struct arm_fdt *fdt, const struct arm_fdt *overlay)
{
	struct arm_fdt merged = { 0 }, checked = { 0 };
	int ret;

	if (!overlay_aliases_sound(fdt)) {
		log_error("%s: has aliases that are no paths: no overlay can be added", fdt->name);
		return -EINVAL;
	}
	ret = arm_fdt_copy(&merged, fdt);
	if (ret == 0)
		ret = overlay_merge(&merged, overlay);
	if (ret == 0)
		ret = arm_fdt_open_blob(&checked, merged.blob, merged.size, fdt->name);
	arm_fdt_close(&merged);
	if (ret < 0)
		return ret;
	arm_fdt_close(fdt);
	*fdt = checked;
	return 0;
}
