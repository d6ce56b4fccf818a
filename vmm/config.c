/* SPDX-License-Identifier: MIT */
/* The program's options: their table, what each does, and how they fit together. */
#include "vmm/config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/config_device.h"
#include "vmm/log.h"

/* Guests are of the host's architecture. */
#ifdef __aarch64__
enum { FOR_ARM = true };
#define KERNELS "Image, zImage, uImage, ELF or .bin"
#else
enum { FOR_ARM = false };
#define KERNELS "bzImage or ELF vmlinux"
#endif

#define MEMORY_DEFAULT (512 * MiB)
#define NAME_LEN_MAX 64

/* What set() works on. */
struct parse {
	struct config *cfg;
	const struct opt *opts;
	uint64_t models_seen;	/* by their place in virtio_models */
	bool dump;
};

/* --- values into fields ------------------------------------------------------ */

static int take_text(char **field, char *text)
{
	if (!text) {
		log_error("out of memory");
		return -ENOMEM;
	}
	free(*field);
	*field = text;
	return 0;
}

static int bad_value(const struct opt_at *at, const char *value, const char *what)
{
	log_error("%s %.60s: %s", at->label, value, what);
	return -EINVAL;
}

static int need_value(const struct opt_at *at)
{
	log_error("%s needs a value: %s", at->label, at->opt->arg);
	return -EINVAL;
}

/* Options that only store a text or a switch; data: where in struct config. */
#define FIELD(name) &(const size_t){ offsetof(struct config, name) }

static int set_text(void *config, const struct opt_at *at, const char *value)
{
	struct parse *p = config;
	const size_t *offset = at->opt->data;
	void *field = (char *)p->cfg + *offset;

	if (!*value)
		return need_value(at);
	if (config_value_check(at->label, at->opt->arg, value) < 0)
		return -EINVAL;
	return take_text(field, config_value_beside(at->file, at->opt->arg, value));
}

/* One of arg's words. */
static int set_word(void *config, const struct opt_at *at, const char *value)
{
	if (*value && !opt_words_have(at->opt->arg, value))
		return bad_value(at, value, at->opt->arg);
	return set_text(config, at, value);
}

/* Where a host cannot have it: for those who look for it, help does not have it either. */
static int set_for_arm(void *config, const struct opt_at *at, const char *value)
{
	log_error("%s: is for ARM hosts, and this is none", at->label);
	return -EINVAL;
}

static int set_flag(void *config, const struct opt_at *at, const char *value)
{
	struct parse *p = config;
	const size_t *offset = at->opt->data;
	bool *field = (bool *)((char *)p->cfg + *offset);

	*field = !strcmp(value, "on");
	return 0;
}

static int set_name(void *config, const struct opt_at *at, const char *value)
{
	if (strlen(value) > NAME_LEN_MAX)
		return bad_value(at, value, "longer than 64 bytes");
	return set_text(config, at, value);
}

/* Adds up, with a space between: a file's words, then the command line's. */
static int set_append(void *config, const struct opt_at *at, const char *value)
{
	struct parse *p = config;
	const char *before = p->cfg->append;
	char *text;

	if (!*value)
		return 0;
	if (asprintf(&text, "%s%s%s", before, *before ? " " : "", value) < 0)
		text = NULL;
	return take_text(&p->cfg->append, text);
}

static int set_memory(void *config, const struct opt_at *at, const char *value)
{
	struct parse *p = config;
	uint64_t bytes;
	int ret = opt_parse_size(value, &bytes);

	if (ret == -EINVAL)
		return bad_value(at, value, "not a size, such as 512M or 4G");
	if (ret < 0 || bytes > CONFIG_MAX_MEMORY)
		return bad_value(at, value, "more than 1024G");
	if (bytes < CONFIG_MIN_MEMORY && !value[strspn(value, "0123456789")])
		return bad_value(at, value, "less than 4M; without a unit it is bytes");
	if (bytes < CONFIG_MIN_MEMORY)
		return bad_value(at, value, "less than 4M");
	if (bytes % (4 * KiB))
		return bad_value(at, value, "not a multiple of 4K");
	p->cfg->memory = bytes;
	return 0;
}

