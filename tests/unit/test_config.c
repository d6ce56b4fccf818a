/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/capture.h"
#include "vmm/config.h"
#include "vmm/util.h"

/* --- models, in place of those of the build -------------------------------------- */

static const struct opt_key port_keys[] = {
	{ "name", "TEXT", "of the port" },
	{ "log", "CHARDEV", "a copy of the output" },
	{ "more", "CHARDEV...", "further ports" },
	{ 0 },
};

static const struct opt_key disk_keys[] = {
	{ "ro", NULL, "read-only" },
	{ "over", "FILE", "a base image" },
	{ 0 },
};

static const struct virtio_model rng = {
	.name = "rng", .arg = "on|off", .help = "random numbers", .by_default = true,
};
static const struct virtio_model console = {
	.name = "console", .arg = "CHARDEV", .help = "a console", .keys = port_keys,
	.multiple = true,
};
static const struct virtio_model disk = {
	.name = "disk", .arg = "FILE", .help = "a disk", .keys = disk_keys, .multiple = true,
};
static const struct virtio_model gadget = {
	.name = "gadget", .help = "has keys only", .external = true,
};

static const struct virtio_model pair = {
	.name = "pair", .arg = "on|off", .help = "comes with a disk and another",
	.companions = (const struct virtio_companion[]){
		{ &disk, "/1" }, { &disk, "/2,ro" }, { 0 },
	},
};

const struct virtio_model *const virtio_models[] = {
	&rng, &console, &disk, &gadget, &pair, NULL,
};

/* --- helpers ------------------------------------------------------------------------ */

/* A guest with a device tree finds its console there. */
#ifdef __aarch64__
#define SERIAL ""
#define SERIAL_AND(words) words
#else
#define SERIAL "console=ttyS0"
#define SERIAL_AND(words) SERIAL " " words
#endif

#define PARSE(cfg, ...) config_parse(cfg, ARRAY_SIZE(((char *[]){ "microvm", ##__VA_ARGS__ })), \
				     (char *[]){ "microvm", ##__VA_ARGS__, NULL })

#define assert_runs(cfg, ...) assert_int_equal(PARSE(cfg, ##__VA_ARGS__), CONFIG_RUN)

static void assert_one_line(char *text, const char *what)
{
	char *newline = strchr(text, '\n');

	if (strncmp(text, "microvm: ", 9) || !newline || newline[1] || !strstr(text, what))
		fail_msg("expected one line with '%s', got '%s'", what, text);
	free(text);
}

#define assert_refused(what, ...) do {			\
	struct config cfg_;				\
	struct capture c_;				\
	enum config_result result_;			\
	capture_begin(&c_, 2);				\
	result_ = PARSE(&cfg_, ##__VA_ARGS__);		\
	assert_one_line(capture_end(&c_), what);	\
	assert_int_equal(result_, CONFIG_ERROR);	\
} while (0)

/* A run that prints and is done; the text, to be freed. */
#define PRINTED(...) ({					\
	struct config cfg_;				\
	struct capture c_;				\
	enum config_result result_;			\
	capture_begin(&c_, 1);				\
	result_ = PARSE(&cfg_, ##__VA_ARGS__);		\
	char *text_ = capture_end(&c_);			\
	assert_int_equal(result_, CONFIG_DONE);		\
	text_;						\
})

struct dir {
	char path[64], file[80], other[80];
};

static int make_dir(void **state)
{
	struct dir *d = calloc(1, sizeof(*d));

	strcpy(d->path, "/tmp/microvm-test-XXXXXX");
	if (!mkdtemp(d->path))
		return -1;
	snprintf(d->file, sizeof(d->file), "%s/t.conf", d->path);
	snprintf(d->other, sizeof(d->other), "%s/u.conf", d->path);
	*state = d;
	return 0;
}

