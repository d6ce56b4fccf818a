/* SPDX-License-Identifier: MIT */
/* What the option --console says, and the device that it makes. */
#include <errno.h>

#include "devices/registry.h"
#include "devices/virtio/console.h"

struct console_options {
	struct {
		const char *spec, *name;
	} ports[CONSOLE_MAX_PORTS];
	unsigned n;
};

_Static_assert(CONSOLE_MAX_PORTS > OPT_MAX_PAIRS, "all that an option can name");
_Static_assert(2 * CONSOLE_MAX_PORTS + 2 <= VIRTIO_MAX_QUEUES, "as many queues");

static int refuse(const char *label, const char *key, const char *value, const char *why)
{
	log_error("%s: %s=%.80s: %s", label, key, value, why);
	return -EINVAL;
}

/* The guest makes the name of a file of it. */
static bool is_port_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > CONSOLE_NAME_MAX || name[0] == '.')
		return false;
	for (; *name; name++)
		if (*name <= ' ' || *name > '~' || *name == '/')
			return false;
	return true;
}

/* A name is that of the port before it. */
static int take_name(struct console_options *o, const char *label, const char *name)
{
	unsigned last = o->n - 1;

	if (!is_port_name(name))
		return refuse(label, "name", name,
			      "1 to 64 visible ASCII characters, no '/', no '.' in front");
	if (o->ports[last].name)
		return refuse(label, "name", name, "the port before it has a name already");
	for (unsigned i = 0; i < last; i++)
		if (o->ports[i].name && !strcmp(o->ports[i].name, name))
			return refuse(label, "name", name, "another port has it already");
	o->ports[last].name = name;
	return 0;
}

static int take_port(struct console_options *o, const char *label, const char *spec)
{
	for (unsigned i = 0; i < o->n && !strcmp(spec, "stdio"); i++)
		if (!strcmp(o->ports[i].spec, spec))
			return refuse(label, "port", spec, "only one port can have it");
	o->ports[o->n++].spec = spec;
	return 0;
}

/* The strings stay @opts's. 0, or -EINVAL after one line in the log. */
static int console_parse(struct console_options *o, const char *label,
			 const struct opt_value *opts)
{
	int ret = 0;

	*o = (struct console_options){ .ports = { { .spec = opts->first } }, .n = 1 };
	for (unsigned i = 0; i < opts->n_pairs && ret == 0; i++) {
		const struct opt_pair *pair = &opts->pairs[i];

		if (!strcmp(pair->key, "port"))
			ret = take_port(o, label, pair->value);
		else if (!strcmp(pair->key, "name"))
			ret = take_name(o, label, pair->value);
	}
	return ret;
}

static int console_check(const char *label, const struct opt_value *opts)
{
	struct console_options o;

	return console_parse(&o, label, opts);
}

static int console_open(struct console_port_params *ports, const struct console_options *o,
			const struct virtio_env *env)
{
	for (unsigned i = 0; i < o->n; i++) {
		int ret = chardev_open(&ports[i].chr, o->ports[i].spec, env->loop, env->term);

		if (ret < 0)
			return ret;
		ports[i].name = o->ports[i].name;
	}
	return 0;
}

static int console_create(struct virtio_device **out, const struct virtio_env *env,
			  const struct opt_value *opts)
{
	struct console_port_params ports[CONSOLE_MAX_PORTS] = { 0 };
	struct console_options o;
	int ret = console_parse(&o, "--console", opts);

	if (ret < 0)
		return ret;
	ret = console_open(ports, &o, env);
	if (ret == 0)
		ret = virtio_console_create(out, env->loop, env->mem, ports, o.n);
	for (unsigned i = 0; i < o.n && ret < 0; i++)
		chardev_close(ports[i].chr);
	return ret;
}

const struct virtio_model virtio_console_model = {
	.name = "console",
	.arg = "CHARDEV",
	.help = "a console (hvc0), and ports for programs in the guest",
	.keys = (const struct opt_key[]){
		{ "port", "CHARDEV...", "add a port, /dev/vport0p1 and so on in the guest" },
		{ "name", "NAME...", "of the port before it, in /dev/virtio-ports in the guest" },
		{ NULL, NULL, NULL }
	},
	.multiple = true,
	.check = console_check,
	.create = console_create,
	.destroy = virtio_console_destroy,
};