static int set_number(const struct opt_at *at, const char *value, unsigned min, unsigned max,
		      unsigned *number)
{
	uint64_t n;

	if (opt_parse_number(value, min, max, &n) < 0) {
		log_error("%s %.60s: not a whole number from %u to %u", at->label, value, min, max);
		return -EINVAL;
	}
	*number = n;
	return 0;
}

static int set_cpus(void *config, const struct opt_at *at, const char *value)
{
	struct parse *p = config;

	return set_number(at, value, 1, CONFIG_MAX_CPUS, &p->cfg->cpus);
}

static int set_timeout(void *config, const struct opt_at *at, const char *value)
{
	struct parse *p = config;

	return set_number(at, value, 0, CONFIG_MAX_TIMEOUT, &p->cfg->timeout_s);
}

/* data: by how much. */
static int set_verbose(void *config, const struct opt_at *at, const char *value)
{
	struct parse *p = config;
	const int *more = at->opt->data;

	p->cfg->verbose = strcmp(value, "on") ? 0 : MIN(p->cfg->verbose + *more, 9);
	return 0;
}

/* --- devices ----------------------------------------------------------------- */

static void remove_devices(struct config *cfg, const struct virtio_model *model)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < cfg->n_devices; i++) {
		if (cfg->devices[i].model == model)
			opt_value_finish(&cfg->devices[i].opts);
		else
			cfg->devices[kept++] = cfg->devices[i];
	}
	cfg->n_devices = kept;
}

static int add_device(struct config *cfg, struct config_device *dev, const char *label)
{
	if (cfg->n_devices == CONFIG_MAX_DEVICES) {
		log_error("%s: more than %d devices", label, CONFIG_MAX_DEVICES);
		opt_value_finish(&dev->opts);
		return -EINVAL;
	}
	cfg->devices[cfg->n_devices++] = *dev;
	return 0;
}

static uint64_t model_bit(const struct virtio_model *model)
{
	unsigned i = 0;

	while (virtio_models[i] != model)
		i++;
	assert(i < 64);
	return BIT(i);
}

static bool takes_none(const struct virtio_model *model)
{
	return model->arg && opt_words_have(model->arg, "none");
}

/* data: the model. */
static int set_device(void *config, const struct opt_at *at, const char *value)
{
	struct parse *p = config;
	struct config_device dev = { .model = at->opt->data };
	int ret;

	if (!*value)
		return need_value(at);
	if (!at->file && !strcmp(value, "help")) {
		config_device_help(dev.model, stdout);
		if (dev.model->describe)
			dev.model->describe();
		return -ECANCELED;
	}
	p->models_seen |= model_bit(dev.model);
	if (!strcmp(value, "off") || (!strcmp(value, "none") && takes_none(dev.model))) {
		remove_devices(p->cfg, dev.model);
		return 0;
	}
	ret = config_device_parse(&dev, at, value);
	if (ret < 0)
		return ret;
	if (!dev.model->multiple)
		remove_devices(p->cfg, dev.model);
	return add_device(p->cfg, &dev, at->label);
}

static bool has_device(const struct config *cfg, const struct virtio_model *model)
{
	for (unsigned i = 0; i < cfg->n_devices; i++)
		if (cfg->devices[i].model == model)
			return true;
	return false;
}

/* What comes with a device of @model, unless its own option said something. */
static int add_companions(const struct parse *p, const struct virtio_model *model)
{
	int ret = 0;

	for (const struct virtio_companion *c = model->companions; c && c->model && ret == 0; c++) {
		struct config_device dev = { .model = c->model };
		const struct opt_at at = { .label = c->model->name };

		if (p->models_seen & model_bit(c->model))
			continue;
		ret = config_device_parse(&dev, &at, c->value);
		if (ret == 0)
			ret = add_device(p->cfg, &dev, c->model->name);
	}
	return ret;
}