static int remove_dir(void **state)
{
	struct dir *d = *state;

	unlink(d->file);
	unlink(d->other);
	rmdir(d->path);
	free(d);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static const struct config_device *find_device(const struct config *cfg,
					       const struct virtio_model *model)
{
	for (unsigned i = 0; i < cfg->n_devices; i++)
		if (cfg->devices[i].model == model)
			return &cfg->devices[i];
	return NULL;
}

/* --- defaults and plain options ------------------------------------------------------ */

static void defaults_are_a_serial_console_and_a_generator(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel", "k");
	assert_string_equal(cfg.kernel, "k");
	assert_null(cfg.initrd);
	assert_null(cfg.stats);
	assert_string_equal(cfg.append, SERIAL);
	assert_int_equal(cfg.memory, 512 * MiB);
	assert_int_equal(cfg.cpus, 1);
	assert_string_equal(cfg.name, "microvm");
	assert_string_equal(cfg.serial, "stdio");
	assert_false(cfg.no_reboot);
	assert_false(cfg.testdev);
	assert_int_equal(cfg.timeout_s, 0);
	assert_int_equal(cfg.verbose, 0);
	assert_int_equal(cfg.n_devices, 1);
	assert_ptr_equal(cfg.devices[0].model, &rng);
	assert_string_equal(cfg.devices[0].opts.first, "on");
	config_finish(&cfg);
	config_finish(&cfg);
}

static void every_option_reaches_its_field(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=k", "--initrd=i", "--append=a", "--memory=1G", "--cpus=255",
		    "--name=n", "--serial=null", "--no-reboot", "--timeout=60", "--testdev",
		    "--stats=s", "--verbose");
	assert_string_equal(cfg.kernel, "k");
	assert_string_equal(cfg.initrd, "i");
	assert_string_equal(cfg.append, "a");
	assert_int_equal(cfg.memory, GiB);
	assert_int_equal(cfg.cpus, 255);
	assert_string_equal(cfg.name, "n");
	assert_string_equal(cfg.serial, "null");
	assert_true(cfg.no_reboot);
	assert_int_equal(cfg.timeout_s, 60);
	assert_true(cfg.testdev);
	assert_string_equal(cfg.stats, "s");
	assert_int_equal(cfg.verbose, 1);
	config_finish(&cfg);
}

static void verbose_adds_up(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=k", "-vv", "-v", "--verbose");
	assert_int_equal(cfg.verbose, 4);
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "-vv", "--verbose=off");
	assert_int_equal(cfg.verbose, 0);
	config_finish(&cfg);
}

static void memory_is_bounded_and_whole_pages(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=k", "--memory=4M");
	assert_int_equal(cfg.memory, CONFIG_MIN_MEMORY);
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--memory=1024G");
	assert_int_equal(cfg.memory, CONFIG_MAX_MEMORY);
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--memory=5124K");
	assert_int_equal(cfg.memory, 5124 * KiB);
	config_finish(&cfg);
	assert_refused("--memory 12Q: not a size", "--memory", "12Q");
	assert_refused("--memory : not a size", "--memory=");
	assert_refused("--memory 4095K: less than 4M", "--memory", "4095K");
	assert_refused("--memory 512: less than 4M; without a unit it is bytes", "--memory", "512");
	assert_refused("--memory 1025G: more than 1024G", "--memory", "1025G");
	assert_refused("--memory 99999999999T: more than 1024G", "--memory", "99999999999T");
	assert_refused("--memory 8388609: not a multiple of 4K", "--memory", "8388609");
}

static void numbers_are_bounded(void **state)
{
	assert_refused("--cpus 0: not a whole number from 1 to 255", "--cpus", "0");
	assert_refused("--cpus 256: not a whole number from 1 to 255", "--cpus", "256");
	assert_refused("--cpus two: not a whole number from 1 to 255", "--cpus", "two");
	assert_refused("--cpus -1: not a whole number", "--cpus", "-1");
	assert_refused("--timeout 31536001: not a whole number from 0 to 31536000", "--timeout",
		       "31536001");
	assert_refused("--timeout 1.5: not a whole number", "--timeout", "1.5");
}

static void empty_values_are_refused(void **state)
{
	assert_refused("--kernel needs a value: FILE", "--kernel=");
	assert_refused("--initrd needs a value: FILE", "--initrd", "");
	assert_refused("--stats needs a value: FILE", "--stats=");
	assert_refused("--name needs a value: NAME", "--name=");
	assert_refused("--serial needs a value: CHARDEV", "--serial=");
	assert_refused("--config needs a value: FILE", "--config=");
	assert_refused("--rng needs a value: on|off", "--rng=");
}

