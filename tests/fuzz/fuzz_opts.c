/* SPDX-License-Identifier: MIT */
/*
 * The same bytes as a configuration file for the program's own table, as a
 * device's value, as a command line, as a number. A file that is taken must
 * come back from config_dump() as it was.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define MAX_INPUT 4096
#define MAX_WORDS 16

/* Every kind of value; also keeps the real devices, and so the real log, out of the link. */
static const struct opt_key keys[] = {
	{ "ro", NULL, "flag" },
	{ "file", "FILE", "path" },
	{ "log", "CHARDEV...", "character devices" },
	{ "serial", "TEXT", "text" },
	{ 0 },
};

static const struct virtio_model rng = {
	.name = "rng", .arg = "on|off", .help = "-", .by_default = true,
};
static const struct virtio_model console = {
	.name = "console", .arg = "CHARDEV", .help = "-", .keys = keys, .multiple = true,
};
static const struct virtio_model disk = {
	.name = "disk", .arg = "FILE", .help = "-", .keys = keys, .multiple = true,
};
static const struct virtio_model net = { .name = "net", .help = "-", .keys = keys };

const struct virtio_model *const virtio_models[] = { &rng, &console, &disk, &net, NULL };

/* Formats as the real one, so that a sanitizer sees what it would read. */
void log_msg(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
}

static void require(bool good)
{
	if (!good)
		abort();
}

/* --- a file ------------------------------------------------------------------- */

static char *dump(const struct config *cfg)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	require(out && config_dump(cfg, out) == 0 && fclose(out) == 0);
	return text;
}

static void check_config(const struct config *cfg)
{
	require(cfg->memory >= CONFIG_MIN_MEMORY && cfg->memory <= CONFIG_MAX_MEMORY);
	require(cfg->memory % (4 * KiB) == 0);
	require(cfg->cpus >= 1 && cfg->cpus <= CONFIG_MAX_CPUS);
	require(cfg->n_devices <= CONFIG_MAX_DEVICES);
	require(cfg->append && cfg->serial && cfg->name);
}

/* A socket's path may fit from beside its file and not from the root, as a dump has it. */
static bool has_long_socket(const char *text, size_t len)
{
	const char *p = text, *end = text + len;

	for (; (p = memmem(p, end - p, "unix:", 5)); p += 5) {
		const char *newline = memchr(p, '\n', end - p);

		if ((newline ? newline : end) - p > 40)
			return true;
	}
	return false;
}

static void fuzz_file(const char *text, size_t len)
{
	struct config cfg, back;
	char *first, *second;

	if (has_long_socket(text, len))
		return;
	if (config_parse_text(&cfg, "dir/fuzz.conf", text, len) != CONFIG_RUN)
		return;
	check_config(&cfg);
	first = dump(&cfg);
	require(config_parse_text(&back, "/other/dump.conf", first, strlen(first)) == CONFIG_RUN);
	second = dump(&back);
	require(!strcmp(first, second));
	free(first);
	free(second);
	config_finish(&cfg);
	config_finish(&back);
}

/* --- a value ------------------------------------------------------------------- */

static void fuzz_value(const char *text)
{
	struct opt_value v;
	size_t len = strlen(text);

	if (opt_value_parse(&v, "--fuzz", text, keys) < 0)
		return;
	require(v.n_pairs <= OPT_MAX_PAIRS);
	require(!v.first || (v.first >= v.text && v.first + strlen(v.first) <= v.text + len));
	for (unsigned i = 0; i < v.n_pairs; i++)
		require(opt_value_get(&v, v.pairs[i].key) != NULL);
	opt_value_flag(&v, "ro", false);
	opt_value_finish(&v);
}

static void fuzz_number(const char *text)
{
	uint64_t n = 0;

	if (opt_parse_number(text, 3, 300, &n) == 0)
		require(n >= 3 && n <= 300);
	opt_parse_size(text, &n);
}

/* --- a command line ------------------------------------------------------------- */

static int take(void *config, const struct opt_at *at, const char *value)
{
	require(strlen(value) <= MAX_INPUT && !at->file);
	return 0;
}

static const struct opt table[] = {
	{ "kernel", "FILE", "-", "-", .set = take },
	{ "append", "STRING", "-", "-", .multiple = true, .set = take },
	{ "quiet", NULL, "-", "-", .set = take },
	{ 0 },
};

/* A word a line; changes @text. */
static void fuzz_argv(char *text)
{
	char *argv[MAX_WORDS + 2] = { "microvm" };
	int argc = 1;

	for (char *word = text; word && argc <= MAX_WORDS; argc++)
		argv[argc] = strsep(&word, "\n");
	opts_parse_argv(table, NULL, argc, argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[MAX_INPUT + 1];

	if (size > MAX_INPUT)
		return 0;
	/* Without a NUL behind it: the length must do. */
	fuzz_file((const char *)data, size);
	memcpy(text, data, size);
	text[size] = '\0';
	fuzz_value(text);
	fuzz_number(text);
	fuzz_argv(text);
	return 0;
}