static int add_defaults(const struct parse *p)
{
	int ret = 0;

	for (unsigned i = 0; virtio_models[i] && ret == 0; i++) {
		struct config_device dev = { .model = virtio_models[i], .by_default = true };

		if (!dev.model->by_default || (p->models_seen & model_bit(dev.model)))
			continue;
		ret = config_device_default(&dev);
		if (ret == 0)
			ret = add_device(p->cfg, &dev, dev.model->name);
	}
	for (unsigned i = 0; virtio_models[i] && ret == 0; i++)
		if (has_device(p->cfg, virtio_models[i]))
			ret = add_companions(p, virtio_models[i]);
	return ret;
}

/* --- options for the program itself ------------------------------------------ */

static int command_line_only(const struct opt_at *at)
{
	log_error("%s: only on the command line", at->label);
	return -EINVAL;
}

static int set_config(void *config, const struct opt_at *at, const char *value)
{
	struct parse *p = config;

	if (at->file)
		return command_line_only(at);
	if (!*value)
		return need_value(at);
	return opts_parse_file(p->opts, p, value);
}

static int set_dump(void *config, const struct opt_at *at, const char *value)
{
	struct parse *p = config;

	if (at->file)
		return command_line_only(at);
	p->dump = !strcmp(value, "on");
	return 0;
}

static int set_help(void *config, const struct opt_at *at, const char *value)
{
	struct parse *p = config;

	if (at->file)
		return command_line_only(at);
	printf("Usage: microvm --kernel FILE [OPTION...]\n"
	       "Runs one guest kernel in a virtual machine, on KVM.\n\n");
	opts_print(p->opts, stdout);
	printf("\n"
	       "CHARDEV is stdio, null, pty[:LINK], unix:PATH or file:PATH.\n"
	       "A device's keys: microvm --rng help.\n"
	       "Keys on a terminal: ctrl-a x ends, ctrl-a h lists the others.\n"
	       "Exit status: 0 the guest or you ended it, 1 host failure, 2 bad option or input\n"
	       "file, 3 guest panic, 4 triple fault, 5 KVM error, 6 timeout, 7 signal,\n"
	       "32+N testdev reported N. More: man microvm\n");
	return -ECANCELED;
}

static int set_version(void *config, const struct opt_at *at, const char *value)
{
	if (at->file)
		return command_line_only(at);
	puts("microvm " MICROVM_VERSION);
	return -ECANCELED;
}

/* --- the table --------------------------------------------------------------- */

#define GUEST "Guest"
#define RUNNING "Running and ending"
#define DEBUGGING "Debugging"
#define ABOUT "Options and help"

static const struct opt guest_options[] = {
	{ "kernel", "FILE", GUEST, KERNELS " to boot", .set = set_text,
	  .data = FIELD(kernel) },
	{ "initrd", "FILE", GUEST, "initial RAM disk", .set = set_text, .data = FIELD(initrd) },
	{ "append", "STRING", GUEST, "words for the kernel's command line; several add up",
	  .multiple = true, .set = set_append },
	{ "memory", "SIZE", GUEST, "RAM, such as 256M or 4G (512M)", .set = set_memory },
	{ "cpus", "N", GUEST, "virtual CPUs, 1 to 255 (1)", .set = set_cpus },
	{ "name", "NAME", GUEST, "of the guest (microvm)", .set = set_name, .data = FIELD(name) },
	{ "serial", "CHARDEV|none", "Devices",
	  "what the first serial port is connected to (stdio; none when a console is)",
	  .set = set_text, .data = FIELD(serial) },
};

/* Where guests are described by a device tree. */
static const struct opt arm_options[] = {
	{ "dtb", "FILE", GUEST, "device tree of the machine (one made for it)", .set = set_text,
	  .data = FIELD(dtb) },
	{ "boot", "FILE", GUEST, "SD card of a Raspberry Pi 2, image or directory: boot as it does",
	  .set = set_text, .data = FIELD(boot) },
	{ "cpu", "32|64", GUEST, "width of the CPUs (the kernel's)", .set = set_word,
	  .data = FIELD(cpu) },
	{ "gic", "2|3|none", GUEST, "version of the interrupt controller (the host's)", .set = set_word,
	  .data = FIELD(gic) },
	{ "uart", "pl011|16550", "Devices", "kind of the first serial port (pl011)",
	  .set = set_word, .data = FIELD(uart) },
	{ "framebuffer", "WxH|on", "Devices", "show the picture of a Raspberry Pi 2, without --gpu",
	  .set = set_text, .data = FIELD(framebuffer) },
	{ "dump-dtb", "FILE", DEBUGGING, "write the device tree that the guest gets to FILE",
	  .set = set_text, .data = FIELD(dump_dtb) },
};