static void name_has_a_limit(void **state)
{
	struct config cfg;
	char name[66];

	memset(name, 'n', sizeof(name));
	name[64] = '\0';
	assert_runs(&cfg, "--kernel=k", "--name", name);
	assert_string_equal(cfg.name, name);
	config_finish(&cfg);
	name[64] = 'n';
	name[65] = '\0';
	assert_refused("longer than 64 bytes", "--name", name);
}

static void kernel_is_required_and_help_is_mentioned(void **state)
{
	assert_refused("no kernel: --kernel FILE says what to boot, --help lists all options");
	assert_refused("no kernel", "--memory", "1G");
}

static void unknown_options_name_the_nearest(void **state)
{
	assert_refused("unknown option --kernal; did you mean --kernel?", "--kernal", "k");
	assert_refused("unknown option --mem; did you mean --memory?", "--mem=1G");
	assert_refused("unknown option --smp; --help lists them", "--smp", "2");
	assert_refused("unknown option --consol; did you mean --console?", "--consol", "stdio");
	assert_refused("unexpected word 'bzImage'", "bzImage");
	assert_refused("--kernel: given twice", "--kernel=a", "--kernel=b");
}

/* --- the kernel command line ---------------------------------------------------------- */

static void assert_append(const char *expected, struct config *cfg)
{
	assert_string_equal(cfg->append, expected);
	config_finish(cfg);
}

static void append_adds_up_behind_the_console(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=k", "--append", "a b", "--append", "c");
	assert_append(SERIAL_AND("a b c"), &cfg);
	assert_runs(&cfg, "--kernel=k", "--append", "", "--append", "c", "--append=");
	assert_append(SERIAL_AND("c"), &cfg);
}

static void append_with_a_console_is_left_alone(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=k", "--append", "quiet console=tty0");
	assert_append("quiet console=tty0", &cfg);
	assert_runs(&cfg, "--kernel=k", "--append", "console=");
	assert_append("console=", &cfg);
	/* These are no console= for the kernel. */
	assert_runs(&cfg, "--kernel=k", "--append", "netconsole=x  earlycon");
	assert_append(SERIAL_AND("netconsole=x  earlycon"), &cfg);
	assert_runs(&cfg, "--kernel=k", "--append", "quiet -- console=x");
	assert_append(SERIAL_AND("quiet -- console=x"), &cfg);
	assert_runs(&cfg, "--kernel=k", "--append", "--x console=y");
	assert_append("--x console=y", &cfg);
}

static void append_follows_the_terminal(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=k", "--console", "stdio");
	assert_append("console=hvc0", &cfg);
	assert_runs(&cfg, "--kernel=k", "--console", "null");
	assert_append(SERIAL, &cfg);
	assert_runs(&cfg, "--kernel=k", "--serial", "null", "--append", "a");
	assert_append("a", &cfg);
	assert_runs(&cfg, "--kernel=k", "--serial", "none");
	assert_append("", &cfg);
	assert_runs(&cfg, "--kernel=k", "--serial", "file:f");
	assert_append(SERIAL, &cfg);
	assert_runs(&cfg, "--kernel=k", "--serial", "file:f", "--console", "stdio");
	assert_append("console=hvc0", &cfg);
	assert_runs(&cfg, "--kernel=k", "--console", "null", "--rng=bus=pci", "--console=stdio");
	assert_append("console=hvc1", &cfg);
	/* The terminal has what a further port says, and that is no console. */
	assert_runs(&cfg, "--kernel=k", "--console", "null,more=pty,more=stdio");
	assert_append("", &cfg);
}

/* --- who uses the terminal ------------------------------------------------------------- */

static void serial_gives_way_to_a_console_on_stdio(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=k", "--console", "stdio");
	assert_string_equal(cfg.serial, "none");
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--console", "null,log=stdio");
	assert_string_equal(cfg.serial, "none");
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--console", "file:stdio");
	assert_string_equal(cfg.serial, "stdio");
	config_finish(&cfg);
	/* A file of that name is not the terminal. */
	assert_runs(&cfg, "--kernel=k", "--disk", "stdio");
	assert_string_equal(cfg.serial, "stdio");
	config_finish(&cfg);
}

static void two_users_of_stdio_are_refused(void **state)
{
	assert_refused("--serial and --console both use stdio", "--kernel=k", "--serial=stdio",
		       "--console=stdio");
	assert_refused("--serial and --console both use stdio", "--kernel=k", "--console=stdio",
		       "--serial=stdio");
	assert_refused("--console and --console both use stdio", "--kernel=k", "--console=stdio",
		       "--console=null,log=stdio");
	assert_refused("--console and --console both use stdio", "--kernel=k",
		       "--console=null,more=pty,more=stdio", "--console=stdio");
}

static void character_devices_are_known_kinds(void **state)
{
	static const char kinds[] = "one of stdio, null, pty[:LINK], unix:PATH and file:PATH";
	char longest[] = "unix:/23456789/123456789/123456789/123456789/123456789/123456789"
			 "/123456789/123456789/123456789/123456789/1234567x";
	struct config cfg;

	assert_refused("--serial stdoi: none, or one of stdio, null, pty", "--serial", "stdoi");
	assert_refused(kinds, "--serial", "file:");
	assert_refused(kinds, "--serial", "help");
	assert_refused("--console ptty: one of stdio", "--console", "ptty");
	assert_refused(kinds, "--console", "null,log=x");
	assert_refused(kinds, "--console", "null,more=null,more=x");
	assert_refused("a socket's path has 107 bytes at most", "--console", longest);
	longest[5 + 107] = '\0';
	assert_runs(&cfg, "--kernel=k", "--serial=pty", "--console", longest, "--console=pty:l");
	config_finish(&cfg);
}

/* --- devices ---------------------------------------------------------------------------- */

static void device_values_reach_the_device(void **state)
{
	struct config cfg;
	const struct config_device *dev;

	assert_runs(&cfg, "--kernel=k", "--disk", "a.img,ro", "--disk", "b,,c.img,bus=mmio");
	assert_int_equal(cfg.n_devices, 3);
	dev = &cfg.devices[0];
	assert_ptr_equal(dev->model, &disk);
	assert_string_equal(dev->opts.first, "a.img");
	assert_true(opt_value_flag(&dev->opts, "ro", false));
	assert_false(dev->mmio);
	dev = &cfg.devices[1];
	assert_string_equal(dev->opts.first, "b,c.img");
	assert_true(dev->mmio);
	assert_false(dev->packed);
	assert_ptr_equal(cfg.devices[2].model, &rng);
	config_finish(&cfg);
}

static void device_by_default_can_be_moved_and_removed(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=k");
	assert_true(find_device(&cfg, &rng)->by_default);
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--rng", "on");
	assert_false(find_device(&cfg, &rng)->by_default);
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--rng", "off");
	assert_int_equal(cfg.n_devices, 0);
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--rng", "bus=mmio");
	assert_int_equal(cfg.n_devices, 1);
	assert_true(cfg.devices[0].mmio);
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--rng", "on,bus=pci");
	assert_int_equal(cfg.n_devices, 1);
	assert_false(cfg.devices[0].mmio);
	assert_false(cfg.devices[0].packed);
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--rng", "packed", "--gadget", "packed=off");
	assert_true(find_device(&cfg, &rng)->packed);
	assert_false(find_device(&cfg, &gadget)->packed);
	config_finish(&cfg);
}

static void device_brings_its_companions_unless_they_are_spoken_of(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=k", "--pair=on");
	assert_int_equal(cfg.n_devices, 4);
	assert_string_equal(find_device(&cfg, &disk)->opts.first, "/1");
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--disk=/own", "--pair=on");
	assert_int_equal(cfg.n_devices, 3);
	assert_string_equal(find_device(&cfg, &disk)->opts.first, "/own");
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--pair=on", "--disk=off");
	assert_int_equal(cfg.n_devices, 2);
	config_finish(&cfg);
	/* What was taken back brings nothing. */
	assert_runs(&cfg, "--kernel=k", "--pair=on", "--rng=off", "--disk=off");
	assert_int_equal(cfg.n_devices, 1);
	config_finish(&cfg);
	assert_runs(&cfg, "--kernel=k", "--pair=off");
	assert_int_equal(cfg.n_devices, 1);
	config_finish(&cfg);
}

static void device_with_keys_only(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=k", "--gadget", "bus=mmio", "--rng=off");
	assert_true(find_device(&cfg, &gadget)->mmio);
	config_finish(&cfg);
	assert_refused("--gadget: unknown key 'x'", "--gadget", "x");
	assert_refused("--gadget needs a value: KEY=VALUE", "--gadget");
}