static const struct opt other_options[] = {
	{ "no-reboot", NULL, RUNNING, "end when the guest reboots", .set = set_flag,
	  .data = FIELD(no_reboot) },
	{ "timeout", "SECONDS", RUNNING, "end after that time (0: never)", .set = set_timeout },
	{ "control", "FILE", RUNNING, "socket for microvm-ctl, to be made", .set = set_text,
	  .data = FIELD(control) },
	{ "testdev", NULL, DEBUGGING, "add the device that test payloads report to",
	  .set = set_flag, .data = FIELD(testdev) },
	{ "stats", "FILE", DEBUGGING, "write exits and times to FILE at the end, as JSON",
	  .set = set_text, .data = FIELD(stats) },
	{ "verbose", NULL, DEBUGGING, "say more; twice, everything (-v, -vv)", .multiple = true,
	  .set = set_verbose, .data = &(const int){ 1 } },
	{ "v", NULL, DEBUGGING, NULL, true, set_verbose, &(const int){ 1 } },
	{ "vv", NULL, DEBUGGING, NULL, true, set_verbose, &(const int){ 2 } },
	{ "config", "FILE", ABOUT, "read options from FILE: lines of name = value",
	  .multiple = true, .set = set_config },
	{ "dump-config", NULL, ABOUT, "print all options in effect as such a file, and end",
	  .set = set_dump },
	{ "help", NULL, ABOUT, "print this text (-h)", .set = set_help },
	{ "h", NULL, ABOUT, NULL, .set = set_help },
	{ "version", NULL, ABOUT, "print the version", .set = set_version },
};

static struct opt device_option(const struct virtio_model *model)
{
	return (struct opt){
		.name = model->name,
		/* Without this, a value could not be told from a flag. */
		.arg = model->arg ? model->arg : "KEY=VALUE",
		.group = "Devices",
		.help = model->help,
		.multiple = model->multiple,
		.set = set_device,
		.data = model,
	};
}