static void device_refusals_name_the_word(void **state)
{
	assert_refused("--rng of: one of on|off", "--rng", "of");
	assert_refused("--rng: bus=isa: one of pci|mmio", "--rng", "on,bus=isa");
	assert_refused("--rng: unknown key 'bsu'; did you mean 'bus'?", "--rng", "on,bsu=pci");
	assert_refused("--console: CHARDEV has to come first", "--console", "bus=pci");
	assert_refused("--console: unknown key 'nmae'; did you mean 'name'?", "--console",
		       "null,nmae=x");
	assert_refused("--gadget: given twice", "--gadget", "bus=pci", "--gadget", "bus=pci");
	assert_refused("--disk: 'packed' is on or off, not 'maybe'", "--disk", "a,packed=maybe");
	assert_refused("--gadget: no packed: its queues are served outside of microvm, as split "
		       "ones", "--gadget", "packed");
	assert_refused("--disk: 'over' needs a value: over=FILE", "--disk", "a,over");
}

static void devices_have_a_limit(void **state)
{
	char *argv[2 + CONFIG_MAX_DEVICES + 1 + 1] = { "microvm", "--kernel=k" };
	struct config cfg;
	struct capture c;
	enum config_result result;
	int argc = 2;

	for (unsigned i = 0; i < CONFIG_MAX_DEVICES; i++)
		argv[argc++] = "--disk=d";
	/* The one that is there by default needs a place too. */
	capture_begin(&c, 2);
	result = config_parse(&cfg, argc, argv);
	assert_one_line(capture_end(&c), "rng: more than 32 devices");
	assert_int_equal(result, CONFIG_ERROR);
	argv[argc++] = "--rng=off";
	assert_int_equal(config_parse(&cfg, argc, argv), CONFIG_RUN);
	assert_int_equal(cfg.n_devices, CONFIG_MAX_DEVICES);
	config_finish(&cfg);
	argv[argc - 1] = "--disk=d";
	capture_begin(&c, 2);
	result = config_parse(&cfg, argc, argv);
	assert_one_line(capture_end(&c), "--disk: more than 32 devices");
	assert_int_equal(result, CONFIG_ERROR);
}

/* --- files --------------------------------------------------------------------------------- */

static void file_and_command_line_in_their_order(void **state)
{
	struct dir *d = *state;
	struct config cfg;

	write_file(d->file, "kernel = /k\nmemory = 1G\ncpus = 2\nappend = a\n"
			    "gadget = bus=pci\ndisk = /d\ntestdev = on\nverbose = on\nserial = null\n");
	assert_runs(&cfg, "--memory=2G", "--append=0", "--config", d->file, "--cpus=3",
		    "--append=b", "--gadget=bus=mmio", "--disk=/e", "--testdev=off", "-v");
	assert_string_equal(cfg.kernel, "/k");
	assert_int_equal(cfg.memory, GiB);	/* the file came later */
	assert_int_equal(cfg.cpus, 3);
	assert_string_equal(cfg.append, "0 a b");
	assert_false(cfg.testdev);
	assert_int_equal(cfg.verbose, 2);
	assert_int_equal(cfg.n_devices, 4);	/* two disks, one gadget, one rng */
	assert_true(find_device(&cfg, &gadget)->mmio);
	config_finish(&cfg);
}

static void a_later_file_overrides_an_earlier_one(void **state)
{
	struct dir *d = *state;
	struct config cfg;

	write_file(d->file, "kernel = /a\ncpus = 2\n");
	write_file(d->other, "kernel = /b\n");
	assert_runs(&cfg, "--config", d->file, "--config", d->other);
	assert_string_equal(cfg.kernel, "/b");
	assert_int_equal(cfg.cpus, 2);
	config_finish(&cfg);
}

static void off_removes_what_a_file_asked_for(void **state)
{
	struct dir *d = *state;
	struct config cfg;

	write_file(d->file, "disk = a\ndisk = b\nconsole = stdio\nrng = bus=mmio\n");
	assert_runs(&cfg, "--kernel=k", "--config", d->file, "--disk=off", "--console=off",
		    "--rng=off");
	assert_int_equal(cfg.n_devices, 0);
	assert_string_equal(cfg.serial, "stdio");
	config_finish(&cfg);
}