static void build_table(struct opt opts[OPTS_MAX + 1])
{
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(guest_options); i++)
		opts[n++] = guest_options[i];
	for (unsigned i = 0; i < ARRAY_SIZE(arm_options); i++) {
		opts[n] = arm_options[i];
		if (!FOR_ARM) {
			opts[n].help = NULL;
			opts[n].set = set_for_arm;
		}
		n++;
	}
	for (unsigned i = 0; virtio_models[i]; i++) {
		assert(n + ARRAY_SIZE(other_options) < OPTS_MAX);
		opts[n++] = device_option(virtio_models[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(other_options); i++)
		opts[n++] = other_options[i];
	opts[n] = (struct opt){ 0 };
}

/* --- how they fit together --------------------------------------------------- */

/* The terminal has one user: a console that asks for it, else the serial port. */
static int decide_serial(struct config *cfg, const struct config_device **console)
{
	for (unsigned i = 0; i < cfg->n_devices; i++) {
		const struct config_device *dev = &cfg->devices[i];

		if (!config_device_on_stdio(dev))
			continue;
		if (*console) {
			log_error("--%s and --%s both use stdio; connect one of them elsewhere",
				  (*console)->model->name, dev->model->name);
			return -EINVAL;
		}
		*console = dev;
	}
	if (!cfg->serial)
		return take_text(&cfg->serial, strdup(*console ? "none" : "stdio"));
	if (*console && !strcmp(cfg->serial, "stdio")) {
		log_error("--serial and --%s both use stdio; connect one of them elsewhere",
			  (*console)->model->name);
		return -EINVAL;
	}
	return 0;
}

/* Whether the words for the kernel, not those for init behind "--", have a console=. */
static bool has_console(const char *append)
{
	size_t len;

	for (const char *word = append; *word; word += len + strspn(word + len, " \t")) {
		len = strcspn(word, " \t");
		if (len == 2 && !memcmp(word, "--", 2))
			return false;
		if (!strncmp(word, "console=", 8))
			return true;
	}
	return false;
}

/* Linux counts hvc devices in the order in which it finds them. */
static unsigned console_index(const struct config *cfg, const struct config_device *console)
{
	unsigned n = 0;

	for (const struct config_device *dev = cfg->devices; dev < console; dev++)
		n += dev->model == console->model;
	return n;
}

static int decide_console(struct config *cfg, const struct config_device *console)
{
	char tty[16] = "ttyS0", *text;

	if (has_console(cfg->append))
		return 0;
	if (console && !strcmp(console->model->name, "console") &&
	    !strcmp(console->opts.first, "stdio"))
		snprintf(tty, sizeof(tty), "hvc%u", console_index(cfg, console));
	else if (!strcmp(cfg->serial, "null") || !strcmp(cfg->serial, "none"))
		return 0;
	else if (FOR_ARM)	/* a device tree names the port itself, /chosen/stdout-path */
		return 0;
	if (asprintf(&text, "console=%s%s%s", tty, *cfg->append ? " " : "", cfg->append) < 0)
		text = NULL;
	return take_text(&cfg->append, text);
}

static int decide(const struct parse *p)
{
	const struct config_device *console = NULL;
	int ret = add_defaults(p);

	if (ret == 0)
		ret = decide_serial(p->cfg, &console);
	if (ret == 0)
		ret = decide_console(p->cfg, console);
	return ret;
}

static int need_kernel(const struct config *cfg)
{
	if (cfg->kernel || cfg->boot)
		return 0;
	log_error("no kernel: --kernel FILE says what to boot, --help lists all options");
	return -EINVAL;
}

/* --- entry points ------------------------------------------------------------ */

static int config_init(struct config *cfg)
{
	*cfg = (struct config){
		.name = strdup("microvm"),
		.append = strdup(""),
		.memory = MEMORY_DEFAULT,
		.cpus = 1,
	};
	if (cfg->name && cfg->append)
		return 0;
	log_error("out of memory");
	return -ENOMEM;
}

static int dump(const struct config *cfg)
{
	int ret = config_dump(cfg, stdout);

	if (ret < 0)
		log_error("--dump-config: %s", strerror(-ret));
	return ret < 0 ? ret : -ECANCELED;
}

static enum config_result result(struct config *cfg, int ret)
{
	if (ret == 0)
		return CONFIG_RUN;
	config_finish(cfg);
	return ret == -ECANCELED && opts_printed() == 0 ? CONFIG_DONE : CONFIG_ERROR;
}

enum config_result config_parse(struct config *cfg, int argc, char *const argv[])
{
	struct opt opts[OPTS_MAX + 1];
	struct parse p = { .cfg = cfg, .opts = opts };
	int ret = config_init(cfg);

	build_table(opts);
	if (ret == 0)
		ret = opts_parse_argv(opts, &p, argc, argv);
	if (ret == 0)
		ret = decide(&p);
	if (ret == 0)
		ret = p.dump ? dump(cfg) : need_kernel(cfg);
	return result(cfg, ret);
}

enum config_result config_parse_text(struct config *cfg, const char *name, const char *text,
				     size_t len)
{
	struct opt opts[OPTS_MAX + 1];
	struct parse p = { .cfg = cfg, .opts = opts };
	int ret = config_init(cfg);

	build_table(opts);
	if (ret == 0)
		ret = opts_parse_text(opts, &p, name, text, len);
	if (ret == 0)
		ret = decide(&p);
	return result(cfg, ret);
}

void config_finish(struct config *cfg)
{
	for (unsigned i = 0; i < cfg->n_devices; i++)
		opt_value_finish(&cfg->devices[i].opts);
	free(cfg->name);
	free(cfg->kernel);
	free(cfg->initrd);
	free(cfg->append);
	free(cfg->serial);
	free(cfg->stats);
	free(cfg->control);
	free(cfg->dtb);
	free(cfg->boot);
	free(cfg->dump_dtb);
	free(cfg->gic);
	free(cfg->cpu);
	free(cfg->uart);
	free(cfg->framebuffer);
	*cfg = (struct config){ 0 };
}