static void paths_in_a_file_are_relative_to_it(void **state)
{
	struct dir *d = *state;
	struct config cfg;
	char path[100];

	write_file(d->file, "kernel = k\ninitrd = ../i\nstats = /s\nserial = file:log\n"
			    "console = file:con,,sole,log=null,more=unix:s,more=pty,more=pty:l\ndisk = d,over=o,ro\nname = n\n");
	assert_runs(&cfg, "--config", d->file);
	snprintf(path, sizeof(path), "%s/k", d->path);
	assert_string_equal(cfg.kernel, path);
	snprintf(path, sizeof(path), "%s/../i", d->path);
	assert_string_equal(cfg.initrd, path);
	assert_string_equal(cfg.stats, "/s");
	assert_string_equal(cfg.name, "n");
	snprintf(path, sizeof(path), "file:%s/log", d->path);
	assert_string_equal(cfg.serial, path);
	snprintf(path, sizeof(path), "file:%s/con,sole", d->path);
	assert_string_equal(find_device(&cfg, &console)->opts.first, path);
	assert_string_equal(opt_value_get(&find_device(&cfg, &console)->opts, "log"), "null");
	snprintf(path, sizeof(path), "unix:%s/s", d->path);
	assert_string_equal(find_device(&cfg, &console)->opts.pairs[1].value, path);
	assert_string_equal(find_device(&cfg, &console)->opts.pairs[2].value, "pty");
	snprintf(path, sizeof(path), "pty:%s/l", d->path);
	assert_string_equal(find_device(&cfg, &console)->opts.pairs[3].value, path);
	snprintf(path, sizeof(path), "%s/d", d->path);
	assert_string_equal(find_device(&cfg, &disk)->opts.first, path);
	snprintf(path, sizeof(path), "%s/o", d->path);
	assert_string_equal(opt_value_get(&find_device(&cfg, &disk)->opts, "over"), path);
	config_finish(&cfg);
}

static void paths_in_a_file_of_this_directory_stay(void **state)
{
	struct config cfg;

	assert_int_equal(config_parse_text(&cfg, "t.conf", "kernel = k", 10), CONFIG_RUN);
	assert_string_equal(cfg.kernel, "k");
	config_finish(&cfg);
}

static void assert_text_refused(const char *text, const char *what)
{
	struct config cfg;
	struct capture c;
	enum config_result result;

	capture_begin(&c, 2);
	result = config_parse_text(&cfg, "d/t.conf", text, strlen(text));
	assert_one_line(capture_end(&c), what);
	assert_int_equal(result, CONFIG_ERROR);
}

static void file_errors_name_file_and_line(void **state)
{
	assert_text_refused("\nmemory = 12Q\n", "d/t.conf:2: memory 12Q: not a size");
	assert_text_refused("cpus = 0\n", "d/t.conf:1: cpus 0: not a whole number");
	assert_text_refused("rng = of\n", "d/t.conf:1: rng of: one of on|off");
	assert_text_refused("rng = help\n", "d/t.conf:1: rng help: one of on|off");
	assert_text_refused("rng = \"\"\n", "d/t.conf:1: rng needs a value");
	assert_text_refused("kernel = \"\"\n", "d/t.conf:1: kernel needs a value: FILE");
	assert_text_refused("disk = a,rw\n", "d/t.conf:1: disk: unknown key 'rw'");
	assert_text_refused("gadget = bus=pci\ngadget = bus=pci\n",
			    "d/t.conf:2: gadget: given before, in line 1");
	assert_text_refused("serial = tcp:7\n", "d/t.conf:1: serial tcp:7: none, or one of");
}

static void some_options_are_for_the_command_line_only(void **state)
{
	static const char only[] = "only on the command line";

	assert_text_refused("config = x\n", only);
	assert_text_refused("dump-config = on\n", only);
	assert_text_refused("help = on\n", only);
	assert_text_refused("h = on\n", only);
	assert_text_refused("version = on\n", only);
}

static void file_errors_reach_the_command_line(void **state)
{
	struct dir *d = *state;

	assert_refused("t.conf: No such file or directory", "--config", d->file);
	assert_refused("is a directory", "--config", d->path);
	write_file(d->file, "kernel = k\n\nmemry = 1G\n");
	assert_refused("t.conf:3: unknown option memry; did you mean memory?", "--config", d->file);
}

/* --- what is printed ------------------------------------------------------------------------ */

static void assert_fits(const char *text, unsigned max_lines)
{
	unsigned lines = 0;

	for (const char *end; *text; text = end + 1, lines++) {
		end = strchr(text, '\n');
		assert_non_null(end);
		if (end - text >= 80)
			fail_msg("wider than 79 columns: %.*s", (int)(end - text), text);
	}
	if (lines > max_lines)
		fail_msg("%u lines, more than %u", lines, max_lines);
}

static void help_fits_a_screen(void **state)
{
	char *text = PRINTED("--help");

	assert_fits(text, 59);
	assert_non_null(strstr(text, "  --kernel FILE "));
	assert_non_null(strstr(text, "  --rng on|off "));
	assert_non_null(strstr(text, "  --disk FILE "));
	assert_non_null(strstr(text, "Exit status: 0 "));
	assert_null(strstr(text, "  --vv"));
	free(text);
}

static void help_comes_before_later_mistakes(void **state)
{
	char *text = PRINTED("-h", "--bogus");

	assert_non_null(strstr(text, "Usage: microvm"));
	free(text);
	assert_refused("unknown option --bogus", "--bogus", "--help");
}

static void device_help_lists_its_keys(void **state)
{
	char *text = PRINTED("--disk", "help");

	assert_string_equal(text,
			    "--disk FILE[,KEY=VALUE...]: a disk\n"
			    "  ro                    read-only\n"
			    "  over=FILE             a base image\n"
			    "  bus=pci|mmio          where the guest finds it (pci)\n"
			    "  packed                offers packed virtqueues too\n");
	free(text);
	text = PRINTED("--gadget", "help");
	assert_fits(text, 2);
	assert_null(strstr(text, "packed"));
	free(text);
}

static void version_is_one_line(void **state)
{
	char *text = PRINTED("--version");

	assert_string_equal(text, "microvm " MICROVM_VERSION "\n");
	free(text);
}

static void printing_to_a_full_disk_is_an_error(void **state)
{
	int saved = dup(1), full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	fflush(stdout);
	assert_true(dup2(full, 1) == 1);
	close(full);
	assert_refused("standard output: No space left on device", "--help");
	dup2(saved, 1);
	close(saved);
	clearerr(stdout);
}

/* --- the round trip of --dump-config --------------------------------------------------------- */

static char *dump(const struct config *cfg)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(config_dump(cfg, out), 0);
	fclose(out);
	return text;
}

static void assert_same_devices(const struct config *a, const struct config *b)
{
	assert_int_equal(a->n_devices, b->n_devices);
	for (unsigned i = 0; i < a->n_devices; i++) {
		assert_ptr_equal(a->devices[i].model, b->devices[i].model);
		assert_int_equal(a->devices[i].mmio, b->devices[i].mmio);
	}
}

static void assert_round_trip(struct config *cfg)
{
	char *text = dump(cfg), *again;
	struct config back;

	assert_int_equal(config_parse_text(&back, "/elsewhere/t.conf", text, strlen(text)),
			 CONFIG_RUN);
	assert_string_equal(back.append, cfg->append);
	assert_string_equal(back.name, cfg->name);
	assert_string_equal(back.serial, cfg->serial);
	assert_int_equal(back.memory, cfg->memory);
	assert_int_equal(back.cpus, cfg->cpus);
	assert_int_equal(back.no_reboot, cfg->no_reboot);
	assert_int_equal(back.testdev, cfg->testdev);
	assert_int_equal(back.timeout_s, cfg->timeout_s);
	assert_int_equal(back.verbose, cfg->verbose);
	assert_same_devices(cfg, &back);
	again = dump(&back);
	assert_string_equal(again, text);
	free(again);
	free(text);
	config_finish(&back);
	config_finish(cfg);
}

static void dump_of_the_defaults(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=/k");
	assert_round_trip(&cfg);
}

static void dump_of_companions(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel=/k", "--pair=on");
	assert_round_trip(&cfg);
	assert_runs(&cfg, "--kernel=/k", "--pair=on", "--disk=off");
	assert_round_trip(&cfg);
	assert_runs(&cfg, "--kernel=/k", "--pair=on", "--disk=/own");
	assert_round_trip(&cfg);
}

static void dump_of_everything(void **state)
{
	struct config cfg;

	assert_runs(&cfg, "--kernel", "/a b", "--initrd", "/#i", "--stats", "/\"s\"\\", "--append",
		    "dyndbg=\"file x +p\" # \\ ", "--memory=5124K", "--cpus=7", "--name", " n",
		    "--serial=null", "--no-reboot", "--testdev", "--timeout=9", "-vv", "--disk",
		    "/d,,1,ro=off,over=/o,,", "--disk", "/d=2,ro,bus=mmio", "--console",
		    "stdio,name=a b,log=null", "--rng=off", "--gadget=bus=pci");
	assert_round_trip(&cfg);
}

static void dump_has_absolute_paths(void **state)
{
	char *cwd = getcwd(NULL, 0), *text, line[5000];

	text = PRINTED("--kernel=k", "--disk=d,over=o", "--serial=file:log", "--dump-config");
	snprintf(line, sizeof(line), "kernel = %s/k\n", cwd);
	assert_non_null(strstr(text, line));
	snprintf(line, sizeof(line), "disk = %s/d,over=%s/o\n", cwd, cwd);
	assert_non_null(strstr(text, line));
	snprintf(line, sizeof(line), "serial = file:%s/log\n", cwd);
	assert_non_null(strstr(text, line));
	assert_non_null(strstr(text, "memory = 512M\n"));
	assert_non_null(strstr(text, "rng = on\n"));
	free(text);
	free(cwd);
}

static void dump_needs_no_kernel_but_sense(void **state)
{
	char *text = PRINTED("--dump-config");

	assert_null(strstr(text, "kernel"));
	free(text);
	assert_refused("both use stdio", "--dump-config", "--serial=stdio", "--console=stdio");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_a_serial_console_and_a_generator),
		cmocka_unit_test(every_option_reaches_its_field),
		cmocka_unit_test(verbose_adds_up),
		cmocka_unit_test(memory_is_bounded_and_whole_pages),
		cmocka_unit_test(numbers_are_bounded),
		cmocka_unit_test(empty_values_are_refused),
		cmocka_unit_test(name_has_a_limit),
		cmocka_unit_test(kernel_is_required_and_help_is_mentioned),
		cmocka_unit_test(unknown_options_name_the_nearest),
		cmocka_unit_test(append_adds_up_behind_the_console),
		cmocka_unit_test(append_with_a_console_is_left_alone),
		cmocka_unit_test(append_follows_the_terminal),
		cmocka_unit_test(serial_gives_way_to_a_console_on_stdio),
		cmocka_unit_test(two_users_of_stdio_are_refused),
		cmocka_unit_test(character_devices_are_known_kinds),
		cmocka_unit_test(device_values_reach_the_device),
		cmocka_unit_test(device_by_default_can_be_moved_and_removed),
		cmocka_unit_test(device_brings_its_companions_unless_they_are_spoken_of),
		cmocka_unit_test(device_with_keys_only),
		cmocka_unit_test(device_refusals_name_the_word),
		cmocka_unit_test(devices_have_a_limit),
		cmocka_unit_test_setup_teardown(file_and_command_line_in_their_order, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(a_later_file_overrides_an_earlier_one, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(off_removes_what_a_file_asked_for, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(paths_in_a_file_are_relative_to_it, make_dir,
						remove_dir),
		cmocka_unit_test(paths_in_a_file_of_this_directory_stay),
		cmocka_unit_test(file_errors_name_file_and_line),
		cmocka_unit_test(some_options_are_for_the_command_line_only),
		cmocka_unit_test_setup_teardown(file_errors_reach_the_command_line, make_dir,
						remove_dir),
		cmocka_unit_test(help_fits_a_screen),
		cmocka_unit_test(help_comes_before_later_mistakes),
		cmocka_unit_test(device_help_lists_its_keys),
		cmocka_unit_test(version_is_one_line),
		cmocka_unit_test(printing_to_a_full_disk_is_an_error),
		cmocka_unit_test(dump_of_the_defaults),
		cmocka_unit_test(dump_of_companions),
		cmocka_unit_test(dump_of_everything),
		cmocka_unit_test(dump_has_absolute_paths),
		cmocka_unit_test(dump_needs_no_kernel_but_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
